"""
Orders from options and files.

Every problem is told at once, each with its place and a remedy. A spreadsheet keeps fifteen digits of an id of
nineteen, and an order that is not there counts as gone: so ids are taken exactly, or refused.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bitget_spot._bulk import cancel_orders
from bitget_spot._bulk.planner import FIELDS
from bitget_spot._bulk.report import Outcome, Status
from bitget_spot.errors import InvalidBatchError
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef

IDS: Final = ("orderId", "clientOid")
KNOWN: Final = {*FIELDS, *Outcome(OrderRef(), Status.NOT_SENT).row()}
"""The columns of an order, and those of a report, whose rows can be given back."""
HINTS: Final = {"outcomes": "a whole report; `jq -c '.outcomes[]'` makes orders of it"}
NO_OBJECT: Final = "is no JSON object: give one a line, as `jq -c` writes them"
BY_SPREADSHEET: Final = re.compile(r"\d+([.,]\d+)?E\+?\d+", re.IGNORECASE)
KEPT: Final = 15
"""How many digits of a number a spreadsheet keeps; zeros stand for the others."""
LINE: Final = re.compile(r":(\d+): ")
SHOWN: Final = 60
"""How much of a wrong value a message shows."""

Pairs = Sequence[tuple[str, object]]
Rows = list[tuple[str, Pairs]]


class BadInputError(Exception):
    """What was given cannot be used, for these reasons; nothing was sent."""

    def __str__(self) -> str:
        return "\n".join((*self.args, "nothing was sent"))


def collect(
    order_ids: Iterable[str], client_oids: Iterable[str], file: str | None, symbols: Iterable[str]
) -> tuple[list[OrderRef], list[str]]:
    """
    Put together the orders of the options and of a file.

    Args:
        order_ids: The values of `--order-id`.
        client_oids: The values of `--client-oid`.
        file: The value of `--file`, if there is one; `-` is stdin.
        symbols: The values of `--symbol`; more than one would leave open whose they are.

    Returns:
        The orders, and where each of them stands.

    Raises:
        BadInputError: Names everything that is wrong.

    """
    symbol = {one.strip().upper() for one in symbols}
    problems = ["--symbol: give one pair, or a file with the column symbol"] if len(symbol) > 1 or "" in symbol else []
    rows: Rows = [("--order-id", [("orderId", value)]) for value in order_ids]
    rows += [("--client-oid", [("clientOid", value)]) for value in client_oids]
    if file is not None:
        name = "stdin" if file == "-" else file
        rows += _rows(name, _text(file, name), problems)
    elif not rows:
        problems.append("no orders: give --order-id, --client-oid or --file")
    orders = [_order(place, pairs, next(iter(symbol), ""), problems) for place, pairs in rows]
    if problems:
        raise BadInputError(*sorted(problems, key=lambda one: int((LINE.search(one) or "00")[1])))
    return orders, [place for place, _ in rows]


def plan(orders: list[OrderRef], places: list[str], batch_size: int | None) -> list[BatchCancelOrdersRequest]:
    """
    Make the requests, and tell of what is wrong with the orders together by their places.

    Raises:
        BadInputError: They cannot be cancelled as they are given.
        ValueError: The batch size is not one that the exchange takes.

    """
    try:
        return cancel_orders.plan(orders=orders, batch_size=batch_size)
    except InvalidBatchError as error:
        found = (re.sub(r"orders\[(\d+)\]", lambda at: places[int(at[1])], str(one)) for one in error.violations)
        raise BadInputError(*found) from None


def _text(file: str, name: str) -> str:
    content = b""
    try:
        source = io.BytesIO() if sys.stdin is None else sys.stdin.buffer
        content = source.read() if file == "-" else Path(file).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise BadInputError(f"{name}: {error.strerror}: check the path") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInputError(f"{name}:{line}: is not UTF-8: save it as 'CSV UTF-8'") from None
    if not re.search(r'[^\s,;"]', text):
        raise BadInputError(f"{name}: is empty: give a line for each order")
    return text


def _rows(name: str, text: str, problems: list[str]) -> Rows:
    is_json = text.lstrip()[0] in "{[" or Path(name).suffix in (".json", ".jsonl", ".ndjson")
    rows = (_json_rows if is_json else _csv_rows)(name, text, problems)
    long = [str(value) for _, pairs in rows for key, value in pairs if key == "orderId" and len(str(value)) > KEPT + 2]
    if len(long) > 1 and not any(one[KEPT:].strip("0") for one in long):
        problems.append(f"{name}: every orderId ends in zeros: a spreadsheet has rounded them; export them as text")
    return rows


def _csv_rows(name: str, text: str, problems: list[str]) -> Rows:
    # Where the comma is the decimal sign, spreadsheets write semicolons.
    sign = next((sign for sign in ",;\t" if sign in text.strip().partition("\n")[0]), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, skipinitialspace=True, strict=True)
    try:
        lines = [(f"{name}:{reader.line_num}", [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise BadInputError(f"{name}:{reader.line_num}: is no CSV: {error}") from None
    (first, header), *rows = (line for line in lines if any(line[1]))
    problems += [f"{first}: {problem}" for problem in _name_problems([column for column in header if column])]
    if set(IDS).isdisjoint(header):
        problems.append(f"{first}: no column orderId or clientOid: begin with a line such as symbol,orderId,clientOid")
        return []
    problems += [f"{place}: has more cells than the header" for place, cells in rows if any(cells[len(header) :])]
    return [(place, list(zip(header, cells, strict=False))) for place, cells in rows]


def _json_rows(name: str, text: str, problems: list[str]) -> Rows:
    rows: Rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place, pairs = f"{name}:{number}", _object(line)
            told = [NO_OBJECT] if pairs is None else _name_problems([key for key, _ in pairs])
            problems += [f"{place}: {problem}" for problem in told]
            rows.append((place, pairs or ()))
    return rows


def _object(line: str) -> Pairs | None:
    try:
        # Numbers as they are written: nineteen digits are more than a float can hold.
        found = json.loads(line, object_pairs_hook=tuple, parse_int=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, tuple) else None


def _name_problems(names: list[str]) -> Iterator[str]:
    unknown = [name for name in names if name not in KNOWN]
    yield from (
        f"unknown column {name[:SHOWN]!r}: {HINTS.get(name, 'there are symbol, orderId and clientOid')}"
        for name in unknown
    )
    yield from (f"{name} is there twice: remove one" for name, times in Counter(names).items() if times > 1)


def _order(place: str, pairs: Pairs, symbol: str, problems: list[str]) -> OrderRef:
    fields = {"symbol": symbol} if symbol else {}
    for name, value in pairs:
        if name in FIELDS and str(value or "").strip():
            text = str(value).strip()
            # As the exchange writes a trading pair.
            fields[FIELDS[name]] = text.upper() if name == "symbol" else text
            if problem := _value_problem(name, value, text):
                problems.append(f"{place}: {name} {text[:SHOWN]!r} {problem}")
    if fields.keys() <= {"symbol"} and not any(problem.startswith(f"{place}:") for problem in problems):
        problems.append(f"{place}: names no order: fill in an orderId or a clientOid")
    return OrderRef(**fields)


def _value_problem(name: str, value: object, text: str) -> str | None:
    wrong = {
        "is no id: a spreadsheet or a float has changed it; export the column as text": BY_SPREADSHEET.fullmatch(text),
        "is no text: put it in quotes": not isinstance(value, str),
        "holds a character that cannot be seen: type it again": not text.isprintable(),
        "is no decimal number: give the digits alone, one order at a time; your own id is a clientOid": name
        == "orderId"
        and not (text.isascii() and text.isdecimal()),
    }
    return next((problem for problem, is_so in wrong.items() if is_so), None)
