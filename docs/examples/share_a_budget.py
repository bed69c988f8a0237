"""Share the rate limit with the account's other bots: `share_a_budget.py BTCUSDT`."""

import sys
import tempfile
from pathlib import Path

from bitget_spot import Credentials, cancel_open_orders, connect
from bitget_spot.rate_limit import SQLiteStore

# All bots of the machine name the same file.
STORE = Path(tempfile.gettempdir(), "bitget-rate-limit.sqlite")


def main(symbol: str) -> None:
    """Cancel the open orders of a pair; all processes that use the file share one rate limit."""
    credentials = Credentials.from_env()
    with (
        SQLiteStore(STORE) as store,
        connect(credentials, rate_limit_store=store) as client,
    ):
        report = cancel_open_orders.sync(client=client, symbols=[symbol])
    print(f"{symbol}: {report}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "BTCUSDT")
