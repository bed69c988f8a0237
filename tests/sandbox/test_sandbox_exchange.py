"""The exchange without a server: clock, windows, delayed cancels, prehash."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from bitget_spot.sandbox.envelope import ExchangeResponse
from bitget_spot.sandbox.exchange import Exchange, verify_hmac
from bitget_spot.sandbox.handlers import Account
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

NOW = 1659076670.0
KEY = "key"


class Clocks:
    """Both clocks of an exchange, moved by hand."""

    def __init__(self) -> None:
        self.passed = 0.0

    def wall(self) -> float:
        """ExchangeResponse the seconds since the epoch."""
        return NOW + self.passed

    def timer(self) -> float:
        """ExchangeResponse the seconds since the test began."""
        return self.passed


@pytest.fixture
def clocks() -> Clocks:
    """ExchangeResponse clocks that stand still."""
    return Clocks()


@pytest.fixture
def new_exchange(clocks: Clocks) -> Callable[..., Exchange]:
    """Build exchanges on the test's clocks, with one account."""

    def build(**arguments: Any) -> Exchange:
        return Exchange(
            orders=0,
            api_key=KEY,
            secret_key="secret",
            passphrase="phrase",
            clock=clocks.wall,
            timer=clocks.timer,
            **arguments,
        )

    return build


def send(
    exchange: Exchange,
    clocks: Clocks,
    body: bytes,
    *,
    query: str = "",
    signed_query: str = "",
    **headers: str,
) -> ExchangeResponse:
    """Take one signed request through all of its steps."""
    stamp = str(int(clocks.wall() * 1000))
    prehash = stamp + "POST" + BATCH_CANCEL_ORDERS.path + signed_query
    mac = hmac.new(b"secret", prehash.encode() + body, hashlib.sha256).digest()
    sent = {
        "access-key": KEY,
        "access-sign": base64.b64encode(mac).decode(),
        "access-passphrase": "phrase",
        "access-timestamp": stamp,
        **headers,
    }
    call = exchange.admit(BATCH_CANCEL_ORDERS, sent, clocks.timer())
    answer = exchange.answer(call, query, body)
    exchange.record_answer(call, answer.status, answer.payload["code"])
    return answer


def batch(*order_ids: str) -> bytes:
    """ExchangeResponse the body that cancels these orders."""
    return json.dumps({"orderList": [{"orderId": each} for each in order_ids]}).encode()


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
def test_hmac_check_accepts_the_known_vectors_and_nothing_else(prehash: str, signature: str) -> None:
    """A signature made elsewhere over the same bytes passes; one of other bytes does not."""
    verify = partial(verify_hmac, "secret")
    assert verify(prehash.encode(), signature)
    assert not verify(prehash.encode() + b" ", signature)
    assert not verify(prehash.encode(), signature.rstrip("="))


def test_a_query_is_checked_sorted_and_decoded(new_exchange: Callable[..., Exchange], clocks: Clocks) -> None:
    """The signature covers the query's keys in order, with the values as they were before encoding."""
    exchange = new_exchange()
    (order,) = exchange.open_orders(1)
    query = {"query": "b=a%23b%2Bc&a=1"}
    wrong = send(exchange, clocks, batch(order.order_id), signed_query="?b=a%23b%2Bc&a=1", **query)
    right = send(exchange, clocks, batch(order.order_id), signed_query="?a=1&b=a#b+c", **query)
    assert (wrong.payload["code"], right.payload["code"]) == ("40009", "00000")


def test_a_full_window_refuses_until_its_first_request_is_one_period_old(
    new_exchange: Callable[..., Exchange], clocks: Clocks
) -> None:
    """The document's number fits in any period; a refusal takes no place; the end is free again."""
    exchange = new_exchange()
    limit = BATCH_CANCEL_ORDERS.rate_limit
    orders = exchange.open_orders(limit.requests * 2)
    statuses = []
    for order in orders[: limit.requests]:
        statuses.append(send(exchange, clocks, batch(order.order_id)).status)
        clocks.passed += limit.period_seconds / 16
    refused = send(exchange, clocks, batch(orders[-1].order_id))
    clocks.passed = limit.period_seconds
    freed = send(exchange, clocks, batch(orders[-1].order_id))
    full_again = send(exchange, clocks, batch(orders[-2].order_id))
    assert statuses == [200] * limit.requests
    assert (refused.status, refused.payload) == (429, {"code": "429", "msg": "Too Many Requests"})
    assert (freed.status, full_again.status) == (200, 429)


