"""Ask the exchange what really became of the orders, and act on what has filled."""

import os

from bitget_spot import Confirmed, Credentials, cancel_orders, connect
from bitget_spot_api.models import OrderRef

ORDERS = [OrderRef(order_id="1300000000813847339"), OrderRef(order_id="1300000001043469773")]


def main() -> None:
    """Cancel, ask, and tell apart what has left a position and what has not."""
    with connect(Credentials.from_env(), base_url=os.environ["BITGET_API_BASE_URL"]) as client:
        report = cancel_orders.sync(client=client, orders=ORDERS, confirm=True)
    for outcome in report.outcomes:
        name = outcome.order.order_id or outcome.order.client_oid
        match outcome.confirmed:
            case Confirmed.CANCELLED:
                print(name, "is cancelled, and nothing of it has filled")
            case Confirmed.FILLED | Confirmed.PARTLY_FILLED:
                print(name, "has filled, at least in part: mind the position")
            case Confirmed.LIVE:
                print(name, "is still open: cancel it again")
            case Confirmed.NOT_FOUND | None:
                print(name, "is not known there, or nobody could ask: look yourself")


if __name__ == "__main__":
    main()
