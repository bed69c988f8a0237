"""
The sandbox follows the OpenAPI document: schemathesis generates requests from the document and sends them to a sandbox.

It checks statuses, media types, headers and bodies, that valid requests are accepted and invalid ones refused, and it
follows orders from one operation to the next. Before that, the document is made stricter (`strict_document`). The tests are
derived from the document: an operation that the sandbox does not emulate is tested with its default handler.
`CONTRACT_EXAMPLES=2000` draws so many random requests to every operation.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from typing import Any, Final, NoReturn, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import schemathesis
from attrs import frozen
from example_counts import CONTRACT_EXAMPLES
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup

from bitget_spot._middleware.signing import hmac_signature, prehash
from bitget_spot.sandbox import Sandbox, exchange, handlers
from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import MALFORMED, UNKNOWN_OPERATION, RefusedError
from bitget_spot.sandbox.order_book import _PAIRS
from bitget_spot.sandbox.parameters import NUMBER
from bitget_spot.sandbox.request import PendingRequest
from bitget_spot.sandbox.unified_listings import MAX_QUERY_TIME
from bitget_spot.validation import validate_batch, validate_unified_batch
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    CANCEL_ORDER,
    CANCEL_PLAN_ORDER,
    CANCEL_UNIFIED_STRATEGY_ORDER,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_SERVER_TIME,
    GET_UNFILLED_ORDERS,
    GET_UNIFIED_HISTORY_ORDERS,
    GET_UNIFIED_ORDER_INFO,
    OPERATIONS,
    REMAINING_CALLS_HEADER,
    SUCCESS_CODE,
    Operation,
)
from document import DOCUMENT as DOCUMENT_PATH
from document import JSON, METHODS, OperationNode, load, merged, operations_of, types_of
from schema_rules import is_valid
from schemas_module import example_of

Case: TypeAlias = schemathesis.Case[Any]
JsonObject: TypeAlias = dict[str, Any]

DOCUMENT: Final[JsonObject] = dict(load(DOCUMENT_PATH))
NODES: Final = {(node.method, node.path): node for node in operations_of(DOCUMENT)}
CREDENTIAL_HEADERS: Final = ("ACCESS-KEY", "ACCESS-SIGN", "ACCESS-PASSPHRASE", "ACCESS-TIMESTAMP")
SIGNED_OPERATIONS: Final = [operation for operation in OPERATIONS.values() if operation.signed]
EXAMPLES: Final = CONTRACT_EXAMPLES or 40

DISABLED_CHECKS: Final = {
    "ignored_auth": "expects HTTP 401 or 403, but the exchange responds 400: see test_credentials_are_required",
    "unsupported_method": "expects HTTP 405, but the exchange's status is not known: see check_unknown_method",
    "object_level_authorization": "needs an operation that creates an order",
    "ensure_resource_availability": "as above",
    "use_after_free": "needs an operation with HTTP's DELETE: see test_orders_are_followed",
    "allow_header_conformance": "is about the header Allow, which the exchange is not known to send",
}
"""The checks that do not apply, with the reason."""

FIRST_ROW: Final = "$response.body#/data/0/"
FIRST_ACCEPTED: Final = "$response.body#/data/successList/0/"
LINKS: Final[Mapping[str, JsonObject]] = {
    "getUnfilledOrders": {
        "lookUp": {"operationId": "getOrderInfo", "parameters": {"orderId": f"{FIRST_ROW}orderId"}},
        "lookUpByLabel": {"operationId": "getOrderInfo", "parameters": {"clientOid": f"{FIRST_ROW}clientOid"}},
        "nextPage": {"operationId": "getUnfilledOrders", "parameters": {"idLessThan": f"{FIRST_ROW}orderId"}},
        "cancel": {
            "operationId": "batchCancelOrders",
            "requestBody": {"orderList": [{"orderId": f"{FIRST_ROW}orderId"}, {"orderId": "1"}]},
        },
        "cancelByLabel": {
            "operationId": "batchCancelOrders",
            "requestBody": {
                "batchMode": "multiple",
                "orderList": [{"clientOid": f"{FIRST_ROW}clientOid", "symbol": f"{FIRST_ROW}symbol"}],
            },
        },
    },
    "batchCancelOrders": {
        "lookUp": {"operationId": "getOrderInfo", "parameters": {"orderId": f"{FIRST_ACCEPTED}orderId"}},
        "cancelAgain": {
            "operationId": "batchCancelOrders",
            "requestBody": {"orderList": [{"orderId": f"{FIRST_ACCEPTED}orderId"}]},
        },
        "isFinished": {"operationId": "getHistoryOrders", "parameters": {"limit": 100}},
        "isNotOpen": {"operationId": "getUnfilledOrders", "parameters": {"limit": 100}},
    },
}
"""The requests that use what a response contains."""
LINKED_OPERATIONS: Final = (BATCH_CANCEL_ORDERS, GET_ORDER_INFO, GET_UNFILLED_ORDERS, GET_HISTORY_ORDERS)


FEES: Final = ("feeDetail.fee", "feeDetail.feeCoin")


def known_codes() -> set[str]:
    """Return the codes of the document, and that of success."""
    codes = {SUCCESS_CODE}
    for family in DOCUMENT["x-error-codes"].values():
        for error_codes in family.values():
            codes.update(error_codes)
    return codes


CODES: Final = known_codes()

NULLABLE: Final = frozenset(f"data.{name}" for name in ("list", "cursor", *FEES, *(f"list.{name}" for name in FEES)))
"""The members of responses in which the sandbox has null as the exchange does, all of unified accounts."""
OPTIONAL: Final = frozenset(
    (
        "data.code",
        "data.msg",
        "data.list.code",
        "data.list.msg",
        "data.cursor",
        "data.triggerType",
        "data.list.triggerType",
    )
)
"""The members of responses that the sandbox leaves out in some, as the exchange does, all of unified accounts."""


def strict_schema(schema: JsonObject, operation_id: str, place: str = "") -> JsonObject:
    """Return the schema of a response that leaves nothing out, adds nothing, and contains no null, with few exceptions."""
    schema = dict(merged(DOCUMENT, schema))
    if "oneOf" in schema:  # a value or null
        return strict_schema(schema["oneOf"][0], operation_id, place)
    json_type = next(iter(types_of(schema)), "null")
    types = [json_type, "null"] if place in NULLABLE else json_type
    if json_type == "array":
        return {"type": types, "items": strict_schema(schema["items"], operation_id, place)}
    if json_type != "object":
        return {"type": types}
    members = {(f"{place}.{name}" if place else name): member for name, member in schema.get("properties", {}).items()}
    required = [
        member_place.rpartition(".")[2]
        for member_place, member in members.items()
        if operation_id in member.get("x-only-on-page-of", [operation_id]) and member_place not in OPTIONAL
    ]
    return {
        "type": types,
        "properties": {
            member_place.rpartition(".")[2]: strict_schema(member, operation_id, member_place)
            for member_place, member in members.items()
        },
        "required": required,
        "additionalProperties": False,
    }


def operations_in(document: JsonObject) -> Iterator[JsonObject]:
    """Yield every operation of a document, which may be changed."""
    for item in document["paths"].values():
        yield from (item[method] for method in METHODS if method in item)


def strict_document(*, is_emulated: bool = True) -> JsonObject:
    """
    Return the document with everything in it that the sandbox keeps to, with its handlers or with the default one.

    The document allows whatever the exchange has been seen to do: fields that are missing, null, new or of another type.
    The sandbox does none of this without a fault. What the document says only in words or in extensions becomes a part
    of it: the header of every response, that an orderId is a decimal number, and that a trading pair must exist.
    """
    document = deepcopy(DOCUMENT)
    document["components"]["parameters"]["IdLessThan"]["schema"]["pattern"] = "^[0-9]+$"
    if is_emulated:
        document["components"]["parameters"]["Cursor"]["schema"]["pattern"] = "^[0-9]{1,99}$"
        document["components"]["parameters"]["Symbol"]["schema"]["enum"] = list(_PAIRS)
        bodies = document["components"]["schemas"]
        bodies["CancelSymbolOrdersRequest"]["properties"]["symbol"]["enum"] = list(_PAIRS)
        bodies["CancelUnifiedSymbolOrdersRequest"]["properties"]["symbol"]["enum"] = list(_PAIRS)
        bodies["BatchCancelPlanOrdersRequest"]["properties"]["symbolList"]["items"]["enum"] = list(_PAIRS)
    for operation in operations_in(document):
        responses = operation["responses"]
        for status, reference in list(responses.items()):
            response = deepcopy(dict(merged(DOCUMENT, reference)))
            response.pop("$ref", None)
            media = response["content"]["application/json"]
            media["schema"] = strict_schema(media["schema"], operation["operationId"])
            responses[status] = response
        remaining_calls = {"required": True, "schema": {"type": "integer", "minimum": 0}}
        responses["200"]["headers"] = {REMAINING_CALLS_HEADER: remaining_calls}
        # The gateway in front of the exchange sends it, with fewer fields.
        too_many_requests = deepcopy(responses["4XX"])
        too_many_requests["content"]["application/json"]["schema"]["required"] = ["code", "msg"]
        responses["429"] = too_many_requests
    return document


def linked_document() -> JsonObject:
    """
    Return the document with links between the operations, and without filters, which would leave nothing to follow.

    It has only the operations that the links lead from or to.
    """
    document = strict_document()
    document["paths"] = {operation.path: document["paths"][operation.path] for operation in LINKED_OPERATIONS}
    # Above all orders, so that a generated id leaves none of them out.
    document["components"]["parameters"]["IdLessThan"]["schema"]["pattern"] = "^9[0-9]{18}$"
    for operation in operations_in(document):
        links = LINKS.get(operation["operationId"], {})
        operation["responses"]["200"]["links"] = {
            name: {"x-schemathesis": {"merge_body": False}, **link} for name, link in links.items()
        }
        if operation["operationId"] in (GET_UNFILLED_ORDERS.operation_id, GET_HISTORY_ORDERS.operation_id):
            paging = ("#/components/parameters/IdLessThan", "#/components/parameters/Limit")
            operation["parameters"] = [
                parameter for parameter in operation["parameters"] if parameter["$ref"] in paging
            ]
    return document


def schemathesis_config() -> SchemathesisConfig:
    """Return the settings: without `CONTRACT_EXAMPLES`, every run is the same."""
    config: JsonObject = {
        "cache": {"enabled": False},
        "checks": {name: {"enabled": False} for name in DISABLED_CHECKS},
        "generation": {"max-examples": EXAMPLES, "deterministic": not CONTRACT_EXAMPLES, "database": "none"},
        # The document has links, so none need be inferred. Invalid requests have nothing that could be followed.
        "phases": {"stateful": {"generation": {"mode": "positive"}, "inference": {"algorithms": []}}},
    }
    if not CONTRACT_EXAMPLES:
        config["seed"] = 1
    return SchemathesisConfig.from_dict(config)


STRICT_DOCUMENT: Final = strict_document()
schema = schemathesis.openapi.from_dict(STRICT_DOCUMENT, config=schemathesis_config())
schema_without_handlers = schemathesis.openapi.from_dict(
    strict_document(is_emulated=False), config=schemathesis_config()
)
linked_schema = schemathesis.openapi.from_dict(linked_document(), config=schemathesis_config())


UNIFIED_KEY: Final = "unified-key"
"""The key of a second account, which differs from the first in its type."""


def is_unified_path(path: str) -> bool:
    """Return whether an operation is for unified accounts."""
    return path.startswith("/api/v3/")


class Signer:
    """Replaces generated credentials by valid ones, as the `auth` of requests; those left out stay out."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        timestamp = str(self.sandbox.server_time())
        target = urlsplit(str(request.url))
        query = "&".join(f"{name}={value}" for name, value in sorted(parse_query(target.query).items()))
        body = request.body or b""
        content = body if isinstance(body, bytes) else str(body).encode()
        message = prehash(timestamp, str(request.method), target.path, query, content)
        signature = hmac_signature(self.sandbox.secret_key, message)
        api_key = UNIFIED_KEY if is_unified_path(target.path) else self.sandbox.api_key
        values = (api_key, signature, self.sandbox.passphrase, timestamp)
        for name, value in zip(CREDENTIAL_HEADERS, values, strict=True):
            if name in request.headers:
                request.headers[name] = value
        return request


