"""All orders that the kill switch knows of, and what it reports about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, evolve, field

from bitget_spot._bulk.accounts import ListedOrder, Row
from bitget_spot._bulk.accounts.base import optional_text
from bitget_spot._bulk.matcher import INTERRUPTED, match_rows
from bitget_spot._bulk.open_order import OpenOrder, first_seen
from bitget_spot._bulk.orders import OrderKey, OrderTarget
from bitget_spot._bulk.report import CONFIRMABLE, Confirmed, Kind, Outcome, Report, Status
from bitget_spot._bulk.symbol_cancels import SymbolCancel, SymbolCancels
from bitget_spot._middleware.context import RequestContext

NOT_LISTED: Final = "ended before it was listed"


@define
class SeenOrders:
    """
    The orders that were listed, or that ended while they were to be.

    Attributes:
        orders: The orders by order id, in the order in which they were first seen.
        confirmed: What the exchange said about them in the end.

    """

    orders: dict[str, OpenOrder] = field(factory=dict)
    confirmed: dict[OrderKey, Confirmed] = field(factory=dict)

    def see(self, order: ListedOrder) -> OpenOrder:
        """Return what is known about an order."""
        known = self.orders.get(order.order_id)
        if known is None:
            known = self.orders.setdefault(order.order_id, first_seen(len(self.orders), order))
        return known

    def record(self, targets: Iterable[OrderTarget], now: float) -> list[Outcome]:
        """Record the outcomes of cancels under way, each once, and return them."""
        outcomes = []
        for target in targets:
            open_order = self.orders[str(target.order_id)]
            if open_order.pending is target and target.outcome is not None:
                open_order.record(target.outcome, now)
                outcomes.append(evolve(target.outcome, kind=open_order.order.kind))
        return outcomes

    def record_interrupted(self, now: float) -> None:
        """Record the outcomes of cancels under way that have not been recorded because of an interrupt."""
        self.record([open_order.pending for open_order in self.orders.values() if open_order.pending is not None], now)

    def cover(
        self, cancel: SymbolCancel, covered: Iterable[OpenOrder], rows: Iterable[Row], now: float
    ) -> list[Outcome]:
        """
        Record what the successful cancel of a whole pair means for its orders, and return their outcomes.

        Args:
            cancel: The cancel.
            covered: The orders that had been listed before.
            rows: What its response says about single orders: those that it did not cancel, and others that it did.
            now: The time.

        """
        row_by_id = {optional_text(row.order_id): row for row in rows}
        new = [each for each in covered if each.order.order_id not in cancel.covered_ids]
        targets = [open_order.target() for open_order in new]
        relevant = [row_by_id.get(target.order_id) or Row(target.order_id) for target in targets]
        outcomes = []
        for open_order, matched in zip(new, match_rows(targets, relevant, RequestContext()).outcomes, strict=True):
            outcome = evolve(matched, attempts=cancel.attempts)
            open_order.combine(outcome, now)
            outcomes.append(outcome)
        outcomes += self.take_cancelled("normal", cancel.symbol, row_by_id.values(), cancel.attempts, now)
        cancel.covered_ids.update(str(outcome.order.order_id) for outcome in outcomes)
        return outcomes

    def take_cancelled(
        self, kind: Kind, symbol: str | None, rows: Iterable[Row], attempts: int, now: float
    ) -> list[Outcome]:
        """
        Take the orders that had not been listed when a request cancelled them, and return their outcomes.

        Args:
            kind: The kind of the orders.
            symbol: Their trading pair, if it is known.
            rows: What the response says about single orders.
            attempts: How often the request was sent.
            now: The time.

        """
        outcomes = []
        for row in rows:
            order_id = optional_text(row.order_id)
            if row.error is None and order_id is not None and order_id not in self.orders:
                open_order = self.see(ListedOrder(order_id, symbol=symbol, kind=kind))
                open_order.record(evolve(open_order.outcome, status=Status.ACCEPTED, attempts=attempts), now)
                outcomes.append(open_order.outcome)
        return outcomes

    def take_back(self, targets: Iterable[OrderTarget], attempts: int) -> None:
        """Count the attempts of cancels under way that were refused because the account is of the other type."""
        for target in targets:
            open_order = self.orders[str(target.order_id)]
            open_order.pending = None
            open_order.outcome = evolve(open_order.outcome, attempts=open_order.outcome.attempts + attempts)

    def take_finished(self, order: ListedOrder, started_at: int) -> bool:
        """
        Take an order from the finished orders if it is known, or has ended since the start.

        Args:
            order: The order.
            started_at: When the run began, in milliseconds since the epoch by the exchange's clock.

        Returns:
            Whether it was of interest.

        """
        is_recent = order.updated_at is not None and order.updated_at >= started_at
        if order.order_id not in self.orders:
            if not is_recent:
                return False
            open_order = self.see(order)
            open_order.outcome = evolve(open_order.outcome, status=Status.GONE, message=NOT_LISTED)
        if order.confirmed not in (None, Confirmed.LIVE):
            self.confirmed["orderId", order.order_id] = order.confirmed
        return True

    def unconfirmed(self, kind: Kind) -> dict[OrderKey, Status]:
        """Return the status of each order of a kind of which it is not known what became of it."""
        return {
            ("orderId", order_id): open_order.outcome.status
            for order_id, open_order in self.orders.items()
            if open_order.order.kind == kind
            and open_order.outcome.status in CONFIRMABLE
            and ("orderId", order_id) not in self.confirmed
        }

    def mark_live(self, order_ids: Iterable[str]) -> None:
        """Record that orders are open and cannot be cancelled."""
        for order_id in order_ids:
            self.confirmed["orderId", order_id] = Confirmed.LIVE

    def report(self, symbol_cancels: SymbolCancels) -> Report:
        """Return the report so far."""
        outcomes = tuple(self._outcomes(symbol_cancels))
        cancelled = tuple(cancel.symbol or symbol_cancels.account.category for cancel in symbol_cancels.succeeded())
        return Report(outcomes, confirm=True, symbols_cancelled=cancelled)

    def _outcomes(self, symbol_cancels: SymbolCancels) -> Iterator[Outcome]:
        for order_id, open_order in self.orders.items():
            outcome = open_order.outcome
            cancel = symbol_cancels.of(open_order.order) if outcome.status is Status.NOT_SENT else None
            if cancel is not None and symbol_cancels.may_have_been_executed(cancel):
                outcome = evolve(outcome, status=Status.UNKNOWN, message=INTERRUPTED, attempts=cancel.attempts)
            yield evolve(outcome, confirmed=self.confirmed.get(("orderId", order_id)))


def covered_orders(
    symbol_cancels: SymbolCancels, cancel: SymbolCancel, open_orders: Iterable[OpenOrder]
) -> list[OpenOrder]:
    """Return those of some orders that the cancel of a whole pair covers."""
    return [open_order for open_order in open_orders if symbol_cancels.of(open_order.order) is cancel]
