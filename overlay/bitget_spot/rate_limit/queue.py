"""First come, first served: who waits for a slot of one budget in this process, threads and tasks together."""

from __future__ import annotations

import contextlib
import threading
from collections import deque

from bitget_spot._concurrency import Bell


class Line:
    """A queue of bells, the first of which may ask for a slot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bells: deque[Bell] = deque()

    def join(self) -> Bell:
        """Stand at the end."""
        bell = Bell()
        with self._lock:
            self._bells.append(bell)
        return bell

    def is_empty(self) -> bool:
        """Tell whether nobody waits."""
        return not self._bells

    def is_first(self, bell: Bell) -> bool:
        """Tell whether it is this one's turn, passing over those whose event loop has ended."""
        with self._lock:
            self._drop_abandoned()
            return self._bells[0] is bell

    def leave(self, bell: Bell) -> None:
        """Leave, served or not; the next one is woken."""
        with self._lock:
            with contextlib.suppress(ValueError):
                self._bells.remove(bell)
            self._ring_first()

    def ring(self) -> None:
        """Wake the first one: something has changed."""
        with self._lock:
            self._ring_first()

    def _drop_abandoned(self) -> None:
        while self._bells and self._bells[0].abandoned:
            self._bells.popleft()

    def _ring_first(self) -> None:
        self._drop_abandoned()
        if self._bells:
            self._bells[0].ring()
