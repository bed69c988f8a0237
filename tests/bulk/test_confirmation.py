"""`cancel_orders(..., confirm=True)` against a sandbox: what became of the orders afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import pytest
from attrs import evolve
from reports import confirmations, pickled, report_carried_by
from sandboxes import HIGH_RATES, StartSandbox, call, call_in_task, connect_to, count_requests
from waiting import interrupt_when, needs_interrupts, wait_until

from bitget_spot import (
    AuthenticationError,
    Confirmed,
    Credentials,
    DeadlineExceeded,
    OrdersNotCancelledError,
    Report,
    Status,
    cancel_orders,
)
from bitget_spot._bulk import confirmation
from bitget_spot._bulk.accounts.classic import PAGE_SIZE
from bitget_spot.sandbox import Order as SandboxOrder
from bitget_spot.sandbox import Sandbox, handlers
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_UNFILLED_ORDERS,
)

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_rate_limit_pauses")

Cancel: TypeAlias = Callable[..., Report]
MakeRef: TypeAlias = Callable[[SandboxOrder], OrderRef]


@pytest.fixture
def cancel(mode: str) -> Cancel:
    """Return a function that cancels and confirms orders from this thread, or from a task."""

    def cancel(client: Client, orders: Iterable[OrderRef], *, confirm: bool = True, **arguments: Any) -> Report:
        report: Report = call(mode, cancel_orders, client, orders=orders, confirm=confirm, **arguments)
        return report

    return cancel


def by_order_id(order: SandboxOrder) -> OrderRef:
    """Address an order by orderId."""
    return OrderRef(order_id=order.order_id)


def by_client_oid(order: SandboxOrder) -> OrderRef:
    """Address an order by clientOid."""
    return OrderRef(client_oid=order.client_oid)


def by_order_id_with_symbol(order: SandboxOrder) -> OrderRef:
    """Address an order by orderId, with its trading pair."""
    return OrderRef(order_id=order.order_id, symbol=order.symbol)


def by_client_oid_with_symbol(order: SandboxOrder) -> OrderRef:
    """Address an order by clientOid, with its trading pair."""
    return OrderRef(client_oid=order.client_oid, symbol=order.symbol)


def by_both(order: SandboxOrder) -> OrderRef:
    """Address an order by orderId, with its clientOid as a label."""
    return OrderRef(client_oid=order.client_oid, order_id=order.order_id)


def sandbox_orders(sandbox: Sandbox) -> list[SandboxOrder]:
    """Return the sandbox's orders, oldest first."""
    return list(sandbox.orders.values())


def all_refs(sandbox: Sandbox) -> list[OrderRef]:
    """Address every order of a sandbox by orderId, oldest first."""
    return [by_order_id(order) for order in sandbox_orders(sandbox)]


def query_counts(sandbox: Sandbox) -> Counter[str]:
    """Return how many requests have arrived for each path, except batch cancels."""
    return Counter(arrival.path for arrival in sandbox.arrivals if arrival.path != BATCH_CANCEL_ORDERS.path)


