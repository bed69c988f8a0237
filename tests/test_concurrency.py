"""Generators that run in threads and in tasks, and what they wait for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
from effects import recorded

from bitget_spot import _concurrency
from bitget_spot._concurrency import (
    Effect,
    PerLoop,
    TaskWorkers,
    ThreadWorkers,
    Waiter,
    Workers,
    open_workers,
    run_async,
    run_sync,
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

    monkeypatch.setattr(_concurrency, "isinstance", interrupted_once, raising=False)

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


def wait(waiter: Waiter, timeout: float) -> Flow:
    """Wait for a waiter, and return the seconds that it took."""
    started_at = time.monotonic()
    yield waiter.wait(timeout)
    return time.monotonic() - started_at


@both_modes
def test_waiter_is_woken_by_another_thread(run: Run) -> None:
    """A notification from another thread ends the wait."""
    waiter = Waiter()
    timer = threading.Timer(0.02, waiter.notify)
    timer.start()
    assert run(wait(waiter, 30)) < 5
    timer.join()


@both_modes
def test_waiter_keeps_one_earlier_notification(run: Run) -> None:
    """A notification before the wait ends the next wait at once, and only that one."""
    waiter = Waiter()
    waiter.notify()
    waiter.notify()
    assert run(wait(waiter, 30)) < 5
    assert run(wait(waiter, 0.05)) >= 0.04


@both_modes
def test_waiter_returns_after_its_timeout(run: Run) -> None:
    """Without a notification the wait ends after its timeout."""
    assert run(wait(Waiter(), 0.05)) >= 0.04


def test_waiter_knows_whether_its_loop_is_closed() -> None:
    """`loop_closed` is true after the event loop of the waiting task has been closed; `notify` does not raise then."""
    waiter = Waiter()
    states = [waiter.loop_closed]
    run_in_thread(wait(waiter, 0))
    states.append(waiter.loop_closed)

    async def main() -> None:
        await run_async(wait(waiter, 0))
        states.append(waiter.loop_closed)

    asyncio.run(main())
    states.append(waiter.loop_closed)
    waiter.notify()
    assert states == [False, False, False, True]


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


# Workers


def work(effects: list[Effect], started: Callable[[Workers], object] = lambda _: None) -> Flow:
    """Perform effects side by side, and return the sorted keys, which are their indices."""
    workers: Workers = yield open_workers()
    for key, effect in enumerate(effects):
        workers.start(key, effect)
    started(workers)
    keys = []
    while workers.running:
        keys += yield workers.wait()
    workers.close()
    return sorted(keys)


@both_modes
def test_workers_perform_effects_side_by_side(run: Run) -> None:
    """All effects that have been started run at the same time, and `wait` returns the key of each once."""
    counts: list[int] = []
    barrier = threading.Barrier(3)
    async_barrier = asyncio.Barrier(3)

    async def meet() -> None:
        await asyncio.wait_for(async_barrier.wait(), 10)

    effects = [Effect(lambda: barrier.wait(10), meet)] * 3
    assert run(work(effects, lambda workers: counts.append(workers.running))) == [0, 1, 2]
    assert counts == [3]


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
        keys += workers.wait().sync()
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
        (task,) = workers._tasks
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
