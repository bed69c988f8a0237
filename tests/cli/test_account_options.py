"""The options for the type of the account, the category and the kinds of orders."""

from __future__ import annotations

from typing import Any

import pytest
from command_line import Cli, CommandResult, StartSandbox
from sandboxes import count_requests

from bitget_spot import Report, cancel_open_orders
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    CANCEL_SYMBOL_ORDERS,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
)


def count_open(sandbox: Sandbox) -> int:
    """Return how many orders are open."""
    return sum(order.is_open for order in sandbox.orders.values())


def account_check(result: CommandResult) -> tuple[str, str]:
    """Return state and detail of the check of the account."""
    (row,) = [row for row in result.data["checks"] if row["check"] == "account"]
    return row["state"], row["detail"]


@pytest.fixture
def unified_sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """Return a sandbox of a unified account with 30 open orders."""
    return start_sandbox(orders=30, account_type="unified", requests_per_second=1000)


@pytest.fixture
def mixed_sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """Return a sandbox of a classic account with two orders of each kind."""
    sandbox = start_sandbox(orders=0, requests_per_second=1000)
    for kind in ("normal", "tpsl", "plan"):
        sandbox.open_orders(2, symbol="BTCUSDT", kind=kind)
    return sandbox


# The type of the account


@pytest.mark.parametrize("options", [(), ("--account-type", "unified")], ids=["detected", "stated"])
def test_cancel_orders_of_a_unified_account(cli: Cli, unified_sandbox: Sandbox, options: tuple[str, ...]) -> None:
    """The command cancels orders of a unified account, whether or not it is told that it is one."""
    order = next(iter(unified_sandbox.orders.values()))
    result = cli("cancel", "--order-id", order.order_id, "--symbol", order.symbol, "--json", *options)
    assert result.status == 0
    assert result.data["counts"]["accepted"] == 1
    assert not unified_sandbox.orders[order.order_id].is_open
    assert count_requests(unified_sandbox, BATCH_CANCEL_ORDERS) == (0 if options else 1)
    assert count_requests(unified_sandbox, BATCH_CANCEL_UNIFIED_ORDERS) == 1


@pytest.mark.parametrize("options", [(), ("--account-type", "unified")], ids=["detected", "stated"])
def test_kill_switch_of_a_unified_account(cli: Cli, unified_sandbox: Sandbox, options: tuple[str, ...]) -> None:
    """The kill switch cancels every order of a unified account, whether or not it is told that it is one."""
    assert cli("cancel-open", "--yes", *options).status == 0
    assert count_open(unified_sandbox) == 0


def test_wrong_type_is_refused_by_the_exchange(cli: Cli, unified_sandbox: Sandbox) -> None:
    """If the stated type is wrong, the status is 3, the remedy says what to leave out, and nothing is switched."""
    result = cli("cancel-open", "--yes", "--account-type", "classic")
    assert result.status == 3
    assert "40085" in result.err
    assert "This is a unified account: leave out --account-type" in result.err
    assert count_open(unified_sandbox) == 30


def test_unknown_type_is_bad_input(cli: Cli, sandbox: Sandbox) -> None:
    """Only the two types are accepted."""
    result = cli("cancel-open", "--yes", "--account-type", "uta")
    assert result.status == 2
    assert "classic" in result.err
    assert "unified" in result.err
    assert sandbox.arrivals == []


def test_orders_without_a_symbol_need_no_unified_account(cli: Cli, unified_sandbox: Sandbox) -> None:
    """For a stated unified account the missing symbol is bad input, by its place, before anything is sent."""
    order_id = next(iter(unified_sandbox.orders))
    result = cli("cancel", "--order-id", order_id, "--account-type", "unified")
    assert result.status == 2
    assert "--order-id" in result.err
    assert "symbol" in result.err
    assert unified_sandbox.arrivals == []


def test_dry_run_for_a_unified_account(cli: Cli, sandbox: Sandbox) -> None:
    """The requests are those of the stated type, as a table and with their exact bodies."""
    options = ("cancel", "--dry-run", "--order-id", "1", "--symbol", "BTCUSDT", "--account-type", "unified")
    table = cli(*options)
    assert table.status == 0
    assert "SPOT" in table.out
    assert table.out.endswith("1 order in 1 request; nothing was sent.\n")
    assert cli(*options, "--json").data["requests"] == [[{"category": "SPOT", "orderId": "1", "symbol": "BTCUSDT"}]]
    assert sandbox.arrivals == []


# The category


@pytest.mark.parametrize("command", [("cancel", "--order-id", "1", "--symbol", "BTCUSDT"), ("cancel-open", "--yes")])
def test_category_of_a_classic_account_is_bad_input(cli: Cli, sandbox: Sandbox, command: tuple[str, ...]) -> None:
    """A classic account has spot orders only, so another category is refused before anything is sent."""
    result = cli(*command, "--category", "USDT-FUTURES", "--account-type", "classic")
    assert result.status == 2
    assert "USDT-FUTURES" in result.err
    assert sandbox.arrivals == []


