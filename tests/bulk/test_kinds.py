"""The kill switch cancels orders of every kind that the account can have: normal, TP/SL and trigger orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import pytest
from open_orders import (
    CancelOpen,
    FindIds,
    confirmed_by_id,
    report_of_task_cancelled_twice,
    reported_ids,
    state_at_exchange,
)
from reports import report_carried_by, status_counts
from sandboxes import StartSandbox, call, connect_to, count_requests, still_open

from bitget_spot import (
    ApiError,
    AuthenticationError,
    Confirmed,
    Outcome,
    PermissionDeniedError,
    Report,
    Status,
    cancel_orders,
)
from bitget_spot._bulk import confirmation, open_order
from bitget_spot._bulk.accounts import ListedOrder, account_of
from bitget_spot._bulk.open_order import first_seen
from bitget_spot._bulk.order_filter import OrderFilter
from bitget_spot._bulk.report import Kind
from bitget_spot._bulk.single_cancels import SingleCancels
from bitget_spot._middleware.account_type import AccountType
from bitget_spot._middleware.context import CancelScope
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api.models import (
    AcceptedOrder,
    CancelOrderResponse,
    CancelPlanOrderResponse,
    Category,
    OrderRef,
    PlanOrderResult,
)
from bitget_spot_api.operations import (
    BATCH_CANCEL_PLAN_ORDERS,
    CANCEL_ORDER,
    CANCEL_PLAN_ORDER,
    CANCEL_UNIFIED_STRATEGY_ORDER,
    GET_CURRENT_PLAN_ORDERS,
    GET_HISTORY_ORDERS,
    Operation,
)

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_listing_intervals", "short_confirmation_pauses")

FUTURES: Final = "USDT-FUTURES"
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def open_every_kind(sandbox: Sandbox, normal: int = 6, tpsl: int = 5, plan: int = 4) -> None:
    """Open orders of every kind, over several trading pairs."""
    counts: dict[Kind, int] = {"normal": normal, "tpsl": tpsl, "plan": plan}
    for kind, count in counts.items():
        for number in range(count):
            sandbox.open_orders(1, kind=kind, symbol=SYMBOLS[number % 3])


@pytest.fixture
def classic(start_sandbox: StartSandbox) -> Sandbox:
    """A sandbox with a classic account that has orders of every kind."""
    sandbox = start_sandbox(orders=0)
    open_every_kind(sandbox)
    return sandbox


@pytest.fixture
def futures(start_sandbox: StartSandbox) -> Sandbox:
    """A sandbox with a unified account that has normal and strategy orders."""
    sandbox = start_sandbox(orders=0, account_type="unified")
    sandbox.open_orders(6, category=FUTURES)
    sandbox.open_orders(5, kind="tpsl", category=FUTURES)
    return sandbox


def kinds_by_id(report: Report) -> dict[str, str]:
    """Return the kind of each order in a report."""
    return {str(outcome.order.order_id): outcome.kind for outcome in report}


def orders_of(sandbox: Sandbox, *kinds: str) -> list[Order]:
    """Return the orders of some kinds."""
    return [order for order in sandbox.orders.values() if order.kind in kinds]


def ids(orders: Iterable[Order]) -> set[str]:
    """Return the ids of orders."""
    return {order.order_id for order in orders}


@pytest.mark.parametrize("by_symbol", [True, False])
def test_every_kind_of_a_classic_account(by_symbol: bool, classic: Sandbox, cancel_open: CancelOpen) -> None:
    """Every order is cancelled, confirmed and reported with its kind."""
    report = cancel_open(connect_to(classic), cancel_by_symbol=by_symbol)
    assert still_open(classic) == []
    assert confirmed_by_id(report) == dict.fromkeys(classic.orders, Confirmed.CANCELLED)
    assert kinds_by_id(report) == {order_id: order.kind for order_id, order in classic.orders.items()}
    assert {outcome.status for outcome in report} == {Status.ACCEPTED}


@pytest.mark.parametrize("stated", [None, "unified"])
def test_every_kind_of_a_unified_account(stated: AccountType | None, futures: Sandbox, cancel_open: CancelOpen) -> None:
    """In a futures category, normal and strategy orders are cancelled and reported with their kind."""
    report = cancel_open(connect_to(futures, account_type=stated), category=FUTURES)
    assert still_open(futures) == []
    assert kinds_by_id(report) == {order_id: order.kind for order_id, order in futures.orders.items()}
    assert {outcome.status for outcome in report} == {Status.ACCEPTED}
    confirmed = confirmed_by_id(report)
    assert {confirmed[order_id] for order_id in ids(orders_of(futures, "normal"))} == {Confirmed.CANCELLED}


@pytest.mark.parametrize("kinds", [["normal"], ["tpsl"], ["plan"], ["tpsl", "plan"], ["plan", "normal", "plan"]])
def test_kinds(kinds: list[str], classic: Sandbox, cancel_open: CancelOpen, find: FindIds) -> None:
    """With `kinds`, only orders of these kinds are found, cancelled and reported."""
    wanted = ids(orders_of(classic, *kinds))
    assert find(connect_to(classic), kinds=kinds) == wanted
    assert len(still_open(classic)) == len(classic.orders)
    report = cancel_open(connect_to(classic), kinds=kinds)
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)
    assert ids(still_open(classic)) == set(classic.orders) - wanted


def test_kinds_of_a_unified_account(futures: Sandbox, cancel_open: CancelOpen, find: FindIds) -> None:
    """`kinds=["tpsl"]` leaves the normal orders of a futures category alone."""
    wanted = ids(orders_of(futures, "tpsl"))
    assert find(connect_to(futures), kinds=["tpsl"], category=FUTURES) == wanted
    report = cancel_open(connect_to(futures), kinds=["tpsl"], category=FUTURES)
    assert reported_ids(report) == wanted
    assert ids(still_open(futures)) == ids(orders_of(futures, "normal"))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_symbols_of_every_kind(symbol: str, classic: Sandbox, cancel_open: CancelOpen) -> None:
    """With `symbols`, the orders of every kind of these pairs are cancelled, and no others."""
    report = cancel_open(connect_to(classic), symbols=[symbol])
    wanted = {order_id for order_id, order in classic.orders.items() if order.symbol == symbol}
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)
    assert ids(still_open(classic)) == set(classic.orders) - wanted


def test_symbols_of_strategy_orders(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """The listing of strategy orders cannot be limited to a pair; those of other pairs are left alone nevertheless."""
    sandbox = start_sandbox(orders=0, account_type="unified")
    for symbol in SYMBOLS:
        sandbox.open_orders(2, kind="tpsl", category=FUTURES, symbol=symbol)
    cancel_open(connect_to(sandbox), symbols=["ETHUSDT"], category=FUTURES)
    assert {order.symbol for order in still_open(sandbox)} == {"BTCUSDT", "SOLUSDT"}


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_sides_of_every_kind(side: str, classic: Sandbox, cancel_open: CancelOpen) -> None:
    """With `sides`, trigger orders are cancelled one by one, because a pair has orders of both sides."""
    report = cancel_open(connect_to(classic), sides=[side])
    wanted = {order_id for order_id, order in classic.orders.items() if order.side == side}
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)
    assert ids(still_open(classic)) == set(classic.orders) - wanted
    assert count_requests(classic, BATCH_CANCEL_PLAN_ORDERS) == 0
    wanted_plans = [order for order in orders_of(classic, "plan") if order.side == side]
    assert count_requests(classic, CANCEL_PLAN_ORDER) == len(wanted_plans)


def test_the_requests_of_other_kinds(classic: Sandbox, cancel_open: CancelOpen) -> None:
    """TP/SL orders are cancelled one by one; the trigger orders of all pairs by one request."""
    cancel_open(connect_to(classic))
    assert count_requests(classic, CANCEL_ORDER) == 5
    assert count_requests(classic, BATCH_CANCEL_PLAN_ORDERS) == 1
    assert count_requests(classic, CANCEL_PLAN_ORDER) == 0


def test_only_the_trigger_orders_of_listed_pairs(classic: Sandbox, cancel_open: CancelOpen) -> None:
    """The request that cancels trigger orders names their pairs, so orders of a pair that is not listed stay open."""
    (other,) = classic.open_orders(1, kind="plan", symbol="XRPUSDT")
    cancel_open(connect_to(classic), symbols=SYMBOLS)
    assert ids(still_open(classic)) == {other.order_id}


def test_more_trigger_orders_than_a_page(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Every page of the trigger orders is read, and every order is cancelled once."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(230, kind="plan", symbol="BTCUSDT")
    report = cancel_open(connect_to(sandbox))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert {outcome.status for outcome in report} <= {Status.ACCEPTED, Status.GONE, Status.UNKNOWN}


@pytest.mark.parametrize("kind", ["tpsl", "plan"])
def test_an_order_that_is_triggered_meanwhile(kind: Kind, start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A triggered order becomes a normal one with another id: that one is found by the next listing and cancelled."""
    sandbox = start_sandbox(orders=0, cancel_delay=0.1)
    triggered, other = sandbox.open_orders(2, kind=kind, symbol="BTCUSDT")
    fired: list[Order] = []

    def trigger(_: object) -> None:
        if not fired:
            fired.append(sandbox.trigger(triggered.order_id))

    report = cancel_open(connect_to(sandbox), on_progress=trigger)
    assert still_open(sandbox) == []
    confirmed = confirmed_by_id(report)
    assert confirmed[other.order_id] is Confirmed.CANCELLED
    assert confirmed[fired[0].placed_order_id] is Confirmed.CANCELLED
    expected = {"plan": Confirmed.TRIGGERED, "tpsl": Confirmed.FILLED}
    assert confirmed[triggered.order_id] is expected[kind]
    assert kinds_by_id(report)[fired[0].placed_order_id] == "normal"


