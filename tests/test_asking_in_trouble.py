"""Trouble while asking: what was done stays told, what is known is kept, and what was chosen is what is meant."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import pytest
from attrs import evolve, field, frozen

from bitget_spot import Confirmed, DeadlineExceeded, Report, Status, cancel_open_orders, cancel_orders, connect
from bitget_spot._bulk import confirmation
from bitget_spot._bulk.confirmation import PAGE_SIZE, OrderQueries
from bitget_spot._concurrency import EffectGenerator, run_async, run_sync
from bitget_spot._middleware import retry
from bitget_spot._middleware.context import CancelScope
from bitget_spot.rate_limit import MemoryStore, policy
from bitget_spot.sandbox import Sandbox, exchange
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.models import Order, OrderRef
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_UNFILLED_ORDERS,
    OPERATIONS,
    Operation,
)

PLENTY = 1000
"""Requests a second where the rate limit is not what is tested."""
WITHOUT_LIMITS = {operation.operation_id: float(PLENTY) for operation in OPERATIONS.values()}
CANCELLED, FILLED, PARTLY_FILLED, LIVE, NOT_FOUND = Confirmed

T = TypeVar("T")
Opened = Callable[..., Sandbox]
RunIt = Callable[..., Report]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make repeats, closures and the pauses between questions short."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.002)
    monkeypatch.setattr(policy, "MAX_PAUSE", 0.05)
    monkeypatch.setattr(confirmation, "FIRST_PAUSE", 0.02)


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


def connected(sandbox: Sandbox, **settings: Any) -> Client:
    """A client with a budget of its own and hardly a limit."""
    given = {"requests_per_second": WITHOUT_LIMITS, "attempts": 3, **settings}
    return connect(sandbox.credentials, base_url=sandbox.url, rate_limit_store=MemoryStore(), **given)


@pytest.fixture(params=["sync", "asyncio"])
def manner(request: pytest.FixtureRequest) -> str:
    """From this thread, or from a task."""
    return str(request.param)


async def in_task(module: ModuleType, client: Client, **given: Any) -> Report:
    """Call a function from this task."""
    async with client:
        report: Report = await module.asyncio(client=client, **given)
    return report


def drive_by(manner: str, steps: EffectGenerator[T]) -> T:
    """CancelScope steps in a manner."""
    return asyncio.run(run_async(steps)) if manner == "asyncio" else run_sync(steps)


@pytest.fixture
def run(manner: str) -> RunIt:
    """Call one of the two functions."""

    def call(module: ModuleType, client: Client, **given: Any) -> Report:
        if manner == "asyncio":
            return asyncio.run(in_task(module, client, **given))
        with client:
            report: Report = module.sync(client=client, **given)
        return report

    return call


@pytest.fixture
def cancel(run: RunIt) -> RunIt:
    """Cancel every order of a sandbox by its orderId, and ask what became of it."""

    def call(sandbox: Sandbox, client: Client | None = None, **given: Any) -> Report:
        given = {"orders": refs(sandbox), "confirm": True, **given}
        return run(cancel_orders, client or connected(sandbox), **given)

    return call


@pytest.fixture
def switch(run: RunIt) -> RunIt:
    """Cancel whatever is open in a sandbox."""

    def call(sandbox: Sandbox, **given: Any) -> Report:
        return run(cancel_open_orders, connected(sandbox), **given)

    return call


def refs(sandbox: Sandbox) -> list[OrderRef]:
    """Every order of a sandbox by its orderId, oldest first."""
    return [OrderRef(order_id=order_id) for order_id in sandbox.orders]


def confirmed(report: Report) -> list[Confirmed | None]:
    """What a report says of each order."""
    return [outcome.confirmed for outcome in report.outcomes]


def carried(error: BaseException) -> Report:
    """The report that an exception carries."""
    report = report_of(error)
    assert isinstance(report, Report)
    return report


def gone(sandbox: Sandbox) -> set[str]:
    """The orders that are not open any more."""
    return {order_id for order_id, order in sandbox.orders.items() if not order.is_open}


def times(sandbox: Sandbox, operation: Operation) -> int:
    """How often an operation was asked for."""
    return sum(arrival.path == operation.path for arrival in sandbox.arrivals)


def asked_twice(sandbox: Sandbox) -> bool:
    """Whether a second round of questions has begun, so that the first one's answers are known."""
    return times(sandbox, GET_UNFILLED_ORDERS) > 1


@contextmanager
def ctrl_c(moment: Callable[[], bool]) -> Iterator[None]:
    """Press Ctrl-C when the moment has come."""
    main, ended = threading.main_thread().ident, threading.Event()
    assert main is not None

    def watch() -> None:
        while not ended.wait(0.002):
            if moment():
                signal.pthread_kill(main, signal.SIGINT)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


