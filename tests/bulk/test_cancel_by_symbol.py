"""The kill switch cancels all orders of a trading pair, or of a category, by one request."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from open_orders import (
    CancelOpen,
    confirmed_by_id,
    count_cancels,
    fill_long_ago,
    only_once,
    report_of_task_cancelled_twice,
    reported_ids,
    state_at_exchange,
)
from reports import report_carried_by, status_counts
from sandboxes import HIGH_RATES, StartSandbox, connect_to, count_requests, still_open
from waiting import interrupt_when, needs_interrupts, run_when

from bitget_spot import (
    AuthenticationError,
    Confirmed,
    DeadlineExceeded,
    PermissionDeniedError,
    Report,
    Status,
    cancel_open_orders,
)
from bitget_spot._bulk import symbol_cancels
from bitget_spot._bulk.accounts import ListedOrder, account_of
from bitget_spot._bulk.matcher import INTERRUPTED
from bitget_spot._bulk.seen_orders import NOT_LISTED, SeenOrders
from bitget_spot._bulk.symbol_cancels import MAX_ATTEMPTS, MAX_SYMBOLS, SymbolCancels
from bitget_spot._middleware.context import CancelScope
from bitget_spot.sandbox import Order, Sandbox, handlers
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    CANCEL_SYMBOL_ORDERS,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_UNFILLED_ORDERS,
    GET_UNIFIED_UNFILLED_ORDERS,
)

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_listing_intervals", "short_confirmation_pauses")


@pytest.fixture
def short_symbol_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time for which the orders of a pair wait for the cancel of the pair."""
    monkeypatch.setattr(symbol_cancels, "HOLD_BACK", 0.05)


def statuses_by_id(report: Report) -> dict[str, Status]:
    """Return the status of each order, by orderId."""
    return {str(outcome.order.order_id): outcome.status for outcome in report}


