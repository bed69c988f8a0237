"""
A client in a process of its own: cancels as many batches as it is told, as fast as the limit lets it.

Its arguments are a JSON object: the store, the exchange, how many calls, in which manner, and what else `connect` takes.
It prints a line when it is ready, waits for one, and prints what became of its calls.
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
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef
from bitget_spot_api.operations import RateLimit


def main() -> None:
    """Do what the arguments say."""
    told: dict[str, Any] = json.loads(sys.argv[1])
    kind, where = told["store"]
    bodies = [BatchCancelOrdersRequest(order_list=[OrderRef(order_id=one)]) for one in told["orders"]]
    with SQLiteStore(where) if kind == "sqlite" else RedisStore(where) as slots:
        client = connect(
            Credentials(*told["credentials"]),
            base_url=told["exchange"],
            rate_limit_store=slots,
            timeout=told["timeout"],
        )

        def cancel(body: BatchCancelOrdersRequest) -> bool:
            return isinstance(batch_cancel_orders.sync(client=client, body=body), BatchCancelOrdersResponse)

        async def cancel_all() -> list[bool]:
            async with client:
                answers = await asyncio.gather(
                    *(batch_cancel_orders.asyncio(client=client, body=body) for body in bodies)
                )
            return [isinstance(answer, BatchCancelOrdersResponse) for answer in answers]

        # Imports and first connections are no part of what is measured.
        first = slots.settle("before", "0", RateLimit(1, 1.0, "UID"), PermitRelease(RequestResult.UNSENT))
        if told["manner"] == "tasks":
            asyncio.run(run_async(first))
        else:
            run_sync(first)
        print("ready", flush=True)
        sys.stdin.readline()
        started = time.monotonic()
        if told["manner"] == "tasks":
            done = asyncio.run(cancel_all())
        else:
            with client, ThreadPoolExecutor(len(bodies)) as pool:
                done = list(pool.map(cancel, bodies))
        print(json.dumps({"cancelled": sum(done), "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    main()
