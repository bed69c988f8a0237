"""
Compare a page of the vendor's documentation with the OpenAPI document.

    python openapi/check_docs.py PAGE             show what agrees and what differs
    python openapi/check_docs.py PAGE --accept    the same, and store the fingerprints of the page's texts: you have read them

PAGE is a Markdown file, as the vendor's site exports it. The exit status is 0 if page and document agree, 1 if they
differ, and 2 if the page cannot be read or is not about an operation of the document.

Compared are method, path, rate limit and scope, and for each row its level, name, type, values and maximum, and whether it
is required. Prose cannot be compared, so the document has a fingerprint of each text (`x-page-texts`); the vendor's
sentences are not stored. Three marks in the document explain differences that are intended:

- `x-page-says`, on a parameter or field: the page's `type`, `required`, `maximum` or `values`, if the document has a better
  one: `{type: String}`;
- `x-only-on-page-of`, on a field of a schema that several operations share: the operations whose pages show it;
- `x-beyond-page`, on a parameter or field that no page shows: how it is known.

Not compared is what pages never show: the envelope, error responses, null, the minimum length.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console
from rich.table import Table
from rich.text import Text
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from document import DOCUMENT, METHODS, resolved

TEXTS = "x-page-texts"
AGREES = "agrees"
CHANGED = "text changed: read it"
UNREAD = "text not read yet: read it"
NONE = "(nothing)"
MIN_SIMILARITY = 0.5
"""The share of equal texts from which on a page is about an operation, whatever path it names."""
FINGERPRINT_LENGTH = 12
MAX_COLUMN_WIDTH = 44

INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))
EMPTY_WORDS = {"", "-", "n/a", "na", "none", "null"}
TYPES = {
    "string": "string text str varchar",
    "integer": "integer int long int32 int64 biginteger",
    "number": "number float double decimal bigdecimal",
    "boolean": "boolean bool",
    "array": "array list",
    "object": "object map json",
}
TYPE_OF = {word: name for name, words in TYPES.items() for word in words.split()}
REQUIRED = {"yes": True, "true": True, "y": True, "no": False, "false": False, "n": False, "optional": False}
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
COLUMNS = {
    "name": "parameter parameters field fields name key",
    "type": "type datatype",
    "required": "required mandatory",
    "text": "description comments comment remark meaning",
}
COLUMN_OF = {word: column for column, words in COLUMNS.items() for word in words.split()}
LABEL = re.compile(
    r"(?P<part>request|response)(?:param(?:eter)?s?|fields?|body)"
    r"|(?P<limit>(?:rate|frequency)limits?)"
    r"|description|http(?:request|method)|(?:request|response)(?:examples?|samples?)"
)
CALL = re.compile(r"(?P<method>[A-Z]+)\s+(?:https?://[^/\s]+)?(?P<path>/[^\s?]*)\S*")
# A number with more digits is not a limit that anyone sets; it stays text, and the text is shown as changed.
LIMIT = re.compile(
    r"(?:rate|frequency)\s*limits?\W*(?P<requests>\d{1,15})\s*(?:[a-z]+\s*)??"
    r"(?:/|per|every|in|an?)\s*(?P<count>\d{1,15})?\s*"
    r"(?P<unit>ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?)\b"
    r"(?:[\s(/,]|per\b|by\b|for\b)*(?P<scope>u(?:ser)?\s*id\b|ip\b|[a-z]+(?:[ _-][a-z]+)*)?\)?",
    re.IGNORECASE,
)
MAXIMUM = re.compile(
    r"(?:\bmax(?:imum)?\b\.?(?:\s+(?:length|size|number|limit|value|quantity|count|items?|entries)\b)*"
    r"|\bup to\b|\bat most\b|\bno more than\b|\bexceed\b)"
    r"\s*(?:is|are|of)?\s*[:=]?\s*(?P<number>\d{1,15}(?:,\d{3}){0,4})\b(?!,\d{3}\b)"
    r"(?!\s*(?:ms|milli|sec|min|hour|day|week|month|year))",
    re.IGNORECASE,
)

Document = Mapping[str, Any]
Schema = Mapping[str, Any]
TableTokens = list[list[Token]]


class PageError(ValueError):
    """The page cannot be read, or is not about an operation of the document; the message says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """What a page, or the document, says about one parameter or field."""

    types: frozenset[str]
    required: bool | str | None = None
    """None for a field of a response, and if the page does not say."""
    maximum: float | None = None
    values: frozenset[str] = frozenset()
    """In the document, the enumeration; on a page, every word in backticks."""
    text: str = ""
    fingerprint: str = ""
    """On a page, of its text; in the document, the one that is stored for that text."""
    beyond: str = ""
    """In the document, why the page does not show it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a page, or the document, says about one operation."""

    method: str
    path: str
    limit: str = NONE
    scope: str = NONE
    members: Mapping[str, Member] = field(default_factory=dict)
    """By place: `request orderList > orderId`."""
    text: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table: a place, what the page and the document say, and whether they agree."""

    place: str
    page: str
    document: str
    verdict: str = AGREES


def normalize(text: str) -> str:
    """Remove differences that a reader does not see: white space, full-width characters, space around punctuation."""
    text = unicodedata.normalize("NFKC", text.translate(INVISIBLE))
    return re.sub(r"\s*([,.:;()])\s*", r"\1", " ".join(text.split()))


def fingerprint(text: str) -> str:
    """Return a short hash of a text; empty for an empty text."""
    normalized = normalize(text)
    return hashlib.sha256(normalized.encode()).hexdigest()[:FINGERPRINT_LENGTH] if normalized else ""


# The page.


@dataclass(slots=True)
class PageReader:
    """Collects the facts of a page, piece by piece."""

    prose: list[str] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    call: re.Match[str] | None = None
    limit: re.Match[str] | None = None

    def read_line(self, line: str) -> None:
        """Take a line of text: the rate limit, the method and path, or prose."""
        if self.limit is None:
            self.limit = LIMIT.search(normalize(line))
            if self.limit is not None:
                self.prose.append(self.limit.string[self.limit.end() :].strip(" .,;"))
                return
        if self.call is None:
            self.call = CALL.fullmatch(line)
            if self.call is not None:
                return
        self.prose.append(line)

    def read_table(self, part: str, table: TableTokens) -> None:
        """Take a table: parameters, fields, or prose."""
        rows = _rows(table)
        if rows is None:
            for row in table:
                self.prose += [_plain_text(cell) for cell in row]
        elif rows:
            if not part:
                part = "response" if all(row.required is None for _, row in rows) else "request"
            _add_members(self.members, part, rows)

    def facts(self) -> Facts:
        """
        Return what has been read.

        Raises:
            PageError: There was no method and path.

        """
        if self.call is None:
            raise PageError("no line of the page names a method and a path, as in `GET /api/v2/public/time`")
        text = " ".join(line for line in self.prose if line)
        limit, scope = _limit_and_scope(self.limit)
        return Facts(self.call["method"], self.call["path"], limit, scope, self.members, text, fingerprint(text))


def parse_page(markdown: str) -> Facts:
    """
    Read a page.

    Raises:
        PageError: The page is empty, or names no method and path.

    """
    if not markdown.translate(INVISIBLE).strip():
        raise PageError("the page is empty")
    reader = PageReader()
    for part, content in _lines_and_tables(markdown):
        if isinstance(content, str):
            reader.read_line(content)
        else:
            reader.read_table(part, content)
    return reader.facts()


def _lines_and_tables(markdown: str) -> Iterator[tuple[str, str | TableTokens]]:
    """Yield the lines and tables of a page, each with its part: `request`, `response`, or empty for neither."""
    part = ""
    prefix = ""
    for tag, content in _blocks(markdown):
        if not isinstance(content, Token):
            yield part, content
            continue
        for line in _plain_text(content).split("\n"):
            label = LABEL.fullmatch(re.sub(r"\{#.*?\}|[^a-z]", "", line.lower()))
            if label:
                part = label["part"] or ""
                prefix = "rate limit: " if label["limit"] else ""
            elif tag != "h1" and line.strip().lower() not in EMPTY_WORDS:
                yield part, prefix + line.strip()


def _blocks(markdown: str) -> Iterator[tuple[str, Token | TableTokens]]:
    """Yield the headings, paragraphs and tables of a page in order, each with its tag, without fenced code."""
    tag = ""
    table: TableTokens | None = None
    # A rule of the vendor is a rule also in a block of HTML, or if it is indented.
    parser = MarkdownIt("commonmark").enable("table").disable(["html_block", "code"])
    for token in parser.parse(markdown.translate(INVISIBLE)):
        if token.type == "table_open":
            table = []
        elif token.type == "table_close" and table:
            yield "table", table
            table = None
        elif token.type == "tr_open" and table is not None:
            table.append([])
        elif token.type == "inline" and table:
            table[-1].append(token)
        elif token.type == "inline":
            yield tag, token
        else:
            tag = token.tag


def _plain_text(inline: Token) -> str:
    """Return the text of an inline token without markup; a break is a new line, or a space in a cell."""
    text = ""
    for child in inline.children or ():
        if child.type in {"text", "code_inline"}:
            text += child.content
        elif child.type in {"softbreak", "hardbreak"}:
            text += "\n"
        elif child.type == "html_inline" and child.content.startswith("<br"):
            text += " "
    return unicodedata.normalize("NFKC", text)


def _rows(table: TableTokens) -> list[tuple[str, Member]] | None:
    """Return the rows of a table of parameters or fields, each with its name and level marks; None for another table."""
    columns = [COLUMN_OF.get(re.sub(r"[^a-z]", "", _plain_text(cell).lower()), "") for cell in table[0]]
    if not {"name", "type"} <= set(columns):
        return None
    rows = []
    for row in table[1:]:
        cells = dict(zip(columns, row, strict=False))
        texts = {column: _plain_text(cell).strip() for column, cell in cells.items()}
        if texts["name"].lower() not in EMPTY_WORDS:
            rows.append((texts["name"], _member_of_row(texts, _words_in_backticks(columns, row))))
    return rows


def _member_of_row(texts: Mapping[str, str], values: frozenset[str]) -> Member:
    required = texts.get("required")
    text = texts.get("text", "")
    maximum = MAXIMUM.search(text)
    return Member(
        types=frozenset({_type_name(texts.get("type", ""))}),
        required=None if required is None else REQUIRED.get(required.lower(), required),
        maximum=int(maximum["number"].replace(",", "")) if maximum else None,
        values=values,
        text=text,
        fingerprint=fingerprint(text),
    )


def _words_in_backticks(columns: list[str], row: list[Token]) -> frozenset[str]:
    """Return every word in backticks in the description of a row."""
    words: set[str] = set()
    for column, cell in zip(columns, row, strict=False):
        if column == "text":
            for child in cell.children or ():
                if child.type == "code_inline":
                    words.update(re.findall(r"[\w.-]+", child.content))
    return frozenset(words)


def _type_name(text: str) -> str:
    """Return the document's name for a page's type; the page's own text if there is none."""
    if text.strip().endswith("[]"):
        return "array"
    first_word = re.match(r"[a-z0-9]*", text.lower())
    return TYPE_OF.get(first_word[0] if first_word else "", text)


