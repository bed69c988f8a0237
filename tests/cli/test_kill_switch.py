"""`cancel-open` in an emergency: it perseveres until its deadline, and never claims more than it knows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from command_line import Cli, CommandResult, StartSandbox

from bitget_spot import Report, cancel_open_orders
from bitget_spot._bulk import open_order, open_orders
from bitget_spot._cli.advice import CHECK_NETWORK
from bitget_spot.sandbox import Sandbox

UNREACHABLE_URL: Final = "http://127.0.0.1:1"
ALWAYS: Final = 10_000
"""As many times as a fault could possibly happen in a test."""
SHORT: Final = "0.4"
"""Seconds: a deadline that leaves time for several listings."""
MALFORMED_LISTINGS: Final = (
    "null",
    "{}",
    '{"entrustedOrders": []}',
    '""',
    "7",
    '["1300000000000000001"]',
    '[{"symbol": "BTCUSDT"}]',
    '[{"orderId": ""}]',
    "[[]]",
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between two listings, and before a cancel is sent again."""
    monkeypatch.setattr(open_orders, "LISTING_INTERVAL", 0.02)
    monkeypatch.setattr(open_order, "RETRY_INTERVAL", 0.05)


def count_open(sandbox: Sandbox) -> int:
    """Return how many orders are open."""
    return sum(order.is_open for order in sandbox.orders.values())


def messages_of(result: CommandResult) -> list[str]:
    """Return the lines that the command itself has written to stderr."""
    return [line.removeprefix("bitget-spot: ") for line in result.err.splitlines() if line.startswith("bitget-spot: ")]


@pytest.mark.parametrize(
    ("arguments", "deadline"), [((), 60.0), (("--deadline", "5"), 5.0), (("--deadline", "inf"), float("inf"))]
)
def test_deadline(cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, arguments: Any, deadline: float) -> None:
    """Without the option the command has 60 seconds; `inf` is no deadline."""
    deadlines = []

    def record(**arguments: Any) -> Report:
        deadlines.append(arguments["deadline"])
        return Report((), confirm=True)

    monkeypatch.setattr(cancel_open_orders, "sync", record)
    assert cli("cancel-open", "--yes", *arguments).status == 0
    assert deadlines == [deadline]
    assert sandbox.arrivals == []


def test_without_a_deadline(cli: Cli, sandbox: Sandbox) -> None:
    """With `--deadline inf` every order is cancelled, too."""
    assert cli("cancel-open", "--yes", "--deadline", "inf").status == 0
    assert count_open(sandbox) == 0


@pytest.mark.parametrize("data", MALFORMED_LISTINGS)
def test_malformed_listing_is_not_an_empty_one(cli: Cli, sandbox: Sandbox, data: str) -> None:
    """If no listing is a list of orders with ids before the deadline, the status is 4, and nothing is claimed."""
    sandbox.inject(f"list-data={data}", times=ALWAYS)
    result = cli("cancel-open", "--yes", "--deadline", SHORT)
    assert result.status == 4
    assert result.out == ""
    assert messages_of(result)[0].startswith("no valid response from the exchange: InvalidResponseError: HTTP 200: ")
    assert count_open(sandbox) == 120
    assert len(sandbox.arrivals) > 2


@pytest.mark.parametrize("data", [*MALFORMED_LISTINGS, "[]"])
def test_listing_that_is_malformed_or_empty_once(cli: Cli, sandbox: Sandbox, data: str) -> None:
    """The command lists the orders again, and cancels every one."""
    sandbox.inject(f"list-data={data}")
    assert cli("cancel-open", "--yes").status == 0
    assert count_open(sandbox) == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("html-502", "no valid response from the exchange: InvalidResponseError: HTTP 502: not JSON (text/html"),
        ("empty", "no valid response from the exchange: InvalidResponseError: HTTP 200: an empty body"),
        ("drop-before", "no valid response from the exchange: RemoteProtocolError: "),
        ("list-code=45001", "the exchange returned an error: 45001: "),
        ("429", "the deadline passed before the open orders could be listed"),  # it waits, as it must
    ],
)
def test_no_readable_listing_before_the_deadline(cli: Cli, sandbox: Sandbox, fault: str, message: str) -> None:
    """If the exchange is too busy or the network is broken until the deadline, the status is 4."""
    sandbox.inject(fault, times=ALWAYS)
    result = cli("cancel-open", "--yes", "--deadline", SHORT)
    assert result.status == 4
    assert result.out == ""
    assert messages_of(result)[0].startswith(message)
    assert count_open(sandbox) == 120


@pytest.mark.parametrize("code", ["45055", "99999", "40808"])
def test_listing_that_is_refused_until_the_deadline(cli: Cli, sandbox: Sandbox, code: str) -> None:
    """Whatever the reason is, the status is 4 if the deadline passes without a readable listing."""
    sandbox.inject(f"list-code={code}", times=ALWAYS)
    result = cli("cancel-open", "--yes", "--deadline", SHORT)
    assert len(sandbox.arrivals) > 2
    assert result.status == 4


