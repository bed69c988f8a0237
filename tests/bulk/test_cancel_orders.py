"""`cancel_orders` against a sandbox: every order has the outcome that the exchange's own records confirm."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import httpx
import pytest
from reports import pickled, report_carried_by, status_counts
from sandboxes import HIGH_RATE, StartSandbox, call, connect_to
from waiting import interrupt_when, needs_interrupts, wait_until

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
)
from bitget_spot._middleware import retry
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import OrderRef

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_rate_limit_pauses")

Cancel: TypeAlias = Callable[..., Report]
MakeRefs: TypeAlias = Callable[[Iterable[Order]], list[OrderRef]]


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """A sandbox with 120 open orders and without a rate limit."""
    return start_sandbox()


@pytest.fixture
def cancel(mode: str) -> Cancel:
    """Return a function that cancels orders from this thread, or from a task."""

    def cancel(client: Client, orders: Iterable[OrderRef], **arguments: Any) -> Report:
        report: Report = call(mode, cancel_orders, client, orders=orders, **arguments)
        return report

    return cancel


def by_order_id(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders by orderId."""
    return [OrderRef(order_id=order.order_id) for order in orders]


def by_client_oid(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders by clientOid."""
    return [OrderRef(client_oid=order.client_oid) for order in orders]


def in_every_way(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders in every way in turn."""
    refs = []
    for index, order in enumerate(orders):
        ways = (
            OrderRef(order_id=order.order_id),
            OrderRef(client_oid=order.client_oid),
            OrderRef(order_id=order.order_id, symbol=order.symbol),
            OrderRef(client_oid=order.client_oid, symbol=order.symbol),
            OrderRef(client_oid=order.client_oid, order_id=order.order_id),
        )
        refs.append(ways[index % len(ways)])
    return refs


def first_orders(sandbox: Sandbox, count: int) -> list[OrderRef]:
    """Address the sandbox's first orders by orderId."""
    return by_order_id(list(sandbox.orders.values())[:count])


def order_states(sandbox: Sandbox) -> Counter[str]:
    """Return how many orders have each status at the exchange."""
    return Counter(order.status for order in sandbox.orders.values())


def pickled_report(error: BaseException) -> Report:
    """Return the report of an exception that went through a pickle; it must be equal to the original."""
    copied = pickled(error)
    assert str(copied) == str(error)
    report = report_carried_by(copied)
    assert report == report_carried_by(error)
    return report


def set_latency(sandbox: Sandbox, seconds: float) -> None:
    """Make every response so late that all requests that may leave at once have left before the first response."""
    sandbox.stop()
    sandbox.latency = seconds
    sandbox.start()


def arrivals(sandbox: Sandbox, count: int) -> Callable[[], bool]:
    """Return the condition that so many requests have arrived."""
    return lambda: len(sandbox.arrivals) >= count


def test_every_order_has_an_outcome_in_the_order_of_the_input(sandbox: Sandbox, cancel: Cancel) -> None:
    """120 orders of every kind, some of them filled, leave in the fewest batches, and each has one outcome."""
    orders = in_every_way(sandbox.orders.values())
    filled = list(sandbox.orders)[::7]
    for order_id in filled:
        sandbox.fill(order_id)
    report = cancel(connect_to(sandbox), iter(orders))
    assert len(report) == len(orders)
    for outcome, order in zip(report, orders, strict=True):
        assert outcome.order is order
    expected = [Status.GONE if order_id in filled else Status.ACCEPTED for order_id in sandbox.orders]
    assert [outcome.status for outcome in report] == expected
    assert {outcome.code for outcome in report.only(Status.GONE)} == {"43001"}
    assert {outcome.attempts for outcome in report} == {1}
    assert order_states(sandbox) == {"filled": len(filled), "cancelled": 120 - len(filled)}
    assert len(sandbox.arrivals) == len(cancel_orders.plan(orders=orders)) == 4
    report.raise_for_failures()


@pytest.mark.parametrize("as_refusal", [True, False])
def test_a_batch_of_gone_orders(as_refusal: bool, sandbox: Sandbox, cancel: Cancel) -> None:
    """If no order of a batch is open, each is gone, whether the exchange refuses the batch or lists the orders."""
    sandbox.all_gone_as_refusal = as_refusal
    orders = first_orders(sandbox, 10)
    for order in orders[:5]:
        sandbox.fill(str(order.order_id))
    report = cancel(connect_to(sandbox), orders, batch_size=5)
    assert [outcome.status for outcome in report] == [Status.GONE] * 5 + [Status.ACCEPTED] * 5


CORRECT: Final = {Status.ACCEPTED: 8, Status.GONE: 2}
ALL_GONE: Final = {Status.GONE: 10}
"""The result of a retry after the first attempt has cancelled the orders, without a response that says so."""
ALL_UNKNOWN: Final = {Status.UNKNOWN: 10}
ALL_REJECTED: Final = {Status.REJECTED: 10}
FAULTS: Final[dict[str, tuple[dict[Status, int], int]]] = {
    # The statuses in the report, and the number of attempts.
    "429": (CORRECT, 2),
    "html-403": (CORRECT, 2),
    "html-429": (CORRECT, 2),
    "html-502": (CORRECT, 2),
    "html-520": (ALL_GONE, 2),
    "empty": (ALL_GONE, 2),
    "raw=[]": (ALL_GONE, 2),
    'raw={"code":"00000","data":"done"}': (ALL_UNKNOWN, 1),
    "drop-before": (CORRECT, 2),
    "drop-after": (ALL_GONE, 2),
    "delay=1": (ALL_GONE, 2),
    "delay-before=1": (CORRECT, 2),
    "code=45001": (CORRECT, 2),
    "code=40808": (CORRECT, 2),
    "code=40918": (CORRECT, 2),
    "code=40008": (CORRECT, 2),
    "code=43001": (ALL_GONE, 1),
    "code=40034": (CORRECT, 2),
    "code=99999": (ALL_REJECTED, 1),
    "code-after=45001": (ALL_GONE, 2),
    "row-code=45055": (ALL_REJECTED, 1),
    "row-code=40725": (CORRECT, 2),
    "row-code=429": (CORRECT, 2),
    "null-data": (ALL_UNKNOWN, 1),
    "null-lists": (ALL_UNKNOWN, 1),
    "missing-lists": (ALL_UNKNOWN, 1),
    "reordered": (CORRECT, 1),
    "missing-rows": ({Status.ACCEPTED: 4, Status.GONE: 1, Status.UNKNOWN: 5}, 1),
    "both-lists": (ALL_GONE, 1),
    "foreign-rows": (CORRECT, 1),
    "ids-as-numbers": (CORRECT, 1),
    "no-error-code": ({Status.ACCEPTED: 8, Status.REJECTED: 2}, 1),
    "message-key": (CORRECT, 1),
    "string-request-time": (CORRECT, 1),
}


SENT_AGAIN_IN_HALVES: Final = ("code=40034", "row-code=40725", "row-code=429")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("make_refs", [by_order_id, by_client_oid])
def test_every_fault(fault: str, make_refs: MakeRefs, sandbox: Sandbox, cancel: Cancel) -> None:
    """
    Ten orders, two of them filled, have the outcomes that the response allows: accepted only if the exchange has
    cancelled the order, rejected only if no earlier attempt may have, unknown only if no response decides it.
    """
    orders = list(sandbox.orders.values())[:10]
    for order in orders[::5]:
        sandbox.fill(order.order_id)
    sandbox.inject(fault)
    timeout = 0.25 if fault.startswith("delay") else 10
    report = cancel(connect_to(sandbox, timeout=timeout), make_refs(orders))
    expected_counts, expected_attempts = FAULTS[fault]
    assert status_counts(report) == expected_counts
    assert {outcome.attempts for outcome in report} == {expected_attempts}
    # A request that is delayed before the exchange counts it has not arrived yet.
    expected_arrivals = 1 if fault.startswith("delay-before") else expected_attempts
    assert len(sandbox.arrivals) == expected_arrivals + (fault in SENT_AGAIN_IN_HALVES)
    for order, outcome in zip(orders, report, strict=True):
        is_cancelled = sandbox.orders[order.order_id].status == "cancelled"
        if outcome.status is Status.ACCEPTED:
            assert is_cancelled
        if outcome.status is Status.REJECTED:
            assert not is_cancelled
    assert len(report.unmatched) == (2 if fault == "foreign-rows" else 0)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("drop-before", Status.UNKNOWN, None),
        ("drop-after", Status.UNKNOWN, None),
        ("html-502", Status.UNKNOWN, None),
        ("empty", Status.UNKNOWN, None),
        ("code=45001", Status.UNKNOWN, "45001"),
        ("code-after=45001", Status.GONE, "43001"),
        ("code=40808", Status.REJECTED, "40808"),
        ("429", Status.REJECTED, "429"),
        ("row-code=429", Status.UNKNOWN, "429"),
        ("row-code=45001", Status.UNKNOWN, "45001"),
        ("row-code-after=45001", Status.GONE, "43001"),
    ],
)
def test_a_permanent_fault(fault: str, status: Status, code: str | None, sandbox: Sandbox, cancel: Cancel) -> None:
    """
    After the last attempt an order is rejected only if every attempt was clearly refused, gone if the exchange finally
    says so, and unknown otherwise, with the reason.
    """
    sandbox.inject(fault, times=9)
    # A batch of a single order is not divided.
    report = cancel(connect_to(sandbox, max_retries=1), first_orders(sandbox, 1))
    assert {(outcome.status, outcome.code, outcome.attempts) for outcome in report} == {(status, code, 2)}
    assert all(outcome.message for outcome in report)
    assert len(sandbox.arrivals) == 2


