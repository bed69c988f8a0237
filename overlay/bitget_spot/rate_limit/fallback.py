"""
What every store that several processes share has in common: names, and what happens when it does not answer.

Trouble with a store never stops a cancel. Beside the store this client keeps its own slots in memory, those that the
store granted included. While the store does not answer they are all that counts, against this client's share of the
limit; a request too many is possible then, and costs a repeat, not an order.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Final, Self

from attrs import evolve, frozen

from bitget_spot._middleware.base import Do
from bitget_spot.rate_limit.memory import MemorySlots, Slots
from bitget_spot.rate_limit.policy import Log, Settlement
from bitget_spot_api.operations import RateLimit

TIMEOUT: Final = 0.5
"""Seconds that a store may take, for connecting and for answering each."""
PROBE_INTERVAL: Final = 1.0
"""A store that does not answer is asked again so often, in seconds."""
WARNING_INTERVAL: Final = 60.0
_log: Final = logging.getLogger("bitget_spot")


@frozen
class Move:
    """
    One step at a budget's log.

    Attributes:
        slot: The slot's name, unique among all processes.
        client: Who makes it.
        limit: How many slots there are.
        lease: For a take: seconds after which the slot is free again if nobody settles it.
        told: For a settlement: what became of the request.

    """

    slot: str
    client: str
    limit: RateLimit
    lease: float = 0.0
    told: Settlement | None = None

    def at(self, log: Log, now: float) -> tuple[float, int]:
        """Make it, and answer what take answers and how many clients there are."""
        wait = 0.0
        if self.told is None:
            wait = log.take(self.slot, now, self.limit, self.lease, self.client)
        else:
            log.settle(self.slot, now, self.limit, self.told, self.client)
        return wait, len(log.clients)


class Outage:
    """Whether a store answers, when to ask it again, and when to say so."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._probe_at: float | None = None
        self._warned_at = float("-inf")

    def spared(self) -> bool:
        """Tell whether the store is out and not to be asked now; one asker at a time is let through to probe it."""
        with self._lock:
            if self._probe_at is None:
                return False
            now = self._clock()
            if now < self._probe_at:
                return True
            self._probe_at = now + PROBE_INTERVAL
            return False

    def begin(self, store: object, error: Exception) -> None:
        """Take note that it did not answer."""
        with self._lock:
            now, known = self._clock(), self._probe_at is not None
            self._probe_at = now + PROBE_INTERVAL
            if known or now - self._warned_at < WARNING_INTERVAL:
                return
            self._warned_at = now
        _log.warning(
            "%r does not answer (%s: %s): this client goes on with its share of the limit, from memory",
            store,
            type(error).__name__,
            error,
        )

    def end(self, store: object) -> None:
        """Take note that it answered."""
        if self._probe_at is not None:
            with self._lock:
                self._probe_at = None
            _log.info("%r answers again", store)


class SharedSlots(Slots):
    """A store that several processes share; what differs between them is one step."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._token = secrets.token_hex(6)
        self._own = MemorySlots(clock=clock)
        self._clients: dict[str, int] = {}
        self._outage = Outage(clock)

    @abstractmethod
    def _step(self, key: str, move: Move) -> Do:
        """Make a move at the log under a key; answer what `Move.at` answers."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open; the next request opens anew."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, budget: str, slot: str, limit: RateLimit, lease: float) -> Generator[Do, Any, float]:
        client = self._client()
        wait = yield from self._try(budget, Move(f"{client}:{slot}", client, limit, lease=lease))
        if wait is None:
            # As each client has its share, those of all together come to no more than the limit.
            share = evolve(limit, requests=max(1, limit.requests // self._clients.get(budget, 1)))
            return (yield from self._own.take(budget, slot, share, lease))
        if not wait:
            self._own.note(budget, slot, limit, lease)
        return wait

    def settle(self, budget: str, slot: str, limit: RateLimit, told: Settlement) -> Generator[Do, Any, None]:
        yield from self._own.settle(budget, slot, limit, told)
        client = self._client()
        # Be it granted from memory: the store learns of it here. One that cannot be told gives the slot back in time.
        yield from self._try(budget, Move(f"{client}:{slot}", client, limit, told=told))

    def _try(self, budget: str, move: Move) -> Generator[Do, Any, float | None]:
        if self._outage.spared():
            return None
        wait: float
        try:
            wait, self._clients[budget] = yield self._step(f"bitget-spot:{budget}", move)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop a cancel
            self._outage.begin(self, error)
            return None
        self._outage.end(self)
        return wait

    def _client(self) -> str:
        # A forked process is a client of its own.
        return f"{self._token}-{os.getpid()}"
