"""The kill switch over real HTTP: it ends with nothing open, and its report agrees with the exchange's own books."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from bitget_spot import (
    AuthenticationError,
    Confirmed,
    Credentials,
    DeadlineExceeded,
    Outcome,
    Report,
    Status,
    cancel_open_orders,
    connect,
)
from bitget_spot._bulk import confirmation
from bitget_spot._middleware import retry
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_UNFILLED_ORDERS, OPERATIONS

PLENTY = 1000
"""Requests a second where the rate limit is not what is tested."""
WITHOUT_LIMITS = {operation.operation_id: float(PLENTY) for operation in OPERATIONS.values()}

Opened = Callable[..., Sandbox]
Switch = Callable[..., Report]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make repeats short."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.002)


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Start sandboxes with hardly a limit."""
    running: list[Sandbox] = []

    def start(**arguments: Any) -> Sandbox:
        running.append(Sandbox(**{"requests_per_second": PLENTY, **arguments}).start())
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.stop()


def connected(sandbox: Sandbox, *, credentials: Credentials | None = None, **settings: Any) -> Client:
    """A client with a budget of its own and hardly a limit."""
    given = {"requests_per_second": WITHOUT_LIMITS, **settings}
    return connect(credentials or sandbox.credentials, base_url=sandbox.url, rate_limit_store=MemoryStore(), **given)


@pytest.fixture(params=["sync", "asyncio"])
def switch(request: pytest.FixtureRequest) -> Switch:
    """Throw the switch from this thread, or from a task."""

    async def task(client: Client, **given: Any) -> Report:
        async with client:
            return await cancel_open_orders.asyncio(client=client, **given)

    def throw(client: Client, **given: Any) -> Report:
        if request.param == "asyncio":
            return asyncio.run(task(client, **given))
        with client:
            return cancel_open_orders.sync(client=client, **given)

    return throw


def still_open(sandbox: Sandbox) -> list[Order]:
    """The orders that can still fill."""
    return [order for order in sandbox.orders.values() if order.is_open]


def told(report: Report | None) -> dict[str, Confirmed | None]:
    """What the report says of each order, by orderId."""
    assert report is not None
    found = {str(outcome.order.order_id): outcome.confirmed for outcome in report.outcomes}
    assert len(found) == len(report)
    return found


def booked(order: Order) -> Confirmed:
    """What the exchange's own books say of an order."""
    if order.status == "cancelled":
        return Confirmed.PARTLY_FILLED if float(order.base_volume) else Confirmed.CANCELLED
    return Confirmed.FILLED if order.status == "filled" else Confirmed.LIVE


def times(sandbox: Sandbox, path: str = BATCH_CANCEL_ORDERS.path) -> int:
    """How often a path was asked for."""
    return sum(arrival.path == path for arrival in sandbox.arrivals)


def once(action: Callable[[], object]) -> Callable[[object], None]:
    """Do something at the first progress."""
    left = [action]

    def progress(_: object) -> None:
        if left:
            left.pop()()

    return progress


def test_everything_open_is_cancelled(opened: Opened, switch: Switch) -> None:
    """Every open order, page after page, is cancelled and confirmed; finished ones are not touched or told."""
    sandbox = opened(orders=230)
    done = next(iter(sandbox.orders))
    sandbox.fill(done)
    report = switch(connected(sandbox))
    assert still_open(sandbox) == []
    assert told(report) == dict.fromkeys(set(sandbox.orders) - {done}, Confirmed.CANCELLED)
    assert report.counts[Status.ACCEPTED] == 229
    assert {outcome.attempts for outcome in report.outcomes} == {1}
    assert times(sandbox) == 5


def test_nothing_open(opened: Opened, switch: Switch) -> None:
    """Where nothing is open one look is enough, and the report is empty."""
    sandbox = opened(orders=0)
    assert len(switch(connected(sandbox))) == 0
    assert [arrival.path for arrival in sandbox.arrivals] == [GET_UNFILLED_ORDERS.path]


