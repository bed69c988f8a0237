"""
What became of orders whose cancel is accepted, gone or unknown: ask the exchange.

The cheapest way comes first. Listings are sorted, newest first, by `orderId`, and a page may begin at any id. So each
page begins at the largest id that is still unconfirmed, and confirms that one at least and up to a hundred. Open orders
are searched before finished ones, so that no order can move from the one listing to the other between the two requests.
Orders in neither are looked up one by one. Orders that are still open are searched again later, because a cancel is
executed some time after it was accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import ModuleType
from typing import Final

from attrs import frozen

from bitget_spot._bulk.planner import OrderKey
from bitget_spot._bulk.report import Confirmed
from bitget_spot._concurrency import Effect, EffectGenerator, Waiter
from bitget_spot._middleware.context import REQUEST_CONTEXT, CancelScope, RequestContext
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import Order, OrdersResponse
from bitget_spot_api.operations import GET_HISTORY_ORDERS

PAGE_SIZE: Final = GET_HISTORY_ORDERS.maxima["limit"]
FIRST_PAUSE: Final = 0.2
MAX_PAUSE: Final = 2.0
"""Seconds between two searches for orders that are still open."""
SINGLE_LOOKUP_MAX: Final = 4
"""Orders that are looked up one by one rather than searched for in the listings again."""
STALL_TIMEOUT: Final = 10.0
"""Seconds without any change after which the orders that are still open are reported as such."""
MAX_ID_DIGITS: Final = 40
"""Longer than any id of the exchange; Python does not convert numbers of any length."""


@frozen
class OrderQueries:
    """Requests for orders, within the deadline of a run."""

    client: Client
    scope: CancelScope

    def fetch(self, operation: ModuleType, **arguments: object) -> EffectGenerator[list[Order]]:
        """Call a generated function that returns orders."""
        context = RequestContext(self.scope)

        def fetch_sync() -> object:
            token = REQUEST_CONTEXT.set(context)
            try:
                return operation.sync(client=self.client, **arguments)
            finally:
                REQUEST_CONTEXT.reset(token)

        async def fetch_async() -> object:
            token = REQUEST_CONTEXT.set(context)
            try:
                return await operation.asyncio(client=self.client, **arguments)
            finally:
                REQUEST_CONTEXT.reset(token)

        response = yield Effect(fetch_sync, fetch_async)
        rows = response.data if isinstance(response, OrdersResponse) else None
        return [row for row in rows if isinstance(row, Order)] if isinstance(rows, list) else []

    def pause(self, seconds: float) -> EffectGenerator[None]:
        """Wait, unless the run is stopped meanwhile."""
        waiter = Waiter()
        with self.scope.wake_on_stop(waiter):
            yield waiter.wait(min(seconds, self.scope.remaining()))

    def fetch_all(self, operation: ModuleType, **arguments: object) -> EffectGenerator[list[Order]]:
        """Fetch every page of a listing, newest first."""
        orders: list[Order] = []
        while True:
            page = yield from self.fetch(operation, **arguments, limit=PAGE_SIZE)
            oldest_id = last_id(page)
            if oldest_id and oldest_id == arguments.get("id_less_than"):
                return orders  # the same page again
            orders += page
            if not oldest_id:
                return orders
            arguments["id_less_than"] = oldest_id


def last_id(page: list[Order]) -> str:
    """Return the id after which the next page begins; empty if there is no next page."""
    if len(page) < PAGE_SIZE:
        return ""
    return str(page[-1].order_id or "")


def confirm(
    queries: OrderQueries, keys: Iterable[OrderKey], confirmed: dict[OrderKey, Confirmed]
) -> EffectGenerator[None]:
    """
    Ask what became of orders until none of them is open any more, or nothing has changed for too long.

    Args:
        queries: Sends the requests.
        keys: The orders.
        confirmed: Receives each order as soon as it is known; an order that could not be asked for in time is not in it.

    """
    scope = queries.scope
    pending = list(dict.fromkeys(keys))
    missing_before: list[OrderKey] | None = None
    pause = FIRST_PAUSE
    give_up_at = scope.clock() + STALL_TIMEOUT
    while pending:
        missing = yield from _search_listings(queries, pending, confirmed)
        # An order on its way from the one listing to the other is found by the next search, with a hundred others.
        if missing == missing_before or len(missing) <= SINGLE_LOOKUP_MAX:
            yield from _look_up(queries, missing, confirmed)
        missing_before = missing
        still_open = [key for key in pending if confirmed.get(key, Confirmed.LIVE) is Confirmed.LIVE]
        if len(still_open) < len(pending):
            give_up_at = scope.clock() + STALL_TIMEOUT
            pause = FIRST_PAUSE
        pending = still_open
        if scope.clock() + pause > give_up_at or scope.remaining() <= pause:
            return
        if pending:
            yield from queries.pause(pause)
            pause = min(2 * pause, MAX_PAUSE)


def _search_listings(
    queries: OrderQueries, keys: list[OrderKey], confirmed: dict[OrderKey, Confirmed]
) -> EffectGenerator[list[OrderKey]]:
    """Search the open orders, then the finished ones; return the keys that are in neither listing."""
    missing = keys
    for listing in (get_unfilled_orders, get_history_orders):
        search = _ListingSearch(missing, confirmed)
        yield from search.run(queries, listing)
        missing = [key for key in missing if key in search.wanted]
    return missing


def _look_up(
    queries: OrderQueries, keys: Iterable[OrderKey], confirmed: dict[OrderKey, Confirmed]
) -> EffectGenerator[None]:
    """Look orders up one by one."""
    for key in keys:
        id_field, value = key
        argument = {"order_id": value} if id_field == "orderId" else {"client_oid": value}
        orders = yield from queries.fetch(get_order_info, **argument)
        confirmed[key] = confirmed_status(orders[0]) if orders else Confirmed.NOT_FOUND


class _ListingSearch:
    """A search for orders in a listing, in as few pages as possible."""

    def __init__(self, keys: Iterable[OrderKey], confirmed: dict[OrderKey, Confirmed]) -> None:
        self.wanted = set(keys)
        self._confirmed = confirmed
        numbers = [_number(value) for id_field, value in self.wanted if id_field == "orderId"]
        self._ids = sorted(number for number in numbers if number)
        """The wanted order ids, smallest first."""
        self._client_oids = sum(id_field == "clientOid" for id_field, _ in self.wanted)
        """How many orders are wanted by clientOid."""

    def run(self, queries: OrderQueries, listing: ModuleType) -> EffectGenerator[None]:
        """Fetch pages until every order is found or the listing has ended."""
        if self._client_oids:
            # Their position is not known, but they are likely to be among the newest.
            before = None
        elif self._ids:
            before = self._ids[-1] + 1
        else:
            return
        while True:
            arguments = {} if before is None else {"id_less_than": str(before)}
            page = yield from queries.fetch(listing, **arguments, limit=PAGE_SIZE)
            matches = self._match(page)
            oldest = _number(last_id(page))
            if before is not None and oldest >= before:
                return  # not sorted by id, so no position can be computed
            before = self._next_position(oldest, matches)
            if not before:
                return

    def _match(self, page: list[Order]) -> int:
        """Confirm the wanted orders of a page; return how many there were."""
        matches = 0
        # Newest first: of several orders with one clientOid, the newest is the one that is meant.
        for order in page:
            keys: tuple[OrderKey, OrderKey] = (("orderId", str(order.order_id)), ("clientOid", str(order.client_oid)))
            for key in keys:
                if key in self.wanted:
                    self.wanted.remove(key)
                    self._confirmed[key] = confirmed_status(order)
                    self._client_oids -= key[0] == "clientOid"
                    matches += 1
        return matches

    def _next_position(self, oldest: int, matches: int) -> int:
        """Return the id before which the next page begins; 0 if the search is over."""
        while self._ids and self._ids[-1] >= oldest:
            self._ids.pop()
        if oldest and self._client_oids and matches:
            return oldest
        return self._ids[-1] + 1 if self._ids else 0


def _number(text: str) -> int:
    """Return an order id as a number; 0 if it is not one."""
    return int(text) if re.fullmatch(f"[0-9]{{1,{MAX_ID_DIGITS}}}", text) else 0


def confirmed_status(order: Order) -> Confirmed:
    """Return what a row of a listing says about its order."""
    if order.status == "filled":
        return Confirmed.FILLED
    if order.status not in ("cancelled", "canceled"):
        return Confirmed.LIVE
    try:
        return Confirmed.PARTLY_FILLED if float(str(order.base_volume)) > 0 else Confirmed.CANCELLED
    except ValueError:
        return Confirmed.CANCELLED
