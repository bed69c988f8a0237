"""
The consistency rules of a batch, compared with a second implementation of them: the JSON Schema beside this file.

The schema was written from the vendor's page and shares no code with the overlay. Both validate the same batches and
must always agree on whether a batch is valid. Input that is not JSON, and keys that are repeated in one object, cannot be
described by a schema and are not compared here. `CONTRACT_EXAMPLES=5000` draws so many random batches of every kind.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from attrs import frozen
from example_counts import CONTRACT_EXAMPLES
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bitget_spot import validation
from bitget_spot.errors import Violation
from bitget_spot.validation import validate_body
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

MAX_ORDERS: Final = BATCH_CANCEL_ORDERS.max_items["orderList"]
SCHEMA: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("consistency.schema.json").read_text("utf-8"))
RULES: Final[list[str]] = [rule["title"] for rule in SCHEMA["allOf"]]
UNIQUENESS: Final[str] = SCHEMA["$defs"]["uniqueIdentifiers"]["title"]
"""The rule that is not in `allOf`."""
EXAMPLES: Final = CONTRACT_EXAMPLES or 60
SETTINGS: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=not CONTRACT_EXAMPLES,
    report_multiple_bugs=False,
    # A batch of fifty orders is large, and the rules are about such batches.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)

Body: TypeAlias = dict[str, Any]
Orders: TypeAlias = list[Any]
Spoil: TypeAlias = Callable[[st.DrawFn, Body, int], None]
"""Changes a valid batch so that it breaks a rule; takes the index of an order to change."""


def schema_for(body: object) -> Body:
    """Return the schema with what depends on the batch or on the OpenAPI document."""
    symbol = body.get("symbol") if isinstance(body, dict) else None
    # Upper and lower case are equivalent, and blanks around a symbol do not belong to it.
    same_symbol = rf"^\s*(?i:{re.escape(symbol.strip())})\s*$" if isinstance(symbol, str) else ""
    filled_in = {"maximumLength": {"maxItems": MAX_ORDERS}, "batchSymbol": {"pattern": same_symbol}}
    return SCHEMA | {"$defs": SCHEMA["$defs"] | filled_in}


def identifiers(body: object) -> list[list[Any]]:
    """Return the identifier of each order with its kind: its orderId, or else its clientOid."""
    orders = body.get("orderList") if isinstance(body, dict) else None
    found = []
    for order in orders if isinstance(orders, list) else []:
        if not isinstance(order, dict):
            continue
        if "orderId" in order:
            found.append(["orderId", order["orderId"]])
        elif "clientOid" in order:
            found.append(["clientOid", order["clientOid"]])
    return found


def broken_rules(body: object) -> set[str]:
    """Return the titles of the schema's rules that a batch breaks."""
    validator = Draft202012Validator(schema_for(body))
    broken = {RULES[int(error.absolute_schema_path[1])] for error in validator.iter_errors(body)}
    uniqueness = validator.evolve(schema=SCHEMA["$defs"]["uniqueIdentifiers"])
    if not uniqueness.is_valid(identifiers(body)):
        broken.add(UNIQUENESS)
    return broken


invalid_values = st.sampled_from([None, True, 0, 12, 1.5, [], ["1"], {}, {"orderId": "1"}])
blanks = st.sampled_from(["", " ", "\t\n", "\u3000", "\x1c"])
ids = st.sampled_from(["1", "2", "10", "a", " a"]) | st.text(max_size=8).filter(str.strip)
# Trading pairs are ASCII. For other characters, two ways of ignoring case may differ.
symbols = st.sampled_from(["BTCUSDT", "btcusdt", " BTCUSDT\n", "ETHUSDT", "BTC.USDT", "USDT"])
absent_symbols = st.none() | blanks
modes = st.sampled_from(["single", "multiple"])


def _json_containers(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=4) | st.dictionaries(st.text(), items, max_size=4)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    _json_containers,
    max_leaves=8,
)


