"""Connections that are opened ahead of time."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from sandboxes import call

from bitget_spot import Status, cancel_orders, connect, warm_up
from bitget_spot._middleware.context import Attempt
from bitget_spot._middleware.send import SendTransport
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_SERVER_TIME

BURST = BATCH_CANCEL_ORDERS.rate_limit.requests


@pytest.fixture(params=["sync", "asyncio"])
def mode(request: pytest.FixtureRequest) -> str:
    """How connections are opened: from a thread or from a task."""
    return str(request.param)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Attempt]:
    """The attempts for which a connection was opened during the test."""
    opened: list[Attempt] = []
    record = SendTransport._record

    def record_connection(self: SendTransport, attempt: Attempt, event: str) -> None:
        if event == "connection.connect_tcp.started":
            opened.append(attempt)
        record(self, attempt, event)

    monkeypatch.setattr(SendTransport, "_record", record_connection)
    return opened


def all_orders(sandbox: Sandbox) -> list[OrderRef]:
    """Address every order of a sandbox by orderId."""
    return [OrderRef(order_id=order_id) for order_id in sandbox.orders]


def test_the_first_burst_opens_no_connection(mode: str, bitget_sandbox: Sandbox, connections: list[Attempt]) -> None:
    """The warm-up opens ten connections, and a burst of ten batches opens none."""
    orders = all_orders(bitget_sandbox)

    async def warm_up_and_cancel(client: Client) -> None:
        async with client:
            await warm_up.asyncio(client=client)
            assert len(connections) == BURST
            await cancel_orders.asyncio(client=client, orders=orders, batch_size=12)

    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url)
    if mode == "asyncio":
        asyncio.run(warm_up_and_cancel(client))
    else:
        with client:
            warm_up.sync(client=client)
            assert len(connections) == BURST
            cancel_orders.sync(client=client, orders=orders, batch_size=12)
    assert len(connections) == BURST
    paths = [arrival.path for arrival in bitget_sandbox.arrivals]
    assert paths.count(GET_SERVER_TIME.path) == BURST
    assert paths.count(BATCH_CANCEL_ORDERS.path) == BURST
    assert not any(arrival.api_key for arrival in bitget_sandbox.arrivals[:BURST])


def test_connections_wait_for_each_other_for_a_limited_time(
    mode: str, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If not all connections can be opened at once, those that are open are used after a while."""
    monkeypatch.setattr(warm_up, "BARRIER_TIMEOUT", 0.01)
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, requests_per_second={"getServerTime": 4})
    with client:
        # One of the four permits is in use, so one of the four connections has to wait for it.
        client.get_httpx_client().get(GET_SERVER_TIME.path)
        call(mode, warm_up, client)
    assert len(bitget_sandbox.arrivals) == 5


def test_an_exchange_that_cannot_be_reached(mode: str, connections: list[Attempt]) -> None:
    """If the exchange cannot be reached, the warm-up raises httpx's exception."""
    with Sandbox(orders=0) as sandbox:
        pass
    client = connect(sandbox.credentials, base_url=sandbox.url, max_retries=0)
    with pytest.raises(httpx.ConnectError):
        call(mode, warm_up, client)
    assert connections


def test_idle_connections_that_the_exchange_has_closed(bitget_sandbox: Sandbox) -> None:
    """If the exchange has closed every idle connection, a run still cancels every order."""
    orders = all_orders(bitget_sandbox)
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        warm_up.sync(client=client)
        assert bitget_sandbox.close_idle_connections() == BURST
        report = cancel_orders.sync(client=client, orders=orders)
    assert report.counts[Status.ACCEPTED] == len(orders)


def test_a_plain_generated_client(mode: str) -> None:
    """A client that `connect` has not made is a TypeError, and the message says what to use."""
    with pytest.raises(TypeError, match=r"bitget_spot\.connect"):
        call(mode, warm_up, Client(base_url="http://127.0.0.1:1"))


def test_public_names() -> None:
    """`dir` of the module shows its public functions only."""
    assert dir(warm_up) == ["asyncio", "sync"]
