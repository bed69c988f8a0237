"""The faults: what each one does to the orders and to the answer."""

import json
import threading
import time
from random import Random
from typing import Any

import httpx
import pytest

from bitget_spot import sandbox
from bitget_spot.sandbox import FAULT_NAMES, faults
from bitget_spot.sandbox.faults import Fault, Faults, parse_command_line
from bitget_spot_api.operations import REMAINING_CALLS_HEADER


def is_open(desk: Any, order: Any) -> bool:
    """Answer whether the order is still open."""
    return bool(desk.sandbox.orders[order.order_id].is_open)


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
def test_pages_of_the_network_in_front(desk: Any, fault: str, status: int, effect: bool) -> None:
    """The answer is HTML without the exchange's header; only 520 comes after the effect."""
    (order,) = desk.sandbox.open_orders(1)
    desk.sandbox.inject(fault)
    response = desk.cancel(order)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.startswith("<html>")
    assert REMAINING_CALLS_HEADER not in response.headers
    assert is_open(desk, order) is not effect
    (arrival,) = desk.sandbox.arrivals
    assert (arrival.status, arrival.code) == (status, None)


@pytest.mark.parametrize(("fault", "text"), [("empty", ""), ("raw={}", "{}"), ("raw=", "")])
def test_bodies_that_are_not_the_envelope(desk: Any, fault: str, text: str) -> None:
    """HTTP 200 with another body, after the effect."""
    (order,) = desk.sandbox.open_orders(1)
    desk.sandbox.inject(fault)
    response = desk.cancel(order)
    assert (response.status_code, response.text) == (200, text)
    assert not is_open(desk, order)


@pytest.mark.parametrize(("fault", "effect"), [("drop-before", False), ("drop-after", True)])
def test_dropped_connections(desk: Any, fault: str, effect: bool) -> None:
    """The client gets no answer, and the ledger has none either; the next request goes through."""
    first, second = desk.sandbox.open_orders(2)
    desk.sandbox.inject(fault)
    with pytest.raises(httpx.TransportError):
        desk.cancel(first)
    assert is_open(desk, first) is not effect
    assert desk.cancel(second).status_code == 200
    dropped, answered = desk.sandbox.arrivals
    assert (dropped.status, dropped.code, dropped.order_ids) == (None, None, (first.order_id,))
    assert answered.status == 200


@pytest.mark.parametrize(
    ("fault", "status", "code", "effect"),
    [
        ("429", 429, "429", False),
        ("code=45001", 400, "45001", False),
        ("code-after=45001", 400, "45001", True),
    ],
)
def test_refusals_on_demand(desk: Any, fault: str, status: int, code: str, effect: bool) -> None:
    """A refusal with any code, without or after the effect, and in the ledger."""
    (order,) = desk.sandbox.open_orders(1)
    desk.sandbox.inject(fault)
    response = desk.cancel(order)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert is_open(desk, order) is not effect
    (arrival,) = desk.sandbox.arrivals
    assert (arrival.status, arrival.code) == (status, code)


@pytest.mark.parametrize("fault", ["429", "html-403", "html-429"])
def test_what_is_stopped_in_front_is_not_counted(open_desk: Any, fault: str) -> None:
    """The one call of the budget is still there afterwards."""
    desk = open_desk(requests_per_second=1, timer=lambda: 0.0)
    desk.sandbox.inject(fault, times=3)
    assert {desk.cancel().status_code for _ in range(3)} == {429 if "429" in fault else 403}
    assert desk.cancel().status_code == 400


@pytest.mark.parametrize("fault", ["drop-before", "html-502", "code=45001"])
def test_what_reaches_the_exchange_is_counted(open_desk: Any, fault: str) -> None:
    """The one call of the budget is gone afterwards, though no order was touched."""
    desk = open_desk(requests_per_second=1, timer=lambda: 0.0)
    desk.sandbox.inject(fault)
    try:
        desk.cancel()
    except httpx.TransportError:
        assert fault == "drop-before"
    assert desk.cancel().status_code == 429


