"""
Every difference between a page of the vendor and the document is found.

The pages are this project's own, in the layout of the vendor's site, because the vendor's texts are not in the repository.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import check_docs
from check_docs import AGREES, CHANGED, UNREAD, Facts, PageError, compare, derive, operation_of, parse_page, texts_of
from document import DOCUMENT as DOCUMENT_PATH

PAGE = """# Drop Things

Frequency limit:10 times/1s (UID)

### Description[](#description "Direct link to Description")

Drops many things in one go.

* Name every thing of a heap in the same manner.

### HTTP Request[](#http-request "Direct link to HTTP Request")

* POST /api/v2/things/batch-drop

Request Example

```json
curl -X POST "https://api.things.test/api/v2/things/batch-drop" \\
   -d '{"things": [{"number": "12"}]}'
```

### Request Parameter[](#request-parameter "Direct link to Request Parameter")

| Parameter | Type | Required | Description |
| --- | --- | --- | --- |
| shelf | String | No | Where the things lie |
| manner | String | No | How they come down `soft` set down, the usual way `hard` let go. See `shelf` |
| count | String | No | How often each is dropped, max 100 |
| things | Array | Yes | What to drop \uff0cmaximum length: 50 |
| >shelf | String | No | Where the things lie |
| > number | String | No | The number on the thing. |
| > label | String | No | What you called it. |

Response Example

```json
{"code": "00000", "data": {"dropped": [], "held": []}}
```

### Response Parameter[](#response-parameter "Direct link to Response Parameter")

| Parameter | Type | Description |
| --- | --- | --- |
| dropped | Array | Those that fell |
| >number | String | Its number |
| held | Array | Those that did not |
| >number | String | Its number |
| >why | String | What held it: `glue` or `nail` |
"""

PAGE_WITHOUT_PARAMETERS = """# Get Time

Frequency limit: 20 times/1s (IP)

### Description

The hour on the wall

### HTTP Request

* GET /api/v2/things/time

### Request Parameters

| Parameter | Type | Required | Description |
| --- | --- | --- | --- |
| N/A |  |  |  |

### Response Parameters

| Parameter | Type | Description |
| --- | --- | --- |
| hour | String | From 0 to 23 |
"""

TEXT: dict[str, Any] = {"type": ["string", "null"]}


def operation(name: str, requests: int, scope: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an operation of the small document."""
    envelope = {"type": "object", "properties": {"code": TEXT, "data": data}}
    return {
        "operationId": name,
        "description": "What it does.",
        "x-rate-limit": {"requests": requests, "period-seconds": 1, "scope": scope},
        "x-repeat-safe": True,
        "responses": {"200": {"content": {"application/json": {"schema": envelope}}}},
        **more,
    }


