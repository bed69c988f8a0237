"""
The commands.

Typer reads the arguments and answers what is to be done. It is done outside of typer, which would take Ctrl-C for
itself, and with it the report.
"""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated, Final, NoReturn, cast

import typer

from bitget_spot._bulk import cancel_open_orders, cancel_orders
from bitget_spot._bulk.report import Report
from bitget_spot._cli.advice import Exit, Terminated
from bitget_spot._cli.check import check_all
from bitget_spot._cli.orders import BadInputError, collect, plan
from bitget_spot._cli.output import Show, is_terminal
from bitget_spot._middleware.base import drive
from bitget_spot._middleware.context import Run
from bitget_spot._middleware.retry import TRIES
from bitget_spot.client import _demo_variable, connect
from bitget_spot.credentials import Credentials
from bitget_spot.rate_limit import RedisSlots, SQLiteSlots
from bitget_spot_api import Client
from bitget_spot_api.operations import SERVER_URL

PROGRAM: Final = "bitget-spot"
USAGE: Final = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""What typer raises where it cannot read the arguments; it hands this out under no name of its own."""

app: Final = typer.Typer(
    name=PROGRAM,
    help="Cancel Bitget spot orders in bulk.\n\nThe key comes from the environment, never from an argument: "
    "BITGET_API_KEY, BITGET_SECRET_KEY and BITGET_PASSPHRASE, or files named by these with _FILE appended.",
    epilog=(
        "Exit status: 0 all accepted or gone; 1 some rejected, unknown or not sent, and once asked for also filled or "
        "still open; 2 bad input, nothing sent; 3 stopped by the exchange (key, permission, environment, clock); "
        "4 unreachable; 130 ended by Ctrl-C."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Side(StrEnum):
    """A side of the book."""

    BUY = "buy"
    SELL = "sell"


Work = tuple[Callable[[Show], Report | int], Show]
"""What a command is to do, which answers a report or an exit status, and what it writes with."""

BaseUrl = Annotated[str, typer.Option(envvar="BITGET_API_BASE_URL", help="Another exchange: a sandbox, say.")]
Demo = Annotated[bool, typer.Option("--demo", help="Trade on the demo account; so does BITGET_DEMO=1.")]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]
Deadline = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="After so many seconds no further request leaves.")
]


@app.callback(invoke_without_command=True)
def _top(*, version_wanted: Annotated[bool, typer.Option("--version", help="Tell the version.")] = False) -> None:
    if version_wanted:
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
        list[str] | None, typer.Option(metavar="ID", help="An order by the exchange's id; repeatable.")
    ] = None,
    client_oid: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="An order by your own id; repeatable.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A CSV file with the columns symbol, orderId and clientOid in any order, or JSON lines with these keys; - is stdin.",
        ),
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option(metavar="PAIR", help="The trading pair of the orders that name none.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the requests; nothing is sent.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Ask afterwards what really became of the orders.")
    ] = False,
    as_json: Json = False,
    deadline: Deadline = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="The most orders in a request.")] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(metavar="N", help="Another limit than the documented one.")
    ] = None,
    slots: Annotated[
        str,
        typer.Option(
            envvar="BITGET_SLOTS",
            metavar="STORE",
            help="Where programs of one account share the limit: memory, sqlite:PATH or redis://HOST:6379/0.",
        ),
    ] = "memory",
    demo: Demo = False,
    base_url: BaseUrl = SERVER_URL,
) -> Work:
    """Cancel orders, and tell what became of every one."""

    def do(show: Show) -> Report | int:
        orders, places = collect(order_id or (), client_oid or (), file, symbol or ())
        with usable():
            requests = plan(orders, places, batch_size)
        if dry_run:
            show.plan(len(orders), requests)
            return Exit.OK
        with (
            client_for(base_url, demo=demo, deadline=deadline, store=slots, rate=requests_per_second) as client,
            show.progress(len(orders)) as tell,
        ):
            return cancel_orders.sync(
                client=client,
                orders=orders,
                batch_size=batch_size,
                deadline=deadline,
                on_progress=tell,
                confirm=confirm,
            )

    return do, Show(as_json=as_json, asked=confirm)


@app.command(
    epilog="Examples:\n\nbitget-spot cancel-open --symbol BTCUSDT --side buy\n\nbitget-spot cancel-open --yes --deadline 60"
)
def cancel_open(
    *,
    symbol: Annotated[
        list[str] | None, typer.Option(metavar="PAIR", help="Only the orders of this pair; repeatable.")
    ] = None,
    side: Annotated[Side | None, typer.Option(help="Only the orders of this side.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    deadline: Deadline = None,
    demo: Demo = False,
    base_url: BaseUrl = SERVER_URL,
) -> Work:
    """Cancel every open order, and look again until none is left: the kill switch."""

    def do(show: Show) -> Report | int:
        sides = None if side is None else [side.value]
        with client_for(base_url, demo=demo, deadline=deadline) as client:
            with usable():
                # Without a deadline: whoever is asked takes his time.
                finder = cancel_open_orders._Switch.open(client, symbol or None, sides, None, None)  # noqa: SLF001 - the same rule
            if not yes:
                if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
                    raise BadInputError("this is no terminal, and nobody can be asked: add --yes")
                found = drive(finder._open_orders())  # noqa: SLF001 - as above
                if not found:
                    return Report(())
                show.question(found, account(base_url, demo=demo))
                if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                    raise BadInputError("you did not say yes")
            with show.progress() as tell:
                return cancel_open_orders.sync(
                    client=client, symbols=symbol or None, sides=sides, deadline=deadline, on_progress=tell
                )

    return do, Show(as_json=as_json, asked=True)


@app.command(epilog="Example:\n\nbitget-spot check --demo")
def check(*, as_json: Json = False, demo: Demo = False, base_url: BaseUrl = SERVER_URL) -> Work:
    """Look whether key, passphrase, clock, account and environment are right; reads only."""

    def do(show: Show) -> Report | int:
        with client_for(base_url, demo=demo, tries=2) as client:  # who only looks is not to wait for long
            rows, status = check_all(client, account(base_url, demo=demo))
        show.checks(rows)
        return status

    return do, Show(as_json=as_json)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog="Example:\n\nbitget-spot sandbox --port 0 --fault drop-after",
)
def sandbox(context: typer.Context) -> Work:
    """Run a stand-in for the exchange on this machine, with its faults."""

    def do(_: Show) -> Report | int:
        with usable():
            # An extra of its own.
            from bitget_spot.sandbox.__main__ import main  # noqa: PLC0415
        return main(context.args, prog=f"{PROGRAM} sandbox")

    return do, Show()


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command with these arguments, or the command line's, and answer the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    show = Show()
    try:
        with suppress(ValueError):  # only the main thread hears signals
            signal.signal(signal.SIGTERM, _terminate)
        work = app(argv, prog_name=PROGRAM, standalone_mode=False)
        if not isinstance(work, tuple):
            return int(work or 0)
        do, show = work
        came = do(show)
        return int(show.report(came) if isinstance(came, Report) else came)
    except USAGE as error:
        error.show()
        return int(Exit.BAD_INPUT)
    except SystemExit as ended:
        # Of the sandbox's own parser, of the completion, and of rich where nobody reads the help to its end.
        return ended.code if isinstance(ended.code, int) else 0
    except BaseException as error:  # noqa: BLE001 - no traceback reaches a user
        return int(show.report(getattr(error, "report", None) or Report(()), error))


def _terminate(*_: object) -> NoReturn:
    raise Terminated


@contextmanager
def usable() -> Iterator[None]:
    """Tell of what the options and the environment say, where it cannot be used."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        raise BadInputError(str(error)) from None


