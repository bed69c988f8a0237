"""The kill switch does not give up: what it outlasts, what ends it, and when it stops trying."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from functools import partial
from typing import Final

import httpx
import pytest
from open_orders import CancelOpen
from reports import pickled, report_carried_by, status_counts
from sandboxes import StartSandbox, call, connect_to, still_open
from virtual_time import (
    RunVirtually,
    StartVirtualSandbox,
    run_in_virtual_time,
    start_with_virtual_time,
)
from waiting import run_when

from bitget_spot import (
    ApiError,
    AuthenticationError,
    BitgetError,
    Confirmed,
    DeadlineExceeded,
    InvalidParameterError,
    InvalidResponseError,
    NetworkError,
    PermissionDeniedError,
    RateLimitedError,
    Report,
    Status,
    SystemBusyError,
    WrongEnvironmentError,
    cancel_open_orders,
    cancel_orders,
)
from bitget_spot._bulk.accounts import ListedOrder
from bitget_spot._bulk.listing import FIRST_PAUSE, MAX_PAUSE
from bitget_spot._bulk.open_order import CANCEL_TIMEOUT, MAX_CANCELS
from bitget_spot._bulk.open_orders import LISTING_INTERVAL
from bitget_spot._bulk.report import Kind
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_PLAN_ORDERS,
    CANCEL_ORDER,
    CANCEL_PLAN_ORDER,
)

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_rate_limit_pauses")


def batch_sizes(sandbox: Sandbox) -> list[int]:
    """Return how many orders each batch cancel had, in the order of arrival."""
    return [arrival.order_count for arrival in sandbox.arrivals if arrival.path == BATCH_CANCEL_ORDERS.path]


def assert_all_cancelled(sandbox: Sandbox, report: Report) -> None:
    """Assert that no order is open, and that the report confirms it for every order."""
    assert still_open(sandbox) == []
    assert {outcome.order.order_id for outcome in report} == set(sandbox.orders)
    assert {outcome.confirmed for outcome in report} == {Confirmed.CANCELLED}


@pytest.fixture
def run_virtually(mode: str) -> RunVirtually:
    """Return a function that runs the kill switch in virtual time, in this thread or in a task."""
    return partial(run_in_virtual_time, mode)


@pytest.fixture
def start_virtual_sandbox(start_sandbox: StartSandbox) -> StartVirtualSandbox:
    """Return a function that starts a sandbox whose cancels are executed in virtual time."""
    return partial(start_with_virtual_time, start_sandbox)


TEMPORARY_FAULTS: Final[dict[str, type[BitgetError]]] = {
    "list-code=45001": SystemBusyError,
    "list-code=40010": SystemBusyError,
    "list-code=429": RateLimitedError,
    "list-code=40808": InvalidParameterError,
    "list-code=40008": ApiError,
    "list-code=99999": ApiError,
    "list-data={}": InvalidResponseError,
    "html-502": InvalidResponseError,
    "html-403": InvalidResponseError,
    "html-429": InvalidResponseError,
    "empty": InvalidResponseError,
    "429": RateLimitedError,
    "drop-before": NetworkError,
    "drop-after": NetworkError,
}
"""Faults of a listing that may be gone later, and the exception that each is."""


@pytest.mark.parametrize("fault", TEMPORARY_FAULTS)
def test_listings_that_fail_for_a_while(
    fault: str,
    start_virtual_sandbox: StartVirtualSandbox,
    run_virtually: RunVirtually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Listings that fail for five seconds are sent again with growing pauses; each error is logged."""
    sandbox, virtual_time = start_virtual_sandbox(orders=4)
    sandbox.inject(fault, times=10_000)
    virtual_time.scheduled = [(5.0, sandbox.clear_faults)]
    assert_all_cancelled(sandbox, run_virtually(sandbox, virtual_time))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    for warning in warnings:
        assert warning.startswith("cannot list the open normal orders: ")
        assert warning.endswith("; trying again")
    pauses = virtual_time.pauses[: len(warnings)]
    expected = [FIRST_PAUSE * 2**number for number in range(len(warnings))]
    assert pauses == pytest.approx([min(pause, MAX_PAUSE) for pause in expected])
    assert 5.0 <= sum(pauses) < 5.0 + MAX_PAUSE


