"""Every kind of change of the packages' public names is found, in both directions, under the right heading."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import define, field

import bitget_spot
from api_changes.changes import Change, Section, added, breaking, changed
from api_changes.python_api import PythonApi, load_api
from api_changes.python_changes import python_changes, unexplained
from bitget_spot_api import models

ROOT = Path(__file__).resolve().parents[2]
BREAKING = Section.BREAKING
CHANGED = Section.CHANGED
ADDED = Section.ADDED

CLIENT = "from attrs import define\n\n@define\nclass Client:\n    base_url: str\n"
ORDER = """
from attrs import define as _attrs_define
from ..types import UNSET, Unset

@_attrs_define(repr=False)
class Order:
    price: str
    size: str | Unset = UNSET
"""
FUNCTION = """
def sync(*, client: Client, limit: int | Unset = UNSET) -> Order | None: ...
def _get_kwargs(limit): ...
"""
OVERLAY = """
from enum import Enum
from typing import ClassVar
from attrs import define, field
from bitget_spot._private import hidden, tool
from bitget_spot_api.models import Order

__all__ = ["Base", "Order", "Outcome", "Status", "connect", "tool"]

class Base(Exception):
    @property
    def code(self) -> str: ...

class Status(Enum):
    DONE = "done"

@define
class Outcome(Base):
    kind: ClassVar[int] = 1
    status: Status
    _reason: str = field(default="", alias="why")
    rows: list[str] = field(factory=list, kw_only=True)
    cache: int = field(default=0, init=False)

    def show(self, width, /, *, color: bool = True) -> str:
        self.other: int = 1

def connect(key: str, *, timeout: float | None = 5.0, retries: int = 2, **options: str) -> Base: ...

def internal(): ...
"""
PRIVATE = """
__all__ = ["sync"]
def sync(orders: list[str], deadline: float | None = None) -> str: ...
def helper(): ...
def hidden(): ...
"""
FILES = {
    "generated/bitget_spot_api/__init__.py": 'from .client import Client\n__all__ = ("Client",)\n',
    "generated/bitget_spot_api/client.py": CLIENT,
    "generated/bitget_spot_api/types.py": "class Unset: ...\nUNSET: Unset = Unset()\n",
    "generated/bitget_spot_api/models/__init__.py": 'from .order import Order\n__all__ = ("Order",)\n',
    "generated/bitget_spot_api/models/order.py": ORDER,
    "generated/bitget_spot_api/api/__init__.py": "",
    "generated/bitget_spot_api/api/trade/__init__.py": "",
    "generated/bitget_spot_api/api/trade/get_orders.py": FUNCTION,
    "overlay/bitget_spot/__init__.py": OVERLAY,
    "overlay/bitget_spot/_private/__init__.py": "def hidden(): ...\n",
    "overlay/bitget_spot/_private/tool.py": PRIVATE,
    "overlay/bitget_spot/rate_limit/__init__.py": "import httpx\nfrom httpx import Client\nclass Store: ...\n",
    "overlay/bitget_spot/rate_limit/policy.py": "class Policy: ...\n",
}


def api_of(folder: Path, edits: Mapping[str, tuple[str, str]] | None = None) -> PythonApi:
    """Return the public names of the small packages, with a passage changed in some files."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        old, new = (edits or {}).get(name, ("", ""))
        assert old in content
        path.write_text(content.replace(old, new, 1), "utf-8")
    return load_api(folder)


def found(changes: list[Change]) -> list[tuple[Section, str, str]]:
    """Return changes as plain data."""
    return sorted((change.section, change.place, change.text) for change in changes)


