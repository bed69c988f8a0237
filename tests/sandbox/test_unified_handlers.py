"""The operations of unified accounts: what each cancels, lists and refuses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import httpx
import pytest
from attrs import asdict, evolve
from sandbox_client import OpenClient, SandboxClient

from bitget_spot.sandbox import Order
from bitget_spot.sandbox.unified_listings import DAY
from bitget_spot_api.models import UnifiedOrder, UnifiedStrategyOrder
from bitget_spot_api.operations import (
    BATCH_CANCEL_UNIFIED_ORDERS,
    CANCEL_UNIFIED_STRATEGY_ORDER,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
    GET_UNIFIED_HISTORY_ORDERS,
    GET_UNIFIED_HISTORY_STRATEGY_ORDERS,
    GET_UNIFIED_ORDER_INFO,
    GET_UNIFIED_UNFILLED_ORDERS,
    GET_UNIFIED_UNFILLED_STRATEGY_ORDERS,
    Operation,
)
from bitget_spot_api.types import UNSET

FUTURES: Final = "USDT-FUTURES"
LISTINGS: Final = (GET_UNIFIED_UNFILLED_ORDERS, GET_UNIFIED_HISTORY_ORDERS)
PAGED: Final = (*LISTINGS, GET_UNIFIED_HISTORY_STRATEGY_ORDERS)


@pytest.fixture
def client(open_client: OpenClient) -> SandboxClient:
    """A client of a unified account without orders and with a high rate limit."""
    return open_client(orders=0, requests_per_second=1000, account_type="unified")


def code_of(response: httpx.Response) -> str:
    """Return the code of a response, after checking the HTTP status."""
    code = str(response.json()["code"])
    assert response.status_code == (200 if code == "00000" else 400)
    return code


def data_of(response: httpx.Response) -> Any:
    """Return the data of a successful response."""
    assert code_of(response) == "00000", response.text
    return response.json()["data"]


def item(order: Order, **fields: object) -> dict[str, object]:
    """Return the item of a batch that names an order by its id."""
    return {"orderId": order.order_id, "category": order.category, "symbol": order.symbol, **fields}


def cancel(client: SandboxClient, *items: object) -> Any:
    """Cancel a batch, and return its rows."""
    return data_of(client.post(list(items), operation=BATCH_CANCEL_UNIFIED_ORDERS))


def rows_of(client: SandboxClient, operation: Operation, query: str) -> list[dict[str, Any]]:
    """Return the rows of a page."""
    data = data_of(client.get(operation, query))
    rows: list[dict[str, Any]] = data["list"] if isinstance(data, dict) else data
    return rows or []


def ids(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the order ids of rows."""
    return [row["orderId"] for row in rows]


def open_of(client: SandboxClient, operation: Operation, count: int) -> tuple[list[Order], str]:
    """Open orders that a listing shows, and return them with the query for their category."""
    kind = "tpsl" if operation is GET_UNIFIED_HISTORY_STRATEGY_ORDERS else "normal"
    category = FUTURES if kind == "tpsl" else "SPOT"
    orders = client.sandbox.open_orders(count, kind=kind, category=category)  # type: ignore[arg-type]  # a kind
    if operation is not GET_UNIFIED_UNFILLED_ORDERS:
        for order in orders:
            (client.sandbox.trigger if kind == "tpsl" else client.sandbox.fill)(order.order_id)
    return orders, f"category={category}"


def test_batch_cancels_what_is_open(client: SandboxClient) -> None:
    """Each item has a row: open orders are cancelled, and the others fail with 25204."""
    live, filled = client.sandbox.open_orders(2)
    client.sandbox.fill(filled.order_id)
    unknown = {"clientOid": "", "orderId": "7", "category": "SPOT", "symbol": "BTCUSDT"}
    rows = cancel(client, item(live), item(filled), unknown)
    assert ids(rows) == [live.order_id, filled.order_id, "7"]
    assert [row.get("code") for row in rows[1:]] == ["25204", "25204"]
    assert all(row["msg"] for row in rows[1:])
    assert client.sandbox.orders[live.order_id].status == "cancelled"


