"""What became of orders whose cancel is done or in doubt: asked, patiently, and with few questions."""

from __future__ import annotations

import asyncio
import pickle
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest
from attrs import define, evolve, field, frozen

from bitget_spot import (
    AuthenticationError,
    Confirmed,
    Credentials,
    DeadlineExceeded,
    Outcome,
    Report,
    Status,
    cancel_orders,
    connect,
)
from bitget_spot._bulk import confirmation
from bitget_spot._bulk.confirmation import FEW, FIRST_PAUSE, MAX_PAUSE, PAGE_SIZE, STALL_TIMEOUT, OrderQueries, confirm
from bitget_spot._bulk.planner import OrderKey
from bitget_spot._concurrency import EffectGenerator, run_async, run_sync
from bitget_spot._middleware import retry
from bitget_spot._middleware.context import CancelScope
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Order as Booked
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import Order, OrderRef
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_UNFILLED_ORDERS,
    OPERATIONS,
)

PLENTY = 1000
"""Requests a second where the rate limit is not what is tested."""
WITHOUT_LIMITS = {operation.operation_id: float(PLENTY) for operation in OPERATIONS.values()}
CANCELLED, FILLED, PARTLY_FILLED, LIVE, NOT_FOUND = Confirmed

RunIt = Callable[..., Report]
Way = Callable[[Booked], OrderRef]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make repeats short."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.002)


@pytest.fixture
def opened() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes with hardly a limit."""
    running: list[Sandbox] = []

    def start(**arguments: Any) -> Sandbox:
        running.append(Sandbox(**{"requests_per_second": PLENTY, **arguments}).start())
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.stop()


def connected(sandbox: Sandbox, credentials: Credentials | None = None) -> Client:
    """A client with a budget of its own and hardly a limit."""
    return connect(
        credentials or sandbox.credentials,
        base_url=sandbox.url,
        rate_limit_store=MemoryStore(),
        requests_per_second=WITHOUT_LIMITS,
        max_retries=2,
    )


@pytest.fixture(params=["sync", "asyncio"])
def run(request: pytest.FixtureRequest) -> RunIt:
    """Cancel orders and ask what became of them, from this thread or from a task."""

    async def task(client: Client, **given: Any) -> Report:
        async with client:
            return await cancel_orders.asyncio(client=client, **given)

    def cancel(client: Client, orders: Iterable[OrderRef], **given: Any) -> Report:
        given = {"confirm": True, **given}
        if request.param == "asyncio":
            return asyncio.run(task(client, orders=orders, **given))
        with client:
            return cancel_orders.sync(client=client, orders=orders, **given)

    return cancel


def by_id(order: Booked) -> OrderRef:
    """OrderKey an order by orderId."""
    return OrderRef(order_id=order.order_id)


def by_label(order: Booked) -> OrderRef:
    """OrderKey an order by clientOid."""
    return OrderRef(client_oid=order.client_oid)


def booked(sandbox: Sandbox) -> list[Booked]:
    """The sandbox's orders, oldest first."""
    return list(sandbox.orders.values())


def confirmed(report: Report) -> list[Confirmed | None]:
    """What the report says of each order."""
    return [outcome.confirmed for outcome in report.outcomes]


def asked(sandbox: Sandbox) -> Counter[str]:
    """How often each path was asked for, the batch cancel aside."""
    return Counter(arrival.path for arrival in sandbox.arrivals if arrival.path != BATCH_CANCEL_ORDERS.path)


