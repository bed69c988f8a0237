"""Stop sending after 5 seconds, and send the rest later: `python keep_a_deadline.py 5`."""

import os
import sys

from bitget_spot import Credentials, DeadlineExceeded, Status, cancel_orders, connect
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef


def cancel_within(seconds: float, client: Client, orders: list[OrderRef]) -> list[OrderRef]:
    """Cancel, and answer the orders that the deadline has kept from being sent."""
    try:
        print(cancel_orders.sync(client=client, orders=orders, deadline=seconds))
    except DeadlineExceeded as late:
        print(late, late.report)
        return late.report.orders(Status.NOT_SENT) if late.report else orders
    return []


def main(seconds: float) -> None:
    """Cancel within the deadline, and the rest without one."""
    orders = [
        OrderRef(symbol="BTCUSDT", client_oid="btcusdt-sell-1"),
        OrderRef(order_id="1300000001043469773"),
    ]
    with connect(Credentials.from_env(), base_url=os.environ["BITGET_API_BASE_URL"]) as client:
        rest = cancel_within(seconds, client, orders)
        if rest:
            print(cancel_orders.sync(client=client, orders=rest))


if __name__ == "__main__":
    main(float(sys.argv[1]))