def test_a_cancel_that_was_executed(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """An accepted order that is then cancelled is confirmed as cancelled; its status does not change."""
    sandbox = start_sandbox(orders=3)
    report = cancel(connect_to(sandbox), all_refs(sandbox))
    assert confirmations(report) == [Confirmed.CANCELLED] * 3
    assert report.counts[Status.ACCEPTED] == 3


def test_without_confirm(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """Without `confirm` no query is sent, and nothing is confirmed."""
    sandbox = start_sandbox(orders=3)
    report = cancel(connect_to(sandbox), all_refs(sandbox), confirm=False)
    assert confirmations(report) == [None] * 3
    assert not query_counts(sandbox)


def test_without_orders(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """Without orders no query is sent."""
    sandbox = start_sandbox(orders=3)
    assert len(cancel(connect_to(sandbox), [])) == 0
    assert sandbox.arrivals == []


def test_an_order_that_fills_before_the_cancel_is_executed(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """An order that fills after its cancel was accepted is confirmed as filled and stays accepted."""
    sandbox = start_sandbox(orders=2, cancel_delay=0.2)
    first, _ = sandbox_orders(sandbox)
    report = cancel(connect_to(sandbox), all_refs(sandbox), on_progress=lambda _: sandbox.fill(first.order_id))
    assert confirmations(report) == [Confirmed.FILLED, Confirmed.CANCELLED]
    assert report.counts[Status.ACCEPTED] == 2


def test_a_partly_filled_order(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """An order that was partly filled, before or after its cancel was accepted, is confirmed as partly filled."""
    sandbox = start_sandbox(orders=3, cancel_delay=0.2)
    first, second, _ = sandbox_orders(sandbox)
    sandbox.fill(first.order_id, partially=True)
    report = cancel(
        connect_to(sandbox),
        all_refs(sandbox),
        on_progress=lambda _: sandbox.fill(second.order_id, partially=True),
    )
    assert confirmations(report) == [Confirmed.PARTLY_FILLED, Confirmed.PARTLY_FILLED, Confirmed.CANCELLED]


@pytest.mark.parametrize("as_refusal", [True, False])
def test_the_reasons_for_gone(start_sandbox: StartSandbox, cancel: Cancel, as_refusal: bool) -> None:
    """Orders that are gone are confirmed as filled, cancelled or not found; their status stays gone."""
    sandbox = start_sandbox(orders=2, all_gone_as_refusal=as_refusal)
    filled, cancelled = sandbox_orders(sandbox)
    sandbox.fill(filled.order_id)
    with connect_to(sandbox) as client:
        cancel_orders.sync(client=client, orders=[by_order_id(cancelled)])
    orders = [*all_refs(sandbox), OrderRef(order_id="1"), OrderRef(order_id="not-a-number")]
    report = cancel(connect_to(sandbox), orders)
    assert confirmations(report) == [
        Confirmed.FILLED,
        Confirmed.CANCELLED,
        Confirmed.NOT_FOUND,
        Confirmed.NOT_FOUND,
    ]
    assert report.counts[Status.GONE] == 4


def test_an_unknown_outcome_is_confirmed(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """If no response says what became of a cancel, the order is confirmed, and its status stays unknown."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject("drop-after", times=3)
    report = cancel(connect_to(sandbox, max_retries=2), all_refs(sandbox))
    assert confirmations(report) == [Confirmed.CANCELLED] * 2
    assert report.counts[Status.UNKNOWN] == 2


def test_a_slow_cancel_is_waited_for(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """A cancel that is executed 0.3 s after it was accepted is confirmed as soon as it is executed."""
    sandbox = start_sandbox(orders=30, cancel_delay=0.3)
    started_at = time.monotonic()
    report = cancel(connect_to(sandbox), all_refs(sandbox))
    assert confirmations(report) == [Confirmed.CANCELLED] * 30
    assert time.monotonic() - started_at < 2


def test_an_order_that_stays_open(start_sandbox: StartSandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing has changed for the stall timeout, an open order is confirmed as live."""
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 0.4)
    sandbox = start_sandbox(orders=2, cancel_delay=60)
    report = cancel(connect_to(sandbox), all_refs(sandbox))
    assert confirmations(report) == [Confirmed.LIVE] * 2
    assert report.counts[Status.ACCEPTED] == 2


def test_a_deadline_during_the_confirmation(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """At the deadline an open order is confirmed as live; the run does not raise, because everything was sent."""
    sandbox = start_sandbox(orders=2, cancel_delay=60)
    started_at = time.monotonic()
    report = cancel(connect_to(sandbox), all_refs(sandbox), deadline=0.5)
    assert time.monotonic() - started_at < 1
    assert confirmations(report) == [Confirmed.LIVE] * 2


def test_rejected_orders_are_not_confirmed(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """If every order is rejected, no query is sent."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject("code=45055")
    report = cancel(connect_to(sandbox), all_refs(sandbox))
    assert report.counts[Status.REJECTED] == 2
    assert confirmations(report) == [None] * 2
    assert not query_counts(sandbox)


def test_a_rejected_order_next_to_an_accepted_one(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """Only the accepted order is confirmed, even if the same page of a listing has the rejected one."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject("code=45055")
    report = cancel(connect_to(sandbox), all_refs(sandbox), batch_size=1)
    confirmed = {outcome.status: outcome.confirmed for outcome in report}
    assert confirmed == {Status.REJECTED: None, Status.ACCEPTED: Confirmed.CANCELLED}


def test_a_run_that_ends_early_confirms_nothing(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """After wrong credentials, and after a deadline before anything was sent, no query is sent."""
    sandbox = start_sandbox(orders=2)
    wrong = Credentials(sandbox.api_key, "wrong", sandbox.passphrase)
    with pytest.raises(AuthenticationError) as refused:
        cancel(connect_to(sandbox, wrong), all_refs(sandbox))
    with pytest.raises(DeadlineExceeded) as late:
        cancel(connect_to(sandbox), all_refs(sandbox), deadline=0)
    assert not query_counts(sandbox)
    assert confirmations(report_carried_by(refused.value)) == [None] * 2
    assert confirmations(report_carried_by(late.value)) == [None] * 2
    assert report_carried_by(late.value).counts[Status.NOT_SENT] == 2


WAYS: Final[dict[str, tuple[MakeRef, ...]]] = {
    "orderId": (by_order_id,),
    "clientOid": (by_client_oid,),
    "every way": (by_order_id, by_client_oid, by_order_id_with_symbol, by_client_oid_with_symbol, by_both),
}


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
def test_every_way_to_address_an_order(start_sandbox: StartSandbox, cancel: Cancel, ways: tuple[MakeRef, ...]) -> None:
    """However an order is addressed, it has its own confirmation among many others."""
    sandbox = start_sandbox(orders=40)
    orders = sandbox_orders(sandbox)
    for order in orders[::3]:
        sandbox.fill(order.order_id)
    for order in orders[1::3]:
        sandbox.fill(order.order_id, partially=True)
    refs = [ways[index % len(ways)](order) for index, order in enumerate(orders)]
    report = cancel(connect_to(sandbox), refs)
    states = (Confirmed.FILLED, Confirmed.PARTLY_FILLED, Confirmed.CANCELLED)
    assert confirmations(report) == [states[index % 3] for index in range(40)]


def test_repeated_orders(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """Every outcome of an order that is given twice, by the same or another identifier, is confirmed."""
    sandbox = start_sandbox(orders=2)
    first, second = sandbox_orders(sandbox)
    orders = [
        by_order_id(first),
        by_client_oid(second),
        by_order_id(first),
        by_client_oid(second),
        by_client_oid(first),
    ]
    assert confirmations(cancel(connect_to(sandbox), orders)) == [Confirmed.CANCELLED] * 5


@pytest.mark.parametrize("make_ref", [by_order_id, by_client_oid])
def test_two_thousand_orders_need_about_twenty_pages(
    start_sandbox: StartSandbox, cancel: Cancel, make_ref: MakeRef
) -> None:
    """A page confirms a hundred orders, so 2,000 orders are confirmed with about twenty requests."""
    sandbox = start_sandbox(orders=2000)
    orders = sandbox_orders(sandbox)
    for order in orders[::100]:
        sandbox.fill(order.order_id)
    report = cancel(connect_to(sandbox), [make_ref(order) for order in orders])
    assert Counter(confirmations(report)) == {Confirmed.CANCELLED: 1980, Confirmed.FILLED: 20}
    counts = query_counts(sandbox)
    assert counts[GET_HISTORY_ORDERS.path] <= 22
    assert counts[GET_UNFILLED_ORDERS.path] + counts[GET_ORDER_INFO.path] <= 3


def test_a_report_shows_the_confirmations(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """The rows, the text and a pickle of a report have what was confirmed."""
    sandbox = start_sandbox(orders=2)
    first, second = sandbox_orders(sandbox)
    sandbox.fill(first.order_id)
    report = cancel(connect_to(sandbox), [*all_refs(sandbox), OrderRef(order_id="1")])
    assert [row["confirmed"] for row in report.rows()] == ["filled", "cancelled", "not_found"]
    assert [row["status"] for row in report.rows()] == ["gone", "accepted", "gone"]
    assert f"{first.order_id}: gone 43001 The order is not open (filled)" in str(report)
    assert second.order_id not in str(report)
    assert "1: gone 43001 The order is not open (not_found)" in str(report)
    assert confirmations(pickled(report)) == confirmations(report)
    assert pickled(report).rows() == report.rows()


def listings(sandbox: Sandbox, count: int) -> Callable[[], bool]:
    """Return the condition that so many requests for open orders have arrived."""
    return lambda: count_requests(sandbox, GET_UNFILLED_ORDERS) >= count


@needs_interrupts
def test_ctrl_c_during_the_confirmation(start_sandbox: StartSandbox) -> None:
    """Ctrl-C during the confirmation ends the run, and the exception has the outcomes of the cancels."""
    sandbox = start_sandbox(orders=2, cancel_delay=60)
    with (
        connect_to(sandbox) as client,
        pytest.raises(KeyboardInterrupt) as caught,
        interrupt_when(listings(sandbox, 1)),
    ):
        cancel_orders.sync(client=client, orders=all_refs(sandbox), confirm=True)
    assert report_carried_by(caught.value).counts[Status.ACCEPTED] == 2


@pytest.mark.usefixtures("short_confirmation_pauses")
@needs_interrupts
def test_ctrl_c_keeps_what_has_been_confirmed(start_sandbox: StartSandbox) -> None:
    """Ctrl-C during the second search keeps what the first has confirmed."""
    sandbox = start_sandbox(orders=2, cancel_delay=60)
    sandbox.fill(next(iter(sandbox.orders)))
    with (
        connect_to(sandbox) as client,
        pytest.raises(KeyboardInterrupt) as caught,
        interrupt_when(listings(sandbox, 2)),
    ):
        cancel_orders.sync(client=client, orders=all_refs(sandbox), confirm=True)
    assert confirmations(report_carried_by(caught.value)) == [Confirmed.FILLED, Confirmed.LIVE]


def cancel_task_during_confirmation(sandbox: Sandbox, condition: Callable[[], bool]) -> Report:
    """Cancel and confirm the orders in a task, cancel the task when the condition holds, and return its report."""

    async def cancel_the_task() -> BaseException:
        task = asyncio.create_task(
            call_in_task(cancel_orders, connect_to(sandbox), orders=all_refs(sandbox), confirm=True)
        )
        await wait_until(condition)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    return report_carried_by(asyncio.run(cancel_the_task()))


def test_a_task_that_is_cancelled_during_the_confirmation(start_sandbox: StartSandbox) -> None:
    """A task that is cancelled during the confirmation ends, and its exception has the outcomes of the cancels."""
    sandbox = start_sandbox(orders=2, cancel_delay=60)
    report = cancel_task_during_confirmation(sandbox, listings(sandbox, 1))
    assert report.counts[Status.ACCEPTED] == 2


@pytest.mark.usefixtures("short_confirmation_pauses")
def test_a_cancelled_task_keeps_what_has_been_confirmed(start_sandbox: StartSandbox) -> None:
    """A task that is cancelled during the second search keeps what the first has confirmed."""
    sandbox = start_sandbox(orders=2, cancel_delay=60)
    sandbox.fill(next(iter(sandbox.orders)))
    report = cancel_task_during_confirmation(sandbox, listings(sandbox, 2))
    assert confirmations(report) == [Confirmed.FILLED, Confirmed.LIVE]


TEMPORARY_FAULTS: Final = (
    "429",
    "drop-before",
    "drop-after",
    "html-502",
    "html-403",
    "empty",
    "list-code=45001",
    "list-data={}",
    "list-data=null",
)


@pytest.mark.usefixtures("short_confirmation_pauses")
@pytest.mark.parametrize("fault", TEMPORARY_FAULTS)
def test_a_query_that_fails(
    start_sandbox: StartSandbox, cancel: Cancel, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """If a query fails, also after its retries, it is sent again until the orders are confirmed, and the log says why."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject(fault, times=3, skip=0 if fault.startswith("list-") else 1)
    report = cancel(connect_to(sandbox, max_retries=2), all_refs(sandbox))
    assert confirmations(report) == [Confirmed.CANCELLED] * 2
    assert report.counts[Status.ACCEPTED] == 2
    assert "confirmation: " in caplog.text
    assert "; retrying" in caplog.text


@pytest.mark.parametrize("fault", ["list-code=40014", "list-code=99999"])
def test_a_query_that_is_refused(
    start_sandbox: StartSandbox, cancel: Cancel, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """If a query is refused, the run still returns its report, nothing is confirmed, and the log says why."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject(fault)
    report = cancel(connect_to(sandbox), all_refs(sandbox))
    assert confirmations(report) == [None] * 2
    assert report.counts[Status.ACCEPTED] == 2
    assert "confirmation ended early" in caplog.text
    assert sum(query_counts(sandbox).values()) == 1


@pytest.mark.usefixtures("short_confirmation_pauses")
def test_queries_that_always_fail(start_sandbox: StartSandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch) -> None:
    """If every query fails, the report says that no order is confirmed, and `raise_for_failures` can raise for it."""
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 0.2)
    sandbox = start_sandbox(orders=5)
    sandbox.inject("list-code=45001", times=10_000)
    report = cancel(connect_to(sandbox, max_retries=0), all_refs(sandbox))
    assert str(report).splitlines()[0] == "5 orders: 5 accepted; confirmed: 5 unknown"
    report.raise_for_failures()
    with pytest.raises(OrdersNotCancelledError):
        report.raise_for_failures(confirmed=True)


def test_a_deadline_while_a_query_waits_for_a_permit(
    start_sandbox: StartSandbox, cancel: Cancel, caplog: pytest.LogCaptureFixture
) -> None:
    """Orders whose query would get its permit too late are not confirmed; the outcomes of their cancels are kept."""
    sandbox = start_sandbox(orders=200)
    client = connect_to(sandbox, requests_per_second={**HIGH_RATES, "getHistoryOrders": 1})
    report = cancel(client, all_refs(sandbox), deadline=0.5)
    assert report.counts[Status.ACCEPTED] == 200
    assert confirmations(report)[:100] == [None] * 100
    assert confirmations(report)[100:] == [Confirmed.CANCELLED] * 100
    assert count_requests(sandbox, GET_HISTORY_ORDERS) == 1
    assert "confirmation ended early" in caplog.text


def test_a_client_oid_that_was_used_before(start_sandbox: StartSandbox, cancel: Cancel) -> None:
    """An older, finished order with the same clientOid is not mistaken for the order that was cancelled."""
    sandbox = start_sandbox(orders=2, cancel_delay=0.1)
    old, new = sandbox_orders(sandbox)
    filled = sandbox.fill(old.order_id)
    sandbox.book._orders[old.order_id] = evolve(filled, client_oid=new.client_oid)
    report = cancel(connect_to(sandbox), [by_client_oid(new)])
    assert confirmations(report) == [Confirmed.CANCELLED]


@pytest.mark.parametrize("fault", ["null-data", "missing-lists", "foreign-rows"])
def test_a_fault_of_a_batch_does_not_affect_a_query(start_sandbox: StartSandbox, cancel: Cancel, fault: str) -> None:
    """The sandbox's faults that change the lists of a batch leave a listing of orders unchanged."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject(fault, skip=1)
    report = cancel(connect_to(sandbox, max_retries=0), all_refs(sandbox))
    assert confirmations(report) == [Confirmed.CANCELLED] * 2
    assert {arrival.status for arrival in sandbox.arrivals} == {200}


@pytest.mark.usefixtures("short_confirmation_pauses")
def test_full_pages_without_order_ids(
    start_sandbox: StartSandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page whose orders have no orderId is malformed: it confirms nothing."""
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 0.2)
    original_row = handlers.order_row
    monkeypatch.setattr(handlers, "order_row", lambda order: {**original_row(order), "orderId": None})
    sandbox = start_sandbox(orders=PAGE_SIZE + 1)
    report = cancel(connect_to(sandbox), all_refs(sandbox))
    assert report.counts[Status.ACCEPTED] == PAGE_SIZE + 1
    assert confirmations(report) == [None] * (PAGE_SIZE + 1)
