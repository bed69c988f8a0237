"""Effects performed side by side, in threads or in tasks."""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, TypeAlias

from bitget_spot._concurrency.effect import Effect
from bitget_spot._concurrency.threads import pool

if TYPE_CHECKING:
    import asyncio


class Workers(ABC):
    """
    Performs effects side by side, in threads or in tasks.

    Each effect is started under a key, and stores its result or its exception itself. `wait` returns the keys of the
    effects that are finished, again and again, until the caller removes them. So an interrupt loses none.
    """

    @property
    @abstractmethod
    def running(self) -> int:
        """How many effects have been started and not removed."""

    @abstractmethod
    def start(self, key: Hashable, effect: Effect) -> None:
        """Start an effect, in a copy of the caller's context variables."""

    @abstractmethod
    def wait(self) -> Effect:
        """Wait until at least one effect is finished; the result is the list of the keys of all that are."""

    @abstractmethod
    def remove(self, key: Hashable) -> None:
        """Forget an effect that is finished."""

    @abstractmethod
    def close(self) -> None:
        """Give up: nothing waits any more for the effects that are not finished."""


def open_workers() -> Effect:
    """Return workers for the way the generator runs: threads or tasks."""

    async def tasks() -> Workers:
        return TaskWorkers()

    return Effect(ThreadWorkers, tasks)


_Job: TypeAlias = tuple[Hashable, Effect, contextvars.Context]


class ThreadWorkers(Workers):
    """
    As many threads as effects run at the same time.

    If no thread can be started, as at the end of the interpreter, `wait` performs the effects in the caller's thread.
    """

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._keys: set[Hashable] = set()
        self._finished: dict[Hashable, None] = {}
        self._wake_up = threading.Event()
        self._threads = 0

    @property
    def running(self) -> int:
        """How many effects have been started and not removed."""
        return len(self._keys)

    def start(self, key: Hashable, effect: Effect) -> None:
        """Start an effect in a thread that is idle, or in a new one."""
        self._keys.add(key)
        self._inbox.put((key, effect, contextvars.copy_context()))
        if self._threads < len(self._keys):
            self._start_thread()

    def wait(self) -> Effect:
        """Wait until at least one effect is finished; the result is the list of the keys of all that are."""
        return Effect(self._wait, _unsupported)

    def remove(self, key: Hashable) -> None:
        """Forget an effect that is finished."""
        self._finished.pop(key, None)
        self._keys.discard(key)

    def close(self) -> None:
        """Let go of the threads when their effects are finished."""
        for _ in range(self._threads):
            self._inbox.put(None)

    def _start_thread(self) -> None:
        with contextlib.suppress(RuntimeError):  # no thread can be started any more
            pool.run(self._work)
            self._threads += 1

    def _work(self) -> None:
        while (job := self._inbox.get()) is not None:
            with contextlib.suppress(BaseException):  # the effect has stored it
                self._perform(job)

    def _perform(self, job: _Job) -> None:
        key, effect, context = job
        try:
            context.run(effect.sync)
        finally:
            self._finished[key] = None
            self._wake_up.set()

    def _wait(self) -> list[Hashable]:
        if not self._threads:
            self._perform_next()
        while not self._finished:
            self._wake_up.wait()
            self._wake_up.clear()
        return list(self._finished)

    def _perform_next(self) -> None:
        """Perform an effect in the caller's thread; one that was interrupted is already finished."""
        with contextlib.suppress(queue.Empty):
            job = self._inbox.get_nowait()
            if job is not None:
                self._perform(job)


class TaskWorkers(Workers):
    """A task for each effect."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Future[Any]] = {}

    @property
    def running(self) -> int:
        """How many effects have been started and not removed."""
        return len(self._tasks)

    def start(self, key: Hashable, effect: Effect) -> None:
        """Start an effect in a task of its own."""
        import asyncio  # noqa: PLC0415 - sync programs do not need it

        self._tasks[key] = asyncio.ensure_future(effect.asyncio())

    def wait(self) -> Effect:
        """Wait until at least one effect is finished; the result is the list of the keys of all that are."""
        return Effect(_unsupported, self._wait)

    def remove(self, key: Hashable) -> None:
        """Forget an effect that is finished."""
        self._tasks.pop(key, None)

    def close(self) -> None:
        """Cancel the tasks that are not finished."""
        for task in self._tasks.values():
            task.cancel()

    async def _wait(self) -> list[Hashable]:
        import asyncio  # noqa: PLC0415 - sync programs do not need it

        await asyncio.wait(self._tasks.values(), return_when="FIRST_COMPLETED")
        return [key for key, task in self._tasks.items() if task.done()]


def _unsupported() -> Any:  # noqa: ANN401 - never returns
    raise NotImplementedError("threads wait for threads, and tasks for tasks")