def test_one_request_for_each_pair(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Each pair that a listing shows is cleared by one request, and no batch is sent."""
    sandbox = start_sandbox(orders=80)
    report = cancel_open(connect_to(sandbox))
    assert still_open(sandbox) == []
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == 4
    assert count_cancels(sandbox) == 0
    assert {outcome.status for outcome in report} == {Status.ACCEPTED}
    assert sorted(report.symbols_cancelled) == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    assert "cancelled as a whole: " in str(report)


def test_given_pairs_are_cleared_at_once(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """The pairs that were given are cleared before any listing has been read; other pairs are left alone."""
    sandbox = start_sandbox(orders=40)
    sandbox.inject("delay-before=0.3", times=2, operation=GET_UNFILLED_ORDERS)
    report = cancel_open(connect_to(sandbox), symbols=["BTCUSDT", "ethusdt"])
    assert {order.symbol for order in still_open(sandbox)} == {"SOLUSDT", "XRPUSDT"}
    assert report.symbols_cancelled == ("BTCUSDT", "ETHUSDT")
    assert count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == 2
    wanted = {order_id for order_id, order in sandbox.orders.items() if order.symbol in ("BTCUSDT", "ETHUSDT")}
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)


@pytest.mark.parametrize("account_type", [None, "unified"])
def test_a_unified_account_is_cleared_by_one_request(
    account_type: Any, start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """All orders of the category are cleared by one request, whether the type was stated or is detected."""
    sandbox = start_sandbox(orders=230, account_type="unified")
    client = connect_to(sandbox, account_type=account_type)
    report = cancel_open(client)
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert {outcome.status for outcome in report} == {Status.ACCEPTED}
    assert report.symbols_cancelled == ("SPOT",)
    assert count_requests(sandbox, CANCEL_UNIFIED_SYMBOL_ORDERS) == 1
    assert count_requests(sandbox, BATCH_CANCEL_UNIFIED_ORDERS) == 0
    assert client.account_type == "unified"


def test_given_pairs_of_a_unified_account(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """With `symbols`, each pair is cleared by itself, and other pairs are left alone."""
    sandbox = start_sandbox(orders=40, account_type="unified")
    report = cancel_open(connect_to(sandbox), symbols=["BTCUSDT"])
    assert report.symbols_cancelled == ("BTCUSDT",)
    assert {order.symbol for order in still_open(sandbox)} == {"ETHUSDT", "SOLUSDT", "XRPUSDT"}


def test_other_categories_are_left_alone(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Only the orders of the category are cancelled."""
    sandbox = start_sandbox(orders=8, account_type="unified")
    futures = {order.order_id for order in sandbox.open_orders(8, category="USDT-FUTURES")}
    report = cancel_open(connect_to(sandbox), category="USDT-FUTURES")
    assert reported_ids(report) == futures
    assert report.symbols_cancelled == ("USDT-FUTURES",)
    assert len(still_open(sandbox)) == 8


@pytest.mark.parametrize("arguments", [{"cancel_by_symbol": False}, {"sides": ["buy", "sell"]}, {"kinds": ["normal"]}])
@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_without_cancels_by_symbol(
    account_type: str, arguments: dict[str, Any], start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """With `cancel_by_symbol=False`, `sides` or `kinds`, every order is listed first, and cancelled in a batch."""
    sandbox = start_sandbox(orders=230, account_type=account_type)
    report = cancel_open(connect_to(sandbox), **arguments)
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert {outcome.status for outcome in report} == {Status.ACCEPTED}
    assert report.symbols_cancelled == ()
    assert count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == 0
    assert count_requests(sandbox, CANCEL_UNIFIED_SYMBOL_ORDERS) == 0


@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_batches_leave_while_later_pages_are_read(
    account_type: str, start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """The first batch arrives before the last page of the listing."""
    sandbox = start_sandbox(orders=350, account_type=account_type, latency=0.04)
    client = connect_to(sandbox, account_type=account_type)
    cancel_open(client, kinds=["normal"])
    listing, batch = GET_UNFILLED_ORDERS, BATCH_CANCEL_ORDERS
    if account_type == "unified":
        listing, batch = GET_UNIFIED_UNFILLED_ORDERS, BATCH_CANCEL_UNIFIED_ORDERS
    pages = [arrival.at for arrival in sandbox.arrivals if arrival.path == listing.path]
    batches = [arrival.at for arrival in sandbox.arrivals if arrival.path == batch.path]
    assert min(batches) < pages[3]


def test_more_pairs_than_are_cleared_as_a_whole(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """The first ten pairs are cleared as a whole, the orders of the others are cancelled in batches."""
    sandbox = start_sandbox(orders=0)
    for number in range(MAX_SYMBOLS + 4):
        sandbox.open_orders(3, symbol=f"COIN{number}USDT")
    report = cancel_open(connect_to(sandbox))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert len(report.symbols_cancelled) == count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == MAX_SYMBOLS
    assert count_cancels(sandbox) > 0


def test_an_order_that_ended_before_it_was_listed(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """An order known only from the finished orders is gone, with its confirmation and a message."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(230, symbol="BTCUSDT")
    # The second page comes late: the first ones are those of the normal and of the TP/SL orders.
    sandbox.inject("delay-before=0.3", skip=2, operation=GET_UNFILLED_ORDERS)
    report = cancel_open(connect_to(sandbox))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    gone = report.only(Status.GONE)
    assert 0 < len(gone) <= 130
    assert {outcome.message for outcome in gone} == {NOT_LISTED}
    assert {outcome.order.symbol for outcome in gone} == {"BTCUSDT"}


def test_orders_that_ended_before_the_start_are_not_reported(
    start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """A finished order of a cleared pair that ended before the start is not in the report."""
    sandbox = start_sandbox(orders=0)
    old, *others = sandbox.open_orders(5, symbol="BTCUSDT")
    fill_long_ago(sandbox, old.order_id)
    report = cancel_open(connect_to(sandbox))
    assert reported_ids(report) == {order.order_id for order in others}


def test_an_order_that_fills_before_it_was_listed(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """An order that fills after the start and before the first listing is reported as gone and filled."""
    sandbox = start_sandbox(orders=0)
    filled, other = sandbox.open_orders(2, symbol="BTCUSDT")
    sandbox.inject("delay-before=0.2", times=10, operation=GET_UNFILLED_ORDERS)
    sandbox.inject("delay-before=0.2", operation=CANCEL_SYMBOL_ORDERS)
    with run_when(lambda: bool(sandbox.arrivals), partial(sandbox.fill, filled.order_id)):
        report = cancel_open(connect_to(sandbox), symbols=["BTCUSDT"])
    assert confirmed_by_id(report) == {filled.order_id: Confirmed.FILLED, other.order_id: Confirmed.CANCELLED}
    assert statuses_by_id(report)[filled.order_id] is Status.GONE


def test_at_most_ten_pages_of_finished_orders(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """An order that ended before any listing showed it may lie deeper than ten pages; every listed order is reported."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(1300, symbol="BTCUSDT")
    report = cancel_open(connect_to(sandbox), symbols=["BTCUSDT"])
    assert still_open(sandbox) == []
    assert 1000 <= len(report) < 1300
    assert count_requests(sandbox, GET_HISTORY_ORDERS) == 10
    accounted = cancel_open(connect_to(start_sandbox(orders=1300)), cancel_by_symbol=False)
    assert len(accounted) == 1300


@pytest.mark.parametrize(
    ("fault", "times"), [("list-code=99999", 1), ("list-data={}", 8), ("html-502", 8), ("drop-before", 8)]
)
def test_finished_orders_that_cannot_be_read(
    fault: str, times: int, start_sandbox: StartSandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """If the finished orders cannot be listed, the report still has every order that was listed; the log says why."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(8, symbol="BTCUSDT")
    sandbox.inject(fault, times=times, operation=GET_HISTORY_ORDERS)
    report = cancel_open(connect_to(sandbox, max_retries=0))
    assert reported_ids(report) == set(sandbox.orders)
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert "cannot list the finished orders: " in caplog.text


@pytest.mark.parametrize("fault", ["list-data={}", "html-502", "drop-before"])
def test_finished_orders_that_cannot_be_read_at_first(
    fault: str, start_sandbox: StartSandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """A page of finished orders is asked for again, so an order that ended before any listing showed it is reported."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(230, symbol="BTCUSDT")
    sandbox.inject(fault, times=3, operation=GET_HISTORY_ORDERS)
    report = cancel_open(connect_to(sandbox, max_retries=0))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert "cannot list the finished orders: " not in caplog.text


def test_orders_that_are_opened_meanwhile(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Orders of a pair that was cleared already are found by the next listing, and cancelled in a batch."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(3, symbol="BTCUSDT")
    report = cancel_open(connect_to(sandbox), on_progress=only_once(lambda: sandbox.open_orders(2, symbol="BTCUSDT")))
    assert len(sandbox.orders) == 5
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == 1
    assert count_cancels(sandbox) == 1


def test_a_cleared_pair_whose_cancels_take_long(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Orders that are still listed shortly after their pair was cleared are not sent again at once."""
    sandbox = start_sandbox(orders=8, cancel_delay=0.4)
    report = cancel_open(connect_to(sandbox))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert {outcome.attempts for outcome in report} == {1}
    assert count_cancels(sandbox) == 0


@pytest.mark.parametrize("fault", ["html-502", "drop-before", "code=45001", "429", "empty", "drop-after"])
def test_a_cancel_of_a_pair_that_fails_once(fault: str, start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """The orders of a pair whose cancel fails are cancelled in batches, or by the next attempt."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(8, symbol="BTCUSDT")
    sandbox.inject(fault, operation=CANCEL_SYMBOL_ORDERS)
    report = cancel_open(connect_to(sandbox, max_retries=0))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert set(status_counts(report)) <= {Status.ACCEPTED, Status.GONE}


@pytest.mark.parametrize("fault", ["html-502", "code=45001", "code=40309", "code=99999", "code=40014"])
def test_a_cancel_of_a_pair_that_always_fails(fault: str, start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the cancel of a pair always fails, its orders are cancelled in batches; the pair is not reported as cleared."""
    sandbox = start_sandbox(orders=8)
    sandbox.inject(fault, times=100, operation=CANCEL_SYMBOL_ORDERS)
    report = cancel_open(connect_to(sandbox, max_retries=0))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert status_counts(report) == {Status.ACCEPTED: 8}
    assert report.symbols_cancelled == ()
    assert count_requests(sandbox, CANCEL_SYMBOL_ORDERS) <= 4 * MAX_ATTEMPTS


def test_a_given_pair_whose_cancel_fails_is_attempted_again(
    start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """While the listing is not complete, the cancel of a pair is attempted up to three times."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(8, symbol="BTCUSDT")
    sandbox.inject("list-code=45001", times=10)
    sandbox.inject("code=45001", times=MAX_ATTEMPTS - 1, operation=CANCEL_SYMBOL_ORDERS)
    report = cancel_open(connect_to(sandbox, max_retries=0), symbols=["BTCUSDT"])
    assert count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == MAX_ATTEMPTS
    assert report.symbols_cancelled == ("BTCUSDT",)
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)


@pytest.mark.usefixtures("short_symbol_pauses")
@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_a_cancel_of_a_pair_without_a_response(
    account_type: str, start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """If the response takes long, the orders of the pair are cancelled in batches meanwhile."""
    sandbox = start_sandbox(orders=8, account_type=account_type)
    sandbox.inject("delay-before=0.6", times=4, operation=CANCEL_SYMBOL_ORDERS)
    sandbox.inject("delay-before=0.6", times=4, operation=CANCEL_UNIFIED_SYMBOL_ORDERS)
    report = cancel_open(connect_to(sandbox, account_type=account_type))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    batch = BATCH_CANCEL_ORDERS if account_type == "classic" else BATCH_CANCEL_UNIFIED_ORDERS
    assert count_requests(sandbox, batch) > 0


@pytest.mark.parametrize("code", ["40009", "40012"])
def test_credentials_that_are_refused(code: str, start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the key is refused for the cancel of a pair, the run ends, and no order is reported as cancelled."""
    sandbox = start_sandbox(orders=8)
    sandbox.inject(f"code={code}", times=100, operation=CANCEL_SYMBOL_ORDERS)
    with pytest.raises(AuthenticationError) as caught:
        cancel_open(connect_to(sandbox))
    report = report_carried_by(caught.value)
    assert set(status_counts(report)) == {Status.NOT_SENT}
    assert len(still_open(sandbox)) == 8


def test_a_missing_permission(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A permission that is missing for batches too ends the run."""
    sandbox = start_sandbox(orders=8)
    for operation in (CANCEL_SYMBOL_ORDERS, BATCH_CANCEL_ORDERS):
        sandbox.inject("code=40014", times=100, operation=operation)
    with pytest.raises(PermissionDeniedError) as caught:
        cancel_open(connect_to(sandbox))
    assert status_counts(report_carried_by(caught.value)) == {Status.NOT_SENT: 8}


@pytest.mark.parametrize(("account_type", "listings"), [("classic", 3), ("unified", 1)])
def test_a_deadline_while_a_pair_is_cancelled(
    account_type: str, listings: int, start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """If no response says that a pair was cancelled, its orders are unknown, and never not sent."""
    sandbox = start_sandbox(orders=8, account_type=account_type)
    sandbox.inject("drop-after", times=100, operation=CANCEL_SYMBOL_ORDERS)
    sandbox.inject("drop-after", times=100, operation=CANCEL_UNIFIED_SYMBOL_ORDERS)
    sandbox.inject("list-code=45001", times=10_000, skip=listings)
    with pytest.raises(DeadlineExceeded) as caught:
        cancel_open(connect_to(sandbox, max_retries=0, account_type=account_type), deadline=0.4)
    report = report_carried_by(caught.value)
    assert Status.NOT_SENT not in status_counts(report)


@needs_interrupts
def test_ctrl_c_while_a_pair_is_cancelled(start_sandbox: StartSandbox) -> None:
    """After Ctrl-C the run waits for the cancel of a pair in flight, and the exception has its orders."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(8, symbol="BTCUSDT")
    sandbox.inject("delay=0.3", operation=CANCEL_SYMBOL_ORDERS)
    with (
        connect_to(sandbox) as client,
        pytest.raises(KeyboardInterrupt) as caught,
        interrupt_when(lambda: count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == 1),
    ):
        cancel_open_orders.sync(client=client)
    report = report_carried_by(caught.value)
    assert status_counts(report) == {Status.ACCEPTED: 8}
    assert report.symbols_cancelled == ("BTCUSDT",)


def test_a_task_that_is_cancelled_twice(start_sandbox: StartSandbox) -> None:
    """After a second cancellation the run does not wait for the cancel of a pair; its orders are unknown."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(8, symbol="BTCUSDT")
    sandbox.inject("delay=3", operation=CANCEL_SYMBOL_ORDERS)
    report = report_of_task_cancelled_twice(sandbox, CANCEL_SYMBOL_ORDERS)
    assert status_counts(report) == {Status.UNKNOWN: 8}
    assert {(outcome.message, outcome.attempts) for outcome in report} == {(INTERRUPTED, 0)}
    assert report.symbols_cancelled == ()


def test_an_order_without_a_symbol(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that is listed without its trading pair is covered by no cancel of a pair, and goes into a batch."""
    sandbox = start_sandbox(orders=0)
    without_symbol, *_ = sandbox.open_orders(3, symbol="BTCUSDT")
    original_row = handlers.order_row

    def row(order: Order) -> dict[str, str]:
        fields = dict(original_row(order))
        if order.order_id == without_symbol.order_id:
            del fields["symbol"]
        return fields

    monkeypatch.setattr(handlers, "order_row", row)
    sandbox.inject("delay-before=0.2", operation=CANCEL_SYMBOL_ORDERS)
    report = cancel_open(connect_to(sandbox))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert count_cancels(sandbox) == 1


def test_a_deadline_while_finished_orders_are_read(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, caplog: pytest.LogCaptureFixture
) -> None:
    """If the deadline passes after nothing is open any more, the report is returned with what is known."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(250, symbol="BTCUSDT")
    rates = {**HIGH_RATES, GET_HISTORY_ORDERS.operation_id: 1}
    report = cancel_open(connect_to(sandbox, requests_per_second=rates), symbols=["BTCUSDT"], deadline=0.6)
    assert still_open(sandbox) == []
    assert 100 <= len(report) < 250
    assert "cannot list the finished orders" not in caplog.text


def test_a_unified_pair_that_is_refused(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Orders that the cancel of the category fails are sent again, and reported as rejected and live in the end."""
    sandbox = start_sandbox(orders=4, account_type="unified")
    refused = {order.order_id for order in sandbox.open_orders(2, symbol="DOGEUSDT")}
    sandbox.refused_symbols["DOGEUSDT"] = "25101"
    report = cancel_open(connect_to(sandbox))
    assert {order.order_id for order in still_open(sandbox)} == refused
    for order_id, status in statuses_by_id(report).items():
        assert status is (Status.REJECTED if order_id in refused else Status.ACCEPTED)
    assert {confirmed_by_id(report)[order_id] for order_id in refused} == {Confirmed.LIVE}


@pytest.mark.parametrize("cancel_by_symbol", [True, False])
@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_everything_at_the_documented_limits(
    account_type: str, cancel_by_symbol: bool, start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """With the documented limits, no limit is exceeded, and the report agrees with the exchange's records."""
    sandbox = start_sandbox(orders=120, account_type=account_type, requests_per_second=None, cancel_delay=0.05)
    for order_id in list(sandbox.orders)[:100:10]:
        sandbox.fill(order_id, partially=True)
    report = cancel_open(connect_to(sandbox, requests_per_second=None), cancel_by_symbol=cancel_by_symbol)
    assert still_open(sandbox) == []
    assert confirmed_by_id(report) == {key: state_at_exchange(order) for key, order in sandbox.orders.items()}
    assert 429 not in {arrival.status for arrival in sandbox.arrivals}


def test_a_limit_of_cancels_by_symbol(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A pair whose cancel waits for a permit does not keep the others waiting."""
    sandbox = start_sandbox(orders=8)
    rates = {**HIGH_RATES, CANCEL_SYMBOL_ORDERS.operation_id: 1}
    report = cancel_open(connect_to(sandbox, requests_per_second=rates))
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert count_cancels(sandbox) >= 1


def test_orders_that_no_cancel_of_a_pair_covers() -> None:
    """The cancel of a pair covers normal orders only; that of a category covers every normal order."""
    cancels = SymbolCancels(CancelScope(), account_of("classic", "SPOT"))
    cancels.add("BTCUSDT")
    assert cancels.of(ListedOrder("1", symbol="btcusdt")) is cancels.cancels["BTCUSDT"]
    assert cancels.of(ListedOrder("1", symbol="ETHUSDT")) is None
    assert cancels.of(ListedOrder("1")) is None
    assert cancels.of(ListedOrder("1", symbol="BTCUSDT", kind="plan")) is None
    category = SymbolCancels(CancelScope(), account_of("unified", "SPOT"))
    category.add(None)
    assert category.of(ListedOrder("1", symbol="ETHUSDT")) is category.cancels[None]
    assert category.of(ListedOrder("1", kind="tpsl")) is None


def test_a_pair_is_cleared_once() -> None:
    """A pair is added once, and no more than ten pairs are."""
    cancels = SymbolCancels(CancelScope(), account_of("classic", "SPOT"))
    for number in range(2 * MAX_SYMBOLS):
        cancels.add(f"COIN{number // 2}USDT")
    cancels.add("ANOTHERUSDT")
    assert len(cancels.cancels) == len(list(cancels.next_jobs())) == MAX_SYMBOLS


def test_an_order_that_is_listed_after_its_pair_was_cleared() -> None:
    """It is not known that such an order was cancelled: if the run ends then, it is reported as not sent."""
    cancels = SymbolCancels(CancelScope(), account_of("classic", "SPOT"))
    cancels.add("BTCUSDT")
    cancels.cancels["BTCUSDT"].succeeded_at = 1.0
    seen = SeenOrders()
    seen.see(ListedOrder("1", symbol="BTCUSDT"))
    assert status_counts(seen.report(cancels)) == {Status.NOT_SENT: 1}


def test_symbols_cancelled_in_a_report() -> None:
    """The names of cleared pairs are printed without control characters."""
    assert "cancelled as a whole: BTCUSDT, A B" in str(Report((), symbols_cancelled=("BTCUSDT", "A\x1bB")))


def test_a_category_on_a_classic_account(start_sandbox: StartSandbox) -> None:
    """A client of a classic account cannot have a category; its kill switch refuses one before anything is sent."""
    sandbox: Sandbox = start_sandbox(orders=1)
    with (
        connect_to(sandbox, account_type="classic") as client,
        pytest.raises(ValueError, match="category: MARGIN needs a unified account"),
    ):
        cancel_open_orders.sync(client=client, category="MARGIN")
    assert sandbox.arrivals == []
