"""The operations next to the batch cancel: server time, order lookup, open orders, order history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from attrs import asdict, evolve
from sandbox_client import OpenClient, SandboxClient

from bitget_spot import RateLimitedError, connect
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot_api import Client
from bitget_spot_api.api.public import get_server_time
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import Order as OrderModel
from bitget_spot_api.models import OrdersResponse, ServerTimeResponse
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_SERVER_TIME,
    GET_UNFILLED_ORDERS,
    Operation,
)
from bitget_spot_api.types import UNSET

LISTINGS = (GET_UNFILLED_ORDERS, GET_HISTORY_ORDERS)
SIGNED = (GET_ORDER_INFO, *LISTINGS)
MAX_LIMIT = GET_UNFILLED_ORDERS.maxima["limit"]


def operation_name(operation: Operation) -> str:
    """Return the name of an operation in the ids of tests."""
    return operation.operation_id


def rows(response: httpx.Response) -> list[dict[str, str]]:
    """Return the orders of a successful response."""
    body = response.json()
    assert (response.status_code, body["code"]) == (200, "00000"), response.text
    data = body["data"]
    assert isinstance(data, list)
    return data


def order_ids(response: httpx.Response) -> list[str]:
    """Return the ids of the orders of a successful response."""
    return [row["orderId"] for row in rows(response)]


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return the HTTP status and the code of a response."""
    return response.status_code, response.json()["code"]


def newest_first(orders: list[Order]) -> list[str]:
    """Return the ids of orders in the order of a listing."""
    return sorted((order.order_id for order in orders), key=int, reverse=True)


def fill_all(client: SandboxClient, orders: list[Order]) -> None:
    """Fill orders, so that they are finished."""
    for order in orders:
        client.sandbox.fill(order.order_id)


def open_listed_orders(
    client: SandboxClient, operation: Operation, number: int, *, symbol: str | None = None
) -> list[Order]:
    """Open orders that are in this listing."""
    orders = client.sandbox.open_orders(number, symbol=symbol)
    if operation is GET_HISTORY_ORDERS:
        fill_all(client, orders)
    return orders


def test_server_time_needs_no_signature(client: SandboxClient) -> None:
    """A request without headers gets the exchange's clock in milliseconds, as text."""
    before = time.time() * 1000
    body = client.http.get(GET_SERVER_TIME.path).json()
    assert body["code"] == "00000"
    assert isinstance(body["data"]["serverTime"], str)
    assert before - 1 <= int(body["data"]["serverTime"]) <= time.time() * 1000


def test_server_time_is_skewed(client: SandboxClient) -> None:
    """The server time follows clock-skew."""
    client.sandbox.inject("clock-skew=3600")
    server_time = int(client.http.get(GET_SERVER_TIME.path).json()["data"]["serverTime"])
    assert server_time - time.time() * 1000 > 3_500_000


def test_server_time_uses_up_no_fault(client: SandboxClient) -> None:
    """A scripted fault happens to the next signed request."""
    client.sandbox.inject("code=40725")
    assert client.http.get(GET_SERVER_TIME.path).json()["code"] == "00000"
    assert client.get(GET_UNFILLED_ORDERS).json()["code"] == "40725"


@pytest.mark.parametrize("operation", SIGNED, ids=operation_name)
def test_signature_is_required(client: SandboxClient, operation: Operation) -> None:
    """A request without headers is refused with 40001, and one with a wrong signature with 40009."""
    assert error_of(client.http.get(operation.path)) == (400, "40001")
    assert error_of(client.get(operation, "orderId=1", secret="wrong")) == (400, "40009")


@pytest.mark.parametrize("operation", SIGNED, ids=operation_name)
def test_signed_query_is_sorted_and_decoded(client: SandboxClient, operation: Operation) -> None:
    """A signature of the percent-encoded or of the unsorted query is refused with 40009."""
    query = "orderId=1&clientOid=a%23b%2Bc"
    assert rows(client.get(operation, query, signed_query="clientOid=a#b+c&orderId=1")) == []
    for wrong in ("clientOid=a%23b%2Bc&orderId=1", "orderId=1&clientOid=a#b+c"):
        assert client.get(operation, query, signed_query=wrong).json()["code"] == "40009"


