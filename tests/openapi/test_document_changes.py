"""Every kind of change of the document is found, in both directions, under the right heading."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from documents import (
    DROP,
    JSON,
    LIST,
    TIME,
    JsonObject,
    complete_document,
    node_at,
    parameter,
    reference,
    request,
    response,
    text,
)

from api_changes.changes import Section
from api_changes.document_changes import document_changes
from document import DOCUMENT, load

BREAKING = Section.BREAKING
CHANGED = Section.CHANGED
ADDED = Section.ADDED
Edit = Callable[[JsonObject], object]
SCHEMAS = ("components", "schemas")


def changes(old: JsonObject, new: JsonObject) -> list[tuple[Section, str, str]]:
    """Return the changes between two documents, as plain data."""
    found = [(change.section, change.place, change.text) for change in document_changes(old, new)]
    return sorted(set(found))


def set_to(value: object, *path: str) -> Edit:
    """Return an edit that sets a value of the document."""

    def edit(document: JsonObject) -> None:
        node_at(document, *path[:-1])[path[-1]] = copy.deepcopy(value)

    return edit


def remove(*path: str) -> Edit:
    """Return an edit that removes a value of the document."""

    def edit(document: JsonObject) -> None:
        del node_at(document, *path[:-1])[path[-1]]

    return edit


def rename(new: str, *path: str) -> Edit:
    """Return an edit that renames a key of the document and keeps the order."""

    def edit(document: JsonObject) -> None:
        parent = node_at(document, *path[:-1])
        items = [(new if key == path[-1] else key, value) for key, value in parent.items()]
        parent.clear()
        parent.update(items)

    return edit


def rename_schema(old: str, new: str) -> Edit:
    """Return an edit that renames a schema, and the references to it."""

    def edit(document: JsonObject) -> None:
        rename(new, *SCHEMAS, old)(document)

        def follow(node: Any) -> None:
            if isinstance(node, dict):
                if node.get("$ref") == reference(old)["$ref"]:
                    node["$ref"] = reference(new)["$ref"]
                for value in node.values():
                    follow(value)
            elif isinstance(node, list):
                for value in node:
                    follow(value)

        follow(document)

    return edit


HEAP = (*SCHEMAS, "Heap")
REF = (*SCHEMAS, "ThingRef")
THING = (*SCHEMAS, "Thing")
MANNER = (*SCHEMAS, "Manner")
BODY = (DROP, "requestBody", "content", JSON, "schema")
LIMIT = (LIST, "x-rate-limit")
NULLABLE = {"type": ["string", "null"], "description": "A text.", "example": "a"}
SLOW = {"requests": 5, "period-seconds": 1, "scope": "UID"}
LONG = {"requests": 600, "period-seconds": 60, "scope": "UID"}
MINUTE = {"requests": 60, "period-seconds": 60, "scope": "UID"}
BY_IP = {"requests": 10, "period-seconds": 1, "scope": "IP"}

Found = tuple[Section, str, str]
Kind = tuple[Edit, Found | list[Found], Found | list[Found]]


def both_ways(edit: Edit, found: Found) -> Kind:
    """Return an edit that is found as the same change in both directions."""
    return edit, found, found


KINDS: dict[str, Kind] = {
    # Operations
    "operation": (
        remove("paths", "/api/v2/things/list"),
        [(BREAKING, "listThings", "is gone")],
        (ADDED, "listThings", f"`{LIST}`"),
    ),
    "operation id": (
        set_to("getThings", LIST, "operationId"),
        (BREAKING, "listThings", "is now `getThings`"),
        (BREAKING, "getThings", "is now `listThings`"),
    ),
    "path": (
        rename("/api/v2/things/all", "paths", "/api/v2/things/list"),
        (BREAKING, "listThings", f"`{LIST}` is now `GET /api/v2/things/all`"),
        (BREAKING, "listThings", f"`GET /api/v2/things/all` is now `{LIST}`"),
    ),
    "method": (
        rename("post", "paths", "/api/v2/things/list", "get"),
        (BREAKING, "listThings", f"`{LIST}` is now `POST /api/v2/things/list`"),
        (BREAKING, "listThings", f"`POST /api/v2/things/list` is now `{LIST}`"),
    ),
    "tag": (
        set_to(["public"], LIST, "tags"),
        (BREAKING, "listThings", "the tag things, which names its module, is now public"),
        (BREAKING, "listThings", "the tag public, which names its module, is now things"),
    ),
    "lower rate limit": (
        set_to(SLOW, *LIMIT),
        (BREAKING, "listThings", "the rate limit was 10 in 1 s (UID) and is now 5 in 1 s (UID)"),
        (CHANGED, "listThings", "the rate limit was 5 in 1 s (UID) and is now 10 in 1 s (UID)"),
    ),
    "rate limit over a longer period": (
        set_to(LONG, *LIMIT),
        (CHANGED, "listThings", "the rate limit was 10 in 1 s (UID) and is now 600 in 60 s (UID)"),
        (BREAKING, "listThings", "the rate limit was 600 in 60 s (UID) and is now 10 in 1 s (UID)"),
    ),
    "rate limit that is lower in the long run": (
        set_to(MINUTE, *LIMIT),
        (BREAKING, "listThings", "the rate limit was 10 in 1 s (UID) and is now 60 in 60 s (UID)"),
        (BREAKING, "listThings", "the rate limit was 60 in 60 s (UID) and is now 10 in 1 s (UID)"),
    ),
    "scope": (
        set_to(BY_IP, *LIMIT),
        (BREAKING, "listThings", "the rate limit was 10 in 1 s (UID) and is now 10 in 1 s (IP)"),
        (BREAKING, "listThings", "the rate limit was 10 in 1 s (IP) and is now 10 in 1 s (UID)"),
    ),
    "repeat": (
        set_to(0, LIST, "x-repeat-safe"),
        (BREAKING, "listThings", "a repeat is no longer safe"),
        (CHANGED, "listThings", "a repeat is now safe"),
    ),
    "signature": (
        remove(TIME, "security"),
        (BREAKING, "getTime", "must be signed"),
        (CHANGED, "getTime", "is no longer signed"),
    ),
    "deprecated operation": (
        set_to("yes", LIST, "deprecated"),
        (CHANGED, "listThings", "is deprecated"),
        (CHANGED, "listThings", "is no longer deprecated"),
    ),
    "summary": both_ways(set_to("Do more.", LIST, "summary"), (CHANGED, "listThings", "another summary")),
    "description": both_ways(set_to("More.", LIST, "description"), (CHANGED, "listThings", "another description")),
    "response status": (
        remove(LIST, "responses", "5XX"),
        (BREAKING, "listThings", "the response 5XX is gone"),
        (CHANGED, "listThings", "the response 5XX is new"),
    ),
    # Parameters
    "parameter": (
        set_to([parameter("limit", "integer", 10, minimum=1, maximum=100)], LIST, "parameters"),
        (BREAKING, "listThings(shelf)", "is gone"),
        (ADDED, "listThings(shelf)", "a parameter"),
    ),
    "required parameter": (
        lambda document: node_at(document, LIST, "parameters").append(
            {**parameter("zone", "string", "a"), "required": True}
        ),
        (BREAKING, "listThings(zone)", "is new and required"),
        (BREAKING, "listThings(zone)", "is gone"),
    ),
    "parameter becomes required": (
        lambda document: node_at(document, LIST, "parameters")[1].update(required=True),
        (BREAKING, "listThings(shelf)", "is now required"),
        (CHANGED, "listThings(shelf)", "is now optional"),
    ),
    "type of a parameter": (
        lambda document: node_at(document, LIST, "parameters")[1]["schema"].update(type="integer"),
        (BREAKING, "listThings(shelf)", "the type string is now integer"),
        (BREAKING, "listThings(shelf)", "the type integer is now string"),
    ),
    "maximum of a parameter": (
        lambda document: node_at(document, LIST, "parameters")[0]["schema"].update(maximum=50),
        (BREAKING, "listThings(limit)", "`maximum` was 100 and is now 50"),
        (CHANGED, "listThings(limit)", "`maximum` was 50 and is now 100"),
    ),
    "minimum of a parameter": (
        lambda document: node_at(document, LIST, "parameters")[0]["schema"].update(minimum=5),
        (BREAKING, "listThings(limit)", "`minimum` was 1 and is now 5"),
        (CHANGED, "listThings(limit)", "`minimum` was 5 and is now 1"),
    ),
    "description of a parameter": both_ways(
        lambda document: node_at(document, LIST, "parameters")[0].update(description="More."),
        (CHANGED, "listThings(limit)", "another description"),
    ),
    "deprecated parameter": (
        lambda document: node_at(document, LIST, "parameters")[0].update(deprecated=True),
        (CHANGED, "listThings(limit)", "is deprecated"),
        (CHANGED, "listThings(limit)", "is no longer deprecated"),
    ),
    # Bodies
    "body": (
        remove(DROP, "requestBody"),
        (BREAKING, "dropThings(body)", "is gone"),
        (BREAKING, "dropThings(body)", "is new and required"),
    ),
    "optional body": (
        set_to({"content": {JSON: {"schema": reference("Heap")}}}, LIST, "requestBody"),
        (ADDED, "listThings(body)", "a body"),
        (BREAKING, "listThings(body)", "is gone"),
    ),
    "required body": (
        set_to(0, DROP, "requestBody", "required"),
        (CHANGED, "dropThings(body)", "is now optional"),
        (BREAKING, "dropThings(body)", "is now required"),
    ),
    "other body": (
        set_to(reference("ThingRef"), *BODY),
        (BREAKING, "dropThings(body)", "`Heap` is now `ThingRef`"),
        (BREAKING, "dropThings(body)", "`ThingRef` is now `Heap`"),
    ),
    # Schemas of requests
    "schema": (
        rename_schema("ThingRef", "ThingId"),
        [(BREAKING, "ThingRef", "`ThingRef` is now `ThingId`")],
        [(BREAKING, "ThingId", "`ThingId` is now `ThingRef`")],
    ),
    "unused schema": (
        set_to(text("A.", "a"), *SCHEMAS, "Unused"),
        (ADDED, "Unused", "a schema"),
        (BREAKING, "Unused", "is gone"),
    ),
    "field": (
        remove(*REF, "properties", "label"),
        (BREAKING, "ThingRef.label", "is gone"),
        (ADDED, "ThingRef.label", "a field"),
    ),
    "renamed field": (
        rename("name", *REF, "properties", "label"),
        [(BREAKING, "ThingRef.label", "is gone"), (ADDED, "ThingRef.name", "a field")],
        [(ADDED, "ThingRef.label", "a field"), (BREAKING, "ThingRef.name", "is gone")],
    ),
    "field becomes required": (
        set_to(["number"], *REF, "required"),
        (BREAKING, "ThingRef.number", "is now required"),
        (CHANGED, "ThingRef.number", "is now optional"),
    ),
    "required field": (
        lambda document: node_at(document, *HEAP).update(
            required=["things", "depth"],
            properties={**node_at(document, *HEAP, "properties"), "depth": text("How deep.", "3")},
        ),
        (BREAKING, "Heap.depth", "is new and required"),
        (BREAKING, "Heap.depth", "is gone"),
    ),
    "type of a field": (
        set_to("integer", *REF, "properties", "label", "type"),
        (BREAKING, "ThingRef.label", "the type string is now integer"),
        (BREAKING, "ThingRef.label", "the type integer is now string"),
    ),
    "wider type of a field": (
        set_to(["string", "null"], *REF, "properties", "label", "type"),
        (CHANGED, "ThingRef.label", "the type string is now null or string"),
        (BREAKING, "ThingRef.label", "the type null or string is now string"),
    ),
    "any type of a field": (
        remove(*REF, "properties", "label", "type"),
        (CHANGED, "ThingRef.label", "the type string is now any type"),
        (BREAKING, "ThingRef.label", "the type any type is now string"),
    ),
    "whole numbers among numbers": (
        set_to("number", *HEAP, "properties", "times", "type"),
        (CHANGED, "Heap.times", "the type integer is now number"),
        (BREAKING, "Heap.times", "the type number is now integer"),
    ),
    "value": (
        set_to(["soft"], *MANNER, "enum"),
        (BREAKING, "Manner", "the value `hard` is gone"),
        (ADDED, "Manner", "the value `hard`"),
    ),
    "values": (
        remove(*MANNER, "enum"),
        (CHANGED, "Manner", "no longer only `soft`, `hard`"),
        (BREAKING, "Manner", "only `soft`, `hard` from now on"),
    ),
    "maximum of a list": (
        set_to(3, *HEAP, "properties", "things", "maxItems"),
        (BREAKING, "Heap.things", "`maxItems` was 7 and is now 3"),
        (CHANGED, "Heap.things", "`maxItems` was 3 and is now 7"),
    ),
    "no maximum of a list": (
        remove(*HEAP, "properties", "things", "maxItems"),
        (CHANGED, "Heap.things", "`maxItems` was 7 and is gone"),
        (BREAKING, "Heap.things", "`maxItems` is new: 7"),
    ),
    "minimum of a list": (
        set_to(2, *HEAP, "properties", "things", "minItems"),
        (BREAKING, "Heap.things", "`minItems` was 1 and is now 2"),
        (CHANGED, "Heap.things", "`minItems` was 2 and is now 1"),
    ),
    "length of a text": (
        set_to(3, *REF, "properties", "number", "minLength"),
        (BREAKING, "ThingRef.number", "`minLength` was 1 and is now 3"),
        (CHANGED, "ThingRef.number", "`minLength` was 3 and is now 1"),
    ),
    "pattern": (
        set_to("^[0-9]+$", *REF, "properties", "number", "pattern"),
        (BREAKING, "ThingRef.number", "`pattern` is new: ^[0-9]+$"),
        (CHANGED, "ThingRef.number", "`pattern` was ^[0-9]+$ and is gone"),
    ),
    "open request": (
        remove(*HEAP, "additionalProperties"),
        (CHANGED, "Heap", "accepts other fields"),
        (BREAKING, "Heap", "no longer accepts other fields"),
    ),
    "default": both_ways(
        set_to("a", *REF, "properties", "label", "default"), (CHANGED, "ThingRef.label", "another default")
    ),
    "items": (
        set_to({"type": "string"}, *HEAP, "properties", "things", "items"),
        (BREAKING, "Heap.things[]", "the type object is now string"),
        (BREAKING, "Heap.things[]", "the type string is now object"),
    ),
    "description of a field": both_ways(
        set_to("More.", *REF, "properties", "label", "description"), (CHANGED, "ThingRef.label", "another description")
    ),
    "deprecated field": (
        set_to("yes", *REF, "properties", "label", "deprecated"),
        (CHANGED, "ThingRef.label", "is deprecated"),
        (CHANGED, "ThingRef.label", "is no longer deprecated"),
    ),
    # Schemas of responses
    "field of a response": (
        remove(*THING, "properties", "weight"),
        (BREAKING, "Thing.weight", "is gone"),
        (ADDED, "Thing.weight", "a field"),
    ),
    "type of a field of a response": (
        set_to("integer", *THING, "properties", "weight", "type"),
        (BREAKING, "Thing.weight", "the type null or string is now integer"),
        (BREAKING, "Thing.weight", "the type integer is now null or string"),
    ),
    "narrower type of a field of a response": (
        set_to("string", *THING, "properties", "weight", "type"),
        (CHANGED, "Thing.weight", "the type null or string is now string"),
        (BREAKING, "Thing.weight", "the type string is now null or string"),
    ),
    "required field of a response": (
        set_to(["weight"], *THING, "required"),
        (BREAKING, "Thing.weight", "is now required"),
        (BREAKING, "Thing.weight", "is now optional"),
    ),
    "values of a response": (
        set_to(["1", "2"], *THING, "properties", "weight", "enum"),
        (CHANGED, "Thing.weight", "only `1`, `2` from now on"),
        (BREAKING, "Thing.weight", "no longer only `1`, `2`"),
    ),
    "maximum of a response": (
        set_to(3, *SCHEMAS, "Heaps", "properties", "dropped", "maxItems"),
        (CHANGED, "Heaps.dropped", "`maxItems` is new: 3"),
        (CHANGED, "Heaps.dropped", "`maxItems` was 3 and is gone"),
    ),
    "pattern of a response": (
        set_to("a", *THING, "properties", "weight", "pattern"),
        (CHANGED, "Thing.weight", "`pattern` is new: a"),
        (CHANGED, "Thing.weight", "`pattern` was a and is gone"),
    ),
    "object that is never null": (
        set_to({**reference("Clock"), "description": "The data."}, *SCHEMAS, "TimeResponse", "properties", "data"),
        (CHANGED, "TimeResponse.data", "the type null or object is now object"),
        (BREAKING, "TimeResponse.data", "the type object is now null or object"),
    ),
    "rows of another schema": (
        set_to(reference("Clock"), *SCHEMAS, "ThingsResponse", "properties", "data", "items"),
        (BREAKING, "ThingsResponse.data[]", "`Thing` is now `Clock`"),
        (BREAKING, "ThingsResponse.data[]", "`Clock` is now `Thing`"),
    ),
    # The whole API
    "new error code": (
        set_to(["2", "00171", "5"], "x-error-codes", "gone"),
        (ADDED, "x-error-codes.5", "gone"),
        (BREAKING, "x-error-codes.5", "is no longer gone"),
    ),
    "error code of another class": (
        set_to({"gone": ["2"], "clock": ["3", "00171"]}, "x-error-codes"),
        (BREAKING, "x-error-codes.00171", "gone is now clock"),
        (BREAKING, "x-error-codes.00171", "clock is now gone"),
    ),
    "error codes by version": (
        set_to({"gateway": {"clock": ["3"]}, "v2": {"gone": ["2", "00171"]}}, "x-error-codes"),
        [],
        [],
    ),
    "timestamp window": (
        set_to(10, "x-timestamp-window-seconds"),
        (BREAKING, "x-timestamp-window-seconds", "the timestamp window was 30 s and is now 10 s"),
        (CHANGED, "x-timestamp-window-seconds", "the timestamp window was 10 s and is now 30 s"),
    ),
    "success code": (
        set_to("0", "x-success-code"),
        (BREAKING, "x-success-code", "was 00000 and is now 0"),
        (BREAKING, "x-success-code", "was 0 and is now 00000"),
    ),
    "server": (
        lambda document: document["servers"][0].update(url="https://other.test"),
        (BREAKING, "servers", "https://things.test is now https://other.test"),
        (BREAKING, "servers", "https://other.test is now https://things.test"),
    ),
    "header that signs": (
        lambda document: (
            document["components"]["securitySchemes"].update(
                sign={"type": "apiKey", "in": "header", "name": "ACCESS-SIGN"}
            ),
            document["security"][0].update(sign=[]),
        ),
        (BREAKING, "security", "`ACCESS-SIGN` signs a request"),
        (BREAKING, "security", "`ACCESS-SIGN` no longer signs a request"),
    ),
}


def as_list(found: Found | list[Found]) -> list[Found]:
    """Return the expected changes as a sorted list."""
    return sorted(found if isinstance(found, list) else [found])


@pytest.mark.parametrize(("edit", "forwards", "backwards"), KINDS.values(), ids=KINDS)
def test_kind_of_change(edit: Edit, forwards: Found | list[Found], backwards: Found | list[Found]) -> None:
    """Each kind of change, and its reverse, is found under its heading, and nothing else is."""
    edited = complete_document()
    edit(edited)
    assert changes(complete_document(), edited) == as_list(forwards)
    assert changes(edited, complete_document()) == as_list(backwards)


HARMLESS: dict[str, Edit] = {
    "example": set_to("b-2", *REF, "properties", "label", "example"),
    "examples of a body": set_to(
        {"one": {"summary": "One.", "value": {}}}, DROP, "requestBody", "content", JSON, "examples"
    ),
    "mark for pages": set_to("Integer", *REF, "properties", "label", "x-page-says"),
    "order of the fields": lambda document: node_at(document, *REF, "properties").update(
        label=node_at(document, *REF, "properties").pop("label"),
        number=node_at(document, *REF, "properties").pop("number"),
    ),
    "description of a response": set_to("Finished.", LIST, "responses", "200", "description"),
    "order of the codes": set_to(["00171", "2"], "x-error-codes", "gone"),
}


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS)
def test_harmless_edit_is_no_change(edit: Edit) -> None:
    """An edit that means nothing to a program is not listed."""
    edited = complete_document()
    edit(edited)
    assert changes(complete_document(), edited) == []
    assert changes(edited, complete_document()) == []


def test_same_schema_inline_or_by_name() -> None:
    """A schema that gets a name, or loses it, is compared by its contents."""
    edited = complete_document()
    inline = node_at(edited, *MANNER)
    node_at(edited, *HEAP, "properties")["manner"] = {**inline, "enum": ["soft"]}
    found = changes(complete_document(), edited)
    assert found == [(BREAKING, "Heap.manner", "the value `hard` is gone")]


def test_schema_of_both_directions() -> None:
    """A schema that is sent and returned is compared in both directions, and each change is listed."""
    document = complete_document()
    node_at(document, *THING, "properties")["ref"] = reference("ThingRef")
    edited = copy.deepcopy(document)
    node_at(edited, *REF, "properties", "label")["type"] = ["string", "null"]
    text_of_change = "the type string is now null or string"
    assert changes(document, edited) == sorted(
        [(CHANGED, "ThingRef.label", text_of_change), (BREAKING, "ThingRef.label", text_of_change)]
    )


def test_type_is_compared_once_however_null_is_written() -> None:
    """A list or null that becomes an object or null is one change of the type."""
    row = reference("Thing")
    old = complete_document()
    new = complete_document()
    set_to({"type": ["array", "null"], "items": row}, *THING, "properties", "parts")(old)
    set_to({"oneOf": [row, {"type": "null"}]}, *THING, "properties", "parts")(new)
    assert changes(old, new) == [(BREAKING, "Thing.parts", "the type array or null is now null or object")]
    assert changes(new, old) == [(BREAKING, "Thing.parts", "the type null or object is now array or null")]


def test_recursive_schema_is_compared_once() -> None:
    """A schema that contains itself is compared once."""
    document = complete_document()
    node_at(document, *THING, "properties")["inner"] = reference("Thing")
    edited = copy.deepcopy(document)
    del node_at(edited, *THING, "properties")["weight"]
    assert changes(document, edited) == [(BREAKING, "Thing.weight", "is gone")]


def test_new_operation_with_its_schemas() -> None:
    """A new operation is listed with its path, and its new schemas are listed too."""
    edited = complete_document()
    edited["paths"]["/api/v2/things/lift"] = {"get": {**node_at(edited, LIST), "operationId": "liftThings"}}
    node_at(edited, *SCHEMAS)["Lift"] = request("To lift.", {})
    node_at(edited, *SCHEMAS)["Lifted"] = response("Lifted.", {})
    assert changes(complete_document(), edited) == [
        (ADDED, "Lift", "a schema"),
        (ADDED, "Lifted", "a schema"),
        (ADDED, "liftThings", "`GET /api/v2/things/lift`"),
    ]


def test_project_document_equals_itself() -> None:
    """The project's document has not changed against itself."""
    document = load(DOCUMENT)
    assert document_changes(document, load(DOCUMENT)) == []
