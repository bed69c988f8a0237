"""
The kill switch: whatever is open is found, cancelled and asked for again, until nothing is left.

    report = cancel_open_orders.sync(client=client)

It goes round: list the open orders, cancel them, list again, so that orders which appear meanwhile are found too; and
in the end it asks what became of every order it has met. It reports, and ends early, as `cancel_orders` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, evolve, field

from bitget_spot._bulk import cancel_orders
from bitget_spot._bulk.confirmation import FIRST_PAUSE, Address, Asker, Confirmed, confirm
from bitget_spot._bulk.report import Outcome, Report, Status
from bitget_spot._middleware.base import Do, Steps, drive, drive_in_task
from bitget_spot._middleware.context import Halted, Run
from bitget_spot.errors import DeadlineExceeded
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.models import Order, OrderRef

__all__ = ["asyncio", "sync"]

AGAIN: Final = 2.0
"""Seconds that a cancel is given to be carried out before it is sent again."""
REJECTIONS: Final = 2
"""How often an order may be rejected before it is left alone."""


def sync(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[str] | None = None,
    deadline: float | None = None,
    on_progress: cancel_orders.Progress | None = None,
) -> Report:
    """
    Cancel every open order from threads, and tell what became of each.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs; all without it.
        sides: Only orders to `buy`, or to `sell`; both without it.
        deadline: Seconds from now after which no further request leaves.
        on_progress: As for `cancel_orders.sync`.

    Returns:
        One outcome for every open order that was met, each asked for afterwards (`outcome.confirmed`).

    Raises:
        ValueError: Symbols or sides are given, and hold nothing, or no such side.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: Going on was senseless.
        DeadlineExceeded: The deadline passed first.

    """
    switch = _Switch.open(client, symbols, sides, deadline, on_progress)
    with switch.reporting():
        drive(switch.rounds())
    return switch.report()


async def asyncio(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[str] | None = None,
    deadline: float | None = None,
    on_progress: cancel_orders.Progress | None = None,
) -> Report:
    """Cancel every open order from tasks; in all else as `sync`."""
    switch = _Switch.open(client, symbols, sides, deadline, on_progress)
    with switch.reporting():
        await drive_in_task(switch.rounds())
    return switch.report()


@define
class _Switch:
    """What the rounds have met and done so far."""

    asker: Asker
    symbols: Collection[str]
    sides: Collection[str]
    on_progress: cancel_orders.Progress | None
    met: dict[str, Outcome] = field(factory=dict)
    sent_at: dict[str, float] = field(factory=dict)
    rejections: dict[str, int] = field(factory=dict)
    known: dict[Address, Confirmed] = field(factory=dict)
    untold: set[str] = field(factory=set)

    @classmethod
    def open(
        cls,
        client: Client,
        symbols: Iterable[str] | None,
        sides: Iterable[str] | None,
        deadline: float | None,
        on_progress: cancel_orders.Progress | None,
    ) -> _Switch:
        pairs = list(dict.fromkeys(pair.upper() for pair in _chosen("symbols", symbols)))
        chosen = _chosen("sides", sides)
        if unknown := set(chosen) - {"buy", "sell"}:
            raise ValueError(f"sides: there is no {min(unknown)!r}; give buy or sell")
        return cls(Asker(client, Run.within(deadline)), pairs, chosen, on_progress)

    def rounds(self) -> Steps[None]:
        """Find and cancel until nothing is left, then ask what became of it all."""
        try:
            while True:
                left = yield from self._open_orders()
                due = [order for order in left if self._is_due(str(order.order_id))]
                if due:
                    yield self._cancel(due)
                elif left:
                    yield from self.asker.pause(FIRST_PAUSE)
                else:
                    break
            yield from confirm(self.asker, [("orderId", order_id) for order_id in self.met], self.known)
        except Halted:
            raise DeadlineExceeded("the deadline passed before every open order was settled") from None

    def _open_orders(self) -> Steps[list[Order]]:
        found: list[Order] = []
        for arguments in [{"symbol": symbol} for symbol in self.symbols] or [{}]:
            found += yield from self.asker.every_page(get_unfilled_orders, **arguments)
        return [
            order
            for order in found
            if (not self.sides or order.side in self.sides) and self.rejections.get(str(order.order_id), 0) < REJECTIONS
        ]

    def _is_due(self, order_id: str) -> bool:
        return self.asker.run.clock() - self.sent_at.get(order_id, float("-inf")) >= AGAIN

    def _cancel(self, orders: list[Order]) -> Do:
        run, client = self.asker.run, self.asker.client
        refs = [OrderRef(symbol=str(order.symbol or "").upper(), order_id=str(order.order_id)) for order in orders]
        for ref in refs:
            self.met.setdefault(str(ref.order_id), Outcome(ref, Status.NOT_SENT))
            self.untold.add(str(ref.order_id))

        def settled(outcomes: cancel_orders.Outcomes) -> None:
            for outcome in outcomes:
                self._settle(outcome, run.clock())
            if self.on_progress is not None:
                self.on_progress(outcomes)

        deadline = None if run.deadline is None else run.left()
        return Do(
            lambda: cancel_orders.sync(client=client, orders=refs, deadline=deadline, on_progress=settled),
            lambda: cancel_orders.asyncio(client=client, orders=refs, deadline=deadline, on_progress=settled),
        )

    def _settle(self, outcome: Outcome, now: float) -> None:
        order_id = str(outcome.order.order_id)
        before = self.met[order_id]
        self.untold.discard(order_id)
        tries = before.tries + outcome.tries
        if outcome.status is Status.REJECTED:
            self.rejections[order_id] = self.rejections.get(order_id, 0) + 1
        elif outcome.tries:
            self.sent_at[order_id] = now
        if before.status is Status.GONE and outcome.status is Status.REJECTED:
            # Listed as open, said to be gone, and refused: nobody knows which of them is true.
            outcome = evolve(outcome, status=Status.UNKNOWN)
        # A later round says less where it was not sent any more, or refused after a try that may have been carried out.
        says_less = (outcome.status is Status.NOT_SENT and before.tries) or (
            outcome.status is Status.REJECTED and before.status is Status.UNKNOWN
        )
        # What was accepted once stays so: that it is gone the second time says no more.
        kept = before if before.status is Status.ACCEPTED or says_less else outcome
        self.met[order_id] = evolve(kept, tries=tries)

    def report(self) -> Report:
        """Make the report of what was met so far."""
        return Report(
            tuple(
                evolve(outcome, confirmed=self.known.get(("orderId", order_id)))
                for order_id, outcome in self.met.items()
            )
        )

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Give whatever ends the rounds the report so far."""
        try:
            yield
        except BaseException as error:
            # What the last round knows beyond what it has told.
            inner = vars(error).get("report")
            for outcome in inner.outcomes if isinstance(inner, Report) else ():
                if str(outcome.order.order_id) in self.untold:
                    self._settle(outcome, self.asker.run.clock())
            vars(error)["report"] = self.report()
            raise


def _chosen(name: str, given: Iterable[str] | None) -> list[str]:
    """Answer what was chosen; a choice of nothing may be anything but everything."""
    if given is None:
        return []
    chosen: list[object] = [] if isinstance(given, str) else list(given)
    words = [one.strip() for one in chosen if isinstance(one, str)]
    if not chosen or len(words) < len(chosen) or not all(words):
        raise ValueError(f"{name} is {given!r}; give a list of texts, or leave it out for all")
    return words