def parse_query(query: str) -> dict[str, str]:
    """Return a query as the sandbox reads it: the last value of a repeated parameter counts."""
    return dict(parse_qsl(query, keep_blank_values=True))


def is_emulated(operation: Operation) -> bool:
    """Return whether the sandbox has a handler for an operation; if not, it returns the document's example."""
    return (operation.method, operation.path) in vars(exchange)["HANDLERS"]


def breaks_rule_in_words(case: Case) -> bool:
    """Return whether a request breaks a rule that the document states only in words."""
    operation = OPERATIONS.get((case.method, case.path))
    if operation is None or not is_emulated(operation):
        return False
    if operation is BATCH_CANCEL_ORDERS:
        return bool(validate_batch(case.body))
    if operation is BATCH_CANCEL_UNIFIED_ORDERS:
        return bool(validate_unified_batch(case.body))
    if operation is CANCEL_ORDER:
        return isinstance(case.body, dict) and not names_one_order(case.body)
    if operation is GET_UNIFIED_HISTORY_ORDERS:
        return covers_too_much(case.query)
    is_lookup = operation in (GET_ORDER_INFO, GET_UNIFIED_ORDER_INFO)
    return is_lookup and not (case.query.get("orderId") or case.query.get("clientOid"))


def names_one_order(body: JsonObject) -> bool:
    """Return whether a cancel of one order has an id, which is the orderId for a TP/SL order, and else a trading pair."""
    if body.get("tpslType") == "tpsl":
        return bool(body.get("orderId"))
    return bool(body.get("symbol") and (body.get("orderId") or body.get("clientOid")))


