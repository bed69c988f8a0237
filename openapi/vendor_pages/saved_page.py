"""A saved page as Markdown: an export as it is, and an HTML file converted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from bs4 import BeautifulSoup, Tag
from markdownify import ATX, markdownify

from vendor_pages.facts import PageError

HTML: Final = re.compile(r"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html)\b", re.IGNORECASE | re.DOTALL)
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
    return to_markdown(text) if HTML.match(text) else text


def to_markdown(html: str) -> str:
    """Convert a page from HTML."""
    soup = BeautifulSoup(html, "html.parser")
    content = next((found for found in map(soup.select_one, CONTENT) if found is not None), soup)
    for surrounding in content.find_all(SURROUNDINGS):
        surrounding.decompose()
    for line_break in content.select("pre br"):
        line_break.replace_with("\n")
    for cell in content.find_all(["td", "th"]):
        _escape_pipes(cell)
    return str(markdownify(str(content), heading_style=ATX, table_infer_header=True))


def _escape_pipes(cell: Tag) -> None:
    """A pipe in a cell would begin another one in Markdown."""
    for text in cell.find_all(string=re.compile(r"\|")):
        text.replace_with(text.replace("|", "\\|"))
