"""The commands against a sandbox: what they do, what they say, how they end."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from bitget_spot.server_time import ClockReading
from bitget_spot import Outcome, Report, Status, cancel_orders, errors
from bitget_spot import __main__ as entry
from bitget_spot._cli import app, check
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox import __main__ as sandbox_command

Cli = Callable[..., Any]
Start = Callable[..., Sandbox]
OrdersFile = Callable[[Sandbox, int], Path]
NOWHERE: Final = "http://127.0.0.1:1"


def live(exchange: Sandbox) -> int:
    """How many orders are open."""
    return sum(order.is_open for order in exchange.orders.values())


def test_a_file_is_cancelled(cli: Cli, exchange: Sandbox, orders_file: OrdersFile) -> None:
    """Every order of it, of both kinds; status 0; the result on stdout, the progress on stderr."""
    ended = cli("cancel", "--file", str(orders_file(exchange, 110)))
    assert ended.status == 0
    assert live(exchange) == 10
    assert ended.out.endswith("Neither accepted nor gone: none of 110 orders.\n")
    assert ended.err.count("bitget-spot: ") == 3
    assert "bitget-spot: 110 of 110 orders: " in ended.err


def test_options_and_stdin_together(cli: Cli, exchange: Sandbox) -> None:
    """As JSON: one object with the outcomes in the order given, the symbol where none was named."""
    first, second, third = exchange.open_orders(3, symbol="BTCUSDT")
    stdin = json.dumps({"orderId": int(third.order_id), "symbol": "btcusdt"})
    options = ("--order-id", first.order_id, "--client-oid", second.client_oid, "--symbol", "btcusdt")
    ended = cli("cancel", "--json", *options, "--file", "-", stdin=stdin)
    assert ended.status == 0
    assert [row["orderId"] or row["clientOid"] for row in ended.data["outcomes"]] == [
        first.order_id,
        second.client_oid,
        third.order_id,
    ]
    assert {row["symbol"] for row in ended.data["outcomes"]} == {"BTCUSDT"}
    assert ended.data["counts"]["accepted"] == 3
    assert set(ended.data) == {"outcomes", "counts"}


def test_what_was_not_sent_can_be_given_back(cli: Cli, exchange: Sandbox, orders_file: OrdersFile) -> None:
    """The rows of a report are orders again."""
    told = cli("cancel", "--json", "--deadline", "0", "--file", str(orders_file(exchange, 60)))
    assert told.status == 1
    assert told.data["counts"]["not_sent"] == 60
    assert told.data["error"]["type"] == "DeadlineExceeded"
    rows = "\n".join(json.dumps(row) for row in told.data["outcomes"])
    assert cli("cancel", "--file", "-", stdin=rows).status == 0
    assert live(exchange) == 60


def test_a_dry_run_sends_nothing_and_needs_no_key(
    cli: Cli, exchange: Sandbox, orders_file: OrdersFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows the requests as a table, or as JSON the very bodies."""
    path = str(orders_file(exchange, 110))
    monkeypatch.delenv("BITGET_API_KEY")
    ended = cli("cancel", "--dry-run", "--file", path, "--client-oid", "no-pair")
    assert ended.status == 0
    assert ended.out.endswith("111 orders in 4 requests; nothing was sent.\n")
    assert "not told" in ended.out
    data = cli("cancel", "--dry-run", "--json", "--file", path, "--batch-size", "20").data
    assert data["orders"] == 110
    assert sorted(len(request["orderList"]) for request in data["requests"]) == [13, 17, 20, 20, 20, 20]
    assert exchange.arrivals == []


def test_confirming(cli: Cli, exchange: Sandbox) -> None:
    """What filled is shown and makes the status 1, although the cancel was accepted or the order gone."""
    good, filled = exchange.open_orders(2)
    exchange.fill(filled.order_id)
    ended = cli("cancel", "--confirm", "--order-id", good.order_id, "--order-id", filled.order_id)
    assert ended.status == 1
    assert "gone, 43001, filled: 1\n" in ended.out
    assert f"  {filled.order_id}\n" in ended.out
    assert f"  {good.order_id}\n" not in ended.out
    assert cli("cancel", "--confirm", "--order-id", good.order_id).status == 0


