"""The lines, tables and code of a page, in order, each with the part of the page that it belongs to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen
from markdown_it import MarkdownIt
from markdown_it.token import Token

from vendor_pages.facts import INVISIBLE, PageError
from vendor_pages.wording import EMPTY_WORDS, FOOTER, LABEL, PAGINATION

MIN_STRAY_PIPES: Final = 3
"""From so many on, a line outside all tables is taken for a part of a broken one."""
FRONT_MATTER: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
PIPE: Final = re.compile(r"(?<!\\)\|")


@frozen
class Cell:
    """A cell of a table."""

    text: str
    code: tuple[tuple[str, str], ...] = ()
    """Each piece of code in it, with the text between it and the one before."""


@frozen
class Block:
    """A heading, a paragraph, a piece of code, or a table."""

    tag: str
    """`h1`, `p`, `code`, `table`, and so on."""
    text: str = ""
    rows: tuple[tuple[Cell, ...], ...] = ()
    part: str = ""
    """`request`, `response`, or empty for neither."""


def read_blocks(markdown: str) -> list[Block]:
    """
    Return the blocks of a page, without what an exporter has added around it.

    Raises:
        PageError: A table is broken; the message has the line.

    """
    text = markdown.translate(INVISIBLE).replace("\r\n", "\n").replace("\r", "\n")
    for pattern in (FRONT_MATTER, PAGINATION):
        text = pattern.sub(_empty_lines, text)
    blocks = _without_footer(list(_parse(_without_line_below_table(text))))
    return _without_footer(blocks[::-1])[::-1]


def lines_of(blocks: list[Block]) -> Iterator[Block]:
    """Yield tables, code and the single lines of texts, each with its part; labels only decide the part."""
    part = ""
    prefix = ""
    for block in blocks:
        if block.tag in {"table", "code"}:
            yield evolve(block, part=part)
            continue
        for line in block.text.split("\n"):
            label = LABEL.fullmatch(re.sub(r"\{#.*?\}|[^a-z]", "", line.lower()))
            if label:
                part = (label["part"] or "").replace("return", "response")
                prefix = "rate limit: " if label["limit"] else ""
            elif line.strip().lower() not in EMPTY_WORDS:
                yield Block(block.tag, prefix + line.strip(), part=part)


def _parse(text: str) -> Iterator[Block]:
    lines = text.split("\n")
    tag = ""
    table: list[list[Cell]] | None = None
    # A rule of the vendor is a rule also in a block of HTML, or if it is indented.
    parser = MarkdownIt("commonmark").enable("table").disable(["html_block", "code"])
    for token in parser.parse(text):
        if token.type == "table_open":
            table = []
        elif token.type == "table_close" and table:
            yield Block("table", rows=tuple(map(tuple, table)))
            table = None
        elif token.type == "tr_open" and table is not None:
            _refuse_broken_row(lines, token, table)
            table.append([])
        elif token.type == "inline" and table:
            table[-1].append(_cell(token))
        elif token.type == "inline":
            _refuse_stray_row(lines, token)
            yield Block(tag, _cell(token, line_break="\n").text)
        elif token.type == "fence":
            yield Block("code", token.content)
        else:
            tag = token.tag


def _cell(inline: Token, line_break: str = " ") -> Cell:
    """Return the text of an inline token without markup, and the pieces of code in it."""
    text = ""
    code: list[tuple[str, str]] = []
    code_start: int | None = None
    between_start = 0
    for child in inline.children or ():
        if child.type == "text":
            text += child.content
        elif child.type in {"softbreak", "hardbreak"}:
            text += line_break
        elif child.type == "code_inline":
            code.append((text[between_start:], child.content))
            text += child.content
            between_start = len(text)
        elif child.content.startswith("<br"):
            text += " "
        elif child.content.startswith("<code"):
            code_start = len(text)
        elif child.content.startswith("</code") and code_start is not None:
            code.append((text[between_start:code_start], text[code_start:]))
            between_start = len(text)
            code_start = None
    return Cell(unicodedata.normalize("NFKC", text), tuple(code))


def _refuse_broken_row(lines: list[str], token: Token, table: list[list[Cell]]) -> None:
    """
    Refuse a row that does not have a cell for each column: some exports break a cell at `<br>`.

    Raises:
        PageError: It has fewer or more.

    """
    start = token.map[0] if token.map else 0
    # A quotation mark or a list's bullet may stand before the row.
    row = re.sub(r"^[\s>*+-]*(?=\|)", "", lines[start]).strip().removeprefix("|")
    cells = PIPE.split(row.removesuffix("|") if not row.endswith("\\|") else row)
    if table and len(cells) != len(table[0]) and cells[0].strip().lower() not in EMPTY_WORDS:
        raise PageError(
            f"line {start + 1}: the row has {len(cells)} of {len(table[0])} cells; the export has broken a cell there. "
            "Save the page as HTML"
        )


def _refuse_stray_row(lines: list[str], token: Token) -> None:
    """
    Refuse a line that looks like a row of a table, outside all tables.

    Raises:
        PageError: There is one.

    """
    start, end = token.map or (0, 0)
    for index in range(start, end):
        line = re.sub(r"`[^`]*`", "", lines[index]).strip()
        if line.startswith("|") or len(PIPE.findall(line)) >= MIN_STRAY_PIPES:
            raise PageError(
                f"line {index + 1}: cells of a table, outside all tables; the export has broken a cell there or above. "
                "Save the page as HTML"
            )


def _empty_lines(passage: re.Match[str]) -> str:
    """Return what takes the place of a passage, so that the lines below keep their numbers."""
    return "\n" * passage[0].count("\n")


def _without_line_below_table(text: str) -> str:
    """Return the text without a footer right below the last table: Markdown takes such a line for a row."""
    above, _, line = text.rstrip().rpartition("\n")
    row = above.rpartition("\n")[2]
    is_footer = not PIPE.search(line) and FOOTER.fullmatch(line.strip(" \t*_"))
    return above if is_footer and PIPE.search(row) else text


def _without_footer(blocks: list[Block]) -> list[Block]:
    """Return the blocks without those at the start, in this order, that belong to an exporter or to the site."""
    while blocks and blocks[0].tag not in {"table", "code"} and FOOTER.fullmatch(blocks[0].text.strip()):
        blocks = blocks[1:]
    return blocks
