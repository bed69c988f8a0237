"""The context of a request: the end of its run, its attempts, and whether it may have been executed."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator

import httpx
import pytest
from sandboxes import run_effects

from bitget_spot import (
    ApiError,
    AuthenticationError,
    ClockError,
    InvalidParameterError,
    InvalidResponseError,
    MarketStateError,
    OrderNotFoundError,
    OrderStateError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    WrongEnvironmentError,
)
from bitget_spot._concurrency import Effect, Waiter
from bitget_spot._middleware.context import (
    CONTEXT,
    NOT_SENT_ERRORS,
    REQUEST_CONTEXT,
    Attempt,
    CancelScope,
    PermitExpired,
    RequestContext,
    RunStopped,
    attach_context,
    context_of,
    may_have_been_executed,
    operation_of,
)
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, Operation

# The deadline and the stop of a run


def test_scope_without_a_deadline_ends_when_it_is_stopped() -> None:
    """Without a deadline there is no limit to the time left, until the run is stopped."""
    for scope in (CancelScope(), CancelScope.with_timeout(None)):
        assert scope.remaining() == float("inf")
        scope.stop()
        assert scope.remaining() == 0


def test_remaining_time_ends_at_the_deadline() -> None:
    """The time left decreases with the clock, never below 0; a stop ends it at once."""
    now = 100.0
    scope = CancelScope(deadline=102.0, clock=lambda: now)
    assert scope.remaining() == 2
    now = 101.5
    assert scope.remaining() == 0.5
    now = 103.0
    assert scope.remaining() == 0
    now = 100.0
    scope.stop()
    assert scope.remaining() == 0


@pytest.mark.parametrize("seconds", [0, 30.0])
def test_timeout_is_counted_from_now(seconds: float) -> None:
    """`with_timeout` ends so many seconds from now."""
    before = time.monotonic()
    scope = CancelScope.with_timeout(seconds)
    assert scope.deadline is not None
    assert before + seconds <= scope.deadline <= time.monotonic() + seconds
    assert scope.remaining() <= seconds


@pytest.mark.parametrize("seconds", [-0.1, float("-inf"), float("nan")])
def test_invalid_timeout_is_refused(seconds: float) -> None:
    """A negative timeout, or one that is not a number, is refused with a message that shows it."""
    with pytest.raises(ValueError, match=f"^deadline: {seconds} is not a valid duration; give seconds"):
        CancelScope.with_timeout(seconds)


@pytest.mark.parametrize("mode", ["sync", "asyncio"])
@pytest.mark.parametrize("stopped", ["before the wait", "during the wait"])
def test_stop_wakes_waiters(mode: str, stopped: str) -> None:
    """A stop wakes what waits in the run at once, also if the wait begins afterwards, in threads and in tasks."""
    scope = CancelScope()
    if stopped == "before the wait":
        scope.stop()
    else:
        threading.Timer(0.02, scope.stop).start()

    def wait() -> Generator[Effect, None, None]:
        waiter = Waiter()
        with scope.wake_on_stop(waiter):
            yield waiter.wait(30)

    started_at = time.monotonic()
    run_effects(mode, wait())
    assert time.monotonic() - started_at < 5
    assert scope.remaining() == 0


def test_stop_does_not_notify_after_the_wait() -> None:
    """After the wait, also after one that ended in an exception, a stop does not notify the waiter."""
    scope = CancelScope()
    waiter = Waiter()
    with pytest.raises(KeyError), scope.wake_on_stop(waiter):
        raise KeyError
    scope.stop()
    assert not waiter._event.is_set()


# Attempts


@pytest.mark.parametrize(
    ("attempt", "has_left"),
    [
        (Attempt(), False),
        (Attempt(signed_at=1.0), False),
        (Attempt(reached_transport=True), True),
        (Attempt(reached_transport=True, failed_before_sending=True), False),
        (Attempt(reached_transport=True, reports_timing=True), False),
        (Attempt(reached_transport=True, reports_timing=True, opened_connection=True), False),
        (Attempt(reached_transport=True, reports_timing=True, headers_sent_at=1.0), True),
        (Attempt(reached_transport=True, reports_timing=True, headers_sent_at=0.0), True),
        # A proxy has refused the tunnel: the headers that left were those for the proxy.
        (Attempt(reached_transport=True, reports_timing=True, headers_sent_at=1.0, failed_before_sending=True), False),
    ],
    ids=str,
)
def test_attempt_has_left(attempt: Attempt, *, has_left: bool) -> None:
    """If the transport reports the timing, the headers decide; else it has left as soon as the transport is reached."""
    assert attempt.has_left is has_left


@pytest.mark.parametrize(
    ("attempt", "reused"),
    [
        (Attempt(), False),
        (Attempt(headers_sent_at=0.0), True),
        (Attempt(headers_sent_at=1.0, opened_connection=True), False),
        (Attempt(opened_connection=True), False),
    ],
    ids=str,
)
def test_reused_connection(attempt: Attempt, *, reused: bool) -> None:
    """A request was sent on an open connection if its headers have left and no connection was opened for it."""
    assert attempt.reused_connection is reused


UNCERTAIN: list[Exception] = [
    httpx.ReadTimeout("late"),
    httpx.WriteTimeout("late"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.CloseError("reset"),
    httpx.RemoteProtocolError("disconnected"),
    InvalidResponseError(200, "an empty body"),
    InvalidResponseError(429, "not JSON"),
    InvalidResponseError(502, "not JSON"),
    InvalidResponseError(520, "not JSON"),
    SystemBusyError("45001", "busy"),
    SystemBusyError("40725", "busy", 500),
    ApiError("99999", "unknown code", 500),
    InvalidParameterError("40034", "refused by a broken server", 503),
    RuntimeError("a bug"),
    httpx.InvalidURL("not a URL"),
]
NOT_EXECUTED: list[Exception] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("refused"),
    httpx.PoolTimeout("no connection"),
    RateLimitedError("429", "too many", 429),
    RateLimitedError("40918", "too many"),
    AuthenticationError("40009", "wrong"),
    PermissionDeniedError("40014", "not allowed"),
    WrongEnvironmentError("40085", "unified"),
    WrongEnvironmentError("40099", "demo"),
    InvalidParameterError("40034", "no such symbol"),
    OrderNotFoundError("43001", "gone"),
    OrderStateError("45024", "no"),
    MarketStateError("40309", "delisted"),
    ApiError("99999", "unknown code"),
    httpx.UnsupportedProtocol("ftp"),
    httpx.LocalProtocolError("an invalid header"),
    httpx.ProxyError("403"),
    RunStopped(),
    PermitExpired(),
    InvalidParameterError("40808", "ambiguous"),
    ClockError("40008", "expired"),
]


def attempt_that_ended_in(error: Exception) -> Attempt:
    """Return the attempt as the layers below leave it after an error."""
    return Attempt(
        reached_transport=not isinstance(error, RunStopped | PermitExpired),
        failed_before_sending=isinstance(error, NOT_SENT_ERRORS),
    )


@pytest.mark.parametrize("error", UNCERTAIN, ids=repr)
def test_may_have_been_executed(error: Exception) -> None:
    """An attempt that left and ended without a clear response of the exchange may have been executed."""
    assert may_have_been_executed(attempt_that_ended_in(error), error)


@pytest.mark.parametrize("error", NOT_EXECUTED, ids=repr)
def test_has_not_been_executed(error: Exception) -> None:
    """An attempt that was clearly refused, or that never left, has not been executed."""
    assert not may_have_been_executed(attempt_that_ended_in(error), error)


def test_request_that_cannot_be_written_completely_has_not_been_executed() -> None:
    """A `LocalProtocolError` means that httpx refused to write the request, even if its headers have left."""
    attempt = Attempt(reached_transport=True, reports_timing=True, headers_sent_at=1.0)
    assert not may_have_been_executed(attempt, httpx.LocalProtocolError("too little data"))
    assert may_have_been_executed(attempt, httpx.RemoteProtocolError("too little data"))


@pytest.mark.parametrize("error", [RuntimeError("a bug"), httpx.ReadError("reset"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("attempt", [Attempt(), Attempt(reached_transport=True, reports_timing=True)], ids=str)
def test_what_has_not_left_has_not_been_executed(attempt: Attempt, error: BaseException) -> None:
    """An attempt that ended before its headers left has not been executed, whatever the error."""
    assert not may_have_been_executed(attempt, error)


# The context of a call


def test_context_begins_empty() -> None:
    """A new context has no attempts, and nothing is recorded in it; outside of a run there is none."""
    context = RequestContext(CancelScope())
    assert context.attempts == 0
    assert context.maybe_executed is False
    assert context.remaining_calls is None
    assert context.stopped is False
    assert REQUEST_CONTEXT.get() is None


def test_attempts_that_have_left_are_counted() -> None:
    """`attempts` counts the attempts that have left, the current one included."""
    context = RequestContext()
    counts = []
    for reached_transport in (True, False, True):
        context.begin_attempt()
        counts.append(context.attempts)
        context.attempt.reached_transport = reached_transport
        counts.append(context.attempts)
    assert counts == [0, 1, 1, 1, 1, 2]


def test_each_attempt_begins_anew() -> None:
    """`begin_attempt` replaces the attempt, so nothing of the last one is left."""
    context = RequestContext()
    earlier = context.attempt
    earlier.headers_sent_at = 1.0
    context.begin_attempt()
    assert context.attempt is not earlier
    assert context.attempt == Attempt()


def test_contexts_without_a_run_have_no_deadline() -> None:
    """A call that belongs to no run has no deadline and is never stopped."""
    context = RequestContext()
    context.raise_if_stopped()
    assert context.scope.remaining() == float("inf")
    assert not context.stopped


@pytest.mark.parametrize("scope", [CancelScope(deadline=100.0, clock=lambda: 100.0), CancelScope(deadline=0.0)])
def test_ended_run_raises(scope: CancelScope) -> None:
    """After the deadline `raise_if_stopped` raises, and the context is marked as stopped."""
    context = RequestContext(scope)
    with pytest.raises(RunStopped):
        context.raise_if_stopped()
    assert context.stopped


def test_stopped_run_raises() -> None:
    """After a stop `raise_if_stopped` raises, and the context is marked as stopped."""
    context = RequestContext(CancelScope.with_timeout(60))
    context.raise_if_stopped()
    context.scope.stop()
    with pytest.raises(RunStopped):
        context.raise_if_stopped()
    assert context.stopped


@pytest.fixture
def run_context() -> Iterator[RequestContext]:
    """The context that a bulk run has set."""
    context = RequestContext(CancelScope())
    token = REQUEST_CONTEXT.set(context)
    yield context
    REQUEST_CONTEXT.reset(token)


def test_context_of_the_run_is_attached(run_context: RequestContext) -> None:
    """Within a bulk run, a request carries the context of the run."""
    request = httpx.Request("GET", "https://api.bitget.com/")
    assert attach_context(request) is run_context
    assert context_of(request) is run_context
    assert request.extensions[CONTEXT] is run_context


def test_new_context_is_attached_outside_of_a_run() -> None:
    """Outside of a run each call has a context of its own, also if the same request is sent again."""
    request = httpx.Request("GET", "https://api.bitget.com/")
    first = attach_context(request)
    assert context_of(request) is first
    second = attach_context(request)
    assert second is not first
    assert context_of(request) is second


def test_context_is_attached_on_first_use() -> None:
    """A request that has no context gets one when it is first needed, and keeps it."""
    request = httpx.Request("GET", "https://api.bitget.com/")
    context = context_of(request)
    assert context_of(request) is context


def test_attached_context_is_preferred_to_the_variable(run_context: RequestContext) -> None:
    """The context that travels with a request counts, whatever the variable has become meanwhile."""
    request = httpx.Request("GET", "https://api.bitget.com/")
    context = RequestContext()
    request.extensions[CONTEXT] = context
    assert context_of(request) is context is not run_context


def test_extensions_of_the_caller_are_not_changed() -> None:
    """The context is added to a copy of the extensions, which the caller may use for other requests."""
    extensions = {"timeout": {"read": 1.0}}
    request = httpx.Request("GET", "https://api.bitget.com/", extensions=extensions)
    request.extensions = extensions
    attach_context(request)
    assert extensions == {"timeout": {"read": 1.0}}
    assert request.extensions["timeout"] == {"read": 1.0}


# The operation


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", BATCH_CANCEL_ORDERS.path, BATCH_CANCEL_ORDERS),
        ("POST", f"{BATCH_CANCEL_ORDERS.path}/", BATCH_CANCEL_ORDERS),
        ("POST", f"/{BATCH_CANCEL_ORDERS.path}", BATCH_CANCEL_ORDERS),
        ("POST", BATCH_CANCEL_ORDERS.path.replace("/", "//"), BATCH_CANCEL_ORDERS),
        ("POST", f"{BATCH_CANCEL_ORDERS.path}?a=b#c", BATCH_CANCEL_ORDERS),
        ("POST", BATCH_CANCEL_ORDERS.path.replace("batch", "b%61tch"), BATCH_CANCEL_ORDERS),
        ("post", BATCH_CANCEL_ORDERS.path, BATCH_CANCEL_ORDERS),
        ("GET", BATCH_CANCEL_ORDERS.path, None),
        ("POST", f"{BATCH_CANCEL_ORDERS.path}s", None),
        ("POST", BATCH_CANCEL_ORDERS.path.upper(), None),
        ("POST", "/", None),
    ],
)
def test_operation_is_found_by_method_and_path(method: str, path: str, operation: Operation | None) -> None:
    """A request calls the operation of its method and path; superfluous slashes do not count."""
    request = httpx.Request(method, f"https://api.bitget.com{path}")
    assert operation_of(request) is operation


# Defaults and limits


def test_scope_ends_when_nothing_is_left() -> None:
    """A run without any time left has ended: neither a negative nor a positive rest is needed for that."""
    context = RequestContext(CancelScope(deadline=100.0, clock=lambda: 99.999))
    context.raise_if_stopped()
    context.scope.deadline = 99.999
    with pytest.raises(RunStopped):
        context.raise_if_stopped()


def test_attempt_begins_empty() -> None:
    """A new attempt has no permit and no stamp, has reached nothing, and has nothing to report."""
    attempt = Attempt()
    assert attempt.usable_until is None
    assert attempt.signed_at is None
    assert attempt.headers_sent_at is None
    assert attempt.latency is None
    assert attempt.reached_transport is False
    assert attempt.reports_timing is False
    assert attempt.opened_connection is False
    assert attempt.rate_limited_rows is False
    assert attempt.failed_before_sending is False


def test_context_of_returns_the_context_itself() -> None:
    """`context_of` returns the very context that `attach_context` has attached."""
    request = httpx.Request("GET", "https://api.bitget.com/")
    context = attach_context(request)
    assert isinstance(context, RequestContext)
    assert context_of(request) is context


def test_scope_and_its_children() -> None:
    """A child ends with its parent, also one that is made afterwards; a parent does not end with its child."""
    parent = CancelScope(deadline=102.0, clock=lambda: 100.0)
    first, second = parent.child(), parent.child()
    assert first.remaining() == 2
    first.stop()
    assert [first.remaining(), second.remaining(), parent.remaining()] == [0, 2, 2]
    parent.stop()
    assert [second.remaining(), parent.child().remaining()] == [0, 0]


def test_operation_is_in_the_context() -> None:
    """A context knows what its request calls, and is replaced with the request of a run."""
    known = httpx.Request("POST", f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}")
    assert attach_context(known).operation is BATCH_CANCEL_ORDERS
    assert attach_context(httpx.Request("GET", "https://api.bitget.com/")).operation is None
    assert RequestContext().is_valid is False
