"""TP/SL orders and trigger orders of classic accounts, and the cancel of all orders of a trading pair."""

from __future__ import annotations

from typing import Any, Final

import httpx
import pytest
from sandbox_client import OpenClient, SandboxClient

from bitget_spot.sandbox import Order
from bitget_spot.sandbox.order_book import OrderKind
from bitget_spot_api.operations import (
    BATCH_CANCEL_PLAN_ORDERS,
    CANCEL_ORDER,
    CANCEL_PLAN_ORDER,
    CANCEL_SYMBOL_ORDERS,
    GET_CURRENT_PLAN_ORDERS,
    GET_HISTORY_ORDERS,
    GET_HISTORY_PLAN_ORDERS,
    GET_ORDER_INFO,
    GET_UNFILLED_ORDERS,
    Operation,
)

KINDS: Final[tuple[OrderKind, ...]] = ("normal", "tpsl", "plan")


def code_of(response: httpx.Response) -> str:
    """Return the code of a response, after checking the HTTP status."""
    code = str(response.json()["code"])
    assert response.status_code == (200 if code == "00000" else 400)
    return code


def data_of(response: httpx.Response) -> Any:
    """Return the data of a successful response."""
    assert code_of(response) == "00000", response.text
    return response.json()["data"]


def plan_ids(client: SandboxClient, operation: Operation, query: str = "") -> list[str]:
    """Return the ids on a page of trigger orders."""
    return [row["orderId"] for row in data_of(client.get(operation, query))["orderList"]]


def ids(client: SandboxClient, operation: Operation, query: str = "") -> list[str]:
    """Return the ids on a page of normal or TP/SL orders."""
    return [row["orderId"] for row in data_of(client.get(operation, query))]


@pytest.fixture
def one_of_each(client: SandboxClient) -> dict[str, Order]:
    """Open an order of each kind, and return them by kind."""
    return {kind: client.sandbox.open_orders(1, symbol="BTCUSDT", kind=kind)[0] for kind in KINDS}


def test_each_listing_has_its_kind(client: SandboxClient, one_of_each: dict[str, Order]) -> None:
    """Open orders are listed by kind; by default the listing has the normal ones."""
    normal, tpsl, plan = (one_of_each[kind].order_id for kind in KINDS)
    assert ids(client, GET_UNFILLED_ORDERS) == ids(client, GET_UNFILLED_ORDERS, "tpslType=normal") == [normal]
    assert ids(client, GET_UNFILLED_ORDERS, "tpslType=tpsl") == [tpsl]
    assert plan_ids(client, GET_CURRENT_PLAN_ORDERS) == [plan]


def test_finished_orders_are_listed_by_kind(client: SandboxClient, one_of_each: dict[str, Order]) -> None:
    """So are the finished orders, after each has been cancelled in its way."""
    normal, tpsl, plan = (one_of_each[kind].order_id for kind in KINDS)
    assert code_of(client.cancel({"orderId": normal})) == "00000"
    assert code_of(client.post({"orderId": tpsl, "tpslType": "tpsl"}, operation=CANCEL_ORDER)) == "00000"
    assert data_of(client.post({"orderId": plan}, operation=CANCEL_PLAN_ORDER)) == {"result": "success"}
    assert ids(client, GET_HISTORY_ORDERS) == [normal]
    assert ids(client, GET_HISTORY_ORDERS, "tpslType=tpsl") == [tpsl]
    assert plan_ids(client, GET_HISTORY_PLAN_ORDERS) == [plan]
    assert {order.status for order in client.sandbox.orders.values()} == {"cancelled"}


def test_rows_of_a_tpsl_order(client: SandboxClient, one_of_each: dict[str, Order]) -> None:
    """A TP/SL order has its type and the price that triggers it; a normal order has no such price."""
    (tpsl,) = data_of(client.get(GET_UNFILLED_ORDERS, "tpslType=tpsl"))
    (normal,) = data_of(client.get(GET_UNFILLED_ORDERS))
    assert (tpsl["tpslType"], tpsl["triggerPrice"]) == ("tpsl", one_of_each["tpsl"].price)
    assert (normal["tpslType"], normal["triggerPrice"]) == ("normal", "")


