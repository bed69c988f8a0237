"""
The document against the sandbox: schemathesis makes requests of the one, valid and invalid, and sends them to the other.

It looks at statuses, media types, headers and bodies, at whether what is valid is accepted and what is not is
refused, and it follows orders from one operation to the next. The document is made exact first: see `exact`.
`JUDGE_EXAMPLES=2000` draws so many requests to every operation, at random.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from schemathesis import GenerationMode
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup

import generate
from bitget_spot._middleware.signing import hmac_signature, prehash
from bitget_spot.sandbox import Sandbox, exchange
from bitget_spot.validation import validate_batch
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_SERVER_TIME,
    GET_UNFILLED_ORDERS,
    OPERATIONS,
    REMAINING_CALLS_HEADER,
    SUCCESS_CODE,
    Operation,
)

Case = schemathesis.Case[Any]

DOCUMENT: Final[dict[str, Any]] = YAML(typ="safe").load(generate.DOCUMENT.read_text("utf-8"))
CODES: Final = {code for codes in DOCUMENT["x-error-codes"].values() for code in codes}
CREDENTIALS: Final = ("ACCESS-KEY", "ACCESS-SIGN", "ACCESS-PASSPHRASE", "ACCESS-TIMESTAMP")
SIGNED: Final = [operation for operation in OPERATIONS.values() if operation.signed]
EXAMPLES: Final = int(os.environ.get("JUDGE_EXAMPLES", "40"))
REPEATABLE: Final = "JUDGE_EXAMPLES" not in os.environ

LEFT_OUT: Final = {
    "ignored_auth": "expects HTTP 401 or 403, the exchange answers 400: test_credentials_are_asked_for instead",
    "unsupported_method": "expects HTTP 405, and nobody knows what the exchange answers: `other_method` instead",
    "object_level_authorization": "needs an operation that makes an order",
    "ensure_resource_availability": "as above",
    "use_after_free": "needs an operation that is HTTP's DELETE; test_orders_are_followed instead",
    "allow_header_conformance": "is about the header Allow, which the exchange is not known to send",
}
"""The checks that do not apply, with the reason."""

ROW: Final = "$response.body#/data/0/"
TAKEN: Final = "$response.body#/data/successList/0/"
LINKS: Final[Mapping[str, dict[str, Any]]] = {
    "getUnfilledOrders": {
        "lookUp": {"operationId": "getOrderInfo", "parameters": {"orderId": f"{ROW}orderId"}},
        "lookUpByLabel": {"operationId": "getOrderInfo", "parameters": {"clientOid": f"{ROW}clientOid"}},
        "nextPage": {"operationId": "getUnfilledOrders", "parameters": {"idLessThan": f"{ROW}orderId"}},
        "cancel": {
            "operationId": "batchCancelOrders",
            "requestBody": {"orderList": [{"orderId": f"{ROW}orderId"}, {"orderId": "1"}]},
        },
        "cancelByLabel": {
            "operationId": "batchCancelOrders",
            "requestBody": {
                "batchMode": "multiple",
                "orderList": [{"clientOid": f"{ROW}clientOid", "symbol": f"{ROW}symbol"}],
            },
        },
    },
    "batchCancelOrders": {
        "lookUp": {"operationId": "getOrderInfo", "parameters": {"orderId": f"{TAKEN}orderId"}},
        "cancelAgain": {
            "operationId": "batchCancelOrders",
            "requestBody": {"orderList": [{"orderId": f"{TAKEN}orderId"}]},
        },
        "isFinished": {"operationId": "getHistoryOrders", "parameters": {"limit": 100}},
        "isNotOpen": {"operationId": "getUnfilledOrders", "parameters": {"limit": 100}},
    },
}
"""What leads from one operation to the next, by what an answer holds."""


def resolved(node: dict[str, Any], document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    """Follow a reference of the document, if the node is one."""
    found: Any = document
    for part in node["$ref"].split("/")[1:] if "$ref" in node else ():
        found = found[part]
    return found if "$ref" in node else node


def whole(schema: dict[str, Any], operation_id: str) -> dict[str, Any]:
    """Answer the schema of an answer that leaves out nothing, adds nothing, and has no null."""
    schema = resolved(schema)
    if "oneOf" in schema:  # something, or null
        return whole(schema["oneOf"][0], operation_id)
    kind = schema.get("type", "null")
    kind = kind if isinstance(kind, str) else kind[0]
    if kind == "array":
        return {"type": kind, "items": whole(schema["items"], operation_id)}
    if kind != "object":
        return {"type": kind}
    members = schema["properties"]
    return {
        "type": kind,
        "properties": {name: whole(member, operation_id) for name, member in members.items()},
        "required": [
            name for name, member in members.items() if operation_id in member.get("x-only-on-page-of", [operation_id])
        ],
        "additionalProperties": False,
    }


def exact() -> dict[str, Any]:
    """
    Make the document as exact as the sandbox is.

    The document forgives the exchange whatever has been seen of it: what is missing, null or of another type, and
    what is new. The sandbox does none of this unless it is told to. And what the document says in words or in
    extensions only becomes part of it: the header of every answer, and that an orderId is a decimal number.
    """
    document = deepcopy(DOCUMENT)
    document["components"]["parameters"]["IdLessThan"]["schema"]["pattern"] = "^[0-9]+$"
    for item in document["paths"].values():
        (operation,) = item.values()
        name = operation["operationId"]
        for status, reference in operation["responses"].items():
            response = operation["responses"][status] = deepcopy(resolved(reference))
            media = response["content"]["application/json"]
            media["schema"] = whole(media["schema"], name)
        remaining = {"required": True, "schema": {"type": "integer", "minimum": 0}}
        operation["responses"]["200"]["headers"] = {REMAINING_CALLS_HEADER: remaining}
        # Answered for the exchange by what stands in front of it, with less in it.
        short = deepcopy(operation["responses"]["4XX"])
        short["content"]["application/json"]["schema"]["required"] = ["code", "msg"]
        operation["responses"]["429"] = short
    return document


def linked() -> dict[str, Any]:
    """Say in the document what leads where, and leave out the filters: with made-up ones there is nothing to follow."""
    document = exact()
    # Beyond every order there is, so that a made-up one leaves none out.
    document["components"]["parameters"]["IdLessThan"]["schema"]["pattern"] = "^9[0-9]{18}$"
    for item in document["paths"].values():
        (operation,) = item.values()
        links = LINKS.get(operation["operationId"], {})
        operation["responses"]["200"]["links"] = {
            name: {"x-schemathesis": {"merge_body": False}, **link} for name, link in links.items()
        }
        if operation["operationId"] in (GET_UNFILLED_ORDERS.operation_id, GET_HISTORY_ORDERS.operation_id):
            pages = ("#/components/parameters/IdLessThan", "#/components/parameters/Limit")
            operation["parameters"] = [parameter for parameter in operation["parameters"] if parameter["$ref"] in pages]
    return document


CONFIG: Final[dict[str, Any]] = {
    "cache": {"enabled": False},
    "checks": {name: {"enabled": False} for name in LEFT_OUT},
    "generation": {"max-examples": EXAMPLES, "deterministic": REPEATABLE, "database": "none"},
    # Links are given; and what is invalid leads nowhere.
    "phases": {"stateful": {"generation": {"mode": "positive"}, "inference": {"algorithms": []}}},
    **({"seed": 1} if REPEATABLE else {}),
}
EXACT: Final = exact()
schema = schemathesis.openapi.from_dict(EXACT, config=SchemathesisConfig.from_dict(CONFIG))
linked_schema = schemathesis.openapi.from_dict(linked(), config=SchemathesisConfig.from_dict(CONFIG))


class Signer:
    """
    Signs what is about to leave, as `requests` asks for it.

    Credentials are put in where schemathesis has made some up; those it has left out stay out.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        stamp = str(self.sandbox.server_time())
        target = urlsplit(str(request.url))
        query = "&".join(f"{name}={value}" for name, value in sorted(sent(target.query).items()))
        body = request.body or b""
        body = body if isinstance(body, bytes) else str(body).encode()
        message = prehash(stamp, str(request.method), target.path, query, body)
        signature = hmac_signature(self.sandbox.secret_key, message)
        ours = (self.sandbox.api_key, signature, self.sandbox.passphrase, stamp)
        request.headers.update(
            {name: own for name, own in zip(CREDENTIALS, ours, strict=True) if name in request.headers}
        )
        return request


