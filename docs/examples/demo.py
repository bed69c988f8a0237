"""
The main features, against a sandbox exchange on this machine: `make demo`.

It cancels a batch with the generated function, shows that a mixed batch is refused before anything is sent, and cancels
120 orders, some of which are gone, although a connection is dropped on purpose. It prints the outcome of every order.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bitget_spot import InvalidBatchError, Outcome, Report, Status, cancel_orders, connect
from bitget_spot.sandbox import Order, Sandbox
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
MAX_ALIKE = 3
"""How many orders with the same outcome a table shows."""


def one_batch(client: Client, sandbox: Sandbox, console: Console) -> None:
    """Call the generated function, and show its response."""
    orders = sandbox.open_orders(5, symbol="BTCUSDT")
    sandbox.fill(orders[1].order_id)
    console.print("\n[bold]1. One batch with the generated function[/]; one of its five orders has been filled.")
    body = BatchCancelOrdersRequest(
        symbol="BTCUSDT", order_list=[OrderRef(order_id=order.order_id) for order in orders]
    )
    response = batch_cancel_orders.sync(client=client, body=body)
    table = Table("order", "outcome", "code", "message of the exchange")
    if isinstance(response, BatchCancelOrdersResponse) and isinstance(response.data, BatchCancelOrdersResult):
        for accepted in response.data.success_list or ():
            table.add_row(str(accepted.order_id), "[green]accepted")
        for failed in response.data.failure_list or ():
            table.add_row(str(failed.order_id), "[red]failed", str(failed.error_code), str(failed.error_msg))
    console.print(table)


def mixed_batch(client: Client, sandbox: Sandbox, console: Console) -> None:
    """Show that a batch that the exchange would cancel only in part is not sent."""
    first, second = sandbox.open_orders(2, symbol="BTCUSDT")
    console.print("\n[bold]2. A mixed batch[/], which the exchange would cancel only in part:")
    arrivals_before = len(sandbox.arrivals)
    body = BatchCancelOrdersRequest(
        symbol="BTCUSDT", order_list=[OrderRef(order_id=first.order_id), OrderRef(client_oid=second.client_oid)]
    )
    try:
        batch_cancel_orders.sync(client=client, body=body)
    except InvalidBatchError as error:
        console.print(f"[yellow]InvalidBatchError[/]: {error}", highlight=False)
    console.print(f"   requests that reached the exchange: {len(sandbox.arrivals) - arrivals_before}")


def many_orders(client: Client, sandbox: Sandbox, console: Console) -> Report:
    """Cancel 120 orders of both kinds although some are gone and a connection is dropped."""
    orders = sandbox.open_orders(120)
    for order in orders[7::20]:
        sandbox.fill(order.order_id)
    refs = [order_ref(order, by_client_oid=index % 3 == 0) for index, order in enumerate(orders)]
    console.print(
        f"\n[bold]3. {len(refs)} orders at once[/], two thirds by orderId and one third by clientOid. Six of them have "
        "been filled, and one connection is dropped after the exchange has executed the request."
    )
    for number, request in enumerate(cancel_orders.plan(orders=refs), 1):
        id_field = "orderId" if request.order_list[0].order_id else "clientOid"
        console.print(f"   batch {number}: {len(request.order_list)} orders by {id_field}, {request.batch_mode} mode")
    sandbox.inject("drop-after")
    sandbox.reset_ledger()
    started_at = time.monotonic()
    report = cancel_orders.sync(client=client, orders=refs)
    console.print(
        f"   {len(sandbox.arrivals)} requests in {time.monotonic() - started_at:.2f} s, "
        f"at most {sandbox.worst_window()} in any second"
    )
    console.print(summary(report))
    console.print(
        "The exchange had executed the request whose connection was dropped; the retry finds those orders gone. "
        "Accepted means that the exchange has received the cancel: until it is executed, the order can be filled."
    )
    console.print(details([outcome for outcome in report if outcome.status is not Status.ACCEPTED]))
    return report


def order_ref(order: Order, *, by_client_oid: bool) -> OrderRef:
    """Return what identifies an order of the sandbox in a cancel."""
    if by_client_oid:
        return OrderRef(symbol=order.symbol, client_oid=order.client_oid)
    return OrderRef(symbol=order.symbol, order_id=order.order_id)


def summary(report: Report) -> Table:
    """Return a table of how many orders have which status."""
    table = Table("outcome", "orders", "attempts")
    for status, count in report.counts.items():
        orders_by_attempts = Counter(outcome.attempts for outcome in report.only(status))
        attempts = ", ".join(f"{orders} in {number}" for number, orders in orders_by_attempts.items())
        table.add_row(f"[{COLOURS[status]}]{status}", str(count), attempts)
    return table


def details(outcomes: Sequence[Outcome]) -> Table:
    """Return a table of outcomes, with only a few of those that are alike."""
    table = Table("order", "status", "code", "message of the exchange", "attempts")
    counts = Counter[tuple[Status, str | None, int]]()
    for outcome in outcomes:
        alike = (outcome.status, outcome.code, outcome.attempts)
        counts[alike] += 1
        if counts[alike] <= MAX_ALIKE:
            row = outcome.row()
            name = row["orderId"] or row["clientOid"]
            status = f"[{COLOURS[outcome.status]}]{outcome.status}"
            table.add_row(name, status, outcome.code, outcome.message, str(outcome.attempts))
    hidden = len(outcomes) - table.row_count
    table.caption = f"and {hidden} more like these" if hidden else None
    return table


def main(console: Console, port: int = 0) -> Report:
    """Run the demo, with a sandbox on this port; 0 lets the system choose."""
    with Sandbox(orders=0, port=port) as sandbox, connect(sandbox.credentials, base_url=sandbox.url) as client:
        console.print(f"\nA sandbox exchange listens on {sandbox.url}")
        one_batch(client, sandbox, console)
        mixed_batch(client, sandbox, console)
        report = many_orders(client, sandbox, console)
    console.print("\nThe sandbox has been stopped; nothing is left running.\n")
    return report


if __name__ == "__main__":
    main(Console())
