"""The commands."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Final, cast

import typer

from bitget_spot._bulk import cancel_open_orders, cancel_orders
from bitget_spot._bulk.order_filter import Side
from bitget_spot._bulk.report import Report, report_of
from bitget_spot._cli.advice import Exit, describe, exit_status_of_error
from bitget_spot._cli.check import check_all
from bitget_spot._cli.options import (
    AccountId,
    AccountTypeOption,
    BaseUrl,
    Category,
    Demo,
    Json,
    KindChoice,
    RateLimitStore,
    valid_duration,
)
from bitget_spot._cli.orders import BadInputError, collect, plan
from bitget_spot._cli.output import Output, echo, is_tty
from bitget_spot._cli.settings import ClientSettings, Selection, valid_input
from bitget_spot._cli.signals import announced_stop, raise_on_sigterm
from bitget_spot_api import Client
from bitget_spot_api.operations import SERVER_URL

PROGRAM: Final = "bitget-spot"
KILL_SWITCH_DEADLINE: Final = 60.0
"""Seconds that the kill switch has by default."""
CHECK_RETRIES: Final = 1
"""Retries of `check`: its user is waiting for the result."""
UsageError: Final = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""What typer raises if it cannot parse the arguments; it does not export the class."""

app: Final = typer.Typer(
    name=PROGRAM,
    help="Cancel Bitget orders in bulk.\n\nSet BITGET_API_KEY, BITGET_SECRET_KEY and BITGET_PASSPHRASE in the "
    "environment; they are never passed as arguments. To read a value from a file, append _FILE to the variable's name.",
    epilog=(
        "Exit status: 0 all orders accepted or gone (with confirmation: cancelled or not found); 1 some orders rejected, "
        "unknown or not sent (with confirmation: also filled, still open or unconfirmed); 2 invalid input, nothing sent; "
        "3 refused by the exchange (key, permission, environment, clock); 4 exchange unreachable or too busy; "
        "70 internal error; 130 stopped by Ctrl-C; 143 stopped by SIGTERM."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _top(
    *, show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False
) -> None:
    if show_version:
        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.command(
    epilog="Examples:\n\n"
    "bitget-spot cancel --symbol BTCUSDT --order-id 1300000000000000001\n\n"
    "bitget-spot cancel --file orders.csv --dry-run\n\n"
    "bitget-spot cancel --file - --confirm --json < orders.jsonl"
)
def cancel(
    *,
    order_id: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Cancel the order with this order id. Can be repeated.")
    ] = None,
    client_oid: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Cancel the order with this client id. Can be repeated.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A CSV file with the columns symbol, orderId and clientOid in any order, or JSON lines with these "
            "keys. Use - for stdin.",
        ),
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option(metavar="PAIR", help="Trading pair of the orders that do not specify one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the requests without sending them.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Afterwards, ask the exchange what became of each order.")
    ] = False,
    as_json: Json = False,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", callback=valid_duration, help="Stop sending requests after this many seconds."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Maximum number of orders in a request.")] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(metavar="N", help="Override the documented rate limit.")
    ] = None,
    account_type: AccountTypeOption = None,
    category: Category = "SPOT",
    rate_limit_store: RateLimitStore = "memory",
    account_id: AccountId = None,
    demo: Demo = False,
    base_url: BaseUrl = SERVER_URL,
) -> None:
    """Cancel orders, and show the outcome of each."""
    output = Output(as_json=as_json, confirm=confirm)
    with exit_on_error(output):
        collected = collect(order_id or (), client_oid or (), file, symbol or ())
        with valid_input():
            requests = plan(collected, batch_size, account_type, category)
        if dry_run:
            output.plan(len(collected.orders), requests)
            return
        settings = ClientSettings(
            base_url,
            demo=demo,
            account_id=account_id,
            account_type=account_type,
            store=rate_limit_store,
            requests_per_second=requests_per_second,
        )
        with settings.client() as client, announced_stop(), output.progress(len(collected.orders)) as on_progress:
            report = cancel_orders.sync(
                client=client,
                orders=collected.orders,
                batch_size=batch_size,
                deadline=deadline,
                on_progress=on_progress,
                confirm=confirm,
                category=category,
            )
        raise typer.Exit(output.report(report))


