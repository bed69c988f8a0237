"""What the OpenAPI document promises, beyond what the generator or a validator of OpenAPI would notice."""

import json
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
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": item[method]
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
}
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
    """Follow a reference of this document, if the node is one."""
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return resolved(found)


def below(where: str, schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a schema and every schema written inside it, each with its place; references are not followed."""
    if not isinstance(schema, dict):  # `additionalProperties: false`
        return
    yield where, schema
    for keyword, value in schema.items():
        place = f"{where}.{keyword}"
        if keyword in ONE_SCHEMA:
            yield from below(place, value)
        elif keyword in LIST_OF_SCHEMAS:
            for index, member in enumerate(value):
                yield from below(f"{place}[{index}]", member)
        elif keyword in NAMED_SCHEMAS:
            for name, member in value.items():
                yield from below(f"{place}.{name}", member)


def inline(where: str, node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every schema that stands outside `components/schemas`, with those inside it."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "schema":
                yield from below(f"{where}.{key}", value)
            elif key != "schemas":
                yield from inline(f"{where}.{key}", value)
    elif isinstance(node, list):
        for index, member in enumerate(node):
            yield from inline(f"{where}[{index}]", member)


def reached(where: str, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the schemas that a message's schema consists of, references followed, by their place."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [(where, schema)]
    while waiting:
        for place, member in below(*waiting.pop()):
            if place in found:
                continue
            found[place] = member
            if "$ref" in member:
                waiting.append((member["$ref"].rpartition("/")[2], resolved(member)))
    return found


def messages(*parts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give every schema reached from request bodies or responses."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        for media in resolved(part).get("content", {}).values():
            found |= reached("body", media["schema"])
    return found


def parameters(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give an operation's parameters and the properties of its body, each by its place."""
    for parameter in map(resolved, operation.get("parameters", ())):
        yield parameter["name"], parameter["schema"] | parameter
    for where, schema in messages(operation.get("requestBody", {})).items():
        for name, member in schema.get("properties", {}).items():
            yield f"{where}.{name}", member


EVERY_SCHEMA = {
    **dict(inline("#", DOCUMENT)),
    **{place: schema for name in SCHEMAS for place, schema in below(name, SCHEMAS[name])},
}
REQUEST_SCHEMAS = messages(*(each.get("requestBody", {}) for each in OPERATIONS.values()))
RESPONSE_SCHEMAS = messages(*(answer for each in OPERATIONS.values() for answer in each["responses"].values()))
PARAMETERS = {
    f"{where}: {name}": member for where, operation in OPERATIONS.items() for name, member in parameters(operation)
}


def validator(name: str) -> Draft202012Validator:
    """Give a validator of one of the document's schemas."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def request(orders: int = 1, **changed: Any) -> dict[str, Any]:
    """Give a body of so many orders, with some fields changed, or left out where None."""
    body = {"symbol": "BTCUSDT", "orderList": [{"orderId": str(n)} for n in range(orders)]}
    return {name: value for name, value in (body | changed).items() if value is not None}


def test_document_is_valid_openapi() -> None:
    """The document is OpenAPI 3.1 to a validator that knows nothing of this project."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate(DOCUMENT)


def test_batch_cancel_is_there() -> None:
    """What the tests below look at is not empty: one operation at least, with a body of two schemas."""
    assert BATCH_CANCEL in OPERATIONS
    assert {"BatchCancelOrdersRequest", "OrderRef"} <= REQUEST_SCHEMAS.keys()
    assert {"BatchCancelOrdersResponse", "AcceptedOrder", "FailedOrder", "ErrorResponse"} <= (RESPONSE_SCHEMAS.keys())


@pytest.mark.parametrize("where", OPERATIONS)
@pytest.mark.parametrize(
    "fact",
    ["summary", "description", "operationId", "tags", "externalDocs", "x-rate-limit"],
)
def test_operation_says_everything(where: str, fact: str) -> None:
    """Every operation has the words and facts that the client and its reader need, none of them empty."""
    assert OPERATIONS[where].get(fact)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_operation_facts_have_their_shape(operation: dict[str, Any]) -> None:
    """A rate limit is a number, a period and a known scope; repeat-safe is yes or no; tags are declared."""
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
def test_every_refusal_has_the_envelope(operation: dict[str, Any], status: str) -> None:
    """Every refusal is answered by the one error envelope, whatever its status."""
    content = resolved(operation["responses"][status])["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}


def test_four_headers_sign_a_request() -> None:
    """
    The four headers together are the document's security, declared once for all operations. As parameters they would
    become arguments of the generated functions.
    """
    schemes = DOCUMENT["components"]["securitySchemes"]
    (together,) = DOCUMENT["security"]
    headers = {"ACCESS-KEY", "ACCESS-SIGN", "ACCESS-PASSPHRASE", "ACCESS-TIMESTAMP"}
    assert {schemes[name]["name"] for name in together} == headers
    assert {schemes[name]["in"] for name in together} == {"header"}
    assert all(schemes[name]["description"] for name in together)
    assert not [place for place in PARAMETERS if "ACCESS-" in place.upper()]


@pytest.mark.parametrize("member", PARAMETERS.values(), ids=PARAMETERS)
def test_parameter_says_everything(member: dict[str, Any]) -> None:
    """Every parameter tells its type and its meaning, and shows a value that its own schema takes."""
    schema = resolved(member)
    assert schema["type"]
    assert schema["description"]
    if schema["type"] not in {"array", "object"}:
        validate_example = Draft202012Validator(schema)
        validate_example.validate(schema["example"])


@pytest.mark.parametrize("schema", RESPONSE_SCHEMAS.values(), ids=RESPONSE_SCHEMAS)
def test_answer_examples_hold(schema: dict[str, Any]) -> None:
    """A value shown for a field of an answer is one that the field can have."""
    if "example" in schema:
        Draft202012Validator(schema).validate(schema["example"])


@pytest.mark.parametrize("where", EVERY_SCHEMA)
def test_no_keyword_is_misspelt(where: str) -> None:
    """Every keyword of a schema is one; neither the generator nor the validator would mind `maxItms`."""
    unknown = EVERY_SCHEMA[where].keys() - KEYWORDS
    assert not {keyword for keyword in unknown if not keyword.startswith("x-")}


def test_misspelt_keyword_would_be_seen() -> None:
    """The walk that looks for misspelt keywords reaches lists, alternatives and schemas that stand inline."""
    wrong = {"maxItms": 1}
    schema = {"properties": {"a": {"oneOf": [{"items": wrong}]}}}
    assert wrong in dict(below("here", schema)).values()
    assert wrong in dict(inline("#", {"paths": {"/": [{"schema": schema}]}})).values()


def test_numbers_of_the_page_are_in_the_document() -> None:
    """Ten requests in one second for each account, fifty orders, and two modes with single as the default."""
    limit = OPERATIONS[BATCH_CANCEL]["x-rate-limit"]
    assert limit == {"requests": 10, "period-seconds": 1, "scope": "UID"}
    assert SCHEMAS["BatchCancelOrdersRequest"]["properties"]["orderList"]["maxItems"] == 50
    assert SCHEMAS["BatchMode"]["enum"] == ["single", "multiple"]
    assert SCHEMAS["BatchMode"]["default"] == "single"


def test_numbers_of_the_page_are_in_the_client() -> None:
    """What the overlay derives from the generated client is what the vendor's page says."""
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
def test_numbers_of_the_queries_are_in_the_client(where: str, operation: operations.Operation) -> None:
    """The questions for orders are signed, safe to repeat, and asked twenty times a second for each account."""
    assert (operation.method, operation.path) == tuple(where.split())
    assert operation.rate_limit == operations.RateLimit(20, 1.0, "UID")
    assert operation.signed is True
    assert operation.repeat_safe is True


def test_pages_of_orders_hold_a_hundred() -> None:
    """The most rows of a page is a constant of the client, and the same number wherever a reader meets it."""
    for operation in (operations.GET_UNFILLED_ORDERS, operations.GET_HISTORY_ORDERS):
        assert operation.maxima == {"limit": 100}
        assert " 100" in operation.summary
    assert operations.GET_ORDER_INFO.maxima == {}


def test_public_time_is_not_signed() -> None:
    """The clock may be read without a key, twenty times a second for each address."""
    assert operations.GET_SERVER_TIME.signed is False
    assert operations.GET_SERVER_TIME.rate_limit == operations.RateLimit(20, 1.0, "IP")


def test_client_has_every_operation_and_code() -> None:
    """The operations and the codes of the client are the document's, no fewer and no more."""
    have = {" ".join(key): each for key, each in operations.OPERATIONS.items()}
    assert have.keys() == OPERATIONS.keys()
    for where, operation in OPERATIONS.items():
        limit = operation["x-rate-limit"]
        assert have[where].rate_limit == operations.RateLimit(
            limit["requests"], limit["period-seconds"], limit["scope"]
        )
        assert have[where].repeat_safe is operation["x-repeat-safe"]
        assert have[where].source == operation["externalDocs"]["url"]
    assert {name: set(codes) for name, codes in operations.ERROR_CODES.items()} == {
        name: set(codes) for name, codes in CODES.items()
    }


def test_words_and_limit_agree() -> None:
    """The most orders of a batch is the same number wherever a reader meets it."""
    orders = SCHEMAS["BatchCancelOrdersRequest"]["properties"]["orderList"]
    operation = OPERATIONS[BATCH_CANCEL]
    for text in (operation["summary"], operation["description"], orders["description"]):
        assert f" {orders['maxItems']} " in text


@pytest.mark.parametrize("schema", REQUEST_SCHEMAS.values(), ids=REQUEST_SCHEMAS)
def test_request_schemas_are_closed(schema: dict[str, Any]) -> None:
    """A field that the exchange does not know is a mistake of ours, so no object of a request takes one."""
    if schema.get("type") == "object" or "properties" in schema:
        assert schema.get("additionalProperties") is False


@pytest.mark.parametrize("schema", RESPONSE_SCHEMAS.values(), ids=RESPONSE_SCHEMAS)
def test_response_schemas_are_open(schema: dict[str, Any]) -> None:
    """
    An answer may hold more fields, fewer fields and other words than the page says: it is never closed, requires
    nothing and lists no values, for each of these would make the parse of an answer fail.
    """
    assert schema.get("additionalProperties", True) is True
    assert schema.get("unevaluatedProperties", True) is True
    assert not schema.keys() & {"enum", "const", "required", "dependentRequired", "minProperties"}


@pytest.mark.parametrize("schema", RESPONSE_SCHEMAS.values(), ids=RESPONSE_SCHEMAS)
def test_response_lists_may_be_null(schema: dict[str, Any]) -> None:
    """A list of an answer may be null; the generated parser would stumble over it otherwise."""
    if "items" in schema:
        assert "null" in schema["type"]


EXAMPLES = {
    f"{where}: {name}": example["value"]
    for where, operation in OPERATIONS.items()
    for media in resolved(operation.get("requestBody", {})).get("content", {}).values()
    for name, example in media.get("examples", {}).items()
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_request_examples_hold(example: dict[str, Any]) -> None:
    """A request shown in the document is one that its schema takes, and the generated model keeps all of it."""
    validator("BatchCancelOrdersRequest").validate(example)
    assert BatchCancelOrdersRequest.from_dict(example).to_dict() == example


def test_both_modes_have_an_example() -> None:
    """The document shows a request of either mode."""
    modes = {example.get("batchMode", "single") for example in EXAMPLES.values()}
    assert modes == set(SCHEMAS["BatchMode"]["enum"])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(request(50), id="as many orders as may be"),
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
def test_request_schema_takes_what_the_page_allows(body: dict[str, Any]) -> None:
    """What the vendor's page allows is a valid request."""
    validator("BatchCancelOrdersRequest").validate(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(request(51), id="one order too many"),
        pytest.param(request(0), id="no orders"),
        pytest.param(request(orderList=None), id="no list of orders"),
        pytest.param(request(batchMode="both"), id="an unknown mode"),
        pytest.param(request(symbols="BTCUSDT"), id="an unknown field"),
        pytest.param(request(orderList=[{"orderId": "1", "price": "2"}]), id="an order's"),
        pytest.param(request(orderList=[{}]), id="an order without anything"),
        pytest.param(request(orderList=[{"orderId": 1}]), id="an id that is a number"),
        pytest.param(request(orderList=[{"clientOid": ""}]), id="an empty id"),
    ],
)
def test_request_schema_refuses_what_is_wrong(body: dict[str, Any]) -> None:
    """A body that cannot be right is none to the schema."""
    assert not validator("BatchCancelOrdersRequest").is_valid(body)


def answer(data: Any) -> dict[str, Any]:
    """Give an answer with this data."""
    return {"code": "00000", "msg": "success", "requestTime": 1695808949356, "data": data}


ROW = {"orderId": "12", "clientOid": "a-1"}
ANSWERS: Mapping[str, dict[str, Any]] = {
    "both lists": answer({"successList": [ROW], "failureList": [{**ROW, "errorMsg": "gone"}]}),
    "null lists": answer({"successList": None, "failureList": None}),
    "a missing list": answer({"successList": [ROW]}),
    "missing lists": answer({}),
    "data null": answer(None),
    "data missing": {"code": "00000", "msg": "success", "requestTime": 1695808949356},
    "nothing at all": {},
    "ids null": answer(
        {
            "successList": [{"orderId": None, "clientOid": None}],
            "failureList": [{"orderId": None, "clientOid": None, "errorMsg": None, "errorCode": None}],
        }
    ),
    "ids missing": answer({"successList": [{}], "failureList": [{}]}),
    "unknown fields": {
        **answer({"successList": [{**ROW, "new": {"a": [1]}}], "failureList": [], "more": 1}),
        "message": "success",
    },
    "time as text": {**answer(None), "requestTime": "1695808949356"},
    "time and text null": {**answer(None), "requestTime": None, "msg": None},
    "unknown error code": answer({"failureList": [{**ROW, "errorCode": "99999"}]}),
}


@pytest.mark.parametrize("wire", ANSWERS.values(), ids=ANSWERS)
def test_answers_of_every_shape_parse(wire: dict[str, Any]) -> None:
    """An answer that tells what became of an order parses, whatever it leaves out or adds, and nothing is lost."""
    validator("BatchCancelOrdersResponse").validate(wire)
    parsed = BatchCancelOrdersResponse.from_dict(wire)
    assert parsed.to_dict() == wire


ORDER = {"orderId": "1234567890123456789", "clientOid": "a-1", "status": "live", "triggerPrice": None}
ORDERS: Mapping[str, dict[str, Any]] = {
    "orders": {**answer(None), "data": [ORDER, {"orderId": "12", "basePrice": "0"}]},
    "no orders": {**answer(None), "data": []},
    "null": answer(None),
    "missing": {"code": "00000"},
    "nothing at all": {},
    "an empty row": {**answer(None), "data": [{}]},
    "unknown fields and words": {**answer(None), "data": [{**ORDER, "status": "odd", "new": {"a": [1]}}], "more": 1},
    "every field null": {**answer(None), "data": [dict.fromkeys(SCHEMAS["Order"]["properties"])]},
}


@pytest.mark.parametrize("wire", ORDERS.values(), ids=ORDERS)
def test_orders_of_every_shape_parse(wire: dict[str, Any]) -> None:
    """An answer that tells of orders parses, whatever it leaves out or adds, and nothing is lost."""
    validator("OrdersResponse").validate(wire)
    assert OrdersResponse.from_dict(wire).to_dict() == wire


def test_fees_are_json_inside_a_string() -> None:
    """What an order cost is text to the client, and the document says what the text holds."""
    fees = SCHEMAS["Order"]["properties"]["feeDetail"]
    assert Order.from_dict({"feeDetail": fees["example"]}).fee_detail == fees["example"]
    Draft202012Validator(fees["contentSchema"]).validate(json.loads(fees["example"]))


def wire() -> tuple[Client, list[httpx.Request]]:
    """Give a client that answers itself with an empty list, and the requests that it would have sent."""
    sent: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"code": "00000", "data": []})

    httpx_args = {"transport": httpx.MockTransport(respond)}
    return Client(base_url="https://exchange.test", httpx_args=httpx_args), sent


