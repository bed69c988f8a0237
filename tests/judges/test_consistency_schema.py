"""
The rule of consistency, read a second time: a JSON Schema beside this file, written from the vendor's page.

Rule and schema share no line. Both judge the same batches, and must never tell a valid one from an invalid one
differently. What is no JSON at all, and a key given twice in one object, is beyond any schema and not judged here.
`JUDGE_EXAMPLES=5000` draws so many batches of every kind, at random.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bitget_spot import validation
from bitget_spot.errors import Violation
from bitget_spot.validation import validate_body
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

MOST: Final = BATCH_CANCEL_ORDERS.max_items["orderList"]
SCHEMA: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("consistency.schema.json").read_text("utf-8"))
RULES: Final[list[str]] = [rule["title"] for rule in SCHEMA["allOf"]]
ONCE: Final[str] = SCHEMA["$defs"]["identifiers"]["title"]
EXAMPLES: Final = int(os.environ.get("JUDGE_EXAMPLES", "60"))
SETTINGS: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="JUDGE_EXAMPLES" not in os.environ,
    report_multiple_bugs=False,
    # A batch of fifty is as large as the rule is about.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)

Body = dict[str, Any]
Orders = list[Any]


def filled(body: object) -> Body:
    """Put into the schema what no schema can take from a batch or from a document: a symbol and a number."""
    symbol = body.get("symbol") if isinstance(body, dict) else None
    # A pair is the same in either case, "btcusdt" on the page of the open orders; blanks around it are no part of it.
    same = rf"^\s*(?i:{re.escape(symbol.strip())})\s*$" if isinstance(symbol, str) else ""
    constants = {"theDocumentsMaximum": {"maxItems": MOST}, "theRequestsSymbol": {"pattern": same}}
    return SCHEMA | {"$defs": SCHEMA["$defs"] | constants}


def identifiers(body: object) -> list[list[str]]:
    """Answer what addresses each order, with its kind: its orderId, or else its clientOid."""
    orders = body.get("orderList") if isinstance(body, dict) else None
    found = []
    for order in orders if isinstance(orders, list) else []:
        given_ones = [
            [kind, order[kind]] for kind in ("orderId", "clientOid") if isinstance(order, dict) and kind in order
        ]
        found += given_ones[:1]
    return found


def broken(body: object) -> set[str]:
    """Answer the titles of the schema's rules that a batch breaks."""
    validator = Draft202012Validator(filled(body))
    found = {RULES[int(error.absolute_schema_path[1])] for error in validator.iter_errors(body)}
    once = validator.evolve(schema=SCHEMA["$defs"]["identifiers"])
    return found if once.is_valid(identifiers(body)) else found | {ONCE}


