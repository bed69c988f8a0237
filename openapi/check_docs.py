"""
Compare a page of the vendor's documentation with the OpenAPI document.

    python openapi/check_docs.py PAGE             show what agrees and what differs
    python openapi/check_docs.py PAGE --accept    the same, and store the fingerprints of the page's texts: you have read them

PAGE is the page as HTML, as a browser saves it, or an export of it in Markdown. The exit status is 0 if page and document
agree, 1 if they differ, and 2 if the page cannot be read or is not about an operation of the document.

Compared are method, path, rate limit and scope, whether the operation is deprecated, and for each row its level, name,
type, values and maximum, and whether it is required or deprecated. Of the response example, the fields are compared: those
of the envelope, which pages show nowhere else, and those that the tables lack. Prose cannot be compared, so
`page-fingerprints.yaml` has a fingerprint of each text; the vendor's sentences are not stored. Three marks in the document
explain differences that are intended:

- `x-page-says`, on a parameter or field: the page's `type`, `required`, `maximum` or `values`, if the document has a better
  one: `{type: String}`;
- `x-only-on-page-of`, on a field of a schema that several operations share: the operations whose pages show it;
- `x-beyond-page`, on a parameter or field that no table shows: how it is known.

Not compared is what pages never show: error responses, null, the minimum length.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from attrs import astuple
from rich.console import Console
from rich.table import Table
from rich.text import Text

from document import DOCUMENT, load
from vendor_pages.comparison import AGREES, Finding, compare, operation_of
from vendor_pages.facts import PageError, texts_of
from vendor_pages.fingerprints import FINGERPRINTS, load_fingerprints, store_fingerprints
from vendor_pages.reader import parse_page
from vendor_pages.saved_page import read_page

MAX_COLUMN_WIDTH = 44


def show(findings: list[Finding]) -> None:
    """Print the findings: as a table on a terminal, otherwise one line for each."""
    heads = ("where", "the page", "the document", "")
    rows = [tuple(" ".join(cell.split()) for cell in astuple(finding)) for finding in findings]
    console = Console()
    if console.is_terminal:
        table = Table(*heads)
        for row in rows:
            table.add_row(*map(Text, row), style="" if row[-1] == AGREES else "bold red")
        console.print(table)
        return
    widths = [min(max(len(row[column]) for row in (heads, *rows)), MAX_COLUMN_WIDTH) for column in range(3)]
    for row in (heads, *rows):
        print(*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1], sep=" | ")


def main() -> int:
    """Check a page; return the exit status."""
    parser = argparse.ArgumentParser(description="Compare a page of the vendor with the document.")
    parser.add_argument("page", type=Path, help="a page as HTML or Markdown")
    parser.add_argument("--accept", action="store_true", help="store the fingerprints of the page's texts")
    arguments = parser.parse_args()
    document = load(DOCUMENT)
    try:
        page = parse_page(read_page(arguments.page))
        operation_id, operation = operation_of(page, document, load_fingerprints(FINGERPRINTS))
    except (OSError, PageError) as error:
        print(f"{arguments.page}: {error}", file=sys.stderr)
        return 2
    if arguments.accept:
        store_fingerprints(FINGERPRINTS, operation_id, texts_of(page))
        _, operation = operation_of(page, document, load_fingerprints(FINGERPRINTS))
    findings = compare(page, operation)
    show(findings)
    differing = [finding.place for finding in findings if finding.is_difference]
    if differing:
        print(f"{arguments.page}: {len(differing)} to check: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