def _add_members(members: dict[str, Member], section: str, rows: list[tuple[str, Member]]) -> None:
    """Add rows under their places: `>` before a name means one level below the row above."""
    path: list[str] = []
    for marked_name, row in rows:
        name = marked_name.lstrip("> ")
        level = marked_name[: len(marked_name) - len(name)].count(">")
        path = [*path[:level], *("?" for _ in range(level - len(path))), name]
        place = f"{section} {' > '.join(path)}"
        while place in members:
            place += " (again)"
        members[place] = row if section == "request" else _without_request_facts(row)


def _without_request_facts(member: Member) -> Member:
    """Return a member of a response, for which neither side says more than the type and the text."""
    return replace(member, required=None, maximum=None, values=frozenset())


def _limit_and_scope(match: re.Match[str] | None) -> tuple[str, str]:
    """Return a page's rate limit and its scope, in the form of the document's."""
    if match is None:
        return NONE, NONE
    unit = match["unit"].lower()
    period = int(match["count"] or 1) * SECONDS["ms" if unit.startswith(("ms", "milli")) else unit[0]]
    scope = re.sub(r"\s|ser", "", match["scope"] or "").upper() or NONE
    return _format_limit(int(match["requests"]), period), scope


def _format_limit(requests: int, period: float) -> str:
    return f"{requests} in {period:g} s"


