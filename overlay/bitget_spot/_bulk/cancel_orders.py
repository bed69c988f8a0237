"""
Cancel any number of orders, and return the outcome of each.

    report = cancel_orders.sync(client=client, orders=orders)

The orders travel in the fewest batches that the exchange takes, side by side, as fast as the rate limit allows, each
batch through the generated function. The report has one outcome for each order, in the order of the input. An order that
is given twice is sent once and reported twice. `accepted` means that the exchange has received the cancel, not that the
order is cancelled.

It serves both types of account. If the type is not known, the run starts as for a classic account; orders that the
exchange refuses because the account is unified are sent again as such an account needs them.

Unrecoverable errors (credentials, permissions, wrong environment) end the run immediately; so do the deadline, Ctrl-C
and the cancellation of the task. Then no further request leaves, the run waits for those in flight, and the exception
carries the report, which `report_of` returns. If something replaces that exception by another (a timeout scope, a task
group), use `on_progress`: it has received the outcomes of every batch that is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, overload

from bitget_spot._bulk.accounts import AccountSelection, account_of, checked_category
from bitget_spot._bulk.batch_queue import BatchQueue
from bitget_spot._bulk.planner import batches_of, check_symbol, checked_batch_size, plan_orders
from bitget_spot._bulk.report import Outcome, Report, Status, attach_report
from bitget_spot._bulk.runner import BatchRunner, ProgressCallback
from bitget_spot._concurrency import run_async, run_sync
from bitget_spot._middleware.account_type import AccountType
from bitget_spot._middleware.context import CancelScope
from bitget_spot.client import require_spot_client
from bitget_spot_api import Client
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef, UnifiedOrderRef

__all__ = ["asyncio", "plan", "sync"]


@overload
def plan(
    *,
    orders: Iterable[OrderRef],
    symbol: str | None = None,
    batch_size: int | None = None,
    account_type: Literal["classic"] | None = None,
    category: Literal["SPOT"] = "SPOT",
) -> list[BatchCancelOrdersRequest]: ...


@overload
def plan(
    *,
    orders: Iterable[OrderRef],
    symbol: str | None = None,
    batch_size: int | None = None,
    account_type: Literal["unified"],
    category: str = "SPOT",
) -> list[list[UnifiedOrderRef]]: ...


@overload
def plan(
    *,
    orders: Iterable[OrderRef],
    symbol: str | None = None,
    batch_size: int | None = None,
    account_type: AccountType | None = None,
    category: str = "SPOT",
) -> list[BatchCancelOrdersRequest] | list[list[UnifiedOrderRef]]: ...


def plan(
    *,
    orders: Iterable[OrderRef],
    symbol: str | None = None,
    batch_size: int | None = None,
    account_type: AccountType | None = None,
    category: str = "SPOT",
) -> list[BatchCancelOrdersRequest] | list[list[UnifiedOrderRef]]:
    """
    Return the bodies of the requests that a run would send, without sending them.

    Args:
        orders: The orders to cancel, each with an `order_id`, a `client_oid` or both.
        symbol: The trading pair of the orders that have none. Those that still have none travel by themselves.
        batch_size: The most orders in a request; by default the document's maximum.
        account_type: `classic` or `unified`; by default classic for spot orders.
        category: The category of the orders; a classic account has SPOT only.

    Raises:
        InvalidBatchError: Orders cannot be cancelled as they are given; it names each, and what is wrong with it.
        ValueError: The batch size is not one that the exchange takes, or the symbol or the category is not valid.

    """
    check_symbol("symbol", symbol)
    name = checked_category(category, account_type)
    default: AccountType = "classic" if name == "SPOT" else "unified"
    selection = AccountSelection(account_of(account_type or default, name), is_stated=True)
    size = checked_batch_size(batch_size, selection)
    batches = batches_of(selection.account, plan_orders(orders, symbol, selection).targets, size)
    return [batch.call().arguments["body"] for batch in batches]


def sync(
    *,
    client: Client,
    orders: Iterable[OrderRef],
    symbol: str | None = None,
    batch_size: int | None = None,
    deadline: float | None = None,
    on_progress: ProgressCallback | None = None,
    confirm: bool = False,
    category: str = "SPOT",
) -> Report:
    """
    Cancel any number of orders, and wait in this thread.

    Args:
        client: A client made by `connect`.
        orders: The orders to cancel, each with an `order_id`, a `client_oid` or both.
        symbol: The trading pair of the orders that have none. Those that still have none travel by themselves.
        batch_size: The most orders in a request; by default the document's maximum.
        deadline: Seconds from now after which no further request leaves; by default there is none.
        on_progress: Called in this thread with the outcomes of each batch when they are known.
        confirm: Ask afterwards what became of the accepted, gone and unknown orders, until none of them is open any
            more, nothing has changed for ten seconds, or the deadline has passed.
        category: The category of the orders; a classic account has SPOT only.

    Returns:
        One outcome for each order, in the order of the input.

    Raises:
        InvalidBatchError: Orders cannot be cancelled as they are given; nothing was sent.
        ValueError: The batch size, the symbol, the category or the deadline is not valid; nothing was sent.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: The exchange refuses every batch.
        DeadlineExceeded: The deadline passed first.

    """
    runner = _runner(client, orders, symbol, batch_size, deadline, on_progress, confirm=confirm, category=category)
    with runner.reporting():
        return run_sync(runner.run())


async def asyncio(
    *,
    client: Client,
    orders: Iterable[OrderRef],
    symbol: str | None = None,
    batch_size: int | None = None,
    deadline: float | None = None,
    on_progress: ProgressCallback | None = None,
    confirm: bool = False,
    category: str = "SPOT",
) -> Report:
    """
    Cancel any number of orders from a task.

    Args:
        client: A client made by `connect`.
        orders: The orders to cancel, each with an `order_id`, a `client_oid` or both.
        symbol: The trading pair of the orders that have none. Those that still have none travel by themselves.
        batch_size: The most orders in a request; by default the document's maximum.
        deadline: Seconds from now after which no further request leaves; by default there is none.
        on_progress: Called in this task with the outcomes of each batch when they are known.
        confirm: Ask afterwards what became of the accepted, gone and unknown orders, until none of them is open any
            more, nothing has changed for ten seconds, or the deadline has passed.
        category: The category of the orders; a classic account has SPOT only.

    Returns:
        One outcome for each order, in the order of the input.

    Raises:
        InvalidBatchError: Orders cannot be cancelled as they are given; nothing was sent.
        ValueError: The batch size, the symbol, the category or the deadline is not valid; nothing was sent.
        AuthenticationError, PermissionDeniedError, WrongEnvironmentError: The exchange refuses every batch.
        DeadlineExceeded: The deadline passed first.

    """
    runner = _runner(client, orders, symbol, batch_size, deadline, on_progress, confirm=confirm, category=category)
    with runner.reporting():
        return await run_async(runner.run())


def _runner(  # noqa: PLR0917 - the parameters of the two public functions
    client: Client,
    orders: Iterable[OrderRef],
    symbol: str | None,
    batch_size: int | None,
    deadline: float | None,
    on_progress: ProgressCallback | None,
    *,
    confirm: bool,
    category: str,
) -> BatchRunner:
    spot_client = require_spot_client(client)
    scope = CancelScope.with_timeout(deadline)
    check_symbol("symbol", symbol)
    selection = AccountSelection.for_client(spot_client, category)
    queue = BatchQueue(spot_client, scope, selection, checked_batch_size(batch_size, selection))
    given: list[OrderRef] = []
    with reporting_not_sent(given):
        given.extend(orders)
        return BatchRunner(plan_orders(given, symbol, selection), queue, on_progress, confirm)


@contextmanager
def reporting_not_sent(orders: list[OrderRef]) -> Iterator[None]:
    """Let an interrupt of the planning, which takes a while for very many orders, carry a report too."""
    try:
        yield
    except Exception:
        raise  # the orders are not valid
    except BaseException as error:
        attach_report(error, Report(tuple(Outcome(order, Status.NOT_SENT) for order in orders)))
        raise


def __dir__() -> list[str]:
    return __all__
