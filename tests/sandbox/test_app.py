"""The sandbox over HTTP: authentication, batch cancel, rate limit, ledger, connections."""

from __future__ import annotations

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
from sandbox_client import PATH, OpenClient, SandboxClient

from bitget_spot.sandbox import Order, Sandbox
from bitget_spot.sandbox.app import create_app
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot.sandbox.faults import Faults
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, REMAINING_CALLS_HEADER

LIMIT = BATCH_CANCEL_ORDERS.rate_limit
MAX_ORDERS = BATCH_CANCEL_ORDERS.max_items["orderList"]


def rows(response: httpx.Response) -> tuple[list[Any], list[Any]]:
    """Return both lists of a successful response."""
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    return data["successList"], data["failureList"]


def error_codes(response: httpx.Response) -> list[str]:
    """Return the error codes of the failed rows."""
    return [row["errorCode"] for row in rows(response)[1]]


def connections(client: SandboxClient) -> set[Any]:
    """Return the connections that the server has open."""
    running = client.sandbox._running
    assert running is not None
    return set(running._connections)


def test_cancel_of_an_open_order(client: SandboxClient) -> None:
    """The order is in successList with both ids, in the vendor's envelope, and is cancelled."""
    (order,) = client.sandbox.open_orders(1)
    before = time.time() * 1000
    response = client.cancel(order)
    body = response.json()
    assert body["code"] == "00000"
    assert body["msg"] == "success"
    assert before - 1 <= body["requestTime"] <= time.time() * 1000
    assert rows(response) == ([{"orderId": order.order_id, "clientOid": order.client_oid}], [])
    assert client.sandbox.orders[order.order_id].status == "cancelled"


@pytest.mark.parametrize(
    ("drop", "code"),
    [
        ("ACCESS-KEY", "40001"),
        ("ACCESS-SIGN", "40002"),
        ("ACCESS-TIMESTAMP", "40003"),
        ("ACCESS-PASSPHRASE", "40011"),
    ],
)
def test_missing_headers(client: SandboxClient, drop: str, code: str) -> None:
    """A request without one of the four headers is refused with that header's code."""
    response = client.post({}, drop=drop)
    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        ({"api_key": "unknown"}, "40037"),
        ({"passphrase": "wrong"}, "40012"),
        ({"secret": "wrong"}, "40009"),
        ({"signed_query": "a=1"}, "40009"),
        ({"age": 31}, "40008"),
        ({"age": -31}, "40008"),
        ({"stamp": "now"}, "40005"),
        ({"stamp": "-1659076670000"}, "40005"),
        ({"stamp": "9" * 5000}, "40005"),
        ({"extra": {"paptrading": "1"}}, "40099"),
    ],
)
def test_wrong_credentials(client: SandboxClient, signing: dict[str, Any], code: str) -> None:
    """An error response is HTTP 400 with the envelope, its own code and null data."""
    response = client.post({"orderList": [{"orderId": "1"}]}, **signing)
    body = response.json()
    assert (response.status_code, body["code"], body["data"]) == (400, code, None)
    assert isinstance(body["requestTime"], int)


def test_demo_account_needs_the_demo_header(open_client: OpenClient) -> None:
    """A demo key is accepted with paptrading: 1 and refused with 40099 without it."""
    client = open_client(demo=True)
    order_id = next(iter(client.sandbox.orders))
    body = {"orderList": [{"orderId": order_id}]}
    assert client.post(body).json()["code"] == "40099"
    assert client.post(body, extra={"paptrading": "1"}).json()["code"] == "00000"


