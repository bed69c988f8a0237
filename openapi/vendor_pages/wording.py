"""How pages write limits, types, headings, maxima and deprecations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from vendor_pages.facts import NONE, format_limit

EMPTY_WORDS: Final = frozenset({"", "-", "n/a", "na", "none", "null"})
TYPES: Final = {
    "string": "string text str varchar",
    "integer": "integer int long int32 int64 biginteger",
    "number": "number float double decimal bigdecimal",
    "boolean": "boolean bool",
    "array": "array list",
    "object": "object map json",
}
TYPE_OF: Final = {word: name for name, words in TYPES.items() for word in words.split()}
REQUIRED: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("yes", "true", "y", "required", "mandatory"), True),
    # What is required only sometimes is optional in a schema; when it is required is in the text.
    **dict.fromkeys(("no", "false", "n", "optional", "conditional", "conditionally", "depends"), False),
}
SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
COLUMNS: Final = {
    "name": "parameter parameters parametername requestparameter responseparameter name key "
    "field fields fieldname requestfield responsefield returnfield returnfields",
    "type": "type datatype parametertype fieldtype",
    "required": "required mandatory isrequired",
    "text": "description descriptions comments comment remark remarks meaning note notes",
}
COLUMN_OF: Final = {word: column for column, words in COLUMNS.items() for word in words.split()}
LABEL: Final = re.compile(
    r"(?P<part>request|response|return)(?:(?:ed)?(?:param(?:eter)?s?|fields?|body|data|examples?|samples?))?"
    r"|(?P<limit>(?:rate|frequency|speed)limits?)"
    r"|descriptions?|http(?:request|method)"
)
CALL: Final = re.compile(r"(?P<method>[A-Z]+)\s+(?:https?://[^/\s]+)?(?P<path>/[^\s?]*)\S*")
# A number with more digits is not a limit that anyone sets; it stays text, and the text is shown as changed.
_REQUESTS: Final = (
    r"(?P<requests>\d{1,15})\s*(?:[a-z]+\s*)??"
    r"(?:/|per|every|in|an?)\s*(?P<count>\d{1,15})?\s*"
    r"(?P<unit>ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?)\b"
)
_SCOPE: Final = r"(?:[\s(/,]|per\b|by\b|for\b)*(?P<scope>u(?:ser)?\s*id\b|ip\b|[a-z]+(?:[ _-][a-z]+)*)?\)?"
LIMIT: Final = re.compile(
    r"(?:(?:rate|frequency|speed)\s*limits?|limit\s*rule)(?:\W|is\b|of\b)*" + _REQUESTS + _SCOPE, re.IGNORECASE
)
BARE_LIMIT: Final = re.compile(r"\W*" + _REQUESTS + r"[\s(/,]*(?P<scope>u(?:ser)?\s*id|ip)\W*", re.IGNORECASE)
"""A line that is nothing but a limit, as in `10/sec/UID`."""
_NUMBER: Final = r"(?P<number>\d{1,15}(?:,\d{3}){0,4})\b(?!,\d{3}\b)"
MAXIMUM: Final = re.compile(
    r"(?:\bmax(?:imum)?\b\.?(?:\s+(?:length|size|number|limit|value|quantity|count|items?|entries)\b)*"
    r"|\bup to\b|\bat most\b|\bno more than\b|\bexceed\b)"
    r"\s*(?:is|are|of)?\s*[:=]?\s*" + _NUMBER + r"(?!\s*(?:ms|milli|sec|min|hour|day|week|month|year))",
    re.IGNORECASE,
)
BATCH_LIMIT: Final = re.compile(r"batch\s*(?:limit|size)\W*(?:[a-z]+\s+){0,4}" + _NUMBER, re.IGNORECASE)
DEPRECATION: Final = re.compile(
    r"\bdeprecat|\bdiscontinued\b|\bsunset\b|\bend of life\b|\btaken offline\b"
    r"|\bno longer (?:supported|maintained|available)\b"
    r"|\b(?:will be|has been|have been) (?:removed|retired|decommissioned|shut down)\b",
    re.IGNORECASE,
)
DEPRECATED_MARK: Final = re.compile(r"\s*[(\[]\s*deprecated\s*[)\]]\s*", re.IGNORECASE)
EXAMPLE_INTRODUCTION: Final = re.compile(
    r"(?:\be\.?\s?g\.?|\bfor example|\bfor instance|\bsuch as|\bexamples?|\blike)\s*[,:(]*\s*$", re.IGNORECASE
)
BOUND_INTRODUCTION: Final = re.compile(
    r"\b(?:default|max(?:imum)?|min(?:imum)?)\b\W*(?:is|of|value)?\W*$", re.IGNORECASE
)
SEPARATOR: Final = re.compile(r"[\s,/;]*(?:\b(?:and|or)\b)?[\s,/;]*", re.IGNORECASE)
"""What stands between two examples of one list."""
PAGINATION: Final = re.compile(
    r"^(?:\[\s*(?:previous|next)\b[^\]]*\]\([^)]*\)[ \t]*\n?)+$", re.IGNORECASE | re.MULTILINE
)
"""Links to the pages before and after, each of which exporters may write over several lines."""
FOOTER: Final = re.compile(
    r"(?!(?:get|post|put|delete|patch)\s)(?:[\w' -]{1,30}:?\s*)?<?https?://\S+>?"
    r"|(?:url )?source\s*:.*|(?:title|published time|markdown content)\s*:.*"
    r"|last (?:updated|modified|reviewed|edited)\b.*"
    r"|(?:exported|retrieved|fetched|captured|archived|downloaded|converted|crawled|scraped)\b.*"
    r"|(?:updated|saved|generated|printed)\s*(?:from|on|at|by|with|:).*"
    r"|edit this page.*|was this (?:page )?helpful.*|yes\s+no"
    r"|(?:previous|next)(?:\s*[«»].*)?(?:\s*next\b.*»)?"
    r"|(?:copyright\b|©).*|.*\ball rights reserved\W*",
    re.IGNORECASE | re.DOTALL,
)
"""A paragraph at the start or the end of a file that an exporter, or the site around the page, has added."""


def type_name(text: str) -> str:
    """Return the document's name for a page's type; the page's own text if there is none."""
    if text.strip().endswith("[]"):
        return "array"
    first_word = re.match(r"[a-z0-9]*", text.lower())
    return TYPE_OF.get(first_word[0] if first_word else "", text)


def number(match: re.Match[str] | None) -> int | None:
    """Return the number that a pattern has found."""
    return int(match["number"].replace(",", "")) if match else None


def limit_and_scope(match: re.Match[str] | None) -> tuple[str, str]:
    """Return a page's rate limit and its scope, in the form of the document's."""
    if match is None:
        return NONE, NONE
    unit = match["unit"].lower()
    period = int(match["count"] or 1) * SECONDS["ms" if unit.startswith(("ms", "milli")) else unit[0]]
    scope = re.sub(r"\s|ser", "", match["scope"] or "").upper() or NONE
    return format_limit(int(match["requests"]), period), scope
