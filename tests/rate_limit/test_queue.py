"""First come, first served: the queue of waiters, threads and tasks together, and what happens if one is stuck."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from budgets import Clock

from bitget_spot._concurrency import Effect, Waiter, run_async, run_sync
from bitget_spot.rate_limit.queue import MAX_WAIT, MIN_WAIT, TURN_TIMEOUT, WaitQueue, _Turn

LONG = 30.0
"""Seconds that pass only if the queue is broken."""
SOON = 10.0
"""Seconds within which everything that is not broken has happened, on the slowest machine."""
SLIGHTLY = 0.001
"""Seconds more or less than a limit."""

Enqueued = Callable[[Waiter], object]


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the queue; it stands still, so no waiter is stuck unless a test moves it."""
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WaitQueue:
    """Return an empty queue."""
    return WaitQueue(clock)


def enqueue(queue: WaitQueue, owner: object | None = None) -> Waiter:
    """Add a waiter, of a thread or of an owner in common with others."""
    waiter = queue.enqueue()
    if owner is not None:
        waiter.owner = owner
    return waiter


def is_turn_of(queue: WaitQueue, waiter: Waiter) -> bool:
    """Return whether it is a waiter's turn; it does not take long to act."""
    return queue.is_turn_of(waiter, acts_within=0.0)


def is_notified(waiter: Waiter) -> bool:
    """Return whether a waiter has been notified since its last wait."""
    return waiter._event.is_set()


