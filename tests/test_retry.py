"""The link that repeats: what, how often, after which pause, and what it writes down for the run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable

import httpx
import pytest
from attrs import evolve

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
from bitget_spot._middleware.context import REQUEST_CONTEXT, CancelScope, RequestContext, RunStopped
from bitget_spot._middleware.retry import FIRST_PAUSE, MAX_PAUSE, TRIES, RetryBudget, RetryMiddleware, backoff
from bitget_spot.errors import error_class
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, ERROR_CODES

MANNERS = pytest.mark.parametrize("manner", ["sync", "asyncio"])

PASSING_AND_DOUBTFUL: list[Exception] = [
    httpx.ReadTimeout("late"),
    httpx.WriteTimeout("late"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.CloseError("reset"),
    httpx.RemoteProtocolError("hung up"),
    InvalidResponseError(200, "an empty body"),
    InvalidResponseError(429, "not JSON"),
    InvalidResponseError(502, "not JSON"),
    InvalidResponseError(520, "not JSON"),
    SystemBusyError("45001", "busy"),
    SystemBusyError("40725", "busy", 500),
    ApiError("99999", "unheard of", 500),
    InvalidParameterError("40034", "refused by something broken", 503),
]
PASSING_AND_CERTAIN: list[Exception] = [
    httpx.ConnectError("no way"),
    httpx.ConnectTimeout("no way"),
    httpx.PoolTimeout("no room"),
    RateLimitedError("429", "too many", 429),
    RateLimitedError("40918", "too many"),
]
FINAL_AND_CERTAIN: list[Exception] = [
    AuthenticationError("40009", "wrong"),
    PermissionDeniedError("40014", "not yours"),
    WrongEnvironmentError("40085", "unified"),
    WrongEnvironmentError("40099", "demo"),
    InvalidParameterError("40034", "no such symbol"),
    OrderNotFoundError("43001", "gone"),
    OrderStateError("45024", "no"),
    MarketStateError("40309", "delisted"),
    ApiError("99999", "unheard of"),
    httpx.UnsupportedProtocol("ftp"),
    httpx.LocalProtocolError("our mistake"),
    httpx.ProxyError("its mistake"),
    RunStopped(),
]
FINAL_AND_DOUBTFUL: list[Exception] = [RuntimeError("a bug"), httpx.InvalidURL("what?")]
AMBIGUOUS = InvalidParameterError("40808", "perhaps")
CLOCK = ClockError("40008", "expired")


class Below(Transport):
    """The links below: ends each try in the next of the errors, and answers well after the last."""

    def __init__(self, errors: Iterable[Exception]) -> None:
        self.errors = iter(errors)
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Note the request, and end it."""
        self.seen.append(request)
        trail = REQUEST_CONTEXT.get()
        if trail is not None:
            trail.attempts += 1
        error = next(self.errors, None)
        if error is not None:
            raise error
        return httpx.Response(200)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As from a thread."""
        return self.handle_request(request)


class Scene:
    """A retrying link over some errors, whose pauses are only written down."""

    def __init__(self, *errors: Exception, tries: int = TRIES, run: CancelScope | None = None) -> None:
        self.below = Below(errors)
        self.pauses: list[float] = []
        self.link = RetryMiddleware(self.below, tries=tries, draw=lambda: 1.0, pause=self.pause)
        self.trail = RequestContext(run or CancelScope())

    def pause(self, _: Waiter, seconds: float) -> Effect:
        """Write a pause down."""

        def no_time() -> None:
            self.pauses.append(seconds)

        async def no_time_in_task() -> None:
            no_time()
            await asyncio.sleep(0)

        return Effect(no_time, no_time_in_task)

    def send(self, manner: str = "sync", path: str = BATCH_CANCEL_ORDERS.path) -> httpx.Response:
        """Send a request of the operation, or of another path, with the scene's trail."""
        request = httpx.Request("POST", f"https://api.bitget.com{path}")
        token = REQUEST_CONTEXT.set(self.trail)
        try:
            if manner == "sync":
                return self.link.handle_request(request)
            return asyncio.run(self.link.handle_async_request(request))
        finally:
            REQUEST_CONTEXT.reset(token)

    @property
    def tried(self) -> int:
        """How often the request came through."""
        return len(self.below.seen)


