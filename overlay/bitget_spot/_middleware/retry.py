"""
Repeats what is safe to repeat.

The document says which operations are (`x-repeat-safe`). Each attempt waits for a permit of its own and is signed anew,
because the middlewares that do so are below this one.

Not httpx-retries: version 0.6 decides by method and not by operation, counts only its pauses towards the total time, and
takes no clock.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import httpx
from attrs import define

from bitget_spot._concurrency import Effect, Waiter
from bitget_spot._middleware.base import Flow, Middleware, Transport
from bitget_spot._middleware.context import RequestContext, context_of, may_have_been_executed
from bitget_spot.errors import ApiError, ClockError, InvalidResponseError, RateLimitedError, SystemBusyError
from bitget_spot_api.operations import ERROR_CODES

MAX_RETRIES: Final = 5
FIRST_PAUSE: Final = 0.1
"""Seconds: the longest pause before the first retry."""
MAX_PAUSE: Final = 2.0
"""Seconds: no pause before a retry is longer."""
log: Final = logging.getLogger("bitget_spot.requests")
AMBIGUOUS_CODES: Final = ERROR_CODES["gateway"]["ambiguous"]
"""Codes that may be temporary or final."""
NON_RETRYABLE_ERRORS: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.ProxyError)
"""Transport errors that a retry does not help against, because the request or the proxy settings are wrong."""


@define
class RetryBudget:
    """
    How often one request may be repeated, and how often for the reasons that allow one retry only.

    Attributes:
        max_retries: How many retries there may be.
        retries: How many there have been.
        clock_retries: How many of them after a refused timestamp.
        ambiguous_retries: How many of them after a code that may be temporary or final.

    """

    max_retries: int
    retries: int = 0
    clock_retries: int = 0
    ambiguous_retries: int = 0

    def allows(self, error: Exception, *, repeat_safe: bool) -> bool:
        """
        Return whether to retry after an error, and count the retry if so.

        Args:
            error: What the last attempt ended in.
            repeat_safe: Whether the operation may be repeated although its result is not known.

        """
        if not self._may_retry(error, repeat_safe=repeat_safe):
            return False
        self.retries += 1
        return True

    def _may_retry(self, error: Exception, *, repeat_safe: bool) -> bool:
        if isinstance(error, ClockError):
            # Nothing was executed, and the response has set the clock: one retry is enough to use it.
            self.clock_retries += 1
            return self.clock_retries == 1
        if not repeat_safe or self.retries >= self.max_retries:
            return False
        if isinstance(error, ApiError) and error.code in AMBIGUOUS_CODES:
            self.ambiguous_retries += 1
            return self.ambiguous_retries == 1
        return is_temporary(error)


def is_temporary(error: Exception) -> bool:
    """Return whether a retry may help: a network error, an invalid response, a busy exchange."""
    if isinstance(error, ApiError):
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return True
        return isinstance(error, RateLimitedError | SystemBusyError)
    if isinstance(error, InvalidResponseError):
        return True
    return isinstance(error, httpx.TransportError) and not isinstance(error, NON_RETRYABLE_ERRORS)


def backoff(retries: int, draw: Callable[[], float]) -> float:
    """Return the seconds to wait after so many retries: exponential, with full jitter."""
    return draw() * min(MAX_PAUSE, FIRST_PAUSE * 2.0**retries)


def log_retry(context: RequestContext, error: Exception, pause: float, budget: RetryBudget) -> None:
    """Log why a request is repeated, and when."""
    operation = "unknown operation" if context.operation is None else context.operation.operation_id
    status = getattr(error, "http_status", None)
    reason = type(error).__name__ if status is None else f"HTTP {status}"
    code = getattr(error, "code", None)
    if code is not None and code != str(status):
        reason += f", code {code}"
    attempt, attempts = budget.retries + 1, budget.max_retries + 1
    log.info("%s: %s, retrying in %.1f s (attempt %d of %d)", operation, reason, pause, attempt, attempts)


class RetryMiddleware(Middleware):
    """Repeats a request whose error may be temporary."""

    def __init__(
        self,
        next_transport: Transport,
        *,
        max_retries: int = MAX_RETRIES,
        draw: Callable[[], float] = random.random,
        pause: Callable[[Waiter, float], Effect] = Waiter.wait,
    ) -> None:
        super().__init__(next_transport)
        self._max_retries = max_retries
        self._draw = draw
        self._pause = pause

    def flow(self, request: httpx.Request) -> Flow:
        """Send the request until it succeeds, the error is final, or the run ends."""
        context = context_of(request)
        repeat_safe = context.operation is not None and context.operation.repeat_safe
        budget = RetryBudget(self._max_retries)
        while True:
            context.begin_attempt()
            try:
                response = yield from self.pass_on(request)
            except Exception as error:
                if may_have_been_executed(context.attempt, error):
                    context.maybe_executed = True
                pause = backoff(budget.retries, self._draw)
                if not budget.allows(error, repeat_safe=repeat_safe) or _ends_before(context, pause):
                    raise
                log_retry(context, error, pause, budget)
            else:
                return response
            waiter = Waiter()
            with context.scope.wake_on_stop(waiter):
                yield self._pause(waiter, pause)


def _ends_before(context: RequestContext, pause: float) -> bool:
    """Return whether the run ends before the next attempt could be made, and note it in the context."""
    if context.scope.remaining() <= pause:
        context.stopped = True
    return context.stopped
