"""
What a command writes: its result to stdout, everything else to stderr.

Rich lays it out, but does not write it: a reader that has gone must never end a run, and rich's own answer to a broken
pipe is to exit.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Final, TextIO

from attrs import frozen
from rich.box import SIMPLE, Box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bitget_spot._bulk.cancel_orders import Progress as Tell
from bitget_spot._bulk.planner import FIELDS
from bitget_spot._bulk.report import Outcome, Report, Status
from bitget_spot._cli.advice import (
    FOR_CONFIRMED,
    FOR_STATUS,
    Exit,
    advice,
    confirmation,
    described,
    exit_status,
    is_done,
)
from bitget_spot_api.models import BatchCancelOrdersRequest, Order

STYLES: Final = {
    Status.ACCEPTED: "green",
    Status.GONE: "cyan",
    Status.REJECTED: "red",
    Status.UNKNOWN: "yellow",
    Status.NOT_SENT: "magenta",
    "ok": "green",
    "wrong": "red",
    "not known": "yellow",
}
LISTED: Final = ("symbol", "side", "price", "size", "orderId")
WIDE: Final = 1000
"""Columns of a pipe: nothing is wrapped there."""


@frozen
class Show:
    """
    Writes for one command.

    Attributes:
        as_json: One JSON object instead of tables.
        asked: The exchange was to be asked what became of the orders.

    """

    as_json: bool = False
    asked: bool = False

    def result(self, data: Mapping[str, Any], *parts: RenderableType) -> None:
        """Write the result to stdout: the data as JSON, or else the parts."""
        text = f"{json.dumps(data, indent=2)}\n" if self.as_json else rendered(sys.stdout, *parts)
        try:
            write(sys.stdout, text)
        except OSError as error:
            # The orders are cancelled all the same: somebody must be able to read it.
            say(f"stdout cannot be written: {error.strerror}; the result is:\n{text}")
            raise SystemExit(Exit.DEFECT) from None

    def plan(self, number: int, requests: Sequence[BatchCancelOrdersRequest]) -> None:
        """Show what would be sent."""
        bodies, shown = [request.to_dict() for request in requests], table("request", "orders", "by", "mode", "symbols")
        for index, body in enumerate(bodies, 1):
            orders = body["orderList"]
            pairs = {order.get("symbol") or body.get("symbol") or "not told" for order in orders}
            by = "orderId" if "orderId" in orders[0] else "clientOid"
            shown.add_row(str(index), str(len(orders)), by, body["batchMode"], plain(" ".join(sorted(pairs))))
        told = f"{number} orders in {len(requests)} requests; nothing was sent."
        self.result({"orders": number, "requests": bodies}, shown, told)

    def report(self, report: Report, ended_by: BaseException | None = None) -> Exit:
        """Show what became of the orders and what ended the command early, if anything did; answer the exit status."""
        data: dict[str, Any] = {"outcomes": report.rows(), "counts": report.counts}
        told, remedy = ("", None) if ended_by is None else described(ended_by)
        if ended_by is not None:
            code = getattr(ended_by, "code", None)
            data["error"] = {"type": type(ended_by).__name__, "code": code, "message": told, "remedy": remedy}
        if self.as_json or report.outcomes or ended_by is None:
            self.result(data, *report_parts(report, asked=self.asked))
        say(*map(plain, told.splitlines()), *([f"what to do: {remedy}"] if remedy else []))
        return exit_status(report, ended_by, asked=self.asked)

    def checks(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Show what a check has found."""
        found, shown = list(rows), Table.grid(padding=(0, 2))
        for name, state, detail in found:
            shown.add_row(name, Text(state, STYLES[state]), plain(detail))
        self.result({"checks": [dict(zip(("check", "state", "detail"), row, strict=True)) for row in found]}, shown)

    def question(self, orders: Sequence[Order], account: str) -> None:
        """List open orders on stderr, and ask whether to cancel them."""
        shown = table(*LISTED)
        for row in (order.to_dict() for order in orders):
            shown.add_row(*(plain(str(row.get(name, ""))) for name in LISTED))
        pairs = ", ".join(
            f"{number} {plain(pair)}" for pair, number in Counter(str(one.symbol) for one in orders).items()
        )
        told = f"{len(orders)} open orders of {account}: {pairs}.\nCancel them, and those that open meanwhile? [y/N] "
        write(sys.stderr, rendered(sys.stderr, shown, told).rstrip("\n") + " ")

    @contextmanager
    def progress(self, total: int | None = None) -> Iterator[Tell]:
        """Show on stderr how far a run has come: a bar on a terminal, lines elsewhere."""
        console, done = console_for(sys.stderr), 0
        seen = is_terminal(sys.stderr) and not console.is_dumb_terminal
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        task = bar.add_task("cancelling", total=total)

        def tell(outcomes: Sequence[Outcome]) -> None:
            nonlocal done
            done += len(outcomes)
            doing = "asking what became of them" if self.asked and done == total else "cancelling"
            bar.update(task, completed=done, description=doing)
            if not seen:
                counts = Counter(outcome.status for outcome in outcomes)
                told = ", ".join(f"{number} {status}" for status, number in counts.items())
                say(f"{done}{f' of {total}' if total else ''} orders: {told}")

        with bar if seen else nullcontext():
            yield tell