def test_rows_of_success_take_every_form(client: SandboxClient) -> None:
    """Among three orders in succession, one row has no code, one "0" and one "00000"."""
    rows = cancel(client, *map(item, client.sandbox.open_orders(9)))
    assert [row.get("code") for row in rows[:3]] * 3 == [row.get("code") for row in rows]
    assert {row.get("code") for row in rows} == {None, "0", "00000"}


def test_batch_by_client_oid(client: SandboxClient) -> None:
    """An order is found by its clientOid; with both ids, the orderId decides."""
    first, second, third = client.sandbox.open_orders(3)
    rows = cancel(client, item(first, orderId="", clientOid=first.client_oid))
    assert ids(rows) == [first.order_id]
    assert ids(cancel(client, item(second, clientOid=third.client_oid))) == [second.order_id]
    assert [client.is_open(order) for order in (first, second, third)] == [False, False, True]


def test_mixed_identifiers_fail(client: SandboxClient) -> None:
    """In a batch with an orderId, an item with only a clientOid fails, and the others are cancelled."""
    first, second = client.sandbox.open_orders(2)
    _, failed = cancel(client, item(first), item(second, orderId=None, clientOid=second.client_oid))
    assert (failed["code"], failed["clientOid"]) == ("400172", second.client_oid)
    assert [client.is_open(order) for order in (first, second)] == [False, True]


@pytest.mark.parametrize("fields", [{"symbol": "XRPUSDT"}, {"category": "MARGIN"}])
def test_item_must_match_its_order(client: SandboxClient, fields: dict[str, str]) -> None:
    """With the trading pair or the category of another order it fails as if there were none."""
    (order,) = client.sandbox.open_orders(1, symbol="BTCUSDT")
    (row,) = cancel(client, item(order, **fields))
    assert row["code"] == "25204"
    assert client.is_open(order)


def test_category_in_lower_case(client: SandboxClient) -> None:
    """It is accepted, as in the vendor's example."""
    (order,) = client.sandbox.open_orders(1)
    cancel(client, item(order, category="spot"))
    assert not client.is_open(order)


def test_batch_does_not_cancel_strategy_orders(client: SandboxClient) -> None:
    """The id of a strategy order fails with 25204."""
    (order,) = client.sandbox.open_orders(1, kind="tpsl", category=FUTURES)
    (row,) = cancel(client, item(order))
    assert (row["code"], client.is_open(order)) == ("25204", True)


def test_cancel_in_progress(open_client: OpenClient) -> None:
    """Until the cancel is executed another one fails with 25113, then with 25204; the order is cancelled."""
    now = [0.0]
    client = open_client(orders=0, account_type="unified", cancel_delay=0.2, timer=lambda: now[0])
    (order,) = client.sandbox.open_orders(1)
    first, again = cancel(client, item(order), item(order))
    assert (first.get("code") in (None, "0", "00000"), again["code"]) == (True, "25113")
    assert cancel(client, item(order))[0]["code"] == "25113"
    rows = data_of(client.post({"category": "SPOT"}, operation=CANCEL_UNIFIED_SYMBOL_ORDERS))["list"]
    assert [row["code"] for row in rows] == ["25113"]
    now[0] = 0.2
    assert cancel(client, item(order))[0]["code"] == "25204"
    assert client.sandbox.orders[order.order_id].status == "cancelled"


ITEM: Final = {"orderId": "1", "category": "SPOT", "symbol": "BTCUSDT"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "40020"),
        ({}, "40017"),
        (b"{", "40017"),
        ([1], "40017"),
        ([{**ITEM, "orderId": 1}], "40017"),
        ([{**ITEM, "orderId": ""}], "40019"),
        ([{**ITEM, "symbol": ""}], "40019"),
        ([{**ITEM, "category": None}], "40019"),
        ([{**ITEM, "category": "OTHER"}], "400172"),
        ([ITEM, {**ITEM, "category": "MARGIN"}], "25200"),
        ([{**ITEM, "orderId": str(number)} for number in range(21)], "25200"),
    ],
)
def test_batch_is_checked(client: SandboxClient, body: object, code: str) -> None:
    """A body that is not a list of 1 to 20 items of one category, with pair and id, is refused as a whole."""
    assert code_of(client.post(body, operation=BATCH_CANCEL_UNIFIED_ORDERS)) == code


