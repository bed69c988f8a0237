"""The sandbox over HTTP: authentication, the batch's rules, rate limit, ledger, connections."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

import httpx
import pytest

from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox.app import create_app
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot.sandbox.faults import Faults
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, REMAINING_CALLS_HEADER

PATH = "/api/v2/spot/trade/batch-cancel-order"
LIMIT = BATCH_CANCEL_ORDERS.rate_limit
MOST = BATCH_CANCEL_ORDERS.max_items["orderList"]


def rows(response: httpx.Response) -> tuple[list[Any], list[Any]]:
    """Answer both lists of a success."""
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    return data["successList"], data["failureList"]


def codes(response: httpx.Response) -> list[str]:
    """Answer the error codes of the failed rows."""
    return [row["errorCode"] for row in rows(response)[1]]


def connections(desk: Any) -> set[Any]:
    """Answer the server's ends of the connections there are."""
    return set(desk.sandbox._running._connections)


def test_a_cancel_is_received_and_done(desk: Any) -> None:
    """An open order lands in successList with both ids, in the vendor's envelope, and is cancelled."""
    (order,) = desk.sandbox.open_orders(1)
    before = time.time() * 1000
    response = desk.cancel(order)
    body = response.json()
    assert body["code"] == "00000"
    assert body["msg"] == "success"
    assert before - 1 <= body["requestTime"] <= time.time() * 1000
    assert rows(response) == ([{"orderId": order.order_id, "clientOid": order.client_oid}], [])
    assert desk.sandbox.orders[order.order_id].status == "cancelled"


@pytest.mark.parametrize(
    ("drop", "code"),
    [
        ("ACCESS-KEY", "40001"),
        ("ACCESS-SIGN", "40002"),
        ("ACCESS-TIMESTAMP", "40003"),
        ("ACCESS-PASSPHRASE", "40011"),
    ],
)
def test_each_missing_header_has_its_code(desk: Any, drop: str, code: str) -> None:
    """A request without one of the four headers is refused with that header's code."""
    response = desk.post({}, drop=drop)
    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        ({"api_key": "nobody"}, "40037"),
        ({"passphrase": "wrong"}, "40012"),
        ({"secret": "wrong"}, "40009"),
        ({"query": "a=1"}, "40009"),
        ({"age": 31}, "40008"),
        ({"age": -31}, "40008"),
        ({"stamp": "now"}, "40005"),
        ({"stamp": "-1659076670000"}, "40005"),
        ({"stamp": "9" * 5000}, "40005"),
        ({"extra": {"paptrading": "1"}}, "40099"),
    ],
)
def test_each_wrong_credential_has_its_code(desk: Any, signing: Any, code: str) -> None:
    """A refusal is HTTP 400 with the envelope, its own code and data null."""
    response = desk.post({"orderList": [{"orderId": "1"}]}, **signing)
    body = response.json()
    assert (response.status_code, body["code"], body["data"]) == (400, code, None)
    assert isinstance(body["requestTime"], int)


def test_a_demo_account_needs_the_demo_header(open_desk: Any) -> None:
    """A demo key passes with paptrading: 1 and answers 40099 without."""
    desk = open_desk(demo=True)
    order = next(iter(desk.sandbox.orders))
    body = {"orderList": [{"orderId": order}]}
    assert desk.post(body).json()["code"] == "40099"
    assert desk.post(body, extra={"paptrading": "1"}).json()["code"] == "00000"


def test_accounts_may_check_signatures_in_their_own_way(desk: Any) -> None:
    """`verify` gets the signed bytes and the signature's text, and its word counts."""
    seen: list[tuple[bytes, str]] = []

    def verify(prehash: bytes, signature: str) -> bool:
        seen.append((prehash, signature))
        return True

    desk.sandbox.add_account("other", "", "phrase", verify=verify)
    (order,) = desk.sandbox.open_orders(1, api_key="other")
    stamp = str(int(time.time() * 1000))
    body = b'{"orderList":[{"orderId":"%s"}]}' % order.order_id.encode()
    response = desk.post(body, api_key="other", passphrase="phrase", stamp=stamp, extra={"ACCESS-SIGN": "x"})
    assert response.json()["code"] == "00000"
    assert seen == [(stamp.encode() + b"POST" + PATH.encode() + body, "x")]


