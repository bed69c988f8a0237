"""Reach the exchange through a proxy, which is never used unless you name it."""

import os

from bitget_spot import Credentials, cancel_orders, connect
from bitget_spot_api.models import OrderRef


def main() -> None:
    """Cancel an order through the proxy that HTTPS_PROXY names."""
    with connect(
        Credentials.from_env(),
        base_url=os.environ["BITGET_API_BASE_URL"],
        proxy=os.environ["HTTPS_PROXY"],
    ) as client:
        orders = [OrderRef(order_id="1300000000813847339")]
        print(cancel_orders.sync(client=client, orders=orders))


if __name__ == "__main__":
    main()
