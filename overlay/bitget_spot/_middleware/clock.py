"""The exchange's clock, as far as its responses show it: requests are stamped by this clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

MIN_TIMESTAMP: Final = 10**12
MAX_TIMESTAMP: Final = 10**13
"""Milliseconds since the epoch, from 2001 to 2286; any other number in a response is not a clock."""


class ServerClock:
    """Estimates how far the exchange's clock is ahead of this machine's."""

    def __init__(self, local_time: Callable[[], float] = time.time) -> None:
        self.local_time = local_time
        self.offset = 0.0
        """Seconds to add to the local time."""

    def reset(self) -> None:
        """Fall back to the local clock."""
        self.offset = 0.0

    def observe(self, server_time: int | None, sent_at: float | None) -> bool:
        """
        Take the clock in a response into account, which has just been received.

        Args:
            server_time: The `requestTime` of the response, in milliseconds since the epoch.
            sent_at: The local time at which the request was stamped.

        Returns:
            Whether the clock in the response could be used.

        """
        if server_time is None or sent_at is None or not MIN_TIMESTAMP <= server_time < MAX_TIMESTAMP:
            return False
        self.offset = corrected_offset(self.offset, sent_at, self.local_time(), server_time / 1000)
        return True


def corrected_offset(offset: float, sent_at: float, received_at: float, server_time: float) -> float:
    """
    Correct a clock offset by one response, as little as the response demands.

    The exchange read its clock between `sent_at` and `received_at` and truncated it to milliseconds. An offset that
    agrees with this is kept, because half of a slow round trip would be a worse estimate.

    Args:
        offset: The exchange's clock less the local one so far, in seconds.
        sent_at: The local time at which the request was stamped.
        received_at: The local time at which the response was complete.
        server_time: The exchange's clock in the response, in seconds since the epoch.

    """
    smallest = server_time - received_at
    largest = server_time + 0.001 - sent_at
    return min(max(offset, smallest), largest)