@pytest.mark.parametrize("command", [("cancel", "--order-id", "1", "--symbol", "BTCUSDT"), ("cancel-open", "--yes")])
def test_unknown_category_is_bad_input(cli: Cli, sandbox: Sandbox, command: tuple[str, ...]) -> None:
    """The message names the category and those that there are."""
    result = cli(*command, "--category", "OPTIONS")
    assert result.status == 2
    assert "OPTIONS" in result.err
    assert "USDT-FUTURES" in result.err
    assert sandbox.arrivals == []


def test_category_selects_the_orders(cli: Cli, start_sandbox: StartSandbox) -> None:
    """The kill switch cancels the orders of the category, and leaves those of the others alone."""
    sandbox = start_sandbox(orders=3, account_type="unified")
    futures = sandbox.open_orders(2, symbol="BTCUSDT", category="USDT-FUTURES")
    assert cli("cancel-open", "--yes", "--category", "usdt-futures").status == 0
    assert not any(sandbox.orders[order.order_id].is_open for order in futures)
    assert count_open(sandbox) == 3


# The kinds of orders


def test_all_kinds_are_cancelled_by_default(cli: Cli, mixed_sandbox: Sandbox) -> None:
    """Normal, TP/SL and trigger orders are cancelled, and the report shows the kind of each."""
    result = cli("cancel-open", "--yes", "--json")
    assert result.status == 0
    assert count_open(mixed_sandbox) == 0
    kinds = sorted(row["kind"] for row in result.data["outcomes"])
    assert kinds == ["normal", "normal", "plan", "plan", "tpsl", "tpsl"]


@pytest.mark.parametrize("kinds", [("normal",), ("tpsl",), ("plan",), ("tpsl", "plan")])
def test_kind_selects_the_orders(cli: Cli, mixed_sandbox: Sandbox, kinds: tuple[str, ...]) -> None:
    """`--kind`, which can be repeated, leaves the orders of the other kinds alone."""
    options = [part for kind in kinds for part in ("--kind", kind)]
    assert cli("cancel-open", "--yes", *options).status == 0
    assert {order.kind for order in mixed_sandbox.orders.values() if not order.is_open} == set(kinds)


@pytest.mark.parametrize("options", [("--account-type", "unified"), ("--category", "MARGIN")])
def test_kind_that_the_account_does_not_have_is_bad_input(cli: Cli, sandbox: Sandbox, options: tuple[str, ...]) -> None:
    """It is never an empty all-clear."""
    result = cli("cancel-open", "--yes", "--kind", "plan", *options)
    assert result.status == 2
    assert "plan" in result.err
    assert sandbox.arrivals == []


def test_unknown_kind_is_bad_input(cli: Cli, sandbox: Sandbox) -> None:
    """Only the three kinds are accepted."""
    result = cli("cancel-open", "--yes", "--kind", "stop")
    assert result.status == 2
    assert "tpsl" in result.err
    assert sandbox.arrivals == []


# Whole pairs


@pytest.mark.parametrize(
    ("options", "expected"), [((), True), (("--cancel-by-symbol",), True), (("--list-first",), False)]
)
def test_list_first(
    cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], *, expected: bool
) -> None:
    """By default whole pairs are cancelled by one request; `--list-first` lists every order before."""
    arguments: list[Any] = []

    def record(**passed: Any) -> Report:
        arguments.append(passed["cancel_by_symbol"])
        return Report((), confirm=True)

    monkeypatch.setattr(cancel_open_orders, "sync", record)
    assert cli("cancel-open", "--yes", *options).status == 0
    assert arguments == [expected]
    assert sandbox.arrivals == []


def test_requests_for_whole_pairs(cli: Cli, sandbox: Sandbox) -> None:
    """The output names the pairs that were cancelled as a whole; `--list-first` sends no such request."""
    result = cli("cancel-open", "--yes", "--list-first", "--symbol", "BTCUSDT")
    assert result.status == 0
    assert count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == 0
    assert "as a whole" not in result.out
    result = cli("cancel-open", "--yes", "--symbol", "ETHUSDT")
    assert result.status == 0
    assert count_requests(sandbox, CANCEL_SYMBOL_ORDERS) == 1
    assert "Cancelled as a whole: ETHUSDT.\n" in result.out


def test_request_for_a_whole_category(cli: Cli, unified_sandbox: Sandbox) -> None:
    """On a unified account one request cancels the category."""
    result = cli("cancel-open", "--yes")
    assert result.status == 0
    assert count_requests(unified_sandbox, CANCEL_UNIFIED_SYMBOL_ORDERS) == 1
    assert "Cancelled as a whole: SPOT.\n" in result.out


# The check


@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_check_shows_the_type(cli: Cli, start_sandbox: StartSandbox, account_type: str) -> None:
    """The check of the account says which type the key belongs to; a unified one takes one request more."""
    sandbox = start_sandbox(orders=1, account_type=account_type)
    result = cli("check", "--json")
    assert result.status == 0
    assert account_check(result) == ("ok", f"a {account_type} account")
    assert len(sandbox.arrivals) == (2 if account_type == "classic" else 3)
    assert {arrival.method for arrival in sandbox.arrivals} == {"GET"}