def names(errors: Iterable[Exception]) -> list[str]:
    """What the cases of a table are called."""
    return [f"{type(error).__name__} {error}" for error in errors]


PASSING = PASSING_AND_DOUBTFUL + PASSING_AND_CERTAIN
FINAL = FINAL_AND_DOUBTFUL + FINAL_AND_CERTAIN
DOUBTFUL = PASSING_AND_DOUBTFUL + FINAL_AND_DOUBTFUL
CERTAIN = [*PASSING_AND_CERTAIN, *FINAL_AND_CERTAIN, AMBIGUOUS, CLOCK]


@pytest.mark.parametrize("error", PASSING, ids=names(PASSING))
def test_what_may_pass(error: Exception) -> None:
    """Trouble on the wire, unreadable answers, too many requests and a busy exchange may pass."""
    assert retry.is_passing(error)
    assert RetryBudget(2).allow_another(error, repeat_safe=True)


@pytest.mark.parametrize("error", FINAL, ids=names(FINAL))
def test_what_will_not_pass(error: Exception) -> None:
    """Credentials, permission, environment, parameters, the order's own state and our mistakes never pass."""
    assert not retry.is_passing(error)
    assert not RetryBudget(TRIES).allow_another(error, repeat_safe=True)


@pytest.mark.parametrize("error", DOUBTFUL, ids=names(DOUBTFUL))
def test_what_may_have_been_carried_out(error: Exception) -> None:
    """Whatever ended a try without the exchange's clear word may have been carried out."""
    assert retry.may_have_been_carried_out(error)


@pytest.mark.parametrize("error", CERTAIN, ids=names(CERTAIN))
def test_what_has_not_been_carried_out(error: Exception) -> None:
    """A clear refusal, and what never left, have not been carried out."""
    assert not retry.may_have_been_carried_out(error)


@pytest.mark.parametrize("kind", ["credentials", "permission", "environment", "parameter"])
def test_no_code_of_a_mistake_is_ever_repeated(kind: str) -> None:
    """No code of these classes is worth another try."""
    for code in ERROR_CODES[kind]:
        assert not RetryBudget(TRIES).allow_another(error_class(code)(code), repeat_safe=True)


def test_how_often_at_most() -> None:
    """Counting the first, there are as many tries as are allowed."""
    attempts = RetryBudget(3)
    error = httpx.ReadError("reset")
    assert [attempts.allow_another(error, repeat_safe=True) for _ in range(3)] == [True, True, False]
    assert not RetryBudget(1).allow_another(error, repeat_safe=True)


@pytest.mark.parametrize("error", PASSING, ids=names(PASSING))
def test_an_operation_that_is_not_safe_to_repeat(error: Exception) -> None:
    """Nothing is repeated for an operation whose document does not say that a repeat is safe."""
    assert not RetryBudget(TRIES).allow_another(error, repeat_safe=False)


@pytest.mark.parametrize("repeat_safe", [True, False])
def test_a_clock_error_once_more(repeat_safe: bool) -> None:
    """A refused timestamp is worth one more try, whatever the operation and however few tries there are."""
    attempts = RetryBudget(1)
    assert attempts.allow_another(CLOCK, repeat_safe=repeat_safe)
    assert not attempts.allow_another(CLOCK, repeat_safe=repeat_safe)


def test_the_ambiguous_code_once_more() -> None:
    """40808 is worth one more try at most, also with others in between, and none beyond the last."""
    attempts = RetryBudget(TRIES)
    errors = [AMBIGUOUS, httpx.ReadError("reset"), AMBIGUOUS]
    assert [attempts.allow_another(error, repeat_safe=True) for error in errors] == [True, True, False]
    assert not RetryBudget(1).allow_another(AMBIGUOUS, repeat_safe=True)
    assert not RetryBudget(TRIES).allow_another(AMBIGUOUS, repeat_safe=False)


