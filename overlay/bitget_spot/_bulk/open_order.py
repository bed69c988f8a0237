"""What the kill switch knows about one open order. Pure."""

from __future__ import annotations

from typing import Final

from attrs import define, evolve

from bitget_spot._bulk.accounts import ListedOrder
from bitget_spot._bulk.orders import OrderTarget
from bitget_spot._bulk.recovery import is_temporary
from bitget_spot._bulk.report import Outcome, Status
from bitget_spot_api.models import OrderRef

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


@define(eq=False)
class OpenOrder:
    """
    One order that was listed as open.

    Attributes:
        index: How many orders were seen before it.
        order: The order as it was first listed.
        outcome: The outcome of its cancels so far.
        cancels: How many cancels the exchange has received.
        rejections: How many cancels it has rejected for a reason that is not temporary.
        enough_cancels_at: When the last cancel was recorded that had to be sent before the order counts as one that
            cannot be cancelled.
        next_cancel_at: When the next cancel may be sent.
        pending: The cancel under way, whose outcome has not been recorded.

    """

    index: int
    order: ListedOrder
    outcome: Outcome
    cancels: int = 0
    rejections: int = 0
    enough_cancels_at: float = float("inf")
    next_cancel_at: float = float("-inf")
    pending: OrderTarget | None = None

    def begin_cancel(self) -> OrderTarget:
        """Return the target of another cancel, which begins a new count of attempts."""
        self.pending = self.target()
        return self.pending

    def target(self) -> OrderTarget:
        """Return a new target, which has no outcome yet."""
        return OrderTarget(self.outcome.order, self.order.order_id, None, self.order.symbol, [self.index])

    def record(self, outcome: Outcome, now: float) -> None:
        """Record the outcome of the cancel under way."""
        self.pending = None
        self.combine(outcome, now)

    def combine(self, outcome: Outcome, now: float) -> None:
        """Combine the outcome of another cancel with those before; the one under way stays so."""
        self.next_cancel_at = now + RETRY_INTERVAL
        if outcome.status is Status.REJECTED:
            # A request that was refused because of its number says nothing about the order.
            self.rejections += outcome.error is None or not is_temporary(outcome.error)
        elif outcome.status in (Status.ACCEPTED, Status.GONE):
            self.cancels += 1
            if self.cancels == MAX_CANCELS:
                self.enough_cancels_at = now
            self.next_cancel_at = now + RESEND_INTERVAL
        attempts = self.outcome.attempts + outcome.attempts
        combined = combined_outcome(self.outcome, outcome)
        self.outcome = evolve(combined, attempts=attempts, kind=self.order.kind)

    def is_due(self, now: float) -> bool:
        """Return whether to send a cancel of the order, which is listed, now."""
        return self.pending is None and now >= self.next_cancel_at and not self.cannot_be_cancelled(now)

    def cannot_be_cancelled(self, now: float) -> bool:
        """Return whether further cancels of the order, which is still listed, are useless."""
        if self.rejections >= MAX_REJECTIONS:
            return True
        return now - self.enough_cancels_at >= CANCEL_TIMEOUT


def first_seen(index: int, order: ListedOrder) -> OpenOrder:
    """Return the state of an order that is seen for the first time."""
    return OpenOrder(index, order, Outcome(order_ref(order), Status.NOT_SENT, kind=order.kind))


def order_ref(order: ListedOrder) -> OrderRef:
    """Return what identifies a listed order in a report."""
    if order.symbol is None or not order.symbol.isascii():
        return OrderRef(order_id=order.order_id)
    return OrderRef(symbol=order.symbol.upper(), order_id=order.order_id)


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
