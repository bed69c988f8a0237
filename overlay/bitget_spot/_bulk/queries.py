"""Requests for orders, within the deadline of a run."""

from __future__ import annotations

import httpx
from attrs import frozen

from bitget_spot._bulk.accounts import Account, AccountSelection, Call, ListedOrder, Page, Position, Stage
from bitget_spot._bulk.jobs import effect_of
from bitget_spot._bulk.orders import OrderKey
from bitget_spot._bulk.report import Kind
from bitget_spot._concurrency import EffectGenerator, Waiter
from bitget_spot._middleware.context import CancelScope, RequestContext
from bitget_spot.client import SpotClient
from bitget_spot.errors import NetworkError, OrderNotFoundError


@frozen
class OrderQueries:
    """Requests for the orders of an account."""

    client: SpotClient
    scope: CancelScope
    selection: AccountSelection

    @property
    def account(self) -> Account:
        """The account, as far as its type is known."""
        return self.selection.account

    def page(self, stage: Stage, kind: Kind, symbol: str | None, position: Position | None) -> EffectGenerator[Page]:
        """
        Fetch a page of a listing.

        Raises:
            InvalidResponseError: The response is not a list of orders.
            NetworkError: The exchange cannot be reached.

        """
        account = self.account
        response = yield from self._fetch(account.list_orders(stage, kind, symbol, position))
        return account.read_page(kind, response, position)

    def all_orders(self, kind: Kind, symbol: str | None) -> EffectGenerator[list[ListedOrder]]:
        """Fetch every page of the open orders, newest first; an order that several pages show is in the list once."""
        orders: dict[str, ListedOrder] = {}
        position: Position | None = None
        while True:
            page = yield from self.page("open", kind, symbol, position)
            orders |= {order.order_id: order for order in page.orders}
            position = page.next_position
            if position is None:
                return list(orders.values())

    def look_up(self, key: OrderKey) -> EffectGenerator[list[ListedOrder]]:
        """Look up one normal order; an empty list if the exchange does not know it."""
        account = self.account
        try:
            response = yield from self._fetch(account.look_up(key))
        except OrderNotFoundError:
            return []
        return account.read_looked_up(response)

    def pause(self, seconds: float) -> EffectGenerator[None]:
        """Wait, unless the run is stopped meanwhile."""
        waiter = Waiter()
        with self.scope.wake_on_stop(waiter):
            yield waiter.wait(min(seconds, self.scope.remaining()))

    def _fetch(self, call: Call) -> EffectGenerator[object]:
        try:
            return (yield effect_of(call, self.client, RequestContext(self.scope)))
        except httpx.TransportError as error:
            raise network_error(error) from error


def network_error(error: httpx.TransportError) -> NetworkError:
    """Return the error that says that the exchange cannot be reached."""
    return NetworkError(f"{type(error).__name__}: {error}".rstrip(": "))
