"""A wake-up across threads and event loops."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING

from bitget_spot._concurrency.effect import Effect
from bitget_spot._concurrency.loops import task_loop

if TYPE_CHECKING:
    import asyncio


class Waiter:
    """
    A wake-up that one thread or one task waits for and that any thread can trigger.

    Create it in the thread or task that waits.

    Attributes:
        owner: What may be stuck: the event loop of a task, with all its waiters, or the waiter of a thread alone. A
            blocking call on top of an event loop is that of a thread.

    """

    __slots__ = ("_async_event", "_event", "_loop", "owner")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._loop = task_loop()
        self._async_event: asyncio.Event | None = None
        self.owner: Hashable = self._loop or self

    @property
    def loop_closed(self) -> bool:
        """Whether the event loop of the waiting task has been closed."""
        return self._loop is not None and self._loop.is_closed()

    def notify(self) -> None:
        """Wake the thread or task that waits, or that waits next."""
        self._event.set()
        if self._loop is not None and self._async_event is not None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._async_event.set)

    def wait(self, timeout: float) -> Effect:
        """Wait until notified, for at most `timeout` seconds."""
        return Effect(lambda: self._wait(timeout), lambda: self._wait_async(timeout))

    def _wait(self, timeout: float) -> None:
        self._event.wait(timeout)
        self._event.clear()

    async def _wait_async(self, timeout: float) -> None:  # noqa: ASYNC109 - as `Waiter.wait`
        import asyncio  # noqa: PLC0415 - sync programs do not need it

        self._async_event = asyncio.Event()
        # A notification that came before this line has set the other event.
        if not self._event.is_set():
            # Not `asyncio.wait_for`: on Python 3.11 it swallows a cancellation that coincides with the notification.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._async_event.wait()
        self._event.clear()
