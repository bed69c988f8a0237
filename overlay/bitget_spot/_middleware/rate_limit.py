"""Waits for a permit before each attempt, and releases it when the result of the attempt is known."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from typing import Final

import httpx
from attrs import define

from bitget_spot._concurrency import Effect, Waiter
from bitget_spot._middleware.base import Flow, Middleware, Transport
from bitget_spot._middleware.context import Attempt, PermitExpired, RequestContext, context_of
from bitget_spot.errors import ApiError, InvalidResponseError, RateLimitedError
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, PermitRelease, RequestResult
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import SUCCESS_CODE, Operation, RateLimit

DEFAULT_ATTEMPT_TIME: Final = 60.0
"""Seconds that an attempt may take, for the lease, if there is no timeout."""
MAX_PERMIT_AGE: Final = 0.9
"""Seconds after which a permit is too old to send with: its lease must outlast the attempt, also in a process that was
suspended meanwhile."""
_permit_numbers = itertools.count()
log: Final = logging.getLogger("bitget_spot.requests")


@define
class PermitRequest:
    """
    What one attempt asks the store for.

    Attributes:
        budget: The name of the budget.
        name: The name of the permit.
        limit: How many permits the budget has.
        lease: Seconds after which the permit is available again if it is never released.
        asked: The store has been asked, so the permit must be released when the attempt is over.
        usable_until: When the permit is too old to send with.
        waited: Seconds from asking until the permit was acquired.

    """

    budget: str
    name: str
    limit: RateLimit
    lease: float
    asked: bool = False
    usable_until: float | None = None
    waited: float = 0.0


class RateLimitMiddleware(Middleware):
    """Lets as many requests of an operation through in any period as its limit says."""

    def __init__(
        self,
        next_transport: Transport,
        *,
        store: Store,
        budget: Callable[[Operation], str],
        limits: Mapping[str, RateLimit],
        attempt_timeout: float | None = None,
        pause: Callable[[Waiter, float], Effect] = Waiter.wait,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(next_transport)
        self._store = store
        self._budget = budget
        self._limits = limits
        self._lease = IN_FLIGHT_GRACE + (DEFAULT_ATTEMPT_TIME if attempt_timeout is None else attempt_timeout)
        self._pause = pause
        self._clock = clock

    def flow(self, request: httpx.Request) -> Flow:
        """Send the request with a permit."""
        operation = context_of(request).operation
        if operation is None:
            return (yield from self.pass_on(request))
        budget = self._budget(operation)
        limit = self._limits[operation.operation_id]
        while True:
            permit = PermitRequest(budget, str(next(_permit_numbers)), limit, self._lease)
            try:
                return (yield from self._send_with(permit, request))
            except PermitExpired:
                continue

    def _send_with(self, permit: PermitRequest, request: httpx.Request) -> Flow:
        context = context_of(request)
        error: BaseException | None = None
        asked_at = self._clock()
        try:
            yield from self._acquire(permit, context)
            permit.waited = self._clock() - asked_at
            # A store that was slow may have taken longer than the run lasts.
            context.raise_if_stopped()
            context.attempt.usable_until = permit.usable_until
            response = yield from self.pass_on(request)
        except BaseException as caught:
            error = caught
            raise
        finally:
            if context.attempt.headers_sent_at is not None:
                context.attempt.latency = self._clock() - context.attempt.headers_sent_at
            if permit.asked:
                yield from self._release(permit, context.attempt, error)
            if log.isEnabledFor(logging.DEBUG):
                log_request(context, permit.waited, error)
            error = None  # its traceback refers to this frame: a reference cycle otherwise
        return response

    def _acquire(self, permit: PermitRequest, context: RequestContext) -> Generator[Effect, None, None]:
        """Return when the permit is acquired: at once if there is one and the queue is empty, else in turn."""
        context.raise_if_stopped()
        queue = self._store.queue(permit.budget)
        if queue.is_empty() and not (yield from self._ask(permit)):
            return
        waiter = queue.enqueue()
        try:
            with context.scope.wake_on_stop(waiter):
                while True:
                    # Asked again at once: a permit released before this waiter was in the queue has not notified it.
                    if queue.is_turn_of(waiter, acts_within=self._store.response_time):
                        wait = yield from self._ask(permit)
                        if not wait:
                            return
                        queue.sleeps(waiter, wait)
                    else:
                        wait = queue.seconds_until_overdue(waiter, default=permit.limit.period_seconds)
                    yield self._pause(waiter, min(wait, context.scope.remaining()))
                    context.raise_if_stopped()
        finally:
            queue.remove(waiter)

    def _ask(self, permit: PermitRequest) -> Generator[Effect, None, float]:
        permit.asked = True
        permit.usable_until = self._clock() + MAX_PERMIT_AGE
        return (yield from self._store.acquire(permit.budget, permit.name, permit.limit, permit.lease))

    def _release(
        self, permit: PermitRequest, attempt: Attempt, error: BaseException | None
    ) -> Generator[Effect, None, None]:
        release = permit_release(attempt, error)
        steps = self._store.release(permit.budget, permit.name, permit.limit, release)
        if isinstance(error, GeneratorExit):
            # The event loop has ended, so nothing can be awaited: memory is released, a shared store has the lease.
            next(steps, None)
        else:
            yield from steps
        self._store.queue(permit.budget).notify_first()


def log_request(context: RequestContext, waited: float, error: BaseException | None) -> None:
    """Log one attempt: operation, code, latency, and how long it waited for its permit."""
    operation = "unknown operation" if context.operation is None else context.operation.operation_id
    result = SUCCESS_CODE if error is None else getattr(error, "code", None) or type(error).__name__
    latency = context.attempt.latency
    duration = "" if latency is None else f" in {latency * 1000:.0f} ms"
    log.debug("%s: %s%s, %.3f s for a permit", operation, result, duration, waited)


def permit_release(attempt: Attempt, error: BaseException | None) -> PermitRelease:
    """Return what an attempt means for its permit: it ended in this error, or in a success."""
    if not attempt.has_left:
        return PermitRelease(RequestResult.NOT_SENT)
    if not is_counted(error):
        return PermitRelease(RequestResult.UNCERTAIN)
    # A new connection takes longer, which says nothing about the way to the exchange.
    latency = None if attempt.opened_connection else attempt.latency
    rate_limited = attempt.rate_limited_rows or is_rate_limited(error)
    return PermitRelease(RequestResult.COUNTED, latency, rate_limited)


def is_counted(error: BaseException | None) -> bool:
    """Return whether the exchange has responded, so that the request cannot arrive later."""
    if isinstance(error, InvalidResponseError):
        # A proxy that gave up on the exchange does not know whether the request will still arrive.
        return error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR
    return error is None or isinstance(error, ApiError)


def is_rate_limited(error: BaseException | None) -> bool:
    """Return whether the exchange, or the network in front of it, refused because of too many requests."""
    if isinstance(error, ApiError | InvalidResponseError) and error.http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return isinstance(error, RateLimitedError)
