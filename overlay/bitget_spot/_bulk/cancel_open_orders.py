"""
The kill switch: cancel every open order, and look again until none is left.

    report = cancel_open_orders.sync(client=client)

It lists the open orders, cancels them and lists them again, so orders that appear meanwhile are found too. It ends when
two well-formed, complete listings in a row are empty. Temporary errors do not end it: it tries again until its deadline.
It also ends if only orders remain that cannot be cancelled: they were rejected twice, or are still listed ten seconds
after three cancels. In the end it asks what became of every order that it has seen.

Unrecoverable errors (credentials, permissions, wrong environment) end the run immediately; so do Ctrl-C and the
cancellation of the task. The exception carries the report, which `report_of` returns.
"""

from __future__ import annotations

from collections.abc import Iterable

from bitget_spot._bulk.open_orders import OpenOrderCanceller, OrderFilter
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.report import Report
from bitget_spot._bulk.runner import ProgressCallback
from bitget_spot._concurrency import run_async, run_sync
from bitget_spot._middleware.context import CancelScope
from bitget_spot.client import require_spot_client
from bitget_spot_api import Client
from bitget_spot_api.models import Order

__all__ = ["asyncio", "find", "find_asyncio", "sync"]


def sync(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[str] | None = None,
    deadline: float | None = 60,
    on_progress: ProgressCallback | None = None,
) -> Report:
    """
    Cancel every open order, and wait in this thread.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs, written like BTCUSDT; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.
        deadline: Seconds from now after which no further request leaves; `None` for no deadline.
        on_progress: Called in this thread with the outcomes of each batch when they are known.

    Returns:
        One outcome for each open order that was seen, with what became of it (`outcome.confirmed`).

    Raises:
        ValueError: `symbols` or `sides` is empty or not valid, or the deadline is not valid; nothing was sent.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: The exchange refuses every request.
        InvalidParameterError: The exchange refuses the listing, for example because it does not know a symbol.
        DeadlineExceeded: The deadline passed first.
        NetworkError, InvalidResponseError, ApiError: The open orders could not be listed before the deadline.

    """
    canceller = _canceller(client, symbols, sides, deadline, on_progress)
    with canceller.reporting():
        run_sync(canceller.run())
    return canceller.report()


async def asyncio(
    *,
    client: Client,
    symbols: Iterable[str] | None = None,
    sides: Iterable[str] | None = None,
    deadline: float | None = 60,
    on_progress: ProgressCallback | None = None,
) -> Report:
    """
    Cancel every open order from a task.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs, written like BTCUSDT; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.
        deadline: Seconds from now after which no further request leaves; `None` for no deadline.
        on_progress: Called in this task with the outcomes of each batch when they are known.

    Returns:
        One outcome for each open order that was seen, with what became of it (`outcome.confirmed`).

    Raises:
        ValueError: `symbols` or `sides` is empty or not valid, or the deadline is not valid; nothing was sent.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: The exchange refuses every request.
        InvalidParameterError: The exchange refuses the listing, for example because it does not know a symbol.
        DeadlineExceeded: The deadline passed first.
        NetworkError, InvalidResponseError, ApiError: The open orders could not be listed before the deadline.

    """
    canceller = _canceller(client, symbols, sides, deadline, on_progress)
    with canceller.reporting():
        await run_async(canceller.run())
    return canceller.report()


def find(*, client: Client, symbols: Iterable[str] | None = None, sides: Iterable[str] | None = None) -> list[Order]:
    """
    Return the open orders that `sync` would cancel, without cancelling them.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs, written like BTCUSDT; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.

    Raises:
        ValueError: `symbols` or `sides` is empty or not valid; nothing was sent.
        NetworkError: The exchange cannot be reached.
        BitgetError: The exchange refuses the listing, or the response is not valid.

    """
    return run_sync(_canceller(client, symbols, sides, None, None).find())


async def find_asyncio(
    *, client: Client, symbols: Iterable[str] | None = None, sides: Iterable[str] | None = None
) -> list[Order]:
    """
    Return the open orders that `asyncio` would cancel, without cancelling them.

    Args:
        client: A client made by `connect`.
        symbols: Only the orders of these trading pairs, written like BTCUSDT; by default of all.
        sides: Only orders to `buy`, or to `sell`; by default both.

    Raises:
        ValueError: `symbols` or `sides` is empty or not valid; nothing was sent.
        NetworkError: The exchange cannot be reached.
        BitgetError: The exchange refuses the listing, or the response is not valid.

    """
    return await run_async(_canceller(client, symbols, sides, None, None).find())


def _canceller(
    client: Client,
    symbols: Iterable[str] | None,
    sides: Iterable[str] | None,
    deadline: float | None,
    on_progress: ProgressCallback | None,
) -> OpenOrderCanceller:
    spot_client = require_spot_client(client)
    order_filter = OrderFilter.from_arguments(symbols, sides)
    queries = OrderQueries(spot_client, CancelScope.with_timeout(deadline))
    return OpenOrderCanceller(queries, order_filter, on_progress)


def __dir__() -> list[str]:
    return __all__
