"""Generators that run in threads and in tasks, and what they wait for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import pytest
from effects import recorded

from bitget_spot._concurrency import (
    Effect,
    ForkAware,
    PerLoop,
    TaskWorkers,
    ThreadWorkers,
    Waiter,
    Workers,
    effect,
    fork,
    inherited,
    open_workers,
    run_async,
    run_sync,
    running_loop,
    task_loop,
)

Flow = Generator[Any, Any, Any]
Run = Callable[..., Any]


def run_in_thread(flow: Flow, send: Callable[[Any], object] | None = None) -> Any:
    """Run a generator in this thread."""
    return run_sync(flow) if send is None else run_sync(flow, send)


def run_in_task(flow: Flow, send: Callable[[Any], object] | None = None) -> Any:
    """Run a generator in a task."""
    if send is None:
        return asyncio.run(run_async(flow))

    async def send_async(item: object) -> object:
        await asyncio.sleep(0)
        return send(item)

    return asyncio.run(run_async(flow, send_async))


both_modes = pytest.mark.parametrize("run", [run_in_thread, run_in_task])


# Running a generator


@both_modes
def test_effects_are_performed_once_in_the_mode_of_the_runner(run: Run) -> None:
    """Each effect is performed once, in a thread or in a task, and its result is returned by its `yield`."""
    calls: list[str] = []

    def flow() -> Flow:
        first = yield recorded(calls, "first")
        second = yield recorded(calls, "second")
        return [first, second]

    assert run(flow()) == ["first", "second"]
    assert calls == (["sync"] * 2 if run is run_in_thread else ["asyncio"] * 2)


@both_modes
def test_other_items_are_sent(run: Run) -> None:
    """Everything that is not an effect is passed to `send`, and the result of that is returned by its `yield`."""
    calls: list[str] = []

    def flow() -> Flow:
        sent = yield "item"
        effect = yield recorded(calls, "effect")
        return [sent, effect]

    assert run(flow(), str.upper) == ["ITEM", "effect"]
    assert len(calls) == 1


@both_modes
def test_nothing_can_be_sent_without_send(run: Run) -> None:
    """Without `send`, an item that is not an effect raises an error that shows its type."""

    def flow() -> Flow:
        yield 1

    with pytest.raises(NotImplementedError, match="yielded int, which is not an Effect"):
        run(flow())


@both_modes
@pytest.mark.parametrize("error", [OSError("broken"), KeyboardInterrupt(), SystemExit(2)])
def test_errors_are_raised_at_the_yield(run: Run, error: BaseException) -> None:
    """An error of an effect or of `send`, Ctrl-C included, is raised at its `yield` and leaves as the same object."""
    seen: list[BaseException] = []

    def fail(item: object) -> object:
        assert item == "item"
        raise error

    def flow(item: object) -> Flow:
        try:
            yield item
        except BaseException as caught:
            seen.append(caught)
            raise

    for item in ("item", recorded([], None, error)):
        with pytest.raises(type(error)) as caught:
            run(flow(item), fail)
        assert caught.value is error
    assert seen == [error, error]


@both_modes
def test_generator_that_catches_an_error_continues(run: Run) -> None:
    """A generator that catches an error may perform effects, send again and return."""
    calls: list[str] = []
    sent: list[object] = []

    def fail(item: object) -> object:
        sent.append(item)
        raise OSError("broken")

    def flow() -> Flow:
        for _ in range(2):
            try:
                yield "item"
            except OSError:
                yield recorded(calls, None)
        return "done"

    assert run(flow(), fail) == "done"
    assert sent == ["item", "item"]
    assert len(calls) == 2


@both_modes
def test_effects_in_finally_are_performed(run: Run) -> None:
    """After an error, the effects in a `finally` clause are performed, and nothing after it."""
    calls: list[str] = []
    sent: list[object] = []

    def flow() -> Flow:
        try:
            yield recorded(calls, None, OSError("no store"))
        finally:
            yield recorded(calls, None)
        yield "item"

    with pytest.raises(OSError, match="no store"):
        run(flow(), sent.append)
    assert len(calls) == 2
    assert sent == []


@both_modes
def test_errors_of_the_generator_reach_the_caller(run: Run) -> None:
    """An error that the generator raises, before its first `yield` or later, reaches the caller without a context."""

    def before(*, fails: bool) -> Flow:
        if fails:
            raise LookupError("before")
        yield "item"

    def after(*, fails: bool) -> Flow:
        yield "item"
        if fails:
            raise LookupError("after")

    for flow in (before, after):
        with pytest.raises(LookupError, match=flow.__name__) as caught:
            run(flow(fails=True), str.upper)
        assert caught.value.__context__ is None


@both_modes
def test_errors_keep_the_context_of_the_caller(run: Run) -> None:
    """An error keeps the context that the caller was in, and gets none from the runner."""

    def flow() -> Flow:
        yield recorded([], None, OSError("broken"))

    outer = KeyError("outer")
    inner: BaseException | None = None
    try:
        raise outer
    except KeyError:
        try:
            run(flow())
        except OSError as error:
            inner = error
    assert inner is not None
    assert inner.__context__ is outer
    with pytest.raises(OSError, match="broken") as caught:
        run(flow())
    assert caught.value.__context__ is None


@both_modes
def test_interrupt_between_two_steps_reaches_the_generator(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the runner itself is raised in the generator, which can clean up."""
    calls: list[str] = []
    interrupts = [KeyboardInterrupt()]

    def interrupted_once(value: object, kind: type) -> bool:
        if interrupts:
            raise interrupts.pop()
        return isinstance(value, kind)

    monkeypatch.setattr(effect, "isinstance", interrupted_once, raising=False)

    def flow() -> Flow:
        try:
            yield "item"
        finally:
            yield recorded(calls, None)

    with pytest.raises(KeyboardInterrupt):
        run(flow(), str.upper)
    assert len(calls) == 1


