"""First come, first served: bells and the line they stand in, threads and tasks together."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator

import pytest

from bitget_spot._concurrency import Effect, Waiter
from bitget_spot.rate_limit.queue import WaitQueue

LONG = 30.0
"""Seconds that only a broken line lets pass."""
SOON = 10.0
"""Seconds within which whatever is not broken has happened, on the slowest machine."""


def thread(work: Callable[[], None]) -> threading.Thread:
    """Start a thread that does not outlive a broken test."""
    started = threading.Thread(target=work, daemon=True)
    started.start()
    return started


def stand(line: WaitQueue, bell: Waiter, serve: Callable[[], None]) -> Generator[Effect, None, None]:
    """Wait for one's turn, be served, and leave, in the manner of the link."""
    try:
        while not line.is_first(bell):
            yield bell.wait(LONG)
        serve()
    finally:
        line.leave(bell)


def in_thread(flow: Generator[Effect, None, None]) -> None:
    """Run a flow in the manner of threads."""
    with contextlib.closing(flow):
        for do in flow:
            do.sync()


async def in_task(flow: Generator[Effect, None, None]) -> None:
    """Run a flow in the manner of tasks."""
    with contextlib.closing(flow):
        for do in flow:
            await do.asyncio()


class TwoLoops:
    """Two event loops, each in a thread of its own."""

    def __init__(self) -> None:
        self.loops = [asyncio.new_event_loop() for _ in range(2)]
        self.threads = [thread(loop.run_forever) for loop in self.loops]

    def close(self) -> None:
        """Stop and close both."""
        for loop, running in zip(self.loops, self.threads, strict=True):
            loop.call_soon_threadsafe(loop.stop)
            running.join(SOON)
            loop.close()


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    """Run two event loops beside the test."""
    two = TwoLoops()
    yield two.loops
    two.close()


def test_first_come_first_served(loops: list[asyncio.AbstractEventLoop]) -> None:
    """Threads, tasks of one loop and tasks of another are served in the order in which they joined, one at a time."""
    line = WaitQueue()
    mine = line.join()
    bells = [line.join() for _ in range(12)]
    served: list[int] = []
    at_once = 0

    def serve(number: int) -> None:
        nonlocal at_once
        at_once += 1
        assert at_once == 1
        served.append(number)
        at_once -= 1

    waits: list[Callable[[], object]] = []
    # Whoever joined last begins to wait first.
    for number, bell in reversed(list(enumerate(bells))):
        flow = stand(line, bell, lambda number=number: serve(number))  # type: ignore[misc]  # mypy takes no default here
        if number % 3 == 0:
            waiting = thread(lambda flow=flow: in_thread(flow))  # type: ignore[misc]  # as above
            waits.append(lambda waiting=waiting: waiting.join(SOON))  # type: ignore[misc]  # as above
        else:
            future = asyncio.run_coroutine_threadsafe(in_task(flow), loops[number % 3 - 1])
            waits.append(lambda future=future: future.result(SOON))  # type: ignore[misc]  # as above
    assert served == []
    line.leave(mine)
    for wait in waits:
        wait()
    assert served == list(range(12))


def test_who_is_first() -> None:
    """Only the first in the line is first, until it leaves."""
    line = WaitQueue()
    first, second, third = line.join(), line.join(), line.join()
    assert [line.is_first(bell) for bell in (first, second, third)] == [True, False, False]
    line.leave(second)
    assert [line.is_first(bell) for bell in (first, third)] == [True, False]
    line.leave(first)
    assert line.is_first(third)


def promptly(do: Effect) -> None:
    """Effect a step that must not wait, in a thread."""
    started = time.monotonic()
    do.sync()
    assert time.monotonic() - started < SOON


def promptly_in_task(do: Effect) -> None:
    """Effect a step that must not wait, in a task."""

    async def main() -> None:
        async with asyncio.timeout(SOON):
            await do.asyncio()

    asyncio.run(main())


both = pytest.mark.parametrize("wait", [promptly, promptly_in_task])


@both
def test_ring_before_the_wait(wait: Callable[[Effect], None]) -> None:
    """A bell that was rung before its owner waits does not let it wait."""
    bell = Waiter()
    bell.ring()
    wait(bell.wait(LONG))


@both
def test_leaving_wakes_the_next(wait: Callable[[Effect], None]) -> None:
    """Who leaves wakes the next one, who may not have begun to wait."""
    line = WaitQueue()
    first, second = line.join(), line.join()
    assert not line.is_first(second)
    line.leave(first)
    assert line.is_first(second)
    wait(second.wait(LONG))


@both
def test_ringing_the_line_wakes_the_first(wait: Callable[[Effect], None]) -> None:
    """Ringing the line wakes the first one, served or not."""
    line = WaitQueue()
    first = line.join()
    line.ring()
    wait(first.wait(LONG))


@both
def test_wait_ends_by_itself(wait: Callable[[Effect], None]) -> None:
    """Without a ring a wait ends when its time has passed, without an error."""
    wait(Waiter().wait(0.001))
    wait(Waiter().wait(0))


@pytest.mark.parametrize("first", [promptly, promptly_in_task])
@pytest.mark.parametrize("second", [promptly, promptly_in_task])
def test_one_ring_is_one_waking(first: Callable[[Effect], None], second: Callable[[Effect], None]) -> None:
    """A ring ends one wait; the next wait needs another ring, or its time."""
    bell = Waiter()
    bell.ring()
    first(bell.wait(LONG))
    started = time.monotonic()
    second(bell.wait(0.05))
    assert time.monotonic() - started >= 0.04
    bell.ring()
    second(bell.wait(LONG))


