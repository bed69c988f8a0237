"""
Requests side by side, until there is nothing left to send.

A `Job` is one request. The worker that sends it stores the result in the job, so what came of a request is known even if
an interrupt reaches the run before it has been recorded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from attrs import define, field, frozen

from bitget_spot._bulk.accounts import Call
from bitget_spot._concurrency import Effect, EffectGenerator, Waiter, Workers, open_workers, run_async, run_sync
from bitget_spot._middleware.context import REQUEST_CONTEXT, CancelScope, RequestContext
from bitget_spot.client import SpotClient


@define(eq=False)
class Job(ABC):
    """
    One request, and what is known about it.

    Attributes:
        context: What happens on the way.
        delay: Seconds to wait before it is sent.
        result: The generated function's return value, or the exception that it raised; `None` until then.
        recorded: Its result has been taken into account.
        in_thread: A thread is sending it, which goes on after the run has given up.

    """

    context: RequestContext = field(kw_only=True)
    delay: float = field(default=0.0, kw_only=True)
    result: object = field(default=None, init=False, repr=False)
    recorded: bool = field(default=False, init=False)
    in_thread: bool = field(default=False, init=False)

    @abstractmethod
    def call(self) -> Call | None:
        """Return the call to make; `None` for a job that only waits."""

    @property
    def may_have_left(self) -> bool:
        """Whether it has been sent, or may still be."""
        return self.in_thread or self.context.attempts > 0

    def effect(self, client: SpotClient) -> Effect:
        """Make the call after the delay, and store the result."""

        def perform_sync() -> None:
            self.in_thread = True
            run_sync(self._steps(client))
            self.in_thread = False

        async def perform_async() -> None:
            await run_async(self._steps(client))

        return Effect(perform_sync, perform_async)

    def _steps(self, client: SpotClient) -> EffectGenerator[None]:
        try:
            if self.delay:
                waiter = Waiter()
                with self.context.scope.wake_on_stop(waiter):
                    yield waiter.wait(min(self.delay, self.context.scope.remaining()))
            call = self.call()
            if call is not None:
                self.result = yield effect_of(call, client, self.context)
        except Exception as error:  # noqa: BLE001 - whoever records the job decides what it means
            self.result = error
        except BaseException as error:
            self.result = error
            raise


def effect_of(call: Call, client: SpotClient, context: RequestContext) -> Effect:
    """Return the effect that makes a call."""

    def call_sync() -> object:
        token = REQUEST_CONTEXT.set(context)
        try:
            return call.function.sync(client=client, **call.arguments)
        finally:
            REQUEST_CONTEXT.reset(token)

    async def call_async() -> object:
        token = REQUEST_CONTEXT.set(context)
        try:
            return await call.function.asyncio(client=client, **call.arguments)
        finally:
            REQUEST_CONTEXT.reset(token)

    return Effect(call_sync, call_async)


@frozen
class JobLoop:
    """
    Starts jobs and records them until there are none left.

    Attributes:
        client: Sends the requests.
        scope: Stopped when an exception ends the loop.
        next_jobs: Returns the jobs to start now.
        record: Takes the result of a job into account.

    """

    client: SpotClient
    scope: CancelScope
    next_jobs: Callable[[], Iterable[Job]]
    record: Callable[[Job], None]

    def run(self) -> EffectGenerator[None]:
        """
        Run until no job is running and there is none to start.

        Raises:
            BaseException: What `record` raised, or an interrupt, after the jobs in flight have been recorded.

        """
        workers: Workers = yield open_workers()
        try:
            yield from self._start_and_record(workers)
        except GeneratorExit:
            raise  # the event loop has ended, so nothing can be awaited
        except BaseException:
            self.scope.stop()
            yield from self._drain(workers)
            raise
        finally:
            workers.close()

    def _start_and_record(self, workers: Workers) -> EffectGenerator[None]:
        while True:
            for job in self.next_jobs():
                workers.start(job, job.effect(self.client))
            if not workers.running:
                return
            for job in (yield workers.wait()):
                self._record_once(job)
                workers.remove(job)

    def _drain(self, workers: Workers) -> EffectGenerator[None]:
        """Record the jobs in flight; an exception of a callback is raised at the end, that of a request is not."""
        callback_error: BaseException | None = None
        while workers.running:
            for job in (yield workers.wait()):
                workers.remove(job)
                try:
                    self._record_once(job)
                except BaseException as error:  # noqa: BLE001 - raised below
                    if error is not job.result:
                        callback_error = error
        if callback_error is not None:
            raise callback_error

    def _record_once(self, job: Job) -> None:
        if not job.recorded:
            self.record(job)
            job.recorded = True
