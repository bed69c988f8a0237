"""What an exception shows about the code around it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator


def format_with_locals(error: BaseException) -> str:
    """Format an exception as error trackers do: with its arguments, its context and the locals of every frame."""
    formatted = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(formatted.format()) + repr(error) + repr(vars(error))


def frame_locals(error: BaseException, except_file: str) -> Iterator[str]:
    """
    Yield the locals of every frame of an exception, of its causes and of the exceptions of a group.

    The frames of one file are left out: a test's own frames contain the secrets to search for.
    """
    pending = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while pending:
        current = pending.pop()
        for frame in current.stack:
            if frame.filename != except_file:
                yield repr(frame.locals)
        related = (current.__cause__, current.__context__, *(current.exceptions or ()))
        pending += [each for each in related if each is not None]
