"""
Batches side by side, with one deadline, and one outcome for each order.

A batch in flight is a `BatchCall`. The worker that sends it stores the result there, so the outcome of a batch is known
even if an interrupt reaches the run before it has been recorded.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeAlias

import httpx
from attrs import define, evolve, field

from bitget_spot._bulk.confirmation import OrderQueries, confirm
from bitget_spot._bulk.matcher import match_response
from bitget_spot._bulk.planner import Batch, OrderKey, OrderTarget, Plan
from bitget_spot._bulk.report import Confirmed, Outcome, Report, Status, attach_report
from bitget_spot._concurrency import Effect, EffectGenerator, Workers, open_workers
from bitget_spot._middleware.context import REQUEST_CONTEXT, CancelScope, RequestContext, RunStopped
from bitget_spot.client import SpotClient
from bitget_spot.errors import (
    AuthenticationError,
    BitgetError,
    DeadlineExceeded,
    PermissionDeniedError,
    WrongEnvironmentError,
)
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

FATAL_ERRORS: Final = (AuthenticationError, PermissionDeniedError, WrongEnvironmentError)
"""Errors that no other batch can escape: they end the run."""
EXPECTED_ERRORS: Final = (BitgetError, httpx.TransportError, RunStopped)
"""Errors that belong to one batch; any other exception ends the run."""
INTERRUPTED: Final = "the run ended before its response came"
CONFIRMABLE: Final = frozenset({Status.ACCEPTED, Status.GONE, Status.UNKNOWN})
"""The statuses that say nothing about what became of the order."""

Outcomes: TypeAlias = Sequence[Outcome]
ProgressCallback: TypeAlias = Callable[[Outcomes], object]
log: Final = logging.getLogger("bitget_spot")


@define(eq=False)
class BatchCall:
    """
    One batch that has been started.

    Attributes:
        batch: The orders.
        context: What happens on the way.
        result: The generated function's return value, or the exception that it raised; `None` until then.
        recorded: Its outcomes have been recorded.

    """

    batch: Batch
    context: RequestContext
    result: object = None
    recorded: bool = False

    def send(self, client: SpotClient) -> Effect:
        """Call the generated function and store the result."""

        def send_sync() -> None:
            token = REQUEST_CONTEXT.set(self.context)
            try:
                self.result = batch_cancel_orders.sync(client=client, body=self.batch.request())
            except Exception as error:  # noqa: BLE001 - `BatchRunner.record` decides what it means
                self.result = error
            finally:
                REQUEST_CONTEXT.reset(token)

        async def send_async() -> None:
            REQUEST_CONTEXT.set(self.context)  # a task has a copy of the context variables
            try:
                self.result = await batch_cancel_orders.asyncio(client=client, body=self.batch.request())
            except Exception as error:  # noqa: BLE001 - as above
                self.result = error

        return Effect(send_sync, send_async)


@define
class BatchRunner:
    """
    One run: what was given, what has been sent, and what is known.

    Attributes:
        client: The client that sends.
        plan: The orders and their batches.
        scope: The deadline of the run.
        on_progress: Called with the outcomes of each batch when they are known.
        outcomes: The outcome of each order; `None` while it is not known.
        calls: The batches that have been started.
        unmatched: Rows of responses that belong to none of the orders.
        remaining_calls: What the exchange last reported as the calls left.
        fatal_error: What ends the run early.
        confirmed: What the exchange said about the orders afterwards.

    """

    client: SpotClient
    plan: Plan
    scope: CancelScope
    on_progress: ProgressCallback | None
    outcomes: list[Outcome | None] = field(init=False)
    calls: list[BatchCall] = field(factory=list, init=False)
    unmatched: list[Mapping[str, Any]] = field(factory=list, init=False)
    remaining_calls: str | None = field(default=None, init=False)
    fatal_error: Exception | None = field(default=None, init=False)
    confirmed: dict[OrderKey, Confirmed] = field(factory=dict, init=False)
    _waiting: Iterator[Batch] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.outcomes = [None] * len(self.plan.orders)
        self._waiting = iter(self.plan.batches)

    def run(self, *, confirm_afterwards: bool) -> EffectGenerator[Report]:
        """
        Send every batch, confirm the orders if asked to, and return the report.

        Raises:
            BaseException: Whatever ended the run early; it carries the report.

        """
        with self.reporting():
            yield from self._send_batches()
            if confirm_afterwards and self.fatal_error is None and self.scope.remaining() > 0:
                yield from self._confirm()
            self._raise_if_incomplete()
        return self.report()

    def _send_batches(self) -> EffectGenerator[None]:
        workers: Workers = yield open_workers()
        try:
            while True:
                for call in self.next_calls(workers.running):
                    workers.start(call, call.send(self.client))
                if not workers.running:
                    return
                for call in (yield workers.wait()):
                    self.record(call)
        except GeneratorExit:
            raise  # the event loop has ended, so nothing can be awaited
        except BaseException:
            self.scope.stop()
            yield from self._drain(workers)
            raise
        finally:
            workers.close()

    def _drain(self, workers: Workers) -> EffectGenerator[None]:
        """Wait for the batches in flight, and record them."""
        while workers.running:
            for call in (yield workers.wait()):
                self.record(call)

    def next_calls(self, in_flight: int) -> Iterator[BatchCall]:
        """Yield the batches to start now."""
        if self.scope.remaining() <= 0:
            return
        # Twice the limit: while some wait before a retry, others use the permits.
        side_by_side = 2 * self.client.rate_limit(BATCH_CANCEL_ORDERS).requests
        for batch in islice(self._waiting, max(0, side_by_side - in_flight)):
            call = BatchCall(batch, RequestContext(self.scope))
            self.calls.append(call)
            yield call

    def record(self, call: BatchCall) -> None:
        """Record the outcomes of a batch that is over; end the run after an unrecoverable error."""
        outcomes = self._record_outcomes(call)
        if outcomes is None:
            return
        counts = Counter(outcome.status for outcome in outcomes)
        log.info(
            "batch of %d by %s, %d attempts: %s",
            len(call.batch.targets),
            call.batch.id_field,
            call.context.attempts,
            ", ".join(f"{count} {status}" for status, count in counts.items()),
        )
        error = call.result
        if isinstance(error, FATAL_ERRORS) or (isinstance(error, Exception) and not isinstance(error, EXPECTED_ERRORS)):
            self.fatal_error = self.fatal_error or error
            self.scope.stop()
        call.result = None  # a response is large, and not needed any more
        self._report_progress(outcomes)

    def _record_outcomes(self, call: BatchCall) -> list[Outcome] | None:
        if call.recorded or call.result is None:
            return None  # a task that was cancelled has no result
        matched = match_response(call.batch, call.result, call.context)
        outcomes = []
        for target, outcome in zip(call.batch.targets, matched.outcomes, strict=True):
            outcomes += self._set_outcome(target, outcome)
        self.unmatched += matched.unmatched
        self.remaining_calls = call.context.remaining_calls or self.remaining_calls
        call.recorded = True
        return outcomes

    def _set_outcome(self, target: OrderTarget, outcome: Outcome) -> list[Outcome]:
        """Set the outcome of an order, once for each time it was given."""
        outcomes = []
        for index in target.input_indices:
            order = self.plan.orders[index]
            own = outcome if order is outcome.order else evolve(outcome, order=order)
            self.outcomes[index] = own
            outcomes.append(own)
        return outcomes

    def _report_progress(self, outcomes: Outcomes) -> None:
        if self.on_progress is None:
            return
        try:
            self.on_progress(outcomes)
        except BaseException:
            self.on_progress = None  # a callback that has raised is not called again
            raise

    def _confirm(self) -> EffectGenerator[None]:
        keys = []
        for target in self._started_targets():
            outcome = self.outcomes[target.input_indices[0]]
            if outcome is not None and outcome.status in CONFIRMABLE:
                keys.append(target.key)
        try:
            yield from confirm(OrderQueries(self.client, self.scope), keys, self.confirmed)
        except EXPECTED_ERRORS as error:
            log.warning("confirmation ended early: %s", str(error) or type(error).__name__)

    def _started_targets(self) -> Iterator[OrderTarget]:
        for call in self.calls:
            yield from call.batch.targets

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Let whatever ends the run early carry the report."""
        try:
            yield
        except BaseException as error:
            for call in self.calls:
                self._record_outcomes(call)
                self._record_interruption(call)
            attach_report(error, self.report())
            raise

    def _record_interruption(self, call: BatchCall) -> None:
        """Set the outcome of the orders of a batch that has no result."""
        attempts = call.context.attempts
        for target in call.batch.targets:
            if self.outcomes[target.input_indices[0]] is None:
                if attempts:
                    outcome = Outcome(target.order, Status.UNKNOWN, message=INTERRUPTED, attempts=attempts)
                else:
                    outcome = Outcome(target.order, Status.NOT_SENT)
                self._set_outcome(target, outcome)

    def _raise_if_incomplete(self) -> None:
        if self.fatal_error is not None:
            raise self.fatal_error
        is_complete = next(self._waiting, None) is None
        if not is_complete or any(call.context.stopped for call in self.calls):
            raise DeadlineExceeded("the deadline passed before every order had an outcome")

    def _set_confirmed(self) -> None:
        for target in self._started_targets():
            for index in target.input_indices:
                outcome = self.outcomes[index]
                if outcome is not None:
                    self.outcomes[index] = evolve(outcome, confirmed=self.confirmed.get(target.key))

    def report(self) -> Report:
        """Return the report so far."""
        if self.confirmed:
            self._set_confirmed()
        outcomes = [
            Outcome(order, Status.NOT_SENT) if outcome is None else outcome
            for order, outcome in zip(self.plan.orders, self.outcomes, strict=True)
        ]
        remaining = re.fullmatch(r"[0-9]{1,9}", self.remaining_calls or "")
        return Report(tuple(outcomes), tuple(self.unmatched), int(remaining[0]) if remaining else None)
