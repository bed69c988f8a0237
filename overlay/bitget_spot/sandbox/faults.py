"""
The faults that a sandbox produces on demand, by the names used in tests and on the command line.

The table of them, with what each does, is in the docstring of `bitget_spot.sandbox`.
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

from bitget_spot.sandbox.envelope import RATE_LIMITED, ExchangeResponse
from bitget_spot.sandbox.row_faults import DATA_FAULTS, has_rows, with_failed_rows
from bitget_spot_api.operations import SUCCESS_CODE, Operation

_COMMAND_LINE: Final = re.compile(r"(?P<fault>.+?)(?:\*(?P<times>\d+)|@(?P<chance>\d*\.?\d+))?")

_NOT_COUNTED: Final = ("429", "html-403", "html-429")
_NO_EFFECT: Final = (*_NOT_COUNTED, "html-502", "drop-before", "code")
_DROPS_CONNECTION: Final = ("drop-before", "drop-after")
_TAKES_SECONDS: Final = ("delay", "delay-before", "clock-skew")
_TAKES_TEXT: Final = ("raw", "code", "code-after", "list-code", "row-code", "row-code-after")
_TAKES_JSON: Final = ("list-data",)
_OF_LISTINGS: Final = ("list-code", "list-data")
_OF_ROWS: Final = ("row-code", "row-code-after")
_PLACEHOLDER_CODE: Final = "40725"
"""The code of a response that is never sent, because a fault without effect replaces it."""


def _message_key(name: str, value: object) -> tuple[str, object]:
    return ("message" if name == "msg" else name, value)


def _string_request_time(name: str, value: object) -> tuple[str, object]:
    return (name, str(value) if name == "requestTime" else value)


_ENVELOPE_FAULTS: Final[Mapping[str, Callable[[str, object], tuple[str, object]]]] = MappingProxyType(
    {"message-key": _message_key, "string-request-time": _string_request_time}
)
"""What replaces each field of the envelope of any response."""

FAULT_NAMES: Final = (
    *_NO_EFFECT,
    *("html-520", "empty", "raw", "drop-after", "delay", "delay-before", "code-after"),
    *_OF_LISTINGS,
    *_OF_ROWS,
    *DATA_FAULTS,
    *_ENVELOPE_FAULTS,
    "clock-skew",
)
"""Every fault's name."""


@frozen
class SentResponse:
    """What is sent over the network."""

    status: int | None
    """None drops the connection."""
    content: bytes = b""
    media_type: str = "application/json"
    code: str | None = None
    """The exchange's code, if the body has one."""


@frozen
class Fault:
    """One fault with its value, as in `delay=2.5`; the one without a name changes nothing."""

    name: str = ""
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """
        Return the fault that `NAME` or `NAME=VALUE` describes.

        Raises:
            ValueError: The name is unknown, or the value is not valid for it.

        """
        name, equals, value = text.partition("=")
        if name not in FAULT_NAMES:
            raise ValueError(f"unknown fault {name!r}; use one of {', '.join(FAULT_NAMES)}")
        if name in _TAKES_SECONDS:
            if not _is_seconds(value, signed=name == "clock-skew"):
                raise ValueError(f"the fault {name} takes a number of seconds, not {value!r}")
        elif name in _TAKES_JSON:
            if not _is_json(value):
                raise ValueError(f"the fault {name} takes a JSON value, not {value!r}")
        elif (name in _TAKES_TEXT) != bool(equals):
            raise ValueError(f"the fault {name} takes {'no' if equals else 'a'} value")
        return cls(name, value)

    def applies_to(self, operation: Operation) -> bool:
        """Return whether it can happen to a request for this operation."""
        if self.name in _OF_LISTINGS:
            return operation.signed and operation.method == "GET"
        if self.name in _OF_ROWS:
            return has_rows(operation)
        return True

    @property
    def row_code(self) -> str | None:
        """The code with which each order of a batch fails without effect."""
        return self.value if self.name == "row-code" else None

    @property
    def counted(self) -> bool:
        """Whether the request reaches the exchange and is counted there."""
        return self.name not in _NOT_COUNTED

    @property
    def effect(self) -> bool:
        """Whether the request is executed."""
        return self.name not in _NO_EFFECT

    @property
    def code(self) -> str | None:
        """The code of the error response that replaces a success, if any does."""
        if self.name == "429":
            return RATE_LIMITED
        if self.name in ("code", "code-after", "list-code"):
            return self.value
        return None if self.effect else _PLACEHOLDER_CODE

    def seconds(self, name: str) -> float:
        """Return the fault's value if it has this name, else 0."""
        return float(self.value) if self.name == name else 0.0

    def apply(self, response: ExchangeResponse) -> SentResponse:
        """Return what is sent instead of a response."""
        if self.name in _DROPS_CONNECTION:
            return SentResponse(None)
        if self.name in ("empty", "raw"):
            return SentResponse(200, self.value.encode())
        if self.name.startswith("html-"):
            status = self.name.removeprefix("html-")
            page = f"<html><head><title>{status}</title></head><body>{status}</body></html>"
            return SentResponse(int(status), page.encode(), "text/html")
        payload = response.payload
        if payload["code"] == SUCCESS_CODE:
            payload = payload | {"data": self._spoiled_data(response)}
        if self.name in _ENVELOPE_FAULTS:
            payload = dict(_ENVELOPE_FAULTS[self.name](*item) for item in payload.items())
        content = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        return SentResponse(response.status, content.encode(), code=payload["code"])

    def _spoiled_data(self, response: ExchangeResponse) -> object:
        data: object = response.payload["data"]
        if self.name == "list-data":
            return json.loads(self.value)
        if response.operation is None or not has_rows(response.operation):
            return data
        if self.name == "row-code-after":
            return with_failed_rows(data, self.value)
        return DATA_FAULTS[self.name](data) if self.name in DATA_FAULTS else data