def test_refused_batch_cancels_nothing(client: SandboxClient) -> None:
    """Twenty-one orders are one too many, and all stay open."""
    orders = client.sandbox.open_orders(21)
    assert code_of(client.post([item(order) for order in orders], operation=BATCH_CANCEL_UNIFIED_ORDERS)) == "25200"
    assert all(client.is_open(order) for order in orders)


def test_largest_batch(client: SandboxClient) -> None:
    """Twenty orders, of several pairs, are cancelled."""
    orders = client.sandbox.open_orders(20)
    assert len(cancel(client, *map(item, orders))) == 20
    assert not any(client.is_open(order) for order in orders)


def test_cancel_of_a_category(client: SandboxClient) -> None:
    """It cancels the normal orders of the category, and has a row for each; others stay open."""
    spot = client.sandbox.open_orders(4)
    margin = client.sandbox.open_orders(1, category="MARGIN")
    strategy = client.sandbox.open_orders(1, category=FUTURES, kind="tpsl")
    rows = data_of(client.post({"category": "spot"}, operation=CANCEL_UNIFIED_SYMBOL_ORDERS))["list"]
    assert sorted(ids(rows)) == [order.order_id for order in spot]
    assert not any(client.is_open(order) for order in spot)
    assert all(client.is_open(order) for order in margin + strategy)
    data = data_of(client.post({"category": FUTURES}, operation=CANCEL_UNIFIED_SYMBOL_ORDERS))
    assert (data, client.is_open(strategy[0])) == ({"list": []}, True)


def test_cancel_of_a_pair_of_a_category(client: SandboxClient) -> None:
    """With a symbol it cancels the orders of that pair only."""
    bitcoin, ether = client.sandbox.open_orders(2)
    body = {"category": "SPOT", "symbol": bitcoin.symbol}
    rows = data_of(client.post(body, operation=CANCEL_UNIFIED_SYMBOL_ORDERS))["list"]
    assert ids(rows) == [bitcoin.order_id]
    assert [client.is_open(order) for order in (bitcoin, ether)] == [False, True]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "40019"),
        ([], "40017"),
        ({"category": "OTHER"}, "400172"),
        ({"category": "SPOT", "symbol": "NOUSDT"}, "25100"),
        ({"category": "SPOT", "symbol": 1}, "40017"),
    ],
)
def test_cancel_of_a_category_is_checked(client: SandboxClient, body: object, code: str) -> None:
    """The category must be given and valid, and the trading pair known."""
    assert code_of(client.post(body, operation=CANCEL_UNIFIED_SYMBOL_ORDERS)) == code


def test_refused_trading_pair(client: SandboxClient) -> None:
    """A cancel that names the pair is refused as a whole; the cancel of the category fails the orders of that pair."""
    bitcoin, ether = client.sandbox.open_orders(2)
    (strategy,) = client.sandbox.open_orders(1, symbol=bitcoin.symbol, kind="tpsl", category=FUTURES)
    client.sandbox.refused_symbols[bitcoin.symbol] = "25101"
    batch = [item(ether), item(bitcoin)]
    assert code_of(client.post(batch, operation=BATCH_CANCEL_UNIFIED_ORDERS)) == "25101"
    body = {"category": "SPOT", "symbol": bitcoin.symbol}
    assert code_of(client.post(body, operation=CANCEL_UNIFIED_SYMBOL_ORDERS)) == "25101"
    single = {"orderId": strategy.order_id}
    assert code_of(client.post(single, operation=CANCEL_UNIFIED_STRATEGY_ORDER)) == "25101"
    rows = data_of(client.post({"category": "SPOT"}, operation=CANCEL_UNIFIED_SYMBOL_ORDERS))["list"]
    assert {row["orderId"]: row.get("code") for row in rows}[bitcoin.order_id] == "25101"
    assert [client.is_open(order) for order in (bitcoin, ether, strategy)] == [True, False, True]


