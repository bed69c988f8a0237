"""The event loop of the calling thread, and whether it can run tasks now."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio


class _ThreadState(threading.local):
    """What is known about one thread: the event loop that a blocking call in it keeps from running."""

    blocked_loop: asyncio.AbstractEventLoop | None = None


_thread: Final = _ThreadState()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, if there is one."""
    asyncio_module = sys.modules.get("asyncio")
    if asyncio_module is None:
        return None
    try:
        loop: asyncio.AbstractEventLoop = asyncio_module.get_running_loop()
    except RuntimeError:
        return None
    return loop


def task_loop() -> asyncio.AbstractEventLoop | None:
    """
    Return the event loop of the task that calls this; `None` in a blocking call.

    A blocking call may be made on top of an event loop: by a signal handler, or by a task that calls a sync function.
    """
    loop = running_loop()
    return None if loop is _thread.blocked_loop else loop


def set_blocked_loop(loop: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop | None:
    """Record that a blocking call keeps an event loop from running, and return the one recorded before."""
    previous = _thread.blocked_loop
    _thread.blocked_loop = loop
    return previous