def test_a_strategy_order_that_is_triggered_meanwhile(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A triggered strategy order is confirmed as such; the listing does not say that another one was cancelled."""
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 0.2)
    sandbox = start_sandbox(orders=0, account_type="unified", cancel_delay=0.1)
    triggered, other = sandbox.open_orders(2, kind="tpsl", category=FUTURES)
    fired: list[Order] = []

    def trigger(_: object) -> None:
        if not fired:
            fired.append(sandbox.trigger(triggered.order_id))

    report = cancel_open(connect_to(sandbox), category=FUTURES, on_progress=trigger)
    assert still_open(sandbox) == []
    confirmed = confirmed_by_id(report)
    assert confirmed[triggered.order_id] is Confirmed.TRIGGERED
    assert confirmed[other.order_id] is None
    assert confirmed[fired[0].placed_order_id] is Confirmed.CANCELLED


def test_a_trigger_order_that_fails_to_be_executed(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trigger order that fires and cannot be executed was neither cancelled nor filled: nothing is confirmed."""
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 0.2)
    sandbox = start_sandbox(orders=0, cancel_delay=0.1)
    failed, other = sandbox.open_orders(2, kind="plan", symbol="BTCUSDT")
    pending = [failed]

    def trigger(_: object) -> None:
        if pending:
            sandbox.trigger(pending.pop().order_id, fails=True)

    report = cancel_open(connect_to(sandbox), on_progress=trigger)
    assert confirmed_by_id(report) == {failed.order_id: None, other.order_id: Confirmed.CANCELLED}