def sent(query: str) -> dict[str, str]:
    """Read a query as the sandbox does: of a parameter that is there twice the last one counts."""
    return dict(parse_qsl(query, keep_blank_values=True))


def words_forbid(case: Case) -> bool:
    """Tell whether a request breaks a rule that the document has in words only."""
    operation = OPERATIONS.get((case.method, case.path))
    if operation is BATCH_CANCEL_ORDERS:
        return bool(validate_batch(case.body))
    return operation is GET_ORDER_INFO and not (case.query.get("orderId") or case.query.get("clientOid"))


def filled_in(value: Any) -> Any:
    """Leave out of a body what the sandbox passes over: null, empty text, and members that nobody knows."""
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    if isinstance(value, dict):
        known = {"symbol", "batchMode", "orderList", "orderId", "clientOid"}
        return {name: filled_in(item) for name, item in value.items() if item not in (None, "") and name in known}
    return value


def is_forgiven(case: Case, response: schemathesis.Response) -> bool:
    """
    Tell whether a request is valid but for what the sandbox does not look at.

    The document is strict with what we send: whatever it does not know would be our mistake. What the exchange makes
    of nulls, empty text and unknown members is not known; the vendor's own example has an empty `symbol`.
    """
    operation = OPERATIONS.get((case.method, case.path))
    if operation is None or (operation.signed and not set(CREDENTIALS) <= set(response.request.headers)):
        return False
    if operation is BATCH_CANCEL_ORDERS:
        body = {"$ref": "#/components/schemas/BatchCancelOrdersRequest", "components": DOCUMENT["components"]}
        return Draft202012Validator(body).is_valid(filled_in(case.body))
    query = sent(urlsplit(str(response.request.url)).query)
    references = EXACT["paths"][case.path]["get"].get("parameters", [])
    parameters = [resolved(reference, EXACT) for reference in references]
    return all(
        fits(query[parameter["name"]], resolved(parameter["schema"], EXACT))
        for parameter in parameters
        if parameter["name"] in query
    )