def covers_too_much(query: Mapping[str, Any]) -> bool:
    """Return whether a query of finished orders covers more than 30 days; by default it ends now."""
    now = int(time.time() * 1000)
    end = str(query.get("endTime", now))
    start = str(query.get("startTime", end))
    are_numbers = NUMBER.fullmatch(start) and NUMBER.fullmatch(end)
    return bool(are_numbers) and int(end) - int(start) >= MAX_QUERY_TIME


KNOWN_MEMBERS: Final = frozenset(
    ("symbol", "batchMode", "orderList", "orderId", "clientOid", "tpslType", "symbolList", "category")
)


def without_ignored(value: Any) -> Any:
    """Return a body without what the sandbox ignores: null, empty text and unknown members."""
    if isinstance(value, list):
        return [without_ignored(item) for item in value]
    if isinstance(value, dict):
        return {
            name: item.upper() if name == "category" and isinstance(item, str) else without_ignored(item)
            for name, item in value.items()
            if item not in (None, "") and name in KNOWN_MEMBERS
        }
    return value


def is_valid_for_sandbox(case: Case, response: schemathesis.Response) -> bool:
    """
    Return whether a request is valid except for what the sandbox ignores.

    The document is strict about requests, because whatever it does not describe would be a mistake of this client. How
    the exchange treats null, empty text and unknown members is not known; the vendor's example has an empty `symbol`. The
    default handler ignores unknown parameters of a query only.
    """
    operation = OPERATIONS.get((case.method, case.path))
    if operation is None:
        return False
    if operation.signed and not set(CREDENTIAL_HEADERS) <= set(response.request.headers):
        return False
    node = NODES[operation.method, operation.path]
    return is_valid_query(response, node, operation) and is_valid_body(response, node, operation)


