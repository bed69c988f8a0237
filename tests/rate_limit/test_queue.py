"""First come, first served: waiters and the queue that holds them, threads and tasks together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial

import pytest

from bitget_spot._concurrency import Effect, Waiter, run_async, run_sync
from bitget_spot.rate_limit.queue import WaitQueue

LONG = 30.0
"""Seconds that pass only if the queue is broken."""
SOON = 10.0
"""Seconds within which everything that is not broken has happened, on the slowest machine."""


def start_thread(target: Callable[[], object]) -> threading.Thread:
    """Start a thread that does not outlive a broken test."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def wait_and_serve(queue: WaitQueue, waiter: Waiter, serve: Callable[[], object]) -> Generator[Effect, None, None]:
    """Wait until it is this waiter's turn, serve it, and remove it, as the middleware does."""
    try:
        while not queue.is_first(waiter):
            yield waiter.wait(LONG)
        serve()
    finally:
        queue.remove(waiter)


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    """Run two event loops, each in a thread of its own."""
    loops = [asyncio.new_event_loop() for _ in range(2)]
    threads = [start_thread(loop.run_forever) for loop in loops]
    yield loops
    for loop, thread in zip(loops, threads, strict=True):
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SOON)
        loop.close()


def test_first_come_first_served(loops: list[asyncio.AbstractEventLoop]) -> None:
    """Threads and tasks of two event loops are served one at a time, in the order in which they were enqueued."""
    queue = WaitQueue()
    ahead = queue.enqueue()
    waiters = [queue.enqueue() for _ in range(12)]
    served: list[int] = []
    served_now = 0

    def serve(number: int) -> None:
        nonlocal served_now
        served_now += 1
        assert served_now == 1
        served.append(number)
        served_now -= 1

    joins: list[Callable[[], object]] = []
    # The last in the queue begins to wait first.
    for number, waiter in reversed(list(enumerate(waiters))):
        flow = wait_and_serve(queue, waiter, partial(serve, number))
        if number % 3 == 0:
            thread = start_thread(partial(run_sync, flow))
            joins.append(partial(thread.join, SOON))
        else:
            future = asyncio.run_coroutine_threadsafe(run_async(flow), loops[number % 3 - 1])
            joins.append(partial(future.result, SOON))
    assert served == []
    queue.remove(ahead)
    for join in joins:
        join()
    assert served == list(range(12))


def test_only_the_first_is_first() -> None:
    """Only the first waiter of the queue is first, until it is removed."""
    queue = WaitQueue()
    first = queue.enqueue()
    second = queue.enqueue()
    third = queue.enqueue()
    assert [queue.is_first(waiter) for waiter in (first, second, third)] == [True, False, False]
    queue.remove(second)
    assert [queue.is_first(waiter) for waiter in (first, third)] == [True, False]
    queue.remove(first)
    assert queue.is_first(third)


def returns_soon(effect: Effect) -> None:
    """Perform an effect in a thread, and check that it does not wait."""
    started = time.monotonic()
    effect.sync()
    assert time.monotonic() - started < SOON


def returns_soon_in_task(effect: Effect) -> None:
    """Perform an effect in a task, and check that it does not wait."""

    async def main() -> None:
        async with asyncio.timeout(SOON):
            await effect.asyncio()

    asyncio.run(main())


in_both_modes = pytest.mark.parametrize("returns", [returns_soon, returns_soon_in_task])


@in_both_modes
def test_notification_before_the_wait(returns: Callable[[Effect], None]) -> None:
    """A waiter that was notified before it waits does not wait."""
    waiter = Waiter()
    waiter.notify()
    returns(waiter.wait(LONG))


@in_both_modes
def test_removal_wakes_the_next(returns: Callable[[Effect], None]) -> None:
    """Removing a waiter wakes the next one, also if that has not begun to wait."""
    queue = WaitQueue()
    first = queue.enqueue()
    second = queue.enqueue()
    assert not queue.is_first(second)
    queue.remove(first)
    assert queue.is_first(second)
    returns(second.wait(LONG))


@in_both_modes
def test_notify_first_wakes_the_first(returns: Callable[[Effect], None]) -> None:
    """`notify_first` wakes the first waiter although no waiter was removed."""
    queue = WaitQueue()
    first = queue.enqueue()
    queue.notify_first()
    returns(first.wait(LONG))


@in_both_modes
def test_wait_ends_after_its_timeout(returns: Callable[[Effect], None]) -> None:
    """Without a notification a wait ends after its timeout, without an error."""
    returns(Waiter().wait(0.001))
    returns(Waiter().wait(0))


@pytest.mark.parametrize("returns_first", [returns_soon, returns_soon_in_task])
@pytest.mark.parametrize("returns_next", [returns_soon, returns_soon_in_task])
def test_one_notification_ends_one_wait(
    returns_first: Callable[[Effect], None], returns_next: Callable[[Effect], None]
) -> None:
    """A notification ends one wait; the next wait needs another notification, or its timeout."""
    waiter = Waiter()
    waiter.notify()
    returns_first(waiter.wait(LONG))
    started = time.monotonic()
    returns_next(waiter.wait(0.05))
    assert time.monotonic() - started >= 0.04
    waiter.notify()
    returns_next(waiter.wait(LONG))


def test_notification_of_a_waiting_thread() -> None:
    """A thread that waits is woken from another thread."""
    waiter = Waiter()
    thread = start_thread(waiter.wait(LONG).sync)
    waiter.notify()
    thread.join(SOON)
    assert not thread.is_alive()