@pytest.mark.parametrize(
    ("account_type", "category", "kinds"),
    [
        ("unified", "SPOT", ["tpsl"]),
        ("unified", "SPOT", ["normal", "plan"]),
        ("unified", "MARGIN", ["tpsl"]),
        ("unified", FUTURES, ["plan"]),
    ],
)
def test_a_kind_that_a_stated_account_cannot_have(
    account_type: AccountType, category: str, kinds: list[str], start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """It is a ValueError before anything is sent, never an empty all-clear; the message has the kinds that there are."""
    sandbox = start_sandbox(orders=2, account_type=account_type)
    client = connect_to(sandbox, account_type=account_type)
    with pytest.raises(
        ValueError, match=rf"kinds: a unified account has no {kinds[-1]} orders in {category}; use norm"
    ):
        cancel_open(client, kinds=kinds, category=category)
    assert sandbox.arrivals == []


@pytest.mark.parametrize("kinds", [["tpsl"], ["plan"], ["normal", "plan"]])
def test_a_kind_that_a_detected_account_cannot_have(
    kinds: list[str], start_sandbox: StartSandbox, cancel_open: CancelOpen, find: FindIds
) -> None:
    """If the account turns out to be unified, it is a ValueError, which carries a report, and nothing is cancelled."""
    sandbox = start_sandbox(orders=2, account_type="unified")
    with pytest.raises(ValueError, match=rf"kinds: a unified account has no {kinds[-1]} orders in SPOT") as caught:
        cancel_open(connect_to(sandbox), kinds=kinds)
    assert len(report_carried_by(caught.value)) == 0
    with pytest.raises(ValueError, match="kinds: a unified account has no"):
        find(connect_to(sandbox), kinds=kinds)
    assert len(still_open(sandbox)) == 2


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["trigger"], "kinds: 'trigger' is not valid; use normal or tpsl or plan"),
        ([], r"kinds: \[\] is not a list of texts"),
        ("plan", "kinds: 'plan' is not a list of texts"),
        (["NORMAL"], "kinds: 'NORMAL' is not valid"),
    ],
)
def test_invalid_kinds(kinds: Any, message: str, classic: Sandbox, cancel_open: CancelOpen, find: FindIds) -> None:
    """Kinds that there are not, and empty lists, are refused before anything is sent."""
    for function in (cancel_open, find):
        with pytest.raises(ValueError, match=message):
            function(connect_to(classic), kinds=kinds)
    assert classic.arrivals == []