def is_valid_query(response: schemathesis.Response, node: OperationNode, operation: Operation) -> bool:
    """Return whether the known parameters of a query are valid, and the required ones are there."""
    document = STRICT_DOCUMENT if is_emulated(operation) else DOCUMENT
    query = parse_query(urlsplit(str(response.request.url)).query)
    for parameter in OperationNode(document, node.path, node.method, node.node).parameters:
        text = query.get(parameter["name"])
        if text is not None and parameter["name"] == "category" and is_emulated(operation):
            text = text.upper()  # the sandbox accepts either
        if text is None and parameter.get("required"):
            return False
        if text is not None and not is_valid_text(text, dict(merged(document, parameter["schema"]))):
            return False
    return True


def is_valid_body(response: schemathesis.Response, node: OperationNode, operation: Operation) -> bool:
    """Return whether a body is valid, apart from what the sandbox ignores."""
    if node.body is None or node.body_schema is None:
        return True
    content = response.request.body
    assert content is None or isinstance(content, str | bytes)
    if not content:
        return not node.body.get("required")
    try:
        body = json.loads(content)
    except ValueError:
        return False
    if is_emulated(operation):
        return is_valid(STRICT_DOCUMENT, without_ignored(body), node.body_schema)
    return is_valid(DOCUMENT, body, node.body_schema)


def is_valid_text(text: str, parameter_schema: JsonObject) -> bool:
    """Return whether a text in a query is a value of this schema."""
    value: object = text
    if parameter_schema["type"] == "integer" and re.fullmatch("-?[0-9]{1,99}", text):
        value = int(text)
    elif parameter_schema["type"] == "number" and re.fullmatch(r"-?[0-9]{1,99}(\.[0-9]{1,99})?", text):
        value = float(text)
    elif parameter_schema["type"] == "boolean" and text in ("true", "false"):
        value = text == "true"
    return is_valid(DOCUMENT, value, parameter_schema)


