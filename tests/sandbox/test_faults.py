"""The faults: what each does to the orders and to the response."""

from __future__ import annotations

import json
import threading
import time
from random import Random
from typing import Any

import httpx
import pytest
from sandbox_client import OpenClient, SandboxClient

from bitget_spot import sandbox
from bitget_spot.sandbox import FAULT_NAMES, Order, faults
from bitget_spot.sandbox.faults import Fault, Faults, parse_command_line
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_UNFILLED_ORDERS,
    REMAINING_CALLS_HEADER,
    Operation,
)

QUERIES = ((GET_UNFILLED_ORDERS, ""), (GET_HISTORY_ORDERS, ""), (GET_ORDER_INFO, "orderId=1"))
"""The operations that return orders, each with a valid query."""


def test_every_fault_is_documented() -> None:
    """The table in the docstring of the package has a row for each name."""
    documentation = sandbox.__doc__ or ""
    assert [name for name in FAULT_NAMES if name not in documentation] == []


@pytest.mark.parametrize(
    ("fault", "status", "effect"),
    [
        ("html-403", 403, False),
        ("html-429", 429, False),
        ("html-502", 502, False),
        ("html-520", 520, True),
    ],
)
def test_pages_of_the_network(client: SandboxClient, fault: str, status: int, effect: bool) -> None:
    """The response is HTML without the exchange's header; only 520 comes after the orders are cancelled."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject(fault)
    response = client.cancel(order)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.startswith("<html>")
    assert REMAINING_CALLS_HEADER not in response.headers
    assert client.is_open(order) is not effect
    (arrival,) = client.sandbox.arrivals
    assert (arrival.status, arrival.code) == (status, None)


@pytest.mark.parametrize(("fault", "text"), [("empty", ""), ("raw={}", "{}"), ("raw=", "")])
def test_other_bodies(client: SandboxClient, fault: str, text: str) -> None:
    """The response is HTTP 200 with a body that is not the envelope, after the order is cancelled."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject(fault)
    response = client.cancel(order)
    assert (response.status_code, response.text) == (200, text)
    assert not client.is_open(order)


@pytest.mark.parametrize(("fault", "effect"), [("drop-before", False), ("drop-after", True)])
def test_dropped_connections(client: SandboxClient, fault: str, effect: bool) -> None:
    """Neither the client nor the ledger has a response; the next request succeeds."""
    first, second = client.sandbox.open_orders(2)
    client.sandbox.inject(fault)
    with pytest.raises(httpx.TransportError):
        client.cancel(first)
    assert client.is_open(first) is not effect
    assert client.cancel(second).status_code == 200
    dropped, completed = client.sandbox.arrivals
    assert (dropped.status, dropped.code, dropped.order_ids) == (None, None, (first.order_id,))
    assert completed.status == 200


