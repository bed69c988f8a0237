"""What is retried, how often, after which pause, and what the context records of it."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Iterable

import httpx
import pytest
from sending import Send, both_modes, in_thread

from bitget_spot import (
    ApiError,
    AuthenticationError,
    ClockError,
    InvalidParameterError,
    InvalidResponseError,
    MarketStateError,
    OrderNotFoundError,
    OrderStateError,
    OriginError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    WrongEnvironmentError,
)
from bitget_spot._concurrency import Effect, Waiter
from bitget_spot._middleware import retry
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.context import (
    NOT_SENT_ERRORS,
    REQUEST_CONTEXT,
    Attempt,
    CancelScope,
    RequestContext,
    RunStopped,
    context_of,
)
from bitget_spot._middleware.retry import (
    FIRST_PAUSE,
    MAX_PAUSE,
    MAX_RETRIES,
    RetryBudget,
    RetryMiddleware,
    backoff,
    is_temporary,
)
from bitget_spot.errors import error_class
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    CANCEL_SYMBOL_ORDERS,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
    ERROR_CODES,
    Operation,
)

PLACE_ORDER_PATH = "/api/v2/spot/trade/place-order"
"""An operation that the document does not have."""

TEMPORARY_AND_UNCERTAIN: list[Exception] = [
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
]
TEMPORARY_AND_NOT_EXECUTED: list[Exception] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("refused"),
    httpx.PoolTimeout("no connection"),
    RateLimitedError("429", "too many", 429),
    RateLimitedError("40918", "too many"),
]
FINAL_AND_NOT_EXECUTED: list[Exception] = [
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
]
FINAL_AND_UNCERTAIN: list[Exception] = [RuntimeError("a bug"), httpx.InvalidURL("not a URL")]
TEMPORARY = TEMPORARY_AND_UNCERTAIN + TEMPORARY_AND_NOT_EXECUTED
FINAL = FINAL_AND_UNCERTAIN + FINAL_AND_NOT_EXECUTED
AMBIGUOUS_ERROR = InvalidParameterError("40808", "temporary or final")
CLOCK_ERROR = ClockError("40008", "expired")


class FailingTransport(Transport):
    """Ends each attempt in the next of the errors, as the layers below do, and succeeds after the last."""

    def __init__(self, errors: Iterable[Exception]) -> None:
        self.errors = iter(errors)
        self.requests: list[httpx.Request] = []
        self.attempts: list[Attempt] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Record the request and its attempt, and end it."""
        self.requests.append(request)
        attempt = context_of(request).attempt
        self.attempts.append(attempt)
        error = next(self.errors, None)
        attempt.reached_transport = not isinstance(error, RunStopped)
        attempt.failed_before_sending = isinstance(error, NOT_SENT_ERRORS)
        if error is not None:
            raise error
        return httpx.Response(200)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As in a thread."""
        return self.handle_request(request)


class RetryHarness:
    """A retry middleware over a transport that fails, with pauses that are recorded instead of waited for."""

    def __init__(self, *errors: Exception, max_retries: int = MAX_RETRIES, scope: CancelScope | None = None) -> None:
        self.transport = FailingTransport(errors)
        self.pauses: list[float] = []
        self.middleware = RetryMiddleware(
            self.transport, max_retries=max_retries, draw=lambda: 1.0, pause=self.record_pause
        )
        self.context = RequestContext(scope or CancelScope())

    def record_pause(self, _: Waiter, seconds: float) -> Effect:
        """Record a pause."""

        def record() -> None:
            self.pauses.append(seconds)

        async def record_async() -> None:
            record()
            await asyncio.sleep(0)

        return Effect(record, record_async)

    def send(self, send: Send = in_thread, path: str = BATCH_CANCEL_ORDERS.path) -> httpx.Response:
        """Send a batch cancel, or a request to another path, with the harness's context."""
        request = httpx.Request("POST", f"https://api.bitget.com{path}")
        token = REQUEST_CONTEXT.set(self.context)
        try:
            return send(self.middleware, request)
        finally:
            REQUEST_CONTEXT.reset(token)

    @property
    def attempts(self) -> int:
        """How often the transport was reached."""
        return len(self.transport.requests)


