"""Bodies of batch cancels, valid and not, with the places of the violations that each has."""

from __future__ import annotations

import json

from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

MAX_ORDERS = BATCH_CANCEL_ORDERS.max_items["orderList"]


def make_orders(count: int, id_field: str = "orderId") -> list[dict[str, str]]:
    """Return so many orders with identifiers of one kind."""
    return [{id_field: str(index)} for index in range(count)]


VALID: list[tuple[str, object]] = [
    ("single by orderId", {"symbol": "BTCUSDT", "batchMode": "single", "orderList": make_orders(2)}),
    ("single by clientOid", {"symbol": "BTCUSDT", "orderList": make_orders(2, "clientOid")}),
    ("both ids on one order", {"orderList": [{"orderId": "1", "clientOid": "a"}]}),
    (
        "both ids on every order",
        {"orderList": [{"orderId": "1", "clientOid": "a"}, {"orderId": "2", "clientOid": "b"}]},
    ),
    (
        "orderId everywhere, a clientOid on one",
        {"orderList": [{"orderId": "1", "clientOid": "a"}, {"orderId": "2"}]},
    ),
    (
        "one clientOid on two orderIds",
        {"orderList": [{"orderId": "1", "clientOid": "a"}, {"orderId": "2", "clientOid": "a"}]},
    ),
    (
        "one text as orderId and as clientOid",
        {"orderList": [{"orderId": "1", "clientOid": "2"}, {"orderId": "2", "clientOid": "1"}]},
    ),
    ("no symbol in single mode", {"batchMode": "single", "orderList": make_orders(1)}),
    ("no symbol, no mode", {"orderList": make_orders(1)}),
    ("null symbol in single mode", {"symbol": None, "orderList": make_orders(1)}),
    ("blank symbol in single mode", {"symbol": " ", "orderList": make_orders(1)}),
    (
        "single mode, order symbols agree",
        {"symbol": "BTCUSDT", "orderList": [{"orderId": "1", "symbol": "BTCUSDT"}]},
    ),
    (
        "single mode, symbols differ in case",
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
        "multiple mode, the request's symbol differs in case",
        {
            "symbol": "btcusdt",
            "batchMode": "multiple",
            "orderList": [{"orderId": "1", "symbol": "BTCUSDT"}],
        },
    ),
    ("as many orders as the document allows", {"orderList": make_orders(MAX_ORDERS)}),
    ("a clientOid of 64 characters", {"orderList": [{"clientOid": "a-_#:+ü9" * 8}]}),
    ("unknown members", {"receiveWindow": 5, "orderList": [{"orderId": "1", "x": {}}]}),
]