@st.composite
def valid_batches(draw: st.DrawFn) -> Body:
    """Draw batches that follow every rule."""
    count = draw(st.integers(1, 5) | st.sampled_from([MAX_ORDERS - 1, MAX_ORDERS]))
    kind = draw(st.sampled_from(["orderId", "clientOid"]))
    first_id = draw(ids)
    orders: Orders = [{kind: first_id if index == 0 else f"{first_id}/{index}"} for index in range(count)]
    body = draw(st.fixed_dictionaries({}, optional={"batchMode": modes, "symbol": symbols | absent_symbols}))
    is_multiple = body.get("batchMode") == "multiple"
    batch_symbol = body.get("symbol") or ""
    order_symbols: st.SearchStrategy[str | None]
    if batch_symbol.strip():
        order_symbols = st.sampled_from([batch_symbol, batch_symbol.lower(), f" {batch_symbol} "])
    else:
        order_symbols = symbols if is_multiple else absent_symbols
    for order in orders:
        if kind == "orderId" and draw(st.booleans()):
            order["clientOid"] = draw(ids)
        if is_multiple or draw(st.booleans()):
            order["symbol"] = draw(order_symbols)
    return body | {"orderList": orders}


def batches_of_anything() -> st.SearchStrategy[object]:
    """Draw objects with the keys of a batch and anything under them."""
    orders = st.fixed_dictionaries(
        {},
        optional={
            "orderId": ids | invalid_values | blanks,
            "clientOid": ids | invalid_values | blanks,
            "symbol": symbols | absent_symbols | invalid_values,
            "side": json_values,
        },
    )
    return st.fixed_dictionaries(
        {"orderList": st.lists(orders, max_size=4) | st.lists(orders | invalid_values, max_size=4) | invalid_values},
        optional={
            "symbol": symbols | absent_symbols | invalid_values,
            "batchMode": modes | blanks | invalid_values,
            "receiveWindow": json_values,
        },
    )


def spoil_list(draw: st.DrawFn, body: Body, _index: int) -> None:
    """Replace the list by something else, or leave it out."""
    body["orderList"] = draw(invalid_values)
    if draw(st.booleans()):
        del body["orderList"]


def exceed_maximum(_draw: st.DrawFn, body: Body, index: int) -> None:
    """Add orders until there is one too many."""
    orders = body["orderList"]
    kind = "orderId" if "orderId" in orders[index] else "clientOid"
    orders += [orders[index] | {kind: f"{number} more"} for number in range(MAX_ORDERS + 1 - len(orders))]


def remove_identifiers(draw: st.DrawFn, body: Body, index: int) -> None:
    """Remove the identifiers of an order, or replace it by something that is not an order."""
    orders = body["orderList"]
    orders[index] = draw(st.just({"symbol": orders[index].get("symbol")}) | invalid_values)


def spoil_identifier(draw: st.DrawFn, body: Body, index: int) -> None:
    """Replace an identifier, or the label next to it, by something that is not text."""
    kind = draw(st.sampled_from(["clientOid", "orderId"]))
    body["orderList"][index][kind] = draw(invalid_values | blanks)


def mix_identifiers(draw: st.DrawFn, body: Body, index: int) -> None:
    """Add an order with the other kind of identifier, or with both."""
    orders = body["orderList"]
    other = {"clientOid": "b"} if "orderId" in orders[index] else {"orderId": "9"}
    both = {"orderId": "9", "clientOid": "b"}
    symbol = {"symbol": orders[index]["symbol"]} if "symbol" in orders[index] else {}
    orders.insert(draw(st.integers(0, len(orders))), draw(st.sampled_from([other, other, both])) | symbol)


def spoil_mode(draw: st.DrawFn, body: Body, _index: int) -> None:
    """Set a mode that does not exist."""
    body["batchMode"] = draw(st.sampled_from(["both", "Single"]) | invalid_values | blanks)


def spoil_symbol(draw: st.DrawFn, body: Body, index: int) -> None:
    """Replace a symbol by something that is not text."""
    draw(st.sampled_from([body, body["orderList"][index]]))["symbol"] = draw(invalid_values)


def remove_symbol_in_multiple_mode(draw: st.DrawFn, body: Body, index: int) -> None:
    """Remove the symbol of an order in multiple mode."""
    orders = body["orderList"]
    body["batchMode"] = "multiple"
    for order in orders:
        order["symbol"] = body.get("symbol") or "BTCUSDT"
    orders[index]["symbol"] = draw(absent_symbols)
    if draw(st.booleans()):
        del orders[index]["symbol"]


def give_symbol_to_order_only(draw: st.DrawFn, body: Body, index: int) -> None:
    """Give a symbol to one order and none to the batch."""
    body["symbol"] = draw(absent_symbols)
    body["orderList"][index]["symbol"] = draw(symbols)
    if draw(st.booleans()):
        body.pop("batchMode", None)