def test_query_goes_out_as_the_exchange_names_it() -> None:
    """Numbers and ids of a query stand in it as plain decimal text, under the vendor's names."""
    client, sent = wire()
    for ask in (get_unfilled_orders.sync, get_history_orders.sync):
        ask(
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
    assert [f"{request.method} {request.url.path}" for request in sent] == [*list(QUERIES)[1:], next(iter(QUERIES))]
    assert [request.url.query.decode() for request in sent] == [page, page, "orderId=1234567890123456789&clientOid=a-1"]


@pytest.mark.parametrize("ask", [get_unfilled_orders.sync, get_history_orders.sync, get_order_info.sync])
def test_query_says_no_more_than_the_caller(ask: Callable[..., object]) -> None:
    """What the caller leaves out is left out: the exchange's own defaults hold."""
    client, sent = wire()
    ask(client=client)
    assert [request.url.query for request in sent] == [b""]


@pytest.mark.parametrize("row", [None, 7, "12", ["12"]], ids=str)
def test_malformed_row_does_not_fail_the_parse(row: Any) -> None:
    """A row that is no object does not cost the rest of the answer: the parse goes through and keeps it."""
    parsed = BatchCancelOrdersResponse.from_dict(answer({"successList": [ROW, row]}))
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
def test_code_means_what_the_exchange_means(code: str, meaning: str) -> None:
    """Each of these codes stands in the one class that tells what to do about it."""
    assert [name for name, codes in CODES.items() if code in codes] == [meaning]


def test_gone_is_an_exact_set() -> None:
    """These codes and no others say that there is no open order; one too many would hide a live order."""
    gone = {"43001", "43004", "22001", "31054", "31007", "40109", "40768", "45031", "45057"}
    assert set(CODES["gone"]) == gone


def test_codes_stand_once_and_are_text() -> None:
    """A code has one meaning, and is text: a number would lose the zeros it begins with."""
    every = [code for codes in CODES.values() for code in codes]
    assert all(isinstance(code, str) and code.isdecimal() for code in every)
    assert len(every) == len(set(every))
    assert DOCUMENT["x-success-code"] not in every


@pytest.mark.parametrize("code", ["30006", "30007"])
def test_websocket_codes_are_absent(code: str) -> None:
    """Codes of the WebSocket API have no meaning here."""
    assert not [name for name, codes in CODES.items() if code in codes]
