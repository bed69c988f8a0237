"""The library against the unified sandbox: reports and ledger agree, whether the account type is stated or detected."""

from __future__ import annotations

from typing import Any, Final

import pytest
from sandboxes import call, connect_to, count_requests, still_open

from bitget_spot import (
    InvalidBatchError,
    OrderRef,
    Outcome,
    Report,
    Status,
    WrongEnvironmentError,
    cancel_open_orders,
    cancel_orders,
)
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot.sandbox.accounts import AccountType
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    CANCEL_UNIFIED_STRATEGY_ORDER,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
    GET_UNIFIED_UNFILLED_ORDERS,
)

MODES: Final = ("sync", "asyncio")
STATED: Final = ("unified", None)
FUTURES: Final = "USDT-FUTURES"
TRIGGERED: Final = ("executed", "triggered")

both_modes = pytest.mark.parametrize("mode", MODES)
stated_and_detected = pytest.mark.parametrize("account_type", STATED, ids=["stated", "detected"])


def new_sandbox(account_type: AccountType = "unified", **arguments: Any) -> Sandbox:
    """Return a sandbox without orders and with a high rate limit, which executes a cancel after a moment."""
    defaults = {"orders": 0, "requests_per_second": 1000, "cancel_delay": 0.02}
    return Sandbox(account_type=account_type, **defaults | arguments)


def run(mode: str, operation: Any, sandbox: Sandbox, account_type: str | None, **arguments: Any) -> Report:
    """Call a bulk operation with a new client."""
    client = connect_to(sandbox, account_type=account_type)
    report = call(mode, operation, client, deadline=20, **arguments)
    assert isinstance(report, Report)
    assert client.account_type == sandbox.account_type
    return report


def refs(orders: list[Order], **fields: Any) -> list[OrderRef]:
    """Return references to orders by order id."""
    return [OrderRef(order_id=order.order_id, symbol=order.symbol, **fields) for order in orders]


def fire(sandbox: Sandbox, order: Order) -> Order:
    """Let an order fire, and return the normal order that it places."""
    placed_order_id = sandbox.trigger(order.order_id).placed_order_id
    return sandbox.orders[placed_order_id]


def final_state(order: Order) -> str:
    """Return what confirmation should say about an order."""
    if order.status == "cancelled":
        return "partly_filled" if float(order.base_volume) else "cancelled"
    return "triggered" if order.status in TRIGGERED else order.status


def check_against_ledger(report: Report, sandbox: Sandbox, orders: list[Order]) -> None:
    """Check that a report has one outcome for each of the orders, and that each says what became of it."""
    assert sorted(str(outcome.order.order_id) for outcome in report) == sorted(order.order_id for order in orders)
    for outcome in report:
        order = sandbox.orders[str(outcome.order.order_id)]
        assert outcome.kind == order.kind
        # The finished strategy orders of a unified account have no status: only a trigger can be confirmed.
        has_status = order.category != FUTURES or order.kind == "normal" or order.status in TRIGGERED
        assert outcome.confirmed == (final_state(order) if has_status else None), outcome


@both_modes
@stated_and_detected
@pytest.mark.parametrize("category", ["SPOT", "MARGIN", FUTURES])
def test_cancel_orders(mode: str, account_type: str | None, category: str) -> None:
    """Orders of any category are cancelled in batches of 20, and what was filled meanwhile is confirmed as such."""
    with new_sandbox() as sandbox:
        orders = sandbox.open_orders(45, category=category)
        sandbox.fill(orders[3].order_id)
        sandbox.fill(orders[7].order_id, partially=True)
        report = run(
            mode, cancel_orders, sandbox, account_type, orders=refs(orders), category=category.lower(), confirm=True
        )
        check_against_ledger(report, sandbox, orders)
        assert (report.counts[Status.ACCEPTED], report.counts[Status.GONE]) == (44, 1)
        assert (report.outcomes[3].code, report.outcomes[3].confirmed) == ("25204", "filled")
        assert still_open(sandbox) == []
        batches = [arrival for arrival in sandbox.arrivals if arrival.path == BATCH_CANCEL_UNIFIED_ORDERS.path]
        assert sorted(batch.order_count for batch in batches) == [5, 20, 20]
        if category != "SPOT" or account_type:
            assert count_requests(sandbox, BATCH_CANCEL_ORDERS) == 0


@both_modes
@stated_and_detected
@pytest.mark.parametrize("identifier", ["client_oid", "both"])
def test_cancel_orders_by_client_oid(mode: str, account_type: str | None, identifier: str) -> None:
    """Orders are found by clientOid; with both ids, the orderId alone is sent."""
    with new_sandbox() as sandbox:
        orders = sandbox.open_orders(5)
        given = [OrderRef(client_oid=order.client_oid, symbol=order.symbol) for order in orders]
        if identifier == "both":
            given = refs(orders, client_oid="another")
        report = run(mode, cancel_orders, sandbox, account_type, orders=given, confirm=True)
        assert {(outcome.status, outcome.confirmed) for outcome in report} == {("accepted", "cancelled")}
        assert still_open(sandbox) == []