@pytest.mark.parametrize("deadline", ["0", SHORT])
def test_exchange_that_cannot_be_reached(cli: Cli, sandbox: Sandbox, deadline: str) -> None:
    """The status is 4, and the text says what to check, without a traceback."""
    result = cli("cancel-open", "--yes", "--base-url", UNREACHABLE_URL, "--deadline", deadline, "--json")
    assert result.status == 4
    assert result.data["outcomes"] == []
    assert sandbox.arrivals == []
    if deadline == "0":
        assert result.data["error"]["type"] == "DeadlineExceeded"
        assert "before the open orders could be listed" in result.data["error"]["message"]
    else:
        assert result.data["error"]["type"] == "NetworkError"
        assert result.data["error"]["remedy"] == CHECK_NETWORK


def test_exchange_that_recovers(cli: Cli, sandbox: Sandbox) -> None:
    """Errors before the deadline cost time only: every order is cancelled, and the status is 0."""
    for fault in ("html-502", "empty", "list-code=45001", "list-data={}"):
        sandbox.inject(fault, times=2)
    assert cli("cancel-open", "--yes", "--deadline", "20").status == 0
    assert count_open(sandbox) == 0


def test_orders_that_cannot_be_cancelled(cli: Cli, start_sandbox: StartSandbox) -> None:
    """The command ends when only orders remain that were rejected twice; they are shown as live, and the status is 1."""
    sandbox = start_sandbox(orders=8)
    stuck = {order.order_id for order in sandbox.orders.values() if order.symbol == "BTCUSDT"}
    sandbox.refused_symbols["BTCUSDT"] = "40309"
    result = cli("cancel-open", "--yes", "--json")
    assert result.status == 1
    assert {order.order_id for order in sandbox.orders.values() if order.is_open} == stuck
    rows = {row["orderId"]: row for row in result.data["outcomes"]}
    assert len(rows) == 8
    for order_id, row in rows.items():
        expected = ("rejected", "40309", "live") if order_id in stuck else ("accepted", None, "cancelled")
        assert (row["status"], row["code"], row["confirmed"]) == expected


def test_text_about_orders_that_cannot_be_cancelled(cli: Cli, sandbox: Sandbox) -> None:
    """The orders are listed with the exchange's code and message, and the last line counts them."""
    sandbox.inject("row-code=45055", times=ALWAYS)
    result = cli("cancel-open", "--yes", "--symbol", "ETHUSDT", "--list-first")
    assert result.status == 1
    assert "rejected, 45055, live: 30\n" in result.out
    assert "It is still open." in result.out
    assert result.out.endswith("30 of 30 orders are still open, filled or unknown.\n")


def test_deadline_that_passes_with_orders_left(cli: Cli, start_sandbox: StartSandbox) -> None:
    """The message has the counts, the outcomes so far are shown, and the status is 1."""
    start_sandbox(orders=30, cancel_delay=10)
    result = cli("cancel-open", "--yes", "--deadline", SHORT)
    assert result.status == 1
    assert messages_of(result)[-1] == "the deadline passed while orders may still be open: 30 accepted"
    assert "accepted, unconfirmed: 30\n" in result.out
    assert result.out.endswith("30 of 30 orders are still open, filled or unknown.\n")


def budgets_of(store: Path) -> list[str]:
    """Return the names of the budgets for batch cancels in a SQLite store."""
    with closing(sqlite3.connect(store)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM budgets")]
    return [name for name in names if name.endswith(" batchCancelOrders")]


@pytest.mark.parametrize("as_variables", [False, True])
@pytest.mark.parametrize("account_id", ["desk-1", None])
def test_keys_of_one_account_share_a_budget(  # noqa: PLR0917 - the columns of a table and its fixtures
    as_variables: bool,
    account_id: str | None,
    cli: Cli,
    start_sandbox: StartSandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both commands take --rate-limit-store and --account-id, or their variables; the store has no name in plain text."""
    sandbox = start_sandbox(orders=2)
    sandbox.add_account("another-key", sandbox.secret_key, sandbox.passphrase)
    sandbox.open_orders(2, api_key="another-key")
    store = tmp_path / "store"
    options = ["--rate-limit-store", f"sqlite:{store}"]
    if account_id is not None:
        options += ["--account-id", account_id]
    if as_variables:
        for option, value in zip(options[::2], options[1::2], strict=True):
            monkeypatch.setenv("BITGET" + option[1:].upper().replace("-", "_"), value)
        options = []
    assert cli("cancel", "--order-id", next(iter(sandbox.orders)), *options).status == 0
    monkeypatch.setenv("BITGET_API_KEY", "another-key")
    assert cli("cancel-open", "--yes", "--list-first", *options).status == 0
    assert count_open(sandbox) == 1
    assert len(budgets_of(store)) == (2 if account_id is None else 1)
    for name in ("desk-1", "another-key", sandbox.api_key):
        assert name.encode() not in store.read_bytes()


def test_store_that_cannot_be_opened(cli: Cli, sandbox: Sandbox, tmp_path: Path) -> None:
    """A store that cannot be opened never stops a cancel."""
    store = f"sqlite:{tmp_path}/none/store"
    assert cli("cancel-open", "--yes", "--rate-limit-store", store).status == 0
    assert cli("cancel", "--order-id", next(iter(sandbox.orders)), "--rate-limit-store", store).status == 0
    assert count_open(sandbox) == 0
