"""One of several bots of an account, started as `python share_a_budget.py BTCUSDT`."""

import os
import sys

from bitget_spot import Credentials, cancel_open_orders, connect
from bitget_spot.rate_limit import SQLiteStore


def main(symbol: str) -> None:
    """Cancel this bot's orders; its requests and the others' together keep to the limit."""
    credentials, base_url = Credentials.from_env(), os.environ["BITGET_API_BASE_URL"]
    with (
        SQLiteStore("slots.sqlite") as slots,
        connect(credentials, base_url=base_url, rate_limit_store=slots) as client,
    ):
        report = cancel_open_orders.sync(client=client, symbols=[symbol])
    print(f"{symbol}: {report}")


if __name__ == "__main__":
    main(sys.argv[1])
