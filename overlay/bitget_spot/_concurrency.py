"""A bell: what a thread or a task waits for that anybody may ring."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from bitget_spot._middleware.base import Do

if TYPE_CHECKING:
    import asyncio


class Bell:
    """Rung from any thread; one thread or one task waits for it."""

    __slots__ = ("_event", "_loop", "_ringing")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ringing: asyncio.Event | None = None

    @property
    def abandoned(self) -> bool:
        """Whether the loop that waits for it has ended."""
        return self._loop is not None and self._loop.is_closed()

    def ring(self) -> None:
        """Wake whoever waits, now or next."""
        self._event.set()
        if self._loop is not None and self._ringing is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._ringing.set)

    def wait(self, timeout: float) -> Do:
        """Wait until it is rung or the time has passed, in seconds."""
        return Do(lambda: self._wait(timeout), lambda: self._wait_in_task(timeout))

    def _wait(self, timeout: float) -> None:
        self._event.wait(timeout)
        self._event.clear()

    async def _wait_in_task(self, seconds: float) -> None:
        import asyncio  # noqa: PLC0415 - who is in a task has it, and a program without tasks need not

        self._ringing, self._loop = asyncio.Event(), asyncio.get_running_loop()
        # A ring that came before the two lines above has left its mark here.
        if not self._event.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ringing.wait(), seconds)
        self._event.clear()