# The document.


def derive(document: Document, method: str, path: str) -> Facts:
    """Return what the document says about one of its operations, in the same form as a page's facts."""
    operation = document["paths"][path][method.lower()]
    texts = operation.get(TEXTS, {})
    limit = operation.get("x-rate-limit", {})
    return Facts(
        method=method,
        path=path,
        limit=_format_limit(limit["requests"], limit["period-seconds"]) if limit else NONE,
        scope=limit.get("scope", NONE),
        members={**_request_members(document, path, operation, texts), **_response_members(document, operation, texts)},
        text=operation.get("description", ""),
        fingerprint=texts.get("description", ""),
    )


def _request_members(
    document: Document, path: str, operation: Mapping[str, Any], texts: Mapping[str, str]
) -> dict[str, Member]:
    operation_id = operation.get("operationId", "")
    members: dict[str, Member] = {}
    for node in (*document["paths"][path].get("parameters", ()), *operation.get("parameters", ())):
        parameter = resolved(document, node)
        schema: Schema = {**resolved(document, parameter["schema"]), **parameter}
        place = f"request {parameter['name']}"
        required = bool(parameter.get("required"))
        members[place] = _member_of_schema(schema, operation_id, texts.get(place, ""), required=required)
    for media in operation.get("requestBody", {}).get("content", {}).values():
        for place, schema, required in _fields(document, media["schema"], "request "):
            members[place] = _member_of_schema(schema, operation_id, texts.get(place, ""), required=required)
    return members


