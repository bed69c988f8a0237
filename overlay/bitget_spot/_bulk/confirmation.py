"""
What became of orders whose cancel is accepted, gone or unknown: ask the exchange.

The cheapest way comes first: the listings, a hundred orders a page. Open orders are searched before finished ones, so
that no order can move from the one listing to the other between the two requests. Orders in neither are looked up one by
one. Orders that are still open are searched again later, because a cancel is executed some time after it was accepted; so
are orders that the exchange does not find although it has accepted their cancel.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, field

from bitget_spot._bulk.accounts import ListedOrder, Stage
from bitget_spot._bulk.orders import OrderKey
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.recovery import is_temporary
from bitget_spot._bulk.report import Confirmed, Kind, Status
from bitget_spot._bulk.searches import ListingSearch, keys_of
from bitget_spot._concurrency import EffectGenerator
from bitget_spot.errors import BitgetError, InvalidResponseError

FIRST_PAUSE: Final = 0.2
MAX_PAUSE: Final = 2.0
"""Seconds between two searches for orders that are not confirmed yet."""
SINGLE_LOOKUP_MAX: Final = 4
"""Orders that are looked up one by one rather than searched for in the listings again."""
STALL_TIMEOUT: Final = 10.0
"""Seconds without any change after which the confirmation ends."""
STAGES: Final[tuple[Stage, Stage]] = ("open", "finished")
log: Final = logging.getLogger("bitget_spot.bulk")


@define
class Confirmation:
    """
    Asks what became of orders until none of them is open any more, or nothing has changed for too long.

    Attributes:
        queries: Sends the requests.
        kind: The kind of the orders.
        statuses: The status of the cancel of each order.
        confirmed: What the exchange said. An order for which it could not be asked in time is not in it.

    """

    queries: OrderQueries
    kind: Kind
    statuses: Mapping[OrderKey, Status]
    confirmed: dict[OrderKey, Confirmed]
    _pending: list[OrderKey] = field(init=False)
    _missing_before: list[OrderKey] | None = field(default=None, init=False)
    _not_found: set[OrderKey] = field(factory=set, init=False)
    """Orders that the exchange did not find, although it has received their cancel, or may have."""
    _unclear: set[OrderKey] = field(factory=set, init=False)
    """Orders that are finished in an unknown way."""

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
        account = self.queries.account
        try:
            missing = yield from self._search_listings()
            # An order on its way from the one listing to the other is found by the next search, with a hundred others.
            is_worthwhile = missing == self._missing_before or len(missing) <= SINGLE_LOOKUP_MAX
            if is_worthwhile and self.queries.account.can_look_up(self.kind):
                yield from self._look_up(missing)
            self._missing_before = missing
        except BitgetError as error:
            if self.queries.selection.switches_after(account, error):
                return
            if not is_temporary(error):
                raise
            log.warning("confirmation: %s; retrying", error)
        self._pending = [key for key in self._pending if self._is_pending(key)]

    def _is_pending(self, key: OrderKey) -> bool:
        return self.confirmed.get(key, Confirmed.LIVE) is Confirmed.LIVE and key not in self._unclear

    def _search_listings(self) -> EffectGenerator[list[OrderKey]]:
        """Search the open orders, then the finished ones; return the keys for which neither listing has a clear row."""
        missing = self._pending
        for stage in STAGES:
            search = ListingSearch(missing)
            try:
                yield from search.run(self.queries, stage, self.kind)
            finally:
                recorded = self._record(search.found)
            if stage == "finished" and not self.queries.account.can_look_up(self.kind):
                self._unclear |= set(search.found) - recorded
            missing = [key for key in missing if key not in recorded]
        return missing

    def _look_up(self, keys: Iterable[OrderKey]) -> EffectGenerator[None]:
        """Look orders up one by one."""
        for key in keys:
            id_field, value = key
            orders = yield from self.queries.look_up(key)
            matching = [order for order in orders if key in keys_of(order)]
            if matching:
                self._record({key: matching[0]})
            elif orders:
                raise InvalidResponseError(200, f"the response to a lookup of {id_field} {value} is another order")
            elif self.statuses[key] is Status.GONE:
                self.confirmed[key] = Confirmed.NOT_FOUND
            else:
                self._not_found.add(key)

    def _record(self, found: Mapping[OrderKey, ListedOrder]) -> set[OrderKey]:
        """Record what a listing says about orders; return the keys of those of which it says something."""
        recorded = set()
        for key, order in found.items():
            if order.confirmed is not None:
                self.confirmed[key] = order.confirmed
                self._not_found.discard(key)
                recorded.add(key)
        return recorded