@pytest.mark.parametrize("kind", ["tpsl", "plan"])
def test_lookup_finds_normal_orders_only(client: SandboxClient, one_of_each: dict[str, Order], kind: str) -> None:
    """The response for the id of another kind is an empty list."""
    assert ids(client, GET_ORDER_INFO, f"orderId={one_of_each[kind].order_id}") == []


@pytest.mark.parametrize("kind", ["tpsl", "plan"])
def test_normal_cancels_do_not_find_other_kinds(
    client: SandboxClient, one_of_each: dict[str, Order], kind: str
) -> None:
    """A batch fails such an order with 40109, and so does the cancel of a single order."""
    other = one_of_each[kind]
    data = data_of(client.cancel(other, one_of_each["normal"]))
    assert [(row["orderId"], row["errorCode"]) for row in data["failureList"]] == [(other.order_id, "40109")]
    single = {"orderId": other.order_id, "symbol": "BTCUSDT"}
    assert code_of(client.post(single, operation=CANCEL_ORDER)) == "40109"
    assert client.is_open(other)


def test_batch_of_other_kinds_only(client: SandboxClient, one_of_each: dict[str, Order]) -> None:
    """It is refused as a whole with 40109; next to an order that is gone, each order has its row."""
    assert code_of(client.cancel(one_of_each["tpsl"], one_of_each["plan"])) == "40109"
    failed = data_of(client.cancel(one_of_each["tpsl"], {"orderId": "1"}))["failureList"]
    assert [row["errorCode"] for row in failed] == ["40109", "43001"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"symbol": "BTCUSDT"}, "40019"),
        ({"orderId": "1"}, "40019"),
        ({"tpslType": "tpsl", "clientOid": "a"}, "40019"),
        ({"tpslType": "tpsl", "orderId": "1"}, "43001"),
        ({"symbol": "BTCUSDT", "orderId": "1"}, "43001"),
        ({"symbol": "BTCUSDT", "orderId": 1}, "40017"),
        ({"symbol": "BTCUSDT", "orderId": "1", "tpslType": "plan"}, "400172"),
        ([], "40017"),
        (b"{", "40017"),
    ],
)
def test_cancel_of_one_order_is_checked(client: SandboxClient, body: object, code: str) -> None:
    """A normal order needs its trading pair and an id, a TP/SL order its orderId."""
    assert code_of(client.post(body, operation=CANCEL_ORDER)) == code


def test_cancel_of_one_normal_order(client: SandboxClient, one_of_each: dict[str, Order]) -> None:
    """It is cancelled by its clientOid as well, and the response has both ids; another pair does not match."""
    order = one_of_each["normal"]
    body = {"symbol": "ETHUSDT", "clientOid": order.client_oid}
    assert code_of(client.post(body, operation=CANCEL_ORDER)) == "43001"
    data = data_of(client.post({**body, "symbol": "BTCUSDT"}, operation=CANCEL_ORDER))
    assert data == {"orderId": order.order_id, "clientOid": order.client_oid}
    assert not client.is_open(order)


def test_cancel_of_all_orders_of_a_pair(client: SandboxClient, one_of_each: dict[str, Order]) -> None:
    """It cancels the normal orders of the pair and nothing else, and names only the pair."""
    (ether,) = client.sandbox.open_orders(1, symbol="ETHUSDT")
    data = data_of(client.post({"symbol": "BTCUSDT"}, operation=CANCEL_SYMBOL_ORDERS))
    assert data == {"symbol": "BTCUSDT"}
    assert not client.is_open(one_of_each["normal"])
    assert all(client.is_open(order) for order in (ether, one_of_each["tpsl"], one_of_each["plan"]))


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "40019"), ({"symbol": ""}, "40019"), ({"symbol": "NOUSDT"}, "40034"), ({"symbol": 1}, "40017")],
)
def test_cancel_of_a_pair_is_checked(client: SandboxClient, body: object, code: str) -> None:
    """The trading pair must be given and known."""
    assert code_of(client.post(body, operation=CANCEL_SYMBOL_ORDERS)) == code