def test_the_kinds_of_each_account() -> None:
    """A classic account has three kinds; a unified one has strategy orders in futures categories only."""
    every_kind = OrderFilter().kinds_of(account_of("classic", "SPOT"))
    assert every_kind == ("normal", "tpsl", "plan")
    without_strategies: list[Category] = ["SPOT", "MARGIN"]
    for category in without_strategies:
        assert OrderFilter().kinds_of(account_of("unified", category)) == ("normal",)
    futures: list[Category] = ["USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES"]
    for category in futures:
        assert OrderFilter().kinds_of(account_of("unified", category)) == ("normal", "tpsl")


@pytest.mark.parametrize("code", ["40014", "40034"])
def test_a_listing_of_one_kind_that_is_refused(code: str, classic: Sandbox, cancel_open: CancelOpen) -> None:
    """The orders of the other kinds are cancelled; then the refusal is raised, with their outcomes."""
    classic.inject(f"code={code}", times=100, operation=GET_CURRENT_PLAN_ORDERS)
    with pytest.raises(ApiError) as caught:
        cancel_open(connect_to(classic))
    assert caught.value.code == code
    assert {order.kind for order in still_open(classic)} == {"plan"}
    report = report_carried_by(caught.value)
    wanted = ids(orders_of(classic, "normal", "tpsl"))
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)


def test_a_cancel_of_another_kind_that_is_refused(classic: Sandbox, cancel_open: CancelOpen) -> None:
    """An unrecoverable error of the cancel of a TP/SL order ends the run; the exception has the outcomes."""
    classic.inject("code=40009", times=100, operation=CANCEL_ORDER)
    with pytest.raises(AuthenticationError) as caught:
        cancel_open(connect_to(classic), kinds=["tpsl"])
    assert status_counts(report_carried_by(caught.value)) == {Status.NOT_SENT: 5}


def test_a_permission_that_is_missing_for_one_kind(classic: Sandbox, cancel_open: CancelOpen) -> None:
    """An unrecoverable error of the cancel of trigger orders ends the run."""
    classic.inject("code=40014", times=100, operation=BATCH_CANCEL_PLAN_ORDERS)
    with pytest.raises(PermissionDeniedError) as caught:
        cancel_open(connect_to(classic), kinds=["plan"])
    assert status_counts(report_carried_by(caught.value)) == {Status.NOT_SENT: 4}


