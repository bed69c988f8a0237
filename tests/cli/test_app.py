"""The commands against a sandbox: what they do and write, and their exit status."""

from __future__ import annotations

import errno
import json
import runpy
import socket
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
from command_line import Cli, StartSandbox, WriteOrdersFile

from bitget_spot import Outcome, Report, Status, cancel_open_orders, cancel_orders
from bitget_spot import __main__ as entry
from bitget_spot._bulk.report import attach_report
from bitget_spot._cli import app
from bitget_spot._cli.advice import Terminated, advice_for_error
from bitget_spot._cli.output import Output
from bitget_spot._cli.settings import parse_store
from bitget_spot.errors import error_class
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox import __main__ as sandbox_command

UNREACHABLE_URL: Final = "http://127.0.0.1:1"


def count_open(sandbox: Sandbox) -> int:
    """Return how many orders are open."""
    return sum(order.is_open for order in sandbox.orders.values())


def test_cancel_a_file(cli: Cli, sandbox: Sandbox, write_orders_file: WriteOrdersFile) -> None:
    """Every order of the file is cancelled, by either id; the result is on stdout and the progress on stderr."""
    result = cli("cancel", "--file", str(write_orders_file(sandbox, 110)))
    assert result.status == 0
    assert count_open(sandbox) == 10
    assert result.out.endswith("All 110 orders are accepted or gone.\n")
    assert result.err.count("bitget-spot: ") == 3
    assert "bitget-spot: 110 of 110 done: " in result.err


def test_cancel_options_and_stdin_together(cli: Cli, sandbox: Sandbox) -> None:
    """With --json, stdout is one object with the outcomes in the order of the input; --symbol fills in the symbol."""
    first, second, third = sandbox.open_orders(3, symbol="BTCUSDT")
    stdin = json.dumps({"orderId": int(third.order_id), "symbol": "btcusdt"})
    options = ("--order-id", first.order_id, "--client-oid", second.client_oid, "--symbol", "btcusdt")
    result = cli("cancel", "--json", *options, "--file", "-", stdin=stdin)
    assert result.status == 0
    assert [row["orderId"] or row["clientOid"] for row in result.data["outcomes"]] == [
        first.order_id,
        second.client_oid,
        third.order_id,
    ]
    assert {row["symbol"] for row in result.data["outcomes"]} == {"BTCUSDT"}
    assert result.data["counts"]["accepted"] == 3
    assert set(result.data) == {"outcomes", "counts"}


def test_rows_of_a_report_are_input_again(cli: Cli, sandbox: Sandbox, write_orders_file: WriteOrdersFile) -> None:
    """The orders that were not sent can be passed to the command again."""
    result = cli("cancel", "--json", "--deadline", "0", "--file", str(write_orders_file(sandbox, 60)))
    assert result.status == 1
    assert result.data["counts"]["not_sent"] == 60
    assert result.data["error"]["type"] == "DeadlineExceeded"
    rows = "\n".join(json.dumps(row) for row in result.data["outcomes"])
    assert cli("cancel", "--file", "-", stdin=rows).status == 0
    assert count_open(sandbox) == 60