def test_known_vector_of_a_query() -> None:
    """The signature that other programs make for a query with special characters is accepted."""
    exchange = Exchange(
        orders=0, api_key="key", secret_key="secret", passphrase="phrase", clock=lambda: 1659076670.0, timer=lambda: 0.0
    )
    headers = {
        "access-key": "key",
        "access-sign": "2DOi1d/R3i9tSKWOnnCN5UMLg8pyYn0H9yDFwtf+I0s=",
        "access-passphrase": "phrase",
        "access-timestamp": "1659076670000",
    }
    request = exchange.accept(GET_ORDER_INFO, headers, 0.0)
    response = exchange.respond(request, "clientOid=a%23b%2Bc", b"")
    assert (response.status, response.payload["code"], response.payload["data"]) == (200, "00000", [])


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
def test_default_page(client: SandboxClient, operation: Operation) -> None:
    """Without a limit, a page has the document's maximum of orders, newest first."""
    orders = open_listed_orders(client, operation, MAX_LIMIT + 5)
    assert order_ids(client.get(operation)) == newest_first(orders)[:MAX_LIMIT]


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
def test_pages(client: SandboxClient, operation: Operation) -> None:
    """With the last id as idLessThan, every order comes once, and the page after the last is empty."""
    orders = open_listed_orders(client, operation, 10)
    found: list[str] = []
    pages = [order_ids(client.get(operation, "limit=4"))]
    while pages[-1]:
        found += pages[-1]
        pages.append(order_ids(client.get(operation, f"idLessThan={found[-1]}&limit=4")))
    assert found == newest_first(orders)
    assert [len(page) for page in pages] == [4, 4, 2, 0]


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
def test_page_may_begin_at_any_id(client: SandboxClient, operation: Operation) -> None:
    """IdLessThan need not be the id of an order, and the id itself is not on the page."""
    orders = newest_first(open_listed_orders(client, operation, 3))
    assert order_ids(client.get(operation, f"idLessThan={int(orders[0]) + 1}")) == orders
    assert order_ids(client.get(operation, f"idLessThan={orders[0]}")) == orders[1:]
    assert order_ids(client.get(operation, "idLessThan=1")) == []


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
def test_page_of_a_trading_pair(client: SandboxClient, operation: Operation) -> None:
    """With a symbol only the orders of that pair are listed."""
    bitcoin = open_listed_orders(client, operation, 3, symbol="BTCUSDT")
    open_listed_orders(client, operation, 2, symbol="ETHUSDT")
    assert order_ids(client.get(operation, "symbol=BTCUSDT")) == newest_first(bitcoin)
    assert order_ids(client.get(operation, "symbol=SOLUSDT")) == []


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
def test_unknown_trading_pair(client: SandboxClient, operation: Operation) -> None:
    """A pair that the exchange does not know is refused with 40034; it knows a pair for which there was an order."""
    for symbol in ("DOGEUSDT", "btcusdt", "BTC-USDT", ""):
        assert error_of(client.get(operation, f"symbol={symbol}")) == (400, "40034")
    orders = open_listed_orders(client, operation, 1, symbol="DOGEUSDT")
    assert order_ids(client.get(operation, "symbol=DOGEUSDT")) == newest_first(orders)


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", f"limit={MAX_LIMIT + 1}", "limit=x", "limit=", "limit=1.5", "idLessThan=x", "idLessThan="],
)
def test_invalid_limit_or_id(client: SandboxClient, operation: Operation, query: str) -> None:
    """A limit outside 1 to the maximum, and a limit or id that is not a whole number, are refused with 40017."""
    assert error_of(client.get(operation, query)) == (400, "40017")


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
def test_filters(client: SandboxClient, operation: Operation) -> None:
    """A listing can be limited to an order id, to a time of opening and to a kind of order."""
    orders = open_listed_orders(client, operation, 3)
    all_ids = newest_first(orders)
    now = orders[0].c_time
    for query, expected in (
        (f"orderId={all_ids[1]}", all_ids[1:2]),
        ("orderId=1", []),
        (f"startTime={now - 60_000}&endTime={now + 60_000}", all_ids),
        (f"startTime={now + 60_000}", []),
        (f"endTime={now - 60_000}", []),
        ("tpslType=normal", all_ids),
        ("tpslType=tpsl", []),
        ("requestTime=1&receiveWindow=5000", all_ids),
    ):
        assert order_ids(client.get(operation, query)) == expected, query


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("startTime=x", "40017"),
        ("endTime=1.5", "40017"),
        ("idLessThan=1_300", "40017"),
        ("idLessThan=-1", "40017"),
        ("requestTime=x", "40017"),
        ("receiveWindow=x", "40017"),
        ("tpslType=other", "400172"),
    ],
)
def test_invalid_filters(client: SandboxClient, operation: Operation, query: str, code: str) -> None:
    """A number that is not valid is refused with 40017, and an unknown kind of order with 400172."""
    assert error_of(client.get(operation, query)) == (400, code)


