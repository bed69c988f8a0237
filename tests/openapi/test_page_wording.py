"""A page that says the same in other words, or in another layout, does not differ."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pages import PAGE, differences, edited

from vendor_pages.reader import parse_page

HARMLESS: dict[str, tuple[str, str]] = {
    "requests in words": (":10 times/1s (UID)", ": 10 requests/second/UID"),
    "a rate limit": ("Frequency limit:10", "Rate limit:10"),
    "bold, full-width, the account by name": (
        "Frequency limit:10 times/1s (UID)",
        "**Rate Limit**\uff1a10 req/sec (User ID)",
    ),
    "without a word for requests": ("Frequency limit:10 times/1s (UID)", "Rate limit: 10/1s/UID"),
    "per second, per account": (":10 times/1s (UID)", ": 10 times per second per UID"),
    "milliseconds": ("times/1s", "times/1000ms"),
    "a speed limit": ("Frequency limit:10 times/1s (UID)", "Speed limit is 10 times/s (UID)"),
    "requests by unit by account": ("Frequency limit:10 times/1s (UID)", "Rate limit: 10/sec/UID"),
    "only the limit": ("Frequency limit:10 times/1s (UID)", "10/sec/UID"),
    "a section for the limit": ("Frequency limit:10 times", "### Rate limit\n\n10 times"),
    "another title": ("# Drop Things", "# Drop Many Things"),
    "parameters": ("### Request Parameter", "### Request Parameters"),
    "lower case": ("### Response Parameter", "## response parameter"),
    "another anchor": ('[](#request-parameter "Direct link to Request Parameter")', " [#](#parameters) {#request}"),
    "no anchor": ('[](#description "Direct link to Description")', ""),
    "a label in bold": (
        '### Request Parameter[](#request-parameter "Direct link to Request Parameter")',
        "**Request Parameters:**",
    ),
    "a section without its heading": (
        '### Response Parameter[](#response-parameter "Direct link to Response Parameter")',
        "### Response Example",
    ),
    "another example": ('{"number": "12"}', '{"number": "13", "label": "a"}'),
    "an additional example": ("Response Example\n", "Response Example\n\n```json\n{}\n```\n"),
    "a path with its host": ("* POST /api", "- POST https://api.things.test/api"),
    "another name of a type": ("| things | Array |", "| things | List<Object> |"),
    "an array of a type": ("| things | Array |", "| things | Object[] |"),
    "required by another word": ("| Array | Yes |", "| Array | TRUE |"),
    "values without backticks": ("`soft` set down, the usual way `hard` let", "soft set down, the usual way hard let"),
    "a break in a cell": ("the usual way `hard`", "the usual way<br>`hard`"),
    "a full-width colon": ("length: 50", "length\uff1a50"),
    "an ordinary comma": (" \uff0cmaximum", ", maximum"),
    "a name in backticks": ("| shelf |", "| `shelf` |"),
    "a level as an entity": ("| > number", "| &gt;number"),
    "a full-width level": ("| > number", "| \uff1enumber"),
    "an empty section": ("### Response Parameter", "### Request Body\n\nN/A\n\n### Response Parameter"),
    "a label of one word": ("Response Example\n", "Response\n"),
    "examples under labels of one word": ("Request Example\n", "Request\n"),
    "comments instead of descriptions": ("| Required | Description |", "| Required | Comments |"),
    "fields that are returned": (
        '### Response Parameter[](#response-parameter "Direct link to Response Parameter")\n\n| Parameter | Type |',
        "### Return Fields\n\n| Return Field | Parameter Type |",
    ),
    "fields that are sent": ("| Parameter | Type | Required |", "| Request Field | Parameter Type | Mandatory |"),
    "required in capitals": ("| Array | Yes |", "| Array | YES |"),
    "required on a condition": ("| manner | String | No |", "| manner | String | Conditional |"),
    "columns in another order": (
        "| Parameter | Type | Description |\n| --- | --- | --- |\n| dropped | Array | Those that fell |",
        "| Field | Data type | Description |\n| :-- | :-: | --- |\n| dropped | array | Those that fell |",
    ),
}


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_equivalent_wording_is_no_difference(old: str, new: str) -> None:
    """A different way to write the same fact is not a difference."""
    assert differences(edited(old, new)) == {}


@pytest.mark.parametrize(
    ("period", "limit"),
    [("1min", "60 s"), ("minute", "60 s"), ("2h", "7200 s"), ("day", "86400 s"), ("500 ms", "0.5 s"), ("sec", "1 s")],
)
def test_period_is_converted_to_seconds(period: str, limit: str) -> None:
    """The period of a limit is converted to seconds from any unit."""
    assert parse_page(edited("times/1s", f"times/{period}")).limit == f"10 in {limit}"


LAYOUTS: dict[str, Callable[[str], str]] = {
    "zero-width characters": lambda page: page.replace("[]", "[\u200b]").replace("er |", "er\u200b |"),
    "levels without a space": lambda page: page.replace("| > ", "| >"),
    "levels with a space": lambda page: page.replace("| > ", "| >").replace("| >", "| > "),
    "Windows line ends": lambda page: page.replace("\n", "\r\n"),
    "trailing white space": lambda page: page.replace("\n", "  \n"),
    "no space in tables": lambda page: page.replace(" | ", "|"),
    "no-break spaces": lambda page: page.replace("Where the", "Where\u00a0the"),
    "additional white space": lambda page: page.replace("many things", "many\n  things"),
    "no line end at the end": str.rstrip,
    "a byte order mark": lambda page: "\ufeff" + page,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_is_no_difference(layout: Callable[[str], str]) -> None:
    """White space, line ends and invisible characters are not a difference."""
    assert differences(layout(PAGE)) == {}