def fits(text: str, parameter: dict[str, Any]) -> bool:
    """Tell whether the text of a query is a value of this schema."""
    whole_number = parameter["type"] == "integer" and re.fullmatch("-?[0-9]{1,99}", text)
    return Draft202012Validator(parameter).is_valid(int(text) if whole_number else text)


def envelope(_context: schemathesis.CheckContext, response: schemathesis.Response, _case: Case) -> None:
    """Check that a success is HTTP 200 with the code of success, and a refusal neither, with a code that is known."""
    try:
        code = response.json()["code"]
    except (ValueError, LookupError, TypeError):
        raise AssertionError("the answer is not the envelope") from None
    assert (response.status_code == requests.codes.ok) == (code == SUCCESS_CODE), code
    assert code in {*CODES, SUCCESS_CODE}, code


def other_method(_context: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Check that a method that the document does not have is refused as what it is."""
    if (response.request.method, case.path) not in OPERATIONS:
        assert response.json()["code"] == "40404", response.text


def words(_context: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Check that what the document demands in words only is asked for: an id, and a symbol in multiple mode."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if case.path == GET_ORDER_INFO.path:
        missing = words_forbid(case)
    elif case.path == BATCH_CANCEL_ORDERS.path:
        body: Any = case.body
        needed = [("orderId", "clientOid"), *([("symbol",)] if body.get("batchMode") == "multiple" else [])]
        missing = any(not any(map(order.get, names)) for order in body["orderList"] for names in needed)
    else:
        return
    assert not missing or response.status_code == requests.codes.bad_request


class Line:
    """A line to a sandbox, and the judge at its end."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy between here and loopback
        self.signer = Signer(sandbox)
        self.keywords: dict[str, Any] = {"base_url": sandbox.url, "session": self.session, "auth": self.signer}

    def close(self) -> None:
        """Close the line."""
        self.session.close()

    def send(self, case: Case) -> schemathesis.Response:
        """Send a request and judge its answer."""
        response = case.call(**self.keywords)
        self.judge(case, response)
        return response

    def judge(self, case: Case, response: schemathesis.Response) -> None:
        """
        Judge the answer to a request.

        Raises:
            FailureGroup: Document and sandbox disagree.

        """
        excluded = []
        if words_forbid(case):
            excluded.append(positive_data_acceptance)
        if is_forgiven(case, response):
            excluded.append(negative_data_rejection)
        case.validate_response(
            response,
            excluded_checks=excluded,
            additional_checks=[envelope, other_method, words],
            transport_kwargs=self.keywords,
        )


def unlimited(orders: int) -> Sandbox:
    """Make an exchange to which nothing is too much, and which tells of each order of a batch what became of it."""
    return Sandbox(orders=orders, requests_per_second=1_000_000, all_gone_as_refusal=False)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """Open a line to a sandbox."""
    with unlimited(orders=20) as sandbox, closing(Line(sandbox)) as line:
        yield line


@pytest.fixture
def seen() -> Iterator[Counter[str]]:
    """Count accepted and refused requests to one operation; see to it that there were enough of both."""
    seen: Counter[str] = Counter()
    yield seen
    assert min(seen["positive accepted"], seen["negative refused"]) > 0, seen


@schema.parametrize()
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it counts over all of them
def test_every_operation(case: Case, line: Line, seen: Counter[str]) -> None:
    """Whatever is sent to an operation, valid or not, the sandbox answers as the document says."""
    response = line.send(case)
    assert case.meta is not None
    verdict = "accepted" if response.status_code == requests.codes.ok else "refused"
    seen[f"{case.meta.generation.mode.value} {verdict}"] += 1


def call(operation: Operation, **arguments: Any) -> Case:
    """Make a valid request to an operation by hand."""
    valid: dict[str, Any] = {}
    if operation is BATCH_CANCEL_ORDERS:
        valid = {"body": {"orderList": [{"orderId": "1"}]}, "media_type": "application/json"}
    elif operation is GET_ORDER_INFO:
        valid = {"query": {"orderId": "1"}}
    if operation.signed:
        valid["headers"] = dict.fromkeys(CREDENTIALS, "")
    case: Case = schema[operation.path][operation.method].Case(**valid | arguments)
    return case


@pytest.mark.parametrize("value", [None, "1"], ids=["missing", "wrong"])
@pytest.mark.parametrize("header", CREDENTIALS)
@pytest.mark.parametrize("operation", SIGNED, ids=[operation.operation_id for operation in SIGNED])
def test_credentials_are_asked_for(operation: Operation, header: str, value: str | None, line: Line) -> None:
    """A request that lacks one of the four credentials, or has a wrong one, is refused for it and not for the rest."""

    def spoil(request: requests.PreparedRequest) -> requests.PreparedRequest:
        line.signer(request).headers.pop(header)
        request.headers.update({} if value is None else {header: value})
        return request

    case = call(operation)
    response = case.call(**line.keywords | {"auth": spoil})
    line.judge(case, response)
    kind = "clock" if (header, value) == ("ACCESS-TIMESTAMP", "1") else "credentials"
    assert response.status_code == requests.codes.bad_request
    assert response.json()["code"] in DOCUMENT["x-error-codes"][kind]
    assert line.send(case).status_code == requests.codes.ok


FORGIVEN: Final = [
    {"body": {"symbol": None, "batchMode": None, "orderList": [{"orderId": "1", "clientOid": "", "symbol": None}]}},
    {"body": {"receiveWindow": 1, "orderList": [{"orderId": "1", "side": "buy"}]}},
]


@pytest.mark.parametrize("arguments", FORGIVEN, ids=str)
def test_what_is_forgiven(arguments: dict[str, Any], line: Line) -> None:
    """The sandbox accepts all that the judge forgives: what it begins to look at has to be judged."""
    case = call(GET_UNFILLED_ORDERS if "query" in arguments else BATCH_CANCEL_ORDERS, **arguments)
    assert line.send(case).status_code == requests.codes.ok
    assert is_forgiven(case, case.call(**line.keywords))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=[known.operation_id for known in OPERATIONS.values()])