def _response_members(document: Document, operation: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Member]:
    operation_id = operation.get("operationId", "")
    members: dict[str, Member] = {}
    response = resolved(document, operation["responses"]["200"])
    for media in response.get("content", {}).values():
        envelope = _object_in(document, media["schema"])
        data = envelope.get("properties", {}).get("data", envelope)
        for place, schema, _ in _fields(document, data, "response "):
            members[place] = _without_request_facts(_member_of_schema(schema, operation_id, texts.get(place, "")))
    return members


def _object_in(document: Document, schema: Schema) -> Schema:
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
    document: Document, schema: Schema, prefix: str, parents: tuple[int, ...] = ()
) -> Iterator[tuple[str, Schema, bool]]:
    """Yield the fields below a schema, each with its place and whether it is required."""
    parent = _object_in(document, schema)
    inherited = {mark: schema[mark] for mark in ("x-beyond-page", "x-only-on-page-of") if mark in schema}
    for name, node in parent.get("properties", {}).items():
        member: Schema = {**inherited, **resolved(document, node), **node}
        place = prefix + name
        yield place, member, name in parent.get("required", ())
        if id(parent) not in parents:  # a schema that contains itself is followed once
            yield from _fields(document, member, f"{place} > ", (*parents, id(parent)))


def _member_of_schema(
    schema: Schema, operation_id: str, stored_fingerprint: str, *, required: bool | None = None
) -> Member:
    """Return what the document says about a parameter or field, with the values of `x-page-says` first."""
    facts = {
        "type": schema.get("type", ()),
        "required": required,
        "maximum": next((schema[key] for key in ("maxItems", "maxLength", "maximum") if key in schema), None),
        "values": schema.get("enum") or (),
        **schema.get("x-page-says", {}),
    }
    if not facts["type"] and "oneOf" in schema:
        facts["type"] = "object"
    types = [facts["type"]] if isinstance(facts["type"], str) else facts["type"]
    beyond = schema.get("x-beyond-page", "")
    if operation_id not in schema.get("x-only-on-page-of", [operation_id]):
        beyond = "it is on other pages only"
    return Member(
        types=frozenset(_type_name(name) for name in types if name != "null"),
        required=facts["required"],
        maximum=facts["maximum"],
        values=frozenset(map(str, facts["values"])),
        text=schema.get("description", ""),
        fingerprint=stored_fingerprint,
        beyond=beyond,
    )


# The comparison.