def start_thread(target: Callable[[], object]) -> threading.Thread:
    """Start a thread that does not outlive a broken test."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def wait_and_serve(queue: WaitQueue, enqueued: Enqueued, serve: Callable[[], object]) -> Generator[Effect, None, None]:
    """Enqueue, wait for the turn, serve and remove the waiter, as the middleware does."""
    waiter = queue.enqueue()
    enqueued(waiter)
    try:
        while not is_turn_of(queue, waiter):
            yield waiter.wait(LONG)
        serve()
    finally:
        queue.remove(waiter)


# The order


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


def test_first_come_first_served(queue: WaitQueue, loops: list[asyncio.AbstractEventLoop]) -> None:
    """Threads and tasks of two event loops are served one at a time, in the order in which they were enqueued."""
    ahead = queue.enqueue()
    served: list[int] = []
    served_now = 0

    def serve(number: int) -> None:
        nonlocal served_now
        served_now += 1
        assert served_now == 1
        served.append(number)
        served_now -= 1

    joins: list[Callable[[], object]] = []
    for number in range(12):
        enqueued = threading.Event()
        flow = wait_and_serve(queue, lambda _, enqueued=enqueued: enqueued.set(), partial(serve, number))  # type: ignore[misc]
        if number % 3 == 0:
            thread = start_thread(partial(run_sync, flow))
            joins.append(partial(thread.join, SOON))
        else:
            future = asyncio.run_coroutine_threadsafe(run_async(flow), loops[number % 3 - 1])
            joins.append(partial(future.result, SOON))
        assert enqueued.wait(SOON)
    assert served == []
    queue.remove(ahead)
    for join in joins:
        join()
    assert served == list(range(12))


def test_it_is_the_turn_of_the_first_only(queue: WaitQueue) -> None:
    """It is the turn of the first waiter of the queue, until it is removed."""
    first, second, third = (queue.enqueue() for _ in range(3))
    assert [is_turn_of(queue, waiter) for waiter in (first, second, third)] == [True, False, False]
    queue.remove(second)
    assert [is_turn_of(queue, waiter) for waiter in (first, third)] == [True, False]
    queue.remove(first)
    assert is_turn_of(queue, third)


def test_is_empty(queue: WaitQueue) -> None:
    """A queue is empty until a waiter is enqueued, and again when the last one is removed."""
    assert queue.is_empty() is True
    first = queue.enqueue()
    second = queue.enqueue()
    assert queue.is_empty() is False
    queue.remove(first)
    assert queue.is_empty() is False
    queue.remove(second)
    assert queue.is_empty() is True


def test_empty_queue(queue: WaitQueue) -> None:
    """An empty queue can be notified, and a waiter that is not in the queue has no turn and can be removed."""
    queue.notify_first()
    waiter = queue.enqueue()
    queue.remove(waiter)
    queue.remove(waiter)
    queue.sleeps(waiter, 1.0)
    queue.notify_first()
    assert not is_turn_of(queue, waiter)
    assert queue.seconds_until_overdue(waiter, default=0.4) == 0.4
    assert queue._turns == {}


def test_removal_wakes_the_next(queue: WaitQueue) -> None:
    """Removing a waiter wakes the next one, also if that has not begun to wait."""
    first, second, third = (queue.enqueue() for _ in range(3))
    queue.remove(first)
    assert [is_notified(waiter) for waiter in (first, second, third)] == [False, True, False]
    second.wait(LONG).sync()
    assert is_turn_of(queue, second)


def test_notify_first_wakes_the_first(queue: WaitQueue) -> None:
    """`notify_first` wakes the first waiter although no waiter was removed."""
    first, second = (queue.enqueue() for _ in range(2))
    queue.notify_first()
    assert [is_notified(waiter) for waiter in (first, second)] == [True, False]


# Tasks


def test_cancelled_tasks_leave_the_queue(queue: WaitQueue) -> None:
    """A task that is cancelled while it waits, first or in the middle, does not block those behind it."""

    async def main() -> None:
        ahead = queue.enqueue()
        served: list[int] = []
        tasks = [
            asyncio.create_task(run_async(wait_and_serve(queue, lambda _: None, partial(served.append, number))))
            for number in range(3)
        ]
        await asyncio.sleep(0)  # they wait from here on
        for task in tasks[:2]:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert served == []
        queue.remove(ahead)
        async with asyncio.timeout(SOON):
            await tasks[2]
        assert served == [2]

    asyncio.run(main())


def test_cancelling_the_first_wakes_the_next(queue: WaitQueue) -> None:
    """If the first waiter's task is cancelled, the second waiter is woken."""

    def wait_only() -> Generator[Effect, None, None]:
        waiter = queue.enqueue()
        try:
            yield waiter.wait(LONG)
        finally:
            queue.remove(waiter)

    async def main() -> None:
        served: list[str] = []
        first = asyncio.create_task(run_async(wait_only()))
        serve = partial(served.append, "second")
        second = asyncio.create_task(run_async(wait_and_serve(queue, lambda _: None, serve)))
        await asyncio.sleep(0)  # both wait from here on
        first.cancel()
        async with asyncio.timeout(SOON):
            await second
        assert served == ["second"]
        assert first.cancelled()

    asyncio.run(main())


def enqueue_in_closed_loop(queue: WaitQueue) -> Waiter:
    """Add a waiter of an event loop that is then closed without removing it."""

    async def main() -> Waiter:
        return queue.enqueue()

    return asyncio.run(main())


def test_waiters_of_closed_loops_are_removed(queue: WaitQueue) -> None:
    """Waiters whose event loop is closed are skipped, however many are at the front; they can still be removed."""
    closed = [enqueue_in_closed_loop(queue) for _ in range(3)]
    assert queue.is_empty()
    last = queue.enqueue()
    closed.append(enqueue_in_closed_loop(queue))
    assert is_turn_of(queue, last)
    for waiter in closed:
        queue.remove(waiter)
    assert is_turn_of(queue, last)
    assert list(queue._entries) == [last]


def test_closed_loops_leave_nothing_behind(queue: WaitQueue, clock: Clock) -> None:
    """A waiter whose event loop is closed is forgotten as soon as it is skipped, also if it was its turn or was absent."""
    closed = [enqueue_in_closed_loop(queue) for _ in range(2)]
    queue._turns[closed[0]] = _Turn(clock.now - 1.0)
    assert queue.is_empty()
    assert queue._entries == {}
    assert queue._turns == {}