def spoil(desk: Any, fault: str) -> tuple[Any, Any]:
    """Cancel three open orders beside two unknown ones; answer the envelope and the orders."""
    orders = desk.sandbox.open_orders(3)
    desk.sandbox.inject(fault)
    response = desk.cancel(*orders, {"orderId": "111"}, {"orderId": "222"})
    assert response.status_code == 200
    assert not any(is_open(desk, order) for order in orders)
    return response.json(), orders


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("null-data", None),
        ("null-lists", {"successList": None, "failureList": None}),
        ("missing-lists", {}),
    ],
)
def test_answers_without_rows(desk: Any, fault: str, data: Any) -> None:
    """The code says success, and no row says what became of the orders."""
    body, _ = spoil(desk, fault)
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
def test_answers_with_the_wrong_rows(desk: Any, fault: str, success: Any, failure: Any) -> None:
    """Rows in another order, left out, told twice, or of orders never asked for."""
    body, orders = spoil(desk, fault)

    def ids(expected: Any) -> list[str]:
        return [orders[e].order_id if isinstance(e, int) else e for e in expected]

    data = body["data"]
    assert [row["orderId"] for row in data["successList"]] == ids(success)
    assert [row["orderId"] for row in data["failureList"]] == ids(failure)
    assert all(row["errorCode"] for row in data["failureList"])


def test_missing_rows_count_over_both_lists(desk: Any) -> None:
    """After an even number of successes the first failure is kept."""
    orders = desk.sandbox.open_orders(2)
    desk.sandbox.inject("missing-rows")
    data = desk.cancel(*orders, {"orderId": "111"}, {"orderId": "222"}).json()["data"]
    assert [row["orderId"] for row in data["successList"]] == [orders[0].order_id]
    assert [row["orderId"] for row in data["failureList"]] == ["111"]


def test_ids_as_numbers(desk: Any) -> None:
    """Every orderId is a JSON number with all of its digits; an empty one stays text."""
    orders = desk.sandbox.open_orders(2)
    desk.sandbox.inject("ids-as-numbers")
    data = desk.cancel(orders[0], {"orderId": "x"}).json()["data"]
    assert data["successList"][0]["orderId"] == int(orders[0].order_id)
    assert data["failureList"][0]["orderId"] == "x"


def test_no_error_code(desk: Any) -> None:
    """The failed rows have a text and no code."""
    body, _ = spoil(desk, "no-error-code")
    assert all("errorCode" not in row for row in body["data"]["failureList"])
    assert all(row["errorMsg"] for row in body["data"]["failureList"])


def test_message_key(desk: Any) -> None:
    """The envelope's text lies under `message`."""
    body, _ = spoil(desk, "message-key")
    assert (body["message"], "msg" in body) == ("success", False)


def test_string_request_time(desk: Any) -> None:
    """The clock is told as text."""
    body, _ = spoil(desk, "string-request-time")
    assert isinstance(body["requestTime"], str)
    assert body["requestTime"].isdigit()


@pytest.mark.parametrize("fault", [*faults._SPOILED_DATA, *faults._SPOILED_FIELD])
@pytest.mark.parametrize(("code", "per_second"), [("40020", 1), ("429", 0)])
def test_a_refusal_has_no_lists_to_spoil(open_desk: Any, fault: str, code: str, per_second: int) -> None:
    """A request that is refused anyway has the same code and null or missing data under every such fault."""
    desk = open_desk(requests_per_second=per_second, timer=lambda: 0.0)
    desk.sandbox.inject(fault)
    body = desk.cancel().json()
    assert (body["code"], body.get("data")) == (code, None)


def test_envelopes_of_refusals_are_spoiled_too(desk: Any) -> None:
    """Old answers have `message`, and clocks as text, on refusals as well."""
    desk.sandbox.inject("message-key")
    desk.sandbox.inject("string-request-time")
    assert desk.cancel().json()["message"]
    assert isinstance(desk.cancel().json()["requestTime"], str)


def test_a_late_answer_comes_after_the_effect(desk: Any) -> None:
    """With delay the orders are cancelled and the ledger written while the client still waits."""
    (order,) = desk.sandbox.open_orders(1)
    desk.sandbox.inject("delay=0.1")
    start = time.monotonic()
    assert desk.cancel(order).status_code == 200
    (arrival,) = desk.sandbox.arrivals
    assert time.monotonic() - arrival.at >= 0.1
    assert arrival.at - start < 0.1


def test_a_delay_before_puts_off_counting_and_effect(desk: Any) -> None:
    """With delay-before the request arrives late."""
    (order,) = desk.sandbox.open_orders(1)
    desk.sandbox.inject("delay-before=0.1")
    start = time.monotonic()
    assert desk.cancel(order).status_code == 200
    (arrival,) = desk.sandbox.arrivals
    assert arrival.at - start >= 0.1


