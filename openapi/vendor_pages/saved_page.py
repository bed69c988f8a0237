"""A saved page as Markdown: HTML is converted, as a whole or only the tables of an export."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from bs4 import BeautifulSoup, Tag
from markdownify import ATX, markdownify

from vendor_pages.facts import PageError

HTML: Final = re.compile(r"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html)\b", re.IGNORECASE | re.DOTALL)
HTML_SUFFIXES: Final = (".html", ".htm", ".xhtml")
HTML_TABLE: Final = re.compile(r"<table\b.*?</table\s*>", re.IGNORECASE | re.DOTALL)
CONTENT: Final = (".theme-doc-markdown", "article .markdown", "article", "main", "body")
"""The page itself, without the site around it: the first of these that there is."""
SURROUNDINGS: Final = ("script", "style", "noscript", "template", "nav", "aside", "footer", "button", "svg")


def read_page(path: Path) -> str:
    """
    Return a saved page as Markdown.

    Raises:
        OSError: The file cannot be read.
        PageError: The file is not text.

    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PageError("the file is not text in UTF-8; save the page as Markdown or HTML") from error
    if HTML.match(text) or path.suffix.lower() in HTML_SUFFIXES:
        return to_markdown(text)
    return HTML_TABLE.sub(_table_to_markdown, text)


def to_markdown(html: str) -> str:
    """Convert a page from HTML."""
    soup = BeautifulSoup(html, "html.parser")
    content = next((found for found in map(soup.select_one, CONTENT) if found is not None), soup)
    for surrounding in content.find_all(SURROUNDINGS):
        surrounding.decompose()
    for line_break in content.select("pre br"):
        line_break.replace_with("\n")
    for cell in content.find_all(["td", "th"]):
        _simplify(cell)
    return str(markdownify(str(content), heading_style=ATX, table_infer_header=True))


def _table_to_markdown(table: re.Match[str]) -> str:
    """Convert a table that an exporter has left as HTML; the lines below keep their numbers if they can."""
    markdown = to_markdown(table[0]).strip()
    missing_lines = table[0].count("\n") - markdown.count("\n") - 2
    return f"\n{markdown}\n" + "\n" * max(missing_lines, 0)


def _simplify(cell: Tag) -> None:
    """Remove from a cell what Markdown cannot have there: lists, and pipes, which would begin another cell."""
    for item in cell.find_all(["ul", "ol", "li"]):
        item.insert_before(" ")
        item.insert_after(" ")
        item.unwrap()
    for text in cell.find_all(string=re.compile(r"\|")):
        text.replace_with(text.replace("|", "\\|"))
