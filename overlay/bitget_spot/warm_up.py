"""
Open connections ahead of need, so that the first burst of an emergency pays no handshake.

As many requests for the exchange's clock as a burst has calls are held back until each has a connection of its own,
and only then sent. The connections are kept for minutes (`_wire.LIMITS`).
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from bitget_spot.client import limit_of
from bitget_spot_api import Client
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_SERVER_TIME

PATIENCE: Final = 2.0
"""Seconds that a connection waits for the others; after that it is used as it is."""


def warm_up(client: Client) -> None:
    """
    Open as many connections for threads as the batch cancel has calls in a period.

    Args:
        client: A client made by `connect`.

    Raises:
        httpx.TransportError: The exchange cannot be reached.
        BitgetError: It does not tell its clock.

    """
    parties = _parties(client)
    barrier = threading.Barrier(parties)

    def hold(event: str, _: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            with suppress(threading.BrokenBarrierError):
                barrier.wait(PATIENCE)

    def ask(_: int) -> None:
        client.get_httpx_client().get(GET_SERVER_TIME.path, extensions={"trace": hold})

    with concurrent.futures.ThreadPoolExecutor(parties, "warm_up") as pool:
        list(pool.map(ask, range(parties)))


async def warm_up_asyncio(client: Client) -> None:
    """Open as many connections for the running event loop; in all else as `warm_up`."""
    import asyncio  # noqa: PLC0415 - who is in a task has it, and a program without tasks need not

    parties = _parties(client)
    barrier = asyncio.Barrier(parties)

    async def hold(event: str, _: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            with suppress(asyncio.BrokenBarrierError, TimeoutError):
                await asyncio.wait_for(barrier.wait(), PATIENCE)

    await asyncio.gather(
        *(client.get_async_httpx_client().get(GET_SERVER_TIME.path, extensions={"trace": hold}) for _ in range(parties))
    )


def _parties(client: Client) -> int:
    # Those that the clock's own limit would hold back could not be waited for.
    return min(limit_of(client, operation).requests for operation in (BATCH_CANCEL_ORDERS, GET_SERVER_TIME))
