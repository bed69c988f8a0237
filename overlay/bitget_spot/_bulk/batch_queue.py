"""
The batches of a run: which to send now, and what their results mean.

A batch may be sent again in other batches: in parts, if it was refused because of one of its orders; the orders that the
exchange was too busy for; and all of it, if the account turns out to be of the other type.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import Factory, define, field

from bitget_spot._bulk.accounts import AccountSelection, Call
from bitget_spot._bulk.jobs import Job
from bitget_spot._bulk.matcher import INTERRUPTED, MatchedBatch, match_error, match_rows
from bitget_spot._bulk.orders import OrderTarget
from bitget_spot._bulk.planner import Batch, batches_of, parts_of, set_aside
from bitget_spot._bulk.recovery import EXPECTED_ERRORS, FATAL_ERRORS, SPLIT_ERRORS, SplitBudget, is_temporary
from bitget_spot._bulk.report import Outcome, Status
from bitget_spot._middleware.context import CancelScope, RequestContext
from bitget_spot._middleware.retry import backoff
from bitget_spot.client import SpotClient
from bitget_spot.errors import SystemBusyError

log: Final = logging.getLogger("bitget_spot.bulk")


@define(eq=False)
class BatchJob(Job):
    """
    One batch, and what is known about it.

    Attributes:
        batch: The orders.
        retries: How often its orders have been sent again because the exchange was too busy for them.
        split_budget: How many requests its parts may take, if it is refused because of one of its orders.

    """

    batch: Batch
    retries: int = 0
    split_budget: SplitBudget = Factory(SplitBudget)

    def call(self) -> Call:
        """Return the call that sends it."""
        return self.batch.call()


@define
class BatchQueue:
    """
    The batches of one run.

    Attributes:
        client: The client that sends.
        scope: The deadline of the run.
        selection: The account.
        batch_size: The most orders in a batch; `None` for the document's maximum.
        waiting: The batches that have not been started.
        started: The batches that have been.
        unmatched: Rows of responses that belong to none of the orders.
        remaining_calls: What the exchange last reported as the calls left.
        fatal_error: What ends the run early.

    """

    client: SpotClient
    scope: CancelScope
    selection: AccountSelection
    batch_size: int | None = None
    waiting: deque[BatchJob] = field(factory=deque, init=False)
    started: list[BatchJob] = field(factory=list, init=False)
    unmatched: list[Mapping[str, Any]] = field(factory=list, init=False)
    remaining_calls: str | None = field(default=None, init=False)
    fatal_error: BaseException | None = field(default=None, init=False)
    _account_scope: CancelScope = field(init=False)
    """Stopped when the account turns out to be of the other type."""
    _in_flight: set[BatchJob] = field(factory=set, init=False)
    _refused: list[OrderTarget] = field(factory=list, init=False)
    """Orders that have to be planned again for the other type of account."""

    def __attrs_post_init__(self) -> None:
        self._account_scope = self.scope.child()

    @property
    def is_idle(self) -> bool:
        """Whether no batch is in flight or waiting."""
        return not (self.waiting or self._in_flight or self._refused)

    @property
    def was_cut_short(self) -> bool:
        """Whether the end of the run has kept something from being sent."""
        return bool(self.waiting or self._refused) or any(job.context.stopped for job in self.started)

    def add(self, targets: Iterable[OrderTarget]) -> None:
        """Queue orders; one that the account cannot cancel as it is has an outcome afterwards, the others have not."""
        account = self.selection.account
        sendable, _ = set_aside(account, targets)
        self._enqueue(batches_of(account, sendable, self.batch_size))

    def next_jobs(self) -> Iterator[BatchJob]:
        """Yield the batches to start now."""
        # Twice the limit: while some wait before a retry, others use the permits.
        side_by_side = 2 * self.client.rate_limit(self.selection.account.batch_operation).requests
        while self.waiting and len(self._in_flight) < side_by_side and self.scope.remaining() > 0:
            job = self.waiting[0]
            self.started.append(job)
            self._in_flight.add(job)
            self.waiting.popleft()
            yield job

    def record(self, job: BatchJob) -> list[OrderTarget]:
        """
        Record the outcomes of a batch that is over; an unrecoverable error ends the run.

        Returns:
            The orders that will not be sent again.

        """
        error = job.result
        if isinstance(error, BaseException) and self._is_for_other_type(job, error):
            return self._plan_again(job)
        matched = self._record_outcomes(job)
        self._in_flight.discard(job)
        self._log(job, matched)
        is_expected = isinstance(error, EXPECTED_ERRORS) and not isinstance(error, FATAL_ERRORS)
        if isinstance(error, BaseException) and not is_expected:
            self.fatal_error = self.fatal_error or error
            self.scope.stop()
        resent = self._send_again(job, matched)
        job.result = None  # a response is large, and not needed any more
        final = [target for target in job.batch.targets if target not in resent]
        return final + self._plan_refused()

    def unsent(self) -> list[OrderTarget]:
        """Return the orders that the end of the run has kept from being sent again."""
        targets = [target for job in self.waiting for target in job.batch.targets]
        return targets + self._refused

    def record_interrupted(self) -> None:
        """Record what is known about the batches in flight: those without a result may have been executed."""
        for job in self._in_flight:
            if job.result is not None:
                self._record_outcomes(job)
            elif job.may_have_left:
                for target in job.batch.targets:
                    attempts = target.earlier_attempts + job.context.attempts
                    target.outcome = Outcome(target.order, Status.UNKNOWN, message=INTERRUPTED, attempts=attempts)

    def _record_outcomes(self, job: BatchJob) -> MatchedBatch:
        targets = job.batch.targets
        if isinstance(job.result, BaseException):
            matched = match_error(targets, job.result, job.context)
        else:
            matched = match_rows(targets, job.batch.account.cancel_rows(job.result), job.context)
        for target, outcome in zip(targets, matched.outcomes, strict=True):
            target.outcome = outcome
        if not job.recorded:
            self.unmatched += matched.unmatched
            self.remaining_calls = job.context.remaining_calls or self.remaining_calls
            job.recorded = True
        return matched

    def _log(self, job: BatchJob, matched: MatchedBatch) -> None:
        if not log.isEnabledFor(logging.INFO):
            return
        counts = Counter(outcome.status for outcome in matched.outcomes)
        latency = job.context.attempt.latency
        log.info(
            "batch of %d by %s: %s, %d attempt%s%s",
            len(job.batch.targets),
            job.batch.id_field,
            ", ".join(f"{count} {status}" for status, count in counts.items()),
            job.context.attempts,
            "" if job.context.attempts == 1 else "s",
            "" if latency is None else f", {latency * 1000:.0f} ms",
        )

    def _send_again(self, job: BatchJob, matched: MatchedBatch) -> set[OrderTarget]:
        """Queue the orders of a batch that should be sent again; return them."""
        if isinstance(job.result, SPLIT_ERRORS):
            parts = job.split_budget.split(job.batch.targets)
            successors = [self._successor(job, part) for part in parts]
        else:
            successors = self._retries(job, matched)
        self.waiting += successors
        return {target for successor in successors for target in successor.batch.targets}

    def _retries(self, job: BatchJob, matched: MatchedBatch) -> list[BatchJob]:
        """Return jobs, in smaller batches, for the orders that the exchange was too busy for."""
        if isinstance(job.result, BaseException) or job.retries >= self.client.max_retries:
            return []
        busy = []
        for target, outcome in zip(job.batch.targets, matched.outcomes, strict=True):
            if outcome.error is not None and is_temporary(outcome.error):
                busy.append(target)
                # An exchange that gives up on an order because it is busy does not say how far it got.
                target.maybe_executed |= isinstance(outcome.error, SystemBusyError)
        if not busy:
            return []
        delay = backoff(job.retries, random.random)
        if self.scope.remaining() <= delay:
            job.context.stopped = True
            return []
        parts = parts_of(busy, max(1, len(job.batch.targets) // 2))
        return [self._successor(job, part, delay=delay, retries=job.retries + 1) for part in parts]

    def _successor(self, job: BatchJob, part: list[OrderTarget], delay: float = 0.0, retries: int = 0) -> BatchJob:
        """Return a job that sends some of the orders of another again."""
        _keep_history(job, part)
        return BatchJob(
            Batch(job.batch.account, part),
            retries or job.retries,
            job.split_budget,
            context=RequestContext(job.context.scope, is_valid=True),
            delay=delay,
        )

    def _is_for_other_type(self, job: BatchJob, error: BaseException) -> bool:
        """Return whether a batch was refused, or has not been sent, because the account is of the other type."""
        used = job.batch.account
        if not self.selection.switches_after(used, error):
            return used is not self.selection.account and job.context.stopped
        if job.context.scope is self._account_scope:
            # The first refusal keeps the others from being sent; those in flight will be refused as well.
            self._account_scope.stop()
            self._account_scope = self.scope.child()
        return True

    def _plan_again(self, job: BatchJob) -> list[OrderTarget]:
        """Take back a refused batch, and those that have not been sent yet, for the other type of account."""
        self._record_outcomes(job)  # in case that the run ends before they are sent again
        self._in_flight.discard(job)
        _keep_history(job, job.batch.targets)
        job.context.stopped = False
        self._refused += job.batch.targets
        while self.waiting and self.waiting[0].batch.account is job.batch.account:
            self._refused += self.waiting.popleft().batch.targets
        return self._plan_refused()

    def _plan_refused(self) -> list[OrderTarget]:
        """
        Queue the refused orders again: full batches at once, others when no further refusal is to be expected.

        Returns:
            The orders that the account cannot cancel as they are.

        """
        if not self._refused:
            return []
        account = self.selection.account
        sendable, unsendable = set_aside(account, self._refused)
        largest = min(self.batch_size or account.max_orders, account.max_orders)
        self._refused = []
        for batch in batches_of(account, sendable, self.batch_size):
            if len(batch.targets) < largest and self._awaits_refusals(batch.id_field):
                self._refused += batch.targets
            else:
                self._enqueue([batch])
        return unsendable

    def _awaits_refusals(self, id_field: str) -> bool:
        """Return whether batches for the other type are in flight whose orders could fill up a batch."""
        account = self.selection.account
        others = [job.batch for job in self._in_flight if job.batch.account is not account]
        if not any(batch.id_field == id_field for batch in others):
            return False
        # The first result for this type comes a round trip after the refusals: one that is still missing is stuck.
        return not any(job.recorded and job.batch.account is account for job in self.started)

    def _enqueue(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self.waiting.append(BatchJob(batch, context=RequestContext(self._account_scope, is_valid=True)))


def _keep_history(job: BatchJob, targets: Iterable[OrderTarget]) -> None:
    for target in targets:
        target.earlier_attempts += job.context.attempts
        target.maybe_executed |= job.context.maybe_executed
