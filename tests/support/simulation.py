"""
Threads and tasks in virtual time: they run one at a time, and the clock advances only when all of them wait.

An hour of virtual time takes only as long as the work that is done in it. A wait that never ends is detected at once
(`HangError`). The same seed gives the same run, including which thread runs next if several can.

The threads are real threads and the event loops are asyncio's own. What is replaced is what waits: `threading.Event`,
the threads and queues of the library's workers, and the selector of an event loop. Locks that the library holds only for
a moment become places where another thread may run first.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import heapq
import itertools
import queue
import selectors
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from math import isinf
from random import Random
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import pytest
from attrs import define, field

from bitget_spot._bulk import cancel_open_orders, cancel_orders
from bitget_spot._concurrency import Effect, ThreadWorkers, Waiter, per_loop, threads, waiter, workers
from bitget_spot._middleware.base import Middleware
from bitget_spot._middleware.context import CancelScope
from bitget_spot._middleware.rate_limit import RateLimitMiddleware
from bitget_spot._middleware.retry import RetryMiddleware
from bitget_spot._middleware.send import SendTransport
from bitget_spot._middleware.signing import SigningMiddleware
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import fallback, memory
from bitget_spot.rate_limit import queue as wait_queue

START: Final = 1_000.0
"""The first reading of the monotonic clock; not 0, as on a machine that has been running for a while."""
EPOCH: Final = 1_700_000_000.0
"""Seconds since 1970 when the monotonic clock was 0."""
MAX_SWITCHES: Final = 100_000
"""How often threads may be switched in one scenario before it counts as endless."""
YIELD_PROBABILITY: Final = 0.05
"""How likely a thread that takes a lock lets another one run first."""
IDLE_TIMEOUT: Final = 0.001
"""Virtual seconds after which a worker thread without work ends."""
REAL_TIMEOUT: Final = 10.0
"""Real seconds within which a real server on this machine must respond."""

T = TypeVar("T")


class HangError(AssertionError):
    """Every thread waits and nothing is scheduled, or the scenario does not end."""


class SimulationClosed(BaseException):
    """Raised in each thread that still waits when the simulation is closed."""


class ScheduledThread:
    """
    A thread of the simulation.

    Attributes:
        name: Its name in messages.
        turn: Released when it is this thread's turn.
        is_waiting: It waits to be woken.
        is_woken: It has been woken and has not run since.
        is_done: Its function has ended.
        locks_held: How many locks it holds.
        pending_error: What is raised in it where it waits, or waits next.
        error: The exception that its function raised.
        joiners: The threads that wait for its end.
        real_thread: The interpreter's thread; `None` for the thread that created the simulation.

    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.turn = threading.Lock()
        self.turn.acquire()
        self.is_waiting = False
        self.is_woken = False
        self.is_done = False
        self.locks_held = 0
        self.pending_error: BaseException | None = None
        self.error: BaseException | None = None
        self.joiners: dict[ScheduledThread, None] = {}
        self.real_thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return self.name


