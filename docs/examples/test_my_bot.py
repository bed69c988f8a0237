"""Test the bot of `my_bot.py` against a sandbox; the fixture comes with the extra `sandbox`."""

import pytest
from my_bot import leave_the_market

from bitget_spot import connect
from bitget_spot.sandbox import Sandbox

FAULTS = ["drop-after", "html-520", "delay=0.2", "429", "missing-rows", "code=45001"]


@pytest.mark.parametrize("fault", FAULTS)
def test_leaves_the_market_despite_faults(bitget_sandbox: Sandbox, fault: str) -> None:
    """Every order is cancelled, although the first response is lost, late or unreadable."""
    bitget_sandbox.inject(fault)
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        assert leave_the_market(client, list(bitget_sandbox.orders)) == []
    assert {order.status for order in bitget_sandbox.orders.values()} == {"cancelled"}


def test_returns_filled_orders(bitget_sandbox: Sandbox) -> None:
    """Orders that were filled before the cancel, completely or in part, are returned."""
    order_ids = list(bitget_sandbox.orders)[:5]
    bitget_sandbox.fill(order_ids[1])
    bitget_sandbox.fill(order_ids[3], partially=True)
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        assert leave_the_market(client, order_ids) == [order_ids[1], order_ids[3]]


def test_keeps_the_rate_limit(bitget_sandbox: Sandbox) -> None:
    """With any number of orders, the exchange never receives too many requests in a second."""
    bitget_sandbox.open_orders(600)
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        leave_the_market(client, list(bitget_sandbox.orders))
    assert bitget_sandbox.worst_window() <= 10
    assert 429 not in {arrival.status for arrival in bitget_sandbox.arrivals}
