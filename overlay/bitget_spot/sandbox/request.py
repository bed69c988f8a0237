"""A request on its way through the exchange, and what the ledger keeps of it."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from bitget_spot_api.operations import Operation


@frozen
class Arrival:
    """A request as it arrived at the exchange, and the response."""

    at: float
    """When it was counted, in seconds of `time.monotonic()`."""
    api_key: str
    """As sent, known or not; empty if the header was missing."""
    method: str
    path: str
    stamp_age: float | None
    """The server's time less ACCESS-TIMESTAMP, in seconds; None if the timestamp is not a number."""
    status: int | None = None
    """The HTTP status of the response; None while there is none, and if the connection was dropped."""
    code: str | None = None
    """The code of the response; None also if its body was not the exchange's envelope."""
    order_ids: tuple[str, ...] = ()
    """The orders in the body of the request, in its order: orderId, or else clientOid."""

    @property
    def order_count(self) -> int:
        """How many orders the request has."""
        return len(self.order_ids)


@define(eq=False)
class PendingRequest:
    """A request that has arrived."""

    arrival: Arrival
    operation: Operation
    headers: Mapping[str, str]
    remaining: int
    """The calls that the key has left in the current period."""
    refusal: str | None
    """The code of what is already wrong with it before its body has been read."""
    query: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    document: Any = None
    """The JSON value of the body; None if it is not JSON."""
    row_code: str | None = None
    """The code with which each order of a batch fails, if a fault says so."""


def requested_orders(document: object) -> tuple[str, ...]:
    """Return the ids of the orders in a body, as far as it can be read: in `orderList`, in a list, or of one order."""
    orders = document.get("orderList") if isinstance(document, dict) else document
    if isinstance(orders, list):
        return tuple(_order_id(item) for item in orders)
    single = _order_id(document)
    return (single,) if single else ()


def _order_id(item: object) -> str:
    fields = item if isinstance(item, dict) else {}
    return str(fields.get("orderId") or fields.get("clientOid") or "")
