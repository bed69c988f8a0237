"""The kill switch: finds open orders, cancels them, and looks again until none is left."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Self

from attrs import define, evolve, field, frozen

from bitget_spot._bulk.confirmation import Confirmation
from bitget_spot._bulk.planner import OrderKey, check_symbol, plan_batches
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.recovery import ends_listing
from bitget_spot._bulk.report import CONFIRMABLE, Confirmed, Outcome, Report, Status, attach_report
from bitget_spot._bulk.runner import BatchRunner, Outcomes, ProgressCallback
from bitget_spot._concurrency import EffectGenerator
from bitget_spot._middleware.context import RunStopped
from bitget_spot.errors import BitgetError, DeadlineExceeded
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.models import Order, OrderRef

SIDES: Final = ("buy", "sell")
EMPTY_LISTINGS: Final = 2
"""Empty listings in a row after which nothing is open."""
LISTING_INTERVAL: Final = 0.2
"""Seconds between two listings if there is nothing to cancel."""
MAX_LISTING_INTERVAL: Final = 2.0
"""Seconds: the longest pause before the next attempt to list orders."""
RESEND_INTERVAL: Final = 2.0
"""Seconds that an accepted cancel has to be executed before it is sent again."""
RETRY_INTERVAL: Final = 0.5
"""Seconds before the cancel of an order is sent again that was rejected, or whose result is unknown."""
MAX_REJECTIONS: Final = 2
"""Rejections after which an order cannot be cancelled."""
MAX_CANCELS: Final = 3
"""Cancels that the exchange has received after which an order should not be listed any more."""
CANCEL_TIMEOUT: Final = 10.0
"""An order that is still listed so many seconds after so many cancels cannot be cancelled."""
log: Final = logging.getLogger("bitget_spot")


@frozen
class OrderFilter:
    """Which orders to cancel: those of these trading pairs and sides; all if empty."""

    symbols: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()

    @classmethod
    def from_arguments(cls, symbols: Iterable[str] | None, sides: Iterable[str] | None) -> Self:
        """
        Return the filter for the arguments of the public functions.

        Raises:
            ValueError: They are empty or not valid.

        """
        symbol_list = _text_list("symbols", symbols)
        for symbol in symbol_list:
            check_symbol("symbols", symbol)
        side_list = _text_list("sides", sides)
        for side in side_list:
            if side not in SIDES:
                raise ValueError(f"sides: {side!r} is not a side; use buy or sell")
        return cls(tuple(dict.fromkeys(symbol.upper() for symbol in symbol_list)), tuple(side_list))

    def includes(self, order: Order) -> bool:
        """Return whether a listed order is one to cancel."""
        return not self.sides or order.side in self.sides


@define
class OpenOrder:
    """
    What is known about one order that was listed as open.

    Attributes:
        outcome: The outcome of its cancels so far.
        cancels: How many cancels the exchange has received.
        rejections: How many cancels it has rejected.
        enough_cancels_at: When the last cancel was recorded that had to be sent before the order counts as one that
            cannot be cancelled.
        next_cancel_at: When the next cancel may be sent.
        recorded: The outcome of the cancel under way is in `outcome`.

    """

    outcome: Outcome
    cancels: int = 0
    rejections: int = 0
    enough_cancels_at: float = float("inf")
    next_cancel_at: float = float("-inf")
    recorded: bool = True

    def record(self, outcome: Outcome, now: float) -> None:
        """Combine the outcome of another cancel with those before."""
        self.recorded = True
        self.next_cancel_at = now + RETRY_INTERVAL
        if outcome.status is Status.REJECTED:
            self.rejections += 1
        elif outcome.status in (Status.ACCEPTED, Status.GONE):
            self.cancels += 1
            if self.cancels == MAX_CANCELS:
                self.enough_cancels_at = now
            self.next_cancel_at = now + RESEND_INTERVAL
        attempts = self.outcome.attempts + outcome.attempts
        self.outcome = evolve(combined_outcome(self.outcome, outcome), attempts=attempts)

    def cannot_be_cancelled(self, now: float) -> bool:
        """Return whether further cancels of the order, which is still listed, are useless."""
        if self.rejections >= MAX_REJECTIONS:
            return True
        return now - self.enough_cancels_at >= CANCEL_TIMEOUT


@define
class OpenOrderCanceller:
    """
    One run of the kill switch.

    Attributes:
        queries: Lists orders.
        order_filter: Which orders to cancel.
        on_progress: Called with the outcomes of each batch.
        seen: Each order that was listed, by order id.
        confirmed: What became of the orders.

    """

    queries: OrderQueries
    order_filter: OrderFilter
    on_progress: ProgressCallback | None
    seen: dict[str, OpenOrder] = field(factory=dict)
    confirmed: dict[OrderKey, Confirmed] = field(factory=dict)
    _batch_runner: BatchRunner | None = None
    _listing_error: BitgetError | None = None
    _has_listed: bool = False

    def run(self) -> EffectGenerator[None]:
        """
        List and cancel until nothing is left, then ask what became of the orders.

        Raises:
            BaseException: Whatever ended the run early.

        """
        try:
            yield from self._cancel_until_clear()
            yield from self._confirm()
        except RunStopped:
            pass
        else:
            return
        if self._has_listed:
            message = f"the deadline passed while orders may still be open: {self._summary()}"
            raise DeadlineExceeded(message) from self._listing_error
        if self._listing_error is not None:
            raise self._listing_error
        raise DeadlineExceeded("the deadline passed before the open orders could be listed")

    def find(self) -> EffectGenerator[list[Order]]:
        """Return the open orders that are to be cancelled; only a second empty listing means that there are none."""
        orders = yield from self._list_once()
        if not orders:
            yield from self.queries.pause(LISTING_INTERVAL)
            orders = yield from self._list_once()
        return orders

    def _list_once(self) -> EffectGenerator[list[Order]]:
        orders: list[Order] = []
        for symbol in self.order_filter.symbols or (None,):
            arguments = {} if symbol is None else {"symbol": symbol}
            orders += yield from self.queries.fetch_all(get_unfilled_orders, **arguments)
        return [order for order in orders if self.order_filter.includes(order)]

    def _cancel_until_clear(self) -> EffectGenerator[None]:
        empty_listings = 0
        interval = LISTING_INTERVAL
        while True:
            orders = yield from self._list()
            if orders is None:
                empty_listings = 0
                yield from self._pause(interval)
                interval = min(2 * interval, MAX_LISTING_INTERVAL)
                continue
            interval = LISTING_INTERVAL
            empty_listings = 0 if orders else empty_listings + 1
            if empty_listings == EMPTY_LISTINGS or self._only_stuck_orders(orders):
                return
            due = [order for order in orders if self._is_due(order)]
            if due:
                yield from self._cancel(due)
            else:
                yield from self._pause(interval)

    def _list(self) -> EffectGenerator[list[Order] | None]:
        """
        Return the open orders; `None` after an error that may be gone later.

        Raises:
            BitgetError: The error is not temporary.

        """
        try:
            orders = yield from self._list_once()
        except BitgetError as error:
            if ends_listing(error):
                raise
            log.warning("cannot list the open orders: %s; trying again", error)
            self._listing_error = error
            return None
        self._has_listed = True
        self._listing_error = None
        return orders

    def _pause(self, seconds: float) -> EffectGenerator[None]:
        """
        Wait before the next listing.

        Raises:
            RunStopped: The run ends first.

        """
        yield from self.queries.pause(seconds)
        if self.queries.scope.remaining() <= 0:
            raise RunStopped

    def _only_stuck_orders(self, orders: list[Order]) -> bool:
        """Return whether only orders are listed that cannot be cancelled; record that they are open."""
        now = self.queries.scope.clock()
        stuck = []
        for order in orders:
            open_order = self.seen.get(str(order.order_id))
            if open_order is None or not open_order.cannot_be_cancelled(now):
                return False
            stuck.append(str(order.order_id))
        for order_id in stuck:
            self.confirmed["orderId", order_id] = Confirmed.LIVE
        return bool(stuck)

    def _is_due(self, order: Order) -> bool:
        open_order = self.seen.get(str(order.order_id))
        if open_order is None:
            return True
        now = self.queries.scope.clock()
        return now >= open_order.next_cancel_at and not open_order.cannot_be_cancelled(now)

    def _cancel(self, orders: list[Order]) -> EffectGenerator[None]:
        refs = [_order_ref(order) for order in orders]
        for ref in refs:
            open_order = self.seen.setdefault(str(ref.order_id), OpenOrder(Outcome(ref, Status.NOT_SENT)))
            open_order.recorded = False
        runner = BatchRunner(self.queries.client, plan_batches(refs, None, None), self.queries.scope, self._on_batch)
        self._batch_runner = runner
        yield from runner.send_batches()
        if runner.fatal_error is not None:
            raise runner.fatal_error
        if self.queries.scope.remaining() <= 0:
            raise RunStopped

    def _on_batch(self, outcomes: Outcomes) -> None:
        self._record(outcomes)
        if self.on_progress is not None:
            self.on_progress(outcomes)

    def _record(self, outcomes: Iterable[Outcome]) -> None:
        """Record the outcomes of the batches under way, each once."""
        for outcome in outcomes:
            open_order = self.seen[str(outcome.order.order_id)]
            if not open_order.recorded:
                open_order.record(outcome, self.queries.scope.clock())

    def _confirm(self) -> EffectGenerator[None]:
        statuses = {}
        for order_id, open_order in self.seen.items():
            key = ("orderId", order_id)
            if open_order.outcome.status in CONFIRMABLE and key not in self.confirmed:
                statuses[key] = open_order.outcome.status
        yield from Confirmation(self.queries, statuses, self.confirmed).run()

    def report(self) -> Report:
        """Return the report so far."""
        outcomes = [
            evolve(open_order.outcome, confirmed=self.confirmed.get(("orderId", order_id)))
            for order_id, open_order in self.seen.items()
        ]
        return Report(tuple(outcomes), confirm=True)

    def _summary(self) -> str:
        counts = self.report().counts
        return ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no order was listed"

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Let whatever ends the run early carry the report."""
        try:
            yield
        except BaseException as error:
            if self._batch_runner is not None:
                # Outcomes that `_on_batch` has not received.
                self._record(self._batch_runner.interrupted_report())
            attach_report(error, self.report())
            raise


