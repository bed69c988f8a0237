"""
First come, first served: the waiters for the permits of one budget in this process, threads and tasks together.

Only the first waiter asks the store. It may be stuck: its event loop hangs or was stopped, its thread is suspended, or a
signal handler runs on top of it. A waiter that does not act within `TURN_TIMEOUT` of the time at which it should counts
as absent, with all others of its event loop. The others no longer wait for it. It keeps its place, and takes the next
permit when it, or its event loop, runs again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

from attrs import define

from bitget_spot._concurrency import Waiter, task_loop

TURN_TIMEOUT: Final = 0.05
"""Seconds after which a waiter that does not take its turn counts as absent."""
MIN_WAIT: Final = 0.001
"""Seconds between two checks of a waiter."""
MAX_WAIT: Final = 0.5
"""Seconds after which every waiter checks: when it began to wait, another one may have been the first."""


@define(eq=False)
class _Turn:
    """
    The turn of a waiter.

    Attributes:
        acts_at: When the waiter should act.
        is_asking: It is asking the store, which responds by then; else it sleeps until then or until it is notified.

    """

    acts_at: float
    is_asking: bool = False


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
        # In order. Everything iterates over copies, because of that signal handler.
        self._entries: dict[Waiter, None] = {}
        self._turns: dict[Waiter, _Turn] = {}

    def enqueue(self) -> Waiter:
        """Add a waiter at the end, and return it."""
        waiter = Waiter()
        with self._lock:
            self._entries[waiter] = None
        return waiter

    def is_empty(self) -> bool:
        """Return whether there are no waiters, other than absent ones."""
        with self._lock:
            self._record_running(task_loop())
            first = self._first_present()
            if first is None:
                return True
            self._start_turn(first)
            return False

    def is_turn_of(self, waiter: Waiter, *, acts_within: float) -> bool:
        """
        Return whether it is this waiter's turn, which is running now.

        Args:
            waiter: The waiter.
            acts_within: Seconds for which it will be busy asking the store, if it is its turn.

        """
        with self._lock:
            self._turns.pop(waiter, None)
            self._record_running(waiter.owner)
            first = self._first_present()
            if first is waiter:
                self._turns[waiter] = _Turn(self._clock() + acts_within, is_asking=True)
                return True
            if first is not None:
                self._start_turn(first)
            return False

    def sleeps(self, waiter: Waiter, seconds: float) -> None:
        """Record that a waiter whose turn it is waits for so many seconds before it asks again."""
        with self._lock:
            self._record_running(waiter.owner)
            if waiter in self._entries:
                self._turns[waiter] = _Turn(self._clock() + seconds)

    def seconds_until_overdue(self, waiter: Waiter, *, default: float) -> float:
        """Return the seconds after which this waiter should check whether the first one is absent, at most `default`."""
        with self._lock:
            longest = min(default, MAX_WAIT)
            first = self._first_present()
            if first is waiter:
                return MIN_WAIT  # it was not a moment ago
            # If its own event loop hangs, it cannot check either.
            if first is None or first.owner == waiter.owner:
                return longest
            overdue_at = self._start_turn(first).acts_at + TURN_TIMEOUT
            return min(longest, max(MIN_WAIT, overdue_at - self._clock()))

    def remove(self, waiter: Waiter) -> None:
        """Remove a waiter, served or not, and wake the next one."""
        with self._lock:
            self._discard(waiter)
            self.notify_first()

    def notify_first(self) -> None:
        """Wake the first waiter, because a permit may be available earlier than it expects."""
        with self._lock:
            first = self._first_present()
            if first is None:
                return
            turn = self._start_turn(first)
            # While it asks a slow store, it cannot act on a notification.
            if not turn.is_asking:
                turn.acts_at = min(turn.acts_at, self._clock())
            first.notify()

    def _first_present(self) -> Waiter | None:
        """Return the first waiter that is not absent; those whose event loop is closed are removed."""
        absent = self._absent_owners()
        for waiter in list(self._entries):
            if waiter.loop_closed:
                self._discard(waiter)
            elif waiter.owner not in absent and not self._is_overdue(self._turns.get(waiter)):
                return waiter
        return None

    def _absent_owners(self) -> set[Hashable]:
        """Return the owners of overdue waiters, except those that only wait for a store longer than expected."""
        return {
            waiter.owner for waiter, turn in list(self._turns.items()) if not turn.is_asking and self._is_overdue(turn)
        }

    def _is_overdue(self, turn: _Turn | None) -> bool:
        return turn is not None and self._clock() > turn.acts_at + TURN_TIMEOUT

    def _start_turn(self, waiter: Waiter) -> _Turn:
        """Wake a waiter if it does not know yet that it is its turn; return the turn."""
        turn = self._turns.get(waiter)
        if turn is None:
            turn = self._turns[waiter] = _Turn(self._clock())
            waiter.notify()
        return turn

    def _record_running(self, owner: Hashable) -> None:
        """Give the waiters of an owner that runs again the time to act, because it could not run them before."""
        for waiter, turn in list(self._turns.items()):
            if waiter.owner == owner and not turn.is_asking and self._is_overdue(turn):
                self._turns.pop(waiter, None)

    def _discard(self, waiter: Waiter) -> None:
        self._entries.pop(waiter, None)
        self._turns.pop(waiter, None)
