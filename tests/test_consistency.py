"""The check of a batch: which bodies pass, which are refused, and where each violation lies."""

import asyncio
import json
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitget_spot import validation
from bitget_spot._middleware.base import Transport
from bitget_spot.errors import InvalidBatchError, Violation
from bitget_spot.validation import Consistency, validate_batch, validate_body
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

MOST = BATCH_CANCEL_ORDERS.max_items["orderList"]
URL = f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}"
Case = tuple[str, object, list[str]]


def ids(number: int, name: str = "orderId") -> list[dict[str, str]]:
    """Make so many orders with identifiers of one kind."""
    return [{name: str(index)} for index in range(number)]


VALID: list[tuple[str, object]] = [
    ("single by orderId", {"symbol": "BTCUSDT", "batchMode": "single", "orderList": ids(2)}),
    ("single by clientOid", {"symbol": "BTCUSDT", "orderList": ids(2, "clientOid")}),
    ("both ids on one order", {"orderList": [{"orderId": "1", "clientOid": "a"}]}),
    (
        "both ids on every order",
        {"orderList": [{"orderId": "1", "clientOid": "a"}, {"orderId": "2", "clientOid": "b"}]},
    ),
    (
        "orderId everywhere, a label on one",
        {"orderList": [{"orderId": "1", "clientOid": "a"}, {"orderId": "2"}]},
    ),
    (
        "one label on two orderIds",
        {"orderList": [{"orderId": "1", "clientOid": "a"}, {"orderId": "2", "clientOid": "a"}]},
    ),
    (
        "one text as orderId and as label",
        {"orderList": [{"orderId": "1", "clientOid": "2"}, {"orderId": "2", "clientOid": "1"}]},
    ),
    ("no symbol in single mode", {"batchMode": "single", "orderList": ids(1)}),
    ("no symbol, no mode", {"orderList": ids(1)}),
    ("null symbol in single mode", {"symbol": None, "orderList": ids(1)}),
    ("blank symbol in single mode", {"symbol": " ", "orderList": ids(1)}),
    (
        "single mode, order symbols agree",
        {"symbol": "BTCUSDT", "orderList": [{"orderId": "1", "symbol": "BTCUSDT"}]},
    ),
    (
        "single mode, symbols agree but for case",
        {"symbol": "BTCUSDT", "orderList": [{"orderId": "1", "symbol": "btcusdt"}]},
    ),
    (
        "single mode, blank and null order symbols",
        {"orderList": [{"orderId": "1", "symbol": ""}, {"orderId": "2", "symbol": None}]},
    ),
    (
        "multiple mode",
        {
            "batchMode": "multiple",
            "orderList": [
                {"orderId": "1", "symbol": "BTCUSDT"},
                {"orderId": "2", "symbol": "ETHUSDT"},
            ],
        },
    ),
    (
        "multiple mode by clientOid",
        {
            "batchMode": "multiple",
            "orderList": [
                {"clientOid": "a", "symbol": "BTCUSDT"},
                {"clientOid": "b", "symbol": "ETHUSDT"},
            ],
        },
    ),
    (
        "multiple mode, the vendor's example with its empty symbol",
        {
            "symbol": "",
            "batchMode": "multiple",
            "orderList": [{"orderId": "121211212122", "symbol": "BTCUSDT", "clientOid": "121211212122"}],
        },
    ),
    (
        "multiple mode, the request's symbol agrees but for case",
        {
            "symbol": "btcusdt",
            "batchMode": "multiple",
            "orderList": [{"orderId": "1", "symbol": "BTCUSDT"}],
        },
    ),
    ("as many as the document allows", {"orderList": ids(MOST)}),
    ("a clientOid of 64 characters", {"orderList": [{"clientOid": "a-_#:+ü9" * 8}]}),
    ("members that nobody knows", {"receiveWindow": 5, "orderList": [{"orderId": "1", "x": {}}]}),
]