def test_waking_skips_closed_loops(queue: WaitQueue) -> None:
    """A removal or a notification wakes the first waiter whose event loop is not closed."""
    first = queue.enqueue()
    closed = enqueue_in_closed_loop(queue)
    running = queue.enqueue()
    queue.remove(first)
    assert is_notified(running)
    running.wait(LONG).sync()
    queue.notify_first()
    assert is_notified(running)
    closed.notify()


# Absent waiters


def test_waiter_that_does_not_take_its_turn_is_absent(queue: WaitQueue, clock: Clock) -> None:
    """The others wait 50 ms for the first waiter to take its turn, and no longer."""
    enqueue(queue)
    second = enqueue(queue)
    third = enqueue(queue)
    assert not is_turn_of(queue, second)
    clock.now += TURN_TIMEOUT - SLIGHTLY
    assert not is_turn_of(queue, second)
    clock.now += 2 * SLIGHTLY
    assert not is_turn_of(queue, third)  # the second has 50 ms as well
    assert is_turn_of(queue, second)


def test_timeout_of_a_turn() -> None:
    """A waiter counts as absent after 50 ms and not before, which is short for a caller and long for a thread."""
    assert TURN_TIMEOUT == 0.05
    clock = Clock(0.0)
    queue = WaitQueue(clock)
    enqueue(queue)
    second = enqueue(queue)
    assert not is_turn_of(queue, second)
    clock.now = TURN_TIMEOUT
    assert not is_turn_of(queue, second)


def test_absent_waiter_keeps_its_place(queue: WaitQueue, clock: Clock) -> None:
    """A waiter that was absent takes its turn when it runs again, before all that came later."""
    first = enqueue(queue)
    second = enqueue(queue)
    assert not is_turn_of(queue, second)
    clock.now += 1.0
    assert is_turn_of(queue, second)
    assert is_turn_of(queue, first)
    assert not is_turn_of(queue, second)
    queue.remove(first)
    assert is_notified(second)
    assert is_turn_of(queue, second)


def test_all_waiters_of_one_owner_are_absent_together(queue: WaitQueue, clock: Clock) -> None:
    """If one task does not take its turn, its event loop hangs: the others do not wait for each of its tasks."""
    for _ in range(20):
        enqueue(queue, "a loop that hangs")
    healthy = enqueue(queue)
    enqueue(queue, "a loop that hangs")
    assert not is_turn_of(queue, healthy)
    clock.now += TURN_TIMEOUT + SLIGHTLY
    assert is_turn_of(queue, healthy)


def test_tasks_of_a_loop_that_runs_again_are_served_in_order(queue: WaitQueue, clock: Clock) -> None:
    """When an event loop runs again, none of its tasks is absent: the first of them is the first to be served."""
    first = enqueue(queue, "a loop")
    second = enqueue(queue, "a loop")
    behind = enqueue(queue)
    assert not is_turn_of(queue, behind)
    first.wait(0.0).sync()  # it has been notified
    clock.now += 1.0
    assert not is_turn_of(queue, second)
    assert is_notified(first)
    assert not is_turn_of(queue, behind)
    assert is_turn_of(queue, first)
    assert not is_turn_of(queue, behind)


def test_waiter_that_let_an_absent_one_pass_is_not_absent(queue: WaitQueue, clock: Clock) -> None:
    """A waiter that acted as the first, and is not the first any more, is woken when it is its turn again."""
    absent = enqueue(queue)
    second = enqueue(queue)
    third = enqueue(queue)
    assert not is_turn_of(queue, second)
    clock.now += 1.0
    assert is_turn_of(queue, second)
    queue.sleeps(second, 0.01)
    assert is_turn_of(queue, absent)  # it is back
    queue.sleeps(absent, 1.0)
    clock.now += 0.01
    assert not is_turn_of(queue, second)
    clock.now += 0.99
    queue.remove(absent)
    assert is_notified(second)
    assert not is_turn_of(queue, third)


def test_waiter_behind_an_absent_one_is_woken(queue: WaitQueue, clock: Clock) -> None:
    """Whoever finds that the first waiter is absent wakes the one whose turn it is then."""
    enqueue(queue)
    second = enqueue(queue)
    third = enqueue(queue)
    assert not is_turn_of(queue, third)
    clock.now += TURN_TIMEOUT + SLIGHTLY
    assert not is_turn_of(queue, third)
    assert is_notified(second)


