"""
The faults that a sandbox can be told to make, by the names used in tests and on the command line.

The table of them, with what each does, stands in the docstring of `bitget_spot.sandbox`.
"""

import json
import math
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from random import Random
from types import MappingProxyType
from typing import Any, Final

from attrs import define, field, frozen, setters, validators

from bitget_spot.sandbox.exchange import ORDER_GONE, RATE_LIMITED, Answer

_Rows = list[dict[str, Any]]

_COMMAND_LINE: Final = re.compile(r"(?P<fault>.+?)(?:\*(?P<times>\d+)|@(?P<chance>\d*\.?\d+))?")

_NOT_COUNTED: Final = ("429", "html-403", "html-429")
_NO_EFFECT: Final = (*_NOT_COUNTED, "html-502", "drop-before", "code")
_TAKES_SECONDS: Final = ("delay", "delay-before", "clock-skew")
_TAKES_TEXT: Final = ("raw", "code", "code-after")
_UNSEEN: Final = "40725"
"""The code of an answer that never leaves: a fault without effect puts something else in its place."""


def _foreign(number: int) -> dict[str, Any]:
    return {"orderId": str(10**18 + number), "clientOid": f"foreign-{number}"}


def _failed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "errorMsg": "put here by a fault", "errorCode": ORDER_GONE}


def _numbered(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "orderId": int(row["orderId"]) if row["orderId"].isdigit() else row["orderId"]}


def _lists(success: _Rows | None, failure: _Rows | None) -> dict[str, Any]:
    return {"successList": success, "failureList": failure}


_SPOILED_DATA: Final[Mapping[str, Callable[[_Rows, _Rows], dict[str, Any] | None]]] = MappingProxyType(
    {
        "null-data": lambda _success, _failure: None,
        "null-lists": lambda _success, _failure: _lists(None, None),
        "missing-lists": lambda _success, _failure: {},
        "reordered": lambda success, failure: _lists(success[::-1], failure[::-1]),
        # The failures go on counting where the successes end.
        "missing-rows": lambda success, failure: _lists(success[::2], failure[len(success) % 2 :: 2]),
        "both-lists": lambda success, failure: _lists(success, failure + list(map(_failed, success))),
        "foreign-rows": lambda success, failure: _lists([*success, _foreign(1)], [*failure, _failed(_foreign(2))]),
        "ids-as-numbers": lambda success, failure: _lists(list(map(_numbered, success)), list(map(_numbered, failure))),
        "no-error-code": lambda success, failure: _lists(
            success, [{name: row[name] for name in row if name != "errorCode"} for row in failure]
        ),
    }
)
"""What takes the place of a success's `data`, from its two lists."""

_SPOILED_FIELD: Final[Mapping[str, Callable[[str, Any], tuple[str, Any]]]] = MappingProxyType(
    {
        "message-key": lambda name, value: ("message" if name == "msg" else name, value),
        "string-request-time": lambda name, value: (name, str(value) if name == "requestTime" else value),
    }
)
"""What takes the place of each field of any answer's envelope."""

FAULT_NAMES: Final = (
    *_NO_EFFECT,
    *("html-520", "empty", "raw", "drop-after", "delay", "delay-before", "code-after"),
    *_SPOILED_DATA,
    *_SPOILED_FIELD,
    "clock-skew",
)
"""Every fault's name."""


@frozen
class Reply:
    """What goes over the wire."""

    status: int | None
    """None drops the connection."""
    content: bytes = b""
    media_type: str = "application/json"
    code: str | None = None
    """The exchange's code, where the body holds one."""