INVALID: list[Case] = [
    (
        "orderId with label, then clientOid alone",
        {"orderList": [{"orderId": "1", "clientOid": "a"}, {"clientOid": "b"}]},
        ["orderList[1]"],
    ),
    (
        "orderId, then clientOid",
        {"orderList": [{"orderId": "1"}, {"clientOid": "b"}]},
        ["orderList[1]"],
    ),
    (
        "clientOids, then an orderId",
        {"orderList": [{"clientOid": "a"}, {"clientOid": "b"}, {"orderId": "1"}]},
        ["orderList[0]", "orderList[1]"],
    ),
    (
        "mixed across symbols",
        {
            "batchMode": "multiple",
            "orderList": [
                {"orderId": "1", "symbol": "BTCUSDT"},
                {"clientOid": "b", "symbol": "ETHUSDT"},
            ],
        },
        ["orderList[1]"],
    ),
    ("one too many", {"orderList": ids(MOST + 1)}, ["orderList"]),
    ("no orders", {"orderList": []}, ["orderList"]),
    ("null orderId", {"orderList": [{"orderId": None}]}, ["orderList[0].orderId"]),
    ("null clientOid", {"orderList": [{"clientOid": None}]}, ["orderList[0].clientOid"]),
    ("empty orderId", {"orderList": [{"orderId": ""}]}, ["orderList[0].orderId"]),
    ("blank clientOid", {"orderList": [{"clientOid": " \t"}]}, ["orderList[0].clientOid"]),
    ("orderId a number", {"orderList": [{"orderId": 12}]}, ["orderList[0].orderId"]),
    ("orderId a truth", {"orderList": [{"orderId": True}]}, ["orderList[0].orderId"]),
    ("clientOid a list", {"orderList": [{"clientOid": ["a"]}]}, ["orderList[0].clientOid"]),
    (
        "both ids wrong",
        {"orderList": [{"orderId": "", "clientOid": 7}]},
        ["orderList[0].clientOid", "orderList[0].orderId"],
    ),
    (
        "a blank label beside an orderId",
        {"orderList": [{"orderId": "1", "clientOid": ""}]},
        ["orderList[0].clientOid"],
    ),
    ("neither id", {"orderList": [{"orderId": "1"}, {}]}, ["orderList[1]"]),
    ("neither id, a symbol", {"symbol": "A", "orderList": [{"symbol": "A"}]}, ["orderList[0]"]),
    ("a list", [{"orderId": "1"}], ["body"]),
    ("a text", "orderList", ["body"]),
    ("a number", 50, ["body"]),
    ("null", None, ["body"]),
    ("an empty object", {}, ["orderList"]),
    ("orderList null", {"orderList": None}, ["orderList"]),
    ("orderList a text", {"orderList": "1,2"}, ["orderList"]),
    ("orderList an object", {"orderList": {"orderId": "1"}}, ["orderList"]),
    ("orderList a number", {"orderList": 1}, ["orderList"]),
    ("an order that is a number", {"orderList": [1, {"orderId": "1"}]}, ["orderList[0]"]),
    ("an order that is null", {"orderList": [{"orderId": "1"}, None]}, ["orderList[1]"]),
    ("an order that is a list", {"orderList": [["1"]]}, ["orderList[0]"]),
    ("an order that is a text", {"orderList": ["1"]}, ["orderList[0]"]),
    ("batchMode null", {"batchMode": None, "orderList": ids(1)}, ["batchMode"]),
    ("batchMode a number", {"batchMode": 1, "orderList": ids(1)}, ["batchMode"]),
    ("batchMode a list", {"batchMode": ["single"], "orderList": ids(1)}, ["batchMode"]),
    ("batchMode an object", {"batchMode": {"single": 1}, "orderList": ids(1)}, ["batchMode"]),
    ("batchMode in capitals", {"batchMode": "SINGLE", "orderList": ids(1)}, ["batchMode"]),
    ("batchMode unknown", {"batchMode": "double", "orderList": ids(1)}, ["batchMode"]),
    (
        "batchMode unknown, so that no symbol is known to be ignored",
        {"batchMode": "double", "orderList": [{"orderId": "1", "symbol": "BTCUSDT"}]},
        ["batchMode"],
    ),
    ("batchMode empty", {"batchMode": "", "orderList": ids(1)}, ["batchMode"]),
    ("symbol a number", {"symbol": 5, "orderList": ids(1)}, ["symbol"]),
    (
        "symbol a number, beside an order's",
        {"symbol": 5, "orderList": [{"orderId": "1", "symbol": "A"}]},
        ["symbol"],
    ),
    (
        "an order's symbol a list",
        {"symbol": "A", "orderList": [{"orderId": "1", "symbol": ["A"]}]},
        ["orderList[0].symbol"],
    ),
    (
        "single mode, symbols contradict",
        {"symbol": "BTCUSDT", "orderList": [{"orderId": "1", "symbol": "ETHUSDT"}]},
        ["orderList[0].symbol"],
    ),
    (
        "multiple mode, symbols contradict",
        {
            "symbol": "BTCUSDT",
            "batchMode": "multiple",
            "orderList": [
                {"orderId": "1", "symbol": "BTCUSDT"},
                {"orderId": "2", "symbol": "ETHUSDT"},
            ],
        },
        ["orderList[1].symbol"],
    ),
    (
        "single mode, order symbols without the request's",
        {"orderList": [{"orderId": "1", "symbol": "BTCUSDT"}]},
        ["symbol"],
    ),
    (
        "single mode, order symbols with a blank one of the request",
        {"symbol": " ", "orderList": [{"orderId": "1", "symbol": "BTCUSDT"}]},
        ["symbol"],
    ),
    (
        "multiple mode, a symbol missing, null, blank",
        {
            "batchMode": "multiple",
            "orderList": [
                {"orderId": "0", "symbol": "BTCUSDT"},
                {"orderId": "1"},
                {"orderId": "2", "symbol": None},
                {"orderId": "3", "symbol": " "},
            ],
        },
        ["orderList[1]", "orderList[2]", "orderList[3]"],
    ),
    (
        "multiple mode, the request's symbol does not stand in",
        {"symbol": "BTCUSDT", "batchMode": "multiple", "orderList": ids(1)},
        ["orderList[0]"],
    ),
    ("one orderId twice", {"orderList": [*ids(2), {"orderId": "0"}]}, ["orderList[2]"]),
    (
        "one orderId thrice, other labels",
        {"orderList": [{"orderId": "1", "clientOid": label} for label in "abc"]},
        ["orderList[1]", "orderList[2]"],
    ),
    ("one clientOid twice", {"orderList": [{"clientOid": "a"}] * 2}, ["orderList[1]"]),
    (
        "much at once",
        {
            "batchMode": "both",
            "symbol": 1,
            "orderList": [
                {"orderId": "1"},
                {"orderId": "1"},
                {"clientOid": "a"},
                {"orderId": None},
                7,
                {},
                *[{"orderId": f"x{index}"} for index in range(MOST)],
            ],
        },
        [
            "batchMode",
            "orderList",
            "orderList[1]",
            "orderList[2]",
            "orderList[3].orderId",
            "orderList[4]",
            "orderList[5]",
            "symbol",
        ],
    ),
    (
        "two at one order",
        {
            "symbol": "BTCUSDT",
            "orderList": [{"orderId": "1"}, {"orderId": "1", "symbol": "ETHUSDT"}],
        },
        ["orderList[1]", "orderList[1].symbol"],
    ),
]

