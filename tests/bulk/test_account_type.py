"""`cancel_orders` on an account whose type is not known: it is learned, and the orders are sent as it needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import pytest
from account_types import change_type, change_type_when, learned
from reports import confirmations, report_carried_by, status_counts
from sandboxes import HIGH_RATES, StartSandbox, call, connect_to, count_requests, still_open

from bitget_spot import (
    Confirmed,
    DeadlineExceeded,
    InvalidBatchError,
    Outcome,
    Report,
    Status,
    WrongEnvironmentError,
    cancel_orders,
)
from bitget_spot._bulk.planner import SYMBOL_MISSING
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, BATCH_CANCEL_UNIFIED_ORDERS, Operation

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_rate_limit_pauses", "short_confirmation_pauses")

Cancel: TypeAlias = Callable[..., Report]
MAX_UNIFIED_ORDERS: Final = BATCH_CANCEL_UNIFIED_ORDERS.max_items["body"]
OPERATION_OF: Final[dict[str, Operation]] = {"classic": BATCH_CANCEL_ORDERS, "unified": BATCH_CANCEL_UNIFIED_ORDERS}


@pytest.fixture
def cancel(mode: str) -> Cancel:
    """Return a function that cancels orders from this thread, or from a task."""

    def cancel(client: Client, orders: Iterable[OrderRef], **arguments: Any) -> Report:
        report: Report = call(mode, cancel_orders, client, orders=orders, **arguments)
        return report

    return cancel


@pytest.fixture
def unified(start_sandbox: StartSandbox) -> Sandbox:
    """A sandbox with a unified account; it responds so late that every refusal comes before the next response."""
    return start_sandbox(orders=60, account_type="unified", latency=0.1)


def refs(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders by orderId, with their trading pair."""
    return [OrderRef(order_id=order.order_id, symbol=order.symbol) for order in orders]


def all_refs(sandbox: Sandbox) -> list[OrderRef]:
    """Address every order of a sandbox."""
    return refs(sandbox.orders.values())


def batch_sizes(sandbox: Sandbox, account_type: str) -> list[int]:
    """Return how many orders each batch for a type of account had, in the order of arrival."""
    path = OPERATION_OF[account_type].path
    return [arrival.order_count for arrival in sandbox.arrivals if arrival.path == path]


def test_a_unified_account_is_detected(unified: Sandbox, cancel: Cancel) -> None:
    """Orders that are refused because the account is unified are sent again as it needs them."""
    client = connect_to(unified)
    assert client.account_type is None
    report = cancel(client, all_refs(unified))
    assert status_counts(report) == {Status.ACCEPTED: 60}
    assert still_open(unified) == []
    assert batch_sizes(unified, "unified") == [MAX_UNIFIED_ORDERS] * 3
    assert len(batch_sizes(unified, "classic")) <= 2
    assert client.account_type == "unified"


def test_what_was_learned_stays_in_the_client(unified: Sandbox, cancel: Cancel) -> None:
    """The next run of the client sends no request for the wrong type."""
    client = connect_to(unified)
    orders = all_refs(unified)
    cancel(client, orders[:20])
    unified.reset_ledger()
    assert status_counts(cancel(client, orders[20:])) == {Status.ACCEPTED: 40}
    assert batch_sizes(unified, "classic") == []


def test_refused_attempts_do_not_reach_on_progress(unified: Sandbox, cancel: Cancel) -> None:
    """`on_progress` receives each order once, with its final outcome."""
    received: list[Outcome] = []
    report = cancel(connect_to(unified), all_refs(unified), on_progress=received.extend)
    assert sorted(map(id, received)) == sorted(map(id, report))
    assert {outcome.status for outcome in received} == {Status.ACCEPTED}


def test_attempts_of_both_types_are_counted(unified: Sandbox, cancel: Cancel) -> None:
    """`attempts` has the refused request and the one that was accepted."""
    report = cancel(connect_to(unified), all_refs(unified)[:20])
    assert [outcome.attempts for outcome in report] == [2] * 20


