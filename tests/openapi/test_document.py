"""What the OpenAPI document promises beyond what the generator and an OpenAPI validator check."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from ruamel.yaml import YAML

import generate
from bitget_spot_api import Client, operations
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, Order, OrdersResponse
from bitget_spot_api.models.batch_mode import BatchMode
from postprocess import METHODS

DOCUMENT: dict[str, Any] = YAML(typ="safe").load(generate.DOCUMENT.read_text("utf-8"))
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]
CODES: dict[str, list[str]] = DOCUMENT["x-error-codes"]
OPERATIONS: dict[str, dict[str, Any]] = {}
for _path, _item in DOCUMENT["paths"].items():
    OPERATIONS |= {f"{method.upper()} {_path}": _item[method] for method in METHODS if method in _item}
QUERIES = {
    "GET /api/v2/spot/trade/orderInfo": operations.GET_ORDER_INFO,
    "GET /api/v2/spot/trade/unfilled-orders": operations.GET_UNFILLED_ORDERS,
    "GET /api/v2/spot/trade/history-orders": operations.GET_HISTORY_ORDERS,
}
BATCH_CANCEL = "POST /api/v2/spot/trade/batch-cancel-order"

ONE_SCHEMA = {
    *("not", "if", "then", "else", "items", "contains", "propertyNames"),
    *("additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contentSchema"),
}
LIST_OF_SCHEMAS = {"allOf", "anyOf", "oneOf", "prefixItems"}
NAMED_SCHEMAS = {"properties", "patternProperties", "dependentSchemas", "$defs"}
KEYWORDS = {
    *ONE_SCHEMA,
    *LIST_OF_SCHEMAS,
    *NAMED_SCHEMAS,
    *("$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary"),
    *("$comment", "type", "enum", "const", "required", "dependentRequired"),
    *("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *("maxLength", "minLength", "pattern", "format", "maxItems", "minItems", "uniqueItems"),
    *("maxContains", "minContains", "maxProperties", "minProperties"),
    *("title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples"),
    *("contentEncoding", "contentMediaType"),
    # OpenAPI's own
    *("discriminator", "xml", "externalDocs", "example"),
}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node, or the node that it refers to."""
    if "$ref" not in node:
        return node
    target: Any = DOCUMENT
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return resolved(target)


