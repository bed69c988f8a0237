"""What is written, and where: readable in 80 columns, in any encoding, and never in the way of a run."""

from __future__ import annotations

import errno
import io
import json
import os
import sys

import pytest

from bitget_spot import Confirmed, Outcome, Report, Status
from bitget_spot._cli.advice import Exit
from bitget_spot._cli.output import Output, sanitize, write
from bitget_spot_api.models import OrderRef

LONG = "a" * 64
OUTCOMES = (
    Outcome(OrderRef("BTCUSDT", "1300000000000000001"), Status.ACCEPTED, max_retries=0),
    Outcome(OrderRef("BTCUSDT", "1300000000000000002", "grid-2"), Status.REJECTED, "40034", "no\x1b[31m such", 1),
    Outcome(OrderRef("ETHUSDT", client_oid=LONG), Status.REJECTED, "40034", "no\x1b[31m such", 1),
    Outcome(OrderRef(client_oid="a:key:[red]"), Status.GONE, "43001", "[bold]订单不存在[/]", 1),
)


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding, "backslashreplace", write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        """What was written."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))


def shown(capsys: pytest.CaptureFixture[str], *outcomes: Outcome, asked: bool = False) -> str:
    """A report on a pipe."""
    Output(asked=asked).report(Report(outcomes))
    return capsys.readouterr().out


def test_every_order_that_is_not_accepted_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """With symbol, ids, code, message and what to do; those of a kind together, and the counts in the end."""
    lines = shown(capsys, *OUTCOMES).splitlines()
    start = lines.index("rejected, 40034: 2")
    assert lines[start : start + 6] == [
        "rejected, 40034: 2",
        "  no [31m such",
        "  what to do: look at the symbol: written as BTCUSDT, and of a pair that is traded",
        "  symbol   orderId              clientOid",
        "  BTCUSDT  1300000000000000002  grid-2",
        f"  ETHUSDT                       {LONG}",
    ]
    start = lines.index("gone, 43001: 1")
    assert lines[start + 1] == "  [bold]订单不存在[/]"
    assert lines[start + 3 : start + 5] == ["  clientOid", "  a:key:[red]"]
    assert [line.split()[:2] for line in lines if line.startswith((" accepted", " rejected"))] == [
        ["accepted", "1"],
        ["rejected", "2"],
    ]
    assert not any("1300000000000000001" in line for line in lines)
    assert lines[-1] == "Neither accepted nor gone: 2 of 4 orders."


@pytest.mark.parametrize(
    ("confirmed", "there", "last"),
    [
        (Confirmed.CANCELLED, False, "none"),
        (Confirmed.FILLED, True, "1"),
        (Confirmed.LIVE, True, "1"),
        (None, True, "1"),
    ],
)
def test_an_accepted_order_is_shown_where_it_turned_out_otherwise(
    confirmed: Confirmed | None, there: bool, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Filled, still open, or not known although it was to be asked: somebody must look at it."""
    outcome = Outcome(OrderRef(order_id="77"), Status.ACCEPTED, None, None, 1, confirmed)
    text = shown(capsys, outcome, asked=True)
    assert ("  77\n" in text) is there
    assert f"accepted, {confirmed or 'not known'}" in text
    assert text.endswith(f"Still open, filled or in doubt: {last} of 1 orders.\n")


