"""The exchange without a server: clock, rate windows, delayed cancels, signed bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import pytest

from bitget_spot.sandbox.accounts import Account, verify_hmac
from bitget_spot.sandbox.envelope import ExchangeResponse
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

START = 1659076670.0
KEY = "key"

NewExchange: TypeAlias = Callable[..., Exchange]


class FakeClock:
    """Both clocks of an exchange, moved by the test."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return START + self.elapsed

    def monotonic(self) -> float:
        """Return the seconds since the test began."""
        return self.elapsed


@pytest.fixture
def clock() -> FakeClock:
    """Return clocks that stand still."""
    return FakeClock()


@pytest.fixture
def new_exchange(clock: FakeClock) -> NewExchange:
    """Create exchanges on the test's clocks, each with one account and without orders."""

    def create(**arguments: Any) -> Exchange:
        return Exchange(
            orders=0,
            api_key=KEY,
            secret_key="secret",
            passphrase="phrase",
            clock=clock.time,
            timer=clock.monotonic,
            **arguments,
        )

    return create


def send(
    exchange: Exchange,
    clock: FakeClock,
    body: bytes,
    *,
    query: str = "",
    signed_query: str = "",
    **headers: str,
) -> ExchangeResponse:
    """Pass one signed request through all of its steps."""
    stamp = str(int(clock.time() * 1000))
    prehash = stamp + "POST" + BATCH_CANCEL_ORDERS.path + signed_query
    mac = hmac.new(b"secret", prehash.encode() + body, hashlib.sha256).digest()
    all_headers = {
        "access-key": KEY,
        "access-sign": base64.b64encode(mac).decode(),
        "access-passphrase": "phrase",
        "access-timestamp": stamp,
        **headers,
    }
    request = exchange.accept(BATCH_CANCEL_ORDERS, all_headers, clock.monotonic())
    response = exchange.respond(request, query, body)
    exchange.record_response(request, response.status, response.payload["code"])
    return response


def batch(*order_ids: str) -> bytes:
    """Return the body that cancels these orders."""
    return json.dumps({"orderList": [{"orderId": order_id} for order_id in order_ids]}).encode()


@pytest.mark.parametrize(
    ("prehash", "signature"),
    [
        (
            (
                '1659076670000POST/api/v2/spot/trade/batch-cancel-order{"symbol":"BTCUSDT",'
                '"batchMode":"single","orderList":[{"orderId":"121211212122"}]}'
            ),
            "UVToCqlCgtN8z3ViqhCfl0wmm7mnLXbNphEtvAPeueA=",
        ),
        (
            "1659076670000GET/api/v2/spot/trade/orderInfo?clientOid=a#b+c",
            "2DOi1d/R3i9tSKWOnnCN5UMLg8pyYn0H9yDFwtf+I0s=",
        ),
    ],
)
def test_hmac_of_known_vectors(prehash: str, signature: str) -> None:
    """A signature of the same bytes by another program is accepted, and one of other bytes is not."""
    verify = partial(verify_hmac, "secret")
    assert verify(prehash.encode(), signature)
    assert not verify(prehash.encode() + b" ", signature)
    assert not verify(prehash.encode(), signature.rstrip("="))


def test_signed_query_is_sorted_and_decoded(new_exchange: NewExchange, clock: FakeClock) -> None:
    """The signature covers the query sorted by key, with the values before they are encoded."""
    exchange = new_exchange()
    (order,) = exchange.open_orders(1)
    query = "b=a%23b%2Bc&a=1"
    wrong = send(exchange, clock, batch(order.order_id), query=query, signed_query="?b=a%23b%2Bc&a=1")
    right = send(exchange, clock, batch(order.order_id), query=query, signed_query="?a=1&b=a#b+c")
    assert (wrong.payload["code"], right.payload["code"]) == ("40009", "00000")


def test_full_window_refuses_until_its_first_request_is_one_period_old(
    new_exchange: NewExchange, clock: FakeClock
) -> None:
    """The document's number of requests fits into any period; a refused request does not count."""
    exchange = new_exchange()
    limit = BATCH_CANCEL_ORDERS.rate_limit
    orders = exchange.open_orders(limit.requests * 2)
    statuses = []
    for order in orders[: limit.requests]:
        statuses.append(send(exchange, clock, batch(order.order_id)).status)
        clock.elapsed += limit.period_seconds / 16
    refused = send(exchange, clock, batch(orders[-1].order_id))
    clock.elapsed = limit.period_seconds
    accepted_again = send(exchange, clock, batch(orders[-1].order_id))
    refused_again = send(exchange, clock, batch(orders[-2].order_id))
    assert statuses == [200] * limit.requests
    assert (refused.status, refused.payload) == (429, {"code": "429", "msg": "Too Many Requests"})
    assert (accepted_again.status, refused_again.status) == (200, 429)