@define(eq=False)
class Timer:
    """An action that happens at its time unless it is cancelled."""

    action: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Keep the action from happening."""
        self.is_cancelled = True


class Simulation:
    """
    The virtual clock, the timers and the scheduler.

    Args:
        seed: Decides everything that is random.

    Attributes:
        now: The virtual monotonic clock, in seconds.
        clock_error: How far the machine's wall clock is ahead of the right time, in seconds.
        random: The random numbers of the scenario.
        main_thread: The thread that created the simulation.
        current: The thread that runs now.
        threads: The other threads that have not ended.
        switches: How often threads have been switched in this scenario.
        max_switches: How often they may be.
        leftover_tasks: How many tasks were left when the coroutines given to `run` ended.
        uncaught_errors: The exceptions that have ended worker threads of the library.

    """

    def __init__(self, seed: int = 0) -> None:
        self.now = START
        self.clock_error = 0.0
        self.random = Random(seed)  # noqa: S311 - repeatable on purpose, not a secret
        self.main_thread = ScheduledThread("main thread")
        self.current = self.main_thread
        self.threads: dict[ScheduledThread, None] = {}
        self.switches = 0
        self.max_switches = MAX_SWITCHES
        self.leftover_tasks = 0
        self.uncaught_errors: list[BaseException] = []
        self._is_closed = False
        self._ready: list[ScheduledThread] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._started_threads: list[ScheduledThread] = []

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes backwards."""
        return self.now

    def local_time(self) -> float:
        """Return the seconds since 1970 by this machine's clock, which may be wrong."""
        return EPOCH + self.now + self.clock_error

    def true_time(self) -> float:
        """Return the seconds since 1970."""
        return EPOCH + self.now

    def call_later(self, delay: float, action: Callable[[], object]) -> Timer:
        """Run an action after so many seconds; it must not wait."""
        timer = Timer(action)
        heapq.heappush(self._timers, (self.now + delay, next(self._numbers), timer))
        return timer

    def spawn(self, function: Callable[[], object], name: str = "thread") -> ScheduledThread:
        """Start a thread; `join` waits for it, and its `error` is what its function raised."""
        thread = ScheduledThread(f"{name} {next(self._numbers)}")
        thread.is_waiting = True
        self.threads[thread] = None
        thread.real_thread = threading.Thread(
            target=self._run_thread, args=(thread, function), name=thread.name, daemon=True
        )
        self._join_ended_threads()
        self._started_threads.append(thread)
        thread.real_thread.start()
        self.wake(thread)
        return thread

    def join(self, threads: Iterable[ScheduledThread]) -> None:
        """Wait until all these threads have ended."""
        for thread in threads:
            while not thread.is_done:
                thread.joiners[self.current] = None
                self.block(None)
        self._join_ended_threads()

    def block(self, seconds: float | None) -> None:
        """Wait until woken, or for so many seconds; it may also return too early, as waits of threads may."""
        thread = self.current
        is_over = seconds is not None and seconds <= 0
        if not thread.is_woken and not is_over:
            timer = None
            if seconds is not None and not isinf(seconds):
                timer = self.call_later(seconds, lambda: self.wake(thread))
            thread.is_waiting = True
            self._switch()
            thread.is_waiting = False
            if timer is not None:
                timer.cancel()
        thread.is_woken = False
        if self._is_closed and thread is not self.main_thread:
            raise SimulationClosed
        if thread.pending_error is not None:
            error = thread.pending_error
            thread.pending_error = None
            raise error

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        wake_at = self.now + seconds
        while self.now < wake_at:
            self.block(wake_at - self.now)

    def wake(self, thread: ScheduledThread) -> None:
        """Let a thread that waits, or waits next, continue."""
        if not thread.is_woken and not thread.is_done:
            thread.is_woken = True
            if thread.is_waiting:
                self._ready.append(thread)

    def interrupt(self, thread: ScheduledThread, error: BaseException) -> None:
        """Raise an exception in a thread where it waits, or waits next, as Ctrl-C does."""
        if not thread.is_done:
            thread.pending_error = error
            self.wake(thread)

    def maybe_yield(self) -> None:
        """Now and then, let another thread run first."""
        if self._ready and self.random.random() < YIELD_PROBABILITY and not self._is_closed:
            self._yield()

    def check_idle(self) -> None:
        """Let every thread run that can, and idle workers end, and check that none is left."""
        self.sleep(2 * IDLE_TIMEOUT)
        while self._ready:
            self._yield()
        assert not self.threads, f"threads are left: {self._thread_names()}"

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in this thread, in an event loop of its own, as `asyncio.run` does, and count leftover tasks."""

        async def main() -> T:
            try:
                return await function()
            finally:
                self.leftover_tasks += len(asyncio.all_tasks()) - 1

        with asyncio.Runner(loop_factory=lambda: SimulatedEventLoop(self)) as runner:
            return runner.run(main())

    def close(self) -> None:
        """End every thread that is left, after a scenario that has failed, and wait for all threads."""
        self._is_closed = True
        self._timers.clear()
        for thread in self.threads:
            self.wake(thread)
        while self.threads:
            thread = next(iter(self.threads))
            thread.joiners[self.main_thread] = None
            self.block(None)
        self._join_ended_threads()

    def _run_thread(self, thread: ScheduledThread, function: Callable[[], object]) -> None:
        thread.turn.acquire()
        thread.is_waiting = False
        thread.is_woken = False
        try:
            if not self._is_closed:
                function()
        except SimulationClosed:
            pass
        except BaseException as error:  # noqa: BLE001 - the test that joins the thread decides
            thread.error = error
        finally:
            thread.is_done = True
            del self.threads[thread]
            for joiner in thread.joiners:
                self.wake(joiner)
            self.current = self._next_thread()
            self.current.turn.release()

    def _join_ended_threads(self) -> None:
        """Join the interpreter's threads; an ended thread has let another one run, so it cannot wait any more."""
        ended = [thread for thread in self._started_threads if thread.is_done]
        for thread in ended:
            assert thread.real_thread is not None
            thread.real_thread.join()
        self._started_threads = [thread for thread in self._started_threads if not thread.is_done]

    def _yield(self) -> None:
        thread = self.current
        thread.is_waiting = True
        thread.is_woken = True
        self._ready.append(thread)
        self._switch()
        thread.is_waiting = False
        thread.is_woken = False

    def _switch(self) -> None:
        thread = self.current
        next_thread = self._next_thread()
        if next_thread is not thread:
            self.current = next_thread
            next_thread.turn.release()
            thread.turn.acquire()

    def _next_thread(self) -> ScheduledThread:
        """Return the thread to run next; advance the clock until there is one."""
        self.switches += 1
        if self.switches > self.max_switches:
            self.switches = 0
            self._fail(HangError(f"no end after {self.now - START:.0f} seconds: {self._thread_names()}"))
        while not self._ready:
            if self._timers:
                self._run_next_timer()
            else:
                self._fail(HangError(f"every thread waits, and nothing is scheduled: {self._thread_names()}"))
        index = self.random.randrange(len(self._ready)) if len(self._ready) > 1 else 0
        return self._ready.pop(index)

    def _run_next_timer(self) -> None:
        due_at, _, timer = heapq.heappop(self._timers)
        if timer.is_cancelled:
            return
        self.now = max(self.now, due_at)
        try:
            timer.action()
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.interrupt(self.main_thread, error)

    def _thread_names(self) -> str:
        return ", ".join(sorted(map(str, self.threads))) or "only the main thread"