# Which errors


@pytest.mark.parametrize("error", TEMPORARY, ids=repr)
def test_temporary_errors_are_retried(error: Exception) -> None:
    """Network errors, invalid responses, too many requests and a busy exchange allow a retry."""
    assert is_temporary(error)
    assert RetryBudget(1).allows(error, repeat_safe=True)


@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_final_errors_are_not_retried(error: Exception) -> None:
    """Credentials, permissions, environment, parameters, the order's state and mistakes of the client are final."""
    assert not is_temporary(error)
    assert not RetryBudget(MAX_RETRIES).allows(error, repeat_safe=True)


FINAL_GROUPS = {
    "credentials",
    "permission",
    "environment",
    "classic-account",
    "unified-account",
    "parameter",
    "gone",
    "gone-or-other-kind",
    "in-progress",
    "order-state",
    "market-state",
}


@pytest.mark.parametrize("family", sorted(ERROR_CODES))
def test_codes_of_final_groups_are_not_retried(family: str) -> None:
    """No code of these groups allows a retry, in any version of the API."""
    versions = set(ERROR_CODES) - {"gateway"} if family == "gateway" else {family}
    for group in FINAL_GROUPS & set(ERROR_CODES[family]):
        for code, version in itertools.product(ERROR_CODES[family][group], versions):
            assert not RetryBudget(MAX_RETRIES).allows(error_class(code, version)(code), repeat_safe=True)


def test_origin_errors_are_not_retried() -> None:
    """A request that the middlewares refuse to send is not retried."""
    assert not RetryBudget(MAX_RETRIES).allows(OriginError("no"), repeat_safe=True)


@pytest.mark.parametrize("error", TEMPORARY, ids=repr)
def test_unsafe_operations_are_not_retried(error: Exception) -> None:
    """An operation is not retried if the document does not say that it is safe to repeat."""
    assert not RetryBudget(MAX_RETRIES).allows(error, repeat_safe=False)


# How often


def test_retries_are_limited() -> None:
    """There are no more retries than `max_retries`."""
    budget = RetryBudget(2)
    error = httpx.ReadError("reset")
    assert [budget.allows(error, repeat_safe=True) for _ in range(3)] == [True, True, False]
    assert not RetryBudget(0).allows(error, repeat_safe=True)


@pytest.mark.parametrize("repeat_safe", [True, False])
def test_clock_errors_allow_one_retry(*, repeat_safe: bool) -> None:
    """A refused timestamp allows one retry, for any operation and with any number of retries."""
    budget = RetryBudget(0)
    assert budget.allows(CLOCK_ERROR, repeat_safe=repeat_safe)
    assert not budget.allows(CLOCK_ERROR, repeat_safe=repeat_safe)


def test_ambiguous_code_allows_one_retry() -> None:
    """40808 allows one retry, also if there were other errors in between, and none beyond `max_retries`."""
    budget = RetryBudget(MAX_RETRIES)
    errors = [AMBIGUOUS_ERROR, httpx.ReadError("reset"), AMBIGUOUS_ERROR]
    assert [budget.allows(error, repeat_safe=True) for error in errors] == [True, True, False]
    assert not RetryBudget(0).allows(AMBIGUOUS_ERROR, repeat_safe=True)
    assert not RetryBudget(MAX_RETRIES).allows(AMBIGUOUS_ERROR, repeat_safe=False)


# After which pause


@pytest.mark.parametrize(("retries", "factor"), [(0, 1), (1, 2), (2, 4), (3, 8)])
def test_backoff_doubles(retries: int, factor: int) -> None:
    """A pause is drawn from 0 up to a length that doubles with each retry."""
    assert backoff(retries, lambda: 1.0) == pytest.approx(factor * FIRST_PAUSE)
    assert backoff(retries, lambda: 0.25) == pytest.approx(factor * FIRST_PAUSE / 4)
    assert backoff(retries, lambda: 0.0) == 0


