"""
Any number of orders, and what became of every one.

    report = cancel_orders.sync(client=client, orders=orders)

The orders travel in the fewest batches the exchange takes, side by side, as fast as the limit allows, each batch
through the generated function. The report holds one outcome for every order given, in the order given; an order given
twice is sent once and told twice. `accepted` means that the exchange has received the cancel, never that the order is
cancelled.

What makes going on senseless (wrong credentials, a missing permission, the wrong environment) ends the run at once, as
do a passed deadline, Ctrl-C and a cancelled task: no further request leaves, those in flight are waited for, and the
exception carries the report as `.report`. Where the interpreter swaps that exception for another (a time-out scope, a
task group), `on_progress` has told every batch that was settled.
"""

from __future__ import annotations

import concurrent.futures
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import httpx
from attrs import define, evolve, field

from bitget_spot._bulk.confirmation import Address, Asker, Confirmed
from bitget_spot._bulk.confirmation import confirm as ask
from bitget_spot._bulk.matcher import Fate, fates
from bitget_spot._bulk.planner import Batch, Target, batches
from bitget_spot._bulk.report import Outcome, Report, Status
from bitget_spot._middleware.base import Steps, drive, drive_in_task
from bitget_spot._middleware.context import TRAIL, Halted, Run, Trail
from bitget_spot.client import limit_of
from bitget_spot.errors import (
    AuthenticationError,
    BitgetError,
    DeadlineExceeded,
    PermissionDeniedError,
    WrongEnvironmentError,
)
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

__all__ = ["asyncio", "plan", "sync"]

SENSELESS: Final = (AuthenticationError, PermissionDeniedError, WrongEnvironmentError)
EXPECTED: Final = (BitgetError, httpx.TransportError, Halted)
NOT_SENT: Final = Fate(Status.NOT_SENT)
INTERRUPTED: Final = Fate(Status.UNKNOWN, message="the run ended before its answer came")

Outcomes = Sequence[Outcome]
Progress = Callable[[Outcomes], object]
log = logging.getLogger("bitget_spot")


def plan(
    *, orders: Iterable[OrderRef], symbol: str | None = None, batch_size: int | None = None
) -> list[BatchCancelOrdersRequest]:
    """
    Show the requests that a run would send; nothing is sent.

    Args:
        orders: The orders to cancel, each with an `order_id`, a `client_oid` or both.
        symbol: The trading pair of the orders that name none; those that still have none travel by themselves.
        batch_size: The most orders in a batch; without it what the exchange takes.

    Raises:
        InvalidBatchError: Names every order that cannot be cancelled as it is given, and what is wrong with it.
        ValueError: The batch size is not one that the exchange takes.

    """
    return [batch.request() for batch in batches(orders, symbol, batch_size)[1]]


def sync(
    *,
    client: Client,
    orders: Iterable[OrderRef],
    symbol: str | None = None,
    batch_size: int | None = None,
    deadline: float | None = None,
    on_progress: Progress | None = None,
    confirm: bool = False,
) -> Report:
    """
    Cancel any number of orders from threads, and tell what became of each.

    Args:
        client: A client made by `connect`.
        orders: As for `plan`.
        symbol: As for `plan`.
        batch_size: As for `plan`.
        deadline: Seconds from now after which no further request leaves.
        on_progress: Called in this thread with the outcomes of each batch as it is settled.
        confirm: Ask afterwards what became of the accepted, gone and unknown orders, patiently, until none of them is
            open any more, nothing changes for ten seconds, or the deadline passes.

    Returns:
        One outcome for every order given, in the order given.

    Raises:
        InvalidBatchError: As for `plan`; nothing was sent.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: Going on was senseless.
        DeadlineExceeded: The deadline passed first.

    """
    ledger = _Ledger.open(client, orders, symbol, batch_size, deadline, on_progress)
    pending: dict[concurrent.futures.Future[object], tuple[Batch, Trail]] = {}
    with ledger.reporting(), concurrent.futures.ThreadPoolExecutor(ledger.side_by_side, "cancel_orders") as pool:
        try:
            while True:
                for one in ledger.more(len(pending)):
                    pending[pool.submit(_send, client, *one)] = one
                if not pending:
                    break
                for future in concurrent.futures.wait(pending, return_when="FIRST_COMPLETED").done:
                    ledger.settle(*pending.pop(future), future.result())
        except BaseException:
            ledger.run.stop()
            for future in concurrent.futures.as_completed(list(pending)):
                ledger.settle(*pending[future], future.result())
            raise
    if confirm:
        with ledger.reporting():
            drive(ledger.confirming(client))
    return ledger.end()


