"""Edits of the complete document, and the changes that they are found as."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from documents import DROP, JSON, LIST, JsonObject, complete_document, node_at, reference

from api_changes.changes import Section
from api_changes.document_changes import document_changes

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


def assert_found(kind: Kind) -> None:
    """Check that an edit, and its reverse, are found as the expected changes and as nothing else."""
    edit, forwards, backwards = kind
    edited = complete_document()
    edit(edited)
    assert changes(complete_document(), edited) == _as_list(forwards)
    assert changes(edited, complete_document()) == _as_list(backwards)


def _as_list(found: Found | list[Found]) -> list[Found]:
    return sorted(found if isinstance(found, list) else [found])
