"""Cancel orders, ask the exchange what became of them, and act on those that were filled."""

from bitget_spot import Confirmed, Credentials, OrderRef, cancel_orders, connect

ORDERS = [OrderRef(order_id="1300000000813847339"), OrderRef(order_id="1300000001043469773")]


def main() -> None:
    """Cancel with `confirm=True`, and print what each result means for your position."""
    with connect(Credentials.from_env()) as client:
        report = cancel_orders.sync(client=client, orders=ORDERS, confirm=True)
    for outcome in report:
        name = outcome.order.order_id or outcome.order.client_oid
        match outcome.confirmed:
            case Confirmed.CANCELLED:
                print(name, "is cancelled, and nothing of it was filled")
            case Confirmed.FILLED | Confirmed.PARTLY_FILLED:
                print(name, "was filled, at least in part: check your position")
            case Confirmed.LIVE:
                print(name, "is still open: cancel it again")
            case Confirmed.NOT_FOUND | None:
                print(name, "is not known to the exchange, or could not be confirmed: check it")


if __name__ == "__main__":
    main()
