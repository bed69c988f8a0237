"""A listing that is not a list of orders never means that nothing is open."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Final

import pytest
from open_orders import CancelOpen
from reports import report_carried_by
from sandboxes import StartSandbox, connect_to, count_requests, still_open

from bitget_spot import Confirmed, InvalidResponseError, Report, Status, cancel_open_orders
from bitget_spot.sandbox import Order, Sandbox, handlers
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_CURRENT_PLAN_ORDERS, GET_UNFILLED_ORDERS, Operation

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_listing_intervals")

LIVE_ROW: Final = {"orderId": "1", "symbol": "BTCUSDT", "status": "live"}
MALFORMED: Final[dict[str, Any]] = {
    "null": None,
    "an object": {},
    "an object with a list": {"orderList": []},
    "text": "none",
    "a number": 0,
    "false": False,
    "a list of texts": ["1300000000000000001"],
    "a list of nulls": [None],
    "a list of lists": [[]],
    "an empty row": [{}],
    "a row without an id": [{"symbol": "BTCUSDT", "status": "live"}],
    "a row with a null id": [LIVE_ROW, {**LIVE_ROW, "orderId": None}],
    "a row with an empty id": [LIVE_ROW, {**LIVE_ROW, "orderId": ""}],
    "a row with an object as id": [{**LIVE_ROW, "orderId": {}}],
}
"""Values of `data` that are not a list of orders."""


def inject_listing(sandbox: Sandbox, data: Any, times: int = 1) -> None:
    """Let the next listings contain this `data`."""
    sandbox.inject(f"list-data={json.dumps(data)}", times=times)


def assert_all_cancelled(sandbox: Sandbox, report: Report) -> None:
    """Assert that every order of a sandbox is cancelled and reported as such."""
    assert still_open(sandbox) == []
    assert {outcome.order.order_id for outcome in report} == set(sandbox.orders)
    assert {(outcome.status, outcome.confirmed) for outcome in report} == {(Status.ACCEPTED, Confirmed.CANCELLED)}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_listing_is_sent_again(
    data: Any, start_sandbox: StartSandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """After malformed listings the kill switch lists again, cancels every order, and logs each malformed listing."""
    sandbox = start_sandbox(orders=8)
    inject_listing(sandbox, data, times=3)
    assert_all_cancelled(sandbox, cancel_open(connect_to(sandbox), kinds=["normal"]))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 3
    assert all(warning.startswith("cannot list the open normal orders: HTTP 200: ") for warning in warnings)


@pytest.mark.parametrize("data", [None, {}, ["1300000000000000001"], [{"symbol": "BTCUSDT"}]], ids=repr)
def test_a_listing_that_stays_malformed(data: Any, start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If every listing is malformed until the deadline, the kill switch raises: it does not know what is open."""
    sandbox = start_sandbox(orders=8)
    inject_listing(sandbox, data, times=10_000)
    started_at = time.monotonic()
    with pytest.raises(InvalidResponseError) as caught:
        cancel_open(connect_to(sandbox), deadline=0.3)
    assert 0.25 < time.monotonic() - started_at < 2
    assert len(report_carried_by(caught.value)) == 0
    assert count_requests(sandbox, GET_UNFILLED_ORDERS) > 2
    assert count_requests(sandbox, BATCH_CANCEL_ORDERS) == 0
    assert len(still_open(sandbox)) == 8


