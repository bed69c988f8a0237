"""Write down what is known of every order as soon as it is known, and all of it at the end."""

import csv
import os
from pathlib import Path

from bitget_spot import Credentials, cancel_orders, connect
from bitget_spot_api.models import OrderRef

ORDERS = [OrderRef(order_id="1300000000813847339"), OrderRef(order_id="1300000001043469773")]


def told(outcomes: cancel_orders.Outcomes) -> None:
    """Take note of a batch that has been settled, in a bot's log say."""
    print("settled:", ", ".join(f"{one.order.order_id} {one.status}" for one in outcomes))


def main() -> None:
    """Cancel, and write a row for every order: its ids, status, code, message and tries."""
    with connect(Credentials.from_env(), base_url=os.environ["BITGET_API_BASE_URL"]) as client:
        report = cancel_orders.sync(client=client, orders=ORDERS, on_progress=told)
    rows = report.rows()
    with Path("cancelled.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
