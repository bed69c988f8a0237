"""`cancel_open_orders` against a sandbox: no order stays open, and the report agrees with the exchange."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from open_orders import (
    CancelOpen,
    confirmed_by_id,
    count_cancels,
    fill_long_ago,
    listings,
    only_once,
    reported_ids,
    state_at_exchange,
)
from reports import report_carried_by, status_counts
from sandboxes import (
    HIGH_RATES,
    StartSandbox,
    call,
    call_in_task,
    closed_order_ids,
    connect_to,
    count_requests,
    still_open,
)
from waiting import interrupt_when, needs_interrupts, wait_until

from bitget_spot import (
    AuthenticationError,
    Confirmed,
    Credentials,
    DeadlineExceeded,
    Outcome,
    Status,
    cancel_open_orders,
)
from bitget_spot._bulk import confirmation
from bitget_spot.sandbox import Order, Sandbox, handlers
from bitget_spot_api import Client
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_CURRENT_PLAN_ORDERS,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_UNFILLED_ORDERS,
)

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_listing_intervals")


def test_every_open_order_is_cancelled(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """Every open order, on all pages, is cancelled and confirmed; a finished order is not in the report."""
    sandbox = start_sandbox(orders=230)
    filled = next(iter(sandbox.orders))
    fill_long_ago(sandbox, filled)
    report = cancel_open(connect_to(sandbox), kinds=["normal"])
    assert still_open(sandbox) == []
    assert confirmed_by_id(report) == dict.fromkeys(set(sandbox.orders) - {filled}, Confirmed.CANCELLED)
    assert report.counts[Status.ACCEPTED] == 229
    assert {outcome.attempts for outcome in report} == {1}
    assert count_cancels(sandbox) == 5


def test_without_open_orders(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If no order is open, two listings of each kind and a page of finished orders are enough; the report is empty."""
    sandbox = start_sandbox(orders=0)
    assert len(cancel_open(connect_to(sandbox))) == 0
    assert Counter(arrival.path for arrival in sandbox.arrivals) == {
        GET_UNFILLED_ORDERS.path: 4,
        GET_CURRENT_PLAN_ORDERS.path: 2,
        GET_HISTORY_ORDERS.path: 1,
    }


@pytest.mark.parametrize("symbols", [["BTCUSDT"], ("BTCUSDT", "ETHUSDT"), {"XRPUSDT"}])
def test_symbols(start_sandbox: StartSandbox, cancel_open: CancelOpen, symbols: Any) -> None:
    """With `symbols`, only the orders of these trading pairs are cancelled and reported."""
    sandbox = start_sandbox(orders=40)
    report = cancel_open(connect_to(sandbox), symbols=symbols)
    wanted = {order.order_id for order in sandbox.orders.values() if order.symbol in symbols}
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)
    assert {order.order_id for order in still_open(sandbox)} == set(sandbox.orders) - wanted


