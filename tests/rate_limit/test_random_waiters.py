"""
Waiters of one budget that are stuck now and then, at random and in virtual time.

Each waiter belongs to a thread or to an event loop. While its thread or loop is stuck, it does nothing: neither take its
turn nor release its permit. Whatever happens, waiters that are not stuck are served in order, and do not wait while a
permit is available.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Generator
from functools import partial
from random import Random
from typing import Any, Final

import pytest
from attrs import define, field

from bitget_spot._middleware.context import RequestContext
from bitget_spot._middleware.rate_limit import PermitRequest, RateLimitMiddleware
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.rate_limit import queue as queue_module
from bitget_spot.rate_limit.policy import PermitRelease, RequestResult
from bitget_spot.rate_limit.queue import WaitQueue
from bitget_spot_api.operations import RateLimit

SEEDS: Final = 60
BUDGET: Final = "a budget"
LEASE: Final = 12.0
LOOPS: Final = ("loop 1", "loop 2", "loop 3")
CALLERS: Final = 40
STEP: Final = 0.005
"""Seconds between two checks whether a permit is available while somebody waits."""
MAX_IDLE: Final = 1.0
"""Seconds for which a permit may be available while a waiter waits that is not stuck."""
END: Final = 400.0


class SimulatedWaiter:
    """In place of a `Waiter`: it belongs to the owner that runs when it is created."""

    running: Owner

    def __init__(self) -> None:
        self.real_owner = self.running
        self.owner: object = self.running if self.running.is_loop else self
        self.loop_closed = False
        self.is_notified = False
        self.wake: Callable[[], object] | None = None

    @classmethod
    def task_loop(cls) -> Owner | None:
        """Return the loop that runs, as the function of this name."""
        return cls.running if cls.running.is_loop else None

    def notify(self) -> None:
        """Wake the waiter, or keep it from sleeping next."""
        self.is_notified = True
        if self.wake is not None:
            self.wake()


@define(eq=False)
class Owner:
    """
    A thread or an event loop.

    Attributes:
        is_loop: Whether it is a loop, which may have many waiters.
        stuck: When it is stuck: pairs of the beginning and the end.

    """

    is_loop: bool
    stuck: list[tuple[float, float]] = field(factory=list)

    def runs_again_at(self, now: float) -> float:
        """Return when it runs: now, unless it is stuck."""
        for begin, end in sorted(self.stuck):
            if begin <= now < end:
                now = end
        return now

    def is_healthy_between(self, begin: float, end: float) -> bool:
        """Return whether it is never stuck in this time."""
        return all(until <= begin or since >= end for since, until in self.stuck)


@define(eq=False)
class Caller:
    """
    A caller that needs one permit.

    Attributes:
        owner: Its thread or event loop.
        begins_at: When it asks for the permit.
        holds_for: How many seconds its request takes.
        result: What its request ends in.
        granted_at: When it had the permit.

    """

    owner: Owner
    begins_at: float
    holds_for: float
    result: RequestResult
    granted_at: float = float("inf")


class Simulation:
    """Callers with one budget, and a clock that moves from event to event."""

    def __init__(self, seed: int, *, stuck: bool) -> None:
        self.now = 0.0
        self.longest_idle = 0.0
        self._idle_since: float | None = None
        self._numbers = itertools.count()
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        random = Random(seed)  # noqa: S311 - repeatable on purpose
        requests, period = random.choice([(1, 1.0), (2, 1.0), (5, 1.0), (10, 20.0)])
        self.limit = RateLimit(requests, period, "UID")
        self.store = MemoryStore(clock=lambda: self.now)
        self.queue = self.store._queues[BUDGET] = WaitQueue(lambda: self.now)
        self.middleware = RateLimitMiddleware(
            None,  # type: ignore[arg-type]  # nothing is sent
            store=self.store,
            budget=lambda _: BUDGET,
            limits={},
            pause=lambda waiter, seconds: (waiter, seconds),  # type: ignore[arg-type, return-value]  # read by `_run`
            clock=lambda: self.now,
        )
        self.callers = self._new_callers(random, stuck=stuck)

    @staticmethod
    def _new_callers(random: Random, *, stuck: bool) -> list[Caller]:
        loops = [Owner(is_loop=True) for _ in LOOPS]
        callers = []
        latest = random.choice([0.0, 3.0, 8.0])
        for _ in range(CALLERS):
            owner = random.choice(loops) if random.random() < 0.5 else Owner(is_loop=False)
            result = random.choice([RequestResult.COUNTED] * 4 + [RequestResult.NOT_SENT])
            callers.append(Caller(owner, random.random() * latest, random.choice([0.01, 0.05, 0.3]), result))
        for owner in dict.fromkeys(caller.owner for caller in callers):
            if stuck and random.random() < 0.4:
                begin = random.random() * 6
                owner.stuck.append((begin, begin + random.choice([0.02, 0.1, 1.0, 5.0, 200.0])))
        return callers

    def run(self) -> None:
        """Let everything happen."""
        for number, caller in enumerate(self.callers):
            self._at(caller.begins_at, partial(self._begin, str(number), caller))
        while self._events:
            at, _, action = heapq.heappop(self._events)
            self._pass_time(at)
            action()
        assert all(caller.granted_at < END for caller in self.callers)
        assert not self.queue._entries
        assert not self.queue._turns

    def _at(self, at: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._events, (at, next(self._numbers), action))

    def _begin(self, name: str, caller: Caller) -> None:
        acquiring = self.middleware._acquire(PermitRequest(BUDGET, name, self.limit, LEASE), RequestContext())
        self._run(name, caller, acquiring)

    def _run(self, name: str, caller: Caller, acquiring: Generator[Any, None, None]) -> None:
        """Continue a caller until it waits or has its permit; if it is stuck, when it is not stuck any more."""
        runs_at = caller.owner.runs_again_at(self.now)
        if runs_at > self.now:
            self._at(runs_at, lambda: self._run(name, caller, acquiring))
            return
        SimulatedWaiter.running = caller.owner
        try:
            waiter, seconds = next(acquiring)
        except StopIteration:
            caller.granted_at = self.now
            self._idle_since = None
            self._at(self.now + caller.holds_for, lambda: self._release(name, caller))
            return
        self._sleep(waiter, seconds, lambda: self._run(name, caller, acquiring))

    def _sleep(self, waiter: SimulatedWaiter, seconds: float, then: Callable[[], object]) -> None:
        """Continue after so many seconds, or as soon as the waiter is notified."""

        def wake() -> None:
            if waiter.wake is wake_soon:
                waiter.wake = None
                waiter.is_notified = False
                then()

        def wake_soon() -> None:
            self._at(self.now, wake)

        waiter.wake = wake_soon
        self._at(self.now if waiter.is_notified else self.now + seconds, wake)

    def _release(self, name: str, caller: Caller) -> None:
        runs_at = caller.owner.runs_again_at(self.now)
        if runs_at > self.now:
            self._at(runs_at, lambda: self._release(name, caller))
            return
        for _ in self.store.release(BUDGET, name, self.limit, PermitRelease(caller.result)):
            raise AssertionError("memory has nothing to wait for")
        self.queue.notify_first()

    def _pass_time(self, until: float) -> None:
        """Advance the clock, and measure for how long a permit is available while a healthy waiter waits."""
        while self.now < until and self.queue._entries:
            if not self._is_idle():
                self._idle_since = None
            elif self._idle_since is None:
                self._idle_since = self.now
            else:
                self.longest_idle = max(self.longest_idle, self.now - self._idle_since)
            self.now = min(until, self.now + STEP)
        self.now = until

    def _is_idle(self) -> bool:
        state = self.store._states[BUDGET]
        occupied = sum(permit.available_at(0.0) > self.now for permit in state.permits.values())
        if occupied >= self.limit.requests:
            return False
        owners = [waiter.real_owner for waiter in self.queue._entries]  # type: ignore[attr-defined]  # simulated
        return any(owner.runs_again_at(self.now) == self.now for owner in owners)


@pytest.fixture(autouse=True)
def simulated_waiters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the queues use simulated waiters and event loops."""
    monkeypatch.setattr(queue_module, "Waiter", SimulatedWaiter)
    monkeypatch.setattr(queue_module, "task_loop", SimulatedWaiter.task_loop)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_order_without_stuck_waiters(seed: int) -> None:
    """If nobody is stuck, permits are given in the order in which the callers asked, and none is left unused."""
    simulation = Simulation(seed, stuck=False)
    simulation.run()
    granted = [caller.begins_at for caller in sorted(simulation.callers, key=lambda caller: caller.granted_at)]
    assert granted == sorted(granted)
    assert simulation.longest_idle < 2 * STEP


def was_overtaken(caller: Caller, others: list[Caller]) -> bool:
    """Return whether somebody who asked later had a permit earlier, although this caller was never stuck."""
    if not caller.owner.is_healthy_between(caller.begins_at, caller.granted_at):
        return False
    return any(
        other.begins_at > caller.begins_at and caller.begins_at < other.granted_at < caller.granted_at
        for other in others
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_stuck_waiters_delay_nobody(seed: int) -> None:
    """No permit is left unused for more than a second while a waiter that is not stuck waits for one."""
    simulation = Simulation(seed, stuck=True)
    simulation.run()
    assert simulation.longest_idle <= MAX_IDLE


def test_healthy_waiters_are_not_overtaken() -> None:
    """A waiter that is not stuck is overtaken by none that came later, whoever else is stuck."""
    overtaken = []
    for seed in range(SEEDS):
        simulation = Simulation(seed, stuck=True)
        simulation.run()
        if any(was_overtaken(caller, simulation.callers) for caller in simulation.callers):
            overtaken.append(seed)
    assert overtaken == []
