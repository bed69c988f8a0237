"""Calls of the library in a simulation, and what must be true of their results whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import define, field, frozen
from simulation import ScheduledThread, Simulation

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
    report_of,
)
from bitget_spot._bulk.recovery import FATAL_ERRORS
from bitget_spot.client import SpotClient
from bitget_spot.errors import error_class
from bitget_spot.sandbox import Order
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, SUCCESS_CODE

from .emulated_network import EmulatedNetwork, RequestRecord

GONE_BY_FAULT: Final = frozenset({"code=43001", "row-code=43001"})
"""An error that a fault makes up is believed: these say that the orders are gone."""
NOTHING_BY_FAULT: Final = "list-data=[]"
"""A well-formed list that a fault makes up is believed: this one says that there is no such order."""
SHUTDOWN_TIME: Final = 1.0
"""Seconds that an event loop continues after a call, so that cancelled tasks can end."""
CLOCK_RESOLUTION: Final = 0.002
"""Seconds after the end of a call within which a request may leave that a slow store has just given a permit."""


@frozen
class Interruption:
    """
    What ends a call from outside.

    Attributes:
        kind: "callback raises" and "ctrl-c in callback" happen in `on_progress`; "ctrl-c" and "ctrl-c twice" happen at
            any time, and cancel the task of an asynchronous call; "loop shuts down" cancels every task of its loop.
        after: So many batches, or so many seconds.
        again_after: Seconds until the second Ctrl-C.

    """

    kind: str
    after: float
    again_after: float

    @property
    def is_in_callback(self) -> bool:
        """Whether it happens in `on_progress`."""
        return self.kind in ("callback raises", "ctrl-c in callback")


@frozen
class CallSpec:
    """
    What is called, and how.

    Attributes:
        mode: "sync" or "asyncio".
        kill_switch: Call `cancel_open_orders` instead of `cancel_orders`.
        picks: The orders to cancel: the index of each, and how it is identified.
        batch_size: As for `cancel_orders`.
        confirm: As for `cancel_orders`.
        deadline: As for both.
        symbols: As for `cancel_open_orders`.
        sides: As for `cancel_open_orders`.
        max_retries: As for `connect`.
        reports_timing: Whether the network reports timing as httpx's own transport does.
        store_index: Which of the stores the client uses.
        interruption: What ends the call from outside, if anything does.

    """

    mode: str
    kill_switch: bool
    picks: Sequence[tuple[int, int]]
    batch_size: int | None
    confirm: bool
    deadline: float | None
    symbols: Sequence[str] | None
    sides: Sequence[str] | None
    max_retries: int
    reports_timing: bool
    store_index: int
    interruption: Interruption | None


class CallbackError(LookupError):
    """What the callback of a call raises."""


@define(eq=False)
class SimulatedCall:
    """
    One call of the library, and everything that is known about it afterwards.

    Attributes:
        simulation: The virtual time.
        spec: What is called.
        network: The network of the client.
        client: The client.
        orders: The orders to cancel.
        targets: The exchange's orders that they identify; `None` for those that do not exist.
        started_at: When the call began.
        result: What it returned or raised.
        reported: The outcomes that the callback has received.
        reported_batches: How often it was called.
        interrupted_at: When the call was interrupted.

    """

    simulation: Simulation
    spec: CallSpec
    network: EmulatedNetwork
    client: SpotClient
    orders: list[OrderRef]
    targets: list[Order | None]
    started_at: float = 0.0
    result: Report | BaseException | None = None
    reported: list[Outcome] = field(factory=list)
    reported_batches: int = 0
    interrupted_at: float | None = None
    _task: asyncio.Task[Report] | None = None
    _main_task: asyncio.Task[Any] | None = None
    _raised: list[BaseException] = field(factory=list)
    _has_ended: bool = False

    def run(self) -> None:
        """Call the library, and keep what it returns or raises."""
        self.started_at = self.simulation.now
        self._schedule_interruption()
        try:
            if self.spec.mode == "asyncio":
                self.result = self.simulation.run(self._call_asyncio)
            else:
                self.result = self._call_sync()
        except BaseException as error:  # noqa: BLE001 - checked later
            self.result = error
        finally:
            self._has_ended = True
            self._discard_late_interrupt(self.simulation.current)

    def _call_sync(self) -> Report:
        function = cancel_open_orders.sync if self.spec.kill_switch else cancel_orders.sync
        return function(client=self.client, **self._arguments())

    async def _call_asyncio(self) -> Report:
        function = cancel_open_orders.asyncio if self.spec.kill_switch else cancel_orders.asyncio
        self._main_task = asyncio.current_task()
        self._task = asyncio.create_task(function(client=self.client, **self._arguments()))
        try:
            await asyncio.wait([self._task])
            self._has_ended = True
            return self._task.result()
        finally:
            await asyncio.sleep(SHUTDOWN_TIME)
            await self.client.__aexit__()

    def _arguments(self) -> dict[str, Any]:
        spec = self.spec
        common = {"deadline": spec.deadline, "on_progress": self._on_progress}
        if spec.kill_switch:
            return {**common, "symbols": spec.symbols, "sides": spec.sides}
        return {**common, "orders": self.orders, "batch_size": spec.batch_size, "confirm": spec.confirm}

    def _on_progress(self, outcomes: Sequence[Outcome]) -> None:
        self.reported += outcomes
        self.reported_batches += 1
        interruption = self.spec.interruption
        if interruption is None or not interruption.is_in_callback or self.interrupted_at is not None:
            return
        if self.reported_batches >= interruption.after:
            self.interrupted_at = self.simulation.now
            raise self._callback_error()

    def _callback_error(self) -> BaseException:
        assert self.spec.interruption is not None
        # In an event loop, Ctrl-C is never raised in a callback: it cancels the main task.
        is_ctrl_c = self.spec.interruption.kind == "ctrl-c in callback" and self.spec.mode == "sync"
        return KeyboardInterrupt() if is_ctrl_c else CallbackError()

    def _schedule_interruption(self) -> None:
        interruption = self.spec.interruption
        if interruption is None or interruption.is_in_callback:
            return
        if interruption.kind == "loop shuts down":
            if self.spec.mode == "asyncio":
                self.simulation.call_later(interruption.after, lambda: self._cancel_tasks(self._all_tasks))
            return
        thread = self.simulation.current
        self.simulation.call_later(interruption.after, lambda: self._interrupt(thread))
        if interruption.kind == "ctrl-c twice":
            again_after = interruption.after + interruption.again_after
            self.simulation.call_later(again_after, lambda: self._interrupt(thread))

    def _interrupt(self, thread: ScheduledThread) -> None:
        if self.spec.mode == "asyncio":
            self._cancel_tasks(self._own_task)
        elif not self._has_ended:
            self.interrupted_at = self.interrupted_at or self.simulation.now
            self._raised.append(KeyboardInterrupt())
            self.simulation.interrupt(thread, self._raised[-1])

    def _discard_late_interrupt(self, thread: ScheduledThread) -> None:
        """Discard a Ctrl-C that came when the call had nothing left to interrupt."""
        if thread.pending_error is None or thread.pending_error not in self._raised:
            return
        if thread.pending_error is self._raised[0]:
            self.interrupted_at = None
        thread.pending_error = None

    def _own_task(self) -> Iterable[asyncio.Task[Any]]:
        assert self._task is not None
        return [self._task]

    def _all_tasks(self) -> Iterable[asyncio.Task[Any]]:
        """Return all tasks of the loop but the one that waits for the call."""
        return [task for task in asyncio.all_tasks() if task is not self._main_task]

    def _cancel_tasks(self, tasks: Callable[[], Iterable[asyncio.Task[Any]]]) -> None:
        task = self._task

        def cancel() -> None:
            if task is not None and not task.done():
                self.interrupted_at = self.interrupted_at or self.simulation.now
                for each in tasks():
                    each.cancel()

        if task is not None and not self._has_ended:
            task.get_loop().call_soon_threadsafe(cancel)

    # What must be true afterwards

    @property
    def report(self) -> Report:
        """The report, returned or carried by the exception."""
        if isinstance(self.result, Report):
            return self.result
        assert self.result is not None
        report = report_of(self.result)
        assert report is not None, f"{self.result!r} carries no report"
        return report

    def check(self, exchange_orders: dict[str, Order]) -> None:
        """Compare the report with what was sent and with what the exchange has done."""
        self._check_how_it_ended()
        self._check_when_it_stopped_sending()
        outcomes = self.report.outcomes
        if self.spec.kill_switch:
            ids = [str(outcome.order.order_id) for outcome in outcomes]
            assert len(set(ids)) == len(ids), "an order is reported twice"
            targets = [exchange_orders.get(order_id) for order_id in ids]
            assert None not in targets, "an order is reported that does not exist"
            self._check_filters(targets)
        else:
            assert len(outcomes) == len(self.orders)
            for outcome, order in zip(outcomes, self.orders, strict=True):
                assert outcome.order is order
            targets = self.targets
        for outcome, target in zip(outcomes, targets, strict=True):
            self._check_outcome(outcome, None if target is None else exchange_orders[target.order_id])
        self._check_progress()

    def _check_outcome(self, outcome: Outcome, order: Order | None) -> None:
        name = str(outcome.order.order_id or outcome.order.client_oid)
        cancels = [
            request
            for request in self._sent_requests()
            if request.operation is BATCH_CANCEL_ORDERS and name in request.order_ids
        ]
        is_accepted = order is not None and any(order.order_id in request.accepted_ids for request in cancels)
        is_finished = order is None or not order.is_open
        faults = {request.fault for request in cancels}
        is_interrupted = self.interrupted_at is not None
        # After the second Ctrl-C nothing waits for a thread that may be about to send.
        is_abandoned = self._is_abandoned(outcome)
        is_consistent = {
            Status.ACCEPTED: is_accepted and is_finished,
            Status.GONE: is_finished or not GONE_BY_FAULT.isdisjoint(faults),
            Status.REJECTED: bool(cancels) and not is_accepted,
            Status.UNKNOWN: (outcome.attempts > 0 or is_abandoned) and (bool(cancels) or is_interrupted),
            Status.NOT_SENT: all(map(_was_refused, cancels)),
        }
        facts = f"{outcome}, but the exchange has {order}, {len(cancels)} requests with {faults}, {is_accepted=}"
        assert is_consistent[outcome.status], facts
        assert outcome.attempts >= len(cancels) or is_abandoned, facts
        assert outcome.attempts == len(cancels) or is_interrupted or not self.network.reports_timing, facts
        if outcome.confirmed is not None and outcome.confirmed is not Confirmed.LIVE and not self._has_false_success():
            assert outcome.confirmed is _expected_confirmation(order), facts

    def _is_abandoned(self, outcome: Outcome) -> bool:
        """Return whether the run has ended while a thread was still sending an order's cancel."""
        interruption = self.spec.interruption
        is_interrupted_twice = interruption is not None and interruption.kind == "ctrl-c twice"
        return outcome.status is Status.UNKNOWN and is_interrupted_twice and self.spec.mode == "sync"

    def _check_how_it_ended(self) -> None:
        error = self.result
        if self.interrupted_at is not None:
            expected = self._expected_error()
            assert isinstance(error, expected), f"interrupted by {expected.__name__}, but the result is {error!r}"
        elif isinstance(error, DeadlineExceeded):
            assert self.spec.deadline is not None
        elif isinstance(error, FATAL_ERRORS):
            assert any(request.response and request.response.code == error.code for request in self._sent_requests())
        elif isinstance(error, BaseException):
            assert self.spec.kill_switch, f"cancel_orders raised {error!r}"
            assert isinstance(error, BitgetError), f"cancel_open_orders raised {error!r}"

    def _expected_error(self) -> type[BaseException]:
        """Return the class of exception that the interruption raises."""
        interruption = self.spec.interruption
        if interruption is not None and interruption.is_in_callback:
            return type(self._callback_error())
        return KeyboardInterrupt if self.spec.mode == "sync" else asyncio.CancelledError

    def _check_when_it_stopped_sending(self) -> None:
        last_start = max((request.started_at for request in self.network.requests), default=0.0)
        if self.spec.deadline is not None:
            end = self.started_at + self.spec.deadline
            assert last_start <= end + CLOCK_RESOLUTION, "a request was sent after the deadline"
        if self.interrupted_at is not None:
            assert last_start <= self.interrupted_at + CLOCK_RESOLUTION, "a request was sent after the interruption"
        fatal_error_times = [
            request.ended_at
            for request in self._sent_requests()
            if _has_fatal_response(request) and request.ended_at is not None
        ]
        if fatal_error_times:
            end = min(fatal_error_times)
            assert last_start <= end + CLOCK_RESOLUTION, "a request was sent after an unrecoverable error"

    def _check_filters(self, orders: Sequence[Order | None]) -> None:
        symbols = {symbol.upper() for symbol in self.spec.symbols or ()}
        for order in orders:
            assert order is not None
            assert not symbols or order.symbol in symbols
            assert not self.spec.sides or order.side in self.spec.sides

    def _check_progress(self) -> None:
        """Check that the callback has received what is in the report."""
        if self.spec.kill_switch:
            return
        final = {id(outcome.order): outcome for outcome in self.report}
        for outcome in self.reported:
            known = final[id(outcome.order)]
            assert (known.status, known.code, known.attempts) == (outcome.status, outcome.code, outcome.attempts)
        if self.interrupted_at is None:
            sent = {id(outcome.order) for outcome in self.report if outcome.attempts}
            assert sent <= {id(outcome.order) for outcome in self.reported}, "the callback did not receive an outcome"

    def _sent_requests(self) -> Iterator[RequestRecord]:
        return (request for request in self.network.requests if request.headers_sent_at is not None)

    def _has_false_success(self) -> bool:
        """Return whether a fault has sent a success that the exchange did not mean."""
        return any(
            request.fault == NOTHING_BY_FAULT or (request.fault.startswith("raw=") and SUCCESS_CODE in request.fault)
            for request in self.network.requests
        )


def _has_fatal_response(request: RequestRecord) -> bool:
    code = None if request.response is None else request.response.code
    return bool(code) and issubclass(error_class(str(code)), FATAL_ERRORS)


def _was_refused(request: RequestRecord) -> bool:
    """Return whether the client knows that the exchange has executed nothing."""
    code = None if request.response is None else request.response.code
    return code is not None and not issubclass(error_class(code), SystemBusyError)


def _expected_confirmation(order: Order | None) -> Confirmed:
    if order is None:
        return Confirmed.NOT_FOUND
    if order.status == "filled":
        return Confirmed.FILLED
    if order.status == "cancelled":
        return Confirmed.PARTLY_FILLED if float(order.base_volume) else Confirmed.CANCELLED
    return Confirmed.LIVE
