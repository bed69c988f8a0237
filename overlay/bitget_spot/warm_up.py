"""
Prepare for an emergency: open connections, and learn the type of the account.

    warm_up.sync(client=client)

Requests for the exchange's clock are held back until each has a connection of its own, and then sent. There are as many
as the kill switch has requests in its first moment, so these need no TLS handshakes. The connections are kept for minutes.
If the type of the account is not known yet, one order is listed, and the response shows it.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from bitget_spot.client import SpotClient, require_spot_client
from bitget_spot.errors import WrongEnvironmentError
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, CANCEL_SYMBOL_ORDERS, GET_SERVER_TIME

__all__ = ["asyncio", "sync"]

LISTINGS: Final = 3
"""Listings that the kill switch reads side by side: normal, TP/SL and trigger orders."""
BARRIER_TIMEOUT: Final = 2.0
"""Seconds for which a connection waits for the others; after that it is used as it is."""


def sync(*, client: Client) -> None:
    """
    Open the connections that the kill switch needs in threads, and learn the type of the account.

    Args:
        client: A client made by `connect`.

    Raises:
        httpx.TransportError: The exchange cannot be reached.
        BitgetError: The response of the exchange is an error.

    """
    spot_client = require_spot_client(client)
    connections = _connections(spot_client)
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
    if spot_client.account_type is None:
        with _learning_account_type(spot_client):
            get_unfilled_orders.sync(client=client, limit=1)


async def asyncio(*, client: Client) -> None:
    """
    Open the connections that the kill switch needs in the running event loop, and learn the type of the account.

    Args:
        client: A client made by `connect`.

    Raises:
        httpx.TransportError: The exchange cannot be reached.
        BitgetError: The response of the exchange is an error.

    """
    import asyncio as aio  # noqa: PLC0415 - imported lazily: sync programs do not need it

    spot_client = require_spot_client(client)
    connections = _connections(spot_client)
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
    if spot_client.account_type is None:
        with _learning_account_type(spot_client):
            await get_unfilled_orders.asyncio(client=client, limit=1)


@contextmanager
def _learning_account_type(client: SpotClient) -> Iterator[None]:
    """Let a refusal of the listing pass if it shows the type of the account."""
    try:
        yield
    except WrongEnvironmentError:
        if client.account_type is None:
            raise


def _connections(client: SpotClient) -> int:
    burst = LISTINGS + sum(client.rate_limit(each).requests for each in (BATCH_CANCEL_ORDERS, CANCEL_SYMBOL_ORDERS))
    # The clock's own rate limit would hold the others back, and the barrier would wait for them.
    return min(burst, client.rate_limit(GET_SERVER_TIME).requests)


def __dir__() -> list[str]:
    return __all__
