"""The module that tells the sandbox what a request may contain and what a response looks like."""

from __future__ import annotations

from typing import Any

import pytest
from documents import DROP, JSON, LIST, TIME, JsonObject, changed, complete_document, node_at, reference, rows
from jsonschema import Draft202012Validator

from bitget_spot_api import schemas
from bitget_spot_api.operations import OPERATIONS
from document import DOCUMENT, OperationNode, load, operations_of
from schema_rules import is_valid
from schemas_module import data_example, literal, request_schema, schemas_module

SCHEMAS = ("components", "schemas")


def operation_of(document: JsonObject, where: str) -> OperationNode:
    """Return an operation of a document."""
    return next(operation for operation in operations_of(document) if operation.where == where)


def namespace(document: JsonObject) -> dict[str, Any]:
    """Return the names of the module for a document."""
    names: dict[str, Any] = {}
    exec(schemas_module(document), names)  # noqa: S102 - the module under test
    return names


def test_module_has_every_operation() -> None:
    """The module has the schema of each request, and an example of the data of each response."""
    names = namespace(complete_document())
    assert names["REQUESTS"].keys() == names["DATA"].keys() == {"dropThings", "listThings", "getTime"}
    assert names["DATA"]["getTime"] == {"hour": "23"}


def test_committed_module_has_every_operation() -> None:
    """The committed module has every operation of the client."""
    ids = {operation.operation_id for operation in OPERATIONS.values()}
    assert schemas.REQUESTS.keys() == schemas.DATA.keys() == ids


def test_request_schema_resolves_references() -> None:
    """The schema of a body stands on its own, and has only what decides whether a request is valid."""
    body = request_schema(operation_of(complete_document(), DROP))["properties"]["body"]
    thing = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"number": {"type": "string", "minLength": 1}, "label": {"type": "string"}},
    }
    assert body == {
        "type": "object",
        "additionalProperties": False,
        "required": ["things"],
        "properties": {
            "manner": {"type": "string", "enum": ["soft", "hard"]},
            "times": {"type": "integer", "maximum": 3},
            "things": {"type": "array", "minItems": 1, "maxItems": 7, "items": thing},
        },
    }


def test_request_schema_has_the_query() -> None:
    """The parameters of the path and of the operation are the properties of the query."""
    document = complete_document()
    document["paths"]["/api/v2/things/list"]["parameters"] = [
        {"name": "zone", "in": "query", "required": True, "schema": {"type": "string"}}
    ]
    query = request_schema(operation_of(document, LIST))["properties"]["query"]
    assert query["required"] == ["zone"]
    assert query["properties"]["limit"] == {"type": "integer", "minimum": 1, "maximum": 100}
    assert query["properties"].keys() == {"zone", "limit", "shelf"}


@pytest.mark.parametrize(("is_required", "required"), [(True, ["body"]), (False, [])], ids=["required", "optional"])
def test_body_is_required_as_the_document_says(is_required: bool, required: list[str]) -> None:
    """A body may be optional."""
    document = changed(DROP, "requestBody", "required", to=is_required)
    assert request_schema(operation_of(document, DROP))["required"] == required


def test_bare_array_is_a_body() -> None:
    """The body may be a list itself."""
    schema = {"type": "array", "description": "Things.", "maxItems": 20, "items": reference("ThingRef")}
    document = changed(DROP, "requestBody", "content", JSON, "schema", to=schema)
    body = request_schema(operation_of(document, DROP))["properties"]["body"]
    assert (body["type"], body["maxItems"], body["items"]["type"]) == ("array", 20, "object")


def test_recursive_request_is_followed_once() -> None:
    """A schema that contains itself accepts anything inside itself."""
    document = changed(*SCHEMAS, "ThingRef", "properties", "inner", to=reference("ThingRef"))
    body = request_schema(operation_of(document, DROP))["properties"]["body"]
    thing = body["properties"]["things"]["items"]
    assert thing["properties"]["inner"] == {}


def test_nullable_object_in_a_request() -> None:
    """An object or null stays an alternative."""
    lid = {"description": "The lid.", "oneOf": [reference("ThingRef"), {"type": "null"}]}
    document = changed(*SCHEMAS, "Heap", "properties", "lid", to=lid)
    body = request_schema(operation_of(document, DROP))["properties"]["body"]
    (thing, null) = body["properties"]["lid"]["oneOf"]
    assert (thing["type"], null) == ("object", {"type": "null"})


def test_example_has_every_field() -> None:
    """The example of an object has the examples of its fields, and a list has one row."""
    row = {"number": "12", "weight": "3"}
    document = complete_document()
    assert data_example(operation_of(document, DROP)) == {"dropped": [row], "held": [row]}
    assert data_example(operation_of(document, LIST)) == [row]


def test_own_example_comes_first() -> None:
    """The example of a schema takes precedence over those of its parts."""
    document = changed(*SCHEMAS, "Thing", "example", to={"number": "7"})
    assert data_example(operation_of(document, LIST)) == [{"number": "7"}]


def test_fields_of_other_operations_are_left_out() -> None:
    """A field that only other operations return is not in the example."""
    document = changed(*SCHEMAS, "Thing", "properties", "weight", "x-only-on-page-of", to=["listThings"])
    assert data_example(operation_of(document, LIST)) == [{"number": "12", "weight": "3"}]
    assert data_example(operation_of(document, DROP)) == {"dropped": [{"number": "12"}], "held": [{"number": "12"}]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "null"}, None),
        ({}, None),
        ({"type": "string"}, ""),
        ({"type": ["integer", "null"]}, 0),
        ({"type": "boolean"}, False),
        ({"type": ["array", "null"]}, [None]),
        ({"type": "object"}, {}),
    ],
    ids=str,
)
def test_data_without_an_example(schema: JsonObject, value: object) -> None:
    """A value without an example is empty."""
    document = complete_document()
    node_at(document, *SCHEMAS, "TimeResponse", "properties")["data"] = schema
    assert data_example(operation_of(document, TIME)) == value


def test_recursive_response_ends() -> None:
    """An object inside itself is left out of the example, and a list of itself is empty."""
    document = complete_document()
    properties = node_at(document, *SCHEMAS, "Thing", "properties")
    properties["inner"] = reference("Thing")
    properties["parts"] = rows("Thing")
    assert data_example(operation_of(document, LIST)) == [{"number": "12", "weight": "3", "parts": []}]


def test_examples_of_the_document_are_valid() -> None:
    """The example of every operation of the project's document is valid for the schema of its data."""
    document = load(DOCUMENT)
    for operation in operations_of(document):
        envelope = operation.response_schema()
        assert envelope is not None
        example = {"code": "00000", "data": data_example(operation)}
        assert is_valid(document, example, envelope), operation.where


def test_schemas_of_the_document_are_valid() -> None:
    """The schema of every request of the project's document is a valid JSON Schema."""
    for operation in operations_of(load(DOCUMENT)):
        Draft202012Validator.check_schema(request_schema(operation))


def test_literal_has_a_comma_after_each_item() -> None:
    """Values are written as Python, with a comma after each item, so that the formatter keeps one on each line."""
    assert literal({"a": [1, "b"], "c": None}) == "{'a': [1,'b',],'c': None,}"