def combined_outcome(earlier: Outcome, later: Outcome) -> Outcome:
    """Return what two cancels say together about an order that was still listed as open after the first."""
    if earlier.status is Status.ACCEPTED:
        return earlier  # that a second cancel does not find it says no more
    if earlier.status is Status.GONE and later.status is Status.REJECTED:
        # Reported as gone, still listed as open, and refused: these contradict each other.
        return evolve(later, status=Status.UNKNOWN)
    if later.status is Status.NOT_SENT and earlier.attempts:
        return earlier
    if later.status is Status.REJECTED and earlier.status is Status.UNKNOWN:
        return earlier  # an earlier attempt may have been executed
    return later


def _order_ref(order: Order) -> OrderRef:
    order_id = str(order.order_id)
    if not isinstance(order.symbol, str) or not order.symbol.isascii():
        return OrderRef(order_id=order_id)
    return OrderRef(symbol=order.symbol.upper(), order_id=order_id)


def _text_list(name: str, values: Iterable[str] | None) -> list[str]:
    """Return a filter as a list, empty for no filter; a filter that is given must not be empty."""
    if values is None:
        return []
    items: list[object] = [] if isinstance(values, str) else list(values)
    texts = [item.strip() for item in items if isinstance(item, str)]
    if not items or len(texts) < len(items) or not all(texts):
        raise ValueError(f"{name}: {values!r} is not a list of texts; give one, or leave it out for all")
    return texts