class SimulatedEvent:
    """In place of `threading.Event`."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._is_set = False
        self._waiting: list[ScheduledThread] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        for thread in self._waiting:
            self._simulation.wake(thread)

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        simulation = self._simulation
        give_up_at = float("inf") if timeout is None else simulation.now + timeout
        while not self._is_set and simulation.now < give_up_at:
            self._waiting.append(simulation.current)
            try:
                simulation.block(give_up_at - simulation.now)
            finally:
                self._waiting.remove(simulation.current)
        return self._is_set


class SimulatedLock:
    """In place of a `threading.Lock` that is held only for a moment: a place where another thread may run first."""

    def __init__(self, simulation: Simulation, *, is_reentrant: bool = False) -> None:
        self._simulation = simulation
        self._is_reentrant = is_reentrant
        self._holders: list[ScheduledThread] = []

    def __enter__(self) -> None:
        current = self._simulation.current
        # With a lock, it would block another thread that takes that lock, which is not simulated.
        if not current.locks_held:
            self._simulation.maybe_yield()
        is_free = not self._holders or (self._is_reentrant and self._holders[0] is current)
        assert is_free, f"{self._holders[0]} holds a lock while it waits"
        self._holders.append(current)
        current.locks_held += 1

    def __exit__(self, *_: object) -> None:
        self._holders.pop().locks_held -= 1


class SimulatedQueue:
    """In place of `queue.SimpleQueue`."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._items: deque[Any] = deque()
        self._waiting: list[ScheduledThread] = []

    def put(self, item: object) -> None:
        self._simulation.maybe_yield()
        self._items.append(item)
        for thread in self._waiting:
            self._simulation.wake(thread)

    def get(self, timeout: float | None = None) -> Any:
        simulation = self._simulation
        give_up_at = float("inf") if timeout is None else simulation.now + timeout
        simulation.maybe_yield()
        while not self._items and simulation.now < give_up_at:
            self._waiting.append(simulation.current)
            try:
                simulation.block(give_up_at - simulation.now)
            finally:
                self._waiting.remove(simulation.current)
        return self.get_nowait()

    def get_nowait(self) -> Any:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()


class SimulatedThread:
    """In place of `threading.Thread`, for the library's workers: an exception that leaves one is kept."""

    def __init__(
        self,
        simulation: Simulation,
        *,
        target: Callable[..., object],
        args: tuple[object, ...],
        name: str,
        daemon: bool,
    ) -> None:
        assert daemon, "a worker must not keep the interpreter from ending"
        self._simulation = simulation
        self._target = partial(target, *args)
        self._name = name

    def start(self) -> None:
        self._simulation.spawn(self._run, self._name)

    def _run(self) -> None:
        try:
            self._target()
        except SimulationClosed:
            raise
        except BaseException as error:
            self._simulation.uncaught_errors.append(error)
            raise


class CheckedThreadWorkers(ThreadWorkers):
    """Checks that there are exactly as many threads as effects run at the same time, so none waits for a thread."""

    def __init__(self) -> None:
        super().__init__()
        self._most_running = 0

    def start(self, key: Hashable, effect: Effect) -> None:
        super().start(key, effect)
        self._most_running = max(self._most_running, self.running)
        assert self._threads == self._most_running, f"{self._threads} threads for {self._most_running} effects"