async def asyncio(
    *,
    client: Client,
    orders: Iterable[OrderRef],
    symbol: str | None = None,
    batch_size: int | None = None,
    deadline: float | None = None,
    on_progress: Progress | None = None,
    confirm: bool = False,
) -> Report:
    """Cancel any number of orders from tasks; in all else as `sync`."""
    import asyncio as aio  # noqa: PLC0415 - who is in a task has it, and a program without tasks need not

    ledger = _Ledger.open(client, orders, symbol, batch_size, deadline, on_progress)
    pending: dict[aio.Task[object], tuple[Batch, Trail]] = {}
    with ledger.reporting():
        try:
            while True:
                for one in ledger.more(len(pending)):
                    pending[aio.create_task(_send_in_task(client, *one))] = one
                if not pending:
                    break
                for task in (await aio.wait(pending, return_when="FIRST_COMPLETED"))[0]:
                    ledger.settle(*pending.pop(task), task.result())
        except BaseException:
            ledger.run.stop()
            for task in (await aio.wait(pending))[0] if pending else ():
                one = pending.pop(task)
                # Who ends a whole loop cancels the batches too.
                if not task.cancelled():
                    ledger.settle(*one, task.result())
            raise
        finally:
            # A second cancellation waits for nothing.
            for task in pending:
                task.cancel()
    if confirm:
        with ledger.reporting():
            await drive_in_task(ledger.confirming(client))
    return ledger.end()


def _send(client: Client, batch: Batch, trail: Trail) -> object:
    token = TRAIL.set(trail)
    try:
        return batch_cancel_orders.sync(client=client, body=batch.request())
    except Exception as error:  # noqa: BLE001 - the ledger tells what it means for the batch
        return error
    finally:
        TRAIL.reset(token)


async def _send_in_task(client: Client, batch: Batch, trail: Trail) -> object:
    TRAIL.set(trail)  # a task has a context of its own
    try:
        return await batch_cancel_orders.asyncio(client=client, body=batch.request())
    except Exception as error:  # noqa: BLE001 - as above
        return error