def check_envelope(_context: schemathesis.CheckContext, response: schemathesis.Response, _case: Case) -> None:
    """Check that HTTP 200 and the success code come together, and that the code is a known one."""
    try:
        code = response.json()["code"]
    except (ValueError, LookupError, TypeError):
        raise AssertionError("the response is not the envelope") from None
    assert (response.status_code == requests.codes.ok) == (code == SUCCESS_CODE), code
    assert code in CODES, code


def check_unknown_method(_context: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Check that a method that the document does not have is refused as an unknown operation."""
    if (response.request.method, case.path) not in OPERATIONS:
        assert response.json()["code"] == UNKNOWN_OPERATION, response.text


def check_required_in_words(_context: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Check what the document requires only in words: an id, and a symbol in multiple mode."""
    operation = OPERATIONS.get((case.method, case.path))
    if case.meta is None or case.meta.generation.mode.is_negative or operation is None or not is_emulated(operation):
        return
    if operation in (GET_ORDER_INFO, GET_UNIFIED_ORDER_INFO, GET_UNIFIED_HISTORY_ORDERS, CANCEL_ORDER):
        is_incomplete = breaks_rule_in_words(case)
    elif case.path == BATCH_CANCEL_ORDERS.path:
        body: Any = case.body
        is_incomplete = not all(is_complete_order(order, body) for order in body["orderList"])
    else:
        return
    assert not is_incomplete or response.status_code == requests.codes.bad_request


def is_complete_order(order: JsonObject, body: JsonObject) -> bool:
    """Return whether an order of a batch has an id, and a symbol if the mode needs one."""
    has_id = bool(order.get("orderId") or order.get("clientOid"))
    return has_id and (body.get("batchMode") != "multiple" or bool(order.get("symbol")))


SINGLE_ORDERS: Final[Mapping[str, JsonObject]] = {
    CANCEL_ORDER.operation_id: {},
    CANCEL_PLAN_ORDER.operation_id: {"kind": "plan"},
    CANCEL_UNIFIED_STRATEGY_ORDER.operation_id: {"kind": "tpsl", "category": "USDT-FUTURES", "api_key": UNIFIED_KEY},
    GET_UNIFIED_ORDER_INFO.operation_id: {"api_key": UNIFIED_KEY},
}
"""The operations that refuse an order that does not exist, and the arguments that open one for them."""


class CheckedClient:
    """Sends requests to a sandbox, and checks each response."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False  # the environment's proxies are not used for loopback
        self.signer = Signer(sandbox)
        self.arguments: dict[str, Any] = {"base_url": sandbox.url, "session": self.session, "auth": self.signer}

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def send(self, case: Case) -> schemathesis.Response:
        """Send a request and check its response; a valid request about a single order is about one that is open."""
        if case.meta is None or not case.meta.generation.mode.is_negative:
            self.name_open_order(case)
        response = case.call(**self.arguments)
        self.check(case, response)
        return response

    def name_open_order(self, case: Case) -> None:
        """Replace the orderId in a valid request about a single order, because the exchange refuses what is not open."""
        operation = OPERATIONS.get((case.method, case.path))
        if operation is None or operation.operation_id not in SINGLE_ORDERS or not is_emulated(operation):
            return
        fields: Any = case.query if operation.method == "GET" else case.body
        if not (fields.get("orderId") or fields.get("clientOid")):
            return
        arguments = dict(SINGLE_ORDERS[operation.operation_id])
        if operation is CANCEL_ORDER and fields.get("tpslType") == "tpsl":
            arguments["kind"] = "tpsl"
        (order,) = self.sandbox.open_orders(1, **arguments)
        fields["orderId"] = order.order_id
        if fields.get("symbol"):
            fields["symbol"] = order.symbol

    def check(self, case: Case, response: schemathesis.Response) -> None:
        """
        Check a response.

        Raises:
            FailureGroup: The sandbox does not follow the document.

        """
        excluded = []
        if breaks_rule_in_words(case):
            excluded.append(positive_data_acceptance)
        if is_valid_for_sandbox(case, response):
            excluded.append(negative_data_rejection)
        case.validate_response(
            response,
            excluded_checks=excluded,
            additional_checks=[check_envelope, check_unknown_method, check_required_in_words],
            transport_kwargs=self.arguments,
        )


def sandbox_without_limit(orders: int) -> Sandbox:
    """Return a sandbox that accepts any number of requests, and reports every order of a batch by itself."""
    sandbox = with_unified_account(Sandbox(orders=orders, requests_per_second=1_000_000, all_gone_as_refusal=False))
    sandbox.open_orders(orders, api_key=UNIFIED_KEY)
    sandbox.open_orders(orders, api_key=UNIFIED_KEY, kind="tpsl", category="USDT-FUTURES")
    sandbox.open_orders(orders, kind="tpsl")
    sandbox.open_orders(orders, kind="plan")
    return sandbox


def with_unified_account(sandbox: Sandbox) -> Sandbox:
    """Add an account of the other type, with the same secret, and return the sandbox."""
    sandbox.add_account(UNIFIED_KEY, sandbox.secret_key, sandbox.passphrase, account_type="unified")
    return sandbox


def new_case(operation: Operation, **arguments: Any) -> Case:
    """Return a valid request, made of the document's examples except for the arguments given."""
    node = NODES[operation.method, operation.path]
    valid: dict[str, Any] = {}
    if operation is BATCH_CANCEL_ORDERS:
        valid = {"body": {"orderList": [{"orderId": "1"}]}, "media_type": JSON}
    elif node.body_schema is not None:
        valid = {"body": example_of(node, node.body_schema), "media_type": JSON}
    query = {}
    for parameter in node.parameters:
        query[parameter["name"]] = {**merged(DOCUMENT, parameter["schema"]), **parameter}["example"]
    if query:
        valid["query"] = query
    if operation.signed:
        valid["headers"] = dict.fromkeys(CREDENTIAL_HEADERS, "")
    case: Case = schema[operation.path][operation.method].Case(**valid | arguments)
    return case


@pytest.fixture(scope="module")
def client() -> Iterator[CheckedClient]:
    """A client of a sandbox without rate limits."""
    with sandbox_without_limit(orders=20) as sandbox, closing(CheckedClient(sandbox)) as client:
        yield client


@pytest.fixture
def counts() -> Iterator[Counter[str]]:
    """Counts accepted and refused requests to one operation; in the end, there must have been some of both."""
    counts: Counter[str] = Counter()
    yield counts
    assert min(counts["positive accepted"], counts["negative refused"]) > 0, counts


def send_and_count(case: Case, client: CheckedClient, counts: Counter[str]) -> None:
    """Send a request, check its response, and count whether it was valid and whether it was accepted."""
    response = client.send(case)
    assert case.meta is not None
    result = "accepted" if response.status_code == requests.codes.ok else "refused"
    counts[f"{case.meta.generation.mode.value} {result}"] += 1


@schema.parametrize()
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # `counts` is meant to count over all examples
def test_every_operation(case: Case, client: CheckedClient, counts: Counter[str]) -> None:
    """The sandbox responds as the document says to whatever is sent to an operation, valid or not."""
    send_and_count(case, client, counts)


@pytest.fixture
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the sandbox's handlers away, so that every operation has the default one."""
    monkeypatch.setattr(exchange, "HANDLERS", {})


@schema_without_handlers.parametrize()
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("no_handlers")
def test_default_handler(case: Case, client: CheckedClient, counts: Counter[str]) -> None:
    """Without a handler of its own, an operation responds as the document says to whatever is sent, valid or not."""
    send_and_count(case, client, counts)


@pytest.mark.parametrize("value", [None, "1"], ids=["missing", "wrong"])
@pytest.mark.parametrize("header", CREDENTIAL_HEADERS)
@pytest.mark.parametrize("operation", SIGNED_OPERATIONS, ids=lambda operation: operation.operation_id)
def test_credentials_are_required(operation: Operation, header: str, value: str | None, client: CheckedClient) -> None:
    """A request with a missing or wrong credential is refused because of it, and is accepted with the right one."""

    def sign_wrongly(request: requests.PreparedRequest) -> requests.PreparedRequest:
        client.signer(request)
        del request.headers[header]
        if value is not None:
            request.headers[header] = value
        return request

    case = new_case(operation)
    response = case.call(**client.arguments | {"auth": sign_wrongly})
    client.check(case, response)
    kind = "clock" if (header, value) == ("ACCESS-TIMESTAMP", "1") else "credentials"
    assert response.status_code == requests.codes.bad_request
    assert response.json()["code"] in DOCUMENT["x-error-codes"]["gateway"][kind]
    assert client.send(case).status_code == requests.codes.ok


IGNORED_CONTENT: Final = [
    {"symbol": None, "batchMode": None, "orderList": [{"orderId": "1", "clientOid": "", "symbol": None}]},
    {"receiveWindow": 1, "orderList": [{"orderId": "1", "side": "buy"}]},
]


@pytest.mark.parametrize("body", IGNORED_CONTENT, ids=str)
def test_ignored_content(body: JsonObject, client: CheckedClient) -> None:
    """The sandbox ignores what these tests take as ignored; whatever it begins to read must be checked."""
    case = new_case(BATCH_CANCEL_ORDERS, body=body)
    assert client.send(case).status_code == requests.codes.ok
    assert is_valid_for_sandbox(case, case.call(**client.arguments))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.operation_id)
