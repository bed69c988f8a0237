"""The public names of the packages are read, with the fields of attrs classes."""

from __future__ import annotations

import inspect
from pathlib import Path

from attrs import define, field
from python_packages import INIT, OVERLAY, api_of

import bitget_spot
from api_changes.python_api import load_api
from bitget_spot_api import models

ROOT = Path(__file__).resolve().parents[2]


def test_fields_of_attrs_classes_are_parameters(tmp_path: Path) -> None:
    """The fields of an attrs class are the parameters of its `__init__`, also those of its parents."""
    source = """
    from attrs import define, field, frozen

    @define
    class Parent:
        a: int
        b: str = "x"

    @frozen(kw_only=True)
    class Child(Parent):
        b: int = field(default=1)
        _c: list = field(factory=list)
        d: int

    @define
    class Own:
        a: int
        def __init__(self, z): ...
    """
    api = api_of(tmp_path, {INIT: (OVERLAY, '__all__ = ["Parent", "Child", "Own"]\n' + inspect.cleandoc(source))})
    names = {path.removeprefix("bitget_spot."): name for path, name in api.items() if path.startswith("bitget_spot.")}
    parameters = {path: (name.position, name.default) for path, name in names.items() if "(" in path}
    assert parameters == {
        "Parent(a)": (0, None),
        "Parent(b)": (1, "'x'"),
        "Child(a)": (0, None),
        "Child(b)": (None, "1"),
        "Child(c)": (None, "list()"),
        "Child(d)": (None, None),
        "Own(z)": (0, None),
    }


def test_extension_agrees_with_attrs() -> None:
    """For every model and every public attrs class, the parameters are those that attrs has made."""
    api = load_api(ROOT)
    classes = {f"bitget_spot_api.models.{name}": getattr(models, name) for name in models.__all__}
    classes |= {f"bitget_spot.{name}": getattr(bitget_spot, name) for name in ("Credentials", "Outcome", "Report")}
    compared = 0
    for path, class_ in classes.items():
        if not isinstance(class_, type):  # an alias of a Literal
            continue
        expected = {
            f"{path}({name})": parameter.default is parameter.empty
            for name, parameter in inspect.signature(class_).parameters.items()
        }
        parameters = {name: entry.default is None for name, entry in api.items() if name.startswith(f"{path}(")}
        assert parameters == expected
        compared += len(expected)
    assert compared > 50


def test_public_names_of_the_project() -> None:
    """The public names have functions, models, exceptions and constants, and nothing private or internal."""
    api = load_api(ROOT)
    expected = {
        "bitget_spot.connect(timeout)",
        "bitget_spot.cancel_orders.sync(orders)",
        "bitget_spot.errors.ApiError",
        "bitget_spot.rate_limit.SQLiteStore",
        "bitget_spot.sandbox.Sandbox",
        "bitget_spot.client.SpotClient.rate_limit",
        "bitget_spot_api.Client",
        "bitget_spot_api.models.OrderRef(order_id)",
        "bitget_spot_api.operations.BATCH_CANCEL_ORDERS",
        "bitget_spot_api.api.trade.batch_cancel_orders.sync(body)",
    }
    assert expected <= api.keys()
    assert not [path for path in api if "._" in path or path.startswith("bitget_spot_api.schemas")]
    assert "bitget_spot.rate_limit.policy" not in api


@define
class _Example:
    """An attrs class, for the names of its parameters."""

    _hidden: int
    shown: int = field(alias="other", default=1)


def test_attrs_strips_underscores() -> None:
    """The class decorator names parameters as the extension does: without leading underscores, or as the alias says."""
    assert list(inspect.signature(_Example).parameters) == ["hidden", "other"]
