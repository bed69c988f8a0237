"""What an operation of the document needs, and that each thing missing is named with its place."""

from __future__ import annotations

from typing import Any

import pytest
from documents import DROP, JSON, LIST, TIME, changed, complete_document, node_at, parameter, reference, without
from ruamel.yaml import YAML

import generate
from document import DOCUMENT, DocumentError, load
from rules import problems
from schema_rules import inline_schemas, nested_schemas, request_schemas, response_schemas

SCHEMAS = ("components", "schemas")


def test_complete_document_has_no_problems() -> None:
    """A document that says everything has no problems."""
    assert problems(complete_document()) == []


def test_project_document_has_no_problems() -> None:
    """The project's document says everything that is derived from it."""
    module_names = YAML(typ="safe").load(generate.SETTINGS.read_text("utf-8"))["class_overrides"]
    assert problems(load(DOCUMENT), module_names) == []


@pytest.mark.parametrize(
    "fact",
    [
        *("servers", "security", "tags", "x-success-code", "x-timestamp-window-seconds"),
        *("x-remaining-calls-header", "x-error-codes"),
    ],
)
def test_missing_fact_of_the_document_is_named(fact: str) -> None:
    """Each fact of the whole API is required."""
    assert f"the document lacks {fact}" in problems(without(fact))


@pytest.mark.parametrize(
    "fact",
    [
        *("operationId", "tags", "summary", "description", "externalDocs", "x-rate-limit", "x-repeat-safe"),
        "responses",
    ],
)
def test_missing_fact_of_an_operation_is_named(fact: str) -> None:
    """Each fact of an operation is required, and is named with the operation."""
    assert f"{DROP} lacks {fact}" in problems(without(DROP, fact))


def test_all_missing_facts_are_named() -> None:
    """All facts that an operation lacks are named together, and so are those of another operation."""
    document = without(DROP, "summary")
    del node_at(document, DROP)["tags"]
    del node_at(document, TIME)["description"]
    assert problems(document) == [f"{DROP} lacks tags, summary", f"{TIME} lacks description"]


@pytest.mark.parametrize("fact", ["requests", "period-seconds", "scope"])
def test_missing_part_of_a_rate_limit_is_named(fact: str) -> None:
    """A rate limit has a number, a period and a scope."""
    assert problems(without(TIME, "x-rate-limit", fact)) == [f"{TIME}: x-rate-limit lacks {fact}"]


@pytest.mark.parametrize("scope", ["uid", "KEY", ""])
def test_unknown_scope_is_named(scope: str) -> None:
    """A scope is the account or the IP address."""
    found = problems(changed(TIME, "x-rate-limit", "scope", to=scope))
    assert f"{TIME}: x-rate-limit: scope is {scope!r}; use UID or IP" in found


