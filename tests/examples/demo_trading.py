"""Cancel on the demo account: the same address, a key made for demo trading, and `demo=True`."""

import os

from bitget_spot import Credentials, WrongEnvironmentError, cancel_orders, connect
from bitget_spot_api.models import OrderRef


def main() -> None:
    """Cancel an order of demo trading, and tell if the key is none of its keys."""
    # Without demo=..., the variable BITGET_DEMO decides.
    base_url = os.environ["BITGET_API_BASE_URL"]
    with connect(Credentials.from_env(), base_url=base_url, demo=True) as client:
        try:
            orders = [OrderRef(order_id="1300000000813847339")]
            print(cancel_orders.sync(client=client, orders=orders))
        except WrongEnvironmentError as error:
            print(f"{error.code}: this is a key for live trading; make one in demo trading")


if __name__ == "__main__":
    main()
