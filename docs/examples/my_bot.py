"""A bot that leaves the market; `test_my_bot.py` next to it shows how to test it."""

from bitget_spot import Confirmed, Credentials, OrderRef, cancel_orders, connect
from bitget_spot_api import Client


def leave_the_market(client: Client, order_ids: list[str]) -> list[str]:
    """Cancel the orders, and return those that were filled: you still have their positions."""
    orders = [OrderRef(order_id=order_id) for order_id in order_ids]
    report = cancel_orders.sync(client=client, orders=orders, confirm=True)
    filled = (Confirmed.FILLED, Confirmed.PARTLY_FILLED)
    return [str(outcome.order.order_id) for outcome in report if outcome.confirmed in filled]


def main() -> None:
    """Leave the market, and print the orders whose positions remain to be closed."""
    with connect(Credentials.from_env()) as client:
        order_ids = ["1300000000813847339", "1300000001043469773"]
        print("positions to close:", leave_the_market(client, order_ids))


if __name__ == "__main__":
    main()
