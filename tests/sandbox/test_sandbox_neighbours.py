"""The sandbox's questions beside the batch cancel: the clock, one order, the open ones, the finished ones."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from attrs import asdict, evolve

from bitget_spot import RateLimitedError, connect
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot_api import Client
from bitget_spot_api.api.public import get_server_time
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import Order as Row
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

LISTS = (GET_UNFILLED_ORDERS, GET_HISTORY_ORDERS)
SIGNED = (GET_ORDER_INFO, *LISTS)
MOST = GET_UNFILLED_ORDERS.maxima["limit"]


def named(operation: Operation) -> str:
    """Name an operation in the list of tests."""
    return operation.operation_id


def signed(
    operation: Operation,
    text: str,
    *,
    api_key: str,
    secret: str,
    passphrase: str,
    stamp: str,
) -> dict[str, str]:
    """Answer the headers of a question, with a signature over this text of the query."""
    prehash = stamp + operation.method + operation.path + ("?" + text if text else "")
    mac = hmac.new(secret.encode(), prehash.encode(), hashlib.sha256)
    return {
        "access-key": api_key,
        "access-sign": base64.b64encode(mac.digest()).decode(),
        "access-passphrase": passphrase,
        "access-timestamp": stamp,
        "locale": "en-US",
    }


def ask(
    desk: Any,
    operation: Operation,
    query: str = "",
    *,
    text: str | None = None,
    api_key: str | None = None,
    secret: str | None = None,
    passphrase: str | None = None,
) -> httpx.Response:
    """Send a query as it is written here; what is signed is its text before percent-encoding, sorted by key."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    headers = signed(
        operation,
        "&".join(f"{key}={value}" for key, value in pairs) if text is None else text,
        api_key=api_key or desk.sandbox.api_key,
        secret=secret or desk.sandbox.secret_key,
        passphrase=passphrase or desk.sandbox.passphrase,
        stamp=str(int(time.time() * 1000)),
    )
    response = desk.http.get(operation.path + ("?" + query if query else ""), headers=headers)
    assert isinstance(response, httpx.Response)
    return response


def rows(response: httpx.Response) -> list[dict[str, str]]:
    """Answer the orders of a success."""
    body = response.json()
    assert (response.status_code, body["code"]) == (200, "00000"), response.text
    data = body["data"]
    assert isinstance(data, list)
    return data


def ids(response: httpx.Response) -> list[str]:
    """Answer the ids of the orders of a success."""
    return [row["orderId"] for row in rows(response)]


def newest_first(orders: list[Order]) -> list[str]:
    """Answer the ids of orders in the order of a page."""
    return sorted((order.order_id for order in orders), key=int, reverse=True)


def close(desk: Any, orders: list[Order]) -> None:
    """Fill orders, so that they are finished."""
    for order in orders:
        desk.sandbox.fill(order.order_id)


def orders_for(desk: Any, operation: Operation, number: int, **given: Any) -> list[Order]:
    """Open orders that belong into this list."""
    orders: list[Order] = desk.sandbox.open_orders(number, **given)
    if operation is GET_HISTORY_ORDERS:
        close(desk, orders)
    return orders


def test_the_clock_is_told_to_anybody(desk: Any) -> None:
    """Public time needs no header at all, and tells the exchange's clock in milliseconds, as text."""
    before = time.time() * 1000
    body = desk.http.get(GET_SERVER_TIME.path).json()
    assert body["code"] == "00000"
    assert isinstance(body["data"]["serverTime"], str)
    assert before - 1 <= int(body["data"]["serverTime"]) <= time.time() * 1000


def test_the_clock_told_is_the_skewed_one(desk: Any) -> None:
    """Public time goes wrong with the exchange's clock."""
    desk.sandbox.inject("clock-skew=3600")
    told = int(desk.http.get(GET_SERVER_TIME.path).json()["data"]["serverTime"])
    assert told - time.time() * 1000 > 3_500_000


def test_a_fault_waits_for_a_signed_question(desk: Any) -> None:
    """Public time uses up no planned fault; the next signed question meets it."""
    desk.sandbox.inject("code=40725")
    assert desk.http.get(GET_SERVER_TIME.path).json()["code"] == "00000"
    assert ask(desk, GET_UNFILLED_ORDERS).json()["code"] == "40725"


