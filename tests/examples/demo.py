"""
The main job, against a sandbox exchange on this machine: `make demo`.

Cancels batches over real HTTP with the generated client, shows that a mixed batch is refused before a byte of it
leaves, and tells what became of every order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from bitget_spot import InvalidBatchError, connect
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import (
    BatchCancelOrdersRequest,
    BatchCancelOrdersResponse,
    BatchCancelOrdersResult,
    OrderRef,
)

Row = tuple[str, str, str]


def rows(answer: object) -> Iterator[Row]:
    """Tell what became of each order of an answer: its id, its fate, the exchange's words."""
    if not isinstance(answer, BatchCancelOrdersResponse):
        return
    if not isinstance(answer.data, BatchCancelOrdersResult):
        return
    for accepted in answer.data.success_list or ():
        yield str(accepted.order_id), "[green]accepted", "the exchange has received the cancel"
    for failed in answer.data.failure_list or ():
        yield str(failed.order_id), f"[red]{failed.error_code}", str(failed.error_msg)


def main(console: Console) -> None:
    """Run the demo."""
    with Sandbox(orders=120) as sandbox:
        console.print(f"\n[bold]A sandbox exchange[/] at {sandbox.url} holds {len(sandbox.orders)} open orders.")
        mine = [order for order in sandbox.orders.values() if order.symbol == "BTCUSDT"]
        sandbox.fill(mine[1].order_id)

        with connect(sandbox.credentials, base_url=sandbox.url) as client:
            console.print("\n[bold]1. A batch by the generated client[/]; one of its orders has just been filled.")
            answer = batch_cancel_orders.sync(
                client=client,
                body=BatchCancelOrdersRequest(
                    symbol="BTCUSDT",
                    order_list=[OrderRef(order_id=order.order_id) for order in mine[:5]],
                ),
            )
            console.print(table(rows(answer)))

            console.print("\n[bold]2. A mixed batch[/], which the exchange would cancel only in part:")
            before = len(sandbox.arrivals)
            try:
                batch_cancel_orders.sync(
                    client=client,
                    body=BatchCancelOrdersRequest(
                        symbol="BTCUSDT",
                        order_list=[
                            OrderRef(order_id=mine[5].order_id),
                            OrderRef(client_oid=mine[6].client_oid),
                        ],
                    ),
                )
            except InvalidBatchError as error:
                console.print(f"[yellow]InvalidBatchError[/]: {error}", highlight=False)
            console.print(f"Requests that reached the exchange meanwhile: {len(sandbox.arrivals) - before}.")

            console.print("\n[bold]3. Twenty-five batches in a row[/], of one order each:")
            sandbox.reset_ledger()
            started = time.monotonic()
            for order in sandbox.open_orders(25, symbol="BTCUSDT"):
                batch_cancel_orders.sync(
                    client=client,
                    body=BatchCancelOrdersRequest(symbol="BTCUSDT", order_list=[OrderRef(order_id=order.order_id)]),
                )
            console.print(
                f"{len(sandbox.arrivals)} arrived in {time.monotonic() - started:.1f} s, never more than "
                f"{sandbox.worst_window()} in any second; none was refused."
            )
    console.print("\nThe sandbox is gone, and nothing is left running.\n")


def table(found: Iterator[Row]) -> Table:
    """Lay out what became of the orders."""
    sheet = Table("order", "fate", "what the exchange says")
    for row in found:
        sheet.add_row(*row)
    return sheet


if __name__ == "__main__":
    main(Console())
