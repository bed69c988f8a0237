"""
Hold a page of the vendor's documentation against the OpenAPI document.

    python openapi/check_docs.py PAGE             tell what agrees and what differs
    python openapi/check_docs.py PAGE --accept    the same, once the page's words have been read: store their digests

PAGE is a file of Markdown, as the vendor's site exports it. The exit status is 0 if page and document agree, 1 if they
differ, and 2 if the page cannot be read or speaks of no operation of the document.

Method, path, rate limit, scope, and of each row level, name, type, required, values and maximum are compared. Prose
cannot be compared, so the document holds a digest of each text (`x-page-texts`); no sentence of the vendor's is kept.
Three marks in the document tell where the two differ on purpose:

- `x-page-says`, on a parameter or field: what the page says of it (`type`, `required`, `maximum`, `values`) where the
  document knows better: `{type: String}`;
- `x-only-on-page-of`, on a field of a schema that several operations share: those whose pages show it;
- `x-beyond-page`, on a parameter or field that no page shows: how it is known.

What pages never tell is not compared: the envelope, refusals, null, the least length.
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

from generate import DOCUMENT
from postprocess import METHODS, resolved

TEXTS = "x-page-texts"
AGREES = "agrees"
CHANGED = "text changed: read it"
UNREAD = "text not read yet: read it"
NONE = "(nothing)"
ALIKE = 0.5  # so great a share of the same texts makes a page that of an operation, whatever path it names

INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))
NOTHING = {"", "-", "n/a", "na", "none", "null"}
TYPES = {
    "string": "string text str varchar",
    "integer": "integer int long int32 int64 biginteger",
    "number": "number float double decimal bigdecimal",
    "boolean": "boolean bool",
    "array": "array list",
    "object": "object map json",
}
TYPE_OF = {word: kind for kind, words in TYPES.items() for word in words.split()}
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
# A longer number is none that anybody means: it stays text, and text is shown where it has changed.
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


class PageError(ValueError):
    """The page is none that can be read, or of no operation of the document; the message says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """What a page, or the document, says of one parameter or field."""

    types: frozenset[str]
    required: bool | str | None = None
    """None for a field of an answer, and where a page does not say."""
    maximum: float | None = None
    values: frozenset[str] = frozenset()
    """The document's enumeration; of a page, every word in backticks."""
    text: str = ""
    digest: str = ""
    """Of the page's words; in the document, the one that was stored for them."""
    beyond: str = ""
    """In the document: why the page does not show it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a page says of an operation, or the document of the same."""

    method: str
    path: str
    limit: str = NONE
    scope: str = NONE
    members: Mapping[str, Member] = field(default_factory=dict)
    """By place: `request orderList > orderId`."""
    text: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table: a place, what either says of it, and whether they agree."""

    place: str
    page: str
    document: str
    verdict: str = AGREES


def fold(text: str) -> str:
    """Fold what makes no difference to a reader: white space, full-width characters, space around punctuation."""
    text = unicodedata.normalize("NFKC", text.translate(INVISIBLE))
    return re.sub(r"\s*([,.:;()])\s*", r"\1", " ".join(text.split()))


def digest(text: str) -> str:
    """Give a short digest of a text; of no text, an empty one."""
    return hashlib.sha256(fold(text).encode()).hexdigest()[:12] if fold(text) else ""


# The page.


def parse_page(markdown: str) -> Facts:
    """
    Read a page.

    Raises:
        PageError: It names no method and path.

    """
    if not markdown.translate(INVISIBLE).strip():
        raise PageError("the page is empty")
    prose: list[str] = []
    members: dict[str, Member] = {}
    call: re.Match[str] | None = None
    limit: re.Match[str] | None = None
    for part, content in _pieces(markdown):
        if isinstance(content, str):
            if not limit and (limit := LIMIT.search(fold(content))):
                prose.append(limit.string[limit.end() :].strip(" .,;"))
            elif not (call is None and (call := CALL.fullmatch(content))):
                prose.append(content)
        elif rows := _rows(content):
            section = part or ("response" if all(row.required is None for _, row in rows) else "request")
            _add(members, section, rows)
        elif rows is None:
            prose += [_plain(cell) for row in content for cell in row]
    if call is None:
        raise PageError("no line of the page names a method and a path, as in `GET /api/v2/public/time`")
    text = " ".join(filter(None, prose))
    return Facts(call["method"], call["path"], *_limit(limit), members, text, digest(text))


def _pieces(markdown: str) -> Iterator[tuple[str, str | list[list[Token]]]]:
    """Give the lines and tables of a page, each with the part it stands in: request, response, or neither."""
    part = prefix = ""
    for kind, content in _blocks(markdown):
        if not isinstance(content, Token):
            yield part, content
            continue
        for line in _plain(content).split("\n"):
            label = LABEL.fullmatch(re.sub(r"\{#.*?\}|[^a-z]", "", line.lower()))
            if label:
                part, prefix = label["part"] or "", "rate limit: " if label["limit"] else ""
            elif kind != "h1" and line.strip().lower() not in NOTHING:
                yield part, prefix + line.strip()


def _blocks(markdown: str) -> Iterator[tuple[str, Token | list[list[Token]]]]:
    """Give the headings, paragraphs and tables of a page in their order; code in fences is left out."""
    kind = ""
    table: list[list[Token]] | None = None
    # A rule that comes in a block of HTML, or indented, is none the less a rule.
    reader = MarkdownIt("commonmark").enable("table").disable(["html_block", "code"])
    for token in reader.parse(markdown.translate(INVISIBLE)):
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
            yield kind, token
        else:
            kind = token.tag


def _plain(inline: Token) -> str:
    """Give the words of an inline token, without marks; a break is a new line, in a cell a space."""
    words = ""
    for child in inline.children or ():
        if child.type in {"text", "code_inline"}:
            words += child.content
        elif child.type in {"softbreak", "hardbreak"}:
            words += "\n"
        elif child.type == "html_inline" and child.content.startswith("<br"):
            words += " "
    return unicodedata.normalize("NFKC", words)


def _rows(table: list[list[Token]]) -> list[tuple[str, Member]] | None:
    """Give the rows of a table of parameters or fields, each name with its marks of level; None for another table."""
    columns = [COLUMN_OF.get(re.sub(r"[^a-z]", "", _plain(cell).lower()), "") for cell in table[0]]
    if not {"name", "type"} <= set(columns):
        return None
    rows = []
    for cells in table[1:]:
        words = {column: _plain(cell).strip() for column, cell in zip(columns, cells, strict=False)}
        if words["name"].lower() in NOTHING:
            continue
        said = words.get("required")
        ticks = (
            child.content
            for column, cell in zip(columns, cells, strict=False)
            for child in cell.children or ()
            if column == "text" and child.type == "code_inline"
        )
        text = words.get("text", "")
        maximum = MAXIMUM.search(text)
        member = Member(
            types=frozenset({_type(words.get("type", ""))}),
            required=None if said is None else REQUIRED.get(said.lower(), said),
            maximum=int(maximum["number"].replace(",", "")) if maximum else None,
            values=frozenset(word for tick in ticks for word in re.findall(r"[\w.-]+", tick)),
            text=text,
            digest=digest(text),
        )
        rows.append((words["name"], member))
    return rows


def _type(words: str) -> str:
    """Give the document's name of a page's type; its own words if there is none."""
    if words.strip().endswith("[]"):
        return "array"
    first = re.match(r"[a-z0-9]*", words.lower())
    return TYPE_OF.get(first[0] if first else "", words)


def _add(members: dict[str, Member], section: str, rows: list[tuple[str, Member]]) -> None:
    """Put rows under their places: `>` before a name is one level below the row above."""
    above: list[str] = []
    for marked, row in rows:
        name = marked.lstrip("> ")
        level = marked[: len(marked) - len(name)].count(">")
        above = [*above[:level], *("?" for _ in range(level - len(above))), name]
        place = f"{section} {' > '.join(above)}"
        while place in members:
            place += " (again)"
        members[place] = row if section == "request" else replace(row, required=None, maximum=None, values=frozenset())


def _limit(found: re.Match[str] | None) -> tuple[str, str]:
    """Give a rate limit and its scope in the words that the document's are given in."""
    if found is None:
        return NONE, NONE
    unit = found["unit"].lower()
    period = int(found["count"] or 1) * SECONDS["ms" if unit.startswith(("ms", "milli")) else unit[0]]
    scope = re.sub(r"\s|ser", "", found["scope"] or "").upper() or NONE
    return _words_of_limit(int(found["requests"]), period), scope