def test_too_many_requests(operation: Operation) -> None:
    """The response to one request too many is as the document says."""
    stopped_clock = with_unified_account(Sandbox(orders=0, all_gone_as_refusal=False, timer=lambda: 0.0))
    with stopped_clock as sandbox, closing(CheckedClient(sandbox)) as client:
        limit = operation.rate_limit.requests
        statuses = [client.send(new_case(operation)).status_code for _ in range(limit + 1)]
    assert statuses == [requests.codes.ok] * limit + [requests.codes.too_many_requests]


def test_maximum_of_orders(client: CheckedClient) -> None:
    """The document's maximum of orders is accepted, and one more is refused; schemathesis makes no lists so long."""
    maximum = BATCH_CANCEL_ORDERS.max_items["orderList"]
    orders = [{"orderId": str(index + 1)} for index in range(maximum + 1)]
    response = client.send(new_case(BATCH_CANCEL_ORDERS, body={"orderList": orders[:maximum]}))
    assert response.status_code == requests.codes.ok
    response = client.send(new_case(BATCH_CANCEL_ORDERS, body={"orderList": orders}))
    assert response.json()["code"] in DOCUMENT["x-error-codes"]["v2"]["parameter"]


def test_maximum_of_orders_of_a_unified_account(client: CheckedClient) -> None:
    """So are the document's maximum and one more for a unified account."""
    maximum = BATCH_CANCEL_UNIFIED_ORDERS.max_items["body"]
    fields = {"category": "SPOT", "symbol": "BTCUSDT"}
    orders = [{"orderId": str(index + 1), **fields} for index in range(maximum + 1)]
    response = client.send(new_case(BATCH_CANCEL_UNIFIED_ORDERS, body=orders[:maximum]))
    assert response.status_code == requests.codes.ok
    response = client.send(new_case(BATCH_CANCEL_UNIFIED_ORDERS, body=orders))
    assert response.json()["code"] in DOCUMENT["x-error-codes"]["v3"]["parameter"]


