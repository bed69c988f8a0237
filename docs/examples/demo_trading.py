"""Cancel on the demo account: same URL, a key created in demo trading, and `demo=True`."""

from bitget_spot import Credentials, OrderRef, WrongEnvironmentError, cancel_orders, connect


def main() -> None:
    """Cancel an order of the demo account, and explain the error that a live key causes."""
    # Without the argument demo, the variable BITGET_DEMO decides.
    with connect(Credentials.from_env(), demo=True) as client:
        try:
            orders = [OrderRef(order_id="1300000000813847339")]
            print(cancel_orders.sync(client=client, orders=orders))
        except WrongEnvironmentError as error:
            print(f"{error.code}: this key is for live trading; create one in demo trading")


if __name__ == "__main__":
    main()
