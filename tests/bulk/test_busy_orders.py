"""Orders that the exchange was too busy for: they are sent again in smaller batches, and never reported as rejected."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import pytest
from reports import report_carried_by, status_counts
from sandboxes import StartSandbox, call, connect_to, still_open
from waiting import run_when

from bitget_spot import (
    Confirmed,
    DeadlineExceeded,
    Outcome,
    RateLimitedError,
    Report,
    Status,
    SystemBusyError,
    cancel_open_orders,
    cancel_orders,
)
from bitget_spot._bulk import batch_queue
from bitget_spot._middleware import retry
from bitget_spot.sandbox import Sandbox, handlers
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_rate_limit_pauses", "short_listing_intervals")

Cancel: TypeAlias = Callable[..., Report]
BUSY_CODES: Final = ("40010", "40015", "40725", "45001", "80002")
"""Codes after which the exchange may have executed the cancel."""
RATE_LIMIT_CODES: Final = ("429", "40918", "43036")
"""Codes after which the exchange has not executed the cancel."""


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """A sandbox with 120 open orders and without a rate limit."""
    return start_sandbox()


@pytest.fixture
def cancel(mode: str) -> Cancel:
    """Return a function that cancels orders from this thread, or from a task."""

    def cancel(client: Client, orders: Iterable[OrderRef], **arguments: Any) -> Report:
        report: Report = call(mode, cancel_orders, client, orders=orders, **arguments)
        return report

    return cancel


def first_orders(sandbox: Sandbox, count: int) -> list[OrderRef]:
    """Address the sandbox's first orders by orderId."""
    return [OrderRef(order_id=order_id) for order_id in list(sandbox.orders)[:count]]


def batch_sizes(sandbox: Sandbox) -> list[int]:
    """Return how many orders each batch cancel had, in the order of arrival."""
    return [arrival.order_count for arrival in sandbox.arrivals if arrival.path == BATCH_CANCEL_ORDERS.path]


@pytest.mark.parametrize("code", [*BUSY_CODES, *RATE_LIMIT_CODES])
def test_busy_orders_are_sent_again(code: str, sandbox: Sandbox, cancel: Cancel) -> None:
    """Orders that the exchange was once too busy for are sent again in two halves, and accepted."""
    sandbox.inject(f"row-code={code}")
    report = cancel(connect_to(sandbox), first_orders(sandbox, 10))
    assert {(outcome.status, outcome.code, outcome.attempts) for outcome in report} == {(Status.ACCEPTED, None, 2)}
    assert batch_sizes(sandbox) == [10, 5, 5]


@pytest.mark.parametrize("code", [*BUSY_CODES, *RATE_LIMIT_CODES])
def test_orders_that_stay_busy(code: str, sandbox: Sandbox, cancel: Cancel) -> None:
    """Busy orders are sent again at most `max_retries` times; then they are unknown, with the exchange's code."""
    sandbox.inject(f"row-code={code}", times=1000)
    report = cancel(connect_to(sandbox, max_retries=2), first_orders(sandbox, 12))
    assert {(outcome.status, outcome.code, outcome.attempts) for outcome in report} == {(Status.UNKNOWN, code, 3)}
    assert all(isinstance(outcome.error, SystemBusyError | RateLimitedError) for outcome in report)
    assert sorted(batch_sizes(sandbox)) == [3, 3, 3, 3, 6, 6, 12]
    assert len(still_open(sandbox)) == 120


def test_without_retries(sandbox: Sandbox, cancel: Cancel) -> None:
    """With `max_retries=0` a busy order is sent once, and it is unknown."""
    sandbox.inject("row-code=45001")
    report = cancel(connect_to(sandbox, max_retries=0), first_orders(sandbox, 3))
    assert {(outcome.status, outcome.attempts) for outcome in report} == {(Status.UNKNOWN, 1)}
    assert batch_sizes(sandbox) == [3]


def test_a_single_busy_order(sandbox: Sandbox, cancel: Cancel) -> None:
    """A single order, whose batch cannot become smaller, is sent again too."""
    sandbox.inject("row-code=40725", times=2)
    report = cancel(connect_to(sandbox), first_orders(sandbox, 1))
    assert [(outcome.status, outcome.attempts) for outcome in report] == [(Status.ACCEPTED, 3)]


def test_busy_orders_whose_cancel_was_executed(sandbox: Sandbox, cancel: Cancel) -> None:
    """If a cancel was executed although the exchange said that it was busy, the order is gone, and not rejected."""
    filled, *_ = sandbox.orders
    sandbox.fill(filled)
    sandbox.inject("row-code-after=45001")
    report = cancel(connect_to(sandbox), first_orders(sandbox, 10))
    assert status_counts(report) == {Status.GONE: 10}
    # The filled order had another code, which is final.
    assert [outcome.attempts for outcome in report] == [1] + [2] * 9


