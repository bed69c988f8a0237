"""The bot of `my_bot.py`, tested against a sandbox; the fixture is of the extra `sandbox`."""

import pytest
from my_bot import leave_the_market

from bitget_spot import connect
from bitget_spot.sandbox import Sandbox

FAULTS = ["drop-after", "html-520", "delay=0.2", "429", "missing-rows", "code=45001"]


@pytest.mark.parametrize("fault", FAULTS)
def test_it_leaves_whatever_the_exchange_does(bitget_sandbox: Sandbox, fault: str) -> None:
    """Every order is cancelled, although the first answer is lost, late or unreadable."""
    bitget_sandbox.inject(fault)
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        assert leave_the_market(client, list(bitget_sandbox.orders)) == []
    assert {order.status for order in bitget_sandbox.orders.values()} == {"cancelled"}


def test_it_tells_what_has_filled_before_the_cancel(bitget_sandbox: Sandbox) -> None:
    """An order that fills first is named, whatever part of it has filled; the others are not."""
    order_ids = list(bitget_sandbox.orders)[:5]
    bitget_sandbox.fill(order_ids[1])
    bitget_sandbox.fill(order_ids[3], partially=True)
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        assert leave_the_market(client, order_ids) == [order_ids[1], order_ids[3]]


def test_it_stays_within_the_limit(bitget_sandbox: Sandbox) -> None:
    """However many orders there are, the exchange never sees too many requests in a second."""
    bitget_sandbox.open_orders(600)
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        leave_the_market(client, list(bitget_sandbox.orders))
    assert bitget_sandbox.worst_window() <= 10
    assert 429 not in {arrival.status for arrival in bitget_sandbox.arrivals}