RAW: list[tuple[str, bytes, list[str]]] = [
    ("nothing", b"", ["body"]),
    ("half an object", b'{"orderList":[{"orderId":"1"}', ["body"]),
    ("a form", b"orderList=1", ["body"]),
    ("the wide colon of the vendor's example", '{"batchMode"\uff1a"multiple"}'.encode(), ["body"]),
    ("bytes that are no UTF-8", b'{"orderList":[{"orderId":"\xff"}]}', ["body"]),
    ("a number too long to read", b"1" * 10_000, ["body"]),
    ("nested without end", b"[" * 100_000, ["body"]),
    ("nested too deeply", b'{"orderList":' * 50_000 + b"1" + b"}" * 50_000, ["body"]),
    (
        "orderList twice",
        b'{"orderList":[{"orderId":"1"}],"orderList":[{"orderId":"2"}]}',
        ["orderList"],
    ),
    (
        "orderId thrice in one order",
        b'{"orderList":[{"orderId":"1","orderId":"1","orderId":"2"}]}',
        ["orderId"],
    ),
    (
        "twice, and wrong as well",
        b'{"batchMode":"x","batchMode":"y","orderList":[]}',
        ["batchMode", "batchMode", "orderList"],
    ),
    ("white space and any order", b' {\n"orderList" : [ {"orderId":"1"} ] }\n', []),
    ("another encoding of JSON", '{"orderList":[{"orderId":"1"}]}'.encode("utf-16"), []),
]

TABLE: list[tuple[str, bytes, list[str]]] = [
    *((name, json.dumps(body).encode(), []) for name, body in VALID),
    *((name, json.dumps(body, ensure_ascii=False).encode(), at) for name, body, at in INVALID),
    *RAW,
]


