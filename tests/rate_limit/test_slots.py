"""The store in memory: budgets apart, both moves as generators, and a lock that holds."""

import threading
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import pytest

from bitget_spot.rate_limit.memory import MemoryStore
from bitget_spot.rate_limit.policy import PermitRelease, RequestResult
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import RateLimit

TEN = RateLimit(10, 1.0, "UID")
ONE = RateLimit(1, 1.0, "UID")
LEASE = 20.0
T = TypeVar("T")
ANSWERED = PermitRelease(RequestResult.ANSWERED)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def done(move: Generator[Any, Any, T]) -> T:
    """Run a move that has nothing to wait for, and answer its result."""
    try:
        next(move)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("memory waits for nothing")


def test_takes_and_settles() -> None:
    """A move is a generator that ends at once; take answers how long to wait, settle lets the slot reopen."""
    clock = Clock()
    slots = MemoryStore(clock=clock)
    assert done(slots.take("mine", "a", ONE, LEASE)) == 0.0
    assert done(slots.take("mine", "b", ONE, LEASE)) == pytest.approx(LEASE)
    clock.now += 0.5
    assert done(slots.settle("mine", "a", ONE, ANSWERED)) is None
    assert done(slots.take("mine", "b", ONE, LEASE)) == pytest.approx(1.005)
    clock.now += 1.006
    assert done(slots.take("mine", "b", ONE, LEASE)) == 0.0


def test_nothing_is_done_before_it_runs() -> None:
    """A move that is made and never run takes nothing."""
    slots = MemoryStore(clock=Clock())
    slots.take("mine", "a", ONE, LEASE).close()
    assert done(slots.take("mine", "b", ONE, LEASE)) == 0.0


def test_budgets_are_separate() -> None:
    """One budget's slots, answers and closures leave another's alone."""
    slots = MemoryStore(clock=Clock())
    for index in range(10):
        assert done(slots.take("mine", str(index), TEN, LEASE)) == 0.0
    assert done(slots.take("mine", "more", TEN, LEASE)) > 0
    assert done(slots.take("yours", "0", TEN, LEASE)) == 0.0
    done(slots.settle("mine", "0", TEN, PermitRelease(RequestResult.ANSWERED, limited=True)))
    assert done(slots.take("yours", "1", TEN, LEASE)) == 0.0
    done(slots.settle("yours", "2", TEN, PermitRelease(RequestResult.UNSENT)))
    assert done(slots.take("mine", "more", TEN, LEASE)) > 0


def test_stores_are_separate() -> None:
    """Two stores in memory share nothing."""
    first, second = MemoryStore(clock=Clock()), MemoryStore(clock=Clock())
    assert done(first.take("mine", "a", ONE, LEASE)) == 0.0
    assert done(second.take("mine", "a", ONE, LEASE)) == 0.0
    assert first.line("mine") is not second.line("mine")


def test_lines() -> None:
    """A budget has one line, and every budget one of its own."""
    slots = MemoryStore()
    assert slots.line("mine") is slots.line("mine")
    assert slots.line("mine") is not slots.line("yours")


def test_clock_that_never_goes_back() -> None:
    """Without further word the clock is one that no one sets back."""
    assert MemoryStore.__init__.__kwdefaults__ == {"clock": time.monotonic}


def test_threads_take_no_more_than_there_are() -> None:
    """However many threads ask at the same moment, no more get a slot than there are."""
    slots = MemoryStore(clock=Clock())
    threads = 40
    barrier = threading.Barrier(threads)
    waits: list[float] = []

    def ask(name: str) -> None:
        barrier.wait(10)
        waits.append(done(slots.take("mine", name, TEN, LEASE)))

    asking = [threading.Thread(target=ask, args=(str(index),)) for index in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(10)
    assert len(waits) == threads
    assert waits.count(0.0) == 10


def take_only(self: Store, budget: str, slot: str, limit: RateLimit, lease: float) -> None:
    """Stand in for one of the two moves."""


@pytest.mark.parametrize("moves", [{}, {"take": take_only}, {"settle": take_only}])
def test_a_store_has_both_moves(moves: dict[str, Callable[..., None]]) -> None:
    """A store that lacks a move cannot be made."""
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (Store,), moves)()
