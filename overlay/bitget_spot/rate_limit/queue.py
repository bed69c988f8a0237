"""
First come, first served: the waiters for the permits of one budget in this process, threads and tasks together.

Only the first waiter asks the store. It may be stuck: its event loop hangs or was stopped, its thread is suspended, or a
signal handler runs on top of it. A waiter that does not act within `TURN_TIMEOUT` of the time at which it should counts
as absent, with all others of its event loop. The others no longer wait for it. It keeps its place, and takes
the next permit when it runs again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Final

from attrs import define

from bitget_spot._concurrency import Waiter

TURN_TIMEOUT: Final = 0.05
"""Seconds after which a waiter that does not take its turn counts as absent."""
MIN_WAIT: Final = 0.001
"""Seconds between two checks of a waiter."""


@define(eq=False)
class _Entry:
    """A waiter, and when it should act; `None` as long as it is not its turn."""

    waiter: Waiter
    acts_at: float | None = None


class WaitQueue:
    """
    A queue of waiters.

    Args:
        clock: Returns seconds that never go backwards.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A signal handler may run on top of a thread that has the lock.
        self._lock = threading.RLock()
        self._entries: deque[_Entry] = deque()

    def enqueue(self) -> Waiter:
        """Add a waiter at the end, and return it."""
        waiter = Waiter()
        with self._lock:
            self._entries.append(_Entry(waiter))
        return waiter

    def is_empty(self) -> bool:
        """Return whether there are no waiters, other than absent ones."""
        return not self._entries or self._first_present(None) is None

    def is_turn_of(self, waiter: Waiter, *, acts_within: float) -> bool:
        """
        Return whether it is this waiter's turn, which is running now.

        Args:
            waiter: The waiter.
            acts_within: Seconds for which it will be busy asking the store, if it is its turn.

        """
        with self._lock:
            first = self._first_present(waiter)
            if first is None or first.waiter is not waiter:
                return False
            first.acts_at = self._clock() + acts_within
            return True

    def sleeps(self, waiter: Waiter, seconds: float) -> None:
        """Record that a waiter whose turn it is waits for so many seconds before it asks again."""
        with self._lock:
            for entry in self._entries:
                if entry.waiter is waiter:
                    entry.acts_at = self._clock() + seconds

    def seconds_until_overdue(self, waiter: Waiter, *, default: float) -> float:
        """Return the seconds after which this waiter should check whether the first one is absent, at most `default`."""
        with self._lock:
            first = self._first_present(None)
            # If its own event loop hangs, it cannot check either.
            if first is None or first.acts_at is None or first.waiter.owner == waiter.owner:
                return default
            return min(default, max(MIN_WAIT, first.acts_at + TURN_TIMEOUT - self._clock()))

    def remove(self, waiter: Waiter) -> None:
        """Remove a waiter, served or not, and wake the next one."""
        with self._lock:
            for entry in list(self._entries):
                if entry.waiter is waiter:
                    with contextlib.suppress(ValueError):
                        self._entries.remove(entry)
            self.notify_first()

    def notify_first(self) -> None:
        """Wake the first waiter, because a permit may be available earlier than it expects."""
        with self._lock:
            first = self._first_present(None)
            if first is not None:
                now = self._clock()
                if first.acts_at is None or first.acts_at > now:
                    first.acts_at = now
                first.waiter.notify()

    def _first_present(self, running: Waiter | None) -> _Entry | None:
        """Return the first waiter that is not absent; the one that is running now is not."""
        absent: set[Hashable] = set()
        for entry in self._open_entries():
            if entry.waiter is running:
                return entry
            now = self._clock()
            if entry.acts_at is not None and now > entry.acts_at + TURN_TIMEOUT:
                absent.add(entry.waiter.owner)
            if entry.waiter.owner not in absent:
                entry.acts_at = now if entry.acts_at is None else entry.acts_at
                return entry
        return None

    def _open_entries(self) -> Iterator[_Entry]:
        """Yield the waiters in order; those whose event loop is closed are removed."""
        for entry in list(self._entries):
            if entry.waiter.loop_closed:
                with contextlib.suppress(ValueError):
                    self._entries.remove(entry)
            else:
                yield entry
