"""
A client in a process of its own: sends one batch for each order, as fast as the rate limit allows.

Its argument is a JSON object: the store, the exchange, the credentials, the orders, the mode and the timeout. It prints
a line when it is ready, waits for a line, and then prints how many orders it cancelled and how long that took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bitget_spot import Credentials, connect
from bitget_spot._concurrency import run_async, run_sync
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot.rate_limit.policy import PermitRelease, RequestResult
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef
from bitget_spot_api.operations import RateLimit


def cancel_in_threads(client: Client, bodies: list[BatchCancelOrdersRequest]) -> int:
    """Send each batch from a thread of its own; return how many were cancelled."""

    def cancel(body: BatchCancelOrdersRequest) -> bool:
        return isinstance(batch_cancel_orders.sync(client=client, body=body), BatchCancelOrdersResponse)

    with client, ThreadPoolExecutor(len(bodies)) as pool:
        return sum(pool.map(cancel, bodies))


async def cancel_in_tasks(client: Client, bodies: list[BatchCancelOrdersRequest]) -> int:
    """Send each batch from a task of its own; return how many were cancelled."""
    async with client:
        responses = await asyncio.gather(*(batch_cancel_orders.asyncio(client=client, body=body) for body in bodies))
    return sum(isinstance(response, BatchCancelOrdersResponse) for response in responses)


def main() -> None:
    """Run the client."""
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    kind, address = arguments["store"]
    in_tasks = arguments["mode"] == "tasks"
    bodies = [BatchCancelOrdersRequest(order_list=[OrderRef(order_id=order_id)]) for order_id in arguments["orders"]]
    with SQLiteStore(address) if kind == "sqlite" else RedisStore(address) as store:
        client = connect(
            Credentials(*arguments["credentials"]),
            base_url=arguments["exchange"],
            rate_limit_store=store,
            timeout=arguments["timeout"],
        )
        # Imports and the first connection are not part of what is measured.
        connecting = store.release("before", "0", RateLimit(1, 1.0, "UID"), PermitRelease(RequestResult.NOT_SENT))
        if in_tasks:
            asyncio.run(run_async(connecting))
        else:
            run_sync(connecting)
        print("ready", flush=True)
        sys.stdin.readline()
        started = time.monotonic()
        cancelled = asyncio.run(cancel_in_tasks(client, bodies)) if in_tasks else cancel_in_threads(client, bodies)
        print(json.dumps({"cancelled": cancelled, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    main()
