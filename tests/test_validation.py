"""The consistency rules of a batch: which bodies are valid, and where each violation is."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import pytest
from batch_bodies import BODIES, MAX_ORDERS, VALID, make_orders
from hypothesis import given
from hypothesis import strategies as st

from bitget_spot import validation
from bitget_spot.errors import Violation
from bitget_spot.validation import MODES, order_problems, validate_batch, validate_body
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, OPERATIONS

ONE_ORDER = [{"orderId": "1"}]

# Where the violations are


@pytest.mark.parametrize(("body", "places"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_violations_of_a_body(body: bytes, places: list[str]) -> None:
    """The violations of a body are exactly at the places in the table; a valid body has none."""
    assert sorted(violation.place for violation in validate_body(BATCH_CANCEL_ORDERS, body)) == places


def test_other_operations_have_no_rules() -> None:
    """Only the two batch cancels have consistency rules; any other body may be sent."""
    with_rules = {each.operation_id for each in OPERATIONS.values() if validate_body(each, b"no JSON")}
    assert with_rules == {"batchCancelOrders", "batchCancelUnifiedOrders"}
    assert validate_body(None, b"no JSON") == ()


def test_blank_id_is_reported_before_repeated_orders() -> None:
    """The violations of single orders come first, in the order of the list, and then those between orders."""
    orders = [{"orderId": "1"}, {"orderId": "1"}, {"orderId": " "}]
    places = [violation.place for violation in validate_batch({"orderList": orders})]
    assert places == ["orderList[2].orderId", "orderList[1]"]


def test_table_of_bodies_is_large() -> None:
    """The table has many valid and many invalid bodies, each once."""
    names = [name for name, *_ in BODIES]
    assert len(names) >= 40
    assert len(names) == len(set(names))
    assert len(VALID) >= 15


def test_limits_are_those_of_the_document() -> None:
    """The maximum number of orders and the modes are those of the document."""
    assert validation.MAX_ORDERS == MAX_ORDERS
    assert MODES == ("single", "multiple")


def test_longest_batch_with_symbols() -> None:
    """A batch in multiple mode may be as long as any other, and no longer."""
    orders = [{**order, "symbol": "BTCUSDT"} for order in make_orders(MAX_ORDERS)]
    assert validate_batch({"batchMode": "multiple", "orderList": orders}) == ()
    assert validate_batch({"batchMode": "multiple", "orderList": [*orders, {"orderId": "-1", "symbol": "BTCUSDT"}]})


@pytest.mark.parametrize(
    ("order", "problems"),
    [
        ({"orderId": "1"}, {}),
        ({"clientOid": "a", "symbol": "BTCUSDT"}, {}),
        ({}, {"": "has neither orderId nor clientOid"}),
        ("1", {"": "is str, not an object"}),
        ({"orderId": " ", "clientOid": 7}, {".orderId": "is blank", ".clientOid": "is 7"}),
        ({"orderId": "1", "symbol": 5}, {".symbol": "is 5"}),
    ],
)
def test_problems_of_one_order(order: object, problems: Mapping[str, str]) -> None:
    """`order_problems` yields the field of each problem, which is empty for the whole order, and a description."""
    found = dict(order_problems(order))
    assert list(found) == list(problems)
    for field, problem in problems.items():
        assert found[field].startswith(problem)


# How the violations are described


@pytest.mark.parametrize(
    ("body", "place", "parts"),
    [
        (
            {"orderList": [{"orderId": "1"}, {"clientOid": "a"}]},
            "orderList[1]",
            ["only a clientOid", "orderList[0] is addressed by orderId"],
        ),
        ({"orderList": make_orders(MAX_ORDERS + 1)}, "orderList", [str(MAX_ORDERS + 1), str(MAX_ORDERS)]),
        ({"orderList": [{"orderId": 12}]}, "orderList[0].orderId", ["is 12", "as text"]),
        ({"orderList": [{"orderId": None}]}, "orderList[0].orderId", ["is null"]),
        ({"orderList": make_orders(1), "batchMode": "SINGLE"}, "batchMode", ['"SINGLE"', "multiple"]),
        ({"orderList": [*make_orders(1), *make_orders(1)]}, "orderList[1]", ["the orderId of orderList[0]"]),
        ({"orderList": make_orders(1), "batchMode": None}, "batchMode", ["is null", "single or multiple"]),
        ({"orderList": make_orders(1), "batchMode": "beidé"}, "batchMode", ['is "beidé"']),
        ({"orderList": [["1"]]}, "orderList[0]", ["is list"]),
        ({"orderList": [{"orderId": "1", "symbol": ["A"]}]}, "orderList[0].symbol", ['is ["A"]', "as text"]),
        ({"orderList": make_orders(1), "symbol": 5}, "symbol", ["is 5", "as text"]),
        ({"batchMode": "multiple", "orderList": make_orders(1)}, "orderList[0]", ["symbol", "give it"]),
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
def test_problem_is_described(body: object, place: str, parts: list[str]) -> None:
    """A violation shows what was found and, if it contradicts something else, what that is."""
    (violation,) = validate_batch(body)
    assert violation.place == place
    assert all(part in violation.problem for part in parts), violation


@pytest.mark.parametrize("value", [["x" * 1000], {"key": "ü" * 1000}, 10**1000])
def test_long_values_are_truncated(value: object) -> None:
    """The message is short, however long an invalid value is."""
    (violation,) = validate_batch({"orderList": [{"orderId": value}]})
    assert violation.place == "orderList[0].orderId"
    assert len(str(violation)) < 150


@pytest.mark.parametrize(("length", "shown"), [(38, '"' + "x" * 38 + '"'), (39, '"' + "x" * 39 + "…")])
def test_forty_characters_are_shown(length: int, shown: str) -> None:
    """An invalid value is shown completely up to 40 characters; of a longer one, the first 40 are shown."""
    (violation,) = validate_batch({"batchMode": "x" * length, "orderList": ONE_ORDER})
    assert violation.problem.startswith(f"is {shown};")


def test_duplicate_keys_are_violations() -> None:
    """A key that is given twice in one object is a violation, because the exchange may read either value."""
    (violation,) = validate_body(BATCH_CANCEL_ORDERS, b'{"orderList":[{"orderId":"1","orderId":"2"}]}')
    assert str(violation).startswith("orderId: is given twice")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_only_python_reads_are_not_json(number: str) -> None:
    """NaN and infinity are not JSON, wherever they are."""
    (violation,) = validate_body(BATCH_CANCEL_ORDERS, f'{{"orderList":[{{"orderId":"1"}}],"x":{number}}}'.encode())
    assert violation.place == "body"
    assert "not JSON" in violation.problem


def validate_nested_mode(depth: int) -> tuple[Violation, ...]:
    """Validate a batch whose mode is a list that is nested so deep."""
    nested = "[" * depth + "]" * depth
    return validate_body(BATCH_CANCEL_ORDERS, f'{{"batchMode":{nested},"orderList":[{{"orderId":"1"}}]}}'.encode())


def test_deeply_nested_values_are_violations() -> None:
    """A value is a violation at its place if it can be parsed, and else the body is; an exception is never raised."""

    def is_too_deep(depth: int) -> bool:
        return validate_nested_mode(depth)[0].place == "body"

    # The depth that can be parsed depends on the interpreter, by a factor of ten.
    limit = bisect_left(range(2**20), x=True, lo=1, key=is_too_deep)
    violations: list[Violation] = []
    for depth in (1, 20, *range(limit - 20, limit + 20)):
        violations += validate_nested_mode(depth)
    assert {violation.place for violation in violations} == {"batchMode", "body"}
    assert any(violation.problem.startswith("is [[") for violation in violations)


def test_value_that_cannot_be_formatted_is_shown_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a value that is nested too deep to be formatted, the type is shown."""

    def fail(*_: object, **__: object) -> str:
        raise RecursionError

    monkeypatch.setattr(json, "dumps", fail)
    (violation,) = validate_batch({"batchMode": [], "orderList": ONE_ORDER})
    assert violation.problem.startswith("is list;")


