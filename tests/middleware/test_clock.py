"""The estimate of the exchange's clock, and that requests are stamped by it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sending import Send, both_modes

from bitget_spot._middleware.account_type import AccountTypeMemory
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.clock import MAX_TIMESTAMP, MIN_TIMESTAMP, ServerClock, corrected_offset
from bitget_spot._middleware.responses import ResponseMiddleware
from bitget_spot._middleware.signing import SigningMiddleware
from bitget_spot.credentials import Credentials
from bitget_spot.errors import ClockError, InvalidResponseError

ORIGIN = "https://api.bitget.com"
NOW = 1659076670.000
TIMESTAMP = "1659076670000"
SECONDS = st.floats(-1e5, 1e5)


class FakeExchange(Transport):
    """Records the requests and returns one body, or raises an error."""

    def __init__(self, body: bytes = b'{"code":"00000"}', error: Exception | None = None) -> None:
        self.body = body
        self.error = error
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return httpx.Response(200, content=self.body)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    @property
    def timestamps(self) -> list[str]:
        """The timestamps of the requests."""
        return [request.headers["ACCESS-TIMESTAMP"] for request in self.requests]


def chain_over(exchange: FakeExchange, local_time: Callable[[], float] = lambda: NOW) -> ResponseMiddleware:
    """Return the two middlewares that share a clock."""
    clock = ServerClock(local_time)
    signing = SigningMiddleware(
        exchange, credentials=Credentials("k", "s", "p"), origin=httpx.URL(ORIGIN), headers={}, clock=clock
    )
    return ResponseMiddleware(signing, clock=clock, account=AccountTypeMemory())


def make_request() -> httpx.Request:
    """Return a request that is signed."""
    return httpx.Request("GET", f"{ORIGIN}/api/v2/spot/trade/orderInfo")


# Correcting the offset


@given(offset=SECONDS, sent_at=SECONDS, round_trip=st.floats(0, 100), server_time=SECONDS)
def test_offset_agrees_with_the_response(offset: float, sent_at: float, round_trip: float, server_time: float) -> None:
    """The corrected offset is within the bounds of the response, and the old one is kept if it is within them."""
    received_at = sent_at + round_trip
    smallest = server_time - received_at
    largest = server_time + 0.001 - sent_at
    result = corrected_offset(offset, sent_at, received_at, server_time)
    assert smallest <= result <= largest
    if smallest <= offset <= largest:
        assert result == offset
    else:
        assert result == (smallest if offset < smallest else largest)


@given(true_offset=SECONDS, offset=SECONDS, way_there=st.floats(0, 5), way_back=st.floats(0, 5))
def test_offset_is_never_made_worse(true_offset: float, offset: float, way_there: float, way_back: float) -> None:
    """A response never moves the offset further away from the true one."""
    sent_at = 1000.0
    received_at = 1000.0 + way_there + way_back
    server_time = int((sent_at + way_there + true_offset) * 1000) / 1000
    result = corrected_offset(offset, sent_at, received_at, server_time)
    assert abs(result - true_offset) <= abs(offset - true_offset) + 0.0011


# Observing responses


def test_clock_starts_as_the_local_clock() -> None:
    """Before the first response, the exchange's clock is taken to be this machine's."""
    clock = ServerClock(lambda: NOW)
    assert clock.offset == 0
    assert clock.local_time() == NOW


@pytest.mark.parametrize(
    ("server_time", "is_plausible"),
    [
        (MIN_TIMESTAMP - 1, False),
        (MIN_TIMESTAMP, True),
        (MAX_TIMESTAMP - 1, True),
        (MAX_TIMESTAMP, False),
        (0, False),
    ],
)
def test_only_plausible_numbers_are_a_clock(server_time: int, *, is_plausible: bool) -> None:
    """Only a number of milliseconds between 2001 and 2286 changes the offset."""
    clock = ServerClock(lambda: NOW)
    clock.observe(server_time, NOW)
    assert (clock.offset != 0) is is_plausible


@pytest.mark.parametrize(("server_time", "sent_at"), [(None, NOW), (1659076730000, None), (None, None)])
def test_incomplete_observations_are_ignored(server_time: int | None, sent_at: float | None) -> None:
    """Without the exchange's clock, or without the time of the stamp, the offset is kept."""
    clock = ServerClock(lambda: NOW)
    clock.observe(server_time, sent_at)
    assert clock.offset == 0


def test_offset_is_corrected_by_the_time_of_receipt() -> None:
    """The local time of an observation is the time of receipt."""
    clock = ServerClock(lambda: NOW + 4)
    clock.observe(1659076730000, NOW)
    assert clock.offset == 56


# Through the middlewares


