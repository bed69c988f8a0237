"""What commands write, and where: readable in 80 columns and in any encoding, and it never stops a run."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from typing import Literal

import pytest
from attrs import evolve

from bitget_spot import (
    ApiError,
    Confirmed,
    InvalidParameterError,
    OrderNotFoundError,
    OrderStateError,
    Outcome,
    Report,
    Status,
)
from bitget_spot._bulk.accounts import ListedOrder
from bitget_spot._bulk.report import Kind
from bitget_spot._cli.advice import Exit
from bitget_spot._cli.check import CheckResult
from bitget_spot._cli.output import Output, count, sanitize, write
from bitget_spot_api.models import OrderRef

LONG_OID = "a" * 64


def refused(order: OrderRef, status: Status, error: ApiError) -> Outcome:
    """Return the outcome of an order that the exchange refused with this error."""
    return Outcome(order, status, error.code, error.message, 1, error=error)


NO_SYMBOL = InvalidParameterError("40034", "no\x1b[31m such")
OUTCOMES = (
    Outcome(OrderRef("BTCUSDT", "1300000000000000001"), Status.ACCEPTED, attempts=1),
    refused(OrderRef("BTCUSDT", "1300000000000000002", "grid-2"), Status.REJECTED, NO_SYMBOL),
    refused(OrderRef("ETHUSDT", client_oid=LONG_OID), Status.REJECTED, NO_SYMBOL),
    refused(OrderRef(client_oid="a:key:[red]"), Status.GONE, OrderNotFoundError("43001", "[bold]订单不存在[/]")),
)


class FakeTerminal(io.TextIOWrapper):
    """A stream that says that it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding, "backslashreplace", write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        """Return what was written."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


class BrokenStream(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, _: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.fixture(autouse=True)
def narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give terminals 80 columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))


def replace_stream(
    monkeypatch: pytest.MonkeyPatch, name: Literal["stdout", "stderr"], encoding: str = "utf-8"
) -> FakeTerminal:
    """Replace a standard stream by a terminal, and return it."""
    terminal = FakeTerminal(encoding)
    monkeypatch.setattr(sys, name, terminal)
    return terminal


def piped_report(capsys: pytest.CaptureFixture[str], *outcomes: Outcome, confirm: bool = False) -> str:
    """Return a report as it is written to a pipe."""
    Output(confirm=confirm).report(Report(outcomes))
    return capsys.readouterr().out


def test_orders_that_are_not_accepted_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """They have symbol, ids, code, message and advice; those with the same outcome are together; totals are at the end."""
    lines = piped_report(capsys, *OUTCOMES).splitlines()
    start = lines.index("rejected, 40034: 2")
    assert lines[start : start + 6] == [
        "rejected, 40034: 2",
        "  no [31m such",
        "  Check the symbol; it must be a trading pair listed on the exchange, written like BTCUSDT.",
        "  symbol   orderId              clientOid",
        "  BTCUSDT  1300000000000000002  grid-2",
        f"  ETHUSDT                       {LONG_OID}",
    ]
    start = lines.index("gone, 43001: 1")
    assert lines[start + 1] == "  [bold]订单不存在[/]"
    assert lines[start + 3 : start + 5] == ["  clientOid", "  a:key:[red]"]
    assert [line.split()[:2] for line in lines if line.startswith((" accepted", " rejected"))] == [
        ["accepted", "1"],
        ["rejected", "2"],
    ]
    assert not any("1300000000000000001" in line for line in lines)
    assert lines[-1] == "2 of 4 orders are neither accepted nor gone."


def test_kinds_of_orders_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """If there are other kinds than normal orders, the table has a column for the kind."""
    error = OrderStateError("45055", "no")
    kinds: tuple[Kind, ...] = ("normal", "tpsl", "plan")
    outcomes = [
        evolve(refused(OrderRef("BTCUSDT", str(number)), Status.REJECTED, error), kind=kind)
        for number, kind in enumerate(kinds)
    ]
    lines = piped_report(capsys, *outcomes).splitlines()
    start = lines.index("  kind    symbol   orderId")
    assert lines[start + 1 : start + 4] == ["  normal  BTCUSDT  0", "  tpsl    BTCUSDT  1", "  plan    BTCUSDT  2"]
    assert not any("kind" in line for line in piped_report(capsys, outcomes[0]).splitlines())


def test_pairs_that_were_cancelled_as_a_whole_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The names are those of the exchange, so control characters in them are replaced."""
    Output(confirm=True).report(Report((), symbols_cancelled=("BTCUSDT", "ETH\x1bUSDT")))
    assert "Cancelled as a whole: BTCUSDT, ETH USDT.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "text"), [(1, "1 row of the responses matches"), (2, "2 rows of the responses match")]
)
def test_verb_of_unmatched_rows(rows: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence about rows that belong to no order is in the singular or in the plural."""
    Output().report(Report(OUTCOMES[:1], ({"orderId": "5"},) * rows))
    assert f"{text} no order of this run.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("confirmed", "is_listed"),
    [(Confirmed.CANCELLED, False), (Confirmed.FILLED, True), (Confirmed.LIVE, True), (None, True)],
)
def test_accepted_orders_that_are_not_cancelled_are_listed(
    confirmed: Confirmed | None, is_listed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """An accepted order is listed if it is filled, still open, or unconfirmed although it was to be confirmed."""
    outcome = Outcome(OrderRef(order_id="77"), Status.ACCEPTED, None, None, 1, confirmed)
    text = piped_report(capsys, outcome, confirm=True)
    assert ("  77\n" in text) is is_listed
    assert f"accepted, {confirmed or 'unconfirmed'}" in text
    conclusion = (
        "The order is still open, filled or unknown.\n" if is_listed else "The order is cancelled; it was not filled.\n"
    )
    assert text.endswith(conclusion)


@pytest.mark.parametrize(
    ("outcomes", "confirm", "conclusion"),
    [
        ([(Status.ACCEPTED, None)], False, "The order is accepted or gone."),
        ([(Status.ACCEPTED, None), (Status.GONE, None)], False, "All 2 orders are accepted or gone."),
        ([(Status.ACCEPTED, None), (Status.REJECTED, None)], False, "1 of 2 orders is neither accepted nor gone."),
        ([(Status.UNKNOWN, None), (Status.NOT_SENT, None)], False, "2 of 2 orders are neither accepted nor gone."),
        ([(Status.UNKNOWN, Confirmed.CANCELLED)] * 2, True, "All 2 orders are cancelled; none was filled."),
        (
            [(Status.ACCEPTED, Confirmed.CANCELLED), (Status.GONE, Confirmed.NOT_FOUND)],
            True,
            "All 2 orders are cancelled, or not known to the exchange.",
        ),
        (
            [(Status.ACCEPTED, Confirmed.CANCELLED), (Status.REJECTED, Confirmed.LIVE)],
            True,
            "1 of 2 orders is still open, filled or unknown.",
        ),
    ],
)
def test_last_line_says_how_it_ended(
    outcomes: list[tuple[Status, Confirmed | None]], confirm: bool, conclusion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It counts the orders that need attention, or says that there are none; it claims no more than was confirmed."""
    order = OrderRef(order_id="77")
    results = [Outcome(order, status, confirmed=confirmed) for status, confirmed in outcomes]
    assert piped_report(capsys, *results, confirm=confirm).splitlines()[-1] == conclusion


def test_report_in_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer, and no id loses a character."""
    terminal = replace_stream(monkeypatch, "stdout")
    monkeypatch.setenv("NO_COLOR", "1")
    Output().report(Report(OUTCOMES))
    text = terminal.text().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "".join(line[30:].strip() for line in text.splitlines() if "aaa" in line) == LONG_OID
    assert "1300000000000000002" in text


@pytest.mark.parametrize(("encoding", "rule"), [("utf-8", "─"), ("ascii", "-"), ("iso8859-1", "-")])
def test_report_in_any_encoding(encoding: str, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules are drawn with characters of the encoding, and other characters are escaped."""
    terminal = replace_stream(monkeypatch, "stdout", encoding)
    Output().report(Report(OUTCOMES))
    assert rule * 20 in terminal.text()
    assert ("订单不存在" if encoding == "utf-8" else "\\u8ba2\\u5355") in terminal.text()


def test_colours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Colours are for terminals, and not for pipes."""
    assert "\x1b" not in piped_report(capsys, *OUTCOMES)
    terminal = replace_stream(monkeypatch, "stdout")
    Output().report(Report(OUTCOMES))
    assert "\x1b[1;31m" in terminal.text()


def test_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """It is one object: the rows of the report, the counts, and what ended the command early, with its remedy."""
    report = Report(OUTCOMES[:2])
    assert Output(as_json=True).report(report) is Exit.INCOMPLETE
    data = json.loads(capsys.readouterr().out)
    assert data == {
        "outcomes": report.rows(),
        "counts": {"accepted": 1, "gone": 0, "rejected": 1, "unknown": 0, "not_sent": 0},
    }
    assert Output(as_json=True).report(report, KeyboardInterrupt()) is Exit.INTERRUPTED
    captured = capsys.readouterr()
    assert json.loads(captured.out) == data | {
        "error": {"type": "KeyboardInterrupt", "code": None, "message": "stopped by Ctrl-C", "remedy": None}
    }
    assert captured.err == "bitget-spot: stopped by Ctrl-C\n"


def test_empty_report(capsys: pytest.CaptureFixture[str]) -> None:
    """If no order was open, the output says so."""
    assert Output(confirm=True).report(Report(())) is Exit.OK
    assert capsys.readouterr().out == "There were no open orders.\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_result_that_cannot_be_written_goes_to_stderr(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the disk is full, the result is still shown, because the orders are cancelled; the status is not 0."""
    monkeypatch.setattr(sys, "stdout", BrokenStream(errno.ENOSPC))
    with pytest.raises(SystemExit) as caught:
        Output(as_json=as_json).report(Report(OUTCOMES))
    assert caught.value.code == Exit.DEFECT
    text = capsys.readouterr().err
    assert text.startswith("bitget-spot: cannot write to stdout: No space left on device; here is the result:\n")
    assert "1300000000000000002" in text


def test_closed_reader_is_not_an_error() -> None:
    """Neither a reader that has closed its end nor a stream that was never open is an error; a full disk is."""
    write(BrokenStream(errno.EPIPE), "so")
    write(None, "so")
    with pytest.raises(OSError, match="No space"):
        write(BrokenStream(errno.ENOSPC), "so")


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_progress_never_ends_a_run(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress that cannot be written raises nothing."""
    monkeypatch.setattr(sys, "stderr", BrokenStream(number))
    with Output().progress(4) as on_progress:
        on_progress(OUTCOMES)


def test_progress_as_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is a line on stderr for each batch."""
    with Output().progress(6) as on_progress:
        on_progress(OUTCOMES)
        on_progress(OUTCOMES[:2])
    with Output().progress() as on_progress:
        on_progress(OUTCOMES[:2])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "bitget-spot: 4 of 6 done: 1 accepted, 2 rejected, 1 gone",
        "bitget-spot: 6 of 6 done: 1 accepted, 1 rejected",
        "bitget-spot: 2 done: 1 accepted, 1 rejected",
    ]


@pytest.mark.parametrize(("confirm", "activity"), [(False, "cancelling"), (True, "confirming")])
def test_progress_as_a_bar(confirm: bool, activity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets a bar, which says when the orders are being confirmed."""
    terminal = replace_stream(monkeypatch, "stderr")
    with Output(confirm=confirm).progress(4) as on_progress:
        on_progress(OUTCOMES)
    assert activity in terminal.text()
    assert "4/4" in terminal.text()


def test_progress_on_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot move its cursor gets lines."""
    terminal = replace_stream(monkeypatch, "stderr")
    monkeypatch.setenv("TERM", "dumb")
    with Output().progress(4) as on_progress:
        on_progress(OUTCOMES)
    assert terminal.text() == "bitget-spot: 4 of 4 done: 1 accepted, 2 rejected, 1 gone\n"


def test_checks(capsys: pytest.CaptureFixture[str]) -> None:
    """Each check has a line, and as JSON an object."""
    results = [CheckResult("exchange", "ok", "responds"), CheckResult("key", "not checked", "\x1b[2J")]
    Output().checks(results)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=2) for line in lines] == [
        ["exchange", "ok", "responds"],
        ["key", "not", "checked   [2J"],
    ]
    Output(as_json=True).checks(results)
    assert json.loads(capsys.readouterr().out) == {
        "checks": [
            {"check": "exchange", "state": "ok", "detail": "responds"},
            {"check": "key", "state": "not checked", "detail": "\x1b[2J"},
        ]
    }


