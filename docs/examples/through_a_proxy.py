"""Reach the exchange through a proxy: `through_a_proxy.py http://127.0.0.1:3128`."""

import sys

from bitget_spot import Credentials, OrderRef, cancel_orders, connect


def main(proxy: str) -> None:
    """Cancel an order through a proxy; the proxies in the environment are not used."""
    with connect(Credentials.from_env(), proxy=proxy) as client:
        orders = [OrderRef(order_id="1300000000813847339")]
        print(cancel_orders.sync(client=client, orders=orders))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:3128")
