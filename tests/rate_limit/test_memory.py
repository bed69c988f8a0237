"""The store in memory: separate budgets, operations that never wait, and a lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from budgets import COUNTED, LEASE, NOT_SENT, ONE, RATE_LIMITED, TEN, TWO, Clock

from bitget_spot._concurrency import Effect
from bitget_spot.rate_limit.memory import MemoryStore
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import RateLimit

T = TypeVar("T")


def run_at_once(operation: Generator[Effect, object, T]) -> T:
    """Run an operation that yields no effect, and return its result."""
    try:
        next(operation)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("memory has nothing to wait for")


def test_acquire_and_release() -> None:
    """An operation ends at once: `acquire` returns how long to wait, and `release` makes the permit available."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    assert run_at_once(store.acquire("mine", "a", ONE, LEASE)) == 0.0
    assert run_at_once(store.acquire("mine", "b", ONE, LEASE)) == pytest.approx(LEASE)
    clock.now += 0.5
    release = store.release("mine", "a", ONE, COUNTED)
    result: object = run_at_once(release)
    assert result is None
    assert run_at_once(store.acquire("mine", "b", ONE, LEASE)) == pytest.approx(1.005)
    clock.now += 1.006
    assert run_at_once(store.acquire("mine", "b", ONE, LEASE)) == 0.0


def test_operation_that_is_not_run() -> None:
    """An operation that is never run acquires nothing."""
    store = MemoryStore(clock=Clock())
    store.acquire("mine", "a", ONE, LEASE).close()
    assert run_at_once(store.acquire("mine", "b", ONE, LEASE)) == 0.0


def test_budgets_are_separate() -> None:
    """The permits, responses and pauses of one budget do not affect another."""
    store = MemoryStore(clock=Clock())
    for index in range(10):
        assert run_at_once(store.acquire("mine", str(index), TEN, LEASE)) == 0.0
    assert run_at_once(store.acquire("mine", "more", TEN, LEASE)) > 0
    assert run_at_once(store.acquire("yours", "0", TEN, LEASE)) == 0.0
    run_at_once(store.release("mine", "0", TEN, RATE_LIMITED))
    assert run_at_once(store.acquire("yours", "1", TEN, LEASE)) == 0.0
    run_at_once(store.release("yours", "2", TEN, NOT_SENT))
    assert run_at_once(store.acquire("mine", "more", TEN, LEASE)) > 0


def test_stores_are_separate() -> None:
    """Two stores in memory share nothing."""
    first = MemoryStore(clock=Clock())
    second = MemoryStore(clock=Clock())
    assert run_at_once(first.acquire("mine", "a", ONE, LEASE)) == 0.0
    assert run_at_once(second.acquire("mine", "a", ONE, LEASE)) == 0.0
    assert first.queue("mine") is not second.queue("mine")


def test_each_budget_has_one_queue() -> None:
    """A budget has one queue, and every budget has a queue of its own."""
    store = MemoryStore()
    assert store.queue("mine") is store.queue("mine")
    assert store.queue("mine") is not store.queue("yours")


def test_default_clock_is_monotonic() -> None:
    """The default clock is one that cannot be set back."""
    assert MemoryStore.__init__.__kwdefaults__ == {"clock": time.monotonic}


def test_threads_share_the_permits() -> None:
    """However many threads ask at the same moment, no more permits are acquired than there are."""
    store = MemoryStore(clock=Clock())
    count = 40
    barrier = threading.Barrier(count)
    waits: list[float] = []

    def acquire(permit: str) -> None:
        barrier.wait(10)
        waits.append(run_at_once(store.acquire("mine", permit, TEN, LEASE)))

    threads = [threading.Thread(target=acquire, args=(str(index),)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(waits) == count
    assert waits.count(0.0) == 10


def test_forked_process_has_a_budget_of_its_own() -> None:
    """After a fork, what has been sent still counts; requests in flight and waiters are those of the parent."""
    store = MemoryStore(clock=Clock())
    queue = store.queue("mine")
    queue.enqueue()
    for permit in ("over", "in flight"):
        run_at_once(store.acquire("mine", permit, TWO, LEASE))
    run_at_once(store.release("mine", "over", TWO, COUNTED))
    with store._lock:
        store.after_fork_in_child()
        with ThreadPoolExecutor() as pool:  # in the child, nothing releases the parent's lock
            assert pool.submit(run_at_once, store.acquire("mine", "a", TWO, LEASE)).result(10) == 0.0
    assert run_at_once(store.acquire("mine", "b", TWO, LEASE)) > 0
    assert store.queue("mine") is not queue
    assert store.queue("mine").is_empty()


def do_nothing(self: Store, budget: str, permit: str, limit: RateLimit, lease: float) -> None:
    """Do nothing in place of an operation."""


@pytest.mark.parametrize("methods", [{}, {"acquire": do_nothing}, {"release": do_nothing}])
def test_store_needs_both_operations(methods: dict[str, Callable[..., None]]) -> None:
    """A store class that lacks an operation cannot be instantiated."""
    with pytest.raises(TypeError, match="abstract"):
        type("Incomplete", (Store,), methods)()