@pytest.mark.parametrize("operation", LISTINGS, ids=operation_name)
@pytest.mark.parametrize("limit", [1, MAX_LIMIT])
def test_smallest_and_largest_limit(client: SandboxClient, operation: Operation, limit: int) -> None:
    """Both are valid."""
    orders = open_listed_orders(client, operation, 2)
    assert order_ids(client.get(operation, f"limit={limit}")) == newest_first(orders)[:limit]


@pytest.mark.parametrize("query", ["", "orderId=", "clientOid=", "orderId=&clientOid=", "symbol=BTCUSDT"])
def test_order_lookup_needs_an_id(client: SandboxClient, query: str) -> None:
    """Without an id, or with blank ones, it is refused with 40019."""
    assert error_of(client.get(GET_ORDER_INFO, query)) == (400, "40019")


@pytest.mark.parametrize("query", ["orderId=1", "orderId=x", "clientOid=unknown", "clientOid=a%23b%2Bc"])
def test_lookup_of_an_unknown_order(client: SandboxClient, query: str) -> None:
    """The response is an empty list and not an error."""
    assert rows(client.get(GET_ORDER_INFO, query)) == []


def test_order_lookup_by_either_id(client: SandboxClient) -> None:
    """An order is found by its orderId and by its clientOid, and all of its values are text."""
    order, _ = client.sandbox.open_orders(2)
    by_order_id = rows(client.get(GET_ORDER_INFO, f"orderId={order.order_id}"))
    assert by_order_id == rows(client.get(GET_ORDER_INFO, f"clientOid={order.client_oid}"))
    (row,) = by_order_id
    expected = {
        "userId": order.api_key,
        "symbol": order.symbol,
        "orderId": order.order_id,
        "clientOid": order.client_oid,
        "price": order.price,
        "size": order.size,
        "orderType": "limit",
        "side": order.side,
        "status": "live",
        "baseVolume": "0",
        "cTime": str(order.c_time),
        "uTime": str(order.u_time),
    }
    assert row | expected == row
    assert all(isinstance(value, str) for value in row.values())


def test_order_has_every_field(client: SandboxClient) -> None:
    """An order has every field of the document, because strict clients require them all."""
    order, _ = client.sandbox.open_orders(2)
    client.sandbox.fill(order.order_id, partially=True)
    (row,) = rows(client.get(GET_ORDER_INFO, f"orderId={order.order_id}"))
    model = OrderModel.from_dict(row)
    assert [name for name, value in asdict(model, recurse=False).items() if value is UNSET] == []
    assert float(row["quoteVolume"]) == pytest.approx(float(row["basePrice"]) * float(row["baseVolume"]))


def test_order_id_takes_precedence(client: SandboxClient) -> None:
    """With both ids the orderId decides, even if it is unknown."""
    first, second = client.sandbox.open_orders(2)
    both_ids = f"clientOid={second.client_oid}&orderId="
    assert order_ids(client.get(GET_ORDER_INFO, both_ids + first.order_id)) == [first.order_id]
    assert order_ids(client.get(GET_ORDER_INFO, both_ids + "1")) == []


def test_accounts_see_only_their_own_orders(client: SandboxClient) -> None:
    """Neither a lookup nor a listing has the orders of another account."""
    client.sandbox.add_account("other", "s", "p")
    other_account = {"api_key": "other", "secret": "s", "passphrase": "p"}
    other_open, other_finished = client.sandbox.open_orders(2, api_key="other")
    (own,) = client.sandbox.open_orders(1)
    fill_all(client, [other_finished])
    for query in (f"orderId={other_open.order_id}", f"clientOid={other_open.client_oid}"):
        assert order_ids(client.get(GET_ORDER_INFO, query)) == []
        assert order_ids(client.get(GET_ORDER_INFO, query, **other_account)) == [other_open.order_id]
    assert order_ids(client.get(GET_UNFILLED_ORDERS)) == [own.order_id]
    assert order_ids(client.get(GET_HISTORY_ORDERS)) == []
    assert order_ids(client.get(GET_HISTORY_ORDERS, **other_account)) == [other_finished.order_id]


