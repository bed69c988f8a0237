"""What a page, or the document, says about one operation."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

NONE: Final = "(nothing)"
ENVELOPE: Final = "envelope "
"""How the places of the fields around `data` begin."""
FINGERPRINT_LENGTH: Final = 12
INVISIBLE: Final = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))


class PageError(ValueError):
    """The page cannot be read, or is not about an operation of the document; the message says why."""


@frozen
class Member:
    """What a page, or the document, says about one parameter or field."""

    types: frozenset[str]
    """Empty if any type will do."""
    required: bool | str | None = None
    """None for a field of a response, and if the page does not say."""
    maximum: float | None = None
    values: frozenset[str] = frozenset()
    """In the document, the enumeration; on a page, the words in backticks that are not examples."""
    text: str = ""
    fingerprint: str = ""
    """On a page, of its text; in the document, the one that is stored for that text."""
    beyond: str = ""
    """In the document, why the table of the page does not show it."""
    deprecated: bool = False
    only_in_example: bool = False
    """Whether the page has it in its response example, but in no table."""


@frozen
class Facts:
    """What a page, or the document, says about one operation."""

    method: str
    path: str
    limit: str = NONE
    scope: str = NONE
    batch_limit: float | None = None
    """The maximum length of a body that is a list itself."""
    members: Mapping[str, Member] = field(factory=dict)
    """By place: `request orderList > orderId`, `response list > orderId`, `envelope code`."""
    text: str = ""
    fingerprint: str = ""
    deprecation: str = ""
    """What says that the operation is deprecated; empty if it is not."""

    @property
    def has_example(self) -> bool:
        """Whether there is a response example, which shows the envelope."""
        return any(place.startswith(ENVELOPE) and member.only_in_example for place, member in self.members.items())


def normalize(text: str) -> str:
    """Remove differences that a reader does not see: white space, full-width characters, space around punctuation."""
    text = unicodedata.normalize("NFKC", text.translate(INVISIBLE))
    return re.sub(r"\s*([,.:;()])\s*", r"\1", " ".join(text.split()))


def fingerprint(text: str) -> str:
    """Return a short hash of a text; empty for an empty text."""
    normalized = normalize(text)
    return hashlib.sha256(normalized.encode()).hexdigest()[:FINGERPRINT_LENGTH] if normalized else ""


def texts_of(page: Facts) -> dict[str, str]:
    """Return the fingerprint of every text, by its place."""
    texts = {"description": page.fingerprint} | {place: member.fingerprint for place, member in page.members.items()}
    return {place: text for place, text in texts.items() if text}


def format_limit(requests: int, period: float) -> str:
    """Return a rate limit in the form that is compared and shown."""
    return f"{requests} in {period:g} s"
