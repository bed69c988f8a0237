"""What tests of the kill switch have in common: how they call it, and what they read from its report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from attrs import evolve
from reports import report_carried_by
from sandboxes import call_in_task, connect_to, count_requests
from waiting import wait_until

from bitget_spot import Confirmed, Report, cancel_open_orders
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_UNFILLED_ORDERS, Operation

CancelOpen: TypeAlias = Callable[..., Report]
"""The fixture `cancel_open`: takes a client and the arguments of `cancel_open_orders`."""
FindIds: TypeAlias = Callable[..., set[str]]
"""The fixture `find`: takes a client and the arguments of `cancel_open_orders.find`."""
LONG_AGO: Final = 10_000
"""Milliseconds before the start of a test, before which no order is of interest."""


def confirmed_by_id(report: Report) -> dict[str, Confirmed | None]:
    """Return what has been confirmed for each order, by orderId; fail if an order is reported twice."""
    confirmed = {str(outcome.order.order_id): outcome.confirmed for outcome in report}
    assert len(confirmed) == len(report)
    return confirmed


def reported_ids(report: Report) -> set[str]:
    """Return the ids of the orders in a report."""
    return {str(outcome.order.order_id) for outcome in report}


def state_at_exchange(order: Order) -> Confirmed:
    """Return what the exchange's own records say about an order."""
    if order.status == "cancelled":
        return Confirmed.PARTLY_FILLED if float(order.base_volume) else Confirmed.CANCELLED
    if order.placed_order_id:
        return Confirmed.TRIGGERED
    return Confirmed.FILLED if order.status == "filled" else Confirmed.LIVE


def count_cancels(sandbox: Sandbox) -> int:
    """Return how many batch cancels of a classic account have arrived."""
    return count_requests(sandbox, BATCH_CANCEL_ORDERS)


def listings(sandbox: Sandbox, count: int) -> Callable[[], bool]:
    """Return the condition that so many requests for normal open orders of a classic account have arrived."""
    return lambda: count_requests(sandbox, GET_UNFILLED_ORDERS) >= count


def only_once(action: Callable[[], object]) -> Callable[[object], None]:
    """Return a progress callback that runs an action when it is first called."""
    pending = [action]

    def on_progress(_: object) -> None:
        if pending:
            pending.pop()()

    return on_progress


def fill_long_ago(sandbox: Sandbox, order_id: str) -> None:
    """Fill an order, as if it had been filled some time ago."""
    filled = sandbox.fill(order_id)
    sandbox.book._orders[order_id] = evolve(filled, u_time=filled.u_time - LONG_AGO)


def report_of_task_cancelled_twice(sandbox: Sandbox, operation: Operation, **arguments: Any) -> Report:
    """Run the kill switch in a task, cancel it twice once a request for an operation has arrived; return its report."""

    async def cancel_the_task_twice() -> BaseException:
        task = asyncio.create_task(call_in_task(cancel_open_orders, connect_to(sandbox), **arguments))
        await wait_until(lambda: count_requests(sandbox, operation) == 1)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0.05)
        assert not done
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return error
        raise AssertionError

    return report_carried_by(asyncio.run(cancel_the_task_twice()))
