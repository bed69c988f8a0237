"""Ways to act as soon as a condition holds, for tests against a sandbox, which runs in another thread."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

needs_interrupts = pytest.mark.skipif(
    sys.platform == "win32", reason="on Windows, Ctrl-C does not interrupt a thread that waits for a lock"
)
"""For tests that send Ctrl-C to a thread that waits."""
INTERVAL: Final = 0.002
"""Seconds between two checks of a condition."""


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait in this task until a condition holds."""
    while not condition():  # noqa: ASYNC110 - the sandbox has no event to wait for
        await asyncio.sleep(INTERVAL)


@contextmanager
def run_when(condition: Callable[[], bool], action: Callable[[], object]) -> Iterator[None]:
    """Run an action in another thread as soon as a condition holds; give up at the end of the `with` statement."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if condition():
                action()
                return
            ended.wait(INTERVAL)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def interrupt_main_thread() -> None:
    """Send Ctrl-C to the main thread."""
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    signal.pthread_kill(main_thread, signal.SIGINT)


@contextmanager
def interrupt_when(condition: Callable[[], bool]) -> Iterator[None]:
    """Send Ctrl-C to the main thread, which must be this one, as soon as a condition holds."""
    assert threading.current_thread() is threading.main_thread()
    with run_when(condition, interrupt_main_thread):
        yield