def test_cancelled_task_finishes_its_generator() -> None:
    """A cancelled task raises `CancelledError` at the `yield`, performs the effects of the cleanup, and is cancelled."""
    calls: list[str] = []

    async def main() -> None:
        started = asyncio.Event()

        async def never() -> None:
            started.set()
            await asyncio.Event().wait()

        def flow() -> Flow:
            try:
                yield Effect(lambda: None, never)
            except asyncio.CancelledError:
                calls.append("cancelled")
                raise
            finally:
                yield recorded(calls, None)

        task = asyncio.create_task(run_async(flow()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert calls == ["cancelled", "asyncio"]


# Waiters


def wait(timeout: float, before: Callable[[Waiter], object] = lambda _: None) -> Flow:
    """Wait for a new waiter, and return the seconds that it took."""
    waiter = Waiter()
    before(waiter)
    started_at = time.monotonic()
    yield waiter.wait(timeout)
    return time.monotonic() - started_at


def wait_twice(first: float, second: float, before: Callable[[Waiter], object]) -> Flow:
    """Wait for a new waiter twice, and return the seconds that each wait took."""
    waiter = Waiter()
    before(waiter)
    times = [time.monotonic()]
    for timeout in (first, second):
        yield waiter.wait(timeout)
        times.append(time.monotonic())
    return [times[1] - times[0], times[2] - times[1]]


@both_modes
def test_waiter_is_woken_by_another_thread(run: Run) -> None:
    """A notification from another thread ends the wait."""
    timers: list[threading.Timer] = []

    def start_timer(waiter: Waiter) -> None:
        timers.append(threading.Timer(0.02, waiter.notify))
        timers[0].start()

    assert run(wait(30, start_timer)) < 5
    timers[0].join()


@both_modes
def test_waiter_keeps_one_earlier_notification(run: Run) -> None:
    """A notification before the wait ends the next wait at once, and only that one."""

    def notify_twice(waiter: Waiter) -> None:
        waiter.notify()
        waiter.notify()

    first, second = run(wait_twice(30, 0.05, notify_twice))
    assert first < 5
    assert second >= 0.04


@both_modes
def test_waiter_returns_after_its_timeout(run: Run) -> None:
    """Without a notification the wait ends after its timeout."""
    assert run(wait(0.05)) >= 0.04


def test_waiter_knows_whether_its_loop_is_closed() -> None:
    """`loop_closed` is true after the event loop of the waiting task has been closed; `notify` does not raise then."""
    waiters: list[Waiter] = []

    async def main() -> None:
        await run_async(wait(0, waiters.append))
        assert not waiters[0].loop_closed

    asyncio.run(main())
    assert waiters[0].loop_closed
    waiters[0].notify()
    run_in_thread(wait(0, waiters.append))
    assert not waiters[1].loop_closed


def test_owner_is_what_may_be_stuck() -> None:
    """All waiters of the tasks of an event loop have that loop as their owner; one of a thread is its own."""

    async def new_waiter() -> Waiter:
        return Waiter()

    async def main() -> None:
        waiters = await asyncio.gather(new_waiter(), new_waiter())
        assert [waiter.owner for waiter in waiters] == [asyncio.get_running_loop()] * 2

    asyncio.run(main())
    first, second = Waiter(), Waiter()
    assert first.owner is first
    assert second.owner is second


def test_blocking_call_on_top_of_an_event_loop() -> None:
    """The waiter of a blocking call is that of a thread, also if the call keeps an event loop from running."""
    loops: list[asyncio.AbstractEventLoop | None] = []

    def wait_in_both() -> Flow:
        loops.append(task_loop())
        yield Effect(lambda: run_sync(wait(0, waiters.append)), main)
        loops.append(task_loop())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        run_sync(wait_in_both())
        assert running_loop() is loop
        assert task_loop() is loop

    waiters: list[Waiter] = []
    asyncio.run(main())
    (waiter,) = waiters
    assert waiter.owner is waiter
    assert not waiter.loop_closed
    assert loops == [None, None]


def test_event_loop_in_a_blocking_call() -> None:
    """A task is one of its event loop, also if a blocking call runs the loop."""
    waiters: list[Waiter] = []
    loops = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await run_async(wait(0, waiters.append))

    def run_loop() -> Flow:
        yield Effect(lambda: asyncio.run(main()), main)

    run_sync(run_loop())
    assert [waiter.owner for waiter in waiters] == loops


@pytest.mark.parametrize("notified_first", [True, False])
def test_cancellation_that_coincides_with_a_notification(*, notified_first: bool) -> None:
    """A task that is cancelled at the moment of its notification is cancelled; on Python 3.11, `wait_for` forgets it."""

    async def main() -> None:
        waiters: list[Waiter] = []
        task = asyncio.create_task(run_async(wait(30, waiters.append)))
        await asyncio.sleep(0)  # it waits from here on
        if notified_first:
            waiters[0].notify()
            await asyncio.sleep(0)  # the event is set
            task.cancel()
        else:
            task.cancel()
            waiters[0].notify()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_timeout_after_a_cancellation_that_was_ignored() -> None:
    """A task that has ignored its cancellation, as one that cleans up does, can still wait with a timeout."""

    async def main() -> float:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        seconds: float = await run_async(wait(0.01))
        return seconds

    async def cancel() -> float:
        task = asyncio.create_task(main())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(cancel()) < 5


def test_thread_without_asyncio_has_no_loop() -> None:
    """In a program that does not import asyncio, no loop is looked for, and asyncio is not imported."""
    check = """
import sys
from bitget_spot._concurrency import Waiter, run_sync, running_loop
assert running_loop() is None
def wait():
    yield Waiter().wait(0)
run_sync(wait())
sys.exit("asyncio" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", check], check=True)
    assert running_loop() is None


# Resources of an event loop


class Resource:
    """Something that is closed once."""

    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        """Count the call."""
        await asyncio.sleep(0)
        self.closed += 1


def test_each_loop_has_one_resource_of_its_own() -> None:
    """A loop gets the same resource each time, another loop gets another, and a loop that shuts down closes its own."""
    resources = PerLoop(Resource)

    async def get_twice() -> Resource:
        resource = await resources.get()
        assert await resources.get() is resource
        assert not resource.closed
        return resource

    first = asyncio.run(get_twice())
    second = asyncio.run(get_twice())
    assert first is not second
    assert [first.closed, second.closed] == [1, 1]


def test_closing_affects_the_running_loop_only() -> None:
    """`aclose` closes the running loop's resource once; other loops keep theirs, and the next `get` makes a new one."""
    resources = PerLoop(Resource)
    other_loop = asyncio.new_event_loop()
    try:
        others = other_loop.run_until_complete(resources.get())

        async def close_twice() -> Resource:
            resource = await resources.get()
            await resources.aclose()
            await resources.aclose()
            assert await resources.get() is not resource
            return resource

        assert asyncio.run(close_twice()).closed == 1
        assert others.closed == 0
        assert other_loop.run_until_complete(resources.get()) is others
        other_loop.run_until_complete(other_loop.shutdown_asyncgens())
        assert others.closed == 1
    finally:
        other_loop.close()


def test_closed_loops_are_forgotten() -> None:
    """A resource is not kept longer than until the next loop needs one."""
    resources = PerLoop(Resource)
    asyncio.run(resources.get())
    asyncio.run(resources.get())
    assert len(resources._resources) == 1


class LoopInUse:
    """In place of an event loop: while it is asked whether it is closed, another loop needs its resource."""

    def __init__(self, resources: PerLoop[Resource]) -> None:
        self.other = threading.Thread(target=lambda: asyncio.run(resources.get()))

    def is_closed(self) -> bool:
        """Give the other loop time to change the table, if nothing keeps it from it."""
        if not self.other.ident:
            self.other.start()
            self.other.join(0.1)
        return False


def test_loops_that_need_a_resource_at_the_same_time() -> None:
    """While closed loops are looked for, another loop may get its resource."""
    resources = PerLoop(Resource)
    loop = LoopInUse(resources)
    resources._resources[loop] = (Resource(), None)  # type: ignore[index, assignment]  # not used

    async def main() -> None:
        await resources.get()
        loop.other.join(10)
        assert len(resources._resources) == 3  # also that of the other loop, until the next one is new

    asyncio.run(main())


def test_forked_process_has_no_resource_of_its_parent() -> None:
    """A child process forgets the resources of its parent's loops, without closing them."""
    resources = PerLoop(Resource)

    async def main() -> None:
        parent = await resources.get()
        entries = resources._resources
        with resources._lock:
            resources.after_fork_in_child()
            assert await resources.get() is not parent
        assert not parent.closed
        inherited.remove(entries)

    asyncio.run(main())


# Forked processes


class Connection(ForkAware):
    """Something that counts how often it has been in a fork."""

    def __init__(self) -> None:
        super().__init__()
        self.forks = 0

    def after_fork_in_child(self) -> None:
        self.forks += 1


def test_resources_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a child process, everything that is not to be shared with the parent replaces what it has, once."""
    monkeypatch.setattr(fork, "_fork_aware", WeakSet())
    connections = [Connection(), Connection()]
    fork._after_fork_in_child()
    assert [connection.forks for connection in connections] == [1, 1]
    del connections[1]
    fork._after_fork_in_child()
    assert [connection.forks for connection in connections] == [2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_is_noticed() -> None:
    """A child process is prepared when it is forked, and its parent is not."""
    program = """
import os
from bitget_spot._concurrency import ForkAware

class Connection(ForkAware):
    forks = 0
    def after_fork_in_child(self):
        self.forks += 1

connection = Connection()
child = os.fork()
if not child:
    os._exit(connection.forks)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), connection.forks)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert finished.stdout == "1 0\n"