def test_dry_run_sends_nothing_and_needs_no_key(
    cli: Cli, sandbox: Sandbox, write_orders_file: WriteOrdersFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requests are shown as a table, or as JSON with their exact bodies."""
    path = str(write_orders_file(sandbox, 110))
    monkeypatch.delenv("BITGET_API_KEY")
    result = cli("cancel", "--dry-run", "--file", path, "--client-oid", "no-pair")
    assert result.status == 0
    assert result.out.endswith("111 orders in 4 requests; nothing was sent.\n")
    assert "not given" in result.out
    data = cli("cancel", "--dry-run", "--json", "--file", path, "--batch-size", "20").data
    assert data["orders"] == 110
    assert sorted(len(request["orderList"]) for request in data["requests"]) == [13, 17, 20, 20, 20, 20]
    assert sandbox.arrivals == []


def test_confirm(cli: Cli, sandbox: Sandbox) -> None:
    """A filled order is listed and makes the status 1, although the cancel was accepted or the order gone."""
    good, filled = sandbox.open_orders(2)
    sandbox.fill(filled.order_id)
    result = cli("cancel", "--confirm", "--order-id", good.order_id, "--order-id", filled.order_id)
    assert result.status == 1
    assert "gone, 43001, filled: 1\n" in result.out
    assert f"  {filled.order_id}\n" in result.out
    assert f"  {good.order_id}\n" not in result.out
    assert cli("cancel", "--confirm", "--order-id", good.order_id).status == 0


@pytest.mark.parametrize(
    ("faults", "status", "expected"),
    [
        (["code=40018"], 3, "Add this machine's IP address to the API key's allowlist."),
        (["code=40099"], 3, "Demo and live are mixed up: use --demo (or BITGET_DEMO=1) with a demo key"),
        (["code=40008"] * 2, 3, "Correct this machine's clock, preferably with NTP."),
        (["code=45055"], 1, "rejected, 45055: 1"),
        (["html-502"] * 6, 4, "InvalidResponseError: HTTP 502"),
        (["missing-lists"], 1, "the response does not mention it"),
        (["drop-after"], 0, "gone, 43001"),
    ],
)
def test_cancel_with_errors_of_the_exchange(
    cli: Cli, sandbox: Sandbox, faults: list[str], status: int, expected: str
) -> None:
    """The status says what kind of error it is, and the text what to do about it."""
    for fault in faults:
        sandbox.inject(fault)
    result = cli("cancel", "--order-id", next(iter(sandbox.orders)))
    assert result.status == status
    assert expected in result.out
    if status == 3 and "code=40008" not in faults:
        code = faults[0].removeprefix("code=")
        # The exchange has not looked at any order.
        assert f"not_sent, {code}: 1\n" in result.out
        assert f"bitget-spot: the exchange returned an error: {code}: " in result.err
        assert f"bitget-spot: {expected}" in result.err


def test_cancel_without_a_reachable_exchange(cli: Cli, sandbox: Sandbox) -> None:
    """The status is 4, and the text says what to check."""
    result = cli("cancel", "--order-id", "1", "--base-url", UNREACHABLE_URL)
    assert result.status == 4
    assert "ConnectError" in result.out
    assert "Check the network and --base-url" in result.out
    assert sandbox.arrivals == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cancel"], "no orders; use --order-id"),
        (["cancel", "--file", "none.csv"], "none.csv: No such file or directory; check the path"),
        (["cancel", "--order-id", "1", "--order-id", "x"], "orderId 'x' must contain digits only"),
        (["cancel", "--order-id", "1", "--batch-size", "0"], "batch_size: 0 is not valid"),
        (
            ["cancel", "--order-id", "1", "--symbol", "BTC/USDT"],
            "'BTC/USDT' is not a valid symbol; did you mean BTCUSDT?",
        ),
        (["cancel", "--order-id", "1", "--requests-per-second", "nan"], "allow at least one in a period"),
        (
            ["cancel", "--order-id", "1", "--rate-limit-store", "hunter2"],
            "--rate-limit-store: not a valid store; use memory, sqlite:PATH or",
        ),
        (["cancel", "--order-id", "1", "--rate-limit-store", "sqlite:"], "--rate-limit-store: not a valid store"),
        (["cancel", "--order-id", "1", "--rate-limit-store", "redis:hunter2"], "RedisStore: not a valid url"),
        (["cancel", "--order-id", "1", "--base-url", "http://bitget.com"], "would send the passphrase in plain text"),
        (["cancel", "--order-id", "1", "--base-url", "http://a:b:c"], "base_url: not a valid origin"),
        (["cancel-open", "--yes", "--symbol", ""], "symbols: [''] is not a list of texts"),
        (["cancel-open", "--yes", "--symbol", "BTC/USDT"], "'BTC/USDT' is not a valid symbol; did you mean BTCUSDT?"),
        (["cancel-open", "--yes", "--symbol", "btc-usdt:usdt"], "is not a valid symbol; did you mean BTCUSDT?"),
        (["cancel-open", "--yes", "--rate-limit-store", "hunter2"], "--rate-limit-store: not a valid store"),
        (["cancel-open", "--yes", "--account-id", " "], "account_id: is blank"),
        (
            ["cancel-open"],
            "Not running in a terminal, so confirmation is not possible. Pass --yes to skip it.",
        ),
        (["check", "--base-url", "bitget.com"], "base_url: not a valid origin; expected something like"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_bad_input(  # noqa: PLR0917 - the columns of a table and its fixtures
    cli: Cli,
    sandbox: Sandbox,
    arguments: list[str],
    expected: str,
    as_json: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The status is 2, stderr has the problem with its remedy, and nothing is sent; with --json stdout has an object."""
    monkeypatch.chdir(tmp_path)
    result = cli(*arguments, *(["--json"] if as_json else []))
    assert result.status == 2
    assert expected in result.err
    assert result.err.endswith("bitget-spot: nothing was sent\n")
    assert "hunter2" not in result.err
    assert sandbox.arrivals == []
    if as_json:
        assert expected in result.data["error"]["message"]
        assert result.data["outcomes"] == []
    else:
        assert result.out == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cancel", "--ordr-id", "1"], "--order-id"),
        (["cancel", "1300000000000000001"], "unexpected extra argument"),
        (["cancel", "--api-key=hunter2"], "No such option"),
        (["cancel", "--deadline", "60s"], "60s"),
        (["cancel", "--order-id", "1", "--deadline", "-1"], "give seconds from now, 0 or more"),
        (["cancel", "--order-id", "1", "--deadline", "nan"], "give seconds from now, 0 or more"),
        (["cancel-open", "--yes", "--deadline", "-1"], "give seconds from now, 0 or more"),
        (["cancel-open", "--yes", "--deadline", "nan"], "give seconds from now, 0 or more"),
        (["cancel-open", "--side", "both"], "'buy', 'sell'"),
        (["cancl"], "cancl"),
    ],
)
def test_usage_errors(cli: Cli, arguments: list[str], expected: str) -> None:
    """The status is 2, with a hint at what is wrong; a secret that was given as an argument is not repeated."""
    result = cli(*arguments)
    assert result.status == 2
    assert expected in result.err + result.out
    assert "hunter2" not in result.err