INVALID_FACTS: dict[str, tuple[tuple[str, ...], object, str]] = {
    "no server": (("servers",), [], "the document: servers is []"),
    "a window that is text": (("x-timestamp-window-seconds",), "soon", "x-timestamp-window-seconds is 'soon'"),
    "codes without versions": (("x-error-codes",), ["2"], "x-error-codes is ['2']"),
    "codes without classes": (("x-error-codes",), {"gone": ["2"]}, "x-error-codes: gone is ['2']; it needs classes"),
    "a limit that is a number": ((TIME, "x-rate-limit"), 20, f"{TIME}: x-rate-limit is 20"),
    "requests that are text": ((TIME, "x-rate-limit", "requests"), "20", f"{TIME}: x-rate-limit: requests is '20'"),
    "no requests": ((TIME, "x-rate-limit", "requests"), 0, f"{TIME}: x-rate-limit: requests and period-seconds"),
    "repeat-safe that is text": ((TIME, "x-repeat-safe"), "yes", f"{TIME}: x-repeat-safe is 'yes'"),
    "an empty summary": ((TIME, "summary"), "", f"{TIME}: summary is ''"),
    "no tags": ((TIME, "tags"), [], f"{TIME}: tags is []"),
    "an undeclared tag": ((TIME, "tags"), ["clock"], f"{TIME}: clock: declare each tag"),
    "docs without a page": ((TIME, "externalDocs"), {"description": "The page"}, f"{TIME}: externalDocs lacks url"),
    "an id with capitals": ((TIME, "operationId"), "getUTATime", f"{TIME}: operationId is 'getUTATime'"),
    "an id of one word": ((TIME, "operationId"), "time", f"{TIME}: operationId is 'time'"),
    "the id of another": ((TIME, "operationId"), "listThings", f"{TIME}: operationId listThings is used twice"),
    "security of its own": ((TIME, "security"), [{"a": []}], f"{TIME}: leave security out"),
    "a parameter of a header": (
        (LIST, "parameters"),
        [{**parameter("a", "string", "b"), "in": "header"}],
        f"{LIST}: parameter a is in header",
    ),
    "a parameter that is a list": (
        (LIST, "parameters"),
        [parameter("a", "array", [])],
        f"{LIST}: parameter a: type is array",
    ),
    "a parameter without a type": (
        (LIST, "parameters"),
        [{"name": "a", "in": "query", "description": "A.", "schema": {}}],
        f"{LIST}: parameter a: type is missing",
    ),
    "a parameter without an example": (
        (LIST, "parameters"),
        [{"name": "a", "in": "query", "description": "A.", "schema": {"type": "string"}}],
        f"{LIST}: parameter a lacks example",
    ),
    "a parameter with a wrong example": (
        (LIST, "parameters"),
        [parameter("a", "integer", 0, minimum=1)],
        f"{LIST}: parameter a: the example 0 is not valid",
    ),
    "a parameter without a description": (
        (LIST, "parameters"),
        [{"name": "a", "in": "query", "schema": {"type": "string", "example": "b"}}],
        f"{LIST}: parameter a lacks description",
    ),
    "a parameter with values of its own": (
        (LIST, "parameters"),
        [parameter("a", "string", "b", enum=["b"])],
        f"{LIST}: parameter a: put the enum under components/schemas",
    ),
    "a form as a body": (
        (DROP, "requestBody", "content"),
        {"multipart/form-data": {"schema": reference("Heap")}},
        f"{DROP}: the request body needs a schema for {JSON}",
    ),
    "an example of a body without a summary": (
        (DROP, "requestBody", "content", JSON, "examples"),
        {"one": {"value": {"things": [{"number": "1"}]}}},
        f"{DROP}: the example one of the request body lacks summary",
    ),
    "a wrong example of a body": (
        (DROP, "requestBody", "content", JSON, "examples"),
        {"one": {"summary": "One.", "value": {"things": []}}},
        f"{DROP}: the example one of the request body is not valid",
    ),
    "an error without the envelope": (
        (DROP, "responses", "5XX"),
        {"description": "Busy."},
        f"{DROP}: the response 5XX must be $ref",
    ),
    "a response without a description": (
        (DROP, "responses", "200"),
        {"content": {JSON: {"schema": reference("HeapsResponse")}}},
        f"{DROP}: the response 200 lacks description",
    ),
    "a response without a schema": (
        (DROP, "responses", "200"),
        {"description": "Done."},
        f"{DROP}: the response 200 lacks a schema",
    ),
    "a response without the envelope": (
        (*SCHEMAS, "ThingsResponse", "properties"),
        {"code": {"type": "string", "description": "A.", "example": "b"}},
        f"{LIST}: the schema of the response 200 lacks msg, requestTime, data",
    ),
}


@pytest.mark.parametrize(("path", "value", "line"), INVALID_FACTS.values(), ids=INVALID_FACTS)
def test_invalid_fact_of_an_operation_is_named(path: tuple[str, ...], value: object, line: str) -> None:
    """A fact with a value from which nothing can be derived is named with its place."""
    assert [found for found in problems(changed(*path, to=value)) if line in found]


def test_path_parameter_is_named() -> None:
    """An operation is found by its exact path, so a path has no parameters."""
    document = complete_document()
    document["paths"]["/api/v2/things/{number}"] = document["paths"].pop("/api/v2/things/list")
    assert problems(document) == ["GET /api/v2/things/{number}: a parameter in the path is not supported"]


