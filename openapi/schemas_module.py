"""
The generated module `schemas.py`: what the sandbox knows about the operations that it has no handler for.

It is made from the document's request schemas, without what does not decide whether a request is valid, and from the
examples of the fields of its responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from document import Node, OperationNode, merged, operations_of, resolved, types_of

TEMPLATE: Final = Path(__file__).with_name("schemas.py.jinja")
ANNOTATIONS: Final = ("$ref", "description", "default", "deprecated", "example", "examples", "title", "externalDocs")
"""The keywords that do not decide whether a value is valid."""
EMPTY_VALUES: Final[Mapping[str, object]] = {"string": "", "integer": 0, "number": 0, "boolean": False, "object": {}}


def schemas_module(document: Node) -> str:
    """Return the source of `schemas.py`."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701 - Python, not HTML
    environment.filters["repr"] = repr
    environment.filters["literal"] = literal
    operations = [
        {
            "operation_id": operation.operation_id,
            "request": request_schema(operation),
            "data": data_example(operation),
        }
        for operation in operations_of(document)
    ]
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(operations=operations)


def literal(value: object) -> str:
    """Write a value as Python; the commas make the formatter keep one item on each line."""
    if isinstance(value, Mapping):
        return "{" + "".join(f"{name!r}: {literal(member)}," for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "".join(f"{literal(item)}," for item in value) + "]"
    return repr(value)


def request_schema(operation: OperationNode) -> dict[str, Any]:
    """Return the JSON Schema of an operation's request, as an object of its query and its body."""
    document = operation.document
    query = {parameter["name"]: _rules(document, parameter["schema"]) for parameter in operation.parameters}
    required = [parameter["name"] for parameter in operation.parameters if parameter.get("required")]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"query": {"type": "object", "properties": query, "required": required}},
    }
    if operation.body is not None and operation.body_schema is not None:
        schema["properties"]["body"] = _rules(document, operation.body_schema)
        schema["required"] = ["body"] if operation.body.get("required") else []
    return schema


def _rules(document: Node, schema: Node, parents: tuple[int, ...] = ()) -> dict[str, Any]:
    """Return a schema with its references resolved, without annotations; one that contains itself is followed once."""
    target = resolved(document, schema)
    if id(target) in parents:
        return {}
    inner = (*parents, id(target))
    rules: dict[str, Any] = {}
    for keyword, value in merged(document, schema).items():
        if keyword in ANNOTATIONS or keyword.startswith("x-"):
            continue
        if keyword == "properties":
            rules[keyword] = {name: _rules(document, member, inner) for name, member in value.items()}
        elif keyword == "oneOf":
            rules[keyword] = [_rules(document, member, inner) for member in value]
        elif keyword == "items":
            rules[keyword] = _rules(document, value, inner)
        else:
            rules[keyword] = value
    return rules


def data_example(operation: OperationNode) -> object:
    """Return an example of the `data` of an operation's response, with every field that its page shows."""
    schema = operation.response_schema()
    envelope = merged(operation.document, schema) if schema else {}
    return example_of(operation, envelope.get("properties", {}).get("data", {}))


def example_of(operation: OperationNode, schema: Node, parents: tuple[int, ...] = ()) -> object:
    """
    Return an example of a value: the schema's own, or one put together from the examples of its parts.

    Fields that other operations only have are left out, and so is a schema inside itself.
    """
    target = merged(operation.document, schema)
    if "example" in target:
        return target["example"]
    if "oneOf" in target:
        return example_of(operation, target["oneOf"][0], parents)
    identity = id(resolved(operation.document, schema))
    types = types_of(target)
    if "array" in types:
        items = target.get("items", {})
        is_recursive = id(resolved(operation.document, items)) in parents
        return [] if is_recursive else [example_of(operation, items, (*parents, identity))]
    if "properties" in target:
        return _object_example(operation, target, (*parents, identity))
    return EMPTY_VALUES.get(types[0]) if types else None


def _object_example(operation: OperationNode, schema: Node, parents: tuple[int, ...]) -> dict[str, object]:
    example: dict[str, object] = {}
    for name, member in schema["properties"].items():
        is_shown = operation.operation_id in member.get("x-only-on-page-of", [operation.operation_id])
        is_recursive = id(resolved(operation.document, member)) in parents
        if is_shown and not is_recursive:
            example[name] = example_of(operation, member, parents)
    return example
