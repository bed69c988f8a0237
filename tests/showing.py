"""What an exception shows of what was near it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator


def everything_shown(error: BaseException) -> str:
    """Format an exception as error trackers do: with its arguments, its context and the locals of every frame."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(shown.format()) + repr(error) + repr(vars(error))


def locals_of(error: BaseException, apart_from: str) -> Iterator[str]:
    """
    Show the locals of every frame of an exception, of what led to it and of the exceptions of a group.

    The frames of one file are left out: a test's own hold the secrets to search for.
    """
    waiting = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while waiting:
        one = waiting.pop()
        yield from (repr(frame.locals) for frame in one.stack if frame.filename != apart_from)
        waiting += filter(None, (one.__cause__, one.__context__, *(one.exceptions or ())))
