"""
The response example of a page.

It is the only place where a page shows the envelope, and it shows fields that tables lack. Some tables leave out the list
that their rows are in, or name one that is not there; then the example decides where the rows belong.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vendor_pages.facts import ENVELOPE, Member
from vendor_pages.tables import Rows

JSON_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
COMMENT: Final = re.compile(r"(?<![:/\"'\w])//[^\n\"]*$", re.MULTILINE)
TRAILING_COMMA: Final = re.compile(r",(?=\s*[}\]])")

JsonObject = Mapping[str, Any]


def parse_example(code: str) -> JsonObject | None:
    """Return a response example; None for another piece of code, or one that cannot be read."""
    plain = TRAILING_COMMA.sub("", COMMENT.sub("", code))
    for text in (code, plain, unicodedata.normalize("NFKC", plain)):
        try:
            value = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, dict) and "code" in value else None
    return None


def example_members(example: JsonObject) -> dict[str, Member]:
    """Return the fields of a response example by their places."""
    members = {f"{ENVELOPE}{name}": _member_of(value) for name, value in example.items()}
    for path, value in _fields(example.get("data")):
        members[f"response {' > '.join(path)}"] = _member_of(value)
    return members


def rows_placed_by_example(rows: Rows, example: JsonObject | None) -> tuple[str, Rows]:
    """Return the part of the page that the rows of a response belong to, and the rows at their level."""
    names = {name for name, _ in rows if not name.startswith(">")}
    if example is None or not names:
        return "response", rows
    data = _first_object(example.get("data"))
    if data is None:
        return (ENVELOPE.strip() if names <= example.keys() else "response"), rows
    if data.keys() & names:
        return "response", rows
    return "response", _in_list_of_example(rows, names, data) or _without_list_of_table(rows, names, data) or rows


def _in_list_of_example(rows: Rows, names: set[str], data: JsonObject) -> Rows:
    """Return the rows one level lower, if they are those of a list that only the example has; none if not."""
    for name, value in data.items():
        inner = _first_object(value)
        if inner is not None and names & inner.keys():
            container = Member(types=frozenset({JSON_TYPES[type(value)]}))
            return [(name, container), *((f">{marked_name}", row) for marked_name, row in rows)]
    return []


def _without_list_of_table(rows: Rows, names: set[str], data: JsonObject) -> Rows:
    """Return the rows one level higher, if only the table has the list that they are in; none if not."""
    inner_names = {name.lstrip("> ") for name, _ in rows if name.startswith(">")}
    if len(names) > 1 or not inner_names & data.keys():
        return []
    return [(name.removeprefix(">").strip(), row) for name, row in rows[1:]]


def _fields(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every field below a value with its path; the rows of a list are taken together."""
    if isinstance(value, list):
        for item in value:
            yield from _fields(item, path)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield (*path, name), member
            yield from _fields(member, (*path, name))


def _first_object(value: object) -> JsonObject | None:
    """Return a value that is an object, or the first of a list; None for another value."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, dict) and value else None


def _member_of(value: object) -> Member:
    types = frozenset() if value is None else frozenset({JSON_TYPES[type(value)]})
    return Member(types=types, only_in_example=True)