@pytest.mark.parametrize(
    ("fault", "status", "code", "effect"),
    [
        ("429", 429, "429", False),
        ("code=45001", 400, "45001", False),
        ("code-after=45001", 400, "45001", True),
    ],
)
def test_error_responses(client: SandboxClient, fault: str, status: int, code: str, effect: bool) -> None:
    """An error response with any code comes before or after the order is cancelled, and is in the ledger."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject(fault)
    response = client.cancel(order)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert client.is_open(order) is not effect
    (arrival,) = client.sandbox.arrivals
    assert (arrival.status, arrival.code) == (status, code)


@pytest.mark.parametrize("fault", ["429", "html-403", "html-429"])
def test_requests_stopped_by_the_network_are_not_counted(open_client: OpenClient, fault: str) -> None:
    """The one call of the budget is still available afterwards."""
    client = open_client(requests_per_second=1, timer=lambda: 0.0)
    client.sandbox.inject(fault, times=3)
    assert {client.cancel().status_code for _ in range(3)} == {429 if "429" in fault else 403}
    assert client.cancel().status_code == 400


@pytest.mark.parametrize("fault", ["drop-before", "html-502", "code=45001"])
def test_requests_that_reach_the_exchange_are_counted(open_client: OpenClient, fault: str) -> None:
    """The one call of the budget is used up afterwards, although no order was touched."""
    client = open_client(requests_per_second=1, timer=lambda: 0.0)
    client.sandbox.inject(fault)
    try:
        client.cancel()
    except httpx.TransportError:
        assert fault == "drop-before"
    assert client.cancel().status_code == 429


def cancel_with_fault(client: SandboxClient, fault: str) -> tuple[dict[str, Any], list[Order]]:
    """Cancel three open orders next to two unknown ones, and return the envelope and the open orders."""
    orders = client.sandbox.open_orders(3)
    client.sandbox.inject(fault)
    response = client.cancel(*orders, {"orderId": "111"}, {"orderId": "222"})
    assert response.status_code == 200
    assert not any(client.is_open(order) for order in orders)
    return response.json(), orders


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("null-data", None),
        ("null-lists", {"successList": None, "failureList": None}),
        ("missing-lists", {}),
    ],
)
def test_responses_without_rows(client: SandboxClient, fault: str, data: Any) -> None:
    """The code says success, and no row says what became of the orders."""
    body, _ = cancel_with_fault(client, fault)
    assert (body["code"], body["data"]) == ("00000", data)


@pytest.mark.parametrize(
    ("fault", "success", "failure"),
    [
        ("reordered", [2, 1, 0], ["222", "111"]),
        ("missing-rows", [0, 2], ["222"]),
        ("both-lists", [0, 1, 2], ["111", "222", 0, 1, 2]),
        ("foreign-rows", [0, 1, 2, "1000000000000000001"], ["111", "222", "1000000000000000002"]),
    ],
)
def test_responses_with_wrong_rows(
    client: SandboxClient, fault: str, success: list[int | str], failure: list[int | str]
) -> None:
    """Rows are in another order, missing, in both lists, or for orders that are not in the request."""
    body, orders = cancel_with_fault(client, fault)

    def order_ids(expected: list[int | str]) -> list[str]:
        return [orders[item].order_id if isinstance(item, int) else item for item in expected]

    data = body["data"]
    assert [row["orderId"] for row in data["successList"]] == order_ids(success)
    assert [row["orderId"] for row in data["failureList"]] == order_ids(failure)
    assert all(row["errorCode"] for row in data["failureList"])


def test_missing_rows_are_counted_over_both_lists(client: SandboxClient) -> None:
    """After an even number of successes the first failure is kept."""
    orders = client.sandbox.open_orders(2)
    client.sandbox.inject("missing-rows")
    data = client.cancel(*orders, {"orderId": "111"}, {"orderId": "222"}).json()["data"]
    assert [row["orderId"] for row in data["successList"]] == [orders[0].order_id]
    assert [row["orderId"] for row in data["failureList"]] == ["111"]


def test_ids_as_numbers(client: SandboxClient) -> None:
    """Every orderId is a JSON number with all of its digits; one that is not a number stays text."""
    orders = client.sandbox.open_orders(2)
    client.sandbox.inject("ids-as-numbers")
    data = client.cancel(orders[0], {"orderId": "x"}).json()["data"]
    assert data["successList"][0]["orderId"] == int(orders[0].order_id)
    assert data["failureList"][0]["orderId"] == "x"


def test_no_error_code(client: SandboxClient) -> None:
    """The failed rows have a message but no code."""
    body, _ = cancel_with_fault(client, "no-error-code")
    assert all("errorCode" not in row for row in body["data"]["failureList"])
    assert all(row["errorMsg"] for row in body["data"]["failureList"])


def test_message_key(client: SandboxClient) -> None:
    """The envelope's text is under `message`."""
    body, _ = cancel_with_fault(client, "message-key")
    assert (body["message"], "msg" in body) == ("success", False)


def test_string_request_time(client: SandboxClient) -> None:
    """The exchange's clock is text."""
    body, _ = cancel_with_fault(client, "string-request-time")
    assert isinstance(body["requestTime"], str)
    assert body["requestTime"].isdigit()


