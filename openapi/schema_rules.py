"""
What the document's schemas must say for models, sandbox, site and tests to be derived from them.

A request is the client's: its schemas are closed and exact. A response is the exchange's: its schemas accept whatever the
exchange adds, leaves out or sends as null, because a response with the outcomes of orders must never fail to parse.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from attrs import field, frozen
from jsonschema import Draft202012Validator
from referencing.exceptions import Unresolvable

from document import DocumentError, Node, merged, operations_of, resolved, types_of

SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
NULL: Final = {"type": "null"}
NAME: Final = re.compile(r"(?:[A-Z][a-z0-9]+)+")
STRICT_KEYWORDS: Final = ("enum", "const", "required", "dependentRequired", "minProperties")
"""What would make a response fail to parse, or to be valid."""

ONE_SCHEMA: Final = frozenset(
    {
        *("not", "if", "then", "else", "items", "contains", "propertyNames"),
        *("additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contentSchema"),
    }
)
LIST_OF_SCHEMAS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
NAMED_SCHEMAS: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
KEYWORDS: Final = frozenset(
    {
        *ONE_SCHEMA,
        *LIST_OF_SCHEMAS,
        *NAMED_SCHEMAS,
        *("$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary"),
        *("$comment", "type", "enum", "const", "required", "dependentRequired"),
        *("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("maxLength", "minLength", "pattern", "format", "maxItems", "minItems", "uniqueItems"),
        *("maxContains", "minContains", "maxProperties", "minProperties"),
        *("title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples"),
        *("contentEncoding", "contentMediaType"),
        # OpenAPI's own
        *("discriminator", "xml", "externalDocs", "example"),
    }
)


@frozen
class Place:
    """A schema with its place."""

    name: str
    schema: Node = field(repr=False)
    is_named: bool = False
    """Whether it is one of `components/schemas`."""


def schema_problems(document: Node, module_names: Collection[str] = ()) -> list[str]:
    """
    Return what is wrong with the schemas: a line for each problem.

    Args:
        document: The document.
        module_names: The schemas whose module has a name of its own in the generator's settings.

    """
    found = list(_misspelt_keywords(document))
    for place in request_schemas(document):
        found += [*_common_problems(document, place), *_request_problems(document, place)]
    for place in response_schemas(document):
        found += [*_common_problems(document, place), *_response_problems(place)]
    for name, schema in _components(document).items():
        found += _name_problems(name, schema, has_module_name=name in module_names)
    return list(dict.fromkeys(found))


def request_schemas(document: Node) -> list[Place]:
    """Return the schemas of all request bodies, with those inside them and those that they refer to."""
    roots = [(operation.where, operation.body_schema) for operation in operations_of(document)]
    return _reachable(document, [(f"{where}: the request body", schema) for where, schema in roots if schema])


def response_schemas(document: Node) -> list[Place]:
    """Return the schemas of all responses, with those inside them and those that they refer to."""
    roots: list[tuple[str, Node]] = []
    for operation in operations_of(document):
        for status in operation.responses:
            schema = operation.response_schema(status)
            if schema:
                roots.append((f"{operation.where}: the response {status}", schema))
    return _reachable(document, roots)


def value_problems(document: Node, where: str, node: Node, schema: Node) -> Iterator[str]:
    """
    Yield what a parameter or field lacks: a description, and a valid example if it is a single value.

    Args:
        document: The document.
        where: The place of the parameter or field.
        node: What says it: the parameter, or the field's schema.
        schema: The schema, which may say it too.

    """
    known = {**merged(document, schema), **node}
    if not known.get("description"):
        yield f"{where} lacks description"
    if not SCALARS & set(types_of(known)):
        return
    if "example" not in known:
        yield f"{where} lacks example"
    elif not is_valid(document, known["example"], schema):
        yield f"{where}: the example {known['example']!r} is not valid for its schema"


def is_valid(document: Node, value: object, schema: Node) -> bool:
    """
    Return whether a value is valid for a schema.

    Raises:
        DocumentError: A reference in the schema leads nowhere.

    """
    validator = Draft202012Validator({**schema, "components": document.get("components", {})})
    try:
        return bool(validator.is_valid(value))
    except Unresolvable as error:
        raise DocumentError(f"the reference {error.ref} leads nowhere") from error


def nested_schemas(where: str, schema: object) -> Iterator[tuple[str, Node]]:
    """Yield a schema and every schema inside it, each with its place; references are not followed."""
    if not isinstance(schema, Mapping):  # `additionalProperties: false`
        return
    yield where, schema
    for keyword, value in schema.items():
        place = f"{where}.{keyword}"
        if keyword in ONE_SCHEMA:
            yield from nested_schemas(place, value)
        elif keyword in LIST_OF_SCHEMAS:
            for index, member in enumerate(value):
                yield from nested_schemas(f"{place}[{index}]", member)
        elif keyword in NAMED_SCHEMAS:
            for name, member in value.items():
                yield from nested_schemas(f"{place}.{name}", member)


def inline_schemas(where: str, node: object) -> Iterator[tuple[str, Node]]:
    """Yield every schema outside `components/schemas`, with those inside it."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "schema":
                yield from nested_schemas(f"{where}.{key}", value)
            elif key != "schemas":
                yield from inline_schemas(f"{where}.{key}", value)
    elif isinstance(node, list):
        for index, member in enumerate(node):
            yield from inline_schemas(f"{where}[{index}]", member)