def test_only_busy_orders_are_sent_again(sandbox: Sandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a batch, only the busy orders are sent again; every order is reported to `on_progress` once."""
    busy = set(list(sandbox.orders)[3:6])
    original_row = handlers._failed_row
    sandbox.inject("row-code=45055")

    def failed_row(item: Any, code: str, headers: Any) -> dict[str, str]:
        return original_row(item, "45001" if item.order_id in busy else code, headers)

    monkeypatch.setattr(handlers, "_failed_row", failed_row)
    received: list[Outcome] = []
    orders = first_orders(sandbox, 10)
    report = cancel(connect_to(sandbox), orders, on_progress=received.extend)
    assert batch_sizes(sandbox) == [10, 3]
    for outcome in report:
        if outcome.order.order_id in busy:
            assert (outcome.status, outcome.attempts) == (Status.ACCEPTED, 2)
        else:
            assert (outcome.status, outcome.code, outcome.attempts) == (Status.REJECTED, "45055", 1)
    assert sorted(map(id, received)) == sorted(map(id, report))


@pytest.mark.parametrize(
    ("code", "status"),
    [*((code, Status.UNKNOWN) for code in BUSY_CODES), *((code, Status.REJECTED) for code in RATE_LIMIT_CODES)],
)
def test_a_rejection_after_a_busy_exchange(code: str, status: Status, sandbox: Sandbox, cancel: Cancel) -> None:
    """An order is rejected only if no earlier attempt may have been executed."""
    sandbox.inject(f"row-code={code}")
    sandbox.inject("row-code=45055")
    report = cancel(connect_to(sandbox), first_orders(sandbox, 1))
    assert [(outcome.status, outcome.code, outcome.attempts) for outcome in report] == [(status, "45055", 2)]


def test_the_pauses_before_busy_orders_are_sent_again(
    sandbox: Sandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Busy orders wait as long as a whole request that is sent again."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.2)
    monkeypatch.setattr(random, "random", lambda: 1.0)
    sandbox.inject("row-code=45001", times=2)
    report = cancel(connect_to(sandbox), first_orders(sandbox, 1))
    assert status_counts(report) == {Status.ACCEPTED: 1}
    times = [arrival.at for arrival in sandbox.arrivals]
    assert times[1] - times[0] >= 0.1
    assert times[2] - times[1] >= 0.2


def test_a_deadline_before_busy_orders_are_sent_again(
    sandbox: Sandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the pause before busy orders are sent again would outlast the deadline, the run raises immediately."""
    monkeypatch.setattr(batch_queue, "backoff", lambda *_: 30.0)
    sandbox.inject("row-code=45001")
    with pytest.raises(DeadlineExceeded, match="3 unknown") as caught:
        cancel(connect_to(sandbox), first_orders(sandbox, 3), deadline=10)
    report = report_carried_by(caught.value)
    assert {(outcome.status, outcome.code, outcome.attempts) for outcome in report} == {(Status.UNKNOWN, "45001", 1)}


def test_a_run_that_is_stopped_before_busy_orders_are_sent_again(
    sandbox: Sandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the run ends during the pause before busy orders are sent again, they keep their outcome."""
    monkeypatch.setattr(batch_queue, "backoff", lambda *_: 30.0)
    sandbox.inject("row-code=45001")

    def fail(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        cancel(connect_to(sandbox), first_orders(sandbox, 6), batch_size=3, on_progress=fail)
    assert status_counts(report_carried_by(caught.value)) == {Status.UNKNOWN: 3, Status.ACCEPTED: 3}
    assert len(sandbox.arrivals) == 2


@pytest.mark.parametrize("code", ["40009", "40014", "40085", "40008", "40309", "40034", "45055", "99999", ""])
def test_other_codes_of_single_orders_do_not_stop_a_run(code: str, sandbox: Sandbox, cancel: Cancel) -> None:
    """Whatever code a single order has, the run goes on; the order is rejected, and not sent again."""
    sandbox.inject(f"row-code-after={code}")
    report = cancel(connect_to(sandbox, requests_per_second=1000), first_orders(sandbox, 100))
    assert status_counts(report) == {Status.REJECTED: 50, Status.ACCEPTED: 50}
    assert {(outcome.code, outcome.attempts) for outcome in report.only(Status.REJECTED)} == {(code or None, 1)}
    assert batch_sizes(sandbox) == [50, 50]


def test_busy_orders_are_confirmed(sandbox: Sandbox, cancel: Cancel) -> None:
    """An order that stayed busy is unknown, and with `confirm` the exchange says what became of it."""
    sandbox.inject("row-code-after=45001")
    sandbox.inject("row-code=45001", times=10)
    report = cancel(connect_to(sandbox, max_retries=1), first_orders(sandbox, 2), confirm=True)
    assert {(outcome.status, outcome.confirmed) for outcome in report} == {(Status.UNKNOWN, Confirmed.CANCELLED)}


@pytest.mark.parametrize("fault", ["row-code=45001", "row-code=40010", "row-code=429", "row-code-after=40725"])
def test_the_kill_switch_outlasts_a_busy_exchange(fault: str, mode: str, sandbox: Sandbox) -> None:
    """While the exchange is too busy for every order, the kill switch goes on; then it cancels every order."""
    sandbox.inject(fault, times=100_000)

    def is_seen_twice() -> bool:
        return len(batch_sizes(sandbox)) > 20

    with run_when(is_seen_twice, sandbox.clear_faults):
        report = call(mode, cancel_open_orders, connect_to(sandbox, max_retries=1), cancel_by_symbol=False)
    assert still_open(sandbox) == []
    assert {outcome.order.order_id for outcome in report} == set(sandbox.orders)
    assert {outcome.confirmed for outcome in report} == {Confirmed.CANCELLED}
    assert set(status_counts(report)) <= {Status.ACCEPTED, Status.GONE, Status.UNKNOWN}


def test_the_kill_switch_with_orders_that_stay_busy(mode: str, sandbox: Sandbox) -> None:
    """If the exchange stays too busy until the deadline, every order is unknown, and the message counts them."""
    sandbox.inject("row-code=45001", times=100_000)
    with pytest.raises(DeadlineExceeded, match=r"the deadline passed while orders may still be open: 120 unknown"):
        call(mode, cancel_open_orders, connect_to(sandbox, max_retries=1), cancel_by_symbol=False, deadline=0.5)
    assert len(still_open(sandbox)) == 120
