"""The kill switch on an account whose type is not known: it is learned from the first listing."""

from __future__ import annotations

from typing import Any

import pytest
from account_types import change_type, change_type_when, learned
from open_orders import CancelOpen, FindIds, confirmed_by_id, only_once
from reports import report_carried_by, status_counts
from sandboxes import StartSandbox, connect_to, count_requests, still_open

from bitget_spot import Confirmed, Status, WrongEnvironmentError
from bitget_spot._bulk.accounts import AccountSelection
from bitget_spot._bulk.open_orders import OpenOrderCanceller
from bitget_spot._bulk.order_filter import OrderFilter
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.report import Kind
from bitget_spot._middleware.account_type import AccountType
from bitget_spot._middleware.context import CancelScope
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.models import Order, OrdersResponse
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_PLAN_ORDERS,
    CANCEL_ORDER,
    CANCEL_SYMBOL_ORDERS,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
    GET_CURRENT_PLAN_ORDERS,
    GET_UNFILLED_ORDERS,
    GET_UNIFIED_UNFILLED_ORDERS,
    Operation,
)

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_listing_intervals", "short_confirmation_pauses")

MODES: list[dict[str, Any]] = [
    {},
    {"cancel_by_symbol": False},
    {"symbols": ["BTCUSDT", "ETHUSDT"]},
    {"kinds": ["normal"]},
]
"""Ways to call the kill switch."""


def wanted_ids(sandbox: Sandbox, arguments: dict[str, Any]) -> set[str]:
    """Return the ids of the orders that the kill switch cancels with these arguments."""
    symbols = arguments.get("symbols")
    return {order.order_id for order in sandbox.orders.values() if symbols is None or order.symbol in symbols}


