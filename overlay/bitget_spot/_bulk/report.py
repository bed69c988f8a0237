"""The outcome of every order, and the report of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

from attrs import field, frozen

from bitget_spot._middleware.responses import printable
from bitget_spot.errors import OrdersNotCancelledError
from bitget_spot_api.models import OrderRef
from bitget_spot_api.types import Unset

Kind: TypeAlias = Literal["normal", "tpsl", "plan"]
"""The kinds of orders: normal, TP/SL (take profit and stop loss), and plan (trigger) orders."""


class Status(StrEnum):
    """What is known about the cancel of an order."""

    ACCEPTED = "accepted"
    """The exchange has received the cancel. It executes it asynchronously, and the order can still fill."""
    GONE = "gone"
    """There is nothing to cancel: filled, cancelled earlier or never there. The exchange does not say which."""
    REJECTED = "rejected"
    """The exchange refused the cancel, and `code` says why."""
    UNKNOWN = "unknown"
    """The cancel was sent, and no response says what became of it."""
    NOT_SENT = "not_sent"
    """No request for it has left, or the exchange refused each before it looked at any order."""


class Confirmed(StrEnum):
    """What the exchange says about an order afterwards, when asked for it."""

    CANCELLED = "cancelled"
    """It was cancelled, and nothing of it was filled."""
    FILLED = "filled"
    """It was filled before the cancel was executed: the position that it opens or closes exists."""
    PARTLY_FILLED = "partly_filled"
    """A part of it was filled, and the rest was cancelled."""
    TRIGGERED = "triggered"
    """Only TP/SL and trigger orders: it was triggered, and became a normal order with another id."""
    LIVE = "live"
    """It is still open."""
    NOT_FOUND = "not_found"
    """The exchange does not know it, or does not know it any more."""


DONE: Final = frozenset({Status.ACCEPTED, Status.GONE})
"""The statuses after which there is nothing left to send."""
CONFIRMABLE: Final = frozenset({Status.ACCEPTED, Status.GONE, Status.UNKNOWN})
"""The statuses that say nothing about what became of the order."""


@frozen
class Outcome:
    """
    The outcome of one order.

    Attributes:
        order: The object that you passed in.
        status: What is known about the cancel.
        code: The exchange's code, if it gave one.
        message: The exchange's message, or what went wrong on the way.
        attempts: How often the cancel was sent.
        confirmed: What the exchange said about the order afterwards; `None` if it was not asked or did not respond.
        kind: The kind of the order, as far as it is known: `cancel_orders` cancels normal ones.
        error: The exception behind the status; `None` for an accepted order, and if no response mentions the order.

    """

    order: OrderRef
    status: Status
    code: str | None = None
    message: str | None = None
    attempts: int = 0
    confirmed: Confirmed | None = None
    kind: Kind = "normal"
    error: Exception | None = field(default=None, eq=False, repr=False)

    def row(self) -> dict[str, Any]:
        """Return a flat record, with the vendor's names for the fields of the order; `None` for what is absent."""
        return {
            "symbol": _optional_text(self.order.symbol),
            "orderId": _optional_text(self.order.order_id),
            "clientOid": _optional_text(self.order.client_oid),
            "status": str(self.status),
            "code": self.code,
            "message": self.message,
            "attempts": self.attempts,
            "confirmed": None if self.confirmed is None else str(self.confirmed),
            "kind": self.kind,
        }

    def __str__(self) -> str:
        kind = "" if self.kind == "normal" else f"{self.kind} "
        parts = [f"{kind}{_order_name(self.order)}: {self.status}"]
        parts += [printable(part) for part in (self.code, self.message) if part]
        if self.confirmed:
            parts.append(f"({self.confirmed})")
        return " ".join(parts)


