"""Two versions of the public names of the packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from api_changes.changes import Change, added, breaking, changed
from api_changes.python_api import Name, PythonApi

CLIENT: Final = "bitget_spot_api."
MODELS: Final = "bitget_spot_api.models."
"""The fields of a model are in the order of the document, where a new one may be anywhere: pass them by name."""


def python_changes(old: PythonApi, new: PythonApi) -> list[Change]:
    """Return what has changed between two versions of the packages."""
    changes = list(_changes(old, new))
    return _without_repetitions([(change, (new.get(change.place) or old[change.place]).origin) for change in changes])


def unexplained(python: list[Change], document: list[Change]) -> list[Change]:
    """Return the changes of the packages without those of the generated client that the document explains."""
    explained = {change.key for change in document}
    return [change for change in python if not change.place.startswith(CLIENT) or change.key not in explained]


def _without_repetitions(changes: list[tuple[Change, str]]) -> list[Change]:
    """
    Return the changes without those that another one says.

    An object may have several paths, of which the shortest is enough; and a field of an attrs class is also a parameter.
    An object of the generated client keeps its path there, under which the document may explain the change.
    """
    shortest: dict[tuple[str, str, str], Change] = {}
    for change, origin in sorted(changes, key=_preference):
        shortest.setdefault((change.section, origin, change.text), change)
    fields = {(change.section, change.place) for change in shortest.values()}
    return [
        change
        for change in shortest.values()
        if (change.section, change.place.replace("(", ".").removesuffix(")"))
        not in fields - {(change.section, change.place)}
    ]


def _preference(entry: tuple[Change, str]) -> tuple[bool, int]:
    """Return a sort key for a change and the origin of its object: the path to show comes first."""
    change, origin = entry
    is_re_exported = origin.startswith(CLIENT) and not change.place.startswith(CLIENT)
    return is_re_exported, len(change.place)


def _changes(old: PythonApi, new: PythonApi) -> Iterator[Change]:
    for path, before in old.items():
        if path in new:
            yield from _compare(path, before, new[path])
        elif not _is_inside_any(path, old.keys() - new.keys()):
            yield breaking(path, "is gone")
    for path, after in new.items():
        if path in old or _is_inside_any(path, new.keys() - old.keys()):
            continue
        if after.kind == "parameter" and after.default is None:
            yield breaking(path, "is new and required")
        else:
            yield added(path, f"{'an' if after.kind == 'attribute' else 'a'} {after.kind}")


def _is_inside_any(path: str, others: set[str]) -> bool:
    """Return whether a path is that of a parameter or member of one of the others."""
    parents = (path.rpartition("(")[0], path.rpartition(".")[0])
    return any(parent in others for parent in parents if parent)


def _compare(path: str, old: Name, new: Name) -> Iterator[Change]:
    if old.kind != new.kind:
        yield breaking(path, f"is now a {new.kind}")
        return
    yield from _compare_types(path, old, new)
    yield from _compare_bases(path, old, new)
    if old.value != new.value:
        yield breaking(path, f"was {old.value} and is now {new.value}")
    if old.kind == "parameter":
        yield from _compare_parameters(path, old, new)


def _compare_types(path: str, old: Name, new: Name) -> Iterator[Change]:
    """Compare annotations: a parameter may accept more, and what is read may be less."""
    if old.type == new.type or None in (old.type, new.type):
        return
    before = _alternatives(old.type)
    after = _alternatives(new.type)
    if before == after:
        return
    is_compatible = before <= after if old.kind == "parameter" else after <= before
    yield (changed if is_compatible else breaking)(path, f"the type `{old.type}` is now `{new.type}`")


def _alternatives(annotation: str | None) -> set[str]:
    """Return the alternatives of a union that is not inside brackets."""
    return {part.strip() for part in re.split(r"\|(?![^\[]*\])", annotation or "")}


def _compare_bases(path: str, old: Name, new: Name) -> Iterator[Change]:
    for base in old.bases:
        if base not in new.bases:
            yield breaking(path, f"is no longer a `{base}`")
    for base in new.bases:
        if base not in old.bases:
            yield changed(path, f"is a `{base}`")


def _compare_parameters(path: str, old: Name, new: Name) -> Iterator[Change]:
    if new.default is None and old.default is not None:
        yield breaking(path, "is now required")
    elif old.default is None and new.default is not None:
        yield changed(path, "is now optional")
    elif old.default != new.default:
        yield changed(path, f"the default was `{old.default}` and is now `{new.default}`")
    if old.position is not None and new.position is None:
        yield breaking(path, "can be passed by its name only")
    elif old.position is None and new.position is not None:
        yield changed(path, "can also be passed by its position")
    elif old.position != new.position and not new.origin.startswith(MODELS):
        yield breaking(path, "is at another position")
