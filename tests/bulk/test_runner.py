"""However a run ends, its exception carries the report, with the outcome of every order that is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import httpx
import pytest
from reports import confirmations, report_carried_by, status_counts
from sandboxes import StartSandbox, call, connect_to, run_effects
from waiting import interrupt_main_thread, interrupt_when, needs_interrupts, run_when, wait_until

from bitget_spot import Confirmed, Credentials, DeadlineExceeded, Status, cancel_orders, connect
from bitget_spot._bulk.matcher import INTERRUPTED
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.models import AcceptedOrder, BatchCancelOrdersResponse, BatchCancelOrdersResult, OrderRef


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """A sandbox without a rate limit."""
    return start_sandbox()


def first_orders(sandbox: Sandbox, count: int) -> list[OrderRef]:
    """Address the sandbox's first orders by orderId."""
    return [OrderRef(order_id=order_id) for order_id in list(sandbox.orders)[:count]]


async def wait_for_requests(sandbox: Sandbox, count: int) -> None:
    """Wait in this task until so many requests have arrived."""
    await wait_until(lambda: len(sandbox.arrivals) >= count)


def test_a_deadline_while_waiting_for_a_permit(mode: str, sandbox: Sandbox) -> None:
    """A batch that waits for a permit when the deadline passes is not sent, and the run raises."""
    client = connect_to(sandbox, requests_per_second=1)
    orders = first_orders(sandbox, 2)
    with pytest.raises(DeadlineExceeded) as caught:
        call(mode, cancel_orders, client, orders=orders, batch_size=1, deadline=0.2)
    report = report_carried_by(caught.value)
    assert [outcome.status for outcome in report] == [Status.ACCEPTED, Status.NOT_SENT]


def test_second_cancellation(sandbox: Sandbox) -> None:
    """A task that is cancelled twice does not wait for the requests in flight; their outcomes are unknown."""
    sandbox.inject("delay=5")

    async def cancel_the_task_twice() -> BaseException:
        async with connect_to(sandbox, requests_per_second=None) as client:
            task = asyncio.create_task(cancel_orders.asyncio(client=client, orders=first_orders(sandbox, 2)))
            await wait_for_requests(sandbox, 1)
            task.cancel()
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    report = report_carried_by(asyncio.run(cancel_the_task_twice()))
    assert report.counts[Status.UNKNOWN] == 2


def test_a_second_cancellation_leaves_no_task_behind(sandbox: Sandbox) -> None:
    """The first cancellation waits for the requests in flight; the second ends the task and every task it started."""
    sandbox.inject("delay=30")
    client = connect_to(sandbox, requests_per_second=1)

    async def cancel_the_task_twice() -> None:
        async with client:
            orders = first_orders(sandbox, 8)
            task = asyncio.create_task(cancel_orders.asyncio(client=client, orders=orders, batch_size=2))
            await wait_for_requests(sandbox, 1)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=0.05)
            assert not done
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=5)
            assert done
            assert task.cancelled()
            async with asyncio.timeout(5):
                while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - the tasks are not known here
                    await asyncio.sleep(0)

    asyncio.run(cancel_the_task_twice())


@needs_interrupts
def test_second_ctrl_c(sandbox: Sandbox) -> None:
    """After a second Ctrl-C the run does not wait for the requests in flight; their outcomes are unknown."""
    sandbox.inject("delay=10", times=2)
    received: list[object] = []

    def interrupt_twice() -> None:
        interrupt_main_thread()
        time.sleep(0.3)
        interrupt_main_thread()

    started_at = time.monotonic()
    with (
        connect_to(sandbox) as client,
        pytest.raises(KeyboardInterrupt) as caught,
        run_when(lambda: len(sandbox.arrivals) == 2, interrupt_twice),
    ):
        cancel_orders.sync(client=client, orders=first_orders(sandbox, 4), batch_size=2, on_progress=received.append)
    assert time.monotonic() - started_at < 9
    assert received == []
    report = report_carried_by(caught.value)
    assert status_counts(report) == {Status.UNKNOWN: 4}
    assert {outcome.message for outcome in report} == {INTERRUPTED}
    assert {outcome.attempts for outcome in report} == {1}