def test_waiter_that_is_notified_while_it_asks_the_store(queue: WaitQueue, clock: Clock) -> None:
    """A waiter that asks a slow store is not absent because a permit is released meanwhile."""
    first = enqueue(queue)
    second = enqueue(queue)
    assert queue.is_turn_of(first, acts_within=0.5)
    queue.notify_first()
    assert is_notified(first)
    clock.now += 0.5
    assert not queue.is_empty()
    assert not is_turn_of(queue, second)
    queue.sleeps(first, 0.1)
    clock.now += 0.1 + TURN_TIMEOUT + SLIGHTLY
    assert is_turn_of(queue, second)


def test_slow_store_does_not_make_the_other_tasks_absent(queue: WaitQueue, clock: Clock) -> None:
    """If the store responds too late, only the waiter that asks it is absent: its event loop runs."""
    asking = enqueue(queue, "a loop")
    second = enqueue(queue, "a loop")
    behind = enqueue(queue)
    assert queue.is_turn_of(asking, acts_within=0.5)
    clock.now += 0.5 + TURN_TIMEOUT + SLIGHTLY
    assert not is_turn_of(queue, behind)
    assert is_notified(second)
    assert is_turn_of(queue, second)
    queue.sleeps(asking, 0.1)
    assert not is_turn_of(queue, second)
    assert is_turn_of(queue, asking)


def test_response_of_the_store_shows_that_the_loop_runs(queue: WaitQueue, clock: Clock) -> None:
    """A task whose request to the store is over is not absent, although another task of its loop has missed its turn."""
    asking = enqueue(queue, "a loop")
    second = enqueue(queue, "a loop")
    behind = enqueue(queue)
    assert is_turn_of(queue, asking)
    clock.now += TURN_TIMEOUT + SLIGHTLY
    assert not is_turn_of(queue, behind)
    assert is_notified(second)
    clock.now += TURN_TIMEOUT + SLIGHTLY
    assert is_turn_of(queue, behind)
    queue.sleeps(asking, 1.0)
    assert not is_turn_of(queue, behind)
    clock.now += 0.9
    assert not is_turn_of(queue, behind)


def test_newcomer_of_a_loop_that_runs_again(queue: WaitQueue, clock: Clock) -> None:
    """A new task does not overtake the absent ones of its own event loop: the loop runs. A thread does."""

    async def main() -> None:
        absent = queue.enqueue()
        assert not queue.is_empty()
        absent.wait(0.0).sync()  # it was notified
        clock.now += TURN_TIMEOUT + SLIGHTLY
        with ThreadPoolExecutor() as pool:
            assert pool.submit(queue.is_empty).result()
        assert not queue.is_empty()
        assert is_notified(absent)

    asyncio.run(main())


def test_queue_of_absent_waiters_is_empty(queue: WaitQueue, clock: Clock) -> None:
    """A newcomer does not wait behind absent waiters."""
    absent = enqueue(queue)
    assert not queue.is_empty()
    clock.now += TURN_TIMEOUT + SLIGHTLY
    assert queue.is_empty()
    assert is_turn_of(queue, absent)
    assert not queue.is_empty()


def test_absent_waiters_are_not_woken(queue: WaitQueue, clock: Clock) -> None:
    """A removal or a notification wakes the first waiter that is not absent."""
    absent = enqueue(queue)
    second = enqueue(queue)
    third = enqueue(queue)
    assert is_turn_of(queue, absent)
    clock.now += TURN_TIMEOUT + SLIGHTLY
    assert is_turn_of(queue, second)
    queue.notify_first()
    assert [is_notified(waiter) for waiter in (absent, second, third)] == [False, True, False]
    queue.remove(second)
    assert [is_notified(waiter) for waiter in (absent, third)] == [False, True]