@pytest.mark.parametrize(("repeats", "longest"), [(0, 1), (1, 2), (2, 4), (3, 8)])
def test_pauses_double(repeats: int, longest: int) -> None:
    """A pause is drawn from nothing up to a length that doubles with each repeat."""
    assert backoff(repeats, lambda: 1.0) == pytest.approx(longest * FIRST_PAUSE)
    assert backoff(repeats, lambda: 0.25) == pytest.approx(longest * FIRST_PAUSE / 4)
    assert backoff(repeats, lambda: 0.0) == 0


def test_pauses_end_at_the_longest() -> None:
    """However often it was tried, nobody waits longer than the longest pause."""
    assert backoff(50, lambda: 1.0) == MAX_PAUSE


@MANNERS
@pytest.mark.parametrize("error", PASSING, ids=names(PASSING))
def test_repeated_until_it_passes(error: Exception, manner: str) -> None:
    """The links below are passed anew by each try, after a pause each time, and the answer is the last try's."""
    scene = Scene(error, error)
    assert scene.send(manner).status_code == 200
    assert scene.tried == 3
    assert scene.pauses == pytest.approx([FIRST_PAUSE, 2 * FIRST_PAUSE])
    assert scene.trail.attempts == 3
    assert scene.trail.doubtful is (error in PASSING_AND_DOUBTFUL)
    assert not scene.trail.cut


@MANNERS
@pytest.mark.parametrize("error", FINAL, ids=names(FINAL))
def test_raised_at_once(error: Exception, manner: str) -> None:
    """What will not pass is raised after one try, without a pause."""
    scene = Scene(error)
    with pytest.raises(type(error)) as caught:
        scene.send(manner)
    assert caught.value is error
    assert (scene.tried, scene.pauses) == (1, [])
    assert scene.trail.doubtful is (error in FINAL_AND_DOUBTFUL)


@MANNERS
def test_the_last_error_is_raised(manner: str) -> None:
    """After as many tries as there may be, the last one's error is raised, and no pause follows it."""
    errors = [httpx.ReadError(str(number)) for number in range(9)]
    scene = Scene(*errors, max_retries=2)
    with pytest.raises(httpx.ReadError, match="2"):
        scene.send(manner)
    assert (scene.tried, len(scene.pauses)) == (3, 2)
    assert not scene.trail.cut


@MANNERS
def test_a_doubt_stays(manner: str) -> None:
    """A try that may have worked leaves its doubt on the trail, though a clear refusal follows."""
    scene = Scene(httpx.ReadTimeout("late"), RateLimitedError("429"), AuthenticationError("40009"))
    with pytest.raises(AuthenticationError):
        scene.send(manner)
    assert scene.trail.doubtful
    assert scene.trail.attempts == 3


@MANNERS
def test_what_the_document_does_not_have_is_sent_once(manner: str) -> None:
    """A path of which the document says nothing is never repeated, but for the clock."""
    scene = Scene(httpx.ConnectError("no way"))
    with pytest.raises(httpx.ConnectError):
        scene.send(manner, "/api/v2/spot/trade/place-order")
    assert scene.tried == 1
    scene = Scene(CLOCK, httpx.ReadError("reset"))
    with pytest.raises(httpx.ReadError):
        scene.send(manner, "/api/v2/spot/trade/place-order")
    assert scene.tried == 2


def test_an_operation_that_the_document_calls_unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be repeated is the document's word alone."""
    monkeypatch.setattr(retry, "operation_of", lambda _: evolve(BATCH_CANCEL_ORDERS, repeat_safe=False))
    scene = Scene(httpx.ReadError("reset"))
    with pytest.raises(httpx.ReadError):
        scene.send()
    assert scene.tried == 1