@pytest.mark.parametrize(
    "fault", ["drop-before", "html-502", "code=45001", "null-data", "missing-rows", "row-code=45001"]
)
def test_a_cancel_of_trigger_orders_that_fails(fault: str, classic: Sandbox, cancel_open: CancelOpen) -> None:
    """Trigger orders that the cancel of their pair has not cancelled are cancelled one by one."""
    classic.inject(fault, operation=BATCH_CANCEL_PLAN_ORDERS)
    report = cancel_open(connect_to(classic, max_retries=0), kinds=["plan"])
    assert confirmed_by_id(report) == dict.fromkeys(ids(orders_of(classic, "plan")), Confirmed.CANCELLED)
    assert count_requests(classic, BATCH_CANCEL_PLAN_ORDERS) == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("drop-before", Status.ACCEPTED),
        ("drop-after", Status.UNKNOWN),
        ("code=45001", Status.ACCEPTED),
        ("code=43001", Status.ACCEPTED),
        ("raw={}", Status.UNKNOWN),
        ('raw={"code":"00000","msg":"success","requestTime":1,"data":{"orderId":"1"}}', Status.UNKNOWN),
        ('raw={"code":"00000","msg":"success","requestTime":1,"data":null}', Status.UNKNOWN),
    ],
)
def test_a_cancel_of_a_tpsl_order_that_fails(
    fault: str, status: Status, start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """It is sent again until the order is not listed any more; a response about another order says nothing."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(1, kind="tpsl")
    sandbox.inject(fault, operation=CANCEL_ORDER)
    report = cancel_open(connect_to(sandbox, max_retries=0), kinds=["tpsl"])
    assert [(outcome.status, outcome.confirmed) for outcome in report] == [(status, Confirmed.CANCELLED)]


def test_the_results_of_a_trigger_order() -> None:
    """The response says success or failure; anything else says nothing about the order."""
    account = account_of("classic", "SPOT")
    order = ListedOrder("1", kind="plan")
    accepted = account.cancel_one_row(order, CancelPlanOrderResponse(data=PlanOrderResult(result="success")))
    assert accepted is not None
    assert accepted.error is None
    refused = account.cancel_one_row(order, CancelPlanOrderResponse(data=PlanOrderResult(result="failure")))
    assert refused is not None
    assert type(refused.error) is ApiError
    for response in (CancelPlanOrderResponse(data=PlanOrderResult()), CancelPlanOrderResponse(), None, "text"):
        assert account.cancel_one_row(order, response) is None
    another = CancelOrderResponse(data=AcceptedOrder(order_id="2"))
    assert account.cancel_one_row(ListedOrder("1", kind="tpsl"), another) is None


def test_a_trigger_order_whose_cancel_is_refused(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A trigger order whose cancel fails twice is rejected, and live."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(1, kind="plan")
    sandbox.inject("row-code=45043", operation=BATCH_CANCEL_PLAN_ORDERS)
    sandbox.inject("code=45043", times=100, operation=CANCEL_PLAN_ORDER)
    report = cancel_open(connect_to(sandbox))
    assert [(outcome.status, outcome.confirmed) for outcome in report] == [(Status.REJECTED, Confirmed.LIVE)]


def test_a_deadline_while_single_orders_are_cancelled(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Orders whose cancel could not be sent before the deadline are `not_sent`, those without a response unknown."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(30, kind="tpsl")
    sandbox.inject("delay-before=0.6", times=1000, operation=CANCEL_ORDER)
    with pytest.raises(TimeoutError) as caught:
        cancel_open(connect_to(sandbox), kinds=["tpsl"], deadline=0.3)
    report = report_carried_by(caught.value)
    assert len(report) == 30
    assert set(status_counts(report)) == {Status.ACCEPTED, Status.NOT_SENT}


@pytest.mark.parametrize(("kind", "operation"), [("tpsl", CANCEL_ORDER), ("plan", BATCH_CANCEL_PLAN_ORDERS)])
def test_a_task_that_is_cancelled_twice(kind: Kind, operation: Operation, start_sandbox: StartSandbox) -> None:
    """After a second cancellation the run does not wait for the requests in flight; their orders are unknown."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(1, kind=kind)
    sandbox.inject("delay=3", operation=operation)
    report = report_of_task_cancelled_twice(sandbox, operation)
    assert [(outcome.status, outcome.kind) for outcome in report] == [(Status.UNKNOWN, kind)]


def test_an_interrupt_before_a_result_is_recorded() -> None:
    """If the result of a request has arrived, and an interrupt comes before it is recorded, the outcome is known."""
    cancels = SingleCancels(CancelScope())
    order = first_seen(0, ListedOrder("1", kind="tpsl"))
    cancels.add(account_of("classic", "SPOT"), [order], by_symbol=False)
    (job,) = list(cancels.next_jobs())
    job.result = CancelOrderResponse(data=AcceptedOrder(order_id="1"))
    cancels.record_interrupted()
    assert order.pending is not None
    assert order.pending.outcome is not None
    assert order.pending.outcome.status is Status.ACCEPTED


def test_an_interrupt_before_a_request_is_sent() -> None:
    """If a request has not been sent, its order has no outcome."""
    cancels = SingleCancels(CancelScope())
    order = first_seen(0, ListedOrder("1", kind="tpsl"))
    cancels.add(account_of("classic", "SPOT"), [order], by_symbol=False)
    assert len(list(cancels.next_jobs())) == 1
    cancels.record_interrupted()
    assert order.pending is not None
    assert order.pending.outcome is None


def test_a_strategy_order_that_is_gone(futures: Sandbox, cancel_open: CancelOpen) -> None:
    """A strategy order that ended between the listing and its cancel is gone."""
    futures.inject("code-after=25204", operation=CANCEL_UNIFIED_STRATEGY_ORDER)
    report = cancel_open(connect_to(futures, account_type="unified"), kinds=["tpsl"], category=FUTURES)
    assert status_counts(report) == {Status.ACCEPTED: 4, Status.GONE: 1}


def test_strategy_orders_whose_cancels_take_long(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Further cancels that the exchange refuses because one is in progress do not end the run."""
    monkeypatch.setattr(open_order, "RESEND_INTERVAL", 0.05)
    monkeypatch.setattr(open_order, "CANCEL_TIMEOUT", 5.0)
    sandbox = start_sandbox(orders=0, account_type="unified", cancel_delay=0.6)
    sandbox.open_orders(3, kind="tpsl", category=FUTURES)
    report = cancel_open(connect_to(sandbox), kinds=["tpsl"], category=FUTURES)
    assert still_open(sandbox) == []
    assert status_counts(report) == {Status.ACCEPTED: 3}
    assert count_requests(sandbox, CANCEL_UNIFIED_STRATEGY_ORDER) > 6


def test_a_null_response_to_the_cancel_of_a_strategy_order(futures: Sandbox, cancel_open: CancelOpen) -> None:
    """The response to the cancel of a strategy order has no data: success alone means that it was accepted."""
    report = cancel_open(connect_to(futures, account_type="unified"), kinds=["tpsl"], category=FUTURES)
    assert status_counts(report) == {Status.ACCEPTED: 5}
    assert account_of("unified", FUTURES).cancel_one_row(ListedOrder("1", kind="tpsl"), None) is None


@pytest.mark.parametrize("confirm", [False, True])
def test_an_order_of_another_kind_in_cancel_orders(confirm: bool, mode: str, start_sandbox: StartSandbox) -> None:
    """A TP/SL or trigger order is gone; the message names `cancel_open_orders`, and it is never confirmed cancelled."""
    sandbox = start_sandbox(orders=1)
    sandbox.inject("row-code-after=40109")
    orders = [OrderRef(order_id=next(iter(sandbox.orders)))]
    report = call(mode, cancel_orders, connect_to(sandbox), orders=orders, confirm=confirm)
    (outcome,) = report
    assert (outcome.status, outcome.code) == (Status.GONE, "40109")
    assert "not found, or a TP/SL or trigger order, which only cancel_open_orders cancels" in str(outcome.message)
    assert outcome.confirmed is None


def test_a_real_order_of_another_kind_in_cancel_orders(mode: str, classic: Sandbox) -> None:
    """Orders of other kinds stay open, and the report says that they are gone and not found."""
    orders = [OrderRef(order_id=order.order_id, symbol=order.symbol) for order in orders_of(classic, "tpsl", "plan")]
    report = call(mode, cancel_orders, connect_to(classic), orders=orders, confirm=True)
    assert status_counts(report) == {Status.GONE: 9}
    assert {outcome.confirmed for outcome in report} == {Confirmed.NOT_FOUND}
    assert {"cancel_open_orders" in str(outcome.message) for outcome in report} == {True}
    assert len(still_open(classic)) == len(classic.orders)


def test_on_progress_of_every_kind(classic: Sandbox, cancel_open: CancelOpen) -> None:
    """`on_progress` receives every order with its kind."""
    received: list[Outcome] = []
    cancel_open(connect_to(classic), cancel_by_symbol=False, on_progress=received.extend)
    expected = Counter(order.kind for order in classic.orders.values())
    assert Counter(outcome.kind for outcome in received) == expected


def test_the_report_agrees_with_the_exchange(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """With many orders of every kind in several pairs, the report agrees with the exchange's records of each."""
    sandbox = start_sandbox(orders=0, cancel_delay=0.05)
    open_every_kind(sandbox, normal=100, tpsl=60, plan=50)
    report = cancel_open(connect_to(sandbox))
    assert still_open(sandbox) == []
    assert confirmed_by_id(report) == {key: state_at_exchange(order) for key, order in sandbox.orders.items()}


def test_finished_orders_are_not_read_without_normal_orders(classic: Sandbox, cancel_open: CancelOpen) -> None:
    """If `kinds` leaves normal orders out, the finished normal orders are not read for TP/SL orders."""
    cancel_open(connect_to(classic), kinds=["plan"])
    assert count_requests(classic, GET_HISTORY_ORDERS) == 0


def test_a_confirmation_that_is_refused(
    classic: Sandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """If the exchange refuses to list finished orders, the report is returned, nothing is confirmed, and the log says why."""
    classic.inject("code=99999", times=100, operation=GET_HISTORY_ORDERS)
    report = cancel_open(connect_to(classic), kinds=["tpsl"])
    assert status_counts(report) == {Status.ACCEPTED: 5}
    assert {outcome.confirmed for outcome in report} == {None}
    assert "confirmation ended early: 99999" in caplog.text
