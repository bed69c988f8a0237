"""What the OpenAPI document promises beyond what the generator and an OpenAPI validator check."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from bitget_spot_api import Client, operations
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, Order, OrdersResponse
from bitget_spot_api.models.batch_mode import BatchMode
from document import DOCUMENT, JSON, OperationNode, load, operations_of
from schema_rules import request_schemas, response_schemas

PROJECT: dict[str, Any] = dict(load(DOCUMENT))
SCHEMAS: dict[str, dict[str, Any]] = PROJECT["components"]["schemas"]
CODES: dict[str, dict[str, list[str]]] = PROJECT["x-error-codes"]
OPERATIONS: dict[str, OperationNode] = {operation.where: operation for operation in operations_of(PROJECT)}
QUERIES = {
    "GET /api/v2/spot/trade/orderInfo": operations.GET_ORDER_INFO,
    "GET /api/v2/spot/trade/unfilled-orders": operations.GET_UNFILLED_ORDERS,
    "GET /api/v2/spot/trade/history-orders": operations.GET_HISTORY_ORDERS,
}
BATCH_CANCEL = "POST /api/v2/spot/trade/batch-cancel-order"


def validator(name: str) -> Draft202012Validator:
    """Return a validator for one of the document's schemas."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": PROJECT["components"]})


def request(orders: int = 1, **changed: Any) -> dict[str, Any]:
    """Return a request body with this number of orders and these fields; a field that is `None` is left out."""
    body = {"symbol": "BTCUSDT", "orderList": [{"orderId": str(number)} for number in range(orders)]}
    return {name: value for name, value in (body | changed).items() if value is not None}


def test_document_is_valid_openapi() -> None:
    """An independent validator accepts the document as OpenAPI 3.1."""
    assert PROJECT["openapi"].startswith("3.1.")
    validate(PROJECT)


def test_batch_cancel_is_in_the_document() -> None:
    """The rules and the tests that go through all operations and schemas reach the batch cancel."""
    assert BATCH_CANCEL in OPERATIONS
    requests = {place.name for place in request_schemas(PROJECT)}
    assert {"BatchCancelOrdersRequest", "OrderRef"} <= requests
    responses = {place.name for place in response_schemas(PROJECT)}
    assert {"BatchCancelOrdersResponse", "AcceptedOrder", "FailedOrder", "ErrorResponse"} <= responses


def test_four_headers_sign_a_request() -> None:
    """
    The four headers together are the document's security, declared once for all operations. As parameters they would
    become arguments of the generated functions.
    """
    schemes = PROJECT["components"]["securitySchemes"]
    (requirement,) = PROJECT["security"]
    headers = {"ACCESS-KEY", "ACCESS-SIGN", "ACCESS-PASSPHRASE", "ACCESS-TIMESTAMP"}
    assert {schemes[name]["name"] for name in requirement} == headers
    assert {schemes[name]["in"] for name in requirement} == {"header"}
    assert all(schemes[name]["description"] for name in requirement)


def test_document_has_the_numbers_of_the_page() -> None:
    """Ten requests a second for each account, fifty orders, and two modes with single as the default."""
    limit = OPERATIONS[BATCH_CANCEL].node["x-rate-limit"]
    assert limit == {"requests": 10, "period-seconds": 1, "scope": "UID"}
    assert SCHEMAS["BatchCancelOrdersRequest"]["properties"]["orderList"]["maxItems"] == 50
    assert SCHEMAS["BatchMode"]["enum"] == ["single", "multiple"]
    assert SCHEMAS["BatchMode"]["default"] == "single"


def test_client_has_the_numbers_of_the_page() -> None:
    """The facts in the generated client, which the overlay uses, are those of the vendor's page."""
    operation = operations.BATCH_CANCEL_ORDERS
    assert (operation.method, operation.path) == tuple(BATCH_CANCEL.split())
    assert operation.rate_limit == operations.RateLimit(10, 1.0, "UID")
    assert operation.max_items == {"orderList": 50}
    assert operation.signed is True
    assert operation.repeat_safe is True
    assert set(get_args(BatchMode)) == {"single", "multiple"}
    assert operations.SERVER_URL == "https://api.bitget.com"
    assert operations.SUCCESS_CODE == "00000"
    assert operations.TIMESTAMP_WINDOW_SECONDS == 30.0
    assert operations.REMAINING_CALLS_HEADER == "x-mbx-used-remain-limit"


