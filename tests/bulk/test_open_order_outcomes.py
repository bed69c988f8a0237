"""The outcome of an order that the kill switch sends more than once, or that ends meanwhile."""

from __future__ import annotations

import pytest
from open_orders import CancelOpen, confirmed_by_id, count_cancels, only_once
from sandboxes import StartSandbox, connect_to
from waiting import run_when

from bitget_spot import Confirmed, Outcome, Status
from bitget_spot._bulk import open_order
from bitget_spot._bulk.accounts import ListedOrder
from bitget_spot._bulk.open_order import combined_outcome, first_seen
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_listing_intervals")


def test_an_order_that_is_rejected_twice_is_left_alone(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """After two rejections an order is not sent again, and it is reported as rejected and live."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject("row-code=45055", times=2)
    report = cancel_open(connect_to(sandbox), kinds=["normal"])
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.LIVE)
    results = [(outcome.status, outcome.code, outcome.attempts) for outcome in report]
    assert results == [(Status.REJECTED, "45055", 2)] * 2
    assert count_cancels(sandbox) == 2


def test_an_order_that_is_rejected_once_is_sent_again(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """One rejection may be temporary: the order is cancelled in the next round."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject("code=45055", skip=1)
    report = cancel_open(connect_to(sandbox), kinds=["normal"])
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    results = [(outcome.status, outcome.code, outcome.attempts) for outcome in report]
    assert results == [(Status.ACCEPTED, None, 2)] * 2


def test_a_slow_cancel_is_not_sent_again_at_once(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """The run waits for accepted cancels that are executed half a second later."""
    sandbox = start_sandbox(orders=30, cancel_delay=0.5)
    report = cancel_open(connect_to(sandbox), kinds=["normal"])
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert count_cancels(sandbox) == 1


def test_a_cancel_that_takes_too_long_is_sent_again(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancel that is not executed in time is sent again; the order stays accepted, and all attempts are counted."""
    monkeypatch.setattr(open_order, "RESEND_INTERVAL", 0.1)
    sandbox = start_sandbox(orders=3, cancel_delay=0.5)
    report = cancel_open(connect_to(sandbox), kinds=["normal"])
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert report.counts[Status.ACCEPTED] == 3
    assert count_cancels(sandbox) >= 2
    assert {outcome.attempts for outcome in report} == {count_cancels(sandbox)}


def test_an_accepted_order_stays_accepted(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An accepted order is reported as accepted, even if its second cancel finds nothing."""
    monkeypatch.setattr(open_order, "RESEND_INTERVAL", 0)
    sandbox = start_sandbox(orders=2, cancel_delay=0.2)
    sandbox.inject("code=43001", skip=3)
    report = cancel_open(connect_to(sandbox), kinds=["normal"])
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert report.counts[Status.ACCEPTED] == 2
    cancels = [arrival for arrival in sandbox.arrivals if arrival.path == BATCH_CANCEL_ORDERS.path]
    assert "43001" in {arrival.code for arrival in cancels}


def test_an_unknown_outcome_is_sent_again(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If no response says what became of a cancel, the next listing decides: an order that is still open is resent."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject("drop-before", skip=1)
    report = cancel_open(connect_to(sandbox, max_retries=0), kinds=["normal"])
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert [(outcome.status, outcome.attempts) for outcome in report] == [(Status.ACCEPTED, 2)] * 2


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (Status.UNKNOWN, Status.NOT_SENT, Status.UNKNOWN),
        (Status.REJECTED, Status.NOT_SENT, Status.REJECTED),
        (Status.UNKNOWN, Status.REJECTED, Status.UNKNOWN),
        (Status.UNKNOWN, Status.GONE, Status.GONE),
        (Status.UNKNOWN, Status.ACCEPTED, Status.ACCEPTED),
        (Status.REJECTED, Status.ACCEPTED, Status.ACCEPTED),
        (Status.ACCEPTED, Status.GONE, Status.ACCEPTED),
        (Status.ACCEPTED, Status.NOT_SENT, Status.ACCEPTED),
        (Status.NOT_SENT, Status.REJECTED, Status.REJECTED),
        (Status.GONE, Status.REJECTED, Status.UNKNOWN),
        (Status.GONE, Status.UNKNOWN, Status.UNKNOWN),
    ],
)
def test_combined_outcomes_of_two_rounds(earlier: Status, later: Status, expected: Status) -> None:
    """A sent order is never reported as not sent, and a cancel that may have been executed never as rejected."""
    order = OrderRef(symbol="BTCUSDT", order_id="1")
    outcomes = [Outcome(order, status, attempts=int(status is not Status.NOT_SENT)) for status in (earlier, later)]
    assert combined_outcome(*outcomes).status is expected

    state = first_seen(0, ListedOrder("1", symbol="BTCUSDT"))
    for outcome in outcomes:
        state.record(outcome, 0.0)
    assert state.outcome.status is expected
    assert state.outcome.attempts == outcomes[0].attempts + outcomes[1].attempts


def test_orders_that_fill_before_the_cancel_arrives(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """An order that fills between the listing and the arrival of its cancel is gone, and confirmed as filled."""
    sandbox = start_sandbox(orders=2)
    filled, other = sandbox.orders
    sandbox.inject("delay-before=0.3", skip=1)

    def is_listed() -> bool:
        return any(arrival.status for arrival in sandbox.arrivals)

    with run_when(is_listed, lambda: sandbox.fill(filled)):
        report = cancel_open(connect_to(sandbox), kinds=["normal"])
    assert confirmed_by_id(report) == {filled: Confirmed.FILLED, other: Confirmed.CANCELLED}
    statuses = {outcome.order.order_id: outcome.status for outcome in report}
    assert statuses == {filled: Status.GONE, other: Status.ACCEPTED}


def test_orders_that_fill_before_the_cancel_is_executed(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """An order that fills, wholly or partly, after its cancel was accepted is accepted and confirmed as filled."""
    sandbox = start_sandbox(orders=5, cancel_delay=0.3)
    filled, partly_filled, *others = sandbox.orders

    def fill() -> None:
        sandbox.fill(filled)
        sandbox.fill(partly_filled, partially=True)

    report = cancel_open(connect_to(sandbox), kinds=["normal"], on_progress=only_once(fill))
    assert confirmed_by_id(report) == {
        filled: Confirmed.FILLED,
        partly_filled: Confirmed.PARTLY_FILLED,
        **dict.fromkeys(others, Confirmed.CANCELLED),
    }
    assert report.counts[Status.ACCEPTED] == 5


def test_orders_that_are_opened_meanwhile(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Orders that are opened while others are being cancelled are found in the next round."""
    sandbox = start_sandbox(orders=10)
    report = cancel_open(connect_to(sandbox), kinds=["normal"], on_progress=only_once(lambda: sandbox.open_orders(7)))
    assert len(sandbox.orders) == 17
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
