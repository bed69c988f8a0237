"""Who calls the library in a scene, and what is true of the outcome however the scene went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import httpx
from attrs import define, field, frozen
from soak.road import Road, Trip
from soak.stage import Player, Stage

from bitget_spot import (
    BitgetError,
    Confirmed,
    DeadlineExceeded,
    Outcome,
    Report,
    Status,
    SystemBusyError,
    cancel_open_orders,
    cancel_orders,
)
from bitget_spot._bulk.cancel_orders import SENSELESS
from bitget_spot.errors import error_class
from bitget_spot.sandbox import Order
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, SUCCESS_CODE

GONE_BY_FAULT: Final = "code=43001"
"""A refusal put into the exchange's mouth is believed: this one says that orders are gone."""
WINDING_UP: Final = 1.0
"""Seconds that a loop is left running after a run, for what was cancelled to end."""


@frozen
class Wish:
    """
    What a caller asks for.

    Attributes:
        manner: threads or tasks.
        switch: The kill switch, in place of orders that are named.
        picks: Which orders, by their place among those there are, and in which words they are named.
        batch_size, confirm, deadline, symbols, sides: As the library takes them.
        tries: As `connect` takes it.
        traced: Whether the wire tells what httpx's own tells.
        client: Which client of the store.
        ends: What ends it from outside, and when: after so many batches told, or so many seconds.

    """

    manner: str
    switch: bool
    picks: Sequence[tuple[int, int]]
    batch_size: int | None
    confirm: bool
    deadline: float | None
    symbols: Sequence[str] | None
    sides: Sequence[str] | None
    tries: int
    traced: bool
    client: int
    ends: tuple[str, float, float] | None


class Enough(LookupError):  # noqa: N818 - nothing is wrong
    """What a caller's `on_progress` raises."""


