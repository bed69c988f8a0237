"""The response example of a page: the envelope, fields that tables lack, and where rows belong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pages import PAGE, TEXT, differences, edited, findings_of, small_document

from vendor_pages.comparison import NOT_COMPARED, ONLY_IN_EXAMPLE
from vendor_pages.examples import parse_example
from vendor_pages.reader import parse_page

EXAMPLE = '{"code": "00000", "data": {"dropped": [], "held": []}}'
ROW = {"number": "12"}
HELD = {"number": "12", "why": "glue"}


def with_example(**envelope: Any) -> str:
    """Return the page with another response example."""
    return edited(EXAMPLE, json.dumps(envelope))


def with_data(data: object) -> str:
    """Return the page with other data in its response example."""
    return with_example(code="00000", data=data)


def test_full_example_agrees() -> None:
    """An example with rows is no difference if the tables have all of their fields."""
    assert differences(with_data({"dropped": [ROW, ROW], "held": [HELD]})) == {}


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        ({"code": "00000", "data": None, "message": "ok"}, {"envelope message": "not in the document"}),
        ({"code": "00000"}, {"envelope data": "not on the page"}),
        ({"code": 0, "data": None}, {"envelope code": "differs: type"}),
        ({"code": "00000", "data": []}, {"envelope data": "differs: type"}),
        ({"code": "00000", "data": "none"}, {"envelope data": "differs: type"}),
    ],
    ids=str,
)
def test_envelope_is_compared(envelope: dict[str, Any], expected: dict[str, str]) -> None:
    """A field around the data that is new, gone or of another type is found: only the example shows it."""
    assert differences(with_example(**envelope)) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"dropped": [{**ROW, "depth": "3"}]}, {"response dropped > depth": f"{ONLY_IN_EXAMPLE}; not in the document"}),
        ({"dropped": [], "cursor": "1"}, {"response cursor": f"{ONLY_IN_EXAMPLE}; not in the document"}),
        (
            {"held": [{"why": "glue"}, {"who": {"name": "me"}}]},
            {
                "response held > who": f"{ONLY_IN_EXAMPLE}; not in the document",
                "response held > who > name": f"{ONLY_IN_EXAMPLE}; not in the document",
            },
        ),
        ({"dropped": [{"weight": "3"}]}, {}),
        ({"dropped": [{"weight": 3}]}, {"response dropped > weight": "differs: type"}),
        ({"dropped": [{"weight": None}]}, {}),
        (
            {"held": [{"since": "1"}]},
            {"response held > since": "in the example, though the document says: it is on other pages only"},
        ),
    ],
    ids=str,
)
def test_field_that_the_table_lacks_is_named(data: object, expected: dict[str, str]) -> None:
    """A field of the example that no table has is named, unless the document says how it is known."""
    assert differences(with_data(data)) == expected


def test_row_that_only_the_example_still_has_is_named() -> None:
    """A field that has left the table is named, even if the example still shows it."""
    page = with_data({"held": [HELD]}).replace("| >why | String | What held it: `glue` or `nail` |\n", "")
    assert differences(page) == {
        "response held > why": ONLY_IN_EXAMPLE,
        "response held > why: text": "text changed: read it",
    }


@pytest.mark.parametrize(
    "code",
    [
        '{"code": "0", "data": [1, 2,]}',
        '{"code": "0", // always\n "data": [1, 2] // rows\n}',
        '{  \n "code": "0",  \n "data": [1, 2]  \n}',
        '{"code"\uff1a"0", "data": [1, 2]}',
        '{"code": "0", "data": [1, 2], "url": "https://things.test"}',
    ],
    ids=repr,
)
def test_careless_example_is_read(code: str) -> None:
    """An example with comments, a comma too many or full-width punctuation is read."""
    example = parse_example(code)
    assert example is not None
    assert example["data"] == [1, 2]


@pytest.mark.parametrize("code", ["", "curl -X POST", "[]", '{"things": []}', '{"code": ', "[" * 100_000], ids=len)
def test_other_code_is_no_example(code: str) -> None:
    """A request, a command and what is not JSON are not taken for a response example."""
    assert parse_example(code) is None


def test_missing_example_is_shown() -> None:
    """Without an example that can be read, the table says that it is not compared, which is no difference."""
    page = edited(EXAMPLE, "{...}")
    assert [finding.place for finding in findings_of(page) if finding.verdict == NOT_COMPARED] == ["response example"]
    assert differences(page) == {}


def rows_page(table: str, data: object) -> str:
    """Return a page with these rows in its response table and this data in its example."""
    example = json.dumps({"code": "00000", "data": data})
    return (
        f"Rate limit: 1/s/UID\n\nGET /api/v2/things\n\nResponse\n\n```json\n{example}\n```\n\n### Response Parameters\n\n"
        f"| Parameter | Type | Description |\n| --- | --- | --- |\n{table}"
    )


ROWS = "| number | String | Its number |\n| parts | Array | Its parts |\n| >label | String | What it is called |\n"
PLACES = {"number", "parts", "parts > label"}


@pytest.mark.parametrize("rows", [ROW, [ROW], [ROW, ROW]], ids=["an object", "a list", "a list of two"])
def test_rows_of_data_keep_their_level(rows: object) -> None:
    """Rows that the example has at the same level stay there."""
    page = parse_page(rows_page(ROWS, rows))
    assert {place.removeprefix("response ") for place in page.members if place.startswith("response ")} == PLACES


def test_rows_are_placed_in_the_list_of_the_example() -> None:
    """If only the example has the list that the rows are in, they are placed in it."""
    page = parse_page(rows_page(ROWS, {"next": True, "things": [ROW]}))
    assert {f"response things > {place}" for place in PLACES} <= page.members.keys()
    assert page.members["response things"].types == {"array"}
    assert page.members["response things"].only_in_example is False
    assert page.members["response next"].only_in_example is True


def test_rows_leave_a_list_that_the_example_lacks() -> None:
    """If the example has no such list, the rows are those of the data itself."""
    table = "| list | Array | All |\n" + ROWS.replace("| >", "| >>").replace("| n", "| >n").replace("| p", "| >p")
    page = parse_page(rows_page(table, [ROW]))
    assert {place.removeprefix("response ") for place in page.members if place.startswith("response ")} == PLACES


def test_list_of_the_table_stays_without_rows_in_the_example() -> None:
    """If neither level of the rows is in the example, the table decides."""
    page = parse_page(rows_page("| list | Array | All |\n| >size | String | Its size |\n", [ROW]))
    assert {"response list", "response list > size"} <= page.members.keys()


def test_rows_of_the_envelope() -> None:
    """Rows about the envelope, in the table of an operation without data, belong to the envelope."""
    table = "| code | String | The code |\n"
    assert parse_page(rows_page(table, None)).members["envelope code"].text == "The code"
    assert "response code" in parse_page(rows_page(table, [{"code": "1"}])).members
    assert "response number" in parse_page(rows_page(ROWS, None)).members


def test_nested_list_and_cursor_are_compared() -> None:
    """Data with a list and a cursor is compared at both levels; the cursor needs a mark, as no table has it."""
    document = small_document()
    rows = {"type": ["array", "null"], "items": {"type": "object", "properties": {"number": TEXT}}}
    page = {"type": "object", "properties": {"list": rows, "cursor": TEXT}}
    operation = document["paths"]["/api/v2/things/time"]["get"]
    envelope = operation["responses"]["200"]["content"]["application/json"]["schema"]
    envelope["properties"]["data"] = page
    table = "| list | Array | All |\n| >number | String | Its number |\n"
    markdown = rows_page(table, {"list": [ROW], "cursor": "1"}).replace("/api/v2/things", "/api/v2/things/time")
    found = {place: verdict for place, verdict in differences(markdown, document).items() if "text" not in place}
    assert found == {"rate limit": "differs", "scope": "differs", "response cursor": ONLY_IN_EXAMPLE}
    page["properties"] = {"list": rows, "cursor": {**TEXT, "x-beyond-page": "in the example"}}
    assert "response cursor" not in differences(markdown, document)


def test_page_has_its_example() -> None:
    """The small page has an example, so its envelope is compared."""
    assert parse_page(PAGE).has_example