def test_system_without_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system that does not fork there is nothing to prepare."""
    monkeypatch.delattr(os, "register_at_fork", raising=False)
    assert "ForkAware" in runpy.run_path(fork.__file__)


# Workers


def work(effects: list[Effect], started: Callable[[Workers], object] = lambda _: None) -> Flow:
    """Perform effects side by side, and return the sorted keys, which are their indices."""
    workers: Workers = yield open_workers()
    for key, item in enumerate(effects):
        workers.start(key, item)
    started(workers)
    keys = []
    while workers.running:
        for key in (yield workers.wait()):
            workers.remove(key)
            keys.append(key)
    workers.close()
    return sorted(keys)


@both_modes
def test_workers_perform_effects_side_by_side(run: Run) -> None:
    """All effects that have been started run at the same time, and `wait` returns the key of each."""
    counts: list[int] = []
    barrier = threading.Barrier(3)
    async_barrier = asyncio.Barrier(3)

    async def meet() -> None:
        await asyncio.wait_for(async_barrier.wait(), 10)

    effects = [Effect(lambda: barrier.wait(10), meet)] * 3
    assert run(work(effects, lambda workers: counts.append(workers.running))) == [0, 1, 2]
    assert counts == [3]


@both_modes
def test_finished_effects_are_returned_until_they_are_removed(run: Run) -> None:
    """`wait` returns the keys of finished effects again and again until they are removed, so an interrupt loses none."""
    calls: list[str] = []
    results: list[Any] = []

    def flow() -> Flow:
        workers: Workers = yield open_workers()
        workers.start("first", recorded(calls, None))
        results.append((yield workers.wait()))
        results.append((yield workers.wait()))
        workers.remove("first")
        workers.start("second", recorded(calls, None))
        results.append((yield workers.wait()))
        workers.remove("second")
        workers.remove("second")  # removing twice has no effect
        workers.close()
        return workers.running

    assert run(flow()) == 0
    assert results == [["first"], ["first"], ["second"]]
    assert len(calls) == 2


@both_modes
def test_effect_that_raises_is_finished(run: Run) -> None:
    """An effect that raises is finished like any other; it is expected to store its exception itself."""
    failing = recorded([], None, OSError("broken"))

    def flow() -> Flow:
        workers: Workers = yield open_workers()
        workers.start("failing", failing)
        keys = yield workers.wait()
        if isinstance(workers, TaskWorkers):
            assert isinstance(workers._tasks["failing"].exception(), OSError)
        workers.close()
        return keys

    assert run(flow()) == ["failing"]


VARIABLE: ContextVar[str] = ContextVar("variable", default="default")


@both_modes
def test_context_variables_reach_the_workers(run: Run) -> None:
    """An effect sees the caller's context variables, and what it sets stays in its own copy of them."""
    seen: list[str] = []

    def perform() -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("changed")

    async def perform_async() -> None:
        perform()

    def flow() -> Flow:
        for value in ("first", "second"):
            token = VARIABLE.set(value)
            keys = yield from work([Effect(perform, perform_async)] * 2)
            assert keys == [0, 1]
            assert VARIABLE.get() == value
            VARIABLE.reset(token)

    run(flow())
    assert seen == ["first", "first", "second", "second"]