def _words_of_limit(requests: int, period: float) -> str:
    return f"{requests} in {period:g} s"


# The document.


def derive(document: Mapping[str, Any], method: str, path: str) -> Facts:
    """Give what the document says of one of its operations, in the form of what a page says."""
    operation = document["paths"][path][method.lower()]
    name = operation.get("operationId", "")
    texts = operation.get(TEXTS, {})
    members: dict[str, Member] = {}
    for node in (*document["paths"][path].get("parameters", ()), *operation.get("parameters", ())):
        parameter = resolved(document, node)
        schema: Mapping[str, Any] = {**resolved(document, parameter["schema"]), **parameter}
        place = f"request {parameter['name']}"
        members[place] = _member(schema, name, texts.get(place, ""), required=bool(parameter.get("required")))
    for media in operation.get("requestBody", {}).get("content", {}).values():
        for place, schema, required in _fields(document, media["schema"], "request "):
            members[place] = _member(schema, name, texts.get(place, ""), required=required)
    answer = resolved(document, operation["responses"]["200"])
    for media in answer.get("content", {}).values():
        envelope = _object(document, media["schema"])
        for place, schema, _ in _fields(document, envelope.get("properties", {}).get("data", envelope), "response "):
            members[place] = replace(_member(schema, name, texts.get(place, "")), maximum=None, values=frozenset())
    limit = operation.get("x-rate-limit", {})
    return Facts(
        method=method,
        path=path,
        limit=_words_of_limit(limit["requests"], limit["period-seconds"]) if limit else NONE,
        scope=limit.get("scope", NONE),
        members=members,
        text=operation.get("description", ""),
        digest=texts.get("description", ""),
    )