def test_notification_of_a_waiting_task() -> None:
    """A task that waits is woken from another thread, and its event loop runs meanwhile."""
    waiter = Waiter()

    def wait() -> Generator[Effect, None, None]:
        yield waiter.wait(LONG)

    async def main() -> None:
        task = asyncio.create_task(run_async(wait()))
        await asyncio.sleep(0)  # the task waits from here on
        assert not task.done()
        start_thread(waiter.notify).join(SOON)
        async with asyncio.timeout(SOON):
            await task

    asyncio.run(main())


def test_notification_during_a_wait_in_another_loop() -> None:
    """A waiter that waits again in another event loop is woken there."""
    waiter = Waiter()
    returns_soon_in_task(waiter.wait(0.001))
    about_to_wait = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().call_soon(about_to_wait.set)
        async with asyncio.timeout(SOON):
            await waiter.wait(LONG).asyncio()

    thread = start_thread(lambda: asyncio.run(main()))
    assert about_to_wait.wait(SOON)
    waiter.notify()
    thread.join(SOON)
    assert not thread.is_alive()


def close_loop_of(waiter: Waiter) -> None:
    """Wait in an event loop that is then closed, without removing the waiter from its queue."""
    returns_soon_in_task(waiter.wait(0))


def test_waiters_of_closed_loops_are_skipped() -> None:
    """Waiters whose event loop is closed are skipped, however many are at the front."""
    queue = WaitQueue()
    closed = [queue.enqueue() for _ in range(3)]
    last = queue.enqueue()
    for waiter in closed:
        assert not waiter.loop_closed
        close_loop_of(waiter)
        assert waiter.loop_closed
    assert queue.is_first(last)
    for waiter in closed:
        queue.remove(waiter)  # a waiter that was skipped can still be removed
    assert queue.is_first(last)


def test_notification_of_a_closed_loop() -> None:
    """Notifying a waiter whose event loop is closed has no effect and raises nothing."""
    queue = WaitQueue()
    waiter = queue.enqueue()
    close_loop_of(waiter)
    waiter.notify()
    queue.notify_first()


def test_waiters_of_threads_are_not_skipped() -> None:
    """A waiter of a thread, or one that has not begun to wait, has no closed event loop."""
    waiter = Waiter()
    assert not waiter.loop_closed
    waiter.wait(0).sync()
    assert not waiter.loop_closed


def test_empty_queue() -> None:
    """An empty queue can be notified, and a waiter can be removed twice."""
    queue = WaitQueue()
    queue.notify_first()
    waiter = queue.enqueue()
    queue.remove(waiter)
    queue.remove(waiter)
    queue.notify_first()


def test_cancelled_tasks_leave_the_queue() -> None:
    """A task that is cancelled while it waits, first or in the middle, does not block those behind it."""

    async def main() -> None:
        queue = WaitQueue()
        waiters = [queue.enqueue() for _ in range(4)]
        served: list[int] = []
        tasks = [
            asyncio.create_task(run_async(wait_and_serve(queue, waiter, partial(served.append, number))))
            for number, waiter in enumerate(waiters[1:], 1)
        ]
        await asyncio.sleep(0)  # they wait from here on
        for cancelled in (1, 2):
            tasks[cancelled - 1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[cancelled - 1]
        assert served == []
        queue.remove(waiters[0])
        async with asyncio.timeout(SOON):
            await tasks[2]
        assert served == [3]

    asyncio.run(main())


def test_cancelling_the_first_wakes_the_next() -> None:
    """If the first waiter's task is cancelled, the second waiter is woken."""

    async def main() -> None:
        queue = WaitQueue()
        first = queue.enqueue()
        second = queue.enqueue()
        served: list[str] = []

        def wait_only() -> Generator[Effect, None, None]:
            try:
                yield first.wait(LONG)
            finally:
                queue.remove(first)

        cancelled = asyncio.create_task(run_async(wait_only()))
        behind = asyncio.create_task(run_async(wait_and_serve(queue, second, partial(served.append, "second"))))
        await asyncio.sleep(0)  # both wait from here on
        cancelled.cancel()
        async with asyncio.timeout(SOON):
            await behind
        assert served == ["second"]
        assert cancelled.cancelled()

    asyncio.run(main())


def test_is_empty() -> None:
    """A queue is empty until a waiter is enqueued, and again when the last one is removed."""
    queue = WaitQueue()
    assert queue.is_empty() is True
    first = queue.enqueue()
    second = queue.enqueue()
    assert queue.is_empty() is False
    queue.remove(first)
    assert queue.is_empty() is False
    queue.remove(second)
    assert queue.is_empty() is True


def remove_first(queue: WaitQueue, first: Waiter) -> None:
    """Remove the first waiter."""
    queue.remove(first)


def notify_first(queue: WaitQueue, _: Waiter) -> None:
    """Notify the first waiter of the queue."""
    queue.notify_first()


@in_both_modes
@pytest.mark.parametrize("wake", [remove_first, notify_first])
def test_waking_skips_closed_loops(
    wake: Callable[[WaitQueue, Waiter], None], returns: Callable[[Effect], None]
) -> None:
    """A removal or a notification wakes the first waiter whose event loop is not closed."""
    queue = WaitQueue()
    first = queue.enqueue()
    closed = queue.enqueue()
    running = queue.enqueue()
    close_loop_of(first)
    close_loop_of(closed)
    wake(queue, first)
    returns(running.wait(LONG))