@contextmanager
def client_for(
    base_url: str,
    *,
    demo: bool,
    deadline: float | None = None,
    store: str = "memory",
    rate: float | None = None,
    tries: int = TRIES,
) -> Iterator[Client]:
    """
    Make a client of the environment's account, and close it in the end.

    Raises:
        BadInputError: An option or the environment cannot be used.

    """
    with ExitStack() as stack:
        with usable():
            Run.within(deadline)
            credentials = Credentials.from_env()
            slots = stack.enter_context(store_of(store)) if store != "memory" else None
            client = connect(
                credentials,
                base_url=base_url,
                slots=slots,
                requests_per_second=rate,
                demo=demo or None,
                tries=tries,
            )
        yield stack.enter_context(client)


def store_of(text: str) -> SQLiteSlots | RedisSlots:
    """
    Make the store that an option names.

    Raises:
        ValueError: It names none; the text, which may hold a password, is not shown.

    """
    kind, _, rest = text.partition(":")
    if kind not in ("sqlite", "redis", "rediss") or not rest:
        raise ValueError("--slots names no store: give memory, sqlite:PATH or redis://HOST:6379/0")
    return SQLiteSlots(rest) if kind == "sqlite" else RedisSlots(text)


def account(base_url: str, *, demo: bool) -> str:
    """Name the account that is meant."""
    return f"the {'demo' if demo or _demo_variable() else 'live'} account at {base_url}"
