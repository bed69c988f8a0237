"""Any number of orders over real HTTP: each is told what became of it, and the exchange's own books agree."""

from __future__ import annotations

import asyncio
import logging
import pickle
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import httpx
import pytest

from bitget_spot import (
    ApiError,
    AuthenticationError,
    Credentials,
    DeadlineExceeded,
    InvalidBatchError,
    Outcome,
    PermissionDeniedError,
    Report,
    Status,
    WrongEnvironmentError,
    cancel_orders,
    connect,
)
from bitget_spot._middleware import retry
from bitget_spot.rate_limit import MemoryStore, policy
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import OrderRef

ACCEPTED, GONE, REJECTED, UNKNOWN, NOT_SENT = Status
PLENTY = 1000
"""Requests a second where the rate limit is not what is tested."""

Connect = Callable[..., Client]
Run = Callable[..., Report]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make repeats and closures short."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.002)
    monkeypatch.setattr(policy, "MAX_PAUSE", 0.05)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An exchange with 120 open orders and hardly a limit."""
    with Sandbox(requests_per_second=PLENTY) as sandbox:
        yield sandbox


@pytest.fixture
def connected(sandbox: Sandbox) -> Iterator[Connect]:
    """Make clients of the sandbox with a budget of their own."""
    clients: list[Client] = []

    defaults: dict[str, Any] = {"requests_per_second": PLENTY}

    def make(credentials: Credentials | None = None, **settings: Any) -> Client:
        client = connect(
            credentials or sandbox.credentials,
            base_url=sandbox.url,
            rate_limit_store=MemoryStore(),
            **defaults | settings,
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__()


@pytest.fixture(params=["sync", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Cancel orders from this thread, or from a task."""

    async def task(client: Client, **given: Any) -> Report:
        async with client:
            return await cancel_orders.asyncio(client=client, **given)

    def cancel(client: Client, orders: Iterable[OrderRef], **given: Any) -> Report:
        if request.param == "sync":
            return cancel_orders.sync(client=client, orders=orders, **given)
        return asyncio.run(task(client, orders=orders, **given))

    return cancel


