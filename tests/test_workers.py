"""Effects that are performed side by side, in threads or in tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from effects import Flow, Run, both_runners, run_in_thread

from bitget_spot._concurrency import Effect, TaskWorkers, ThreadWorkers, Workers, open_workers
from bitget_spot._concurrency import workers as workers_module
from bitget_spot._concurrency.threads import ThreadPool


def work(effects: list[Effect], started: Callable[[Workers], object] = lambda _: None) -> Flow:
    """Perform effects side by side, and return the sorted keys, which are their indices."""
    workers: Workers = yield open_workers()
    for key, effect in enumerate(effects):
        workers.start(key, effect)
    started(workers)
    keys = []
    while workers.running:
        for key in (yield workers.wait()):
            workers.remove(key)
            keys.append(key)
    workers.close()
    return sorted(keys)


@both_runners
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


@both_runners
def test_finished_effects_are_returned_until_they_are_removed(run: Run) -> None:
    """An interrupt between `wait` and what follows loses no effect: `wait` returns its key again."""

    async def nothing() -> None:
        pass

    def flow() -> Flow:
        workers: Workers = yield open_workers()
        workers.start("key", Effect(lambda: None, nothing))
        for _ in range(2):
            assert (yield workers.wait()) == ["key"]
            assert workers.running == 1
        workers.remove("key")
        workers.remove("key")
        workers.close()
        return workers.running

    assert run(flow()) == 0


VARIABLE: ContextVar[str] = ContextVar("variable", default="unset")


@both_runners
def test_effects_have_the_context_variables_of_the_caller(run: Run) -> None:
    """An effect sees the values of the moment at which it was started, and changes them for itself only."""
    seen: list[str] = []

    def perform() -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("of the effect")

    async def perform_async() -> None:
        perform()

    def flow() -> Flow:
        workers: Workers = yield open_workers()
        VARIABLE.set("of the caller")
        workers.start("key", Effect(perform, perform_async))
        VARIABLE.set("later")
        yield workers.wait()
        workers.remove("key")
        workers.close()
        return VARIABLE.get()

    assert run(flow()) == "later"
    assert seen == ["of the caller"]


@both_runners
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


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> ThreadPool:
    """A pool of its own for the workers of a test, whose idle threads end soon."""
    pool = ThreadPool(idle_timeout=0.05)
    monkeypatch.setattr(workers_module, "pool", pool)
    return pool


@pytest.mark.usefixtures("pool")
def test_closed_threads_finish_their_effects_and_end() -> None:
    """After `close`, each thread finishes its effect, and ends when nobody needs it for a while."""
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
def startable_threads(pool: ThreadPool, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each attempt to start a thread, whether it succeeds; after the last, and at first, none can be started."""
    assert pool._idle == []
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
    assert wait_for_all(workers) == [0, 1, 2]
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
