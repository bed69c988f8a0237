"""Cancels of the orders that no batch takes: TP/SL orders one by one, trigger orders by trading pair or one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, field

from bitget_spot._bulk.accounts import Account, Call, ListedOrder
from bitget_spot._bulk.jobs import Job
from bitget_spot._bulk.matcher import INTERRUPTED, MatchedBatch, match_error, match_rows
from bitget_spot._bulk.open_order import OpenOrder
from bitget_spot._bulk.orders import OrderTarget
from bitget_spot._bulk.recovery import EXPECTED_ERRORS, FATAL_ERRORS
from bitget_spot._bulk.report import Outcome, Status
from bitget_spot._middleware.context import CancelScope, RequestContext

SIDE_BY_SIDE: Final = 20
"""Requests in flight at a time: twice the limit for TP/SL orders, as many as that for trigger orders."""


@define(eq=False)
class SingleCancelJob(Job):
    """The cancel of one order."""

    account: Account
    order: ListedOrder
    target: OrderTarget

    @property
    def targets(self) -> list[OrderTarget]:
        """The orders of the request."""
        return [self.target]

    def call(self) -> Call:
        """Return the call."""
        return self.account.cancel_one(self.order)

    def match(self) -> MatchedBatch:
        """Return what the response says."""
        row = self.account.cancel_one_row(self.order, self.result)
        return match_rows(self.targets, [] if row is None else [row], self.context)


@define(eq=False)
class PlanSymbolsJob(Job):
    """The cancel of all trigger orders of some trading pairs."""

    account: Account
    symbols: list[str]
    targets: list[OrderTarget]

    def call(self) -> Call:
        """Return the call."""
        return self.account.cancel_plan_symbols(self.symbols)

    def match(self) -> MatchedBatch:
        """Return what the response says."""
        return match_rows(self.targets, self.account.cancel_rows(self.result), self.context)


@define
class SingleCancels:
    """
    The requests of a run that cancel such orders.

    Attributes:
        scope: The run.
        fatal_error: An error after which no other request would succeed either.

    """

    scope: CancelScope
    fatal_error: BaseException | None = field(default=None, init=False)
    _waiting: deque[SingleCancelJob | PlanSymbolsJob] = field(factory=deque, init=False)
    _in_flight: set[SingleCancelJob | PlanSymbolsJob] = field(factory=set, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether none is in flight or waiting."""
        return not (self._in_flight or self._waiting)

    def add(self, account: Account, open_orders: Iterable[OpenOrder], *, by_symbol: bool) -> None:
        """
        Queue the cancels of orders.

        Args:
            account: The account.
            open_orders: TP/SL and trigger orders.
            by_symbol: Whether all trigger orders of a pair may be cancelled at once. Those for which that has not
                helped are cancelled one by one.

        """
        plan_orders = []
        for open_order in open_orders:
            is_new = not (open_order.cancels or open_order.rejections or open_order.outcome.attempts)
            if by_symbol and is_new and open_order.order.kind == "plan" and open_order.order.symbol is not None:
                plan_orders.append(open_order)
            else:
                context = RequestContext(self.scope)
                self._waiting.append(
                    SingleCancelJob(account, open_order.order, open_order.begin_cancel(), context=context)
                )
        if plan_orders:
            symbols = list(dict.fromkeys(str(open_order.order.symbol) for open_order in plan_orders))
            targets = [open_order.begin_cancel() for open_order in plan_orders]
            self._waiting.append(PlanSymbolsJob(account, symbols, targets, context=RequestContext(self.scope)))

    def next_jobs(self) -> Iterator[SingleCancelJob | PlanSymbolsJob]:
        """Yield the requests to send now."""
        while self._waiting and len(self._in_flight) < SIDE_BY_SIDE and self.scope.remaining() > 0:
            job = self._waiting[0]
            self._in_flight.add(job)
            self._waiting.popleft()
            yield job

    def record(self, job: SingleCancelJob | PlanSymbolsJob) -> list[OrderTarget]:
        """Record the outcomes of a request, and return its orders."""
        self._record_outcomes(job)
        self.discard(job)
        error = job.result
        is_expected = isinstance(error, EXPECTED_ERRORS) and not isinstance(error, FATAL_ERRORS)
        if isinstance(error, BaseException) and not is_expected:
            self.fatal_error = self.fatal_error or error
        return job.targets

    def discard(self, job: SingleCancelJob | PlanSymbolsJob) -> None:
        """Forget a request that is over."""
        self._in_flight.discard(job)

    def record_interrupted(self) -> None:
        """Record what is known about the requests in flight."""
        for job in self._in_flight:
            if job.result is not None:
                self._record_outcomes(job)
            elif job.may_have_left:
                for target in job.targets:
                    attempts = job.context.attempts
                    target.outcome = Outcome(target.order, Status.UNKNOWN, message=INTERRUPTED, attempts=attempts)

    def _record_outcomes(self, job: SingleCancelJob | PlanSymbolsJob) -> None:
        if isinstance(job.result, BaseException):
            matched = match_error(job.targets, job.result, job.context)
        else:
            matched = job.match()
        for target, outcome in zip(job.targets, matched.outcomes, strict=True):
            target.outcome = outcome
