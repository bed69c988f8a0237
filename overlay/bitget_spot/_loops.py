"""
What belongs to an event loop, kept for as long as the loop runs.

A connection belongs to the loop that opened it. What is kept is held by an asynchronous generator: a loop that shuts
down finishes its generators, and this one closes what it holds.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T", bound=Any)


class PerLoop(Generic[T]):
    """One of its kind for each running loop; each has an `aclose`."""

    def __init__(self, opened: Callable[[], T]) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._kept: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None]]] = {}

    async def get(self) -> T:
        """Answer the running loop's, opened when it is first asked for."""
        loop = _running()
        if loop not in self._kept:
            with self._lock:
                for ended in [loop for loop in self._kept if loop.is_closed()]:
                    del self._kept[ended]
            one = self._opened()
            guard = _held(one)
            await anext(guard)
            self._kept[loop] = one, guard
        return self._kept[loop][0]

    async def aclose(self) -> None:
        """Close the running loop's; other loops keep theirs."""
        _, guard = self._kept.pop(_running(), (None, None))
        if guard is not None:
            await guard.aclose()


def _running() -> asyncio.AbstractEventLoop:
    import asyncio  # noqa: PLC0415 - who is in a task has it, and a program without tasks need not

    return asyncio.get_running_loop()


async def _held(one: T) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await one.aclose()