# Batches of the most common form


@pytest.mark.parametrize("more", [{}, {"batchMode": "single"}, {"symbol": "BTCUSDT"}], ids=str)
@pytest.mark.parametrize("count", [1, MAX_ORDERS])
@pytest.mark.parametrize("id_field", ["orderId", "clientOid"])
def test_common_batches_are_validated_quickly(
    id_field: str, count: int, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of plain orders is parsed once, and its orders are not checked one by one."""

    def fail(*_: object) -> None:
        raise AssertionError

    for slow in ("_duplicate_keys", "order_problems"):
        monkeypatch.setattr(validation, slow, fail)
    body = {"orderList": make_orders(count, id_field), **more}
    assert validate_body(BATCH_CANCEL_ORDERS, json.dumps(body).encode()) == ()


# Any body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ORDER_LIKE = st.dictionaries(
    st.sampled_from(["orderId", "clientOid", "symbol"]),
    st.sampled_from(["", " ", "1", "2", "BTCUSDT", "btcusdt"]) | JSON,
)
BATCH_LIKE = st.fixed_dictionaries(
    {},
    optional={
        "symbol": st.sampled_from(["", "BTCUSDT"]) | JSON,
        "batchMode": st.sampled_from(["single", "multiple"]) | JSON,
        "orderList": st.lists(ORDER_LIKE | JSON, max_size=6) | JSON,
    },
)


@given(JSON | BATCH_LIKE)
def test_any_json_can_be_validated(body: Any) -> None:
    """Any JSON gives violations with a place and a problem, never an exception, and the same as its bytes give."""
    violations = validate_batch(body)
    assert all(isinstance(violation, Violation) for violation in violations)
    assert all(violation.place and violation.problem for violation in violations)
    assert sorted(map(str, validate_body(BATCH_CANCEL_ORDERS, json.dumps(body).encode()))) == sorted(
        map(str, violations)
    )


@given(st.binary())
def test_any_bytes_can_be_validated(body: bytes) -> None:
    """Any bytes give violations or none, never an exception."""
    assert isinstance(validate_body(BATCH_CANCEL_ORDERS, body), tuple)


TEXT = st.text(min_size=1, max_size=64).filter(str.strip)
SYMBOLS = st.sampled_from(["BTCUSDT", "ETHUSDT", "ethusdt"])


def add_to_some(draw: st.DrawFn, orders: list[dict[str, str]], field: str, values: st.SearchStrategy[str]) -> None:
    """Give some of the orders a field."""
    for order in orders:
        if draw(st.booleans()):
            order[field] = draw(values)


@st.composite
def valid_batches(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a batch that follows the rules: identifiers of one kind, each once, and symbols that agree."""
    ids = draw(st.lists(TEXT, min_size=1, max_size=MAX_ORDERS, unique=True))
    id_field = draw(st.sampled_from(["orderId", "clientOid"]))
    orders = [{id_field: value} for value in ids]
    if id_field == "orderId":
        add_to_some(draw, orders, "clientOid", TEXT)
    body: dict[str, Any] = {"orderList": orders}
    mode = draw(st.sampled_from([None, "single", "multiple"]))
    if mode is not None:
        body["batchMode"] = mode
    if mode == "multiple":
        for order in orders:
            order["symbol"] = draw(SYMBOLS)
    elif draw(st.booleans()):
        symbol = draw(SYMBOLS)
        body["symbol"] = symbol
        add_to_some(draw, orders, "symbol", st.sampled_from([symbol, symbol.lower()]))
    return body


@given(valid_batches())
def test_batches_that_follow_the_rules_are_valid(body: dict[str, Any]) -> None:
    """A batch that follows the rules is never refused."""
    assert validate_batch(body) == ()