def operation_of(page: Facts, document: Document) -> Facts:
    """
    Find the operation that a page is about, also if its path or its method has changed.

    Raises:
        PageError: The document has no such operation.

    """
    operations = []
    for path, item in document["paths"].items():
        operations += [derive(document, method.upper(), path) for method in METHODS if method in item]
    for operation in operations:
        if (operation.method, operation.path) == (page.method, page.path):
            return operation
    similar = max(operations, key=lambda each: (each.path == page.path, _similarity(page, each)))
    if similar.path == page.path or _similarity(page, similar) >= MIN_SIMILARITY:
        return similar
    raise PageError(f"the page is about {page.method} {page.path}, and the document has no such operation")


def texts_of(page: Facts) -> dict[str, str]:
    """Return the fingerprint of every text, by its place."""
    texts = {"description": page.fingerprint} | {place: member.fingerprint for place, member in page.members.items()}
    return {place: text for place, text in texts.items() if text}


def _similarity(page: Facts, document: Facts) -> float:
    """Return the share of the texts that are equal, at the same place."""
    document_texts = texts_of(document).items()
    page_texts = texts_of(page).items()
    return len(document_texts & page_texts) / max(len(document_texts | page_texts), 1)


def compare(page: Facts, document: Facts) -> list[Finding]:
    """Compare a page's facts with the document's: a row for each place, and one for each text that has changed."""
    findings = [
        Finding(name, on_page, in_document, AGREES if on_page == in_document else "differs")
        for name, on_page, in_document in (
            ("method", page.method, document.method),
            ("path", page.path, document.path),
            ("rate limit", page.limit, document.limit),
            ("scope", page.scope, document.scope),
        )
    ]
    findings += _compare_text("description", page, document)
    all_values = frozenset().union(*(member.values for member in document.members.values()))
    names = frozenset(map(_name, page.members))
    moved = _moved(page, document)
    for place, in_document in document.members.items():
        new_place = moved.get(place, place)
        on_page = page.members.get(new_place)
        if on_page is not None:
            differing = [name for name, agrees in _agreement(on_page, in_document, names, all_values) if not agrees]
            verdict = _verdict(place, new_place, in_document, differing)
            findings.append(Finding(place, _summary(on_page), _summary(in_document), verdict))
            if new_place == place:
                findings += _compare_text(place, on_page, in_document)
        elif not in_document.beyond:
            findings.append(Finding(place, NONE, _summary(in_document), "not on the page"))
    for place, on_page in page.members.items():
        if place not in document.members and place not in moved.values():
            findings.append(Finding(place, f"{_summary(on_page)}: {on_page.text}", NONE, "not in the document"))
    return findings


def _verdict(place: str, new_place: str, document: Member, differing: list[str]) -> str:
    differences = f"differs: {', '.join(differing)}" if differing else ""
    if new_place != place:
        change = "moved" if _name(new_place) == _name(place) else "renamed"
        return f"{change} to {new_place}" + (f"; {differences}" if differences else "")
    if document.beyond:
        return f"on the page, though the document says: {document.beyond}"
    return differences or AGREES


def _compare_text(place: str, page: Facts | Member, document: Facts | Member) -> list[Finding]:
    if page.fingerprint == document.fingerprint:
        return []
    verdict = CHANGED if document.fingerprint else UNREAD
    return [Finding(f"{place}: text", page.text or NONE, document.text or NONE, verdict)]


def _name(place: str) -> str:
    """Return the name at the end of a place."""
    return place.partition(" ")[2].split(" > ")[-1].removesuffix(" (again)")


def _moved(page: Facts, document: Facts) -> dict[str, str]:
    """Match places that are gone from a page with new ones that have the same text."""
    new_places = [place for place in page.members if place not in document.members]
    pairs: dict[str, str] = {}
    for gone, member in document.members.items():
        if gone in page.members or member.beyond or not member.fingerprint:
            continue
        section = gone.partition(" ")[0]
        candidates = [
            place
            for place in new_places
            if place.startswith(section) and page.members[place].fingerprint == member.fingerprint
        ]
        if candidates:
            pairs[gone] = _best_candidate(gone, candidates)
            new_places.remove(pairs[gone])
    return pairs


def _best_candidate(gone: str, candidates: list[str]) -> str:
    """Return the best candidate: first by having the same parent, then by having the same name."""
    parent = gone.rpartition(" > ")[0]
    return max(candidates, key=lambda place: (place.rpartition(" > ")[0] == parent, _name(place) == _name(gone)))


