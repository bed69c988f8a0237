"""
The exchange's clock, and the round trip to it.

    reading = server_time.sync(client=client)

Signing does not need it: every response has the exchange's clock, and requests are stamped by it. Use it to see how far
apart the clocks are and how long a round trip takes. It leaves an open connection behind.
"""

from __future__ import annotations

import time

import httpx
from attrs import frozen

from bitget_spot._middleware.responses import invalid_response
from bitget_spot.client import require_spot_client
from bitget_spot_api import Client
from bitget_spot_api.operations import GET_SERVER_TIME

__all__ = ["ClockReading", "asyncio", "sync"]


@frozen
class ClockReading:
    """
    The result of one request for the exchange's clock.

    Attributes:
        offset: The exchange's clock less this machine's, in seconds; accurate to half the round trip.
        round_trip: Seconds from sending to the response, including the time to open a connection if none was open.

    """

    offset: float
    round_trip: float


def sync(*, client: Client) -> ClockReading:
    """
    Read the exchange's clock from this thread.

    Args:
        client: A client made by `connect`.

    Raises:
        httpx.TransportError: The exchange cannot be reached.
        BitgetError: The response does not have the exchange's clock.

    """
    response = require_spot_client(client).get_httpx_client().get(GET_SERVER_TIME.path)
    return _reading(response, time.time())


async def asyncio(*, client: Client) -> ClockReading:
    """
    Read the exchange's clock from this task.

    Args:
        client: A client made by `connect`.

    Raises:
        httpx.TransportError: The exchange cannot be reached.
        BitgetError: The response does not have the exchange's clock.

    """
    response = await require_spot_client(client).get_async_httpx_client().get(GET_SERVER_TIME.path)
    return _reading(response, time.time())


def _reading(response: httpx.Response, received_at: float) -> ClockReading:
    round_trip = response.elapsed.total_seconds()
    try:
        server = int(response.json()["data"]["serverTime"]) / 1000
    except (KeyError, TypeError, ValueError, OverflowError):
        raise invalid_response(response, "a response without serverTime") from None
    return ClockReading(server - (received_at - round_trip / 2), round_trip)


def __dir__() -> list[str]:
    return __all__