def test_without_a_command_the_help_is_shown(cli: Cli) -> None:
    """The help lists the commands."""
    result = cli()
    assert "cancel-open" in result.out + result.err


def test_missing_credentials(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable that is missing is named, and nothing is sent."""
    monkeypatch.setenv("BITGET_API_KEY", "a-key")
    result = cli("cancel", "--order-id", "1")
    assert result.status == 2
    assert "BITGET_SECRET_KEY is missing" in result.err
    assert "BITGET_PASSPHRASE is missing" in result.err


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("cancel", "bitget-spot cancel --file orders.csv --dry-run"),
        ("cancel-open", "bitget-spot cancel-open --symbol BTCUSDT --side buy"),
        ("check", "bitget-spot check --demo"),
    ],
)
def test_every_help_has_an_example(cli: Cli, command: str, example: str) -> None:
    """The help of a command has an example, and its status is 0."""
    result = cli(command, "--help")
    assert result.status == 0
    assert example in " ".join(result.out.split())


def test_help(cli: Cli) -> None:
    """The help lists the commands and the exit statuses."""
    result = cli("-h")
    assert result.status == 0
    text = " ".join(result.out.split())
    assert all(name in text for name in ("cancel-open", "check", "sandbox"))
    assert "Exit status: 0 all orders accepted or gone" in text
    assert "--install-completion" in text


def test_version(cli: Cli) -> None:
    """--version shows the version of the distribution."""
    result = cli("--version")
    assert (result.status, result.out.split()[0]) == (0, "bitget-spot")


def test_shell_completion(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell gets its completions, with status 0."""
    monkeypatch.setenv("_BITGET_SPOT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "bitget-spot cancel --o")
    monkeypatch.setenv("COMP_CWORD", "2")
    result = cli()
    assert (result.status, result.out.split()) == (0, ["--order-id"])


def test_rate_limit_store_option(cli: Cli, sandbox: Sandbox, tmp_path: Path) -> None:
    """The rate limit is kept in the store that the option names."""
    store = f"sqlite:{tmp_path}/store"
    result = cli("cancel", "--order-id", next(iter(sandbox.orders)), "--rate-limit-store", store)
    assert result.status == 0
    assert (tmp_path / "store").exists()


def test_rate_limit_store_variable(cli: Cli, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BITGET_RATE_LIMIT_STORE names the store like the option."""
    monkeypatch.setenv("BITGET_RATE_LIMIT_STORE", f"sqlite:{tmp_path}/store")
    assert cli("cancel", "--order-id", next(iter(sandbox.orders))).status == 0
    assert (tmp_path / "store").exists()


@pytest.mark.parametrize("url", ["redis://u:hunter2@127.0.0.1:6379/0", "rediss://127.0.0.1:6379/0"])
def test_parse_store(url: str, tmp_path: Path) -> None:
    """A path is that of a SQLite file, and a URL is that of a Redis server."""
    with parse_store(url) as redis_store:
        assert isinstance(redis_store, RedisStore)
        assert "hunter2" not in repr(redis_store)
    with parse_store(f"sqlite:{tmp_path}/store") as sqlite_store:
        assert isinstance(sqlite_store, SQLiteStore)


def test_cancel_open(cli: Cli, sandbox: Sandbox) -> None:
    """With --yes it cancels every open order, and asks what became of it."""
    result = cli("cancel-open", "--yes")
    assert result.status == 0
    assert count_open(sandbox) == 0
    assert "accepted, cancelled" in result.out
    assert result.out.endswith("All 120 orders are cancelled; none was filled.\n")


def test_cancel_open_with_filters(cli: Cli, sandbox: Sandbox) -> None:
    """It cancels only the orders of the pairs, in upper or lower case, and of the side."""
    pairs = ("BTCUSDT", "ETHUSDT")
    chosen = {order.order_id for order in sandbox.orders.values() if order.symbol in pairs and order.side == "buy"}
    result = cli("cancel-open", "-y", "--json", "--symbol", "btcusdt", "--symbol", "ETHUSDT", "--side", "buy")
    assert result.status == 0
    assert {row["orderId"] for row in result.data["outcomes"]} == chosen
    assert count_open(sandbox) == 120 - len(chosen)


def test_cancel_open_without_open_orders(cli: Cli, start_sandbox: StartSandbox) -> None:
    """If no order is open, the output says so, and the status is 0."""
    start_sandbox(orders=0)
    result = cli("cancel-open", "--yes")
    assert result.status == 0
    assert result.out == "There were no open orders.\n"


@pytest.mark.parametrize(
    ("code", "status", "options"), [("40014", 3, ()), ("40034", 2, ()), ("40085", 3, ("--account-type", "classic"))]
)
def test_cancel_open_that_is_refused(
    cli: Cli, sandbox: Sandbox, code: str, status: int, options: tuple[str, ...]
) -> None:
    """If the exchange refuses the listing for good, the command ends at once, with the reason and what to do."""
    sandbox.inject(f"list-code={code}")
    result = cli("cancel-open", "--yes", "--kind", "normal", *options)
    assert result.status == status
    assert count_open(sandbox) == 120
    assert len(sandbox.arrivals) == 1
    message, remedy = result.err.splitlines()
    assert message.startswith(f"bitget-spot: the exchange returned an error: {code}: ")
    assert remedy == f"bitget-spot: {advice_for_error(error_class(code, 'v2')(code))}"


def test_demo_account(cli: Cli, start_sandbox: StartSandbox) -> None:
    """A demo key needs --demo."""
    sandbox = start_sandbox(demo=True)
    assert "the demo account at" in cli("check", "--demo").out
    assert cli("cancel", "--demo", "--order-id", next(iter(sandbox.orders))).status == 0
    assert cli("cancel", "--order-id", next(iter(sandbox.orders))).status == 3


def test_sandbox_command_passes_its_arguments_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox parses all arguments itself, --help included, under the name of this program."""
    result = cli("sandbox", "--help")
    assert result.status == 0
    assert result.out.startswith("usage: bitget-spot sandbox [-h] [--port PORT]")
    assert cli("sandbox", "--port", "many").status == 2
    calls: list[Any] = []

    def main(argv: list[str], prog: str) -> int:
        calls.append((argv, prog))
        return 0

    monkeypatch.setattr(sandbox_command, "main", main)
    assert cli("sandbox", "--port", "0", "--fault", "code=40018", "-x", "--fault=drop-after*3").status == 0
    assert calls == [(["--port", "0", "--fault", "code=40018", "-x", "--fault=drop-after*3"], "bitget-spot sandbox")]


def test_sandbox_command_on_a_port_in_use(cli: Cli) -> None:
    """The status is 2, and one line names the port and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = cli("sandbox", "--port", str(port))
    assert (result.status, result.out, result.err) == (2, "", f"Port {port} is in use; try --port 0.\n")


def test_sandbox_command_needs_its_extra(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the command says what to install."""
    for name in ("bitget_spot.sandbox.__main__", "bitget_spot.sandbox.server"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = cli("sandbox")
    assert result.status == 2
    assert "pip install 'bitget-spot[sandbox]'" in result.err


def test_ctrl_c_with_a_report(cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report so far is written, and the status is 130."""

    def interrupt(**arguments: Any) -> NoReturn:
        error = KeyboardInterrupt()
        attach_report(error, Report(tuple(Outcome(order, Status.NOT_SENT) for order in arguments["orders"])))
        raise error

    monkeypatch.setattr(cancel_orders, "sync", interrupt)
    result = cli("cancel", "--order-id", "77")
    assert result.status == 130
    assert "not_sent: 1" in result.out
    assert result.err == "bitget-spot: stopped by Ctrl-C\n"
    assert sandbox.arrivals == []


def test_ctrl_c_while_the_report_is_written(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C ends the command with status 130 and without a traceback."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(Output, "result", interrupt)
    result = cli("cancel", "--json")
    assert (result.status, result.out) == (130, "")
    assert result.err == "bitget-spot: stopped by Ctrl-C\n"


def test_unexpected_error(cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line has its type and place but not its message, and the status is 70."""

    def fail(**_: Any) -> NoReturn:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(cancel_orders, "sync", fail)
    result = cli("cancel", "--order-id", "77")
    assert result.status == 70
    assert result.err.startswith("bitget-spot: unexpected RuntimeError at test_app.py:")
    assert "hunter2" not in result.err
    assert result.out == ""
    assert sandbox.arrivals == []


@pytest.mark.parametrize("error", [ValueError("hunter2"), OSError(errno.EIO, "hunter2")])
def test_error_that_ended_a_run_is_not_bad_input(
    cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """An error that carries a report ended the run, so the outcomes are shown and its message is not."""
    attach_report(error, Report(()))

    def fail(**_: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(cancel_open_orders, "sync", fail)
    result = cli("cancel-open", "--yes", "--json")
    assert result.status == 70
    assert result.data["error"]["type"] == type(error).__name__
    assert "hunter2" not in result.out + result.err
    assert "nothing was sent" not in result.err
    assert sandbox.arrivals == []


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (RuntimeError("hunter2"), 70, "unexpected RuntimeError at test_app.py:"),
        (OSError(errno.ENOSPC, "hunter2"), 70, "unexpected OSError at test_app.py:"),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C"),
        (Terminated(), 143, "stopped by SIGTERM"),
    ],
)
def test_error_outside_of_a_command(
    error: BaseException, status: int, message: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what it was, without its message, which may contain anything."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(app, "app", fail)
    result = cli("cancel")
    assert (result.status, result.out) == (status, "")
    assert result.err.startswith(f"bitget-spot: {message}")
    assert result.err.count("\n") == 1
    assert "hunter2" not in result.err


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("typer", "bitget-spot: the command line requires an extra; install it with: pip install 'bitget-spot[cli]'\n"),
        (
            "rich.console",
            "bitget-spot: the command line requires an extra; install it with: pip install 'bitget-spot[cli]'\n",
        ),
        ("h11", "bitget-spot: the module h11 is not installed\n"),
    ],
)
def test_missing_modules(
    missing: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what to install, and the status is 2."""

    def run(_: object) -> NoReturn:
        raise ModuleNotFoundError(name=missing)

    monkeypatch.setattr("bitget_spot._cli.run", run)
    assert entry.main([]) == 2
    assert capsys.readouterr().err == expected


def test_ctrl_c_outside_of_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends the program with status 130 and without a traceback."""

    def run(_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("bitget_spot._cli.run", run)
    assert entry.main([]) == 130
    assert capsys.readouterr().err == "bitget-spot: stopped by Ctrl-C\n"


def test_exit_status_of_the_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a module, the program reads the arguments of the process and exits with the status of `main`."""
    monkeypatch.setattr(sys, "argv", ["bitget-spot", "cancel"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(entry.__file__, run_name="__main__")
    assert caught.value.code == 2
    assert "no orders" in capsys.readouterr().err
