"""Cancel every open order of the account; exit with status 0 if none is open any more."""

import os
import sys

from bitget_spot import Confirmed, Credentials, DeadlineExceeded, cancel_open_orders, connect


def main() -> int:
    """Return 0 if every order that was found is confirmed to be no longer open, else 1."""
    with connect(Credentials.from_env(), base_url=os.environ["BITGET_API_BASE_URL"]) as client:
        try:
            report = cancel_open_orders.sync(client=client, deadline=60)
        except DeadlineExceeded as error:
            print(error, error.report, sep="\n")
            return 1
    print(report)
    return int(any(outcome.confirmed in (None, Confirmed.LIVE) for outcome in report))


if __name__ == "__main__":
    sys.exit(main())