@pytest.mark.parametrize("symbols", [["BTCUSDT"], ("BTCUSDT", "ETHUSDT"), {"DOGEUSDT"}])
def test_some_symbols(opened: Opened, switch: Switch, symbols: Any) -> None:
    """Only the orders of these trading pairs are cancelled and told."""
    sandbox = opened(orders=40)
    report = switch(connected(sandbox), symbols=symbols)
    meant = {order.order_id for order in sandbox.orders.values() if order.symbol in symbols}
    assert told(report) == dict.fromkeys(meant, Confirmed.CANCELLED)
    assert {order.order_id for order in still_open(sandbox)} == set(sandbox.orders) - meant


@pytest.mark.parametrize("sides", [["buy"], ("sell",), {"buy", "sell"}])
def test_some_sides(opened: Opened, switch: Switch, sides: Any) -> None:
    """Only the orders of these sides are cancelled and told."""
    sandbox = opened(orders=40)
    report = switch(connected(sandbox), sides=sides)
    meant = {order.order_id for order in sandbox.orders.values() if order.side in sides}
    assert told(report) == dict.fromkeys(meant, Confirmed.CANCELLED)
    assert {order.order_id for order in still_open(sandbox)} == set(sandbox.orders) - meant


def test_symbols_and_sides_together(opened: Opened, switch: Switch) -> None:
    """Both filters hold at once."""
    sandbox = opened(orders=40)
    report = switch(connected(sandbox), symbols=["ETHUSDT"], sides=["sell"])
    meant = {one.order_id for one in sandbox.orders.values() if (one.symbol, one.side) == ("ETHUSDT", "sell")}
    assert meant
    assert told(report) == dict.fromkeys(meant, Confirmed.CANCELLED)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"symbols": "BTCUSDT"}, "give a list of texts"),
        ({"sides": "buy"}, "give a list of texts"),
        ({"symbols": ""}, "give a list of texts"),
        ({"symbols": []}, "leave it out for all"),
        ({"symbols": ["BTCUSDT", " "]}, "give a list of texts"),
        ({"symbols": [None]}, "give a list of texts"),
        ({"sides": iter(())}, "leave it out for all"),
        ({"sides": ["BUY"]}, "give buy or sell"),
    ],
)
def test_a_choice_that_is_none(opened: Opened, switch: Switch, given: dict[str, Any], remedy: str) -> None:
    """A plain text in place of a list, a list of nothing, and a side that is none are refused before anything is sent."""
    sandbox = opened(orders=4)
    with pytest.raises(ValueError, match=remedy):
        switch(connected(sandbox), **given)
    assert sandbox.arrivals == []


def test_a_deadline_that_is_no_number_of_seconds(opened: Opened, switch: Switch) -> None:
    """A deadline below zero is refused before anything is sent."""
    sandbox = opened(orders=4)
    with pytest.raises(ValueError, match="deadline"):
        switch(connected(sandbox), deadline=-1)
    assert sandbox.arrivals == []


def test_orders_that_appear_meanwhile(opened: Opened, switch: Switch) -> None:
    """Orders opened while others are being cancelled are found in the next round, told and confirmed."""
    sandbox = opened(orders=10)
    report = switch(connected(sandbox), on_progress=once(lambda: sandbox.open_orders(7)))
    assert len(sandbox.orders) == 17
    assert told(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)


def test_orders_that_fill_meanwhile(opened: Opened, switch: Switch) -> None:
    """What fills, wholly or in part, between the cancel and its effect is told as that, and stays accepted."""
    sandbox = opened(orders=5, cancel_delay=0.3)
    filled, partly, *others = sandbox.orders

    def fill() -> None:
        sandbox.fill(filled)
        sandbox.fill(partly, partially=True)

    report = switch(connected(sandbox), on_progress=once(fill))
    assert told(report) == {
        filled: Confirmed.FILLED,
        partly: Confirmed.PARTLY_FILLED,
        **dict.fromkeys(others, Confirmed.CANCELLED),
    }
    assert report.counts[Status.ACCEPTED] == 5


