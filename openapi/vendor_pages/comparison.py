"""A page and the document side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import frozen

from document import Node, operations_of
from vendor_pages.document_facts import ON_OTHER_PAGES, derive
from vendor_pages.facts import ENVELOPE, NONE, Facts, Member, PageError, texts_of
from vendor_pages.fingerprints import Fingerprints

AGREES: Final = "agrees"
NOT_COMPARED: Final = "not compared: there is no response example that can be read"
CHANGED: Final = "text changed: read it"
UNREAD: Final = "text not read yet: read it"
ONLY_IN_EXAMPLE: Final = "in the example only: the table lacks it"
MIN_SIMILARITY: Final = 0.5
"""The share of equal texts from which on a page is about an operation, whatever path it names."""


@frozen
class Finding:
    """One row of the table: a place, what the page and the document say, and whether they agree."""

    place: str
    page: str
    document: str
    verdict: str = AGREES

    @property
    def is_difference(self) -> bool:
        """Whether somebody must look at it."""
        return self.verdict not in (AGREES, NOT_COMPARED)


def operation_of(page: Facts, document: Node, fingerprints: Fingerprints) -> tuple[str, Facts]:
    """
    Return the id and the facts of the operation that a page is about, also if its path or its method has changed.

    Raises:
        PageError: The document has no such operation.

    """
    operations = [
        (operation.operation_id, derive(operation, fingerprints.get(operation.operation_id, {})))
        for operation in operations_of(document)
    ]
    for operation_id, facts in operations:
        if (facts.method, facts.path) == (page.method, page.path):
            return operation_id, facts
    similar = max(operations, key=lambda each: (each[1].path == page.path, _similarity(page, each[1])))
    if similar[1].path == page.path or _similarity(page, similar[1]) >= MIN_SIMILARITY:
        return similar
    raise PageError(f"the page is about {page.method} {page.path}, and the document has no such operation")


def compare(page: Facts, document: Facts) -> list[Finding]:
    """Compare a page's facts with the document's: a row for each place, and one for each text that has changed."""
    return [
        *_operation_findings(page, document),
        *_compare_text("description", page, document),
        *_member_findings(page, document),
    ]


def _operation_findings(page: Facts, document: Facts) -> Iterator[Finding]:
    for name, on_page, in_document in (
        ("method", page.method, document.method),
        ("path", page.path, document.path),
        ("rate limit", page.limit, document.limit),
        ("scope", page.scope, document.scope),
    ):
        yield Finding(name, on_page, in_document, AGREES if on_page == in_document else "differs")
    if (page.batch_limit, document.batch_limit) != (None, None):
        is_equal = page.batch_limit == document.batch_limit
        on_page, in_document = (_limit_text(facts.batch_limit) for facts in (page, document))
        yield Finding("batch limit", on_page, in_document, AGREES if is_equal else "differs")
    if page.deprecation or document.deprecation:
        is_equal = bool(page.deprecation) == bool(document.deprecation)
        verdict = AGREES if is_equal else "differs"
        yield Finding("deprecated", page.deprecation or NONE, document.deprecation or NONE, verdict)
    if not page.has_example:
        yield Finding("response example", NONE, NONE, NOT_COMPARED)


def _limit_text(limit: float | None) -> str:
    return NONE if limit is None else f"{limit:g}"


def _member_findings(page: Facts, document: Facts) -> Iterator[Finding]:
    all_values = frozenset().union(*(member.values for member in document.members.values()))
    names = frozenset(map(_name, page.members))
    moved = _moved(page, document)
    for place, in_document in document.members.items():
        new_place = moved.get(place, place)
        on_page = page.members.get(new_place)
        if on_page is not None:
            differing = [name for name, agrees in _agreement(on_page, in_document, names, all_values) if not agrees]
            verdict = _verdict(place, new_place, on_page, in_document, differing)
            yield Finding(place, _summary(on_page), _summary(in_document), verdict)
            if new_place == place:
                yield from _compare_text(place, on_page, in_document)
        elif not in_document.beyond and (page.has_example or not place.startswith(ENVELOPE)):
            yield Finding(place, NONE, _summary(in_document), "not on the page")
    for place, on_page in page.members.items():
        if place not in document.members and place not in moved.values():
            where = f"{ONLY_IN_EXAMPLE}; " if on_page.only_in_example and not place.startswith(ENVELOPE) else ""
            text = f": {on_page.text}" if on_page.text else ""
            yield Finding(place, f"{_summary(on_page)}{text}", NONE, f"{where}not in the document")


def _verdict(place: str, new_place: str, page: Member, document: Member, differing: list[str]) -> str:
    differences = f"differs: {', '.join(differing)}" if differing else ""
    if new_place != place:
        change = "moved" if _name(new_place) == _name(place) else "renamed"
        return f"{change} to {new_place}" + (f"; {differences}" if differences else "")
    if page.only_in_example:
        return _verdict_on_example(place, document) or differences or AGREES
    if document.beyond:
        return f"on the page, though the document says: {document.beyond}"
    return differences or AGREES


def _verdict_on_example(place: str, document: Member) -> str:
    """Return what is wrong with a field that only the example shows; empty if nothing is."""
    if document.beyond == ON_OTHER_PAGES:
        return f"in the example, though the document says: {document.beyond}"
    return "" if document.beyond or place.startswith(ENVELOPE) else ONLY_IN_EXAMPLE


def _compare_text(place: str, page: Facts | Member, document: Facts | Member) -> Iterable[Finding]:
    if page.fingerprint == document.fingerprint:
        return []
    verdict = CHANGED if document.fingerprint else UNREAD
    return [Finding(f"{place}: text", page.text or NONE, document.text or NONE, verdict)]


def _similarity(page: Facts, document: Facts) -> float:
    """Return the share of the texts that are equal, at the same place."""
    document_texts = texts_of(document).items()
    page_texts = texts_of(page).items()
    return len(document_texts & page_texts) / max(len(document_texts | page_texts), 1)


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
    yield "type", not document.types or page.types <= document.types
    if page.only_in_example:
        return
    yield "required", page.required == document.required
    yield "maximum", page.maximum == document.maximum
    yield "deprecated", page.deprecated == document.deprecated
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
    if member.deprecated:
        parts.append("deprecated")
    return ", ".join(parts)