@pytest.mark.parametrize("fault", [*faults._DATA_FAULTS, *faults._ENVELOPE_FAULTS])
@pytest.mark.parametrize(("code", "per_second"), [("40020", 1), ("429", 0)])
def test_faults_of_the_data_do_not_apply_to_error_responses(
    open_client: OpenClient, fault: str, code: str, per_second: int
) -> None:
    """A request that is refused anyway has its own code, and null or missing data."""
    client = open_client(requests_per_second=per_second, timer=lambda: 0.0)
    client.sandbox.inject(fault)
    body = client.cancel().json()
    assert (body["code"], body.get("data")) == (code, None)


def test_faults_of_the_envelope_apply_to_error_responses(client: SandboxClient) -> None:
    """An error response too has `message` instead of `msg`, and `requestTime` as text."""
    client.sandbox.inject("message-key")
    client.sandbox.inject("string-request-time")
    assert client.cancel().json()["message"]
    assert isinstance(client.cancel().json()["requestTime"], str)


@pytest.mark.parametrize(("operation", "query"), QUERIES)
def test_listing_that_is_refused(client: SandboxClient, operation: Operation, query: str) -> None:
    """`list-code` makes a listing or a lookup an error response with this code."""
    client.sandbox.inject("list-code=45001")
    response = client.get(operation, query)
    assert (response.status_code, response.json()["code"]) == (400, "45001")
    assert client.get(operation, query).json()["code"] == "00000"
    assert [arrival.code for arrival in client.sandbox.arrivals] == ["45001", "00000"]


@pytest.mark.parametrize(("operation", "query"), QUERIES)
@pytest.mark.parametrize("data", ["null", "{}", "[]", '["a"]', '"text"', "7", '[{"symbol": "BTCUSDT"}]'])
def test_listing_with_other_data(client: SandboxClient, operation: Operation, query: str, data: str) -> None:
    """`list-data` makes a listing or a lookup a success with any JSON value as its `data`."""
    client.sandbox.open_orders(1)
    client.sandbox.inject(f"list-data={data}")
    response = client.get(operation, query)
    assert (response.status_code, response.json()["code"]) == (200, "00000")
    assert response.json()["data"] == json.loads(data)


def test_listing_that_is_refused_anyway_keeps_its_code(client: SandboxClient) -> None:
    """`list-data` does not turn an error into a success."""
    client.sandbox.inject("list-data=[]")
    response = client.get(GET_UNFILLED_ORDERS, "limit=0")
    assert (response.json()["code"], response.json()["data"]) == ("40017", None)


@pytest.mark.parametrize(("fault", "effect"), [("row-code=45001", False), ("row-code-after=45001", True)])
def test_every_order_fails(client: SandboxClient, fault: str, effect: bool) -> None:
    """The request is a success, and every order is in failureList with this code, before or after it is cancelled."""
    orders = client.sandbox.open_orders(2)
    client.sandbox.inject(fault)
    response = client.cancel(*orders)
    assert (response.status_code, response.json()["code"]) == (200, "00000")
    data = response.json()["data"]
    assert data["successList"] == []
    assert [row["orderId"] for row in data["failureList"]] == [order.order_id for order in orders]
    assert {row["errorCode"] for row in data["failureList"]} == {"45001"}
    assert all(row["errorMsg"] for row in data["failureList"])
    assert [client.is_open(order) for order in orders] == [not effect] * 2
    assert client.cancel(*orders).json()["code"] == ("43001" if effect else "00000")


def test_orders_that_are_gone_fail_as_usual_after_the_others_are_cancelled(client: SandboxClient) -> None:
    """`row-code-after` changes the rows of successList only."""
    orders = client.sandbox.open_orders(1)
    client.sandbox.inject("row-code-after=45001")
    data = client.cancel({"orderId": "111"}, *orders).json()["data"]
    assert [row["errorCode"] for row in data["failureList"]] == ["43001", "45001"]