def test_order_is_open_or_finished(client: SandboxClient) -> None:
    """Live and partially filled orders are in the one listing, filled and cancelled ones in the other."""
    live, partly, filled, cancelled = client.sandbox.open_orders(4)
    client.sandbox.fill(partly.order_id, partially=True)
    client.sandbox.fill(filled.order_id)
    client.cancel(cancelled)
    unfilled = {row["orderId"]: row["status"] for row in rows(client.get(GET_UNFILLED_ORDERS))}
    history = {row["orderId"]: row["status"] for row in rows(client.get(GET_HISTORY_ORDERS))}
    assert unfilled == {live.order_id: "live", partly.order_id: "partially_filled"}
    assert history == {filled.order_id: "filled", cancelled.order_id: "cancelled"}


def test_cancel_that_is_not_executed_yet(open_client: OpenClient) -> None:
    """Until its cancel is executed, an order is open in every operation."""
    client = open_client(orders=0, requests_per_second=1000, cancel_delay=0.2)
    (order,) = client.sandbox.open_orders(1)
    assert client.cancel(order).json()["code"] == "00000"
    lookup = f"orderId={order.order_id}"
    assert rows(client.get(GET_ORDER_INFO, lookup))[0]["status"] == "live"
    assert order_ids(client.get(GET_UNFILLED_ORDERS)) == [order.order_id]
    assert order_ids(client.get(GET_HISTORY_ORDERS)) == []
    time.sleep(0.21)
    assert rows(client.get(GET_ORDER_INFO, lookup))[0]["status"] == "cancelled"
    assert order_ids(client.get(GET_UNFILLED_ORDERS)) == []
    assert order_ids(client.get(GET_HISTORY_ORDERS)) == [order.order_id]


def test_cancelled_order_keeps_its_filled_volume(client: SandboxClient) -> None:
    """The baseVolume of an order that was partially filled and then cancelled is what was filled."""
    untouched, partly, filled = client.sandbox.open_orders(3, symbol="SOLUSDT")
    half = float(client.sandbox.fill(partly.order_id, partially=True).base_volume)
    client.sandbox.fill(filled.order_id)
    client.cancel(untouched, partly)
    history = {
        row["orderId"]: (row["status"], float(row["baseVolume"])) for row in rows(client.get(GET_HISTORY_ORDERS))
    }
    assert history == {
        untouched.order_id: ("cancelled", 0.0),
        partly.order_id: ("cancelled", half),
        filled.order_id: ("filled", float(filled.size)),
    }
    assert 0 < half < float(filled.size)


def refusal(exchange: Exchange, operation: Operation, at: float, api_key: str = "key") -> str | None:
    """Let a request arrive, and return the code of its refusal, if it is refused."""
    return exchange.accept(operation, {"access-key": api_key}, at).refusal


@pytest.mark.parametrize("operation", SIGNED, ids=operation_name)
def test_rate_limit_of_each_operation_and_key(operation: Operation) -> None:
    """A key may send twenty requests a second; other keys and other operations have their own limit."""
    exchange = Exchange(orders=0, api_key="key", timer=lambda: 0.0)
    exchange.add_account("other", "s", "p")
    assert operation.rate_limit.requests == 20
    assert [refusal(exchange, operation, 0.01 * n) for n in range(20)] == [None] * 20
    assert refusal(exchange, operation, 0.99) == "429"
    assert refusal(exchange, operation, 0.99, "other") is None
    for other in (BATCH_CANCEL_ORDERS, *SIGNED, GET_SERVER_TIME):
        assert refusal(exchange, other, 0.99) == ("429" if other is operation else None)
    assert refusal(exchange, operation, 1.0) is None


def test_batch_cancels_do_not_count_for_other_operations() -> None:
    """When the batch cancel is at its limit, no other operation is."""
    exchange = Exchange(orders=0, api_key="key", timer=lambda: 0.0)
    codes = [refusal(exchange, BATCH_CANCEL_ORDERS, 0.0) for _ in range(11)]
    assert codes == [None] * 10 + ["429"]
    assert [refusal(exchange, operation, 0.0) for operation in SIGNED] == [None] * 3


def test_server_time_is_limited_by_ip_address() -> None:
    """All requests for the server time count together, with a key or without: twenty a second."""
    exchange = Exchange(orders=0, api_key="key", timer=lambda: 0.0)
    api_keys = ("key", "", "unknown", "other")
    assert [refusal(exchange, GET_SERVER_TIME, 0.0, api_keys[n % 4]) for n in range(20)] == [None] * 20
    assert [refusal(exchange, GET_SERVER_TIME, 0.5, api_key) for api_key in api_keys] == ["429"] * 4
    assert refusal(exchange, GET_SERVER_TIME, 1.0, "key") is None


