"""
One flow for threads and event loops.

Everything in this package that waits is written once, as a generator. It yields an `Effect` for each operation that has
to wait and is resumed with the result, or with the exception, at that place. `run_sync` and `run_async` execute such a
generator; they are the only code that knows whether it runs in a thread or in a task.

asyncio is imported lazily: sync programs do not need it.
"""

from __future__ import annotations

import contextlib
import inspect
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
Closeable = TypeVar("Closeable", bound=Any)
"""Anything with a coroutine method `aclose`."""


@frozen
class Effect:
    """An operation in two implementations, blocking and asyncio; the generator that yields it gets its result."""

    sync: Callable[[], Any]
    asyncio: Callable[[], Awaitable[Any]]


EffectGenerator = Generator[Effect, Any, T]


def _send_nothing(item: object) -> Any:  # noqa: ANN401 - never returns
    raise NotImplementedError(f"the generator yielded {type(item).__name__}, which is not an Effect")


def run_sync(generator: Generator[Any, Any, T], send: Callable[[Any], object] = _send_nothing) -> T:
    """
    Run a generator in this thread.

    Args:
        generator: Yields effects, and whatever `send` accepts.
        send: Performs everything that is not an `Effect`: a middleware yields the request it wants sent.

    Returns:
        What the generator returns.

    """
    error: BaseException | None = None
    result: object = None
    try:
        while True:
            try:
                item = generator.send(result) if error is None else generator.throw(error)
                error = None
                result = item.sync() if isinstance(item, Effect) else send(item)
            except BaseException as caught:
                if inspect.getgeneratorstate(generator) == inspect.GEN_CLOSED:
                    raise  # the generator has returned or raised
                # Also an interrupt between two statements of this loop, so that the generator can clean up.
                error = caught
            # A traceback must not show a signed request among the locals of this frame.
            item = None
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        error = None  # its traceback refers to this frame: a reference cycle otherwise


async def run_async(generator: Generator[Any, Any, T], send: Callable[[Any], Awaitable[object]] = _send_nothing) -> T:
    """
    Run a generator in this task.

    Args:
        generator: As for `run_sync`.
        send: As for `run_sync`, as a coroutine function.

    Returns:
        What the generator returns.

    """
    error: BaseException | None = None
    result: object = None
    try:
        while True:
            try:
                item = generator.send(result) if error is None else generator.throw(error)
                error = None
                result = await (item.asyncio() if isinstance(item, Effect) else send(item))
            except BaseException as caught:
                if inspect.getgeneratorstate(generator) == inspect.GEN_CLOSED:
                    raise
                error = caught
            item = None
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        error = None


def _unsupported() -> Any:  # noqa: ANN401 - never returns
    raise NotImplementedError("threads wait for threads, and tasks for tasks")


class Workers(ABC):
    """
    Performs effects side by side, in threads or in tasks.

    Each effect is started under a key. `wait` returns the keys of those that are finished; a worker stores its result
    itself, so nothing is lost if the waiting is interrupted.
    """

    @property
    @abstractmethod
    def running(self) -> int:
        """How many effects are not finished."""

    @abstractmethod
    def start(self, key: Hashable, effect: Effect) -> None:
        """Start an effect, which must not raise."""

    @abstractmethod
    def wait(self) -> Effect:
        """Wait until at least one effect is finished; the result is the list of keys."""

    @abstractmethod
    def close(self) -> None:
        """Give up: nobody waits for the effects that are not finished."""


def open_workers() -> Effect:
    """Return workers for the way the generator runs: threads or tasks."""

    async def tasks() -> Workers:
        return TaskWorkers()

    return Effect(ThreadWorkers, tasks)