def test_orders_are_followed() -> None:
    """
    Requests that use the ids in a response get the responses that the document describes.

    An order whose cancel was accepted is cancelled in every later response, and is listed among the finished orders only.
    """
    followed: Counter[str] = Counter()
    cancelled: set[str] = set()

    class Trader(linked_schema.as_state_machine()):  # type: ignore[misc]  # the base class is made at run time
        def setup(self) -> None:
            sandbox.open_orders(2)

        def get_call_kwargs(self, _case: Case) -> dict[str, Any]:
            return client.arguments

        def validate_response(self, response: schemathesis.Response, case: Case, **_: Any) -> None:
            client.check(case, response)
            data = response.json().get("data")
            if not data:
                return
            followed[case.path] += 1
            if case.path == BATCH_CANCEL_ORDERS.path:
                cancelled.update(row["orderId"] for row in data["successList"])
                return
            statuses = [row["status"] for row in data]
            assert statuses == ["cancelled" if row["orderId"] in cancelled else "live" for row in data]
            if case.path == GET_UNFILLED_ORDERS.path:
                assert set(statuses) == {"live"}
            if case.path == GET_HISTORY_ORDERS.path:
                assert set(statuses) == {"cancelled"}

    with sandbox_without_limit(orders=0) as sandbox, closing(CheckedClient(sandbox)) as client:
        Trader.run(
            settings=settings(
                max_examples=EXAMPLES // 2,
                stateful_step_count=6,
                deadline=None,
                derandomize=not CONTRACT_EXAMPLES,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),  # as schemathesis does for its own state machines
            )
        )
    assert min(followed[operation.path] for operation in LINKED_OPERATIONS) > 0, followed
    assert len(cancelled) > EXAMPLES // 8