@define
class _ScriptedFault:
    fault: Fault
    # It counts down to 0, which is not a valid argument.
    times: int | None = field(validator=validators.optional(validators.ge(1)), on_setattr=setters.NO_OP)
    skip: int = field(validator=validators.ge(0))
    chance: float | None = field(validator=validators.optional([validators.gt(0), validators.le(1)]))
    operation: Operation | None

    def applies_to(self, operation: Operation) -> bool:
        """Return whether the fault can happen to a request for this operation."""
        return self.operation in (None, operation) and self.fault.applies_to(operation)

    def applies(self, random: Random) -> bool:
        """Return whether the fault happens to this request, which it can happen to."""
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
    The faults to come: a queue of certain ones, and next to it those that happen by chance.

    A request meets one fault at most: the first of the queue, or else the first that happens by chance.
    """

    _random: Random
    _scripted: list[_ScriptedFault] = field(factory=list, init=False)
    _lock: AbstractContextManager[Any] = field(factory=threading.Lock, init=False)

    def add(
        self,
        fault: Fault,
        *,
        times: int | None = None,
        skip: int = 0,
        chance: float | None = None,
        operation: Operation | None = None,
    ) -> None:
        """
        Script a fault.

        Args:
            fault: What happens.
            times: How often; by default once, or without end if there is a chance.
            skip: How many requests pass first.
            chance: The share of requests that it happens to, above 0 and up to 1.
            operation: The operation whose requests it happens to; by default any.

        Raises:
            ValueError: A number is out of its range, or it cannot happen to requests for the operation.

        """
        if operation is not None and not fault.applies_to(operation):
            raise ValueError(f"the fault {fault.name} cannot happen to requests for {operation.operation_id}")
        times = 1 if times is None and chance is None else times
        scripted = _ScriptedFault(fault, times, skip, chance, operation)
        with self._lock:
            self._scripted.append(scripted)

    def clear(self) -> None:
        """Remove every scripted fault."""
        with self._lock:
            self._scripted.clear()

    def next_fault(self, operation: Operation) -> Fault:
        """Return the fault of the next request, which is for this operation."""
        with self._lock:
            possible = [scripted for scripted in self._scripted if scripted.applies_to(operation)]
            queue = [scripted for scripted in possible if scripted.chance is None]
            by_chance = [scripted for scripted in possible if scripted.chance is not None]
            candidates = queue[:1] + by_chance
            chosen = next((scripted for scripted in candidates if scripted.applies(self._random)), None)
            self._scripted = [scripted for scripted in self._scripted if scripted.times != 0]
            return chosen.fault if chosen else Fault()


def parse_command_line(text: str) -> tuple[str, int | None, float | None]:
    """Split `FAULT`, `FAULT*TIMES` or `FAULT@CHANCE`; a number that is not given is None."""
    match = _COMMAND_LINE.fullmatch(text)
    fault, times, chance = match.groups() if match else (text, None, None)
    return fault, int(times) if times else None, float(chance) if chance else None


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _is_seconds(value: str, *, signed: bool) -> bool:
    try:
        seconds = float(value)
    except ValueError:
        return False
    return math.isfinite(seconds) and (signed or seconds >= 0)