class ThreadWorkers(Workers):
    """
    As many threads as effects run at the same time.

    If no thread can be started, as at the end of the interpreter, `wait` performs the effects in the caller's thread.
    """

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[tuple[Hashable, Effect] | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[Hashable] = queue.SimpleQueue()
        self._running = 0
        self._threads = 0

    @property
    def running(self) -> int:
        """How many effects are not finished."""
        return self._running

    def start(self, key: Hashable, effect: Effect) -> None:
        """Start an effect in a thread that is idle, or in a new one."""
        self._running += 1
        self._inbox.put((key, effect))
        if self._threads < self._running:
            self._start_thread()

    def wait(self) -> Effect:
        """Wait until at least one effect is finished; the result is the list of keys."""
        return Effect(self._wait, _unsupported)

    def close(self) -> None:
        """Let the threads end when their effects are finished."""
        for _ in range(self._threads):
            self._inbox.put(None)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name="bitget-spot-worker", daemon=True)
        with contextlib.suppress(RuntimeError):  # no thread can be started any more
            thread.start()
            self._threads += 1

    def _work(self) -> None:
        while (item := self._inbox.get()) is not None:
            self._perform(*item)

    def _perform(self, key: Hashable, effect: Effect) -> None:
        try:
            effect.sync()
        finally:
            self._finished.put(key)

    def _perform_next(self) -> None:
        """Perform an effect in the caller's thread; one that was interrupted is already among the finished ones."""
        with contextlib.suppress(queue.Empty):
            item = self._inbox.get_nowait()
            if item is not None:
                self._perform(*item)

    def _wait(self) -> list[Hashable]:
        if not self._threads:
            self._perform_next()
        keys = [self._finished.get()]
        with contextlib.suppress(queue.Empty):
            while True:
                keys.append(self._finished.get_nowait())
        self._running -= len(keys)
        return keys


class TaskWorkers(Workers):
    """A task for each effect."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], Hashable] = {}

    @property
    def running(self) -> int:
        """How many effects are not finished."""
        return len(self._tasks)

    def start(self, key: Hashable, effect: Effect) -> None:
        """Start an effect in a task of its own."""
        import asyncio  # noqa: PLC0415 - see the module's docstring

        self._tasks[asyncio.ensure_future(effect.asyncio())] = key

    def wait(self) -> Effect:
        """Wait until at least one effect is finished; the result is the list of keys."""
        return Effect(_unsupported, self._wait)

    def close(self) -> None:
        """Cancel the tasks that are not finished."""
        for task in self._tasks:
            task.cancel()

    async def _wait(self) -> list[Hashable]:
        import asyncio  # noqa: PLC0415 - see the module's docstring

        finished, _ = await asyncio.wait(self._tasks, return_when="FIRST_COMPLETED")
        return [self._tasks.pop(task) for task in finished]


class Waiter:
    """A wake-up that one thread or one task waits for and that any thread can trigger."""

    __slots__ = ("_async_event", "_event", "_loop")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._async_event: asyncio.Event | None = None

    @property
    def loop_closed(self) -> bool:
        """Whether the event loop of the waiting task has been closed."""
        return self._loop is not None and self._loop.is_closed()

    def notify(self) -> None:
        """Wake the thread or task that waits, or that waits next."""
        self._event.set()
        if self._loop is not None and self._async_event is not None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._async_event.set)

    def wait(self, timeout: float) -> Effect:
        """Wait until notified, for at most `timeout` seconds."""
        return Effect(lambda: self._wait(timeout), lambda: self._wait_async(timeout))

    def _wait(self, timeout: float) -> None:
        self._event.wait(timeout)
        self._event.clear()

    async def _wait_async(self, timeout: float) -> None:  # noqa: ASYNC109 - as `Waiter.wait`
        import asyncio  # noqa: PLC0415 - see the module's docstring

        self._async_event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        # A notification that came before these two lines has set the other event.
        if not self._event.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._async_event.wait(), timeout)
        self._event.clear()


class PerLoop(Generic[Closeable]):
    """
    One resource for each running event loop, closed when the loop shuts down.

    A connection belongs to the loop that opened it. Each resource is held by an asynchronous generator: a loop that
    shuts down finishes its generators, and this one closes what it holds.
    """

    def __init__(self, factory: Callable[[], Closeable]) -> None:
        self._factory = factory
        self._lock = threading.Lock()
        self._resources: dict[asyncio.AbstractEventLoop, tuple[Closeable, AsyncGenerator[None]]] = {}

    async def get(self) -> Closeable:
        """Return the running loop's resource; it is created on first use."""
        loop = _running_loop()
        if loop not in self._resources:
            self._forget_closed_loops()
            resource = self._factory()
            guard = _close_at_shutdown(resource)
            await anext(guard)
            self._resources[loop] = (resource, guard)
        return self._resources[loop][0]

    async def aclose(self) -> None:
        """Close the running loop's resource; other loops keep theirs."""
        _, guard = self._resources.pop(_running_loop(), (None, None))
        if guard is not None:
            await guard.aclose()

    def _forget_closed_loops(self) -> None:
        with self._lock:
            for loop in [loop for loop in self._resources if loop.is_closed()]:
                del self._resources[loop]


def _running_loop() -> asyncio.AbstractEventLoop:
    import asyncio  # noqa: PLC0415 - see the module's docstring

    return asyncio.get_running_loop()


async def _close_at_shutdown(resource: Closeable) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await resource.aclose()