WRONG_RESPONSES: Final = {
    "an empty body": "empty",
    "a page instead of the envelope": "html-520",
    "an empty envelope": "raw={}",
    "a new member": 'raw={"code":"00000","msg":"success","requestTime":1,"data":{"successList":[],"failureList":[]},"x":1}',
    "a list instead of the envelope": "raw=[]",
    "no data": "null-data",
    "no lists": "missing-lists",
    "null instead of a list": "null-lists",
    "numbers as ids": "ids-as-numbers",
    "rows without errorCode": "no-error-code",
    "message instead of msg": "message-key",
    "text as requestTime": "string-request-time",
    "an unknown code": "code=99999",
}


@pytest.mark.parametrize("fault", WRONG_RESPONSES.values(), ids=WRONG_RESPONSES)
def test_wrong_responses_are_found(fault: str, client: CheckedClient) -> None:
    """A response that is not as the document says fails the checks."""
    (order,) = client.sandbox.open_orders(1)
    case = new_case(BATCH_CANCEL_ORDERS, body={"orderList": [{"orderId": order.order_id}, {"orderId": "1"}]})
    client.sandbox.inject(fault)
    with pytest.raises(FailureGroup):
        client.send(case)


@pytest.mark.parametrize("fault", ["null-data", "null-lists", "missing-lists", "ids-as-numbers", "message-key"])
def test_wrong_responses_to_a_unified_account_are_found(fault: str, client: CheckedClient) -> None:
    """So does one to the batch cancel of a unified account."""
    case = new_case(BATCH_CANCEL_UNIFIED_ORDERS)
    assert client.send(case).status_code == requests.codes.ok
    client.sandbox.inject(fault)
    with pytest.raises(FailureGroup):
        client.send(case)


def crash(*_: object) -> NoReturn:
    """Raise an exception, so that the server responds with HTTP 500."""
    raise ZeroDivisionError


def refuse_everything(*_: object) -> NoReturn:
    """Refuse every request."""
    raise RefusedError(MALFORMED)


def return_empty_list(*_: object) -> list[Any]:
    """Return an empty list, whatever the request is."""
    return []


def skip_authentication(sandbox: exchange.Exchange, _request: PendingRequest) -> Account:
    """Return the first account without checking the credentials."""
    return sandbox._accounts[sandbox.api_key]


@frozen
class Defect:
    """
    A defect of the sandbox.

    Attributes:
        operation: The operation that reveals it.
        mode: Whether valid or invalid requests reveal it.
        owner: The module or class in which something is replaced.
        name: The name of what is replaced.
        replacement: What it is replaced by.

    """

    operation: Operation
    mode: GenerationMode
    owner: object
    name: str
    replacement: object


def handlers_replaced_by(handler: object) -> dict[tuple[str, str], object]:
    """Return a table in which every operation has this handler."""
    return dict.fromkeys(handlers.HANDLERS, handler)


VALID: Final = GenerationMode.POSITIVE
INVALID: Final = GenerationMode.NEGATIVE
DEFECTS: Final = {
    "HTTP 500": Defect(GET_SERVER_TIME, VALID, exchange, "HANDLERS", handlers_replaced_by(crash)),
    "a valid request is refused": Defect(
        GET_HISTORY_ORDERS, VALID, exchange, "HANDLERS", handlers_replaced_by(refuse_everything)
    ),
    "a limit out of range is accepted": Defect(
        GET_UNFILLED_ORDERS, INVALID, exchange, "HANDLERS", handlers_replaced_by(return_empty_list)
    ),
    "any body is accepted": Defect(BATCH_CANCEL_ORDERS, INVALID, handlers, "_order_items", return_empty_list),
    "no credentials are required": Defect(
        GET_ORDER_INFO, INVALID, exchange.Exchange, "_authenticate", skip_authentication
    ),
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_defects_are_found(defect: Defect, client: CheckedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that accepts or refuses other requests than the document says fails the checks."""
    monkeypatch.setattr(defect.owner, defect.name, defect.replacement)
    # Without filters, which would leave nothing to find.
    document = linked_schema if defect.operation in LINKED_OPERATIONS else schema
    requests_of_mode = document[defect.operation.path][defect.operation.method].as_strategy(generation_mode=defect.mode)

    @settings(max_examples=200, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(requests_of_mode)
    def send(case: Case) -> None:
        client.send(case)

    with pytest.raises(FailureGroup):
        send()