def test_too_many_requests(operation: Operation) -> None:
    """The answer to one request too many is as the document says."""
    at_once = Sandbox(orders=0, all_gone_as_refusal=False, timer=lambda: 0.0)
    with at_once as sandbox, closing(Line(sandbox)) as line:
        limit = operation.rate_limit.requests
        statuses = [line.send(call(operation)).status_code for _ in range(limit + 1)]
    assert statuses == [requests.codes.ok] * limit + [requests.codes.too_many_requests]


def test_maximum(line: Line) -> None:
    """As many orders as the document allows are accepted, and one more is not: schemathesis makes no list so long."""
    most = BATCH_CANCEL_ORDERS.max_items["orderList"]
    orders = [{"orderId": str(index + 1)} for index in range(most + 1)]
    assert line.send(call(BATCH_CANCEL_ORDERS, body={"orderList": orders[:most]})).status_code == requests.codes.ok
    refusal = line.send(call(BATCH_CANCEL_ORDERS, body={"orderList": orders}))
    assert refusal.json()["code"] in DOCUMENT["x-error-codes"]["parameter"]


def test_orders_are_followed() -> None:
    """
    Whatever follows on an answer, by the identifiers in it, is answered as the document says; and an order whose
    cancel was taken is cancelled wherever one looks, and in no other list than the one of finished orders.
    """
    followed: Counter[str] = Counter()
    cancelled: set[str] = set()

    class Trader(linked_schema.as_state_machine()):  # type: ignore[misc] # made at run time
        def setup(self) -> None:
            sandbox.open_orders(2)

        def get_call_kwargs(self, _case: Case) -> dict[str, Any]:
            return line.keywords

        def validate_response(self, response: schemathesis.Response, case: Case, **_: Any) -> None:
            line.judge(case, response)
            data = response.json().get("data")
            if not data:
                return
            followed[case.path] += 1
            if case.path == BATCH_CANCEL_ORDERS.path:
                cancelled.update(row["orderId"] for row in data["successList"])
                return
            statuses = [row["status"] for row in data]
            assert statuses == ["cancelled" if row["orderId"] in cancelled else "live" for row in data]
            assert case.path != GET_UNFILLED_ORDERS.path or set(statuses) == {"live"}
            assert case.path != GET_HISTORY_ORDERS.path or set(statuses) == {"cancelled"}

    with unlimited(orders=0) as sandbox, closing(Line(sandbox)) as line:
        Trader.run(
            settings=settings(
                max_examples=EXAMPLES // 2,
                stateful_step_count=6,
                deadline=None,
                derandomize=REPEATABLE,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),  # as schemathesis itself has it for state machines
            )
        )
    assert min(followed[operation.path] for operation in SIGNED) > 0, followed
    assert len(cancelled) > EXAMPLES // 8