@pytest.mark.parametrize("fault", ["row-code=45001", "row-code-after=45001"])
def test_batch_that_is_refused_anyway_keeps_its_code(client: SandboxClient, fault: str) -> None:
    """A request that the exchange refuses as a whole has no rows."""
    client.sandbox.inject(fault)
    assert client.cancel().json()["code"] == "40020"


def test_faults_of_one_kind_of_request_wait_for_it(client: SandboxClient) -> None:
    """They do not happen to other requests, and do not hold up the faults behind them in the queue."""
    for fault in ("list-code=1", "row-code=2", "code=3"):
        client.sandbox.inject(fault)
    orders = client.sandbox.open_orders(1)
    assert client.cancel(*orders).json()["data"]["failureList"][0]["errorCode"] == "2"
    assert client.cancel(*orders).json()["code"] == "3"
    assert client.cancel(*orders).json()["code"] == "00000"
    assert client.get(GET_ORDER_INFO, "orderId=1").json()["code"] == "1"
    assert client.get(GET_ORDER_INFO, "orderId=1").json()["code"] == "00000"


@pytest.mark.parametrize(("arguments", "expected"), [({"skip": 1}, [False, True]), ({"chance": 1}, [True, True])])
def test_only_requests_that_a_fault_can_happen_to_are_counted(arguments: dict[str, Any], expected: list[bool]) -> None:
    """`skip` and `chance` are about such requests too."""
    scripted = Faults(Random())  # noqa: S311 - not a secret
    scripted.add(Fault("list-code", "1"), **arguments)
    happened = []
    for _ in range(2):
        assert scripted.next_fault(BATCH_CANCEL_ORDERS).name == ""
        happened.append(scripted.next_fault(GET_UNFILLED_ORDERS).name == "list-code")
    assert happened == expected


def test_delay(client: SandboxClient) -> None:
    """The orders are cancelled and the ledger is written while the client is still waiting."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject("delay=0.1")
    start = time.monotonic()
    assert client.cancel(order).status_code == 200
    (arrival,) = client.sandbox.arrivals
    assert time.monotonic() - arrival.at >= 0.1
    assert arrival.at - start < 0.1


def test_delay_before(client: SandboxClient) -> None:
    """The request is counted and executed after the delay."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject("delay-before=0.1")
    start = time.monotonic()
    assert client.cancel(order).status_code == 200
    (arrival,) = client.sandbox.arrivals
    assert arrival.at - start >= 0.1


def test_stop_does_not_wait_for_late_responses(client: SandboxClient, caplog: pytest.LogCaptureFixture) -> None:
    """A request without a response is dropped at once, its task ends, and nothing is logged."""
    (order,) = client.sandbox.open_orders(1)
    client.sandbox.inject("delay=3600")
    errors: list[BaseException] = []

    def wait_for_response() -> None:
        with pytest.raises(httpx.TransportError) as caught:
            client.cancel(order)
        errors.append(caught.value)

    thread = threading.Thread(target=wait_for_response)
    thread.start()
    while client.is_open(order):
        time.sleep(0.001)
    start = time.monotonic()
    client.sandbox.stop()
    thread.join()
    assert time.monotonic() - start < 5
    assert len(errors) == 1
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_clock_skew_lasts_until_it_is_corrected(client: SandboxClient) -> None:
    """The clock in the response and the timestamp window follow the skew; 0 or clear_faults ends it."""
    client.sandbox.inject("clock-skew=-45")
    body = client.cancel({"orderId": "1"}).json()
    assert body["code"] == "40008"
    assert body["requestTime"] / 1000 == pytest.approx(time.time() - 45, abs=5)
    assert client.post({"orderList": [{"orderId": "1"}]}, age=45).json()["code"] == "43001"
    client.sandbox.inject("clock-skew=0")
    assert client.cancel({"orderId": "1"}).json()["code"] == "43001"
    client.sandbox.inject("clock-skew=45")
    client.sandbox.clear_faults()
    assert client.cancel({"orderId": "1"}).json()["code"] == "43001"