def by_id(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders by orderId."""
    return [OrderRef(order_id=order.order_id) for order in orders]


def by_label(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders by clientOid."""
    return [OrderRef(client_oid=order.client_oid) for order in orders]


def mixed(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders in every way in turn."""
    ways: tuple[Callable[[Order], OrderRef], ...] = (
        lambda order: OrderRef(order_id=order.order_id),
        lambda order: OrderRef(client_oid=order.client_oid),
        lambda order: OrderRef(order_id=order.order_id, symbol=order.symbol),
        lambda order: OrderRef(client_oid=order.client_oid, symbol=order.symbol),
        lambda order: OrderRef(client_oid=order.client_oid, order_id=order.order_id),
    )
    return [ways[index % len(ways)](order) for index, order in enumerate(orders)]


def counts(report: Report | None) -> dict[Status, int]:
    """How many orders have each status that occurs."""
    assert report is not None
    return {status: count for status, count in report.counts.items() if count}


def books(sandbox: Sandbox) -> Counter[str]:
    """How many orders have each status at the exchange."""
    return Counter(order.status for order in sandbox.orders.values())


def again(error: BaseException) -> Report:
    """Send an exception through a pickle, and answer its report."""
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    report = report_of(copied)
    assert isinstance(report, Report)
    assert report == report_of(error)
    return report


def slow_down(sandbox: Sandbox) -> None:
    """Take so long for each answer that what may leave at once has left before the first one comes."""
    sandbox.stop()
    sandbox.latency = 0.2
    sandbox.start()


def when(holds: Callable[[], object], act: Callable[[], object]) -> threading.Thread:
    """Act on a thread of its own as soon as something holds."""

    def watch() -> None:
        while not holds():
            asleep.wait(0.002)
        act()

    asleep = threading.Event()
    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_every_order_is_told_in_the_order_given(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """120 orders of every sort, some of them filled, leave in the fewest batches; each has one outcome, in its place."""
    given = mixed(sandbox.orders.values())
    filled = list(sandbox.orders)[::7]
    for order_id in filled:
        sandbox.fill(order_id)
    report = run(connected(), iter(given))
    assert len(report) == len(given)
    assert all(outcome.order is order for outcome, order in zip(report.outcomes, given, strict=True))
    expected = [GONE if order_id in filled else ACCEPTED for order_id in sandbox.orders]
    assert [outcome.status for outcome in report.outcomes] == expected
    assert {outcome.code for outcome in report.only(GONE)} == {"43001"}
    assert {outcome.attempts for outcome in report.outcomes} == {1}
    assert books(sandbox) == {"filled": len(filled), "cancelled": 120 - len(filled)}
    assert len(sandbox.arrivals) == len(cancel_orders.plan(orders=given)) == 4
    report.raise_for_failures()


@pytest.mark.parametrize("as_refusal", [True, False])
def test_a_batch_of_which_every_order_is_gone(as_refusal: bool, sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """Where nothing of a batch is open, each order is gone, whether the exchange refuses the whole or lists them."""
    sandbox.all_gone_as_refusal = as_refusal
    orders = list(sandbox.orders.values())[:10]
    for order in orders[:5]:
        sandbox.fill(order.order_id)
    report = run(connected(), by_id(orders), batch_size=5)
    assert [outcome.status for outcome in report.outcomes] == [GONE] * 5 + [ACCEPTED] * 5


TOLD = {ACCEPTED: 8, GONE: 2}
ECHO = {GONE: 10}
SILENCE = {UNKNOWN: 10}
FAULTS: dict[str, tuple[dict[Status, int], int]] = {
    # What is told, and after how many tries.
    "429": (TOLD, 2),
    "html-403": (TOLD, 2),
    "html-429": (TOLD, 2),
    "html-502": (TOLD, 2),
    "html-520": (ECHO, 2),
    "empty": (ECHO, 2),
    "raw=[]": (ECHO, 2),
    'raw={"code":"00000","data":"done"}': (SILENCE, 1),
    "drop-before": (TOLD, 2),
    "drop-after": (ECHO, 2),
    "delay=1": (ECHO, 2),
    "delay-before=1": (TOLD, 2),
    "code=45001": (TOLD, 2),
    "code=40808": (TOLD, 2),
    "code=40918": (TOLD, 2),
    "code=40008": (TOLD, 2),
    "code=43001": (ECHO, 1),
    "code=40034": ({REJECTED: 10}, 1),
    "code-after=45001": (ECHO, 2),
    "null-data": (SILENCE, 1),
    "null-lists": (SILENCE, 1),
    "missing-lists": (SILENCE, 1),
    "reordered": (TOLD, 1),
    "missing-rows": ({ACCEPTED: 4, GONE: 1, UNKNOWN: 5}, 1),
    "both-lists": (ECHO, 1),
    "foreign-rows": (TOLD, 1),
    "ids-as-numbers": (TOLD, 1),
    "no-error-code": ({ACCEPTED: 8, REJECTED: 2}, 1),
    "message-key": (TOLD, 1),
    "string-request-time": (TOLD, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("address", [by_id, by_label])
def test_whatever_the_answer_looks_like(
    fault: str, address: Callable[[Iterable[Order]], list[OrderRef]], sandbox: Sandbox, connected: Connect, run: Run
) -> None:
    """
    Of ten orders, two of them filled, each has the one outcome that the answer allows: accepted only if the exchange
    has cancelled it, never rejected if an earlier try may have, unknown only if no answer settles it.
    """
    orders = list(sandbox.orders.values())[:10]
    for order in orders[::5]:
        sandbox.fill(order.order_id)
    sandbox.inject(fault)
    slow = fault.startswith("delay")
    report = run(connected(timeout=0.25) if slow else connected(), address(orders))
    expected, tries = FAULTS[fault]
    assert counts(report) == expected
    assert {outcome.attempts for outcome in report.outcomes} == {tries}
    # What is held up before the exchange counts it has not arrived yet.
    assert len(sandbox.arrivals) == (1 if fault.startswith("delay-before") else tries)
    after = sandbox.orders
    for order, outcome in zip(orders, report.outcomes, strict=True):
        assert outcome.status is not ACCEPTED or after[order.order_id].status == "cancelled"
        assert outcome.status is not REJECTED or after[order.order_id].status != "cancelled"
    assert len(report.unmatched) == (2 if fault == "foreign-rows" else 0)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("drop-before", UNKNOWN, None),
        ("drop-after", UNKNOWN, None),
        ("html-502", UNKNOWN, None),
        ("empty", UNKNOWN, None),
        ("code=45001", UNKNOWN, "45001"),
        ("code-after=45001", GONE, "43001"),
        ("code=40808", REJECTED, "40808"),
        ("429", REJECTED, "429"),
    ],
)
def test_a_fault_that_does_not_pass(  # noqa: PLR0917 - the table's columns
    fault: str, status: Status, code: str | None, sandbox: Sandbox, connected: Connect, run: Run
) -> None:
    """
    After the last try an order is rejected only where every try was clearly refused, gone where the exchange has said
    so at last, else unknown with the reason.
    """
    sandbox.inject(fault, times=9)
    report = run(connected(max_retries=1), by_id(sandbox.orders.values())[:3])
    assert {(outcome.status, outcome.code, outcome.attempts) for outcome in report.outcomes} == {(status, code, 2)}
    assert all(outcome.message for outcome in report.outcomes)
    assert len(sandbox.arrivals) == 2


def test_an_exchange_that_cannot_be_reached(connected: Connect, run: Run, sandbox: Sandbox) -> None:
    """Where no connection can be made nothing was sent, and the orders can be sent on."""
    given = by_id(sandbox.orders.values())[:3]
    client = connected(max_retries=1)
    sandbox.stop()
    report = run(client, given)
    assert counts(report) == {NOT_SENT: 3}
    assert all("ConnectError" in str(outcome.message) for outcome in report.outcomes)
    sandbox.start()
    assert counts(run(client, report.orders(NOT_SENT))) == {ACCEPTED: 3}


def test_a_connection_that_was_closed_meanwhile(sandbox: Sandbox, connected: Connect) -> None:
    """A kept connection that the exchange has closed costs a repeat at most, and never an unknown."""
    client = connected()
    first, second = by_id(sandbox.orders.values())[:2]

    async def tasks() -> None:
        async with client:
            assert counts(await cancel_orders.asyncio(client=client, orders=[first])) == {ACCEPTED: 1}
            sandbox.close_idle_connections()
            assert counts(await cancel_orders.asyncio(client=client, orders=[second])) == {ACCEPTED: 1}

    asyncio.run(tasks())
    third, fourth = by_id(sandbox.orders.values())[2:4]
    assert counts(cancel_orders.sync(client=client, orders=[third])) == {ACCEPTED: 1}
    assert sandbox.close_idle_connections() == 1
    assert counts(cancel_orders.sync(client=client, orders=[fourth])) == {ACCEPTED: 1}


def test_five_hundred_orders_leave_at_once(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """Ten batches are under way side by side: the last has arrived before the first is answered."""
    sandbox.inject("delay=0.4", times=10)
    report = run(connected(requests_per_second=10), by_id(sandbox.open_orders(500)))
    assert counts(report) == {ACCEPTED: 500}
    at = [arrival.at for arrival in sandbox.arrivals]
    assert len(at) == 10
    assert max(at) - min(at) < 0.4


def test_no_orders_at_all(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """Without orders there is an empty report, whatever the deadline, and nothing is sent."""
    assert run(connected(), []) == Report(())
    assert run(connected(), iter(()), deadline=0) == Report(())
    assert not sandbox.arrivals


def test_every_fifth_order_twice(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """Of 1,200 orders, every fifth given twice, each is sent once; both that were given are told the same."""
    orders = [
        one for index, ref in enumerate(by_id(sandbox.open_orders(1000))) for one in [ref] * (1 + (index % 5 == 0))
    ]
    gone = str(orders[0].order_id)
    sandbox.fill(gone)
    report = run(connected(), orders)
    assert counts(report) == {ACCEPTED: 1198, GONE: 2}
    sent = Counter(order_id for arrival in sandbox.arrivals for order_id in arrival.order_ids)
    assert len(sent) == 1000
    assert set(sent.values()) == {1}
    assert len(sandbox.arrivals) == 20
    assert [outcome.order.order_id for outcome in report.only(GONE)] == [gone, gone]


@pytest.mark.parametrize("deadline", [-1, -0.001, float("nan")])
def test_a_deadline_that_is_none(deadline: float, sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """A deadline below nothing, or no number, is a ValueError before anything is sent."""
    with pytest.raises(ValueError, match="deadline"):
        run(connected(), by_id(sandbox.orders.values()), deadline=deadline)
    assert not sandbox.arrivals


def test_what_cannot_be_planned_is_not_sent(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """One bad order among many keeps all from being sent, and so does a batch size the exchange does not take."""
    with pytest.raises(InvalidBatchError, match=r"orders\[1\]"):
        run(connected(), [*by_id(sandbox.orders.values())[:1], OrderRef()])
    with pytest.raises(ValueError, match="batch_size"):
        run(connected(), by_id(sandbox.orders.values()), batch_size=51)
    assert not sandbox.arrivals


def test_a_client_of_another_make(run: Run) -> None:
    """A client that neither signs nor limits is a TypeError that names the remedy."""
    for client in (Client(base_url="http://127.0.0.1:9"), Client(base_url="http://x", httpx_args={"transport": None})):
        with pytest.raises(TypeError, match=r"bitget_spot\.connect"):
            run(client, [OrderRef(order_id="1")])


@pytest.mark.parametrize(
    ("fault", "wrong", "error"),
    [
        ("", {"secret_key": "wrong"}, AuthenticationError),
        ("", {"passphrase": "wrong"}, AuthenticationError),
        ("code=40014", {}, PermissionDeniedError),
        ("code=40085", {}, WrongEnvironmentError),
        ("code=40099", {}, WrongEnvironmentError),
    ],
)
def test_what_ends_a_run(  # noqa: PLR0917 - the table's columns
    fault: str, wrong: dict[str, str], error: type[ApiError], sandbox: Sandbox, connected: Connect, run: Run
) -> None:
    """
    Wrong credentials, a missing permission and the wrong environment end the run at once: the refused batch is
    rejected, the rest never leaves, and what comes out of the exception's pickle can be cancelled on.
    """
    if fault:
        sandbox.inject(fault, times=9)
    own = {"api_key": sandbox.api_key, "secret_key": sandbox.secret_key, "passphrase": sandbox.passphrase}
    client = connected(Credentials(**own | wrong), requests_per_second=1)
    given = by_id(sandbox.orders.values())[:8]
    with pytest.raises(error) as caught:
        run(client, given, batch_size=2)
    report = again(caught.value)
    assert [outcome.status for outcome in report.outcomes] == [REJECTED] * 2 + [NOT_SENT] * 6
    assert {(outcome.code, outcome.attempts) for outcome in report.only(REJECTED)} == {(caught.value.code, 1)}
    assert len(sandbox.arrivals) == 1
    assert set(books(sandbox)) == {"live"}
    for secret in own.values():
        assert secret not in repr(report) + str(report) + repr(caught.value)
    sandbox.clear_faults()
    assert counts(run(connected(), report.orders(NOT_SENT))) == {ACCEPTED: 6}
    assert books(sandbox) == {"live": 114, "cancelled": 6}


def test_what_is_in_flight_is_waited_for(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """A run that ends waits for the batches under way, and tells what became of them."""
    slow_down(sandbox)
    sandbox.inject("code=40014", times=2)
    with pytest.raises(PermissionDeniedError) as caught:
        run(connected(requests_per_second=3), by_id(sandbox.orders.values())[:10], batch_size=1)
    assert counts(caught.value.report) == {ACCEPTED: 1, REJECTED: 2, NOT_SENT: 7}
    assert books(sandbox)["cancelled"] == 1
    assert len(sandbox.arrivals) == 3


def test_an_error_that_nobody_expects(
    sandbox: Sandbox, connected: Connect, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the code below ends the run with the report, like any other end."""

    def broken(**_: object) -> None:
        raise RuntimeError("a bug")

    async def broken_in_task(**_: object) -> None:
        broken()

    monkeypatch.setattr(batch_cancel_orders, "sync", broken)
    monkeypatch.setattr(batch_cancel_orders, "asyncio", broken_in_task)
    with pytest.raises(RuntimeError, match="a bug") as caught:
        run(connected(requests_per_second=1), by_id(sandbox.orders.values()), batch_size=1)
    assert counts(again(caught.value)) == {NOT_SENT: 120}
    assert not sandbox.arrivals


def test_no_time_at_all(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """With a deadline of nothing, nothing leaves."""
    with pytest.raises(DeadlineExceeded) as caught:
        run(connected(), by_id(sandbox.orders.values()), deadline=0)
    assert counts(again(caught.value)) == {NOT_SENT: 120}
    assert isinstance(caught.value, TimeoutError)
    assert not sandbox.arrivals


def test_time_enough(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """A deadline that does not pass changes nothing."""
    assert counts(run(connected(), by_id(sandbox.orders.values()), deadline=60)) == {ACCEPTED: 120}


def test_a_deadline_while_waiting_for_a_slot(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """When the deadline passes, what stands in line for a slot does not leave; the rest can be sent on."""
    with pytest.raises(DeadlineExceeded) as caught:
        run(connected(requests_per_second=1), by_id(sandbox.orders.values())[:8], batch_size=2, deadline=0.5)
    report = again(caught.value)
    assert [outcome.status for outcome in report.outcomes] == [ACCEPTED] * 2 + [NOT_SENT] * 6
    assert len(sandbox.arrivals) == 1
    assert counts(run(connected(), report.orders(NOT_SENT))) == {ACCEPTED: 6}


def test_a_deadline_while_a_batch_is_in_flight(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """A batch under way when the deadline passes is waited for; if it was the last, nothing was cut short."""
    sandbox.inject("delay=0.5")
    assert counts(run(connected(), by_id(sandbox.orders.values())[:8], deadline=0.3)) == {ACCEPTED: 8}


def test_a_deadline_that_leaves_no_time_for_a_repeat(
    sandbox: Sandbox, connected: Connect, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the pause before another try would outlast the deadline, the run ends at once."""
    monkeypatch.setattr(retry, "pause_after", lambda *_: 30.0)
    sandbox.inject("drop-after")
    with pytest.raises(DeadlineExceeded) as caught:
        run(connected(), by_id(sandbox.orders.values())[:8], deadline=10)
    assert counts(caught.value.report) == {UNKNOWN: 8}


def test_progress_is_told_batch_by_batch(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """`on_progress` is called for each batch, in the caller's own thread or loop, with the outcomes of the report."""
    told: list[Sequence[Outcome]] = []
    where: set[tuple[int, bool]] = set()
    in_loop = False

    def progress(outcomes: Sequence[Outcome]) -> None:
        told.append(outcomes)
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            nonlocal in_loop
            in_loop = True
        where.add((threading.get_ident(), in_loop))

    given = mixed(sandbox.orders.values())
    report = run(connected(), [*given, given[0]], batch_size=7, on_progress=progress)
    assert len(told) == len(sandbox.arrivals)
    assert len(where) == 1
    assert next(iter(where))[0] == threading.get_ident()
    assert sorted(map(id, report.outcomes)) == sorted(id(outcome) for outcomes in told for outcome in outcomes)


@pytest.mark.parametrize("error", [LookupError("mine"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_progress_that_raises(error: BaseException, sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """An `on_progress` that raises, Ctrl-C in it included, ends the run; the exception carries the report."""
    calls = 0

    def progress(_: Sequence[Outcome]) -> None:
        nonlocal calls
        calls += 1
        raise error

    slow_down(sandbox)
    with pytest.raises(type(error)) as caught:
        run(connected(requests_per_second=2), by_id(sandbox.orders.values())[:8], batch_size=1, on_progress=progress)
    assert caught.value is error
    assert counts(again(error)) == {ACCEPTED: 2, NOT_SENT: 6}
    assert calls == 1
    assert len(sandbox.arrivals) == 2


def test_ctrl_c(sandbox: Sandbox, connected: Connect) -> None:
    """Ctrl-C in the main thread waits for what is in flight, sends nothing more, and carries the report."""
    assert threading.current_thread() is threading.main_thread()
    main = threading.get_ident()
    sandbox.inject("reordered")
    sandbox.inject("delay=0.3", times=2)
    told: list[Sequence[Outcome]] = []
    # The first batch is told, so the run is waiting for the others.
    presser = when(lambda: told and len(sandbox.arrivals) == 3, lambda: signal.pthread_kill(main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as caught:
        cancel_orders.sync(
            client=connected(requests_per_second=3),
            orders=by_id(sandbox.orders.values())[:6],
            batch_size=1,
            on_progress=told.append,
        )
    presser.join()
    assert counts(again(caught.value)) == {ACCEPTED: 3, NOT_SENT: 3}
    assert books(sandbox)["cancelled"] == len(sandbox.arrivals) == 3
    assert Counter(outcome.status for outcomes in told for outcome in outcomes)[ACCEPTED] == 3


async def arrived(sandbox: Sandbox, count: int = 1) -> None:
    """Wait until so many requests have arrived."""
    while len(sandbox.arrivals) < count:  # noqa: ASYNC110 - the sandbox has no event to wait for
        await asyncio.sleep(0.002)


def test_a_cancelled_task(sandbox: Sandbox, connected: Connect) -> None:
    """A cancelled task waits for what is in flight, sends nothing more, and its CancelledError carries the report."""
    sandbox.inject("delay=0.2")
    client = connected(requests_per_second=1)

    async def scene() -> asyncio.CancelledError:
        async with client:
            given = by_id(sandbox.orders.values())[:8]
            running = asyncio.create_task(cancel_orders.asyncio(client=client, orders=given, batch_size=2))
            await arrived(sandbox)
            running.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await running
            assert len(asyncio.all_tasks()) == 1
            return caught.value

    report = again(asyncio.run(scene()))
    assert [outcome.status for outcome in report.outcomes] == [ACCEPTED] * 2 + [NOT_SENT] * 6
    assert len(sandbox.arrivals) == 1
    assert counts(cancel_orders.sync(client=connected(), orders=report.orders(NOT_SENT))) == {ACCEPTED: 6}


def test_a_time_out_scope(sandbox: Sandbox, connected: Connect) -> None:
    """A time-out scope's own exception has the report on its cause, and `on_progress` was told what was settled."""
    sandbox.inject("delay=0.2")
    client = connected(requests_per_second=1)
    told: list[Sequence[Outcome]] = []

    async def scene() -> TimeoutError:
        async def expire(scope: asyncio.Timeout) -> None:
            await arrived(sandbox)
            scope.reschedule(asyncio.get_running_loop().time())

        async with client:
            with pytest.raises(TimeoutError) as caught:  # noqa: PT012 - the scope raises
                async with asyncio.timeout(None) as scope:
                    expiring = asyncio.create_task(expire(scope))
                    await cancel_orders.asyncio(
                        client=client,
                        orders=by_id(sandbox.orders.values())[:8],
                        batch_size=2,
                        on_progress=told.append,
                    )
            await expiring
        return caught.value

    cause = asyncio.run(scene()).__cause__
    assert isinstance(cause, asyncio.CancelledError)
    assert counts(again(cause)) == {ACCEPTED: 2, NOT_SENT: 6}
    assert [outcome.status for outcomes in told for outcome in outcomes].count(ACCEPTED) == 2


def test_a_second_cancellation_waits_for_nothing(sandbox: Sandbox, connected: Connect) -> None:
    """A task that is cancelled once more ends at once, and leaves nothing running."""
    sandbox.inject("delay=30")
    client = connected(requests_per_second=1)

    async def scene() -> None:
        async with client:
            given = by_id(sandbox.orders.values())[:8]
            running = asyncio.create_task(cancel_orders.asyncio(client=client, orders=given, batch_size=2))
            await arrived(sandbox)
            running.cancel()
            done, _ = await asyncio.wait([running], timeout=0.05)
            assert not done
            running.cancel()
            done, _ = await asyncio.wait([running], timeout=5)
            assert done
            assert running.cancelled()
            async with asyncio.timeout(5):
                while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - whoever else is left
                    await asyncio.sleep(0)

    asyncio.run(scene())


def test_one_line_a_batch(sandbox: Sandbox, connected: Connect, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line for each batch, with what became of it and without a secret."""
    caplog.set_level(logging.DEBUG)
    orders = list(sandbox.orders.values())
    sandbox.fill(orders[0].order_id)
    sandbox.inject("html-502")
    run(connected(), by_id(orders[:10]))
    run(connected(), by_label(orders[10:20]))
    lines = [record for record in caplog.records if record.name == "bitget_spot"]
    assert [record.getMessage() for record in lines] == [
        "batch of 10 by orderId, 2 tries: 1 gone, 9 accepted",
        "batch of 10 by clientOid, 1 tries: 10 accepted",
    ]
    assert {record.levelno for record in lines} == {logging.INFO}
    for secret in (sandbox.api_key, sandbox.secret_key, sandbox.passphrase):
        assert secret not in caplog.text


def test_the_calls_that_are_left(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """The report tells what the exchange last said of the calls left, also where that answer was a refusal."""
    assert run(connected(), by_id(sandbox.orders.values())[:1]).remaining_calls == PLENTY - 1
    assert run(connected(), by_id(sandbox.orders.values())[:1]).remaining_calls == PLENTY - 2


@pytest.mark.parametrize(("header", "remaining"), [({}, None), ({"x-mbx-used-remain-limit": "many"}, None)])
def test_no_word_of_the_calls_that_are_left(header: dict[str, str], remaining: int | None, connected: Connect) -> None:
    """Where the exchange says nothing of the calls left, or no number, the report does not either."""
    wire = httpx.MockTransport(lambda _: httpx.Response(200, headers=header, json={"code": "00000"}))
    assert (
        cancel_orders.sync(client=connected(transport=wire), orders=[OrderRef("1", "1")]).remaining_calls is remaining
    )


def test_every_batch_goes_through_the_generated_function(
    sandbox: Sandbox, connected: Connect, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent is sent by the generated function of the manner, once for each batch planned."""
    sent: list[dict[str, Any]] = []
    in_thread, in_task = batch_cancel_orders.sync, batch_cancel_orders.asyncio

    def counted(*, client: Client, body: Any) -> object:
        sent.append(body.to_dict())
        return in_thread(client=client, body=body)

    async def counted_in_task(*, client: Client, body: Any) -> object:
        sent.append(body.to_dict())
        return await in_task(client=client, body=body)

    monkeypatch.setattr(batch_cancel_orders, "sync", counted)
    monkeypatch.setattr(batch_cancel_orders, "asyncio", counted_in_task)
    given = mixed(sandbox.orders.values())
    assert counts(run(connected(), given, batch_size=20)) == {ACCEPTED: 120}
    planned = [request.to_dict() for request in cancel_orders.plan(orders=given, batch_size=20)]
    assert len(sent) == len(sandbox.arrivals) == len(planned)
    assert all(request in sent for request in planned)


def test_a_symbol_for_those_without(sandbox: Sandbox, connected: Connect, run: Run) -> None:
    """`symbol=` reaches the exchange: orders of another pair than they say are gone there."""
    right, wrong = sandbox.open_orders(1, symbol="BTCUSDT") + sandbox.open_orders(1, symbol="ETHUSDT")
    report = run(connected(), by_id([right, wrong]), symbol="BTCUSDT")
    assert [outcome.status for outcome in report.outcomes] == [ACCEPTED, GONE]