BROKEN_ANSWERS: Final = {
    "an empty body": "empty",
    "a page instead of the envelope": "html-520",
    "an envelope with nothing in it": "raw={}",
    "a new member": 'raw={"code":"00000","msg":"success","requestTime":1,"data":{"successList":[],"failureList":[]},"x":1}',
    "success with the status of a refusal": "raw=[]",
    "no data": "null-data",
    "no lists": "missing-lists",
    "null for a list": "null-lists",
    "numbers for ids": "ids-as-numbers",
    "rows without errorCode": "no-error-code",
    "message instead of msg": "message-key",
    "text for a clock": "string-request-time",
    "a code that nobody knows": "code=99999",
}


@pytest.mark.parametrize("fault", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS)
def test_broken_answer_is_caught(fault: str, line: Line) -> None:
    """An answer that is not as the document says does not pass."""
    (order,) = line.sandbox.open_orders(1)
    case = call(BATCH_CANCEL_ORDERS, body={"orderList": [{"orderId": order.order_id}, {"orderId": "1"}]})
    line.sandbox.inject(fault)
    with pytest.raises(FailureGroup):
        line.send(case)


def breaks(*_: Any) -> None:
    """Fail as a server does that has a bug."""
    raise ZeroDivisionError


def refuses(*_: Any) -> None:
    """Refuse whatever comes."""
    raise exchange.RefusedError("40017")


def lets_pass(*_: Any) -> list[Any]:
    """Look at nothing."""
    return []


BROKEN_RULES: Final[dict[str, tuple[Operation, GenerationMode, Any, str, Any]]] = {
    "HTTP 500": (GET_SERVER_TIME, GenerationMode.POSITIVE, exchange, "HANDLERS", breaks),
    "what is valid is refused": (GET_HISTORY_ORDERS, GenerationMode.POSITIVE, exchange, "HANDLERS", refuses),
    "a limit out of bounds is accepted": (
        GET_UNFILLED_ORDERS,
        GenerationMode.NEGATIVE,
        exchange,
        "HANDLERS",
        lets_pass,
    ),
    "any body is accepted": (BATCH_CANCEL_ORDERS, GenerationMode.NEGATIVE, exchange, "_order_refs", lets_pass),
    "no credentials are asked for": (
        GET_ORDER_INFO,
        GenerationMode.NEGATIVE,
        exchange.Exchange,
        "_authenticate",
        lambda known, _call: known._accounts[known.api_key],
    ),
}


@pytest.mark.parametrize("rule", BROKEN_RULES)
def test_broken_rule_is_caught(rule: str, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that accepts or refuses against the document does not pass."""
    operation, mode, owner, name, broken = BROKEN_RULES[rule]
    known = dict.fromkeys(exchange.HANDLERS, broken) if name == "HANDLERS" else broken
    monkeypatch.setattr(owner, name, known)

    @settings(max_examples=200, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(linked_schema[operation.path][operation.method].as_strategy(generation_mode=mode))
    def judged(case: Case) -> None:
        line.send(case)

    with pytest.raises(FailureGroup):
        judged()
