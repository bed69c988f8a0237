"""Print the outcome of each batch when it is known, and write all outcomes as CSV to stdout."""

import csv
import sys
from collections.abc import Sequence

from bitget_spot import Credentials, OrderRef, Outcome, cancel_orders, connect

ORDERS = [OrderRef(order_id="1300000000813847339"), OrderRef(order_id="1300000001043469773")]


def log_batch(outcomes: Sequence[Outcome]) -> None:
    """Print the outcomes of a batch to stderr; a bot would write them to its log."""
    text = ", ".join(f"{each.order.order_id} {each.status}" for each in outcomes)
    print("batch done:", text, file=sys.stderr)


def main() -> None:
    """Cancel, and write a row for each order: its ids, status, code, message and attempts."""
    with connect(Credentials.from_env()) as client:
        report = cancel_orders.sync(client=client, orders=ORDERS, on_progress=log_batch)
    rows = report.rows()
    writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


if __name__ == "__main__":
    main()
