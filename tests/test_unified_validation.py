"""The consistency rules of a unified account's batch: which bodies are valid, and where each violation is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unified_bodies import BODIES, MAX_ORDERS, make_order, make_orders

from bitget_spot import validation
from bitget_spot.errors import Violation
from bitget_spot.validation import CATEGORIES, validate_body, validate_unified_batch
from bitget_spot_api.models.category import CATEGORY_VALUES
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, BATCH_CANCEL_UNIFIED_ORDERS

# Where the violations are


@pytest.mark.parametrize(("body", "places"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_violations_of_a_body(body: bytes, places: list[str]) -> None:
    """The violations of a body are exactly at the places in the table; a valid body has none."""
    violations = validate_body(BATCH_CANCEL_UNIFIED_ORDERS, body)
    assert sorted(violation.place for violation in violations) == places


def test_table_of_bodies_is_large() -> None:
    """The table has at least the 31 bodies of the requirement, each once."""
    names = [name for name, *_ in BODIES]
    assert len(names) >= 31
    assert len(names) == len(set(names))


def test_limits_are_those_of_the_document() -> None:
    """The maximum number of orders and the categories are those of the document."""
    assert validation.MAX_UNIFIED_ORDERS == MAX_ORDERS
    assert set(CATEGORIES) == CATEGORY_VALUES


def test_rules_belong_to_the_operation() -> None:
    """A body that is valid for one type of account is not valid for the other."""
    unified = json.dumps(make_orders(1)).encode()
    classic = json.dumps({"orderList": [{"orderId": "1"}]}).encode()
    assert validate_body(BATCH_CANCEL_UNIFIED_ORDERS, unified) == ()
    assert validate_body(BATCH_CANCEL_ORDERS, classic) == ()
    assert [each.place for each in validate_body(BATCH_CANCEL_ORDERS, unified)] == ["body"]
    assert [each.place for each in validate_body(BATCH_CANCEL_UNIFIED_ORDERS, classic)] == ["body"]


# How the violations are described


@pytest.mark.parametrize(
    ("body", "place", "parts"),
    [
        ({}, "body", ["is not a JSON array", "the list of the orders"]),
        ([], "body", ["has no orders", "at least one"]),
        (make_orders(MAX_ORDERS + 1), "body", [str(MAX_ORDERS + 1), f"{MAX_ORDERS} at most"]),
        ([{"orderId": "1", "category": "SPOT"}], "body[0].symbol", ["is missing", "a unified account needs it"]),
        ([make_order(orderId="1", symbol=7)], "body[0].symbol", ["is 7", "as text"]),
        ([{"orderId": "1", "symbol": "BTCUSDT"}], "body[0].category", ["is missing", "SPOT"]),
        ([make_order(orderId="1", category="spots")], "body[0].category", ['is "spots"', "USDT-FUTURES"]),
        (
            [make_order(orderId="1"), make_order(orderId="2", category="margin")],
            "body[1].category",
            ["is margin", "body[0] is SPOT", "a batch for each category"],
        ),
        (
            [make_order(orderId="1"), make_order(clientOid="a")],
            "body[1]",
            ["only a clientOid", "body[0] is addressed by orderId"],
        ),
        ([make_order(orderId="1"), make_order(orderId="1")], "body[1]", ["the orderId of body[0]"]),
    ],
)
def test_problem_is_described(body: object, place: str, parts: list[str]) -> None:
    """A violation shows what was found and, if it contradicts something else, what that is."""
    (violation,) = validate_unified_batch(body)
    assert violation.place == place
    assert all(part in violation.problem for part in parts), violation


def test_body_that_is_not_json_is_described() -> None:
    """The message says which form of JSON is expected."""
    (violation,) = validate_body(BATCH_CANCEL_UNIFIED_ORDERS, b"orderId=1")
    assert violation.problem == "is not JSON; send a JSON array of orders"


def test_unknown_categories_do_not_contradict() -> None:
    """An order without a valid category is reported once, and not compared with the others."""
    orders = [make_order(orderId="1", category="x"), make_order(orderId="2"), make_order(orderId="3", category="SPOT")]
    assert [violation.place for violation in validate_unified_batch(orders)] == ["body[0].category"]


# Any body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ORDER_LIKE = st.dictionaries(
    st.sampled_from(["orderId", "clientOid", "symbol", "category"]),
    st.sampled_from(["", " ", "1", "BTCUSDT", "SPOT", "spot", "MARGIN"]) | JSON,
)


@given(JSON | st.lists(ORDER_LIKE | JSON, max_size=6))
def test_any_json_can_be_validated(body: Any) -> None:
    """Any JSON gives violations with a place and a problem, never an exception, and the same as its bytes give."""
    violations = validate_unified_batch(body)
    assert all(isinstance(violation, Violation) for violation in violations)
    assert all(violation.place and violation.problem for violation in violations)
    from_bytes = validate_body(BATCH_CANCEL_UNIFIED_ORDERS, json.dumps(body).encode())
    assert sorted(map(str, from_bytes)) == sorted(map(str, violations))


TEXT = st.text(min_size=1, max_size=64).filter(str.strip)


@given(
    ids=st.lists(TEXT, min_size=1, max_size=MAX_ORDERS, unique=True),
    id_field=st.sampled_from(["orderId", "clientOid"]),
    category=st.sampled_from(CATEGORIES),
    data=st.data(),
)
def test_batches_that_follow_the_rules_are_valid(ids: list[str], id_field: str, category: str, data: Any) -> None:
    """A batch with one category, identifiers of one kind, each once, and a symbol on each order is never refused."""
    spellings = st.sampled_from([category, category.lower(), category.title()])
    orders = [
        {id_field: value, "symbol": data.draw(TEXT), "category": data.draw(spellings), "extra": None} for value in ids
    ]
    assert validate_unified_batch(orders) == ()