@pytest.mark.parametrize(
    ("faults", "status", "told"),
    [
        (["code=40018"], 3, "40018"),
        (["code=40085"], 3, "unified account"),
        (["code=40008"] * 2, 3, "set this machine's clock right"),
        (["code=45055"], 1, "rejected, 45055: 1"),
        (["html-502"] * 6, 4, "InvalidResponseError: HTTP 502"),
        (["missing-lists"], 1, "the answer does not mention it"),
        (["drop-after"], 0, "gone, 43001"),
    ],
)
def test_a_refusing_exchange(cli: Cli, exchange: Sandbox, faults: list[str], status: int, told: str) -> None:
    """The status says what kind of trouble it is, the text what to do about it."""
    for fault in faults:
        exchange.inject(fault)
    ended = cli("cancel", "--order-id", next(iter(exchange.orders)))
    assert ended.status == status
    assert told in ended.out
    if status == 3 and "code=40008" not in faults:
        assert "bitget-spot: the exchange refused: " in ended.err
        assert "bitget-spot: what to do: " in ended.err


def test_an_exchange_that_cannot_be_reached(cli: Cli, exchange: Sandbox) -> None:
    """Status 4, and where to look."""
    ended = cli("cancel", "--order-id", "1", "--base-url", NOWHERE)
    assert ended.status == 4
    assert "ConnectError" in ended.out
    assert "look at the network and at --base-url" in ended.out
    assert exchange.arrivals == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["cancel"], "no orders: give --order-id"),
        (["cancel", "--file", "none.csv"], "none.csv: No such file or directory: check the path"),
        (["cancel", "--order-id", "1", "--order-id", "x"], "orderId 'x' is no decimal number"),
        (["cancel", "--order-id", "1", "--batch-size", "0"], "batch_size is 0"),
        (["cancel", "--order-id", "1", "--deadline", "-1"], "deadline is -1.0"),
        (["cancel", "--order-id", "1", "--requests-per-second", "nan"], "give at least one in a period"),
        (["cancel", "--order-id", "1", "--rate-limit-store", "hunter2"], "--rate-limit-store names no store: give memory, sqlite:PATH or"),
        (["cancel", "--order-id", "1", "--rate-limit-store", "sqlite:"], "--rate-limit-store names no store"),
        (["cancel", "--order-id", "1", "--rate-limit-store", "sqlite:none/slots"], "unable to open database file"),
        (["cancel", "--order-id", "1", "--rate-limit-store", "redis:hunter2"], "this is no address of a server"),
        (["cancel", "--order-id", "1", "--base-url", "http://bitget.com"], "would carry the passphrase in the clear"),
        (["cancel", "--order-id", "1", "--base-url", "http://a:b:c"], "base_url is no address"),
        (["cancel-open", "--yes", "--symbol", ""], "symbols is ['']"),
        (["cancel-open", "--yes", "--deadline", "nan"], "deadline is nan"),
        (["cancel-open"], "this is no terminal, and nobody can be asked: add --yes"),
        (["check", "--base-url", "bitget.com"], "base_url is no address of an exchange"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_bad_input(  # noqa: PLR0917 - what a table and its fixtures give
    cli: Cli,
    exchange: Sandbox,
    arguments: list[str],
    told: str,
    as_json: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Status 2, the problem with its remedy on stderr, nothing sent; and with --json the object all the same."""
    monkeypatch.chdir(tmp_path)
    ended = cli(*arguments, *(["--json"] if as_json else []))
    assert ended.status == 2
    assert told in ended.err
    assert ended.err.endswith("bitget-spot: nothing was sent\n")
    assert "hunter2" not in ended.err
    assert exchange.arrivals == []
    if as_json:
        assert told in ended.data["error"]["message"]
        assert ended.data["outcomes"] == []
    else:
        assert ended.out == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["cancel", "--ordr-id", "1"], "--order-id"),
        (["cancel", "1300000000000000001"], "unexpected extra argument"),
        (["cancel", "--api-key=hunter2"], "No such option"),
        (["cancel", "--deadline", "60s"], "60s"),
        (["cancel-open", "--side", "both"], "'buy', 'sell'"),
        (["cancl"], "cancl"),
    ],
)
def test_a_command_that_cannot_be_read(cli: Cli, arguments: list[str], told: str) -> None:
    """Status 2, and what was meant; a secret given as an argument is not repeated."""
    ended = cli(*arguments)
    assert ended.status == 2
    assert told in ended.err + ended.out
    assert "hunter2" not in ended.err


def test_no_command_at_all(cli: Cli) -> None:
    """Shows what there is."""
    ended = cli()
    assert "cancel-open" in ended.out + ended.err


def test_credentials_that_are_missing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable that is missing is named, and nothing is sent."""
    monkeypatch.setenv("BITGET_API_KEY", "a-key")
    ended = cli("cancel", "--order-id", "1")
    assert ended.status == 2
    assert "BITGET_SECRET_KEY is missing" in ended.err
    assert "BITGET_PASSPHRASE is missing" in ended.err


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("cancel", "bitget-spot cancel --file orders.csv --dry-run"),
        ("cancel-open", "bitget-spot cancel-open --symbol BTCUSDT --side buy"),
        ("check", "bitget-spot check --demo"),
    ],
)
def test_every_help_has_an_example(cli: Cli, command: str, example: str) -> None:
    """And ends with status 0."""
    ended = cli(command, "--help")
    assert ended.status == 0
    assert example in " ".join(ended.out.split())


