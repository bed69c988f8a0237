"""Calls of the library in a simulation, and what must be true of their results whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import define, field, frozen
from open_orders import state_at_exchange
from simulation import ScheduledThread, Simulation

from bitget_spot import (
    ApiError,
    BitgetError,
    Confirmed,
    DeadlineExceeded,
    Outcome,
    PermissionDeniedError,
    Report,
    Status,
    SystemBusyError,
    WrongEnvironmentError,
    cancel_open_orders,
    cancel_orders,
    report_of,
)
from bitget_spot._bulk.recovery import FATAL_ERRORS
from bitget_spot._bulk.report import Kind
from bitget_spot.client import SpotClient
from bitget_spot.errors import error_class
from bitget_spot.sandbox import Order
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import SUCCESS_CODE

from .emulated_network import SYMBOL_CANCELS, EmulatedNetwork, RequestRecord

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
        kinds: As for `cancel_open_orders`.
        cancel_by_symbol: As for `cancel_open_orders`.
        states_account_type: Whether `connect` is given the type of the account.
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
    kinds: Sequence[Kind] | None
    cancel_by_symbol: bool
    states_account_type: bool
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
        category: The category of the orders.
        orders: The orders to cancel.
        targets: The exchange's orders that they identify; `None` for those that do not exist.
        recovers_at: When everything that goes wrong ends; `None` if it may go on.
        started_at: When the call began.
        known_ids: The orders that the exchange had then.
        result: What it returned or raised.
        reported: The outcomes that the callback has received.
        reported_batches: How often it was called.
        interrupted_at: When the call was interrupted.

    """

    simulation: Simulation
    spec: CallSpec
    network: EmulatedNetwork
    client: SpotClient
    category: str
    orders: list[OrderRef]
    targets: list[Order | None]
    recovers_at: float | None = None
    started_at: float = 0.0
    known_ids: frozenset[str] = frozenset()
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
        self.known_ids = frozenset(self.network.sandbox.orders)
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
        common = {"deadline": spec.deadline, "on_progress": self._on_progress, "category": self.category}
        if spec.kill_switch:
            by_symbol = spec.cancel_by_symbol
            filters = {"symbols": spec.symbols, "sides": spec.sides, "kinds": spec.kinds}
            return {**common, **filters, "cancel_by_symbol": by_symbol}
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
        outcomes: Sequence[Outcome] = self.report.outcomes
        targets: Sequence[Order | None] = self.targets
        if self.spec.kill_switch:
            ids = [str(outcome.order.order_id) for outcome in outcomes]
            assert len(set(ids)) == len(ids), "an order is reported twice"
            outcomes = [each for each in outcomes if each.order.order_id in exchange_orders]
            is_complete = len(outcomes) == len(ids) or self._has_fault("foreign-rows")
            assert is_complete, "an order is reported that does not exist"
            targets = [exchange_orders[str(outcome.order.order_id)] for outcome in outcomes]
            assert all(map(self._is_selected, targets)), "an order is reported that does not match the filters"
            self._check_all_clear(exchange_orders)
            self._check_symbols_cancelled()
        else:
            assert len(outcomes) == len(self.orders)
            for outcome, order in zip(outcomes, self.orders, strict=True):
                assert outcome.order is order
        for outcome, target in zip(outcomes, targets, strict=True):
            self._check_outcome(outcome, None if target is None else exchange_orders[target.order_id])
        self._check_progress()

    def _check_outcome(self, outcome: Outcome, order: Order | None) -> None:
        name = str(outcome.order.order_id or outcome.order.client_oid)
        cancels = [request for request in self._sent_requests() if request.is_cancel and request.names(name)]
        covering = [] if order is None else [request for request in self._sent_requests() if request.covers(order)]
        is_accepted = order is not None and any(order.order_id in each.accepted_ids for each in cancels + covering)
        # An order that was listed before a successful cancel of its pair is accepted, though it may have ended before it.
        is_covered = any(request.has_succeeded for request in covering)
        is_finished = order is None or not order.is_open
        faults = {request.fault for request in cancels}
        is_interrupted = self.interrupted_at is not None
        # After the second Ctrl-C nothing waits for a thread that may be about to send.
        is_abandoned = self._is_abandoned(outcome)
        is_sent = bool(cancels or covering)
        is_consistent = {
            Status.ACCEPTED: ((is_accepted or is_covered) and is_finished) or self._has_false_success(),
            Status.GONE: is_finished or not GONE_BY_FAULT.isdisjoint(faults),
            Status.REJECTED: is_sent and not is_accepted,
            Status.UNKNOWN: (outcome.attempts > 0 or is_abandoned) and (is_sent or is_interrupted),
            Status.NOT_SENT: all(map(_was_refused, cancels)) and not is_accepted,
        }
        numbers = f"{len(cancels)} and {len(covering)} requests with {faults}, {is_accepted=}, {is_covered=}"
        facts = f"{outcome!r}, but the exchange has {order}, {numbers}"
        assert is_consistent[outcome.status], facts
        assert outcome.attempts >= len(cancels) or is_abandoned, facts
        most = len(cancels) + len(covering)
        assert outcome.attempts <= most or is_interrupted or not self.network.reports_timing, facts
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
            assert self.recovers_at is None, "nothing goes wrong any more, but the kill switch did not end in time"
        elif isinstance(error, FATAL_ERRORS):
            assert any(request.response and request.response.code == error.code for request in self._sent_requests())
        elif isinstance(error, BaseException):
            assert self.spec.kill_switch, f"cancel_orders raised {error!r}"
            # A fault may pretend that the account is of a type that has no orders of one of the kinds.
            is_misled = isinstance(error, ValueError) and self.spec.kinds and not self.spec.states_account_type
            assert isinstance(error, BitgetError) or is_misled, f"cancel_open_orders raised {error!r}"

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
            if self._is_fatal(request) and request.ended_at is not None
        ]
        if fatal_error_times:
            end = min(fatal_error_times)
            sent = [(each.started_at, each.ended_at, each.operation.path, each.fault) for each in self._sent_requests()]
            assert last_start <= end + CLOCK_RESOLUTION, f"a request was sent after an unrecoverable error: {sent}"

    def _is_fatal(self, request: RequestRecord) -> bool:
        """Return whether no other request can succeed after the response to this one."""
        error = _error_class(request)
        if error is None or not issubclass(error, FATAL_ERRORS):
            return False
        if self.spec.kill_switch:
            # A permission that is missing for a whole pair may not be missing for a batch, and a listing that cannot be
            # read keeps no order open that is in another.
            if request.operation in SYMBOL_CANCELS and issubclass(error, PermissionDeniedError):
                return False
            if not (request.is_cancel or request.lists_open_orders):
                return False
        return self.spec.states_account_type or not issubclass(error, WrongEnvironmentError)

    def _is_selected(self, order: Order | None) -> bool:
        """Return whether an order matches the filters of the kill switch."""
        assert order is not None
        spec = self.spec
        symbols = [symbol.upper() for symbol in spec.symbols or (order.symbol,)]
        matches = order.side in (spec.sides or (order.side,)) and order.kind in (spec.kinds or (order.kind,))
        return matches and order.symbol in symbols and order.category == self.category

    def _check_all_clear(self, exchange_orders: dict[str, Order]) -> None:
        """Check that the kill switch has left nothing open, if it has ended as if it had not."""
        if not isinstance(self.result, Report) or self._has_false_success():
            return
        live = {str(outcome.order.order_id) for outcome in self.report if outcome.confirmed is Confirmed.LIVE}
        for order in exchange_orders.values():
            if self._is_selected(order) and self._is_from_before(order, exchange_orders) and order.is_open:
                assert order.order_id in live, f"{order} was left open"

    def _is_from_before(self, order: Order, exchange_orders: dict[str, Order]) -> bool:
        """Return whether an order existed when the call began, or was placed by one that did."""
        sources = [source for source in exchange_orders.values() if source.placed_order_id == order.order_id]
        return any(known.order_id in self.known_ids for known in (order, *sources))

    def _check_symbols_cancelled(self) -> None:
        if self._has_false_success():
            return
        bodies = [request.document for request in self._sent_requests() if self._is_symbol_success(request)]
        assert set(self.report.symbols_cancelled) <= {body.get("symbol", body.get("category")) for body in bodies}

    def _is_symbol_success(self, request: RequestRecord) -> bool:
        return request.operation in SYMBOL_CANCELS and request.has_succeeded

    def _check_progress(self) -> None:
        """Check that the callback has received what is in the report."""
        if self.spec.kill_switch:
            return
        final = {id(outcome.order): outcome for outcome in self.report}
        for outcome in self.reported:
            known = final[id(outcome.order)]
            assert (known.status, known.code, known.attempts) == (outcome.status, outcome.code, outcome.attempts)
        if self.interrupted_at is None:
            reported = {id(outcome.order) for outcome in self.reported}
            missing = [outcome for outcome in self.report if id(outcome.order) not in reported]
            unexpected = [repr(outcome) for outcome in missing if outcome.status is not Status.NOT_SENT]
            assert not unexpected, f"the callback did not receive {unexpected}"

    def _sent_requests(self) -> Iterator[RequestRecord]:
        return (request for request in self.network.requests if request.headers_sent_at is not None)

    def _has_false_success(self) -> bool:
        """Return whether a fault has sent a success that the exchange did not mean."""
        # A row of a unified account without a code is a success.
        if self._has_fault(NOTHING_BY_FAULT) or (self._is_unified and self._has_fault("no-error-code")):
            return True
        faults = {request.fault for request in self.network.requests}
        return any(fault.startswith("raw=") and SUCCESS_CODE in fault for fault in faults)

    def _has_fault(self, fault: str) -> bool:
        return any(request.fault == fault for request in self.network.requests)

    @property
    def _is_unified(self) -> bool:
        return self.network.sandbox.account_type == "unified"


def _was_refused(request: RequestRecord) -> bool:
    """Return whether the client knows that the exchange has executed nothing."""
    error = _error_class(request)
    return error is not None and not issubclass(error, SystemBusyError)


def _error_class(request: RequestRecord) -> type[ApiError] | None:
    """Return the exception that a response stands for; `None` if it has no code."""
    code = None if request.response is None else request.response.code
    return None if code is None else error_class(code, request.operation.api_version)


def _expected_confirmation(order: Order | None) -> Confirmed:
    if order is None:
        return Confirmed.NOT_FOUND
    if order.kind == "tpsl" and order.status == "filled":
        return Confirmed.FILLED  # a classic account does not say that it was triggered
    return state_at_exchange(order)
