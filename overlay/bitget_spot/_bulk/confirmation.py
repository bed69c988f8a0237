"""
What really became of orders whose cancel was accepted, gone or unknown: asked, not assumed.

Cheapest way first. Orders are listed newest first, by `orderId`, and a page may begin at any id: so each page begins at
the largest id that is still unsettled, and settles that one at least, mostly a hundred. The open orders are looked
through before the finished ones, so that none slips from the one list to the other between the two questions, and what
is in neither is asked for by itself. Whoever is still open is asked again later, for a cancel is carried out some time
after it was accepted.

The rule is written once, as a generator of `Do` steps, which `_link.drive` and `drive_in_task` run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from types import ModuleType
from typing import Final

from attrs import frozen

from bitget_spot._concurrency import Bell
from bitget_spot._middleware.base import Do, Steps
from bitget_spot._middleware.context import TRAIL, Run, Trail
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import Order, OrdersResponse
from bitget_spot_api.operations import GET_HISTORY_ORDERS

PAGE: Final = GET_HISTORY_ORDERS.maxima["limit"]
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 2.0
FEW: Final = 5
"""How many orders are rather asked for one by one than looked for in pages again."""
PATIENCE: Final = 10.0
"""Seconds without any change after which the orders that are still open are called so."""

Address = tuple[str, str]


class Confirmed(StrEnum):
    """What the exchange says of an order when asked for it."""

    CANCELLED = "cancelled"
    """It was cancelled, and nothing of it has filled."""
    FILLED = "filled"
    """It filled before the cancel was carried out: the position it opens or closes is there."""
    PARTLY_FILLED = "partly_filled"
    """Part of it filled, and the rest was cancelled."""
    LIVE = "live"
    """It is still open."""
    NOT_FOUND = "not_found"
    """The exchange does not know it, or no longer."""


@frozen
class Asker:
    """Who asks: the client, and the run whose end is heeded."""

    client: Client
    run: Run

    def ask(self, module: ModuleType, **arguments: object) -> Steps[list[Order]]:
        """Call a generated function that answers orders."""
        trail = Trail(self.run)

        def in_thread() -> object:
            token = TRAIL.set(trail)
            try:
                return module.sync(client=self.client, **arguments)
            finally:
                TRAIL.reset(token)

        async def in_task() -> object:
            token = TRAIL.set(trail)
            try:
                return await module.asyncio(client=self.client, **arguments)
            finally:
                TRAIL.reset(token)

        answer = yield Do(in_thread, in_task)
        data = answer.data if isinstance(answer, OrdersResponse) else None
        return [row for row in data if isinstance(row, Order)] if isinstance(data, list) else []

    def pause(self, seconds: float) -> Steps[None]:
        """Wait, unless the run is stopped meanwhile."""
        bell = Bell()
        with self.run.waking(bell):
            yield bell.wait(min(seconds, self.run.left()))

    def every_page(self, module: ModuleType, **arguments: object) -> Steps[list[Order]]:
        """Read a list of orders to its end, newest first."""
        found: list[Order] = []
        while True:
            page = yield from self.ask(module, **arguments, limit=PAGE)
            oldest = str(page[-1].order_id) if len(page) == PAGE else ""
            if oldest and oldest == arguments.get("id_less_than"):
                return found  # the same page again
            found += page
            if not oldest:
                return found
            arguments["id_less_than"] = oldest


def confirm(asker: Asker, addresses: Iterable[Address], known: dict[Address, Confirmed]) -> Steps[None]:
    """
    Ask what became of orders until none of them is open any more, or nothing changes for too long.

    Args:
        asker: Who asks.
        addresses: The orders, as the kind of identifier and the identifier.
        known: Is told of each order as it is known; one that nobody could be asked about in time is not in it.

    """
    unsettled, missing, pause = list(dict.fromkeys(addresses)), [("", "")], FIRST_PAUSE
    until = asker.run.clock() + PATIENCE
    while unsettled:
        found: dict[Address, Order | None] = {}
        for module in (get_unfilled_orders, get_history_orders):
            yield from _from_pages(asker, module, [one for one in unsettled if one not in found], found, known)
        before, missing = missing, [one for one in unsettled if one not in found]
        # An order on its way from the one list to the other is found in the next round, a hundred at a time.
        if missing == before or len(missing) < FEW:
            for kind, name in missing:
                argument = {"order_id": name} if kind == "orderId" else {"client_oid": name}
                orders = yield from asker.ask(get_order_info, **argument)
                known[kind, name] = _meaning(orders[0] if orders else None)
        left = [one for one in unsettled if known.get(one, Confirmed.LIVE) is Confirmed.LIVE]
        if len(left) < len(unsettled):
            until, pause = asker.run.clock() + PATIENCE, FIRST_PAUSE
        unsettled = left
        if asker.run.clock() + pause > until or asker.run.left() <= pause:
            return
        if unsettled:
            yield from asker.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _from_pages(
    asker: Asker,
    module: ModuleType,
    addresses: list[Address],
    found: dict[Address, Order | None],
    known: dict[Address, Confirmed],
) -> Steps[None]:
    wanted = set(addresses)
    ids = sorted(filter(None, (_number(name) for kind, name in addresses if kind == "orderId")), reverse=True)
    # Those known by clientOid alone are likely to be among the newest: from there on, page by page.
    start = None if any(kind == "clientOid" for kind, _ in addresses) else ids[0] + 1 if ids else 0
    while start != 0:
        before = {} if start is None else {"id_less_than": str(start)}
        page = yield from asker.ask(module, **before, limit=PAGE)
        # The newest of those that had the same clientOid is the one that is meant.
        names = [(("orderId", str(one.order_id)), ("clientOid", str(one.client_oid)), one) for one in reversed(page)]
        hits = {one: order for *both, order in names for one in both if one in wanted and one not in found}
        found |= hits
        known |= {address: _meaning(order) for address, order in hits.items()}
        oldest = str(page[-1].order_id) if len(page) == PAGE else ""
        last = _number(oldest)
        if start is not None and last >= start:
            return  # a list in another order than the one that makes jumping safe
        ids = [one for one in ids if one < last]
        by_client_oid = any(kind == "clientOid" and (kind, name) not in found for kind, name in addresses)
        start = last if last and by_client_oid and hits else ids[0] + 1 if ids else 0


def _number(name: str) -> int:
    # No exchange counts so far, and Python would not read any number of digits.
    return int(name) if re.fullmatch(r"[0-9]{1,40}", name) else 0


def _meaning(order: Order | None) -> Confirmed:
    if order is None:
        return Confirmed.NOT_FOUND
    if order.status == "filled":
        return Confirmed.FILLED
    if order.status in ("cancelled", "canceled"):
        try:
            return Confirmed.PARTLY_FILLED if float(str(order.base_volume)) > 0 else Confirmed.CANCELLED
        except ValueError:
            return Confirmed.CANCELLED
    return Confirmed.LIVE
