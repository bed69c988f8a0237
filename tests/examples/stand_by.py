"""Open the connections ahead of need, so that an emergency pays for no handshake."""

import os
import time

from bitget_spot import Credentials, cancel_open_orders, connect, server_time, warm_up


def main() -> None:
    """Warm up, see how far away the exchange is, and cancel everything."""
    with connect(Credentials.from_env(), base_url=os.environ["BITGET_API_BASE_URL"]) as client:
        warm_up.sync(client=client)  # connections are kept for four minutes: call it again before that
        clock = server_time.sync(client=client)
        print(f"{clock.round_trip * 1000:.0f} ms there and back, {clock.offset:+.3f} s apart")
        # Here a bot waits for its alarm.
        started = time.monotonic()
        report = cancel_open_orders.sync(client=client)
        print(f"{len(report)} orders settled in {time.monotonic() - started:.2f} s")


if __name__ == "__main__":
    main()
