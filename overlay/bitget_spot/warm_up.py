"""
Open connections ahead of time, so that the first burst in an emergency needs no TLS handshakes.

    warm_up.sync(client=client)

As many requests for the exchange's clock as a burst has requests are held back until each has a connection of its own,
and then sent. The connections are kept for minutes.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from bitget_spot.client import SpotClient, require_spot_client
from bitget_spot_api import Client
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_SERVER_TIME

__all__ = ["asyncio", "sync"]

BARRIER_TIMEOUT: Final = 2.0
"""Seconds for which a connection waits for the others; after that it is used as it is."""


def sync(*, client: Client) -> None:
    """
    Open as many connections for threads as there may be batch cancels in a second.

    Args:
        client: A client made by `connect`.

    Raises:
        httpx.TransportError: The exchange cannot be reached.
        BitgetError: The response of the exchange is an error.

    """
    connections = _connections(require_spot_client(client))
    http = client.get_httpx_client()
    barrier = threading.Barrier(connections)

    def hold(event: str, _: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            with suppress(threading.BrokenBarrierError):
                barrier.wait(BARRIER_TIMEOUT)

    def open_connection(_: int) -> None:
        http.get(GET_SERVER_TIME.path, extensions={"trace": hold})

    with concurrent.futures.ThreadPoolExecutor(connections, "warm_up") as pool:
        list(pool.map(open_connection, range(connections)))


async def asyncio(*, client: Client) -> None:
    """
    Open as many connections for the running event loop as there may be batch cancels in a second.

    Args:
        client: A client made by `connect`.

    Raises:
        httpx.TransportError: The exchange cannot be reached.
        BitgetError: The response of the exchange is an error.

    """
    import asyncio as aio  # noqa: PLC0415 - imported lazily: sync programs do not need it

    connections = _connections(require_spot_client(client))
    http = client.get_async_httpx_client()
    barrier = aio.Barrier(connections)

    async def hold(event: str, _: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            with suppress(aio.BrokenBarrierError, TimeoutError):
                async with aio.timeout(BARRIER_TIMEOUT):
                    await barrier.wait()

    async def open_connection() -> None:
        await http.get(GET_SERVER_TIME.path, extensions={"trace": hold})

    await aio.gather(*(open_connection() for _ in range(connections)))


def _connections(client: SpotClient) -> int:
    # The clock's own rate limit would hold the others back, and the barrier would wait for them.
    return min(client.rate_limit(operation).requests for operation in (BATCH_CANCEL_ORDERS, GET_SERVER_TIME))


def __dir__() -> list[str]:
    return __all__
