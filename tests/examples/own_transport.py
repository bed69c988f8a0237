"""Send from one of several addresses of this machine: the one that the key is bound to."""

import os

import httpx

from bitget_spot import Credentials, cancel_orders, connect
from bitget_spot_api.models import OrderRef


def main() -> None:
    """Cancel an order over a transport of your own; signing, limit and checks stay above it."""
    address = os.environ.get("LOCAL_ADDRESS", "127.0.0.1")
    # For tasks it is an httpx.AsyncHTTPTransport.
    transport = httpx.HTTPTransport(local_address=address)
    base_url = os.environ["BITGET_API_BASE_URL"]
    with connect(Credentials.from_env(), base_url=base_url, transport=transport) as client:
        orders = [OrderRef(order_id="1300000000813847339")]
        print(cancel_orders.sync(client=client, orders=orders))


if __name__ == "__main__":
    main()
