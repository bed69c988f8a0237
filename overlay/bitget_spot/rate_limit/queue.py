"""First come, first served: the waiters for the permits of one budget in this process, threads and tasks together."""

from __future__ import annotations

import contextlib
import threading
from collections import deque

from bitget_spot._concurrency import Waiter


class WaitQueue:
    """A queue of waiters, the first of which may ask the store for a permit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: deque[Waiter] = deque()

    def enqueue(self) -> Waiter:
        """Add a waiter at the end, and return it."""
        waiter = Waiter()
        with self._lock:
            self._waiters.append(waiter)
        return waiter

    def is_empty(self) -> bool:
        """Return whether there are no waiters."""
        return not self._waiters

    def is_first(self, waiter: Waiter) -> bool:
        """Return whether it is this waiter's turn; waiters whose event loop is closed are skipped."""
        with self._lock:
            self._drop_closed()
            return self._waiters[0] is waiter

    def remove(self, waiter: Waiter) -> None:
        """Remove a waiter, served or not, and wake the next one."""
        with self._lock:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
            self._notify_first()

    def notify_first(self) -> None:
        """Wake the first waiter, because a permit may be available earlier than it expects."""
        with self._lock:
            self._notify_first()

    def _drop_closed(self) -> None:
        while self._waiters and self._waiters[0].loop_closed:
            self._waiters.popleft()

    def _notify_first(self) -> None:
        self._drop_closed()
        if self._waiters:
            self._waiters[0].notify()