def test_backoff_is_limited() -> None:
    """No pause is longer than `MAX_PAUSE`, however many retries there were."""
    assert backoff(50, lambda: 1.0) == MAX_PAUSE


# Through the middleware


@both_modes
@pytest.mark.parametrize("error", TEMPORARY, ids=repr)
def test_request_is_retried_until_it_succeeds(error: Exception, send: Send) -> None:
    """Each attempt passes all layers below, after a pause, and the response is that of the last attempt."""
    harness = RetryHarness(error, error)
    assert harness.send(send).status_code == 200
    assert harness.attempts == 3
    assert harness.pauses == pytest.approx([FIRST_PAUSE, 2 * FIRST_PAUSE])
    assert harness.context.attempts == (1 if isinstance(error, NOT_SENT_ERRORS) else 3)
    assert harness.context.maybe_executed is (error in TEMPORARY_AND_UNCERTAIN)
    assert not harness.context.stopped


@both_modes
@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_final_error_is_raised_at_once(error: Exception, send: Send) -> None:
    """A final error is raised after one attempt, without a pause."""
    harness = RetryHarness(error)
    with pytest.raises(type(error)) as caught:
        harness.send(send)
    assert caught.value is error
    assert harness.attempts == 1
    assert harness.pauses == []
    assert harness.context.maybe_executed is (error in FINAL_AND_UNCERTAIN)


@both_modes
def test_each_attempt_is_recorded_anew(send: Send) -> None:
    """Every attempt has a record of its own, and the context keeps the last one."""
    harness = RetryHarness(httpx.ReadError("reset"), httpx.ConnectError("refused"))
    harness.send(send)
    first, second, third = harness.transport.attempts
    assert first is not second
    assert second is not third
    assert harness.context.attempt is third
    assert [first.has_left, second.has_left, third.has_left] == [True, False, True]
    assert harness.context.attempts == 2


@both_modes
def test_last_error_is_raised(send: Send) -> None:
    """After `max_retries` retries the last error is raised, without another pause."""
    errors = [httpx.ReadError(str(number)) for number in range(9)]
    harness = RetryHarness(*errors, max_retries=2)
    with pytest.raises(httpx.ReadError, match="2"):
        harness.send(send)
    assert harness.attempts == 3
    assert len(harness.pauses) == 2
    assert not harness.context.stopped


@both_modes
def test_uncertainty_is_kept(send: Send) -> None:
    """If an attempt may have been executed, the context keeps that, also if a clear refusal follows."""
    harness = RetryHarness(httpx.ReadTimeout("late"), RateLimitedError("429"), AuthenticationError("40009"))
    with pytest.raises(AuthenticationError):
        harness.send(send)
    assert harness.context.maybe_executed
    assert harness.context.attempts == 3


@both_modes
def test_unknown_operations_are_sent_once(send: Send) -> None:
    """A path that the document does not have is never retried, except after a refused timestamp."""
    harness = RetryHarness(httpx.ConnectError("refused"))
    with pytest.raises(httpx.ConnectError):
        harness.send(send, PLACE_ORDER_PATH)
    assert harness.attempts == 1
    harness = RetryHarness(CLOCK_ERROR, httpx.ReadError("reset"))
    with pytest.raises(httpx.ReadError):
        harness.send(send, PLACE_ORDER_PATH)
    assert harness.attempts == 2


@pytest.mark.parametrize("operation", [CANCEL_SYMBOL_ORDERS, CANCEL_UNIFIED_SYMBOL_ORDERS])
def test_document_decides_what_is_repeat_safe(operation: Operation) -> None:
    """An operation that the document does not call safe to repeat is sent once."""
    assert not operation.repeat_safe
    harness = RetryHarness(httpx.ReadError("reset"))
    with pytest.raises(httpx.ReadError):
        harness.send(path=operation.path)
    assert harness.attempts == 1


