"""The faults on a unified account, those of single operations, and those of the other cancels that have rows."""

from __future__ import annotations

from typing import Any, Final

import httpx
import pytest
from sandbox_client import OpenClient, SandboxClient

from bitget_spot.sandbox import FAULT_NAMES, Order
from bitget_spot.sandbox.row_faults import DATA_FAULTS
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_PLAN_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    CANCEL_PLAN_ORDER,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
    GET_UNFILLED_ORDERS,
    GET_UNIFIED_HISTORY_ORDERS,
    GET_UNIFIED_HISTORY_STRATEGY_ORDERS,
    GET_UNIFIED_ORDER_INFO,
    GET_UNIFIED_UNFILLED_ORDERS,
    GET_UNIFIED_UNFILLED_STRATEGY_ORDERS,
    Operation,
)

UNKNOWN: Final = ("111", "222")
ENVELOPE: Final = ("message-key", "string-request-time")
ROWS: Final = ("row-code", "row-code-after")
LATE: Final = ("delay", "delay-before", "clock-skew")
NO_EFFECT: Final = ("429", "html-403", "html-429", "html-502", "drop-before", "code", "row-code")
WITH_VALUES: Final = {
    **dict.fromkeys(("raw", "code", "code-after", "list-code", "row-code", "row-code-after"), "45001"),
    **dict.fromkeys(LATE, "0.01"),
    "list-data": "[1]",
}
LISTINGS: Final = (
    (GET_UNIFIED_UNFILLED_ORDERS, ""),
    (GET_UNIFIED_HISTORY_ORDERS, "category=SPOT"),
    (GET_UNIFIED_UNFILLED_STRATEGY_ORDERS, "category=USDT-FUTURES"),
    (GET_UNIFIED_HISTORY_STRATEGY_ORDERS, "category=USDT-FUTURES"),
)


@pytest.fixture
def client(open_client: OpenClient) -> SandboxClient:
    """A client of a unified account without orders and with a high rate limit."""
    return open_client(orders=0, requests_per_second=1000, account_type="unified")


def batch(client: SandboxClient, orders: list[Order]) -> httpx.Response:
    """Cancel open orders and unknown ones in one batch."""
    fields = {"category": "SPOT", "symbol": "BTCUSDT"}
    items = [{"orderId": order.order_id, **fields, "symbol": order.symbol} for order in orders]
    items += [{"orderId": order_id, **fields} for order_id in UNKNOWN]
    return client.post(items, operation=BATCH_CANCEL_UNIFIED_ORDERS)


def order_ids(rows: list[dict[str, Any]]) -> list[Any]:
    """Return the order ids of rows."""
    return [row["orderId"] for row in rows]


def has_failed(row: dict[str, Any]) -> bool:
    """Return whether a row has a code that is not one of success."""
    return row.get("code") not in (None, "0", "00000")


@pytest.mark.parametrize("name", [name for name in FAULT_NAMES if not name.startswith("list-")])
def test_every_fault_on_a_unified_account(client: SandboxClient, name: str) -> None:
    """It changes the response to a batch, and the orders are cancelled or untouched as on a classic account."""
    orders = client.sandbox.open_orders(3)
    plain = batch(client, orders)
    orders = client.sandbox.open_orders(3)
    client.sandbox.inject(f"{name}={WITH_VALUES[name]}" if name in WITH_VALUES else name)
    try:
        response = batch(client, orders)
    except httpx.TransportError:
        assert name.startswith("drop-")
    else:
        is_like_plain = (
            (response.status_code, response.json()["code"]) == (200, "00000") if is_json(response) else False
        )
        assert is_like_plain == (name in (*DATA_FAULTS, *LATE, *ENVELOPE, *ROWS))
        if name in DATA_FAULTS or name in ROWS:
            assert shape_of(response.json()["data"]) != shape_of(plain.json()["data"])
    assert {client.is_open(order) for order in orders} == {name in NO_EFFECT}


def is_json(response: httpx.Response) -> bool:
    """Return whether the body is the exchange's envelope."""
    return response.text.startswith("{") and not response.text.startswith("{}")


def shape_of(data: Any) -> object:
    """Return what the rows say, without the ids that differ from run to run."""
    if not isinstance(data, list):
        return data
    return [
        (row["orderId"] if row["orderId"] in UNKNOWN else type(row["orderId"]), "code" in row, has_failed(row))
        for row in data
    ]


@pytest.mark.parametrize(("fault", "data"), [("null-data", None), ("null-lists", None), ("missing-lists", {})])
def test_batch_without_rows(client: SandboxClient, fault: str, data: object) -> None:
    """The data of a batch is null or an object, not a list."""
    client.sandbox.inject(fault)
    body = batch(client, client.sandbox.open_orders(2)).json()
    assert (body["code"], body["data"]) == ("00000", data)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("reordered", ["222", "111", 2, 1, 0]),
        ("missing-rows", [0, 2, "222"]),
        ("both-lists", [0, 1, 2, "111", "222", 0, 1, 2]),
        ("foreign-rows", [0, 1, 2, "111", "222", "1000000000000000001", "1000000000000000002"]),
        ("no-error-code", [0, 1, 2, "111", "222"]),
    ],
)
def test_batch_with_wrong_rows(client: SandboxClient, fault: str, expected: list[int | str]) -> None:
    """Rows are in another order, missing, contradictory, for other orders, or all without a code."""
    orders = client.sandbox.open_orders(3)
    client.sandbox.inject(fault)
    rows = batch(client, orders).json()["data"]
    assert order_ids(rows) == [orders[item].order_id if isinstance(item, int) else item for item in expected]
    if fault == "both-lists":
        assert [row["code"] for row in rows[-3:]] == ["25204"] * 3
    if fault == "foreign-rows":
        assert [has_failed(row) for row in rows[-2:]] == [False, True]
    if fault == "no-error-code":
        assert not any("code" in row for row in rows)


