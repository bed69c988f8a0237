"""Threads that are used again, because to start one costs more than to send a small batch."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Final

from bitget_spot._concurrency.fork import ForkAware

IDLE_TIMEOUT: Final = 10.0
"""Seconds after which a thread without work ends."""


class ThreadPool(ForkAware):
    """Any number of daemon threads; unlike an executor's they also serve callers while the interpreter shuts down."""

    def __init__(self, idle_timeout: float = IDLE_TIMEOUT) -> None:
        super().__init__()
        self._idle_timeout = idle_timeout
        self._idle: list[queue.SimpleQueue[Callable[[], None]]] = []

    def run(self, work: Callable[[], None]) -> None:
        """
        Call a function in a thread that is idle, or in a new one.

        Raises:
            RuntimeError: No thread can be started.

        """
        try:
            inbox = self._idle.pop()  # the one that was used last
        except IndexError:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="bitget-spot-worker", daemon=True).start()
        inbox.put(work)

    def _serve(self, inbox: queue.SimpleQueue[Callable[[], None]]) -> None:
        while True:
            try:
                work = inbox.get(timeout=self._idle_timeout)
            except queue.Empty:
                try:
                    self._idle.remove(inbox)
                except ValueError:
                    continue  # `run` has just taken it
                return
            with contextlib.suppress(BaseException):  # whoever gave the work has the result
                work()
            del work  # it may refer to a client
            self._idle.append(inbox)

    def after_fork_in_child(self) -> None:
        """Forget the threads of the parent process."""
        self._idle = []


pool: Final = ThreadPool()
"""The threads of this process."""
