"""Cancel whatever is open on the account, and say by the exit status whether that worked."""

import os
import sys

from bitget_spot import Confirmed, Credentials, DeadlineExceeded, cancel_open_orders, connect


def main() -> int:
    """Answer 0 if every order that was met is known to be no longer open."""
    with connect(Credentials.from_env(), base_url=os.environ["BITGET_API_BASE_URL"]) as client:
        try:
            report = cancel_open_orders.sync(client=client, deadline=60)
        except DeadlineExceeded as late:
            print(late, late.report, sep="\n")
            return 1
    print(report)
    return any(outcome.confirmed in (None, Confirmed.LIVE) for outcome in report.outcomes)


if __name__ == "__main__":
    sys.exit(main())