@pytest.mark.parametrize("operation", SIGNED, ids=named)
def test_a_question_for_orders_is_signed(desk: Any, operation: Operation) -> None:
    """Without headers it is refused with 40001, with another signature with 40009."""
    bare = desk.http.get(operation.path)
    assert (bare.status_code, bare.json()["code"]) == (400, "40001")
    wrong = ask(desk, operation, "orderId=1", secret="wrong")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "40009")


@pytest.mark.parametrize("operation", SIGNED, ids=named)
def test_what_is_signed_is_the_sorted_text_before_encoding(desk: Any, operation: Operation) -> None:
    """Special characters are signed as they are and sent percent-encoded; the encoded text signed is 40009."""
    query = "orderId=1&clientOid=a%23b%2Bc"
    assert rows(ask(desk, operation, query, text="clientOid=a#b+c&orderId=1")) == []
    for wrong in ("clientOid=a%23b%2Bc&orderId=1", "orderId=1&clientOid=a#b+c"):
        assert ask(desk, operation, query, text=wrong).json()["code"] == "40009"


def test_the_published_vector_passes() -> None:
    """The signature that independent programs made for a query with special characters is taken."""
    exchange = Exchange(
        orders=0, api_key="key", secret_key="secret", passphrase="phrase", clock=lambda: 1659076670.0, timer=lambda: 0.0
    )
    headers = {
        "access-key": "key",
        "access-sign": "2DOi1d/R3i9tSKWOnnCN5UMLg8pyYn0H9yDFwtf+I0s=",
        "access-passphrase": "phrase",
        "access-timestamp": "1659076670000",
    }
    call = exchange.admit(GET_ORDER_INFO, headers, 0.0)
    answer = exchange.answer(call, "clientOid=a%23b%2Bc", b"")
    assert (answer.status, answer.payload["code"], answer.payload["data"]) == (200, "00000", [])


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_a_page_is_newest_first_and_as_long_as_the_document_allows(desk: Any, operation: Operation) -> None:
    """Without a limit a page holds the document's maximum, from the newest order on."""
    orders = orders_for(desk, operation, MOST + 5)
    assert ids(ask(desk, operation)) == newest_first(orders)[:MOST]


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_pages_follow_one_another(desk: Any, operation: Operation) -> None:
    """With the last id as idLessThan, page by page every order comes once, and then none."""
    orders = orders_for(desk, operation, 10)
    found: list[str] = []
    pages = [ids(ask(desk, operation, "limit=4"))]
    while pages[-1]:
        found += pages[-1]
        pages.append(ids(ask(desk, operation, f"idLessThan={found[-1]}&limit=4")))
    assert found == newest_first(orders)
    assert [len(page) for page in pages] == [4, 4, 2, 0]


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_a_page_may_begin_at_any_id(desk: Any, operation: Operation) -> None:
    """IdLessThan need not be the id of an order; the id itself is not on the page."""
    orders = newest_first(orders_for(desk, operation, 3))
    assert ids(ask(desk, operation, f"idLessThan={int(orders[0]) + 1}")) == orders
    assert ids(ask(desk, operation, f"idLessThan={orders[0]}")) == orders[1:]
    assert ids(ask(desk, operation, "idLessThan=1")) == []


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_a_page_of_one_trading_pair(desk: Any, operation: Operation) -> None:
    """With a symbol only the orders of that pair are listed."""
    bitcoin = orders_for(desk, operation, 3, symbol="BTCUSDT")
    orders_for(desk, operation, 2, symbol="ETHUSDT")
    assert ids(ask(desk, operation, "symbol=BTCUSDT")) == newest_first(bitcoin)
    assert ids(ask(desk, operation, "symbol=DOGEUSDT")) == []


@pytest.mark.parametrize("operation", LISTS, ids=named)
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", f"limit={MOST + 1}", "limit=x", "limit=", "limit=1.5", "idLessThan=x", "idLessThan="],
)
def test_a_page_with_a_bad_parameter_is_refused(desk: Any, operation: Operation, query: str) -> None:
    """A limit outside 1 to the maximum, and a limit or id that is no whole number, are refused with 40017."""
    response = ask(desk, operation, query)
    assert (response.status_code, response.json()["code"]) == (400, "40017")


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_what_a_list_leaves_out(desk: Any, operation: Operation) -> None:
    """A list is narrowed by an order's id, by the times between which an order was placed, and by its kind."""
    orders = orders_for(desk, operation, 3)
    everything = newest_first(orders)
    now = orders[0].c_time
    for query, expected in (
        (f"orderId={everything[1]}", everything[1:2]),
        ("orderId=1", []),
        (f"startTime={now - 60_000}&endTime={now + 60_000}", everything),
        (f"startTime={now + 60_000}", []),
        (f"endTime={now - 60_000}", []),
        ("tpslType=normal", everything),
        ("tpslType=tpsl", []),
        ("requestTime=1&receiveWindow=5000", everything),
    ):
        assert ids(ask(desk, operation, query)) == expected, query


