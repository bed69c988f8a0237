"""One resource for each event loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bitget_spot._concurrency.fork import ForkAware, inherited

if TYPE_CHECKING:
    import asyncio

Closeable = TypeVar("Closeable", bound=Any)
"""Anything with a coroutine method `aclose`."""


class PerLoop(ForkAware, Generic[Closeable]):
    """
    One resource for each running event loop, closed when the loop shuts down.

    A connection belongs to the loop that opened it. Each resource is held by an asynchronous generator: a loop that
    shuts down finishes its generators, and this one closes what it holds.
    """

    def __init__(self, factory: Callable[[], Closeable]) -> None:
        super().__init__()
        self._factory = factory
        self._lock = threading.Lock()
        self._resources: dict[asyncio.AbstractEventLoop, tuple[Closeable, AsyncGenerator[None]]] = {}

    async def get(self) -> Closeable:
        """Return the running loop's resource; it is created on first use."""
        loop = _running_loop()
        entry = self._resources.get(loop)
        if entry is None:
            resource = self._factory()
            guard = _close_at_shutdown(resource)
            await anext(guard)
            entry = (resource, guard)
            with self._lock:
                self._forget_closed_loops()
                self._resources[loop] = entry
        return entry[0]

    async def aclose(self) -> None:
        """Close the running loop's resource; other loops keep theirs."""
        with self._lock:
            _, guard = self._resources.pop(_running_loop(), (None, None))
        if guard is not None:
            await guard.aclose()

    def after_fork_in_child(self) -> None:
        """Forget the connections of the parent's loops, without closing them."""
        inherited.append(self._resources)
        self._resources = {}
        self._lock = threading.Lock()

    def _forget_closed_loops(self) -> None:
        for loop in [loop for loop in self._resources if loop.is_closed()]:
            del self._resources[loop]


def _running_loop() -> asyncio.AbstractEventLoop:
    import asyncio  # noqa: PLC0415 - sync programs do not need it

    return asyncio.get_running_loop()


async def _close_at_shutdown(resource: Closeable) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await resource.aclose()
