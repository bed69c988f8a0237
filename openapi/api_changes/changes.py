"""A change of the API, and the three headings under which changes are listed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from attrs import frozen

FUNCTIONS_OF_A_MODULE: Final = ("sync", "sync_detailed", "asyncio", "asyncio_detailed")


class Section(StrEnum):
    """A heading of CHANGELOG.md; the first is the most severe."""

    BREAKING = "Changed (breaking)"
    CHANGED = "Changed"
    ADDED = "Added"


@frozen
class Change:
    """One change of one object."""

    section: Section
    place: str
    """The object: `OrderRef.symbol`, `getUnfilledOrders(limit)`, `bitget_spot.connect(timeout)`."""
    text: str

    @property
    def line(self) -> str:
        """The change as a line for CHANGELOG.md."""
        return f"`{self.place}`: {self.text}"

    @property
    def names(self) -> list[str]:
        """The name of the object, after that of its class or function if it has one."""
        words = re.findall(r"[\w-]+", self.place)
        # Of each generated module, and of the modules that are used like one, the module's name is the function's.
        words = [word for word in words if word not in FUNCTIONS_OF_A_MODULE] or words
        is_in_class = len(words) > 1 and words[-2][0].isupper()
        return words[-2:] if is_in_class or "(" in self.place else words[-1:]

    @property
    def key(self) -> tuple[str, ...]:
        """The names in a form that is the same in the document and in Python: `("orderref", "orderid")`."""
        return tuple(name.replace("_", "").lower() for name in self.names)


def breaking(place: str, text: str) -> Change:
    """Return a change after which a program may fail."""
    return Change(Section.BREAKING, place, text)


def changed(place: str, text: str) -> Change:
    """Return a change that no program needs to follow."""
    return Change(Section.CHANGED, place, text)


def added(place: str, text: str) -> Change:
    """Return something new that no program needs to use."""
    return Change(Section.ADDED, place, text)


def sorted_changes(changes: Iterable[Change]) -> list[Change]:
    """Return the changes by section and place, each once."""
    order = list(Section)
    return sorted(set(changes), key=lambda change: (order.index(change.section), change.place, change.text))


def listed(changes: Iterable[Change], section: Section) -> str:
    """Return the changes of a section as lines for CHANGELOG.md, under its heading."""
    lines = [f"- {change.line}" for change in sorted_changes(changes) if change.section is section]
    return "\n".join([f"### {section}", "", *(lines or ["Nothing."]), ""])
