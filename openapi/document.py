"""The OpenAPI document as plain data, and the ways through it that the scripts share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

DOCUMENT: Final = Path(__file__).with_name("bitget-spot.yaml")
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
JSON: Final = "application/json"

Node = Mapping[str, Any]
"""A part of the document."""


class DocumentError(ValueError):
    """The document lacks something, or cannot be read; each line of the message names a place."""


def load(path: Path) -> Node:
    """
    Read a document.

    Raises:
        DocumentError: It is not valid YAML.

    """
    return parse(path.read_text("utf-8"))


def parse(source: str) -> Node:
    """
    Read a document from its source.

    Raises:
        DocumentError: It is not valid YAML.

    """
    try:
        document: Node = YAML(typ="safe").load(source)
    except YAMLError as error:
        raise DocumentError(f"not valid YAML: {' '.join(str(error).split())}") from error
    return document


def resolved(document: Node, node: Node) -> Node:
    """
    Return what a node refers to; the node itself if it is not a reference.

    Raises:
        DocumentError: There is nothing at the place that a reference names.

    """
    while "$ref" in node:
        reference = node["$ref"]
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            if part not in target:
                raise DocumentError(f"the reference {reference} leads nowhere")
            target = target[part]
        node = target
    return node


def merged(document: Node, node: Node) -> Node:
    """Return what a node refers to, with what the node itself says next to the reference."""
    return {**resolved(document, node), **node}


def types_of(schema: Node) -> tuple[str, ...]:
    """Return the types of a schema; none if it does not name any."""
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


@frozen
class OperationNode:
    """One operation of a document."""

    document: Node = field(repr=False)
    path: str
    method: str
    """In upper case."""
    node: Node = field(repr=False)

    @property
    def where(self) -> str:
        """The place that messages name."""
        return f"{self.method} {self.path}"

    @property
    def operation_id(self) -> str:
        """The id; empty if it is missing."""
        return str(self.node.get("operationId", ""))

    @property
    def parameters(self) -> list[Node]:
        """The parameters, with those of the path; references are resolved, those of schemas are not."""
        nodes = (*self.document["paths"][self.path].get("parameters", ()), *self.node.get("parameters", ()))
        return [merged(self.document, node) for node in nodes]

    @property
    def body(self) -> Node | None:
        """The request body; None if there is none."""
        return resolved(self.document, self.node["requestBody"]) if "requestBody" in self.node else None

    @property
    def body_schema(self) -> Node | None:
        """The schema of the request body as it is written; None if there is none."""
        if self.body is None:
            return None
        schema: Node | None = self.body.get("content", {}).get(JSON, {}).get("schema")
        return schema

    @property
    def responses(self) -> dict[str, Node]:
        """The responses by their status."""
        nodes = self.node.get("responses", {})
        return {str(status): resolved(self.document, node) for status, node in nodes.items()}

    def response_schema(self, status: str = "200") -> Node | None:
        """Return the schema of a response as it is written; None if there is none."""
        schema: Node | None = self.responses.get(status, {}).get("content", {}).get(JSON, {}).get("schema")
        return schema


def operations_of(document: Node) -> Iterator[OperationNode]:
    """Yield every operation, in the document's order."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield OperationNode(document, path, method.upper(), item[method])