def test_orders_that_fill_before_the_cancel_arrives(opened: Opened, switch: Switch) -> None:
    """An order that was listed and is gone when its cancel comes is told as gone, and as what it is."""
    sandbox = opened(orders=2)
    filled, other = sandbox.orders
    sandbox.inject("delay-before=0.3", skip=1)

    def fill() -> None:
        while not any(arrival.status for arrival in sandbox.arrivals):
            time.sleep(0.002)
        sandbox.fill(filled)

    market = threading.Thread(target=fill)
    market.start()
    report = switch(connected(sandbox))
    market.join()
    assert told(report) == {filled: Confirmed.FILLED, other: Confirmed.CANCELLED}
    statuses = {outcome.order.order_id: outcome.status for outcome in report.outcomes}
    assert statuses == {filled: Status.GONE, other: Status.ACCEPTED}


def test_progress_tells_every_batch(opened: Opened, switch: Switch) -> None:
    """The caller is told the outcomes of each batch, as by `cancel_orders`."""
    sandbox = opened(orders=120)
    heard: list[Outcome] = []
    switch(connected(sandbox), on_progress=heard.extend)
    assert {str(outcome.order.order_id) for outcome in heard} == set(sandbox.orders)
    assert len(heard) == 120


def test_an_order_that_is_rejected_twice_is_left_alone(
    opened: Opened, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two rejections an order is not tried again, the switch ends, and the order is told as rejected and live."""
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 0.1)
    sandbox = opened(orders=2)
    sandbox.inject("code=45055", skip=1)
    sandbox.inject("code=45055", skip=1)
    report = switch(connected(sandbox))
    assert told(report) == dict.fromkeys(sandbox.orders, Confirmed.LIVE)
    assert [(one.status, one.code, one.attempts) for one in report.outcomes] == [(Status.REJECTED, "45055", 2)] * 2
    assert times(sandbox) == 2


def test_an_order_that_is_rejected_once_is_tried_again(opened: Opened, switch: Switch) -> None:
    """One rejection may pass: the order is cancelled in the next round."""
    sandbox = opened(orders=2)
    sandbox.inject("code=45055", skip=1)
    report = switch(connected(sandbox))
    assert told(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert [(one.status, one.code, one.attempts) for one in report.outcomes] == [(Status.ACCEPTED, None, 2)] * 2


def test_a_slow_cancel_is_not_sent_again_at_once(opened: Opened, switch: Switch) -> None:
    """Orders whose accepted cancel takes half a second to be carried out are waited for."""
    sandbox = opened(orders=30, cancel_delay=0.5)
    report = switch(connected(sandbox))
    assert told(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert times(sandbox) == 1


def test_a_cancel_that_takes_too_long_is_sent_again(
    opened: Opened, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time an accepted cancel is sent again; the order stays accepted, and all its tries are counted."""
    monkeypatch.setattr(cancel_open_orders, "RESEND_INTERVAL", 0.1)
    sandbox = opened(orders=3, cancel_delay=0.5)
    report = switch(connected(sandbox))
    assert told(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert report.counts[Status.ACCEPTED] == 3
    assert times(sandbox) >= 2
    assert {outcome.attempts for outcome in report.outcomes} == {times(sandbox)}


def test_what_was_accepted_once_stays_so(opened: Opened, switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    """An accepted order whose second cancel finds nothing is told as accepted."""
    monkeypatch.setattr(cancel_open_orders, "RESEND_INTERVAL", 0)
    sandbox = opened(orders=2, cancel_delay=0.2)
    sandbox.inject("code=43001", skip=3)
    report = switch(connected(sandbox))
    assert told(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert report.counts[Status.ACCEPTED] == 2
    assert "43001" in {arrival.code for arrival in sandbox.arrivals if arrival.path == BATCH_CANCEL_ORDERS.path}


def test_an_unknown_outcome_is_tried_again(opened: Opened, switch: Switch) -> None:
    """Where no answer told what became of a cancel, the next look decides: what is still open is cancelled again."""
    sandbox = opened(orders=2)
    sandbox.inject("drop-before", skip=1)
    report = switch(connected(sandbox, max_retries=0))
    assert told(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert [(one.status, one.attempts) for one in report.outcomes] == [(Status.ACCEPTED, 2)] * 2


@pytest.mark.parametrize(
    ("first", "then", "told"),
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
def test_a_later_round_never_says_less(first: Status, then: Status, told: Status, credentials: Credentials) -> None:
    """An order that was sent is never told as not sent, nor a cancel that may have been carried out as rejected."""
    rounds = cancel_open_orders._Switch.open(connect(credentials), None, None, None, None)
    order = OrderRef(symbol="BTCUSDT", order_id="1")
    rounds.met["1"] = Outcome(order, Status.NOT_SENT)
    for status in (first, then):
        rounds._settle(Outcome(order, status, tries=int(status is not Status.NOT_SENT)), 0.0)
    (outcome,) = rounds.report().outcomes
    assert outcome.status is told


def test_the_deadline_carries_the_report(opened: Opened, switch: Switch) -> None:
    """When the deadline passes among the batches, the exception tells what was accepted and what was never sent."""
    sandbox = opened(orders=120)
    client = connected(sandbox, requests_per_second={**WITHOUT_LIMITS, "batchCancelOrders": 1})
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        switch(client, deadline=0.4)
    assert time.monotonic() - started < 0.9
    report = caught.value.report
    assert report is not None
    assert {status: count for status, count in report.counts.items() if count} == {
        Status.ACCEPTED: 50,
        Status.NOT_SENT: 70,
    }
    accepted = {str(outcome.order.order_id) for outcome in report.only(Status.ACCEPTED)}
    assert set(sandbox.orders) - accepted == {order.order_id for order in still_open(sandbox)}


def test_wrong_credentials_carry_the_report(opened: Opened, switch: Switch) -> None:
    """Who may not even look has an empty report; nothing is cancelled."""
    sandbox = opened(orders=2)
    wrong = Credentials(sandbox.api_key, "wrong", sandbox.passphrase)
    with pytest.raises(AuthenticationError) as caught:
        switch(connected(sandbox, credentials=wrong))
    assert told(caught.value.report) == {}
    assert len(sandbox.arrivals) == 1


def test_credentials_that_are_refused_meanwhile_carry_the_report(opened: Opened, switch: Switch) -> None:
    """When the key is refused at the cancel, the exception tells the orders that were met."""
    sandbox = opened(orders=2)
    sandbox.inject("code=40009", skip=1)
    with pytest.raises(AuthenticationError) as caught:
        switch(connected(sandbox))
    assert told(caught.value.report) == dict.fromkeys(sandbox.orders)
    assert len(still_open(sandbox)) == 2


def test_an_interrupt_carries_the_report(opened: Opened) -> None:
    """Ctrl-C while the switch waits ends it, and what leaves it tells what was accepted."""
    sandbox = opened(orders=2, cancel_delay=60)
    thread = threading.main_thread().ident
    assert thread is not None
    timer = threading.Timer(0.3, signal.pthread_kill, (thread, signal.SIGINT))
    timer.start()
    with connected(sandbox) as client, pytest.raises(KeyboardInterrupt) as caught:
        cancel_open_orders.sync(client=client)
    timer.join()
    assert report_of(caught.value).counts[Status.ACCEPTED] == 2


def test_an_interrupt_while_asking_carries_what_is_known(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between two questions keeps the answers so far."""
    sandbox = opened(orders=1)
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 60)
    sandbox.inject("code=45055", skip=1)
    sandbox.inject("code=45055", skip=1)
    thread = threading.main_thread().ident
    assert thread is not None
    timer = threading.Timer(0.4, signal.pthread_kill, (thread, signal.SIGINT))
    timer.start()
    with connected(sandbox) as client, pytest.raises(KeyboardInterrupt) as caught:
        cancel_open_orders.sync(client=client)
    timer.join()
    assert told(report_of(caught.value)) == dict.fromkeys(sandbox.orders, Confirmed.LIVE)


def test_a_cancelled_task_carries_the_report(opened: Opened) -> None:
    """A task that is cancelled while the switch waits ends it, and what leaves it tells what was accepted."""
    sandbox = opened(orders=2, cancel_delay=60)

    async def scene() -> BaseException:
        async with connected(sandbox) as client:
            task = asyncio.create_task(cancel_open_orders.asyncio(client=client))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    assert vars(asyncio.run(scene()))["report"].counts[Status.ACCEPTED] == 2


class Market:
    """Fills orders now and then, until all are met or it is told to end."""

    def __init__(self, sandbox: Sandbox, victims: list[str]) -> None:
        self.sandbox = sandbox
        self.victims = victims
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.trade)

    def trade(self) -> None:
        """Fill one order after the other, every third only in part; those that are finished are passed over."""
        for number, order_id in enumerate(self.victims):
            with suppress(ValueError):
                self.sandbox.fill(order_id, partially=number % 3 == 0)
            if self.ended.wait(0.01):
                return

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


@pytest.mark.parametrize(("manner", "orders"), [("sync", 600), ("asyncio", 200)])
def test_the_big_scene(opened: Opened, manner: str, orders: int) -> None:
    """
    Orders fill meanwhile, new ones appear, a connection drops and 429 comes twice, at the documented limits: none is
    left, and the report agrees with the exchange's own books, order by order.
    """
    sandbox = opened(orders=orders, requests_per_second=None, cancel_delay=0.2)
    victims = Random(5).sample(list(sandbox.orders), orders // 4)  # noqa: S311 - which orders fill is no secret
    sandbox.inject("drop-after", skip=orders // 100 + 2)
    sandbox.inject("429", times=2, skip=2)
    client = connected(sandbox, requests_per_second=None)
    started = time.monotonic()

    async def in_task() -> Report:
        async with client:
            return await cancel_open_orders.asyncio(client=client, on_progress=appear)

    appear = once(lambda: sandbox.open_orders(5))
    with Market(sandbox, victims):
        if manner == "asyncio":
            report = asyncio.run(in_task())
        else:
            with client:
                report = cancel_open_orders.sync(client=client, on_progress=appear)
    assert time.monotonic() - started < 30
    assert still_open(sandbox) == []
    books = {order_id: booked(order) for order_id, order in sandbox.orders.items()}
    assert len(books) == orders + 5
    found = told(report)
    assert found == {order_id: books[order_id] for order_id in found}
    # What filled before the first look was never met.
    assert {books[order_id] for order_id in set(books) - set(found)} <= {Confirmed.FILLED}
    assert set(found.values()) == {Confirmed.CANCELLED, Confirmed.FILLED, Confirmed.PARTLY_FILLED}
    assert [arrival.status for arrival in sandbox.arrivals].count(429) == 2
    assert [arrival.status for arrival in sandbox.arrivals].count(None) == 1


def test_one_pair_in_two_spellings_counts_once(opened: Opened, switch: Switch) -> None:
    """A pair that is named twice, in whatever letters, is listed once and its orders are sent once."""
    sandbox = opened(orders=8)
    report = switch(connected(sandbox), symbols=["BTCUSDT", " btcusdt "])
    assert {outcome.attempts for outcome in report.outcomes} == {1}
    assert {sandbox.orders[str(one.order.order_id)].symbol for one in report.outcomes} == {"BTCUSDT"}