def test_account_with_its_own_signature_check(client: SandboxClient) -> None:
    """`verify` receives the signed bytes and the signature, and its return value decides."""
    calls: list[tuple[bytes, str]] = []
    is_valid = True

    def verify(prehash: bytes, signature: str) -> bool:
        calls.append((prehash, signature))
        return is_valid

    client.sandbox.add_account("other", "", "phrase", verify=verify)
    (order,) = client.sandbox.open_orders(1, api_key="other")
    stamp = str(int(time.time() * 1000))
    body = b'{"orderList":[{"orderId":"%s"}]}' % order.order_id.encode()

    def post() -> Any:
        response = client.post(body, api_key="other", passphrase="phrase", stamp=stamp, extra={"ACCESS-SIGN": "x"})
        return response.json()["code"]

    assert post() == "00000"
    assert calls == [(stamp.encode() + b"POST" + PATH.encode() + body, "x")]
    is_valid = False
    assert post() == "40009"


def test_orders_of_another_account_are_not_found(client: SandboxClient) -> None:
    """An order of another account cannot be cancelled by either id."""
    client.sandbox.add_account("other", "s", "p")
    (order,) = client.sandbox.open_orders(1, api_key="other")
    for item in ({"orderId": order.order_id}, {"clientOid": order.client_oid}):
        assert client.cancel(item).json()["code"] == "43001"


@pytest.mark.parametrize(("locale", "is_english"), [("en-US", True), ("en", True), ("zh-CN", False), ("", False)])
def test_locale(client: SandboxClient, locale: str, is_english: bool) -> None:
    """Messages are in English for an English locale, else in Chinese."""
    (order,) = client.sandbox.open_orders(1)
    extra = {"locale": locale}
    items = [{"orderId": order.order_id}, {"orderId": "2"}]
    (failed,) = rows(client.post({"orderList": items}, extra=extra))[1]
    refused = client.post({"orderList": []}, extra=extra).json()
    assert failed["errorMsg"].isascii() is is_english
    assert refused["msg"].isascii() is is_english