@pytest.mark.parametrize(("where", "operation"), QUERIES.items(), ids=QUERIES)
def test_client_has_the_facts_of_the_queries(where: str, operation: operations.Operation) -> None:
    """The queries for orders are signed, safe to repeat, and limited to twenty a second for each account."""
    assert (operation.method, operation.path) == tuple(where.split())
    assert operation.rate_limit == operations.RateLimit(20, 1.0, "UID")
    assert operation.signed is True
    assert operation.repeat_safe is True


def test_pages_of_orders_have_up_to_a_hundred_rows() -> None:
    """The maximum number of rows is a constant of the client, and the summary has the same number."""
    for operation in (operations.GET_UNFILLED_ORDERS, operations.GET_HISTORY_ORDERS):
        assert operation.maxima == {"limit": 100}
        assert " 100" in operation.summary
    assert operations.GET_ORDER_INFO.maxima == {}


def test_public_time_is_not_signed() -> None:
    """The clock can be read without a key, twenty times a second for each IP address."""
    assert operations.GET_SERVER_TIME.signed is False
    assert operations.GET_SERVER_TIME.rate_limit == operations.RateLimit(20, 1.0, "IP")


def test_client_has_every_operation_and_code() -> None:
    """The operations and the codes of the client are exactly those of the document."""
    in_client = {" ".join(key): operation for key, operation in operations.OPERATIONS.items()}
    assert in_client.keys() == OPERATIONS.keys()
    for where, operation in OPERATIONS.items():
        limit = operation.node["x-rate-limit"]
        expected_limit = operations.RateLimit(limit["requests"], limit["period-seconds"], limit["scope"])
        assert in_client[where].rate_limit == expected_limit
        assert in_client[where].repeat_safe is operation.node["x-repeat-safe"]
        assert in_client[where].source == operation.node["externalDocs"]["url"]
    for family, classes in CODES.items():
        in_family = operations.ERROR_CODES[family]
        assert {name: set(codes) for name, codes in in_family.items()} == {
            name: set(codes) for name, codes in classes.items()
        }
    assert operations.ERROR_CODES.keys() == CODES.keys()


def test_texts_have_the_maximum_of_orders() -> None:
    """The summary and the descriptions have the same maximum number of orders as the schema."""
    orders = SCHEMAS["BatchCancelOrdersRequest"]["properties"]["orderList"]
    operation = OPERATIONS[BATCH_CANCEL].node
    for text in (operation["summary"], operation["description"], orders["description"]):
        assert str(orders["maxItems"]) in re.findall(r"\d+", text)


EXAMPLES: Mapping[str, Any] = OPERATIONS[BATCH_CANCEL].node["requestBody"]["content"][JSON]["examples"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_model_keeps_all_of_an_example(name: str) -> None:
    """The generated model of a batch keeps everything in an example of the document."""
    example = EXAMPLES[name]["value"]
    assert BatchCancelOrdersRequest.from_dict(example).to_dict() == example


def test_both_modes_have_an_example() -> None:
    """The document has an example of each mode."""
    modes = {example["value"].get("batchMode", "single") for example in EXAMPLES.values()}
    assert modes == set(SCHEMAS["BatchMode"]["enum"])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(request(50), id="the maximum of orders"),
        pytest.param(request(symbol=None), id="single mode without any symbol"),
        pytest.param(
            request(
                symbol="",
                batchMode="multiple",
                orderList=[{"orderId": "12", "symbol": "BTCUSDT", "clientOid": "12"}],
            ),
            id="an empty symbol and both ids",
        ),
    ],
)
def test_request_schema_accepts_what_the_page_allows(body: dict[str, Any]) -> None:
    """A body that the vendor's page allows is valid."""
    validator("BatchCancelOrdersRequest").validate(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(request(51), id="one order too many"),
        pytest.param(request(0), id="no orders"),
        pytest.param(request(orderList=None), id="without a list of orders"),
        pytest.param(request(batchMode="both"), id="an unknown mode"),
        pytest.param(request(symbols="BTCUSDT"), id="an unknown field of the request"),
        pytest.param(request(orderList=[{"orderId": "1", "price": "2"}]), id="an unknown field of an order"),
        pytest.param(request(orderList=[{}]), id="an empty order"),
        pytest.param(request(orderList=[{"orderId": 1}]), id="an id that is a number"),
        pytest.param(request(orderList=[{"clientOid": ""}]), id="an empty id"),
    ],
)
def test_request_schema_refuses_invalid_bodies(body: dict[str, Any]) -> None:
    """A body that the exchange would refuse is not valid."""
    assert not validator("BatchCancelOrdersRequest").is_valid(body)