def test_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer, and no id loses a character."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    Output().report(Report(OUTCOMES))
    text = terminal.text().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "".join(line[30:].strip() for line in text.splitlines() if "aaa" in line) == LONG
    assert "1300000000000000002" in text


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "─"), ("ascii", "-"), ("iso8859-1", "-")])
def test_any_encoding(encoding: str, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are drawn with what the stream can take, and what it cannot take is escaped."""
    terminal = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    Output().report(Report(OUTCOMES))
    assert mark * 20 in terminal.text()
    assert ("订单不存在" if encoding == "utf-8" else "\\u8ba2\\u5355") in terminal.text()


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal gets them, unless NO_COLOR is set; a pipe does not."""
    assert "\x1b" not in shown(capsys, *OUTCOMES)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    Output().report(Report(OUTCOMES))
    assert "\x1b[1;31m" in terminal.text()


def test_the_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object: the rows of the report, the counts, and what ended it early with its remedy."""
    report = Report(OUTCOMES[:2])
    assert Output(as_json=True).report(report) is Exit.SOME
    data = json.loads(capsys.readouterr().out)
    assert data == {
        "outcomes": report.rows(),
        "counts": {"accepted": 1, "gone": 0, "rejected": 1, "unknown": 0, "not_sent": 0},
    }
    assert Output(as_json=True).report(report, KeyboardInterrupt()) is Exit.INTERRUPTED
    told = capsys.readouterr()
    assert json.loads(told.out) == data | {
        "error": {"type": "KeyboardInterrupt", "code": None, "message": "stopped by Ctrl-C", "remedy": None}
    }
    assert told.err == "bitget-spot: stopped by Ctrl-C\n"


def test_rows_that_belong_to_nobody_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What the exchange says of orders that were not asked for does not get lost."""
    Output().report(Report(OUTCOMES[:1], ({"orderId": "5"},)))
    assert "1 rows of the answers belong to no order that was asked for." in capsys.readouterr().out


def test_nothing_to_report(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no order was open, this is said."""
    assert Output(asked=True).report(Report(())) is Exit.OK
    assert "No order was open." in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [False, True])
def test_a_result_that_cannot_be_written_goes_to_stderr(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk: the orders are cancelled all the same, so the result must be somewhere; the status is no success."""
    monkeypatch.setattr(sys, "stdout", Broken(errno.ENOSPC))
    with pytest.raises(SystemExit) as ended:
        Output(as_json=as_json).report(Report(OUTCOMES))
    assert ended.value.code == Exit.DEFECT
    told = capsys.readouterr().err
    assert told.startswith("bitget-spot: stdout cannot be written: No space left on device; the result is:\n")
    assert "1300000000000000002" in told


class Broken(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, _: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


def test_a_reader_that_has_gone_is_no_error() -> None:
    """Neither is a stream that is closed from the beginning."""
    write(Broken(errno.EPIPE), "so")
    write(None, "so")
    with pytest.raises(OSError, match="No space"):
        write(Broken(errno.ENOSPC), "so")


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_progress_never_ends_a_run(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of stderr, the next batch is sent."""
    monkeypatch.setattr(sys, "stderr", Broken(number))
    with Output().progress(4) as tell:
        tell(OUTCOMES)


def test_progress_as_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets a line for each batch, on stderr."""
    with Output().progress(6) as tell:
        tell(OUTCOMES)
        tell(OUTCOMES[:2])
    with Output().progress() as tell:
        tell(OUTCOMES[:1])
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "bitget-spot: 4 of 6 orders: 1 accepted, 2 rejected, 1 gone",
        "bitget-spot: 6 of 6 orders: 1 accepted, 1 rejected",
        "bitget-spot: 1 orders: 1 accepted",
    ]


@pytest.mark.parametrize(("asked", "last"), [(False, "cancelling"), (True, "asking what became of them")])
def test_progress_as_a_bar(asked: bool, last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets a bar, which says so when it comes to asking."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Output(asked=asked).progress(4) as tell:
        tell(OUTCOMES)
    assert last in terminal.text()
    assert "4/4" in terminal.text()


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot move its cursor."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "dumb")
    with Output().progress(4) as tell:
        tell(OUTCOMES)
    assert terminal.text() == "bitget-spot: 4 of 4 orders: 1 accepted, 2 rejected, 1 gone\n"


@pytest.mark.parametrize(("text", "left"), [("a\x1b[2Jb\nc\u202ed", "a [2Jb c d"), ("订单 ok", "订单 ok")])
def test_foreign_texts_move_no_cursor(text: str, left: str) -> None:
    """An exchange's words, or a proxy's, are shown as words."""
    assert sanitize(text) == left
