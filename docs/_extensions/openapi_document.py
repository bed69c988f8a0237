# ruff: noqa: INP001 - Sphinx imports it by its path; it is in no package
"""
The OpenAPI document as pages of the site, including what existing renderers do not show.

sphinxcontrib-openapi 0.10 reports the responses `4XX` and `5XX` as errors, shows no rows of a list that may be null, and
leaves out every `x-` extension: the rate limit, whether a repeat is safe, and the codes. Swagger UI and Redoc show
nothing without JavaScript, and the site's search does not find what they draw.

These directives write Markdown, which MyST then reads:

    openapi-document     every operation, every schema, and the facts of the whole API
    openapi-functions    the generated function of each operation
    openapi-models       the generated class of each object that is sent
    openapi-codes        the meaning of each code, and the exception for it

Details are in `<details>` elements, which are open. On a phone, `_static/fold.js` folds them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar, Final

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from bitget_spot.errors import error_class
from document import DOCUMENT, JSON, Node, OperationNode, operations_of, parse, resolved
from schema_rules import request_schemas

HIDDEN_EXTENSIONS: Final = ("x-page-says", "x-beyond-page")
"""Needed only by the tools that compare the document with the vendor's pages."""
SHOWN_EXTENSIONS: Final = (
    "x-rate-limit",
    "x-permission",
    "x-repeat-safe",
    "x-only-on-page-of",
    "x-error-codes",
    "x-success-code",
    "x-timestamp-window-seconds",
    "x-remaining-calls-header",
)
BOUNDS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} character",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minProperties": "at least {} field",
}


FIRST_OPERATIONS: Final = ("batchCancelOrders", "batchCancelUnifiedOrders")
"""The operations that readers look for; the others follow in the order of the document."""
GATEWAY: Final = "gateway"
DEFAULT_VERSION: Final = "v2"
"""Codes of the gateway mean the same in every version of the API."""
FAMILIES: Final = {"gateway": "both", "v2": "classic", "v3": "unified"}
"""Which accounts a family of codes applies to."""
FOLD: Final = ('<details class="fold" open>', "<summary>{}</summary>", "")
UNFOLD: Final = ("</details>", "")


