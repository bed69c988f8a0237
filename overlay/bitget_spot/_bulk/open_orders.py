"""
The kill switch: finds open orders, cancels them, and looks again until none is left.

Requests of all kinds are in flight at the same time: the pages of a listing, the cancels of whole trading pairs, batches,
and the cancels of single orders. Whenever one of them ends, `_record` notes what it means, and `_next_jobs` decides what
to send next.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, field

from bitget_spot._bulk.accounts import Account, Call, ListedOrder, Page
from bitget_spot._bulk.accounts.base import milliseconds
from bitget_spot._bulk.batch_queue import BatchJob, BatchQueue
from bitget_spot._bulk.confirmation import Confirmation
from bitget_spot._bulk.finished_orders import FinishedOrders, finished_searches
from bitget_spot._bulk.jobs import Job, JobLoop
from bitget_spot._bulk.listing import ListingRound, PageJob, new_round
from bitget_spot._bulk.open_order import OpenOrder
from bitget_spot._bulk.order_filter import OrderFilter
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.recovery import EXPECTED_ERRORS
from bitget_spot._bulk.report import Outcome, Report, Status, attach_report, summary_of
from bitget_spot._bulk.runner import ProgressCallback
from bitget_spot._bulk.seen_orders import SeenOrders, covered_orders
from bitget_spot._bulk.single_cancels import PlanSymbolsJob, SingleCancelJob, SingleCancels
from bitget_spot._bulk.symbol_cancels import SymbolCancelJob, SymbolCancels
from bitget_spot._concurrency import EffectGenerator
from bitget_spot._middleware.context import CancelScope, RequestContext
from bitget_spot.errors import BitgetError, DeadlineExceeded

EMPTY_LISTINGS: Final = 2
"""Empty listings in a row after which nothing is open."""
LISTING_INTERVAL: Final = 0.2
"""Seconds between two listings if there is nothing to cancel."""
MAX_LISTING_INTERVAL: Final = 2.0
"""Seconds after which the next listing begins although cancels are still under way."""
log: Final = logging.getLogger("bitget_spot.bulk")


@define(eq=False)
class PauseJob(Job):
    """A pause, after which it is decided again what to send."""

    def call(self) -> Call | None:
        """Return `None`: nothing is sent."""
        return None


@define
class OpenOrderCanceller:
    """
    One run of the kill switch.

    Attributes:
        queries: The client, the deadline and the account.
        order_filter: Which orders to cancel.
        by_symbol: Whether whole trading pairs may be cancelled by one request.
        on_progress: Called with outcomes when they are known.
        seen: The orders that are known.

    """

    queries: OrderQueries
    order_filter: OrderFilter
    by_symbol: bool
    on_progress: ProgressCallback | None
    seen: SeenOrders = field(factory=SeenOrders, init=False)
    _queue: BatchQueue = field(init=False)
    _single_cancels: SingleCancels = field(init=False)
    _symbol_cancels: SymbolCancels = field(init=False)
    _round: ListingRound = field(init=False)
    _pause_scope: CancelScope = field(init=False)
    _pause_ends_at: float = field(default=float("inf"), init=False)
    _next_round_at: float = field(default=float("inf"), init=False)
    _empty_rounds: int = field(default=0, init=False)
    _has_listed: bool = field(default=False, init=False)
    _is_clear: bool = field(default=False, init=False)
    _began_at: float = field(init=False)
    _began_at_exchange: int | None = field(default=None, init=False)
    """When the run began, in milliseconds since the epoch by the exchange's clock."""

    def __attrs_post_init__(self) -> None:
        scope = self._scope
        self._began_at = scope.clock()
        self._pause_scope = scope.child()
        self._queue = BatchQueue(self.queries.client, scope, self.queries.selection)
        self._single_cancels = SingleCancels(scope)
        self._begin()

    @property
    def _scope(self) -> CancelScope:
        return self.queries.scope

    @property
    def _fatal_error(self) -> BaseException | None:
        """An error after which no other request would succeed either."""
        return self._queue.fatal_error or self._single_cancels.fatal_error or self._symbol_cancels.fatal_error

    def run(self) -> EffectGenerator[None]:
        """
        List and cancel until nothing is left, then ask what became of the orders.

        Raises:
            BaseException: Whatever ended the run early.

        """
        yield from JobLoop(self.queries.client, self._scope, self._next_jobs, self._record).run()
        fatal_error = self._fatal_error
        if fatal_error is not None:
            raise fatal_error
        if not self._is_clear:
            self._raise_deadline_exceeded()
        yield from self._find_finished()
        yield from self._confirm()
        error = self._round.error()
        if error is not None:
            raise error

    def find(self) -> EffectGenerator[list[ListedOrder]]:
        """Return the open orders that are to be cancelled; only a second empty listing means that there are none."""
        orders = yield from self._list_once()
        if not orders:
            yield from self.queries.pause(LISTING_INTERVAL)
            orders = yield from self._list_once()
        return orders

    def _list_once(self) -> EffectGenerator[list[ListedOrder]]:
        account = self.queries.account
        orders: list[ListedOrder] = []
        try:
            for stream in new_round(account, self._scope, self.order_filter).streams:
                orders += yield from self.queries.all_orders(stream.kind, stream.symbol)
        except BitgetError as error:
            if not self.queries.selection.switches_after(account, error):
                raise
            return (yield from self._list_once())
        return [order for order in orders if self.order_filter.includes(order)]

    def _begin(self) -> None:
        """Begin anew, at the start and if the account turns out to be of the other type."""
        account = self.queries.account
        self._symbol_cancels = SymbolCancels(self._scope, account)
        self._begin_round(account)
        if self.by_symbol and self.order_filter.symbols:
            for symbol in self.order_filter.symbols:
                self._symbol_cancels.add(symbol)
        elif self.by_symbol and account.clears_category:
            self._symbol_cancels.add(None)

    def _begin_round(self, account: Account) -> None:
        self._round = new_round(account, self._scope, self.order_filter)
        self._next_round_at = float("inf")

    def _next_jobs(self) -> Iterator[Job]:
        """Yield what to send now."""
        if self._is_clear or self._scope.remaining() <= 0:
            return
        now = self._scope.clock()
        if now >= self._next_round_at:
            self._begin_round(self.queries.account)
        yield from self._symbol_cancels.next_jobs()
        yield from self._queue.next_jobs()
        yield from self._single_cancels.next_jobs()
        yield from self._round.next_jobs()
        wake_at = min(self._wake_times(now), default=float("inf"))
        if wake_at < self._pause_ends_at:
            self._pause_ends_at = wake_at
            yield PauseJob(context=RequestContext(self._pause_scope), delay=wake_at - now)

    def _wake_times(self, now: float) -> Iterator[float]:
        """Yield the moments at which something is to be decided although no request ends."""
        for stream in self._round.streams:
            if not (stream.is_over or stream.is_busy) and stream.retry_at > now:
                yield stream.retry_at
        if self._next_round_at != float("inf"):
            yield max(self._next_round_at, now)
        for cancel in self._symbol_cancels.cancels.values():
            if self._round.undecided and now < cancel.hold_back_until < float("inf"):
                yield cancel.hold_back_until

    def _record(self, job: Job) -> None:
        """Record the result of a request, and decide whether the listing is over."""
        outcomes = self._outcomes_of(job)
        job.recorded = True
        self._report_progress(outcomes)
        if self._fatal_error is None:
            self._advance()
        else:
            # Raised when the requests in flight are over: here it would replace an interrupt.
            self._scope.stop()

    def _outcomes_of(self, job: Job) -> list[Outcome]:
        now = self._scope.clock()
        if isinstance(job, BatchJob):
            return self.seen.record(self._queue.record(job), now)
        if isinstance(job, PauseJob):
            self._pause_ends_at = float("inf")
        elif isinstance(job, PageJob) and not self._is_refused(job.account, job.result):
            return self._record_page(job)
        elif isinstance(job, SymbolCancelJob) and not self._is_refused(job.account, job.result):
            return self._record_symbol_cancel(job)
        elif isinstance(job, SingleCancelJob | PlanSymbolsJob):
            return self._record_single_cancel(job)
        return []

    def _is_refused(self, account: Account, result: object) -> bool:
        """Return whether a request was made for the other type of account."""
        return isinstance(result, BitgetError) and self.queries.selection.switches_after(account, result)

    def _record_page(self, job: PageJob) -> list[Outcome]:
        if job.account is not self._round.account:
            return []  # of a round that was given up
        page = self._round.record(job, self.order_filter)
        if page is None:
            return []
        self._note_time(job)
        if self.by_symbol and not self.order_filter.symbols:
            self._cancel_new_symbols(job, page)
        listed = [self.seen.see(order) for order in page.orders if order.order_id in self._round.listed]
        outcomes = []
        for cancel in self._symbol_cancels.succeeded():
            if cancel.succeeded_at is not None and job.sent_at < cancel.succeeded_at:
                # The page is older than the success; the next listing shows whether its orders are still open.
                covered = covered_orders(self._symbol_cancels, cancel, listed)
                outcomes += self.seen.cover(cancel, covered, cancel.failed_rows, self._scope.clock())
        return outcomes

    def _note_time(self, job: PageJob) -> None:
        """
        Compare the exchange's clock with this one, once.

        It was read some time before the response arrived, so this is the earliest moment at which the run may have begun
        there: an order that the run has cancelled must not be taken for one that had ended before.
        """
        exchange_time = milliseconds(getattr(job.result, "request_time", None))
        if self._began_at_exchange is None and exchange_time is not None:
            elapsed = self._scope.clock() - self._began_at
            self._began_at_exchange = exchange_time - math.ceil(elapsed * 1000)

    def _cancel_new_symbols(self, job: PageJob, page: Page) -> None:
        if job.stream.kind == "normal" and not job.account.clears_category:
            for order in page.orders:
                if order.symbol is not None and order.symbol.isascii():
                    self._symbol_cancels.add(order.symbol.upper(), listed_before=page.next_position is None)

    def _record_symbol_cancel(self, job: SymbolCancelJob) -> list[Outcome]:
        cancels = self._symbol_cancels
        covered = covered_orders(cancels, job.cancel, self._listed_orders())
        if not cancels.record(job, is_needed=bool(covered) or self._round.completed_at is None):
            return []
        self._round.has_sent = True
        rows = list(job.account.cancel_rows(job.result))
        job.cancel.failed_rows = [row for row in rows if row.error is not None]
        return self.seen.cover(job.cancel, covered, rows, self._scope.clock())

    def _listed_orders(self) -> list[OpenOrder]:
        """Return the orders of this listing, and those of earlier ones that no cancel has been sent for."""
        listed = self._round.listed
        return [
            open_order
            for order_id, open_order in self.seen.orders.items()
            if order_id in listed or open_order.outcome.status is Status.NOT_SENT
        ]

    def _record_single_cancel(self, job: SingleCancelJob | PlanSymbolsJob) -> list[Outcome]:
        if self._is_refused(job.account, job.result):
            self._single_cancels.discard(job)
            self.seen.take_back(job.targets, job.context.attempts)
            return []
        now = self._scope.clock()
        outcomes = self.seen.record(self._single_cancels.record(job), now)
        if isinstance(job, PlanSymbolsJob) and not isinstance(job.result, BaseException):
            symbol = job.symbols[0] if len(job.symbols) == 1 else None
            rows = job.account.cancel_rows(job.result)
            outcomes += self.seen.take_cancelled("plan", symbol, rows, job.context.attempts, now)
        return outcomes

    def _cancel_due(self, order_ids: Iterable[str]) -> None:
        """Queue the cancels of listed orders that are due; those that wait for the cancel of a pair stay undecided."""
        now = self._scope.clock()
        normal: list[OpenOrder] = []
        others: list[OpenOrder] = []
        for order_id in order_ids:
            open_order = self.seen.see(self._round.listed[order_id])
            cancel = self._symbol_cancels.of(open_order.order)
            if open_order.is_due(now) and cancel is not None and now < cancel.hold_back_until:
                continue
            self._round.undecided.remove(order_id)
            if open_order.is_due(now):
                self._round.has_sent = True
                (normal if open_order.order.kind == "normal" else others).append(open_order)
        if normal:
            self._queue.add([open_order.begin_cancel() for open_order in normal])
        if others:
            self._single_cancels.add(self.queries.account, others, by_symbol=not self.order_filter.sides)

    def _report_progress(self, outcomes: list[Outcome]) -> None:
        if self.on_progress is None or not outcomes:
            return
        try:
            self.on_progress(outcomes)
        except BaseException:
            self.on_progress = None  # a callback that has raised is not called again
            raise

    def _advance(self) -> None:
        """Begin the next listing, or end the run, if it is time to."""
        if self._round.account is not self.queries.account:
            self._begin()
        if not self._round.is_judged and (self._round.listed or self._round.has_failed):
            self._empty_rounds = 0
        self._cancel_due(list(self._round.undecided))
        completed_at = self._round.completed_at
        if completed_at is None or self._is_clear:
            return
        self._has_listed = True
        cancels_idle = self._queue.is_idle and self._single_cancels.is_idle and self._symbol_cancels.is_idle
        if not cancels_idle or self._round.undecided:
            self._next_round_at = completed_at + MAX_LISTING_INTERVAL
        elif not self._round.is_judged:
            self._round.is_judged = True
            self._judge()

    def _judge(self) -> None:
        """Decide what a complete listing means whose cancels are all over."""
        now = self._scope.clock()
        listed = self._round.listed
        if not listed:
            self._empty_rounds += 1
        open_orders = [self.seen.see(order) for order in listed.values()]
        if open_orders and all(open_order.cannot_be_cancelled(now) for open_order in open_orders):
            self.seen.mark_live(listed)
            self._end()
        elif self._empty_rounds >= EMPTY_LISTINGS:
            self._end()
        else:
            self._next_round_at = now if self._round.has_sent else now + LISTING_INTERVAL

    def _end(self) -> None:
        self._is_clear = True
        self._pause_scope.stop()

    def _raise_deadline_exceeded(self) -> None:
        error = self._round.last_error
        if self._has_listed or self.seen.orders:
            summary = summary_of(self.report()) or "no order was listed"
            raise DeadlineExceeded(f"the deadline passed while orders may still be open: {summary}") from error
        if error is not None:
            raise error
        raise DeadlineExceeded("the deadline passed before the open orders could be listed")

    def _find_finished(self) -> EffectGenerator[None]:
        """Look for orders that ended before any listing showed them."""
        began_at = int(time.time() * 1000) if self._began_at_exchange is None else self._began_at_exchange

        def take(order: ListedOrder) -> bool:
            return self.order_filter.includes(order) and self.seen.take_finished(order, began_at)

        searches = list(finished_searches(self.queries.account, self.order_filter, self._symbol_cancels.succeeded()))
        finished = FinishedOrders(self._scope, self.queries.account, searches, take)
        yield from JobLoop(self.queries.client, self._scope, finished.next_jobs, finished.record).run()

    def _confirm(self) -> EffectGenerator[None]:
        try:
            for kind in self.queries.account.kinds:
                statuses = self.seen.unconfirmed(kind)
                yield from Confirmation(self.queries, kind, statuses, self.seen.confirmed).run()
        except EXPECTED_ERRORS as error:
            log.warning("confirmation ended early: %s", str(error) or type(error).__name__)

    def report(self) -> Report:
        """Return the report so far."""
        return self.seen.report(self._symbol_cancels)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Let whatever ends the run early carry the report."""
        try:
            yield
        except BaseException as error:
            self._queue.record_interrupted()
            self._single_cancels.record_interrupted()
            self.seen.record_interrupted(self._scope.clock())
            attach_report(error, self.report())
            raise