TEXT = {"type": "string", "description": "A text.", "example": "a"}
NULLABLE = {"type": ["string", "null"], "description": "A text.", "example": "a"}
INVALID_SCHEMAS: dict[str, tuple[tuple[str, ...], object, str]] = {
    "a misspelt keyword": (("Heap", "properties", "things", "maxItms"), 1, "Heap.properties.things: maxItms"),
    "a name with capitals": (("UTAHeap",), {"description": "A heap."}, "UTAHeap: name a schema in the form OrderRef"),
    "the name of a field": (
        ("Hour",),
        {"description": "An hour.", "properties": {"hour": NULLABLE}},
        "Hour: the generator cannot tell it from its field hour",
    ),
    "an open request": (("Heap", "additionalProperties"), True, "Heap lacks `additionalProperties: false`"),
    "a field of a request without a type": (
        ("Heap", "properties", "size"),
        {"description": "The size."},
        "Heap.size lacks type",
    ),
    "a field of a request without a description": (
        ("Heap", "properties", "size"),
        {"type": "string", "example": "a"},
        "Heap.size lacks description",
    ),
    "a field of a request without an example": (
        ("Heap", "properties", "size"),
        {"type": "string", "description": "The size."},
        "Heap.size lacks example",
    ),
    "a wrong example": (
        ("Heap", "properties", "size"),
        {**TEXT, "minLength": 3},
        "Heap.size: the example 'a' is not valid",
    ),
    "a list of texts without an example": (
        ("Heap", "properties", "labels"),
        {"type": "array", "description": "Labels.", "items": {"type": "string"}},
        "Heap.labels[] lacks example",
    ),
    "an object without a name": (
        ("Heap", "properties", "lid"),
        {"type": "object", "description": "The lid.", "additionalProperties": False, "properties": {"a": TEXT}},
        "Heap.lid: put it under components/schemas",
    ),
    "values without a name": (
        ("Heap", "properties", "size"),
        {**TEXT, "enum": ["a", "b"]},
        "Heap.size: put it under components/schemas",
    ),
    "a schema without a description": (("Heap", "description"), "", "Heap lacks description"),
    "a composed schema": (("Heap", "allOf"), [{"description": "More."}], "Heap: allOf is not supported"),
    "alternatives": (
        ("Heap", "properties", "lid"),
        {"description": "The lid.", "oneOf": [TEXT, {"type": "integer", "description": "A.", "example": 1}]},
        "Heap.lid: oneOf is supported for a schema or null only",
    ),
    "a field of a response without a description": (
        ("Thing", "properties", "size"),
        {"type": "string", "example": "a"},
        "Thing.size lacks description",
    ),
    "a field of a response without an example": (
        ("Thing", "properties", "size"),
        {"type": "string", "description": "The size."},
        "Thing.size lacks example",
    ),
    "a closed response": (("Thing", "additionalProperties"), False, "Thing: remove additionalProperties"),
    "a required field of a response": (("Thing", "required"), ["number"], "Thing: remove required"),
    "values of a response": (("Thing", "properties", "size"), {**NULLABLE, "enum": ["a"]}, "Thing.size: remove enum"),
    "a list that is never null": (
        ("Heaps", "properties", "dropped", "type"),
        "array",
        'Heaps.dropped: write `type: [array, "null"]`',
    ),
}


@pytest.mark.parametrize(("path", "value", "line"), INVALID_SCHEMAS.values(), ids=INVALID_SCHEMAS)
def test_invalid_schema_is_named(path: tuple[str, ...], value: object, line: str) -> None:
    """What a schema lacks, and what client, sandbox or site cannot use, is named with its place."""
    assert [found for found in problems(changed(*SCHEMAS, *path, to=value)) if line in found]


def test_module_with_a_name_of_its_own_may_have_the_name_of_a_field() -> None:
    """A schema with the name of its field is accepted if the generator's settings give its module another name."""
    schema = {"description": "An hour.", "properties": {"hour": NULLABLE}}
    document = changed(*SCHEMAS, "Hour", to=schema)
    assert problems(document, ["Hour"]) == []


def test_dead_reference_is_named() -> None:
    """A reference to nothing is reported as such."""
    document = changed(*SCHEMAS, "Heap", "properties", "manner", to=reference("Gone"))
    with pytest.raises(DocumentError, match="#/components/schemas/Gone leads nowhere"):
        problems(document)


def test_recursive_schema_is_checked_once() -> None:
    """A schema that contains itself is checked like any other."""
    document = changed(*SCHEMAS, "Thing", "properties", "inner", to={**reference("Thing"), "description": "Inside."})
    assert problems(document) == []


def test_schemas_of_requests_and_responses_are_reached() -> None:
    """The rules reach the schemas behind references, in lists and behind null."""
    document = complete_document()
    assert {"Heap", "ThingRef", "Manner", "Heap.things"} <= {place.name for place in request_schemas(document)}
    expected = {"HeapsResponse", "Heaps", "Heaps.dropped", "Thing", "ThingsResponse.data", "Clock", "ErrorResponse"}
    assert expected <= {place.name for place in response_schemas(document)}


def test_misspelt_keyword_is_found_everywhere() -> None:
    """The search for misspelt keywords reaches items, alternatives and inline schemas."""
    misspelt = {"maxItms": 1}
    schema: dict[str, Any] = {"properties": {"a": {"oneOf": [{"items": misspelt}]}}}
    assert misspelt in dict(nested_schemas("here", schema)).values()
    assert misspelt in dict(inline_schemas("#", {"paths": {"/": [{"schema": schema}]}})).values()