@frozen
class Report:
    """
    One outcome for each order, in the order of the input. You can iterate over it.

    Attributes:
        outcomes: The outcomes.
        unmatched: Rows of responses that belong to none of the orders.
        remaining_calls: What the exchange last reported as the calls left in the current second.
        confirm: Whether the exchange was to be asked afterwards what became of the orders.
        symbols_cancelled: The trading pairs, or the category, all of whose orders were cancelled by one request.

    """

    outcomes: tuple[Outcome, ...]
    unmatched: tuple[Mapping[str, Any], ...] = ()
    remaining_calls: int | None = None
    confirm: bool = False
    symbols_cancelled: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    @property
    def counts(self) -> dict[Status, int]:
        """How many orders have each status; every status is present."""
        counts = Counter(outcome.status for outcome in self.outcomes)
        return {status: counts[status] for status in Status}

    def only(self, *statuses: Status) -> tuple[Outcome, ...]:
        """Return the outcomes with one of these statuses."""
        return tuple(outcome for outcome in self.outcomes if outcome.status in statuses)

    def orders(self, *statuses: Status) -> list[OrderRef]:
        """Return the orders with one of these statuses, for example to pass them to `cancel_orders` again."""
        return [outcome.order for outcome in self.only(*statuses)]

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat record of each outcome, for a table or a file."""
        return [outcome.row() for outcome in self.outcomes]

    def raise_for_failures(self, *, confirmed: bool = False) -> None:
        """
        Raise unless every order is accepted or gone.

        Args:
            confirmed: Raise also for orders that the exchange has not confirmed as cancelled: filled, partly filled,
                still open, or not confirmed. An order that is gone and that the exchange does not find passes.

        Raises:
            OrdersNotCancelledError: Some orders failed; it carries this report.

        """
        if not all(is_done(outcome, confirmed=confirmed) for outcome in self.outcomes):
            raise OrdersNotCancelledError(self)

    def __str__(self) -> str:
        counts = summary_of(self)
        plural = "" if len(self) == 1 else "s"
        lines = [f"{len(self)} order{plural}: {counts or 'nothing to do'}{self._confirmed_counts()}"]
        lines += [f"  {outcome}" for outcome in self.outcomes if needs_attention(outcome, confirmed=self.confirm)]
        if self.symbols_cancelled:
            lines.append(f"  cancelled as a whole: {', '.join(printable(name) for name in self.symbols_cancelled)}")
        if self.unmatched:
            lines.append(f"  rows of the responses without an order of this run: {len(self.unmatched)}")
        return "\n".join(lines)

    def _confirmed_counts(self) -> str:
        """Return how many orders have each confirmation, as text; empty if the exchange was not asked."""
        if not self.confirm or not self.outcomes:
            return ""
        counts = Counter(outcome.confirmed for outcome in self.outcomes if outcome.status in CONFIRMABLE)
        parts = [f"{counts[confirmed]} {confirmed}" for confirmed in Confirmed if counts[confirmed]]
        if counts[None]:
            parts.append(f"{counts[None]} unknown")
        return f"; confirmed: {', '.join(parts) or 'none'}"


def needs_attention(outcome: Outcome, *, confirmed: bool) -> bool:
    """
    Return whether an order is listed when a report is printed.

    Args:
        outcome: The outcome of the order.
        confirmed: Whether the exchange was asked afterwards what became of the order.

    """
    if outcome.status not in (Status.ACCEPTED, Status.GONE):
        return True
    if outcome.confirmed is None:
        return confirmed or outcome.status is Status.GONE
    return outcome.confirmed is not Confirmed.CANCELLED


def is_done(outcome: Outcome, *, confirmed: bool) -> bool:
    """
    Return whether there is nothing left to do about an order.

    Args:
        outcome: The outcome of the order.
        confirmed: Whether the exchange must have confirmed that the order is not open any more, and was not filled.

    """
    if outcome.confirmed is Confirmed.CANCELLED:
        return True
    if outcome.status not in DONE:
        return False
    return not confirmed or outcome.confirmed is Confirmed.NOT_FOUND


def summary_of(report: Report) -> str:
    """Return how many orders have each status, as text; empty if there are no orders."""
    return ", ".join(f"{count} {status}" for status, count in report.counts.items() if count)


def report_of(error: BaseException) -> Report | None:
    """
    Return the report that an exception carries because it ended a run.

    Args:
        error: Any exception, for example a `KeyboardInterrupt` or an `asyncio.CancelledError`.

    Returns:
        The outcomes so far; `None` if the exception did not end a run.

    """
    report = getattr(error, "report", None)
    return report if isinstance(report, Report) else None


def attach_report(error: BaseException, report: Report) -> None:
    """Let an exception carry a report, as the attribute `report`."""
    vars(error)["report"] = report


def _optional_text(value: str | Unset | None) -> str | None:
    return None if isinstance(value, Unset) else value


def _order_name(order: OrderRef) -> str:
    order_id = _optional_text(order.order_id)
    return printable(order_id or f"clientOid {_optional_text(order.client_oid)}")