def _object(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the schema of the object that a schema holds: as an item, as an alternative to null, or inside a string."""
    schema = resolved(document, schema)
    for inside in (
        schema.get("items"),
        schema.get("contentSchema"),
        *schema.get("oneOf", ()),
        *schema.get("anyOf", ()),
    ):
        found = _object(document, inside) if inside else {}
        if "properties" in found:
            return found
    return schema


def _fields(
    document: Mapping[str, Any], schema: Mapping[str, Any], before: str, within: tuple[int, ...] = ()
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Give the fields below a schema, each with its place and whether it is required."""
    holder = _object(document, schema)
    inherited = {mark: schema[mark] for mark in ("x-beyond-page", "x-only-on-page-of") if mark in schema}
    for name, node in holder.get("properties", {}).items():
        member: Mapping[str, Any] = {**inherited, **resolved(document, node), **node}
        place = before + name
        yield place, member, name in holder.get("required", ())
        if id(holder) not in within:  # a schema that holds itself is followed once
            yield from _fields(document, member, f"{place} > ", (*within, id(holder)))


def _member(schema: Mapping[str, Any], operation: str, stored: str, *, required: bool | None = None) -> Member:
    """Give what the document says of a parameter or field: what it says of the page goes before what it knows."""
    says = {
        "type": schema.get("type", ()),
        "required": required,
        "maximum": next((schema[key] for key in ("maxItems", "maxLength", "maximum") if key in schema), None),
        "values": schema.get("enum") or (),
        **schema.get("x-page-says", {}),
    }
    if not says["type"] and "oneOf" in schema:
        says["type"] = "object"
    kinds = [says["type"]] if isinstance(says["type"], str) else says["type"]
    beyond = schema.get("x-beyond-page", "")
    if operation not in schema.get("x-only-on-page-of", [operation]):
        beyond = "it is on other pages only"
    return Member(
        types=frozenset(_type(kind) for kind in kinds if kind != "null"),
        required=says["required"],
        maximum=says["maximum"],
        values=frozenset(map(str, says["values"])),
        text=schema.get("description", ""),
        digest=stored,
        beyond=beyond,
    )


# The two together.


def operation_of(page: Facts, document: Mapping[str, Any]) -> Facts:
    """
    Find the operation that a page is about, though its path or its method may have changed.

    Raises:
        PageError: The document has no such operation.

    """
    have = [
        derive(document, method.upper(), path)
        for path in document["paths"]
        for method in METHODS
        if method in document["paths"][path]
    ]
    for found in have:
        if (found.method, found.path) == (page.method, page.path):
            return found
    alike = max(have, key=lambda found: (found.path == page.path, _likeness(page, found)))
    if alike.path == page.path or _likeness(page, alike) >= ALIKE:
        return alike
    raise PageError(f"the page is about {page.method} {page.path}, and the document has no such operation")


def texts_of(page: Facts) -> dict[str, str]:
    """Give the digest of every text, by its place."""
    texts = {"description": page.digest} | {place: member.digest for place, member in page.members.items()}
    return {place: text for place, text in texts.items() if text}


def _likeness(page: Facts, document: Facts) -> float:
    """Give the share of the texts that are the same, at the same place."""
    ours, theirs = texts_of(document).items(), texts_of(page).items()
    return len(ours & theirs) / max(len(ours | theirs), 1)


def compare(page: Facts, document: Facts) -> list[Finding]:
    """Hold a page's facts against the document's: a row for each place, and one for each text that has changed."""
    findings = [
        Finding(name, said, known, AGREES if said == known else "differs")
        for name, said, known in (
            ("method", page.method, document.method),
            ("path", page.path, document.path),
            ("rate limit", page.limit, document.limit),
            ("scope", page.scope, document.scope),
        )
    ]
    findings += _text("description", page, document)
    listed = frozenset().union(*(member.values for member in document.members.values()))
    names = frozenset(map(_name, page.members))
    moved = _moved(page, document)
    for place, known in document.members.items():
        where = moved.get(place, place)
        said = page.members.get(where)
        if said is None:
            if not known.beyond:
                findings.append(Finding(place, NONE, _summary(known), "not on the page"))
            continue
        differing = [name for name, agree in _agreement(said, known, names, listed) if not agree]
        verdict = f"differs: {', '.join(differing)}" if differing else ""
        if where != place:
            verdict = f"{'moved' if _name(where) == _name(place) else 'renamed'} to {where}; {verdict}"
        elif known.beyond:
            verdict = f"on the page, though the document says: {known.beyond}"
        findings.append(Finding(place, _summary(said), _summary(known), verdict.removesuffix("; ") or AGREES))
        if where == place:
            findings += _text(place, said, known)
    for place, said in page.members.items():
        if place not in document.members and place not in moved.values():
            findings.append(Finding(place, f"{_summary(said)}: {said.text}", NONE, "not in the document"))
    return findings


def _text(place: str, page: Facts | Member, document: Facts | Member) -> list[Finding]:
    if page.digest == document.digest:
        return []
    verdict = CHANGED if document.digest else UNREAD
    return [Finding(f"{place}: text", page.text or NONE, document.text or NONE, verdict)]


def _name(place: str) -> str:
    """Give the name at the end of a place."""
    return place.partition(" ")[2].split(" > ")[-1].removesuffix(" (again)")


def _moved(page: Facts, document: Facts) -> dict[str, str]:
    """Pair what is gone from a page with what is new there and has the same text."""
    new = [place for place in page.members if place not in document.members]
    pairs: dict[str, str] = {}
    for gone, known in document.members.items():
        if gone in page.members or known.beyond or not known.digest:
            continue
        section = gone.partition(" ")[0]
        alike = [n for n in new if n.startswith(section) and page.members[n].digest == known.digest]
        if alike:
            above = gone.rpartition(" > ")[0]
            pairs[gone] = max(alike, key=lambda n: (n.rpartition(" > ")[0] == above, _name(n) == _name(gone)))
            new.remove(pairs[gone])
    return pairs


def _agreement(
    page: Member, document: Member, names: frozenset[str], listed: frozenset[str]
) -> Iterator[tuple[str, bool]]:
    """Tell of each fact of a member whether it agrees."""
    yield "type", page.types <= document.types
    yield "required", page.required == document.required
    yield "maximum", page.maximum == document.maximum
    if document.values:
        # Some pages set their values in backticks, some do not; some name another parameter and its value beside them.
        bare = {value for value in document.values if re.search(rf"\b{re.escape(value)}\b", page.text)}
        yield "values", (page.values - names - (listed - document.values) or bare) == document.values
    else:  # words in backticks may be another parameter's name or value
        yield "values", bool(page.values & names) or page.values <= listed


def _summary(member: Member) -> str:
    """Give the facts of a member in words."""
    words = [" or ".join(sorted(kind.capitalize() for kind in member.types)) or "of any type"]
    if member.required is not None:
        known = {"True": "required", "False": "optional"}
        words.append(known.get(str(member.required), f"required: {member.required}"))
    if member.maximum is not None:
        words.append(f"at most {member.maximum:g}")
    if member.values:
        words.append("one of " + " ".join(sorted(member.values)))
    return ", ".join(words)


def accept(source: str, operation: Facts, texts: Mapping[str, str]) -> str:
    """Give the document's source with these digests as the operation's, and nothing else changed."""
    node = YAML().load(source)["paths"][operation.path][operation.method.lower()]
    lines = source.splitlines()
    (start, indent) = node.lc.data[next(iter(node))][:2]
    end = _end_of_block(lines, start, indent)
    if TEXTS in node:
        old = node.lc.data[TEXTS][0]
        after = _end_of_block(lines, old + 1, indent + 1)
    else:
        old = after = end
    written, writer = StringIO(), YAML()
    writer.width, writer.allow_unicode = sys.maxsize, False
    # A page's names may be anything, also what means something else in YAML.
    writer.dump({TEXTS: {place: DoubleQuotedScalarString(text) for place, text in texts.items()}}, written)
    lines[old:after] = [" " * indent + line for line in written.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


def _end_of_block(lines: list[str], start: int, indent: int) -> int:
    """Give the line after the last one that is indented so far."""
    end = start
    for number in range(start, len(lines)):
        if lines[number].strip():
            if len(lines[number]) - len(lines[number].lstrip()) < indent:
                break
            end = number + 1
    return end


def show(findings: list[Finding]) -> None:
    """Print the table: on a terminal set in columns, elsewhere one line to a row."""
    heads = ("where", "the page", "the document", "")
    rows = [tuple(" ".join(cell.split()) for cell in astuple(each)) for each in findings]
    console = Console()
    if console.is_terminal:
        table = Table(*heads)
        for row in rows:
            table.add_row(*map(Text, row), style="" if row[-1] == AGREES else "bold red")
        console.print(table)
        return
    widths = [min(max(len(row[column]) for row in (heads, *rows)), 44) for column in range(3)]
    for row in (heads, *rows):
        print(*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1], sep=" | ")


def main() -> int:
    """Check a page; answer the exit status."""
    parser = argparse.ArgumentParser(description="Hold a page of the vendor's against the document.")
    parser.add_argument("page", type=Path, help="a page in Markdown, as the vendor's site exports it")
    parser.add_argument("--accept", action="store_true", help="store the digests of the page's texts in the document")
    arguments = parser.parse_args()
    try:
        page = parse_page(arguments.page.read_text("utf-8-sig"))
        document = YAML(typ="safe").load(DOCUMENT.read_text("utf-8"))
        operation = operation_of(page, document)
    except (OSError, UnicodeDecodeError, PageError) as problem:
        print(f"{arguments.page}: {problem}", file=sys.stderr)
        return 2
    if arguments.accept:
        source = accept(DOCUMENT.read_text("utf-8"), operation, texts_of(page))
        DOCUMENT.write_text(source, "utf-8", newline="\n")
        operation = derive(YAML(typ="safe").load(source), operation.method, operation.path)
    findings = compare(page, operation)
    show(findings)
    differing = [each.place for each in findings if each.verdict != AGREES]
    if differing:
        print(f"{arguments.page}: {len(differing)} to look at: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
