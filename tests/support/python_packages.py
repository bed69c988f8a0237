"""Two small packages, and the changes of their public names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from api_changes.changes import Change, Section
from api_changes.python_api import PythonApi, load_api

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