def response_with(data: Any) -> dict[str, Any]:
    """Return the body of a successful response with this data."""
    return {"code": "00000", "msg": "success", "requestTime": 1695808949356, "data": data}


ROW = {"orderId": "12", "clientOid": "a-1"}
CANCEL_RESPONSES: Mapping[str, dict[str, Any]] = {
    "both lists": response_with({"successList": [ROW], "failureList": [{**ROW, "errorMsg": "gone"}]}),
    "null lists": response_with({"successList": None, "failureList": None}),
    "a missing list": response_with({"successList": [ROW]}),
    "missing lists": response_with({}),
    "data null": response_with(None),
    "data missing": {"code": "00000", "msg": "success", "requestTime": 1695808949356},
    "empty object": {},
    "ids null": response_with(
        {
            "successList": [{"orderId": None, "clientOid": None}],
            "failureList": [{"orderId": None, "clientOid": None, "errorMsg": None, "errorCode": None}],
        }
    ),
    "ids missing": response_with({"successList": [{}], "failureList": [{}]}),
    "unknown fields": {
        **response_with({"successList": [{**ROW, "new": {"a": [1]}}], "failureList": [], "more": 1}),
        "message": "success",
    },
    "time as text": {**response_with(None), "requestTime": "1695808949356"},
    "time and text null": {**response_with(None), "requestTime": None, "msg": None},
    "unknown error code": response_with({"failureList": [{**ROW, "errorCode": "99999"}]}),
}


@pytest.mark.parametrize("payload", CANCEL_RESPONSES.values(), ids=CANCEL_RESPONSES)
def test_cancel_responses_of_every_shape_parse(payload: dict[str, Any]) -> None:
    """A response to a batch cancel parses, whatever it leaves out or adds; missing data become null, and nothing is lost."""
    validator("BatchCancelOrdersResponse").validate(payload)
    parsed = BatchCancelOrdersResponse.from_dict(payload)
    assert parsed.to_dict() == {"data": None, **payload}


ORDER = {"orderId": "1234567890123456789", "clientOid": "a-1", "status": "live", "triggerPrice": None}
ORDERS_RESPONSES: Mapping[str, dict[str, Any]] = {
    "orders": {**response_with(None), "data": [ORDER, {"orderId": "12", "basePrice": "0"}]},
    "no orders": {**response_with(None), "data": []},
    "null": response_with(None),
    "missing": {"code": "00000"},
    "empty object": {},
    "an empty row": {**response_with(None), "data": [{}]},
    "unknown fields and values": {
        **response_with(None),
        "data": [{**ORDER, "status": "odd", "new": {"a": [1]}}],
        "more": 1,
    },
    "every field null": {**response_with(None), "data": [dict.fromkeys(SCHEMAS["Order"]["properties"])]},
}


@pytest.mark.parametrize("payload", ORDERS_RESPONSES.values(), ids=ORDERS_RESPONSES)
def test_orders_responses_of_every_shape_parse(payload: dict[str, Any]) -> None:
    """A response with orders parses, whatever it leaves out or adds; missing data become null, and nothing is lost."""
    validator("OrdersResponse").validate(payload)
    assert OrdersResponse.from_dict(payload).to_dict() == {"data": None, **payload}


def test_fees_are_json_inside_a_string() -> None:
    """The fees of an order are text for the client, and the document describes the JSON in it."""
    fees = SCHEMAS["Order"]["properties"]["feeDetail"]
    assert Order.from_dict({"feeDetail": fees["example"]}).fee_detail == fees["example"]
    Draft202012Validator(fees["contentSchema"]).validate(json.loads(fees["example"]))


def recording_client() -> tuple[Client, list[httpx.Request]]:
    """Return a client that gets an empty list as every response, and the list of its requests."""
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"code": "00000", "data": []})

    httpx_args = {"transport": httpx.MockTransport(respond)}
    return Client(base_url="https://exchange.test", httpx_args=httpx_args), requests


