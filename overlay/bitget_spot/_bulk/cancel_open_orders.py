"""
The kill switch: cancel every open order, and look again until none is left.

    report = cancel_open_orders.sync(client=client)

It lists the open orders of every kind, cancels them and lists them again, so orders that appear meanwhile are found too.
It ends when two well-formed, complete listings in a row are empty. Temporary errors do not end it: it tries again until
its deadline. It also ends if only orders remain that cannot be cancelled: they were rejected twice, or are still listed
ten seconds after three cancels. In the end it asks what became of every order that it has seen.

To be fast, it cancels all orders of a trading pair by one request where it may: of the pairs that were given, or of each
pair that a listing shows, ten at most. With `sides`, `kinds` or `cancel_by_symbol=False` it cancels the orders one by one
or in batches, as they are listed.

Unrecoverable errors (credentials, permissions, wrong environment) end the run immediately; so do Ctrl-C and the
cancellation of the task. The exception carries the report, which `report_of` returns.
"""

from __future__ import annotations

from collections.abc import Iterable

from bitget_spot._bulk.accounts import AccountSelection, ListedOrder
from bitget_spot._bulk.open_orders import OpenOrderCanceller
from bitget_spot._bulk.order_filter import OrderFilter, Side
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.report import Kind, Report
from bitget_spot._bulk.runner import ProgressCallback
from bitget_spot._concurrency import run_async, run_sync
from bitget_spot._middleware.context import CancelScope
from bitget_spot.client import require_spot_client
from bitget_spot_api import Client

__all__ = ["ListedOrder", "asyncio", "find", "find_asyncio", "sync"]


def sync(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[Side] | None = None,
    kinds: Iterable[Kind] | None = None,
    category: str = "SPOT",
    cancel_by_symbol: bool = True,
    deadline: float | None = 60,
    on_progress: ProgressCallback | None = None,
) -> Report:
    """
    Cancel every open order, and wait in this thread.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs, written like BTCUSDT; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.
        kinds: Only `normal`, `tpsl` (take profit and stop loss) or `plan` (trigger) orders; by default all that the
            account can have.
        category: The category of the orders; a classic account has SPOT only.
        cancel_by_symbol: Whether to cancel all orders of a trading pair by one request. That is fastest, but an order that
            ends before a listing shows it is only reported if it is among the thousand newest finished orders of its
            pair. If false, every order is listed before it is cancelled.
        deadline: Seconds from now after which no further request leaves; `None` for no deadline.
        on_progress: Called in this thread with the outcomes of each batch when they are known.

    Returns:
        One outcome for each open order that was seen, with what became of it (`outcome.confirmed`).

    Raises:
        ValueError: An argument is empty or not valid; nothing was sent. Or the account turns out to be of a type that has
            no orders of one of the kinds.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: The exchange refuses every request.
        InvalidParameterError: The exchange refuses the listing, for example because it does not know a symbol.
        DeadlineExceeded: The deadline passed first.
        NetworkError, InvalidResponseError, ApiError: The open orders could not be listed before the deadline.

    """
    canceller = _canceller(client, symbols, sides, kinds, category, deadline, on_progress, by_symbol=cancel_by_symbol)
    with canceller.reporting():
        run_sync(canceller.run())
    return canceller.report()


async def asyncio(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[Side] | None = None,
    kinds: Iterable[Kind] | None = None,
    category: str = "SPOT",
    cancel_by_symbol: bool = True,
    deadline: float | None = 60,
    on_progress: ProgressCallback | None = None,
) -> Report:
    """
    Cancel every open order from a task.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs, written like BTCUSDT; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.
        kinds: Only `normal`, `tpsl` (take profit and stop loss) or `plan` (trigger) orders; by default all that the
            account can have.
        category: The category of the orders; a classic account has SPOT only.
        cancel_by_symbol: Whether to cancel all orders of a trading pair by one request. That is fastest, but an order that
            ends before a listing shows it is only reported if it is among the thousand newest finished orders of its
            pair. If false, every order is listed before it is cancelled.
        deadline: Seconds from now after which no further request leaves; `None` for no deadline.
        on_progress: Called in this task with the outcomes of each batch when they are known.

    Returns:
        One outcome for each open order that was seen, with what became of it (`outcome.confirmed`).

    Raises:
        ValueError: An argument is empty or not valid; nothing was sent. Or the account turns out to be of a type that has
            no orders of one of the kinds.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: The exchange refuses every request.
        InvalidParameterError: The exchange refuses the listing, for example because it does not know a symbol.
        DeadlineExceeded: The deadline passed first.
        NetworkError, InvalidResponseError, ApiError: The open orders could not be listed before the deadline.

    """
    canceller = _canceller(client, symbols, sides, kinds, category, deadline, on_progress, by_symbol=cancel_by_symbol)
    with canceller.reporting():
        await run_async(canceller.run())
    return canceller.report()


def find(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[Side] | None = None,
    kinds: Iterable[Kind] | None = None,
    category: str = "SPOT",
) -> list[ListedOrder]:
    """
    Return the open orders that `sync` would cancel, without cancelling them.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs, written like BTCUSDT; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.
        kinds: Only `normal`, `tpsl` or `plan` orders; by default all that the account can have.
        category: The category of the orders; a classic account has SPOT only.

    Raises:
        ValueError: An argument is empty or not valid; nothing was sent.
        NetworkError: The exchange cannot be reached.
        BitgetError: The exchange refuses the listing, or the response is not valid.

    """
    return run_sync(_canceller(client, symbols, sides, kinds, category, None, None, by_symbol=False).find())


async def find_asyncio(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[Side] | None = None,
    kinds: Iterable[Kind] | None = None,
    category: str = "SPOT",
) -> list[ListedOrder]:
    """
    Return the open orders that `asyncio` would cancel, without cancelling them.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs, written like BTCUSDT; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.
        kinds: Only `normal`, `tpsl` or `plan` orders; by default all that the account can have.
        category: The category of the orders; a classic account has SPOT only.

    Raises:
        ValueError: An argument is empty or not valid; nothing was sent.
        NetworkError: The exchange cannot be reached.
        BitgetError: The exchange refuses the listing, or the response is not valid.

    """
    return await run_async(_canceller(client, symbols, sides, kinds, category, None, None, by_symbol=False).find())


def _canceller(  # noqa: PLR0917 - the parameters of the public functions
    client: Client,
    symbols: Iterable[str] | None,
    sides: Iterable[Side] | None,
    kinds: Iterable[Kind] | None,
    category: str,
    deadline: float | None,
    on_progress: ProgressCallback | None,
    *,
    by_symbol: bool,
) -> OpenOrderCanceller:
    spot_client = require_spot_client(client)
    order_filter = OrderFilter.from_arguments(symbols, sides, kinds)
    selection = AccountSelection.for_client(spot_client, category)
    queries = OrderQueries(spot_client, CancelScope.with_timeout(deadline), selection)
    by_symbol = by_symbol and not order_filter.sides and not order_filter.kinds
    return OpenOrderCanceller(queries, order_filter, by_symbol, on_progress)


def __dir__() -> list[str]:
    return __all__
