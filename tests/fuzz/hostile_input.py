"""Hostile input from outside: JSON of any shape, bodies that are not JSON, and whole responses."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx
from attrs import field, frozen
from example_counts import SOAK_EXAMPLES
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def fuzz_settings(examples: int, *, share_of: int | None = None) -> settings:
    """
    Return settings with so many examples, the same every time, or with a tenth of `SOAK_EXAMPLES` random ones.

    Args:
        examples: How many examples `make test` runs.
        share_of: For a slow test: the number of examples that stands for the whole tenth; this test gets its share.

    """
    # A tenth, because Hypothesis keeps every example until its test ends, and each takes up a megabyte here.
    soak_examples = SOAK_EXAMPLES // 10 * examples // (share_of or examples)
    return settings(
        max_examples=soak_examples or examples,
        derandomize=not SOAK_EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


NAMES: Final = (
    "code",
    "msg",
    "message",
    "requestTime",
    "data",
    "successList",
    "failureList",
    "orderId",
    "clientOid",
    "errorCode",
    "errorMsg",
    "status",
    "baseVolume",
    "symbol",
    "side",
    "serverTime",
    "cTime",
    "list",
    "cursor",
    "orderStatus",
    "cumExecQty",
    "category",
    "orderList",
    "nextFlag",
    "idLessThan",
    "result",
    "triggerType",
)
"""The vendor's names of fields."""
EXPECTED_TEXTS: Final = (
    "00000",
    "success",
    "failure",
    "43001",
    "45001",
    "40009",
    "40084",
    "40085",
    "25204",
    "25113",
    "429",
    "1",
    "2",
    "live",
    "filled",
    "cancelled",
    "BTCUSDT",
    "1700000000000",
    "9" * 19,
    "0.5",
)
STRANGE_TEXTS: Final = (
    "x",
    "",
    " ",
    "null",
    "-1",
    "٣",
    "²",
    "nan",
    "1e400",
    "\x00",
    "\x1b[31m",
    "[bold]",
    "%s",
    "{}",
    "\u202e",
)
MAX_DISPLAY: Final = 300
"""How much of a response is shown when a test fails."""
PICKLABLE_DEPTH: Final = 100
"""How deeply a value can be nested so that every Python can pickle it."""


@frozen
class RawJson:
    """Text that is put into the JSON as it is."""

    text: str


@frozen
class Pairs:
    """A JSON object whose keys may repeat."""

    pairs: tuple[tuple[str, Any], ...]


LARGE_INTEGERS: Final = (
    "9" * 19,
    "9" * 400,
    "9" * 4300,
    "9" * 4301,
    "9" * 10_000,
    "-" + "9" * 4300,
    "1" + "0" * 10_000,
)
STRANGE_NUMBERS: Final = (
    "1e400",
    "-1e400",
    "1e-400",
    "1e999999999",
    "0.1e1",
    "-0",
    "-0.0",
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "1.",
)
NUMBERS: Final = tuple(RawJson(text) for text in LARGE_INTEGERS + STRANGE_NUMBERS)


def _deeply_nested() -> Iterator[RawJson]:
    for depth in (50, PICKLABLE_DEPTH, 100_000):
        yield RawJson("[" * depth + "]" * depth)
        yield RawJson('{"a":' * depth + "1" + "}" * depth)
        yield RawJson("[" * depth)


DEEPLY_NESTED: Final = tuple(_deeply_nested())
INVALID_JSON: Final = tuple(
    RawJson(text) for text in ('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', "'x'", "", ",", '"', "tru", "\ufeff1")
)

keys = st.sampled_from(NAMES) | st.text(max_size=5)
leaves = st.one_of(
    st.sampled_from(EXPECTED_TEXTS + STRANGE_TEXTS),
    st.sampled_from(NUMBERS + DEEPLY_NESTED + INVALID_JSON),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
)


def _containers(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.lists(st.tuples(keys, items), max_size=5)
    return st.lists(items, max_size=4) | pairs.map(tuple).map(Pairs)


values: st.SearchStrategy[Any] = st.recursive(leaves, _containers, max_leaves=8)
"""JSON values of any shape, and text that is not JSON in their place."""


def to_json(value: Any) -> str:
    """Write a value as JSON, and text that is not JSON as it is."""
    if isinstance(value, RawJson):
        return value.text
    if isinstance(value, Pairs):
        members = [f"{json.dumps(key)}:{to_json(item)}" for key, item in value.pairs]
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value)