def report_parts(report: Report, *, asked: bool) -> Iterator[RenderableType]:
    """Lay out a report: each order that somebody may have to look at, then the counts, then one line."""
    totals: Counter[tuple[Status, str | None]] = Counter()
    kinds: dict[tuple[str | None, ...], list[Outcome]] = {}
    for outcome in (outcome for status in Status for outcome in report.only(status)):
        confirmed = confirmation(outcome, asked=asked)
        totals[outcome.status, confirmed] += 1
        if outcome.status is not Status.ACCEPTED or not is_done(outcome, asked=asked):
            kinds.setdefault((outcome.status, outcome.code, confirmed, outcome.message), []).append(outcome)
    for (*heading, message), outcomes in kinds.items():
        yield Text(f"\n{', '.join(filter(None, heading))}: {len(outcomes)}", f"bold {STYLES[outcomes[0].status]}")
        todo = f"what to do: {advice(outcomes[0], asked=asked)}"
        rows = [outcome.row() for outcome in outcomes]
        orders = table(*(name for name in rows[0] if name in FIELDS and any(row[name] for row in rows)), box=None)
        for row in rows:
            orders.add_row(*(plain(row[str(column.header)] or "") for column in orders.columns))
        yield from (Padding(part, (0, 0, 0, 2)) for part in (plain(message or ""), todo, orders) if part)
    shown = table("what became of them", "orders", "which means")
    for (status, confirmed), number in totals.items():
        means = FOR_CONFIRMED[confirmed] if confirmed else FOR_STATUS[status]
        shown.add_row(Text(", ".join(filter(None, (status, confirmed))), STYLES[status]), str(number), means)
    yield shown if totals else "No order was open."
    if report.unmatched:
        yield f"{len(report.unmatched)} rows of the answers belong to no order that was asked for."
    left = sum(not is_done(outcome, asked=asked) for outcome in report.outcomes)
    what = "Still open, filled or in doubt" if asked else "Neither accepted nor gone"
    yield Text(f"{what}: {left or 'none'} of {len(report)} orders.", "bold red" if left else "bold green")


def table(*names: str, box: Box | None = SIMPLE) -> Table:
    """Make a table that cuts nothing off."""
    made = Table(box=box, pad_edge=False)
    for name in names:
        made.add_column(name, overflow="fold")
    return made


def plain(text: str) -> str:
    """Take out of a foreign text what would move the cursor."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether somebody sees a stream at once."""
    return stream is not None and stream.isatty()


def console_for(stream: TextIO | None, paper: TextIO | None = None) -> Console:
    """Make rich's console for a stream, perhaps to write elsewhere; it takes texts as they are."""
    seen = is_terminal(stream)
    width = None if seen or "COLUMNS" in os.environ else WIDE
    return Console(
        file=paper or stream, force_terminal=seen or None, width=width, highlight=False, markup=False, emoji=False
    )


def rendered(stream: TextIO | None, *parts: RenderableType) -> str:
    """Lay out parts for a stream, without the spaces that fill a column up."""
    content, encoding = io.BytesIO(), getattr(stream, "encoding", None) or "utf-8"
    paper = io.TextIOWrapper(content, encoding, "backslashreplace", "\n")
    console_for(stream, paper).print(*parts, sep="\n")
    paper.flush()
    return "".join(f"{line.rstrip()}\n" for line in content.getvalue().decode(encoding).split("\n")[:-1])


def say(*lines: str) -> None:
    """Write lines to stderr, if anybody is there."""
    with suppress(OSError):
        write(sys.stderr, "".join(f"bitget-spot: {line}\n" for line in lines))


def write(stream: TextIO | None, text: str) -> None:
    """
    Write a text; that nobody is there to read it is no error.

    Raises:
        OSError: It cannot be written.

    """
    with suppress(BrokenPipeError):
        print(text, end="", file=stream or io.StringIO(), flush=True)
