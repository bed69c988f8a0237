"""Cancel a list of orders, by order id or by your own id, and print the outcome of each."""

from bitget_spot import Credentials, OrderRef, Status, cancel_orders, connect

# The first orders of a new sandbox; yours come from your bot's own records.
ORDERS = [
    OrderRef(symbol="BTCUSDT", order_id="1300000000813847339"),
    OrderRef(symbol="ETHUSDT", order_id="1300000001043469773"),
    OrderRef(symbol="SOLUSDT", client_oid="solusdt-sell-3"),
    OrderRef(symbol="XRPUSDT", client_oid="never-was-there"),
]


def main() -> None:
    """Cancel the orders, and print those that you have to check."""
    with connect(Credentials.from_env()) as client:
        report = cancel_orders.sync(client=client, orders=ORDERS)
    print(report)
    for outcome in report.only(Status.REJECTED, Status.UNKNOWN):
        print("check this order:", outcome.order, outcome.code, outcome.message)


if __name__ == "__main__":
    main()