async def until(moment: Callable[[], bool]) -> None:
    """Wait in a task for a moment."""
    while not moment():  # noqa: ASYNC110 - the exchange lives on another thread
        await asyncio.sleep(0.002)


TROUBLE = ["429", "drop-before", "drop-after", "html-502", "html-403", "empty", "code=40014", "code=99999"]


@pytest.mark.parametrize("fault", TROUBLE)
def test_a_question_that_fails(opened: Opened, cancel: RunIt, caplog: pytest.LogCaptureFixture, fault: str) -> None:
    """Whatever keeps a question from being answered, the report comes, nothing is confirmed, and the log says why."""
    sandbox = opened(orders=2)
    sandbox.inject(fault, times=3, skip=1)
    report = cancel(sandbox)
    assert confirmed(report) == [None] * 2
    assert report.counts[Status.ACCEPTED] == 2
    assert "ended early" in caplog.text


def test_a_deadline_that_passes_while_a_question_waits(
    opened: Opened, cancel: RunIt, caplog: pytest.LogCaptureFixture
) -> None:
    """Orders whose question would get its slot too late are not confirmed; what became of their cancels stays told."""
    sandbox = opened(orders=200)
    client = connected(sandbox, requests_per_second={**WITHOUT_LIMITS, "getHistoryOrders": 1})
    report = cancel(sandbox, client, deadline=0.5)
    assert report.counts[Status.ACCEPTED] == 200
    assert confirmed(report)[:100] == [None] * 100
    assert confirmed(report)[100:] == [CANCELLED] * 100
    assert times(sandbox, GET_HISTORY_ORDERS) == 1
    assert "ended early" in caplog.text


def test_a_batch_without_an_outcome_is_not_asked_for(opened: Opened, manner: str) -> None:
    """While nobody knows what became of a batch, no question leaves for its orders, and nothing is confirmed."""
    sandbox = opened(orders=2)
    with connected(sandbox) as client:
        ledger = cancel_orders._Ledger.open(client, refs(sandbox), None, None, None, None)
        assert len(list(ledger.more(0))) == 1
        drive_by(manner, ledger.confirming(client))
    assert ledger.outcomes == [None] * 2
    assert sandbox.arrivals == []


def test_ctrl_c_keeps_the_answers_so_far(opened: Opened) -> None:
    """Ctrl-C in the second round of questions keeps what the first has answered."""
    sandbox = opened(orders=2, cancel_delay=60)
    sandbox.fill(next(iter(sandbox.orders)))
    with (
        connected(sandbox) as client,
        pytest.raises(KeyboardInterrupt) as caught,
        ctrl_c(partial(asked_twice, sandbox)),
    ):
        cancel_orders.sync(client=client, orders=refs(sandbox), confirm=True)
    assert confirmed(carried(caught.value)) == [FILLED, LIVE]


def test_a_cancelled_task_keeps_the_answers_so_far(opened: Opened) -> None:
    """A task that is cancelled in the second round of questions keeps what the first has answered."""
    sandbox = opened(orders=2, cancel_delay=60)
    sandbox.fill(next(iter(sandbox.orders)))

    async def scene() -> BaseException:
        orders = refs(sandbox)
        task = asyncio.create_task(in_task(cancel_orders, connected(sandbox), orders=orders, confirm=True))
        await until(partial(asked_twice, sandbox))
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    assert confirmed(carried(asyncio.run(scene()))) == [FILLED, LIVE]


@pytest.mark.parametrize(("deadline", "met"), [(0, 0), (0.3, 2)])
def test_the_switch_at_its_deadline(opened: Opened, switch: RunIt, deadline: float, met: int) -> None:
    """A deadline that passes while the switch looks what is open is told as such, with every order it has met."""
    sandbox = opened(orders=2, cancel_delay=60)
    with pytest.raises(DeadlineExceeded) as caught:
        switch(sandbox, deadline=deadline)
    report = carried(caught.value)
    assert len(report) == report.counts[Status.ACCEPTED] == met
    assert times(sandbox, BATCH_CANCEL_ORDERS) == met / 2