@app.command(
    epilog="Examples:\n\nbitget-spot cancel-open --symbol BTCUSDT --side buy\n\nbitget-spot cancel-open --yes --deadline 60"
)
def cancel_open(
    *,
    symbol: Annotated[
        list[str] | None, typer.Option(metavar="PAIR", help="Only orders of this trading pair. Can be repeated.")
    ] = None,
    side: Annotated[Side | None, typer.Option(help="Only orders on this side.")] = None,
    kind: Annotated[
        list[KindChoice] | None,
        typer.Option(help="Only normal, TP/SL or trigger (plan) orders. Can be repeated; by default all."),
    ] = None,
    cancel_by_symbol: Annotated[
        bool,
        typer.Option(
            "--cancel-by-symbol/--list-first",
            help="Cancel whole trading pairs by one request where possible, or list every order before it is cancelled.",
        ),
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation prompt.")] = False,
    as_json: Json = False,
    deadline: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            callback=valid_duration,
            help="Stop sending requests after this many seconds; inf for no deadline.",
        ),
    ] = KILL_SWITCH_DEADLINE,
    account_type: AccountTypeOption = None,
    category: Category = "SPOT",
    rate_limit_store: RateLimitStore = "memory",
    account_id: AccountId = None,
    demo: Demo = False,
    base_url: BaseUrl = SERVER_URL,
) -> None:
    """Kill switch: cancel all open orders, and look again until none is left."""
    output = Output(as_json=as_json, confirm=True)
    with exit_on_error(output):
        selected = Selection(
            symbols=symbol or None,
            sides=None if side is None else [side],
            kinds=None if kind is None else [choice.value for choice in kind] or None,
            category=category,
        )
        settings = ClientSettings(
            base_url,
            demo=demo,
            account_id=account_id,
            account_type=account_type,
            store=rate_limit_store,
        )
        with valid_input():
            selected.check(settings.account_type)
        with settings.client() as client:
            if not yes and not confirmed_by_user(client, selected, output, settings.account()):
                raise typer.Exit(output.report(Report((), confirm=True)))
            with announced_stop(), output.progress() as on_progress:
                report = cancel_open_orders.sync(
                    client=client,
                    symbols=selected.symbols,
                    sides=selected.sides,
                    kinds=selected.kinds,
                    category=selected.category,
                    cancel_by_symbol=cancel_by_symbol,
                    deadline=deadline,
                    on_progress=on_progress,
                )
        raise typer.Exit(output.report(report))


@app.command(epilog="Example:\n\nbitget-spot check --demo")
def check(*, as_json: Json = False, demo: Demo = False, base_url: BaseUrl = SERVER_URL) -> None:
    """Check the API key, passphrase, clock, account and environment (read-only)."""
    output = Output(as_json=as_json)
    with exit_on_error(output):
        settings = ClientSettings(base_url, demo=demo, max_retries=CHECK_RETRIES)
        with settings.client() as client:
            results, status = check_all(client, settings.account())
        output.checks(results)
        raise typer.Exit(status)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog="Example:\n\nbitget-spot sandbox --port 0 --fault drop-after",
)
def sandbox(context: typer.Context) -> None:
    """Run a local sandbox exchange that can simulate faults."""
    with exit_on_error(Output()):
        with valid_input():
            # An extra of its own.
            from bitget_spot.sandbox.__main__ import main  # noqa: PLC0415
        raise typer.Exit(main(context.args, prog=f"{PROGRAM} sandbox"))


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command with these arguments, by default those of the process, and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        raise_on_sigterm()
        return int(app(argv, prog_name=PROGRAM, standalone_mode=False) or 0)
    except UsageError as error:
        error.show()
        return int(Exit.BAD_INPUT)
    except SystemExit as error:
        # From the sandbox's own parser, from shell completion, and from rich if the help is not read to its end.
        return error.code if isinstance(error.code, int) else 0
    except BaseException as error:  # noqa: BLE001 - no traceback reaches a user
        return int(Output().report(Report(()), error))


@contextmanager
def exit_on_error(output: Output) -> Iterator[None]:
    """
    Report any exception of a command, with the outcomes that it carries, and exit with its status.

    Typer must not see Ctrl-C: it would replace the exception, and the report would be lost.
    """
    try:
        yield
    except (typer.Exit, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - no traceback reaches a user
        try:
            status = output.report(report_of(error) or Report(()), error)
        except KeyboardInterrupt as second:
            echo(describe(second)[0])
            status = exit_status_of_error(second)
        raise typer.Exit(status) from None


def confirmed_by_user(client: Client, selected: Selection, output: Output, account: str) -> bool:
    """
    Show the open orders, and return whether the user confirms; false if there are none.

    Raises:
        BadInputError: The user does not confirm, or the program does not run in a terminal.

    """
    if not (is_tty(sys.stdin) and is_tty(sys.stderr)):
        raise BadInputError("Not running in a terminal, so confirmation is not possible. Pass --yes to skip it.")
    orders = cancel_open_orders.find(
        client=client,
        symbols=selected.symbols,
        sides=selected.sides,
        kinds=selected.kinds,
        category=selected.category,
    )
    if not orders:
        return False
    output.question(orders, account)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise BadInputError("Aborted.")
    return True