def test_an_exchange_that_cannot_be_reached(sandbox: Sandbox, cancel: Cancel) -> None:
    """If no connection can be opened, nothing was sent, and the orders can be sent later."""
    orders = first_orders(sandbox, 3)
    client = connect_to(sandbox, max_retries=1)
    sandbox.stop()
    report = cancel(client, orders)
    assert status_counts(report) == {Status.NOT_SENT: 3}
    assert all("ConnectError" in str(outcome.message) for outcome in report)
    sandbox.start()
    assert status_counts(cancel(client, report.orders(Status.NOT_SENT))) == {Status.ACCEPTED: 3}


def test_a_kept_connection_that_the_exchange_has_closed(sandbox: Sandbox) -> None:
    """A kept connection that the exchange has closed costs a retry at most, and never an unknown outcome."""
    client = connect_to(sandbox)
    first, second, third, fourth = first_orders(sandbox, 4)

    async def cancel_two() -> None:
        async with client:
            report = await cancel_orders.asyncio(client=client, orders=[first])
            assert status_counts(report) == {Status.ACCEPTED: 1}
            sandbox.close_idle_connections()
            report = await cancel_orders.asyncio(client=client, orders=[second])
            assert status_counts(report) == {Status.ACCEPTED: 1}

    asyncio.run(cancel_two())
    with client:
        report = cancel_orders.sync(client=client, orders=[third])
        assert status_counts(report) == {Status.ACCEPTED: 1}
        assert sandbox.close_idle_connections() == 1
        report = cancel_orders.sync(client=client, orders=[fourth])
        assert status_counts(report) == {Status.ACCEPTED: 1}