def test_faults_form_a_queue(client: SandboxClient) -> None:
    """They happen in the order of injection, `times` times, after `skip` requests have passed."""
    client.sandbox.inject("code=1", skip=1, times=2)
    client.sandbox.inject("code=2")
    codes = [client.cancel({"orderId": "1"}).json()["code"] for _ in range(5)]
    assert codes == ["43001", "1", "1", "2", "43001"]


def test_chance_is_repeatable() -> None:
    """A fault happens about as often as its chance says, and to the same requests if the seed is the same."""
    runs = []
    for seed in (1, 1, 2):
        scripted = Faults(Random(seed))  # noqa: S311 - not a secret
        scripted.add(Fault("empty"), chance=0.25)
        runs.append([scripted.next_fault(BATCH_CANCEL_ORDERS).name for _ in range(400)])
    assert runs[0] == runs[1] != runs[2]
    assert 60 < runs[0].count("empty") < 140


def test_faults_by_chance_are_next_to_the_queue() -> None:
    """A fault of the queue comes first, one by chance happens in between, and its number can be limited."""
    scripted = Faults(Random())  # noqa: S311 - not a secret
    scripted.add(Fault("empty"), chance=1, times=1)
    scripted.add(Fault("null-data"), skip=1)
    assert [scripted.next_fault(BATCH_CANCEL_ORDERS).name for _ in range(3)] == ["empty", "null-data", ""]


def test_clear_faults(client: SandboxClient) -> None:
    """After clear_faults no scripted fault happens."""
    client.sandbox.inject("429")
    client.sandbox.inject("429", chance=1)
    client.sandbox.clear_faults()
    assert client.cancel({"orderId": "1"}).json()["code"] == "43001"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("flood", r"unknown fault 'flood'; use one of 429, html-403, .*clock-skew"),
        ("drop-after=1", "the fault drop-after takes no value"),
        ("delay", "the fault delay takes a number of seconds, not ''"),
        ("delay=soon", "takes a number of seconds, not 'soon'"),
        ("delay=-1", "takes a number of seconds, not '-1'"),
        ("clock-skew=inf", "takes a number of seconds, not 'inf'"),
        ("code", "the fault code takes a value"),
        ("raw", "the fault raw takes a value"),
        ("list-code", "the fault list-code takes a value"),
        ("row-code", "the fault row-code takes a value"),
        ("row-code-after", "the fault row-code-after takes a value"),
        ("list-data", "the fault list-data takes a JSON value, not ''"),
        ("list-data=[1", r"the fault list-data takes a JSON value, not '\[1'"),
    ],
)
def test_invalid_faults(client: SandboxClient, fault: str, reason: str) -> None:
    """The error says what is wrong, and for an unknown name lists all names."""
    with pytest.raises(ValueError, match=reason):
        client.sandbox.inject(fault)


@pytest.mark.parametrize("arguments", [{"times": 0}, {"skip": -1}, {"chance": 0}, {"chance": 1.5}, {"chance": -0.5}])
def test_invalid_arguments(client: SandboxClient, arguments: dict[str, Any]) -> None:
    """The error names the argument."""
    with pytest.raises(ValueError, match=next(iter(arguments))):
        client.sandbox.inject("429", **arguments)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop-after", ("drop-after", None, None)),
        ("drop-after*3", ("drop-after", 3, None)),
        ("429@0.05", ("429", None, 0.05)),
        ("delay=2.5*2", ("delay=2.5", 2, None)),
        ("delay=.5@.1", ("delay=.5", None, 0.1)),
        ("raw=a\nb", ("raw=a\nb", None, None)),
        ('list-data=[{"orderId": 1}]*2', ('list-data=[{"orderId": 1}]', 2, None)),
        ("", ("", None, None)),
    ],
)
def test_parse_command_line(text: str, expected: tuple[str, int | None, float | None]) -> None:
    """A fault may end in *TIMES or @CHANCE."""
    assert parse_command_line(text) == expected


def test_texts_are_sent_as_utf_8(client: SandboxClient) -> None:
    """A Chinese message arrives unchanged."""
    response = client.post({}, extra={"locale": "zh-CN"})
    assert json.loads(response.content.decode("utf-8"))["msg"] == "订单列表为空"
