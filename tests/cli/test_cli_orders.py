"""Orders from options and files: taken exactly, or refused with the place and the remedy."""

from __future__ import annotations

import codecs
import io
import json
import sys
from pathlib import Path

import pytest

from bitget_spot import Outcome, Status
from bitget_spot._cli.orders import BadInputError, collect, plan
from bitget_spot_api.models import OrderRef
from bitget_spot_api.types import UNSET, Unset

BIG = "1300000000000000001"


def read(content: str | bytes, name: str = "orders.csv", *, symbols: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Collect the orders of a file of the current directory."""
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return [order.to_dict() for order in collect((), (), name, symbols)[0]]


def problems(content: str | bytes, name: str = "orders.csv") -> list[str]:
    """Tell what is wrong with a file."""
    with pytest.raises(BadInputError) as caught:
        read(content, name)
    assert str(caught.value).splitlines()[-1] == "nothing was sent"
    return list(caught.value.args)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of files without a folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        f"symbol,orderId,clientOid\nBTCUSDT,{BIG},\nETHUSDT,,grid-7\n",
        f"clientOid,orderId,symbol\r\n,{BIG},btcusdt\r\n\r\n,,\r\ngrid-7,,ethusdt\r\n\r\n",
        f"symbol;orderId;clientOid;\nBTCUSDT;{BIG};;\n;;;\nETHUSDT;;grid-7;\n",
        f'\n\n symbol \torderId\t clientOid\n"BTCUSDT"\t "{BIG}"\nETHUSDT\t\tgrid-7',
        f"status,symbol,orderId,clientOid,message\ngone,BTCUSDT,{BIG},,no\n,ETHUSDT,,grid-7,\n",
        f"symbol,orderId,clientOid\rBTCUSDT,{BIG},\rETHUSDT,,grid-7\r",
        f'{{"symbol": "BTCUSDT", "orderId": {BIG}}}\n\n{{"clientOid": "grid-7", "symbol": " ethusdt ", "orderId": ""}}',
        f'{{"symbol": "BTCUSDT", "orderId": "{BIG}", "attempts": 1.5}}\r\n{{"clientOid": "grid-7", "symbol": "ETHUSDT"}}\r\n',
    ],
)
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_file_of_orders(content: str, mark: bytes) -> None:
    """Columns in any order, with or without a byte order mark, blank lines and a report's own columns left out."""
    assert read(mark + content.encode(), "orders") == [
        {"symbol": "BTCUSDT", "orderId": BIG},
        {"symbol": "ETHUSDT", "clientOid": "grid-7"},
    ]


@pytest.mark.parametrize("order", [OrderRef(order_id=BIG), OrderRef("BTCUSDT", BIG, "grid-7")])
def test_a_report_can_be_given_back(order: OrderRef) -> None:
    """The rows of a report are orders again."""
    row = Outcome(order, Status.NOT_SENT, "40018", "no", 2).row()
    assert read(json.dumps(row), "report.jsonl") == [order.to_dict()]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("orderId\n1.3E+18\n", "orders.csv:2: orderId '1.3E+18' is no id: a spreadsheet or a float has changed it"),
        ("clientOid;symbol\n1,3E18;\n", "orders.csv:2: clientOid '1,3E18' is no id: a spreadsheet"),
        ("orderId\n12;13\n", "orders.csv:2: orderId '12;13' is no decimal number"),
        ("orderId\n'130\n", "is no decimal number: give the digits alone"),
        ("orderId\n\u0661\u0662\n", "is no decimal number"),
        ("orderId\n-5\n", "is no decimal number"),
        ("clientOid\nab\u200bcd\n", "orders.csv:2: clientOid 'ab\\u200bcd' holds a character that cannot be seen"),
        ("symbol,orderId\nBTCUSDT,\n", "orders.csv:2: names no order: fill in an orderId or a clientOid"),
        ("symbol,orderId\nBTCUSDT,1,2\n", "orders.csv:2: has more cells than the header"),
        ("symbol,ordrId\nBTCUSDT,1\n", "orders.csv:1: unknown column 'ordrId': there are symbol, orderId and"),
        ("symbol,symbol,orderId\nBTCUSDT,,1\n", "orders.csv:1: symbol is there twice: remove one"),
        ("symbol\nBTCUSDT\n", "orders.csv:1: no column orderId or clientOid: begin with a line such as"),
        (f"{BIG}\n", f"orders.csv:1: unknown column '{BIG}': there are symbol"),
        ('orderId\n"1\n2\n', "orders.csv:3: is no CSV: unexpected end of data"),
        ("", "orders.csv: is empty: give a line for each order"),
        ("\n,;\n ", "orders.csv: is empty"),
        (codecs.BOM_UTF8, "orders.csv: is empty"),
        ('\n""', "orders.csv: is empty"),
        ("\x0c\u2028", "orders.csv: is empty"),
        (b"orderId\n1\n\xff\n", "orders.csv:3: is not UTF-8: save it as 'CSV UTF-8'"),
        ("orderId\n1\n".encode("utf-16"), "orders.csv:1: is not UTF-8"),
        ('{"orderId": 1.3e+18}', "orders.csv:1: orderId '1.3e+18' is no id: a spreadsheet or a float"),
        ('{"orderId": 13.5}', "orders.csv:1: orderId '13.5' is no text: put it in quotes"),
        ('{"orderId": NaN}', "orderId 'nan' is no text"),
        ('{"orderId": true}', "orderId 'True' is no text"),
        ('{"clientOid": ["a"]}', "clientOid \"['a']\" is no text"),
        ('{"orderId": -5}', "is no decimal number"),
        ('{"order_id": "5"}', "orders.csv:1: unknown column 'order_id'"),
        ('{"orderId": "5", "orderId": "6"}', "orders.csv:1: orderId is there twice"),
        ("{}", "orders.csv:1: names no order"),
        ('{"orderId": "5"\n}', "orders.csv:1: is no JSON object: give one a line, as `jq -c` writes them"),
        ('[{"orderId": "5"}]', "orders.csv:1: is no JSON object"),
        ('{"orderId": "5"}\n7', "orders.csv:2: is no JSON object"),
        ('{"a":' + "[" * 100_000, "orders.csv:1: is no JSON object"),
        (
            '{"outcomes": [], "counts": {}}',
            "orders.csv:1: unknown column 'outcomes': a whole report; `jq -c '.outcomes",
        ),
        (
            f"orderId\n{'1300000000000000000'}\n1300000000000010000\n",
            "orders.csv: every orderId ends in zeros: a spreadsheet has rounded them",
        ),
    ],
)
def test_what_is_wrong_with_a_file(content: str | bytes, told: str) -> None:
    """The place, the problem, the remedy."""
    assert any(told in problem for problem in problems(content)), problems(content)