def contradict_symbol(draw: st.DrawFn, body: Body, index: int) -> None:
    """Give the batch one symbol and an order another one, or the same."""
    orders = body["orderList"]
    for order in orders:
        order["symbol"] = "ETHUSDT"
    body["symbol"] = draw(st.sampled_from(["ethusdt", "ETHUSDT "]))
    orders[index]["symbol"] = draw(symbols | absent_symbols)


def repeat_order(draw: st.DrawFn, body: Body, index: int) -> None:
    """Repeat an order as it is or with another label, or give its label to another order."""
    orders = body["orderList"]
    changed = draw(st.sampled_from([{}, {"clientOid": "once more"}, {"orderId": "once more"}]))
    if len(orders) < MAX_ORDERS:
        orders.insert(draw(st.integers(0, len(orders))), orders[index] | changed)


@st.composite
def spoiled_batches(draw: st.DrawFn, spoil: Spoil) -> Body:
    """Draw valid batches that are then changed in one place."""
    body = draw(valid_batches())
    spoil(draw, body, draw(st.integers(0, len(body["orderList"]) - 1)))
    return body


SPOIL_BY_RULE: Final[Mapping[str, Spoil]] = {
    "a list of orders": spoil_list,
    "no more orders than the maximum": exceed_maximum,
    "each order has an identifier": remove_identifiers,
    "identifiers are text": spoil_identifier,
    "identifiers of one kind": mix_identifiers,
    "a valid mode": spoil_mode,
    "symbols are text": spoil_symbol,
    "multiple mode needs every order's symbol": remove_symbol_in_multiple_mode,
    "single mode ignores the orders' symbols": give_symbol_to_order_only,
    "symbols agree": contradict_symbol,
    UNIQUENESS: repeat_order,
}
STRATEGIES: Final[Mapping[str, st.SearchStrategy[object]]] = {
    "valid": valid_batches(),
    "hostile": batches_of_anything(),
    "any JSON": json_values | invalid_values,
    **{rule: spoiled_batches(spoil) for rule, spoil in SPOIL_BY_RULE.items()},
}


def compare(kind: str, chosen: settings = SETTINGS) -> Counter[str]:
    """
    Compare the overlay with the schema over many batches of one kind.

    Returns:
        How many batches are `valid` and `invalid` by the schema, and how many break exactly one rule, by its title.

    Raises:
        AssertionError: Overlay and schema disagree about a batch.

    """
    counts: Counter[str] = Counter()

    @chosen
    @given(STRATEGIES[kind])
    def compare_one(body: object) -> None:
        broken = broken_rules(body)
        violations = validate_body(BATCH_CANCEL_ORDERS, json.dumps(body).encode())
        details = f"the schema: {sorted(broken)}; the overlay: {[*map(str, violations)]}"
        assert bool(violations) == bool(broken), details
        counts["invalid" if broken else "valid"] += 1
        if len(broken) == 1:
            counts.update(broken)

    compare_one()
    return counts


def test_every_rule_has_batches() -> None:
    """For every rule of the schema there are batches that are made to break it."""
    assert set(SPOIL_BY_RULE) == {*RULES, UNIQUENESS}


@pytest.mark.parametrize("kind", STRATEGIES)
def test_overlay_agrees_with_schema(kind: str) -> None:
    """
    Overlay and schema always agree on whether a batch is valid.

    Batches that are made valid are valid, and many of those that are made to break one rule break no other. So neither
    result is rare, and every rule is tested by itself.
    """
    counts = compare(kind)
    if kind == "valid":
        assert counts["invalid"] == 0
    elif kind in SPOIL_BY_RULE:
        assert counts[kind] > EXAMPLES // 10, counts


mixed_identifiers: Final = validation._mixed_identifiers
repeated_orders: Final = validation._repeated_orders
contradicting_symbols: Final = validation._contradicting_symbols


def find_nothing(*_: object) -> Iterator[Violation]:
    """Find no violation."""
    return iter(())


def is_always_trivial(_body: object, _content: bytes) -> bool:
    """Take every batch for one that is trivially valid."""
    return True


def count_labels_as_identifiers(_name: str, orders: validation.Orders) -> Iterator[Violation]:
    """Take a label next to an orderId for the other kind of identifier."""
    kinds: set[str] = set()
    for order in orders.values():
        kinds |= {"orderId", "clientOid"} & set(order)
    return iter([Violation("orderList", "is mixed")] if len(kinds) > 1 else [])