def test_rate_limit_over_http(open_client: OpenClient) -> None:
    """The twenty-first request within a second is refused with HTTP 429, and the ledger has them all."""
    client = open_client(orders=0)
    start = time.monotonic()
    responses = [client.get(GET_UNFILLED_ORDERS) for _ in range(21)]
    if time.monotonic() - start < 1:
        assert [response.status_code for response in responses] == [200] * 20 + [429]
        assert client.sandbox.worst_window(operation=GET_UNFILLED_ORDERS) == 21
    assert client.sandbox.worst_window() == 0


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox with three orders: one filled, one partially filled, one live, which is the newest."""
    with Sandbox(orders=3) as sandbox:
        filled, partly, _ = sandbox.orders
        sandbox.fill(filled)
        sandbox.fill(partly, partially=True)
        yield sandbox


def connect_to(sandbox: Sandbox) -> Client:
    """Return a client with a budget of its own and without retries."""
    return connect(sandbox.credentials, base_url=sandbox.url, rate_limit_store=MemoryStore(), max_retries=0)


def call(module: Any, generated_client: Client, mode: str, **arguments: Any) -> Any:
    """Call a generated function from this thread, or from a task."""

    async def call_in_task() -> Any:
        async with generated_client:
            return await module.asyncio(client=generated_client, **arguments)

    if mode == "asyncio":
        return asyncio.run(call_in_task())
    with generated_client:
        return module.sync(client=generated_client, **arguments)


@pytest.mark.parametrize("mode", ["sync", "asyncio"])
def test_generated_server_time(sandbox: Sandbox, mode: str) -> None:
    """The generated function sends no key, and returns the clock."""
    response = call(get_server_time, connect_to(sandbox), mode)
    assert isinstance(response, ServerTimeResponse)
    assert response.code == "00000"
    assert abs(int(response.to_dict()["data"]["serverTime"]) / 1000 - time.time()) < 5
    assert [arrival.api_key for arrival in sandbox.arrivals] == [""]


@pytest.mark.parametrize("mode", ["sync", "asyncio"])
@pytest.mark.parametrize(
    ("module", "statuses"),
    [(get_unfilled_orders, ["live", "partially_filled"]), (get_history_orders, ["filled"])],
    ids=["unfilled", "history"],
)
def test_generated_listings(sandbox: Sandbox, mode: str, module: Any, statuses: list[str]) -> None:
    """The generated functions return the orders of a page, and accept its parameters."""
    newest = max(sandbox.orders, key=int)
    for arguments in ({}, {"limit": 2, "id_less_than": str(int(newest) + 1)}):
        response = call(module, connect_to(sandbox), mode, **arguments)
        assert isinstance(response, OrdersResponse)
        assert isinstance(response.data, list)
        assert [order.status for order in response.data] == statuses
    response = call(module, connect_to(sandbox), mode, id_less_than=min(sandbox.orders, key=int))
    assert response.data == []


@pytest.mark.parametrize("mode", ["sync", "asyncio"])
@pytest.mark.parametrize("client_oid", ["a#b+c", "a b", "a&b=c", "a%23b", "ä/ö?", "_-:#+"])
def test_generated_order_info_signs_special_characters(sandbox: Sandbox, mode: str, client_oid: str) -> None:
    """An order is found by a clientOid whose characters are changed in a URL."""
    book = sandbox.book
    order = next(iter(sandbox.orders.values()))
    book._orders[order.order_id] = evolve(order, client_oid=client_oid)
    book._by_client_oid[order.api_key, client_oid] = order.order_id
    response = call(get_order_info, connect_to(sandbox), mode, client_oid=client_oid)
    assert isinstance(response, OrdersResponse)
    assert isinstance(response.data, list)
    assert [(found.order_id, found.client_oid) for found in response.data] == [(order.order_id, client_oid)]


@pytest.mark.parametrize("mode", ["sync", "asyncio"])
def test_generated_order_info_of_an_unknown_order(sandbox: Sandbox, mode: str) -> None:
    """The response has an empty list, and no exception is raised."""
    response = call(get_order_info, connect_to(sandbox), mode, order_id="1")
    assert (response.code, response.data) == ("00000", [])


def test_faults_happen_to_every_signed_operation(sandbox: Sandbox) -> None:
    """A fault of a batch cancel happens to a listing too."""
    sandbox.inject("429")
    with connect_to(sandbox) as generated_client, pytest.raises(RateLimitedError):
        get_unfilled_orders.sync(client=generated_client)
    sandbox.inject("drop-after")
    with connect_to(sandbox) as generated_client, pytest.raises(httpx.TransportError):
        get_unfilled_orders.sync(client=generated_client)
    assert [arrival.status for arrival in sandbox.arrivals] == [429, None]