def test_ring_during_the_wait_of_a_thread() -> None:
    """A thread that waits is woken from another thread."""
    bell = Waiter()
    waiting = thread(bell.wait(LONG).sync)
    bell.ring()
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_ring_during_the_wait_of_a_task() -> None:
    """A task that waits is woken from another thread, and its loop goes on meanwhile."""
    bell = Waiter()

    async def main() -> None:
        waiting = asyncio.create_task(in_task(iter_of(bell.wait(LONG))))
        await asyncio.sleep(0)  # the task waits from here on
        assert not waiting.done()
        thread(bell.ring).join(SOON)
        async with asyncio.timeout(SOON):
            await waiting

    asyncio.run(main())


def iter_of(do: Effect) -> Generator[Effect, None, None]:
    """Make a flow of one step."""
    yield do


def test_ring_during_a_second_wait() -> None:
    """A task that waits again, be it in another loop, is woken there."""
    bell = Waiter()
    promptly_in_task(bell.wait(0.001))
    about_to_wait = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().call_soon(about_to_wait.set)
        async with asyncio.timeout(SOON):
            await bell.wait(LONG).asyncio()

    waiting = thread(lambda: asyncio.run(main()))
    assert about_to_wait.wait(SOON)
    bell.ring()
    waiting.join(SOON)
    assert not waiting.is_alive()


def abandon(bell: Waiter) -> None:
    """Wait in a loop that then ends without its owner's leaving the line."""
    promptly_in_task(bell.wait(0))


def test_ended_loop_is_passed_over() -> None:
    """Those whose event loop has ended hold nobody up, however many stand in front."""
    line = WaitQueue()
    ended = [line.join() for _ in range(3)]
    last = line.join()
    for bell in ended:
        assert not bell.abandoned
        abandon(bell)
        assert bell.abandoned
    assert line.is_first(last)
    for bell in ended:
        line.leave(bell)  # what has been passed over may still leave
    assert line.is_first(last)


def test_ringing_an_ended_loop() -> None:
    """A bell whose loop has ended can be rung, to no effect and without an error."""
    line = WaitQueue()
    bell = line.join()
    abandon(bell)
    bell.ring()
    line.ring()


def test_threads_are_never_abandoned() -> None:
    """Who waits in a thread, or has not begun to wait, is not passed over."""
    bell = Waiter()
    assert not bell.abandoned
    bell.wait(0).sync()
    assert not bell.abandoned


def test_ringing_an_empty_line() -> None:
    """A line in which nobody stands can be rung and left."""
    line = WaitQueue()
    line.ring()
    bell = line.join()
    line.leave(bell)
    line.leave(bell)
    line.ring()


def test_cancelled_task_gives_its_place_back() -> None:
    """A task that is cancelled while it waits, first or in the middle, leaves the line to those behind it."""

    async def main() -> None:
        line = WaitQueue()
        bells = [line.join() for _ in range(4)]
        served: list[int] = []
        tasks = [
            asyncio.create_task(in_task(stand(line, bell, lambda n=n: served.append(n))))  # type: ignore[misc]  # mypy takes no default here
            for n, bell in enumerate(bells[1:], 1)
        ]
        await asyncio.sleep(0)  # they wait from here on
        for cancelled in (1, 2):
            tasks[cancelled - 1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[cancelled - 1]
        assert served == []
        line.leave(bells[0])
        async with asyncio.timeout(SOON):
            await tasks[2]
        assert served == [3]

    asyncio.run(main())


def test_cancelled_first_wakes_the_next() -> None:
    """The first one's cancellation wakes the second."""

    async def main() -> None:
        line = WaitQueue()
        first, second = line.join(), line.join()
        served: list[str] = []

        def queue_up() -> Generator[Effect, None, None]:
            try:
                yield first.wait(LONG)
            finally:
                line.leave(first)

        waiting = asyncio.create_task(in_task(queue_up()))
        behind = asyncio.create_task(in_task(stand(line, second, lambda: served.append("second"))))
        await asyncio.sleep(0)  # both wait from here on
        waiting.cancel()
        async with asyncio.timeout(SOON):
            await behind
        assert served == ["second"]
        assert waiting.cancelled()

    asyncio.run(main())


def test_whether_anybody_waits() -> None:
    """A line is empty until somebody joins, and again when the last has left."""
    line = WaitQueue()
    assert line.is_empty() is True
    first, second = line.join(), line.join()
    assert line.is_empty() is False
    line.leave(first)
    assert line.is_empty() is False
    line.leave(second)
    assert line.is_empty() is True


@both
@pytest.mark.parametrize("stir", [lambda line, first: line.leave(first), lambda line, _: line.ring()])
def test_waking_past_ended_loops(stir: Callable[[WaitQueue, Waiter], None], wait: Callable[[Effect], None]) -> None:
    """Whoever leaves or rings wakes the first whose event loop still runs, not one whom nobody hears."""
    line = WaitQueue()
    first, ended, living = line.join(), line.join(), line.join()
    for bell in (first, ended):
        abandon(bell)
    stir(line, first)
    wait(living.wait(LONG))
