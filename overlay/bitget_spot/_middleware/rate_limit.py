"""Waits for a permit before each attempt, and releases it when the result of the attempt is known."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from typing import Final

import httpx
from attrs import define

from bitget_spot._concurrency import Effect, Waiter
from bitget_spot._middleware.base import Flow, Middleware, Transport, operation_of
from bitget_spot._middleware.context import Attempt, RequestContext, context_of
from bitget_spot.errors import ApiError, InvalidResponseError, RateLimitedError
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, PermitRelease, RequestResult
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import Operation, RateLimit

MAX_STEP_TIME: Final = 60.0
"""Seconds that one step of a request may take, for the lease, if the caller has set no timeout."""
_permit_numbers = itertools.count()


@define
class PermitRequest:
    """
    What one attempt asks the store for.

    Attributes:
        budget: The name of the budget.
        name: The name of the permit.
        limit: How many permits the budget has.
        lease: Seconds after which the permit is available again if it is never released.
        asked: The store has been asked, so it must be told when the attempt is over.

    """

    budget: str
    name: str
    limit: RateLimit
    lease: float
    asked: bool = False


class RateLimitMiddleware(Middleware):
    """Lets as many requests of an operation through in any period as its limit says."""

    def __init__(
        self,
        next_transport: Transport,
        *,
        store: Store,
        budget: Callable[[Operation], str],
        limits: Mapping[str, RateLimit],
        pause: Callable[[Waiter, float], Effect] = Waiter.wait,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(next_transport)
        self._store = store
        self._budget = budget
        self._limits = limits
        self._pause = pause
        self._clock = clock

    def flow(self, request: httpx.Request) -> Flow:
        """Send the request with a permit."""
        operation = operation_of(request)
        if operation is None:
            unlimited: httpx.Response = yield request
            return unlimited
        context = context_of(request)
        limit = self._limits[operation.operation_id]
        permit = PermitRequest(
            self._budget(operation), str(next(_permit_numbers)), limit, lease_of(request) + limit.period_seconds
        )
        error: BaseException | None = None
        try:
            yield from self._acquire(permit, context)
            response: httpx.Response = yield request
        except BaseException as caught:
            error = caught
            raise
        finally:
            if permit.asked:
                yield from self._release(permit, context.attempt, error)
            error = None  # its traceback refers to this frame: a reference cycle otherwise
        return response

    def _acquire(self, permit: PermitRequest, context: RequestContext) -> Generator[Effect, None, None]:
        """Return when the permit is acquired: at once if there is one and the queue is empty, else in turn."""
        context.raise_if_stopped()
        queue = self._store.queue(permit.budget)
        if queue.is_empty() and not (yield from self._ask(permit)):
            return
        waiter = queue.enqueue()
        try:
            with context.scope.wake_on_stop(waiter):
                while True:
                    wait = permit.limit.period_seconds
                    # Asked again at once: a permit released before this waiter was in the queue has not notified it.
                    if queue.is_first(waiter):
                        wait = yield from self._ask(permit)
                        if not wait:
                            return
                    yield self._pause(waiter, min(wait, context.scope.remaining()))
                    context.raise_if_stopped()
        finally:
            queue.remove(waiter)

    def _ask(self, permit: PermitRequest) -> Generator[Effect, None, float]:
        permit.asked = True
        return (yield from self._store.acquire(permit.budget, permit.name, permit.limit, permit.lease))

    def _release(
        self, permit: PermitRequest, attempt: Attempt, error: BaseException | None
    ) -> Generator[Effect, None, None]:
        release = permit_release(attempt, error, self._clock())
        steps = self._store.release(permit.budget, permit.name, permit.limit, release)
        if isinstance(error, GeneratorExit):
            # The event loop has ended, so nothing can be awaited: memory is released, a shared store has the lease.
            next(steps, None)
        else:
            yield from steps
        self._store.queue(permit.budget).notify_first()


def lease_of(request: httpx.Request) -> float:
    """Return the seconds that a request can take by its timeouts, and that it may then still be in flight."""
    timeouts = request.extensions.get("timeout", {"read": None}).values()
    return IN_FLIGHT_GRACE + sum(MAX_STEP_TIME if seconds is None else seconds for seconds in timeouts)


def permit_release(attempt: Attempt, error: BaseException | None, now: float) -> PermitRelease:
    """Return what an attempt means for its permit: it ended in this error, or in a success."""
    if not attempt.has_left:
        return PermitRelease(RequestResult.NOT_SENT)
    if not is_counted(error):
        return PermitRelease(RequestResult.UNCERTAIN)
    latency = None
    if not attempt.opened_connection and attempt.headers_sent_at is not None:
        latency = now - attempt.headers_sent_at
    return PermitRelease(RequestResult.COUNTED, latency, is_rate_limited(error))


def is_counted(error: BaseException | None) -> bool:
    """Return whether the exchange has responded, so that the request cannot arrive later."""
    if isinstance(error, InvalidResponseError):
        # A proxy that gave up on the exchange does not know whether the request will still arrive.
        return error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR
    return error is None or isinstance(error, ApiError)


def is_rate_limited(error: BaseException | None) -> bool:
    """Return whether the exchange, or the network in front of it, refused because of too many requests."""
    if isinstance(error, ApiError | InvalidResponseError) and error.http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return isinstance(error, RateLimitedError)
