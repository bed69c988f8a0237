"""
What an operation of the document must say for client, sandbox, site and tests to be derived from it.

The generator and an OpenAPI validator accept much more. `make generate` lists every problem with its place; CONTRIBUTING.md
explains what each field means.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from document import JSON, Node, OperationNode, merged, operations_of, types_of
from schema_rules import SCALARS, is_valid, schema_problems, value_problems

OPERATION_ID: Final = re.compile(r"[a-z][a-z0-9]*(?:[A-Z][a-z0-9]+)+")
SCOPES: Final = ("UID", "IP")
ENVELOPE: Final = ("code", "msg", "requestTime", "data")
ERROR_SCHEMA: Final = {"$ref": "#/components/schemas/ErrorResponse"}
ERROR_RESPONSE: Final = "$ref: '#/components/responses/Error'"

RequiredFacts = Mapping[str, type | tuple[type, ...]]
DOCUMENT_FACTS: Final[RequiredFacts] = {
    "servers": list,
    "tags": list,
    "security": list,
    "components": dict,
    "x-success-code": str,
    "x-timestamp-window-seconds": (int, float),
    "x-remaining-calls-header": str,
    "x-error-codes": dict,
}
OPERATION_FACTS: Final[RequiredFacts] = {
    "operationId": str,
    "tags": list,
    "summary": str,
    "description": str,
    "externalDocs": dict,
    "x-rate-limit": dict,
    "x-repeat-safe": bool,
    "responses": dict,
}
RATE_LIMIT_FACTS: Final[RequiredFacts] = {"requests": int, "period-seconds": (int, float), "scope": str}


def problems(document: Node, module_names: Collection[str] = ()) -> list[str]:
    """
    Return what the document lacks: a line for each problem.

    Args:
        document: The document.
        module_names: The schemas whose module has a name of its own in the generator's settings.

    Raises:
        DocumentError: A reference leads nowhere.

    """
    found = [*_fact_problems("the document", document, DOCUMENT_FACTS), *_code_problems(document)]
    ids = Counter(operation.operation_id for operation in operations_of(document))
    for operation in operations_of(document):
        found += _fact_problems(operation.where, operation.node, OPERATION_FACTS)
        found += _name_problems(operation, document, is_repeated=ids[operation.operation_id] > 1)
        found += _limit_problems(operation)
        found += _parameter_problems(operation, document)
        found += _body_problems(operation, document)
        found += _response_problems(operation, document)
    return [*found, *schema_problems(document, module_names)]


def _fact_problems(where: str, node: Node, facts: RequiredFacts) -> Iterator[str]:
    missing = [name for name in facts if name not in node]
    if missing:
        yield f"{where} lacks {', '.join(missing)}"
    for name in facts.keys() & node.keys():
        if not isinstance(node[name], facts[name]) or node[name] in ("", [], {}):
            yield f"{where}: {name} is {node[name]!r}, which is not valid there"


def _code_problems(document: Node) -> Iterator[str]:
    families = document.get("x-error-codes", {})
    for family, classes in families.items() if isinstance(families, Mapping) else ():
        if not isinstance(classes, Mapping):
            yield f"x-error-codes: {family} is {classes!r}; it needs classes of codes, as in `v2: {{gone: [...]}}`"


def _name_problems(operation: OperationNode, document: Node, *, is_repeated: bool) -> Iterator[str]:
    if operation.operation_id and not OPERATION_ID.fullmatch(operation.operation_id):
        yield f"{operation.where}: operationId is {operation.operation_id!r}; use the form getOrderInfo"
    if operation.operation_id and is_repeated:
        yield f"{operation.where}: operationId {operation.operation_id} is used twice"
    declared = {tag["name"] for tag in document.get("tags", ())}
    unknown = [tag for tag in operation.node.get("tags", ()) if tag not in declared]
    if unknown:
        yield f"{operation.where}: {', '.join(unknown)}: declare each tag, with a description, under tags"
    url = operation.node.get("externalDocs", {}).get("url", "")
    if "externalDocs" in operation.node and not url.startswith("https://"):
        yield f"{operation.where}: externalDocs lacks url, the address of the vendor's page"
    if "{" in operation.path:
        yield f"{operation.where}: a parameter in the path is not supported"
    if operation.node.get("security", []) != []:
        yield f"{operation.where}: leave security out if the operation is signed, else write `security: []`"


def _limit_problems(operation: OperationNode) -> Iterator[str]:
    limit = operation.node.get("x-rate-limit")
    if limit is None:
        return
    where = f"{operation.where}: x-rate-limit"
    if not isinstance(limit, Mapping):
        yield f"{where} lacks {', '.join(RATE_LIMIT_FACTS)}"
        return
    found = list(_fact_problems(where, limit, RATE_LIMIT_FACTS))
    yield from found
    if "scope" in limit and limit["scope"] not in SCOPES:
        yield f"{where}: scope is {limit['scope']!r}; use {' or '.join(SCOPES)}"
    if not found and min(limit["requests"], limit["period-seconds"]) <= 0:
        yield f"{where}: requests and period-seconds are above 0"


def _parameter_problems(operation: OperationNode, document: Node) -> Iterator[str]:
    for parameter in operation.parameters:
        where = f"{operation.where}: parameter {parameter.get('name')}"
        schema = parameter.get("schema", {})
        if parameter.get("in") != "query":
            yield f"{where} is in {parameter.get('in')}; only parameters of the query are supported"
        if "enum" in schema:
            yield f"{where}: put the enum under components/schemas, so that it has a name, and use a $ref"
        types = types_of(merged(document, schema))
        if len(types) != 1 or not SCALARS.issuperset(types):
            yield f"{where}: type is {' or '.join(types) or 'missing'}; use one of {', '.join(sorted(SCALARS))}"
        yield from value_problems(document, where, parameter, schema)


def _body_problems(operation: OperationNode, document: Node) -> Iterator[str]:
    if operation.body is None:
        return
    content = operation.body.get("content", {})
    if list(content) != [JSON] or not operation.body_schema:
        yield f"{operation.where}: the request body needs a schema for {JSON}, and for nothing else"
        return
    for name, example in content[JSON].get("examples", {}).items():
        if not example.get("summary"):
            yield f"{operation.where}: the example {name} of the request body lacks summary"
        if not is_valid(document, example.get("value"), operation.body_schema):
            yield f"{operation.where}: the example {name} of the request body is not valid for its schema"


def _response_problems(operation: OperationNode, document: Node) -> Iterator[str]:
    for status in ("4XX", "5XX"):
        if operation.response_schema(status) != ERROR_SCHEMA:
            yield f"{operation.where}: the response {status} must be {ERROR_RESPONSE}"
    for status, response in operation.responses.items():
        if not response.get("description"):
            yield f"{operation.where}: the response {status} lacks description"
    schema: Any = operation.response_schema()
    if schema is None:
        yield f"{operation.where}: the response 200 lacks a schema for {JSON}"
        return
    missing = [name for name in ENVELOPE if name not in merged(document, schema).get("properties", {})]
    if missing:
        yield f"{operation.where}: the schema of the response 200 lacks {', '.join(missing)}"