def test_the_end_of_the_event_loop(sandbox: Sandbox) -> None:
    """If the batches are cancelled together with the run, those in flight are unknown and the others not sent."""
    sandbox.inject("delay=5", times=10)
    errors: list[BaseException] = []

    async def cancel_all_tasks() -> None:
        async with connect_to(sandbox, requests_per_second=None) as client:

            async def run() -> None:
                try:
                    await cancel_orders.asyncio(client=client, orders=first_orders(sandbox, 60), batch_size=2)
                except asyncio.CancelledError as error:
                    errors.append(error)
                    raise

            running = asyncio.create_task(run())
            await wait_for_requests(sandbox, 10)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.wait([running])

    asyncio.run(cancel_all_tasks())
    report = report_carried_by(errors[0])
    assert status_counts(report) == {Status.UNKNOWN: 20, Status.NOT_SENT: 40}


def test_a_coroutine_that_is_closed(sandbox: Sandbox) -> None:
    """If the coroutine of a run is closed, the run does not wait, and it cancels the requests in flight."""
    sandbox.inject("delay=5", times=2)

    async def close_the_coroutine() -> None:
        async with connect_to(sandbox) as client:
            orders = first_orders(sandbox, 4)
            coroutine = cancel_orders.asyncio(client=client, orders=orders, batch_size=2)
            coroutine.send(None)
            await wait_for_requests(sandbox, 2)
            coroutine.close()
            async with asyncio.timeout(3):
                while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - the tasks are not known here
                    await asyncio.sleep(0)

    asyncio.run(close_the_coroutine())
    assert len(sandbox.arrivals) == 2


def test_a_batch_whose_task_is_cancelled_is_unknown(sandbox: Sandbox) -> None:
    """If only the task of a batch in flight is cancelled, its orders are unknown, and the run is not successful."""
    sandbox.inject("delay=0.5")

    async def cancel_the_batch() -> BaseException:
        async with connect_to(sandbox) as client:
            before = asyncio.all_tasks()
            run = asyncio.create_task(cancel_orders.asyncio(client=client, orders=first_orders(sandbox, 2)))
            await wait_for_requests(sandbox, 1)
            for task in asyncio.all_tasks() - before - {run}:
                task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await run
            return caught.value

    report = report_carried_by(asyncio.run(cancel_the_batch()))
    assert status_counts(report) == {Status.UNKNOWN: 2}


@needs_interrupts
def test_on_progress_that_raises_after_ctrl_c(sandbox: Sandbox) -> None:
    """If `on_progress` raises while an interrupted run waits, the run still waits for the requests in flight."""
    sandbox.inject("delay=0.3")
    sandbox.inject("delay=0.8", times=2)

    def on_progress(_: object) -> None:
        raise LookupError

    with (
        connect_to(sandbox) as client,
        pytest.raises(LookupError) as caught,
        interrupt_when(lambda: len(sandbox.arrivals) == 3),
    ):
        cancel_orders.sync(client=client, orders=first_orders(sandbox, 3), batch_size=1, on_progress=on_progress)
    assert status_counts(report_carried_by(caught.value)) == {Status.ACCEPTED: 3}


def test_on_progress_that_raises_after_a_cancellation(sandbox: Sandbox) -> None:
    """If `on_progress` raises while a cancelled run waits, its exception replaces the other and has the report."""
    sandbox.inject("delay=0.3")

    def on_progress(_: object) -> None:
        raise LookupError

    async def cancel_the_task() -> BaseException | None:
        async with connect_to(sandbox, requests_per_second=None) as client:
            orders = first_orders(sandbox, 2)
            task = asyncio.create_task(cancel_orders.asyncio(client=client, orders=orders, on_progress=on_progress))
            await wait_for_requests(sandbox, 1)
            task.cancel()
            await asyncio.wait([task])
            return task.exception()

    error = asyncio.run(cancel_the_task())
    assert isinstance(error, LookupError)
    assert report_carried_by(error).counts[Status.ACCEPTED] == 2