INVALID: list[tuple[str, object, list[str]]] = [
    (
        "both ids, then clientOid alone",
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
    ("one order too many", {"orderList": make_orders(MAX_ORDERS + 1)}, ["orderList"]),
    ("no orders", {"orderList": []}, ["orderList"]),
    ("orderId null", {"orderList": [{"orderId": None}]}, ["orderList[0].orderId"]),
    ("clientOid null", {"orderList": [{"clientOid": None}]}, ["orderList[0].clientOid"]),
    ("orderId empty", {"orderList": [{"orderId": ""}]}, ["orderList[0].orderId"]),
    ("clientOid blank", {"orderList": [{"clientOid": " \t"}]}, ["orderList[0].clientOid"]),
    ("orderId as a number", {"orderList": [{"orderId": 12}]}, ["orderList[0].orderId"]),
    ("orderId as a boolean", {"orderList": [{"orderId": True}]}, ["orderList[0].orderId"]),
    ("clientOid as a list", {"orderList": [{"clientOid": ["a"]}]}, ["orderList[0].clientOid"]),
    (
        "both ids invalid",
        {"orderList": [{"orderId": "", "clientOid": 7}]},
        ["orderList[0].clientOid", "orderList[0].orderId"],
    ),
    (
        "a blank clientOid beside an orderId",
        {"orderList": [{"orderId": "1", "clientOid": ""}]},
        ["orderList[0].clientOid"],
    ),
    ("neither id", {"orderList": [{"orderId": "1"}, {}]}, ["orderList[1]"]),
    ("neither id, a symbol", {"symbol": "A", "orderList": [{"symbol": "A"}]}, ["orderList[0]"]),
    ("list", [{"orderId": "1"}], ["body"]),
    ("text", "orderList", ["body"]),
    ("number", 50, ["body"]),
    ("null", None, ["body"]),
    ("empty object", {}, ["orderList"]),
    ("orderList null", {"orderList": None}, ["orderList"]),
    ("orderList as text", {"orderList": "1,2"}, ["orderList"]),
    ("orderList as an object", {"orderList": {"orderId": "1"}}, ["orderList"]),
    ("orderList as a number", {"orderList": 1}, ["orderList"]),
    ("order that is a number", {"orderList": [1, {"orderId": "1"}]}, ["orderList[0]"]),
    ("order that is null", {"orderList": [{"orderId": "1"}, None]}, ["orderList[1]"]),
    ("order that is a list", {"orderList": [["1"]]}, ["orderList[0]"]),
    ("order that is text", {"orderList": ["1"]}, ["orderList[0]"]),
    ("batchMode null", {"batchMode": None, "orderList": make_orders(1)}, ["batchMode"]),
    ("batchMode as a number", {"batchMode": 1, "orderList": make_orders(1)}, ["batchMode"]),
    ("batchMode as a list", {"batchMode": ["single"], "orderList": make_orders(1)}, ["batchMode"]),
    ("batchMode as an object", {"batchMode": {"single": 1}, "orderList": make_orders(1)}, ["batchMode"]),
    ("batchMode in capitals", {"batchMode": "SINGLE", "orderList": make_orders(1)}, ["batchMode"]),
    ("batchMode unknown", {"batchMode": "double", "orderList": make_orders(1)}, ["batchMode"]),
    (
        "batchMode unknown, beside an order's symbol",
        {"batchMode": "double", "orderList": [{"orderId": "1", "symbol": "BTCUSDT"}]},
        ["batchMode"],
    ),
    ("batchMode empty", {"batchMode": "", "orderList": make_orders(1)}, ["batchMode"]),
    ("symbol as a number", {"symbol": 5, "orderList": make_orders(1)}, ["symbol"]),
    (
        "symbol as a number, beside an order's",
        {"symbol": 5, "orderList": [{"orderId": "1", "symbol": "A"}]},
        ["symbol"],
    ),
    (
        "an order's symbol as a list",
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
        "multiple mode, only the request has a symbol",
        {"symbol": "BTCUSDT", "batchMode": "multiple", "orderList": make_orders(1)},
        ["orderList[0]"],
    ),
    ("one orderId twice", {"orderList": [*make_orders(2), {"orderId": "0"}]}, ["orderList[2]"]),
    (
        "one orderId three times, with different clientOids",
        {"orderList": [{"orderId": "1", "clientOid": client_oid} for client_oid in "abc"]},
        ["orderList[1]", "orderList[2]"],
    ),
    ("one clientOid twice", {"orderList": [{"clientOid": "a"}] * 2}, ["orderList[1]"]),
    (
        "many violations",
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
                *[{"orderId": f"x{index}"} for index in range(MAX_ORDERS)],
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
        "two violations of one order",
        {
            "symbol": "BTCUSDT",
            "orderList": [{"orderId": "1"}, {"orderId": "1", "symbol": "ETHUSDT"}],
        },
        ["orderList[1]", "orderList[1].symbol"],
    ),
]

RAW: list[tuple[str, bytes, list[str]]] = [
    ("empty", b"", ["body"]),
    ("incomplete object", b'{"orderList":[{"orderId":"1"}', ["body"]),
    ("form data", b"orderList=1", ["body"]),
    ("the full-width colon of the vendor's example", '{"batchMode"\uff1a"multiple"}'.encode(), ["body"]),
    ("bytes that are not UTF-8", b'{"orderList":[{"orderId":"\xff"}]}', ["body"]),
    ("number that is too long to parse", b"1" * 10_000, ["body"]),
    ("lists that never end", b"[" * 100_000, ["body"]),
    ("nested too deeply", b'{"orderList":' * 50_000 + b"1" + b"}" * 50_000, ["body"]),
    (
        "orderList twice",
        b'{"orderList":[{"orderId":"1"}],"orderList":[{"orderId":"2"}]}',
        ["orderList"],
    ),
    (
        "orderId three times in one order",
        b'{"orderList":[{"orderId":"1","orderId":"1","orderId":"2"}]}',
        ["orderId"],
    ),
    (
        "batchMode twice and invalid",
        b'{"batchMode":"x","batchMode":"y","orderList":[]}',
        ["batchMode", "batchMode", "orderList"],
    ),
    ("white space and any order", b' {\n"orderList" : [ {"orderId":"1"} ] }\n', []),
    ("another encoding", '{"orderList":[{"orderId":"1"}]}'.encode("utf-16"), []),
]

BODIES: list[tuple[str, bytes, list[str]]] = [
    *((name, json.dumps(body).encode(), []) for name, body in VALID),
    *((name, json.dumps(body, ensure_ascii=False).encode(), places) for name, body, places in INVALID),
    *RAW,
]
"""Each body by name, as it is sent, with the sorted places of its violations."""