@define(eq=False)
class Caller:
    """One call of the library, with all that is known of it afterwards."""

    stage: Stage
    wish: Wish
    road: Road
    client: Any
    orders: list[OrderRef]
    targets: list[Order | None]
    began: float = 0.0
    ended: float = 0.0
    came: Report | BaseException | None = None
    told: list[Outcome] = field(factory=list)
    batches_told: int = 0
    ended_at: float | None = None
    """When the end from outside came."""
    _task: Any = None
    _onlooker: Any = None
    _thrown: list[BaseException] = field(factory=list)
    _finished: bool = False

    def play(self) -> None:
        """Call the library, and keep what comes."""
        self.began = self.stage.now
        self._plan_the_end()
        try:
            self.came = self.stage.run(self._in_tasks) if self.wish.manner == "tasks" else self._in_threads()
        except BaseException as error:  # noqa: BLE001 - judged later
            self.came = error
        finally:
            self._finished = True
            self.ended = self.ended or self.stage.now
            # Ctrl-C that came when there was nothing left to interrupt.
            player = self.stage.current
            if player.thrown is not None and player.thrown is self._thrown[0]:
                self.ended_at = None
            player.thrown = None

    def _in_threads(self) -> Report:
        function = cancel_open_orders.sync if self.wish.switch else cancel_orders.sync
        return function(client=self.client, **self._arguments())

    async def _in_tasks(self) -> Report:
        function = cancel_open_orders.asyncio if self.wish.switch else cancel_orders.asyncio
        self._onlooker = asyncio.current_task()
        self._task = asyncio.create_task(function(client=self.client, **self._arguments()))
        try:
            await asyncio.wait([self._task])
            self._finished, self.ended = True, self.stage.now
            return self._task.result()  # type: ignore[no-any-return]  # a report, as the two functions answer
        finally:
            await asyncio.sleep(WINDING_UP)
            await self.client.__aexit__()

    def _arguments(self) -> dict[str, Any]:
        wish = self.wish
        shared = {"deadline": wish.deadline, "on_progress": self._progress}
        if wish.switch:
            return {**shared, "symbols": wish.symbols, "sides": wish.sides}
        return {**shared, "orders": self.orders, "batch_size": wish.batch_size, "confirm": wish.confirm}

    def _progress(self, outcomes: Sequence[Outcome]) -> None:
        self.told += outcomes
        self.batches_told += 1
        how, when, _ = self.wish.ends or ("", 0, 0)
        if how in ("raise", "ctrl-c in progress") and self.batches_told >= when and self.ended_at is None:
            self.ended_at = self.stage.now
            raise KeyboardInterrupt if self._by_ctrl_c(how) else Enough

    def _by_ctrl_c(self, how: str) -> bool:
        # In an event loop Ctrl-C never meets a callback: it cancels the outermost task.
        return how == "ctrl-c in progress" and self.wish.manner == "threads"

    def _plan_the_end(self) -> None:
        how, when, again = self.wish.ends or ("", 0, 0)
        if how in ("interrupt", "interrupt twice"):
            player = self.stage.current
            self.stage.at(when, lambda: self._interrupt(player))
            if how == "interrupt twice":
                self.stage.at(when + again, lambda: self._interrupt(player))
        elif how == "loop ends" and self.wish.manner == "tasks":
            self.stage.at(when, self._end_loop)

    def _interrupt(self, player: Player) -> None:
        if self.wish.manner == "threads":
            if not self._finished:
                self.ended_at = self.ended_at or self.stage.now
                self._thrown.append(KeyboardInterrupt())
                self.stage.throw(player, self._thrown[-1])
        else:
            self._in_loop(lambda: [self._task])

    def _end_loop(self) -> None:
        # All but the one of this file, which looks on.
        self._in_loop(lambda: asyncio.all_tasks() - {self._onlooker})

    def _in_loop(self, tasks: Callable[[], Iterable[asyncio.Task[Any]]]) -> None:
        def cancel() -> None:
            if not self._task.done():
                self.ended_at = self.ended_at or self.stage.now
                for task in tasks():
                    task.cancel()

        if self._task is not None and not self._finished:
            self._task.get_loop().call_soon_threadsafe(cancel)

    # What is true of it afterwards

    @property
    def report(self) -> Report:
        """The report, from wherever it came."""
        found = self.came if isinstance(self.came, Report) else vars(self.came).get("report")
        assert isinstance(found, Report), f"{self.came!r} carries no report"
        return found

    def judge(self, book: dict[str, Order]) -> None:
        """Hold the report against what was sent and what the exchange has done."""
        self._judge_the_end()
        outcomes = self.report.outcomes
        if self.wish.switch:
            ids = [str(outcome.order.order_id) for outcome in outcomes]
            assert len(set(ids)) == len(ids), "an order is told twice"
            targets: list[Order | None] = [book.get(one) for one in ids]
            assert None not in targets, "an order is told that there is not"
            self._judge_the_choice(targets)
        else:
            assert len(outcomes) == len(self.orders)
            assert all(outcome.order is order for outcome, order in zip(outcomes, self.orders, strict=True))
            targets = self.targets
        for outcome, target in zip(outcomes, targets, strict=True):
            self._judge(outcome, None if target is None else book[target.order_id])
        self._judge_what_was_told()

    def _judge(self, outcome: Outcome, order: Order | None) -> None:
        name = str(outcome.order.order_id or outcome.order.client_oid)
        mine = [trip for trip in self._sent() if trip.operation is BATCH_CANCEL_ORDERS and name in trip.named]
        taken = order is not None and any(order.order_id in trip.taken for trip in mine)
        finished = order is None or not order.is_open
        faults = {trip.fault for trip in mine}
        held = {
            Status.ACCEPTED: taken and finished,
            Status.GONE: finished or GONE_BY_FAULT in faults,
            Status.REJECTED: bool(mine) and not taken,
            Status.UNKNOWN: outcome.attempts > 0 and bool(mine or self.ended_at is not None),
            Status.NOT_SENT: all(map(_was_turned_away, mine)),
        }
        story = f"{outcome} but the exchange has {order}, {len(mine)} requests with {faults}, taken: {taken}"
        assert held[outcome.status], story
        assert outcome.attempts >= len(mine), story
        assert outcome.attempts == len(mine) or self.ended_at is not None or not self.road.traced, story
        if outcome.confirmed is not None and outcome.confirmed is not Confirmed.LIVE and not self._was_lied_to():
            assert outcome.confirmed is _meaning(order), story

    def _judge_the_end(self) -> None:
        error, wish = self.came, self.wish
        if self.ended_at is not None:
            from_outside: type[BaseException] = (
                KeyboardInterrupt if wish.manner == "threads" else asyncio.CancelledError
            )
            how = wish.ends[0] if wish.ends else ""
            in_progress = how in ("raise", "ctrl-c in progress") and not self._by_ctrl_c(how)
            given = Enough if in_progress else from_outside
            assert isinstance(error, given), f"ended by {given.__name__}, and {error!r} came"
        elif isinstance(error, DeadlineExceeded):
            assert wish.deadline is not None
        elif isinstance(error, SENSELESS):
            assert any(trip.reply and trip.reply.code == error.code for trip in self._sent())
        elif isinstance(error, BaseException):
            assert wish.switch, f"{error!r} has left a run"
            assert isinstance(error, BitgetError | httpx.TransportError), f"{error!r} has left the kill switch"
        latest = max((trip.begun_at for trip in self.road.trips), default=0.0)
        if wish.deadline is not None:
            assert latest <= self.began + wish.deadline + self.grace, "sent after the deadline"
        if self.ended_at is not None:
            assert latest <= self.ended_at + self.grace, "sent after the end"
        senseless = [
            trip.given_up_at
            for trip in self._sent()
            if trip.reply is not None and trip.reply.code and issubclass(error_class(trip.reply.code), SENSELESS)
        ]
        if senseless:
            assert latest <= min(filter(None, senseless)) + self.grace, "sent although it was senseless"

    @property
    def grace(self) -> float:
        """How long after the end a request may leave that has just been granted a slot by a store that takes time."""
        return 0.002

    def _judge_the_choice(self, targets: Sequence[Order | None]) -> None:
        symbols = {symbol.upper() for symbol in self.wish.symbols or ()}
        for order in targets:
            assert order is not None
            assert not symbols or order.symbol in symbols
            assert not self.wish.sides or order.side in self.wish.sides

    def _judge_what_was_told(self) -> None:
        if self.wish.switch:
            return
        at = {id(outcome.order): outcome for outcome in self.report.outcomes}
        for outcome in self.told:
            known = at[id(outcome.order)]
            assert (known.status, known.code, known.attempts) == (outcome.status, outcome.code, outcome.attempts)
        if self.ended_at is None:
            settled = {id(one.order) for one in self.report.outcomes if one.attempts}
            assert settled <= {id(one.order) for one in self.told}, "a settled order was not told"

    def _sent(self) -> Iterator[Trip]:
        return (trip for trip in self.road.trips if trip.left_at is not None)

    def _was_lied_to(self) -> bool:
        return any(trip.fault.startswith("raw=") and SUCCESS_CODE in trip.fault for trip in self.road.trips)


def _was_turned_away(trip: Trip) -> bool:
    """Tell whether the client knows that nothing was done."""
    reply = trip.reply
    return reply is not None and reply.code is not None and not issubclass(error_class(reply.code), SystemBusyError)


def _meaning(order: Order | None) -> Confirmed:
    if order is None:
        return Confirmed.NOT_FOUND
    if order.status == "filled":
        return Confirmed.FILLED
    if order.status == "cancelled":
        return Confirmed.PARTLY_FILLED if float(order.base_volume) else Confirmed.CANCELLED
    return Confirmed.LIVE
