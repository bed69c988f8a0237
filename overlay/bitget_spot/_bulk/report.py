"""What became of every order."""

from __future__ import annotations

import copyreg
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from attrs import frozen

from bitget_spot._bulk.confirmation import Confirmed
from bitget_spot._middleware.responses import words
from bitget_spot.errors import OrdersNotCancelledError
from bitget_spot_api.models import OrderRef
from bitget_spot_api.types import UNSET, Unset


class Status(StrEnum):
    """What is known of an order after the run."""

    ACCEPTED = "accepted"
    """The exchange has received the cancel. It runs asynchronously, and the order can still fill."""
    GONE = "gone"
    """There is nothing to cancel: filled, cancelled earlier, or never there; the exchange does not say which."""
    REJECTED = "rejected"
    """The exchange refused, and `code` says why."""
    UNKNOWN = "unknown"
    """It was sent, and no answer settles what became of it."""
    NOT_SENT = "not_sent"
    """It never left."""


SETTLED = frozenset({Status.ACCEPTED, Status.GONE})


@frozen
class Outcome:
    """
    What became of one order.

    Attributes:
        order: The very object that was given.
        status: What is known of it.
        code: The exchange's code, where it gave one.
        message: The exchange's words, or what went wrong on the way.
        tries: How often it was sent.
        confirmed: What the exchange said when it was asked afterwards; `None` where it was not, or no answer came.

    """

    order: OrderRef
    status: Status
    code: str | None = None
    message: str | None = None
    tries: int = 0
    confirmed: Confirmed | None = None

    def row(self) -> dict[str, Any]:
        """Make a flat record of it, in the vendor's words; what is absent is `None`."""
        return {
            "symbol": _absent(self.order.symbol),
            "orderId": _absent(self.order.order_id),
            "clientOid": _absent(self.order.client_oid),
            "status": str(self.status),
            "code": self.code,
            "message": self.message,
            "tries": self.tries,
            "confirmed": None if self.confirmed is None else str(self.confirmed),
        }


@frozen
class Report:
    """
    One outcome for every order given, in the order in which they were given.

    Attributes:
        outcomes: The outcomes.
        unmatched: Rows of answers that belong to no order that was asked for.
        remaining_calls: What the exchange last said of the calls left in its current window, of unknown length.

    """

    outcomes: tuple[Outcome, ...]
    unmatched: tuple[Mapping[str, Any], ...] = ()
    remaining_calls: int | None = None

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def counts(self) -> dict[Status, int]:
        """How many orders have each status; every status is there."""
        found = Counter(outcome.status for outcome in self.outcomes)
        return {status: found[status] for status in Status}

    def only(self, *statuses: Status) -> tuple[Outcome, ...]:
        """Answer the outcomes that have one of these statuses."""
        return tuple(outcome for outcome in self.outcomes if outcome.status in statuses)

    def orders(self, *statuses: Status) -> list[OrderRef]:
        """Answer the orders that have one of these statuses, to be given to `cancel_orders` again, say."""
        return [outcome.order for outcome in self.only(*statuses)]

    def rows(self) -> list[dict[str, Any]]:
        """Make a flat record of each outcome, for a table or a file."""
        return [outcome.row() for outcome in self.outcomes]

    def raise_for_failures(self) -> None:
        """
        Raise unless every order is accepted or gone.

        Raises:
            OrdersNotCancelledError: Some are rejected, unknown or were not sent; it carries this report.

        """
        if any(outcome.status not in SETTLED for outcome in self.outcomes):
            raise OrdersNotCancelledError(self)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items() if count)
        lines = [f"{len(self)} order{'s' * (len(self) != 1)}: {counts or 'nothing to do'}"]
        lines += [
            f"  {_name(outcome.order)}: {outcome.status}"
            + (f" {outcome.code}" if outcome.code else "")
            + (f" {outcome.message}" if outcome.message else "")
            + (f" ({outcome.confirmed})" if outcome.confirmed else "")
            for outcome in self.outcomes
            if outcome.status is not Status.ACCEPTED or outcome.confirmed not in (None, Confirmed.CANCELLED)
        ]
        if self.unmatched:
            lines.append(f"  {len(self.unmatched)} rows of the answers belong to no order that was asked for")
        return "\n".join(lines)


def _the_unset() -> Unset:
    return UNSET


def _by_name(_: Unset) -> tuple[Callable[[], Unset], tuple[()]]:
    return _the_unset, ()


# The generated code asks whether a field *is* UNSET, so a copy of it, out of a pickle say, would be sent.
copyreg.pickle(Unset, _by_name)


def _absent(value: str | Unset | None) -> str | None:
    return None if isinstance(value, Unset) else value


def _name(order: OrderRef) -> str:
    return words(_absent(order.order_id) or f"clientOid {_absent(order.client_oid)}")
