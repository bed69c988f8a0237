"""Log the outcome of each batch as soon as it is known, and write all outcomes to a file."""

import csv
from collections.abc import Sequence
from pathlib import Path

from bitget_spot import Credentials, OrderRef, Outcome, cancel_orders, connect

ORDERS = [OrderRef(order_id="1300000000813847339"), OrderRef(order_id="1300000001043469773")]


def log_batch(outcomes: Sequence[Outcome]) -> None:
    """Print the outcomes of a batch; a bot would write them to its log."""
    print("batch done:", ", ".join(f"{each.order.order_id} {each.status}" for each in outcomes))


def main() -> None:
    """Cancel, and write a row for each order: its ids, status, code, message and attempts."""
    with connect(Credentials.from_env()) as client:
        report = cancel_orders.sync(client=client, orders=ORDERS, on_progress=log_batch)
    rows = report.rows()
    with Path("cancelled.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
