"""
The main job, against a sandbox exchange on this machine: `make demo`.

Cancels a batch with the generated client, shows that a mixed batch is refused before a byte of it leaves, then cancels
120 orders of both kinds, some of them gone and one connection dropped on purpose, and tells what became of every one.
"""

from __future__ import annotations

import time
from collections import Counter

from rich.console import Console
from rich.table import Table

from bitget_spot import InvalidBatchError, Outcome, Report, Status, cancel_orders, connect
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import (
    BatchCancelOrdersRequest,
    BatchCancelOrdersResponse,
    BatchCancelOrdersResult,
    OrderRef,
)

COLOURS = {
    Status.ACCEPTED: "green",
    Status.GONE: "cyan",
    Status.REJECTED: "red",
    Status.UNKNOWN: "yellow",
    Status.NOT_SENT: "magenta",
}


def one_batch(client: Client, sandbox: Sandbox, console: Console) -> None:
    """Call the generated function, and lay out its answer."""
    orders = sandbox.open_orders(5, symbol="BTCUSDT")
    sandbox.fill(orders[1].order_id)
    console.print("\n[bold]1. A batch by the generated function[/]; one of its five orders has been filled.")
    body = BatchCancelOrdersRequest(
        symbol="BTCUSDT", order_list=[OrderRef(order_id=order.order_id) for order in orders]
    )
    answer = batch_cancel_orders.sync(client=client, body=body)
    table = Table("order", "what became of it", "code", "the exchange's words")
    if isinstance(answer, BatchCancelOrdersResponse) and isinstance(answer.data, BatchCancelOrdersResult):
        for accepted in answer.data.success_list or ():
            table.add_row(str(accepted.order_id), "[green]accepted")
        for failed in answer.data.failure_list or ():
            table.add_row(str(failed.order_id), "[red]failed", str(failed.error_code), str(failed.error_msg))
    console.print(table)


def mixed_batch(client: Client, sandbox: Sandbox, console: Console) -> None:
    """Show that the exchange never sees a batch that it would cancel only in part."""
    first, second = sandbox.open_orders(2, symbol="BTCUSDT")
    console.print("\n[bold]2. A mixed batch[/], which the exchange would cancel only in part:")
    before = len(sandbox.arrivals)
    body = BatchCancelOrdersRequest(
        symbol="BTCUSDT", order_list=[OrderRef(order_id=first.order_id), OrderRef(client_oid=second.client_oid)]
    )
    try:
        batch_cancel_orders.sync(client=client, body=body)
    except InvalidBatchError as error:
        console.print(f"[yellow]InvalidBatchError[/]: {error}", highlight=False)
    console.print(f"   requests that reached the exchange meanwhile: {len(sandbox.arrivals) - before}")


def any_number(client: Client, sandbox: Sandbox, console: Console) -> Report:
    """Cancel 120 orders, mixed, some gone, one connection dropped, and tell what became of each."""
    orders = sandbox.open_orders(120)
    for order in orders[7::20]:
        sandbox.fill(order.order_id)
    given = [
        OrderRef(symbol=order.symbol, order_id=order.order_id)
        if index % 3
        else OrderRef(symbol=order.symbol, client_oid=order.client_oid)
        for index, order in enumerate(orders)
    ]
    console.print(
        f"\n[bold]3. {len(given)} orders at once[/], two thirds by orderId and one third by clientOid. Six have been "
        "filled, and one connection is dropped after the exchange has done what was asked."
    )
    for number, request in enumerate(cancel_orders.plan(orders=given), 1):
        kind = "orderId" if request.order_list[0].order_id else "clientOid"
        console.print(f"   batch {number}: {len(request.order_list)} orders by {kind}, {request.batch_mode} mode")
    sandbox.inject("drop-after")
    sandbox.reset_ledger()
    started = time.monotonic()
    report = cancel_orders.sync(client=client, orders=given)
    console.print(
        f"   {len(sandbox.arrivals)} requests in {time.monotonic() - started:.2f} s, "
        f"{sandbox.worst_window()} at the most in any second"
    )
    console.print(summary(report))
    console.print(
        "The request whose connection was dropped had been carried out; its repeat finds those orders gone. "
        "*accepted* means that the exchange has received the cancel: until it is carried out an order can fill."
    )
    console.print(details([outcome for outcome in report.outcomes if outcome.status is not Status.ACCEPTED]))
    return report


def summary(report: Report) -> Table:
    """Lay out how many orders have which status."""
    table = Table("what became of them", "orders", "attempts")
    for status, count in report.counts.items():
        tries = Counter(outcome.attempts for outcome in report.only(status))
        told = ", ".join(f"{times} in {number}" for number, times in tries.items())
        table.add_row(f"[{COLOURS[status]}]{status}", str(count), told)
    return table


def details(outcomes: list[Outcome]) -> Table:
    """Lay out the orders that are not accepted, a few of each kind."""
    table = Table("order", "status", "code", "the exchange's words", "attempts")
    shown = Counter[tuple[Status, str | None, int]]()
    for outcome in outcomes:
        row = outcome.row()
        shown[outcome.status, outcome.code, outcome.attempts] += 1
        if shown[outcome.status, outcome.code, outcome.attempts] <= 3:
            name = row["orderId"] or row["clientOid"]
            status = f"[{COLOURS[outcome.status]}]{outcome.status}"
            table.add_row(name, status, outcome.code, outcome.message, str(outcome.attempts))
    hidden = sum(shown.values()) - table.row_count
    table.caption = f"and {hidden} more like these" if hidden else None
    return table


def main(console: Console, port: int = 0) -> Report:
    """Run the demo, against a sandbox on this port or on any."""
    with Sandbox(orders=0, port=port) as sandbox, connect(sandbox.credentials, base_url=sandbox.url) as client:
        console.print(f"\nA sandbox exchange listens at {sandbox.url}")
        one_batch(client, sandbox, console)
        mixed_batch(client, sandbox, console)
        report = any_number(client, sandbox, console)
    console.print("\nThe sandbox is gone, and nothing is left running.\n")
    return report


if __name__ == "__main__":
    main(Console())
