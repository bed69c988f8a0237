"""Reach the exchange through a proxy. A proxy is only used if you pass it to `connect`."""

import os

from bitget_spot import Credentials, OrderRef, cancel_orders, connect


def main() -> None:
    """Cancel an order through the proxy in the variable HTTPS_PROXY."""
    with connect(
        Credentials.from_env(),
        proxy=os.environ["HTTPS_PROXY"],
    ) as client:
        orders = [OrderRef(order_id="1300000000813847339")]
        print(cancel_orders.sync(client=client, orders=orders))


if __name__ == "__main__":
    main()