class MarkdownWriter:
    """Writes the document as Markdown, line by line."""

    def __init__(self, document: Node) -> None:
        self.document = document

    def write_all(self) -> Iterator[str]:
        """Write the whole document."""
        for operation in self.operations():
            yield from self.operation(operation)
        yield from ("(schemas)=", "## Schemas", "")
        for name, schema in self.document["components"]["schemas"].items():
            yield from self.schema(name, schema)
        yield from ("(signing)=", "## Headers of a signed request", "")
        for scheme in self.document["components"]["securitySchemes"].values():
            yield from (f"`{scheme['name']}`", f": {_one_line(scheme['description'])}", "")
        yield f"The code of a successful response is `{self.document['x-success-code']}`. A timestamp may differ from the"
        yield f"exchange's clock by {self.document['x-timestamp-window-seconds']} seconds. The response header"
        yield f"`{self.document['x-remaining-calls-header']}` is the number of calls left in the current second."

    def operations(self) -> list[OperationNode]:
        """Return the operations, those that readers look for first."""
        rank = {name: index for index, name in enumerate(FIRST_OPERATIONS)}
        return sorted(operations_of(self.document), key=lambda each: rank.get(each.operation_id, len(rank)))

    def write_functions(self) -> Iterator[str]:
        """Write the generated function of each operation."""
        for operation in self.operations():
            yield from (f"### {_snake(operation.operation_id)}", "")
            yield from ("```{eval-rst}", f".. autofunction:: {_module(operation)}.sync", "```", "")

    def write_models(self) -> Iterator[str]:
        """Write the generated class of each object that is sent."""
        for place in request_schemas(self.document):
            if "properties" in place.schema:
                autoclass = f".. autoclass:: bitget_spot_api.models.{place.name}"
                yield from ("```{eval-rst}", autoclass, "   :members: from_dict, to_dict", "```", "")

    def operation(self, operation: OperationNode) -> Iterator[str]:
        """Write one operation: its facts, its request and its responses."""
        name = operation.operation_id
        node = operation.node
        deprecated = "Deprecated. " if node.get("deprecated") else ""
        # What comes before the first heading would be put at the end of the page, so the label is below its heading.
        yield from (f"## {name}", "", f"(operation-{name.lower()})=", "")
        yield from (f"**{deprecated}{node['summary']}**", "")
        yield from ("```text", operation.where, "```", "")
        yield from self.facts(operation)
        yield from _fold("Description")
        yield from _paragraphs(node["description"])
        yield from UNFOLD
        if operation.parameters:
            yield from _fold("Parameters")
            for parameter in operation.parameters:
                yield from self.field(parameter["name"], parameter["schema"], parameter)
            yield from UNFOLD
        if operation.body is not None:
            yield from self.request(operation.body["content"][JSON])
        yield from _fold("Responses")
        for status, response in operation.responses.items():
            schema = response["content"][JSON]["schema"]
            yield from (f"`{status}`", f": {_one_line(response['description'])} {self.type_of(schema)}.", "")
        yield from UNFOLD

    def request(self, content: Node) -> Iterator[str]:
        """Write the body of a request, with its examples."""
        yield from _fold("Request")
        yield from (f"JSON: {self.type_of(content['schema'])}.", "")
        for example in content.get("examples", {}).values():
            text = json.dumps(example["value"], indent=2)
            yield from (f"{example['summary']}:", "", "```json", text, "```", "")
        yield from UNFOLD

    def facts(self, operation: OperationNode) -> Iterator[str]:
        """Write the table of an operation's facts."""
        limit = operation.node["x-rate-limit"]
        per = {"UID": "for each account", "IP": "for each IP address"}[limit["scope"]]
        page = operation.node["externalDocs"]
        facts = {
            "Limit": f"{limit['requests']} requests in {_seconds(limit['period-seconds'])}, {per} ({limit['scope']})",
            "Signed": "no" if operation.node.get("security") == [] else "[yes](#signing)",
            "Safe to repeat": "yes" if operation.node["x-repeat-safe"] else "no",
            "In Python": f"{{py:func}}`{_snake(operation.operation_id)}.sync <{_module(operation)}.sync>`",
            "Source": f"[{page.get('description', 'The page')}]({page['url']})",
        }
        if "x-permission" in operation.node:
            facts["Permission of the key"] = operation.node["x-permission"]
        yield from (
            "| property | value |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in facts.items()),
            "",
        )

    def schema(self, name: str, schema: Node) -> Iterator[str]:
        """Write one schema: its description, and its fields."""
        yield from (f"(schema-{name.lower()})=", f"### {name}", "", *_paragraphs(schema["description"]))
        if "properties" not in schema:
            yield from (f"{self.type_of(schema).capitalize()}.", "")
        elif schema.get("additionalProperties") is False:
            yield from ("No other fields are sent.", "")
        if schema.get("properties"):
            yield from _fold("Fields")
            yield from self.fields(schema)
            yield from UNFOLD

    def fields(self, schema: Node, prefix: str = "") -> Iterator[str]:
        """Write the fields of an object, and those of its objects under a name with a dot."""
        for name, field in schema.get("properties", {}).items():
            required = {"required": name in schema.get("required", ())}
            yield from self.field(prefix + name, field, {"description": field.get("description", "")} | required)
            inner = field.get("contentSchema", field)
            if "properties" in inner:
                yield from self.fields(inner, f"{prefix}{name}.")

    def field(self, name: str, schema: Node, facts: Node) -> Iterator[str]:
        """Write one field or parameter, with its description and whether it is required."""
        required = ", required" if facts.get("required") else ""
        target = resolved(self.document, schema)
        description = facts.get("description") or target.get("description", "")
        if schema.get("deprecated") or facts.get("deprecated"):
            description = f"Deprecated. {description}"
        operations = schema.get("x-only-on-page-of", ())
        if operations:
            links = ", ".join(f"[{operation}](#operation-{operation.lower()})" for operation in operations)
            description += f" Only from {links}."
        yield from (f"`{name}` *{self.type_of(schema)}{required}*", f": {_one_line(description)}", "")

    def type_of(self, schema: Node) -> str:
        """Return the type of a value, with its bounds."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f"[{name}](#schema-{name.lower()})"
        if "oneOf" in schema:
            return " or ".join(self.type_of(alternative) for alternative in schema["oneOf"])
        types = schema.get("type", "any type")
        text = " or ".join([types] if isinstance(types, str) else types)
        if "items" in schema:
            text = text.replace("array", f"list of {self.type_of(schema['items'])}")
        if "enum" in schema:
            text = " or ".join(f"`{value}`" for value in schema["enum"])
        if "default" in schema:
            text += f", `{schema['default']}` if left out"
        if "contentMediaType" in schema:
            text += f" that contains {schema['contentMediaType']}"
        bounds = [template.format(schema[name]) for name, template in BOUNDS.items() if name in schema]
        return ", ".join([text, *bounds])

    def write_codes(self) -> Iterator[str]:
        """Write the table of codes."""
        yield from ("| exception | accounts | class | codes |", "| --- | --- | --- | --- |")
        for family, classes in self.document["x-error-codes"].items():
            version = DEFAULT_VERSION if family == GATEWAY else family
            for name, codes in classes.items():
                exception = f"{{py:exc}}`~bitget_spot.errors.{error_class(codes[0], version).__name__}`"
                shown_codes = " ".join(f"`{code}`" for code in codes)
                yield f"| {exception} | {FAMILIES[family]} | {name} | {shown_codes} |"


class DocumentDirective(SphinxDirective):
    """Inserts the document into a page."""

    write: ClassVar = staticmethod(MarkdownWriter.write_all)

    def run(self) -> list[nodes.Node]:
        """Write the document as Markdown, and parse that."""
        self.env.note_dependency(str(DOCUMENT))
        text = "\n".join(type(self).write(MarkdownWriter(load())))
        # Second-level headings become sections of the page; the container receives what comes before the first heading.
        container = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), str(DOCUMENT)), 0, container, match_titles=True)
        return container.children


class FunctionsDirective(DocumentDirective):
    """Inserts the functions of all operations into a page."""

    write: ClassVar = staticmethod(MarkdownWriter.write_functions)


class ModelsDirective(DocumentDirective):
    """Inserts the classes of what is sent into a page."""

    write: ClassVar = staticmethod(MarkdownWriter.write_models)


class CodesDirective(DocumentDirective):
    """Inserts the table of codes into a page."""

    write: ClassVar = staticmethod(MarkdownWriter.write_codes)


class CodesInIndex(SphinxTransform):
    """Adds the exchange's codes to the index: the search ignores numbers in texts, but not in the index."""

    default_priority = 700  # before Sphinx collects the index

    def apply(self, **_: object) -> None:
        """Add an entry for the first place of each code in a page."""
        remaining = set()
        for classes in load()["x-error-codes"].values():
            remaining.update(*classes.values())
        for literal in list(self.document.findall(nodes.literal)):
            code = literal.astext()
            if code in remaining:
                remaining.remove(code)
                # The search shows the text that has the id.
                literal["ids"].append(f"code-{code}")
                entry = addnodes.index(entries=[("single", code, f"code-{code}", "", None)])
                literal.parent.insert(literal.parent.index(literal), entry)