def test_the_number_of_tries_is_the_link_s() -> None:
    """`tries` bounds the tries of every request by itself."""
    scene = Scene(*[httpx.ReadError("reset")] * 4, max_retries=1)
    for _ in range(2):
        with pytest.raises(httpx.ReadError):
            scene.send()
    assert scene.tried == 4


@MANNERS
def test_without_a_run(manner: str) -> None:
    """A call of the generated function outside of a run is repeated all the same."""
    scene = Scene(httpx.ReadError("reset"))
    request = httpx.Request("POST", f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}")
    if manner == "sync":
        scene.link.handle_request(request)
    else:
        asyncio.run(scene.link.handle_async_request(request))
    assert scene.below.seen == [request, request]


@MANNERS
@pytest.mark.parametrize(("left", "tried"), [(0.0, 1), (0.99, 1), (1.01, 2)])
def test_a_deadline_that_would_pass_during_the_pause(left: float, tried: int, manner: str) -> None:
    """Where the deadline leaves no time for another try, the error is raised at once and the trail says why."""
    run = CancelScope(deadline=100 + left * FIRST_PAUSE, clock=lambda: 100.0)
    scene = Scene(httpx.ReadError("reset"), run=run)
    if tried == 1:
        with pytest.raises(httpx.ReadError):
            scene.send(manner)
    else:
        scene.send(manner)
    assert (scene.tried, len(scene.pauses)) == (tried, tried - 1)
    assert scene.trail.cut is (tried == 1)


@MANNERS
def test_a_deadline_cuts_nothing_that_would_not_be_repeated(manner: str) -> None:
    """An error that is final anyway is not laid at the deadline's door."""
    scene = Scene(AuthenticationError("40009"), run=CancelScope(deadline=0.0))
    with pytest.raises(AuthenticationError):
        scene.send(manner)
    assert not scene.trail.cut


@MANNERS
def test_a_stop_wakes_a_pausing_try(manner: str) -> None:
    """A run that is stopped wakes whoever pauses before another try, in threads and tasks."""
    scene = Scene(httpx.ReadError("reset"))
    pausing = threading.Event()

    def long_pause(bell: Waiter, _: float) -> Effect:
        pausing.set()
        return bell.wait(30)

    def stop() -> None:
        assert pausing.wait(5)
        scene.trail.run.stop()

    scene.link._pause = long_pause
    stopper = threading.Thread(target=stop)
    stopper.start()
    started = time.monotonic()
    scene.send(manner)
    stopper.join()
    assert time.monotonic() - started < 5


def test_the_pauses_are_real_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without further word a pause is waited for, and its length is drawn by chance."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(retry, "backoff", lambda repeats, _: backoff(repeats, lambda: 1.0))
    below = Below([httpx.ReadError("reset")])
    started = time.monotonic()
    RetryMiddleware(below).handle_request(httpx.Request("POST", f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}"))
    assert time.monotonic() - started >= 0.05
    assert len(below.seen) == 2


def test_an_origin_error_is_not_repeated() -> None:
    """What the links below refuse to send is not tried again."""
    assert not RetryBudget(TRIES).allow_another(OriginError("no"), repeat_safe=True)


@MANNERS
def test_a_pause_up_to_the_very_deadline(manner: str) -> None:
    """A pause that would end with the deadline leaves no time for another try either."""
    scene = Scene(httpx.ReadError("reset"), run=CancelScope(deadline=FIRST_PAUSE, clock=lambda: 0.0))
    with pytest.raises(httpx.ReadError):
        scene.send(manner)
    assert scene.trail.cut
    assert scene.pauses == []


@MANNERS
def test_what_was_cut_below_stays_cut(manner: str) -> None:
    """Where a link below found the deadline in the way, its error is raised, though this link would have had the time."""
    scene = Scene(httpx.ReadError("reset"))
    scene.trail.cut = True
    with pytest.raises(httpx.ReadError):
        scene.send(manner)
    assert scene.trail.cut
    assert scene.tried == 1