def test_waiter_that_asks_the_store(queue: WaitQueue, clock: Clock) -> None:
    """A waiter that asks a slow store is absent only when the store should have responded 50 ms ago."""
    first = enqueue(queue)
    second = enqueue(queue)
    assert queue.is_turn_of(first, acts_within=0.5)
    clock.now += 0.5 + TURN_TIMEOUT - SLIGHTLY
    assert not is_turn_of(queue, second)
    assert not queue.is_empty()
    clock.now += 2 * SLIGHTLY
    assert is_turn_of(queue, second)


def test_waiter_that_sleeps_until_a_permit_is_available(queue: WaitQueue, clock: Clock) -> None:
    """A waiter that sleeps until a permit is available is absent only if it does not wake up then."""
    first = enqueue(queue)
    second = enqueue(queue)
    assert is_turn_of(queue, first)
    queue.sleeps(first, 2.0)
    clock.now += 2.0 + TURN_TIMEOUT - SLIGHTLY
    assert not is_turn_of(queue, second)
    clock.now += 2 * SLIGHTLY
    assert is_turn_of(queue, second)


def test_notified_waiter_must_act(queue: WaitQueue, clock: Clock) -> None:
    """A waiter that is woken from its sleep is absent if it does not act within 50 ms."""
    first = enqueue(queue)
    second = enqueue(queue)
    assert is_turn_of(queue, first)
    queue.sleeps(first, 2.0)
    clock.now += 0.5
    queue.notify_first()
    clock.now += TURN_TIMEOUT - SLIGHTLY
    queue.notify_first()  # another notification gives it no more time
    assert not is_turn_of(queue, second)
    clock.now += 2 * SLIGHTLY
    assert is_turn_of(queue, second)


def test_when_to_check_whether_the_first_is_absent(queue: WaitQueue, clock: Clock) -> None:
    """A waiter checks when the first one would be absent, at the latest after the default, and not too often."""
    first = enqueue(queue)
    second = enqueue(queue)
    assert is_turn_of(queue, first)
    queue.sleeps(first, 0.3)
    assert queue.seconds_until_overdue(second, default=1.0) == pytest.approx(0.3 + TURN_TIMEOUT)
    assert queue.seconds_until_overdue(second, default=0.2) == 0.2
    clock.now += 0.3
    assert queue.seconds_until_overdue(second, default=1.0) == pytest.approx(TURN_TIMEOUT)
    clock.now += TURN_TIMEOUT
    assert queue.seconds_until_overdue(second, default=1.0) == MIN_WAIT
    clock.now += SLIGHTLY
    # It has become the first since it looked.
    assert queue.seconds_until_overdue(second, default=1.0) == MIN_WAIT
    assert is_turn_of(queue, second)


def test_every_waiter_checks_twice_a_second(queue: WaitQueue) -> None:
    """A waiter does not rely on what the first one intended: the first one may be another by now, or be woken early."""
    first = enqueue(queue)
    second = enqueue(queue)
    assert is_turn_of(queue, first)
    queue.sleeps(first, 60.0)
    assert queue.seconds_until_overdue(second, default=60.0) == MAX_WAIT == 0.5


def test_waiter_does_not_check_its_own_loop(queue: WaitQueue) -> None:
    """A task does not wake up to check whether its own event loop hangs."""
    enqueue(queue, "a loop")
    second = enqueue(queue, "a loop")
    third = enqueue(queue)
    assert queue.seconds_until_overdue(second, default=0.4) == 0.4
    assert queue.seconds_until_overdue(second, default=60.0) == MAX_WAIT
    assert queue.seconds_until_overdue(third, default=1.0) == pytest.approx(TURN_TIMEOUT)


def test_signal_handler_on_top_of_a_thread_that_changes_the_queue(queue: WaitQueue) -> None:
    """A signal handler may use the queue while the thread below it does."""
    first = queue.enqueue()
    with queue._lock:  # the thread below is in the middle of an operation
        second = queue.enqueue()
        assert not queue.is_empty()
        assert not is_turn_of(queue, second)
        queue.remove(second)
    assert is_turn_of(queue, first)


def test_default_clock_is_monotonic() -> None:
    """The default clock is one that cannot be set back."""
    assert WaitQueue()._clock is time.monotonic
