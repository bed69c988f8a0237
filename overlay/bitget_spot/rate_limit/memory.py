"""The store in memory."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from bitget_spot._concurrency import EffectGenerator
from bitget_spot.rate_limit.policy import LimiterState, PermitRelease
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import RateLimit


class MemoryStore(Store):
    """
    Keeps permits in memory: the clients of one process that are given the same object share their budgets.

    The budget is that of a process: after a fork, parent and child have one each.

    Args:
        clock: Returns seconds that never go backwards; for tests.

    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # A signal handler may run on top of a thread that has the lock.
        self._lock = threading.RLock()
        self._states: defaultdict[str, LimiterState] = defaultdict(LimiterState)

    def acquire(self, budget: str, permit: str, limit: RateLimit, lease: float) -> EffectGenerator[float]:
        """Acquire a permit, as `Store.acquire`."""
        with self._lock:
            wait = self._states[budget].acquire(permit, self._clock(), limit, lease)
        yield from ()  # memory has nothing to wait for
        return wait

    def release(self, budget: str, permit: str, limit: RateLimit, release: PermitRelease) -> EffectGenerator[None]:
        """Release a permit, as `Store.release`."""
        with self._lock:
            self._states[budget].release(permit, self._clock(), limit, release)
        yield from ()

    def after_fork_in_child(self) -> None:
        """Keep what has been sent so far; requests in flight are the parent's. From now on each has its own budget."""
        super().after_fork_in_child()
        self._lock = threading.RLock()
        for state in self._states.values():
            state.forget_in_flight()

    def occupy(self, budget: str, permit: str, limit: RateLimit, lease: float) -> None:
        """Occupy a permit that was acquired in another store, whether or not one is available here."""
        with self._lock:
            state = self._states[budget]
            now = self._clock()
            if state.acquire(permit, now, limit, lease):
                state.occupy(permit, now, lease)
