"""Whatever stands in a page of the vendor's: the check tells what differs or that it cannot read it, and nothing else."""

from __future__ import annotations

import copy
import io
import itertools
import re
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import check_docs
from check_docs import TEXTS, PageError, accept, compare, operation_of, parse_page, show, texts_of
from generate import DOCUMENT

from .hostile import share

SOURCE: Final = DOCUMENT.read_text("utf-8")
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

### Response Parameters

| Parameter | Type | Description |
| :--- | :--- | :--- |
| successList | Array | What was taken |
| > orderId | String | The id |
| failureList | Array | What was not |
"""
LINES: Final = PAGE.splitlines()
PIECES: Final = (
    *("Rate limit: 10 times/1s (IP)", "frequency limit 99999 per 9 days/user id", "max 100", "up to 1,000,000 items"),
    *("> ", ">>> x", "| a | b |", "|", "||||", "---", "# ", "`", "```", "~~~", "[x](y)", "<br/>", "<table>", "&amp;"),
    *(
        "\ufeff",
        "\u200b",
        "\t",
        "\u2028",
        "٣",
        "\uff12",
        "GET /",
        "POST http://x/y?z",
        "\\|",
        "!",
        "*",
        "_",
        "N/A",
        "[]",
    ),
    *("request", "response", "Request Parameters", "Array", "List<String>", "required: yes", ": #", '"', "'", "{a: b}"),
    *("<9x400>", "<9x5000>", "Rate limit: <9x400>/1s", "maximum <9x5000>", "- - - - -", "<[x300>", "<>x300>"),
)

NUMBERS: Final = ("0", "00", "<9x20>", "<9x310>", "<9x400>", "<9x5000>", "٣", "1,000", "-1", "1e9")

words = st.sampled_from(PIECES) | st.text(max_size=12)
lines = st.lists(st.sampled_from(LINES) | words | st.lists(words, max_size=5).map(" | ".join), max_size=40)
whole = st.just(LINES)


@st.composite
def pages(draw: st.DrawFn) -> str:
    """Give a page: any lines, or a good one with some lines gone, changed, twice or in another order."""
    found = list(draw(whole | whole | lines))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        line = found[at] if found else ""
        cut = draw(st.integers(0, len(line)))
        found[at : at + draw(st.integers(0, 2))] = draw(
            st.sampled_from([[], [line, line], found[at::-1][:3]])
            | words.map(lambda word, line=line, cut=cut: [line[:cut] + word + line[cut:]])  # type: ignore[misc]  # as bound
        )
    page = draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(found)
    where = draw(st.integers(0, 12))
    places = itertools.count()
    return re.sub(
        r"(?<![<x])\d+", lambda old: draw(st.sampled_from(NUMBERS)) if next(places) == where else old[0], page
    )


def grown(page: str) -> str:
    """Put a long row of characters in the place of what says how long it is, so that a page can be shown."""
    return re.sub(r"<(.)x(\d+)>", lambda found: found[1] * int(found[2]), page)


@pytest.fixture(scope="module")
def document() -> Mapping[str, Any]:
    """Read the document once."""
    found: Mapping[str, Any] = YAML(typ="safe").load(SOURCE)
    return found


@share(100)
@given(page=pages())
def test_a_page_is_read_or_refused(page: str, document: Mapping[str, Any]) -> None:
    """A page is held against the document, or refused with the reason; showing what was found never fails."""
    try:
        facts = parse_page(grown(page))
        operation = operation_of(facts, document)
    except PageError as error:
        assert str(error)
        return
    with redirect_stdout(io.StringIO()):
        show(compare(facts, operation))


@share(6, of=100)
@given(page=pages())
def test_what_is_accepted_changes_digests_alone(page: str, document: Mapping[str, Any]) -> None:
    """After `--accept` the document says what it said before, and holds the page's digests, whatever its words are."""
    try:
        facts = parse_page(grown(page))
        operation = operation_of(facts, document)
    except PageError:
        return
    after = YAML(typ="safe").load(accept(SOURCE, operation, texts_of(facts)))
    changed = after["paths"][operation.path][operation.method.lower()]
    assert (changed.pop(TEXTS, None) or {}) == texts_of(facts)
    before = copy.deepcopy(document)
    before["paths"][operation.path][operation.method.lower()].pop(TEXTS, None)
    assert after == before


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
def test_a_name_that_yaml_would_read(name: str, document: Mapping[str, Any]) -> None:
    """A parameter whose name means something in YAML is stored as what it is."""
    page = PAGE.replace("| symbol |", "| " + name.replace("|", "\\|") + " |")
    facts = parse_page(page)
    operation = operation_of(facts, document)
    after = YAML(typ="safe").load(accept(SOURCE, operation, texts_of(facts)))
    assert after["paths"][operation.path][operation.method.lower()][TEXTS] == texts_of(facts)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("place", ["10 req", "sec/UID", "50"])
def test_a_number_beyond_all(number: str, place: str, document: Mapping[str, Any]) -> None:
    """Whatever number stands in a page, it is read or left alone."""
    page = PAGE.replace(place, {"10 req": f"{number} req", "sec/UID": f"{number} s/UID"}.get(place, number))
    with redirect_stdout(io.StringIO()):
        facts = parse_page(grown(page))
        show(compare(facts, operation_of(facts, document)))


@pytest.mark.parametrize(
    "page",
    [b"", b"\xff\xfe", b"\x00" * 100, PAGE.encode("utf-16"), b"# x", PAGE.encode("utf-8-sig"), PAGE.encode()[:200]],
    ids=["empty", "bytes", "zeros", "utf-16", "title", "mark", "cut"],
)
@pytest.mark.parametrize("accepting", [False, True])
def test_the_command(page: bytes, accepting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command answers 0, 1 or 2, and says on stderr what is the matter."""
    copied = tmp_path / "document.yaml"
    copied.write_text(SOURCE, "utf-8")
    monkeypatch.setattr(check_docs, "DOCUMENT", copied)
    file = tmp_path / "page.md"
    file.write_bytes(page)
    monkeypatch.setattr(sys, "argv", ["check_docs.py", str(file), *["--accept"] * accepting])
    told = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(told):
        status = check_docs.main()
    assert status in (0, 1, 2)
    assert (status == 0) == (not told.getvalue())


@pytest.mark.parametrize(
    "piece",
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
def test_a_long_page_takes_no_long_time(piece: str) -> None:
    """Twenty thousand characters of anything are read in a moment."""
    long = piece * (20_000 // len(piece))
    began = time.process_time()
    for page in (PAGE.replace("Cancels many orders.", long), PAGE.replace("The id", long.replace("|", "\\|"), 1)):
        with suppress(PageError):  # a fence swallows what comes after it
            parse_page(page)
    assert time.process_time() - began < 5
