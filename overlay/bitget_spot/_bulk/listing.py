"""
Complete listings of the open orders, page by page.

A round is one complete listing of all kinds and trading pairs. Its streams are read side by side, the pages of a stream
one after the other. A page that cannot be read is asked for again, because only a complete listing proves that nothing is
open.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

import httpx
from attrs import define, field

from bitget_spot._bulk.accounts import Account, Call, ListedOrder, Page, Position
from bitget_spot._bulk.jobs import Job
from bitget_spot._bulk.order_filter import OrderFilter
from bitget_spot._bulk.queries import network_error
from bitget_spot._bulk.recovery import ends_listing
from bitget_spot._bulk.report import Kind
from bitget_spot._middleware.context import CancelScope, RequestContext, RunStopped
from bitget_spot.errors import BitgetError

SIDE_BY_SIDE: Final = 20
"""Pages that are read at a time: as many as the limit allows in a second."""
FIRST_PAUSE: Final = 0.2
MAX_PAUSE: Final = 2.0
"""Seconds before a page that could not be read is asked for again."""
log: Final = logging.getLogger("bitget_spot.bulk")


@define(eq=False)
class Stream:
    """
    The pages of one listing.

    Attributes:
        kind: The kind of the orders.
        symbol: The trading pair; `None` for all.
        position: Where the next page begins.
        is_busy: A page is being read.
        is_complete: The last page has been read.
        pause: Seconds to wait after the next failure.
        retry_at: When the next page may be asked for.
        error: Why it cannot be read at all.

    """

    kind: Kind
    symbol: str | None
    position: Position | None = None
    is_busy: bool = False
    is_complete: bool = False
    pause: float = field(factory=lambda: FIRST_PAUSE)
    retry_at: float = float("-inf")
    error: BitgetError | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to read."""
        return self.is_complete or self.error is not None


@define(eq=False)
class PageJob(Job):
    """The request for one page."""

    account: Account
    stream: Stream
    position: Position | None
    asked_at: float

    def call(self) -> Call:
        """Return the call."""
        return self.account.list_orders("open", self.stream.kind, self.stream.symbol, self.position)

    @property
    def sent_at(self) -> float:
        """When the request left, as far as is known."""
        headers_sent_at = self.context.attempt.headers_sent_at
        return self.asked_at if headers_sent_at is None else headers_sent_at

    def read(self) -> Page:
        """
        Return the page.

        Raises:
            BaseException: What it ended in; a network error as `NetworkError`.

        """
        if isinstance(self.result, httpx.TransportError):
            raise network_error(self.result) from self.result
        if isinstance(self.result, BaseException):
            raise self.result
        return self.account.read_page(self.stream.kind, self.result, self.position)


@define(eq=False)
class ListingRound:
    """
    One complete listing of the open orders.

    Attributes:
        account: The account.
        scope: The run.
        streams: The listings that it consists of.
        listed: The orders that were listed and are to be cancelled, by order id.
        undecided: Those of them for which it has not been decided yet whether to send a cancel.
        has_sent: A cancel has been sent because of it.
        is_judged: It has been decided what it means.
        completed_at: When the last page had been read; `None` so far.
        last_error: Why the last page could not be read; `None` if it could.
        has_failed: A page could not be read, and has been asked for again.

    """

    account: Account
    scope: CancelScope
    streams: list[Stream]
    listed: dict[str, ListedOrder] = field(factory=dict)
    undecided: set[str] = field(factory=set)
    has_sent: bool = False
    is_judged: bool = False
    completed_at: float | None = None
    last_error: BitgetError | None = None
    has_failed: bool = False

    def next_jobs(self) -> Iterator[PageJob]:
        """Yield the pages to ask for now."""
        now = self.scope.clock()
        busy = sum(stream.is_busy for stream in self.streams)
        for stream in self.streams:
            if stream.is_over or stream.is_busy or stream.retry_at > now or busy >= SIDE_BY_SIDE:
                continue
            stream.is_busy = True
            busy += 1
            yield PageJob(self.account, stream, stream.position, now, context=RequestContext(self.scope))

    def record(self, job: PageJob, order_filter: OrderFilter) -> Page | None:
        """
        Record a page.

        Returns:
            The page; `None` if it could not be read. It is asked for again then, unless that is useless.

        Raises:
            BitgetError: The listing of the normal orders cannot be read at all.
            BaseException: An error that does not belong to the request.

        """
        stream = job.stream
        stream.is_busy = False
        try:
            page = job.read()
        except RunStopped:
            return None
        except BitgetError as error:
            self._fail(stream, error)
            return None
        self.last_error = None
        stream.pause = FIRST_PAUSE
        stream.position = page.next_position
        stream.is_complete = page.next_position is None
        for order in page.orders:
            if order_filter.includes(order):
                self.listed[order.order_id] = order
                self.undecided.add(order.order_id)
        if all(other.is_over for other in self.streams):
            self.completed_at = self.scope.clock()
        return page

    def _fail(self, stream: Stream, error: BitgetError) -> None:
        self.last_error = error
        if not ends_listing(error):
            self.has_failed = True
            log.warning("cannot list the open %s orders: %s; trying again", stream.kind, error)
            stream.retry_at = self.scope.clock() + stream.pause
            stream.pause = min(2 * stream.pause, MAX_PAUSE)
            return
        if stream.kind == "normal":
            raise error
        # The others go on, so that a listing that cannot be read keeps no order open that is in another.
        stream.error = error
        if all(other.is_over for other in self.streams):
            self.completed_at = self.scope.clock()

    def error(self) -> BitgetError | None:
        """Return why a listing cannot be read at all."""
        return next((stream.error for stream in self.streams if stream.error is not None), None)


def new_round(account: Account, scope: CancelScope, order_filter: OrderFilter) -> ListingRound:
    """
    Return a round that lists all orders that the filter includes.

    Raises:
        ValueError: The account cannot have orders of a kind that the filter asks for.

    """
    streams = []
    for kind in order_filter.kinds_of(account):
        symbols = order_filter.symbols if account.filters_by_symbol(kind) else ()
        streams += [Stream(kind, symbol) for symbol in symbols or (None,)]
    return ListingRound(account, scope, streams)
