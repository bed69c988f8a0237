"""The rows of a table of parameters or fields."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import evolve

from vendor_pages.blocks import Block, Cell
from vendor_pages.facts import Member, fingerprint
from vendor_pages.wording import (
    BOUND_INTRODUCTION,
    COLUMN_OF,
    DEPRECATED_MARK,
    DEPRECATION,
    EMPTY_WORDS,
    EXAMPLE_INTRODUCTION,
    MAXIMUM,
    REQUIRED,
    SEPARATOR,
    number,
    type_name,
)

Rows = list[tuple[str, Member]]
"""Each row's name, with its marks of the level, and what the row says."""


def rows_of(table: Block) -> Rows | None:
    """Return the rows of a table of parameters or fields; None for another table."""
    columns = [COLUMN_OF.get(re.sub(r"[^a-z]", "", cell.text.lower()), "") for cell in table.rows[0]]
    if not {"name", "type"} <= set(columns):
        return None
    rows = []
    for row in table.rows[1:]:
        cells = dict(zip(columns, row, strict=False))
        name = cells["name"].text.strip().replace("~~", "")
        if name.strip(":-").lower() not in EMPTY_WORDS:  # some exports have a second line of dashes
            rows.append((DEPRECATED_MARK.sub("", name), _member_of(cells)))
    return rows


def add_rows(members: dict[str, Member], part: str, rows: Rows) -> None:
    """Add rows under their places: `>` before a name means one level below the row above."""
    path: list[str] = []
    for marked_name, row in rows:
        name = marked_name.lstrip("> ")
        level = marked_name[: len(marked_name) - len(name)].count(">")
        path = [*path[:level], *("?" for _ in range(level - len(path))), name]
        place = f"{part} {' > '.join(path)}"
        while place in members:
            place += " (again)"
        members[place] = row if part == "request" else without_request_facts(row)


def without_request_facts(member: Member) -> Member:
    """Return a member of a response, for which neither side says more than the type and the text."""
    return evolve(member, required=None, maximum=None, values=frozenset())


def _member_of(cells: Mapping[str, Cell]) -> Member:
    empty = Cell("")
    name = cells["name"].text
    text = cells.get("text", empty).text.strip()
    required = cells["required"].text.strip() if "required" in cells else None
    return Member(
        types=frozenset({type_name(cells["type"].text.strip())}),
        required=None if required is None else REQUIRED.get(required.lower(), required),
        maximum=number(MAXIMUM.search(text)),
        values=_values_in(cells.get("text", empty)),
        text=text,
        fingerprint=fingerprint(text),
        deprecated=bool(DEPRECATED_MARK.search(name) or "~~" in name or DEPRECATION.search(text)),
    )


def _values_in(cell: Cell) -> frozenset[str]:
    """Return every word in backticks that is neither an example nor the number of a bound."""
    values: set[str] = set()
    is_example = False
    for before, code in cell.code:
        is_example = bool(EXAMPLE_INTRODUCTION.search(before)) or (is_example and bool(SEPARATOR.fullmatch(before)))
        is_bound = code.strip().isdecimal() and BOUND_INTRODUCTION.search(before)
        if not is_example and not is_bound:
            values.update(re.findall(r"[\w.-]+", code))
    return frozenset(values)