def test_orders_of_a_batch_without_a_result_are_not_confirmed(mode: str, sandbox: Sandbox) -> None:
    """While a batch has no result, no request for its orders is sent, and nothing is confirmed."""
    with connect_to(sandbox) as client:
        orders = first_orders(sandbox, 2)
        runner = cancel_orders._runner(client, orders, None, None, None, None, confirm=True, category="SPOT")
        runner.queue.add(runner.plan.targets)
        assert len(list(runner.queue.next_jobs())) == 1
        run_effects(mode, runner._confirm())
    assert [target.outcome for target in runner.plan.targets] == [None] * 2
    assert sandbox.arrivals == []
    # Even if an order is confirmed in another way, it has no outcome that the confirmation could belong to.
    runner.confirmed["orderId", next(iter(sandbox.orders))] = Confirmed.LIVE
    assert confirmations(runner.report()) == [None] * 2


def test_an_interrupt_before_a_result_is_recorded(sandbox: Sandbox) -> None:
    """If a response has arrived, and an interrupt comes before it is recorded, its outcomes and rows are kept once."""
    with connect_to(sandbox) as client:
        orders = [OrderRef(order_id="1")]
        runner = cancel_orders._runner(client, orders, None, None, None, None, confirm=False, category="SPOT")
        queue = runner.queue
        queue.add(runner.plan.targets)
        (job,) = list(queue.next_jobs())
        accepted = [AcceptedOrder(order_id="1"), AcceptedOrder(order_id="999")]
        job.result = BatchCancelOrdersResponse(data=BatchCancelOrdersResult(success_list=accepted))
        queue.record_interrupted()
        queue.record_interrupted()
    assert status_counts(runner.report()) == {Status.ACCEPTED: 1}
    assert len(runner.report().unmatched) == 1


def test_an_interrupt_before_a_batch_has_left(sandbox: Sandbox) -> None:
    """If an interrupt comes after a batch was started and before it has left, its orders are not sent."""
    with connect_to(sandbox) as client:
        orders = first_orders(sandbox, 2)
        runner = cancel_orders._runner(client, orders, None, None, None, None, confirm=False, category="SPOT")
        runner.queue.add(runner.plan.targets)
        assert len(list(runner.queue.next_jobs())) == 1
        runner.queue.record_interrupted()
    assert status_counts(runner.report()) == {Status.NOT_SENT: 2}


def test_an_interrupt_while_orders_are_planned(mode: str, sandbox: Sandbox) -> None:
    """Ctrl-C while the orders are read and planned carries a report, too: those that were read are not sent."""

    def orders() -> Iterator[OrderRef]:
        yield from first_orders(sandbox, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        call(mode, cancel_orders, connect_to(sandbox), orders=orders())
    assert status_counts(report_carried_by(caught.value)) == {Status.NOT_SENT: 3}
    assert sandbox.arrivals == []


@pytest.mark.parametrize(("header", "expected"), [("7", 7), ("9" * 5000, None), ("soon", None), ("-1", None)])
def test_remaining_calls(header: str, expected: int | None) -> None:
    """The report has the calls left that the exchange reports if they are a number, and ignores any other value."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"x-mbx-used-remain-limit": header}, json={"code": "00000"})
    )
    client = connect(Credentials("a", "b", "c"), rate_limit_store=MemoryStore(), transport=transport)
    report = cancel_orders.sync(client=client, orders=[OrderRef(order_id="1")])
    assert report.remaining_calls == expected
    assert report.counts[Status.UNKNOWN] == 1
