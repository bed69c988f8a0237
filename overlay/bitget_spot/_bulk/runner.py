"""
Batches side by side, with one deadline, and one outcome for each order.

A batch in flight is a `BatchCall`. The worker that sends it stores the result there, so the outcome of a batch is known
even if an interrupt reaches the run before it has been recorded. A call may have successors: the parts of a batch that
was refused because of one of its orders, and the orders that the exchange was too busy for.
"""

from __future__ import annotations

import logging
import random
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from attrs import Factory, define, evolve, field

from bitget_spot._bulk.confirmation import Confirmation
from bitget_spot._bulk.matcher import INTERRUPTED, MatchedBatch, match_response
from bitget_spot._bulk.planner import Batch, OrderKey, OrderTarget, Plan
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.recovery import EXPECTED_ERRORS, FATAL_ERRORS, SPLIT_ERRORS, SplitBudget, is_temporary
from bitget_spot._bulk.report import CONFIRMABLE, Confirmed, Outcome, Report, Status, attach_report
from bitget_spot._concurrency import Effect, EffectGenerator, Waiter, Workers, open_workers, run_async, run_sync
from bitget_spot._middleware.context import REQUEST_CONTEXT, CancelScope, RequestContext
from bitget_spot._middleware.retry import backoff
from bitget_spot.client import SpotClient
from bitget_spot.errors import DeadlineExceeded, SystemBusyError
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

Outcomes: TypeAlias = Sequence[Outcome]
ProgressCallback: TypeAlias = Callable[[Outcomes], object]
log: Final = logging.getLogger("bitget_spot")


@define(eq=False)
class BatchCall:
    """
    One batch, and what is known about it.

    Attributes:
        batch: The orders.
        context: What happens on the way.
        delay: Seconds to wait before it is sent.
        retries: How often its orders have been sent again because the exchange was too busy for them.
        split_budget: How many requests its parts may take, if it is refused because of one of its orders.
        attempts_before: How often its orders were sent by earlier calls.
        result: The generated function's return value, or the exception that it raised; `None` until then.
        recorded: Its outcomes have been recorded.
        in_thread: A thread is sending it, which goes on after the run has given up.

    """

    batch: Batch
    context: RequestContext
    delay: float = 0.0
    attempts_before: int = 0
    retries: int = 0
    split_budget: SplitBudget = Factory(SplitBudget)
    result: object = None
    recorded: bool = False
    in_thread: bool = False

    @property
    def may_have_left(self) -> bool:
        """Whether it has been sent, or may still be."""
        return self.in_thread or self.context.attempts > self.attempts_before

    def send(self, client: SpotClient) -> Effect:
        """Call the generated function after the delay, and store the result."""

        def send_sync() -> None:
            self.in_thread = True
            run_sync(self._steps(client))
            self.in_thread = False

        async def send_async() -> None:
            await run_async(self._steps(client))

        return Effect(send_sync, send_async)

    def _steps(self, client: SpotClient) -> EffectGenerator[None]:
        try:
            if self.delay:
                waiter = Waiter()
                with self.context.scope.wake_on_stop(waiter):
                    yield waiter.wait(self.delay)
            self.result = yield self._call(client)
        except Exception as error:  # noqa: BLE001 - `BatchRunner.record` decides what it means
            self.result = error
        except BaseException as error:
            self.result = error
            raise

    def _call(self, client: SpotClient) -> Effect:
        body = self.batch.request()

        def call_sync() -> object:
            token = REQUEST_CONTEXT.set(self.context)
            try:
                return batch_cancel_orders.sync(client=client, body=body)
            finally:
                REQUEST_CONTEXT.reset(token)

        async def call_async() -> object:
            REQUEST_CONTEXT.set(self.context)  # a task has a copy of the context variables
            return await batch_cancel_orders.asyncio(client=client, body=body)

        return Effect(call_sync, call_async)

    def successor(self, targets: list[OrderTarget], **changes: Any) -> BatchCall:  # noqa: ANN401 - fields of this class
        """Return a call that sends some of the orders again."""
        attempts = self.context.attempts
        context = RequestContext(
            self.context.scope, maybe_executed=self.context.maybe_executed, earlier_attempts=attempts
        )
        return evolve(
            self,
            batch=Batch(targets),
            context=context,
            attempts_before=attempts,
            result=None,
            recorded=False,
            **changes,
        )