def test_ids_as_numbers(client: SandboxClient) -> None:
    """Every orderId is a JSON number with all of its digits."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject("ids-as-numbers")
    assert order_ids(batch(client, [order]).json()["data"]) == [int(order.order_id), 111, 222]


@pytest.mark.parametrize(
    ("fault", "codes", "effect"),
    [("row-code=25000", ["25000"] * 3, False), ("row-code-after=25000", ["25000", "25204", "25204"], True)],
)
def test_every_order_fails(client: SandboxClient, fault: str, codes: list[str], effect: bool) -> None:
    """Each row has the code, before the orders are cancelled or after; then orders that are gone fail as usual."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject(fault)
    rows = batch(client, [order]).json()["data"]
    assert [row["code"] for row in rows] == codes
    assert all(row["msg"] for row in rows)
    assert client.is_open(order) is not effect


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("null-data", None),
        ("null-lists", {"list": None}),
        ("missing-lists", {}),
        ("reordered", {"list": [0, 1]}),
        ("missing-rows", {"list": [1]}),
        ("row-code=25000", {"list": [1, 0]}),
        ("row-code-after=25000", {"list": [1, 0]}),
    ],
)
def test_faults_of_the_cancel_of_a_category(client: SandboxClient, fault: str, data: Any) -> None:
    """They spoil the list within its data."""
    orders = client.sandbox.open_orders(2)
    client.sandbox.inject(fault)
    response = client.post({"category": "SPOT"}, operation=CANCEL_UNIFIED_SYMBOL_ORDERS)
    found = response.json()["data"]
    if found and found["list"]:
        codes = {row.get("code") for row in found["list"]}
        assert (codes == {"25000"}) == ("=" in fault)
        found = {
            "list": [[order.order_id for order in orders].index(order_id) for order_id in order_ids(found["list"])]
        }
    assert found == data
    assert {client.is_open(order) for order in orders} == {fault == "row-code=25000"}


@pytest.mark.parametrize(("fault", "effect"), [("row-code=45001", False), ("row-code-after=45001", True)])
def test_faults_of_the_cancel_of_all_trigger_orders(open_client: OpenClient, fault: str, effect: bool) -> None:
    """They spoil its lists as those of a batch, and pass by the cancel of one order."""
    client = open_client(orders=0)
    first, *orders = client.sandbox.open_orders(3, kind="plan")
    client.sandbox.inject(fault)
    assert client.post({"orderId": first.order_id}, operation=CANCEL_PLAN_ORDER).json()["data"]["result"] == "success"
    data = client.post({}, operation=BATCH_CANCEL_PLAN_ORDERS).json()["data"]
    assert data["successList"] == []
    assert [row["errorCode"] for row in data["failureList"]] == ["45001"] * 2
    assert {client.is_open(order) for order in orders} == {not effect}


@pytest.mark.parametrize(("operation", "query"), LISTINGS, ids=lambda value: getattr(value, "operation_id", value))
def test_faults_of_listings(client: SandboxClient, operation: Operation, query: str) -> None:
    """`list-code` and `list-data` wait for a listing or a lookup of any kind of order."""
    client.sandbox.inject("list-code=25000")
    client.sandbox.inject('list-data={"list": 7}')
    assert batch(client, []).json()["code"] == "00000"
    assert client.get(operation, query).json()["code"] == "25000"
    assert client.get(operation, query).json()["data"] == {"list": 7}


def test_faults_of_lookups(client: SandboxClient) -> None:
    """A lookup can have any data."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject("list-data={}")
    assert client.get(GET_UNIFIED_ORDER_INFO, f"orderId={order.order_id}").json()["data"] == {}


def test_fault_of_one_operation(client: SandboxClient) -> None:
    """It waits for a request for that operation, and does not hold up the faults behind it."""
    client.sandbox.inject("code=1", operation=GET_UNIFIED_UNFILLED_ORDERS)
    client.sandbox.inject("code=2")
    assert [batch(client, []).json()["code"] for _ in range(2)] == ["2", "00000"]
    assert [client.get(GET_UNIFIED_UNFILLED_ORDERS).json()["code"] for _ in range(2)] == ["1", "00000"]


@pytest.mark.parametrize(
    ("fault", "operation"),
    [("row-code=1", GET_UNFILLED_ORDERS), ("list-code=1", BATCH_CANCEL_ORDERS), ("row-code=1", CANCEL_PLAN_ORDER)],
)
def test_operation_that_a_fault_cannot_happen_to(client: SandboxClient, fault: str, operation: Operation) -> None:
    """It is a ValueError that names both."""
    reason = f"the fault {fault.partition('=')[0]} cannot happen to requests for {operation.operation_id}"
    with pytest.raises(ValueError, match=reason):
        client.sandbox.inject(fault, operation=operation)
