"""
The exchange's clock, asked for by itself: one call of the public time.

Nothing needs it. Every answer tells the exchange's clock, and the signer heeds it; this call is for those who want to
see how far apart the clocks are and how long the line is, and it leaves an open connection behind.
"""

from __future__ import annotations

import time

import httpx
from attrs import frozen

from bitget_spot._middleware.responses import excerpt
from bitget_spot.client import limit_of
from bitget_spot.errors import UnreadableAnswerError
from bitget_spot_api import Client
from bitget_spot_api.operations import GET_SERVER_TIME


@frozen
class ClockReading:
    """
    What one call of the public time has told.

    Attributes:
        offset: The exchange's clock less this machine's, in seconds; uncertain by half the round trip.
        round_trip: Seconds from sending to answer, the opening of a connection included where one had to be opened.

    """

    offset: float
    round_trip: float


def read_clock(client: Client) -> ClockReading:
    """
    Ask for the exchange's clock from this thread.

    Args:
        client: A client made by `connect`.

    Raises:
        httpx.TransportError: The exchange cannot be reached.
        BitgetError: It does not tell its clock.

    """
    limit_of(client, GET_SERVER_TIME)
    return _reading(client.get_httpx_client().get(GET_SERVER_TIME.path), time.time())


async def read_clock_asyncio(client: Client) -> ClockReading:
    """Ask for the exchange's clock from this task; in all else as `read_clock`."""
    limit_of(client, GET_SERVER_TIME)
    return _reading(await client.get_async_httpx_client().get(GET_SERVER_TIME.path), time.time())


def _reading(response: httpx.Response, received: float) -> ClockReading:
    round_trip = response.elapsed.total_seconds()
    try:
        server = int(response.json()["data"]["serverTime"]) / 1000
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UnreadableAnswerError(response.status_code, "an answer without the time", excerpt(response)) from None
    return ClockReading(server - (received - round_trip / 2), round_trip)
