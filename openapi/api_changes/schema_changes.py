"""
Two versions of a schema, in a request or in a response.

A request is written by the program, so what is accepted may grow. A response is read by the program, so what is returned
may shrink. A schema with a name is compared once, under its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

from attrs import define, field

from api_changes.changes import Change, added, breaking, changed
from document import Node, merged, types_of

NULL: Final = {"type": "null"}
NULL_TYPE: Final = frozenset({"null"})
UPPER_BOUNDS: Final = ("maxItems", "maxLength", "maximum", "exclusiveMaximum", "maxProperties")
LOWER_BOUNDS: Final = ("minItems", "minLength", "minimum", "exclusiveMinimum", "minProperties")
HARMLESS: Final = frozenset({"description", "default", "deprecated", "title", "externalDocs", "contentSchema"})
"""The keywords whose changes no program needs to follow."""
IGNORED: Final = frozenset(
    {
        *("$ref", "example", "examples"),
        # They have rules of their own.
        *("type", "enum", "required", "properties", "items", "additionalProperties"),
        *UPPER_BOUNDS,
        *LOWER_BOUNDS,
    }
)


class Direction(Enum):
    """Who writes a value: the program or the exchange."""

    REQUEST = auto()
    RESPONSE = auto()


@define
class SchemaComparison:
    """Compares schemas of two documents that are used in one direction."""

    old_document: Node
    new_document: Node
    direction: Direction
    _compared: set[tuple[str, str]] = field(factory=set, init=False)
    """The pairs of names that have been compared."""

    def compare(self, place: str, old: Node, new: Node) -> Iterator[Change]:
        """Yield what has changed between two schemas that are used at a place."""
        old_core, old_is_nullable = _without_null(old)
        new_core, new_is_nullable = _without_null(new)
        old_types = self._types(self.old_document, old_core) | (NULL_TYPE if old_is_nullable else frozenset())
        new_types = self._types(self.new_document, new_core) | (NULL_TYPE if new_is_nullable else frozenset())
        if not (_name(old_core) and _name(new_core)):
            old_contents = {**merged(self.old_document, old_core), "type": [*old_types]}
            new_contents = {**merged(self.new_document, new_core), "type": [*new_types]}
            yield from self._compare_contents(place, old_contents, new_contents)
            return
        if old_is_nullable != new_is_nullable:
            yield self._type_change(place, old_types, new_types)
        yield from self._compare_named(place, old_core, new_core)

    def _compare_named(self, place: str, old: Node, new: Node) -> Iterator[Change]:
        names = (_name(old), _name(new))
        if names[0] != names[1]:
            is_renamed = self._is_renamed(*names)
            yield breaking(names[0] if is_renamed else place, f"`{names[0]}` is now `{names[1]}`")
            if not is_renamed:  # another schema, with fields of its own
                return
        if names in self._compared:
            return
        self._compared.add(names)
        yield from self._compare_contents(names[1], merged(self.old_document, old), merged(self.new_document, new))

    def renamed(self) -> dict[str, str]:
        """Return the new name of each schema that has another one now, as far as schemas have been compared."""
        return {old: new for old, new in self._compared if self._is_renamed(old, new)}

    def _is_renamed(self, old: str, new: str) -> bool:
        return old not in _schemas(self.new_document) and new not in _schemas(self.old_document)

    def _compare_contents(self, place: str, old: Node, new: Node) -> Iterator[Change]:
        old_types = self._types(self.old_document, old)
        new_types = self._types(self.new_document, new)
        if old_types != new_types:
            yield self._type_change(place, old_types, new_types)
            if not (old_types & new_types) - NULL_TYPE and old_types and new_types:
                return
        yield from self._compare_values(place, old, new)
        yield from self._compare_bounds(place, old, new)
        yield from self._compare_properties(place, old, new)
        yield from self._compare_other_keywords(place, old, new)
        if "items" in old and "items" in new:
            yield from self.compare(f"{place}[]", old["items"], new["items"])

    def _types(self, document: Node, schema: Node) -> frozenset[str]:
        return frozenset(types_of(merged(document, schema)))

    def _type_change(self, place: str, old: frozenset[str], new: frozenset[str]) -> Change:
        is_compatible = _includes(new, old) if self.direction is Direction.REQUEST else _includes(old, new)
        make = changed if is_compatible else breaking
        return make(place, f"the type {_type_text(old)} is now {_type_text(new)}")

    def _compare_values(self, place: str, old: Node, new: Node) -> Iterator[Change]:
        """Compare enumerations: a program may send what is listed, and expects no more than what is listed."""
        is_request = self.direction is Direction.REQUEST
        if "enum" in old and "enum" in new:
            for value in old["enum"]:
                if value not in new["enum"]:
                    yield (breaking if is_request else changed)(place, f"the value `{value}` is gone")
            for value in new["enum"]:
                if value not in old["enum"]:
                    yield (added if is_request else breaking)(place, f"the value `{value}`")
        elif "enum" in new:
            yield (breaking if is_request else changed)(place, f"only {_values(new['enum'])} from now on")
        elif "enum" in old:
            yield (changed if is_request else breaking)(place, f"no longer only {_values(old['enum'])}")

    def _compare_bounds(self, place: str, old: Node, new: Node) -> Iterator[Change]:
        for keyword in (*UPPER_BOUNDS, *LOWER_BOUNDS):
            before = old.get(keyword)
            after = new.get(keyword)
            if before == after:
                continue
            is_tighter = before is None or (
                after is not None and (after < before if keyword in UPPER_BOUNDS else after > before)
            )
            make = breaking if is_tighter and self.direction is Direction.REQUEST else changed
            yield make(place, f"`{keyword}` {_from_to(before, after)}")

    def _compare_properties(self, place: str, old: Node, new: Node) -> Iterator[Change]:
        old_members = old.get("properties", {})
        new_members = new.get("properties", {})
        for name, member in old_members.items():
            member_place = f"{place}.{name}"
            if name not in new_members:
                yield breaking(member_place, "is gone")
                continue
            yield from self._compare_required(place, name, old, new)
            yield from self.compare(member_place, member, new_members[name])
        for name in new_members.keys() - old_members.keys():
            is_required = self.direction is Direction.REQUEST and name in new.get("required", ())
            make = breaking if is_required else added
            yield make(f"{place}.{name}", "is new and required" if is_required else "a field")
        old_is_open = old.get("additionalProperties", True) is not False
        new_is_open = new.get("additionalProperties", True) is not False
        if old_is_open != new_is_open:
            make = changed if new_is_open else breaking
            yield make(place, f"{'accepts' if new_is_open else 'no longer accepts'} other fields")

    def _compare_required(self, place: str, name: str, old: Node, new: Node) -> Iterator[Change]:
        was_required = name in old.get("required", ())
        is_required = name in new.get("required", ())
        if is_required and not was_required:
            yield breaking(f"{place}.{name}", "is now required")
        elif was_required and not is_required:
            make = changed if self.direction is Direction.REQUEST else breaking
            yield make(f"{place}.{name}", "is now optional")

    def _compare_other_keywords(self, place: str, old: Node, new: Node) -> Iterator[Change]:
        for keyword in sorted(old.keys() | new.keys()):
            before = old.get(keyword)
            after = new.get(keyword)
            if before == after or keyword in IGNORED or keyword.startswith("x-"):
                continue
            if keyword == "deprecated":
                yield changed(place, "is deprecated" if after else "is no longer deprecated")
            elif keyword in HARMLESS:
                yield changed(place, f"another {keyword}")
            else:
                is_looser = self.direction is Direction.RESPONSE or after is None
                yield (changed if is_looser else breaking)(place, f"`{keyword}` {_from_to(before, after)}")


def _without_null(schema: Node) -> tuple[Node, bool]:
    """Return a schema, or the alternative to null in it, and whether there is such an alternative."""
    alternatives = [alternative for alternative in schema.get("oneOf", ()) if alternative != NULL]
    if len(alternatives) == 1 and len(schema["oneOf"]) > 1:
        rest = {keyword: value for keyword, value in schema.items() if keyword != "oneOf"}
        return {**rest, **alternatives[0]}, True
    return schema, False


def _schemas(document: Node) -> Node:
    schemas: Node = document.get("components", {}).get("schemas", {})
    return schemas


def _name(schema: Node) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _includes(outer: frozenset[str], inner: frozenset[str]) -> bool:
    """Return whether every value of the inner types is of one of the outer types; no types means any type."""
    if not outer:
        return True
    known = outer | ({"integer"} if "number" in outer else set())
    return bool(inner) and inner <= known


def _type_text(types: frozenset[str]) -> str:
    return " or ".join(sorted(types)) or "any type"


def _values(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _from_to(before: object, after: object) -> str:
    if before is None:
        return f"is new: {after}"
    return f"was {before} and is gone" if after is None else f"was {before} and is now {after}"
