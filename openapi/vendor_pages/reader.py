"""The facts of a page."""

from __future__ import annotations

import re

from attrs import define, field

from vendor_pages.blocks import Block, lines_of, read_blocks
from vendor_pages.examples import JsonObject, example_members, parse_example, rows_placed_by_example
from vendor_pages.facts import INVISIBLE, Facts, Member, PageError, fingerprint, normalize
from vendor_pages.tables import Rows, add_rows, rows_of
from vendor_pages.wording import BARE_LIMIT, BATCH_LIMIT, CALL, DEPRECATION, LIMIT, limit_and_scope, number


def parse_page(markdown: str) -> Facts:
    """
    Read a page.

    Raises:
        PageError: The page is empty, has a broken table, or names no method and path.

    """
    if not markdown.translate(INVISIBLE).strip():
        raise PageError("the page is empty")
    reader = PageReader()
    for block in lines_of(read_blocks(markdown)):
        reader.read(block)
    return reader.facts()


@define
class PageReader:
    """Collects the facts of a page, piece by piece."""

    prose: list[str] = field(factory=list)
    tables: list[tuple[str, Rows]] = field(factory=list)
    example: JsonObject | None = None
    call: re.Match[str] | None = None
    limit: re.Match[str] | None = None
    batch_limit: re.Match[str] | None = None
    deprecation: str = ""

    def read(self, block: Block) -> None:
        """Take a line, a piece of code or a table."""
        if block.tag == "table":
            self._read_table(block)
        elif block.tag == "code":
            self.example = self.example or parse_example(block.text)
        elif block.tag == "h1":
            self._read_deprecation(block.text)
        else:
            self._read_line(block.text)

    def _read_line(self, line: str) -> None:
        """Take a line of text: the rate limit, the method and path, or prose."""
        if self.limit is None:
            normalized = normalize(line)
            self.limit = LIMIT.search(normalized) or BARE_LIMIT.fullmatch(normalized)
            if self.limit is not None:
                self.prose.append(normalized[self.limit.end() :].strip(" .,;"))
                return
        if self.call is None:
            self.call = CALL.fullmatch(line)
            if self.call is not None:
                return
        self.batch_limit = self.batch_limit or BATCH_LIMIT.search(normalize(line))
        self._read_deprecation(line)
        self.prose.append(line)

    def _read_table(self, table: Block) -> None:
        """Take a table: parameters, fields, or prose."""
        rows = rows_of(table)
        if rows is None:
            for row in table.rows:
                self.prose += [cell.text for cell in row]
        elif rows:
            is_response = all(row.required is None for _, row in rows)
            self.tables.append((table.part or ("response" if is_response else "request"), rows))

    def _read_deprecation(self, text: str) -> None:
        if DEPRECATION.search(text):
            self.deprecation = self.deprecation or text

    def facts(self) -> Facts:
        """
        Return what has been read.

        Raises:
            PageError: There was no method and path.

        """
        if self.call is None:
            raise PageError("no line of the page names a method and a path, as in `GET /api/v2/public/time`")
        text = " ".join(line for line in self.prose if line)
        limit, scope = limit_and_scope(self.limit)
        return Facts(
            method=self.call["method"],
            path=self.call["path"],
            limit=limit,
            scope=scope,
            batch_limit=number(self.batch_limit),
            members=self._members(),
            text=text,
            fingerprint=fingerprint(text),
            deprecation=self.deprecation,
        )

    def _members(self) -> dict[str, Member]:
        """Return the rows of all tables, and the fields that only the example has."""
        members: dict[str, Member] = {}
        for part, rows in self.tables:
            if part == "response":
                place, placed = rows_placed_by_example(rows, self.example)
                add_rows(members, place, placed)
            else:
                add_rows(members, part, rows)
        if self.example is not None:
            members = {
                **members,
                **{place: member for place, member in example_members(self.example).items() if place not in members},
            }
        return members