def test_the_help_tells_the_commands_and_the_statuses(cli: Cli) -> None:
    """All there is, on one page."""
    ended = cli("-h")
    assert ended.status == 0
    text = " ".join(ended.out.split())
    assert all(name in text for name in ("cancel-open", "check", "sandbox", "Exit status: 0 all accepted or gone"))
    assert "--install-completion" in text


def test_the_version(cli: Cli) -> None:
    """The distribution's."""
    ended = cli("--version")
    assert (ended.status, ended.out.split()[0]) == (0, "bitget-spot")


def test_the_completion_of_a_shell(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shell asks for is answered, with status 0."""
    monkeypatch.setenv("_BITGET_SPOT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "bitget-spot cancel --o")
    monkeypatch.setenv("COMP_CWORD", "2")
    ended = cli()
    assert (ended.status, ended.out.split()) == (0, ["--order-id"])


def test_a_shared_store(cli: Cli, exchange: Sandbox, tmp_path: Path) -> None:
    """The budget lies where the option says."""
    ended = cli("cancel", "--order-id", next(iter(exchange.orders)), "--rate-limit-store", f"sqlite:{tmp_path}/slots")
    assert ended.status == 0
    assert (tmp_path / "slots").exists()


@pytest.mark.parametrize("url", ["redis://u:hunter2@127.0.0.1:6379/0", "rediss://127.0.0.1:6379/0"])
def test_stores_by_their_names(url: str, tmp_path: Path) -> None:
    """A path is a SQLite file, an address a Redis."""
    with app.store_of(url) as store:
        assert isinstance(store, RedisStore)
        assert "hunter2" not in repr(store)
    with app.store_of(f"sqlite:{tmp_path}/slots") as store:
        assert isinstance(store, SQLiteStore)


def test_the_kill_switch(cli: Cli, exchange: Sandbox) -> None:
    """With --yes it cancels whatever is open, and asks what became of it."""
    ended = cli("cancel-open", "--yes")
    assert ended.status == 0
    assert live(exchange) == 0
    assert "accepted, cancelled" in ended.out
    assert ended.out.endswith("Still open, filled or in doubt: none of 120 orders.\n")


def test_the_kill_switch_for_some(cli: Cli, exchange: Sandbox) -> None:
    """Pairs in whatever letters, one side, and as JSON."""
    chosen = [one for one in exchange.orders.values() if one.symbol in ("BTCUSDT", "ETHUSDT") and one.side == "buy"]
    ended = cli("cancel-open", "-y", "--json", "--symbol", "btcusdt", "--symbol", "ETHUSDT", "--side", "buy")
    assert ended.status == 0
    assert {row["orderId"] for row in ended.data["outcomes"]} == {one.order_id for one in chosen}
    assert live(exchange) == 120 - len(chosen)


def test_the_kill_switch_where_nothing_is_open(cli: Cli, start: Start) -> None:
    """That is said, and is no failure."""
    start(orders=0)
    ended = cli("cancel-open", "--yes")
    assert ended.status == 0
    assert "No order was open." in ended.out


@pytest.mark.parametrize(("fault", "status"), [("code=40014", 3), ("code=40034", 2), ("code=45055", 1)])
def test_a_kill_switch_that_is_refused(cli: Cli, exchange: Sandbox, fault: str, status: int) -> None:
    """Where not even a list is to be had, the reason and what to do."""
    exchange.inject(fault)
    ended = cli("cancel-open", "--yes")
    assert ended.status == status
    assert live(exchange) == 120
    assert "bitget-spot: the exchange refused: " in ended.err
    assert "bitget-spot: what to do: " in ended.err


def rows_of(ended: Any) -> dict[str, tuple[str, str]]:
    """What a check has found."""
    return {row["check"]: (row["state"], row["detail"]) for row in ended.data["checks"]}


def test_a_check_that_finds_everything_right(cli: Cli, exchange: Sandbox) -> None:
    """Every line is ok but the permission to trade, which only a cancel shows; two reads, no more."""
    ended = cli("check", "--json")
    assert ended.status == 0
    states = {name: state for name, (state, _) in rows_of(ended).items()}
    assert states.pop("trading") == "not known"
    assert set(states.values()) == {"ok"}
    assert [arrival.method for arrival in exchange.arrivals] == ["GET", "GET"]
    assert f"the live account at {exchange.url} answers in " in cli("check").out


@pytest.mark.parametrize(
    ("variable", "value", "row", "told"),
    [
        ("BITGET_API_KEY", "nobody's", "key", "look at BITGET_API_KEY"),
        ("BITGET_PASSPHRASE", "hunter2", "passphrase", "look at BITGET_PASSPHRASE"),
        ("BITGET_SECRET_KEY", "hunter2", "secret", "look at BITGET_SECRET_KEY"),
        ("BITGET_DEMO", "1", "environment", "--demo (or BITGET_DEMO=1) with a demo key"),
    ],
)
def test_a_check_of_wrong_variables(  # noqa: PLR0917 - what a table and its fixtures give
    cli: Cli, exchange: Sandbox, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, row: str, told: str
) -> None:
    """The one that is wrong is named with its remedy, and what it hides is not known."""
    monkeypatch.setenv(variable, value)
    ended = cli("check", "--json")
    assert ended.status == 3
    found = rows_of(ended)
    assert found[row][0] == "wrong"
    assert told in found[row][1]
    assert [name for name, (state, _) in found.items() if state == "ok"] == ["exchange", "clock"]
    assert "hunter2" not in ended.out
    assert exchange.arrivals


@pytest.mark.parametrize(
    ("fault", "times", "status", "row", "state"),
    [
        ("code=40085", 1, 3, "account", "wrong"),
        ("code=40018", 1, 3, "address", "wrong"),
        ("code=40014", 1, 3, "reading", "wrong"),
        ("code=40008", 2, 3, "clock", "wrong"),
        ("html-403", 2, 4, "exchange", "wrong"),
        ("429", 2, 1, "exchange", "not known"),
    ],
)
def test_a_check_of_a_refusing_exchange(  # noqa: PLR0917 - what a table and its fixtures give
    cli: Cli, exchange: Sandbox, fault: str, times: int, status: int, row: str, state: str
) -> None:
    """What an exchange refuses belongs to one line; what only tells that it is busy proves nothing wrong."""
    exchange.inject(fault, times=times)
    ended = cli("check", "--json")
    assert ended.status == status
    assert rows_of(ended)[row][0] == state
    assert rows_of(ended)["key"] == ("not known", "")


def test_a_check_of_a_clock_that_is_wrong(cli: Cli, exchange: Sandbox) -> None:
    """The client makes up for it, others will not: status 1, although every read went well."""
    exchange.inject("clock-skew=90")
    ended = cli("check")
    assert ended.status == 1
    assert "wrong" in ended.out
    assert (
        "this machine's is 90.0 s behind the exchange's, which this client makes up for and others do not" in ended.out
    )


def test_a_check_where_nobody_answers(cli: Cli, exchange: Sandbox) -> None:
    """Status 4."""
    ended = cli("check", "--base-url", NOWHERE, "--json")
    assert ended.status == 4
    assert rows_of(ended)["exchange"][0] == "wrong"
    assert exchange.arrivals == []


@pytest.mark.parametrize(
    ("offset", "state", "way"),
    [(-31.0, "wrong", "31.0 s ahead of"), (29.0, "ok", "29.0 s behind"), (-1, "ok", "1.0 s")],
)
def test_the_clock_is_judged_by_the_document_s_window(offset: float, state: str, way: str) -> None:
    """More than it is wrong; the words say on which side."""
    found, told = check.clock_row(ClockReading(offset, 0.1))
    assert found == state
    assert way in told


def test_everything_that_can_be_blamed_is_a_row() -> None:
    """And every code that is named belongs to a class that stops a client."""
    assert set(check.BLAMED.values()) <= set(check.NAMES)
    for code in check.BLAMED:
        assert issubclass(
            errors.error_class(code),
            errors.AuthenticationError | errors.PermissionDeniedError | errors.WrongEnvironmentError,
        )


def test_a_demo_account(cli: Cli, start: Start) -> None:
    """--demo with a demo key."""
    exchange = start(demo=True)
    assert "the demo account at" in cli("check", "--demo").out
    assert cli("cancel", "--demo", "--order-id", next(iter(exchange.orders))).status == 0
    assert cli("cancel", "--order-id", next(iter(exchange.orders))).status == 3


def test_the_sandbox_has_its_own_options(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are handed on as they are, help included, under this program's name."""
    ended = cli("sandbox", "--help")
    assert ended.status == 0
    assert ended.out.startswith("usage: bitget-spot sandbox [-h] [--port PORT]")
    assert cli("sandbox", "--port", "many").status == 2
    seen: list[Any] = []

    def main(argv: list[str], prog: str) -> int:
        seen.append((argv, prog))
        return 0

    monkeypatch.setattr(sandbox_command, "main", main)
    assert cli("sandbox", "--port", "0", "--fault", "code=40018", "-x", "--fault=drop-after*3").status == 0
    assert seen == [(["--port", "0", "--fault", "code=40018", "-x", "--fault=drop-after*3"], "bitget-spot sandbox")]


def test_the_sandbox_needs_its_extra(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the command says what to install."""
    for name in ("bitget_spot.sandbox.__main__", "bitget_spot.sandbox.server"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ended = cli("sandbox")
    assert ended.status == 2
    assert "pip install 'bitget-spot[sandbox]'" in ended.err


def test_ctrl_c_with_a_report(cli: Cli, exchange: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report so far is printed, and the status is 130."""

    def interrupted(**given: Any) -> NoReturn:
        error = KeyboardInterrupt()
        report_of(error) = Report(tuple(Outcome(order, Status.NOT_SENT) for order in given["orders"]))
        raise error

    monkeypatch.setattr(cancel_orders, "sync", interrupted)
    ended = cli("cancel", "--order-id", "77")
    assert ended.status == 130
    assert "not_sent: 1" in ended.out
    assert ended.err == "bitget-spot: stopped by Ctrl-C\n"
    assert exchange.arrivals == []


def test_an_error_that_nobody_has_foreseen(cli: Cli, exchange: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names it and not its message, and a status that is no other's."""

    def broken(**_: Any) -> NoReturn:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(cancel_orders, "sync", broken)
    ended = cli("cancel", "--order-id", "77")
    assert ended.status == 70
    assert ended.err.startswith("bitget-spot: unexpected RuntimeError at test_cli_commands.py:")
    assert "hunter2" not in ended.err
    assert ended.out == ""
    assert exchange.arrivals == []


@pytest.mark.parametrize(("missing", "told"), [("typer", "pip install 'bitget-spot[cli]'"), ("h11", "there is no h11")])
def test_without_the_extra(
    missing: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what to install, and status 2."""

    def run(_: object) -> NoReturn:
        raise ModuleNotFoundError(name=missing)

    monkeypatch.setattr("bitget_spot._cli.run", run)
    assert entry.main([]) == 2
    assert told in capsys.readouterr().err


def test_a_second_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One that comes while the first is dealt with ends it without a traceback."""

    def run(_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("bitget_spot._cli.run", run)
    assert entry.main([]) == 130
    assert capsys.readouterr().err == "bitget-spot: stopped by Ctrl-C\n"


def test_the_status_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a module it reads the command line and ends with main's status."""
    monkeypatch.setattr(sys, "argv", ["bitget-spot", "cancel"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(entry.__file__, run_name="__main__")
    assert ended.value.code == 2
    assert "no orders" in capsys.readouterr().err
