"""Send from a local address of your choice, such as the one that the API key is bound to."""

import os

import httpx

from bitget_spot import Credentials, OrderRef, cancel_orders, connect


def main() -> None:
    """Cancel an order over your own transport; validation, rate limit and signing still apply."""
    local_address = os.environ.get("LOCAL_ADDRESS", "127.0.0.1")
    # With asyncio, use an httpx.AsyncHTTPTransport.
    transport = httpx.HTTPTransport(local_address=local_address)
    with connect(Credentials.from_env(), transport=transport) as client:
        orders = [OrderRef(order_id="1300000000813847339")]
        print(cancel_orders.sync(client=client, orders=orders))


if __name__ == "__main__":
    main()
