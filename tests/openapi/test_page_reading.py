"""What is read from a page: limits, maxima, headings, footers, deprecations; and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pages import PAGE, differences, edited

from vendor_pages.comparison import CHANGED
from vendor_pages.facts import NONE, PageError
from vendor_pages.reader import parse_page

LIMIT_LINE = "Frequency limit:10 times/1s (UID)"
MANNER = "| manner | String | No | How they come down `soft` set down, the usual way `hard` let go. See `shelf` |\n"
CUT = "| manner | String | No | How they come down  \n`soft` set down, the usual way  \n`hard` let go. See `shelf` |\n"
BROKEN = {
    "a cell broken at its breaks": (MANNER, CUT, "line 28: the row has 1 of 4 cells"),
    "a blank line in a cell": (
        MANNER,
        CUT.replace("down  \n", "down |\n\n", 1),
        "line 31: cells of a table, outside all tables",
    ),
    "rows that have become prose": (
        MANNER,
        "| manner | String | No | How they come down |\n\n`soft` or `hard` let go. See `shelf` | | count | String | No | a |\n\n",
        "line 29: cells of a table, outside all tables",
    ),
    "a pipe in a cell": (
        "Where the things lie |\n| manner",
        "`high` | `low` |\n| manner",
        "line 26: the row has 5 of 4 cells",
    ),
    "a row without its last cell": (
        "| Where the things lie |\n| manner",
        "|\n| manner",
        "line 26: the row has 3 of 4 cells",
    ),
    "a cell on each line": (
        "| Parameter | Type | Required | Description |\n| --- | --- | --- | --- |\n",
        "|Parameter\n|Type\n|Required\n|Description\n",
        "line 24: cells of a table, outside all tables",
    ),
    "a table that is cut off": (
        "| --- | --- | --- | --- |\n",
        "",
        "line 24: cells of a table, outside all tables",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_table_is_refused(old: str, new: str, message: str) -> None:
    """A table that an exporter has broken is refused with the line, and not read on."""
    with pytest.raises(PageError) as error:
        parse_page(edited(old, new))
    assert message in str(error.value)
    assert "Save the page as HTML" in str(error.value)


UNUSUAL_TABLES = {
    "rows without their last pipe": lambda page: page.replace(" |\n", "\n"),
    "rows without their first pipe": lambda page: (
        page.replace("\n| ", "\n").replace("\n> ", "\n\\> ").replace("\n>", "\n\\>")
    ),
    "a table in a quotation": lambda page: page.replace("\n|", "\n> |"),
    "code as HTML": lambda page: page.replace("`soft`", "<code>soft</code>").replace("`hard`", "<br><code>hard</code>"),
    "an escaped level": lambda page: page.replace("| >", "| \\>"),
    "a second line of dashes": lambda page: page.replace("| dropped |", "| --- | --- | --- |\n| dropped |"),
    "front matter": lambda page: "---\ntitle: Drop\nsource: https://things.test\n---\n" + page,
}


@pytest.mark.parametrize("layout", UNUSUAL_TABLES.values(), ids=UNUSUAL_TABLES)
def test_unusual_table_is_read(layout: Callable[[str], str]) -> None:
    """A table that another exporter has written is read like any other."""
    assert differences(layout(PAGE)) == {}


def test_empty_row_may_be_short() -> None:
    """The row that says that there are no parameters may have one cell."""
    page = "Rate limit: 1/s/UID\n\nGET /a\n\n| Parameter | Type | Required |\n| --- | --- | --- |\n| N/A |\n"
    assert parse_page(page).members == {}


def test_escaped_pipe_is_text() -> None:
    """A pipe with a backslash before it does not end a cell."""
    page = parse_page(edited("Where the things lie |\n| manner", "`high` \\| `low` \\| |\n| manner"))
    assert page.members["request shelf"].text == "high | low |"


def test_pipes_in_prose_are_text() -> None:
    """Few pipes, and pipes in code, do not make a line a row of a table."""
    page = parse_page(edited("one go.", "one go: high|low, `a|b|c|d`."))
    assert "high|low, a|b|c|d" in page.text


@pytest.mark.parametrize(
    ("line", "limit", "scope"),
    [
        ("10/sec/UID", "10 in 1 s", "UID"),
        ("10 times/1s (UID)", "10 in 1 s", "UID"),
        ("Rate limit: 5 req/sec/UID", "5 in 1 s", "UID"),
        ("Rate limit: 5 requests/second/UID", "5 in 1 s", "UID"),
        ("Rate limit: 5/sec/UID", "5 in 1 s", "UID"),
        ("Rate limit: 20/sec/IP", "20 in 1 s", "IP"),
        ("Speed limit is 20 times/s (UID)", "20 in 1 s", "UID"),
        ("**Speed limit**: 20 times/s (User ID)", "20 in 1 s", "UID"),
        ("Frequency limit: 20 times/1s (IP)", "20 in 1 s", "IP"),
        ("Limit rule: 20 times/1s (uid)", "20 in 1 s", "UID"),
        ("Frequency limit is 600 times per minute per UID", "600 in 60 s", "UID"),
        ("At most 5/6 of the things", NONE, NONE),
        ("Send 10 in 1 s", NONE, NONE),
    ],
)
def test_limit_is_read(line: str, limit: str, scope: str) -> None:
    """A rate limit is read from the wordings that pages use, and from no other line."""
    page = parse_page(edited(LIMIT_LINE, line))
    assert (page.limit, page.scope) == (limit, scope)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        *(("The pair, e.g. `BTCUSDT`", ""), ("The pair, e.g.`BTCUSDT`", ""), ("The pair e.g.,`BTCUSDT`", "")),
        *(("As eg `A`, `B` or `C`", ""), ("For example: `A` and `B`", ""), ("Such as `A`/`B`", "")),
        *(("`A` or `B`, e.g. `A`", "A B"), ("e.g. `A`. Either `B` or `C`", "B C"), ("`A`, e.g. `B`, then `C`", "A C")),
        *(("Default:`100`. Maximum:`100`", ""), ("`1` low `2` high", "1 2"), ("Default `A`, or `B`", "A B")),
        *(("Minimum is `5`", ""), ("`A B` and `c-d`", "A B c-d")),
    ],
)
def test_values_are_read(text: str, values: str) -> None:
    """The values of a parameter are the words in backticks, without examples and bounds."""
    page = parse_page(edited("Where the things lie |\n| manner", f"{text} |\n| manner"))
    assert page.members["request shelf"].values == frozenset(values.split())


FOOTERS = (
    "Source: https://things.test/drop",
    "> **Source:** https://things.test/drop",
    "> **Source:**\n> [original URL](https://things.test/drop)",
    "Source: [Drop Things](https://things.test/drop)\nRetrieved on 2026-11-25",
    "---\n\nSource: https://things.test/drop",
    "---\n\n*Exported from https://things.test/drop on 2026-11-25*",
    "<https://things.test/drop>",
    "Original page: https://things.test/drop",
    "URL Source: https://things.test/drop",
    "Last updated on Nov 25, 2026",
    "Updated: 2026-11-25",
    "Saved with a browser extension",
    "Copyright \u00a9 2026 Things",
    "\u00a9 2026 Things. All rights reserved.",
    "[Edit this page](https://things.test/edit)",
    "[Previous \u00ab Lift](/lift)[Next Hold \u00bb](/hold)",
    "[\n\nPrevious\n\nLift\n\n](/lift)[\n\nNext\n\nHold\n\n](/hold)",
    "[Previous\n\nLift](/lift)\n[Next\n\nHold](/hold)\n\n\u00a9 2026 Things",
    "Was this page helpful?\n\nYes  No",
    "Was this page helpful?",
    "Source: https://things.test/drop\n\nLast updated on Nov 25, 2026\n\n\u00a9 2026 Things",
)


@pytest.mark.parametrize("footer", FOOTERS)
def test_footer_changes_nothing(footer: str) -> None:
    """What an exporter or the site adds at the end or at the start is not part of the page."""
    assert differences(f"{PAGE}\n\n{footer}\n") == {}
    assert differences(f"{footer}\n\n{PAGE}") == {}


@pytest.mark.parametrize("footer", ["Source: https://things.test/drop", "*Last updated on Nov 25, 2026*"])
def test_footer_right_below_the_last_table_changes_nothing(footer: str) -> None:
    """A footer that follows the last row without an empty line is not a row."""
    assert differences(f"{PAGE}{footer}\n") == {}


def test_other_line_right_below_the_last_table_is_refused() -> None:
    """A line below the last row that is not a footer is the rest of a broken cell."""
    with pytest.raises(PageError, match="the row has 1 of 3 cells"):
        differences(f"{PAGE}and the rest of the cell\n")


def test_lines_below_a_removed_passage_keep_their_numbers() -> None:
    """The line of a broken table is that of the file, also below front matter and links to other pages."""
    old, new, message = BROKEN["a cell broken at its breaks"]
    line = int(message.split()[1].removesuffix(":"))
    added = "---\ntitle: Drop\n---\n[Previous\n\nLift](/lift)\n\n"
    with pytest.raises(PageError, match=f"^line {line + added.count(chr(10))}: "):
        parse_page(added + edited(old, new))


def test_link_in_a_sentence_is_not_a_footer() -> None:
    """A link to the next page is a part of the page if it stands in a sentence."""
    page = edited("one go.\n", "one go. See [next](/a).\n\nThe [next page](/b) has more.\n")
    assert differences(page) == {"description: text": CHANGED}


@pytest.mark.parametrize(
    "rule",
    [
        "Not for all.",
        "### Note\n\nNot for all.",
        "Updated things count twice.",
        "The source of a thing is not kept.",
        "Next, pass the label.",
        "See https://things.test/rules for the rules of a heap, which apply to every call.",
    ],
)
def test_rule_at_the_end_is_found(rule: str) -> None:
    """A rule after the last table is a part of the page, also if a footer follows."""
    for page in (f"{PAGE}\n\n{rule}\n", f"{PAGE}\n\n{rule}\n\nSource: https://things.test\n"):
        assert differences(page) == {"description: text": CHANGED}


def test_footer_in_the_middle_is_found() -> None:
    """A line that looks like a footer is a part of the page if something follows it."""
    assert differences(edited("one go.\n", "one go.\n\nSource: the shelf.\n")) == {"description: text": CHANGED}


@pytest.mark.parametrize(
    ("text", "is_deprecated"),
    [
        *(("Deprecated.", True), ("It has been deprecated", True), ("No longer supported", True)),
        *(("It will be removed in June", True), ("It was discontinued", True), ("The order is cancelled", False)),
        *(("Removed from the shelf", False), ("The thing is offline", False)),
    ],
)
def test_deprecation_is_read(text: str, is_deprecated: bool) -> None:
    """A deprecation is read from its usual wordings, in a note and in a row."""
    page = parse_page(edited("one go.\n", f"one go.\n\n{text}\n"))
    assert page.deprecation == (text if is_deprecated else "")
    page = parse_page(edited("Those that fell", text))
    assert page.members["response dropped"].deprecated is is_deprecated


@pytest.mark.parametrize("digits", [310, 400, 5_000])
@pytest.mark.parametrize(("old", "new"), [(":10 times", ":{} times"), ("times/1s", "times/{}s")])
def test_huge_number_is_not_a_limit(old: str, new: str, digits: int) -> None:
    """A huge number is not taken for a limit: the page is still read, and its text is shown as changed."""
    page = edited(old, new.format("9" * digits))
    assert differences(page) == {"rate limit": "differs", "scope": "differs", "description: text": CHANGED}


def test_time_span_is_not_a_maximum() -> None:
    """A number of days in a text is not taken for the maximum of the parameter."""
    page = parse_page(edited("Where the things lie |\n| manner", "Where, max 90 days |\n| manner"))
    assert page.members["request shelf"].maximum is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("maximum length: 50", 50), ("Maximum length is 50.", 50), ("Max. 50", 50), ("max limit of 50", 50)),
        *(("up to 50 things", 50), ("must not exceed 50", 50), ("at most 1,000", 1000), ("maximum 50 items", 50)),
        *((f"max {'9' * 400}", None), (f"max {'9' * 5_000}", None), (f"max 1{',000' * 200}", None)),
        *(("max 9,999,999,999,999", 9_999_999_999_999), ("max 0", 0)),
        *(("50 things", None), ("maximal 50", None), ("max", None), ("climax 50", None)),
    ],
)
def test_maximum_is_read(text: str, number: int | None) -> None:
    """The maximum is read from the usual wordings, and from no other number in the text."""
    page = parse_page(edited("Where the things lie |\n| manner", f"{text} |\n| manner"))
    assert page.members["request shelf"].maximum == number
