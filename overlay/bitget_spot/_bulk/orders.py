"""One order to cancel, and what it is found by."""

from __future__ import annotations

from typing import TypeAlias

from attrs import Factory, define

from bitget_spot._bulk.report import Outcome
from bitget_spot_api.models import OrderRef

OrderKey: TypeAlias = tuple[str, str]
"""What the exchange finds an order by: the kind of identifier, and the identifier."""


@define(eq=False)
class OrderTarget:
    """
    One order to cancel, however often it was given.

    Attributes:
        order: The order as it was first given.
        order_id: The exchange's id, if it was given; then it addresses the order.
        client_oid: The client's id, if it was given.
        symbol: The trading pair, if it is known.
        input_indices: Where the order is among those given.
        outcome: What is known about its cancel; `None` while nothing is.
        earlier_attempts: How often requests that are over have sent it.
        maybe_executed: One of them may have been executed although no response said so.

    """

    order: OrderRef
    order_id: str | None
    client_oid: str | None
    symbol: str | None
    input_indices: list[int] = Factory(list)
    outcome: Outcome | None = None
    earlier_attempts: int = 0
    maybe_executed: bool = False

    @property
    def key(self) -> OrderKey:
        """What the exchange finds it by."""
        if self.order_id is not None:
            return ("orderId", self.order_id)
        return ("clientOid", str(self.client_oid))
