"""
What every shared store has in common: names, and what happens while the store is down.

A problem with a store never stops a cancel. Next to the store, each client keeps its own permits in memory, including
those that the store gave it. While the store does not respond, only these count, against this client's share of the
limit. One request too many is possible then; it costs a retry, not an order.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from attrs import evolve, frozen

from bitget_spot._concurrency import Effect, EffectGenerator, ForkAware
from bitget_spot.rate_limit.memory import MemoryStore
from bitget_spot.rate_limit.policy import LimiterState, PermitRelease
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import RateLimit

STORE_TIMEOUT: Final = 0.5
"""Seconds that a store may take to connect, and to respond."""
PROBE_INTERVAL: Final = 1.0
"""Seconds between two attempts to reach a store that is down."""
WARNING_INTERVAL: Final = 60.0
"""Seconds between two warnings about a store that is down."""
_log: Final = logging.getLogger("bitget_spot.rate_limit")


@frozen
class StoreOperation:
    """
    One operation on the state of a budget.

    Attributes:
        permit: The name of the permit, unique among all processes.
        participant: Who asks.
        limit: How many permits there are.
        lease: To acquire: seconds after which a permit that is never released is available again.
        release: To release: what is known about the request.

    """

    permit: str
    participant: str
    limit: RateLimit
    lease: float = 0.0
    release: PermitRelease | None = None

    def apply(self, state: LimiterState, now: float) -> tuple[float, int]:
        """Apply it; return the seconds to wait, as `LimiterState.acquire`, and the number of participants."""
        wait = 0.0
        if self.release is None:
            wait = state.acquire(self.permit, now, self.limit, self.lease, self.participant)
        else:
            state.release(self.permit, now, self.limit, self.release, self.participant)
        return wait, len(state.participants)


class CircuitBreaker(ForkAware):
    """Keeps callers away from a store that is down, and lets one of them try again from time to time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._next_probe_at: float | None = None
        self._warned_at = float("-inf")

    def after_fork_in_child(self) -> None:
        """Replace the lock, which a thread of the parent may hold."""
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        """Return whether the store is down and must not be asked now; one caller at a time may probe it."""
        with self._lock:
            if self._next_probe_at is None:
                return False
            now = self._clock()
            if now < self._next_probe_at:
                return True
            self._next_probe_at = now + PROBE_INTERVAL
            return False

    def record_failure(self, store: object, error: Exception) -> None:
        """Open the circuit, and log a warning if there has been none lately."""
        with self._lock:
            now = self._clock()
            was_open = self._next_probe_at is not None
            self._next_probe_at = now + PROBE_INTERVAL
            if was_open or now - self._warned_at < WARNING_INTERVAL:
                return
            self._warned_at = now
        _log.warning(
            "%r does not respond (%s: %s); continuing with this client's share of the limit, from memory",
            store,
            type(error).__name__,
            error,
        )

    def record_success(self, store: object) -> None:
        """Close the circuit."""
        if self._next_probe_at is not None:
            with self._lock:
                self._next_probe_at = None
            _log.info("%r responds again", store)


class SharedStore(Store):
    """A store that several processes share, with a fallback in memory; subclasses implement one operation."""

    response_time = STORE_TIMEOUT

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._participant = secrets.token_hex(6)
        self._fallback = MemoryStore(clock=clock)
        self._participants: dict[str, int] = {}
        self._circuit_breaker = CircuitBreaker(clock)

    @abstractmethod
    def _execute(self, key: str, operation: StoreOperation) -> Effect:
        """Execute an operation on the state under a key; the result is that of `StoreOperation.apply`."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections; the next request opens new ones."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def after_fork_in_child(self) -> None:
        """Take part under a name of its own."""
        super().after_fork_in_child()
        self._participant = secrets.token_hex(6)

    def acquire(self, budget: str, permit: str, limit: RateLimit, lease: float) -> EffectGenerator[float]:
        """Acquire a permit from the store; from memory while the store is down."""
        operation = self._operation(permit, limit, lease=lease)
        wait = yield from self._try(budget, operation)
        if wait is None:
            return (yield from self._fallback.acquire(budget, permit, self._share(budget, limit), lease))
        if not wait:
            self._fallback.occupy(budget, permit, limit, lease)
        return wait

    def release(self, budget: str, permit: str, limit: RateLimit, release: PermitRelease) -> EffectGenerator[None]:
        """Release a permit, also if memory gave it: the store learns of its request here."""
        yield from self._fallback.release(budget, permit, limit, release)
        # If the store cannot be reached, the permit becomes available again when its lease ends.
        yield from self._try(budget, self._operation(permit, limit, release=release))

    def _try(self, budget: str, operation: StoreOperation) -> EffectGenerator[float | None]:
        """Execute an operation; return `None` if the store is down."""
        if self._circuit_breaker.is_open():
            return None
        wait: float
        try:
            wait, self._participants[budget] = yield self._execute(f"bitget-spot:{budget}", operation)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop a cancel
            self._circuit_breaker.record_failure(self, error)
            return None
        self._circuit_breaker.record_success(self)
        return wait

    def _share(self, budget: str, limit: RateLimit) -> RateLimit:
        """Return this client's share of a limit: if every client keeps to its own, all of them keep to the limit."""
        return evolve(limit, requests=max(1, limit.requests // self._participants.get(budget, 1)))

    def _operation(
        self, permit: str, limit: RateLimit, *, lease: float = 0.0, release: PermitRelease | None = None
    ) -> StoreOperation:
        return StoreOperation(f"{self._participant}:{permit}", self._participant, limit, lease, release)