def test_each_request_has_its_own_retries() -> None:
    """`max_retries` limits the retries of every request by itself."""
    harness = RetryHarness(*[httpx.ReadError("reset")] * 4, max_retries=1)
    for _ in range(2):
        with pytest.raises(httpx.ReadError):
            harness.send()
    assert harness.attempts == 4


@both_modes
def test_requests_outside_of_a_run_are_retried(send: Send) -> None:
    """A call of the generated function outside of a bulk run is retried, too."""
    harness = RetryHarness(httpx.ReadError("reset"))
    request = httpx.Request("POST", f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}")
    send(harness.middleware, request)
    assert harness.transport.requests == [request, request]


# The end of the run


@both_modes
@pytest.mark.parametrize(("pauses_left", "attempts"), [(0.0, 1), (0.99, 1), (1.01, 2)])
def test_no_retry_after_the_deadline(pauses_left: float, attempts: int, send: Send) -> None:
    """If the pause would last beyond the deadline, the error is raised at once, and the context is marked as stopped."""
    scope = CancelScope(deadline=100 + pauses_left * FIRST_PAUSE, clock=lambda: 100.0)
    harness = RetryHarness(httpx.ReadError("reset"), scope=scope)
    if attempts == 1:
        with pytest.raises(httpx.ReadError):
            harness.send(send)
    else:
        harness.send(send)
    assert harness.attempts == attempts
    assert len(harness.pauses) == attempts - 1
    assert harness.context.stopped is (attempts == 1)


@both_modes
def test_no_retry_at_the_very_deadline(send: Send) -> None:
    """A pause that would end with the deadline leaves no time for a retry either."""
    harness = RetryHarness(httpx.ReadError("reset"), scope=CancelScope(deadline=FIRST_PAUSE, clock=lambda: 0.0))
    with pytest.raises(httpx.ReadError):
        harness.send(send)
    assert harness.context.stopped
    assert harness.pauses == []


@both_modes
def test_deadline_does_not_stop_what_is_final(send: Send) -> None:
    """A final error after the deadline does not mark the context as stopped, because there would be no retry anyway."""
    harness = RetryHarness(AuthenticationError("40009"), scope=CancelScope(deadline=0.0))
    with pytest.raises(AuthenticationError):
        harness.send(send)
    assert not harness.context.stopped


@both_modes
def test_context_that_was_stopped_below_stays_stopped(send: Send) -> None:
    """If a layer below has marked the context as stopped, there is no retry, even if there is time for one."""
    harness = RetryHarness(httpx.ReadError("reset"))
    harness.context.stopped = True
    with pytest.raises(httpx.ReadError):
        harness.send(send)
    assert harness.context.stopped
    assert harness.attempts == 1


@both_modes
def test_stop_ends_a_pause(send: Send) -> None:
    """A stop of the run wakes a request that pauses before a retry, in threads and in tasks."""
    harness = RetryHarness(httpx.ReadError("reset"))
    pausing = threading.Event()

    def long_pause(waiter: Waiter, _: float) -> Effect:
        pausing.set()
        return waiter.wait(30)

    def stop() -> None:
        assert pausing.wait(5)
        harness.context.scope.stop()

    harness.middleware._pause = long_pause
    stopper = threading.Thread(target=stop)
    stopper.start()
    started_at = time.monotonic()
    harness.send(send)
    stopper.join()
    assert time.monotonic() - started_at < 5


def test_pauses_are_waited_for_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default a pause is waited for, and its length is random."""
    draws = []

    def longest_pause(retries: int, draw: object) -> float:
        draws.append(draw)
        return backoff(retries, lambda: 1.0)

    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(retry, "backoff", longest_pause)
    transport = FailingTransport([httpx.ReadError("reset")])
    request = httpx.Request("POST", f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}")
    started_at = time.monotonic()
    RetryMiddleware(transport).handle_request(request)
    assert time.monotonic() - started_at >= 0.05
    assert len(transport.requests) == 2
    assert draws == [random.random]
