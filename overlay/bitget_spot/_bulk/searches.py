"""
Search a listing for orders, in as few pages as possible.

There are two ways. If a page may begin at any order id, each page begins at the largest id that is still wanted, so it
finds that one at least and up to a hundred. If pages follow one another by cursor, they are read in sequence for as long
as that costs no more than to look the missing orders up one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bitget_spot._bulk.accounts import ListedOrder, Position, Stage
from bitget_spot._bulk.orders import OrderKey
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.report import Kind
from bitget_spot._concurrency import EffectGenerator

MAX_ID_DIGITS: Final = 40
"""Longer than any id of the exchange; Python does not convert numbers of any length."""


class ListingSearch:
    """
    A search for orders in one listing.

    Attributes:
        found: The orders that were found, by the key under which they were wanted.

    """

    def __init__(self, keys: Iterable[OrderKey]) -> None:
        self.found: dict[OrderKey, ListedOrder] = {}
        self._wanted = set(keys)

    def run(self, queries: OrderQueries, stage: Stage, kind: Kind) -> EffectGenerator[None]:
        """Fetch pages until every order is found, or further pages are of no use."""
        if queries.account.pages_by_id:
            yield from self._run_by_id(queries, stage, kind)
        else:
            yield from self._run_by_cursor(queries, stage, kind)

    def _run_by_id(self, queries: OrderQueries, stage: Stage, kind: Kind) -> EffectGenerator[None]:
        numbers = [_number(value) for id_field, value in self._wanted if id_field == "orderId"]
        ids = sorted(number for number in numbers if number)
        before: int | None = None
        if not self._wants_client_oids():
            if not ids:
                return
            before = ids[-1] + 1
        # Without `before`: the position of an order with a clientOid is not known, but it is likely to be near the top.
        while True:
            position = None if before is None else queries.account.position_of(before - 1)
            page = yield from queries.page(stage, kind, None, position)
            matches = self._match(page.orders)
            oldest = 0 if page.next_position is None else _number(page.orders[-1].order_id)
            if before is not None and oldest >= before:
                return  # not sorted by id, so no position can be computed
            before = self._next_id(ids, oldest, matches)
            if not before:
                return

    def _next_id(self, ids: list[int], oldest: int, matches: int) -> int:
        """Return the id before which the next page begins; 0 if the search is over."""
        while ids and ids[-1] >= oldest:
            ids.pop()
        if oldest and self._wants_client_oids() and matches:
            return oldest
        return ids[-1] + 1 if ids else 0

    def _run_by_cursor(self, queries: OrderQueries, stage: Stage, kind: Kind) -> EffectGenerator[None]:
        position: Position | None = None
        pages_without_match = 0
        windows = 0
        while True:
            page = yield from queries.page(stage, kind, None, position)
            pages_without_match = 0 if self._match(page.orders) else pages_without_match + 1
            if len(self._wanted) <= pages_without_match:
                return
            position = page.next_position
            if position is None and stage == "finished":
                position = queries.account.older_position(windows)
                windows += 1
            if position is None:
                return

    def _match(self, orders: Iterable[ListedOrder]) -> int:
        """Take the wanted orders from a page; return how many there were."""
        matches = 0
        # Newest first: of several orders with one clientOid, the newest is the one that is meant.
        for order in orders:
            for key in keys_of(order):
                if key in self._wanted:
                    self._wanted.remove(key)
                    self.found[key] = order
                    matches += 1
        return matches

    def _wants_client_oids(self) -> bool:
        return any(id_field == "clientOid" for id_field, _ in self._wanted)


def keys_of(order: ListedOrder) -> tuple[OrderKey, OrderKey]:
    """Return the keys under which an order may be wanted."""
    return ("orderId", order.order_id), ("clientOid", str(order.client_oid))


def _number(text: str) -> int:
    """Return an order id as a number; 0 if it is not one."""
    return int(text) if re.fullmatch(f"[0-9]{{1,{MAX_ID_DIGITS}}}", text) else 0