@pytest.mark.parametrize("fault", TEMPORARY_FAULTS)
def test_listings_that_fail_until_the_deadline(
    fault: str, start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """If no listing succeeds before the deadline, the last error of a listing is raised, with an empty report."""
    sandbox, virtual_time = start_virtual_sandbox(orders=4)
    sandbox.inject(fault, times=10_000)
    with pytest.raises(TEMPORARY_FAULTS[fault]) as caught:
        run_virtually(sandbox, virtual_time, deadline=20)
    assert virtual_time.now == pytest.approx(20)
    assert len(report_carried_by(caught.value)) == 0
    assert len(still_open(sandbox)) == 4
    assert len(report_carried_by(pickled(caught.value))) == 0


def test_pauses_after_a_success(start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually) -> None:
    """After a listing that succeeds, the pauses begin with the shortest again."""
    sandbox, virtual_time = start_virtual_sandbox(orders=4, cancel_delay=2.5)
    sandbox.inject("list-code=45001", times=3)
    sandbox.inject("list-code=45001", times=2, skip=3)
    assert_all_cancelled(sandbox, run_virtually(sandbox, virtual_time))
    shortest = LISTING_INTERVAL
    # Three errors; the orders are listed and cancelled; they are still listed twice; two errors; they are listed again.
    expected = [shortest, 2 * shortest, 4 * shortest, shortest, shortest, shortest, 2 * shortest, shortest]
    assert virtual_time.pauses[:8] == pytest.approx(expected)


@pytest.mark.usefixtures("short_listing_intervals")
def test_an_exchange_that_cannot_be_reached_for_a_while(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """While connections are refused, the kill switch tries again; then it cancels every order."""
    sandbox = start_sandbox(orders=120)
    client = connect_to(sandbox, max_retries=0)
    sandbox.stop()
    with run_when(lambda: len(caplog.records) >= 5, sandbox.start):
        assert_all_cancelled(sandbox, cancel_open(client))
    assert "NetworkError" not in caplog.text
    assert "cannot list the open normal orders: ConnectError: " in caplog.text


@pytest.mark.usefixtures("short_listing_intervals")
def test_an_exchange_that_stops_while_orders_are_cancelled(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """If the connections are lost in the middle of the run, the kill switch goes on after they are back."""
    sandbox = start_sandbox(orders=120)
    client = connect_to(sandbox, max_retries=0)

    def stop(_: object) -> None:
        if not stopped:
            stopped.append(True)
            sandbox.stop()

    stopped: list[bool] = []
    with run_when(lambda: bool(stopped) and len(caplog.records) >= 5, sandbox.start):
        report = cancel_open(client, on_progress=stop)
    assert_all_cancelled(sandbox, report)


@pytest.mark.usefixtures("short_listing_intervals")
def test_an_exchange_that_cannot_be_reached(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the exchange cannot be reached until the deadline, the error is a NetworkError, with an empty report."""
    sandbox = start_sandbox(orders=4)
    client = connect_to(sandbox, max_retries=0)
    sandbox.stop()
    started_at = time.monotonic()
    with pytest.raises(NetworkError, match="ConnectError: ") as caught:
        cancel_open(client, deadline=0.3)
    assert 0.25 < time.monotonic() - started_at < 2
    assert isinstance(caught.value, BitgetError)
    assert len(report_carried_by(caught.value)) == 0


@pytest.mark.usefixtures("short_listing_intervals")
def test_the_cause_of_a_network_error(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """The cause of a NetworkError is httpx's exception."""
    sandbox = start_sandbox(orders=0)
    client = connect_to(sandbox, max_retries=0)
    sandbox.stop()
    with pytest.raises(NetworkError) as caught:
        cancel_open(client, deadline=0.05)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("40009", AuthenticationError),
        ("40012", AuthenticationError),
        ("40014", PermissionDeniedError),
        ("40018", PermissionDeniedError),
        ("40099", WrongEnvironmentError),
        ("40034", InvalidParameterError),
    ],
)
def test_unrecoverable_errors_of_a_listing(
    code: str, expected: type[ApiError], start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """Wrong credentials, a missing permission, the wrong environment and an invalid request end the run at once."""
    sandbox, virtual_time = start_virtual_sandbox(orders=4)
    sandbox.inject(f"list-code={code}")
    with pytest.raises(expected) as caught:
        run_virtually(sandbox, virtual_time)
    assert caught.value.code == code
    assert len(report_carried_by(caught.value)) == 0
    assert (len(sandbox.arrivals), virtual_time.now) == (1, 0)


def test_an_unrecoverable_error_of_a_later_listing(
    start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """If the key is refused after the orders were cancelled, the exception has their outcomes."""
    sandbox, virtual_time = start_virtual_sandbox(orders=4)
    sandbox.inject("list-code=40009", skip=1)
    with pytest.raises(AuthenticationError) as caught:
        run_virtually(sandbox, virtual_time)
    assert status_counts(report_carried_by(caught.value)) == {Status.ACCEPTED: 4}


@pytest.mark.parametrize("code", ["40009", "40014", "40099"])
def test_unrecoverable_errors_of_a_cancel(
    code: str, start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """An unrecoverable error of a cancel ends the run at once; its orders are not sent."""
    sandbox, virtual_time = start_virtual_sandbox(orders=4)
    sandbox.inject(f"code={code}", skip=1)
    with pytest.raises(ApiError) as caught:
        run_virtually(sandbox, virtual_time)
    report = report_carried_by(caught.value)
    assert {(outcome.status, outcome.code) for outcome in report} == {(Status.NOT_SENT, code)}
    assert (len(sandbox.arrivals), virtual_time.now) == (2, 0)


def test_the_default_deadline() -> None:
    """The kill switch has a deadline of a minute unless it is told to have none; `cancel_orders` has none."""
    for module, expected in ((cancel_open_orders, 60), (cancel_orders, None)):
        for function in (module.sync, module.asyncio):
            assert inspect.signature(function).parameters["deadline"].default == expected


def test_without_a_deadline(start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually) -> None:
    """With `deadline=None` the kill switch tries for as long as it takes."""
    sandbox, virtual_time = start_virtual_sandbox(orders=4)
    sandbox.inject("list-code=45001", times=10_000)
    virtual_time.scheduled = [(600.0, sandbox.clear_faults)]
    assert_all_cancelled(sandbox, run_virtually(sandbox, virtual_time, deadline=None))
    assert virtual_time.now > 600


def test_orders_that_are_rejected_twice(
    start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """If only orders remain that were rejected twice, with a pause between, the run ends; they are live."""
    sandbox, virtual_time = start_virtual_sandbox(orders=2)
    sandbox.inject("row-code=45055", times=100)
    report = run_virtually(sandbox, virtual_time)
    results = {(outcome.status, outcome.code, outcome.attempts, outcome.confirmed) for outcome in report}
    assert results == {(Status.REJECTED, "45055", 2, Confirmed.LIVE)}
    assert batch_sizes(sandbox) == [2, 2]
    assert 0.5 <= virtual_time.now < 1.5


@pytest.mark.parametrize("kind", ["normal", "tpsl", "plan"])
def test_cancels_that_are_refused_because_of_their_number(
    kind: Kind, start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """A refusal because of too many requests is no rejection: the orders are sent again until the exchange takes them."""
    sandbox, virtual_time = start_virtual_sandbox(orders=0)
    sandbox.open_orders(3, kind=kind)
    for operation in (BATCH_CANCEL_ORDERS, CANCEL_ORDER, CANCEL_PLAN_ORDER, BATCH_CANCEL_PLAN_ORDERS):
        sandbox.inject("429", times=1000, operation=operation)
    virtual_time.scheduled = [(20.0, sandbox.clear_faults)]
    report = run_virtually(sandbox, virtual_time, kinds=())
    assert_all_cancelled(sandbox, report)
    assert status_counts(report) == {Status.ACCEPTED: 3}


@pytest.mark.parametrize("as_refusal", [True, False])
def test_orders_that_are_gone_and_still_listed(
    as_refusal: bool, start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """Orders that are still listed ten seconds after three cancels that did not find them are reported as live."""
    sandbox, virtual_time = start_virtual_sandbox(orders=2, all_gone_as_refusal=as_refusal)
    sandbox.inject("row-code=43001", times=1000)
    report = run_virtually(sandbox, virtual_time)
    assert {(outcome.status, outcome.confirmed) for outcome in report} == {(Status.GONE, Confirmed.LIVE)}
    assert len(batch_sizes(sandbox)) >= MAX_CANCELS
    assert CANCEL_TIMEOUT < virtual_time.now < 2 * CANCEL_TIMEOUT


def test_accepted_cancels_that_are_not_executed(
    start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """Orders that are still listed ten seconds after three accepted cancels are reported as accepted and live."""
    sandbox, virtual_time = start_virtual_sandbox(orders=2, cancel_delay=10_000)
    report = run_virtually(sandbox, virtual_time)
    assert {(outcome.status, outcome.confirmed) for outcome in report} == {(Status.ACCEPTED, Confirmed.LIVE)}
    assert len(batch_sizes(sandbox)) >= MAX_CANCELS
    assert CANCEL_TIMEOUT < virtual_time.now < 2 * CANCEL_TIMEOUT


def test_slow_cancels(start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually) -> None:
    """Cancels that are executed nine seconds after the third one was sent are waited for."""
    sandbox, virtual_time = start_virtual_sandbox(orders=2, cancel_delay=13)
    report = run_virtually(sandbox, virtual_time)
    assert_all_cancelled(sandbox, report)
    assert virtual_time.now > 13


def test_an_order_that_appears_while_others_cannot_be_cancelled(
    start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """Orders that cannot be cancelled do not keep the kill switch from cancelling others."""
    sandbox, virtual_time = start_virtual_sandbox(orders=0)
    stuck = {order.order_id for order in sandbox.open_orders(2, symbol="DOGEUSDT")}
    sandbox.refused_symbols["DOGEUSDT"] = "45043"
    # It is opened after the second rejection, while the run waits before it looks whether that was all.
    virtual_time.scheduled = [(0.5, lambda: sandbox.open_orders(3, symbol="BTCUSDT"))]
    report = run_virtually(sandbox, virtual_time)
    assert {order.order_id for order in still_open(sandbox)} == stuck
    assert len(report) == 5
    for outcome in report:
        is_stuck = outcome.order.order_id in stuck
        assert outcome.status is (Status.REJECTED if is_stuck else Status.ACCEPTED)
        assert outcome.confirmed is (Confirmed.LIVE if is_stuck else Confirmed.CANCELLED)


def test_unknown_results_do_not_count_as_cancels(
    start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """Orders whose cancels get no response are sent again until the deadline, and then reported as unknown."""
    sandbox, virtual_time = start_virtual_sandbox(orders=2)
    for _ in range(300):
        sandbox.inject("row-code=45001")
    with pytest.raises(DeadlineExceeded, match="orders may still be open: 2 unknown") as caught:
        run_virtually(sandbox, virtual_time)
    report = report_carried_by(caught.value)
    assert len(batch_sizes(sandbox)) > 60
    assert {outcome.attempts for outcome in report} == {len(batch_sizes(sandbox))}
    assert virtual_time.now == pytest.approx(60)


def test_a_deadline_while_listings_fail_after_a_success(
    start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually
) -> None:
    """If the deadline passes while the listing fails, the exception counts the orders and has the error as its cause."""
    sandbox, virtual_time = start_virtual_sandbox(orders=3)
    sandbox.inject("list-code=45001", skip=1, times=10_000)
    with pytest.raises(DeadlineExceeded, match="orders may still be open: 3 accepted") as caught:
        run_virtually(sandbox, virtual_time)
    assert isinstance(caught.value.__cause__, SystemBusyError)
    assert status_counts(report_carried_by(caught.value)) == {Status.ACCEPTED: 3}


def test_a_deadline_of_zero(start_virtual_sandbox: StartVirtualSandbox, run_virtually: RunVirtually) -> None:
    """If the deadline passes before anything was listed, the message says so."""
    sandbox, virtual_time = start_virtual_sandbox(orders=3)
    with pytest.raises(DeadlineExceeded, match="before the open orders could be listed") as caught:
        run_virtually(sandbox, virtual_time, deadline=0)
    assert caught.value.__cause__ is None
    assert len(report_carried_by(caught.value)) == 0
    assert sandbox.arrivals == []


@pytest.mark.usefixtures("short_listing_intervals")
@pytest.mark.parametrize(
    "fault", ["429", "html-502", "drop-before", "drop-after", "empty", "code=45001", "code-after=45001", "code=40808"]
)
def test_a_cancel_that_fails_for_a_while(fault: str, start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Cancels that fail, also after their retries, are sent again until no order is open."""
    sandbox = start_sandbox(orders=120)
    sandbox.inject(fault, times=12, skip=2)
    report = cancel_open(connect_to(sandbox, max_retries=1))
    assert_all_cancelled(sandbox, report)


@pytest.mark.usefixtures("short_listing_intervals")
def test_a_network_error_of_find(start_sandbox: StartSandbox, mode: str) -> None:
    """`find` raises a NetworkError if the exchange cannot be reached."""
    sandbox = start_sandbox(orders=2)
    client = connect_to(sandbox, max_retries=0)
    sandbox.stop()
    with pytest.raises(NetworkError):
        find(mode, client)


def find(mode: str, client: Client) -> list[ListedOrder]:
    """List the orders that would be cancelled, in this thread or in a task."""
    if mode == "asyncio":
        return asyncio.run(cancel_open_orders.find_asyncio(client=client))
    return cancel_open_orders.find(client=client)


def test_orders_that_cannot_be_sent_while_the_exchange_is_down(start_sandbox: StartSandbox, mode: str) -> None:
    """`cancel_orders` reports orders as not sent if the exchange cannot be reached; it raises no network error."""
    sandbox = start_sandbox(orders=2)
    client = connect_to(sandbox, max_retries=0)
    sandbox.stop()
    orders = [OrderRef(order_id=order_id) for order_id in sandbox.orders]
    report = call(mode, cancel_orders, client, orders=orders, confirm=True)
    assert status_counts(report) == {Status.NOT_SENT: 2}