def test_a_classic_account_pays_nothing(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """On a classic account, detection sends no request more, and the type is known afterwards."""
    sandbox = start_sandbox(orders=60)
    client = connect_to(sandbox)
    assert status_counts(cancel(client, all_refs(sandbox))) == {Status.ACCEPTED: 60}
    assert sorted(arrival.order_count for arrival in sandbox.arrivals) == [10, 50]
    assert client.account_type == "classic"


@pytest.mark.parametrize(("before", "after"), [("classic", "unified"), ("unified", "classic")])
def test_settled_outcomes_stay(
    before: AccountType, after: AccountType, start_sandbox: StartSandbox, cancel: Cancel
) -> None:
    """If the type changes in the middle of a run, accepted orders stay accepted, and the others are sent again."""
    sandbox = start_sandbox(orders=40, account_type=before)
    sandbox.inject("delay-before=0.2", skip=1, operation=OPERATION_OF[before])
    client = learned(connect_to(sandbox), before)
    received: list[Outcome] = []

    def on_progress(outcomes: Iterable[Outcome]) -> None:
        received.extend(outcomes)
        change_type(sandbox, after)

    report = cancel(client, all_refs(sandbox), batch_size=20, on_progress=on_progress)
    assert status_counts(report) == {Status.ACCEPTED: 40}
    assert sorted(outcome.attempts for outcome in report) == [1] * 20 + [2] * 20
    assert sorted(map(id, received)) == sorted(map(id, report))
    assert batch_sizes(sandbox, after) == [20]
    assert client.account_type == after


def test_a_known_type_that_is_wrong(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """A client that has learned `unified`, and meets a classic account, switches back."""
    sandbox = start_sandbox(orders=60)
    client = learned(connect_to(sandbox), "unified")
    assert status_counts(cancel(client, all_refs(sandbox))) == {Status.ACCEPTED: 60}
    assert sorted(batch_sizes(sandbox, "classic")) == [10, 50]
    assert client.account_type == "classic"


@pytest.mark.parametrize(("stated", "actual"), [("classic", "unified"), ("unified", "classic")])
def test_a_stated_type_that_is_wrong(
    stated: AccountType, actual: AccountType, start_sandbox: StartSandbox, cancel: Cancel
) -> None:
    """If the type was stated, nothing is switched: the run ends with a WrongEnvironmentError."""
    sandbox = start_sandbox(orders=8, account_type=actual)
    client = connect_to(sandbox, account_type=stated)
    with pytest.raises(WrongEnvironmentError) as caught:
        cancel(client, all_refs(sandbox))
    assert status_counts(report_carried_by(caught.value)) == {Status.NOT_SENT: 8}
    assert count_requests(sandbox, OPERATION_OF[actual]) == 0
    assert client.account_type == stated
    assert len(still_open(sandbox)) == 8


@pytest.mark.parametrize("first", ["classic", "unified"])
def test_both_types_are_refused(first: AccountType, start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """If the other type is refused as well, the run ends with a WrongEnvironmentError; it does not switch back."""
    other = "unified" if first == "classic" else "classic"
    sandbox = start_sandbox(orders=30)
    for account_type, code in (("classic", "40085"), ("unified", "40084")):
        sandbox.inject(f"code={code}", times=100, operation=OPERATION_OF[account_type])
    client = learned(connect_to(sandbox), first)
    received: list[Outcome] = []
    with pytest.raises(WrongEnvironmentError) as caught:
        cancel(client, all_refs(sandbox), on_progress=received.extend)
    report = report_carried_by(caught.value)
    assert status_counts(report) == {Status.NOT_SENT: 30}
    assert {outcome.attempts for outcome in report} <= {1, 2}
    assert 1 <= count_requests(sandbox, OPERATION_OF[first]) <= 2
    assert 1 <= count_requests(sandbox, OPERATION_OF[other]) <= 2
    assert {outcome.status for outcome in received} <= {Status.NOT_SENT}


def test_orders_without_a_symbol_on_a_detected_account(unified: Sandbox, cancel: Cancel) -> None:
    """They become `not_sent` with the reason, reach `on_progress`, and the others go on."""
    orders = all_refs(unified)
    orders[3] = OrderRef(order_id=orders[3].order_id)
    received: list[Outcome] = []
    report = cancel(connect_to(unified), orders, on_progress=received.extend)
    assert status_counts(report) == {Status.ACCEPTED: 59, Status.NOT_SENT: 1}
    assert report.outcomes[3].status is Status.NOT_SENT
    assert report.outcomes[3].message == SYMBOL_MISSING
    assert sorted(map(id, received)) == sorted(map(id, report))
    assert len(still_open(unified)) == 1


def test_orders_without_a_symbol_on_a_known_account(unified: Sandbox, cancel: Cancel) -> None:
    """If the client has learned the type earlier, such an order is not sent either, and the others are."""
    orders = [OrderRef(order_id=next(iter(unified.orders))), *all_refs(unified)[1:]]
    report = cancel(learned(connect_to(unified), "unified"), orders)
    assert status_counts(report) == {Status.ACCEPTED: 59, Status.NOT_SENT: 1}
    assert (report.outcomes[0].message, report.outcomes[0].attempts) == (SYMBOL_MISSING, 0)


def test_only_orders_without_a_symbol(unified: Sandbox, cancel: Cancel) -> None:
    """If no order has its trading pair, none is sent to the unified account, and the run ends normally."""
    orders = [OrderRef(order_id=order_id) for order_id in unified.orders]
    report = cancel(connect_to(unified), orders)
    assert status_counts(report) == {Status.NOT_SENT: 60}
    assert {outcome.message for outcome in report} == {SYMBOL_MISSING}
    assert batch_sizes(unified, "unified") == []


def test_orders_without_a_symbol_on_a_stated_account(unified: Sandbox, cancel: Cancel) -> None:
    """If the type was stated, such an order is an InvalidBatchError, and nothing is sent."""
    client = connect_to(unified, account_type="unified")
    with pytest.raises(InvalidBatchError, match=r"orders\[0\]\.symbol: is missing"):
        cancel(client, [OrderRef(order_id="1"), *all_refs(unified)])
    assert unified.arrivals == []


@pytest.mark.parametrize("batch_size", [21, 50])
def test_a_batch_size_that_is_too_large_for_a_detected_account(
    batch_size: int, unified: Sandbox, cancel: Cancel
) -> None:
    """A batch size that only a classic account takes is reduced if the type is detected."""
    report = cancel(connect_to(unified), all_refs(unified), batch_size=batch_size)
    assert status_counts(report) == {Status.ACCEPTED: 60}
    assert batch_sizes(unified, "unified") == [MAX_UNIFIED_ORDERS] * 3


def test_a_batch_size_that_is_too_large_for_a_stated_account(unified: Sandbox, cancel: Cancel) -> None:
    """If the type was stated, it is a ValueError, and nothing is sent."""
    client = connect_to(unified, account_type="unified")
    with pytest.raises(ValueError, match="batch_size: 21 is not valid; the exchange takes 1 to 20 orders a batch"):
        cancel(client, all_refs(unified), batch_size=21)
    assert unified.arrivals == []


def test_a_smaller_batch_size_is_kept(unified: Sandbox, cancel: Cancel) -> None:
    """A batch size that both types take is the same after the switch."""
    cancel(connect_to(unified), all_refs(unified), batch_size=7)
    assert sorted(batch_sizes(unified, "unified")) == [4] + [7] * 8


def test_a_deadline_after_the_switch(unified: Sandbox, cancel: Cancel) -> None:
    """The deadline stays the same; orders that were refused and not sent again are `not_sent`."""
    rates = {**HIGH_RATES, BATCH_CANCEL_UNIFIED_ORDERS.operation_id: 1}
    client = connect_to(unified, requests_per_second=rates)
    with pytest.raises(DeadlineExceeded) as caught:
        cancel(client, all_refs(unified), deadline=0.4)
    report = report_carried_by(caught.value)
    assert status_counts(report) == {Status.ACCEPTED: 20, Status.NOT_SENT: 40}
    assert len(still_open(unified)) == 40


def test_a_refusal_after_the_deadline(unified: Sandbox, cancel: Cancel) -> None:
    """If the refusal comes after the deadline, nothing is sent again, and every order is `not_sent`."""
    unified.inject("delay=0.4", operation=BATCH_CANCEL_ORDERS)
    with pytest.raises(DeadlineExceeded) as caught:
        cancel(connect_to(unified), all_refs(unified)[:20], deadline=0.2)
    assert status_counts(report_carried_by(caught.value)) == {Status.NOT_SENT: 20}
    assert batch_sizes(unified, "unified") == []


def test_the_confirmation_of_a_detected_account(unified: Sandbox, cancel: Cancel) -> None:
    """The orders are confirmed as those of a unified account."""
    unified.fill(next(iter(unified.orders)))
    report = cancel(connect_to(unified), all_refs(unified), confirm=True)
    assert confirmations(report) == [Confirmed.FILLED] + [Confirmed.CANCELLED] * 59
    assert status_counts(report) == {Status.ACCEPTED: 59, Status.GONE: 1}


def test_a_type_that_changes_before_the_confirmation(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """If the type changes between the cancels and the confirmation, the orders are confirmed as well."""
    sandbox = start_sandbox(orders=8)
    report = cancel(
        connect_to(sandbox),
        all_refs(sandbox),
        confirm=True,
        on_progress=lambda _: change_type(sandbox, "unified"),
    )
    assert confirmations(report) == [Confirmed.CANCELLED] * 8


@pytest.mark.parametrize("category", ["USDT-FUTURES", "usdt-futures", "MARGIN"])
def test_another_category(category: str, start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """With a category other than SPOT the run starts as for a unified account; orders of others are gone."""
    sandbox = start_sandbox(orders=0, account_type="unified")
    orders = refs(sandbox.open_orders(8, category=category.upper()))
    spot = refs(sandbox.open_orders(1))
    report = cancel(connect_to(sandbox), orders + spot, category=category)
    assert status_counts(report) == {Status.ACCEPTED: 8, Status.GONE: 1}
    assert batch_sizes(sandbox, "classic") == []


def test_another_category_on_a_classic_account(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """If the account turns out to be classic, which has SPOT only, the run ends with a WrongEnvironmentError."""
    sandbox = start_sandbox(orders=8)
    with pytest.raises(WrongEnvironmentError):
        cancel(connect_to(sandbox), all_refs(sandbox), category="USDT-FUTURES")
    assert batch_sizes(sandbox, "classic") == []


def test_another_category_on_a_stated_classic_account(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """If the type was stated as classic, another category is a ValueError, and nothing is sent."""
    sandbox = start_sandbox(orders=8)
    with pytest.raises(ValueError, match="category: MARGIN needs a unified account"):
        cancel(connect_to(sandbox, account_type="classic"), all_refs(sandbox), category="MARGIN")
    assert sandbox.arrivals == []


@pytest.mark.parametrize("confirm", [False, True])
def test_a_lost_response_before_the_switch(confirm: bool, start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """If an earlier attempt may have been executed, an order that is then not found is gone, and never rejected."""
    sandbox = start_sandbox(orders=4)
    sandbox.inject("drop-after", operation=BATCH_CANCEL_ORDERS)
    sandbox.inject("code=40085", operation=BATCH_CANCEL_ORDERS)
    sandbox.inject("code=25114", operation=BATCH_CANCEL_UNIFIED_ORDERS)
    client = connect_to(sandbox)
    change_type_when(sandbox, "unified", lambda: True)
    report = cancel(client, all_refs(sandbox), confirm=confirm)
    assert {(outcome.status, outcome.code) for outcome in report} == {(Status.UNKNOWN, "25114")}
    if confirm:
        assert confirmations(report) == [Confirmed.CANCELLED] * 4


def test_batches_that_wait_are_planned_again(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """Batches that have not been sent when the first is refused are never sent as for the wrong type."""
    sandbox = start_sandbox(orders=250, account_type="unified")
    rates = {**HIGH_RATES, BATCH_CANCEL_ORDERS.operation_id: 1}
    report = cancel(connect_to(sandbox, requests_per_second=rates), all_refs(sandbox))
    assert status_counts(report) == {Status.ACCEPTED: 250}
    assert batch_sizes(sandbox, "classic") == [50]
    assert sorted(batch_sizes(sandbox, "unified")) == [10] + [MAX_UNIFIED_ORDERS] * 12
    assert [outcome.attempts for outcome in report].count(1) == 200