def test_every_problem_at_once() -> None:
    """In the order of the lines, whichever kind, and one for a line that has none of the known columns."""
    assert [problem.partition(": ")[0] for problem in problems("symbol,orderId,sde\nA,1.5\nB,\nC,2,3,4\nD,x")] == [
        "orders.csv:1",
        "orders.csv:2",
        "orders.csv:3",
        "orders.csv:4",
        "orders.csv:5",
    ]
    assert len(problems("symbol\nBTCUSDT\nETHUSDT\n")) == 1
    assert len(problems('{"ordrId": "1"}\n{"clientOd": "2"}')) == 2


def test_one_rounded_id_may_be_what_it_is() -> None:
    """An id may end in zeros, and several where not all of them do."""
    assert read("orderId\n1300000000000000000\n")
    assert read("orderId\n1300000000000000000\n1300000000000000001\n")
    assert read("orderId\n100\n200\n")


@pytest.mark.parametrize("symbols", [(), ("btcusdt",), ("BTCUSDT", " btcusdt ")])
def test_the_symbol_is_that_of_the_orders_that_name_none(symbols: tuple[str, ...]) -> None:
    """An order's own symbol stays."""
    given = read("symbol,orderId\n,1\nETHUSDT,2\n", symbols=symbols)
    assert [order.get("symbol") for order in given] == ["BTCUSDT" if symbols else None, "ETHUSDT"]


@pytest.mark.parametrize("symbols", [("BTCUSDT", "ETHUSDT"), ("",), (" ", "BTCUSDT")])
def test_a_symbol_that_leaves_open_whose_it_is(symbols: tuple[str, ...]) -> None:
    """Several pairs, or a blank one as from a variable that is not set, are refused."""
    with pytest.raises(BadInputError, match="--symbol: give one pair"):
        collect(["1"], (), None, symbols)


def test_options_and_file_together() -> None:
    """First the options, then the file."""
    Path("orders.jsonl").write_text('{"orderId": "3"}', "utf-8")
    orders, places = collect(["1"], ["a-2"], "orders.jsonl", ())
    assert [order.to_dict() for order in orders] == [{"orderId": "1"}, {"clientOid": "a-2"}, {"orderId": "3"}]
    assert places == ["--order-id", "--client-oid", "orders.jsonl:1"]


@pytest.mark.parametrize(
    ("order_ids", "client_oids", "told"),
    [
        ((), (), "no orders: give --order-id, --client-oid or --file"),
        (["1,2"], (), "--order-id: orderId '1,2' is no decimal number: give the digits alone, one order at a time"),
        ([""], (), "--order-id: names no order"),
        ((), ["a\tb"], "--client-oid: clientOid 'a\\tb' holds a character"),
    ],
)
def test_what_is_wrong_with_the_options(order_ids: list[str], client_oids: list[str], told: str) -> None:
    """As with files, with the option for a place."""
    with pytest.raises(BadInputError) as caught:
        collect(order_ids, client_oids, None, ())
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"), [("none.csv", "none.csv: No such file or directory: check the path"), (".", "Is a directory")]
)
def test_a_file_that_cannot_be_read(name: str, told: str) -> None:
    """The reason, and where to look."""
    with pytest.raises(BadInputError, match=told):
        collect((), (), name, ())


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash is stdin, and stdin that is closed is an empty one."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"orderId\nx\n")))
    with pytest.raises(BadInputError, match="stdin:2: orderId 'x'"):
        collect((), (), "-", ())
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(BadInputError, match="stdin: is empty"):
        collect((), (), "-", ())


def test_orders_that_contradict_each_other_are_named_by_their_places() -> None:
    """The planner's own problems come with the places of the file."""
    Path("orders.csv").write_text("symbol,orderId\nBTCUSDT,1\n\nETHUSDT,1\n", "utf-8")
    orders, places = collect((), (), "orders.csv", ())
    with pytest.raises(BadInputError) as caught:
        plan(orders, places, None)
    assert caught.value.args == (
        "orders.csv:4.symbol: is ETHUSDT, and BTCUSDT for the same orderId at orders.csv:2; only one can be right",
    )


def test_what_is_absent_is_left_out() -> None:
    """An order carries what was given and nothing else."""
    (order,), _ = collect(["1"], (), None, ())
    assert (order.symbol, order.client_oid) == (UNSET, UNSET)
    assert isinstance(order.symbol, Unset)
