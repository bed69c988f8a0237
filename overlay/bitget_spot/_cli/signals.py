"""What a command does when it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

from bitget_spot._cli.advice import Terminated

STOPPING: Final = "bitget-spot: Stopping; waiting for requests in flight.\n"
Handler = Callable[[int, FrameType | None], object]


def raise_on_sigterm() -> None:
    """Let SIGTERM raise `Terminated`, as Ctrl-C raises KeyboardInterrupt."""
    with suppress(ValueError):  # only the main thread receives signals
        signal.signal(signal.SIGTERM, _terminate)


@contextmanager
def announced_stop() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM say at once that the command is stopping: it may have to wait for responses first."""
    previous: dict[int, Handler] = {}
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(stop_signal)
        if callable(handler):
            previous[stop_signal] = handler
    try:
        for number, handler in previous.items():
            signal.signal(number, _announcing(handler))
    except ValueError:
        previous.clear()  # only the main thread receives signals
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _announcing(handler: Handler) -> Handler:
    def announce(number: int, frame: FrameType | None) -> object:
        # Not with print: the signal may have interrupted one.
        with suppress(OSError, ValueError, AttributeError):
            os.write(sys.stderr.fileno(), STOPPING.encode())
        return handler(number, frame)

    return announce


def _terminate(*_: object) -> NoReturn:
    raise Terminated
