"""Orders from options and files: taken exactly as they are, or refused with their place and what to do."""

from __future__ import annotations

import codecs
import io
import json
import sys
from pathlib import Path

import pytest

from bitget_spot import Outcome, Status
from bitget_spot._cli.orders import BadInputError, CollectedOrders, collect, plan
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.types import UNSET, Unset

LONG_ID = "1300000000000000001"


def read(content: str | bytes, name: str = "orders.csv", *, symbols: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Return the orders of a file in the current directory."""
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return [order.to_dict() for order in collect((), (), name, symbols).orders]


def problems_of(content: str | bytes, name: str = "orders.csv") -> list[str]:
    """Return everything that is wrong with a file."""
    with pytest.raises(BadInputError) as caught:
        read(content, name)
    assert str(caught.value).splitlines()[-1] == "nothing was sent"
    return list(caught.value.args)


@pytest.fixture(autouse=True)
def temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a temporary directory the current one, so that messages have names without a folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        f"symbol,orderId,clientOid\nBTCUSDT,{LONG_ID},\nETHUSDT,,grid-7\n",
        f"clientOid,orderId,symbol\r\n,{LONG_ID},btcusdt\r\n\r\n,,\r\ngrid-7,,ethusdt\r\n\r\n",
        f"symbol;orderId;clientOid;\nBTCUSDT;{LONG_ID};;\n;;;\nETHUSDT;;grid-7;\n",
        f'\n\n symbol \torderId\t clientOid\n"BTCUSDT"\t "{LONG_ID}"\nETHUSDT\t\tgrid-7',
        f"status,symbol,orderId,clientOid,message\ngone,BTCUSDT,{LONG_ID},,no\n,ETHUSDT,,grid-7,\n",
        f"symbol,orderId,clientOid\rBTCUSDT,{LONG_ID},\rETHUSDT,,grid-7\r",
        f"symbol,order_id,client_oid\nBTCUSDT,{LONG_ID},\nETHUSDT,,grid-7\n",
        (
            f'{{"symbol": "BTCUSDT", "orderId": {LONG_ID}}}\n\n'
            '{"clientOid": "grid-7", "symbol": " ethusdt ", "orderId": ""}'
        ),
        (
            f'{{"symbol": "BTCUSDT", "orderId": "{LONG_ID}", "attempts": 1.5}}\r\n'
            '{"clientOid": "grid-7", "symbol": "ETHUSDT"}\r\n'
        ),
    ],
)
@pytest.mark.parametrize("byte_order_mark", [b"", codecs.BOM_UTF8])
def test_file_of_orders(content: str, byte_order_mark: bytes) -> None:
    """Columns may be in any order; a byte order mark, blank lines and the other columns of a report are ignored."""
    assert read(byte_order_mark + content.encode(), "orders") == [
        {"symbol": "BTCUSDT", "orderId": LONG_ID},
        {"symbol": "ETHUSDT", "clientOid": "grid-7"},
    ]


@pytest.mark.parametrize("order", [OrderRef(order_id=LONG_ID), OrderRef("BTCUSDT", LONG_ID, "grid-7")])
def test_row_of_a_report_is_an_order_again(order: OrderRef) -> None:
    """The rows of a report are accepted as input."""
    row = Outcome(order, Status.NOT_SENT, "40018", "no", 2).row()
    assert read(json.dumps(row), "report.jsonl") == [order.to_dict()]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "orderId\n1.3E+18\n",
            "orders.csv:2: orderId '1.3E+18' is not a valid id; it looks like a number changed by a spreadsheet",
        ),
        (
            "clientOid;symbol\n1,3E18;\n",
            "orders.csv:2: clientOid '1,3E18' is not a valid id; it looks like a number changed",
        ),
        ("orderId\n12;13\n", "orders.csv:2: orderId '12;13' must contain digits only"),
        ("orderId,order_id\n1,2\n", "orders.csv:1: duplicate column orderId; remove one"),
        ("orderId\n'130\n", "must contain digits only; put one order on each line, and use clientOid for your own ids"),
        ("orderId\n\u0661\u0662\n", "must contain digits only"),
        ("orderId\n-5\n", "must contain digits only"),
        ("clientOid\nab\u200bcd\n", "orders.csv:2: clientOid 'ab\\u200bcd' contains an invisible character"),
        ("symbol,orderId\nBTCUSDT,\n", "orders.csv:2: no order id; fill in orderId or clientOid"),
        ("symbol,orderId\nBTCUSDT,1,2\n", "orders.csv:2: more cells than the header"),
        ("symbol,ordrId\nBTCUSDT,1\n", "orders.csv:1: unknown column 'ordrId'; use symbol, orderId and"),
        ("symbol,symbol,orderId\nBTCUSDT,,1\n", "orders.csv:1: duplicate column symbol; remove one"),
        (
            "symbol\nBTCUSDT\n",
            "orders.csv:1: missing column orderId or clientOid; begin the file with a header such as",
        ),
        (f"{LONG_ID}\n", f"orders.csv:1: unknown column '{LONG_ID}'; use symbol"),
        ('orderId\n"1\n2\n', "orders.csv:3: not valid CSV: unexpected end of data"),
        ("", "orders.csv: the file is empty; add one line for each order"),
        ("\n,;\n ", "orders.csv: the file is empty"),
        (codecs.BOM_UTF8, "orders.csv: the file is empty"),
        ('\n""', "orders.csv: the file is empty"),
        ("\x0c\u2028", "orders.csv: the file is empty"),
        (b"orderId\n1\n\xff\n", "orders.csv:3: not UTF-8; save the file as 'CSV UTF-8'"),
        ("orderId\n1\n".encode("utf-16"), "orders.csv:1: not UTF-8"),
        (
            '{"orderId": 1.3e+18}',
            "orders.csv:1: orderId '1.3e+18' is not a valid id; it looks like a number changed by a spreadsheet",
        ),
        ('{"orderId": 13.5}', "orders.csv:1: orderId '13.5' is not text; put it in quotes"),
        ('{"orderId": NaN}', "orderId 'nan' is not text"),
        ('{"orderId": true}', "orderId 'True' is not text"),
        ('{"clientOid": ["a"]}', "clientOid \"['a']\" is not text"),
        ('{"orderId": -5}', "must contain digits only"),
        ('{"orderid": "5"}', "orders.csv:1: unknown column 'orderid'"),
        ('{"orderId": "5", "orderId": "6"}', "orders.csv:1: duplicate column orderId"),
        (
            "symbol,orderId\nBTC/USDT,5\n",
            "orders.csv:2: symbol 'BTC/USDT' is not a valid symbol; did you mean BTCUSDT?",
        ),
        ("{}", "orders.csv:1: no order id"),
        ('{"orderId": "5"\n}', "orders.csv:1: not a JSON object; write one object per line, as `jq -c` does"),
        ('[{"orderId": "5"}]', "orders.csv:1: not a JSON object"),
        ('{"orderId": "5"}\n7', "orders.csv:2: not a JSON object"),
        ('{"a":' + "[" * 100_000, "orders.csv:1: not a JSON object"),
        (
            '{"outcomes": [], "counts": {}}',
            "orders.csv:1: unknown column 'outcomes'; this is a whole report; convert it with `jq -c '.outcomes",
        ),
        (
            "orderId\n1300000000000000000\n1300000000000010000\n",
            "orders.csv: every orderId ends in zeros, so a spreadsheet has probably rounded them; export the column as text",
        ),
    ],
)
def test_problems_of_a_file(content: str | bytes, expected: str) -> None:
    """A problem has its place and what to do."""
    problems = problems_of(content)
    assert any(expected in problem for problem in problems), problems


def test_every_problem_is_reported_at_once() -> None:
    """All problems are in the order of the lines, and a header without an id is one problem."""
    places = [problem.partition(": ")[0] for problem in problems_of("symbol,orderId,sde\nA,1.5\nB,\nC,2,3,4\nD,x")]
    assert places == ["orders.csv:1", "orders.csv:2", "orders.csv:3", "orders.csv:4", "orders.csv:5"]
    assert len(problems_of("symbol\nBTCUSDT\nETHUSDT\n")) == 1
    assert len(problems_of('{"ordrId": "1"}\n{"clientOd": "2"}')) == 2


def test_ids_may_end_in_zeros() -> None:
    """One id may end in zeros, and so may several of which not all are rounded."""
    assert read("orderId\n1300000000000000000\n")
    assert read("orderId\n1300000000000000000\n1300000000000000001\n")
    assert read("orderId\n100\n200\n")


@pytest.mark.parametrize("symbols", [(), ("btcusdt",), ("BTCUSDT", " btcusdt ")])
def test_symbol_option_applies_to_orders_without_a_symbol(symbols: tuple[str, ...]) -> None:
    """An order that has a symbol keeps it."""
    orders = read("symbol,orderId\n,1\nETHUSDT,2\n", symbols=symbols)
    assert [order.get("symbol") for order in orders] == ["BTCUSDT" if symbols else None, "ETHUSDT"]


@pytest.mark.parametrize("symbols", [("BTCUSDT", "ETHUSDT"), ("",), (" ", "BTCUSDT")])
def test_ambiguous_symbol_option_is_refused(symbols: tuple[str, ...]) -> None:
    """Several pairs are refused, and so is a blank one, as from a variable that is not set."""
    with pytest.raises(BadInputError, match="--symbol: specify one trading pair"):
        collect(["1"], (), None, symbols)


def test_options_and_file_together() -> None:
    """The orders of the options come first, then those of the file."""
    Path("orders.jsonl").write_text('{"orderId": "3"}', "utf-8")
    collected = collect(["1"], ["a-2"], "orders.jsonl", ())
    assert [order.to_dict() for order in collected.orders] == [{"orderId": "1"}, {"clientOid": "a-2"}, {"orderId": "3"}]
    assert collected.places == ["--order-id", "--client-oid", "orders.jsonl:1"]


@pytest.mark.parametrize(
    ("order_ids", "client_oids", "expected"),
    [
        ((), (), "no orders; use --order-id, --client-oid or --file"),
        (["1,2"], (), "--order-id: orderId '1,2' must contain digits only; put one order on each line, and use"),
        ([""], (), "--order-id: no order id; fill in orderId or clientOid"),
        ((), ["a\tb"], "--client-oid: clientOid 'a\\tb' contains an invisible character"),
    ],
)
def test_problems_of_the_options(order_ids: list[str], client_oids: list[str], expected: str) -> None:
    """The place of a problem is the option."""
    with pytest.raises(BadInputError) as caught:
        collect(order_ids, client_oids, None, ())
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("none.csv", "none.csv: No such file or directory; check the path"), (".", "Is a directory")],
)
def test_unreadable_file(name: str, expected: str) -> None:
    """The message says why the file cannot be read, and what to check."""
    with pytest.raises(BadInputError, match=expected):
        collect((), (), name, ())


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash reads stdin, and a closed stdin is an empty one."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"orderId\nx\n")))
    with pytest.raises(BadInputError, match="stdin:2: orderId 'x'"):
        collect((), (), "-", ())
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(BadInputError, match="stdin: the file is empty"):
        collect((), (), "-", ())


def test_contradictions_are_reported_by_their_places() -> None:
    """The problems that the planner finds have the places of the file."""
    Path("orders.csv").write_text("symbol,orderId\nBTCUSDT,1\n\nETHUSDT,1\n", "utf-8")
    with pytest.raises(BadInputError) as caught:
        plan(collect((), (), "orders.csv", ()), None, None, "SPOT")
    assert caught.value.args == (
        "orders.csv:4.symbol: is ETHUSDT, and BTCUSDT for the same orderId at orders.csv:2; only one can be right",
    )


def test_plan_returns_the_requests() -> None:
    """The requests have the orders in the order of the input, at most as many as the batch size."""
    orders = [OrderRef(order_id=str(number)) for number in range(3)]
    requests = plan(CollectedOrders(orders, ["--order-id"] * 3), 2, None, "SPOT")
    bodies = [request.to_dict() for request in requests if isinstance(request, BatchCancelOrdersRequest)]
    assert [[order["orderId"] for order in body["orderList"]] for body in bodies] == [["0", "1"], ["2"]]


def test_absent_fields_are_unset() -> None:
    """An order has the fields that were given and no others."""
    (order,) = collect(["1"], (), None, ()).orders
    assert (order.symbol, order.client_oid) == (UNSET, UNSET)
    assert isinstance(order.symbol, Unset)
