"""
Check on the demo account what the library assumes about the exchange; it cancels two open orders that you name.

    BITGET_DEMO=1 python docs/examples/verify_demo_account.py ORDER_ID ORDER_ID

It never places orders, and runs with a demo key only. The exit status is 1 if something is not as assumed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from bitget_spot import (
    ApiError,
    Confirmed,
    Credentials,
    OrderNotFoundError,
    OrderRef,
    Outcome,
    Status,
    cancel_open_orders,
    cancel_orders,
    connect,
    server_time,
)
from bitget_spot.client import SpotClient
from bitget_spot_api.api.trade import batch_cancel_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.api.unified import batch_cancel_unified_orders, get_unified_order_info, get_unified_unfilled_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, UnifiedOrder, UnifiedOrderRef

UNKNOWN_ORDER_ID = "1000000000000000000"
SUCCESS_CODES = ("", "0", "00000")
MAX_CANCEL_SECONDS = 10


class Finding(NamedTuple):
    """What the exchange did, and whether that is what the library assumes."""

    assumption: str
    observed: str
    as_assumed: bool


def check_clock(client: SpotClient) -> Iterator[Finding]:
    """Compare the clocks."""
    reading = server_time.sync(client=client)
    observed = f"{reading.offset:+.3f} s, round trip {reading.round_trip * 1000:.0f} ms"
    yield Finding("the clocks differ by less than 30 s", observed, abs(reading.offset) < 30)


def check_listing(client: SpotClient, first: cancel_open_orders.ListedOrder) -> Iterator[Finding]:
    """Look up an order that never existed; on a classic account, begin a page at an id of choice."""
    assumption = "an unknown order is not found"
    if client.account_type == "unified":
        try:
            response = get_unified_order_info.sync(client=client, order_id=UNKNOWN_ORDER_ID)
        except OrderNotFoundError as error:
            yield Finding(assumption, f"code {error.code}", as_assumed=True)
        else:
            is_empty = response.data is None or response.data == UnifiedOrder()
            yield Finding(assumption, f"data {response.data!r:.30}", is_empty)
        return
    looked_up = get_order_info.sync(client=client, order_id=UNKNOWN_ORDER_ID).data
    yield Finding(assumption, f"data {looked_up!r:.30}", looked_up == [])
    position = str(int(first.order_id) + 1)
    page = get_unfilled_orders.sync(client=client, id_less_than=position, limit=1).data or []
    order_ids = [order.order_id for order in page]
    yield Finding("a page may begin at any id", f"it begins with {order_ids}", order_ids == [first.order_id])


def check_cancel(
    client: SpotClient, first: cancel_open_orders.ListedOrder, second: cancel_open_orders.ListedOrder
) -> Iterator[Finding]:
    """Cancel the first order, cancel it again, and cancel both."""
    started_at = time.monotonic()
    outcome = cancel(client, first)
    is_accepted = outcome.status is Status.ACCEPTED
    is_unified = client.account_type == "unified"
    assumption = "a row without an error is a success" if is_unified else "with both ids, the orderId counts"
    yield Finding(assumption, describe(outcome), is_accepted)

    outcome = cancel(client, first, confirm=True)
    seconds = time.monotonic() - started_at
    is_harmless = outcome.status in (Status.GONE, Status.ACCEPTED)
    yield Finding("a second cancel does no harm", describe(outcome), is_harmless)
    is_cancelled = outcome.confirmed is Confirmed.CANCELLED
    observed = f"{outcome.confirmed} after {seconds:.1f} s"
    yield Finding("a cancel takes effect within 10 s", observed, is_cancelled and seconds < MAX_CANCEL_SECONDS)

    orders = [OrderRef(symbol=each.symbol or "", order_id=each.order_id) for each in (first, second)]
    report = cancel_orders.sync(client=client, orders=orders)
    statuses = [outcome.status for outcome in report]
    is_matched = statuses == [Status.GONE, Status.ACCEPTED] and not report.unmatched
    yield Finding("each order has its own row", ", ".join(statuses), is_matched)


def check_responses(client: SpotClient, second: cancel_open_orders.ListedOrder) -> Iterator[Finding]:
    """Cancel an order that is gone or being cancelled, and look at the response itself."""
    assumption = "a batch of gone orders says so"
    symbol = second.symbol or ""
    try:
        if client.account_type == "unified":
            body = [UnifiedOrderRef(category="SPOT", symbol=symbol, order_id=second.order_id)]
            rows = batch_cancel_unified_orders.sync(client=client, body=body).data or []
            codes = [str(row.code or "") for row in rows]
        else:
            request = BatchCancelOrdersRequest(symbol=symbol, order_list=[OrderRef(order_id=second.order_id)])
            result = batch_cancel_orders.sync(client=client, body=request).data
            failures = result.failure_list if result is not None else None
            codes = [str(row.error_code or "") for row in failures or []]
    except OrderNotFoundError as error:
        yield Finding(assumption, f"refused as a whole, code {error.code}", as_assumed=True)
    else:
        yield Finding(assumption, f"a row with code {', '.join(codes)}", not set(codes) & set(SUCCESS_CODES))


def check_empty_list(client: SpotClient, symbol: str) -> Iterator[Finding]:
    """List the open orders of a pair on a unified account."""
    if client.account_type == "unified":
        page = get_unified_unfilled_orders.sync(client=client, category="SPOT", symbol=symbol).data
        rows = page.list_ if page is not None else None
        observed = f"{len(rows)} orders" if isinstance(rows, list) else repr(rows)
        yield Finding("a list is null or a list", observed, rows is None or isinstance(rows, list))


def cancel(client: SpotClient, order: cancel_open_orders.ListedOrder, *, confirm: bool = False) -> Outcome:
    """Cancel one order by both its ids, and return its outcome."""
    ref = OrderRef(symbol=order.symbol or "", order_id=order.order_id, client_oid=order.client_oid or "")
    (outcome,) = cancel_orders.sync(client=client, orders=[ref], confirm=confirm)
    return outcome


def describe(outcome: Outcome) -> str:
    """Return the status of an order with its code."""
    return f"{outcome.status} {outcome.code or ''}".strip()


def verify(order_ids: list[str]) -> int:
    """Check everything, print a table, and return the exit status."""
    with connect(Credentials.from_env(), demo=True) as client:
        listed = {order.order_id: order for order in cancel_open_orders.find(client=client, kinds=["normal"])}
        closed = [order_id for order_id in order_ids if order_id not in listed]
        if closed:
            print(f"Not open on the demo account: {', '.join(closed)}. Name two open orders.", file=sys.stderr)
            return 2
        first, second = (listed[order_id] for order_id in order_ids)
        findings = [
            *check_clock(client),
            *check_listing(client, first),
            *check_cancel(client, first, second),
            *check_responses(client, second),
            *check_empty_list(client, second.symbol or ""),
        ]
        print_table(findings)
        print(f"The account is {client.account_type}.")
    return 0 if all(finding.as_assumed for finding in findings) else 1


def print_table(findings: list[Finding]) -> None:
    """Print a row for each finding."""
    rows = [("assumption", "observed", "verdict")]
    for finding in findings:
        verdict = "as assumed" if finding.as_assumed else "DIFFERS"
        rows.append((finding.assumption, finding.observed, verdict))
    for assumption, observed, verdict in rows:
        print(f"{assumption:36} {observed:40} {verdict}")


def main(order_ids: list[str]) -> int:
    """Refuse what would not be the demo account, and check the rest."""
    if os.environ.get("BITGET_DEMO") != "1":
        print("Set BITGET_DEMO=1. This program runs on the demo account only.", file=sys.stderr)
        return 2
    if len(set(order_ids)) != 2:
        print("Name two open demo orders: verify_demo_account.py ORDER_ID ORDER_ID", file=sys.stderr)
        return 2
    try:
        return verify(order_ids)
    except ApiError as error:
        print(f"The exchange refuses: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
