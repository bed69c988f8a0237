"""The sandbox in front of other people's clients: it takes what the exchange takes and refuses what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from interop.clients import NpmBitgetApi, OtherClient
from interop.stage import TAKEN_WITH, Other, RecordingSandbox, encoded, symbols

from bitget_spot import Credentials
from bitget_spot.sandbox import Order
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

FULL = BATCH_CANCEL_ORDERS.max_items["orderList"]
READERS: list[Callable[[OtherClient, Order], list[str]]] = [
    lambda client, order: client.open_orders(order.symbol, 1),
    lambda client, order: client.order_info(order.client_oid),
]
readers = pytest.mark.parametrize("read", READERS, ids=["unfilled-orders", "orderInfo"])


@symbols
@pytest.mark.parametrize("identifier", ["orderId", "clientOid"])
def test_a_full_batch_signed_by_another_client_is_cancelled(
    other: Other, sandbox: RecordingSandbox, symbol: str, identifier: str
) -> None:
    """Fifty orders are cancelled by one request, the fifty-first is not, and the client reads the answer so."""
    *orders, bystander = sandbox.open_orders(FULL + 1, symbol=symbol)
    asked = [{identifier: order.order_id if identifier == "orderId" else order.client_oid} for order in orders]
    accepted = other.client.cancel(symbol, asked)
    assert accepted == [order.order_id for order in orders]
    assert [sandbox.orders[order_id].status for order_id in accepted] == ["cancelled"] * FULL
    assert sandbox.orders[bystander.order_id].is_open
    assert sandbox.codes == ["00000"]


def test_a_batch_signed_with_another_secret_is_refused(other: Other, sandbox: RecordingSandbox) -> None:
    """Who has the key and the passphrase, but another secret, cancels nothing and learns so."""
    orders = sandbox.open_orders(FULL, symbol="BTCUSDT")
    with pytest.raises(other.impostor.refusal):
        other.impostor.cancel("BTCUSDT", [{"orderId": order.order_id} for order in orders])
    assert all(order.is_open for order in sandbox.orders.values())
    assert sandbox.codes == ["40009"]


@readers
def test_a_query_signed_by_another_client_is_answered(
    other: Other, sandbox: RecordingSandbox, read: Callable[[OtherClient, Order], list[str]]
) -> None:
    """A GET with one or two keys in its query finds the newest order; with another secret it finds nothing."""
    *_, newest = sandbox.open_orders(3, symbol="BTCUSDT")
    assert read(other.client, newest) == [newest.order_id]
    with pytest.raises(other.impostor.refusal):
        read(other.impostor, newest)
    assert sandbox.codes == ["00000", "40009"]


@readers
@encoded
def test_a_query_must_be_signed_before_it_is_percent_encoded(
    other: Other, sandbox: RecordingSandbox, symbol: str, read: Callable[[OtherClient, Order], list[str]]
) -> None:
    """The clients disagree here, and the exchange is known to answer 40009 to those that sign the encoded text."""
    (order,) = sandbox.open_orders(1, symbol=symbol)
    if other.name in TAKEN_WITH[symbol]:
        assert read(other.client, order) == [order.order_id]
        assert sandbox.codes == ["00000"]
    else:
        with pytest.raises(other.client.refusal):
            read(other.client, order)
        assert sandbox.codes == ["40009"]


@pytest.mark.parametrize("host", ["exchange.invalid", "localhost"])
def test_no_client_in_node_looks_up_a_name(host: str) -> None:
    """Not even that of this machine, which is called by its number."""
    client = NpmBitgetApi(f"https://{host}", Credentials("key", "secret", "passphrase"))
    with pytest.raises(RuntimeError, match="loopback only"):
        client.order_info("any")