def test_five_hundred_orders_are_sent_at_once(sandbox: Sandbox, cancel: Cancel) -> None:
    """Ten batches are in flight side by side: the last has arrived before the first response is sent."""
    sandbox.inject("delay=0.4", times=10)
    report = cancel(connect_to(sandbox, requests_per_second=10), by_order_id(sandbox.open_orders(500)))
    assert status_counts(report) == {Status.ACCEPTED: 500}
    times = [arrival.at for arrival in sandbox.arrivals]
    assert len(times) == 10
    assert max(times) - min(times) < 0.4


def test_without_orders(sandbox: Sandbox, cancel: Cancel) -> None:
    """Without orders the report is empty, whatever the deadline, and nothing is sent."""
    assert cancel(connect_to(sandbox), []) == Report(())
    assert cancel(connect_to(sandbox), iter(()), deadline=0) == Report(())
    assert not sandbox.arrivals


def test_repeated_orders(sandbox: Sandbox, cancel: Cancel) -> None:
    """Of 1,200 orders, every fifth given twice, each is sent once, and both of its outcomes are the same."""
    orders = []
    for index, order in enumerate(by_order_id(sandbox.open_orders(1000))):
        orders.append(order)
        if index % 5 == 0:
            orders.append(order)
    gone = str(orders[0].order_id)
    sandbox.fill(gone)
    report = cancel(connect_to(sandbox), orders)
    assert status_counts(report) == {Status.ACCEPTED: 1198, Status.GONE: 2}
    sent: Counter[str] = Counter()
    for arrival in sandbox.arrivals:
        sent.update(arrival.order_ids)
    assert len(sent) == 1000
    assert set(sent.values()) == {1}
    assert len(sandbox.arrivals) == 20
    assert [outcome.order.order_id for outcome in report.only(Status.GONE)] == [gone, gone]


