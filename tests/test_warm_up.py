"""Connections opened ahead of need."""

from __future__ import annotations

import asyncio
import sys

import httpx
import pytest

from bitget_spot import Status, cancel_orders, connect, warm_up
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_SERVER_TIME

CALLS = BATCH_CANCEL_ORDERS.rate_limit.requests


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every connection that is opened during the test."""
    from bitget_spot._middleware.send import Watch

    seen: list[str] = []
    note = Watch.note

    def noting(self: Watch, event: str) -> None:
        if event == "connection.connect_tcp.started":
            seen.append(event)
        note(self, event)

    monkeypatch.setattr(Watch, "note", noting)
    return seen


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_the_first_burst_pays_no_handshake(manner: str, bitget_sandbox: Sandbox, opened: list[str]) -> None:
    """Ten connections are opened by the warm-up, and a burst of ten batches opens none."""
    orders = [OrderRef(order_id=order_id) for order_id in bitget_sandbox.orders]

    async def in_tasks(client: Client) -> None:
        async with client:
            await warm_up.asyncio(client=client)
            assert len(opened) == CALLS
            await cancel_orders.asyncio(client=client, orders=orders, batch_size=12)

    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url)
    if manner == "asyncio":
        asyncio.run(in_tasks(client))
    else:
        with client:
            warm_up.sync(client=client)
            assert len(opened) == CALLS
            cancel_orders.sync(client=client, orders=orders, batch_size=12)
    assert len(opened) == CALLS
    paths = [arrival.path for arrival in bitget_sandbox.arrivals]
    assert paths.count(GET_SERVER_TIME.path) == CALLS
    assert paths.count(BATCH_CANCEL_ORDERS.path) == CALLS
    assert not any(arrival.api_key for arrival in bitget_sandbox.arrivals[:CALLS])


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_connections_do_not_wait_for_ever_for_each_other(
    manner: str, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not all connections can be had at once, those that are there are warmed all the same."""
    monkeypatch.setattr(sys.modules["bitget_spot.warm_up"], "PATIENCE", 0.01)
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, requests_per_second={"getServerTime": 4})
    # One of the four slots is taken, and what waits for it is not there to be waited for.
    client.get_httpx_client().get(GET_SERVER_TIME.path)

    async def in_tasks() -> None:
        async with client:
            await warm_up.asyncio(client=client)

    with client:
        if manner == "asyncio":
            asyncio.run(in_tasks())
        else:
            warm_up.sync(client=client)
    assert len(bitget_sandbox.arrivals) == 5


def test_an_exchange_that_is_not_there_is_told(opened: list[str]) -> None:
    """Who stands by hears at once that the exchange cannot be reached."""
    with Sandbox(orders=0) as sandbox:
        pass
    with connect(sandbox.credentials, base_url=sandbox.url, max_retries=0) as client, pytest.raises(httpx.ConnectError):
        warm_up.sync(client=client)
    assert opened


def test_an_idle_connection_that_the_exchange_has_closed_costs_nothing_known(bitget_sandbox: Sandbox) -> None:
    """After the exchange has closed every idle connection, a run still accepts every order."""
    orders = [OrderRef(order_id=order_id) for order_id in bitget_sandbox.orders]
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        warm_up.sync(client=client)
        assert bitget_sandbox.close_idle_connections() == CALLS
        report = cancel_orders.sync(client=client, orders=orders)
    assert report.counts[Status.ACCEPTED] == len(orders)
