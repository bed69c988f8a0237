"""The sandbox accepts and refuses the requests of other clients as the exchange does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bitget_spot import Credentials
from bitget_spot.sandbox import Order
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

from .clients import NpmBitgetApi, OtherClient
from .sandbox_server import ACCEPTED_CLIENTS, ClientUnderTest, RecordingSandbox, each_encoded_symbol, each_symbol

MAX_ORDERS = BATCH_CANCEL_ORDERS.max_items["orderList"]
Query = Callable[[OtherClient, Order], list[str]]
QUERIES: list[Query] = [
    lambda client, order: client.open_orders(order.symbol, 1),
    lambda client, order: client.order_info(order.client_oid),
]
each_query = pytest.mark.parametrize("query", QUERIES, ids=["unfilled-orders", "orderInfo"])


@each_symbol
@pytest.mark.parametrize("identifier", ["orderId", "clientOid"])
def test_full_batch_of_another_client_is_cancelled(
    other: ClientUnderTest, sandbox: RecordingSandbox, symbol: str, identifier: str
) -> None:
    """Fifty orders are cancelled by one request, the fifty-first is not, and the client can read the response."""
    *orders, other_order = sandbox.open_orders(MAX_ORDERS + 1, symbol=symbol)
    items = [{identifier: order.order_id if identifier == "orderId" else order.client_oid} for order in orders]
    accepted = other.client.cancel(symbol, items)
    assert accepted == [order.order_id for order in orders]
    assert [sandbox.orders[order_id].status for order_id in accepted] == ["cancelled"] * MAX_ORDERS
    assert sandbox.orders[other_order.order_id].is_open
    assert sandbox.codes == ["00000"]


def test_batch_with_a_wrong_secret_is_refused(other: ClientUnderTest, sandbox: RecordingSandbox) -> None:
    """With the right key and passphrase but a wrong secret, nothing is cancelled, and the client raises."""
    orders = sandbox.open_orders(MAX_ORDERS, symbol="BTCUSDT")
    client = other.client_with_wrong_secret
    with pytest.raises(client.refusal):
        client.cancel("BTCUSDT", [{"orderId": order.order_id} for order in orders])
    assert all(order.is_open for order in sandbox.orders.values())
    assert sandbox.codes == ["40009"]


@each_query
def test_query_of_another_client_is_accepted(other: ClientUnderTest, sandbox: RecordingSandbox, query: Query) -> None:
    """A GET with one or two keys in its query returns the newest order; with a wrong secret it is refused."""
    *_, newest = sandbox.open_orders(3, symbol="BTCUSDT")
    assert query(other.client, newest) == [newest.order_id]
    with pytest.raises(other.client_with_wrong_secret.refusal):
        query(other.client_with_wrong_secret, newest)
    assert sandbox.codes == ["00000", "40009"]


@each_query
@each_encoded_symbol
def test_query_must_be_signed_before_percent_encoding(
    other: ClientUnderTest, sandbox: RecordingSandbox, symbol: str, query: Query
) -> None:
    """The clients differ here; the exchange is known to refuse those that sign the encoded text, with 40009."""
    (order,) = sandbox.open_orders(1, symbol=symbol)
    if other.name in ACCEPTED_CLIENTS[symbol]:
        assert query(other.client, order) == [order.order_id]
        assert sandbox.codes == ["00000"]
    else:
        with pytest.raises(other.client.refusal):
            query(other.client, order)
        assert sandbox.codes == ["40009"]


@pytest.mark.parametrize("host", ["exchange.invalid", "localhost"])
def test_npm_client_looks_up_no_names(host: str) -> None:
    """The program for Node.js refuses to look up any host name, also that of this machine."""
    client = NpmBitgetApi(f"https://{host}", Credentials("key", "secret", "passphrase"))
    with pytest.raises(RuntimeError, match="loopback only"):
        client.order_info("any")