@pytest.mark.usefixtures("one_of_each")
def test_refused_trading_pair(client: SandboxClient, one_of_each: dict[str, Order]) -> None:
    """Every cancel of an order of the pair is refused with its code; the cancel of all trigger orders fails those."""
    client.sandbox.refused_symbols["BTCUSDT"] = "40309"
    (ether,) = client.sandbox.open_orders(1, symbol="ETHUSDT", kind="plan")
    normal, tpsl, plan = (one_of_each[kind].order_id for kind in KINDS)
    assert code_of(client.post({"symbol": "BTCUSDT"}, operation=CANCEL_SYMBOL_ORDERS)) == "40309"
    assert code_of(client.post({"symbol": "BTCUSDT", "orderId": normal}, operation=CANCEL_ORDER)) == "40309"
    assert code_of(client.post({"tpslType": "tpsl", "orderId": tpsl}, operation=CANCEL_ORDER)) == "40309"
    assert code_of(client.post({"orderId": plan}, operation=CANCEL_PLAN_ORDER)) == "40309"
    data = data_of(client.post({}, operation=BATCH_CANCEL_PLAN_ORDERS))
    assert [row["orderId"] for row in data["successList"]] == [ether.order_id]
    assert [(row["orderId"], row["errorCode"]) for row in data["failureList"]] == [(plan, "40309")]
    assert all(client.is_open(order) for order in one_of_each.values())


@pytest.mark.parametrize(
    ("body", "cancelled"),
    [
        ({"symbolList": ["BTCUSDT"]}, ["BTCUSDT"]),
        ({"symbolList": ["BTCUSDT", "SOLUSDT"]}, ["BTCUSDT", "SOLUSDT"]),
        ({"symbolList": None}, ["BTCUSDT", "ETHUSDT", "SOLUSDT"]),
        ({}, ["BTCUSDT", "ETHUSDT", "SOLUSDT"]),
    ],
)
def test_cancel_of_all_trigger_orders(client: SandboxClient, body: object, cancelled: list[str]) -> None:
    """It cancels the open trigger orders of the given pairs, or of all, and no other order."""
    pairs = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    plans = [client.sandbox.open_orders(1, symbol=symbol, kind="plan")[0] for symbol in pairs]
    others = client.sandbox.open_orders(4) + client.sandbox.open_orders(4, kind="tpsl")
    data = data_of(client.post(body, operation=BATCH_CANCEL_PLAN_ORDERS))
    expected = [order for order in plans if order.symbol in cancelled]
    assert sorted(row["orderId"] for row in data["successList"]) == [order.order_id for order in expected]
    assert data["failureList"] == []
    assert [order for order in plans if client.is_open(order)] == [order for order in plans if order not in expected]
    assert all(client.is_open(order) for order in others)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"symbolList": []}, "40017"),
        ({"symbolList": "BTCUSDT"}, "40017"),
        ({"symbolList": [1]}, "40017"),
        ({"symbolList": ["NOUSDT"]}, "40034"),
        ([], "40017"),
    ],
)
def test_cancel_of_all_trigger_orders_is_checked(client: SandboxClient, body: object, code: str) -> None:
    """The list, if it is there, has known trading pairs."""
    assert code_of(client.post(body, operation=BATCH_CANCEL_PLAN_ORDERS)) == code


