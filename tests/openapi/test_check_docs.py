"""
Holding a page of the vendor's against the document.

The pages are this project's own, in the layout of the vendor's site: the vendor's sentences stay out of the repository.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import check_docs
import generate
from check_docs import AGREES, CHANGED, UNREAD, Facts, PageError, compare, derive, operation_of, parse_page, texts_of

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

BARE = """# Tell Time

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


def operation(name: str, requests: int, scope: str, answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give an operation of the small document."""
    envelope = {"type": "object", "properties": {"code": TEXT, "data": answer}}
    return {
        "operationId": name,
        "description": "What it does.",
        "x-rate-limit": {"requests": requests, "period-seconds": 1, "scope": scope},
        "x-repeat-safe": True,
        "responses": {"200": {"content": {"application/json": {"schema": envelope}}}},
        **more,
    }


def written() -> dict[str, Any]:
    """Give a document of the operations of both pages, before any text was read; change it at will."""
    row = {"type": "object", "properties": {"number": TEXT, "weight": {**TEXT, "x-beyond-page": "seen in answers"}}}
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
    answer = {"oneOf": [{"$ref": "#/components/schemas/Heaps"}, {"type": "null"}]}
    hour = {"type": "object", "properties": {"hour": TEXT}}
    return {
        "paths": {
            "/api/v2/things/batch-drop": {"post": operation("dropThings", 10, "UID", answer, requestBody=body)},
            "/api/v2/things/time": {"get": operation("tellTime", 20, "IP", hour)},
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


def document() -> dict[str, Any]:
    """Give the document of both pages, every text read."""
    both = written()
    for markdown in (PAGE, BARE):
        page = parse_page(markdown)
        both["paths"][page.path][page.method.lower()]["x-page-texts"] = texts_of(page)
    return both


def differing(markdown: str, against: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Give what differs between a page and the document, by its place."""
    page = parse_page(markdown)
    found = compare(page, operation_of(page, against or document()))
    return {each.place: each.verdict for each in found if each.verdict != AGREES}


def edited(old: str, new: str, markdown: str = PAGE) -> str:
    """Give the page with one passage changed."""
    assert old in markdown
    return markdown.replace(old, new, 1)


@pytest.mark.parametrize("markdown", [PAGE, BARE], ids=["a body and lists", "no parameters"])
def test_page_agrees(markdown: str) -> None:
    """A page that says what the document says differs in nothing, and every place of it is in the table."""
    page = parse_page(markdown)
    found = compare(page, operation_of(page, document()))
    assert {each.verdict for each in found} == {AGREES}
    assert {each.place for each in found} == {"method", "path", "rate limit", "scope", *page.members}


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
    "unheard-of type": ("| shelf | String |", "| shelf | Rope |", {"request shelf": "differs: type"}),
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
    "parameter moved onto a name that is taken": (
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
    "field on the page at last": (
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
    "values where there were none": (
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
    "words of a parameter": ("Where the things lie |\n| manner", "Where |\n| manner", {"request shelf: text": CHANGED}),
    "words of a field": ("Those that fell", "Those that rose", {"response dropped: text": CHANGED}),
    "words gone": ("Those that fell", "", {"response dropped: text": CHANGED}),
}


@pytest.mark.parametrize(("old", "new", "named"), EDITS.values(), ids=EDITS)
def test_change_is_noticed(old: str, new: str, named: dict[str, str]) -> None:
    """A change of the page is named with its place, and nothing beside it is."""
    assert differing(edited(old, new)) == named


HARMLESS: dict[str, tuple[str, str]] = {
    "requests in words": (":10 times/1s (UID)", ": 10 requests/second/UID"),
    "a rate limit": ("Frequency limit:10", "Rate limit:10"),
    "bold, full-width, the account by name": (
        "Frequency limit:10 times/1s (UID)",
        "**Rate Limit**\uff1a10 req/sec (User ID)",
    ),
    "no word for requests": ("Frequency limit:10 times/1s (UID)", "Rate limit: 10/1s/UID"),
    "per second, per account": (":10 times/1s (UID)", ": 10 times per second per UID"),
    "a thousand milliseconds": ("times/1s", "times/1000ms"),
    "a section for the limit": ("Frequency limit:10 times", "### Rate limit\n\n10 times"),
    "another title": ("# Drop Things", "# Drop Many Things"),
    "parameters": ("### Request Parameter", "### Request Parameters"),
    "small letters": ("### Response Parameter", "## response parameter"),
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
    "an example more": ("Response Example\n", "Response Example\n\n```json\n{}\n```\n"),
    "a path with its host": ("* POST /api", "- POST https://api.things.test/api"),
    "a type by another name": ("| things | Array |", "| things | List<Object> |"),
    "an array of a type": ("| things | Array |", "| things | Object[] |"),
    "required by another word": ("| Array | Yes |", "| Array | TRUE |"),
    "values without backticks": ("`soft` set down, the usual way `hard` let", "soft set down, the usual way hard let"),
    "a break in a cell": ("the usual way `hard`", "the usual way<br>`hard`"),
    "a full-width colon": ("length: 50", "length\uff1a50"),
    "an ordinary comma": (" \uff0cmaximum", ", maximum"),
    "a name between backticks": ("| shelf |", "| `shelf` |"),
    "a level as an entity": ("| > number", "| &gt;number"),
    "a full-width level": ("| > number", "| \uff1enumber"),
    "a table of nothing": ("### Response Parameter", "### Request Body\n\nN/A\n\n### Response Parameter"),
    "columns in another order": (
        "| Parameter | Type | Description |\n| --- | --- | --- |\n| dropped | Array | Those that fell |",
        "| Field | Data type | Description |\n| :-- | :-: | --- |\n| dropped | array | Those that fell |",
    ),
}


def test_words_stand_side_by_side() -> None:
    """A row tells all that either says of a parameter: type, whether it is required, the most, and the values."""
    page = parse_page(edited("length: 50", "length: 20").replace("`hard` let", "`wild` let").replace("Yes", "Perhaps"))
    rows = {each.place: (each.page, each.document) for each in compare(page, operation_of(page, document()))}
    assert rows["request things"] == ("Array, required: Perhaps, at most 20", "Array, required, at most 50")
    manner = "String, optional, one of "
    assert rows["request manner"] == (f"{manner}shelf soft wild", f"{manner}hard soft")
    assert rows["response dropped > number"] == ("String", "String")


def test_page_is_known_by_its_path() -> None:
    """A page in wholly other words is known by its path, whatever its method."""
    words = parse_page(edited("* POST", "* PUT").replace("The", "These").replace(" |\n", " indeed |\n"))
    assert operation_of(words, document()).method == "POST"


@pytest.mark.parametrize(
    ("words", "limit"),
    [("1min", "60 s"), ("minute", "60 s"), ("2h", "7200 s"), ("day", "86400 s"), ("500 ms", "0.5 s"), ("sec", "1 s")],
)
def test_period_is_in_seconds(words: str, limit: str) -> None:
    """The period of a limit is the same in whatever unit it is told."""
    assert parse_page(edited("times/1s", f"times/{words}")).limit == f"10 in {limit}"


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_harmless_difference_is_none(old: str, new: str) -> None:
    """What means the same is the same, in whatever way the page writes it."""
    assert differing(edited(old, new)) == {}


LAYOUTS: dict[str, Callable[[str], str]] = {
    "zero-width characters": lambda page: page.replace("[]", "[\u200b]").replace("er |", "er\u200b |"),
    "levels glued": lambda page: page.replace("| > ", "| >"),
    "levels spaced": lambda page: page.replace("| > ", "| >").replace("| >", "| > "),
    "Windows": lambda page: page.replace("\n", "\r\n"),
    "white space at the ends": lambda page: page.replace("\n", "  \n"),
    "no space in tables": lambda page: page.replace(" | ", "|"),
    "no-break spaces": lambda page: page.replace("Where the", "Where\u00a0the"),
    "more white space": lambda page: page.replace("many things", "many\n  things"),
    "no end": str.rstrip,
    "a mark of byte order": lambda page: "\ufeff" + page,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_is_no_difference(layout: Callable[[str], str]) -> None:
    """White space, line ends and characters that nobody sees change nothing."""
    assert differing(layout(PAGE)) == {}


def test_another_parameters_value_is_none_of_this_one() -> None:
    """Words in backticks may name another parameter and its value: they are not taken for values of this one."""
    both = document()
    label = {"type": "string", "enum": ["red", "blue"], "description": "The label."}
    both["components"]["schemas"]["Thing"]["properties"]["label"] = label
    page = edited("What you called it.", "`red` or `blue`, red only if `manner` is `hard`")
    assert differing(page, both) == {"request things > label: text": CHANGED}
    for words in ("Only if `label` is `green`", "Not used with `hard`"):
        assert differing(edited("The number on the thing.", words)) == {"request things > number: text": CHANGED}


def test_missing_table_of_nothing_is_no_difference() -> None:
    """An operation without parameters has an empty table on its page, or none."""
    table = BARE[BARE.index("### Request") : BARE.index("### Response")]
    assert differing(BARE.replace(table, "")) == {}


def test_type_may_be_one_of_several() -> None:
    """A field that the document gives two types, for answers come with either, agrees with a page that says one."""
    both = document()
    schemas = both["components"]["schemas"]
    schemas["Thing"]["properties"]["shelf"] = {"type": ["integer", "string", "null"]}
    assert differing(PAGE, both) == {}
    assert differing(edited("| >shelf | String", "| >shelf | Array"), both) == {
        "request things > shelf": "differs: type"
    }


def test_json_inside_a_string_is_followed() -> None:
    """A page shows the fields of JSON inside a string below it: the document has them as the string's content."""
    both = document()
    content = {"type": "object", "properties": {"tool": {"type": "string"}}}
    why = {**TEXT, "contentMediaType": "application/json", "contentSchema": content}
    both["components"]["schemas"]["Heaps"]["properties"]["held"]["items"]["properties"]["why"] = why
    assert differing(PAGE, both) == {"response held > why > tool": "not on the page"}
    page = edited(WHY, WHY + "| >>tool | String | Which tool |\n")
    assert differing(page, both) == {"response held > why > tool: text": UNREAD}


def test_fields_of_what_is_beyond_the_page_are_too() -> None:
    """A mark on a field holds for the fields below it."""
    both = document()
    inside = {"type": "object", "properties": {"a": TEXT}, "x-beyond-page": "seen in answers"}
    both["components"]["schemas"]["Heaps"]["properties"]["box"] = inside
    assert differing(PAGE, both) == {}


def test_object_or_null_is_an_object() -> None:
    """A field that is an object or null, as the document has to say it, is an object to a page, with its fields."""
    both = document()
    box = {"type": "object", "properties": {"lid": TEXT}}
    both["components"]["schemas"]["Heaps"]["properties"]["box"] = {"oneOf": [box, {"type": "null"}]}
    page = PAGE + "| box | Object | What it fell into |\n| >lid | String | Its lid |\n"
    assert differing(page, both) == {"response box: text": UNREAD, "response box > lid: text": UNREAD}
    page = page.replace("| box | Object", "| box | Array")
    assert differing(page, both)["response box"] == "differs: type"


def test_schema_that_holds_itself_has_an_end() -> None:
    """A field of its own type is followed once, not for ever."""
    both = document()
    both["components"]["schemas"]["Thing"]["properties"]["inner"] = {"$ref": "#/components/schemas/Thing"}
    assert "request things > inner" in differing(PAGE, both)


def test_parameters_of_a_query_are_compared() -> None:
    """The parameters of a query, one of them written at the path and one by reference, are a page's request."""
    both = document()
    time = both["paths"]["/api/v2/things/time"]
    time["parameters"] = [{"name": "zone", "in": "query", "required": True, "schema": {"type": "string"}}]
    time["get"]["parameters"] = [{"$ref": "#/components/parameters/Wall"}]
    wall = {
        "name": "wall",
        "in": "query",
        "schema": {"type": "integer", "maximum": 4},
        "x-page-says": {"type": "String"},
    }
    both["components"]["parameters"] = {"Wall": wall}
    assert differing(BARE, both) == {"request zone": "not on the page", "request wall": "not on the page"}
    rows = "| zone | String | Yes | Which |\n| wall | String | No | Up to 4 |\n"
    page = edited("| N/A |  |  |  |\n", rows, BARE)
    assert differing(page, both) == {"request zone: text": UNREAD, "request wall: text": UNREAD}


@pytest.mark.parametrize("digits", [310, 400, 5_000])
@pytest.mark.parametrize(("old", "new"), [(":10 times", ":{} times"), ("times/1s", "times/{}s")])
def test_number_beyond_all_is_no_limit(old: str, new: str, digits: int) -> None:
    """A number that nobody means is no limit: the page is read all the same, and its words are shown as changed."""
    page = edited(old, new.format("9" * digits))
    assert differing(page) == {"rate limit": "differs", "scope": "differs", "description: text": CHANGED}


def test_span_of_time_is_no_maximum() -> None:
    """A number of days is not the largest value of the parameter that it is told of."""
    page = parse_page(edited("Where the things lie |\n| manner", "Where, max 90 days |\n| manner"))
    assert page.members["request shelf"].maximum is None


@pytest.mark.parametrize(
    ("words", "number"),
    [
        *(("maximum length: 50", 50), ("Maximum length is 50.", 50), ("Max. 50", 50), ("max limit of 50", 50)),
        *(("up to 50 things", 50), ("must not exceed 50", 50), ("at most 1,000", 1000), ("maximum 50 items", 50)),
        *((f"max {'9' * 400}", None), (f"max {'9' * 5_000}", None), (f"max 1{',000' * 200}", None)),
        *(("max 9,999,999,999,999", 9_999_999_999_999), ("max 0", 0)),
        *(("50 things", None), ("maximal 50", None), ("max", None), ("climax 50", None)),
    ],
)
def test_maximum_is_read(words: str, number: int | None) -> None:
    """The largest number is read from the usual wordings, and from no other number of the text."""
    page = parse_page(edited("Where the things lie |\n| manner", f"{words} |\n| manner"))
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
def test_page_that_is_none_is_refused(markdown: str, message: str) -> None:
    """A page that cannot be read, or is of no operation of the document, is refused with the reason."""
    with pytest.raises(PageError) as caught:
        operation_of(parse_page(markdown), document())
    assert message in str(caught.value)


# The script.

Run = Callable[..., int]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a file of the small document the one that pages are held against."""
    path = tmp_path / "document.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(json.loads(json.dumps(document())), file)  # the detour leaves no anchors

    monkeypatch.setattr(check_docs, "DOCUMENT", path)
    return path


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that calls the script on a page, as the command line does."""

    def run(markdown: str, *options: str) -> int:
        path = home.with_name("page.md")
        path.write_text(markdown, "utf-8")
        monkeypatch.setattr(sys, "argv", ["check_docs.py", str(path), *options])
        return check_docs.main()

    return run


def test_agreement_is_status_0(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Where page and document agree, the table says so of every place, one line each, and the status is 0."""
    assert run(PAGE) == 0
    output = capsys.readouterr()
    head, *rows = output.out.splitlines()
    assert [cell.strip() for cell in head.split("|")][:3] == ["where", "the page", "the document"]
    assert len(rows) == 4 + len(parse_page(PAGE).members)
    assert all(row.endswith(f"| {AGREES}") for row in rows)
    assert output.err == ""


def test_difference_is_status_1(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Where they differ, the words of both stand side by side, the places are summed up, and the status is 1."""
    page = edited("(UID)", "(IP)").replace("in the same manner", "in any manner")
    assert run(page) == 1
    output = capsys.readouterr()
    rows = {
        cells[0].strip(): [cell.strip() for cell in cells[1:]]
        for cells in (line.split(" | ") for line in output.out.splitlines())
    }
    assert rows["scope"] == ["IP", "UID", "differs"]
    told = "Drops many things in one go. Name every thing of a heap in any manner."
    assert rows["description: text"] == [told, "What it does.", CHANGED]
    assert "2 to look at: scope, description: text" in output.err


@pytest.mark.parametrize("markdown", ["", "# Cooking\n", "GET /api/v2/other\n"], ids=["empty", "prose", "another"])
def test_unreadable_is_status_2(run: Run, capsys: pytest.CaptureFixture[str], markdown: str) -> None:
    """A page that is none is one line on the error output that names the file, and the status is 2."""
    assert run(markdown) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "page.md: " in output.err


def test_file_that_is_no_text_is_status_2(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So are a missing file, a folder and a picture: no traceback, and not the status of a difference."""
    picture = home.with_name("page.png")
    picture.write_bytes(b"\x89PNG\xff")
    for path in (picture, home.with_name("missing.md"), home.parent):
        monkeypatch.setattr(sys, "argv", ["check_docs.py", str(path)])
        assert check_docs.main() == 2
        assert str(path) in capsys.readouterr().err


def test_terminal_gets_a_table(run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the rows are set in columns, and brackets of a page are no markup."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    assert run(edited("Those that fell", "Those [red] that fell")) == 1
    assert "Those [red] that fell" in capsys.readouterr().out


def test_accepted_texts_agree(run: Run, home: Path) -> None:
    """Once its new words are read and accepted, the page agrees, and nothing but digests of it was written."""
    page = edited("in the same manner", "in any manner")
    before = YAML(typ="safe").load(home.read_text("utf-8"))
    assert run(page) == 1
    assert run(page, "--accept") == 0
    assert run(page) == 0
    after = YAML(typ="safe").load(home.read_text("utf-8"))
    assert "manner." not in home.read_text("utf-8")
    for path, method in (("/api/v2/things/batch-drop", "post"), ("/api/v2/things/time", "get")):
        for each in (before, after):
            each["paths"][path][method].pop("x-page-texts")
    assert after == before


@pytest.mark.parametrize(
    "name", ["a: b", "# a", "a #b", '"a', "a\\\\", "'", "{a", "? a", "- a", "a\u2028b", "a\x0cb", "a" * 300, "a " * 200]
)
def test_name_that_means_something_in_yaml_is_accepted(run: Run, home: Path, name: str) -> None:
    """Whatever a page calls its parameters, what was accepted can be read again, and differs in facts alone."""
    page = edited("| shelf | String | No |", f"| {name} | String | No |")
    assert run(page, "--accept") == 1
    after = YAML(typ="safe").load(home.read_text("utf-8"))
    assert after["paths"]["/api/v2/things/batch-drop"]["post"]["x-page-texts"] == texts_of(parse_page(page))
    assert run(page) == 1


def test_page_without_words_is_accepted(run: Run) -> None:
    """A page without any text leaves no digest, and a document that can be held against pages again."""
    page = "Rate limit: 20 times/1s (IP)\n\nGET /api/v2/things/time\n"
    for _ in range(2):
        assert run(page, "--accept") == 1
    assert run(BARE, "--accept") == 0


def test_accepting_words_accepts_no_facts(run: Run) -> None:
    """What is not prose has to be changed by hand: accepting the words does not hide it."""
    page = edited("length: 50", "length: 20")
    assert run(page, "--accept") == 1
    assert run(page) == 1


def test_source_keeps_its_form() -> None:
    """Digests are written at the end of their operation, or where they stood, and every other line stays as it is."""
    source = (
        "paths: # all\n  /a:\n    get:\n      x-repeat-safe: true\n\n      responses:\n        '200': {}\n\n"
        "  # the next\n  /b:\n    get: {}\n"
    )
    head, tail = source.split("\n\n  # the next")
    new = check_docs.accept(source, Facts("GET", "/a"), {"description": "1e5"})
    assert new == f'{head}\n      x-page-texts:\n        description: "1e5"\n\n  # the next{tail}'
    again = check_docs.accept(new, Facts("GET", "/a"), {"description": "2", "request a > b": "3"})
    assert again == new.replace('"1e5"', '"2"\n        request a > b: "3"')


# The document itself.

REAL: dict[str, Any] = YAML(typ="safe").load(generate.DOCUMENT.read_text("utf-8"))
OPERATIONS = [
    (method.upper(), path) for path, item in REAL["paths"].items() for method in item if method != "parameters"
]


def page_of(facts: Facts) -> str:
    """Write a page that says what the document says, in the document's own words."""
    requests, _, period = facts.limit.partition(" in ")
    lines = [f"# Page\n\nRate limit: {requests} times/{period} ({facts.scope})\n\n* {facts.method} {facts.path}\n"]
    for section, head in (("request", ("Required", "Description")), ("response", ("Description",))):
        lines.append(f"### {section} parameter\n\n| Parameter | Type | {' | '.join(head)} |")
        lines.append("| --- " * (2 + len(head)) + "|")
        for place, member in facts.members.items():
            where, _, names = place.partition(" ")
            if where != section or member.beyond:
                continue
            *above, name = names.split(" > ")
            words = " ".join([f"`{value}`" for value in sorted(member.values)])
            words += f" max {member.maximum}" if member.maximum else ""
            cells = [
                ">" * len(above) + name,
                min(member.types),
                *(["Yes" if member.required else "No"] if section == "request" else []),
                words,
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
def test_document_can_be_held_against_pages(method: str, path: str) -> None:
    """Every operation of the document is found by its page, and a page that states its facts differs in words only."""
    page = parse_page(page_of(derive(REAL, method, path)))
    found = operation_of(page, REAL)
    assert (found.method, found.path) == (method, path)
    verdicts = {each.verdict for each in compare(page, found) if not each.place.endswith(": text")}
    assert verdicts == {AGREES}


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
def test_every_text_of_a_page_was_read(method: str, path: str) -> None:
    """The document holds a digest for the description and for every row of each page, none left over, all in quotes."""
    facts = derive(REAL, method, path)
    texts = REAL["paths"][path][method.lower()]["x-page-texts"]
    assert texts.keys() == {"description", *(place for place, member in facts.members.items() if not member.beyond)}
    assert all(isinstance(text, str) and len(text) == 12 for text in texts.values())


def test_marks_name_operations_of_the_document() -> None:
    """A mark that says on which pages a field stands names operations by their ids, none misspelt."""
    known = {REAL["paths"][path][method.lower()]["operationId"] for method, path in OPERATIONS}
    marked = [
        operation
        for schema in REAL["components"]["schemas"].values()
        for member in schema.get("properties", {}).values()
        for operation in member.get("x-only-on-page-of", ())
    ]
    assert marked
    assert set(marked) <= known
