"""What an exception shows of what was near it."""

from __future__ import annotations

import traceback


def everything_shown(error: BaseException) -> str:
    """Format an exception as error trackers do: with its arguments, its context and the locals of every frame."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(shown.format()) + repr(error) + repr(vars(error))