def test_cancel_of_a_finished_trigger_order(client: SandboxClient, one_of_each: dict[str, Order]) -> None:
    """The result is a failure; an unknown id, or one of another kind, is refused."""
    plan = one_of_each["plan"]
    client.sandbox.trigger(plan.order_id)
    body = {"clientOid": plan.client_oid}
    assert data_of(client.post(body, operation=CANCEL_PLAN_ORDER)) == {"result": "failure"}
    for order_id in ("1", one_of_each["normal"].order_id):
        assert code_of(client.post({"orderId": order_id}, operation=CANCEL_PLAN_ORDER)) == "43001"
    assert code_of(client.post({}, operation=CANCEL_PLAN_ORDER)) == "40019"


@pytest.mark.parametrize(("operation", "default"), [(GET_CURRENT_PLAN_ORDERS, 20), (GET_HISTORY_PLAN_ORDERS, 100)])
def test_pages_of_trigger_orders(client: SandboxClient, operation: Operation, default: int) -> None:
    """They are newest first; `nextFlag` says whether there are more, and `idLessThan` where those begin."""
    orders = client.sandbox.open_orders(105, kind="plan")
    if operation is GET_HISTORY_PLAN_ORDERS:
        for order in orders:
            client.sandbox.trigger(order.order_id, fails=True)
    newest_first = [order.order_id for order in reversed(orders)]
    assert plan_ids(client, operation) == newest_first[:default]
    first = data_of(client.get(operation, "limit=100"))
    assert (first["nextFlag"], first["idLessThan"]) == (True, newest_first[99])
    last = data_of(client.get(operation, f"limit=100&idLessThan={first['idLessThan']}"))
    assert last["nextFlag"] is False
    assert [row["orderId"] for row in first["orderList"] + last["orderList"]] == newest_first
    empty = data_of(client.get(operation, "symbol=BTCUSDT&idLessThan=1"))
    assert empty == {"nextFlag": False, "idLessThan": "", "orderList": []}
    assert code_of(client.get(operation, "limit=101")) == "40017"
    assert code_of(client.get(operation, "symbol=NOUSDT")) == "40034"


def test_status_of_finished_trigger_orders(client: SandboxClient) -> None:
    """They were executed, failed to be executed, or were cancelled."""
    executed, failed, cancelled = client.sandbox.open_orders(3, kind="plan")
    client.sandbox.trigger(executed.order_id)
    client.sandbox.trigger(failed.order_id, fails=True)
    client.post({"orderId": cancelled.order_id}, operation=CANCEL_PLAN_ORDER)
    rows = data_of(client.get(GET_HISTORY_PLAN_ORDERS))["orderList"]
    assert [row["status"] for row in rows] == ["cancelled", "fail_execute", "executed"]


def test_trigger_order_fires_while_its_cancel_is_under_way(open_client: OpenClient) -> None:
    """It is executed, not cancelled, and the normal order that it places stays open."""
    client = open_client(orders=0, cancel_delay=60)
    (plan,) = client.sandbox.open_orders(1, kind="plan")
    assert code_of(client.post({"orderId": plan.order_id}, operation=CANCEL_PLAN_ORDER)) == "00000"
    placed_order_id = client.sandbox.trigger(plan.order_id).placed_order_id
    assert client.sandbox.orders[plan.order_id].status == "executed"
    assert ids(client, GET_UNFILLED_ORDERS) == [placed_order_id]


@pytest.mark.parametrize(("operation", "order_count"), [(CANCEL_ORDER, 1), (BATCH_CANCEL_PLAN_ORDERS, 0)])
def test_ledger_has_the_order_of_a_single_cancel(client: SandboxClient, operation: Operation, order_count: int) -> None:
    """The arrival has its id; that of a cancel without ids has none."""
    body = {"symbolList": ["BTCUSDT"]} if order_count == 0 else {"symbol": "BTCUSDT", "orderId": "7"}
    client.post(body, operation=operation)
    (arrival,) = client.sandbox.arrivals
    assert (arrival.order_ids, arrival.order_count) == (("7",) * order_count, order_count)