WRONG = st.sampled_from([None, True, 0, 12, 1.5, [], ["1"], {}, {"orderId": "1"}])
BLANK = st.sampled_from(["", " ", "\t\n", "\u3000", "\x1c"])
IDENTIFIER = st.sampled_from(["1", "2", "10", "a", " a"]) | st.text(max_size=8).filter(str.strip)
# Trading pairs are ASCII; beyond it, two ways of telling upper from lower case may differ.
PAIR = st.sampled_from(["BTCUSDT", "btcusdt", " BTCUSDT\n", "ETHUSDT", "BTC.USDT", "USDT"])
NO_PAIR = st.none() | BLANK
MODE = st.sampled_from(["single", "multiple"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def valid(draw: st.DrawFn) -> Body:
    """Build a batch that keeps every rule."""
    number = draw(st.integers(1, 5) | st.sampled_from([MOST - 1, MOST]))
    kind = draw(st.sampled_from(["orderId", "clientOid"]))
    first = draw(IDENTIFIER)
    orders: Orders = [{kind: first if index == 0 else f"{first}/{index}"} for index in range(number)]
    head = {"batchMode": MODE, "symbol": PAIR | NO_PAIR}
    body = draw(st.fixed_dictionaries({}, optional=head))
    given_pair = body.get("symbol") or ""
    # What an order's symbol may be.
    pairs = PAIR if body.get("batchMode") == "multiple" else NO_PAIR
    if given_pair.strip():
        pairs = st.sampled_from([given_pair, given_pair.lower(), f" {given_pair} "])
    for order in orders:
        if kind == "orderId" and draw(st.booleans()):
            order["clientOid"] = draw(IDENTIFIER)
        if body.get("batchMode") == "multiple" or draw(st.booleans()):
            order["symbol"] = draw(pairs)
    return body | {"orderList": orders}


def hostile() -> st.SearchStrategy[object]:
    """Build what has a batch's keys and anything under them."""
    order = st.fixed_dictionaries(
        {},
        optional={
            "orderId": IDENTIFIER | WRONG | BLANK,
            "clientOid": IDENTIFIER | WRONG | BLANK,
            "symbol": PAIR | NO_PAIR | WRONG,
            "side": JSON,
        },
    )
    return st.fixed_dictionaries(
        {"orderList": st.lists(order, max_size=4) | st.lists(order | WRONG, max_size=4) | WRONG},
        optional={"symbol": PAIR | NO_PAIR | WRONG, "batchMode": MODE | BLANK | WRONG, "receiveWindow": JSON},
    )


def no_list(draw: st.DrawFn, body: Body, _orders: Orders, _at: int) -> None:
    """Make the list something else, or leave it out."""
    body["orderList"] = draw(WRONG)
    if draw(st.booleans()):
        del body["orderList"]


def too_many(_draw: st.DrawFn, _body: Body, orders: Orders, at: int) -> None:
    """Go beyond the maximum by one."""
    kind = "orderId" if "orderId" in orders[at] else "clientOid"
    orders += [orders[at] | {kind: f"{index} more"} for index in range(MOST + 1 - len(orders))]


def no_identifier(draw: st.DrawFn, _body: Body, orders: Orders, at: int) -> None:
    """Leave an order without what addresses it, or put something that is no order in its place."""
    orders[at] = draw(st.just({"symbol": orders[at].get("symbol")}) | WRONG)


def no_text(draw: st.DrawFn, _body: Body, orders: Orders, at: int) -> None:
    """Make an identifier, or the label beside it, something other than text."""
    orders[at][draw(st.sampled_from(["clientOid", "orderId"]))] = draw(WRONG | BLANK)


def mixed(draw: st.DrawFn, _body: Body, orders: Orders, at: int) -> None:
    """Address one order more in the other way, or in both ways."""
    other = {"clientOid": "b"} if "orderId" in orders[at] else {"orderId": "9"}
    both = {"orderId": "9", "clientOid": "b"}
    symbol = {"symbol": orders[at]["symbol"]} if "symbol" in orders[at] else {}
    orders.insert(draw(st.integers(0, len(orders))), draw(st.sampled_from([other, other, both])) | symbol)


def no_mode(draw: st.DrawFn, body: Body, _orders: Orders, _at: int) -> None:
    """Say a mode that is none."""
    body["batchMode"] = draw(st.sampled_from(["both", "Single"]) | WRONG | BLANK)


def no_text_as_symbol(draw: st.DrawFn, body: Body, orders: Orders, at: int) -> None:
    """Make a symbol something other than text."""
    draw(st.sampled_from([body, orders[at]]))["symbol"] = draw(WRONG)


def multiple_without_symbol(draw: st.DrawFn, body: Body, orders: Orders, at: int) -> None:
    """Let an order of multiple mode name no pair."""
    body["batchMode"] = "multiple"
    for order in orders:
        order["symbol"] = body.get("symbol") or "BTCUSDT"
    orders[at]["symbol"] = draw(NO_PAIR)
    if draw(st.booleans()):
        del orders[at]["symbol"]


def one_symbol_alone(draw: st.DrawFn, body: Body, orders: Orders, at: int) -> None:
    """Name a pair for one order and none for the request."""
    body["symbol"] = draw(NO_PAIR)
    orders[at]["symbol"] = draw(PAIR)
    if draw(st.booleans()):
        body.pop("batchMode", None)


def contradiction(draw: st.DrawFn, body: Body, orders: Orders, at: int) -> None:
    """Name one pair for the request and another one, or the same, for its orders."""
    for order in orders:
        order["symbol"] = "ETHUSDT"
    body["symbol"] = draw(st.sampled_from(["ethusdt", "ETHUSDT "]))
    orders[at]["symbol"] = draw(PAIR | NO_PAIR)


def twice(draw: st.DrawFn, _body: Body, orders: Orders, at: int) -> None:
    """Name an order once more, as it is or with another label, or give its label to another."""
    again = draw(st.sampled_from([{}, {"clientOid": "once more"}, {"orderId": "once more"}]))
    if len(orders) < MOST:
        orders.insert(draw(st.integers(0, len(orders))), orders[at] | again)


@st.composite
def spoilt(draw: st.DrawFn, spoil: Callable[[st.DrawFn, Body, Orders, int], None]) -> Body:
    """Spoil a valid batch in one place."""
    body = draw(valid())
    orders = body["orderList"]
    spoil(draw, body, orders, draw(st.integers(0, len(orders) - 1)))
    return body


SPOILS: Final = {
    "a list of orders": no_list,
    "no more than the maximum": too_many,
    "each order has an identifier": no_identifier,
    "identifiers are text": no_text,
    "identifiers of one kind": mixed,
    "a mode there is": no_mode,
    "symbols are text": no_text_as_symbol,
    "multiple mode needs every order's symbol": multiple_without_symbol,
    "single mode ignores the orders' symbols": one_symbol_alone,
    "symbols agree": contradiction,
    ONCE: twice,
}
KINDS: Final[dict[str, st.SearchStrategy[object]]] = {
    "valid": valid(),
    "hostile": hostile(),
    "anything": JSON | WRONG,
    **{rule: spoilt(spoil) for rule, spoil in SPOILS.items()},
}


def compare(kind: str, chosen: settings = SETTINGS) -> Counter[str]:
    """
    Hold the rule against the schema over many batches of one kind.

    Returns:
        How many batches the schema found `valid` and `invalid`, and how many broke each rule and no other.

    Raises:
        AssertionError: One of the two found a batch valid and the other did not.

    """
    seen: Counter[str] = Counter()

    @chosen
    @given(KINDS[kind])
    def one(body: object) -> None:
        rules, found = broken(body), validate_body(json.dumps(body).encode())
        assert bool(found) == bool(rules), f"the schema: {sorted(rules)}; the overlay: {[*map(str, found)]}"
        seen["invalid" if rules else "valid"] += 1
        seen.update(rules if len(rules) == 1 else ())

    one()
    return seen


def test_every_rule_has_its_kind_of_batch() -> None:
    """For every rule of the schema there are batches made to break it."""
    assert set(SPOILS) == {*RULES, ONCE}


@pytest.mark.parametrize("kind", KINDS)
def test_never_disagree(kind: str) -> None:
    """
    Rule and schema find the same batches valid. Those made valid are found so by both, and of those made to break one
    rule many break it and no other: so neither verdict is rare, and no rule is judged only beside another.
    """
    seen = compare(kind)
    if kind == "valid":
        assert seen["invalid"] == 0
    elif kind in SPOILS:
        assert seen[kind] > EXAMPLES // 10, seen


def nothing(*_: object) -> Iterator[Violation]:
    """Find nothing wrong."""
    return iter(())


def a_label_mixes(orders: validation.Orders) -> Iterator[Violation]:
    """Take a label beside an orderId for the other kind of identifier."""
    kinds = {kind for order in orders.values() for kind in ("orderId", "clientOid") if kind in order}
    return iter([Violation("orderList", "is mixed")] if len(kinds) > 1 else [])


def the_first_decides(orders: validation.Orders) -> Iterator[Violation]:
    """Look for an orderId at the first order alone."""
    return MIXED(orders) if any("orderId" in order for order in [*orders.values()][:1]) else nothing()


def no_label_twice(orders: validation.Orders) -> Iterator[Violation]:
    """Let no label repeat either."""
    return TWICE({index: {"clientOid": order.get("clientOid", index)} for index, order in orders.items()})


def no_order_id_twice(orders: validation.Orders) -> Iterator[Violation]:
    """Let an orderId alone not repeat."""
    return TWICE({index: order for index, order in orders.items() if "orderId" in order})


MIXED, TWICE, SYMBOLS = validation._mixed, validation._twice, validation._symbols
BREAKAGES: Final[dict[str, tuple[str, str, object]]] = {
    "one order too many": ("no more than the maximum", "MAX_ORDERS", MOST + 1),
    "one order too few": ("valid", "MAX_ORDERS", MOST - 1),
    "a mode too many": ("a mode there is", "MODES", ("single", "multiple", "both")),
    "a mode too few": ("valid", "MODES", ("single",)),
    "a clientOid is no identifier": ("valid", "IDS", ("orderId",)),
    "an orderId is no identifier": ("valid", "IDS", ("clientOid",)),
    "every batch is taken for the usual one": ("identifiers are text", "_is_usual", lambda _body: True),
    "nothing is wrong with an order by itself": ("each order has an identifier", "problems_of_order", nothing),
    "mixed batches pass": ("identifiers of one kind", "_mixed", nothing),
    "a label makes a batch mixed": ("valid", "_mixed", a_label_mixes),
    "the first order decides what is mixed": ("identifiers of one kind", "_mixed", the_first_decides),
    "an order may be named twice": (ONCE, "_twice", nothing),
    "a label may not repeat": ("valid", "_twice", no_label_twice),
    "a clientOid may repeat": (ONCE, "_twice", no_order_id_twice),
    "symbols are not compared": ("symbols agree", "_symbols", nothing),
    "multiple mode is taken for single": ("valid", "_symbols", lambda orders, _, own: SYMBOLS(orders, "single", own)),
    "single mode is taken for multiple": ("valid", "_symbols", lambda orders, _, own: SYMBOLS(orders, "multiple", own)),
    "the request's symbol is not looked at": ("valid", "_symbols", lambda orders, mode, _: SYMBOLS(orders, mode, None)),
    "blanks around a symbol count": ("valid", "_symbol", lambda value: value if isinstance(value, str) else ""),
    "no symbol names a pair": ("symbols agree", "_symbol", lambda _: ""),
    "a null symbol names a pair": ("valid", "_symbol", lambda value: str(value).strip()),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_broken_rule_is_caught(breakage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the rule is broken, a batch shows it."""
    kind, name, value = BREAKAGES[breakage]
    monkeypatch.setattr(validation, name, value)
    with pytest.raises(AssertionError, match="the schema: "):
        compare(kind, settings(SETTINGS, max_examples=200, derandomize=True, phases=[Phase.generate]))
