"""Whatever a page of the vendor's contains: the check shows what differs from the document, or says what it cannot read."""

from __future__ import annotations

import io
import re
import sys
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import check_docs
from check_docs import show
from document import DOCUMENT, Node, parse
from vendor_pages.comparison import compare, operation_of
from vendor_pages.facts import PageError, texts_of
from vendor_pages.fingerprints import FINGERPRINTS, load_fingerprints, store_fingerprints
from vendor_pages.reader import parse_page
from vendor_pages.saved_page import to_markdown

from .hostile_input import fuzz_settings

SOURCE: Final = DOCUMENT.read_text("utf-8")
READ_TEXTS: Final = load_fingerprints(FINGERPRINTS)
PAGE: Final = """# Batch Cancel

Rate limit: 10 req/sec/UID

### Description

Cancels many orders.

### HTTP Request

- POST /api/v2/spot/trade/batch-cancel-order

### Request Parameters

| Parameter | Type | Required | Description |
| :--- | :--- | :--- | :--- |
| symbol | String | No | The pair, e.g. `BTCUSDT` |
| batchMode | String | No | `single`, `multiple` |
| orderList | Array | Yes | The orders, maximum length: 50 |
| > orderId | String | No | The id |
| > clientOid | String | No | Your own id |

Response Example

```json
{"code": "00000", "msg": "success", "requestTime": 1, "data": {"successList": [{"orderId": "1"}], "failureList": []}}
```

### Response Parameters

| Parameter | Type | Description |
| :--- | :--- | :--- |
| successList | Array | The accepted orders |
| > orderId | String | The id |
| failureList | Array | The failed orders |
"""
PAGE_LINES: Final = PAGE.splitlines()
RATE_LIMITS: Final = (
    "Rate limit: 10 times/1s (IP)",
    "frequency limit 99999 per 9 days/user id",
    "Rate limit: <9x400>/1s",
)
MAXIMA: Final = ("max 100", "up to 1,000,000 items", "maximum <9x5000>")
MARKDOWN: Final = (
    "> ",
    ">>> x",
    "| a | b |",
    "|",
    "||||",
    "---",
    "- - - - -",
    "# ",
    "`",
    "```",
    "~~~",
    "[x](y)",
    "<br/>",
    "<table>",
    "&amp;",
    "\\|",
    "!",
    "*",
    "_",
    "[]",
    "<[x300>",
    "<>x300>",
)
YAML_SYNTAX: Final = ("required: yes", ": #", '"', "'", "{a: b}")
CHARACTERS: Final = ("\ufeff", "\u200b", "\t", "\u2028", "٣", "\uff12")
WORDS: Final = (
    "GET /",
    "POST http://x/y?z",
    "N/A",
    "request",
    "response",
    "Request Parameters",
    "Array",
    "List<String>",
    "<9x400>",
    "<9x5000>",
)
FRAGMENTS: Final = RATE_LIMITS + MAXIMA + MARKDOWN + YAML_SYNTAX + CHARACTERS + WORDS
NUMBERS: Final = ("0", "00", "<9x20>", "<9x310>", "<9x400>", "<9x5000>", "٣", "1,000", "-1", "1e9")
"""Numbers of all kinds; `<9x20>` stands for twenty nines (see `expand`)."""

texts = st.sampled_from(FRAGMENTS) | st.text(max_size=12)
any_lines = st.lists(st.sampled_from(PAGE_LINES) | texts | st.lists(texts, max_size=5).map(" | ".join), max_size=40)
good_lines = st.just(PAGE_LINES)


@st.composite
def pages(draw: st.DrawFn) -> str:
    """Draw pages: any lines, or a good page with lines removed, changed, repeated or reversed, and a number replaced."""
    lines = list(draw(good_lines | good_lines | any_lines))
    for _ in range(draw(st.integers(0, 6))):
        index = draw(st.integers(0, max(len(lines) - 1, 0)))
        line = lines[index] if lines else ""
        replaced = draw(st.integers(0, 2))
        change = draw(st.sampled_from(["remove", "repeat", "reverse", "insert"]))
        if change == "remove":
            new_lines = []
        elif change == "repeat":
            new_lines = [line, line]
        elif change == "reverse":
            new_lines = lines[index::-1][:3]
        else:
            position = draw(st.integers(0, len(line)))
            new_lines = [line[:position] + draw(texts) + line[position:]]
        lines[index : index + replaced] = new_lines
    page = draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines)
    return _with_number_replaced(page, draw(st.integers(0, 12)), draw(st.sampled_from(NUMBERS)))


def _with_number_replaced(page: str, index: int, number: str) -> str:
    """Replace one of the numbers of a page, if it has so many."""
    matches = list(re.finditer(r"(?<![<x])\d+", page))
    if index >= len(matches):
        return page
    start, end = matches[index].span()
    return page[:start] + number + page[end:]


