"""Whatever a unified exchange responds, every order has exactly one outcome, and no empty listing is made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest
from open_orders import CancelOpen, confirmed_by_id
from reports import status_counts
from sandboxes import StartSandbox, call, connect_to, count_requests, still_open

from bitget_spot import Confirmed, Credentials, InvalidResponseError, Report, Status, cancel_orders, connect
from bitget_spot._bulk import confirmation
from bitget_spot._bulk.accounts import Account, account_of
from bitget_spot._bulk.accounts.unified import WINDOW, UnifiedAccount, Window
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.models import (
    OrderRef,
    UnifiedOrder,
    UnifiedOrderPage,
    UnifiedOrderResponse,
    UnifiedOrdersResponse,
    UnifiedStrategyOrderPageResponse,
    UnifiedStrategyOrdersResponse,
)
from bitget_spot_api.operations import CANCEL_UNIFIED_SYMBOL_ORDERS, GET_UNIFIED_UNFILLED_ORDERS

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_rate_limit_pauses", "short_listing_intervals")

UNIFIED: Final[Account] = account_of("unified", "SPOT")
FUTURES: Final[Account] = account_of("unified", "USDT-FUTURES")
ACCEPTED_ROW: Final = {"orderId": "1", "clientOid": "", "code": "0", "msg": ""}
BODIES: Final[dict[str, str]] = {
    "empty": "",
    "not JSON": "<html></html>",
    "null": "null",
    "a list": "[]",
    "a number": "0",
    "no data": '{"code":"00000","msg":"success","requestTime":1}',
    "another code": '{"code":"0","msg":"success","requestTime":1,"data":[]}',
    "no code": '{"msg":"success","data":[]}',
    "a code that is a number": '{"code":0,"msg":"success","data":[]}',
    "deeply nested": "[" * 100_000,
    "unpaired surrogates": '{"code":"\\ud800","msg":"\\udfff","data":null}',
    "half a body": '{"code":"00000","msg":"success","requestTime":1,"data":[{"orderId":"1"',
}
"""Bodies of responses that are no success with data."""
DATA: Final[dict[str, Any]] = {
    "null": None,
    "text": "done",
    "a number": 1,
    "true": True,
    "an empty list": [],
    "an object": {},
    "an object with a list": {"list": [ACCEPTED_ROW]},
    "a list in a list": [[ACCEPTED_ROW]],
    "rows of null": [None, None, None],
    "rows of text": ["1", "2", "3"],
    "empty rows": [{}, {}, {}],
    "rows without ids": [{"code": "0", "msg": ""}] * 3,
    "rows with null ids": [{"orderId": None, "clientOid": None, "code": None}] * 3,
    "an id that is an object": [{"orderId": {"id": "1"}, "code": "0"}],
    "an id that is a number": [{"orderId": 1}],
    "foreign rows": [{"orderId": "999", "code": "0"}, {"orderId": "998", "code": "25204"}],
    "more rows than orders": [ACCEPTED_ROW] * 50,
    "both kinds of rows": [ACCEPTED_ROW, {**ACCEPTED_ROW, "code": "25204", "msg": "gone"}],
    "a code that is an object": [{**ACCEPTED_ROW, "code": {"code": "0"}}],
    "a message that is a list": [{**ACCEPTED_ROW, "code": "25114", "msg": ["no"]}],
    "a deeply nested row": [{**ACCEPTED_ROW, "msg": json.loads("[" * 500 + "]" * 500)}],
    "escape sequences": [{**ACCEPTED_ROW, "code": "\x1b[2J", "msg": "\x1b]0;x\x07"}],
    "classic lists": {"successList": [{"orderId": "1"}], "failureList": []},
}
"""Values of `data` in a success that are not what the document describes, or say nothing about some orders."""


def client_with(content: str, status: int = 200) -> SpotClient:
    """Return a client of a unified account to which every request gets this response, without retries."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content.encode()))
    return connect(
        Credentials("a", "b", "c"),
        transport=transport,
        rate_limit_store=MemoryStore(),
        max_retries=0,
        account_type="unified",
    )


def cancel_three(mode: str, client: SpotClient) -> Report:
    """Cancel the orders 1, 2 and 3."""
    orders = [OrderRef(order_id=str(number), symbol="BTCUSDT") for number in (1, 2, 3)]
    report: Report = call(mode, cancel_orders, client, orders=orders)
    assert [outcome.order for outcome in report] == orders
    return report


def envelope(data: Any) -> str:
    """Return the body of a success with this `data`."""
    return json.dumps({"code": "00000", "msg": "success", "requestTime": 1, "data": data})