def _components(document: Node) -> Mapping[str, Node]:
    schemas: Mapping[str, Node] = document.get("components", {}).get("schemas", {})
    return schemas


def _reachable(document: Node, roots: list[tuple[str, Node]]) -> list[Place]:
    """Return these schemas and those that they lead to; each of `components/schemas` once, under its name."""
    found: dict[str, Place] = {}
    pending = [Place(where, schema) for where, schema in roots]
    while pending:
        place = pending.pop(0)
        if "$ref" in place.schema:
            name = place.schema["$ref"].rpartition("/")[2]
            place = Place(name, resolved(document, place.schema), is_named=True)
        if place.name not in found:
            found[place.name] = place
            pending += _children(place)
    return list(found.values())


def _children(place: Place) -> Iterator[Place]:
    """Yield the schemas directly inside one; the content of a string is not part of the message."""
    schema = place.schema
    for name, member in schema.get("properties", {}).items():
        yield Place(f"{place.name}.{name}", member)
    if "items" in schema:
        yield Place(f"{place.name}[]", schema["items"])
    for index, member in enumerate(schema.get("oneOf", ())):
        yield Place(f"{place.name}.oneOf[{index}]", member)


def _misspelt_keywords(document: Node) -> Iterator[str]:
    schemas = list(inline_schemas("#", document))
    for name, schema in _components(document).items():
        schemas += nested_schemas(name, schema)
    for where, schema in schemas:
        unknown = [keyword for keyword in schema if keyword not in KEYWORDS and not keyword.startswith("x-")]
        if unknown:
            yield f"{where}: {', '.join(unknown)}: no such keyword of a schema"


def _common_problems(document: Node, place: Place) -> Iterator[str]:
    schema = place.schema
    for keyword in ("allOf", "anyOf"):
        if keyword in schema:
            yield f"{place.name}: {keyword} is not supported; write the fields out"
    if "oneOf" in schema and (len(schema["oneOf"]) != 2 or schema["oneOf"][1] != NULL):  # noqa: PLR2004 - a pair
        yield f"{place.name}: oneOf is supported for a schema or null only, in this order"
    if not place.is_named and schema.keys() & {"properties", "enum"}:
        yield f"{place.name}: put it under components/schemas, so that its Python class has a name, and use a $ref"
    if place.is_named and not schema.get("description"):
        yield f"{place.name} lacks description"
    for name, member in schema.get("properties", {}).items():
        yield from value_problems(document, f"{place.name}.{name}", {}, member)
    items = merged(document, schema.get("items", {}))
    if SCALARS & set(types_of(items)) and "example" not in {**items, **schema}:
        yield f"{place.name}[] lacks example"


def _request_problems(document: Node, place: Place) -> Iterator[str]:
    schema = place.schema
    if "object" in types_of(schema) and schema.get("additionalProperties") is not False:
        yield f"{place.name} lacks `additionalProperties: false`; a request has no unknown fields"
    if not types_of(merged(document, schema)) and "oneOf" not in schema:
        yield f"{place.name} lacks type"


def _response_problems(place: Place) -> Iterator[str]:
    schema = place.schema
    if schema.get("additionalProperties", True) is not True:
        yield f"{place.name}: remove additionalProperties; the exchange adds fields to responses"
    strict = [keyword for keyword in STRICT_KEYWORDS if keyword in schema]
    if strict:
        yield f"{place.name}: remove {', '.join(strict)}; a response must parse whatever the exchange changes"
    if "items" in schema and "null" not in types_of(schema):
        yield f'{place.name}: write `type: [array, "null"]`; the exchange sends null for a list'


def _name_problems(name: str, schema: Node, *, has_module_name: bool) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{name}: name a schema in the form OrderRef, without capitals in succession"
    clashes = [member for member in schema.get("properties", {}) if member[:1].upper() + member[1:] == name]
    if clashes and not has_module_name:
        yield f"{name}: the generator cannot tell it from its field {clashes[0]}; rename the schema"