def test_cancel_of_a_strategy_order(open_client: OpenClient) -> None:
    """The response has no data; a second cancel is refused with 25113, and with 25204 once the first is executed."""
    now = [0.0]
    client = open_client(orders=0, account_type="unified", cancel_delay=0.2, timer=lambda: now[0])
    (order,) = client.sandbox.open_orders(1, kind="tpsl", category=FUTURES)
    assert data_of(client.post({"clientOid": order.client_oid}, operation=CANCEL_UNIFIED_STRATEGY_ORDER)) is None
    body = {"orderId": order.order_id}
    assert code_of(client.post(body, operation=CANCEL_UNIFIED_STRATEGY_ORDER)) == "25113"
    now[0] = 0.2
    assert code_of(client.post(body, operation=CANCEL_UNIFIED_STRATEGY_ORDER)) == "25204"
    assert client.sandbox.orders[order.order_id].status == "cancelled"


@pytest.mark.parametrize(("body", "code"), [({}, "40019"), ([], "40017"), ({"orderId": "1"}, "25204")])
def test_cancel_of_a_strategy_order_is_checked(client: SandboxClient, body: object, code: str) -> None:
    """It needs an id, and the order must exist."""
    assert code_of(client.post(body, operation=CANCEL_UNIFIED_STRATEGY_ORDER)) == code


def test_cancel_of_a_strategy_order_does_not_find_normal_orders(client: SandboxClient) -> None:
    """The id of a normal order is refused with 25204."""
    (order,) = client.sandbox.open_orders(1, category=FUTURES)
    body = {"orderId": order.order_id}
    assert code_of(client.post(body, operation=CANCEL_UNIFIED_STRATEGY_ORDER)) == "25204"
    assert client.is_open(order)


@pytest.mark.parametrize("operation", PAGED, ids=lambda operation: operation.operation_id)
def test_pages_by_cursor(client: SandboxClient, operation: Operation) -> None:
    """Each page but the last has the cursor of the next; all orders come once, newest first."""
    orders, category = open_of(client, operation, 205)
    first = data_of(client.get(operation, category))
    second = data_of(client.get(operation, f"{category}&cursor={first['cursor']}"))
    last = data_of(client.get(operation, f"{category}&cursor={second['cursor']}&limit=10"))
    assert last.get("cursor") is None
    pages = [first["list"], second["list"], last["list"]]
    assert [len(page) for page in pages] == [100, 100, 5]
    assert [order_id for page in pages for order_id in ids(page)] == [order.order_id for order in reversed(orders)]
    assert first["cursor"] not in {order.order_id for order in orders}


@pytest.mark.parametrize("operation", PAGED, ids=lambda operation: operation.operation_id)
@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=-1", "startTime=x"])
def test_invalid_page(client: SandboxClient, operation: Operation, query: str) -> None:
    """A limit outside 1 to 100, or a cursor or time that is not a number, is refused with 40017."""
    assert code_of(client.get(operation, f"category={FUTURES}&{query}")) == "40017"


@pytest.mark.parametrize("operation", LISTINGS, ids=lambda operation: operation.operation_id)
def test_empty_listing_takes_both_forms(client: SandboxClient, operation: Operation) -> None:
    """The list is null and `[]` in turn, and the cursor is null."""
    lists = [data_of(client.get(operation, "category=SPOT")) for _ in range(4)]
    assert lists == [{"list": None, "cursor": None}, {"list": [], "cursor": None}] * 2


def test_open_orders_of_one_category_or_of_all(client: SandboxClient) -> None:
    """Without a category the listing has every normal order; strategy orders are not among them."""
    (spot,) = client.sandbox.open_orders(1, symbol="BTCUSDT")
    (margin,) = client.sandbox.open_orders(1, symbol="ETHUSDT", category="MARGIN")
    client.sandbox.open_orders(1, kind="tpsl", category=FUTURES)

    def listed(query: str) -> list[str]:
        return ids(rows_of(client, GET_UNIFIED_UNFILLED_ORDERS, query))

    assert listed("") == [margin.order_id, spot.order_id]
    assert listed("category=spot") == [spot.order_id]
    assert listed("category=MARGIN&symbol=BTCUSDT") == []
    assert listed("symbol=ETHUSDT") == [margin.order_id]
    assert listed(f"startTime={spot.c_time + 60_000}") == listed(f"endTime={spot.c_time - 60_000}") == []