@pytest.mark.parametrize("status", [200, 502])
@pytest.mark.parametrize("content", BODIES.values(), ids=BODIES)
def test_bodies_of_every_shape(content: str, status: int, mode: str) -> None:
    """A response that is not a success is never accepted; every order has one outcome."""
    report = cancel_three(mode, client_with(content, status))
    assert len(report) == 3
    assert set(status_counts(report)) <= {Status.UNKNOWN, Status.REJECTED}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_data_of_every_shape(data: Any, mode: str) -> None:
    """Only an order with a row of its own can be accepted; every other order is unknown."""
    report = cancel_three(mode, client_with(envelope(data)))
    assert len(report) == 3
    assert [outcome.status for outcome in report.outcomes[1:]] == [Status.UNKNOWN] * 2
    for outcome in report:
        for text in (outcome.code, outcome.message):
            assert text is None or text.isprintable()


def test_a_code_that_is_an_object_is_not_a_success(mode: str) -> None:
    """A row whose code is neither missing nor that of a success is not accepted."""
    report = cancel_three(mode, client_with(envelope(DATA["a code that is an object"])))
    assert report.outcomes[0].status is Status.REJECTED


@pytest.mark.parametrize(
    ("fault", "allowed"),
    [
        ("null-data", {Status.UNKNOWN}),
        ("null-lists", {Status.UNKNOWN}),
        ("missing-lists", {Status.UNKNOWN}),
        ("reordered", {Status.ACCEPTED}),
        ("missing-rows", {Status.ACCEPTED, Status.UNKNOWN}),
        ("both-lists", {Status.GONE}),
        ("foreign-rows", {Status.ACCEPTED}),
        ("ids-as-numbers", {Status.ACCEPTED}),
        ("message-key", {Status.ACCEPTED}),
        ("string-request-time", {Status.ACCEPTED}),
        ("html-520", {Status.UNKNOWN, Status.GONE}),
        ("empty", {Status.UNKNOWN, Status.GONE}),
        ("drop-after", {Status.UNKNOWN, Status.GONE}),
    ],
)
def test_faults_of_the_sandbox(fault: str, allowed: set[Status], mode: str, start_sandbox: StartSandbox) -> None:
    """The faults of the rows have the same meaning for a unified account as for a classic one."""
    sandbox = start_sandbox(orders=40, account_type="unified")
    sandbox.inject(fault, times=2)
    orders = [OrderRef(order_id=order.order_id, symbol=order.symbol) for order in sandbox.orders.values()]
    client = connect_to(sandbox, max_retries=0, account_type="unified")
    report: Report = call(mode, cancel_orders, client, orders=orders)
    assert len(report) == 40
    assert set(status_counts(report)) <= allowed


MALFORMED_PAGES: Final[dict[str, Any]] = {
    "null": None,
    "a list": [],
    "text": "none",
    "an empty object": {},
    "a list that is missing": {"cursor": None},
    "a list that is an object": {"list": {}, "cursor": None},
    "a list that is text": {"list": "none", "cursor": None},
    "null and a cursor": {"list": None, "cursor": "5"},
    "an empty list and a cursor": {"list": [], "cursor": "5"},
    "a row without an id": {"list": [{"symbol": "BTCUSDT"}], "cursor": None},
    "a row of null": {"list": [None], "cursor": None},
    "a row of text": {"list": ["1"], "cursor": None},
}
"""Values of `data` that are not a page of orders."""


