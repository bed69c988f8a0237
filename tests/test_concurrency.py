"""Generators that run in threads and in tasks, wake-ups, and resources of event loops."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable

import pytest
from effects import Flow, Run, both_runners, recorded, run_in_task, run_in_thread

from bitget_spot._concurrency import (
    Effect,
    PerLoop,
    Waiter,
    effect,
    run_async,
    run_sync,
    running_loop,
    task_loop,
)

# Running a generator


@both_runners
def test_effects_are_performed_once_in_the_mode_of_the_runner(run: Run) -> None:
    """Each effect is performed once, in a thread or in a task, and its result is returned by its `yield`."""
    calls: list[str] = []

    def flow() -> Flow:
        first = yield recorded(calls, "first")
        second = yield recorded(calls, "second")
        return [first, second]

    assert run(flow()) == ["first", "second"]
    assert calls == (["sync"] * 2 if run is run_in_thread else ["asyncio"] * 2)


@both_runners
def test_other_items_are_sent(run: Run) -> None:
    """Everything that is not an effect is passed to `send`, and the result of that is returned by its `yield`."""
    calls: list[str] = []

    def flow() -> Flow:
        sent = yield "item"
        effect = yield recorded(calls, "effect")
        return [sent, effect]

    assert run(flow(), str.upper) == ["ITEM", "effect"]
    assert len(calls) == 1


@both_runners
def test_nothing_can_be_sent_without_send(run: Run) -> None:
    """Without `send`, an item that is not an effect raises an error that shows its type."""

    def flow() -> Flow:
        yield 1

    with pytest.raises(NotImplementedError, match="yielded int, which is not an Effect"):
        run(flow())


@both_runners
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


@both_runners
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


@both_runners
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


@both_runners
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


@both_runners
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


@both_runners
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


def wait(timeout: float, prepare: Callable[[Waiter], object] = lambda _: None) -> Flow:
    """Wait for a waiter that was created where it waits, and return the seconds that it took."""
    waiter = Waiter()
    prepare(waiter)
    started_at = time.monotonic()
    yield waiter.wait(timeout)
    return time.monotonic() - started_at


@both_runners
def test_waiter_is_woken_by_another_thread(run: Run) -> None:
    """A notification from another thread ends the wait."""
    timers: list[threading.Timer] = []

    def notify_soon(waiter: Waiter) -> None:
        timers.append(threading.Timer(0.02, waiter.notify))
        timers[0].start()

    assert run(wait(30, notify_soon)) < 5
    timers[0].join()


@both_runners
def test_waiter_keeps_one_earlier_notification(run: Run) -> None:
    """A notification before the wait ends the next wait at once, and only that one."""

    def flow() -> Flow:
        waiter = Waiter()
        waiter.notify()
        waiter.notify()
        started_at = time.monotonic()
        yield waiter.wait(30)
        first = time.monotonic() - started_at
        yield waiter.wait(0.05)
        return first, time.monotonic() - started_at - first

    first, second = run(flow())
    assert first < 5
    assert second >= 0.04


@both_runners
def test_waiter_returns_after_its_timeout(run: Run) -> None:
    """Without a notification the wait ends after its timeout."""
    assert run(wait(0.05)) >= 0.04


@both_runners
def test_waiter_can_be_notified_after_its_wait(run: Run) -> None:
    """A notification after the wait, also of a loop that is closed, raises nothing."""
    waiters: list[Waiter] = []
    run(wait(0, waiters.append))
    waiters[0].notify()
    assert waiters[0]._event.is_set()


def test_waiter_knows_whether_its_loop_is_closed() -> None:
    """`loop_closed` is true after the event loop of the waiting task has been closed, and never for a thread."""
    waiters: list[Waiter] = []
    open_states: list[bool] = []

    def note_state(waiter: Waiter) -> None:
        waiters.append(waiter)
        open_states.append(waiter.loop_closed)

    run_in_thread(wait(0, note_state))
    run_in_task(wait(0, note_state))
    assert open_states == [False, False]
    assert [waiter.loop_closed for waiter in waiters] == [False, True]


def test_waiters_of_a_loop_have_one_owner() -> None:
    """All waiters of a loop are stuck together, a waiter of a thread alone."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert Waiter().owner is loop
        assert Waiter().owner is loop

    asyncio.run(main())
    first, second = Waiter(), Waiter()
    assert first.owner is first
    assert second.owner is second


def test_program_without_asyncio_has_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has not imported asyncio has no event loop, and asking does not import it."""
    monkeypatch.delitem(sys.modules, "asyncio")
    assert running_loop() is None
    assert "asyncio" not in sys.modules


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


# Blocking calls and event loops together


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
