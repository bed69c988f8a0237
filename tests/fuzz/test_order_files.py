"""Whatever stands in a file of orders: orders, exactly as they stand there, or every reason why not, with its place."""

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
from bitget_spot_api.types import Unset

from .hostile import Raw, share, texts, written

CELLS: Final = (
    *("1300000000000000001", "1.3E+18", "1300000000000000000", "grid-7-sell", "BTCUSDT", "btcusdt", "", " ", '"', '""'),
    *(
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
    ),
    *("9" * 60, "9" * 5_000, "[red]x", "\\", "ü", "\u202e", "1\r", "1e5"),
)
HEADERS: Final = (
    *(
        "symbol,orderId,clientOid",
        "orderId",
        "clientOid;symbol",
        "orderId\tsymbol",
        "symbol,status,code,orderId",
        "orderId,orderId",
    ),
    *("ORDERID", "order_id", "", ",", "orderId,", '"orderId"', "symbol", "\ufefforderId"),
)
cells = st.sampled_from(CELLS) | st.text(max_size=8)
csv_texts = st.tuples(
    st.sampled_from(HEADERS) | st.lists(cells, max_size=4).map(",".join),
    st.lists(
        st.tuples(st.lists(cells, max_size=4), st.sampled_from([",", ";", "\t"])).map(lambda row: row[1].join(row[0])),
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
).map(lambda all_of_it: all_of_it[2].join([all_of_it[0], *all_of_it[1]]))
ids: st.SearchStrategy[Any] = st.sampled_from(CELLS) | st.sampled_from(
    [1, 1.5, True, None, 10**18, 10**5000, Raw("NaN"), Raw("1" * 30), [], {}]
)
objects = st.dictionaries(
    st.sampled_from(["symbol", "orderId", "clientOid", "status", "attempts", "x"]), ids, max_size=4
).map(lambda fields: "{" + ",".join(f"{json.dumps(key)}:{as_json(value)}" for key, value in fields.items()) + "}")
json_texts = st.tuples(st.lists(objects | objects | texts, max_size=6), st.sampled_from(["\n", "\r\n", "\n\n"])).map(
    lambda both: both[1].join(both[0])
)
contents = st.one_of(
    csv_texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    json_texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.tuples(csv_texts | json_texts, st.sampled_from(["utf-16", "latin-1", "utf-8-sig"])).map(
        lambda both: both[0].encode(both[1], "replace")
    ),
    st.binary(max_size=60),
)
names = st.sampled_from(["orders.csv", "orders.jsonl", "orders", "orders.json"])


def as_json(value: object) -> str:
    """Write a value as JSON; a number that Python would not write, too."""
    if value == 10**5000:
        return "1" + "0" * 5000
    return written(value) if isinstance(value, Raw) else json.dumps(value)


@share(200)
@given(content=contents, name=names, symbols=st.lists(st.sampled_from(["BTCUSDT", "ethusdt", " ", ""]), max_size=2))
@example(content=b"orderId\n1300000000000000001\n", name="orders.csv", symbols=[])
def test_orders_or_every_reason(content: bytes, name: str, symbols: list[str], tmp_path: Path) -> None:
    """A file gives orders whose every id stands in it as it is, or an error that tells each reason with its place."""
    file = tmp_path / name
    file.write_bytes(content)
    try:
        orders, places = collect([], [], str(file), symbols)
        plan(orders, places, None)
    except BadInputError as error:
        assert str(error).endswith("nothing was sent")
        assert all(isinstance(reason, str) and reason for reason in error.args)
        return
    assert len(orders) == len(places)
    text = json.dumps(content.decode("utf-8-sig"))
    for order in orders:
        for one in (order.order_id, order.client_oid):
            # In JSON a character may also stand there by its number.
            if not isinstance(one, Unset) and one.isascii() and re.fullmatch(r"[\w-]+", one):
                assert one in text
        assert isinstance(order.order_id, Unset) or order.order_id.isdecimal()


@share(30, of=200)
@given(content=contents, name=names, as_data=st.booleans())
def test_the_command_shows_what_it_would_do(content: bytes, name: str, as_data: bool, tmp_path: Path) -> None:
    """With `--dry-run` the command shows the requests, or says on stderr what is wrong; nothing else happens."""
    file = tmp_path / name
    file.write_bytes(content)
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out), redirect_stderr(err):
        status = main(["cancel", "--file", str(file), "--dry-run", *["--json"] * as_data])
    told = [_read(stream) for stream in (out, err)]
    assert status in (0, 2), told[1]
    if status == 2:
        assert "nothing was sent" in told[1]
    elif as_data:
        json.loads(told[0])


def _read(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@pytest.mark.parametrize("piece", ['"', "a,", "[", '{"a":', '{"orderId":"1"}', ",", "\n", '""', "9", "\x00", "E"])
def test_a_long_line_takes_no_long_time(piece: str, tmp_path: Path) -> None:
    """A line of two hundred thousand characters is read, or refused, in a moment."""
    file = tmp_path / "orders"
    began = time.process_time()
    for before in ("", "orderId\n", '{"orderId":"'):
        file.write_text(before + piece * (200_000 // len(piece)), "utf-8")
        with suppress(BadInputError):
            plan(*collect([], [], str(file), []), None)
    assert time.process_time() - began < 5


@share(100, of=200)
@given(
    values=st.lists(cells | st.binary(max_size=8).map(os.fsdecode), max_size=4),
    oids=st.lists(cells, max_size=3),
    symbols=st.lists(cells, max_size=2),
)
def test_options_of_any_kind(values: list[str], oids: list[str], symbols: list[str]) -> None:
    """So it is with the options."""
    try:
        orders, places = collect(values, oids, None, symbols)
        requests = plan(orders, places, None)
    except BadInputError as error:
        assert str(error).endswith("nothing was sent")
        return
    assert sum(len(request.order_list) for request in requests) <= len(orders)