@pytest.mark.parametrize("operation", LISTS, ids=named)
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
def test_what_a_list_does_not_take(desk: Any, operation: Operation, query: str, code: str) -> None:
    """A number that is none, or a kind of order that there is not, is refused."""
    response = ask(desk, operation, query)
    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize("operation", LISTS, ids=named)
@pytest.mark.parametrize("limit", [1, MOST])
def test_the_limits_own_ends_are_taken(desk: Any, operation: Operation, limit: int) -> None:
    """The smallest and the largest limit are no bad ones."""
    orders = orders_for(desk, operation, 2)
    assert ids(ask(desk, operation, f"limit={limit}")) == newest_first(orders)[:limit]


@pytest.mark.parametrize("query", ["", "orderId=", "clientOid=", "orderId=&clientOid=", "symbol=BTCUSDT"])
def test_one_order_needs_an_id(desk: Any, query: str) -> None:
    """With neither id, or blank ones, it is refused with 40019."""
    response = ask(desk, GET_ORDER_INFO, query)
    assert (response.status_code, response.json()["code"]) == (400, "40019")


@pytest.mark.parametrize("query", ["orderId=1", "orderId=x", "clientOid=nobody", "clientOid=a%23b%2Bc"])
def test_an_unknown_order_is_an_empty_list(desk: Any, query: str) -> None:
    """An order that was never there is no refusal: the list is empty."""
    assert rows(ask(desk, GET_ORDER_INFO, query)) == []