@define
class _Ledger:
    """The account of one run: what was given, what came back, and what that means."""

    given: list[OrderRef]
    waiting: Iterator[Batch]
    run: Run
    side_by_side: int
    on_progress: Progress | None
    outcomes: list[Outcome | None]
    started: list[tuple[Batch, Trail]] = field(factory=list)
    unmatched: list[Mapping[str, Any]] = field(factory=list)
    remaining: str | None = None
    ended_by: Exception | None = None
    known: dict[Address, Confirmed] = field(factory=dict)

    @classmethod
    def open(  # noqa: PLR0917 - what the two public functions take
        cls,
        client: Client,
        orders: Iterable[OrderRef],
        symbol: str | None,
        batch_size: int | None,
        deadline: float | None,
        on_progress: Progress | None,
    ) -> _Ledger:
        limit = limit_of(client, BATCH_CANCEL_ORDERS)
        run = Run.within(deadline)
        given, planned = batches(orders, symbol, batch_size)
        # Twice the limit: while some wait to try again, others use the slots.
        side_by_side = min(2 * limit.requests, len(planned)) or 1
        return cls(given, iter(planned), run, side_by_side, on_progress, [None] * len(given))

    def more(self, in_flight: int) -> Iterator[tuple[Batch, Trail]]:
        """Name the batches to start now."""
        if self.run.left() > 0:
            for batch in islice(self.waiting, self.side_by_side - in_flight):
                trail = Trail(self.run)
                self.started.append((batch, trail))
                yield batch, trail

    def settle(self, batch: Batch, trail: Trail, came: object) -> None:
        """Take down what came of a batch, end the run if going on is senseless, and tell the caller."""
        found, foreign = fates(batch, came, trail)
        told = [
            self._note(place, fate, trail)
            for target, fate in zip(batch.targets, found, strict=True)
            for place in target.places
        ]
        self.unmatched += foreign
        self.remaining = trail.remaining or self.remaining
        log.info(
            "batch of %d by %s, %d tries: %s",
            len(batch.targets),
            batch.targets[0].address[0],
            trail.tries,
            ", ".join(f"{count} {status}" for status, count in Counter(one.status for one in told).items()),
        )
        if isinstance(came, SENSELESS) or (isinstance(came, Exception) and not isinstance(came, EXPECTED)):
            self.ended_by = self.ended_by or came
            self.run.stop()
        if self.on_progress is not None:
            tell, self.on_progress = self.on_progress, None
            tell(told)
            # One that has raised is not called again.
            self.on_progress = tell

    def confirming(self, client: Client) -> Steps[None]:
        """Ask what became of the orders whose cancel is done or in doubt, if the run has come to its end."""
        if self.ended_by is not None or self.run.left() <= 0:
            return
        doubtful = (Status.ACCEPTED, Status.GONE, Status.UNKNOWN)
        addresses = [
            target.address
            for target in self._targets()
            if (outcome := self.outcomes[target.places[0]]) is not None and outcome.status in doubtful
        ]
        try:
            yield from ask(Asker(client, self.run), addresses, self.known)
        except EXPECTED as error:
            log.warning("asking what became of the orders ended early: %s", str(error) or type(error).__name__)
        finally:
            for target in self._targets():
                for place in target.places:
                    if (outcome := self.outcomes[place]) is not None:
                        self.outcomes[place] = evolve(outcome, confirmed=self.known.get(target.address))

    def _targets(self) -> Iterator[Target]:
        return (target for batch, _ in self.started for target in batch.targets)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Give whatever ends the run from outside the report so far."""
        try:
            yield
        except BaseException as error:
            self.attach(error)
            raise

    def end(self) -> Report:
        """Answer the report, or raise what has ended the run."""
        halted = next(self.waiting, None) is not None or any(trail.cut for _, trail in self.started)
        if self.ended_by is None and halted:
            self.ended_by = DeadlineExceeded("the deadline passed before every order was settled")
        if self.ended_by is not None:
            self.attach(self.ended_by)
            raise self.ended_by
        return self._report()

    def attach(self, error: BaseException) -> None:
        """Give an exception the report so far."""
        for batch, trail in self.started:
            fate = INTERRUPTED if trail.tries else NOT_SENT
            for place in (place for target in batch.targets for place in target.places):
                if self.outcomes[place] is None:
                    self._note(place, fate, trail)
        vars(error)["report"] = self._report()

    def _note(self, place: int, fate: Fate, trail: Trail) -> Outcome:
        outcome = Outcome(self.given[place], fate.status, fate.code, fate.message, trail.tries)
        self.outcomes[place] = outcome
        return outcome

    def _report(self) -> Report:
        told = re.fullmatch(r"[0-9]{1,9}", self.remaining or "")
        outcomes = (
            Outcome(order, Status.NOT_SENT) if outcome is None else outcome
            for order, outcome in zip(self.given, self.outcomes, strict=True)
        )
        return Report(tuple(outcomes), tuple(self.unmatched), int(told[0]) if told else None)