@both_modes
def test_workers_are_made_for_the_mode_of_the_runner(run: Run) -> None:
    """A generator that runs in a thread gets threads, and one that runs in a task gets tasks."""
    kinds: list[type] = []
    run(work([], lambda workers: kinds.append(type(workers))))
    assert kinds == [ThreadWorkers if run is run_in_thread else TaskWorkers]


def test_workers_wait_in_their_own_mode_only() -> None:
    """Threads cannot be awaited, and tasks cannot be waited for by a thread."""
    with pytest.raises(NotImplementedError, match="threads wait for threads"):
        ThreadWorkers().wait().asyncio()
    with pytest.raises(NotImplementedError, match="tasks for tasks"):
        TaskWorkers().wait().sync()


def in_thread_only(perform: Callable[[], object]) -> Effect:
    """Return an effect that is never performed in a task."""
    return Effect(perform, asyncio.Event().wait)


def wait_for_all(workers: Workers) -> list[Any]:
    """Wait until nothing is running, and return the keys in the order they were finished."""
    keys: list[Any] = []
    while workers.running:
        for key in workers.wait().sync():
            workers.remove(key)
            keys.append(key)
    return keys


def test_idle_threads_are_used_again() -> None:
    """An effect that is started after another is finished runs in the same thread."""
    threads: list[threading.Thread] = []
    workers = ThreadWorkers()
    for key in ("first", "second"):
        workers.start(key, in_thread_only(lambda: threads.append(threading.current_thread())))
        assert wait_for_all(workers) == [key]
    workers.close()
    assert threads[0] is threads[1] is not threading.current_thread()