def test_one_order_by_either_id(desk: Any) -> None:
    """An order is found by its orderId and by its clientOid, and is shown in text throughout."""
    order, _ = desk.sandbox.open_orders(2)
    by_id = rows(ask(desk, GET_ORDER_INFO, f"orderId={order.order_id}"))
    assert by_id == rows(ask(desk, GET_ORDER_INFO, f"clientOid={order.client_oid}"))
    (row,) = by_id
    assert (
        row
        | {
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
        == row
    )
    assert all(isinstance(value, str) for value in row.values())


def test_an_order_has_every_field(desk: Any) -> None:
    """An order shows every field that the document knows, for strict clients wait for them all."""
    order, _ = desk.sandbox.open_orders(2)
    desk.sandbox.fill(order.order_id, partially=True)
    (row,) = rows(ask(desk, GET_ORDER_INFO, f"orderId={order.order_id}"))
    shown = Row.from_dict(row)
    assert [name for name, value in asdict(shown, recurse=False).items() if value is UNSET] == []
    assert float(row["quoteVolume"]) == pytest.approx(float(row["basePrice"]) * float(row["baseVolume"]))


def test_order_id_prevails(desk: Any) -> None:
    """With both ids the orderId is what counts, also where it is unknown."""
    first, second = desk.sandbox.open_orders(2)
    both = f"clientOid={second.client_oid}&orderId="
    assert ids(ask(desk, GET_ORDER_INFO, both + first.order_id)) == [first.order_id]
    assert ids(ask(desk, GET_ORDER_INFO, both + "1")) == []


def test_orders_of_another_account_are_not_seen(desk: Any) -> None:
    """Neither by an id nor in a list, in both directions."""
    desk.sandbox.add_account("other", "s", "p")
    theirs, finished = desk.sandbox.open_orders(2, api_key="other")
    (mine,) = desk.sandbox.open_orders(1)
    close(desk, [finished])
    for query in (f"orderId={theirs.order_id}", f"clientOid={theirs.client_oid}"):
        assert ids(ask(desk, GET_ORDER_INFO, query)) == []
        other = ask(desk, GET_ORDER_INFO, query, api_key="other", secret="s", passphrase="p")
        assert ids(other) == [theirs.order_id]
    assert ids(ask(desk, GET_UNFILLED_ORDERS)) == [mine.order_id]
    assert ids(ask(desk, GET_HISTORY_ORDERS)) == []
    other = ask(desk, GET_HISTORY_ORDERS, api_key="other", secret="s", passphrase="p")
    assert ids(other) == [finished.order_id]


def test_an_order_is_open_or_finished(desk: Any) -> None:
    """Live and partly filled orders are in the one list, filled and cancelled ones in the other, each in one."""
    live, partly, filled, cancelled = desk.sandbox.open_orders(4)
    desk.sandbox.fill(partly.order_id, partially=True)
    desk.sandbox.fill(filled.order_id)
    desk.cancel(cancelled)
    unfilled = {row["orderId"]: row["status"] for row in rows(ask(desk, GET_UNFILLED_ORDERS))}
    history = {row["orderId"]: row["status"] for row in rows(ask(desk, GET_HISTORY_ORDERS))}
    assert unfilled == {live.order_id: "live", partly.order_id: "partially_filled"}
    assert history == {filled.order_id: "filled", cancelled.order_id: "cancelled"}


def test_a_cancel_that_is_not_carried_out_yet(open_desk: Any) -> None:
    """Until its time has come, an order whose cancel was taken is still open, to every question."""
    desk = open_desk(orders=0, requests_per_second=1000, cancel_delay=0.2)
    (order,) = desk.sandbox.open_orders(1)
    assert desk.cancel(order).json()["code"] == "00000"
    one = f"orderId={order.order_id}"
    assert rows(ask(desk, GET_ORDER_INFO, one))[0]["status"] == "live"
    assert (ids(ask(desk, GET_UNFILLED_ORDERS)), ids(ask(desk, GET_HISTORY_ORDERS))) == ([order.order_id], [])
    time.sleep(0.21)
    assert rows(ask(desk, GET_ORDER_INFO, one))[0]["status"] == "cancelled"
    assert (ids(ask(desk, GET_UNFILLED_ORDERS)), ids(ask(desk, GET_HISTORY_ORDERS))) == ([], [order.order_id])


def test_what_has_filled_stays_told(desk: Any) -> None:
    """An order that was partly filled and then cancelled is cancelled, and its baseVolume is what had filled."""
    untouched, partly, filled = desk.sandbox.open_orders(3, symbol="SOLUSDT")
    half = float(desk.sandbox.fill(partly.order_id, partially=True).base_volume)
    desk.sandbox.fill(filled.order_id)
    desk.cancel(untouched, partly)
    told = {row["orderId"]: (row["status"], float(row["baseVolume"])) for row in rows(ask(desk, GET_HISTORY_ORDERS))}
    assert told == {
        untouched.order_id: ("cancelled", 0.0),
        partly.order_id: ("cancelled", half),
        filled.order_id: ("filled", float(filled.size)),
    }
    assert 0 < half < float(filled.size)


def counted(exchange: Exchange, operation: Operation, at: float, api_key: str = "key") -> str | None:
    """Let a request arrive, and answer the code it is turned away with."""
    return exchange.admit(operation, {"access-key": api_key}, at).refusal


@pytest.mark.parametrize("operation", SIGNED, ids=named)
def test_a_question_has_a_limit_of_its_own_for_each_key(operation: Operation) -> None:
    """Twenty a second for a key; another key, the batch cancel and the other questions go on."""
    exchange = Exchange(orders=0, api_key="key", timer=lambda: 0.0)
    exchange.add_account("other", "s", "p")
    assert operation.rate_limit.requests == 20
    assert [counted(exchange, operation, 0.01 * n) for n in range(20)] == [None] * 20
    assert counted(exchange, operation, 0.99) == "429"
    assert counted(exchange, operation, 0.99, "other") is None
    for other in (BATCH_CANCEL_ORDERS, *SIGNED, GET_SERVER_TIME):
        assert counted(exchange, other, 0.99) == ("429" if other is operation else None)
    assert counted(exchange, operation, 1.0) is None


def test_batch_cancels_leave_the_questions_alone() -> None:
    """When the batch cancel is at its limit, no question is."""
    exchange = Exchange(orders=0, api_key="key", timer=lambda: 0.0)
    codes = [counted(exchange, BATCH_CANCEL_ORDERS, 0.0) for _ in range(11)]
    assert codes == [None] * 10 + ["429"]
    assert [counted(exchange, operation, 0.0) for operation in SIGNED] == [None] * 3


def test_the_clock_is_limited_for_the_address() -> None:
    """Public time counts everybody together, with a key or without: twenty a second."""
    exchange = Exchange(orders=0, api_key="key", timer=lambda: 0.0)
    callers = ("key", "", "nobody", "other")
    assert [counted(exchange, GET_SERVER_TIME, 0.0, callers[n % 4]) for n in range(20)] == [None] * 20
    assert [counted(exchange, GET_SERVER_TIME, 0.5, caller) for caller in callers] == ["429"] * 4
    assert counted(exchange, GET_SERVER_TIME, 1.0, "key") is None


def test_the_limit_over_the_wire(open_desk: Any) -> None:
    """The twenty-first question within a second is answered with HTTP 429, and the ledger has them all."""
    desk = open_desk(orders=0)
    started = time.monotonic()
    answers = [ask(desk, GET_UNFILLED_ORDERS) for _ in range(21)]
    if time.monotonic() - started < 1:
        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        assert desk.sandbox.worst_window(operation=GET_UNFILLED_ORDERS) == 21
    assert desk.sandbox.worst_window() == 0


@pytest.fixture
def sandbox() -> Any:
    """An exchange with three orders: one open, one partly filled, one filled; the newest is open."""
    with Sandbox(orders=3) as sandbox:
        filled, partly, _ = sandbox.orders
        sandbox.fill(filled)
        sandbox.fill(partly, partially=True)
        yield sandbox


def connected(sandbox: Sandbox) -> Client:
    """A client with a budget of its own that tries everything once."""
    return connect(sandbox.credentials, base_url=sandbox.url, rate_limit_store=MemoryStore(), max_retries=0)


def call(module: Any, client: Client, manner: str, **arguments: Any) -> Any:
    """Call a generated function from this thread, or from a task."""

    async def in_task() -> object:
        async with client:
            return await module.asyncio(client=client, **arguments)

    if manner == "asyncio":
        return asyncio.run(in_task())
    with client:
        return module.sync(client=client, **arguments)


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_generated_server_time(sandbox: Sandbox, manner: str) -> None:
    """The generated function asks for the clock without a key, and its answer can be read."""
    answer = call(get_server_time, connected(sandbox), manner)
    assert isinstance(answer, ServerTimeResponse)
    assert answer.code == "00000"
    assert abs(int(answer.to_dict()["data"]["serverTime"]) / 1000 - time.time()) < 5
    assert [arrival.api_key for arrival in sandbox.arrivals] == [""]


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
@pytest.mark.parametrize(
    ("module", "statuses"),
    [(get_unfilled_orders, ["live", "partially_filled"]), (get_history_orders, ["filled"])],
    ids=["unfilled", "history"],
)
def test_generated_lists(sandbox: Sandbox, manner: str, module: Any, statuses: list[str]) -> None:
    """The generated functions answer the orders of a page, and take its parameters."""
    newest = max(sandbox.orders, key=int)
    for arguments in ({}, {"limit": 2, "id_less_than": str(int(newest) + 1)}):
        answer = call(module, connected(sandbox), manner, **arguments)
        assert isinstance(answer, OrdersResponse)
        assert isinstance(answer.data, list)
        assert [order.status for order in answer.data] == statuses
    answer = call(module, connected(sandbox), manner, id_less_than=min(sandbox.orders, key=int))
    assert answer.data == []


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
@pytest.mark.parametrize("client_oid", ["a#b+c", "a b", "a&b=c", "a%23b", "ä/ö?", "_-:#+"])
def test_generated_order_info_signs_special_characters(sandbox: Sandbox, manner: str, client_oid: str) -> None:
    """An order is found by a clientOid with characters that a URL changes: they are signed right and arrive whole."""
    order = next(iter(sandbox.orders.values()))
    sandbox._orders[order.order_id] = evolve(order, client_oid=client_oid)
    sandbox._by_client_oid[order.api_key, client_oid] = order.order_id
    answer = call(get_order_info, connected(sandbox), manner, client_oid=client_oid)
    assert isinstance(answer, OrdersResponse)
    assert isinstance(answer.data, list)
    assert [(found.order_id, found.client_oid) for found in answer.data] == [(order.order_id, client_oid)]


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_generated_order_info_of_nobody(sandbox: Sandbox, manner: str) -> None:
    """An unknown order is an answer with an empty list, and no exception."""
    answer = call(get_order_info, connected(sandbox), manner, order_id="1")
    assert (answer.code, answer.data) == ("00000", [])


def test_a_question_meets_faults(sandbox: Sandbox) -> None:
    """What an exchange and the network make go wrong for a batch goes wrong for a question too."""
    sandbox.inject("429")
    with connected(sandbox) as client, pytest.raises(RateLimitedError):
        get_unfilled_orders.sync(client=client)
    sandbox.inject("drop-after")
    with connected(sandbox) as client, pytest.raises(httpx.TransportError):
        get_unfilled_orders.sync(client=client)
    assert [arrival.status for arrival in sandbox.arrivals] == [429, None]