@pytest.mark.parametrize("operation", [GET_UNFILLED_ORDERS, GET_CURRENT_PLAN_ORDERS], ids=["normal", "plan"])
def test_a_malformed_listing_of_one_kind(
    operation: Operation, start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """While the listing of one kind is malformed, empty listings of the other kinds are no all-clear."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(2, kind="plan" if operation is GET_CURRENT_PLAN_ORDERS else "normal")
    sandbox.inject("list-data={}", times=8, operation=operation)
    assert_all_cancelled(sandbox, cancel_open(connect_to(sandbox)))


@pytest.mark.parametrize(
    "data",
    [None, [], "none", {}, {"orderList": "none"}, {"orderList": {}}, {"orderList": None}, {"orderList": [{}]}],
    ids=repr,
)
def test_a_malformed_listing_of_trigger_orders(
    data: Any, start_sandbox: StartSandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """A listing of trigger orders that is not a page of orders is asked for again, and the log says why."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(2, kind="plan")
    inject_listing(sandbox, data)
    assert_all_cancelled(sandbox, cancel_open(connect_to(sandbox), kinds=["plan"]))
    assert "cannot list the open plan orders: HTTP 200: " in caplog.text


def test_a_last_page_without_trigger_orders(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A listing of trigger orders that is null, and said to be the last page, is an empty page."""
    sandbox = start_sandbox(orders=0)
    inject_listing(sandbox, {"orderList": None, "nextFlag": False}, times=2)
    assert len(cancel_open(connect_to(sandbox), kinds=["plan"])) == 0
    assert len(sandbox.arrivals) == 2


def test_one_malformed_page(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A listing with a malformed page is not complete: the page is asked for again."""
    sandbox = start_sandbox(orders=230)
    sandbox.inject("list-data={}", skip=1)
    sandbox.inject("list-data={}", skip=2)
    assert_all_cancelled(sandbox, cancel_open(connect_to(sandbox), kinds=["normal"]))


@pytest.mark.parametrize("between", [{}, None, "none"])
def test_empty_listings_count_only_in_a_row(between: Any, start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A malformed listing between two empty ones starts the count again: two in a row mean that nothing is open."""
    sandbox = start_sandbox(orders=8)
    inject_listing(sandbox, [])
    for _ in range(2):
        inject_listing(sandbox, between)
        inject_listing(sandbox, [])
    assert_all_cancelled(sandbox, cancel_open(connect_to(sandbox), kinds=["normal"]))


def test_an_error_between_two_empty_listings(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A listing that fails between two empty ones starts the count again."""
    sandbox = start_sandbox(orders=8)
    inject_listing(sandbox, [])
    sandbox.inject("list-code=45001")
    inject_listing(sandbox, [])
    assert_all_cancelled(sandbox, cancel_open(connect_to(sandbox, max_retries=0), kinds=["normal"]))


def test_orders_between_two_empty_listings(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Orders that are listed between two empty listings start the count again."""
    sandbox = start_sandbox(orders=2)
    inject_listing(sandbox, [])
    assert_all_cancelled(sandbox, cancel_open(connect_to(sandbox), kinds=["normal"]))
    # An empty listing, the orders, two empty listings in a row.
    assert count_requests(sandbox, GET_UNFILLED_ORDERS) == 4


def test_a_malformed_listing_of_one_of_two_symbols(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """With several symbols, a malformed listing of one of them is no all-clear, even if the others are empty."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(4, symbol="ETHUSDT")
    for _ in range(4):
        # One of the two listings, which are read side by side, is malformed.
        sandbox.inject("list-data={}", skip=1)
    report = cancel_open(connect_to(sandbox), symbols=["BTCUSDT", "ETHUSDT"], kinds=["normal"])
    assert_all_cancelled(sandbox, report)


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_find_raises_for_a_malformed_listing(data: Any, start_sandbox: StartSandbox) -> None:
    """`find` raises for a malformed listing, and never returns an empty list for it."""
    sandbox = start_sandbox(orders=8)
    inject_listing(sandbox, data)
    with connect_to(sandbox, max_retries=0) as client, pytest.raises(InvalidResponseError):
        cancel_open_orders.find(client=client)


def test_nothing_but_ids_is_sent(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids that are numbers are cancelled; while a listing has a row without an id, nothing is sent for that row."""
    original_row = handlers.order_row
    sandbox = start_sandbox(orders=4)
    without_id = next(iter(sandbox.orders))
    calls: list[str] = []

    def row(order: Order) -> dict[str, Any]:
        calls.append(order.order_id)
        fields: dict[str, Any] = dict(original_row(order))
        if order.order_id == without_id and len(calls) < 10:
            del fields["orderId"]
            return fields
        return fields | {"orderId": int(order.order_id)}

    monkeypatch.setattr(handlers, "order_row", row)
    assert_all_cancelled(sandbox, cancel_open(connect_to(sandbox), cancel_by_symbol=False))
    cancels = [arrival for arrival in sandbox.arrivals if arrival.path == BATCH_CANCEL_ORDERS.path]
    assert [sorted(arrival.order_ids) for arrival in cancels] == [sorted(sandbox.orders)]
