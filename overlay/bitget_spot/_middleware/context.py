"""
What the layers of one request share.

A generated function has no parameter for a deadline, and its return value has no room for the number of attempts. So
each call has a `RequestContext`. A bulk run puts one into the context variable `REQUEST_CONTEXT`; the outermost
middleware reads the variable once, and from there on the context travels in `request.extensions`.

Two questions are answered here and nowhere else: has an attempt left this machine (`Attempt.has_left`), and may it have
been executed (`may_have_been_executed`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Final, Self

import httpx
from attrs import Factory, define, field

from bitget_spot._concurrency import Waiter
from bitget_spot.errors import ApiError, SystemBusyError
from bitget_spot_api.operations import OPERATIONS, Operation

CONTEXT: Final = "bitget_spot.context"
"""The key of the context in `request.extensions`."""
NOT_SENT_ERRORS: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Errors of httpx after which no byte of the request has left."""


class RunStopped(Exception):  # noqa: N818 - not an error: the run has ended before this attempt could leave
    """The run has ended, so the request must not be sent any more."""


class PermitExpired(Exception):  # noqa: N818 - not an error: another permit is needed
    """So much time has passed since the permit was acquired that the request must not use it any more."""


@define
class CancelScope:
    """
    The deadline of a run, and a way to stop the run before it.

    Attributes:
        deadline: When no further request may leave, by `clock`; `None` for no deadline.
        clock: Returns seconds that never go backwards.

    """

    deadline: float | None = None
    clock: Callable[[], float] = time.monotonic
    _stopped: bool = False
    _children: list[CancelScope] = field(factory=list)
    _waiters: set[Waiter] = field(factory=set)
    # A signal handler may run on top of a thread that has the lock.
    _lock: threading.RLock = field(factory=threading.RLock)

    @classmethod
    def with_timeout(cls, seconds: float | None) -> Self:
        """
        Return a scope that ends so many seconds from now; `None` for one without a deadline.

        Raises:
            ValueError: `seconds` is negative or not a number.

        """
        scope = cls()
        if seconds is not None:
            if not seconds >= 0:
                raise ValueError(f"deadline: {seconds} is not a valid duration; give seconds from now, 0 or more")
            scope.deadline = scope.clock() + seconds
        return scope

    def child(self) -> CancelScope:
        """Return a scope that ends with this one, and that can be stopped before it."""
        child = CancelScope(self.deadline, self.clock)
        with self._lock:
            self._children.append(child)
            if self._stopped:
                child.stop()
        return child

    def stop(self) -> None:
        """End the run and wake everything that waits in it."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                child.stop()
            for waiter in list(self._waiters):
                waiter.notify()

    def remaining(self) -> float:
        """Return the seconds left; infinity if there is no deadline."""
        if self._stopped:
            return 0.0
        if self.deadline is None:
            return float("inf")
        return max(0.0, self.deadline - self.clock())

    @contextmanager
    def wake_on_stop(self, waiter: Waiter) -> Iterator[None]:
        """Notify the waiter if the run is stopped while this context is active."""
        with self._lock:
            self._waiters.add(waiter)
            if self._stopped:
                waiter.notify()
        try:
            yield
        finally:
            with self._lock:
                self._waiters.discard(waiter)


NO_DEADLINE: Final = CancelScope()


@define
class Attempt:
    """
    One attempt to send a request, as the layers below the rate limit report it.

    Attributes:
        usable_until: When its permit expires, by the clock of the transport; `None` without a permit.
        signed_at: The local time at which it was stamped, in seconds since the epoch.
        reached_transport: The request has been passed to the innermost transport.
        reports_timing: That transport reports when headers leave and when it opens a connection.
        opened_connection: A connection had to be opened for it.
        headers_sent_at: When its headers left, by the transport's clock; `None` if they have not, or are not reported.
        latency: Seconds from then to the end of the response, or to the error; `None` if it is not known.
        rate_limited_rows: The exchange refused single orders because there were too many requests.
        failed_before_sending: It ended in an error of httpx after which no byte has left.

    """

    usable_until: float | None = None
    signed_at: float | None = None
    reached_transport: bool = False
    reports_timing: bool = False
    opened_connection: bool = False
    headers_sent_at: float | None = None
    latency: float | None = None
    rate_limited_rows: bool = False
    failed_before_sending: bool = False

    @property
    def reused_connection(self) -> bool:
        """Whether the request was sent on a connection that was already open."""
        return self.headers_sent_at is not None and not self.opened_connection

    @property
    def has_left(self) -> bool:
        """Whether any byte of the request may have left this machine."""
        if self.failed_before_sending:
            return False
        if self.reports_timing:
            return self.headers_sent_at is not None
        return self.reached_transport


def may_have_been_executed(attempt: Attempt, error: BaseException) -> bool:
    """Return whether the exchange may have executed an attempt although it ended in this error."""
    if isinstance(error, ApiError):
        # An exchange that gives up on a request because it is busy does not say how far it got.
        return isinstance(error, SystemBusyError) or error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    # httpx raises LocalProtocolError for a request that it cannot write completely.
    return attempt.has_left and not isinstance(error, httpx.LocalProtocolError)


@define
class RequestContext:
    """
    Everything that the layers of one call share.

    Attributes:
        scope: The run that the call belongs to.
        operation: What is called; `None` if the document does not describe it.
        is_valid: The body need not be checked: a bulk run has built it from orders that it had checked.
        attempt: The current attempt.
        maybe_executed: An attempt may have been executed although its response did not say so.
        stopped: The end of the run kept another attempt from being made.
        remaining_calls: What the exchange last reported as the calls left in the current second.

    """

    scope: CancelScope = NO_DEADLINE
    operation: Operation | None = None
    is_valid: bool = False
    attempt: Attempt = Factory(Attempt)
    maybe_executed: bool = False
    stopped: bool = False
    remaining_calls: str | None = None
    _earlier_attempts: int = 0

    @property
    def attempts(self) -> int:
        """How many attempts have left this machine, as far as is known."""
        return self._earlier_attempts + self.attempt.has_left

    def begin_attempt(self) -> None:
        """Start another attempt."""
        self._earlier_attempts = self.attempts
        self.attempt = Attempt()

    def raise_if_stopped(self) -> None:
        """
        Raise if no further request may leave.

        Raises:
            RunStopped: The deadline has passed, or the run was stopped.

        """
        if self.scope.remaining() <= 0:
            self.stopped = True
            raise RunStopped


REQUEST_CONTEXT: ContextVar[RequestContext | None] = ContextVar("bitget_spot.request_context", default=None)


def attach_context(request: httpx.Request) -> RequestContext:
    """Attach the bulk run's context to a request, or a new one if it belongs to no run."""
    context = REQUEST_CONTEXT.get() or RequestContext()
    context.operation = operation_of(request)
    request.extensions = {**request.extensions, CONTEXT: context}
    return context


def context_of(request: httpx.Request) -> RequestContext:
    """Return the context that travels with a request."""
    context: RequestContext | None = request.extensions.get(CONTEXT)
    return attach_context(request) if context is None else context


def operation_of(request: httpx.Request) -> Operation | None:
    """Return the document's operation that a request calls; `None` if the document does not describe it."""
    path = request.url.path
    operation = OPERATIONS.get((request.method, path))
    if operation is not None:
        return operation
    # The exchange ignores superfluous slashes, so they must not bypass the rules of the operation.
    segments = [segment for segment in path.split("/") if segment]
    return OPERATIONS.get((request.method, "/" + "/".join(segments)))
