"""One run of `cancel_orders`: batches side by side, one deadline, one outcome for each order."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias, cast

from attrs import define, evolve, field

from bitget_spot._bulk.accounts import OTHER_KIND_CODES
from bitget_spot._bulk.batch_queue import BatchJob, BatchQueue
from bitget_spot._bulk.confirmation import Confirmation
from bitget_spot._bulk.jobs import Job, JobLoop
from bitget_spot._bulk.orders import OrderKey, OrderTarget
from bitget_spot._bulk.planner import Plan
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.recovery import EXPECTED_ERRORS
from bitget_spot._bulk.report import CONFIRMABLE, Confirmed, Outcome, Report, Status, attach_report, summary_of
from bitget_spot._concurrency import EffectGenerator
from bitget_spot.errors import DeadlineExceeded

Outcomes: TypeAlias = Sequence[Outcome]
ProgressCallback: TypeAlias = Callable[[Outcomes], object]
log: Final = logging.getLogger("bitget_spot.bulk")


@define
class BatchRunner:
    """
    One run.

    Attributes:
        plan: The orders.
        queue: Their batches.
        on_progress: Called with the outcomes of each batch when they are final.
        confirm: Whether to ask afterwards what became of the orders.
        confirmed: What the exchange said about them.

    """

    plan: Plan
    queue: BatchQueue
    on_progress: ProgressCallback | None
    confirm: bool = False
    confirmed: dict[OrderKey, Confirmed] = field(factory=dict, init=False)

    def run(self) -> EffectGenerator[Report]:
        """
        Send every batch, confirm the orders if asked to, and return the report.

        Raises:
            BaseException: Whatever ended the run early; it carries the report.

        """
        queue = self.queue
        with self.reporting():
            queue.add(self.plan.targets)
            yield from JobLoop(queue.client, queue.scope, queue.next_jobs, self._record).run()
            self._report_progress(queue.unsent())
            if self.confirm and queue.fatal_error is None and queue.scope.remaining() > 0:
                yield from self._confirm()
            self._raise_if_incomplete()
        return self.report()

    def _record(self, job: Job) -> None:
        self._report_progress(self.queue.record(cast("BatchJob", job)))

    def _report_progress(self, targets: Iterable[OrderTarget]) -> None:
        if self.on_progress is None:
            return
        outcomes = [outcome for target in targets for _, outcome in self._outcomes_of(target)]
        if not outcomes:
            return
        try:
            self.on_progress(outcomes)
        except BaseException:
            self.on_progress = None  # a callback that has raised is not called again
            raise

    def _outcomes_of(self, target: OrderTarget) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcome of an order once for each time it was given, with its place in the input."""
        if target.outcome is None:
            return
        for index in target.input_indices:
            order = self.plan.orders[index]
            same_object = order is target.outcome.order
            yield index, target.outcome if same_object else evolve(target.outcome, order=order)

    def _confirm(self) -> EffectGenerator[None]:
        statuses = {
            target.key: target.outcome.status
            for target in self.plan.targets
            if target.outcome is not None and target.outcome.status in CONFIRMABLE
        }
        queries = OrderQueries(self.queue.client, self.queue.scope, self.queue.selection)
        try:
            yield from Confirmation(queries, "normal", statuses, self.confirmed).run()
        except EXPECTED_ERRORS as error:
            log.warning("confirmation ended early: %s", str(error) or type(error).__name__)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Let whatever ends the run early carry the report."""
        try:
            yield
        except BaseException as error:
            self.queue.record_interrupted()
            attach_report(error, self.report())
            raise

    def _raise_if_incomplete(self) -> None:
        if self.queue.fatal_error is not None:
            raise self.queue.fatal_error
        if self.queue.was_cut_short:
            summary = summary_of(self.report())
            raise DeadlineExceeded(f"the deadline passed before every order had an outcome: {summary}")

    def report(self) -> Report:
        """Return the report so far."""
        known: dict[int, Outcome] = {}
        for target in self.plan.targets:
            confirmed = self._confirmed(target) if self.confirmed else None
            for index, outcome in self._outcomes_of(target):
                known[index] = outcome if confirmed is None else evolve(outcome, confirmed=confirmed)
        outcomes = [known.get(index) or Outcome(order, Status.NOT_SENT) for index, order in enumerate(self.plan.orders)]
        remaining = re.fullmatch(r"[0-9]{1,9}", self.queue.remaining_calls or "")
        return Report(
            tuple(outcomes),
            tuple(self.queue.unmatched),
            int(remaining[0]) if remaining else None,
            confirm=self.confirm,
        )

    def _confirmed(self, target: OrderTarget) -> Confirmed | None:
        confirmed = self.confirmed.get(target.key)
        code = None if target.outcome is None else target.outcome.code
        # Nothing was cancelled if the order is of another kind.
        return None if code in OTHER_KIND_CODES and confirmed is Confirmed.CANCELLED else confirmed
