"""
An extension of griffe: the `__init__` of attrs classes.

griffe reads the packages without running them, and attrs writes `__init__` when a class is created. For data classes griffe
has such an extension itself.
"""

from __future__ import annotations

from typing import Any, Final

import griffe

DECORATORS: Final = tuple(
    f"{module}.{name}" for module in ("attrs", "attr") for name in ("define", "frozen", "mutable")
)
FIELDS: Final = ("attrs.field", "attr.field", "attr.ib")


class AttrsExtension(griffe.Extension):
    """Adds `__init__` to each attrs class that has none."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:  # noqa: ANN401 - as griffe declares it
        """Go through a package that has been loaded."""
        _add_to(pkg)


def _add_to(parent: griffe.Module | griffe.Class) -> None:
    for member in list(parent.members.values()):
        if isinstance(member, griffe.Module | griffe.Class):
            _add_to(member)
    if isinstance(parent, griffe.Class) and _decorator(parent) is not None and "__init__" not in parent.members:
        parent.set_member("__init__", _init_of(parent))


def _decorator(class_: griffe.Class) -> griffe.Expr | None:
    """Return the decorator that makes a class an attrs class; None if there is none."""
    for decorator in class_.decorators:
        if isinstance(decorator.value, griffe.Expr) and decorator.value.canonical_path in DECORATORS:
            return decorator.value
    return None


def _init_of(class_: griffe.Class) -> griffe.Function:
    parameters: dict[str, griffe.Parameter] = {}
    for parent in [*reversed(_parents(class_)), class_]:
        decorator = _decorator(parent)
        if decorator is not None:
            kw_only = _arguments(decorator).get("kw_only") == "True"
            own = _parameters_of(parent, kw_only=kw_only)
            parameters = {name: value for name, value in parameters.items() if name not in own} | own
    keyword_only = [each for each in parameters.values() if each.kind is griffe.ParameterKind.keyword_only]
    others = [each for each in parameters.values() if each.kind is not griffe.ParameterKind.keyword_only]
    self_parameter = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    return griffe.Function(
        "__init__", parent=class_, parameters=griffe.Parameters(self_parameter, *others, *keyword_only), returns="None"
    )


def _parents(class_: griffe.Class) -> list[griffe.Class]:
    try:
        return class_.mro()
    except ValueError:  # a base class outside the package
        return []


def _parameters_of(class_: griffe.Class, *, kw_only: bool) -> dict[str, griffe.Parameter]:
    """Return the parameters for the fields of one class, without those of its parents."""
    parameters = {}
    for member in class_.members.values():
        if not isinstance(member, griffe.Attribute) or not _is_field(member):
            continue
        arguments = _arguments(member.value) if _is_field_call(member.value) else {}
        if arguments.get("init") == "False":
            continue
        name = arguments.get("alias", "").strip("'\"") or member.name.lstrip("_")
        is_keyword = kw_only or arguments.get("kw_only") == "True"
        kinds = griffe.ParameterKind
        parameters[name] = griffe.Parameter(
            name,
            annotation=member.annotation,
            kind=kinds.keyword_only if is_keyword else kinds.positional_or_keyword,
            default=_default_of(member, arguments),
        )
    return parameters


def _is_field(attribute: griffe.Attribute) -> bool:
    is_class_variable = "class-attribute" in attribute.labels and "instance-attribute" not in attribute.labels
    return attribute.annotation is not None and not is_class_variable and "property" not in attribute.labels


def _is_field_call(value: object) -> bool:
    return isinstance(value, griffe.ExprCall) and value.canonical_path in FIELDS


def _default_of(attribute: griffe.Attribute, arguments: dict[str, str]) -> str | None:
    if not _is_field_call(attribute.value):
        return None if attribute.value is None else str(attribute.value)
    return arguments.get("default") or (f"{arguments['factory']}()" if "factory" in arguments else None)


def _arguments(call: object) -> dict[str, str]:
    """Return the keyword arguments of a call, as they are written."""
    if not isinstance(call, griffe.ExprCall):
        return {}
    keywords = [argument for argument in call.arguments if isinstance(argument, griffe.ExprKeyword)]
    return {keyword.name: str(keyword.value) for keyword in keywords}
