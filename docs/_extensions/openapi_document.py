# ruff: noqa: INP001 - Sphinx imports it by its path; it is of no package
"""
The OpenAPI document as pages of the site, with the facts that no renderer at hand shows.

Own code, for sphinxcontrib-openapi 0.10 reports the answers `4XX` and `5XX` as errors, shows no rows of a list that may
be null, and leaves out every `x-` extension, and with them the rate limit, whether a repeat is safe, and the codes;
what draws in the browser (Swagger UI, Redoc) shows nothing without JavaScript and is not found by the site's search.

Two directives, each of which writes Markdown that MyST then reads:

    openapi-document    every operation, every schema, and the facts of the whole API
    openapi-codes       which code means what, and which exception it becomes
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

from docutils import nodes
from docutils.statemachine import StringList
from ruamel.yaml import YAML
from sphinx import addnodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from bitget_spot.errors import error_class

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "openapi" / "bitget-spot.yaml"
NOT_SHOWN: Final = ("x-page-texts", "x-page-says", "x-beyond-page")
"""What only the tools that compare the document with the vendor's pages need."""
SHOWN: Final = ("x-rate-limit", "x-repeat-safe", "x-only-on-page-of", "x-error-codes", "x-success-code")
SHOWN_TOO: Final = ("x-timestamp-window-seconds", "x-remaining-calls-header")
BOUNDS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} character",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minProperties": "at least {} field",
}

Node = Mapping[str, Any]


class Page:
    """Writes the document as Markdown."""

    def __init__(self, document: Node) -> None:
        self.document = document

    def whole(self) -> Iterator[str]:
        """Write everything."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield from self.operation(method.upper(), path, operation)
        yield from ("(schemas)=", "## Schemas", "")
        for name, schema in self.document["components"]["schemas"].items():
            yield from self.schema(name, schema)
        yield from ("(signing)=", "## What a signed request carries", "")
        for scheme in self.document["components"]["securitySchemes"].values():
            yield from (f"`{scheme['name']}`", f": {_one_line(scheme['description'])}", "")
        yield f"An answer says success with the code `{self.document['x-success-code']}`. A stamp may lie"
        yield f"{self.document['x-timestamp-window-seconds']} seconds from the exchange's clock. The header"
        yield f"`{self.document['x-remaining-calls-header']}` tells the calls left in the current second."

    def operation(self, method: str, path: str, operation: Node) -> Iterator[str]:
        """Write one operation: its facts, what it takes and what it answers."""
        name, limit = operation["operationId"], operation["x-rate-limit"]
        module = f"bitget_spot_api.api.{operation['tags'][0]}.{_snake(name)}"
        per = {"UID": "for each account", "IP": "for each address"}[limit["scope"]]
        yield from (f"(operation-{name.lower()})=", f"## {name}", "", f"**{operation['summary']}**", "")
        yield from ("```text", f"{method} {path}", "```", "")
        yield from _described(operation["description"])
        facts = {
            "Limit": f"{limit['requests']} requests in {_seconds(limit['period-seconds'])}, {per} ({limit['scope']})",
            "Signed": "no" if operation.get("security") == [] else "[yes](#signing)",
            "Safe to repeat": "yes" if operation["x-repeat-safe"] else "no",
            "In Python": f"{{py:func}}`{_snake(name)}.sync <{module}.sync>`",
            "Source": f"[{operation['externalDocs']['description']}]({operation['externalDocs']['url']})",
        }
        yield from ("| | |", "| --- | --- |", *(f"| {fact} | {told} |" for fact, told in facts.items()), "")
        parameters = [self.resolved(parameter) for parameter in operation.get("parameters", ())]
        if parameters:
            yield from ("### Parameters", "")
            for parameter in parameters:
                yield from self.field(parameter["name"], parameter["schema"], parameter)
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            yield from ("### Request", "", f"JSON: {self.type_of(content['schema'])}.", "")
            for example in content.get("examples", {}).values():
                text = json.dumps(example["value"], indent=2)
                yield from (f"{example['summary']}:", "", "```json", text, "```", "")
        yield from ("### Answers", "")
        for status, answer in operation["responses"].items():
            resolved = self.resolved(answer)
            schema = resolved["content"]["application/json"]["schema"]
            yield from (f"`{status}`", f": {_one_line(resolved['description'])} {self.type_of(schema)}.", "")

    def schema(self, name: str, schema: Node) -> Iterator[str]:
        """Write one schema: what it is for, and its fields."""
        yield from (f"(schema-{name.lower()})=", f"### {name}", "", *_described(schema["description"]))
        if "properties" not in schema:
            yield from (f"{self.type_of(schema).capitalize()}.", "")
        elif schema.get("additionalProperties") is False:
            yield from ("No other fields are sent.", "")
        yield from self.fields(schema)

    def fields(self, schema: Node, within: str = "") -> Iterator[str]:
        """Write the fields of an object, those of objects inside it under a name with a dot."""
        for name, field in schema.get("properties", {}).items():
            required = {"required": name in schema.get("required", ())}
            yield from self.field(within + name, field, {"description": field.get("description", "")} | required)
            inner = field.get("contentSchema", field)
            yield from self.fields(inner, f"{within}{name}.") if "properties" in inner else ()

    def field(self, name: str, schema: Node, told: Node) -> Iterator[str]:
        """Write one field or parameter."""
        required = ", required" if told.get("required") else ""
        description = told.get("description") or self.resolved(schema).get("description", "")
        only = schema.get("x-only-on-page-of", ())
        if only:
            description += " Only from " + ", ".join(f"[{one}](#operation-{one.lower()})" for one in only) + "."
        yield from (f"`{name}` *{self.type_of(schema)}{required}*", f": {_one_line(description)}", "")

    def type_of(self, schema: Node) -> str:
        """Say of which type a value is, with its bounds."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f"[{name}](#schema-{name.lower()})"
        if "oneOf" in schema:
            return " or ".join(self.type_of(one) for one in schema["oneOf"])
        types = schema.get("type", "anything")
        words = " or ".join([types] if isinstance(types, str) else types)
        if "items" in schema:
            words = words.replace("array", f"list of {self.type_of(schema['items'])}")
        if "enum" in schema:
            words = " or ".join(f"`{value}`" for value in schema["enum"])
        if "default" in schema:
            words += f", `{schema['default']}` if left out"
        if "contentMediaType" in schema:
            words += f" that holds {schema['contentMediaType']}"
        return words + "".join(f", {said.format(schema[bound])}" for bound, said in BOUNDS.items() if bound in schema)

    def resolved(self, node: Node) -> Node:
        """Follow a reference."""
        if "$ref" not in node:
            return node
        found: Any = self.document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found  # type: ignore[no-any-return]

    def codes(self) -> Iterator[str]:
        """Write which code means what."""
        yield from ("| class | exception | codes |", "| --- | --- | --- |")
        for name, codes in self.document["x-error-codes"].items():
            exception = f"{{py:exc}}`~bitget_spot.errors.{error_class(codes[0]).__name__}`"
            yield f"| {name} | {exception} | {' '.join(f'`{code}`' for code in codes)} |"


class DocumentDirective(SphinxDirective):
    """Puts a part of the document where it stands."""

    part: ClassVar = staticmethod(Page.whole)

    def run(self) -> list[nodes.Node]:
        """Read the document, write it as Markdown, and have that read."""
        self.env.note_dependency(str(DOCUMENT))
        text = "\n".join(type(self).part(Page(load())))
        # The headings are of the second level and so become sections of the page; what precedes the first comes here.
        before = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), str(DOCUMENT)), 0, before, match_titles=True)
        return before.children