def test_closed_threads_finish_their_effects_and_end() -> None:
    """After `close`, each thread finishes its effect and ends."""
    threads: list[threading.Thread] = []
    proceed = threading.Event()
    running = threading.Barrier(3)
    finished: list[bool] = []

    def perform() -> None:
        threads.append(threading.current_thread())
        running.wait(10)
        finished.append(proceed.wait(10))

    workers = ThreadWorkers()
    workers.start("first", in_thread_only(perform))
    workers.start("second", in_thread_only(perform))
    running.wait(10)
    workers.close()
    assert all(thread.is_alive() for thread in threads)
    proceed.set()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert finished == [True, True]


def test_closed_tasks_are_cancelled() -> None:
    """`close` cancels the tasks that are not finished."""

    async def main() -> None:
        workers = TaskWorkers()
        workers.start("endless", Effect(lambda: None, asyncio.Event().wait))
        (task,) = workers._tasks.values()
        await asyncio.sleep(0)
        workers.close()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


@pytest.fixture
def startable_threads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each attempt to start a thread, whether it succeeds; after the last, and at first, none can be started."""
    startable: list[bool] = []
    start = threading.Thread.start

    def start_if_allowed(thread: threading.Thread) -> None:
        if not startable or not startable.pop(0):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_if_allowed)
    return startable


@pytest.mark.usefixtures("startable_threads")
def test_without_threads_the_caller_performs_the_effects() -> None:
    """If no thread can be started, each `wait` performs one effect in the caller's thread, in order."""
    threads: list[threading.Thread] = []
    workers = ThreadWorkers()
    for key in range(3):
        workers.start(key, in_thread_only(lambda: threads.append(threading.current_thread())))
    assert threads == []
    assert workers.wait().sync() == [0]
    assert workers.running == 3
    workers.remove(0)
    assert workers.running == 2
    assert wait_for_all(workers) == [1, 2]
    workers.close()
    assert threads == [threading.current_thread()] * 3


