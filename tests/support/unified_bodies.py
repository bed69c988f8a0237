"""Bodies of batch cancels of a unified account, valid and not, with the places of the violations that each has."""

from __future__ import annotations

import json
from typing import Any

from bitget_spot_api.operations import BATCH_CANCEL_UNIFIED_ORDERS

MAX_ORDERS = BATCH_CANCEL_UNIFIED_ORDERS.max_items["body"]
ADDRESS = {"symbol": "BTCUSDT", "category": "SPOT"}


def make_order(**fields: Any) -> dict[str, Any]:
    """Return an order of the pair BTCUSDT in the category SPOT, unless the fields say otherwise."""
    return ADDRESS | fields


def make_orders(count: int, id_field: str = "orderId") -> list[dict[str, Any]]:
    """Return so many orders with identifiers of one kind."""
    return [make_order(**{id_field: str(index)}) for index in range(count)]


VALID: list[tuple[str, object]] = [
    ("one order by orderId", make_orders(1)),
    ("one order by clientOid", make_orders(1, "clientOid")),
    ("the longest batch", make_orders(MAX_ORDERS)),
    ("both ids on one order", [make_order(orderId="1", clientOid="a")]),
    ("orderId everywhere, a clientOid on one", [make_order(orderId="1", clientOid="a"), make_order(orderId="2")]),
    (
        "one clientOid on two orderIds",
        [make_order(orderId="1", clientOid="a"), make_order(orderId="2", clientOid="a")],
    ),
    ("several symbols", [make_order(orderId="1"), make_order(orderId="2", symbol="ETHUSDT")]),
    ("category in lower case", [make_order(orderId="1", category="spot")]),
    ("one category, written in two ways", [make_order(orderId="1"), make_order(orderId="2", category="Spot")]),
    ("another category", [make_order(orderId="1", category="USDT-FUTURES")]),
    ("a clientOid that no pattern allows", [make_order(clientOid="ä b")]),
]

INVALID: list[tuple[str, object, list[str]]] = [
    ("no orders", [], ["body"]),
    ("one order too many", make_orders(MAX_ORDERS + 1), ["body"]),
    ("the body of a classic account", {"orderList": make_orders(1)}, ["body"]),
    ("text", "1", ["body"]),
    ("null", None, ["body"]),
    ("an item that is no object", ["1"], ["body[0]"]),
    ("neither id", [make_order()], ["body[0]"]),
    ("orderId, then clientOid", [make_order(orderId="1"), make_order(clientOid="b")], ["body[1]"]),
    ("clientOid, then orderId", [make_order(clientOid="a"), make_order(orderId="1")], ["body[0]"]),
    (
        "both ids, then clientOid alone",
        [make_order(orderId="1", clientOid="a"), make_order(clientOid="b")],
        ["body[1]"],
    ),
    ("one order twice", [make_order(orderId="1"), make_order(orderId="1")], ["body[1]"]),
    ("one clientOid twice", [make_order(clientOid="a"), make_order(clientOid="a")], ["body[1]"]),
    ("blank orderId", [make_order(orderId=" ")], ["body[0].orderId"]),
    ("clientOid null", [make_order(clientOid=None)], ["body[0].clientOid"]),
    ("orderId as a number", [make_order(orderId=12)], ["body[0].orderId"]),
    ("no symbol", [{"orderId": "1", "category": "SPOT"}], ["body[0].symbol"]),
    ("symbol null", [make_order(orderId="1", symbol=None)], ["body[0].symbol"]),
    ("blank symbol", [make_order(orderId="1", symbol="\t")], ["body[0].symbol"]),
    ("symbol as a number", [make_order(orderId="1", symbol=7)], ["body[0].symbol"]),
    ("no category", [{"orderId": "1", "symbol": "BTCUSDT"}], ["body[0].category"]),
    ("unknown category", [make_order(orderId="1", category="OPTIONS")], ["body[0].category"]),
    ("blank category", [make_order(orderId="1", category="")], ["body[0].category"]),
    ("category as a list", [make_order(orderId="1", category=["SPOT"])], ["body[0].category"]),
    (
        "two categories",
        [make_order(orderId="1"), make_order(orderId="2", category="MARGIN")],
        ["body[1].category"],
    ),
    (
        "everything at once",
        [{"orderId": "1"}, make_order(clientOid="b", category="MARGIN"), make_order(orderId=""), 7],
        ["body[0].category", "body[0].symbol", "body[1]", "body[2].category", "body[2].orderId", "body[3]"],
    ),
]

RAW: list[tuple[str, bytes, list[str]]] = [
    ("empty", b"", ["body"]),
    ("incomplete array", b'[{"orderId":"1"', ["body"]),
    ("bytes that are not UTF-8", b'[{"orderId":"\xff","symbol":"BTCUSDT","category":"SPOT"}]', ["body"]),
    ("nested too deeply", b"[" * 100_000, ["body"]),
    ("NaN", b'[{"orderId":"1","symbol":"BTCUSDT","category":"SPOT","x":NaN}]', ["body"]),
    (
        "orderId twice in one order",
        b'[{"orderId":"1","orderId":"2","symbol":"BTCUSDT","category":"SPOT"}]',
        ["orderId"],
    ),
    (
        "white space and any order of the fields",
        b' [\n{"symbol" : "BTCUSDT", "category":"SPOT","orderId":"1"} ]\n',
        [],
    ),
    (
        "another encoding",
        '[{"orderId":"1","symbol":"BTCUSDT","category":"SPOT"}]'.encode("utf-16"),
        [],
    ),
]

BODIES: list[tuple[str, bytes, list[str]]] = [
    *((name, json.dumps(body).encode(), []) for name, body in VALID),
    *((name, json.dumps(body).encode(), places) for name, body, places in INVALID),
    *RAW,
]
"""Each body by name, as it is sent, with the sorted places of its violations."""