@pytest.mark.parametrize(("body", "places"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_verdict(body: bytes, places: list[str]) -> None:
    """A body's validate_batch lie exactly where the table says; a valid one has none."""
    assert sorted(violation.place for violation in validate_body(body)) == places


def test_table_is_large() -> None:
    """The table holds both verdicts in number, each row once."""
    names = [name for name, *_ in TABLE]
    assert len(names) == len(set(names)) >= 40
    assert len(VALID) >= 15


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        (
            {"orderList": [{"orderId": "1"}, {"clientOid": "a"}]},
            "orderList[1]",
            ["only a clientOid", "orderList[0] is addressed by orderId"],
        ),
        ({"orderList": ids(MOST + 1)}, "orderList", [str(MOST + 1), str(MOST)]),
        ({"orderList": [{"orderId": 12}]}, "orderList[0].orderId", ["is 12", "as text"]),
        ({"orderList": [{"orderId": None}]}, "orderList[0].orderId", ["is null"]),
        ({"orderList": ids(1), "batchMode": "SINGLE"}, "batchMode", ['"SINGLE"', "multiple"]),
        ({"orderList": [*ids(1), *ids(1)]}, "orderList[1]", ["the orderId of orderList[0]"]),
        ({"orderList": ids(1), "batchMode": None}, "batchMode", ["is null", "single or multiple"]),
        ({"orderList": ids(1), "batchMode": "beidé"}, "batchMode", ['is "beidé"']),
        ({"orderList": [["1"]]}, "orderList[0]", ["is list"]),
        ({"orderList": [{"orderId": "1", "symbol": ["A"]}]}, "orderList[0].symbol", ['is ["A"]', "as text"]),
        ({"orderList": ids(1), "symbol": 5}, "symbol", ["is 5", "as text"]),
        ({"batchMode": "multiple", "orderList": ids(1)}, "orderList[0]", ["symbol", "give it"]),
        (
            {"orderList": [{"orderId": "0"}, {"orderId": "1", "symbol": "A"}]},
            "symbol",
            ["ignores the symbol of orderList[1]"],
        ),
        (
            {"symbol": "A", "orderList": [{"orderId": "1", "symbol": "B"}]},
            "orderList[0].symbol",
            ["is B", "is A", "ignores the order's"],
        ),
        (
            {
                "symbol": "A",
                "batchMode": "multiple",
                "orderList": [{"orderId": "1", "symbol": "B"}],
            },
            "orderList[0].symbol",
            ["is B", "is A", "ignores the request's"],
        ),
    ],
)
def test_problem_is_told(body: object, place: str, words: list[str]) -> None:
    """A violation tells what was found, and where that matters what it contradicts."""
    (found,) = validate_batch(body)
    assert found.place == place
    assert all(word in found.problem for word in words), found


@pytest.mark.parametrize("value", [["x" * 1000], {"key": "ü" * 1000}, 10**1000])
def test_wrong_values_are_cut(value: object) -> None:
    """However long a wrong value is, the message stays short."""
    (found,) = validate_batch({"orderList": [{"orderId": value}]})
    assert found.place == "orderList[0].orderId"
    assert len(str(found)) < 150


@pytest.mark.parametrize(("length", "shown"), [(38, '"' + "x" * 38 + '"'), (39, '"' + "x" * 39 + "…")])
def test_forty_characters_are_shown(length: int, shown: str) -> None:
    """A wrong value is shown whole up to forty characters, and a longer one to there."""
    (found,) = validate_batch({"batchMode": "x" * length, "orderList": ids(1)})
    assert found.problem.startswith(f"is {shown};")


def test_a_name_given_twice_is_told_with_the_remedy() -> None:
    """A name that stands twice in one object is told as such: the exchange might read either."""
    (found,) = validate_body(b'{"orderList":[{"orderId":"1","orderId":"2"}]}')
    assert str(found).startswith("orderId: is given twice")