@pytest.mark.parametrize("deadline", [-1, -0.001, float("nan")])
def test_invalid_deadline(deadline: float, sandbox: Sandbox, cancel: Cancel) -> None:
    """A deadline that is negative or not a number is a ValueError before anything is sent."""
    with pytest.raises(ValueError, match="deadline"):
        cancel(connect_to(sandbox), by_order_id(sandbox.orders.values()), deadline=deadline)
    assert not sandbox.arrivals


def test_invalid_orders_are_not_sent(sandbox: Sandbox, cancel: Cancel) -> None:
    """One invalid order, or an invalid batch size, keeps every order from being sent."""
    with pytest.raises(InvalidBatchError, match=r"orders\[1\]"):
        cancel(connect_to(sandbox), [*first_orders(sandbox, 1), OrderRef()])
    with pytest.raises(ValueError, match="batch_size"):
        cancel(connect_to(sandbox), by_order_id(sandbox.orders.values()), batch_size=51)
    with pytest.raises(ValueError, match="did you mean BTCUSDT"):
        cancel(connect_to(sandbox), by_order_id(sandbox.orders.values()), symbol="BTC/USDT")
    assert not sandbox.arrivals


def test_a_plain_generated_client(cancel: Cancel) -> None:
    """A client that neither signs nor limits is a TypeError, and the message says what to use."""
    for client in (Client(base_url="http://127.0.0.1:9"), Client(base_url="http://x", httpx_args={"transport": None})):
        with pytest.raises(TypeError, match=r"bitget_spot\.connect"):
            cancel(client, [OrderRef(order_id="1")])


@pytest.mark.parametrize(
    ("fault", "wrong", "error"),
    [
        ("", {"secret_key": "wrong"}, AuthenticationError),
        ("", {"passphrase": "wrong"}, AuthenticationError),
        ("code=40014", {}, PermissionDeniedError),
        ("code=40099", {}, WrongEnvironmentError),
    ],
)
def test_unrecoverable_errors_end_the_run(
    fault: str, wrong: dict[str, str], error: type[ApiError], sandbox: Sandbox, cancel: Cancel
) -> None:
    """
    Wrong credentials, a missing permission and the wrong environment end the run immediately. No order is rejected,
    because the exchange has looked at none, and the orders of a pickled report can be cancelled later.
    """
    if fault:
        sandbox.inject(fault, times=9)
    own = {"api_key": sandbox.api_key, "secret_key": sandbox.secret_key, "passphrase": sandbox.passphrase}
    client = connect_to(sandbox, Credentials(**own | wrong), requests_per_second=1)
    with pytest.raises(error) as caught:
        cancel(client, first_orders(sandbox, 8), batch_size=2)
    report = pickled_report(caught.value)
    assert status_counts(report) == {Status.NOT_SENT: 8}
    results = [(outcome.code, outcome.attempts) for outcome in report]
    assert results == [(caught.value.code, 1)] * 2 + [(None, 0)] * 6
    assert len(sandbox.arrivals) == 1
    assert set(order_states(sandbox)) == {"live"}
    for secret in own.values():
        assert secret not in repr(report) + str(report) + repr(caught.value)
    sandbox.clear_faults()
    assert status_counts(cancel(connect_to(sandbox), report.orders(Status.NOT_SENT))) == {Status.ACCEPTED: 8}
    assert order_states(sandbox) == {"live": 112, "cancelled": 8}


def test_a_run_that_ends_waits_for_requests_in_flight(sandbox: Sandbox, cancel: Cancel) -> None:
    """A run that ends early waits for the batches in flight, and their outcomes are in the report."""
    set_latency(sandbox, 0.2)
    sandbox.inject("code=40014", times=2)
    with pytest.raises(PermissionDeniedError) as caught:
        cancel(connect_to(sandbox, requests_per_second=3), first_orders(sandbox, 10), batch_size=1)
    report = report_carried_by(caught.value)
    assert status_counts(report) == {Status.ACCEPTED: 1, Status.NOT_SENT: 9}
    assert [outcome.code for outcome in report].count("40014") == 2
    assert order_states(sandbox)["cancelled"] == 1
    assert len(sandbox.arrivals) == 3