@st.composite
def _objects(draw: st.DrawFn, names: tuple[str, ...]) -> Pairs:
    """Draw objects that have most of the right names, and sometimes other names or one name twice."""
    right = draw(st.lists(st.tuples(st.sampled_from(names), values), max_size=len(names) + 1))
    other = draw(st.lists(st.tuples(keys, values), max_size=1))
    return Pairs((*right, *other))


_rows = st.lists(_objects(("orderId", "clientOid", "errorCode", "errorMsg")) | leaves, max_size=4) | values
_orders = _objects(("orderId", "clientOid", "symbol", "side", "status", "baseVolume"))
_whole_pages = st.builds(lambda order, count: [order] * count, _orders, st.sampled_from([99, 100, 101]))
_batch_results = st.builds(
    lambda success, failure: Pairs((("successList", success), ("failureList", failure))), _rows, _rows
)
_data = st.one_of(
    _batch_results,
    st.lists(_orders, max_size=3) | _whole_pages,
    _objects(("successList", "failureList", "serverTime")),
    values,
)
_codes = st.sampled_from(["00000"] * 4 + ["43001", "45001", "40009", "40034", "429"]) | leaves


@st.composite
def envelopes(draw: st.DrawFn) -> Pairs:
    """Draw the exchange's envelope with anything in its fields, and perhaps more fields."""
    return Pairs(
        (
            ("code", draw(_codes)),
            ("msg", draw(values)),
            ("requestTime", draw(values)),
            ("data", draw(_data)),
            *draw(st.lists(st.tuples(keys, values), max_size=2)),
        )
    )


json_texts = (envelopes() | values).map(to_json)
_charsets = st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32-be", "latin-1"])


@st.composite
def _json_bodies(draw: st.DrawFn) -> bytes:
    text = draw(json_texts)
    return text.encode(draw(_charsets), "replace")


@st.composite
def _damaged_bodies(draw: st.DrawFn) -> bytes:
    """Draw bodies in which a few bytes are replaced."""
    body = draw(_json_bodies())
    position = draw(st.integers(0, len(body)))
    inserted = draw(st.binary(max_size=3))
    return body[:position] + inserted + body[position + draw(st.integers(0, 5)) :]


_bodies = st.one_of(_json_bodies(), _json_bodies(), _damaged_bodies(), st.binary(max_size=50), st.just(b""))


def _compress(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body, 1, mtime=0)
    if encoding == "deflate":
        return zlib.compress(body)
    return body


_STATUSES: Final = (*[200] * 6, 400, 429, 502, 520, 204, 301, 404, 500, 999)
_HEADERS: Final[tuple[dict[str, str], ...]] = (
    {},
    {},
    {"content-type": "application/json; charset=utf-8"},
    {"content-type": "text/html; charset=undefined"},
    {"content-type": "application/json; charset=idna"},
    {"content-type": "x" * 5000},
    {"content-type": "application/json; charset=hex"},
    {"x-mbx-used-remain-limit": "9" * 5000},
    {"x-mbx-used-remain-limit": "-1", "location": "http://[", "retry-after": "never"},
    {"date": "yesterday", "set-cookie": "a=b"},
)
_encodings = st.sampled_from(["", "", "", "gzip", "deflate"])
_declared_encodings = st.sampled_from(
    ["", "gzip", "deflate", "gzip, gzip", "identity", "br", "zstd", "x-" + "y" * 100, "gzip, deflate"]
)


@frozen
class HostileResponse:
    """A response as it comes over the network; calling it returns it for any request."""

    status: int
    headers: dict[str, str] = field(repr=lambda headers: repr(headers)[:MAX_DISPLAY])
    body: bytes = field(repr=lambda body: f"{len(body)} bytes {body[:MAX_DISPLAY]!r}")

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        """Return a response that has not been read."""
        # A stream, as from a network: httpx would decode given content at once.
        return httpx.Response(self.status, headers=self.headers, stream=_Stream(self.body))


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


@st.composite
def responses(draw: st.DrawFn) -> HostileResponse:
    """Draw any response: a body, compressed or not, under headers that may declare something else."""
    encoding = draw(_encodings)
    declared = encoding if draw(st.integers(0, 3)) else draw(_declared_encodings)
    headers = dict(draw(st.sampled_from(_HEADERS)))
    if declared:
        headers["content-encoding"] = declared
    return HostileResponse(draw(st.sampled_from(_STATUSES)), headers, _compress(draw(_bodies), encoding))