@pytest.mark.parametrize("operation", LISTINGS, ids=lambda operation: operation.operation_id)
@pytest.mark.parametrize(("query", "code"), [("category=OTHER", "400172"), ("category=SPOT&symbol=NOUSDT", "25100")])
def test_invalid_filters(client: SandboxClient, operation: Operation, query: str, code: str) -> None:
    """An unknown category or trading pair is refused."""
    assert code_of(client.get(operation, query)) == code


@pytest.mark.parametrize(
    ("operation", "query", "code"),
    [
        (GET_UNIFIED_HISTORY_ORDERS, "", "40019"),
        (GET_UNIFIED_UNFILLED_STRATEGY_ORDERS, "", "40019"),
        (GET_UNIFIED_HISTORY_STRATEGY_ORDERS, "category=", "40019"),
        (GET_UNIFIED_UNFILLED_STRATEGY_ORDERS, "category=SPOT", "400172"),
        (GET_UNIFIED_HISTORY_STRATEGY_ORDERS, f"category={FUTURES}&type=other", "400172"),
    ],
)
def test_required_category(client: SandboxClient, operation: Operation, query: str, code: str) -> None:
    """Finished orders need a category, and strategy orders one of futures."""
    assert code_of(client.get(operation, query)) == code


def test_orders_are_open_or_finished(client: SandboxClient) -> None:
    """Live and partially filled orders are in the one listing, filled and cancelled ones in the other."""
    live, partly, filled, cancelled = client.sandbox.open_orders(4)
    client.sandbox.fill(partly.order_id, partially=True)
    client.sandbox.fill(filled.order_id)
    cancel(client, item(cancelled))
    unfilled = rows_of(client, GET_UNIFIED_UNFILLED_ORDERS, "category=SPOT")
    history = rows_of(client, GET_UNIFIED_HISTORY_ORDERS, "category=SPOT")
    assert {row["orderId"]: row["orderStatus"] for row in unfilled} == {
        partly.order_id: "partially_filled",
        live.order_id: "live",
    }
    assert {row["orderId"]: (row["orderStatus"], row["cancelReason"]) for row in history} == {
        cancelled.order_id: ("cancelled", "normal_cancel"),
        filled.order_id: ("filled", ""),
    }