@frozen
class Fault:
    """One fault with its value, as in `delay=2.5`; the one without a name spoils nothing."""

    name: str = ""
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """
        Read `NAME` or `NAME=VALUE`.

        Raises:
            ValueError: The name is unknown, or the value does not go with it.
        """
        name, equals, value = text.partition("=")
        if name not in FAULT_NAMES:
            raise ValueError(f"unknown fault {name!r}; there are {', '.join(FAULT_NAMES)}")
        if name in _TAKES_SECONDS:
            if not _is_seconds(value, signed=name == "clock-skew"):
                raise ValueError(f"the fault {name} takes a number of seconds, not {value!r}")
        elif (name in _TAKES_TEXT) != bool(equals):
            raise ValueError(f"the fault {name} takes {'no' if equals else 'a'} value")
        return cls(name, value)

    @property
    def counted(self) -> bool:
        """Whether the request reaches the exchange and is counted there."""
        return self.name not in _NOT_COUNTED

    @property
    def effect(self) -> bool:
        """Whether the request is carried out."""
        return self.name not in _NO_EFFECT

    @property
    def code(self) -> str | None:
        """The code of the refusal that takes the place of a success, if any does."""
        named = {"429": RATE_LIMITED, "code": self.value, "code-after": self.value}
        return named.get(self.name, None if self.effect else _UNSEEN)

    def seconds(self, name: str) -> float:
        """Answer the fault's value if it has this name, else 0."""
        return float(self.value) if self.name == name else 0.0

    def reply(self, answer: Answer) -> Reply:
        """Answer what goes over the wire in place of an answer."""
        if self.name in ("drop-before", "drop-after"):
            return Reply(None)
        if self.name in ("empty", "raw"):
            return Reply(200, self.value.encode())
        if self.name.startswith("html-"):
            status = self.name.removeprefix("html-")
            page = f"<html><head><title>{status}</title></head><body>{status}</body></html>"
            return Reply(int(status), page.encode(), "text/html")
        payload = answer.payload
        if self.name in _SPOILED_DATA and isinstance(payload.get("data"), dict):
            payload = payload | {"data": _SPOILED_DATA[self.name](*payload["data"].values())}
        if self.name in _SPOILED_FIELD:
            payload = dict(_SPOILED_FIELD[self.name](*item) for item in payload.items())
        content = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        return Reply(answer.status, content.encode(), code=payload["code"])


@define
class _Plan:
    fault: Fault
    # It counts down to 0, which nobody may ask for.
    times: int | None = field(validator=validators.optional(validators.ge(1)), on_setattr=setters.NO_OP)
    skip: int = field(validator=validators.ge(0))
    chance: float | None = field(validator=validators.optional([validators.gt(0), validators.le(1)]))

    def strikes(self, random: Random) -> bool:
        """Whether the fault happens to this request."""
        if self.skip:
            self.skip -= 1
            return False
        if self.chance is not None and random.random() >= self.chance:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@define(eq=False)
class Faults:
    """
    The faults still to come: a queue of certain ones, and beside it those that happen by chance.

    A request meets one fault at most: the queue's first, or else the first that chance brings.
    """

    _random: Random
    _plans: list[_Plan] = field(factory=list, init=False)
    _lock: AbstractContextManager[Any] = field(factory=threading.Lock, init=False)

    def add(self, fault: Fault, *, times: int | None = None, skip: int = 0, chance: float | None = None) -> None:
        """
        Plan a fault.

        Args:
            fault: What shall happen.
            times: How often; without it once, or with a chance without end.
            skip: How many requests go by first.
            chance: The share of requests it happens to, above 0 and up to 1.

        Raises:
            ValueError: A number is out of its range.
        """
        plan = _Plan(fault, 1 if times is None and chance is None else times, skip, chance)
        with self._lock:
            self._plans.append(plan)

    def clear(self) -> None:
        """Drop all that was planned."""
        with self._lock:
            self._plans.clear()

    def draw(self) -> Fault:
        """Answer the fault of the next request."""
        with self._lock:
            queue = [plan for plan in self._plans if plan.chance is None]
            by_chance = [plan for plan in self._plans if plan.chance is not None]
            struck = next((plan for plan in queue[:1] + by_chance if plan.strikes(self._random)), None)
            self._plans = [plan for plan in self._plans if plan.times != 0]
            return struck.fault if struck else Fault()


def parse_command_line(text: str) -> tuple[str, int | None, float | None]:
    """Split `FAULT`, `FAULT*TIMES` or `FAULT@CHANCE`; the number that is not told is None."""
    match = _COMMAND_LINE.fullmatch(text)
    fault, times, chance = match.groups() if match else (text, None, None)
    return fault, int(times) if times else None, float(chance) if chance else None


def _is_seconds(value: str, *, signed: bool) -> bool:
    try:
        seconds = float(value)
    except ValueError:
        return False
    return math.isfinite(seconds) and (signed or seconds >= 0)
