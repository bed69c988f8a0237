"""A bot that leaves the market; `test_my_bot.py` beside it shows how to test one."""

import os

from bitget_spot import Confirmed, Credentials, cancel_orders, connect
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef


def leave_the_market(client: Client, order_ids: list[str]) -> list[str]:
    """Cancel the orders, and answer those that have filled: their positions are to be closed."""
    orders = [OrderRef(order_id=order_id) for order_id in order_ids]
    report = cancel_orders.sync(client=client, orders=orders, confirm=True)
    filled = (Confirmed.FILLED, Confirmed.PARTLY_FILLED)
    return [str(one.order.order_id) for one in report.outcomes if one.confirmed in filled]


def main() -> None:
    """Leave, and say what is left to do."""
    with connect(Credentials.from_env(), base_url=os.environ["BITGET_API_BASE_URL"]) as client:
        order_ids = ["1300000000813847339", "1300000001043469773"]
        print("to be closed:", leave_the_market(client, order_ids))


if __name__ == "__main__":
    main()