@define
class BatchRunner:
    """
    One run: what was given, what has been sent, and what is known.

    Attributes:
        client: The client that sends.
        plan: The orders and their batches.
        scope: The deadline of the run.
        on_progress: Called with the outcomes of each batch when they are final.
        outcomes: The outcome of each order; `None` while nothing is known.
        calls: The batches that have been started.
        waiting: The batches that have not been started.
        unmatched: Rows of responses that belong to none of the orders.
        remaining_calls: What the exchange last reported as the calls left.
        fatal_error: What ends the run early.
        confirmed: What the exchange said about the orders afterwards.

    """

    client: SpotClient
    plan: Plan
    scope: CancelScope
    on_progress: ProgressCallback | None
    confirm: bool = False
    outcomes: list[Outcome | None] = field(init=False)
    calls: list[BatchCall] = field(factory=list, init=False)
    waiting: deque[BatchCall] = field(init=False)
    unmatched: list[Mapping[str, Any]] = field(factory=list, init=False)
    remaining_calls: str | None = field(default=None, init=False)
    fatal_error: BaseException | None = field(default=None, init=False)
    confirmed: dict[OrderKey, Confirmed] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.outcomes = [None] * len(self.plan.orders)
        self.waiting = deque(BatchCall(batch, RequestContext(self.scope)) for batch in self.plan.batches)

    def run(self) -> EffectGenerator[Report]:
        """
        Send every batch, confirm the orders if asked to, and return the report.

        Raises:
            BaseException: Whatever ended the run early; it carries the report.

        """
        with self.reporting():
            yield from self.send_batches()
            if self.confirm and self.fatal_error is None and self.scope.remaining() > 0:
                yield from self._confirm()
            self._raise_if_incomplete()
        return self.report()

    def send_batches(self) -> EffectGenerator[None]:
        """Send every batch, and record the outcomes; return early after a fatal error or at the deadline."""
        workers: Workers = yield open_workers()
        try:
            yield from self._start_and_record(workers)
        except GeneratorExit:
            raise  # the event loop has ended, so nothing can be awaited
        except BaseException:
            self.scope.stop()
            yield from self._drain(workers)
            raise
        finally:
            workers.close()

    def _start_and_record(self, workers: Workers) -> EffectGenerator[None]:
        while True:
            for call in self.next_calls(workers.running):
                workers.start(call, call.send(self.client))
            if not workers.running:
                return
            yield from self._record_finished(workers)

    def _record_finished(self, workers: Workers) -> EffectGenerator[None]:
        for call in (yield workers.wait()):
            self.record(call)
            workers.remove(call)

    def _drain(self, workers: Workers) -> EffectGenerator[None]:
        """Wait for the batches in flight and record them; an exception of the progress callback is raised at the end."""
        callback_error: BaseException | None = None
        while workers.running:
            for call in (yield workers.wait()):
                workers.remove(call)
                try:
                    self.record(call)
                except BaseException as error:  # noqa: BLE001 - raised below
                    callback_error = error
        if callback_error is not None:
            raise callback_error

    def next_calls(self, in_flight: int) -> Iterator[BatchCall]:
        """Yield the batches to start now."""
        # Twice the limit: while some wait before a retry, others use the permits.
        side_by_side = 2 * self.client.rate_limit(BATCH_CANCEL_ORDERS).requests
        while self.waiting and in_flight < side_by_side and self.scope.remaining() > 0:
            call = self.waiting[0]
            self.calls.append(call)
            self.waiting.popleft()
            in_flight += 1
            yield call

    def record(self, call: BatchCall) -> None:
        """Record the outcomes of a batch that is over; end the run after an unrecoverable error."""
        matched = self._record_outcomes(call)
        if matched is None:
            return
        self._log(call, matched)
        error = call.result
        is_expected = isinstance(error, EXPECTED_ERRORS) and not isinstance(error, FATAL_ERRORS)
        if isinstance(error, BaseException) and not is_expected:
            self.fatal_error = self.fatal_error or error
            self.scope.stop()
        resent = self._send_again(call, matched)
        call.result = None  # a response is large, and not needed any more
        final = [target for target in call.batch.targets if target.key not in resent]
        self._report_progress([outcome for target in final for outcome in self._outcomes_of(target)])

    def _record_outcomes(self, call: BatchCall) -> MatchedBatch | None:
        if call.recorded or call.result is None:
            return None
        matched = match_response(call.batch, call.result, call.context)
        for target, outcome in zip(call.batch.targets, matched.outcomes, strict=True):
            self._set_outcome(target, outcome)
        self.unmatched += matched.unmatched
        self.remaining_calls = call.context.remaining_calls or self.remaining_calls
        call.recorded = True
        return matched

    def _log(self, call: BatchCall, matched: MatchedBatch) -> None:
        counts = Counter(outcome.status for outcome in matched.outcomes)
        log.info(
            "batch of %d by %s, %d attempts: %s",
            len(call.batch.targets),
            call.batch.id_field,
            call.context.attempts,
            ", ".join(f"{count} {status}" for status, count in counts.items()),
        )

    def _send_again(self, call: BatchCall, matched: MatchedBatch) -> set[OrderKey]:
        """Queue the orders of a batch that should be sent again; return their keys."""
        if isinstance(call.result, SPLIT_ERRORS):
            successors = [call.successor(part, delay=0.0) for part in call.split_budget.split(call.batch.targets)]
        else:
            successors = self._retries(call, matched)
        keys = {target.key for successor in successors for target in successor.batch.targets}
        self.waiting += successors
        return keys

    def _retries(self, call: BatchCall, matched: MatchedBatch) -> list[BatchCall]:
        """Return calls, in smaller batches, for the orders that the exchange was too busy for."""
        if isinstance(call.result, BaseException) or call.retries >= self.client.max_retries:
            return []
        outcomes = zip(call.batch.targets, matched.outcomes, strict=True)
        busy = [
            (target, outcome.error) for target, outcome in outcomes if outcome.error and is_temporary(outcome.error)
        ]
        if not busy:
            return []
        delay = backoff(call.retries, random.random)
        if self.scope.remaining() <= delay:
            call.context.stopped = True
            return []
        targets = [target for target, _ in busy]
        size = max(1, len(call.batch.targets) // 2)
        successors = []
        for start in range(0, len(targets), size):
            successor = call.successor(targets[start : start + size], delay=delay, retries=call.retries + 1)
            # An exchange that gives up on an order because it is busy does not say how far it got.
            if any(isinstance(error, SystemBusyError) for _, error in busy):
                successor.context.maybe_executed = True
            successors.append(successor)
        return successors

    def _set_outcome(self, target: OrderTarget, outcome: Outcome) -> None:
        """Set the outcome of an order, once for each time it was given."""
        for index in target.input_indices:
            order = self.plan.orders[index]
            self.outcomes[index] = outcome if order is outcome.order else evolve(outcome, order=order)

    def _outcomes_of(self, target: OrderTarget) -> Iterator[Outcome]:
        for index in target.input_indices:
            outcome = self.outcomes[index]
            if outcome is not None:
                yield outcome

    def _report_progress(self, outcomes: Outcomes) -> None:
        if self.on_progress is None or not outcomes:
            return
        try:
            self.on_progress(outcomes)
        except BaseException:
            self.on_progress = None  # a callback that has raised is not called again
            raise

    def _confirm(self) -> EffectGenerator[None]:
        statuses = {}
        for target in self._targets():
            outcome = next(self._outcomes_of(target), None)
            if outcome is not None and outcome.status in CONFIRMABLE:
                statuses[target.key] = outcome.status
        try:
            yield from Confirmation(OrderQueries(self.client, self.scope), statuses, self.confirmed).run()
        except EXPECTED_ERRORS as error:
            log.warning("confirmation ended early: %s", str(error) or type(error).__name__)

    def _targets(self) -> Iterator[OrderTarget]:
        for batch in self.plan.batches:
            yield from batch.targets

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Let whatever ends the run early carry the report."""
        try:
            yield
        except BaseException as error:
            attach_report(error, self.interrupted_report())
            raise

    def interrupted_report(self) -> Report:
        """Return the report of a run that has ended early: batches without a result may have been executed."""
        for call in self.calls:
            self._record_outcomes(call)
            if not call.recorded and call.may_have_left:
                for target in call.batch.targets:
                    outcome = Outcome(target.order, Status.UNKNOWN, message=INTERRUPTED, attempts=call.context.attempts)
                    self._set_outcome(target, outcome)
        return self.report()

    def _raise_if_incomplete(self) -> None:
        if self.fatal_error is not None:
            raise self.fatal_error
        if self.waiting or any(call.context.stopped for call in self.calls):
            raise DeadlineExceeded(f"the deadline passed before every order had an outcome: {self._summary()}")

    def _summary(self) -> str:
        counts = self.report().counts
        return ", ".join(f"{count} {status}" for status, count in counts.items() if count)

    def report(self) -> Report:
        """Return the report so far."""
        if self.confirmed:
            self._set_confirmed()
        outcomes = [
            Outcome(order, Status.NOT_SENT) if outcome is None else outcome
            for order, outcome in zip(self.plan.orders, self.outcomes, strict=True)
        ]
        remaining = re.fullmatch(r"[0-9]{1,9}", self.remaining_calls or "")
        return Report(
            tuple(outcomes),
            tuple(self.unmatched),
            int(remaining[0]) if remaining else None,
            confirm=self.confirm,
        )

    def _set_confirmed(self) -> None:
        for target in self._targets():
            confirmed = self.confirmed.get(target.key)
            if confirmed is not None:
                for index in target.input_indices:
                    outcome = self.outcomes[index]
                    if outcome is not None:
                        self.outcomes[index] = evolve(outcome, confirmed=confirmed)