def test_stopping_does_not_wait_for_late_answers(desk: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A request under way is dropped at once, its task ends, and nothing is logged."""
    (order,) = desk.sandbox.open_orders(1)
    desk.sandbox.inject("delay=3600")
    failures: list[BaseException] = []

    def wait() -> None:
        with pytest.raises(httpx.TransportError) as caught:
            desk.cancel(order)
        failures.append(caught.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while is_open(desk, order):
        time.sleep(0.001)
    start = time.monotonic()
    desk.sandbox.stop()
    waiting.join()
    assert time.monotonic() - start < 5
    assert len(failures) == 1
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_a_skewed_clock_lasts_until_it_is_set_right(desk: Any) -> None:
    """The answer's clock and the window follow the skew; 0 or clear_faults ends it."""
    desk.sandbox.inject("clock-skew=-45")
    body = desk.cancel({"orderId": "1"}).json()
    assert body["code"] == "40008"
    assert body["requestTime"] / 1000 == pytest.approx(time.time() - 45, abs=5)
    assert desk.post({"orderList": [{"orderId": "1"}]}, age=45).json()["code"] == "43001"
    desk.sandbox.inject("clock-skew=0")
    assert desk.cancel({"orderId": "1"}).json()["code"] == "43001"
    desk.sandbox.inject("clock-skew=45")
    desk.sandbox.clear_faults()
    assert desk.cancel({"orderId": "1"}).json()["code"] == "43001"


def test_faults_queue_up(desk: Any) -> None:
    """They happen in the order of injection, as often as told, after as many as told went by."""
    desk.sandbox.inject("code=1", skip=1, times=2)
    desk.sandbox.inject("code=2")
    seen = [desk.cancel({"orderId": "1"}).json()["code"] for _ in range(5)]
    assert seen == ["43001", "1", "1", "2", "43001"]


def test_chance_repeats_with_the_seed() -> None:
    """A fault by chance strikes about as often as told, and the same seed strikes the same requests."""
    runs = []
    for seed in (1, 1, 2):
        faults = Faults(Random(seed))  # noqa: S311 - not a secret
        faults.add(Fault("empty"), chance=0.25)
        runs.append([faults.draw().name for _ in range(400)])
    assert runs[0] == runs[1] != runs[2]
    assert 60 < runs[0].count("empty") < 140


def test_chance_lies_beside_the_queue() -> None:
    """A queued fault comes first, one by chance in between, and its number can be limited."""
    faults = Faults(Random())  # noqa: S311 - not a secret
    faults.add(Fault("empty"), chance=1, times=1)
    faults.add(Fault("null-data"), skip=1)
    assert [faults.draw().name for _ in range(3)] == ["empty", "null-data", ""]


def test_planned_faults_can_be_dropped(desk: Any) -> None:
    """After clear_faults nothing happens any more."""
    desk.sandbox.inject("429")
    desk.sandbox.inject("429", chance=1)
    desk.sandbox.clear_faults()
    assert desk.cancel({"orderId": "1"}).json()["code"] == "43001"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("flood", r"unknown fault 'flood'; there are 429, html-403, .*clock-skew"),
        ("drop-after=1", "takes no value"),
        ("delay", "number of seconds"),
        ("delay=soon", "number of seconds"),
        ("delay=-1", "number of seconds"),
        ("clock-skew=inf", "number of seconds"),
        ("code", "takes a value"),
        ("raw", "takes a value"),
    ],
)
def test_unusable_faults_are_told(desk: Any, fault: str, reason: str) -> None:
    """The error names what is wrong, and for an unknown name all that there are."""
    with pytest.raises(ValueError, match=reason):
        desk.sandbox.inject(fault)


@pytest.mark.parametrize("numbers", [{"times": 0}, {"skip": -1}, {"chance": 0}, {"chance": 1.5}, {"chance": -0.5}])
def test_unusable_numbers_are_told(desk: Any, numbers: Any) -> None:
    """The error names the argument."""
    with pytest.raises(ValueError, match=next(iter(numbers))):
        desk.sandbox.inject("429", **numbers)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("drop-after", ("drop-after", None, None)),
        ("drop-after*3", ("drop-after", 3, None)),
        ("429@0.05", ("429", None, 0.05)),
        ("delay=2.5*2", ("delay=2.5", 2, None)),
        ("delay=.5@.1", ("delay=.5", None, 0.1)),
        ("raw=a\nb", ("raw=a\nb", None, None)),
        ("", ("", None, None)),
    ],
)
def test_command_line_spelling(text: str, meaning: Any) -> None:
    """A fault may end in *TIMES or @CHANCE."""
    assert parse_command_line(text) == meaning


def test_chinese_survives_the_wire(desk: Any) -> None:
    """Texts are sent as UTF-8."""
    response = desk.post({}, extra={"locale": "zh-CN"})
    assert json.loads(response.content.decode("utf-8"))["msg"] == "订单列表为空"
