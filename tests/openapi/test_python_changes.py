"""Every kind of change of the packages' public names is found, in both directions, under the right heading."""

from __future__ import annotations

from pathlib import Path

import pytest
from python_packages import INIT, MODEL, ORDERS, TOOL, api_of, found

from api_changes.changes import Section, added, breaking, changed
from api_changes.python_changes import python_changes, unexplained

BREAKING = Section.BREAKING
CHANGED = Section.CHANGED
ADDED = Section.ADDED
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
