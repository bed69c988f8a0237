"""Tables of very many orders: short on a terminal, complete in a pipe."""

from __future__ import annotations

import io

import pytest

from bitget_spot import Outcome, Report, Status
from bitget_spot._bulk.accounts import ListedOrder
from bitget_spot._cli.output import MAX_ROWS, Output
from bitget_spot_api.models import OrderRef


class Terminal(io.StringIO):
    """A text stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def gone(count: int) -> Report:
    """Return a report of orders that are gone."""
    return Report(tuple(Outcome(OrderRef(order_id=f"{10_000 + i}"), Status.GONE, "43001") for i in range(count)))


def test_terminal_shows_twenty_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,000 orders a terminal shows twenty, how many more there are, and how to see them."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    Output().report(gone(2000))
    text = terminal.getvalue()
    assert text.count("\n  1") == MAX_ROWS
    assert "and 1,980 more (use --json to see all)" in text


@pytest.mark.parametrize(("stream", "orders"), [(Terminal(), MAX_ROWS), (io.StringIO(), 2000)], ids=["short", "pipe"])
def test_nothing_is_hidden_without_need(stream: io.StringIO, orders: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets every order, and twenty orders are shown on a terminal as well."""
    monkeypatch.setattr("sys.stdout", stream)
    Output().report(gone(orders))
    assert stream.getvalue().count("\n  1") == orders
    assert "more (use" not in stream.getvalue()


def test_question_about_very_many_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kill switch asks about all orders, and shows twenty of them."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    Output().question([ListedOrder(str(1000 + number), symbol="BTCUSDT") for number in range(25)], "live account")
    text = terminal.getvalue()
    assert text.count("BTCUSDT") == MAX_ROWS + 1
    assert "and 5 more" in text
    assert "25 open orders of live account: 25 BTCUSDT." in text