def nested_schemas(where: str, schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a schema and every schema inside it, each with its place; references are not followed."""
    if not isinstance(schema, dict):  # `additionalProperties: false`
        return
    yield where, schema
    for keyword, value in schema.items():
        place = f"{where}.{keyword}"
        if keyword in ONE_SCHEMA:
            yield from nested_schemas(place, value)
        elif keyword in LIST_OF_SCHEMAS:
            for index, member in enumerate(value):
                yield from nested_schemas(f"{place}[{index}]", member)
        elif keyword in NAMED_SCHEMAS:
            for name, member in value.items():
                yield from nested_schemas(f"{place}.{name}", member)


def inline_schemas(where: str, node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema outside `components/schemas`, with those inside it."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "schema":
                yield from nested_schemas(f"{where}.{key}", value)
            elif key != "schemas":
                yield from inline_schemas(f"{where}.{key}", value)
    elif isinstance(node, list):
        for index, member in enumerate(node):
            yield from inline_schemas(f"{where}[{index}]", member)


def referenced_schemas(where: str, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a schema, those inside it and those that they refer to, by their place."""
    found: dict[str, dict[str, Any]] = {}
    pending = [(where, schema)]
    while pending:
        for place, member in nested_schemas(*pending.pop()):
            if place in found:
                continue
            found[place] = member
            if "$ref" in member:
                pending.append((member["$ref"].rpartition("/")[2], resolved(member)))
    return found


def message_schemas(*messages: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every schema of these request bodies or responses, by its place."""
    found: dict[str, dict[str, Any]] = {}
    for message in messages:
        for media in resolved(message).get("content", {}).values():
            found |= referenced_schemas("body", media["schema"])
    return found


def parameters_of(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield an operation's parameters and the properties of its body, each with its place."""
    for parameter in map(resolved, operation.get("parameters", ())):
        yield parameter["name"], parameter["schema"] | parameter
    for where, schema in message_schemas(operation.get("requestBody", {})).items():
        for name, member in schema.get("properties", {}).items():
            yield f"{where}.{name}", member


def responses_of_all_operations() -> Iterator[dict[str, Any]]:
    """Yield every response of every operation."""
    for operation in OPERATIONS.values():
        yield from operation["responses"].values()


EVERY_SCHEMA = dict(inline_schemas("#", DOCUMENT))
for _name, _schema in SCHEMAS.items():
    EVERY_SCHEMA |= nested_schemas(_name, _schema)
REQUEST_SCHEMAS = message_schemas(*(operation.get("requestBody", {}) for operation in OPERATIONS.values()))
RESPONSE_SCHEMAS = message_schemas(*responses_of_all_operations())
PARAMETERS: dict[str, dict[str, Any]] = {}
for _where, _operation in OPERATIONS.items():
    PARAMETERS |= {f"{_where}: {name}": member for name, member in parameters_of(_operation)}


def validator(name: str) -> Draft202012Validator:
    """Return a validator for one of the document's schemas."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def request(orders: int = 1, **changed: Any) -> dict[str, Any]:
    """Return a request body with this number of orders and these fields; a field that is `None` is left out."""
    body = {"symbol": "BTCUSDT", "orderList": [{"orderId": str(number)} for number in range(orders)]}
    return {name: value for name, value in (body | changed).items() if value is not None}


def test_document_is_valid_openapi() -> None:
    """An independent validator accepts the document as OpenAPI 3.1."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate(DOCUMENT)


def test_helpers_find_the_batch_cancel() -> None:
    """The collections that the tests below go through are not empty: they have the batch cancel and its schemas."""
    assert BATCH_CANCEL in OPERATIONS
    assert {"BatchCancelOrdersRequest", "OrderRef"} <= REQUEST_SCHEMAS.keys()
    assert {"BatchCancelOrdersResponse", "AcceptedOrder", "FailedOrder", "ErrorResponse"} <= (RESPONSE_SCHEMAS.keys())


@pytest.mark.parametrize("where", OPERATIONS)
@pytest.mark.parametrize(
    "fact",
    ["summary", "description", "operationId", "tags", "externalDocs", "x-rate-limit"],
)
def test_operation_is_complete(where: str, fact: str) -> None:
    """Every operation has the texts and facts that the client and its users need, and none is empty."""
    assert OPERATIONS[where].get(fact)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_operation_facts_are_valid(operation: dict[str, Any]) -> None:
    """A rate limit has a number, a period and a known scope; repeat-safe is a boolean; tags are declared."""
    limit = operation["x-rate-limit"]
    assert limit.keys() == {"requests", "period-seconds", "scope"}
    assert isinstance(limit["requests"], int)
    assert limit["requests"] > 0
    assert limit["period-seconds"] > 0
    assert limit["scope"] in {"UID", "IP"}
    assert isinstance(operation["x-repeat-safe"], bool)
    assert operation["externalDocs"]["url"].startswith("https://www.bitget.com/api-doc/")
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("status", ["4XX", "5XX"])
def test_error_responses_have_one_schema(operation: dict[str, Any], status: str) -> None:
    """Every error response has the same envelope, whatever its status."""
    content = resolved(operation["responses"][status])["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}


def test_four_headers_sign_a_request() -> None:
    """
    The four headers together are the document's security, declared once for all operations. As parameters they would
    become arguments of the generated functions.
    """
    schemes = DOCUMENT["components"]["securitySchemes"]
    (requirement,) = DOCUMENT["security"]
    headers = {"ACCESS-KEY", "ACCESS-SIGN", "ACCESS-PASSPHRASE", "ACCESS-TIMESTAMP"}
    assert {schemes[name]["name"] for name in requirement} == headers
    assert {schemes[name]["in"] for name in requirement} == {"header"}
    assert all(schemes[name]["description"] for name in requirement)
    assert not [place for place in PARAMETERS if "ACCESS-" in place.upper()]


@pytest.mark.parametrize("member", PARAMETERS.values(), ids=PARAMETERS)
def test_parameter_is_complete(member: dict[str, Any]) -> None:
    """Every parameter has a type, a description and a valid example."""
    schema = resolved(member)
    assert schema["type"]
    assert schema["description"]
    if schema["type"] not in {"array", "object"}:
        Draft202012Validator(schema).validate(schema["example"])


@pytest.mark.parametrize("schema", RESPONSE_SCHEMAS.values(), ids=RESPONSE_SCHEMAS)
def test_response_examples_are_valid(schema: dict[str, Any]) -> None:
    """The example of a field of a response is valid for its schema."""
    if "example" in schema:
        Draft202012Validator(schema).validate(schema["example"])


@pytest.mark.parametrize("where", EVERY_SCHEMA)
def test_no_keyword_is_misspelt(where: str) -> None:
    """Every keyword of a schema exists; neither the generator nor the validator would report `maxItms`."""
    unknown = EVERY_SCHEMA[where].keys() - KEYWORDS
    assert not {keyword for keyword in unknown if not keyword.startswith("x-")}


def test_misspelt_keyword_is_found() -> None:
    """The search for misspelt keywords reaches items, alternatives and inline schemas."""
    misspelt = {"maxItms": 1}
    schema = {"properties": {"a": {"oneOf": [{"items": misspelt}]}}}
    assert misspelt in dict(nested_schemas("here", schema)).values()
    assert misspelt in dict(inline_schemas("#", {"paths": {"/": [{"schema": schema}]}})).values()


def test_document_has_the_numbers_of_the_page() -> None:
    """Ten requests a second for each account, fifty orders, and two modes with single as the default."""
    limit = OPERATIONS[BATCH_CANCEL]["x-rate-limit"]
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
        limit = operation["x-rate-limit"]
        expected_limit = operations.RateLimit(limit["requests"], limit["period-seconds"], limit["scope"])
        assert in_client[where].rate_limit == expected_limit
        assert in_client[where].repeat_safe is operation["x-repeat-safe"]
        assert in_client[where].source == operation["externalDocs"]["url"]
    assert {name: set(codes) for name, codes in operations.ERROR_CODES.items()} == {
        name: set(codes) for name, codes in CODES.items()
    }


def test_texts_have_the_maximum_of_orders() -> None:
    """The summary and the descriptions have the same maximum number of orders as the schema."""
    orders = SCHEMAS["BatchCancelOrdersRequest"]["properties"]["orderList"]
    operation = OPERATIONS[BATCH_CANCEL]
    for text in (operation["summary"], operation["description"], orders["description"]):
        assert str(orders["maxItems"]) in re.findall(r"\d+", text)


@pytest.mark.parametrize("schema", REQUEST_SCHEMAS.values(), ids=REQUEST_SCHEMAS)
def test_request_schemas_are_closed(schema: dict[str, Any]) -> None:
    """No object of a request accepts unknown fields, because the exchange would not know them."""
    if schema.get("type") == "object" or "properties" in schema:
        assert schema.get("additionalProperties") is False


@pytest.mark.parametrize("schema", RESPONSE_SCHEMAS.values(), ids=RESPONSE_SCHEMAS)
def test_response_schemas_are_open(schema: dict[str, Any]) -> None:
    """
    A response may have more fields, fewer fields and other values than the page says. So its schemas are never closed,
    require nothing and list no values, which would make the parser fail.
    """
    assert schema.get("additionalProperties", True) is True
    assert schema.get("unevaluatedProperties", True) is True
    assert not schema.keys() & {"enum", "const", "required", "dependentRequired", "minProperties"}


@pytest.mark.parametrize("schema", RESPONSE_SCHEMAS.values(), ids=RESPONSE_SCHEMAS)
def test_response_lists_may_be_null(schema: dict[str, Any]) -> None:
    """A list in a response may be null; otherwise the generated parser would fail."""
    if "items" in schema:
        assert "null" in schema["type"]


EXAMPLES: dict[str, dict[str, Any]] = {}
for _where, _operation in OPERATIONS.items():
    for _media in resolved(_operation.get("requestBody", {})).get("content", {}).values():
        EXAMPLES |= {f"{_where}: {name}": example["value"] for name, example in _media.get("examples", {}).items()}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_request_examples_are_valid(example: dict[str, Any]) -> None:
    """An example of a request is valid for its schema, and the generated model keeps all of it."""
    validator("BatchCancelOrdersRequest").validate(example)
    assert BatchCancelOrdersRequest.from_dict(example).to_dict() == example


def test_both_modes_have_an_example() -> None:
    """The document has an example of each mode."""
    modes = {example.get("batchMode", "single") for example in EXAMPLES.values()}
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
    """A response to a batch cancel parses, whatever it leaves out or adds, and nothing is lost."""
    validator("BatchCancelOrdersResponse").validate(payload)
    parsed = BatchCancelOrdersResponse.from_dict(payload)
    assert parsed.to_dict() == payload


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
    """A response with orders parses, whatever it leaves out or adds, and nothing is lost."""
    validator("OrdersResponse").validate(payload)
    assert OrdersResponse.from_dict(payload).to_dict() == payload


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


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("40009", "credentials"),
        ("40008", "clock"),
        ("40005", "clock"),
        ("40018", "permission"),
        ("22010", "permission"),
        ("40085", "environment"),
        ("40099", "environment"),
        ("00171", "parameter"),
        ("400172", "parameter"),
        ("40034", "parameter"),
        ("40102", "parameter"),
        ("40912", "parameter"),
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
    """Each of these codes is in the one class that decides what to do about it."""
    assert [name for name, codes in CODES.items() if code in codes] == [meaning]


def test_codes_of_gone_are_complete() -> None:
    """These codes and no others mean that the order is not open; one too many would hide an open order."""
    gone = {"43001", "43004", "22001", "31054", "31007", "40109", "40768", "45031", "45057"}
    assert set(CODES["gone"]) == gone


def test_codes_are_unique_and_text() -> None:
    """A code has one meaning, and is text: a number would lose its leading zeros."""
    all_codes: list[str] = []
    for codes in CODES.values():
        all_codes += codes
    assert all(isinstance(code, str) and code.isdecimal() for code in all_codes)
    assert len(all_codes) == len(set(all_codes))
    assert DOCUMENT["x-success-code"] not in all_codes


@pytest.mark.parametrize("code", ["30006", "30007"])
def test_websocket_codes_are_absent(code: str) -> None:
    """Codes of the WebSocket API are in no class."""
    assert not [name for name, codes in CODES.items() if code in codes]