def test_an_accepted_cancel_that_was_carried_out(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """Accepted and then cancelled is confirmed as cancelled; the status stays what it was."""
    sandbox = opened(orders=3)
    report = run(connected(sandbox), [by_id(order) for order in booked(sandbox)])
    assert confirmed(report) == [CANCELLED] * 3
    assert report.counts[Status.ACCEPTED] == 3


def test_nothing_is_asked_unless_it_is_wanted(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """Without confirm no question leaves, and nothing is confirmed."""
    sandbox = opened(orders=3)
    report = run(connected(sandbox), [by_id(order) for order in booked(sandbox)], confirm=False)
    assert confirmed(report) == [None] * 3
    assert not asked(sandbox)


def test_no_orders_no_questions(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """With nothing to cancel there is nothing to ask."""
    sandbox = opened(orders=3)
    assert len(run(connected(sandbox), [])) == 0
    assert sandbox.arrivals == []


def test_a_fill_between_the_cancel_and_its_effect(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """An order that fills after its cancel was accepted is shown as filled, still accepted."""
    sandbox = opened(orders=2, cancel_delay=0.2)
    first, second = booked(sandbox)
    report = run(connected(sandbox), [by_id(first), by_id(second)], on_progress=lambda _: sandbox.fill(first.order_id))
    assert confirmed(report) == [FILLED, CANCELLED]
    assert report.counts[Status.ACCEPTED] == 2


def test_a_part_that_filled_before_the_cancel(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """An order of which a part filled, before or after the cancel was accepted, is partly filled."""
    sandbox = opened(orders=3, cancel_delay=0.2)
    first, second, third = booked(sandbox)
    sandbox.fill(first.order_id, partially=True)
    report = run(
        connected(sandbox),
        [by_id(first), by_id(second), by_id(third)],
        on_progress=lambda _: sandbox.fill(second.order_id, partially=True),
    )
    assert confirmed(report) == [PARTLY_FILLED, PARTLY_FILLED, CANCELLED]


@pytest.mark.parametrize("as_refusal", [True, False])
def test_gone_is_three_things(opened: Callable[..., Sandbox], run: RunIt, as_refusal: bool) -> None:
    """Filled earlier, cancelled earlier and never there are told apart; the status stays gone."""
    sandbox = opened(orders=2, all_gone_as_refusal=as_refusal)
    filled, cancelled = booked(sandbox)
    sandbox.fill(filled.order_id)
    with connected(sandbox) as client:
        cancel_orders.sync(client=client, orders=[by_id(cancelled)])
    orders = [by_id(filled), by_id(cancelled), OrderRef(order_id="1"), OrderRef(order_id="no-number")]
    report = run(connected(sandbox), orders)
    assert confirmed(report) == [FILLED, CANCELLED, NOT_FOUND, NOT_FOUND]
    assert report.counts[Status.GONE] == 4


def test_an_unknown_outcome_is_settled(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """Where no answer told what became of the cancel, the question does; the status stays unknown."""
    sandbox = opened(orders=2)
    sandbox.inject("drop-after", times=3)
    report = run(connected(sandbox), [by_id(order) for order in booked(sandbox)])
    assert confirmed(report) == [CANCELLED] * 2
    assert report.counts[Status.UNKNOWN] == 2


def test_a_slow_cancel_is_waited_for(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """A cancel that is carried out 0.3 s after its acceptance is confirmed once it is."""
    sandbox = opened(orders=30, cancel_delay=0.3)
    started = time.monotonic()
    report = run(connected(sandbox), [by_id(order) for order in booked(sandbox)])
    assert confirmed(report) == [CANCELLED] * 30
    assert time.monotonic() - started < 2


def test_an_order_that_never_closes(
    opened: Callable[..., Sandbox], run: RunIt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing has changed for as long as patience lasts, an open order is called live."""
    monkeypatch.setattr(confirmation, "STALL_TIMEOUT", 0.4)
    sandbox = opened(orders=2, cancel_delay=60)
    report = run(connected(sandbox), [by_id(order) for order in booked(sandbox)])
    assert confirmed(report) == [LIVE] * 2
    assert report.counts[Status.ACCEPTED] == 2


def test_the_deadline_bounds_the_questions(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """At the deadline an open order is called live, and the run has done all it was asked to send."""
    sandbox = opened(orders=2, cancel_delay=60)
    started = time.monotonic()
    report = run(connected(sandbox), [by_id(order) for order in booked(sandbox)], deadline=0.5)
    assert time.monotonic() - started < 1
    assert confirmed(report) == [LIVE] * 2


def test_a_rejected_order_is_not_asked_for(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """A run of rejected orders asks nothing."""
    sandbox = opened(orders=2)
    sandbox.inject("code=45055")
    report = run(connected(sandbox), [by_id(order) for order in booked(sandbox)])
    assert report.counts[Status.REJECTED] == 2
    assert confirmed(report) == [None] * 2
    assert not asked(sandbox)


def test_a_rejected_order_beside_an_accepted_one(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """Only what was accepted is confirmed, even if the same page shows the other."""
    sandbox = opened(orders=2)
    sandbox.inject("code=45055")
    report = run(connected(sandbox), [by_id(order) for order in booked(sandbox)], batch_size=1)
    told = {outcome.status: outcome.confirmed for outcome in report.outcomes}
    assert told == {Status.REJECTED: None, Status.ACCEPTED: CANCELLED}


def test_a_run_that_ended_early_asks_nothing(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """After wrong credentials, and after a deadline that let nothing leave, no question leaves."""
    sandbox = opened(orders=2)
    orders = [by_id(order) for order in booked(sandbox)]
    wrong = Credentials(sandbox.api_key, "wrong", sandbox.passphrase)
    with pytest.raises(AuthenticationError) as refused:
        run(connected(sandbox, wrong), orders)
    with pytest.raises(DeadlineExceeded) as late:
        run(connected(sandbox), orders, deadline=0)
    assert not asked(sandbox)
    for caught in (refused, late):
        assert caught.value.report is not None
        assert confirmed(caught.value.report) == [None] * 2
    assert late.value.report is not None
    assert late.value.report.counts[Status.NOT_SENT] == 2


WAYS: dict[str, tuple[Way, ...]] = {
    "orderId": (by_id,),
    "clientOid": (by_label,),
    "mixed": (
        by_id,
        by_label,
        lambda order: OrderRef(order_id=order.order_id, symbol=order.symbol),
        lambda order: OrderRef(client_oid=order.client_oid, symbol=order.symbol),
        lambda order: OrderRef(client_oid=order.client_oid, order_id=order.order_id),
    ),
}


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
def test_each_order_in_its_own_way(opened: Callable[..., Sandbox], run: RunIt, ways: tuple[Way, ...]) -> None:
    """However an order is addressed, and among others of every fate, it gets its own answer."""
    sandbox = opened(orders=40)
    orders = booked(sandbox)
    for order in orders[::3]:
        sandbox.fill(order.order_id)
    for order in orders[1::3]:
        sandbox.fill(order.order_id, partially=True)
    report = run(connected(sandbox), [ways[n % len(ways)](order) for n, order in enumerate(orders)])
    assert confirmed(report) == [(FILLED, PARTLY_FILLED, CANCELLED)[n % 3] for n in range(40)]


def test_an_order_given_twice_is_told_twice(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """Duplicates, under the same or another identifier, all carry what was confirmed."""
    sandbox = opened(orders=2)
    first, second = booked(sandbox)
    orders = [by_id(first), by_label(second), by_id(first), by_label(second), by_label(first)]
    assert confirmed(run(connected(sandbox), orders)) == [CANCELLED] * 5


@pytest.mark.parametrize("way", [by_id, by_label], ids=["orderId", "clientOid"])
def test_two_thousand_orders_cost_twenty_pages(opened: Callable[..., Sandbox], run: RunIt, way: Way) -> None:
    """A page settles a hundred orders, so that 2,000 are settled with about twenty questions."""
    sandbox = opened(orders=2000)
    orders = booked(sandbox)
    for order in orders[::100]:
        sandbox.fill(order.order_id)
    report = run(connected(sandbox), [way(order) for order in orders])
    assert Counter(confirmed(report)) == {CANCELLED: 1980, FILLED: 20}
    paths = asked(sandbox)
    assert paths[GET_HISTORY_ORDERS.path] <= 22
    assert paths[GET_UNFILLED_ORDERS.path] + paths[GET_ORDER_INFO.path] <= 3


def test_a_confirmed_report_shows_it(opened: Callable[..., Sandbox], run: RunIt) -> None:
    """Rows, text and pickle carry what was confirmed."""
    sandbox = opened(orders=2)
    first, second = booked(sandbox)
    sandbox.fill(first.order_id)
    report = run(connected(sandbox), [by_id(first), by_id(second), OrderRef(order_id="1")])
    assert [row["confirmed"] for row in report.rows()] == ["filled", "cancelled", "not_found"]
    assert [row["status"] for row in report.rows()] == ["gone", "accepted", "gone"]
    assert f"{first.order_id}: gone 43001 The order is not open (filled)" in str(report)
    assert second.order_id not in str(report)
    assert "1: gone 43001 The order is not open (not_found)" in str(report)
    assert confirmed(pickle.loads(pickle.dumps(report))) == confirmed(report)  # noqa: S301 - our own
    assert pickle.loads(pickle.dumps(report)).rows() == report.rows()  # noqa: S301 - our own


def test_an_accepted_order_that_filled_is_named_in_the_text() -> None:
    """What was accepted and not cancelled after all is the one thing nobody must overlook."""
    outcome = Outcome(OrderRef(order_id="1"), Status.ACCEPTED)
    for known, shown in ((None, False), (CANCELLED, False), (FILLED, True), (PARTLY_FILLED, True), (LIVE, True)):
        text = str(Report((evolve(outcome, confirmed=known),)))
        assert ("1: accepted" in text) is shown
        assert (f"({known})" in text) is shown


def test_an_interrupt_while_asking_carries_the_report(opened: Callable[..., Sandbox]) -> None:
    """Ctrl-C between two questions ends the run, and what leaves it carries what became of the sending."""
    sandbox = opened(orders=2, cancel_delay=60)
    thread = threading.main_thread().ident
    assert thread is not None
    timer = threading.Timer(0.3, signal.pthread_kill, (thread, signal.SIGINT))
    timer.start()
    with connected(sandbox) as client, pytest.raises(KeyboardInterrupt) as caught:
        cancel_orders.sync(client=client, orders=[by_id(order) for order in booked(sandbox)], confirm=True)
    timer.join()
    assert report_of(caught.value).counts[Status.ACCEPTED] == 2


def test_a_cancelled_task_while_asking_carries_the_report(opened: Callable[..., Sandbox]) -> None:
    """A task cancelled between two questions ends, and what leaves it carries what became of the sending."""
    sandbox = opened(orders=2, cancel_delay=60)
    orders = [by_id(order) for order in booked(sandbox)]

    async def scene() -> BaseException:
        async with connected(sandbox) as client:
            task = asyncio.create_task(cancel_orders.asyncio(client=client, orders=orders, confirm=True))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    assert vars(asyncio.run(scene()))["report"].counts[Status.ACCEPTED] == 2


# The generator by itself, with a clock that is moved by hand.


@define
class Desk:
    """An exchange in a few lines: its lists, its clock, and everything it was asked."""

    open: list[Order] = field(factory=list)
    finished: list[Order] = field(factory=list)
    elsewhere: list[Order] = field(factory=list)
    """Found only by those who ask for the one order."""
    now: float = 0.0
    asked: list[tuple[ModuleType, dict[str, Any]]] = field(factory=list)
    pauses: list[float] = field(factory=list)
    at: list[tuple[float, Callable[[], object]]] = field(factory=list)
    """What happens during a pause, and when."""
    sort: Callable[[list[Order]], list[Order]] = field(
        default=lambda orders: sorted(orders, key=lambda order: int(str(order.order_id)), reverse=True)
    )

    def answer(self, module: ModuleType, arguments: dict[str, Any]) -> list[Order]:
        """Answer a question as the exchange does."""
        self.asked.append((module, arguments))
        assert len(self.asked) < 500, "it goes on for ever"
        if module is get_order_info:
            names = {"orderId": arguments.get("order_id"), "clientOid": arguments.get("client_oid")}
            return [
                order
                for order in self.open + self.finished + self.elsewhere
                if order.order_id == names["orderId"] or order.client_oid == names["clientOid"]
            ][:1]
        orders = self.sort(self.open if module is get_unfilled_orders else self.finished)
        before = int(arguments.get("id_less_than", 10**30))
        return [order for order in orders if int(str(order.order_id)) < before][: arguments["limit"]]

    def times(self, module: ModuleType) -> int:
        """How often a question was asked."""
        return sum(one is module for one, _ in self.asked)

    def pages(self) -> list[dict[str, Any]]:
        """With what the pages of finished orders were asked for."""
        return [arguments for module, arguments in self.asked if module is get_history_orders]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and happen what is due."""
        self.pauses.append(seconds)
        self.now += seconds
        for due, happen in [one for one in self.at if one[0] <= self.now]:
            self.at.remove((due, happen))
            happen()

    def close(self, order: Order) -> None:
        """Move an order to the finished ones, as cancelled."""
        self.open.remove(order)
        self.finished.append(order)
        order.status = "cancelled"


@frozen
class AtDesk(OrderQueries):
    """Asks a desk in place of the exchange."""

    desk: Desk

    def ask(self, module: ModuleType, **arguments: object) -> EffectGenerator[list[Order]]:
        yield from ()
        return self.desk.answer(module, arguments)

    def pause(self, seconds: float) -> EffectGenerator[None]:
        yield from ()
        self.desk.pass_time(seconds)


def order_of(number: int, status: str = "cancelled", volume: str | None = "0") -> Order:
    """An order as the exchange shows it."""
    return Order(order_id=str(number), client_oid=f"label-{number}", status=status, base_volume=volume)


def settle(desk: Desk, *addresses: OrderKey, deadline: float | None = None) -> dict[OrderKey, Confirmed]:
    """Ask the desk what became of orders."""
    known: dict[OrderKey, Confirmed] = {}
    asker = AtDesk(Client(base_url="http://localhost"), CancelScope(deadline=deadline, clock=lambda: desk.now), desk)
    run_sync(confirm(asker, addresses, known))
    return known


def ids(*numbers: int) -> list[OrderKey]:
    """The addresses of orders by orderId."""
    return [("orderId", str(number)) for number in numbers]


def labels(*numbers: int) -> list[OrderKey]:
    """The addresses of orders by clientOid."""
    return [("clientOid", f"label-{number}") for number in numbers]


@pytest.mark.parametrize(
    ("status", "volume", "meaning"),
    [
        ("cancelled", "0", CANCELLED),
        ("cancelled", "0.000", CANCELLED),
        ("canceled", "0", CANCELLED),
        ("cancelled", "0.0001", PARTLY_FILLED),
        ("canceled", "1e-8", PARTLY_FILLED),
        ("cancelled", "", CANCELLED),
        ("cancelled", None, CANCELLED),
        ("cancelled", "a lot", CANCELLED),
        ("filled", "1", FILLED),
        ("filled", "", FILLED),
        ("live", "0", LIVE),
        ("partially_filled", "0.5", LIVE),
        ("new", "0", LIVE),
        ("init", "0", LIVE),
        ("a-word-of-tomorrow", "0", LIVE),
    ],
)
def test_each_status_has_its_meaning(status: str, volume: str | None, meaning: Confirmed) -> None:
    """Both spellings of cancelled are known, an unknown word is no end, and a volume that is no number is none."""
    desk = Desk(finished=[order_of(1, status, volume)])
    assert settle(desk, *ids(1)) == {("orderId", "1"): meaning}


def test_nothing_to_ask_about() -> None:
    """Without orders there is no question and no pause."""
    desk = Desk()
    assert settle(desk) == {}
    assert (desk.asked, desk.pauses) == ([], [])


def test_the_pauses_double_until_patience_ends() -> None:
    """An order that stays open is asked for ever more rarely, and is live when nothing has changed for ten seconds."""
    desk = Desk(open=[order_of(1, "live")])
    assert settle(desk, *ids(1)) == {("orderId", "1"): LIVE}
    assert desk.pauses[:5] == pytest.approx([FIRST_PAUSE * 2**n for n in range(4)] + [MAX_PAUSE])
    assert set(desk.pauses[4:]) == {MAX_PAUSE}
    assert STALL_TIMEOUT - MAX_PAUSE < desk.now <= STALL_TIMEOUT


def test_every_change_renews_patience() -> None:
    """While orders close one after the other, each within ten seconds of the one before, all are waited for."""
    orders = [order_of(number, "live") for number in range(1, 5)]
    desk = Desk(open=list(orders))
    desk.at = [(8.0 * n, lambda order=order: desk.close(order)) for n, order in enumerate(orders, 1)]  # type: ignore[misc]
    known = settle(desk, *ids(1, 2, 3, 4))
    assert set(known.values()) == {CANCELLED}
    assert 32 <= desk.now < 36
    assert desk.pauses.count(FIRST_PAUSE) == 4


def test_the_deadline_ends_the_questions() -> None:
    """No pause reaches beyond the deadline, and what is open then is live."""
    desk = Desk(open=[order_of(1, "live")])
    assert settle(desk, *ids(1), deadline=3.0) == {("orderId", "1"): LIVE}
    assert desk.now < 3.0


def test_a_few_missing_orders_are_asked_for_at_once() -> None:
    """Fewer than five that no page shows are asked for one by one, and known after a single round."""
    desk = Desk(elsewhere=[order_of(1), order_of(2, "filled"), order_of(3, volume="1")])
    known = settle(desk, *ids(1, 2), *labels(3, 4))
    assert list(known.values()) == [CANCELLED, FILLED, PARTLY_FILLED, NOT_FOUND]
    assert desk.times(get_order_info) == 4
    assert desk.pauses == []


def test_many_missing_orders_are_looked_for_in_pages_again() -> None:
    """Orders on their way from one list to the other are in neither: the next round finds them by the hundred."""
    orders = [order_of(number) for number in range(1, 301)]
    desk = Desk()
    desk.at = [(FIRST_PAUSE, lambda: desk.finished.extend(orders))]
    known = settle(desk, *ids(*range(1, 301)))
    assert Counter(known.values()) == {CANCELLED: 300}
    assert desk.times(get_order_info) == 0
    assert len(desk.asked) <= 6


def test_many_orders_that_stay_missing_are_asked_for_one_by_one() -> None:
    """What two rounds have not found is asked for by itself."""
    desk = Desk(elsewhere=[order_of(number) for number in range(1, FEW + 1)])
    known = settle(desk, *ids(*range(1, FEW + 3)))
    assert Counter(known.values()) == {CANCELLED: FEW, NOT_FOUND: 2}
    assert desk.times(get_order_info) == FEW + 2
    assert desk.pauses == [FIRST_PAUSE]


def test_many_missing_orders_at_the_deadline_are_not_known() -> None:
    """What nobody could be asked about in time is not among what is known."""
    desk = Desk(finished=[order_of(100)])
    assert settle(desk, *ids(100, *range(1, FEW + 1)), deadline=0.1) == {("orderId", "100"): CANCELLED}
    assert desk.times(get_order_info) == 0


def test_a_question_for_one_order_names_it_in_its_own_way() -> None:
    """By orderId where that is the address, by clientOid where that is."""
    desk = Desk()
    settle(desk, ("orderId", "7"), ("clientOid", "a#b+c"), ("orderId", "no-number"))
    questions = [arguments for module, arguments in desk.asked if module is get_order_info]
    assert questions == [{"order_id": "7"}, {"client_oid": "a#b+c"}, {"order_id": "no-number"}]


@pytest.mark.parametrize("name", ["9" * 5_000, "²", "٣", "-1"])
def test_an_id_that_is_no_number(name: str) -> None:
    """An id that nobody would count by is asked for by itself, and ends no run."""
    desk = Desk(elsewhere=[Order(order_id=name, status="filled")])
    assert settle(desk, *ids(1), ("orderId", name)) == {("orderId", "1"): NOT_FOUND, ("orderId", name): FILLED}
    assert [arguments["id_less_than"] for arguments in desk.pages()] == ["2"]


def test_pages_jump_over_what_nobody_asked_about() -> None:
    """Two orders a thousand apart cost two pages, not ten."""
    desk = Desk(finished=[order_of(number) for number in range(1, 1001)])
    assert set(settle(desk, *ids(1000, 1)).values()) == {CANCELLED}
    assert [arguments["id_less_than"] for arguments in desk.pages()] == ["1001", "2"]
    assert {arguments["limit"] for arguments in desk.pages()} == {PAGE_SIZE}


def test_labels_are_read_from_the_newest_on() -> None:
    """Orders known by clientOid alone are looked for page by page, as long as pages show some of them."""
    desk = Desk(finished=[order_of(number) for number in range(1, 1001)])
    known = settle(desk, *labels(*range(801, 1001)))
    assert len(known) == 200
    assert set(known.values()) == {CANCELLED}
    assert len(desk.pages()) == 2
    assert "id_less_than" not in desk.pages()[0]
    assert desk.times(get_order_info) == 0


def test_labels_that_a_page_does_not_show_end_the_reading() -> None:
    """A whole page without any of them ends it, and the few are asked for one by one."""
    desk = Desk(finished=[order_of(number) for number in range(1, 1001)])
    assert set(settle(desk, *labels(5, 6)).values()) == {CANCELLED}
    assert (desk.times(get_history_orders), desk.times(get_order_info)) == (1, 2)


def test_labels_and_ids_together() -> None:
    """When the labels are found, or are on no page, the reading jumps on to the ids."""
    desk = Desk(finished=[order_of(number) for number in range(1, 1001)])
    known = settle(desk, *labels(1000), *ids(3))
    assert set(known.values()) == {CANCELLED}
    assert [arguments.get("id_less_than") for arguments in desk.pages()] == [None, "4"]


def test_an_order_that_moves_between_the_lists() -> None:
    """An order that is open in the first round and finished in the second is asked for twice, by page."""
    order = order_of(1, "live")
    desk = Desk(open=[order])
    desk.at = [(0.0, lambda: desk.close(order))]
    assert settle(desk, *ids(1)) == {("orderId", "1"): CANCELLED}
    assert desk.times(get_order_info) == 0


def test_an_order_asked_for_twice_is_asked_once() -> None:
    """Duplicates among the addresses cost nothing."""
    desk = Desk(elsewhere=[order_of(1)])
    assert settle(desk, *ids(1, 1, 1)) == {("orderId", "1"): CANCELLED}
    assert desk.times(get_order_info) == 1


@define
class Stuck(Desk):
    """Shows one and the same page, whatever is asked for."""

    def answer(self, module: ModuleType, arguments: dict[str, Any]) -> list[Order]:
        found = super().answer(module, arguments)
        return found if module is get_order_info else [order_of(number) for number in range(1001, 1001 + PAGE_SIZE)]


@define
class Odd(Desk):
    """Shows pages of orders that have no number to count by."""

    name: str = ""

    def answer(self, module: ModuleType, arguments: dict[str, Any]) -> list[Order]:
        found = super().answer(module, arguments)
        return found if module is get_order_info else [Order(order_id=self.name, status="live")] * PAGE_SIZE


@pytest.mark.parametrize("name", ["9" * 5_000, "²", ""])
def test_a_page_that_ends_in_no_number(name: str) -> None:
    """Where a page's last id is none to count by, the reading ends, and the orders are found one by one."""
    desk = Odd(elsewhere=[order_of(1), order_of(2)], name=name)
    assert set(settle(desk, *ids(1, 2)).values()) == {CANCELLED}
    assert len(desk.asked) == 4


UNSORTED = {
    "oldest first": Desk(
        finished=[order_of(number) for number in range(1, 501)],
        sort=lambda orders: sorted(orders, key=lambda order: int(str(order.order_id))),
    ),
    "always the same page": Stuck(elsewhere=[order_of(number) for number in range(1, 501)]),
}


@pytest.mark.parametrize("addresses", [ids(500, 250, 1), labels(500, 250, 1)], ids=["orderId", "clientOid"])
@pytest.mark.parametrize("desk", UNSORTED.values(), ids=UNSORTED)
def test_a_list_in_another_order_ends_too(addresses: list[OrderKey], desk: Desk) -> None:
    """Where a list is not sorted newest first, the reading ends, and the orders are found one by one."""
    desk.asked.clear()
    assert set(settle(desk, *addresses).values()) == {CANCELLED}
    assert len(desk.asked) < 20


def test_steps_in_a_thread_and_in_a_task_end_alike() -> None:
    """Both ways of running steps answer what the steps return, with pauses that really pause."""
    asker = OrderQueries(Client(base_url="http://localhost"), CancelScope())

    def steps() -> EffectGenerator[str]:
        yield from asker.pause(0.001)
        yield from asker.pause(0.001)
        return "done"

    assert run_sync(steps()) == asyncio.run(run_async(steps())) == "done"


def test_a_run_that_is_stopped_wakes_who_pauses() -> None:
    """A pause ends at once when the run is stopped, and none begins after its deadline."""
    run = CancelScope()
    asker = OrderQueries(Client(base_url="http://localhost"), run)
    threading.Timer(0.05, run.stop).start()
    started = time.monotonic()
    run_sync(asker.pause(5))
    run_sync(asker.pause(5))
    run_sync(OrderQueries(asker.client, CancelScope.within(0)).pause(5))
    assert time.monotonic() - started < 1


def test_an_answer_without_orders_is_an_empty_page(respond_with: Callable[..., Any]) -> None:
    """A success whose data is null shows no orders, and nothing breaks."""
    with connect(Credentials("a", "b", "c"), transport=respond_with(data=None), rate_limit_store=MemoryStore()) as client:
        asker = OrderQueries(client, CancelScope())
        assert run_sync(asker.every_page(get_unfilled_orders)) == []
        assert run_sync(asker.ask(get_order_info, order_id="1")) == []


def test_every_page_reads_to_the_end() -> None:
    """A list is read page by page, also where its last page is a full one."""
    desk = Desk(open=[order_of(number, "live") for number in range(1, 2 * PAGE_SIZE + 1)])
    asker = AtDesk(Client(base_url="http://localhost"), CancelScope(), desk)
    found = run_sync(asker.every_page(get_unfilled_orders, symbol="BTCUSDT"))
    assert [order.order_id for order in found] == [str(number) for number in range(2 * PAGE_SIZE, 0, -1)]
    assert len(desk.asked) == 3
    assert {arguments["symbol"] for _, arguments in desk.asked} == {"BTCUSDT"}
