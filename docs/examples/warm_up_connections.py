"""Open connections ahead of time, so that an emergency does not wait for TLS handshakes."""

import time

from bitget_spot import Credentials, cancel_open_orders, connect, server_time, warm_up


def main() -> None:
    """Warm up, measure the round trip to the exchange, and cancel every open order."""
    with connect(Credentials.from_env()) as client:
        # Connections are kept for four minutes; warm up again before that.
        warm_up.sync(client=client)
        clock = server_time.sync(client=client)
        print(f"round trip {clock.round_trip * 1000:.0f} ms, clock offset {clock.offset:+.3f} s")
        # Here a bot waits for its alarm.
        started_at = time.monotonic()
        report = cancel_open_orders.sync(client=client)
        print(f"{len(report)} orders done in {time.monotonic() - started_at:.2f} s")


if __name__ == "__main__":
    main()