def test_an_unexpected_error(sandbox: Sandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the code below ends the run, and its exception carries the report."""

    def fail(**_: object) -> None:
        raise RuntimeError("a bug")

    async def fail_in_task(**_: object) -> None:
        fail()

    monkeypatch.setattr(batch_cancel_orders, "sync", fail)
    monkeypatch.setattr(batch_cancel_orders, "asyncio", fail_in_task)
    with pytest.raises(RuntimeError, match="a bug") as caught:
        cancel(connect_to(sandbox, requests_per_second=1), by_order_id(sandbox.orders.values()), batch_size=1)
    assert status_counts(pickled_report(caught.value)) == {Status.NOT_SENT: 120}
    assert not sandbox.arrivals


def test_a_deadline_of_zero(sandbox: Sandbox, cancel: Cancel) -> None:
    """With a deadline of zero seconds nothing is sent."""
    with pytest.raises(DeadlineExceeded) as caught:
        cancel(connect_to(sandbox), by_order_id(sandbox.orders.values()), deadline=0)
    assert status_counts(pickled_report(caught.value)) == {Status.NOT_SENT: 120}
    assert isinstance(caught.value, TimeoutError)
    assert not sandbox.arrivals


def test_a_deadline_that_does_not_pass(sandbox: Sandbox, cancel: Cancel) -> None:
    """A deadline that does not pass changes nothing."""
    report = cancel(connect_to(sandbox), by_order_id(sandbox.orders.values()), deadline=60)
    assert status_counts(report) == {Status.ACCEPTED: 120}


def test_a_deadline_while_waiting_for_a_permit(sandbox: Sandbox, cancel: Cancel) -> None:
    """A batch that waits for a permit when the deadline passes is not sent; it can be sent later."""
    client = connect_to(sandbox, requests_per_second=1)
    with pytest.raises(DeadlineExceeded) as caught:
        cancel(client, first_orders(sandbox, 8), batch_size=2, deadline=0.5)
    report = pickled_report(caught.value)
    assert [outcome.status for outcome in report] == [Status.ACCEPTED] * 2 + [Status.NOT_SENT] * 6
    assert len(sandbox.arrivals) == 1
    assert status_counts(cancel(connect_to(sandbox), report.orders(Status.NOT_SENT))) == {Status.ACCEPTED: 6}


def test_a_deadline_while_a_batch_is_in_flight(sandbox: Sandbox, cancel: Cancel) -> None:
    """The run waits for a batch that is in flight when the deadline passes; if it was the last, nothing is missing."""
    sandbox.inject("delay=0.5")
    report = cancel(connect_to(sandbox), first_orders(sandbox, 8), deadline=0.3)
    assert status_counts(report) == {Status.ACCEPTED: 8}


def test_a_deadline_before_the_next_retry(sandbox: Sandbox, cancel: Cancel, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the pause before a retry would outlast the deadline, the run ends immediately."""
    monkeypatch.setattr(retry, "backoff", lambda *_: 30.0)
    sandbox.inject("drop-after")
    with pytest.raises(DeadlineExceeded) as caught:
        cancel(connect_to(sandbox), first_orders(sandbox, 8), deadline=10)
    assert status_counts(report_carried_by(caught.value)) == {Status.UNKNOWN: 8}


def test_on_progress(sandbox: Sandbox, mode: str, cancel: Cancel) -> None:
    """`on_progress` is called for each batch, in the caller's thread or task, with the outcomes of the report."""
    calls: list[Sequence[Outcome]] = []
    contexts: set[tuple[int, bool]] = set()

    def on_progress(outcomes: Sequence[Outcome]) -> None:
        calls.append(outcomes)
        contexts.add((threading.get_ident(), asyncio._get_running_loop() is not None))

    orders = in_every_way(sandbox.orders.values())
    report = cancel(connect_to(sandbox), [*orders, orders[0]], batch_size=7, on_progress=on_progress)
    assert len(calls) == len(sandbox.arrivals)
    assert contexts == {(threading.get_ident(), mode == "asyncio")}
    received: list[int] = []
    for outcomes in calls:
        received += map(id, outcomes)
    assert sorted(received) == sorted(map(id, report))


@pytest.mark.parametrize("error", [LookupError("mine"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_on_progress_that_raises(error: BaseException, sandbox: Sandbox, cancel: Cancel) -> None:
    """If `on_progress` raises, also because of Ctrl-C, the run ends and the exception carries the report."""
    calls = 0

    def on_progress(_: Sequence[Outcome]) -> None:
        nonlocal calls
        calls += 1
        raise error

    set_latency(sandbox, 0.2)
    client = connect_to(sandbox, requests_per_second=2)
    with pytest.raises(type(error)) as caught:
        cancel(client, first_orders(sandbox, 8), batch_size=1, on_progress=on_progress)
    assert caught.value is error
    assert status_counts(pickled_report(error)) == {Status.ACCEPTED: 2, Status.NOT_SENT: 6}
    assert calls == 1
    assert len(sandbox.arrivals) == 2


@needs_interrupts
def test_ctrl_c(sandbox: Sandbox) -> None:
    """After Ctrl-C the run waits for the requests in flight, sends no further one, and the exception has the report."""
    sandbox.inject("reordered")
    sandbox.inject("delay=0.3", times=2)
    received: list[Outcome] = []
    client = connect_to(sandbox, requests_per_second=3)
    with (
        client,
        pytest.raises(KeyboardInterrupt) as caught,
        # The first batch has been recorded, so the run is waiting for the others.
        interrupt_when(lambda: bool(received) and len(sandbox.arrivals) == 3),
    ):
        cancel_orders.sync(client=client, orders=first_orders(sandbox, 6), batch_size=1, on_progress=received.extend)
    assert status_counts(pickled_report(caught.value)) == {Status.ACCEPTED: 3, Status.NOT_SENT: 3}
    assert order_states(sandbox)["cancelled"] == len(sandbox.arrivals) == 3
    assert [outcome.status for outcome in received].count(Status.ACCEPTED) == 3


def test_cancelled_task(sandbox: Sandbox) -> None:
    """A cancelled task waits for the requests in flight, sends no further one, and its exception has the report."""
    sandbox.inject("delay=0.2")
    client = connect_to(sandbox, requests_per_second=1)

    async def cancel_the_task() -> asyncio.CancelledError:
        async with client:
            orders = first_orders(sandbox, 8)
            task = asyncio.create_task(cancel_orders.asyncio(client=client, orders=orders, batch_size=2))
            await wait_until(arrivals(sandbox, 1))
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert len(asyncio.all_tasks()) == 1
            return caught.value

    report = pickled_report(asyncio.run(cancel_the_task()))
    assert [outcome.status for outcome in report] == [Status.ACCEPTED] * 2 + [Status.NOT_SENT] * 6
    assert len(sandbox.arrivals) == 1
    with connect_to(sandbox) as other_client:
        second_report = cancel_orders.sync(client=other_client, orders=report.orders(Status.NOT_SENT))
    assert status_counts(second_report) == {Status.ACCEPTED: 6}


def test_timeout_scope(sandbox: Sandbox) -> None:
    """The exception of a timeout scope has the report on its cause; `on_progress` has received what was recorded."""
    sandbox.inject("delay=0.2")
    client = connect_to(sandbox, requests_per_second=1)
    received: list[Outcome] = []

    async def cancel_with_timeout() -> TimeoutError:
        async def expire(scope: asyncio.Timeout) -> None:
            await wait_until(arrivals(sandbox, 1))
            scope.reschedule(asyncio.get_running_loop().time())

        async with client:
            orders = first_orders(sandbox, 8)
            with pytest.raises(TimeoutError) as caught:  # noqa: PT012 - the scope raises
                async with asyncio.timeout(None) as scope:
                    expiring = asyncio.create_task(expire(scope))
                    await cancel_orders.asyncio(client=client, orders=orders, batch_size=2, on_progress=received.extend)
            await expiring
        return caught.value

    cause = asyncio.run(cancel_with_timeout()).__cause__
    assert isinstance(cause, asyncio.CancelledError)
    assert status_counts(pickled_report(cause)) == {Status.ACCEPTED: 2, Status.NOT_SENT: 6}
    assert [outcome.status for outcome in received].count(Status.ACCEPTED) == 2


def test_one_log_line_for_each_batch(sandbox: Sandbox, cancel: Cancel, caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line for each batch, with the number of attempts and the outcomes and without a secret."""
    caplog.set_level(logging.DEBUG)
    orders = list(sandbox.orders.values())
    sandbox.fill(orders[0].order_id)
    sandbox.inject("html-502")
    cancel(connect_to(sandbox), by_order_id(orders[:10]))
    cancel(connect_to(sandbox), by_client_oid(orders[10:20]))
    records = [record for record in caplog.records if record.name == "bitget_spot.bulk"]
    lines = [re.fullmatch(r"(.*), [0-9]+ ms", record.getMessage()) for record in records]
    assert [line and line[1] for line in lines] == [
        "batch of 10 by orderId: 1 gone, 9 accepted, 2 attempts",
        "batch of 10 by clientOid: 10 accepted, 1 attempt",
    ]
    assert {record.levelno for record in records} == {logging.INFO}
    for secret in (sandbox.api_key, sandbox.secret_key, sandbox.passphrase):
        assert secret not in caplog.text


def test_remaining_calls(sandbox: Sandbox, cancel: Cancel) -> None:
    """The report has the number of calls left that the exchange last reported, also if the response is an error."""
    success = cancel(connect_to(sandbox), first_orders(sandbox, 1))
    assert status_counts(success) == {Status.ACCEPTED: 1}
    assert success.remaining_calls == HIGH_RATE - 1
    error = cancel(connect_to(sandbox), first_orders(sandbox, 1))
    assert status_counts(error) == {Status.GONE: 1}
    assert error.remaining_calls == HIGH_RATE - 2


@pytest.mark.parametrize("headers", [{}, {"x-mbx-used-remain-limit": "many"}])
def test_no_remaining_calls(headers: dict[str, str], sandbox: Sandbox) -> None:
    """If the exchange does not report the calls left, or not as a number, the report does not have them."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, json={"code": "00000"}))
    with connect_to(sandbox, transport=transport) as client:
        report = cancel_orders.sync(client=client, orders=[OrderRef("1", "1")])
    assert report.remaining_calls is None


@pytest.fixture
def sent_bodies(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies that the generated function is called with, in the order of the calls."""
    bodies: list[dict[str, Any]] = []
    original_sync = batch_cancel_orders.sync
    original_asyncio = batch_cancel_orders.asyncio

    def record_sync(*, client: Client, body: Any) -> object:
        bodies.append(body.to_dict())
        return original_sync(client=client, body=body)

    async def record_asyncio(*, client: Client, body: Any) -> object:
        bodies.append(body.to_dict())
        return await original_asyncio(client=client, body=body)

    monkeypatch.setattr(batch_cancel_orders, "sync", record_sync)
    monkeypatch.setattr(batch_cancel_orders, "asyncio", record_asyncio)
    return bodies


def test_every_batch_goes_through_the_generated_function(
    sandbox: Sandbox, cancel: Cancel, sent_bodies: list[dict[str, Any]]
) -> None:
    """Each planned batch is sent once, by the generated function."""
    orders = in_every_way(sandbox.orders.values())
    report = cancel(connect_to(sandbox), orders, batch_size=20)
    assert status_counts(report) == {Status.ACCEPTED: 120}
    planned = [request.to_dict() for request in cancel_orders.plan(orders=orders, batch_size=20)]
    assert len(sent_bodies) == len(sandbox.arrivals) == len(planned)
    assert all(body in sent_bodies for body in planned)


def test_default_symbol(sandbox: Sandbox, cancel: Cancel) -> None:
    """`symbol=` is sent: an order of another pair is gone at the exchange."""
    right = sandbox.open_orders(1, symbol="BTCUSDT")
    wrong = sandbox.open_orders(1, symbol="ETHUSDT")
    report = cancel(connect_to(sandbox), by_order_id(right + wrong), symbol="BTCUSDT")
    assert [outcome.status for outcome in report] == [Status.ACCEPTED, Status.GONE]


def test_public_names() -> None:
    """`dir` of the module shows its public functions only."""
    assert dir(cancel_orders) == ["asyncio", "plan", "sync"]
