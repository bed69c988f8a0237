"""What the document says about an operation, in the same form as the facts of a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from document import Node, OperationNode, merged, resolved, types_of
from vendor_pages.facts import ENVELOPE, NONE, Facts, Member, format_limit
from vendor_pages.tables import without_request_facts
from vendor_pages.wording import type_name

ON_OTHER_PAGES: Final = "it is on other pages only"
MAXIMA: Final = ("maxItems", "maxLength", "maximum")


def derive(operation: OperationNode, texts: Mapping[str, str]) -> Facts:
    """
    Return what the document says about an operation.

    Args:
        operation: The operation.
        texts: The fingerprints of the texts that somebody has read, by their places.

    """
    limit = operation.node.get("x-rate-limit", {})
    return Facts(
        method=operation.method,
        path=operation.path,
        limit=format_limit(limit["requests"], limit["period-seconds"]) if limit else NONE,
        scope=limit.get("scope", NONE),
        batch_limit=_batch_limit(operation),
        members={
            **_request_members(operation, texts),
            **_envelope_members(operation, texts),
            **_response_members(operation, texts),
        },
        text=operation.node.get("description", ""),
        fingerprint=texts.get("description", ""),
        deprecation="deprecated: true" if operation.node.get("deprecated") else "",
    )


def _batch_limit(operation: OperationNode) -> float | None:
    if operation.body_schema is None:
        return None
    schema = merged(operation.document, operation.body_schema)
    limit: float | None = schema.get("maxItems")
    return limit


def _request_members(operation: OperationNode, texts: Mapping[str, str]) -> dict[str, Member]:
    members: dict[str, Member] = {}
    for parameter in operation.parameters:
        schema: Node = {**resolved(operation.document, parameter["schema"]), **parameter["schema"], **parameter}
        place = f"request {parameter['name']}"
        required = bool(parameter.get("required"))
        members[place] = _member_of(schema, operation.operation_id, texts.get(place, ""), required=required)
    if operation.body_schema is not None:
        for place, schema, required in _fields(operation.document, operation.body_schema, "request "):
            members[place] = _member_of(schema, operation.operation_id, texts.get(place, ""), required=required)
    return members


def _envelope_members(operation: OperationNode, texts: Mapping[str, str]) -> dict[str, Member]:
    members: dict[str, Member] = {}
    for name, schema in _envelope(operation).get("properties", {}).items():
        place = f"{ENVELOPE}{name}"
        known = merged(operation.document, schema)
        member = _member_of(known, operation.operation_id, texts.get(place, ""))
        members[place] = without_request_facts(member)
    return members


def _response_members(operation: OperationNode, texts: Mapping[str, str]) -> dict[str, Member]:
    members: dict[str, Member] = {}
    envelope = _envelope(operation)
    data = envelope.get("properties", {}).get("data", envelope)
    for place, schema, _ in _fields(operation.document, data, "response "):
        member = _member_of(schema, operation.operation_id, texts.get(place, ""))
        members[place] = without_request_facts(member)
    return members


def _envelope(operation: OperationNode) -> Node:
    schema = operation.response_schema()
    return {} if schema is None else _object_in(operation.document, schema)


def _object_in(document: Node, schema: Node) -> Node:
    """Return the schema of the object in a schema: an item, an alternative to null, or the content of a string."""
    schema = resolved(document, schema)
    for inner in (
        schema.get("items"),
        schema.get("contentSchema"),
        *schema.get("oneOf", ()),
        *schema.get("anyOf", ()),
    ):
        found = _object_in(document, inner) if inner else {}
        if "properties" in found:
            return found
    return schema


def _fields(
    document: Node, schema: Node, prefix: str, parents: tuple[int, ...] = ()
) -> Iterator[tuple[str, Node, bool]]:
    """Yield the fields below a schema, each with its place and whether it is required."""
    parent = _object_in(document, schema)
    inherited = {mark: schema[mark] for mark in ("x-beyond-page", "x-only-on-page-of") if mark in schema}
    for name, node in parent.get("properties", {}).items():
        member: Node = {**inherited, **merged(document, node)}
        place = prefix + name
        yield place, member, name in parent.get("required", ())
        if id(parent) not in parents:  # a schema that contains itself is followed once
            yield from _fields(document, member, f"{place} > ", (*parents, id(parent)))


def _member_of(schema: Node, operation_id: str, stored_fingerprint: str, *, required: bool | None = None) -> Member:
    """Return what the document says about a parameter or field, with the values of `x-page-says` first."""
    facts = {
        "type": types_of(schema),
        "required": required,
        "maximum": next((schema[key] for key in MAXIMA if key in schema), None),
        "values": schema.get("enum") or (),
        **schema.get("x-page-says", {}),
    }
    if not facts["type"] and "oneOf" in schema:
        facts["type"] = "object"
    types = [facts["type"]] if isinstance(facts["type"], str) else facts["type"]
    beyond = schema.get("x-beyond-page", "")
    if operation_id not in schema.get("x-only-on-page-of", [operation_id]):
        beyond = ON_OTHER_PAGES
    return Member(
        types=frozenset(type_name(name) for name in types if name != "null"),
        required=facts["required"],
        maximum=facts["maximum"],
        values=frozenset(map(str, facts["values"])),
        text=schema.get("description", ""),
        fingerprint=stored_fingerprint,
        beyond=beyond,
        deprecated=bool(schema.get("deprecated")),
    )