def test_query_has_the_names_of_the_vendor() -> None:
    """The numbers and ids of a query are sent as plain decimal text, under the vendor's names."""
    client, requests = recording_client()
    for get_orders in (get_unfilled_orders.sync, get_history_orders.sync):
        get_orders(
            client=client,
            symbol="BTCUSDT",
            start_time=1695808949356,
            end_time=1695812549356,
            id_less_than="1234567890123456789",
            limit=100,
            order_id="12",
            tpsl_type="tpsl",
            request_time=1695808949356,
            receive_window=5000,
        )
    get_order_info.sync(client=client, order_id="1234567890123456789", client_oid="a-1")
    page = (
        "symbol=BTCUSDT&startTime=1695808949356&endTime=1695812549356&idLessThan=1234567890123456789&limit=100"
        "&orderId=12&tpslType=tpsl&requestTime=1695808949356&receiveWindow=5000"
    )
    order_info, *listings = QUERIES
    single = "orderId=1234567890123456789&clientOid=a-1"
    assert [f"{request.method} {request.url.path}" for request in requests] == [*listings, order_info]
    assert [request.url.query.decode() for request in requests] == [page, page, single]


@pytest.mark.parametrize("get_orders", [get_unfilled_orders.sync, get_history_orders.sync, get_order_info.sync])
def test_query_has_no_defaults(get_orders: Callable[..., object]) -> None:
    """Parameters that the caller leaves out are not sent, so the exchange's own defaults apply."""
    client, requests = recording_client()
    get_orders(client=client)
    assert [request.url.query for request in requests] == [b""]


@pytest.mark.parametrize("row", [None, 7, "12", ["12"]], ids=str)
def test_malformed_row_does_not_fail_the_parse(row: Any) -> None:
    """A response with a row that is not an object is still parsed, and its data is kept."""
    parsed = BatchCancelOrdersResponse.from_dict(response_with({"successList": [ROW, row]}))
    assert parsed.code == "00000"
    assert not isinstance(parsed.data, dict)


V2: Final = {**CODES["gateway"], **CODES["v2"]}
V3: Final = {**CODES["v3"]}


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("40009", "credentials"),
        ("40008", "clock"),
        ("40005", "clock"),
        ("40018", "permission"),
        ("22010", "permission"),
        ("40084", "classic-account"),
        ("40085", "unified-account"),
        ("40099", "environment"),
        ("00171", "parameter"),
        ("400172", "parameter"),
        ("40034", "parameter"),
        ("40102", "parameter"),
        ("40912", "parameter"),
        ("40109", "gone-or-other-kind"),
        ("45055", "order-state"),
        ("13010", "order-state"),
        ("40309", "market-state"),
        ("429", "rate-limit"),
        ("70228", "rate-limit"),
        ("40725", "system-busy"),
        ("45001", "system-busy"),
        ("40808", "ambiguous"),
        *((str(code), "permission") for code in range(40101, 40112) if code not in {40102, 40109}),
    ],
)
def test_code_is_in_the_right_class(code: str, meaning: str) -> None:
    """Each of these codes of a classic account is in the one class that decides what to do about it."""
    assert [name for name, codes in V2.items() if code in codes] == [meaning]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("25204", "gone"),
        ("24056", "gone"),
        ("25113", "in-progress"),
        ("25245", "classic-account"),
        ("25620", "permission"),
        ("25000", "system-busy"),
        ("25001", "system-busy"),
        ("25003", "system-busy"),
        ("25004", "rate-limit"),
    ],
)
def test_code_of_a_unified_account_is_in_the_right_class(code: str, meaning: str) -> None:
    """Each of these codes of a unified account is in one class, and has no meaning for a classic one."""
    assert [name for name, codes in V3.items() if code in codes] == [meaning]
    assert not [name for name, codes in V2.items() if code in codes]


def test_codes_of_gone_are_complete() -> None:
    """These codes and no others mean that the order is not open; one too many would hide an open order."""
    gone = {"43001", "43004", "22001", "31054", "31007", "40768", "45031", "45057"}
    assert set(CODES["v2"]["gone"]) == gone
    assert CODES["v2"]["gone-or-other-kind"] == ["40109"]
    assert set(CODES["v3"]["gone"]) == {"25204", "24056"}


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_codes_are_unique_and_text(version: str) -> None:
    """A code has one meaning in a version of the API, and is text: a number would lose its leading zeros."""
    all_codes: list[str] = []
    for classes in (CODES["gateway"], CODES[version]):
        for codes in classes.values():
            all_codes += codes
    assert all(isinstance(code, str) and code.isdecimal() for code in all_codes)
    assert len(all_codes) == len(set(all_codes))
    assert PROJECT["x-success-code"] not in all_codes


@pytest.mark.parametrize("code", ["30006", "30007"])
def test_websocket_codes_are_absent(code: str) -> None:
    """Codes of the WebSocket API are in no class."""
    for classes in CODES.values():
        assert not [name for name, codes in classes.items() if code in codes]