@both_modes
@pytest.mark.parametrize(
    ("body", "timestamp"),
    [
        (b'{"code":"00000","requestTime":1659076730000}', "1659076730000"),
        (b'{"code":"00000","requestTime" : "1659076730000"}', "1659076730000"),
        (b'{"code":"00000","requestTime":1659076610000}', "1659076610001"),
        (b'{"code":"00000","requestTime":1659076670000}', TIMESTAMP),
        (b'{"code":"00000","requestTime":1659076730}', TIMESTAMP),
        (b'{"code":"00000","requestTime":16590767300000}', TIMESTAMP),
        (b'{"code":"00000","requestTime":null}', TIMESTAMP),
        (b'{"code":"00000","requestTime":"yesterday"}', TIMESTAMP),
        (b'{"code":"00000","requestTime":-1659076730000}', TIMESTAMP),
        (b'{"code":"00000","serverTime":1659076730000}', TIMESTAMP),
    ],
)
def test_next_timestamp_follows_the_clock_of_the_exchange(send: Send, body: bytes, timestamp: str) -> None:
    """The next timestamp follows the clock in a response, given as number or text; other values are ignored."""
    exchange = FakeExchange(body)
    chain = chain_over(exchange)
    for _ in range(2):
        send(chain, make_request())
    assert exchange.timestamps == [TIMESTAMP, timestamp]


@both_modes
def test_refused_timestamp_sets_the_clock(send: Send) -> None:
    """An error response sets the clock as well, so the retry after a refused timestamp is stamped correctly."""
    exchange = FakeExchange(b'{"code":"40008","msg":"Request timestamp expired","requestTime":1659076730000}')
    chain = chain_over(exchange)
    for _ in range(2):
        with pytest.raises(ClockError):
            send(chain, make_request())
    assert exchange.timestamps == [TIMESTAMP, "1659076730000"]


WRONG_CLOCK = b'{"code":"00000","requestTime":1759076730000}'
REFUSED_TIMESTAMP = b'{"code":"40008","msg":"Request timestamp expired"}'


@both_modes
def test_wrong_clock_in_one_response_is_not_kept(send: Send) -> None:
    """After a wrong clock, a refused timestamp without a clock lets the next request use the local clock again."""
    exchange = FakeExchange(WRONG_CLOCK)
    chain = chain_over(exchange)
    send(chain, make_request())
    exchange.body = REFUSED_TIMESTAMP
    for _ in range(2):
        with pytest.raises(ClockError):
            send(chain, make_request())
    assert exchange.timestamps == [TIMESTAMP, "1759076730000", TIMESTAMP]


@both_modes
@pytest.mark.parametrize("implausible", [b"0", b"1", b'"0"', b"1659076670"])
def test_refused_timestamp_with_an_implausible_clock(send: Send, implausible: bytes) -> None:
    """A refused timestamp whose clock is not used is like one without a clock."""
    exchange = FakeExchange(WRONG_CLOCK)
    chain = chain_over(exchange)
    send(chain, make_request())
    exchange.body = b'{"code":"40008","requestTime":' + implausible + b"}"
    for _ in range(2):
        with pytest.raises(ClockError):
            send(chain, make_request())
    assert exchange.timestamps == [TIMESTAMP, "1759076730000", TIMESTAMP]


@both_modes
@pytest.mark.parametrize(
    "body",
    [b'{"requestTime":1659076730000}', b"<html>1659076730000</html>", b"\xff\xfe", b""],
    ids=["no code", "HTML", "not text", "empty"],
)
def test_invalid_response_does_not_change_the_clock(send: Send, body: bytes) -> None:
    """A response that is not the exchange's envelope does not change the clock."""
    exchange = FakeExchange(body)
    chain = chain_over(exchange)
    for _ in range(2):
        with pytest.raises(InvalidResponseError):
            send(chain, make_request())
    assert exchange.timestamps == [TIMESTAMP, TIMESTAMP]


def test_slow_round_trip_does_not_move_a_plausible_clock() -> None:
    """A response that took long does not move a clock that may be right."""
    times = iter([NOW, NOW + 4, NOW + 10, NOW + 11])
    exchange = FakeExchange(b'{"code":"00000","requestTime":1659076673900}')
    chain = chain_over(exchange, lambda: next(times))
    for _ in range(2):
        chain.handle_request(make_request())
    assert exchange.timestamps[1] == "1659076680000"


@both_modes
def test_failed_request_does_not_change_the_clock(send: Send) -> None:
    """A request that fails leaves the clock as it was."""
    exchange = FakeExchange(error=httpx.ReadError("reset"))
    chain = chain_over(exchange)
    with pytest.raises(httpx.ReadError):
        send(chain, make_request())
    exchange.error = None
    send(chain, make_request())
    assert exchange.timestamps == [TIMESTAMP, TIMESTAMP]


def test_reset_clock_is_the_local_clock() -> None:
    """After `reset` the offset is exactly zero seconds."""
    clock = ServerClock(lambda: NOW)
    assert clock.observe(1659076730000, NOW)
    assert clock.offset == 60
    clock.reset()
    assert clock.offset == 0.0
    assert isinstance(clock.offset, float)
