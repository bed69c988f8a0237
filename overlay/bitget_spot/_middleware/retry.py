"""
The link that repeats what is safe to repeat.

Which operations those are the document says (`x-repeat-safe`). Every try waits for a slot of its own and is signed
anew, for the links that do so stand below. Own code, for httpx-retries 0.6 decides by method and not by operation,
counts only its sleeps towards the total time, and cannot be given a clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import httpx
from attrs import define

from bitget_spot._concurrency import Bell
from bitget_spot._middleware.base import Do, Flow, Link, Transport, operation_of
from bitget_spot._middleware.context import Halted, current_trail
from bitget_spot._middleware.send import NEVER_SENT
from bitget_spot.errors import (
    ApiError,
    ClockError,
    RateLimitedError,
    SystemBusyError,
    UnreadableAnswerError,
)
from bitget_spot_api.operations import ERROR_CODES

TRIES: Final = 6
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
OUR_MISTAKE: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.ProxyError)


@define
class Attempts:
    """How often one request may be and has been tried, and how often for reasons that allow one repeat only."""

    most: int
    made: int = 0
    clock: int = 0
    ambiguous: int = 0

    def allow_another(self, error: Exception, *, repeat_safe: bool) -> bool:
        """
        Tell whether to try again after an error, and count it.

        Args:
            error: What the last try ended in.
            repeat_safe: Whether the operation may be repeated although its answer is not known.

        """
        self.made += 1
        if isinstance(error, ClockError):
            # The refusal has told the exchange's clock, and nothing was done; once is enough to make use of it.
            self.clock += 1
            return self.clock == 1
        if not repeat_safe or self.made >= self.most:
            return False
        if isinstance(error, ApiError) and error.code in ERROR_CODES["ambiguous"]:
            self.ambiguous += 1
            return self.ambiguous == 1
        return is_passing(error)


def is_passing(error: Exception) -> bool:
    """Tell whether trying again may help: trouble on the wire, an unreadable answer, a busy exchange."""
    if isinstance(error, ApiError):
        busy = error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return busy or isinstance(error, RateLimitedError | SystemBusyError)
    if isinstance(error, UnreadableAnswerError):
        return True
    return isinstance(error, httpx.TransportError) and not isinstance(error, OUR_MISTAKE)


def may_have_been_carried_out(error: BaseException) -> bool:
    """Tell whether the exchange may have done what was asked, although the try ended in this error."""
    if isinstance(error, ApiError):
        # A busy exchange that gives up on a request does not say how far it had come.
        return isinstance(error, SystemBusyError) or error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error, (*NEVER_SENT, *OUR_MISTAKE, Halted))


def pause_after(repeats: int, draw: Callable[[], float]) -> float:
    """Tell how long to wait after so many repeats, in seconds: doubling, and spread over the whole of it."""
    return draw() * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**repeats)


class Retry(Link):
    """Repeats a request whose failure may pass."""

    def __init__(
        self,
        following: Transport,
        *,
        tries: int = TRIES,
        draw: Callable[[], float] = random.random,
        pause: Callable[[Bell, float], Do] = Bell.wait,
    ) -> None:
        super().__init__(following)
        self._tries = tries
        self._draw = draw
        self._pause = pause

    def flow(self, request: httpx.Request) -> Flow:
        operation = operation_of(request)
        repeat_safe = operation is not None and operation.repeat_safe
        attempts, trail = Attempts(self._tries), current_trail()
        while True:
            try:
                response: httpx.Response = yield request
            except Exception as error:
                trail.doubtful |= may_have_been_carried_out(error)
                seconds = pause_after(attempts.made, self._draw)
                another = attempts.allow_another(error, repeat_safe=repeat_safe)
                # The link that waits for a slot may have set it already, and then it stays.
                trail.cut |= another and trail.run.left() <= seconds
                if not another or trail.cut:
                    raise
            else:
                return response
            bell = Bell()
            with trail.run.waking(bell):
                yield self._pause(bell, seconds)
