"""
The public names of the packages: modules, classes, functions, attributes and parameters, by the path that programs use.

griffe reads the packages without running them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import griffe
from attrs import frozen

from api_changes.attrs_classes import AttrsExtension

FOLDERS: Final = {"bitget_spot_api": "generated", "bitget_spot": "overlay"}
ROOTS: Final = (
    *("bitget_spot_api", "bitget_spot_api.api", "bitget_spot_api.client", "bitget_spot_api.errors"),
    *("bitget_spot_api.models", "bitget_spot_api.operations", "bitget_spot_api.types"),
    *("bitget_spot", "bitget_spot.errors", "bitget_spot.rate_limit", "bitget_spot.sandbox"),
    # What `connect` returns, and what it accepts as a store.
    *("bitget_spot.client.SpotClient", "bitget_spot.rate_limit.store.Store"),
)
"""The modules and classes that are public; whatever they export is public too."""
ENUMERATIONS: Final = ("Enum", "StrEnum", "IntEnum")
VARIADIC: Final = (griffe.ParameterKind.var_positional, griffe.ParameterKind.var_keyword)


@frozen
class Name:
    """A public name."""

    kind: str
    """`module`, `class`, `function`, `attribute` or `parameter`."""
    origin: str
    """Where it is defined, whatever path it is used under."""
    type: str | None = None
    """The annotation of an attribute or parameter, or of what a function returns; None if there is none."""
    default: str | None = None
    """The default of a parameter; None if it is required."""
    position: int | None = None
    """The position of a parameter; None if it can be passed by its name only."""
    value: str | None = None
    """The value of a member of an enumeration."""
    bases: tuple[str, ...] = ()
    """The base classes of a class."""


PythonApi = Mapping[str, Name]
"""The names by their paths: `bitget_spot.connect`, and for a parameter `bitget_spot.connect(timeout)`."""


def load_api(root: Path) -> PythonApi:
    """
    Read the packages in a checkout.

    Raises:
        ModuleNotFoundError: One of the packages is not there.

    """
    loader = griffe.GriffeLoader(
        extensions=griffe.load_extensions(AttrsExtension), search_paths=[root / folder for folder in FOLDERS.values()]
    )
    for package in FOLDERS:
        loader.load(package)
    loader.resolve_aliases(external=False, implicit=False)
    names: dict[str, Name] = {}
    for path in ROOTS:
        try:
            member = loader.modules_collection[path]
        except KeyError:  # an earlier or later revision
            continue
        for name, entry in _names_of(path, member):
            names.setdefault(name, entry)
    return names


def _names_of(path: str, member: griffe.Object | griffe.Alias) -> Iterator[tuple[str, Name]]:
    """Yield a member under its public path, with what is in it."""
    try:
        target = member.final_target if isinstance(member, griffe.Alias) else member
    except (griffe.AliasResolutionError, griffe.CyclicAliasError):  # it belongs to another project
        return
    if isinstance(target, griffe.Function):
        yield path, Name("function", target.path, type=_text(target.returns))
        yield from _parameters_of(path, target)
    elif isinstance(target, griffe.Attribute):
        yield path, _attribute(target)
    elif isinstance(target, griffe.Class):
        yield path, Name("class", target.path, bases=tuple(_text(base) or "" for base in target.bases))
        if isinstance(target.members.get("__init__"), griffe.Function):
            yield from _parameters_of(path, target.members["__init__"])  # type: ignore[arg-type]  # as just checked
        yield from _members_of(path, target)
    elif isinstance(target, griffe.Module):
        yield path, Name("module", target.path)
        yield from _members_of(path, target)


def _members_of(path: str, parent: griffe.Module | griffe.Class) -> Iterator[tuple[str, Name]]:
    for name, member in parent.members.items():
        if _is_public(parent, name, member):
            yield from _names_of(f"{path}.{name}", member)


def _is_public(parent: griffe.Module | griffe.Class, name: str, member: griffe.Object | griffe.Alias) -> bool:
    """Return whether a member is public: exported if its module says what it exports, otherwise not imported."""
    if isinstance(parent, griffe.Module) and parent.exports is not None:
        return name in map(str, parent.exports)
    is_in_package_of_operations = parent.path.startswith("bitget_spot_api.api")
    is_submodule = not member.is_alias and member.is_module
    return not name.startswith("_") and not member.is_alias and (not is_submodule or is_in_package_of_operations)


def _attribute(attribute: griffe.Attribute) -> Name:
    parent = attribute.parent
    is_member = isinstance(parent, griffe.Class) and any(
        (_text(base) or "").rpartition(".")[2] in ENUMERATIONS for base in parent.bases
    )
    value = _text(attribute.value) if is_member else None
    return Name("attribute", attribute.path, type=_text(attribute.annotation), value=value)


def _parameters_of(path: str, function: griffe.Function) -> Iterator[tuple[str, Name]]:
    position = 0
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        is_positional = parameter.kind not in (griffe.ParameterKind.keyword_only, *VARIADIC)
        default = "()" if parameter.kind in VARIADIC else _text(parameter.default)
        origin = f"{function.path.removesuffix('.__init__')}({parameter.name})"
        type_ = _text(parameter.annotation)
        yield (
            f"{path}({parameter.name})",
            Name("parameter", origin, type_, default, position if is_positional else None),
        )
        position += is_positional


def _text(expression: object) -> str | None:
    return None if expression is None else str(expression)