@pytest.mark.parametrize("data", MALFORMED_PAGES.values(), ids=MALFORMED_PAGES)
def test_a_malformed_listing_is_sent_again(
    data: Any, start_sandbox: StartSandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """After malformed listings the kill switch lists again, and cancels every order."""
    sandbox = start_sandbox(orders=8, account_type="unified")
    sandbox.inject(f"list-data={json.dumps(data)}", times=3)
    report = cancel_open(connect_to(sandbox, account_type="unified"), cancel_by_symbol=False)
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert {outcome.status for outcome in report} == {Status.ACCEPTED}
    assert caplog.text.count("cannot list the open normal orders: ") == 3


@pytest.mark.parametrize("data", MALFORMED_PAGES.values(), ids=MALFORMED_PAGES)
def test_a_malformed_page_is_never_empty(data: Any) -> None:
    """A success that is not a page of orders with ids is an InvalidResponseError, and never an empty page."""
    fields = {"code": "00000", "msg": "success", "requestTime": 1, "data": data}
    response: Any = UnifiedOrdersResponse.from_dict(fields) if isinstance(data, dict | None) else data
    with pytest.raises(InvalidResponseError):
        UNIFIED.read_page("normal", response, None)


@pytest.mark.parametrize("rows", [None, []])
def test_an_empty_page(rows: Any) -> None:
    """A list that is null or empty, without a cursor, is a complete, empty page."""
    page = UNIFIED.read_page("normal", UnifiedOrdersResponse(data=UnifiedOrderPage(list_=rows, cursor=None)), None)
    assert (page.orders, page.next_position) == ([], None)


def test_a_cursor_that_repeats() -> None:
    """A page whose cursor is the one that it was asked for with is malformed: the listing would not end."""
    response = UnifiedOrdersResponse(data=UnifiedOrderPage(list_=[UnifiedOrder(order_id="1")], cursor="5"))
    assert UNIFIED.read_page("normal", response, "4").next_position == "5"
    with pytest.raises(InvalidResponseError, match="the cursor of a page is the one that it was asked for with"):
        UNIFIED.read_page("normal", response, "5")


def test_pages_of_a_window() -> None:
    """The next page of a window of time has the same window; three windows of 30 days follow one another."""
    account = UnifiedAccount(clock=lambda: 1_800_000_000.0)
    first, second, third, fourth = (account.older_position(number) for number in range(4))
    assert isinstance(first, Window)
    assert isinstance(second, Window)
    assert isinstance(third, Window)
    assert fourth is None
    assert (first.start, second.start) == (second.end, third.end)
    assert {window.end - window.start for window in (first, second, third)} == {WINDOW}
    response = UnifiedOrdersResponse(data=UnifiedOrderPage(list_=[UnifiedOrder(order_id="1")], cursor="5"))
    position = account.read_page("normal", response, first).next_position
    assert position == Window(first.start, first.end, "5")
    arguments = account.list_orders("finished", "normal", None, position).arguments
    assert (arguments["start_time"], arguments["end_time"], arguments["cursor"]) == (first.start, first.end, "5")
    with pytest.raises(InvalidResponseError):
        account.read_page("normal", response, position)


@pytest.mark.parametrize("response", [None, "text", [], UnifiedOrdersResponse(), UnifiedStrategyOrdersResponse()])
def test_a_result_that_is_not_a_page(response: object) -> None:
    """Whatever else the generated function returns is an InvalidResponseError."""
    for account, kind in ((UNIFIED, "normal"), (FUTURES, "tpsl")):
        with pytest.raises(InvalidResponseError):
            account.read_page(kind, response, None)  # type: ignore[arg-type]  # both are kinds


@pytest.mark.parametrize("response", [None, "text", [], UnifiedOrdersResponse()])
def test_a_result_that_is_not_an_order(response: object) -> None:
    """A lookup that returns something else is an InvalidResponseError; without an order it is an empty list."""
    with pytest.raises(InvalidResponseError):
        UNIFIED.read_looked_up(response)


@pytest.mark.parametrize("data", [None, UnifiedOrder()])
def test_an_order_that_is_not_found(data: Any) -> None:
    """A lookup without data, or with an empty object, has found nothing."""
    assert UNIFIED.read_looked_up(UnifiedOrderResponse(data=data)) == []


def test_a_page_of_strategy_orders() -> None:
    """Finished strategy orders have pages; the open ones have not."""
    row = {"orderId": "1", "symbol": "BTCUSDT", "posSide": "long", "triggerType": "takeProfit"}
    fields = {"code": "00000", "msg": "success", "requestTime": 1}
    finished = UnifiedStrategyOrderPageResponse.from_dict({**fields, "data": {"list": [row], "cursor": "7"}})
    page = FUTURES.read_page("tpsl", finished, None)
    assert (page.orders[0].confirmed, page.orders[0].side, page.next_position) == (Confirmed.TRIGGERED, "sell", "7")
    current = UnifiedStrategyOrdersResponse.from_dict({**fields, "data": [row]})
    page = FUTURES.read_page("tpsl", current, None)
    assert (page.orders[0].confirmed, page.orders[0].kind, page.next_position) == (Confirmed.LIVE, "tpsl", None)


@pytest.mark.parametrize(
    "method",
    [
        lambda account: account.cancel_plan_symbols(["BTCUSDT"]),
        lambda account: account.position_of(5),
    ],
)
def test_what_a_unified_account_does_not_have(method: Callable[[Account], object]) -> None:
    """A unified account has neither trigger orders nor pages that begin at an id."""
    with pytest.raises(NotImplementedError):
        method(UNIFIED)


def test_what_a_classic_account_does_not_have() -> None:
    """The listing of a classic account shows all finished orders that the exchange keeps: there are no windows."""
    assert account_of("classic", "SPOT").older_position(0) is None


@pytest.mark.parametrize("fault", ["null-data", "null-lists", "missing-lists", "missing-rows", "foreign-rows"])
def test_the_cancel_of_a_category_with_strange_rows(
    fault: str, start_sandbox: StartSandbox, cancel_open: CancelOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report has the orders of the exchange and no others, whatever the rows of the cancel look like."""
    # A foreign row is searched for in vain.
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 0.2)
    sandbox: Sandbox = start_sandbox(orders=40, account_type="unified")
    sandbox.inject(fault, operation=CANCEL_UNIFIED_SYMBOL_ORDERS)
    report = cancel_open(connect_to(sandbox, account_type="unified"))
    assert still_open(sandbox) == []
    confirmed = confirmed_by_id(report)
    assert set(sandbox.orders) <= set(confirmed)
    assert {confirmed[order_id] for order_id in sandbox.orders} == {Confirmed.CANCELLED}
    assert count_requests(sandbox, GET_UNIFIED_UNFILLED_ORDERS) >= 2