def test_unknown_code_has_a_message(client: SandboxClient) -> None:
    """An error response has a message even if the sandbox does not know its code."""
    client.sandbox.inject("code=99999")
    assert client.cancel().json()["msg"]


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
        ({"orderList": [{"orderId": str(n)} for n in range(MAX_ORDERS + 1)]}, "40912"),
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
def test_malformed_body_is_refused_as_a_whole(client: SandboxClient, body: Any, code: str) -> None:
    """Each deviation from the operation's shape has its parameter code."""
    response = client.post(body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_largest_batch_is_accepted(client: SandboxClient) -> None:
    """A batch may have as many orders as the document allows."""
    orders = client.sandbox.open_orders(MAX_ORDERS)
    assert len(rows(client.cancel(*orders))[0]) == MAX_ORDERS


def test_single_mode_uses_the_symbol_of_the_request(client: SandboxClient) -> None:
    """An order of another pair is not found, and the symbol of an item is ignored."""
    (bitcoin,) = client.sandbox.open_orders(1, symbol="BTCUSDT")
    (ether,) = client.sandbox.open_orders(1, symbol="ETHUSDT")
    items = [{"orderId": order.order_id, "symbol": "ETHUSDT"} for order in (bitcoin, ether)]
    response = client.cancel(*items, symbol="BTCUSDT", batchMode="single")
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


def test_single_mode_without_a_symbol_finds_orders_of_any_pair(client: SandboxClient) -> None:
    """A missing or empty symbol does not limit the batch to a pair."""
    orders = client.sandbox.open_orders(6)
    assert len({order.symbol for order in orders}) > 1
    assert error_codes(client.cancel(*orders[:3])) == []
    assert error_codes(client.cancel(*orders[3:], symbol="", batchMode=None)) == []


def test_multiple_mode_uses_the_symbol_of_each_item(client: SandboxClient) -> None:
    """The symbol of the request is ignored, and an order is looked up under its own."""
    right, wrong = client.sandbox.open_orders(2, symbol="BTCUSDT")
    items = [
        {"orderId": right.order_id, "symbol": "BTCUSDT"},
        {"orderId": wrong.order_id, "symbol": "ETHUSDT"},
    ]
    response = client.cancel(*items, symbol="XRPUSDT", batchMode="multiple")
    success, failure = rows(response)
    assert [row["orderId"] for row in success] == [right.order_id]
    assert [row["orderId"] for row in failure] == [wrong.order_id]


def test_orders_are_found_by_client_oid(client: SandboxClient) -> None:
    """A batch of clientOids succeeds, and the response has the orderIds."""
    orders = client.sandbox.open_orders(2)
    success, failure = rows(client.cancel(*({"clientOid": order.client_oid} for order in orders)))
    assert [row["orderId"] for row in success] == [order.order_id for order in orders]
    assert failure == []


def test_order_id_takes_precedence_over_client_oid(client: SandboxClient) -> None:
    """With both ids the orderId finds the order, and the response has the clientOid of that order."""
    right, other = client.sandbox.open_orders(2)
    item = {"orderId": right.order_id, "clientOid": other.client_oid}
    (row,) = rows(client.cancel(item))[0]
    assert row == {"orderId": right.order_id, "clientOid": right.client_oid}
    assert client.is_open(other)


def test_mixed_identifiers_fail_the_orders_with_only_a_client_oid(client: SandboxClient) -> None:
    """The other orders are cancelled, and the failed ones stay open."""
    first, second, third = client.sandbox.open_orders(3)
    both_ids = {"orderId": first.order_id, "clientOid": first.client_oid}
    response = client.cancel(both_ids, {"clientOid": second.client_oid}, third)
    success, failure = rows(response)
    assert [row["orderId"] for row in success] == [first.order_id, third.order_id]
    assert [(row["clientOid"], row["errorCode"]) for row in failure] == [(second.client_oid, "400172")]
    assert client.is_open(second)


def test_mixed_batch_of_gone_orders_is_not_refused_as_a_whole(client: SandboxClient) -> None:
    """An order that fails because of its identifier is not gone, so the response has the list of failures."""
    (order,) = client.sandbox.open_orders(1)
    response = client.cancel({"orderId": "1"}, {"clientOid": order.client_oid})
    assert error_codes(response) == ["43001", "400172"]


def test_order_without_a_client_oid(client: SandboxClient) -> None:
    """The clientOid of its row is an empty string."""
    (order,) = client.sandbox.open_orders(1, with_client_oid=False)
    assert rows(client.cancel(order))[0] == [{"orderId": order.order_id, "clientOid": ""}]


def test_gone_orders_fail_next_to_open_ones(client: SandboxClient) -> None:
    """Unknown, filled and cancelled orders fail with 43001; a partially filled one is cancelled."""
    filled, cancelled, partly, live = client.sandbox.open_orders(4)
    client.sandbox.fill(filled.order_id)
    assert client.sandbox.fill(partly.order_id, partially=True).status == "partially_filled"
    client.cancel(cancelled)
    response = client.cancel({"orderId": "1"}, filled, cancelled, partly, live)
    assert error_codes(response) == ["43001"] * 3
    assert [row["orderId"] for row in rows(response)[0]] == [partly.order_id, live.order_id]


def test_second_mention_in_a_batch_is_gone(client: SandboxClient) -> None:
    """Of an order that is in the batch twice, one cancel is received and the other fails with 43001."""
    (order,) = client.sandbox.open_orders(1)
    assert error_codes(client.cancel(order, order)) == ["43001"]


def test_batch_of_gone_orders_is_refused_as_a_whole(client: SandboxClient) -> None:
    """If no order is open, the response is one error 43001."""
    response = client.cancel({"orderId": "1"}, {"orderId": "2"})
    assert (response.status_code, response.json()["code"]) == (400, "43001")


def test_batch_of_gone_orders_as_a_list_of_failures(open_client: OpenClient) -> None:
    """With all_gone_as_refusal=False the response is a success with only failures."""
    client = open_client(all_gone_as_refusal=False)
    assert error_codes(client.cancel({"orderId": "1"}, {"orderId": "2"})) == ["43001"] * 2


@pytest.mark.parametrize("field", ["order_id", "client_oid"])
def test_refused_symbol_fails_a_batch_as_a_whole(client: SandboxClient, field: str) -> None:
    """A batch with an order of a refused pair has the code of that pair, however the order is addressed."""
    (refused,) = client.sandbox.open_orders(1, symbol="DOGEUSDT")
    (other,) = client.sandbox.open_orders(1, symbol="BTCUSDT")
    client.sandbox.refused_symbols["DOGEUSDT"] = "40309"
    names = {"order_id": "orderId", "client_oid": "clientOid"}
    items = [{names[field]: getattr(order, field)} for order in (other, refused)]
    response = client.cancel(*items)
    assert (response.status_code, response.json()["code"]) == (400, "40309")
    assert client.is_open(refused)
    assert client.is_open(other)
    assert client.cancel(items[0]).json()["code"] == "00000"
    del client.sandbox.refused_symbols["DOGEUSDT"]
    assert client.cancel(items[1]).json()["code"] == "00000"


def test_refused_symbol_of_an_unknown_order(client: SandboxClient) -> None:
    """The pair of an order that the exchange does not know is the one in the request."""
    client.sandbox.refused_symbols["DOGEUSDT"] = "40309"
    assert client.cancel({"orderId": "1"}, symbol="DOGEUSDT").json()["code"] == "40309"
    assert client.cancel({"orderId": "1"}, symbol="BTCUSDT").json()["code"] == "43001"
    assert client.cancel({"orderId": "1"}).json()["code"] == "43001"


def test_orders_look_like_those_of_the_exchange() -> None:
    """Ids have nineteen digits and are above 2**53, clientOids are unique, and there are several pairs."""
    orders = Sandbox(orders=120).orders
    assert len(orders) == 120
    assert all(len(order_id) == 19 and int(order_id) > 2**53 for order_id in orders)
    assert len({order.symbol for order in orders.values()}) > 1
    assert {order.side for order in orders.values()} == {"buy", "sell"}
    assert len({order.client_oid for order in orders.values()}) == 120
    assert all(order.c_time == order.u_time for order in orders.values())


def test_orders_of_any_pair(client: SandboxClient) -> None:
    """An order of an unknown pair has price and size 1."""
    (order,) = client.sandbox.open_orders(1, symbol="ABCUSDT")
    assert (order.symbol, order.price, order.size) == ("ABCUSDT", "1", "1")


def test_only_open_orders_can_be_filled(client: SandboxClient) -> None:
    """Filling an unknown order raises KeyError, and filling a filled one ValueError."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.fill(order.order_id)
    with pytest.raises(ValueError, match="is filled"):
        client.sandbox.fill(order.order_id)
    with pytest.raises(KeyError):
        client.sandbox.fill("1")


def test_rate_limit(open_client: OpenClient) -> None:
    """The header counts the remaining calls down to 0; one call more is refused with the short body."""
    client = open_client(orders=LIMIT.requests, timer=lambda: 0.0)
    orders = list(client.sandbox.orders.values())
    responses = [client.cancel(order) for order in orders]
    refused = client.cancel(orders[0])
    remaining = [response.headers[REMAINING_CALLS_HEADER] for response in (*responses, refused)]
    assert remaining == [str(n) for n in (*range(LIMIT.requests - 1, -1, -1), 0)]
    assert refused.status_code == 429
    assert refused.json() == {"code": "429", "msg": "Too Many Requests"}


def test_requests_with_a_wrong_signature_are_counted(open_client: OpenClient) -> None:
    """The rate limit is checked before the signature, as soon as the key is known."""
    client = open_client(requests_per_second=1, timer=lambda: 0.0)
    assert client.post({}, secret="wrong").json()["code"] == "40009"
    assert client.post({}, secret="wrong").status_code == 429


def test_requests_with_an_unknown_key_are_not_counted(open_client: OpenClient) -> None:
    """They are all refused with 40037, with a full budget."""
    client = open_client(requests_per_second=1, timer=lambda: 0.0)
    responses = [client.post({}, api_key="unknown") for _ in range(3)]
    assert [response.json()["code"] for response in responses] == ["40037"] * 3
    assert {response.headers[REMAINING_CALLS_HEADER] for response in responses} == {"1"}


def test_ledger(client: SandboxClient) -> None:
    """It has key, timestamp, orders, status and code of each request, in the order of arrival."""
    (order,) = client.sandbox.open_orders(1)
    start = time.monotonic()
    client.cancel(order, {"orderId": "2"})
    client.post({"orderList": [{"clientOid": "c"}, 5]}, age=20)
    client.post(b"?", stamp="?", drop="ACCESS-KEY")
    first, second, third = client.sandbox.arrivals
    assert start <= first.at <= second.at <= third.at <= time.monotonic()
    assert (first.method, first.path, first.api_key) == ("POST", PATH, client.sandbox.api_key)
    assert (first.status, first.code) == (200, "00000")
    assert (first.order_ids, first.order_count) == ((order.order_id, "2"), 2)
    assert first.stamp_age == pytest.approx(0, abs=5)
    assert second.stamp_age == pytest.approx(20, abs=5)
    assert (second.status, second.code, second.order_ids) == (400, "40017", ("c", ""))
    assert (third.api_key, third.stamp_age, third.order_ids) == ("", None, ())


def test_worst_window_counts_every_request(open_client: OpenClient) -> None:
    """Refused requests count too; the period and the account can be chosen."""
    client = open_client(requests_per_second=2, timer=lambda: 0.0)
    for _ in range(3):
        client.cancel()
    client.post({}, api_key="other")
    sandbox = client.sandbox
    assert sandbox.worst_window(60) == 4
    assert sandbox.worst_window(60, api_key="other") == 1
    assert sandbox.worst_window() == 4
    sandbox.reset_ledger()
    assert (sandbox.worst_window(60), sandbox.arrivals) == (0, [])


def test_half_of_the_latency_is_before_the_arrival(open_client: OpenClient) -> None:
    """A request arrives half a round trip after it was sent, and its response another half later."""
    client = open_client(latency=0.1)
    order = next(iter(client.sandbox.orders.values()))
    sent_at = time.monotonic()
    client.cancel(order)
    received_at = time.monotonic()
    (arrival,) = client.sandbox.arrivals
    assert arrival.at - sent_at >= 0.05
    assert received_at - arrival.at >= 0.05


def test_nagles_algorithm_is_off(client: SandboxClient) -> None:
    """No response on a kept connection waits for the 40 ms of a delayed acknowledgement."""
    client.cancel()
    (connection,) = connections(client)
    connected_socket = connection.transport.get_extra_info("socket")
    assert connected_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture
def pending_order(client: SandboxClient) -> Iterator[Order]:
    """Return an order whose cancel has been executed while the client is still waiting for the response."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject("delay=3600")

    def wait_for_response() -> None:
        with pytest.raises(httpx.TransportError):
            client.cancel(order)

    thread = threading.Thread(target=wait_for_response)
    thread.start()
    while client.is_open(order):
        time.sleep(0.001)
    yield order
    client.sandbox.stop()
    thread.join()


def test_requests_are_handled_side_by_side(client: SandboxClient, pending_order: Order) -> None:
    """While one response is late, another request is counted and gets its response."""
    (other,) = client.sandbox.open_orders(1)
    assert client.cancel(pending_order, other).status_code == 200
    assert [arrival.order_count for arrival in client.sandbox.arrivals] == [1, 2]


@pytest.mark.usefixtures("pending_order")
def test_connection_with_a_pending_request_is_not_idle(client: SandboxClient) -> None:
    """It stays open when close_idle_connections is called."""
    assert client.sandbox.close_idle_connections() == 0
    assert len(connections(client)) == 1


@pytest.mark.parametrize(
    ("method", "path", "locale", "text"),
    [
        ("GET", "/api/v2/public/nothing", "en-US", "There is no such operation"),
        ("GET", PATH, "en-US", "There is no such operation"),
        ("POST", PATH + "/", "", "接口不存在"),
    ],
)
def test_unknown_operation(client: SandboxClient, method: str, path: str, locale: str, text: str) -> None:
    """Another path or method is HTTP 404 with 40404 in the envelope, and is not in the ledger."""
    response = client.http.request(method, path, headers={"locale": locale})
    assert response.status_code == 404
    assert response.json() == {
        "code": "40404",
        "msg": text,
        "requestTime": response.json()["requestTime"],
        "data": None,
    }
    assert client.sandbox.arrivals == []


def test_connections_are_kept(client: SandboxClient) -> None:
    """Two requests of one client use the same connection."""
    client.cancel()
    before = connections(client)
    client.cancel()
    assert connections(client) == before
    assert len(before) == 1


def test_close_idle_connections(client: SandboxClient) -> None:
    """The idle connections are closed, and the client opens a new one for its next request."""
    with socket.create_connection(("127.0.0.1", client.sandbox.port)) as unused:
        client.cancel()
        while len(connections(client)) < 2:
            time.sleep(0.001)
        assert client.sandbox.close_idle_connections() == 2
        assert unused.recv(1) == b""
    assert connections(client) == set()
    assert client.cancel().status_code == 400


def test_keep_alive(open_client: OpenClient) -> None:
    """The exchange closes a connection that has been idle for so long."""
    client = open_client(keep_alive=0.05)
    client.cancel()
    (connection,) = connections(client)
    running = client.sandbox._running
    assert running is not None
    waiting = asyncio.run_coroutine_threadsafe(connection.gone.wait(), running._loop)
    assert waiting.result(timeout=5)


def test_sandbox_can_be_started_again() -> None:
    """Stopped, it refuses connections; started again, it has the same URL and the same orders."""
    sandbox = Sandbox(orders=3)
    with pytest.raises(RuntimeError, match="no URL before it is started"):
        _ = sandbox.url
    assert sandbox.close_idle_connections() == 0
    with sandbox:
        url = sandbox.url
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(RuntimeError, match="already running"):
            sandbox.start()
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    with sandbox:
        assert sandbox.url == url
        assert httpx.get(url, trust_env=False).status_code == 404
        assert len(sandbox.orders) == 3


def test_stop_ends_the_thread(client: SandboxClient) -> None:
    """After stop the thread has ended, even if a connection was open and idle."""
    client.cancel()
    assert "bitget-sandbox" in {thread.name for thread in threading.enumerate()}
    client.sandbox.stop()
    assert "bitget-sandbox" not in {thread.name for thread in threading.enumerate()}


def test_stop_while_clients_connect() -> None:
    """A connection that is being accepted when the sandbox stops is closed, and nothing is logged."""
    for _ in range(20):
        sandbox = Sandbox(orders=0).start()
        address = ("127.0.0.1", sandbox.port)
        connected = [socket.create_connection(address) for _ in range(10)]
        sandbox.stop()
        for connection in connected:
            with connection, suppress(ConnectionError):
                assert connection.recv(1) == b""


def test_fixture_is_a_running_sandbox(bitget_sandbox: Sandbox) -> None:
    """`bitget_sandbox` responds and has open orders."""
    assert httpx.get(bitget_sandbox.url, trust_env=False).status_code == 404
    assert all(order.is_open for order in bitget_sandbox.orders.values())


def test_credentials_are_those_of_the_first_account() -> None:
    """They can be passed to the client."""
    credentials = Sandbox(orders=0, secret_key="other").credentials
    assert credentials.api_key == "sandbox-api-key"
    assert credentials.secret_key == "other"
    assert credentials.passphrase == "sandbox-passphrase"


def test_client_that_disconnects_before_its_body_is_not_an_error() -> None:
    """The request is in the ledger without a response, and the application ends without an exception."""
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