INIT = "overlay/bitget_spot/__init__.py"
TOOL = "overlay/bitget_spot/_private/tool.py"
MODEL = "generated/bitget_spot_api/models/order.py"
ORDERS = "generated/bitget_spot_api/api/trade/get_orders.py"
CONNECT_CLASS = """
class connect:
    def __init__(self, key: str, *, timeout: float | None = 5.0, retries: int = 2, **options: str): ...

def other("""
Found = tuple[Section, str, str] | list[tuple[Section, str, str]]
KINDS: dict[str, tuple[str, str, str, Found, Found]] = {
    "function": (
        INIT,
        '"connect", ',
        "",
        (BREAKING, "bitget_spot.connect", "is gone"),
        (ADDED, "bitget_spot.connect", "a function"),
    ),
    "class": (
        INIT,
        '"Status", ',
        "",
        (BREAKING, "bitget_spot.Status", "is gone"),
        (ADDED, "bitget_spot.Status", "a class"),
    ),
    "module": (
        INIT,
        ', "tool"',
        "",
        (BREAKING, "bitget_spot.tool", "is gone"),
        (ADDED, "bitget_spot.tool", "a module"),
    ),
    "kind": (
        INIT,
        "def connect(",
        CONNECT_CLASS,
        (BREAKING, "bitget_spot.connect", "is now a class"),
        (BREAKING, "bitget_spot.connect", "is now a function"),
    ),
    "parameter": (
        INIT,
        "retries: int = 2, ",
        "",
        (BREAKING, "bitget_spot.connect(retries)", "is gone"),
        (ADDED, "bitget_spot.connect(retries)", "a parameter"),
    ),
    "required parameter": (
        INIT,
        "retries: int = 2, ",
        "retries: int = 2, name: str, ",
        (BREAKING, "bitget_spot.connect(name)", "is new and required"),
        (BREAKING, "bitget_spot.connect(name)", "is gone"),
    ),
    "parameter becomes required": (
        INIT,
        "retries: int = 2, ",
        "retries: int, ",
        (BREAKING, "bitget_spot.connect(retries)", "is now required"),
        (CHANGED, "bitget_spot.connect(retries)", "is now optional"),
    ),
    "default": (
        INIT,
        "retries: int = 2, ",
        "retries: int = 3, ",
        (CHANGED, "bitget_spot.connect(retries)", "the default was `2` and is now `3`"),
        (CHANGED, "bitget_spot.connect(retries)", "the default was `3` and is now `2`"),
    ),
    "wider type of a parameter": (
        INIT,
        "retries: int = 2, ",
        "retries: int | None = 2, ",
        (CHANGED, "bitget_spot.connect(retries)", "the type `int` is now `int | None`"),
        (BREAKING, "bitget_spot.connect(retries)", "the type `int | None` is now `int`"),
    ),
    "type of a parameter": (
        INIT,
        "retries: int = 2, ",
        "retries: list[int | str] = 2, ",
        (BREAKING, "bitget_spot.connect(retries)", "the type `int` is now `list[int | str]`"),
        (BREAKING, "bitget_spot.connect(retries)", "the type `list[int | str]` is now `int`"),
    ),
    "annotation": (INIT, "retries: int = 2, ", "retries = 2, ", [], []),
    "order of a union": (INIT, "float | None", "None | float", [], []),
    "variadic parameter": (
        INIT,
        ", **options: str",
        "",
        (BREAKING, "bitget_spot.connect(options)", "is gone"),
        (ADDED, "bitget_spot.connect(options)", "a parameter"),
    ),
    "position": (
        TOOL,
        "orders: list[str], deadline: float | None = None",
        "deadline: float | None = None, orders: list[str] = ()",
        [
            (BREAKING, "bitget_spot.tool.sync(deadline)", "is at another position"),
            (BREAKING, "bitget_spot.tool.sync(orders)", "is at another position"),
            (CHANGED, "bitget_spot.tool.sync(orders)", "is now optional"),
        ],
        [
            (BREAKING, "bitget_spot.tool.sync(deadline)", "is at another position"),
            (BREAKING, "bitget_spot.tool.sync(orders)", "is at another position"),
            (BREAKING, "bitget_spot.tool.sync(orders)", "is now required"),
        ],
    ),
    "by name only": (
        TOOL,
        "list[str], deadline",
        "list[str], *, deadline",
        (BREAKING, "bitget_spot.tool.sync(deadline)", "can be passed by its name only"),
        (CHANGED, "bitget_spot.tool.sync(deadline)", "can also be passed by its position"),
    ),
    "what is returned": (
        INIT,
        "-> Base: ...",
        "-> Base | None: ...",
        (BREAKING, "bitget_spot.connect", "the type `Base` is now `Base | None`"),
        (CHANGED, "bitget_spot.connect", "the type `Base | None` is now `Base`"),
    ),
    "method": (
        INIT,
        "def show(",
        "def _show(",
        (BREAKING, "bitget_spot.Outcome.show", "is gone"),
        (ADDED, "bitget_spot.Outcome.show", "a function"),
    ),
    "property": (
        INIT,
        "def code(self) -> str",
        "def code(self) -> int",
        (BREAKING, "bitget_spot.Base.code", "the type `str` is now `int`"),
        (BREAKING, "bitget_spot.Base.code", "the type `int` is now `str`"),
    ),
    "base class": (
        INIT,
        "class Outcome(Base):",
        "class Outcome:",
        (BREAKING, "bitget_spot.Outcome", "is no longer a `Base`"),
        (CHANGED, "bitget_spot.Outcome", "is a `Base`"),
    ),
    "value of an enumeration": (
        INIT,
        'DONE = "done"',
        'DONE = "finished"',
        (BREAKING, "bitget_spot.Status.DONE", "was 'done' and is now 'finished'"),
        (BREAKING, "bitget_spot.Status.DONE", "was 'finished' and is now 'done'"),
    ),
    "field": (
        INIT,
        "    status: Status\n",
        "    status: Status\n    more: int = 0\n",
        [
            (ADDED, "bitget_spot.Outcome.more", "an attribute"),
            (BREAKING, "bitget_spot.Outcome(why)", "is at another position"),
        ],
        [
            (BREAKING, "bitget_spot.Outcome.more", "is gone"),
            (BREAKING, "bitget_spot.Outcome(why)", "is at another position"),
        ],
    ),
    "name of a field as a parameter": (
        INIT,
        ', alias="why"',
        "",
        [(BREAKING, "bitget_spot.Outcome(why)", "is gone"), (ADDED, "bitget_spot.Outcome(reason)", "a parameter")],
        [(BREAKING, "bitget_spot.Outcome(reason)", "is gone"), (ADDED, "bitget_spot.Outcome(why)", "a parameter")],
    ),
    "field of a model": (
        MODEL,
        "    size: str | Unset = UNSET\n",
        "",
        (BREAKING, "bitget_spot_api.models.Order.size", "is gone"),
        (ADDED, "bitget_spot_api.models.Order.size", "an attribute"),
    ),
    "field of a model becomes required": (
        MODEL,
        "size: str | Unset = UNSET",
        "size: str",
        [
            (BREAKING, "bitget_spot_api.models.Order(size)", "is now required"),
            (BREAKING, "bitget_spot_api.models.Order(size)", "the type `str | Unset` is now `str`"),
            (CHANGED, "bitget_spot_api.models.Order.size", "the type `str | Unset` is now `str`"),
        ],
        [
            (CHANGED, "bitget_spot_api.models.Order(size)", "is now optional"),
            (CHANGED, "bitget_spot_api.models.Order(size)", "the type `str` is now `str | Unset`"),
            (BREAKING, "bitget_spot_api.models.Order.size", "the type `str` is now `str | Unset`"),
        ],
    ),
    "argument of a generated function": (
        ORDERS,
        ", limit: int | Unset = UNSET",
        "",
        (BREAKING, "bitget_spot_api.api.trade.get_orders.sync(limit)", "is gone"),
        (ADDED, "bitget_spot_api.api.trade.get_orders.sync(limit)", "a parameter"),
    ),
    "private names": (TOOL, "def helper():", "def other(a):", [], []),
    "names that are not exported": (INIT, "def internal():", "def other(a):", [], []),
    "private methods": (
        INIT,
        "    cache: int = field(default=0, init=False)\n",
        "    _cache: int = 0\n",
        [(BREAKING, "bitget_spot.Outcome.cache", "is gone"), (ADDED, "bitget_spot.Outcome(cache)", "a parameter")],
        [(ADDED, "bitget_spot.Outcome.cache", "an attribute"), (BREAKING, "bitget_spot.Outcome(cache)", "is gone")],
    ),
    "modules inside a public one": ("overlay/bitget_spot/rate_limit/policy.py", "class Policy", "class Other", [], []),
    "imports": ("overlay/bitget_spot/rate_limit/__init__.py", "from httpx import Client\n", "", [], []),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kind_of_change(kind: str, tmp_path: Path) -> None:
    """Each kind of change, and its reverse, is found under its heading, and nothing else is."""
    file, before, after, forwards, backwards = KINDS[kind]
    old = api_of(tmp_path / "old")
    new = api_of(tmp_path / "new", {file: (before, after)})
    assert found(python_changes(old, new)) == sorted(forwards if isinstance(forwards, list) else [forwards])
    assert found(python_changes(new, old)) == sorted(backwards if isinstance(backwards, list) else [backwards])


def test_packages_without_changes(tmp_path: Path) -> None:
    """The packages have not changed against themselves."""
    assert python_changes(api_of(tmp_path / "old"), api_of(tmp_path / "new")) == []


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


def test_document_explains_changes_of_the_generated_client() -> None:
    """A change that the document explains is not listed again for the generated client, whatever its heading there."""
    in_python = [
        breaking("bitget_spot_api.models.OrderRef(client_oid)", "is now required"),
        changed("bitget_spot_api.models.OrderRef.client_oid", "the type `str | Unset` is now `str`"),
        breaking("bitget_spot_api.api.trade.get_orders.sync(id_less_than)", "is gone"),
        added("bitget_spot_api.api.trade.get_fills", "a module"),
        breaking("bitget_spot_api.operations.GET_OLD", "is gone"),
        breaking("bitget_spot_api.types.Unset", "is gone"),
        breaking("bitget_spot.OrderRef", "is gone"),
    ]
    in_document = [
        breaking("OrderRef.clientOid", "is now required"),
        breaking("getOrders(idLessThan)", "is gone"),
        added("getFills", "`GET /fills`"),
        breaking("getOld", "is gone"),
        breaking("OrderRef", "is gone"),
    ]
    places = [change.place for change in unexplained(in_python, in_document)]
    assert places == ["bitget_spot_api.types.Unset", "bitget_spot.OrderRef"]


@pytest.mark.parametrize("imported", ["from bitget_spot_api.models import Order\n", ""], ids=["re-exported", "once"])
def test_new_field_of_a_model_is_added_once(imported: str, tmp_path: Path) -> None:
    """A new optional field of a model may be anywhere, because fields are passed by name; re-exports are not repeated."""
    overlay = {INIT: ("from bitget_spot_api.models import Order\n", imported)}
    model = {MODEL: ("    size: str", "    note: str | Unset = UNSET\n    size: str")}
    old = api_of(tmp_path / "old", overlay)
    new = api_of(tmp_path / "new", overlay | model)
    field_path = "bitget_spot_api.models.Order.note"
    assert found(python_changes(old, new)) == [(ADDED, field_path, "an attribute")]
    assert found(python_changes(new, old)) == [(BREAKING, field_path, "is gone")]


def test_dropped_re_export_is_a_change(tmp_path: Path) -> None:
    """A model that a package no longer exports is gone there, though the generated client still has it."""
    old = api_of(tmp_path / "old")
    new = api_of(tmp_path / "new", {INIT: ('"Order", ', "")})
    assert found(python_changes(old, new)) == [(BREAKING, "bitget_spot.Order", "is gone")]


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
