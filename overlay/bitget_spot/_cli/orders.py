"""
Reads orders from options and files.

Every problem is reported at once, each with its place and what to do. A spreadsheet keeps fifteen digits of an id of
nineteen, and an order that does not exist counts as gone. So ids are taken exactly as they are, or refused.
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
from typing import Final, TypeAlias

from attrs import define, field, frozen

from bitget_spot._bulk import cancel_orders
from bitget_spot._bulk.planner import FIELDS, check_symbol, suggested_symbol, symbol_problem
from bitget_spot._bulk.report import Outcome, Status
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.errors import InvalidBatchError
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef, UnifiedOrderRef

ID_COLUMNS: Final = ("orderId", "clientOid")
COLUMNS: Final = {*FIELDS, *Outcome(OrderRef(), Status.NOT_SENT).row()}
"""The columns of an order, and those of a report, whose rows are accepted as input."""
ALIASES: Final = {"order_id": "orderId", "client_oid": "clientOid"}
"""The names of the library's fields, which are accepted beside the vendor's."""
COLUMN_HINTS: Final = {"outcomes": "this is a whole report; convert it with `jq -c '.outcomes[]'`"}
DEFAULT_COLUMN_HINT: Final = "use symbol, orderId and clientOid"
SPREADSHEET_NUMBER: Final = re.compile(r"\d+([.,]\d+)?E\+?\d+", re.IGNORECASE)
SPREADSHEET_DIGITS: Final = 15
"""Digits of a number that a spreadsheet keeps; it replaces the others by zeros."""
DELIMITERS: Final = ",;\t"
"""Of a CSV file. Spreadsheets write semicolons if the comma is the decimal separator."""
JSON_SUFFIXES: Final = (".json", ".jsonl", ".ndjson")
MAX_DISPLAY: Final = 60
"""Characters of an invalid value that a message shows."""

Fields: TypeAlias = Sequence[tuple[str, object]]


class BadInputError(Exception):
    """The input is not valid, for these reasons; nothing was sent."""

    def __str__(self) -> str:
        return "\n".join((*self.args, "nothing was sent"))


@frozen
class CollectedOrders:
    """Orders, and the place of each in the input."""

    orders: list[OrderRef]
    places: list[str]


def collect(
    order_ids: Iterable[str], client_oids: Iterable[str], file: str | None, symbols: Iterable[str]
) -> CollectedOrders:
    """
    Return the orders of the options and of a file.

    Args:
        order_ids: The values of `--order-id`.
        client_oids: The values of `--client-oid`.
        file: The value of `--file`, if it is given; `-` is stdin.
        symbols: The values of `--symbol`; with more than one it would not be known which order has which.

    Raises:
        BadInputError: It names everything that is wrong.

    """
    problems = _Problems()
    rows = [_Row("--order-id", 0, [("orderId", value)]) for value in order_ids]
    rows += [_Row("--client-oid", 0, [("clientOid", value)]) for value in client_oids]
    if file is not None:
        name = "stdin" if file == "-" else file
        rows += _rows(name, _read_text(file, name), problems)
    elif not rows:
        problems.add("", "no orders; use --order-id, --client-oid or --file")
    symbol = _default_symbol(symbols, problems)
    orders = [_order(row, symbol, problems) for row in rows]
    problems.raise_if_any()
    return CollectedOrders(orders, [row.place for row in rows])


def plan(
    collected: CollectedOrders, batch_size: int | None, account_type: AccountType | None, category: str
) -> list[BatchCancelOrdersRequest] | list[list[UnifiedOrderRef]]:
    """
    Return the requests; what is wrong with the orders is reported by their places in the input.

    Raises:
        BadInputError: The orders cannot be cancelled as they are given.
        ValueError: The batch size is not one that the exchange takes, or the account does not have the category.

    """

    def place(match: re.Match[str]) -> str:
        return collected.places[int(match[1])]

    try:
        return cancel_orders.plan(
            orders=collected.orders, batch_size=batch_size, account_type=account_type, category=category
        )
    except InvalidBatchError as error:
        problems = [re.sub(r"orders\[(\d+)\]", place, str(violation)) for violation in error.violations]
        raise BadInputError(*problems) from None


@frozen
class _Row:
    """One order of the input: where it is, the number of its line, and its fields."""

    place: str
    line: int
    fields: Fields


@frozen
class _Problem:
    """One thing that is wrong with the input."""

    place: str
    message: str
    line: int

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


@define
class _Problems:
    """Everything that is wrong with the input."""

    _found: list[_Problem] = field(factory=list)

    def add(self, place: str, message: str, line: int = 0) -> None:
        self._found.append(_Problem(place, message, line))

    def has_place(self, place: str) -> bool:
        return any(problem.place == place for problem in self._found)

    def raise_if_any(self) -> None:
        if self._found:
            by_line = sorted(self._found, key=lambda problem: problem.line)
            raise BadInputError(*(str(problem) for problem in by_line))


def _default_symbol(symbols: Iterable[str], problems: _Problems) -> str | None:
    names = {symbol.strip().upper() for symbol in symbols}
    if len(names) > 1 or "" in names:
        problems.add("--symbol", "specify one trading pair, or use a file with a symbol column")
        return None
    symbol = next(iter(names), None)
    try:
        check_symbol("--symbol", symbol)
    except ValueError as error:
        problems.add("", str(error))
    return symbol


def _read_text(file: str, name: str) -> str:
    try:
        content = _read_stdin() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise BadInputError(f"{name}: {error.strerror}; check the path") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInputError(f"{name}:{line}: not UTF-8; save the file as 'CSV UTF-8'") from None
    if not re.search(r'[^\s,;"]', text):
        raise BadInputError(f"{name}: the file is empty; add one line for each order")
    return text


def _read_stdin() -> bytes:
    return b"" if sys.stdin is None else sys.stdin.buffer.read()


def _rows(name: str, text: str, problems: _Problems) -> list[_Row]:
    is_json = text.lstrip()[0] in "{[" or Path(name).suffix in JSON_SUFFIXES
    rows = list(_json_rows(name, text, problems) if is_json else _csv_rows(name, text, problems))
    if _are_rounded([str(value) for row in rows for column, value in row.fields if column == "orderId"]):
        problems.add(
            name, "every orderId ends in zeros, so a spreadsheet has probably rounded them; export the column as text"
        )
    return rows


def _are_rounded(order_ids: Iterable[str]) -> bool:
    """Return whether several ids all have nothing but zeros where a spreadsheet keeps no digits."""
    long = [order_id for order_id in order_ids if len(order_id) > SPREADSHEET_DIGITS + 2]
    return len(long) > 1 and all(set(order_id[SPREADSHEET_DIGITS:]) == {"0"} for order_id in long)


def _csv_rows(name: str, text: str, problems: _Problems) -> Iterator[_Row]:
    first_line = text.strip().partition("\n")[0]
    delimiter = next((character for character in DELIMITERS if character in first_line), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise BadInputError(f"{name}:{reader.line_num}: not valid CSV: {error}") from None
    (header_line, names), *rows = (line for line in lines if any(line[1]))
    header = [ALIASES.get(name, name) for name in names]
    _check_columns(f"{name}:{header_line}", header_line, [column for column in header if column], problems)
    if set(ID_COLUMNS).isdisjoint(header):
        problems.add(
            f"{name}:{header_line}",
            "missing column orderId or clientOid; begin the file with a header such as symbol,orderId,clientOid",
            header_line,
        )
        return
    for line, cells in rows:
        place = f"{name}:{line}"
        if any(cells[len(header) :]):
            problems.add(place, "more cells than the header has; check the delimiter and the quotes", line)
        yield _Row(place, line, list(zip(header, cells, strict=False)))


def _json_rows(name: str, text: str, problems: _Problems) -> Iterator[_Row]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        place = f"{name}:{line}"
        pairs = _parse_object(content)
        if pairs is None:
            problems.add(place, "not a JSON object; write one object per line, as `jq -c` does", line)
            continue
        fields = [(ALIASES.get(name, name), value) for name, value in pairs]
        _check_columns(place, line, [column for column, _ in fields], problems)
        yield _Row(place, line, fields)


def _parse_object(text: str) -> Fields | None:
    """Return the pairs of a JSON object, repeated names included; `None` if the text is not one."""
    try:
        # Numbers as they are written: nineteen digits are more than a float can hold.
        value = json.loads(text, object_pairs_hook=tuple, parse_int=str)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, tuple) else None


def _check_columns(place: str, line: int, names: Sequence[str], problems: _Problems) -> None:
    for name, count in Counter(names).items():
        if name not in COLUMNS:
            hint = COLUMN_HINTS.get(name, DEFAULT_COLUMN_HINT)
            problems.add(place, f"unknown column {name[:MAX_DISPLAY]!r}; {hint}", line)
        if count > 1:
            problems.add(place, f"duplicate column {name}; remove one", line)


def _order(row: _Row, default_symbol: str | None, problems: _Problems) -> OrderRef:
    fields: dict[str, str] = {}
    if default_symbol:
        fields["symbol"] = default_symbol
    for column, value in row.fields:
        text = str(value or "").strip()
        if column not in FIELDS or not text:
            continue
        problem = _value_problem(column, value, text)
        if problem:
            problems.add(row.place, f"{column} {text[:MAX_DISPLAY]!r} {problem}", row.line)
        # The exchange writes trading pairs in upper case.
        fields[FIELDS[column]] = text.upper() if column == "symbol" else text
    if fields.keys() <= {"symbol"} and not problems.has_place(row.place):
        problems.add(row.place, "no order id; fill in orderId or clientOid", row.line)
    return OrderRef(**fields)


def _value_problem(column: str, value: object, text: str) -> str | None:
    if SPREADSHEET_NUMBER.fullmatch(text):
        return "is not a valid id; it looks like a number changed by a spreadsheet: export the column as text"
    if not isinstance(value, str):
        return "is not text; put it in quotes"
    if column == "symbol" and symbol_problem(text):
        return f"is not a valid symbol; did you mean {suggested_symbol(text)}?"
    if not text.isprintable():
        return "contains an invisible character; retype it"
    if column == "orderId" and not (text.isascii() and text.isdecimal()):
        return "must contain digits only; put one order on each line, and use clientOid for your own ids"
    return None
