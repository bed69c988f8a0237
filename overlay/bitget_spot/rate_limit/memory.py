"""Where the slots of a budget lie: the protocol of a store, and the store in memory."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Generator

from bitget_spot._middleware.base import Do
from bitget_spot.rate_limit.policy import Log, Settlement
from bitget_spot.rate_limit.queue import Line
from bitget_spot_api.operations import RateLimit


class Slots(ABC):
    """
    A store of slots, by budget: one account's requests to one operation.

    Both moves are generators that yield whatever has to be waited for, so that a store on a network serves threads
    and tasks alike.
    """

    def __init__(self) -> None:
        self._lines: defaultdict[str, Line] = defaultdict(Line)

    def line(self, budget: str) -> Line:
        """Answer the queue of those in this process who wait for the budget."""
        return self._lines[budget]

    @abstractmethod
    def take(self, budget: str, slot: str, limit: RateLimit, lease: float) -> Generator[Do, None, float]:
        """Take a slot and answer 0.0, or answer the seconds after which to ask again."""

    @abstractmethod
    def settle(self, budget: str, slot: str, limit: RateLimit, told: Settlement) -> Generator[Do, None, None]:
        """
        Say that the request is over, so that its slot can be used again.

        With a fate of `UNSENT` also that an asker has given up waiting; a slot granted meanwhile is free again.
        """


class MemorySlots(Slots):
    """
    Slots in memory: the clients of one process that are given the same object share their budgets.

    Args:
        clock: Seconds that never go back.

    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._logs: defaultdict[str, Log] = defaultdict(Log)

    def take(self, budget: str, slot: str, limit: RateLimit, lease: float) -> Generator[Do, None, float]:
        with self._lock:
            wait = self._logs[budget].take(slot, self._clock(), limit, lease)
        yield from ()  # memory has nothing to wait for
        return wait

    def note(self, budget: str, slot: str, limit: RateLimit, lease: float) -> None:
        """Occupy a slot that has been granted elsewhere."""
        with self._lock:
            log, now = self._logs[budget], self._clock()
            if log.take(slot, now, limit, lease):
                log.occupy(slot, now, lease)

    def settle(self, budget: str, slot: str, limit: RateLimit, told: Settlement) -> Generator[Do, None, None]:
        with self._lock:
            self._logs[budget].settle(slot, self._clock(), limit, told)
        yield from ()
