"""Every kind of change of a schema is found, in both directions, under the right heading."""

from __future__ import annotations

import copy

import pytest
from document_edits import (
    ADDED,
    BREAKING,
    CHANGED,
    HEAP,
    MANNER,
    REF,
    SCHEMAS,
    THING,
    Kind,
    assert_found,
    both_ways,
    changes,
    remove,
    rename,
    rename_schema,
    set_to,
)
from documents import complete_document, node_at, reference, text

KINDS: dict[str, Kind] = {
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
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_kind_of_change(kind: Kind) -> None:
    """Each kind of change, and its reverse, is found under its heading, and nothing else is."""
    assert_found(kind)


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