class CodesDirective(DocumentDirective):
    """Puts the table of codes where it stands."""

    part: ClassVar = staticmethod(Page.codes)


class CodesInIndex(SphinxTransform):
    """Enters the exchange's codes in the index where pages name them: the search passes over numbers, but not there."""

    default_priority = 700  # before Sphinx collects the index

    def apply(self, **_: object) -> None:
        """Look at everything that is marked as code."""
        known = {code for codes in load()["x-error-codes"].values() for code in codes}
        for literal in list(self.document.findall(nodes.literal)):
            code = literal.astext()
            if code in known:
                known.remove(code)
                # The text is what has the id: the search shows what it finds there.
                literal["ids"].append(f"code-{code}")
                entry = addnodes.index(entries=[("single", code, f"code-{code}", "", None)])
                literal.parent.insert(literal.parent.index(literal), entry)


@cache
def load() -> Node:
    """Read the document, and see that it holds no extension that nobody has thought of."""
    text = DOCUMENT.read_text("utf-8")
    unknown = set(re.findall(r"\bx-[a-z-]+(?=:)", text)) - {*NOT_SHOWN, *SHOWN, *SHOWN_TOO}
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: show it here, or say why not")
    document: Node = YAML(typ="safe").load(text)
    return document


def to_schema(_app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement) -> nodes.Node | None:
    """Lead what annotations say of a generated model to its schema."""
    match = re.fullmatch(r"(?:bitget_spot_api\.models\.(?:\w+\.)?)?(\w+)", node.get("reftarget", ""))
    labels = env.get_domain("std").labels  # type: ignore[attr-defined]
    label = f"schema-{match[1].lower()}" if match and node.get("refdomain") == "py" else ""
    if label not in labels:
        return None
    page, anchor, _ = labels[label]
    reference = nodes.reference("", "", text, internal=True)
    reference["refuri"] = f"{_app.builder.get_relative_uri(node['refdoc'], page)}#{anchor}"
    return reference


def _described(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n+", text.strip()):
        yield from (paragraph.strip(), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _seconds(number: float) -> str:
    return "any second" if number == 1 else f"any {number:g} seconds"


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives, and the links to the schemas."""
    app.add_directive("openapi-document", DocumentDirective)
    app.add_directive("openapi-codes", CodesDirective)
    app.add_transform(CodesInIndex)
    app.connect("missing-reference", to_schema)
    return {"parallel_read_safe": True}
