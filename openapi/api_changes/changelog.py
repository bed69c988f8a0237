"""The entries in CHANGELOG.md that breaking changes need."""

from __future__ import annotations

import re
from collections.abc import Iterable

from api_changes.changes import Change, Section


def entries_of(changelog: str) -> str:
    """Return what the topmost release of a changelog says under *Changed (breaking)*."""
    release = changelog.partition("\n## ")[2].partition("\n## ")[0]
    return release.partition(f"\n### {Section.BREAKING}\n")[2].partition("\n### ")[0]


def changes_without_entry(changes: Iterable[Change], changelog: str) -> list[Change]:
    """Return the breaking changes that no entry names."""
    entries = entries_of(changelog)
    return [change for change in changes if change.section is Section.BREAKING and not _is_named(change, entries)]


def _is_named(change: Change, entries: str) -> bool:
    """Return whether the entries have each name of the object as a word, as in the document or as in Python."""
    return all(
        re.search(rf"(?<![\w-])(?:{re.escape(name)}|{re.escape(_snake(name))})(?![\w-])", entries)
        for name in change.names
    )


def _snake(name: str) -> str:
    """Return the Python name of an operation, a parameter or a field; that of a class is the same."""
    return name if name[0].isupper() else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
