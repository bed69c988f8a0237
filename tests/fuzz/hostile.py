"""What may come from outside in place of what should: JSON of any shape, and bodies that are not even that."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from typing import Any, Final

import httpx
from attrs import field, frozen
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES: Final = int(os.environ.get("SOAK_EXAMPLES", "0"))
"""How many examples are wanted; 0 for those that the tests name themselves."""


def share(number: int, of: int | None = None) -> settings:
    """
    Play so many examples, the same every time, or a tenth of as many as are wanted.

    Args:
        number: How many where nobody wants a number.
        of: What that tenth stands for; of a dearer test that names less, a share of it is played.

    """
    # A tenth: Hypothesis remembers every example until its test ends, and here that is a megabyte for each.
    return settings(
        max_examples=EXAMPLES // 10 * number // (of or number) or number,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


WORDS: Final = (
    *("code", "msg", "message", "requestTime", "data", "successList", "failureList", "orderId", "clientOid"),
    *("errorCode", "errorMsg", "status", "baseVolume", "symbol", "side", "serverTime", "cTime"),
)
"""The vendor's names."""
TEXTS: Final = (
    *(
        "00000",
        "43001",
        "45001",
        "40009",
        "429",
        "1",
        "2",
        "x",
        "",
        " ",
        "null",
        "live",
        "filled",
        "cancelled",
        "BTCUSDT",
    ),
    *(
        "1700000000000",
        "9" * 19,
        "0.5",
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
    ),
)
SHOWN: Final = 300
"""How much of an answer is shown where a test fails."""
DEEPEST_SHOWN: Final = 100
"""How deep what is told of an answer can be nested and still be pickled by every Python; what is deeper is refused."""


@frozen
class Raw:
    """A piece of text that stands in the JSON as it is."""

    text: str


@frozen
class Pairs:
    """An object whose keys may repeat."""

    pairs: tuple[tuple[str, Any], ...]


NUMBERS: Final = tuple(
    Raw(text)
    for text in (
        *("9" * 19, "9" * 400, "9" * 4300, "9" * 4301, "9" * 10_000, "-" + "9" * 4300, "1" + "0" * 10_000),
        *(
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
        ),
    )
)
DEEP: Final = tuple(
    Raw(text)
    for depth in (50, DEEPEST_SHOWN, 100_000)
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth)
)
BROKEN: Final = tuple(map(Raw, ('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', "'x'", "", ",", '"', "tru", "\ufeff1")))

keys = st.sampled_from(WORDS) | st.text(max_size=5)
leaves = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS + DEEP + BROKEN),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
)
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(keys, inner), max_size=5).map(tuple).map(Pairs),
    max_leaves=8,
)


def written(value: Any) -> str:
    """Write a value as JSON, or as what stands in its place."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{written(one)}" for key, one in value.pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def _object(names: tuple[str, ...]) -> st.SearchStrategy[Pairs]:
    """Give objects that have the right names, most of them, and sometimes others or one of them twice."""
    right = st.lists(st.tuples(st.sampled_from(names), values), max_size=len(names) + 1)
    return st.tuples(right, st.lists(st.tuples(keys, values), max_size=1)).map(lambda both: Pairs((*both[0], *both[1])))


_rows = st.lists(_object(("orderId", "clientOid", "errorCode", "errorMsg")) | leaves, max_size=4) | values
_order = _object(("orderId", "clientOid", "symbol", "side", "status", "baseVolume"))
_many = st.tuples(_order, st.sampled_from([99, 100, 101])).map(lambda both: [both[0]] * both[1])
_data = st.one_of(
    st.tuples(_rows, _rows).map(lambda both: Pairs((("successList", both[0]), ("failureList", both[1])))),
    st.lists(_order, max_size=3) | _many,
    _object(("successList", "failureList", "serverTime")),
    values,
)
_codes = st.sampled_from(["00000"] * 4 + ["43001", "45001", "40009", "40034", "429"]) | leaves
envelopes = st.tuples(_codes, values, values, _data, st.lists(st.tuples(keys, values), max_size=2)).map(
    lambda five: Pairs((("code", five[0]), ("msg", five[1]), ("requestTime", five[2]), ("data", five[3]), *five[4]))
)
_encodings = st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32-be", "latin-1"])
texts = (envelopes | values).map(written)
encoded = st.tuples(texts, _encodings).map(lambda both: both[0].encode(both[1], "replace"))


@st.composite
def _cut(draw: st.DrawFn) -> bytes:
    """Give what would be an answer, were it not for a few bytes."""
    body = draw(encoded)
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 5)) :]


_bodies = st.one_of(encoded, encoded, _cut(), st.binary(max_size=50), st.just(b""))


def _packed(body: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(body, 1, mtime=0)
    if how == "deflate":
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
_packings = st.sampled_from(["", "", "", "gzip", "deflate"])
_said = st.sampled_from(
    ["", "gzip", "deflate", "gzip, gzip", "identity", "br", "zstd", "x-" + "y" * 100, "gzip, deflate"]
)


@frozen
class Answer:
    """An answer as it comes over the wire."""

    status: int
    headers: dict[str, str] = field(repr=lambda headers: repr(headers)[:SHOWN])
    body: bytes = field(repr=lambda body: f"{len(body)} bytes {body[:SHOWN]!r}")

    def __call__(self, _: httpx.Request) -> httpx.Response:
        """Give it to whoever asked."""
        # A stream, as from a wire: httpx would decode plain content before anybody asks for it.
        return httpx.Response(self.status, headers=self.headers, stream=_Stream(self.body))


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Any:
        yield self._body

    async def __aiter__(self) -> Any:
        yield self._body


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Give any answer: a body, packed or not, under headers that may say something else of it."""
    packed = draw(_packings)
    said = packed if draw(st.integers(0, 3)) else draw(_said)
    headers = draw(st.sampled_from(_HEADERS))
    encoding = {"content-encoding": said} if said else {}
    return Answer(draw(st.sampled_from(_STATUSES)), headers | encoding, _packed(draw(_bodies), packed))
