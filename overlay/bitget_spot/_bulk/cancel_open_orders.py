"""
The kill switch: cancel every open order, and look again until none is left.

    report = cancel_open_orders.sync(client=client)

It lists the open orders, cancels them and lists them again, so orders that appear meanwhile are found too. In the end it
asks what became of every order that it has seen. It reports, and ends early, like `cancel_orders`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, evolve, field

from bitget_spot._bulk import cancel_orders
from bitget_spot._bulk.confirmation import FIRST_PAUSE, OrderQueries, confirm
from bitget_spot._bulk.planner import OrderKey
from bitget_spot._bulk.report import Confirmed, Outcome, Report, Status, attach_report, report_of
from bitget_spot._bulk.runner import Outcomes, ProgressCallback
from bitget_spot._concurrency import Effect, EffectGenerator, run_async, run_sync
from bitget_spot._middleware.context import CancelScope, RunStopped
from bitget_spot.client import require_spot_client
from bitget_spot.errors import DeadlineExceeded
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.models import Order, OrderRef

__all__ = ["asyncio", "find", "find_asyncio", "sync"]

RESEND_INTERVAL: Final = 2.0
"""Seconds that a cancel has to be executed before it is sent again."""
MAX_REJECTIONS: Final = 2
"""Rejections after which an order is left alone."""
SIDES: Final = ("buy", "sell")


def sync(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[str] | None = None,
    deadline: float | None = None,
    on_progress: ProgressCallback | None = None,
) -> Report:
    """
    Cancel every open order, and wait in this thread.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.
        deadline: Seconds from now after which no further request leaves; by default there is none.
        on_progress: Called in this thread with the outcomes of each batch when they are known.

    Returns:
        One outcome for each open order that was seen, with what became of it (`outcome.confirmed`).

    Raises:
        ValueError: `symbols` or `sides` is empty or not valid, or the deadline is not valid; nothing was sent.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: The exchange refuses every request.
        DeadlineExceeded: The deadline passed first.

    """
    canceller = _canceller(client, symbols, sides, deadline, on_progress)
    with canceller.reporting():
        run_sync(canceller.run())
    return canceller.report()


async def asyncio(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[str] | None = None,
    deadline: float | None = None,
    on_progress: ProgressCallback | None = None,
) -> Report:
    """
    Cancel every open order from a task.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.
        deadline: Seconds from now after which no further request leaves; by default there is none.
        on_progress: Called in this task with the outcomes of each batch when they are known.

    Returns:
        One outcome for each open order that was seen, with what became of it (`outcome.confirmed`).

    Raises:
        ValueError: `symbols` or `sides` is empty or not valid, or the deadline is not valid; nothing was sent.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: The exchange refuses every request.
        DeadlineExceeded: The deadline passed first.

    """
    canceller = _canceller(client, symbols, sides, deadline, on_progress)
    with canceller.reporting():
        await run_async(canceller.run())
    return canceller.report()


def find(*, client: Client, symbols: Iterable[str] | None = None, sides: Iterable[str] | None = None) -> list[Order]:
    """
    Return the open orders that `sync` would cancel, without cancelling them.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.

    Raises:
        ValueError: `symbols` or `sides` is empty or not valid; nothing was sent.
        BitgetError, httpx.TransportError: The orders could not be listed.

    """
    return run_sync(_canceller(client, symbols, sides, None, None).find())


async def find_asyncio(
    *, client: Client, symbols: Iterable[str] | None = None, sides: Iterable[str] | None = None
) -> list[Order]:
    """
    Return the open orders that `asyncio` would cancel, without cancelling them.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.

    Raises:
        ValueError: `symbols` or `sides` is empty or not valid; nothing was sent.
        BitgetError, httpx.TransportError: The orders could not be listed.

    """
    return await run_async(_canceller(client, symbols, sides, None, None).find())


def _canceller(
    client: Client,
    symbols: Iterable[str] | None,
    sides: Iterable[str] | None,
    deadline: float | None,
    on_progress: ProgressCallback | None,
) -> OpenOrderCanceller:
    spot_client = require_spot_client(client)
    pairs = list(dict.fromkeys(symbol.upper() for symbol in _text_list("symbols", symbols)))
    chosen_sides = _text_list("sides", sides)
    for side in chosen_sides:
        if side not in SIDES:
            raise ValueError(f"sides: {side!r} is not a side; use buy or sell")
    scope = CancelScope.with_timeout(deadline)
    return OpenOrderCanceller(OrderQueries(spot_client, scope), pairs, chosen_sides, on_progress)


@define
class OpenOrderCanceller:
    """
    One run of the kill switch.

    Attributes:
        queries: Lists orders.
        symbols: The trading pairs; all if empty.
        sides: The sides; both if empty.
        on_progress: Called with the outcomes of each batch.
        seen: The outcome of each order that was listed, by order id.
        sent_at: When the cancel of an order was last sent.
        rejections: How often an order was rejected.
        confirmations: What became of the orders.
        unrecorded: The orders of the batches under way.

    """

    queries: OrderQueries
    symbols: Collection[str]
    sides: Collection[str]
    on_progress: ProgressCallback | None
    seen: dict[str, Outcome] = field(factory=dict)
    sent_at: dict[str, float] = field(factory=dict)
    rejections: dict[str, int] = field(factory=dict)
    confirmations: dict[OrderKey, Confirmed] = field(factory=dict)
    unrecorded: set[str] = field(factory=set)

    def run(self) -> EffectGenerator[None]:
        """List and cancel until nothing is left, then ask what became of the orders."""
        try:
            while True:
                orders = yield from self.find()
                due = [order for order in orders if self._is_due(str(order.order_id))]
                if due:
                    yield self._cancel(due)
                elif orders:
                    yield from self.queries.pause(FIRST_PAUSE)
                else:
                    break
            yield from confirm(self.queries, [("orderId", order_id) for order_id in self.seen], self.confirmations)
        except RunStopped:
            raise DeadlineExceeded("the deadline passed before every open order had an outcome") from None

    def find(self) -> EffectGenerator[list[Order]]:
        """Return the open orders that are to be cancelled."""
        orders: list[Order] = []
        filters: list[dict[str, str]] = [{"symbol": symbol} for symbol in self.symbols] or [{}]
        for arguments in filters:
            orders += yield from self.queries.fetch_all(get_unfilled_orders, **arguments)
        return [order for order in orders if self._is_wanted(order)]

    def _is_wanted(self, order: Order) -> bool:
        if self.sides and order.side not in self.sides:
            return False
        return self.rejections.get(str(order.order_id), 0) < MAX_REJECTIONS

    def _is_due(self, order_id: str) -> bool:
        sent_at = self.sent_at.get(order_id)
        return sent_at is None or self.queries.scope.clock() - sent_at >= RESEND_INTERVAL

    def _cancel(self, orders: list[Order]) -> Effect:
        scope = self.queries.scope
        client = self.queries.client
        refs = [OrderRef(symbol=str(order.symbol or "").upper(), order_id=str(order.order_id)) for order in orders]
        for ref in refs:
            order_id = str(ref.order_id)
            self.seen.setdefault(order_id, Outcome(ref, Status.NOT_SENT))
            self.unrecorded.add(order_id)
        deadline = None if scope.deadline is None else scope.remaining()
        return Effect(
            lambda: cancel_orders.sync(client=client, orders=refs, deadline=deadline, on_progress=self._on_batch),
            lambda: cancel_orders.asyncio(client=client, orders=refs, deadline=deadline, on_progress=self._on_batch),
        )

    def _on_batch(self, outcomes: Outcomes) -> None:
        for outcome in outcomes:
            self._record(outcome, self.queries.scope.clock())
        if self.on_progress is not None:
            self.on_progress(outcomes)

    def _record(self, outcome: Outcome, now: float) -> None:
        """Combine the outcome of one round with those of the rounds before."""
        order_id = str(outcome.order.order_id)
        earlier = self.seen[order_id]
        self.unrecorded.discard(order_id)
        if outcome.status is Status.REJECTED:
            self.rejections[order_id] = self.rejections.get(order_id, 0) + 1
        elif outcome.attempts:
            self.sent_at[order_id] = now
        combined = combined_outcome(earlier, outcome)
        self.seen[order_id] = evolve(combined, attempts=earlier.attempts + outcome.attempts)

    def report(self) -> Report:
        """Return the report so far."""
        outcomes = [
            evolve(outcome, confirmed=self.confirmations.get(("orderId", order_id)))
            for order_id, outcome in self.seen.items()
        ]
        return Report(tuple(outcomes))

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Let whatever ends the run early carry the report."""
        try:
            yield
        except BaseException as error:
            # The report of the round under way has outcomes that `_on_batch` has not received.
            round_report = report_of(error)
            if round_report is not None:
                for outcome in round_report:
                    if str(outcome.order.order_id) in self.unrecorded:
                        self._record(outcome, self.queries.scope.clock())
            attach_report(error, self.report())
            raise


def combined_outcome(earlier: Outcome, later: Outcome) -> Outcome:
    """Return what two rounds say together about an order that was still listed as open after the first."""
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


def _text_list(name: str, values: Iterable[str] | None) -> list[str]:
    """Return a filter as a list, empty for no filter; a filter that is given must not be empty."""
    if values is None:
        return []
    items: list[object] = [] if isinstance(values, str) else list(values)
    texts = [item.strip() for item in items if isinstance(item, str)]
    if not items or len(texts) < len(items) or not all(texts):
        raise ValueError(f"{name}: {values!r} is not a list of texts; give one, or leave it out for all")
    return texts


def __dir__() -> list[str]:
    return __all__
