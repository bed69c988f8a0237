"""The orders that ended while the kill switch ran, as the listing of finished orders shows them, newest first."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Final, cast

import httpx
from attrs import define, evolve, field, frozen

from bitget_spot._bulk.accounts import Account, Call, ListedOrder, Page, Position
from bitget_spot._bulk.jobs import Job
from bitget_spot._bulk.order_filter import OrderFilter
from bitget_spot._bulk.recovery import EXPECTED_ERRORS, is_temporary
from bitget_spot._bulk.symbol_cancels import SymbolCancel
from bitget_spot._middleware.context import CancelScope, RequestContext
from bitget_spot._middleware.retry import backoff
from bitget_spot.errors import BitgetError

MAX_PAGES: Final = 10
"""Pages that are read for a trading pair."""
MAX_RETRIES: Final = 3
"""How often a page is asked for again. Not until the deadline: nothing is open any more, and the caller wants the report."""
log: Final = logging.getLogger("bitget_spot.bulk")


@frozen
class FinishedSearch:
    """
    Where to look for finished orders.

    Attributes:
        symbol: The trading pair; `None` for all.
        reads_on: Whether to read on after a page without an order of interest: orders may have ended unlisted by the
            thousand.

    """

    symbol: str | None
    reads_on: bool = False


def finished_searches(
    account: Account, order_filter: OrderFilter, symbol_cancels: Iterable[SymbolCancel]
) -> Iterator[FinishedSearch]:
    """
    Yield where to look: each pair that was cancelled as a whole, and all other pairs.

    Args:
        account: The account.
        order_filter: Which orders the kill switch cancels.
        symbol_cancels: The successful cancels of whole pairs.

    """
    if "normal" not in order_filter.kinds_of(account):
        return
    cancelled = {cancel.symbol: cancel for cancel in symbol_cancels}
    for symbol, cancel in cancelled.items():
        yield FinishedSearch(symbol, reads_on=not cancel.listed_before)
    if None in cancelled:
        return
    for symbol in order_filter.symbols or (None,):
        if symbol not in cancelled:
            yield FinishedSearch(symbol)


@define(eq=False)
class FinishedPageJob(Job):
    """
    The request for one page of the finished orders of a pair, or of the category.

    Attributes:
        account: The account.
        search: Where to look.
        pages_before: How many pages of the search have been read.
        position: Where the page begins; `None` for the first one.
        retries: How often the page has been asked for again.

    """

    account: Account
    search: FinishedSearch
    pages_before: int = 0
    position: Position | None = None
    retries: int = 0

    def call(self) -> Call:
        """Return the call."""
        return self.account.list_orders("finished", "normal", self.search.symbol, self.position)

    def read(self) -> Page:
        """
        Return the page.

        Raises:
            BaseException: What the request ended in.

        """
        if isinstance(self.result, BaseException):
            raise self.result
        return self.account.read_page("normal", self.result, self.position)


@define
class FinishedOrders:
    """
    Reads the newest finished orders.

    An order that ended before any listing showed it is only known from here.

    Attributes:
        scope: The run.
        account: The account.
        searches: Where to look.
        take: Called with each order; returns whether it is of interest.

    """

    scope: CancelScope
    account: Account
    searches: Iterable[FinishedSearch]
    take: Callable[[ListedOrder], bool]
    _waiting: list[FinishedPageJob] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._waiting = [
            FinishedPageJob(self.account, search, context=RequestContext(self.scope)) for search in self.searches
        ]

    def next_jobs(self) -> Iterator[FinishedPageJob]:
        """Yield the pages to ask for now."""
        while self._waiting and self.scope.remaining() > 0:
            yield self._waiting.pop()

    def record(self, job: Job) -> None:
        """Take the orders of a page, and ask for the next one; ask again for a page that could not be read."""
        page_job = cast("FinishedPageJob", job)
        try:
            page = page_job.read()
        except EXPECTED_ERRORS as error:
            self._fail(page_job, error)
            return
        interesting = [order for order in page.orders if self.take(order)]
        pages = page_job.pages_before + 1
        search = page_job.search
        if page.next_position is None or pages >= MAX_PAGES or not (interesting or search.reads_on):
            return
        context = RequestContext(self.scope)
        self._waiting.append(FinishedPageJob(self.account, search, pages, page.next_position, context=context))

    def _fail(self, job: FinishedPageJob, error: Exception) -> None:
        """Ask for a page again if that may help; otherwise say why an order may be missing from the report."""
        delay = backoff(job.retries, random.random)
        if is_temporary(error) and job.retries < MAX_RETRIES and self.scope.remaining() > delay:
            again = evolve(job, retries=job.retries + 1, context=RequestContext(self.scope), delay=delay)
            self._waiting.append(again)
        elif isinstance(error, BitgetError | httpx.TransportError):
            log.warning("cannot list the finished orders: %s", str(error) or type(error).__name__)