def expand(page: str) -> str:
    """Replace each `<9x400>` by four hundred nines: until then the page is short enough to be shown."""
    return re.sub(r"<(.)x(\d+)>", lambda match: match[1] * int(match[2]), page)


@pytest.fixture(scope="module")
def document() -> Node:
    """The OpenAPI document."""
    return parse(SOURCE)


@fuzz_settings(100)
@given(page=pages(), is_html=st.booleans())
def test_any_page(page: str, *, is_html: bool, document: Node) -> None:
    """A page is compared with the document, or refused with a reason; the findings can always be shown."""
    try:
        facts = parse_page(to_markdown(expand(page)) if is_html else expand(page))
        _, operation = operation_of(facts, document, READ_TEXTS)
    except PageError as error:
        assert str(error)
        return
    with redirect_stdout(io.StringIO()):
        show(compare(facts, operation))


@fuzz_settings(20, share_of=100)
@given(page=pages())
def test_accept_changes_one_operation(page: str, document: Node, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Accepting a page stores the fingerprints of its texts, and leaves those of all other operations as they are."""
    try:
        facts = parse_page(expand(page))
        operation_id, _ = operation_of(facts, document, READ_TEXTS)
    except PageError:
        return
    path = tmp_path_factory.mktemp("fingerprints") / "fingerprints.yaml"
    path.write_text(FINGERPRINTS.read_text("utf-8"), "utf-8")
    store_fingerprints(path, operation_id, texts_of(facts))
    assert load_fingerprints(path) == {**READ_TEXTS, operation_id: texts_of(facts)}


@pytest.mark.parametrize(
    "name",
    [
        "a: b",
        "# a",
        '"a',
        "a\\",
        "- a",
        "{a",
        "a #b",
        "'",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "? a",
        "| a",
        "null",
        "٣",
    ],
)
def test_parameter_name_with_yaml_syntax(name: str, tmp_path: Path) -> None:
    """The name of a parameter is stored as it is, even if it has a meaning in YAML."""
    page = PAGE.replace("| symbol |", "| " + name.replace("|", "\\|") + " |")
    texts = texts_of(parse_page(page))
    path = tmp_path / "fingerprints.yaml"
    store_fingerprints(path, "batchCancelOrders", texts)
    assert load_fingerprints(path) == {"batchCancelOrders": texts}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("place", ["10 req", "sec/UID", "50"])
def test_any_number(number: str, place: str, document: Node) -> None:
    """Any number in a page is read or ignored."""
    replacement = {"10 req": f"{number} req", "sec/UID": f"{number} s/UID"}.get(place, number)
    page = PAGE.replace(place, replacement)
    with redirect_stdout(io.StringIO()):
        facts = parse_page(expand(page))
        show(compare(facts, operation_of(facts, document, READ_TEXTS)[1]))


@pytest.mark.parametrize(
    "page",
    [b"", b"\xff\xfe", b"\x00" * 100, PAGE.encode("utf-16"), b"# x", PAGE.encode("utf-8-sig"), PAGE.encode()[:200]],
    ids=["empty", "bytes", "zeros", "utf-16", "title-only", "utf-8-sig", "truncated"],
)
@pytest.mark.parametrize("accepting", [False, True])
def test_command(page: bytes, accepting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command exits with 0, 1 or 2, and writes to stderr unless it is 0."""
    monkeypatch.setattr(check_docs, "FINGERPRINTS", tmp_path / "fingerprints.yaml")
    file = tmp_path / "page.md"
    file.write_bytes(page)
    arguments = ["check_docs.py", str(file)]
    if accepting:
        arguments.append("--accept")
    monkeypatch.setattr(sys, "argv", arguments)
    stderr = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(stderr):
        status = check_docs.main()
    assert status in (0, 1, 2)
    assert (status == 0) == (not stderr.getvalue())


@pytest.mark.parametrize(
    "fragment",
    [
        "[",
        "![",
        "*a ",
        "`",
        "<",
        "| ",
        "> ",
        "- ",
        "rate limit 1",
        "rate limit 1 a ",
        "max ",
        "max 1,111",
        "&",
        "\\",
        "~",
    ],
)
def test_long_texts(fragment: str) -> None:
    """A text of twenty thousand characters is read within seconds."""
    long_text = fragment * (20_000 // len(fragment))
    long_description = PAGE.replace("Cancels many orders.", long_text)
    long_cell = PAGE.replace("The id", long_text.replace("|", "\\|"), 1)
    started_at = time.process_time()
    for page in (long_description, long_cell):
        with suppress(PageError):  # an unclosed fence contains the rest of the page
            parse_page(page)
    assert time.process_time() - started_at < 5
