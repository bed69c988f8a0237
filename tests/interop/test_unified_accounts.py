"""Other clients cancel the orders of the sandbox's unified account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bitget_spot_api.operations import BATCH_CANCEL_UNIFIED_ORDERS, CANCEL_UNIFIED_SYMBOL_ORDERS

from .sandbox_server import RecordingSandbox
from .unified_clients import UnifiedCcxt, UnifiedClient, UnifiedTypedBitget

MAX_ORDERS = BATCH_CANCEL_UNIFIED_ORDERS.max_items["body"]
CLIENTS = {"ccxt": UnifiedCcxt, "typed-bitget": UnifiedTypedBitget}


@pytest.fixture
def unified_sandbox() -> Iterator[RecordingSandbox]:
    """A sandbox of a unified account without orders."""
    with RecordingSandbox(orders=0, account_type="unified") as sandbox:
        yield sandbox


@pytest.fixture(params=CLIENTS)
def unified_client(request: pytest.FixtureRequest, unified_sandbox: RecordingSandbox) -> UnifiedClient:
    """Each of the other clients, with the sandbox's account."""
    client: UnifiedClient = CLIENTS[request.param](unified_sandbox.url, unified_sandbox.credentials)
    return client


def open_order_ids(sandbox: RecordingSandbox) -> set[str]:
    """Return the ids of the orders that are open."""
    return {order.order_id for order in sandbox.orders.values() if order.is_open}


def test_full_batch_is_cancelled(unified_client: UnifiedClient, unified_sandbox: RecordingSandbox) -> None:
    """Twenty orders are cancelled by one request, the next one is not, and the client can read the response."""
    *orders, other_order = unified_sandbox.open_orders(MAX_ORDERS + 1, symbol="BTCUSDT")
    order_ids = [order.order_id for order in orders]
    assert unified_client.cancel("BTCUSDT", order_ids) == order_ids
    assert open_order_ids(unified_sandbox) == {other_order.order_id}
    assert [request.path for request in unified_sandbox.requests] == [BATCH_CANCEL_UNIFIED_ORDERS.path]


def test_whole_pair_is_cancelled(unified_client: UnifiedClient, unified_sandbox: RecordingSandbox) -> None:
    """One request cancels the orders of a pair, and leaves those of other pairs alone."""
    unified_sandbox.open_orders(3, symbol="BTCUSDT")
    (other_order,) = unified_sandbox.open_orders(1, symbol="ETHUSDT")
    unified_client.cancel_all("BTCUSDT")
    assert open_order_ids(unified_sandbox) == {other_order.order_id}
    assert [request.path for request in unified_sandbox.requests] == [CANCEL_UNIFIED_SYMBOL_ORDERS.path]


def test_open_orders_are_listed(unified_client: UnifiedClient, unified_sandbox: RecordingSandbox) -> None:
    """The listing has the open orders, and is empty when there are none."""
    assert unified_client.open_orders("BTCUSDT") == []
    orders = unified_sandbox.open_orders(3, symbol="BTCUSDT")
    assert set(unified_client.open_orders("BTCUSDT")) == {order.order_id for order in orders}


@pytest.mark.parametrize("name", CLIENTS)
def test_classic_account_refuses(name: str, sandbox: RecordingSandbox) -> None:
    """A classic account refuses the calls for unified ones, and cancels nothing."""
    (order,) = sandbox.open_orders(1, symbol="BTCUSDT")
    client = CLIENTS[name](sandbox.url, sandbox.credentials)
    with pytest.raises(Exception, match="40084"):
        client.cancel("BTCUSDT", [order.order_id])
    assert open_order_ids(sandbox) == {order.order_id}