def test_question(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists the orders, counts them by pair, and names the account; nothing is written to stdout."""
    orders = [
        ListedOrder("1", None, "BTCUSDT", "buy", "1", "2"),
        ListedOrder("2", None, "ETHUSDT", "buy", "1", "2", "tpsl"),
        ListedOrder("3", None, "BTCUSDT", None, None, None, "plan"),
    ]
    Output().question(orders, "the live account")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line.split() for line in lines if "USDT  " in line] == [
        ["normal", "BTCUSDT", "buy", "1", "2", "1"],
        ["tpsl", "ETHUSDT", "buy", "1", "2", "2"],
        ["plan", "BTCUSDT", "3"],
    ]
    assert "3 open orders of the live account: 2 BTCUSDT, 1 ETHUSDT." in lines
    assert captured.err.endswith("[y/N] ")


@pytest.mark.parametrize(("text", "expected"), [("a\x1b[2Jb\nc\u202ed", "a [2Jb c d"), ("订单 ok", "订单 ok")])
def test_control_characters_are_replaced(text: str, expected: str) -> None:
    """Text of the exchange or of a proxy cannot move the cursor."""
    assert sanitize(text) == expected


@pytest.mark.parametrize(("number", "expected"), [(0, "0 orders"), (1, "1 order"), (2, "2 orders")])
def test_count(number: int, expected: str) -> None:
    """A noun is in the singular for 1, else in the plural."""
    assert count(number, "order") == expected
