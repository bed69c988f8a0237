"""Cancels of all orders of a trading pair, or of a category, by one request each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from attrs import Factory, define, field

from bitget_spot._bulk.accounts import Account, Call, ListedOrder, Row
from bitget_spot._bulk.jobs import Job
from bitget_spot._bulk.recovery import EXPECTED_ERRORS, is_temporary
from bitget_spot._middleware.context import CancelScope, RequestContext, may_have_been_executed
from bitget_spot._middleware.retry import backoff
from bitget_spot.errors import AuthenticationError, WrongEnvironmentError

MAX_SYMBOLS: Final = 10
"""Trading pairs that are cancelled as a whole; the limit is five of these requests a second."""
MAX_ATTEMPTS: Final = 3
HOLD_BACK: Final = 1.0
"""Seconds for which the orders of a pair wait for the result before they are cancelled in batches as well."""


@define(eq=False)
class SymbolCancelJob(Job):
    """One request that cancels all orders of a trading pair, or of the category."""

    account: Account
    cancel: SymbolCancel

    def call(self) -> Call:
        """Return the call."""
        return self.account.cancel_symbol(self.cancel.symbol)


@define(eq=False)
class SymbolCancel:
    """
    The cancel of all orders of a trading pair, or of the category, however often it is attempted.

    Attributes:
        symbol: The trading pair; `None` for the category.
        listed_before: All orders had been listed before it was sent.
        started_at: When it was first sent; `None` before.
        succeeded_at: When the exchange's confirmation arrived; `None` so far.
        attempts: How many requests have left.
        failures: How many attempts have failed.
        has_failed: It is not attempted any more.
        maybe_executed: An attempt may have been executed although no response said so.
        failed_rows: What the response says about orders that it did not cancel.
        covered_ids: The orders to whose outcomes the success has been added.

    """

    symbol: str | None
    listed_before: bool = False
    started_at: float | None = None
    succeeded_at: float | None = None
    attempts: int = 0
    failures: int = 0
    has_failed: bool = False
    maybe_executed: bool = False
    failed_rows: list[Row] = Factory(list)
    covered_ids: set[str] = Factory(set)

    @property
    def hold_back_until(self) -> float:
        """Until when the orders of the pair wait for the result: not any more if there is one."""
        if self.succeeded_at is not None or self.failures or self.has_failed:
            return float("-inf")
        return float("inf") if self.started_at is None else self.started_at + HOLD_BACK


@define
class SymbolCancels:
    """
    All such cancels of a run.

    Attributes:
        scope: The run.
        account: The account.
        cancels: The cancels by trading pair; `None` for the category.
        fatal_error: An error after which no other request would succeed either.

    """

    scope: CancelScope
    account: Account
    cancels: dict[str | None, SymbolCancel] = field(factory=dict)
    fatal_error: BaseException | None = field(default=None, init=False)
    _in_flight: set[SymbolCancelJob] = field(factory=set, init=False)
    _waiting: list[SymbolCancelJob] = field(factory=list, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether none is in flight or waiting."""
        return not (self._in_flight or self._waiting)

    def add(self, symbol: str | None, *, listed_before: bool = False) -> None:
        """Cancel all orders of a trading pair, or of the category; each once, and the first ten pairs only."""
        if symbol not in self.cancels and len(self.cancels) < MAX_SYMBOLS:
            cancel = SymbolCancel(symbol, listed_before)
            self.cancels[symbol] = cancel
            self._waiting.append(SymbolCancelJob(self.account, cancel, context=RequestContext(self.scope)))

    def of(self, order: ListedOrder) -> SymbolCancel | None:
        """Return the cancel that covers an order; `None` if there is none, as for all but normal orders."""
        if order.kind != "normal":
            return None
        return self.cancels.get(None) or self.cancels.get((order.symbol or "").upper())

    def succeeded(self) -> list[SymbolCancel]:
        """Return the cancels that the exchange has confirmed."""
        return [cancel for cancel in self.cancels.values() if cancel.succeeded_at is not None]

    def next_jobs(self) -> Iterator[SymbolCancelJob]:
        """Yield the requests to send now."""
        while self._waiting and self.scope.remaining() > 0:
            job = self._waiting[0]
            self._in_flight.add(job)
            self._waiting.pop(0)
            if job.cancel.started_at is None:
                job.cancel.started_at = self.scope.clock()
            yield job

    def record(self, job: SymbolCancelJob, *, is_needed: bool) -> bool:
        """
        Record the result of a request.

        Args:
            job: The request.
            is_needed: Whether to attempt it again if that may help.

        Returns:
            Whether the exchange has confirmed it.

        """
        cancel = job.cancel
        cancel.attempts += job.context.attempts
        self._in_flight.discard(job)
        error = job.result
        if not isinstance(error, BaseException):
            cancel.succeeded_at = self.scope.clock()
            return True
        if job.context.maybe_executed or may_have_been_executed(job.context.attempt, error):
            cancel.maybe_executed = True
        cancel.failures += 1
        # A permission that is missing here may not be missing for a batch.
        if not isinstance(error, EXPECTED_ERRORS) or isinstance(error, AuthenticationError | WrongEnvironmentError):
            self.fatal_error = self.fatal_error or error
            cancel.has_failed = True
        elif is_needed and is_temporary(error) and cancel.failures < MAX_ATTEMPTS:
            delay = backoff(cancel.failures, random.random)
            context = RequestContext(self.scope)
            self._waiting.append(SymbolCancelJob(self.account, cancel, context=context, delay=delay))
        else:
            cancel.has_failed = True
        return False

    def may_have_been_executed(self, cancel: SymbolCancel) -> bool:
        """Return whether the orders of a pair may have been cancelled although no response says so."""
        if cancel.succeeded_at is not None:
            return False
        return cancel.maybe_executed or any(job.cancel is cancel and job.may_have_left for job in self._in_flight)