@both_modes
@pytest.mark.parametrize("batch_size", [None, 7])
def test_several_batches_of_a_detected_account(mode: str, batch_size: int | None) -> None:
    """However many batches are refused because of the account type, every order is cancelled by one batch."""
    with new_sandbox() as sandbox:
        orders = sandbox.open_orders(130)
        report = run(mode, cancel_orders, sandbox, None, orders=refs(orders), batch_size=batch_size)
        assert {(outcome.status, outcome.code) for outcome in report} == {("accepted", None)}
        batches = [arrival for arrival in sandbox.arrivals if arrival.path == BATCH_CANCEL_UNIFIED_ORDERS.path]
        cancelled = [order_id for batch in batches for order_id in batch.order_ids]
        assert sorted(cancelled) == [order.order_id for order in orders]
        assert max(batch.order_count for batch in batches) == (batch_size or 20)


@both_modes
def test_order_without_a_symbol(mode: str) -> None:
    """If the type is stated nothing is sent; if it is detected, that order is not sent, and the others are cancelled."""
    with new_sandbox() as sandbox:
        first, *others = sandbox.open_orders(3)
        given = [OrderRef(order_id=first.order_id), *refs(others)]
        with pytest.raises(InvalidBatchError):
            run(mode, cancel_orders, sandbox, "unified", orders=given)
        assert sandbox.arrivals == []
        report = run(mode, cancel_orders, sandbox, None, orders=given)
        assert [outcome.status for outcome in report] == ["not_sent", "accepted", "accepted"]
        assert report.outcomes[0].message


@both_modes
@pytest.mark.parametrize("stated", ["classic", "unified"])
@pytest.mark.parametrize("operation", [cancel_orders, cancel_open_orders])
def test_wrong_account_type_stated(mode: str, stated: AccountType, operation: Any) -> None:
    """The run ends with the error of the exchange, nothing is switched, and every order stays open."""
    actual: AccountType = "classic" if stated == "unified" else "unified"
    with new_sandbox(actual) as sandbox:
        orders = sandbox.open_orders(3)
        arguments = {"orders": refs(orders)} if operation is cancel_orders else {}
        with pytest.raises(WrongEnvironmentError) as caught:
            call(mode, operation, connect_to(sandbox, account_type=stated), **arguments)
        assert caught.value.code == ("40084" if actual == "classic" else "40085")
        assert still_open(sandbox) == orders
        other_version = "/api/v2/" if stated == "unified" else "/api/v3/"
        assert not any(arrival.path.startswith(other_version) for arrival in sandbox.arrivals)


@both_modes
def test_category_of_a_classic_account(mode: str) -> None:
    """A category other than SPOT is refused by the exchange if the type is not stated, and no order is touched."""
    with new_sandbox("classic") as sandbox:
        orders = sandbox.open_orders(3)
        for operation, arguments in ((cancel_orders, {"orders": refs(orders)}), (cancel_open_orders, {})):
            with pytest.raises(WrongEnvironmentError):
                call(mode, operation, connect_to(sandbox), category=FUTURES, **arguments)
        assert still_open(sandbox) == orders


@both_modes
@stated_and_detected
@pytest.mark.parametrize("arguments", [{}, {"cancel_by_symbol": False}, {"sides": ["buy", "sell"]}], ids=str)
@pytest.mark.parametrize("category", ["SPOT", FUTURES])
def test_cancel_open_orders(mode: str, account_type: str | None, arguments: Any, category: str) -> None:
    """Every order of the category is cancelled, strategy orders included; those of other categories stay open."""
    with new_sandbox() as sandbox:
        orders = sandbox.open_orders(130, category=category)
        sandbox.fill(orders[3].order_id, partially=True)
        if category == FUTURES:
            orders += sandbox.open_orders(12, category=category, kind="tpsl")
        others = sandbox.open_orders(3, category="MARGIN")
        report = run(mode, cancel_open_orders, sandbox, account_type, category=category, **arguments)
        check_against_ledger(report, sandbox, orders)
        assert still_open(sandbox) == others
        assert {outcome.status for outcome in report} == {"accepted"}
        assert report.symbols_cancelled == (() if arguments else (category,))
        assert count_requests(sandbox, CANCEL_UNIFIED_SYMBOL_ORDERS) == (0 if arguments else 1)


