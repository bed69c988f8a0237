"""Clients of a sandbox without rate limits, and ways to use them from a thread or from a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeAlias, TypeVar

from bitget_spot import Credentials, connect
from bitget_spot._concurrency import EffectGenerator, run_async, run_sync
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api import Client
from bitget_spot_api.operations import OPERATIONS, Operation

HIGH_RATE: Final = 1000.0
"""Requests per second that no test reaches, for tests of everything but the rate limit."""
HIGH_RATES: Final = {operation.operation_id: HIGH_RATE for operation in OPERATIONS.values()}

StartSandbox: TypeAlias = Callable[..., Sandbox]
"""The fixture `start_sandbox`: takes the arguments of `Sandbox`."""
T = TypeVar("T")


def connect_to(sandbox: Sandbox, credentials: Credentials | None = None, **settings: Any) -> SpotClient:
    """
    Return a client with a budget of its own and, by default, without a rate limit.

    Args:
        sandbox: The exchange.
        credentials: By default those of the sandbox's first account.
        settings: Further arguments of `connect`.

    """
    defaults: dict[str, Any] = {"rate_limit_store": MemoryStore(), "requests_per_second": HIGH_RATES}
    return connect(credentials or sandbox.credentials, base_url=sandbox.url, **defaults | settings)


def call(mode: str, operation: ModuleType, client: Client, **arguments: Any) -> Any:
    """
    Call an operation and close the client's connections.

    Args:
        mode: "sync" calls it in this thread, "asyncio" in a new event loop.
        operation: A module with the functions `sync` and `asyncio`.
        client: The client.
        arguments: Further arguments of the operation.

    """
    if mode == "asyncio":
        return asyncio.run(call_in_task(operation, client, **arguments))
    with client:
        return operation.sync(client=client, **arguments)


async def call_in_task(operation: ModuleType, client: Client, **arguments: Any) -> Any:
    """Call an operation in this task and close the client's connections."""
    async with client:
        return await operation.asyncio(client=client, **arguments)


def run_effects(mode: str, generator: EffectGenerator[T]) -> T:
    """Run a generator of effects in this thread ("sync") or in a new event loop ("asyncio")."""
    if mode == "asyncio":
        return asyncio.run(run_async(generator))
    return run_sync(generator)


def count_requests(sandbox: Sandbox, operation: Operation) -> int:
    """Return how many requests for an operation have arrived."""
    return sum(arrival.path == operation.path for arrival in sandbox.arrivals)


def still_open(sandbox: Sandbox) -> list[Order]:
    """Return the orders that can still fill."""
    return [order for order in sandbox.orders.values() if order.is_open]


def closed_order_ids(sandbox: Sandbox) -> set[str]:
    """Return the ids of the orders that cannot fill any more."""
    return {order.order_id for order in sandbox.orders.values() if not order.is_open}