def test_requests_per_second_replaces_the_limit(new_exchange: NewExchange, clock: FakeClock) -> None:
    """With requests_per_second=2 the third request is refused."""
    exchange = new_exchange(requests_per_second=2)
    orders = exchange.open_orders(3)
    statuses = [send(exchange, clock, batch(order.order_id)).status for order in orders]
    assert statuses == [200, 200, 429]


def test_each_key_has_its_own_window(new_exchange: NewExchange, clock: FakeClock) -> None:
    """The requests of one account leave the budget of another unchanged."""
    exchange = new_exchange(requests_per_second=1)
    exchange.add_account("other", "secret", "phrase")
    (first,) = exchange.open_orders(1)
    (second,) = exchange.open_orders(1, api_key="other")
    assert send(exchange, clock, batch(first.order_id)).status == 200
    response = send(exchange, clock, batch(second.order_id), **{"access-key": "other"})
    assert response.status == 200


@pytest.mark.parametrize(("age", "code"), [(30.0, "00000"), (30.001, "40008"), (-30.0, "00000"), (-30.001, "40008")])
def test_timestamp_window(new_exchange: NewExchange, clock: FakeClock, age: float, code: str) -> None:
    """A timestamp is accepted up to the document's seconds before and after the exchange's clock."""
    exchange = new_exchange()
    (order,) = exchange.open_orders(1)
    exchange._skew = age
    assert send(exchange, clock, batch(order.order_id)).payload["code"] == code
    assert exchange.arrivals[0].stamp_age == pytest.approx(age)


def test_cancel_is_executed_after_its_delay(new_exchange: NewExchange, clock: FakeClock) -> None:
    """The order is live until cancel_delay has passed, and its u_time is when the cancel was executed."""
    exchange = new_exchange(cancel_delay=2)
    (order,) = exchange.open_orders(1)
    assert send(exchange, clock, batch(order.order_id)).payload["code"] == "00000"
    clock.elapsed = 1.5
    assert exchange.orders[order.order_id].status == "live"
    clock.elapsed = 5
    cancelled = exchange.orders[order.order_id]
    assert (cancelled.status, cancelled.u_time) == ("cancelled", int((START + 2) * 1000))


def test_order_can_fill_before_its_cancel_is_executed(new_exchange: NewExchange, clock: FakeClock) -> None:
    """Success means that the cancel was received: an order that fills before it is executed stays filled."""
    exchange = new_exchange(cancel_delay=2)
    (order,) = exchange.open_orders(1)
    send(exchange, clock, batch(order.order_id))
    exchange.fill(order.order_id)
    clock.elapsed = 3
    assert exchange.orders[order.order_id].status == "filled"


def test_repeated_cancel_does_not_delay_the_first(new_exchange: NewExchange, clock: FakeClock) -> None:
    """A second cancel of a live order succeeds, and the first is executed when it was due."""
    exchange = new_exchange(cancel_delay=2)
    (order,) = exchange.open_orders(1)
    send(exchange, clock, batch(order.order_id))
    clock.elapsed = 1
    assert send(exchange, clock, batch(order.order_id)).payload["code"] == "00000"
    clock.elapsed = 2
    assert exchange.orders[order.order_id].status == "cancelled"


def test_ledger_can_be_reset_during_a_request(new_exchange: NewExchange, clock: FakeClock) -> None:
    """A request that arrived before the reset does not come back with its response."""
    exchange = new_exchange()
    request = exchange.accept(BATCH_CANCEL_ORDERS, {}, clock.monotonic())
    exchange.reset_ledger()
    exchange.record_response(request, 400, "40001")
    assert exchange.arrivals == []


def test_seed_decides_the_order_ids(new_exchange: NewExchange) -> None:
    """Order ids are the same for the same seed, and different for another."""
    ids = [[order.order_id for order in new_exchange(seed=seed).open_orders(3)] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("times", "worst"),
    [
        ([], 0),
        ([5.0], 1),
        ([0.0, 1.0, 2.0], 1),
        ([0.0, 0.5, 0.999, 1.0], 3),
        ([1.2, 0.0, 0.9, 1.0], 3),
    ],
)
def test_worst_window_counts_half_open_periods(new_exchange: NewExchange, times: list[float], worst: int) -> None:
    """The end of a period does not belong to it, and the requests may come in any order."""
    exchange = new_exchange()
    for at in times:
        exchange.accept(BATCH_CANCEL_ORDERS, {}, at)
    assert exchange.worst_window(1.0) == worst


def test_reprs_show_no_secrets(new_exchange: NewExchange) -> None:
    """The reprs of an account and of an exchange show only the key."""
    account = Account("k", "phrase", partial(verify_hmac, "secret"))
    assert repr(account) == "Account(api_key='k', demo=False, account_type='classic')"
    text = repr(new_exchange())
    assert "phrase" not in text
    assert "secret" not in text