@both_modes
def test_kinds(mode: str) -> None:
    """`kinds` narrows the run; a kind that a unified account does not have is an error and no all-clear."""
    with new_sandbox() as sandbox:
        normal = sandbox.open_orders(5, category=FUTURES)
        strategy = sandbox.open_orders(5, category=FUTURES, kind="tpsl")
        report = run(mode, cancel_open_orders, sandbox, "unified", category=FUTURES, kinds=["tpsl"])
        check_against_ledger(report, sandbox, strategy)
        assert still_open(sandbox) == normal
        assert count_requests(sandbox, CANCEL_UNIFIED_STRATEGY_ORDER) == 5
        report = run(mode, cancel_open_orders, sandbox, None, category=FUTURES, kinds=["normal"])
        check_against_ledger(report, sandbox, normal)
        for stated in STATED:
            with pytest.raises(ValueError, match="plan"):
                run(mode, cancel_open_orders, sandbox, stated, kinds=["plan"])


@both_modes
@stated_and_detected
def test_strategy_order_that_fires_during_the_run(mode: str, account_type: str | None) -> None:
    """The normal order that it places is found and cancelled too."""
    with new_sandbox(cancel_delay=0.3) as sandbox:
        orders = sandbox.open_orders(3, category=FUTURES, kind="tpsl")
        placed: list[Order] = []

        def fire_one(outcomes: list[Outcome]) -> None:
            if any(outcome.kind == "tpsl" for outcome in outcomes) and not placed:
                first = next(order for order in orders if sandbox.orders[order.order_id].is_open)
                placed.append(fire(sandbox, first))

        report = run(mode, cancel_open_orders, sandbox, account_type, category=FUTURES, on_progress=fire_one)
        assert len(placed) == 1
        check_against_ledger(report, sandbox, orders + placed)
        assert still_open(sandbox) == []


@both_modes
@stated_and_detected
def test_cancel_that_is_in_progress(mode: str, account_type: str | None) -> None:
    """An order whose cancel the exchange already has is accepted, and confirmed as cancelled."""
    with new_sandbox(cancel_delay=0.2) as sandbox:
        orders = sandbox.open_orders(3)
        for order in orders:
            sandbox.book.cancel(order.order_id, 0.2)
        report = run(mode, cancel_orders, sandbox, account_type, orders=refs(orders), confirm=True)
        assert {(outcome.status, outcome.confirmed) for outcome in report} == {("accepted", "cancelled")}


@both_modes
@pytest.mark.parametrize("fault", ["drop-after", "html-520", "code-after=25000", "row-code=25000", "null-data"])
def test_faults(mode: str, fault: str) -> None:
    """Whatever happens to the responses, every order is cancelled and the report agrees with the exchange."""
    with new_sandbox() as sandbox:
        orders = sandbox.open_orders(30)
        sandbox.inject(fault, times=2, operation=BATCH_CANCEL_UNIFIED_ORDERS)
        report = run(mode, cancel_orders, sandbox, "unified", orders=refs(orders), confirm=True)
        check_against_ledger(report, sandbox, orders)
        assert still_open(sandbox) == []


@both_modes
@pytest.mark.parametrize("fault", ["list-code=25000", "list-data=null", 'list-data={"list": {}}', "drop-after"])
def test_faults_of_the_listing(mode: str, fault: str) -> None:
    """A listing that cannot be read is read again, and never means that nothing is open."""
    with new_sandbox() as sandbox:
        orders = sandbox.open_orders(30)
        sandbox.inject(fault, times=3, operation=GET_UNIFIED_UNFILLED_ORDERS)
        report = run(mode, cancel_open_orders, sandbox, "unified", cancel_by_symbol=False)
        check_against_ledger(report, sandbox, orders)
        assert still_open(sandbox) == []


@both_modes
@pytest.mark.parametrize("account_type", ["classic", None], ids=["stated", "detected"])
def test_every_kind_of_a_classic_account(mode: str, account_type: str | None) -> None:
    """Normal, TP/SL and trigger orders are cancelled, and so is the order that a fired trigger order has placed."""
    with new_sandbox("classic", cancel_delay=0.3) as sandbox:
        orders = sandbox.open_orders(60)
        orders += sandbox.open_orders(12, kind="tpsl") + sandbox.open_orders(12, kind="plan")
        last = orders[-1]
        placed: list[Order] = []

        def fire_last(outcomes: list[Outcome]) -> None:
            # Now it has been listed, and its cancel has not been executed.
            if any(outcome.kind == "plan" for outcome in outcomes) and not placed:
                placed.append(fire(sandbox, last))

        report = run(mode, cancel_open_orders, sandbox, account_type, on_progress=fire_last)
        assert len(placed) == 1
        check_against_ledger(report, sandbox, orders + placed)
        assert still_open(sandbox) == []
