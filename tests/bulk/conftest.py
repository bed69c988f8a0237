"""Fixtures for bulk runs against a sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from open_orders import CancelOpen, FindIds
from sandboxes import HIGH_RATE, StartSandbox, call

from bitget_spot import Report, cancel_open_orders
from bitget_spot._bulk import confirmation, listing, open_order, open_orders
from bitget_spot._middleware import retry
from bitget_spot.rate_limit import policy
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client


@pytest.fixture
def short_retry_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before retries."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.002)


@pytest.fixture
def short_rate_limit_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses after the exchange has refused too many requests."""
    monkeypatch.setattr(policy, "MAX_PAUSE", 0.05)


@pytest.fixture
def short_confirmation_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the first pause between two searches for orders that are still open."""
    monkeypatch.setattr(confirmation, "FIRST_PAUSE", 0.02)


@pytest.fixture
def short_listing_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before another listing, and the one before an order that was not accepted is sent again."""
    monkeypatch.setattr(open_orders, "LISTING_INTERVAL", 0.01)
    monkeypatch.setattr(open_orders, "MAX_LISTING_INTERVAL", 0.05)
    monkeypatch.setattr(listing, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(listing, "MAX_PAUSE", 0.05)
    monkeypatch.setattr(open_order, "RETRY_INTERVAL", 0.05)


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    """Return a function that starts a sandbox, by default without a rate limit; it is stopped after the test."""
    with ExitStack() as started:

        def start(**settings: Any) -> Sandbox:
            return started.enter_context(Sandbox(**{"requests_per_second": HIGH_RATE} | settings))

        yield start


@pytest.fixture(params=["sync", "asyncio"])
def mode(request: pytest.FixtureRequest) -> str:
    """How a test calls an operation: in a thread or in a task."""
    return str(request.param)


@pytest.fixture
def cancel_open(mode: str) -> CancelOpen:
    """Return a function that cancels the open orders from this thread, or from a task."""

    def cancel_open(client: Client, **arguments: Any) -> Report:
        report: Report = call(mode, cancel_open_orders, client, **arguments)
        return report

    return cancel_open


@pytest.fixture
def find(mode: str) -> FindIds:
    """Return a function that calls `find` in this thread, or `find_asyncio` in a task, and returns the ids."""

    async def find_in_task(client: Client, **arguments: Any) -> set[str]:
        async with client:
            orders = await cancel_open_orders.find_asyncio(client=client, **arguments)
        return {str(order.order_id) for order in orders}

    def find(client: Client, **arguments: Any) -> set[str]:
        if mode == "asyncio":
            return asyncio.run(find_in_task(client, **arguments))
        with client:
            orders = cancel_open_orders.find(client=client, **arguments)
        return {str(order.order_id) for order in orders}

    return find
