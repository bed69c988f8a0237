"""
What became of orders whose cancel is accepted, gone or unknown: ask the exchange.

The cheapest way comes first. Listings are sorted, newest first, by `orderId`, and a page may begin at any id. So each
page begins at the largest id that is still unconfirmed, and confirms that one at least and up to a hundred. Open orders
are searched before finished ones, so that no order can move from the one listing to the other between the two requests.
Orders in neither are looked up one by one. Orders that are still open are searched again later, because a cancel is
executed some time after it was accepted; so are orders that the exchange does not find although it has accepted their
cancel.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Final

from attrs import define, field

from bitget_spot._bulk.planner import OrderKey
from bitget_spot._bulk.queries import PAGE_SIZE, OrderQueries, last_id
from bitget_spot._bulk.recovery import is_temporary
from bitget_spot._bulk.report import Confirmed, Status
from bitget_spot._concurrency import EffectGenerator
from bitget_spot.errors import BitgetError, InvalidResponseError
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import Order

FIRST_PAUSE: Final = 0.2
MAX_PAUSE: Final = 2.0
"""Seconds between two searches for orders that are not confirmed yet."""
SINGLE_LOOKUP_MAX: Final = 4
"""Orders that are looked up one by one rather than searched for in the listings again."""
STALL_TIMEOUT: Final = 10.0
"""Seconds without any change after which the confirmation ends."""
OPEN_STATUSES: Final = ("live", "new", "init", "partially_filled")
CANCELLED_STATUSES: Final = ("cancelled", "canceled")
MAX_ID_DIGITS: Final = 40
"""Longer than any id of the exchange; Python does not convert numbers of any length."""
log: Final = logging.getLogger("bitget_spot")


@define
class Confirmation:
    """
    Asks what became of orders until none of them is open any more, or nothing has changed for too long.

    Attributes:
        queries: Sends the requests.
        statuses: The status of the cancel of each order.
        confirmed: What the exchange said. An order for which it could not be asked in time is not in it.

    """

    queries: OrderQueries
    statuses: Mapping[OrderKey, Status]
    confirmed: dict[OrderKey, Confirmed]
    _pending: list[OrderKey] = field(init=False)
    _missing_before: list[OrderKey] | None = field(default=None, init=False)
    _not_found: set[OrderKey] = field(factory=set, init=False)
    """Orders that the exchange did not find, although it has received their cancel, or may have."""

    def __attrs_post_init__(self) -> None:
        self._pending = list(self.statuses)

    def run(self) -> EffectGenerator[None]:
        """
        Search until every order is confirmed, for as long as there is progress.

        Raises:
            BitgetError: An error that is not temporary.
            RunStopped: The run has ended.

        """
        scope = self.queries.scope
        pause = FIRST_PAUSE
        give_up_at = scope.clock() + STALL_TIMEOUT
        while self._pending:
            pending_before = len(self._pending)
            yield from self._search_once()
            if len(self._pending) < pending_before:
                give_up_at = scope.clock() + STALL_TIMEOUT
                pause = FIRST_PAUSE
            if scope.clock() + pause > give_up_at:
                break
            if scope.remaining() <= pause:
                return
            if self._pending:
                yield from self.queries.pause(pause)
                pause = min(2 * pause, MAX_PAUSE)
        for key in self._not_found:
            self.confirmed[key] = Confirmed.NOT_FOUND

    def _search_once(self) -> EffectGenerator[None]:
        try:
            missing = yield from self._search_listings()
            # An order on its way from the one listing to the other is found by the next search, with a hundred others.
            if missing == self._missing_before or len(missing) <= SINGLE_LOOKUP_MAX:
                yield from self._look_up(missing)
            self._missing_before = missing
        except BitgetError as error:
            if not is_temporary(error):
                raise
            log.warning("confirmation: %s; retrying", error)
        self._pending = [key for key in self._pending if self.confirmed.get(key, Confirmed.LIVE) is Confirmed.LIVE]

    def _search_listings(self) -> EffectGenerator[list[OrderKey]]:
        """Search the open orders, then the finished ones; return the keys for which neither listing has a clear row."""
        missing = self._pending
        for listing in (get_unfilled_orders, get_history_orders):
            search = _ListingSearch(missing)
            try:
                yield from search.run(self.queries, listing)
            finally:
                recorded = self._record(search.found)
            missing = [key for key in missing if key not in recorded]
        return missing

    def _look_up(self, keys: Iterable[OrderKey]) -> EffectGenerator[None]:
        """Look orders up one by one."""
        for key in keys:
            id_field, value = key
            argument = {"order_id": value} if id_field == "orderId" else {"client_oid": value}
            rows = yield from self.queries.fetch(get_order_info, **argument)
            matching = [row for row in rows if key in keys_of(row)]
            if matching:
                self._record({key: matching[0]})
            elif rows:
                raise InvalidResponseError(200, f"the response to a lookup of {id_field} {value} is another order")
            elif self.statuses[key] is Status.GONE:
                self.confirmed[key] = Confirmed.NOT_FOUND
            else:
                self._not_found.add(key)

    def _record(self, found: Mapping[OrderKey, Order]) -> set[OrderKey]:
        """Record what rows say about their orders; return the keys of those that say something."""
        recorded = set()
        for key, row in found.items():
            confirmed = confirmed_status(row)
            if confirmed is not None:
                self.confirmed[key] = confirmed
                self._not_found.discard(key)
                recorded.add(key)
        return recorded


class _ListingSearch:
    """A search for orders in a listing, in as few pages as possible."""

    def __init__(self, keys: Iterable[OrderKey]) -> None:
        self.found: dict[OrderKey, Order] = {}
        self._wanted = set(keys)
        numbers = [_number(value) for id_field, value in self._wanted if id_field == "orderId"]
        self._ids = sorted(number for number in numbers if number)
        """The wanted order ids, smallest first."""
        self._client_oids = sum(id_field == "clientOid" for id_field, _ in self._wanted)
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
        """Take the wanted orders from a page; return how many there were."""
        matches = 0
        # Newest first: of several orders with one clientOid, the newest is the one that is meant.
        for row in page:
            for key in keys_of(row):
                if key in self._wanted:
                    self._wanted.remove(key)
                    self.found[key] = row
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


def keys_of(row: Order) -> tuple[OrderKey, OrderKey]:
    """Return the keys under which an order may be wanted."""
    return ("orderId", str(row.order_id)), ("clientOid", str(row.client_oid))


def _number(text: str) -> int:
    """Return an order id as a number; 0 if it is not one."""
    return int(text) if re.fullmatch(f"[0-9]{{1,{MAX_ID_DIGITS}}}", text) else 0


def confirmed_status(row: Order) -> Confirmed | None:
    """
    Return what a row says about its order.

    Returns:
        `None` if the status is unknown, or if a cancelled order has no readable volume: then it is not known whether a
        part of it was filled.

    """
    if row.status in OPEN_STATUSES:
        return Confirmed.LIVE
    if row.status == "filled":
        return Confirmed.FILLED
    if row.status not in CANCELLED_STATUSES:
        return None
    try:
        volume = float(str(row.base_volume))
    except ValueError:
        return None
    if volume > 0:
        return Confirmed.PARTLY_FILLED
    return Confirmed.CANCELLED if volume == 0 else None
