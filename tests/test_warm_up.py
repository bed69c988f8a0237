"""Connections that are opened ahead of time, and the type of the account."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from sandboxes import call, count_requests

from bitget_spot import AuthenticationError, Status, WrongEnvironmentError, cancel_orders, connect, warm_up
from bitget_spot._middleware import network
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    CANCEL_SYMBOL_ORDERS,
    GET_SERVER_TIME,
    GET_UNFILLED_ORDERS,
    GET_UNIFIED_UNFILLED_ORDERS,
)

BATCHES = BATCH_CANCEL_ORDERS.rate_limit.requests
BURST = warm_up.LISTINGS + BATCHES + CANCEL_SYMBOL_ORDERS.rate_limit.requests
"""The requests of the kill switch's first moment."""


@pytest.fixture(params=["sync", "asyncio"])
def mode(request: pytest.FixtureRequest) -> str:
    """How connections are opened: from a thread or from a task."""
    return str(request.param)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """An item for each connection that was opened during the test."""
    opened: list[None] = []
    note_connection = network.note_connection

    def record_connection() -> None:
        opened.append(None)
        note_connection()

    monkeypatch.setattr(network, "note_connection", record_connection)
    return opened


def all_orders(sandbox: Sandbox) -> list[OrderRef]:
    """Address every order of a sandbox by orderId."""
    return [OrderRef(order_id=order_id) for order_id in sandbox.orders]


# Connections


def test_first_burst_opens_no_connection(mode: str, bitget_sandbox: Sandbox, connections: list[None]) -> None:
    """The warm-up opens as many connections as the kill switch needs, and a burst of batches opens none."""
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
    assert count_requests(bitget_sandbox, GET_SERVER_TIME) == BURST
    assert count_requests(bitget_sandbox, BATCH_CANCEL_ORDERS) == BATCHES
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
    assert count_requests(bitget_sandbox, GET_SERVER_TIME) == 5


def test_exchange_that_cannot_be_reached(mode: str, connections: list[None]) -> None:
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


# The type of the account


@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_account_type_is_learned(mode: str, account_type: AccountType) -> None:
    """One listing shows the type of the account, whether the exchange responds with orders or with 40085."""
    with Sandbox(orders=1, account_type=account_type) as sandbox:
        client = connect(sandbox.credentials, base_url=sandbox.url)
        learned = [client.account_type]
        call(mode, warm_up, client)
        learned.append(client.account_type)
        assert learned == [None, account_type]
        assert client.stated_account_type is None
        assert count_requests(sandbox, GET_UNFILLED_ORDERS) == 1
        assert count_requests(sandbox, GET_UNIFIED_UNFILLED_ORDERS) == 0


def test_known_account_type_is_not_asked_for(mode: str, bitget_sandbox: Sandbox) -> None:
    """Without a need to learn the type, no request is signed."""
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, account_type="unified")
    call(mode, warm_up, client)
    assert not any(arrival.api_key for arrival in bitget_sandbox.arrivals)


@pytest.mark.parametrize(("code", "error"), [("40012", AuthenticationError), ("40099", WrongEnvironmentError)])
def test_other_refusals_are_raised(mode: str, bitget_sandbox: Sandbox, code: str, error: type[Exception]) -> None:
    """A refusal that does not show the type of the account reaches the caller."""
    bitget_sandbox.inject(f"list-code={code}")
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url)
    with pytest.raises(error, match=code):
        call(mode, warm_up, client)
    assert client.account_type is None


# The module


def test_plain_generated_client(mode: str) -> None:
    """A client that `connect` has not made is a TypeError, and the message says what to use."""
    with pytest.raises(TypeError, match=r"bitget_spot\.connect"):
        call(mode, warm_up, Client(base_url="http://127.0.0.1:1"))


def test_public_names() -> None:
    """`dir` of the module shows its public functions only."""
    assert dir(warm_up) == ["asyncio", "sync"]