def test_an_account_cannot_cancel_the_orders_of_another(desk: Any) -> None:
    """An order of somebody else's is not found, by either id."""
    desk.sandbox.add_account("other", "s", "p")
    (order,) = desk.sandbox.open_orders(1, api_key="other")
    for item in ({"orderId": order.order_id}, {"clientOid": order.client_oid}):
        assert desk.cancel(item).json()["code"] == "43001"


@pytest.mark.parametrize(("locale", "english"), [("en-US", True), ("en", True), ("zh-CN", False), ("", False)])
def test_texts_follow_the_locale(desk: Any, locale: str, english: bool) -> None:
    """Refusals and failed rows are in English for an English locale, else in Chinese."""
    (order,) = desk.sandbox.open_orders(1)
    extra = {"locale": locale}
    items = [{"orderId": order.order_id}, {"orderId": "2"}]
    (failed,) = rows(desk.post({"orderList": items}, extra=extra))[1]
    refused = desk.post({"orderList": []}, extra=extra).json()
    assert failed["errorMsg"].isascii() is english
    assert refused["msg"].isascii() is english


def test_an_unknown_code_has_a_text_too(desk: Any) -> None:
    """A refusal with a code that the sandbox has no text for still says something."""
    desk.sandbox.inject("code=99999")
    assert desk.cancel().json()["msg"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "40017"),
        (b"{", "40017"),
        (b"\xff", "40017"),
        (b"[" * 100_000, "40017"),
        ([], "40017"),
        ({"orderList": {}}, "40017"),
        ({"orderList": ["1"]}, "40017"),
        ({"orderList": [{"orderId": 1}]}, "40017"),
        ({"orderList": [{"orderId": "1"}], "symbol": 1}, "40017"),
        ({}, "40020"),
        ({"orderList": None}, "40020"),
        ({"orderList": []}, "40020"),
        ({"orderList": [{"orderId": str(n)} for n in range(MOST + 1)]}, "40912"),
        ({"orderList": [{"orderId": "1"}], "batchMode": "both"}, "400172"),
        ({"orderList": [{"orderId": "1"}], "batchMode": 1}, "400172"),
        ({"orderList": [{"orderId": "1"}, {}]}, "40019"),
        ({"orderList": [{"orderId": "", "clientOid": None}]}, "40019"),
        ({"orderList": [{"orderId": "1"}], "batchMode": "multiple"}, "40019"),
        (
            {"orderList": [{"orderId": "1"}], "batchMode": "multiple", "symbol": "BTCUSDT"},
            "40019",
        ),
    ],
)
def test_a_body_of_another_shape_is_refused_as_a_whole(desk: Any, body: Any, code: str) -> None:
    """Each departure from the operation's shape has its parameter code."""
    response = desk.post(body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_a_batch_as_long_as_the_document_allows_passes(desk: Any) -> None:
    """The maximum itself is not too many."""
    orders = desk.sandbox.open_orders(MOST)
    assert len(rows(desk.cancel(*orders))[0]) == MOST


def test_single_mode_goes_by_the_requests_symbol(desk: Any) -> None:
    """An order of another pair is not found, and the symbol of the order's item is ignored."""
    (bitcoin,) = desk.sandbox.open_orders(1, symbol="BTCUSDT")
    (ether,) = desk.sandbox.open_orders(1, symbol="ETHUSDT")
    items = [
        {"orderId": order.order_id, "symbol": symbol} for order, symbol in ((bitcoin, "ETHUSDT"), (ether, "ETHUSDT"))
    ]
    response = desk.cancel(*items, symbol="BTCUSDT", batchMode="single")
    success, failure = rows(response)
    assert [row["orderId"] for row in success] == [bitcoin.order_id]
    assert failure == [
        {
            "orderId": ether.order_id,
            "clientOid": "",
            "errorMsg": "The order is not open",
            "errorCode": "43001",
        }
    ]


def test_single_mode_without_a_symbol_takes_orders_of_any_pair(desk: Any) -> None:
    """A missing and an empty symbol bind the batch to no pair."""
    orders = desk.sandbox.open_orders(6)
    assert len({order.symbol for order in orders}) > 1
    assert codes(desk.cancel(*orders[:3])) == []
    assert codes(desk.cancel(*orders[3:], symbol="", batchMode=None)) == []


def test_multiple_mode_goes_by_each_orders_symbol(desk: Any) -> None:
    """The request's symbol is ignored, and an order is looked for under its own."""
    orders = desk.sandbox.open_orders(2, symbol="BTCUSDT")
    items = [
        {"orderId": order.order_id, "symbol": symbol}
        for order, symbol in zip(orders, ("BTCUSDT", "ETHUSDT"), strict=True)
    ]
    response = desk.cancel(*items, symbol="XRPUSDT", batchMode="multiple")
    success, failure = rows(response)
    assert [row["orderId"] for row in success] == [orders[0].order_id]
    assert [row["orderId"] for row in failure] == [orders[1].order_id]


def test_orders_are_found_by_client_oid(desk: Any) -> None:
    """A batch of clientOids alone works, and the answer tells the orderIds."""
    orders = desk.sandbox.open_orders(2)
    success, failure = rows(desk.cancel(*({"clientOid": order.client_oid} for order in orders)))
    assert [row["orderId"] for row in success] == [order.order_id for order in orders]
    assert failure == []


def test_order_id_prevails_over_client_oid(desk: Any) -> None:
    """With both ids the clientOid is a label, and the answer tells the order's own."""
    right, other = desk.sandbox.open_orders(2)
    item = {"orderId": right.order_id, "clientOid": other.client_oid}
    (row,) = rows(desk.cancel(item))[0]
    assert row == {"orderId": right.order_id, "clientOid": right.client_oid}
    assert desk.sandbox.orders[other.order_id].is_open


def test_mixed_identifiers_fail_the_orders_with_only_a_client_oid(desk: Any) -> None:
    """The others go through, and the failed ones stay open."""
    first, second, third = desk.sandbox.open_orders(3)
    both = {"orderId": first.order_id, "clientOid": first.client_oid}
    response = desk.cancel(both, {"clientOid": second.client_oid}, third)
    success, failure = rows(response)
    assert [row["orderId"] for row in success] == [first.order_id, third.order_id]
    assert [(row["clientOid"], row["errorCode"]) for row in failure] == [(second.client_oid, "400172")]
    assert desk.sandbox.orders[second.order_id].is_open


def test_a_mixed_batch_of_gone_orders_is_not_refused_as_a_whole(desk: Any) -> None:
    """What fails for its identifier is not gone, so the batch has its list of failures."""
    (order,) = desk.sandbox.open_orders(1)
    response = desk.cancel({"orderId": "1"}, {"clientOid": order.client_oid})
    assert codes(response) == ["43001", "400172"]


def test_an_order_without_client_oid_answers_an_empty_one(desk: Any) -> None:
    """The row's clientOid is an empty string."""
    (order,) = desk.sandbox.open_orders(1, with_client_oid=False)
    assert rows(desk.cancel(order))[0] == [{"orderId": order.order_id, "clientOid": ""}]


def test_gone_orders_fail_beside_open_ones(desk: Any) -> None:
    """Unknown, filled and cancelled orders fail with 43001; a partly filled one is cancelled."""
    filled, cancelled, partly, live = desk.sandbox.open_orders(4)
    desk.sandbox.fill(filled.order_id)
    assert desk.sandbox.fill(partly.order_id, partially=True).status == "partially_filled"
    desk.cancel(cancelled)
    response = desk.cancel({"orderId": "1"}, filled, cancelled, partly, live)
    assert codes(response) == ["43001"] * 3
    assert [row["orderId"] for row in rows(response)[0]] == [partly.order_id, live.order_id]


def test_a_second_mention_in_a_batch_is_gone(desk: Any) -> None:
    """The same order twice: once received, once 43001."""
    (order,) = desk.sandbox.open_orders(1)
    assert codes(desk.cancel(order, order)) == ["43001"]


def test_a_batch_of_gone_orders_is_refused_as_a_whole(desk: Any) -> None:
    """Where no order is open the answer is one top-level 43001."""
    response = desk.cancel({"orderId": "1"}, {"orderId": "2"})
    assert (response.status_code, response.json()["code"]) == (400, "43001")


def test_a_batch_of_gone_orders_can_be_answered_row_by_row(open_desk: Any) -> None:
    """With all_gone_as_refusal=False it is a success with failures only."""
    desk = open_desk(all_gone_as_refusal=False)
    assert codes(desk.cancel({"orderId": "1"}, {"orderId": "2"})) == ["43001"] * 2


def test_orders_look_like_the_exchanges() -> None:
    """Nineteen digits above 2**53 as text, clientOids of the permitted characters, several pairs."""
    orders = Sandbox(orders=120).orders
    assert len(orders) == 120
    assert all(len(each) == 19 and int(each) > 2**53 for each in orders)
    assert len({order.symbol for order in orders.values()}) > 1
    assert {order.side for order in orders.values()} == {"buy", "sell"}
    assert len({order.client_oid for order in orders.values()}) == 120
    assert all(order.c_time == order.u_time for order in orders.values())


def test_orders_of_a_pair_of_ones_own(desk: Any) -> None:
    """Any trading pair will do."""
    (order,) = desk.sandbox.open_orders(1, symbol="ABCUSDT")
    assert (order.symbol, order.price, order.size) == ("ABCUSDT", "1", "1")


def test_only_open_orders_fill(desk: Any) -> None:
    """Filling an unknown order is a KeyError, filling a filled one a ValueError."""
    (order,) = desk.sandbox.open_orders(1)
    desk.sandbox.fill(order.order_id)
    with pytest.raises(ValueError, match="is filled"):
        desk.sandbox.fill(order.order_id)
    with pytest.raises(KeyError):
        desk.sandbox.fill("1")


def test_one_call_more_than_the_document_allows_is_refused(open_desk: Any) -> None:
    """The header counts the calls left down to 0, and the refusal has the short body."""
    desk = open_desk(orders=LIMIT.requests, timer=lambda: 0.0)
    orders = list(desk.sandbox.orders.values())
    answers = [desk.cancel(order) for order in orders]
    refused = desk.cancel(orders[0])
    left = [answer.headers[REMAINING_CALLS_HEADER] for answer in (*answers, refused)]
    assert left == [str(n) for n in (*range(LIMIT.requests - 1, -1, -1), 0)]
    assert refused.status_code == 429
    assert refused.json() == {"code": "429", "msg": "Too Many Requests"}


def test_what_is_refused_for_its_signature_is_counted(open_desk: Any) -> None:
    """The window is looked at before the signature, as soon as the key is known."""
    desk = open_desk(requests_per_second=1, timer=lambda: 0.0)
    assert desk.post({}, secret="wrong").json()["code"] == "40009"
    assert desk.post({}, secret="wrong").status_code == 429


def test_an_unknown_key_uses_up_nothing(open_desk: Any) -> None:
    """Requests with a key that nobody holds are all answered 40037, with a full budget."""
    desk = open_desk(requests_per_second=1, timer=lambda: 0.0)
    answers = [desk.post({}, api_key="nobody") for _ in range(3)]
    assert [answer.json()["code"] for answer in answers] == ["40037"] * 3
    assert {answer.headers[REMAINING_CALLS_HEADER] for answer in answers} == {"1"}


def test_the_ledger_tells_what_arrived(desk: Any) -> None:
    """Each request leaves its key, stamp, orders, status and code, in the order of arrival."""
    (order,) = desk.sandbox.open_orders(1)
    start = time.monotonic()
    desk.cancel(order, {"orderId": "2"})
    desk.post({"orderList": [{"clientOid": "c"}, 5]}, age=20)
    desk.post(b"?", stamp="?", drop="ACCESS-KEY")
    first, second, third = desk.sandbox.arrivals
    assert start <= first.at <= second.at <= third.at <= time.monotonic()
    assert (first.method, first.path, first.api_key) == ("POST", PATH, desk.sandbox.api_key)
    assert (first.status, first.code) == (200, "00000")
    assert (first.order_ids, first.order_count) == ((order.order_id, "2"), 2)
    assert first.stamp_age == pytest.approx(0, abs=5)
    assert second.stamp_age == pytest.approx(20, abs=5)
    assert (second.status, second.code, second.order_ids) == (400, "40017", ("c", ""))
    assert (third.api_key, third.stamp_age, third.order_ids) == ("", None, ())


def test_worst_window_counts_all_that_arrived_for_the_operation(open_desk: Any) -> None:
    """Refused requests count too; the period and the account can be chosen."""
    desk = open_desk(requests_per_second=2, timer=lambda: 0.0)
    for _ in range(3):
        desk.cancel()
    desk.post({}, api_key="other")
    sandbox = desk.sandbox
    assert sandbox.worst_window(60) == 4
    assert sandbox.worst_window(60, api_key="other") == 1
    assert sandbox.worst_window() == 4
    sandbox.reset_ledger()
    assert (sandbox.worst_window(60), sandbox.arrivals) == (0, [])


def test_latency_is_half_spent_before_a_request_is_counted(open_desk: Any) -> None:
    """A request arrives half a round trip after it was sent, its answer another half later."""
    desk = open_desk(latency=0.1)
    order = next(iter(desk.sandbox.orders.values()))
    sent = time.monotonic()
    desk.cancel(order)
    answered = time.monotonic()
    (arrival,) = desk.sandbox.arrivals
    assert arrival.at - sent >= 0.05
    assert answered - arrival.at >= 0.05


def test_answers_on_a_kept_connection_are_prompt(desk: Any) -> None:
    """No answer waits for the 40 ms of a delayed acknowledgement: Nagle's algorithm is off."""
    desk.cancel()
    (connection,) = connections(desk)
    line = connection.transport.get_extra_info("socket")
    assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture
def held(desk: Any) -> Iterator[Any]:
    """Answer an order whose cancel has been carried out while its client still waits for the answer."""
    (order,) = desk.sandbox.open_orders(1)
    desk.sandbox.inject("delay=3600")

    def wait() -> None:
        with pytest.raises(httpx.TransportError):
            desk.cancel(order)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while desk.sandbox.orders[order.order_id].is_open:
        time.sleep(0.001)
    yield order
    desk.sandbox.stop()
    waiting.join()


def test_requests_are_answered_side_by_side(desk: Any, held: Any) -> None:
    """While one answer is late, another request is counted and answered."""
    (other,) = desk.sandbox.open_orders(1)
    assert desk.cancel(held, other).status_code == 200
    assert [arrival.order_count for arrival in desk.sandbox.arrivals] == [1, 2]


def test_a_busy_connection_is_not_idle(desk: Any, held: Any) -> None:
    """A connection with a request under way survives close_idle_connections."""
    assert held.order_id
    assert desk.sandbox.close_idle_connections() == 0
    assert len(connections(desk)) == 1


@pytest.mark.parametrize(
    ("method", "path", "locale", "text"),
    [
        ("GET", "/api/v2/public/nothing", "en-US", "There is no such operation"),
        ("GET", PATH, "en-US", "There is no such operation"),
        ("POST", PATH + "/", "", "接口不存在"),
    ],
)
def test_an_unknown_operation_is_answered_in_the_envelope(
    desk: Any, method: str, path: str, locale: str, text: str
) -> None:
    """Another path or method is 404 with 40404, and leaves nothing in the ledger."""
    response = desk.http.request(method, path, headers={"locale": locale})
    assert response.status_code == 404
    assert response.json() == {
        "code": "40404",
        "msg": text,
        "requestTime": response.json()["requestTime"],
        "data": None,
    }
    assert desk.sandbox.arrivals == []


def test_connections_are_kept(desk: Any) -> None:
    """Two requests of one client come on one connection."""
    desk.cancel()
    before = connections(desk)
    desk.cancel()
    assert connections(desk) == before
    assert len(before) == 1


def test_idle_connections_can_be_closed(desk: Any) -> None:
    """After close_idle_connections the client opens a new one, and says so only if it looks."""
    with socket.create_connection(("127.0.0.1", int(desk.sandbox.url.rpartition(":")[2]))) as line:
        desk.cancel()
        while len(connections(desk)) < 2:
            time.sleep(0.001)
        assert desk.sandbox.close_idle_connections() == 2
        assert line.recv(1) == b""
    assert connections(desk) == set()
    assert desk.cancel().status_code == 400


def test_an_idle_connection_is_closed_after_keep_alive(open_desk: Any) -> None:
    """The exchange hangs up when a connection has been idle for so long."""
    desk = open_desk(keep_alive=0.05)
    desk.cancel()
    (connection,) = connections(desk)
    waiting = asyncio.run_coroutine_threadsafe(connection.gone.wait(), desk.sandbox._running._loop)
    assert waiting.result(timeout=5)


def test_a_sandbox_starts_and_stops_again_and_again() -> None:
    """Stopped it refuses connections, started again it is back at the same place with its orders."""
    sandbox = Sandbox(orders=3)
    with pytest.raises(RuntimeError, match="no port"):
        _ = sandbox.url
    assert sandbox.close_idle_connections() == 0
    with sandbox:
        url = sandbox.url
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(RuntimeError, match="running already"):
            sandbox.start()
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    with sandbox:
        assert sandbox.url == url
        assert httpx.get(url, trust_env=False).status_code == 404
        assert len(sandbox.orders) == 3


def test_stopping_leaves_no_thread_behind(desk: Any) -> None:
    """After stop the thread has ended, even with a connection open and idle."""
    desk.cancel()
    assert "bitget-sandbox" in {thread.name for thread in threading.enumerate()}
    desk.sandbox.stop()
    assert "bitget-sandbox" not in {thread.name for thread in threading.enumerate()}


def test_stopping_among_arriving_clients_leaves_nothing_open() -> None:
    """Whatever is being accepted when the sandbox stops is closed, and nothing is logged."""
    for _ in range(20):
        sandbox = Sandbox(orders=0).start()
        address = ("127.0.0.1", sandbox.port)
        lines = [socket.create_connection(address) for _ in range(10)]
        sandbox.stop()
        for line in lines:
            with line, suppress(ConnectionError):
                assert line.recv(1) == b""


def test_the_fixture_is_a_running_sandbox(bitget_sandbox: Sandbox) -> None:
    """`bitget_sandbox` listens and has open orders."""
    assert httpx.get(bitget_sandbox.url, trust_env=False).status_code == 404
    assert all(order.is_open for order in bitget_sandbox.orders.values())


def test_credentials_are_the_first_accounts() -> None:
    """They are what the client takes."""
    credentials = Sandbox(orders=0, secret_key="other").credentials
    assert credentials.api_key == "sandbox-api-key"
    assert credentials.secret_key == "other"
    assert credentials.passphrase == "sandbox-passphrase"


def test_a_client_that_leaves_before_its_body_is_no_error() -> None:
    """The request is in the ledger without an answer, and the application ends quietly."""
    exchange = Exchange()
    app = create_app(exchange, Faults(Random()))  # noqa: S311 - not a secret
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(b"access-key", b"key")],
        "server": ("127.0.0.1", 1),
        "scheme": "http",
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    asyncio.run(app(scope, receive, send))
    (arrival,) = exchange.arrivals
    assert (arrival.status, sent) == (None, [])