@pytest.mark.parametrize("more", [{}, {"batchMode": "single"}, {"symbol": "BTCUSDT"}], ids=str)
@pytest.mark.parametrize("count", [1, MOST])
@pytest.mark.parametrize("name", ["orderId", "clientOid"])
def test_the_usual_batch_is_told_quickly(
    name: str, count: int, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of plain orders is read once and no order of it looked at closely: who is in a hurry pays for no detail."""

    def never(*_: object) -> None:
        raise AssertionError

    for slow in ("_given_twice", "problems_of_order"):
        monkeypatch.setattr(validation, slow, never)
    assert validate_body(json.dumps({"orderList": ids(count, name), **more}).encode()) == ()


def test_as_many_as_there_may_be_with_symbols() -> None:
    """A batch in multiple mode, which no quick look will do for, may be as long as any other."""
    orders = [{**order, "symbol": "BTCUSDT"} for order in ids(MOST)]
    assert validate_batch({"batchMode": "multiple", "orderList": orders}) == ()
    assert validate_batch({"batchMode": "multiple", "orderList": [*orders, {"orderId": "-1", "symbol": "BTCUSDT"}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ORDERISH = st.dictionaries(
    st.sampled_from(["orderId", "clientOid", "symbol"]),
    st.sampled_from(["", " ", "1", "2", "BTCUSDT", "btcusdt"]) | JSON,
)
BATCHISH = st.fixed_dictionaries(
    {},
    optional={
        "symbol": st.sampled_from(["", "BTCUSDT"]) | JSON,
        "batchMode": st.sampled_from(["single", "multiple"]) | JSON,
        "orderList": st.lists(ORDERISH | JSON, max_size=6) | JSON,
    },
)


@given(JSON | BATCHISH)
def test_whatever_the_json(body: Any) -> None:
    """Any JSON whatever has a verdict: a tuple of validate_batch with place and problem, never an exception."""
    found = validate_batch(body)
    assert all(isinstance(violation, Violation) for violation in found)
    assert all(violation.place and violation.problem for violation in found)
    assert sorted(map(str, validate_body(json.dumps(body).encode()))) == sorted(map(str, found))


@given(st.binary())
def test_whatever_the_bytes(body: bytes) -> None:
    """Any bytes whatever have a verdict."""
    assert isinstance(validate_body(body), tuple)


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    """Build a batch by the rules: identifiers of one kind, each once, and symbols that agree."""
    text = st.text(min_size=1, max_size=64).filter(str.strip)
    symbols = st.sampled_from(["BTCUSDT", "ETHUSDT", "ethusdt"])
    names = draw(st.lists(text, min_size=1, max_size=MOST, unique=True))
    name = draw(st.sampled_from(["orderId", "clientOid"]))
    orders: list[dict[str, Any]] = [{name: value} for value in names]
    if name == "orderId":
        for order in orders:
            if draw(st.booleans()):
                order["clientOid"] = draw(text)
    body: dict[str, Any] = {"orderList": orders}
    mode = draw(st.sampled_from([None, "single", "multiple"]))
    if mode is not None:
        body["batchMode"] = mode
    if mode == "multiple":
        for order in orders:
            order["symbol"] = draw(symbols)
    elif draw(st.booleans()):
        body["symbol"] = draw(symbols)
        for order in orders:
            if draw(st.booleans()):
                order["symbol"] = draw(st.sampled_from([body["symbol"], body["symbol"].lower()]))
    return body


@given(batches())
def test_valid_batches_pass(body: dict[str, Any]) -> None:
    """No batch that keeps the rules is refused."""
    assert validate_batch(body) == ()


class Exchange(Transport):
    """Takes down what it is sent, and says yes."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.read())
        return httpx.Response(200)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(await request.aread())
        return httpx.Response(200)


Send = Callable[[Transport, httpx.Request], httpx.Response]


def in_thread(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send as the sync client does."""
    return transport.handle_request(request)


def in_task(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send as the async client does."""
    return asyncio.run(transport.handle_async_request(request))


both = pytest.mark.parametrize("send", [in_thread, in_task])


def pieces(body: bytes) -> Iterator[bytes]:
    """Stream a body byte by byte."""
    for byte in body:
        yield bytes([byte])


async def async_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Stream a body byte by byte, asynchronously."""
    for byte in body:
        yield bytes([byte])


@both
@pytest.mark.parametrize(
    ("body", "places"),
    [row[1:] for row in TABLE if row[2]],
    ids=[row[0] for row in TABLE if row[2]],
)
def test_refused_before_sending(send: Send, body: bytes, places: list[str]) -> None:
    """Of a batch that is refused nothing is sent, and one error tells every violation."""
    exchange = Exchange()
    with pytest.raises(InvalidBatchError) as caught:
        send(Consistency(exchange), httpx.Request("POST", URL, content=body))
    assert exchange.sent == []
    assert sorted(violation.place for violation in caught.value.violations) == places


@both
@pytest.mark.parametrize("body", [row[1] for row in TABLE if not row[2]], ids=[row[0] for row in TABLE if not row[2]])
def test_sent_unchanged(send: Send, body: bytes) -> None:
    """A valid batch is sent once, byte for byte as it was given."""
    exchange = Exchange()
    assert send(Consistency(exchange), httpx.Request("POST", URL, content=body)).is_success
    assert exchange.sent == [body]


@both
def test_slashes_too_many(send: Send) -> None:
    """An address with doubled or trailing slashes, which reaches the same endpoint, is checked as well."""
    exchange = Exchange()
    url = f"https://api.bitget.com/{BATCH_CANCEL_ORDERS.path}/"
    with pytest.raises(InvalidBatchError):
        send(Consistency(exchange), httpx.Request("POST", url, content=b"{}"))
    assert exchange.sent == []


@both
@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "https://api.bitget.com/api/v2/spot/trade/place-order", b"not JSON"),
        ("POST", f"{URL}-v2", b'{"orderList":[]}'),
        ("PUT", URL, b"[]"),
        ("GET", URL, b""),
    ],
)
def test_other_operations(send: Send, method: str, url: str, body: bytes) -> None:
    """What is not the batch cancel is none of this link's business, whatever its body."""
    exchange = Exchange()
    send(Consistency(exchange), httpx.Request(method, url, content=body))
    assert exchange.sent == [body]


STREAMED = [
    pytest.param(in_thread, pieces, id="in_thread"),
    pytest.param(in_task, async_pieces, id="in_task"),
]
Pieces = Callable[[bytes], Any]


@pytest.mark.parametrize(("send", "stream"), STREAMED)
def test_streamed_and_refused(send: Send, stream: Pieces) -> None:
    """A body that is streamed is read and checked before anything of it is sent."""
    exchange = Exchange()
    body = b'{"orderList":[{"orderId":"1"},{"clientOid":"a"}]}'
    with pytest.raises(InvalidBatchError) as caught:
        send(Consistency(exchange), httpx.Request("POST", URL, content=stream(body)))
    assert [violation.place for violation in caught.value.violations] == ["orderList[1]"]
    assert exchange.sent == []


@pytest.mark.parametrize(("send", "stream"), STREAMED)
def test_streamed_and_sent(send: Send, stream: Pieces) -> None:
    """A streamed body that is valid is sent whole, though it could be read only once."""
    exchange = Exchange()
    body = b'{"orderList":[{"orderId":"1"}]}'
    send(Consistency(exchange), httpx.Request("POST", URL, content=stream(body)))
    assert exchange.sent == [body]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_python_takes_for_json_and_nobody_else_does(number: str) -> None:
    """A number that no JSON has is no JSON, wherever it stands."""
    (found,) = validate_body(f'{{"orderList":[{{"orderId":"1"}}],"x":{number}}}'.encode())
    assert (found.place, "not JSON" in found.problem) == ("body", True)


def test_a_wrong_value_too_deep_to_show() -> None:
    """A value that is nested as deep as JSON may be read is refused with its place, and not shown."""

    def told(depth: int) -> tuple[Violation, ...]:
        nested = "[" * depth + "]" * depth
        return validate_body(f'{{"batchMode":{nested},"orderList":[{{"orderId":"1"}}]}}'.encode())

    # How deep JSON may be read is the interpreter's affair, and Pythons differ by a factor of ten.
    unread = bisect_left(range(2**20), x=True, lo=1, key=lambda depth: told(depth)[0].place == "body")
    found = [one for depth in (1, 20, *range(unread - 20, unread + 20)) for one in told(depth)]
    assert {one.place for one in found} == {"batchMode", "body"}
    assert any(one.problem.startswith("is [[") for one in found)


def test_a_value_that_cannot_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a value is nested too deep for writing it down, its kind is told instead."""

    def too_deep(*_: object, **__: object) -> str:
        raise RecursionError

    monkeypatch.setattr(json, "dumps", too_deep)
    (found,) = validate_batch({"batchMode": [], "orderList": [{"orderId": "1"}]})
    assert found.problem.startswith("is list;")