def document_without_texts() -> dict[str, Any]:
    """Return a new document of the operations of both pages, without fingerprints of their texts."""
    row = {"type": "object", "properties": {"number": TEXT, "weight": {**TEXT, "x-beyond-page": "seen in responses"}}}
    thing = {
        "type": "object",
        "properties": {
            "shelf": {"type": "string"},
            "number": {"type": "string", "minLength": 1},
            "label": {"type": "string"},
        },
    }
    heap = {
        "type": "object",
        "required": ["things"],
        "properties": {
            "shelf": {"type": "string", "description": "The shelf."},
            "manner": {"$ref": "#/components/schemas/Manner"},
            "count": {"type": "integer", "maximum": 100, "x-page-says": {"type": "String"}},
            "things": {"type": "array", "minItems": 1, "maxItems": 50, "items": {"$ref": "#/components/schemas/Thing"}},
        },
    }
    held = {
        "type": "object",
        "properties": {
            "number": TEXT,
            "why": TEXT,
            "since": {**TEXT, "x-only-on-page-of": ["listThings"]},
        },
    }
    heaps = {
        "type": "object",
        "properties": {
            "dropped": {"type": ["array", "null"], "items": row},
            "held": {"type": ["array", "null"], "items": held},
        },
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Heap"}}}}
    data = {"oneOf": [{"$ref": "#/components/schemas/Heaps"}, {"type": "null"}]}
    hour = {"type": "object", "properties": {"hour": TEXT}}
    return {
        "paths": {
            "/api/v2/things/batch-drop": {"post": operation("dropThings", 10, "UID", data, requestBody=body)},
            "/api/v2/things/time": {"get": operation("getTime", 20, "IP", hour)},
        },
        "components": {
            "schemas": {
                "Heap": heap,
                "Heaps": heaps,
                "Thing": thing,
                "Manner": {"type": "string", "enum": ["soft", "hard"]},
            },
        },
    }


def small_document() -> dict[str, Any]:
    """Return a new document of both pages, with the fingerprints of all their texts."""
    document = document_without_texts()
    for markdown in (PAGE, PAGE_WITHOUT_PARAMETERS):
        page = parse_page(markdown)
        document["paths"][page.path][page.method.lower()]["x-page-texts"] = texts_of(page)
    return document


def differences(markdown: str, document: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the verdicts of a page's differences from a document, by place."""
    page = parse_page(markdown)
    findings = compare(page, operation_of(page, document or small_document()))
    return {finding.place: finding.verdict for finding in findings if finding.verdict != AGREES}


def edited(old: str, new: str, markdown: str = PAGE) -> str:
    """Return the page with one passage changed."""
    assert old in markdown
    return markdown.replace(old, new, 1)


@pytest.mark.parametrize("markdown", [PAGE, PAGE_WITHOUT_PARAMETERS], ids=["a body and lists", "no parameters"])
def test_page_agrees(markdown: str) -> None:
    """A page that says the same as the document has no differences, and each of its places is in the table."""
    page = parse_page(markdown)
    findings = compare(page, operation_of(page, small_document()))
    assert {finding.verdict for finding in findings} == {AGREES}
    assert {finding.place for finding in findings} == {"method", "path", "rate limit", "scope", *page.members}


NUMBER = "| > number | String | No | The number on the thing. |\n"
WHY = "| >why | String | What held it: `glue` or `nail` |\n"
HELD = "| held | Array | Those that did not |\n"
EDITS: dict[str, tuple[str, str, dict[str, str]]] = {
    "limit": (":10 times", ":20 times", {"rate limit": "differs"}),
    "period": ("times/1s", "times/2s", {"rate limit": "differs"}),
    "limit gone": ("Frequency limit:10 times/1s (UID)", "", {"rate limit": "differs", "scope": "differs"}),
    "scope": ("(UID)", "(IP)", {"scope": "differs"}),
    "scope gone": (" (UID)", "", {"scope": "differs"}),
    "unknown scope": ("(UID)", "(API key)", {"scope": "differs"}),
    "path": ("* POST /api/v2/things/batch-drop", "* POST /api/v2/things/drop", {"path": "differs"}),
    "method": ("* POST", "* DELETE", {"method": "differs"}),
    "maximum": (
        "maximum length: 50",
        "maximum length: 20",
        {"request things": "differs: maximum", "request things: text": CHANGED},
    ),
    "maximum gone": (
        ", max 100",
        "",
        {"request count": "differs: maximum", "request count: text": CHANGED},
    ),
    "required": ("| Array | Yes |", "| Array | No |", {"request things": "differs: required"}),
    "no longer optional": (
        "| shelf | String | No |",
        "| shelf | String | Yes |",
        {"request shelf": "differs: required"},
    ),
    "required sometimes": ("| Array | Yes |", "| Array | Perhaps |", {"request things": "differs: required"}),
    "parameter retyped": ("| shelf | String |", "| shelf | Integer |", {"request shelf": "differs: type"}),
    "type that the page says": ("| count | String |", "| count | Integer |", {"request count": "differs: type"}),
    "unknown type": ("| shelf | String |", "| shelf | Rope |", {"request shelf": "differs: type"}),
    "parameter new": (
        NUMBER,
        NUMBER + "| > colour | String | Yes | Its colour. |\n",
        {"request things > colour": "not in the document"},
    ),
    "parameter gone": (NUMBER, "", {"request things > number": "not on the page"}),
    "one parameter gone, another new": (
        NUMBER,
        "| > colour | String | Yes | Its colour. |\n",
        {"request things > number": "not on the page", "request things > colour": "not in the document"},
    ),
    "parameter renamed": (
        "> number | String | No",
        "> numeral | String | No",
        {"request things > number": "renamed to request things > numeral"},
    ),
    "parameter moved up": (
        "> label | String | No",
        "label | String | No",
        {"request things > label": "moved to request label"},
    ),
    "parameter moved down": (
        "| count | String",
        "| >> count | String",
        {"request count": "moved to request manner > ? > count"},
    ),
    "parameter moved to a name that is in use": (
        "| >shelf |",
        "| shelf |",
        {
            "request things > shelf": "moved to request shelf (again)",
            "request things > number": "moved to request shelf > number",
            "request things > label": "moved to request shelf > label",
        },
    ),
    "renamed and retyped": (
        "> number | String | No",
        "> numeral | Long | No",
        {"request things > number": "renamed to request things > numeral; differs: type"},
    ),
    "field new": (WHY, WHY + "| >who | String | Who |\n", {"response held > who": "not in the document"}),
    "field gone": (WHY, "", {"response held > why": "not on the page"}),
    "field renamed": (">why", ">reason", {"response held > why": "renamed to response held > reason"}),
    "field retyped": (">why | String", ">why | Integer", {"response held > why": "differs: type"}),
    "list retyped": ("| held | Array", "| held | Object", {"response held": "differs: type"}),
    "field that was not on the page": (
        WHY,
        WHY + "| >since | String | When |\n",
        {
            "response held > since": "on the page, though the document says: it is on other pages only",
            "response held > since: text": UNREAD,
        },
    ),
    "value new": (
        "`hard` let go",
        "`hard` let go `wild` throw",
        {"request manner": "differs: values", "request manner: text": CHANGED},
    ),
    "value gone": (
        "`hard` let go",
        "",
        {"request manner": "differs: values", "request manner: text": CHANGED},
    ),
    "first values": (
        "Where the things lie |\n| manner",
        "Where: `high`, `low` |\n| manner",
        {"request shelf": "differs: values", "request shelf: text": CHANGED},
    ),
    "rule reworded": ("in the same manner", "in any manner", {"description: text": CHANGED}),
    "rule new": ("one go.\n", "one go.\n\n* Never on a Sunday.\n", {"description: text": CHANGED}),
    "rule beside the limit": ("(UID)", "(UID), beginners 1", {"description: text": CHANGED}),
    "rule below the path": ("drop\n\nRequest Ex", "drop\n\nNot for all.\n\nRequest Ex", {"description: text": CHANGED}),
    "rule in a section of its own": (
        "### Response P",
        "### Note\n\nNot for all.\n\n### Response P",
        {"description: text": CHANGED},
    ),
    "rule in a block of HTML": (
        "### Response P",
        "<div>Not for all.</div>\n\n### Response P",
        {"description: text": CHANGED},
    ),
    "rule indented": ("### Response P", "      Not for all.\n\n### Response P", {"description: text": CHANGED}),
    "rule in a table": (
        "### Response P",
        "| Rank | Most |\n| --- | --- |\n| 1 | 20 |\n\n### Response P",
        {"description: text": CHANGED},
    ),
    "text of a parameter": ("Where the things lie |\n| manner", "Where |\n| manner", {"request shelf: text": CHANGED}),
    "text of a field": ("Those that fell", "Those that rose", {"response dropped: text": CHANGED}),
    "text gone": ("Those that fell", "", {"response dropped: text": CHANGED}),
}


@pytest.mark.parametrize(("old", "new", "expected"), EDITS.values(), ids=EDITS)
def test_change_is_found(old: str, new: str, expected: dict[str, str]) -> None:
    """A change of the page is reported with its place, and nothing else is."""
    assert differences(edited(old, new)) == expected


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
    "columns in another order": (
        "| Parameter | Type | Description |\n| --- | --- | --- |\n| dropped | Array | Those that fell |",
        "| Field | Data type | Description |\n| :-- | :-: | --- |\n| dropped | array | Those that fell |",
    ),
}


def test_row_has_the_facts_of_both() -> None:
    """A row shows all facts of both sides: the type, whether it is required, the maximum and the values."""
    page = parse_page(edited("length: 50", "length: 20").replace("`hard` let", "`wild` let").replace("Yes", "Perhaps"))
    findings = compare(page, operation_of(page, small_document()))
    rows = {finding.place: (finding.page, finding.document) for finding in findings}
    assert rows["request things"] == ("Array, required: Perhaps, at most 20", "Array, required, at most 50")
    manner = "String, optional, one of "
    assert rows["request manner"] == (f"{manner}shelf soft wild", f"{manner}hard soft")
    assert rows["response dropped > number"] == ("String", "String")


def test_path_identifies_the_operation() -> None:
    """The operation of a page is found by its path, also if all texts and the method have changed."""
    page = parse_page(edited("* POST", "* PUT").replace("The", "These").replace(" |\n", " indeed |\n"))
    assert operation_of(page, small_document()).method == "POST"


@pytest.mark.parametrize(
    ("period", "limit"),
    [("1min", "60 s"), ("minute", "60 s"), ("2h", "7200 s"), ("day", "86400 s"), ("500 ms", "0.5 s"), ("sec", "1 s")],
)
def test_period_is_converted_to_seconds(period: str, limit: str) -> None:
    """The period of a limit is converted to seconds from any unit."""
    assert parse_page(edited("times/1s", f"times/{period}")).limit == f"10 in {limit}"


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_equivalent_wording_is_no_difference(old: str, new: str) -> None:
    """A different way to write the same fact is not a difference."""
    assert differences(edited(old, new)) == {}


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


def test_values_of_other_parameters_are_ignored() -> None:
    """Words in backticks that name another parameter and its value are not taken for values of this parameter."""
    document = small_document()
    label = {"type": "string", "enum": ["red", "blue"], "description": "The label."}
    document["components"]["schemas"]["Thing"]["properties"]["label"] = label
    page = edited("What you called it.", "`red` or `blue`, red only if `manner` is `hard`")
    assert differences(page, document) == {"request things > label: text": CHANGED}
    for text in ("Only if `label` is `green`", "Not used with `hard`"):
        assert differences(edited("The number on the thing.", text)) == {"request things > number: text": CHANGED}


def test_missing_empty_table_is_no_difference() -> None:
    """The page of an operation without parameters has an empty table, or none."""
    start = PAGE_WITHOUT_PARAMETERS.index("### Request")
    end = PAGE_WITHOUT_PARAMETERS.index("### Response")
    assert differences(PAGE_WITHOUT_PARAMETERS[:start] + PAGE_WITHOUT_PARAMETERS[end:]) == {}


def test_page_may_have_one_of_several_types() -> None:
    """A field with two types in the document agrees with a page that has one of them."""
    document = small_document()
    schemas = document["components"]["schemas"]
    schemas["Thing"]["properties"]["shelf"] = {"type": ["integer", "string", "null"]}
    assert differences(PAGE, document) == {}
    page = edited("| >shelf | String", "| >shelf | Array")
    assert differences(page, document) == {"request things > shelf": "differs: type"}


def test_fields_of_json_in_a_string_are_compared() -> None:
    """The fields of JSON in a string, which a page shows below it, are those of the string's content in the document."""
    document = small_document()
    content = {"type": "object", "properties": {"tool": {"type": "string"}}}
    why = {**TEXT, "contentMediaType": "application/json", "contentSchema": content}
    document["components"]["schemas"]["Heaps"]["properties"]["held"]["items"]["properties"]["why"] = why
    assert differences(PAGE, document) == {"response held > why > tool": "not on the page"}
    page = edited(WHY, WHY + "| >>tool | String | Which tool |\n")
    assert differences(page, document) == {"response held > why > tool: text": UNREAD}


def test_marks_apply_to_the_fields_below() -> None:
    """A mark on a field also applies to the fields below it."""
    document = small_document()
    box = {"type": "object", "properties": {"a": TEXT}, "x-beyond-page": "seen in responses"}
    document["components"]["schemas"]["Heaps"]["properties"]["box"] = box
    assert differences(PAGE, document) == {}


def test_object_or_null_is_an_object() -> None:
    """A field that is an object or null in the document is an object on a page, with the same fields."""
    document = small_document()
    box = {"type": "object", "properties": {"lid": TEXT}}
    document["components"]["schemas"]["Heaps"]["properties"]["box"] = {"oneOf": [box, {"type": "null"}]}
    page = PAGE + "| box | Object | What it fell into |\n| >lid | String | Its lid |\n"
    assert differences(page, document) == {"response box: text": UNREAD, "response box > lid: text": UNREAD}
    page = page.replace("| box | Object", "| box | Array")
    assert differences(page, document)["response box"] == "differs: type"


def test_recursive_schema_is_followed_once() -> None:
    """A field with the type of the object that it belongs to is followed once."""
    document = small_document()
    document["components"]["schemas"]["Thing"]["properties"]["inner"] = {"$ref": "#/components/schemas/Thing"}
    assert "request things > inner" in differences(PAGE, document)


def test_parameters_of_a_query_are_compared() -> None:
    """The parameters of a query belong to the request, whether they are defined at the path or by reference."""
    document = small_document()
    time = document["paths"]["/api/v2/things/time"]
    time["parameters"] = [{"name": "zone", "in": "query", "required": True, "schema": {"type": "string"}}]
    time["get"]["parameters"] = [{"$ref": "#/components/parameters/Wall"}]
    wall = {
        "name": "wall",
        "in": "query",
        "schema": {"type": "integer", "maximum": 4},
        "x-page-says": {"type": "String"},
    }
    document["components"]["parameters"] = {"Wall": wall}
    assert differences(PAGE_WITHOUT_PARAMETERS, document) == {
        "request zone": "not on the page",
        "request wall": "not on the page",
    }
    rows = "| zone | String | Yes | Which |\n| wall | String | No | Up to 4 |\n"
    page = edited("| N/A |  |  |  |\n", rows, PAGE_WITHOUT_PARAMETERS)
    assert differences(page, document) == {"request zone: text": UNREAD, "request wall: text": UNREAD}


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


UNREADABLE = {
    "empty": ("", "the page is empty"),
    "blank": (" \n\u200b\n", "the page is empty"),
    "plain prose": ("# Cooking\n\nGET the eggs, and POST /haste.\n", "names a method and a path"),
    "another vendor's": ("# Cancel\n\nDELETE /api/v3/openOrders\n", "DELETE /api/v3/openOrders"),
    "another operation's": (
        (
            "# Lift\n\nRate limit:10 times/1s (UID)\n\n* POST /api/v2/things/lift\n\n"
            "| Parameter | Type | Required | Description |\n| --- | --- | --- | --- |\n"
            "| shelf | String | No | Where the things lie |\n| far | String | Yes | How far |\n"
        ),
        "POST /api/v2/things/lift",
    ),
}


@pytest.mark.parametrize(("markdown", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_unusable_page_is_refused(markdown: str, message: str) -> None:
    """A page that cannot be read, or is not about an operation of the document, is refused with the reason."""
    with pytest.raises(PageError) as error:
        operation_of(parse_page(markdown), small_document())
    assert message in str(error.value)


# The script.

RunScript = Callable[..., int]


@pytest.fixture
def document_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the small document, which the script uses."""
    path = tmp_path / "document.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(json.loads(json.dumps(small_document())), file)  # through JSON, so that there are no anchors
    monkeypatch.setattr(check_docs, "DOCUMENT", path)
    return path


@pytest.fixture
def run_script(document_file: Path, monkeypatch: pytest.MonkeyPatch) -> RunScript:
    """Return a function that runs the script for a page, and returns its exit status."""

    def run(markdown: str, *options: str) -> int:
        path = document_file.with_name("page.md")
        path.write_text(markdown, "utf-8")
        monkeypatch.setattr(sys, "argv", ["check_docs.py", str(path), *options])
        return check_docs.main()

    return run


def test_status_is_0_without_differences(run_script: RunScript, capsys: pytest.CaptureFixture[str]) -> None:
    """If page and document agree, there is a line that says so for every place, and the status is 0."""
    assert run_script(PAGE) == 0
    output = capsys.readouterr()
    head, *rows = output.out.splitlines()
    assert [cell.strip() for cell in head.split("|")][:3] == ["where", "the page", "the document"]
    assert len(rows) == 4 + len(parse_page(PAGE).members)
    assert all(row.endswith(f"| {AGREES}") for row in rows)
    assert output.err == ""


def test_status_is_1_with_differences(run_script: RunScript, capsys: pytest.CaptureFixture[str]) -> None:
    """If they differ, the facts of both are shown, the places are summarized, and the status is 1."""
    page = edited("(UID)", "(IP)").replace("in the same manner", "in any manner")
    assert run_script(page) == 1
    output = capsys.readouterr()
    rows = {
        cells[0].strip(): [cell.strip() for cell in cells[1:]]
        for cells in (line.split(" | ") for line in output.out.splitlines())
    }
    assert rows["scope"] == ["IP", "UID", "differs"]
    text = "Drops many things in one go. Name every thing of a heap in any manner."
    assert rows["description: text"] == [text, "What it does.", CHANGED]
    assert "2 to check: scope, description: text" in output.err


@pytest.mark.parametrize("markdown", ["", "# Cooking\n", "GET /api/v2/other\n"], ids=["empty", "prose", "another"])
def test_status_is_2_for_an_unusable_page(
    run_script: RunScript, capsys: pytest.CaptureFixture[str], markdown: str
) -> None:
    """For a page that cannot be used, one line on stderr names the file, and the status is 2."""
    assert run_script(markdown) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "page.md: " in output.err


def test_status_is_2_for_an_unreadable_file(
    document_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a picture, a missing file and a folder, the status is 2, without a traceback."""
    picture = document_file.with_name("page.png")
    picture.write_bytes(b"\x89PNG\xff")
    for path in (picture, document_file.with_name("missing.md"), document_file.parent):
        monkeypatch.setattr(sys, "argv", ["check_docs.py", str(path)])
        assert check_docs.main() == 2
        assert str(path) in capsys.readouterr().err


def test_terminal_gets_a_table(
    run_script: RunScript, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal the rows are a table, and brackets in a page are not treated as markup."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    assert run_script(edited("Those that fell", "Those [red] that fell")) == 1
    assert "Those [red] that fell" in capsys.readouterr().out


def test_accepted_texts_agree(run_script: RunScript, document_file: Path) -> None:
    """After `--accept` the page agrees, and only fingerprints have changed in the document."""
    page = edited("in the same manner", "in any manner")
    before = YAML(typ="safe").load(document_file.read_text("utf-8"))
    assert run_script(page) == 1
    assert run_script(page, "--accept") == 0
    assert run_script(page) == 0
    after = YAML(typ="safe").load(document_file.read_text("utf-8"))
    assert "manner." not in document_file.read_text("utf-8")
    for path, method in (("/api/v2/things/batch-drop", "post"), ("/api/v2/things/time", "get")):
        for document in (before, after):
            document["paths"][path][method].pop("x-page-texts")
    assert after == before


@pytest.mark.parametrize(
    "name", ["a: b", "# a", "a #b", '"a', "a\\\\", "'", "{a", "? a", "- a", "a\u2028b", "a\x0cb", "a" * 300, "a " * 200]
)
def test_names_with_a_meaning_in_yaml_are_stored(run_script: RunScript, document_file: Path, name: str) -> None:
    """The fingerprints of parameters with any name are stored so that they can be read again."""
    page = edited("| shelf | String | No |", f"| {name} | String | No |")
    assert run_script(page, "--accept") == 1
    after = YAML(typ="safe").load(document_file.read_text("utf-8"))
    assert after["paths"]["/api/v2/things/batch-drop"]["post"]["x-page-texts"] == texts_of(parse_page(page))
    assert run_script(page) == 1


def test_page_without_texts_is_accepted(run_script: RunScript) -> None:
    """A page without any text stores no fingerprints, and the document can be used for other pages afterwards."""
    page = "Rate limit: 20 times/1s (IP)\n\nGET /api/v2/things/time\n"
    for _ in range(2):
        assert run_script(page, "--accept") == 1
    assert run_script(PAGE_WITHOUT_PARAMETERS, "--accept") == 0


def test_accept_does_not_hide_facts(run_script: RunScript) -> None:
    """A fact that differs is still reported after `--accept`."""
    page = edited("length: 50", "length: 20")
    assert run_script(page, "--accept") == 1
    assert run_script(page) == 1


def test_accept_keeps_all_other_lines() -> None:
    """Fingerprints are written at the end of their operation, or replaced in place; every other line is unchanged."""
    source = (
        "paths: # all\n  /a:\n    get:\n      x-repeat-safe: true\n\n      responses:\n        '200': {}\n\n"
        "  # the next\n  /b:\n    get: {}\n"
    )
    head, tail = source.split("\n\n  # the next")
    new = check_docs.accept(source, Facts("GET", "/a"), {"description": "1e5"})
    assert new == f'{head}\n      x-page-texts:\n        description: "1e5"\n\n  # the next{tail}'
    again = check_docs.accept(new, Facts("GET", "/a"), {"description": "2", "request a > b": "3"})
    assert again == new.replace('"1e5"', '"2"\n        request a > b: "3"')


# The project's document.

DOCUMENT: dict[str, Any] = YAML(typ="safe").load(DOCUMENT_PATH.read_text("utf-8"))
OPERATIONS: list[tuple[str, str]] = []
for _path, _item in DOCUMENT["paths"].items():
    OPERATIONS += [(method.upper(), _path) for method in _item if method != "parameters"]


def page_of(facts: Facts) -> str:
    """Return a page that has the same facts as the document."""
    requests, _, period = facts.limit.partition(" in ")
    lines = [f"# Page\n\nRate limit: {requests} times/{period} ({facts.scope})\n\n* {facts.method} {facts.path}\n"]
    for section, head in (("request", ("Required", "Description")), ("response", ("Description",))):
        lines.append(f"### {section} parameter\n\n| Parameter | Type | {' | '.join(head)} |")
        lines.append("| --- " * (2 + len(head)) + "|")
        for place, member in facts.members.items():
            member_section, _, names = place.partition(" ")
            if member_section != section or member.beyond:
                continue
            *parents, name = names.split(" > ")
            text = " ".join([f"`{value}`" for value in sorted(member.values)])
            text += f" max {member.maximum}" if member.maximum else ""
            cells = [">" * len(parents) + name, min(member.types)]
            if section == "request":
                cells.append("Yes" if member.required else "No")
            lines.append(f"| {' | '.join([*cells, text])} |")
        lines.append("")
    return "\n".join(lines)


each_operation = pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])


@each_operation
def test_document_can_be_compared_with_pages(method: str, path: str) -> None:
    """Every operation of the document is found by its page, and a page with the same facts differs in texts only."""
    page = parse_page(page_of(derive(DOCUMENT, method, path)))
    found = operation_of(page, DOCUMENT)
    assert (found.method, found.path) == (method, path)
    findings = compare(page, found)
    verdicts = {finding.verdict for finding in findings if not finding.place.endswith(": text")}
    assert verdicts == {AGREES}


@each_operation
def test_every_text_has_a_fingerprint(method: str, path: str) -> None:
    """The document has exactly one fingerprint, as text, for the description and for every row of each page."""
    facts = derive(DOCUMENT, method, path)
    texts = DOCUMENT["paths"][path][method.lower()]["x-page-texts"]
    assert texts.keys() == {"description", *(place for place, member in facts.members.items() if not member.beyond)}
    assert all(isinstance(text, str) and len(text) == 12 for text in texts.values())


def test_marks_name_operations_of_the_document() -> None:
    """The operations in the mark `x-only-on-page-of` exist."""
    existing = {DOCUMENT["paths"][path][method.lower()]["operationId"] for method, path in OPERATIONS}
    marked = set()
    for schema in DOCUMENT["components"]["schemas"].values():
        for member in schema.get("properties", {}).values():
            marked.update(member.get("x-only-on-page-of", ()))
    assert marked
    assert marked <= existing