def _agreement(
    page: Member, document: Member, names: frozenset[str], all_values: frozenset[str]
) -> Iterator[tuple[str, bool]]:
    """Yield each fact of a member, and whether page and document agree on it."""
    yield "type", page.types <= document.types
    yield "required", page.required == document.required
    yield "maximum", page.maximum == document.maximum
    if document.values:
        # Some pages put their values in backticks, some do not; some also name another parameter and its value.
        in_text = {value for value in document.values if re.search(rf"\b{re.escape(value)}\b", page.text)}
        yield "values", (page.values - names - (all_values - document.values) or in_text) == document.values
    else:  # words in backticks may be the name or a value of another parameter
        yield "values", bool(page.values & names) or page.values <= all_values


def _summary(member: Member) -> str:
    """Describe the facts of a member."""
    parts = [" or ".join(sorted(name.capitalize() for name in member.types)) or "of any type"]
    if member.required is not None:
        words = {"True": "required", "False": "optional"}
        parts.append(words.get(str(member.required), f"required: {member.required}"))
    if member.maximum is not None:
        parts.append(f"at most {member.maximum:g}")
    if member.values:
        parts.append("one of " + " ".join(sorted(member.values)))
    return ", ".join(parts)


def accept(source: str, operation: Facts, texts: Mapping[str, str]) -> str:
    """Return the document's source with these fingerprints for the operation, and nothing else changed."""
    node = YAML().load(source)["paths"][operation.path][operation.method.lower()]
    lines = source.splitlines()
    (start, indent) = node.lc.data[next(iter(node))][:2]
    end = _end_of_block(lines, start, indent)
    if TEXTS in node:
        first = node.lc.data[TEXTS][0]
        after = _end_of_block(lines, first + 1, indent + 1)
    else:
        first = end
        after = end
    block = StringIO()
    writer = YAML()
    writer.width = sys.maxsize
    writer.allow_unicode = False
    # A page's names can be anything, including what has a meaning in YAML.
    writer.dump({TEXTS: {place: DoubleQuotedScalarString(text) for place, text in texts.items()}}, block)
    lines[first:after] = [" " * indent + line for line in block.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


def _end_of_block(lines: list[str], start: int, indent: int) -> int:
    """Return the index after the last line that has at least this indentation."""
    end = start
    for number in range(start, len(lines)):
        if lines[number].strip():
            if len(lines[number]) - len(lines[number].lstrip()) < indent:
                break
            end = number + 1
    return end


def show(findings: list[Finding]) -> None:
    """Print the findings: as a table on a terminal, otherwise one line for each."""
    heads = ("where", "the page", "the document", "")
    rows = [tuple(" ".join(cell.split()) for cell in astuple(finding)) for finding in findings]
    console = Console()
    if console.is_terminal:
        table = Table(*heads)
        for row in rows:
            table.add_row(*map(Text, row), style="" if row[-1] == AGREES else "bold red")
        console.print(table)
        return
    widths = [min(max(len(row[column]) for row in (heads, *rows)), MAX_COLUMN_WIDTH) for column in range(3)]
    for row in (heads, *rows):
        print(*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1], sep=" | ")


def main() -> int:
    """Check a page; return the exit status."""
    parser = argparse.ArgumentParser(description="Compare a page of the vendor with the document.")
    parser.add_argument("page", type=Path, help="a page in Markdown, as the vendor's site exports it")
    parser.add_argument("--accept", action="store_true", help="store the fingerprints of the page's texts")
    arguments = parser.parse_args()
    try:
        page = parse_page(arguments.page.read_text("utf-8-sig"))
        document = YAML(typ="safe").load(DOCUMENT.read_text("utf-8"))
        operation = operation_of(page, document)
    except (OSError, UnicodeDecodeError, PageError) as error:
        print(f"{arguments.page}: {error}", file=sys.stderr)
        return 2
    if arguments.accept:
        source = accept(DOCUMENT.read_text("utf-8"), operation, texts_of(page))
        DOCUMENT.write_text(source, "utf-8", newline="\n")
        operation = derive(YAML(typ="safe").load(source), operation.method, operation.path)
    findings = compare(page, operation)
    show(findings)
    differing = [finding.place for finding in findings if finding.verdict != AGREES]
    if differing:
        print(f"{arguments.page}: {len(differing)} to check: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