def test_progress_that_raises_ends_the_switch(opened: Opened, switch: RunIt) -> None:
    """What the switch was not told any more, because its caller's progress raised, is on the report all the same."""
    sandbox = opened(orders=300, latency=0.05)

    def progress(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        switch(sandbox, on_progress=progress)
    accepted = {outcome.order.order_id for outcome in carried(caught.value).only(Status.ACCEPTED)}
    assert accepted == gone(sandbox) != set()


def test_the_switch_is_cancelled_twice(opened: Opened) -> None:
    """The first cancellation waits for what is in flight; after the second that is unknown, never not sent."""
    sandbox = opened(orders=2)
    sandbox.inject("delay=3", skip=1)

    async def scene() -> BaseException:
        task = asyncio.create_task(in_task(cancel_open_orders, connected(sandbox)))
        await until(lambda: times(sandbox, BATCH_CANCEL_ORDERS) == 1)
        task.cancel()
        assert not (await asyncio.wait([task], timeout=0.02))[0]
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    assert carried(asyncio.run(scene())).counts[Status.UNKNOWN] == 2


@pytest.mark.parametrize("symbols", [["BTCUSDT"], ["btcusdt"]], ids=["as it is", "in small letters"])
@pytest.mark.parametrize("kind", [list, iter])
def test_a_pair_however_it_is_given(
    opened: Opened, switch: RunIt, kind: Callable[[list[str]], Any], symbols: list[str]
) -> None:
    """What can be walked through only once is a choice too, and a pair in small letters is that pair."""
    sandbox = opened(orders=8)
    report = switch(sandbox, symbols=kind(symbols))
    meant = {order_id for order_id, order in sandbox.orders.items() if order.symbol == "BTCUSDT"}
    assert gone(sandbox) == meant != set()
    assert {outcome.order.order_id for outcome in report.outcomes} == meant


def test_a_pair_that_is_given_twice(opened: Opened, switch: RunIt) -> None:
    """A pair given twice is looked at once a round, so that one rejection counts as one."""
    sandbox = opened(orders=1)
    sandbox.inject("code=45055", skip=1)
    report = switch(sandbox, symbols=["BTCUSDT", "BTCUSDT"])
    assert [(outcome.status, outcome.attempts) for outcome in report.outcomes] == [(Status.ACCEPTED, 2)]


def test_a_client_oid_that_was_used_before(opened: Opened, cancel: RunIt) -> None:
    """An older, finished order with the same clientOid does not answer for the one that was cancelled."""
    sandbox = opened(orders=2, cancel_delay=0.1)
    old, new = sandbox.orders.values()
    sandbox.fill(old.order_id)
    sandbox._orders[old.order_id] = evolve(sandbox.orders[old.order_id], client_oid=new.client_oid)
    report = cancel(sandbox, orders=[OrderRef(client_oid=new.client_oid)])
    assert confirmed(report) == [CANCELLED]


@pytest.mark.parametrize("fault", ["null-data", "missing-lists", "foreign-rows"])
def test_a_fault_of_a_batch_that_meets_a_question(opened: Opened, cancel: RunIt, fault: str) -> None:
    """The sandbox's faults that spoil the lists of a batch leave a list of orders as it is."""
    sandbox = opened(orders=2)
    sandbox.inject(fault, skip=1)
    report = cancel(sandbox, connected(sandbox, max_retries=0))
    assert confirmed(report) == [CANCELLED] * 2
    assert {arrival.status for arrival in sandbox.arrivals} == {200}


def test_full_pages_without_an_id(opened: Opened, cancel: RunIt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full page whose orders show no orderId ends the reading, and each order is asked for by itself."""
    row = exchange._row
    monkeypatch.setattr(exchange, "_row", lambda order: {**row(order), "orderId": None})
    sandbox = opened(orders=PAGE_SIZE + 1)
    report = cancel(sandbox)
    assert report.counts[Status.ACCEPTED] == PAGE_SIZE + 1
    assert confirmed(report) == [CANCELLED] * (PAGE_SIZE + 1)


@frozen
class OnePage(OrderQueries):
    """Asks an exchange that answers one full page, whatever it is asked."""

    asked: list[dict[str, object]] = field(factory=list)

    def ask(self, module: ModuleType, **arguments: object) -> EffectGenerator[list[Order]]:
        yield from ()
        assert module is get_unfilled_orders
        self.asked.append(arguments)
        assert len(self.asked) < 10, "it goes on for ever"
        return [Order(order_id=str(number)) for number in range(PAGE_SIZE, 0, -1)]


def test_an_exchange_that_always_answers_the_same_page(manner: str) -> None:
    """Where `idLessThan` is ignored, the page that ends as the one before is the last."""
    asker = OnePage(Client(base_url="http://localhost"), CancelScope())
    found = drive_by(manner, asker.every_page(get_unfilled_orders, symbol="BTCUSDT"))
    assert {order.order_id for order in found} == {str(number) for number in range(1, PAGE_SIZE + 1)}
    first = {"symbol": "BTCUSDT", "limit": PAGE_SIZE}
    assert asker.asked == [first, {**first, "id_less_than": "1"}]