@cache
def load() -> Node:
    """
    Read the document.

    Raises:
        ValueError: It has an extension that is neither shown nor listed as hidden here.

    """
    text = DOCUMENT.read_text("utf-8")
    unknown = set(re.findall(r"\bx-[a-z-]+(?=:)", text)) - {*HIDDEN_EXTENSIONS, *SHOWN_EXTENSIONS}
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: show it here, or add it to HIDDEN_EXTENSIONS")
    return parse(text)


def link_to_schema(
    _app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.Node | None:
    """Link a generated model in an annotation to its schema."""
    match = re.fullmatch(r"(?:bitget_spot_api\.models\.(?:\w+\.)?)?(\w+)", node.get("reftarget", ""))
    labels = env.get_domain("std").labels  # type: ignore[attr-defined]
    label = f"schema-{match[1].lower()}" if match and node.get("refdomain") == "py" else ""
    if label not in labels:
        return None
    page, anchor, _ = labels[label]
    reference = nodes.reference("", "", text, internal=True)
    reference["refuri"] = f"{_app.builder.get_relative_uri(node['refdoc'], page)}#{anchor}"
    return reference


def describe_parameters(_app: Sphinx, _what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Describe the parameters of a generated function: the generator writes only their examples."""
    module = name.rpartition(".")[0]
    operation = next((each for each in operations_of(load()) if _module(each) == module), None)
    if operation is None:
        return
    descriptions = {_snake(parameter["name"]): _description(parameter) for parameter in operation.parameters}
    described: list[str] = []
    is_replaced = False
    for line in lines:
        match = re.match(r"(?P<start>    (?P<name>\w+?)_? \(.*?\)):", line)
        if match and match["name"] in descriptions:
            described.append(f"{match['start']}: {descriptions[match['name']]}")
            is_replaced = True
        elif not (is_replaced and line.startswith(" " * 8)):
            described.append(line)
            is_replaced = False
    lines[:] = described


def _description(parameter: Node) -> str:
    return _one_line(parameter.get("description") or resolved(load(), parameter["schema"])["description"])


def _module(operation: OperationNode) -> str:
    """Return the generated module of an operation."""
    return f"bitget_spot_api.api.{operation.node['tags'][0]}.{_snake(operation.operation_id)}"


def _fold(title: str) -> Iterator[str]:
    """Write the beginning of a part that can be folded."""
    for line in FOLD:
        yield line.format(title)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n+", text.strip()):
        yield from (paragraph.strip(), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _seconds(number: float) -> str:
    return "any second" if number == 1 else f"any {number:g} seconds"


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives, the links to the schemas, and the descriptions of parameters."""
    app.add_directive("openapi-document", DocumentDirective)
    app.add_directive("openapi-functions", FunctionsDirective)
    app.add_directive("openapi-models", ModelsDirective)
    app.add_directive("openapi-codes", CodesDirective)
    app.add_transform(CodesInIndex)
    app.connect("missing-reference", link_to_schema)
    # Before napoleon, which has the priority 500.
    app.connect("autodoc-process-docstring", describe_parameters, priority=300)
    return {"parallel_read_safe": True}