@pytest.mark.parametrize("arguments", MODES, ids=repr)
def test_a_unified_account_is_detected(
    arguments: dict[str, Any], start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """The type is learned from the first listing; every order is cancelled and confirmed."""
    sandbox = start_sandbox(orders=120, account_type="unified")
    client = connect_to(sandbox)
    report = cancel_open(client, **arguments)
    wanted = wanted_ids(sandbox, arguments)
    assert confirmed_by_id(report) == dict.fromkeys(wanted, Confirmed.CANCELLED)
    assert status_counts(report) == {Status.ACCEPTED: len(wanted)}
    assert client.account_type == "unified"
    assert count_requests(sandbox, GET_UNFILLED_ORDERS) <= 4
    assert count_requests(sandbox, BATCH_CANCEL_ORDERS) == 0


@pytest.mark.parametrize("arguments", MODES, ids=repr)
def test_a_known_type_that_is_wrong(
    arguments: dict[str, Any], start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """A client that has learned `unified`, and meets a classic account, switches back."""
    sandbox = start_sandbox(orders=120)
    client = learned(connect_to(sandbox), "unified")
    report = cancel_open(client, **arguments)
    assert confirmed_by_id(report) == dict.fromkeys(wanted_ids(sandbox, arguments), Confirmed.CANCELLED)
    assert client.account_type == "classic"


@pytest.mark.parametrize("arguments", MODES, ids=repr)
@pytest.mark.parametrize(("stated", "actual"), [("classic", "unified"), ("unified", "classic")])
def test_a_stated_type_that_is_wrong(
    stated: AccountType,
    actual: AccountType,
    arguments: dict[str, Any],
    start_sandbox: StartSandbox,
    cancel_open: CancelOpen,
) -> None:
    """If the type was stated, nothing is switched: the run ends with a WrongEnvironmentError."""
    sandbox = start_sandbox(orders=8, account_type=actual)
    with pytest.raises(WrongEnvironmentError) as caught:
        cancel_open(connect_to(sandbox, account_type=stated), **arguments)
    assert len(report_carried_by(caught.value)) == 0
    assert len(still_open(sandbox)) == 8
    other = GET_UNIFIED_UNFILLED_ORDERS if actual == "unified" else GET_UNFILLED_ORDERS
    assert count_requests(sandbox, other) == 0


@pytest.mark.parametrize("first", ["classic", "unified"])
def test_both_types_are_refused(first: AccountType, start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the other type is refused as well, the run ends with a WrongEnvironmentError; it does not switch back."""
    sandbox = start_sandbox(orders=8)
    for operation in (GET_UNFILLED_ORDERS, GET_CURRENT_PLAN_ORDERS):
        sandbox.inject("code=40085", times=100, operation=operation)
    with pytest.raises(WrongEnvironmentError) as caught:
        cancel_open(learned(connect_to(sandbox), first), cancel_by_symbol=False)
    assert len(report_carried_by(caught.value)) == 0
    assert count_requests(sandbox, GET_UNFILLED_ORDERS) <= 2
    assert count_requests(sandbox, GET_UNIFIED_UNFILLED_ORDERS) == 1
    assert len(still_open(sandbox)) == 8


def test_another_category_on_a_classic_account(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """A category other than SPOT means a unified account: if it is classic, the error is a WrongEnvironmentError."""
    sandbox = start_sandbox(orders=8)
    with pytest.raises(WrongEnvironmentError):
        cancel_open(connect_to(sandbox), category="USDT-FUTURES")
    assert len(still_open(sandbox)) == 8


@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_find_detects_the_type(account_type: AccountType, start_sandbox: StartSandbox, find: FindIds) -> None:
    """`find` detects the type as well, whatever was learned before."""
    sandbox = start_sandbox(orders=120, account_type=account_type)
    client = connect_to(sandbox)
    assert find(client) == set(sandbox.orders)
    assert client.account_type == account_type
    other: AccountType = "unified" if account_type == "classic" else "classic"
    assert find(learned(connect_to(sandbox), other)) == set(sandbox.orders)


@pytest.mark.parametrize(("stated", "actual"), [("classic", "unified"), ("unified", "classic")])
def test_find_with_a_stated_type_that_is_wrong(
    stated: AccountType, actual: AccountType, start_sandbox: StartSandbox, find: FindIds
) -> None:
    """If the type was stated, `find` raises a WrongEnvironmentError."""
    sandbox = start_sandbox(orders=8, account_type=actual)
    with pytest.raises(WrongEnvironmentError):
        find(connect_to(sandbox, account_type=stated))


@pytest.mark.parametrize("arguments", [{}, {"cancel_by_symbol": False}], ids=repr)
def test_a_type_that_changes_in_the_middle(
    arguments: dict[str, Any], start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """If the account is upgraded during the run, what was accepted stays accepted, and new orders are found."""
    sandbox = start_sandbox(orders=8)

    def upgrade() -> None:
        change_type(sandbox, "unified")
        sandbox.open_orders(3)

    report = cancel_open(connect_to(sandbox), on_progress=only_once(upgrade), **arguments)
    assert still_open(sandbox) == []
    assert len(sandbox.orders) == 11
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)


def test_a_type_that_changes_after_the_listing(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the account is upgraded after the first listing, the batches are sent as the other type needs them."""
    sandbox = start_sandbox(orders=8)
    change_type_when(sandbox, "unified", lambda: count_requests(sandbox, GET_UNFILLED_ORDERS) >= 1)
    report = cancel_open(connect_to(sandbox), kinds=["normal"])
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert status_counts(report) == {Status.ACCEPTED: 8}


def test_a_type_that_changes_before_the_pairs_are_cleared(start_sandbox: StartSandbox, cancel_open: CancelOpen) -> None:
    """If the cancel of a pair is the first request that is refused, the category is cleared as a whole."""
    sandbox = start_sandbox(orders=8)
    sandbox.inject("delay-before=0.1", times=4, operation=CANCEL_SYMBOL_ORDERS)
    change_type_when(sandbox, "unified", lambda: count_requests(sandbox, GET_UNFILLED_ORDERS) >= 2)
    report = cancel_open(connect_to(sandbox))
    assert still_open(sandbox) == []
    assert confirmed_by_id(report) == dict.fromkeys(sandbox.orders, Confirmed.CANCELLED)
    assert count_requests(sandbox, CANCEL_UNIFIED_SYMBOL_ORDERS) == 1


@pytest.mark.parametrize(("kind", "operation"), [("tpsl", CANCEL_ORDER), ("plan", BATCH_CANCEL_PLAN_ORDERS)])
def test_a_type_that_changes_before_single_orders_are_cancelled(
    kind: Kind, operation: Operation, start_sandbox: StartSandbox, cancel_open: CancelOpen
) -> None:
    """If the cancels of orders of another kind are refused, the run goes on, and they are reported as not sent."""
    sandbox = start_sandbox(orders=0)
    sandbox.open_orders(4, kind=kind, symbol="BTCUSDT")
    sandbox.inject("delay-before=0.1", times=100, operation=operation)
    listings = (GET_UNFILLED_ORDERS.path, GET_CURRENT_PLAN_ORDERS.path)

    def are_listed() -> bool:
        return sum(arrival.status == 200 and arrival.path in listings for arrival in sandbox.arrivals) == 3

    change_type_when(sandbox, "unified", are_listed)
    report = cancel_open(connect_to(sandbox), deadline=5)
    assert status_counts(report) == {Status.NOT_SENT: 4}
    assert {outcome.confirmed for outcome in report} == {None}


def test_a_page_for_a_type_that_was_given_up(start_sandbox: StartSandbox) -> None:
    """A page that arrives after the switch and was asked for as for the other type is ignored."""
    sandbox = start_sandbox(orders=0)
    client = connect_to(sandbox)
    queries = OrderQueries(client, CancelScope(), AccountSelection.for_client(client, "SPOT"))
    canceller = OpenOrderCanceller(queries, OrderFilter(), by_symbol=True, on_progress=None)
    refused, late, *_ = list(canceller._next_jobs())
    refused.result = WrongEnvironmentError("40085")
    late.result = OrdersResponse(data=[Order(order_id="1", symbol="BTCUSDT", status="live")])
    canceller._record(refused)
    assert queries.account.account_type == "unified"
    canceller._record(late)
    assert len(canceller.report()) == 0
