"""
What a command writes: its result to stdout, everything else to stderr.

Rich does the layout and nothing else: a reader that has closed its end must not end a run, and rich itself exits on a
broken pipe.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Final, TextIO, TypeVar

from attrs import asdict, frozen
from rich.box import SIMPLE, Box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bitget_spot._bulk.accounts import ListedOrder
from bitget_spot._bulk.planner import FIELDS
from bitget_spot._bulk.report import Confirmed, Outcome, Report, Status, is_done, needs_attention
from bitget_spot._bulk.runner import ProgressCallback
from bitget_spot._cli.advice import (
    ADVICE_BY_CONFIRMATION,
    ADVICE_BY_STATUS,
    Exit,
    advice,
    confirmation,
    describe,
    exit_status,
)
from bitget_spot._cli.check import NOT_CHECKED, OK, WRONG, CheckResult
from bitget_spot_api.models import BatchCancelOrdersRequest, UnifiedOrderRef

STYLES: Final = {
    Status.ACCEPTED: "green",
    Status.GONE: "cyan",
    Status.REJECTED: "red",
    Status.UNKNOWN: "yellow",
    Status.NOT_SENT: "magenta",
    OK: "green",
    WRONG: "red",
    NOT_CHECKED: "yellow",
}
AnyOrder = TypeVar("AnyOrder", ListedOrder, Outcome)
ORDER_COLUMNS: Final = ("kind", "symbol", "side", "price", "size", "orderId")
MAX_ROWS: Final = 20
"""Rows of a table of orders on a terminal; a pipe gets all of them."""
PIPE_WIDTH: Final = 1000
"""Columns of a pipe: nothing is wrapped there."""


@frozen
class Output:
    """
    Writes for one command.

    Attributes:
        as_json: Write one JSON object instead of tables.
        confirm: The exchange is to be asked what became of the orders.

    """

    as_json: bool = False
    confirm: bool = False

    def result(self, data: Mapping[str, Any], *parts: RenderableType) -> None:
        """Write the result to stdout: the data as JSON, or else the parts."""
        text = f"{json.dumps(data, indent=2)}\n" if self.as_json else render(sys.stdout, *parts)
        try:
            write(sys.stdout, text)
        except OSError as error:
            # The orders are cancelled all the same, so the user must see the result.
            echo(f"cannot write to stdout: {error.strerror}; here is the result:\n{text}")
            raise SystemExit(Exit.DEFECT) from None

    def plan(self, order_count: int, requests: Sequence[BatchCancelOrdersRequest | list[UnifiedOrderRef]]) -> None:
        """Write what would be sent."""
        bodies = [plain_body(request) for request in requests]
        table = new_table("request", "orders", "by", "mode", "symbols")
        for number, body in enumerate(bodies, 1):
            table.add_row(str(number), *_body_cells(body))
        summary = f"{count(order_count, 'order')} in {count(len(requests), 'request')}; nothing was sent."
        self.result({"orders": order_count, "requests": bodies}, table, summary)

    def report(self, report: Report, error: BaseException | None = None) -> Exit:
        """Write the outcomes, and what ended the command early, if anything did; return the exit status."""
        data: dict[str, Any] = {"outcomes": report.rows(), "counts": report.counts}
        messages = []
        if error is not None:
            text, remedy = describe(error)
            code = getattr(error, "code", None)
            data["error"] = {"type": type(error).__name__, "code": code, "message": text, "remedy": remedy}
            messages += [sanitize(line) for line in text.splitlines()]
            if remedy:
                messages.append(remedy)
        if self.as_json or report.outcomes or error is None:
            self.result(data, *report_parts(report, confirm=self.confirm))
        echo(*messages)
        return exit_status(report, error, confirm=self.confirm)

    def checks(self, results: Iterable[CheckResult]) -> None:
        """Write what a check has found."""
        rows = [asdict(result) for result in results]
        grid = Table.grid(padding=(0, 2))
        for row in rows:
            grid.add_row(row["name"], Text(row["state"], STYLES[row["state"]]), sanitize(row["detail"]))
        self.result({"checks": [{"check": row.pop("name"), **row} for row in rows]}, grid)

    def question(self, orders: Sequence[ListedOrder], account: str) -> None:
        """List open orders on stderr, and ask whether to cancel them."""
        table = new_table(*ORDER_COLUMNS)
        shown = rows_for(sys.stderr, orders)
        for order in shown:
            cells = (order.kind, order.symbol, order.side, order.price, order.size, order.order_id)
            table.add_row(*(sanitize(cell or "") for cell in cells))
        parts: list[RenderableType] = [table]
        if len(shown) < len(orders):
            parts.append(f"and {len(orders) - len(shown):,} more")
        by_symbol = Counter(str(order.symbol) for order in orders)
        pairs = ", ".join(f"{number} {sanitize(symbol)}" for symbol, number in by_symbol.items())
        question = (
            f"{count(len(orders), 'open order')} of {account}: {pairs}.\n"
            "Cancel them, and any that are opened in the meantime? [y/N] "
        )
        write(sys.stderr, render(sys.stderr, *parts, question).rstrip("\n") + " ")

    @contextmanager
    def progress(self, total: int | None = None) -> Iterator[ProgressCallback]:
        """Show on stderr how far a run is: a bar on a terminal, lines elsewhere."""
        console = console_for(sys.stderr)
        show_bar = is_tty(sys.stderr) and not console.is_dumb_terminal
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        task = bar.add_task("cancelling", total=total)
        completed = 0

        def on_progress(outcomes: Sequence[Outcome]) -> None:
            nonlocal completed
            completed += len(outcomes)
            activity = "confirming" if self.confirm and completed == total else "cancelling"
            bar.update(task, completed=completed, description=activity)
            if not show_bar:
                counts = Counter(outcome.status for outcome in outcomes)
                summary = ", ".join(f"{number} {status}" for status, number in counts.items())
                echo(f"{f'{completed} of {total}' if total else completed} done: {summary}")

        with bar if show_bar else nullcontext():
            yield on_progress


def plain_body(request: BatchCancelOrdersRequest | list[UnifiedOrderRef]) -> Any:  # noqa: ANN401 - JSON of two shapes
    """Return the body of a batch cancel as plain JSON data."""
    return [order.to_dict() for order in request] if isinstance(request, list) else request.to_dict()


def _body_cells(body: Any) -> Iterator[str]:  # noqa: ANN401 - JSON of two shapes
    is_list = isinstance(body, list)
    orders = body if is_list else body["orderList"]
    batch_symbol = None if is_list else body.get("symbol")
    symbols = {order.get("symbol") or batch_symbol or "not given" for order in orders}
    yield str(len(orders))
    yield "orderId" if "orderId" in orders[0] else "clientOid"
    yield orders[0]["category"] if is_list else body["batchMode"]
    yield sanitize(" ".join(sorted(symbols)))


def report_parts(report: Report, *, confirm: bool) -> Iterator[RenderableType]:
    """Lay out a report: each order that the user may have to look at, then the totals, then one line."""
    yield from _groups(report, confirm=confirm)
    yield _totals(report, confirm=confirm)
    if report.symbols_cancelled:
        yield Text(f"Cancelled as a whole: {sanitize(', '.join(report.symbols_cancelled))}.")
    if report.unmatched:
        verb = "matches" if len(report.unmatched) == 1 else "match"
        yield f"{count(len(report.unmatched), 'row')} of the responses {verb} no order of this run."
    if report.outcomes:
        yield _conclusion(report, confirm=confirm)


def _conclusion(report: Report, *, confirm: bool) -> Text:
    """Return what happened, in one sentence."""
    total = len(report)
    left = sum(not is_done(outcome, confirmed=confirm) for outcome in report)
    if left:
        verb = "is" if left == 1 else "are"
        state = "still open, filled or unknown" if confirm else "neither accepted nor gone"
        subject = "The order" if total == 1 else f"{left} of {total} orders"
        return Text(f"{subject} {verb} {state}.", "bold red")
    subject = "The order is" if total == 1 else f"All {total} orders are"
    if not confirm:
        return Text(f"{subject} accepted or gone.", "bold green")
    if all(outcome.confirmed is Confirmed.CANCELLED for outcome in report):
        ending = "it was not filled" if total == 1 else "none was filled"
        return Text(f"{subject} cancelled; {ending}.", "bold green")
    return Text(f"{subject} cancelled, or not known to the exchange.", "bold green")


def _groups(report: Report, *, confirm: bool) -> Iterator[RenderableType]:
    """Lay out the orders that need attention, those with the same outcome together."""
    groups: dict[tuple[Status, str | None, str | None, str | None], list[Outcome]] = {}
    for outcome in _by_status(report):
        if needs_attention(outcome, confirmed=confirm):
            confirmed = confirmation(outcome, confirm=confirm)
            groups.setdefault((outcome.status, outcome.code, confirmed, outcome.message), []).append(outcome)
    for (status, code, confirmed, message), outcomes in groups.items():
        heading = ", ".join(part for part in (status, code, confirmed) if part)
        yield Text(f"\n{heading}: {len(outcomes)}", f"bold {STYLES[status]}")
        shown = rows_for(sys.stdout, outcomes)
        hidden = len(outcomes) - len(shown)
        parts = (
            sanitize(message or ""),
            advice(outcomes[0], confirm=confirm),
            _order_table(shown),
            f"and {hidden:,} more (use --json to see all)" if hidden else "",
        )
        for part in parts:
            if part:
                yield Padding(part, (0, 0, 0, 2))


def _order_table(outcomes: Sequence[Outcome]) -> Table:
    rows = [outcome.row() for outcome in outcomes]
    names = [name for name in rows[0] if name in FIELDS and any(row[name] for row in rows)]
    if any(row["kind"] != "normal" for row in rows):
        names.insert(0, "kind")
    table = new_table(*names, box=None)
    for row in rows:
        table.add_row(*(sanitize(row[name] or "") for name in names))
    return table


def _totals(report: Report, *, confirm: bool) -> RenderableType:
    totals = Counter((outcome.status, confirmation(outcome, confirm=confirm)) for outcome in _by_status(report))
    if not totals:
        return "There were no open orders."
    table = new_table("outcome", "orders", "meaning")
    for (status, confirmed), number in totals.items():
        meaning = ADVICE_BY_CONFIRMATION[confirmed] if confirmed else ADVICE_BY_STATUS[status]
        label = f"{status}, {confirmed}" if confirmed else str(status)
        table.add_row(Text(label, STYLES[status]), str(number), meaning)
    return table


def _by_status(report: Report) -> Iterator[Outcome]:
    for status in Status:
        yield from report.only(status)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular or the plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def rows_for(stream: TextIO | None, orders: Sequence[AnyOrder]) -> Sequence[AnyOrder]:
    """Return the orders that a table on this stream shows."""
    return orders[:MAX_ROWS] if is_tty(stream) else orders


def new_table(*names: str, box: Box | None = SIMPLE) -> Table:
    """Return a table that truncates nothing."""
    table = Table(box=box, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def sanitize(text: str) -> str:
    """Replace control characters in text from elsewhere: they could move the cursor."""
    return "".join(character if character.isprintable() else " " for character in text)


def is_tty(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal."""
    return stream is not None and stream.isatty()


def console_for(stream: TextIO | None, buffer: TextIO | None = None) -> Console:
    """Return rich's console for a stream, which may write to a buffer instead; it takes texts as they are."""
    interactive = is_tty(stream)
    width = None if interactive or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(
        file=buffer or stream,
        force_terminal=interactive or None,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
    )


def render(stream: TextIO | None, *parts: RenderableType) -> str:
    """Lay out parts for a stream, without the spaces that fill a column."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    content = io.BytesIO()
    buffer = io.TextIOWrapper(content, encoding, "backslashreplace", "\n")
    console_for(stream, buffer).print(*parts, sep="\n")
    buffer.flush()
    lines = content.getvalue().decode(encoding).split("\n")[:-1]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def echo(*lines: str) -> None:
    """Write lines to stderr; if that is not possible, they are lost."""
    with suppress(OSError):
        write(sys.stderr, "".join(f"bitget-spot: {line}\n" for line in lines))


def write(stream: TextIO | None, text: str) -> None:
    """
    Write a text; a reader that has closed its end is not an error.

    Raises:
        OSError: It cannot be written.

    """
    with suppress(BrokenPipeError):
        print(text, end="", file=stream or io.StringIO(), flush=True)