def test_time_of_the_finished_orders(client: SandboxClient) -> None:
    """A query covers the last 30 days, or 30 days that it gives, up to 90 days back."""
    ages = {0: 0, 20: 20, 40: 40, 70: 70, 95: 95}
    now = client.sandbox.server_time()
    for age, order in zip(ages, client.sandbox.open_orders(5), strict=True):
        filled = client.sandbox.fill(order.order_id)
        client.sandbox.book._orders[order.order_id] = evolve(filled, c_time=now - age * DAY)

    def listed_ages(query: str) -> list[int]:
        rows = rows_of(client, GET_UNIFIED_HISTORY_ORDERS, f"category=SPOT{query}")
        return sorted((now - int(row["createdTime"])) // DAY for row in rows)

    assert listed_ages("") == [0, 20]
    assert listed_ages(f"&endTime={now - 30 * DAY}") == [40]
    assert listed_ages(f"&startTime={now - 89 * DAY}&endTime={now - 60 * DAY}") == [70]
    assert listed_ages(f"&endTime={now - 80 * DAY}") == []
    too_long = f"category=SPOT&startTime={now - 31 * DAY}"
    assert code_of(client.get(GET_UNIFIED_HISTORY_ORDERS, too_long)) == "25200"


@pytest.mark.parametrize("category", ["SPOT", FUTURES])
def test_lookup_by_either_id(client: SandboxClient, category: str) -> None:
    """The data is the order itself, with every field of the document; all values but the fees are text."""
    (order,) = client.sandbox.open_orders(1, category=category)
    client.sandbox.fill(order.order_id, partially=True)
    row = data_of(client.get(GET_UNIFIED_ORDER_INFO, f"orderId={order.order_id}"))
    assert row == data_of(client.get(GET_UNIFIED_ORDER_INFO, f"clientOid={order.client_oid}"))
    model = UnifiedOrder.from_dict(row)
    assert [name for name, value in asdict(model, recurse=False).items() if value is UNSET] == []
    assert (model.order_id, model.category, model.symbol) == (order.order_id, category, order.symbol)
    assert (model.order_status, model.side, bool(model.pos_side)) == (
        "partially_filled",
        order.side,
        category != "SPOT",
    )
    assert [name for name, value in row.items() if not isinstance(value, str)] == ["feeDetail"]
    assert float(row["cumExecValue"]) == pytest.approx(float(row["price"]) * float(row["cumExecQty"]))


def test_lookup_of_what_is_not_a_normal_order(client: SandboxClient) -> None:
    """An unknown id and that of a strategy order are refused with 25204, and no id with 40019."""
    (strategy,) = client.sandbox.open_orders(1, kind="tpsl", category=FUTURES)
    for order_id in ("1", strategy.order_id):
        assert code_of(client.get(GET_UNIFIED_ORDER_INFO, f"orderId={order_id}")) == "25204"
    assert code_of(client.get(GET_UNIFIED_ORDER_INFO)) == "40019"


def test_strategy_orders(client: SandboxClient) -> None:
    """Open ones are in a plain list; of the finished ones, those that were triggered have a trigger type."""
    live, triggered, cancelled = client.sandbox.open_orders(3, kind="tpsl", category=FUTURES)
    client.sandbox.open_orders(1, kind="tpsl", category="COIN-FUTURES")
    client.sandbox.trigger(triggered.order_id)
    client.post({"orderId": cancelled.order_id}, operation=CANCEL_UNIFIED_STRATEGY_ORDER)
    query = "category=usdt-futures&type=tpsl"
    unfilled = data_of(client.get(GET_UNIFIED_UNFILLED_STRATEGY_ORDERS, query))
    assert ids(unfilled) == [live.order_id]
    history = rows_of(client, GET_UNIFIED_HISTORY_STRATEGY_ORDERS, query)
    assert ids(history) == [cancelled.order_id, triggered.order_id]
    assert [row.get("triggerType") for row in history] == [None, "takeProfit"]
    model = UnifiedStrategyOrder.from_dict(history[1])
    assert [name for name, value in asdict(model, recurse=False).items() if value is UNSET] == []
    assert (model.pos_side == "long") == (triggered.side == "sell")


def test_strategy_order_places_an_order_of_its_category(client: SandboxClient) -> None:
    """The open orders of the category have the normal order that a triggered strategy order places."""
    (order,) = client.sandbox.open_orders(1, kind="tpsl", category=FUTURES)
    placed_order_id = client.sandbox.trigger(order.order_id).placed_order_id
    assert ids(rows_of(client, GET_UNIFIED_UNFILLED_ORDERS, f"category={FUTURES}")) == [placed_order_id]
    assert rows_of(client, GET_UNIFIED_UNFILLED_ORDERS, "category=SPOT") == []


def test_ledger_has_the_orders_of_a_batch(client: SandboxClient) -> None:
    """The arrival of a bare list has the ids of its items."""
    client.post([ITEM, {"clientOid": "a"}, 7], operation=BATCH_CANCEL_UNIFIED_ORDERS)
    (arrival,) = client.sandbox.arrivals
    assert (arrival.order_ids, arrival.path) == (("1", "a", ""), BATCH_CANCEL_UNIFIED_ORDERS.path)


def test_rate_limit_of_a_batch(open_client: OpenClient) -> None:
    """The sixth batch within a second is refused with HTTP 429."""
    client = open_client(orders=0, account_type="unified", timer=lambda: 0.0)
    responses = [client.post([ITEM], operation=BATCH_CANCEL_UNIFIED_ORDERS) for _ in range(6)]
    assert [response.status_code for response in responses] == [200] * 5 + [429]
    assert client.sandbox.worst_window(operation=BATCH_CANCEL_UNIFIED_ORDERS) == 6
