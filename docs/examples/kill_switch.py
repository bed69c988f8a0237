"""Cancel every open order of the account; exit with status 0 if none is open any more."""

import sys

from bitget_spot import BitgetError, Confirmed, Credentials, cancel_open_orders, connect


def main() -> int:
    """Return 0 if every order that was found is confirmed to be no longer open, else 1."""
    with connect(Credentials.from_env()) as client:
        try:
            report = cancel_open_orders.sync(client=client, deadline=60)
        except BitgetError as error:
            # The deadline has passed, or the exchange refuses every request.
            print(error, error.report, sep="\n")
            return 1
    print(report)
    return int(any(outcome.confirmed in (None, Confirmed.LIVE) for outcome in report))


if __name__ == "__main__":
    sys.exit(main())
