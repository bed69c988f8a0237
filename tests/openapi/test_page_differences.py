"""Every difference between a page and the document is found, and equivalent wordings are none."""

from __future__ import annotations

import re

import pytest
from pages import (
    PAGE,
    PAGE_WITHOUT_PARAMETERS,
    TEXT,
    differences,
    edited,
    findings_of,
    read_texts,
    small_document,
)

from vendor_pages.comparison import CHANGED, UNREAD, operation_of
from vendor_pages.facts import PageError
from vendor_pages.reader import parse_page


@pytest.mark.parametrize("markdown", [PAGE, PAGE_WITHOUT_PARAMETERS], ids=["a body and lists", "no parameters"])
def test_page_agrees(markdown: str) -> None:
    """A page that says the same as the document has no differences, and each of its places is in the table."""
    findings = findings_of(markdown)
    assert [finding.place for finding in findings if finding.is_difference] == []
    places = {finding.place for finding in findings} - {"response example"}
    assert places == {"method", "path", "rate limit", "scope", *parse_page(markdown).members}


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
    "deprecated in its title": ("# Drop Things", "# Drop Things (deprecated)", {"deprecated": "differs"}),
    "deprecated in a note": (
        "one go.\n",
        "one go.\n\nThis endpoint will be removed in June.\n",
        {"deprecated": "differs", "description: text": CHANGED},
    ),
    "parameter deprecated in its name": (
        "| count |",
        "| count (Deprecated) |",
        {"request count": "differs: deprecated"},
    ),
    "parameter crossed out": ("| count |", "| ~~count~~ |", {"request count": "differs: deprecated"}),
    "field deprecated in its text": (
        "What held it:",
        "\uff08Deprecated\uff09 What held it:",
        {"response held > why": "differs: deprecated", "response held > why: text": CHANGED},
    ),
    "a limit of the batch": (
        "batch-drop\n\nReq",
        "batch-drop\n* Batch limit: No more than 20 things per batch\n\nReq",
        {"batch limit": "differs", "description: text": CHANGED},
    ),
    "text gone": ("Those that fell", "", {"response dropped: text": CHANGED}),
}


@pytest.mark.parametrize(("old", "new", "expected"), EDITS.values(), ids=EDITS)
def test_change_is_found(old: str, new: str, expected: dict[str, str]) -> None:
    """A change of the page is reported with its place, and nothing else is."""
    assert differences(edited(old, new)) == expected


def test_row_has_the_facts_of_both() -> None:
    """A row shows all facts of both sides: the type, whether it is required, the maximum and the values."""
    page = edited("length: 50", "length: 20").replace("`hard` let", "`wild` let").replace("Yes", "Perhaps")
    rows = {finding.place: (finding.page, finding.document) for finding in findings_of(page)}
    assert rows["request things"] == ("Array, required: Perhaps, at most 20", "Array, required, at most 50")
    manner = "String, optional, one of "
    assert rows["request manner"] == (f"{manner}shelf soft wild", f"{manner}hard soft")
    assert rows["response dropped > number"] == ("String", "String")


def test_path_identifies_the_operation() -> None:
    """The operation of a page is found by its path, also if all texts and the method have changed."""
    every_row = re.compile(r"^(\|.*(?:String|Array).*) \|$", re.MULTILINE)
    page = parse_page(every_row.sub(r"\1 indeed |", edited("* POST", "* PUT").replace("in one go", "at once")))
    operation_id, operation = operation_of(page, small_document(), read_texts(small_document()))
    assert (operation_id, operation.method) == ("dropThings", "POST")


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
        operation_of(parse_page(markdown), small_document(), read_texts(small_document()))
    assert message in str(error.value)


def test_deprecation_agrees() -> None:
    """What both sides call deprecated is no difference: an operation, a parameter and a field."""
    document = small_document()
    document["paths"]["/api/v2/things/batch-drop"]["post"]["deprecated"] = True
    document["components"]["schemas"]["Heap"]["properties"]["count"]["deprecated"] = True
    page = edited("# Drop Things", "# Drop Things (deprecated)").replace("| count |", "| count (deprecated) |")
    assert differences(page, document) == {}
    assert differences(PAGE, document) == {"deprecated": "differs", "request count": "differs: deprecated"}


def test_body_that_is_a_list_is_compared() -> None:
    """The fields of a body that is a list itself are compared, and its maximum with the limit of the batch."""
    document = small_document()
    media = document["paths"]["/api/v2/things/batch-drop"]["post"]["requestBody"]["content"]["application/json"]
    media["schema"] = {"type": "array", "maxItems": 20, "items": {"$ref": "#/components/schemas/Thing"}}
    start = PAGE.index("| shelf | String | No | Where the things lie |\n| manner")
    page = PAGE[:start] + PAGE[PAGE.index("| >shelf") :].replace("| > ", "| ").replace("| >shelf", "| shelf", 1)
    limit = "* POST /api/v2/things/batch-drop\n* Batch limit: No more than {} things per batch"
    page = page.replace("* POST /api/v2/things/batch-drop", limit)
    found = differences(page.replace("{}", "20"), document)
    assert {place for place in found if not place.endswith(": text")} == set()
    found = differences(page.replace("{}", "10"), document)
    assert {place for place in found if not place.endswith(": text")} == {"batch limit"}