@pytest.mark.usefixtures("startable_threads")
def test_interrupted_effect_in_the_callers_thread_is_finished() -> None:
    """Ctrl-C during an effect in the caller's thread leaves `wait`; the effect counts as finished, and runs once."""
    calls: list[str] = []

    def interrupted() -> None:
        calls.append("performed")
        raise KeyboardInterrupt

    workers = ThreadWorkers()
    workers.start("interrupted", in_thread_only(interrupted))
    with pytest.raises(KeyboardInterrupt):
        workers.wait().sync()
    assert workers.running == 1
    assert wait_for_all(workers) == ["interrupted"]
    assert calls == ["performed"]


def test_one_thread_serves_all_effects_if_no_other_can_be_started(startable_threads: list[bool]) -> None:
    """If only some threads can be started, they perform all effects, and the caller performs none."""
    startable_threads.append(True)
    threads: list[threading.Thread] = []
    workers = ThreadWorkers()
    for key in range(3):
        workers.start(key, in_thread_only(lambda: threads.append(threading.current_thread())))
    assert sorted(wait_for_all(workers)) == [0, 1, 2]
    workers.close()
    assert len(set(threads)) == 1
    assert threading.current_thread() not in threads


@pytest.mark.usefixtures("startable_threads")
def test_end_marker_of_a_thread_is_not_an_effect() -> None:
    """The marker that ends a thread is skipped if the caller finds it instead of an effect."""
    workers = ThreadWorkers()
    workers.start("effect", in_thread_only(lambda: None))
    workers._inbox.put(None)
    assert wait_for_all(workers) == ["effect"]
    workers._perform_next()
    assert workers._inbox.empty()