def test_the_limit_can_be_another(new_exchange: Callable[..., Exchange], clocks: Clocks) -> None:
    """With requests_per_second=2 the third request is refused."""
    exchange = new_exchange(requests_per_second=2)
    orders = exchange.open_orders(3)
    assert [send(exchange, clocks, batch(o.order_id)).status for o in orders] == [200, 200, 429]


def test_a_window_belongs_to_one_key(new_exchange: Callable[..., Exchange], clocks: Clocks) -> None:
    """What one account sends leaves another's budget alone."""
    exchange = new_exchange(requests_per_second=1)
    exchange.add_account("other", "secret", "phrase")
    (mine,) = exchange.open_orders(1)
    (theirs,) = exchange.open_orders(1, api_key="other")
    assert send(exchange, clocks, batch(mine.order_id)).status == 200
    answer = send(exchange, clocks, batch(theirs.order_id), **{"access-key": "other"})
    assert answer.status == 200


@pytest.mark.parametrize(("age", "code"), [(30.0, "00000"), (30.001, "40008"), (-30.0, "00000"), (-30.001, "40008")])
def test_the_timestamp_window_reaches_both_ways(
    new_exchange: Callable[..., Exchange], clocks: Clocks, age: float, code: str
) -> None:
    """A stamp passes up to the document's seconds before and after the exchange's clock."""
    exchange = new_exchange()
    (order,) = exchange.open_orders(1)
    exchange._skew = age
    assert send(exchange, clocks, batch(order.order_id)).payload["code"] == code
    assert exchange.arrivals[0].stamp_age == pytest.approx(age)


def test_a_cancel_takes_effect_after_its_delay(new_exchange: Callable[..., Exchange], clocks: Clocks) -> None:
    """Until cancel_delay has passed the order is live; its u_time is the moment of the effect."""
    exchange = new_exchange(cancel_delay=2)
    (order,) = exchange.open_orders(1)
    assert send(exchange, clocks, batch(order.order_id)).payload["code"] == "00000"
    clocks.passed = 1.5
    assert exchange.orders[order.order_id].status == "live"
    clocks.passed = 5
    cancelled = exchange.orders[order.order_id]
    assert (cancelled.status, cancelled.u_time) == ("cancelled", int((NOW + 2) * 1000))


def test_an_order_can_fill_while_its_cancel_is_under_way(new_exchange: Callable[..., Exchange], clocks: Clocks) -> None:
    """Success means received: what fills before the cancel takes effect stays filled."""
    exchange = new_exchange(cancel_delay=2)
    (order,) = exchange.open_orders(1)
    send(exchange, clocks, batch(order.order_id))
    exchange.fill(order.order_id)
    clocks.passed = 3
    assert exchange.orders[order.order_id].status == "filled"


def test_a_repeated_cancel_does_not_put_off_the_first(new_exchange: Callable[..., Exchange], clocks: Clocks) -> None:
    """A second cancel of a live order succeeds and leaves the moment of the effect as it was."""
    exchange = new_exchange(cancel_delay=2)
    (order,) = exchange.open_orders(1)
    send(exchange, clocks, batch(order.order_id))
    clocks.passed = 1
    assert send(exchange, clocks, batch(order.order_id)).payload["code"] == "00000"
    clocks.passed = 2
    assert exchange.orders[order.order_id].status == "cancelled"


def test_the_ledger_can_be_reset_while_a_request_is_under_way(
    new_exchange: Callable[..., Exchange], clocks: Clocks
) -> None:
    """What arrived before the reset does not come back with its answer."""
    exchange = new_exchange()
    call = exchange.admit(BATCH_CANCEL_ORDERS, {}, clocks.timer())
    exchange.reset_ledger()
    exchange.record_answer(call, 400, "40001")
    assert exchange.arrivals == []


def test_the_same_seed_gives_the_same_ids(new_exchange: Callable[..., Exchange]) -> None:
    """Order ids repeat with the seed and differ without it."""
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
def test_worst_window_counts_half_open_periods(
    new_exchange: Callable[..., Exchange], times: list[float], worst: int
) -> None:
    """A period's end does not belong to it, and the times may come in any order."""
    exchange = new_exchange()
    for at in times:
        exchange.admit(BATCH_CANCEL_ORDERS, {}, at)
    assert exchange.worst_window(1.0) == worst


def test_secrets_stay_out_of_every_repr(new_exchange: Callable[..., Exchange]) -> None:
    """An account and an exchange show their key only."""
    assert repr(Account("k", "phrase", partial(verify_hmac, "secret"))) == "Account(api_key='k', demo=False)"
    shown = repr(new_exchange())
    assert "phrase" not in shown
    assert "secret" not in shown
