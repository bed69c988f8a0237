"""Whatever a file of orders contains: orders exactly as they are there, or every problem with its place."""

from __future__ import annotations

import io
import json
import os
import re
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitget_spot.__main__ import main
from bitget_spot._cli.orders import BadInputError, collect, plan
from bitget_spot._cli.output import plain_body
from bitget_spot_api.types import Unset

from .hostile_input import RawJson, fuzz_settings, json_texts, to_json

HUGE_INTEGER: Final = 10**5000
"""More digits than Python converts to text."""
CELLS: Final = (
    "1300000000000000001",
    "1.3E+18",
    "1300000000000000000",
    "grid-7-sell",
    "BTCUSDT",
    "btcusdt",
    "",
    " ",
    '"',
    '""',
    '"a,b"',
    '"a\nb"',
    "'",
    "=1+1",
    "\u200b",
    "\x00",
    "\ufeff",
    "٣",
    "²",
    "-1",
    "1,5",
    "null",
    "None",
    "\t",
    "#",
    "\x1b[2J",
    "9" * 60,
    "9" * 5_000,
    "[red]x",
    "\\",
    "ü",
    "\u202e",
    "1\r",
    "1e5",
)
HEADERS: Final = (
    "symbol,orderId,clientOid",
    "orderId",
    "clientOid;symbol",
    "orderId\tsymbol",
    "symbol,status,code,orderId",
    "orderId,orderId",
    "ORDERID",
    "order_id",
    "",
    ",",
    "orderId,",
    '"orderId"',
    "symbol",
    "\ufefforderId",
)
cells = st.sampled_from(CELLS) | st.text(max_size=8)
json_values: st.SearchStrategy[Any] = st.sampled_from(CELLS) | st.sampled_from(
    [1, 1.5, True, None, 10**18, HUGE_INTEGER, RawJson("NaN"), RawJson("1" * 30), [], {}]
)


@st.composite
def csv_texts(draw: st.DrawFn) -> str:
    """Draw CSV files, with any cells, separators and line ends."""
    lines = [draw(st.sampled_from(HEADERS) | st.lists(cells, max_size=4).map(",".join))]
    for row in draw(st.lists(st.lists(cells, max_size=4), max_size=8)):
        separator = draw(st.sampled_from([",", ";", "\t"]))
        lines.append(separator.join(row))
    return draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines)


@st.composite
def json_objects(draw: st.DrawFn) -> str:
    """Draw JSON objects with the keys of an order or of a report, and any values."""
    names = st.sampled_from(["symbol", "orderId", "clientOid", "status", "attempts", "x"])
    fields = draw(st.dictionaries(names, json_values, max_size=4))
    members = [f"{json.dumps(name)}:{value_to_json(value)}" for name, value in fields.items()]
    return "{" + ",".join(members) + "}"


@st.composite
def json_lines(draw: st.DrawFn) -> str:
    """Draw files with a JSON value in each line."""
    lines = draw(st.lists(json_objects() | json_objects() | json_texts, max_size=6))
    return draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines)


def value_to_json(value: object) -> str:
    """Write a value as JSON, also a number that Python would not write."""
    if value == HUGE_INTEGER:
        return "1" + "0" * 5000
    return to_json(value) if isinstance(value, RawJson) else json.dumps(value)


@st.composite
def other_encodings(draw: st.DrawFn) -> bytes:
    """Draw files that are not plain UTF-8."""
    text = draw(csv_texts() | json_lines())
    return text.encode(draw(st.sampled_from(["utf-16", "latin-1", "utf-8-sig"])), "replace")


contents = st.one_of(
    csv_texts().map(lambda text: text.encode("utf-8", "surrogatepass")),
    json_lines().map(lambda text: text.encode("utf-8", "surrogatepass")),
    other_encodings(),
    st.binary(max_size=60),
)
file_names = st.sampled_from(["orders.csv", "orders.jsonl", "orders", "orders.json"])


@fuzz_settings(200)
@given(
    content=contents, name=file_names, symbols=st.lists(st.sampled_from(["BTCUSDT", "ethusdt", " ", ""]), max_size=2)
)
@example(content=b"orderId\n1300000000000000001\n", name="orders.csv", symbols=[])
def test_files(content: bytes, name: str, symbols: list[str], tmp_path: Path) -> None:
    """A file yields orders whose ids are in it exactly as they are, or an error with every problem and its place."""
    file = tmp_path / name
    file.write_bytes(content)
    try:
        collected = collect([], [], str(file), symbols)
        plan(collected, None, None, "SPOT")
    except BadInputError as error:
        assert str(error).endswith("nothing was sent")
        assert all(isinstance(problem, str) and problem for problem in error.args)
        return
    assert len(collected.orders) == len(collected.places)
    text = json.dumps(content.decode("utf-8-sig"))
    for order in collected.orders:
        for value in (order.order_id, order.client_oid):
            # Other characters may be escaped in the file, so they are not searched for.
            if not isinstance(value, Unset) and value.isascii() and re.fullmatch(r"[\w-]+", value):
                assert value in text
        assert isinstance(order.order_id, Unset) or order.order_id.isdecimal()


@fuzz_settings(100, share_of=200)
@given(
    order_ids=st.lists(cells | st.binary(max_size=8).map(os.fsdecode), max_size=4),
    client_oids=st.lists(cells, max_size=3),
    symbols=st.lists(cells, max_size=2),
)
def test_options(order_ids: list[str], client_oids: list[str], symbols: list[str]) -> None:
    """Options yield orders that can be planned, or an error."""
    try:
        collected = collect(order_ids, client_oids, None, symbols)
        requests = plan(collected, None, None, "SPOT")
    except BadInputError as error:
        assert str(error).endswith("nothing was sent")
        return
    assert len(collected.orders) == len(collected.places)
    assert sum(len(plain_body(request)["orderList"]) for request in requests) <= len(collected.orders)


@fuzz_settings(30, share_of=200)
@given(content=contents, name=file_names, as_json=st.booleans())
def test_dry_run(content: bytes, name: str, as_json: bool, tmp_path: Path) -> None:
    """`--dry-run` shows the requests, or reports on stderr what is wrong with the file."""
    file = tmp_path / name
    file.write_bytes(content)
    stdout = io.TextIOWrapper(io.BytesIO(), "utf-8")
    stderr = io.TextIOWrapper(io.BytesIO(), "utf-8")
    arguments = ["cancel", "--file", str(file), "--dry-run"]
    if as_json:
        arguments.append("--json")
    with redirect_stdout(stdout), redirect_stderr(stderr):
        status = main(arguments)
    errors = _text_of(stderr)
    assert status in (0, 2), errors
    if status == 2:
        assert "nothing was sent" in errors
    elif as_json:
        json.loads(_text_of(stdout))


def _text_of(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@pytest.mark.parametrize("fragment", ['"', "a,", "[", '{"a":', '{"orderId":"1"}', ",", "\n", '""', "9", "\x00", "E"])
def test_long_lines(fragment: str, tmp_path: Path) -> None:
    """A line of two hundred thousand characters is read or refused within seconds."""
    file = tmp_path / "orders"
    started_at = time.process_time()
    for prefix in ("", "orderId\n", '{"orderId":"'):
        file.write_text(prefix + fragment * (200_000 // len(fragment)), "utf-8")
        with suppress(BadInputError):
            plan(collect([], [], str(file), []), None, None, "SPOT")
    assert time.process_time() - started_at < 5