class SimulatedEventLoop(asyncio.SelectorEventLoop):
    """
    An event loop that waits in virtual time.

    Attributes:
        pending_real_responses: How many responses of real servers its tasks wait for.

    """

    def __init__(self, simulation: Simulation) -> None:
        self.pending_real_responses = 0
        self._simulation = simulation
        self._thread = simulation.current
        super().__init__(_Selector(simulation, self))

    def time(self) -> float:
        return self._simulation.now

    def _write_to_self(self) -> None:
        self._simulation.wake(self._thread)

    def run_in_executor(  # type: ignore[override]  # returns asyncio's future, as the base class does
        self, executor: concurrent.futures.Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        assert executor is not None
        # It is executed for real before anything else runs. The result is set in the next iteration of the loop, so that
        # the task that waits for it can be cancelled.
        executed: concurrent.futures.Future[Any] = executor.submit(func, *args)
        concurrent.futures.wait([executed])
        future = self.create_future()

        def set_result() -> None:
            if future.done():
                return
            error = executed.exception()
            if error is None:
                future.set_result(executed.result())
            else:
                future.set_exception(error)

        self.call_soon(set_result)
        return future


class _Selector(selectors.DefaultSelector):
    """Waits in the simulation instead of in the kernel."""

    def __init__(self, simulation: Simulation, loop: SimulatedEventLoop) -> None:
        super().__init__()
        self._simulation = simulation
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        may_wait = timeout is None or timeout > 0
        if len(self.get_map()) > 1:
            # Real connections to real servers: no virtual time passes while a response is pending.
            is_pending = self._loop.pending_real_responses > 0 and may_wait
            events = super().select(REAL_TIMEOUT if is_pending else 0)
            assert events or not is_pending, "a real server does not respond"
            if events:
                return events
        if may_wait:
            self._simulation.block(timeout)
        else:
            self._simulation.maybe_yield()
        return []


class _OrderedSet(dict[Waiter, None]):
    """A set that is iterated in the order of insertion; that of a real one differs from run to run."""

    def add(self, waiter: Waiter) -> None:
        self[waiter] = None

    def discard(self, waiter: Waiter) -> None:
        self.pop(waiter, None)


def _scope_class(simulation: Simulation) -> type[CancelScope]:
    """Return a class of scopes that use the clock of a simulation."""

    @define
    class SimulatedScope(CancelScope):
        clock: Callable[[], float] = simulation.monotonic
        _waiters: Any = field(factory=_OrderedSet)
        _lock: Any = field(factory=partial(SimulatedLock, simulation, is_reentrant=True))

    return SimulatedScope


def use_virtual_time(client: SpotClient, simulation: Simulation) -> None:
    """Let the middlewares of a client use the clocks and the random numbers of a simulation."""
    layer: Any = client._chain
    while isinstance(layer, Middleware):
        if isinstance(layer, RetryMiddleware):
            layer._draw = simulation.random.random
        elif isinstance(layer, RateLimitMiddleware):
            layer._clock = simulation.monotonic
        elif isinstance(layer, SigningMiddleware):
            layer._clock.local_time = simulation.local_time
        layer = layer.next_transport
    assert isinstance(layer, SendTransport)
    layer._clock = simulation.monotonic


@contextmanager
def patch_library(simulation: Simulation) -> Iterator[None]:
    """Let the library run in a simulation, which is closed in the end."""
    original_wait = asyncio.wait

    async def ordered_wait(tasks: Iterable[asyncio.Task[Any]], **options: Any) -> tuple[list[Any], Any]:
        in_order = list(tasks)
        done, pending = await original_wait(in_order, **options)
        # The order of a set of tasks differs from run to run.
        return [task for task in in_order if task in done], pending

    new_lock = partial(SimulatedLock, simulation)
    threading_names = SimpleNamespace(
        Event=partial(SimulatedEvent, simulation),
        Lock=new_lock,
        RLock=partial(new_lock, is_reentrant=True),
        Thread=partial(SimulatedThread, simulation),
    )
    queue_names = SimpleNamespace(SimpleQueue=partial(SimulatedQueue, simulation), Empty=queue.Empty)
    scope_class = _scope_class(simulation)
    with pytest.MonkeyPatch.context() as patch:
        for module in (workers, threads, waiter, per_loop, wait_queue, memory, fallback):
            patch.setattr(module, "threading", threading_names)
        for module in (workers, threads):
            patch.setattr(module, "queue", queue_names)
        patch.setattr(workers, "pool", threads.ThreadPool(IDLE_TIMEOUT))
        patch.setattr(workers, "ThreadWorkers", CheckedThreadWorkers)
        for run_module in (cancel_orders, cancel_open_orders):
            patch.setattr(run_module, "CancelScope", scope_class)
        patch.setattr(asyncio, "wait", ordered_wait)
        try:
            yield
        finally:
            simulation.close()
    assert not simulation.uncaught_errors, simulation.uncaught_errors
