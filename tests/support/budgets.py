"""A budget of the rate limit with a clock that a test sets, and the values that the tests of the rate limit share."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Final, TypeVar

from bitget_spot._concurrency import Effect, run_async, run_sync
from bitget_spot.rate_limit.latency import LatencyEstimate
from bitget_spot.rate_limit.policy import PermitRelease, RequestResult
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import RateLimit

T = TypeVar("T")

TEN: Final = RateLimit(10, 1.0, "UID")
TWO: Final = RateLimit(2, 1.0, "UID")
ONE: Final = RateLimit(1, 1.0, "UID")
LEASE: Final = 20.0

COUNTED: Final = PermitRelease(RequestResult.COUNTED)
UNCERTAIN: Final = PermitRelease(RequestResult.UNCERTAIN)
NOT_SENT: Final = PermitRelease(RequestResult.NOT_SENT)
RATE_LIMITED: Final = PermitRelease(RequestResult.COUNTED, rate_limited=True)


def counted_in(latency: float) -> PermitRelease:
    """Return the release of a request with a response on an open connection, after this latency in seconds."""
    return PermitRelease(RequestResult.COUNTED, latency)


def estimate_of(*latencies: float, at: float = 0.0) -> LatencyEstimate:
    """Return an estimate from these latencies, each in a burst of its own, a second apart, the last one at `at`."""
    estimate = LatencyEstimate()
    for index, latency in enumerate(latencies, 1):
        estimate.add(latency, at - (len(latencies) - index))
    return estimate


class Clock:
    """A clock that stands still until a test sets it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Budget:
    """
    One budget of a store.

    Attributes:
        store: The store.
        mode: How its operations are run: in "threads" or in "tasks".
        name: The name of the budget.
        limit: The limit that each operation is given.

    """

    def __init__(self, store: Store, mode: str, name: str, limit: RateLimit = TEN) -> None:
        self.store = store
        self.mode = mode
        self.name = name
        self.limit = limit

    def run(self, operation: Generator[Effect, object, T]) -> T:
        """Run an operation in this thread, or in a task of a new event loop."""
        if self.mode == "threads":
            return run_sync(operation)
        return asyncio.run(run_async(operation))

    def acquire(self, permit: str, lease: float = LEASE) -> float:
        """Acquire a permit, or return how long to wait."""
        return self.run(self.store.acquire(self.name, permit, self.limit, lease))

    def acquire_all(self) -> None:
        """Acquire every permit of the limit: "0", "1", …"""
        for index in range(self.limit.requests):
            assert self.acquire(str(index)) == 0.0

    def release(self, permit: str, release: PermitRelease) -> None:
        """Release a permit."""
        self.run(self.store.release(self.name, permit, self.limit, release))