def look_at_first_order_only(name: str, orders: validation.Orders) -> Iterator[Violation]:
    """Look for an orderId in the first order only."""
    first = next(iter(orders.values()), {})
    return mixed_identifiers(name, orders) if "orderId" in first else find_nothing()


def refuse_repeated_labels(name: str, orders: validation.Orders) -> Iterator[Violation]:
    """Take a repeated label for a repeated order."""
    labels = {index: {"clientOid": order.get("clientOid", index)} for index, order in orders.items()}
    return repeated_orders(name, labels)


def accept_repeated_client_oids(name: str, orders: validation.Orders) -> Iterator[Violation]:
    """Find repeated orderIds only."""
    return repeated_orders(name, {index: order for index, order in orders.items() if "orderId" in order})


def always_single_mode(orders: validation.Orders, _mode: object, symbol: object) -> Iterator[Violation]:
    """Take multiple mode for single mode."""
    return contradicting_symbols(orders, "single", symbol)


def always_multiple_mode(orders: validation.Orders, _mode: object, symbol: object) -> Iterator[Violation]:
    """Take single mode for multiple mode."""
    return contradicting_symbols(orders, "multiple", symbol)


def ignore_batch_symbol(orders: validation.Orders, mode: object, _symbol: object) -> Iterator[Violation]:
    """Ignore the batch's symbol."""
    return contradicting_symbols(orders, mode, None)


def keep_blanks(value: object) -> str:
    """Return a symbol with the blanks around it."""
    return value if isinstance(value, str) else ""


def ignore_symbol(_value: object) -> str:
    """Take every symbol for an absent one."""
    return ""


def convert_to_text(value: object) -> str:
    """Take null for the symbol "None"."""
    return str(value).strip()


@frozen
class Defect:
    """
    A defect of the overlay.

    Attributes:
        kind: The kind of batch that reveals it.
        name: What is replaced in the module `validation`.
        replacement: What it is replaced by.

    """

    kind: str
    name: str
    replacement: object


DEFECTS: Final = {
    "one order too many": Defect("no more orders than the maximum", "MAX_ORDERS", MAX_ORDERS + 1),
    "one order too few": Defect("valid", "MAX_ORDERS", MAX_ORDERS - 1),
    "one mode too many": Defect("a valid mode", "MODES", ("single", "multiple", "both")),
    "one mode too few": Defect("valid", "MODES", ("single",)),
    "a clientOid is not an identifier": Defect("valid", "ID_FIELDS", ("orderId",)),
    "an orderId is not an identifier": Defect("valid", "ID_FIELDS", ("clientOid",)),
    "every batch is trivially valid": Defect("identifiers are text", "_is_trivially_valid", is_always_trivial),
    "single orders are not checked": Defect("each order has an identifier", "order_problems", find_nothing),
    "mixed batches are valid": Defect("identifiers of one kind", "_mixed_identifiers", find_nothing),
    "a label makes a batch mixed": Defect("valid", "_mixed_identifiers", count_labels_as_identifiers),
    "only the first order counts": Defect("identifiers of one kind", "_mixed_identifiers", look_at_first_order_only),
    "an order may be repeated": Defect(UNIQUENESS, "_repeated_orders", find_nothing),
    "a label may not be repeated": Defect("valid", "_repeated_orders", refuse_repeated_labels),
    "a clientOid may be repeated": Defect(UNIQUENESS, "_repeated_orders", accept_repeated_client_oids),
    "symbols are not compared": Defect("symbols agree", "_contradicting_symbols", find_nothing),
    "multiple mode is ignored": Defect("valid", "_contradicting_symbols", always_single_mode),
    "single mode is ignored": Defect("valid", "_contradicting_symbols", always_multiple_mode),
    "the batch's symbol is ignored": Defect("valid", "_contradicting_symbols", ignore_batch_symbol),
    "blanks around a symbol count": Defect("valid", "_stripped", keep_blanks),
    "every symbol is absent": Defect("symbols agree", "_stripped", ignore_symbol),
    "null is a symbol": Defect("valid", "_stripped", convert_to_text),
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_defects_are_found(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever rule of the overlay is broken, the comparison finds it."""
    monkeypatch.setattr(validation, defect.name, defect.replacement)
    with pytest.raises(AssertionError, match="the schema: "):
        compare(defect.kind, settings(SETTINGS, max_examples=200, derandomize=True, phases=[Phase.generate]))