def test_a_symbol_without_open_orders(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If a trading pair has no open order, nothing is cancelled."""
    sandbox = start_sandbox(orders=4)
    (filled,) = sandbox.open_orders(1, symbol="DOGEUSDT")
    fill_long_ago(sandbox, filled.order_id)
    assert len(cancel_open(connect_to(sandbox), symbols=["DOGEUSDT"])) == 0
    assert len(still_open(sandbox)) == 4


@pytest.mark.parametrize("sides", [["buy"], ("sell",), {"buy", "sell"}])
def test_sides(start_sandbox: StartSandbox, cancel_open: CancelOpen, sides: Any) -> None:
    """With `sides`, only the orders of these sides are cancelled and reported."""
    sandbox = start_sandbox(orders=40)
    report = cancel_open(connect_to(sandbox), sides=sides)
    wanted = {order.order_id for order in sandbox.orders.values() if order.side in sides}
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)
    assert {order.order_id for order in still_open(sandbox)} == set(sandbox.orders) - wanted


def test_symbols_and_sides_together(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """With both filters, only orders that pass both are cancelled."""
    sandbox = start_sandbox(orders=40)
    report = cancel_open(connect_to(sandbox), symbols=["ETHUSDT"], sides=["sell"])
    wanted = set()
    for order in sandbox.orders.values():
        if order.symbol == "ETHUSDT" and order.side == "sell":
            wanted.add(order.order_id)
    assert wanted
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btcusdt"])
@pytest.mark.parametrize("make_iterable", [list, iter])
def test_spellings_of_a_symbol(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, make_iterable: Callable[[list[str]], Any], symbol: str
) -> None:
    """`symbols` may be an iterator, and a pair in lower case is that pair."""
    sandbox = start_sandbox(orders=8)
    report = cancel_open(connect_to(sandbox), symbols=make_iterable([symbol]))
    wanted = {order_id for order_id, order in sandbox.orders.items() if order.symbol == "BTCUSDT"}
    assert closed_order_ids(sandbox) == wanted != set()
    assert reported_ids(report) == wanted


def test_a_symbol_that_is_given_twice(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A pair that is given twice is listed once in each round, so one rejection counts as one."""
    sandbox = start_sandbox(orders=1)
    sandbox.inject("code=45055", skip=1)
    report = cancel_open(connect_to(sandbox), symbols=["BTCUSDT", "BTCUSDT"], kinds=["normal"])
    assert [(outcome.status, outcome.attempts) for outcome in report] == [(Status.ACCEPTED, 2)]


def test_a_symbol_that_is_given_in_two_spellings(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A pair that is given in two spellings is listed once, and its orders are sent once."""
    sandbox = start_sandbox(orders=8)
    report = cancel_open(connect_to(sandbox), symbols=["BTCUSDT", " btcusdt "], kinds=["normal"])
    assert {outcome.attempts for outcome in report} == {1}
    assert {sandbox.orders[order_id].symbol for order_id in reported_ids(report)} == {"BTCUSDT"}


def test_invalid_deadline(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A negative deadline is refused before anything is sent."""
    sandbox = start_sandbox(orders=4)
    with pytest.raises(ValueError, match="deadline"):
        cancel_open(connect_to(sandbox), deadline=-1)
    assert sandbox.arrivals == []


def test_a_plain_generated_client(cancel_open: CancelOpen) -> None:
    """A client that neither signs nor limits is a TypeError, and the message says what to use."""
    with pytest.raises(TypeError, match=r"bitget_spot\.connect"):
        cancel_open(Client(base_url="http://127.0.0.1:9"))


def test_on_progress(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """`on_progress` receives the outcomes of each batch."""
    sandbox = start_sandbox(orders=120)
    received: list[Outcome] = []
    cancel_open(connect_to(sandbox), kinds=["normal"], on_progress=received.extend)
    assert {str(outcome.order.order_id) for outcome in received} == set(sandbox.orders)
    assert len(received) == 120


def test_on_progress_that_raises(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If `on_progress` raises, the report also has the outcomes that it has not received."""
    sandbox = start_sandbox(orders=300, latency=0.05)

    def on_progress(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        cancel_open(connect_to(sandbox), kinds=["normal"], on_progress=on_progress)
    report = report_carried_by(caught.value)
    accepted = {outcome.order.order_id for outcome in report.only(Status.ACCEPTED)}
    assert accepted == closed_order_ids(sandbox) != set()


def test_a_deadline_between_batches(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the deadline passes between two batches, the exception has what was accepted and what was not sent."""
    sandbox = start_sandbox(orders=120)
    client = connect_to(sandbox, requests_per_second={**HIGH_RATES, "batchCancelOrders": 1})
    started_at = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        cancel_open(client, kinds=["normal"], deadline=0.4)
    assert time.monotonic() - started_at < 0.9
    report = report_carried_by(caught.value)
    assert status_counts(report) == {Status.ACCEPTED: 50, Status.NOT_SENT: 70}
    accepted = {str(outcome.order.order_id) for outcome in report.only(Status.ACCEPTED)}
    assert set(sandbox.orders) - accepted == {order.order_id for order in still_open(sandbox)}


@pytest.mark.parametrize(("deadline", "seen"), [(0, 0), (0.3, 2)])
def test_a_deadline_between_listings(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, deadline: float, seen: int
) -> None:
    """If the deadline passes while the open orders are listed, the exception has every order that was seen."""
    sandbox = start_sandbox(orders=2, cancel_delay=60)
    with pytest.raises(DeadlineExceeded) as caught:
        cancel_open(connect_to(sandbox), kinds=["normal"], deadline=deadline)
    report = report_carried_by(caught.value)
    assert len(report) == report.counts[Status.ACCEPTED] == seen
    assert count_cancels(sandbox) == seen / 2


def test_wrong_credentials(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the orders cannot even be listed, the report is empty and nothing is cancelled."""
    sandbox = start_sandbox(orders=2)
    wrong = Credentials(sandbox.api_key, "wrong", sandbox.passphrase)
    with pytest.raises(AuthenticationError) as caught:
        cancel_open(connect_to(sandbox, wrong), kinds=["normal"])
    assert confirmed_by_id(report_carried_by(caught.value)) == {}
    assert len(sandbox.arrivals) == 1


def test_credentials_that_are_refused_for_the_cancel(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the key is refused for the cancel, the exception has the orders that were seen."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject("code=40009", skip=1)
    with pytest.raises(AuthenticationError) as caught:
        cancel_open(connect_to(sandbox), kinds=["normal"])
    assert confirmed_by_id(report_carried_by(caught.value)) == dict.fromkeys(sandbox.orders)
    assert len(still_open(sandbox)) == 2


@needs_interrupts
def test_ctrl_c_while_waiting(start_sandbox: StartSandbox) -> None:
    """Ctrl-C while the run waits for the cancels to be executed ends it, and the exception has what was accepted."""
    sandbox = start_sandbox(orders=2, cancel_delay=60)
    with (
        connect_to(sandbox) as client,
        pytest.raises(KeyboardInterrupt) as caught,
        interrupt_when(listings(sandbox, 2)),
    ):
        cancel_open_orders.sync(client=client, kinds=["normal"])
    assert report_carried_by(caught.value).counts[Status.ACCEPTED] == 2


@needs_interrupts
def test_ctrl_c_during_the_confirmation(start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the confirmation keeps what has been confirmed."""
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 60)
    sandbox = start_sandbox(orders=2)
    first, second = sandbox.orders
    original_row = handlers.order_row

    def row_with_a_future_status(order: Order) -> dict[str, str]:
        row = original_row(order)
        return row | {"status": "a-future-status"} if order.order_id == second else row

    monkeypatch.setattr(handlers, "order_row", row_with_a_future_status)
    with (
        connect_to(sandbox) as client,
        pytest.raises(KeyboardInterrupt) as caught,
        # The first search looks the second order up; the second search has begun with the second lookup.
        interrupt_when(lambda: count_requests(sandbox, GET_ORDER_INFO) == 2),
    ):
        cancel_open_orders.sync(client=client, kinds=["normal"])
    assert confirmed_by_id(report_carried_by(caught.value)) == {first: Confirmed.CANCELLED, second: None}


def test_cancelled_task(start_sandbox: StartSandbox) -> None:
    """A task that is cancelled while the run waits ends, and its exception has what was accepted."""
    sandbox = start_sandbox(orders=2, cancel_delay=60)

    async def cancel_the_task() -> BaseException:
        async with connect_to(sandbox) as client:
            task = asyncio.create_task(cancel_open_orders.asyncio(client=client, kinds=["normal"]))
            await wait_until(listings(sandbox, 2))
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    assert report_carried_by(asyncio.run(cancel_the_task())).counts[Status.ACCEPTED] == 2


def test_a_task_that_is_cancelled_twice(start_sandbox: StartSandbox) -> None:
    """The first cancellation waits for the requests in flight; after the second they are unknown, never not sent."""
    sandbox = start_sandbox(orders=2)
    sandbox.inject("delay=3", operation=BATCH_CANCEL_ORDERS)

    async def cancel_the_task_twice() -> BaseException:
        task = asyncio.create_task(call_in_task(cancel_open_orders, connect_to(sandbox), kinds=["normal"]))
        await wait_until(lambda: count_cancels(sandbox) == 1)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0.02)
        assert not done
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    assert report_carried_by(asyncio.run(cancel_the_task_twice())).counts[Status.UNKNOWN] == 2


class Market:
    """Fills orders one after the other until the `with` statement ends, every third only partly."""

    def __init__(self, sandbox: Sandbox, order_ids: list[str]) -> None:
        self.sandbox = sandbox
        self.order_ids = order_ids
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.trade)

    def trade(self) -> None:
        """Fill the orders, except those that are already finished."""
        for number, order_id in enumerate(self.order_ids):
            with suppress(ValueError):
                self.sandbox.fill(order_id, partially=number % 3 == 0)
            if self.ended.wait(0.01):
                return

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


@pytest.mark.parametrize(("mode", "orders"), [("sync", 600), ("asyncio", 200)])
def test_everything_at_once(start_sandbox: StartSandbox, mode: str, orders: int) -> None:
    """
    Orders fill, new ones are opened, a connection drops and the exchange refuses two requests with 429, at the
    documented limits. No order stays open, and the report agrees with the exchange's own records for every order.
    """
    sandbox = start_sandbox(orders=orders, requests_per_second=None, cancel_delay=0.2)
    to_fill = Random(5).sample(list(sandbox.orders), orders // 4)  # noqa: S311 - which orders fill is no secret
    sandbox.inject("drop-after", skip=orders // 100 + 2)
    sandbox.inject("429", times=2, skip=2)
    client = connect_to(sandbox, requests_per_second=None)
    open_more = only_once(lambda: sandbox.open_orders(5))
    started_at = time.monotonic()
    with Market(sandbox, to_fill):
        report = call(mode, cancel_open_orders, client, on_progress=open_more)
    assert time.monotonic() - started_at < 30
    assert still_open(sandbox) == []
    states = {order_id: state_at_exchange(order) for order_id, order in sandbox.orders.items()}
    assert len(states) == orders + 5
    confirmed = confirmed_by_id(report)
    assert confirmed == {order_id: states[order_id] for order_id in confirmed}
    # Orders that filled before the first listing are not in the report.
    assert {states[order_id] for order_id in set(states) - set(confirmed)} <= {Confirmed.FILLED}
    assert set(confirmed.values()) == {Confirmed.CANCELLED, Confirmed.FILLED, Confirmed.PARTLY_FILLED}
    statuses = [arrival.status for arrival in sandbox.arrivals]
    assert statuses.count(429) == 2
    assert statuses.count(None) == 1


def test_public_names() -> None:
    """`dir` of the module shows its public functions only."""
    assert dir(cancel_open_orders) == ["ListedOrder", "asyncio", "find", "find_asyncio", "sync"]
