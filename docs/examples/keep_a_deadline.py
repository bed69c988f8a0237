"""Stop sending after some seconds, and send the rest later: `keep_a_deadline.py 5`."""

import sys

from bitget_spot import Credentials, DeadlineExceeded, OrderRef, Status, cancel_orders, connect
from bitget_spot_api import Client


def cancel_within(seconds: float, client: Client, orders: list[OrderRef]) -> list[OrderRef]:
    """Cancel orders, and return those that were not sent before the deadline."""
    try:
        print(cancel_orders.sync(client=client, orders=orders, deadline=seconds))
    except DeadlineExceeded as error:
        print(error, error.report)
        return error.report.orders(Status.NOT_SENT) if error.report else orders
    return []


def main(seconds: float) -> None:
    """Cancel within the deadline, and the rest without one."""
    orders = [
        OrderRef(symbol="BTCUSDT", client_oid="btcusdt-sell-1"),
        OrderRef(order_id="1300000001043469773"),
    ]
    with connect(Credentials.from_env()) as client:
        rest = cancel_within(seconds, client, orders)
        if rest:
            print(cancel_orders.sync(client=client, orders=rest))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
