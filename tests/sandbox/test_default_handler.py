"""Operations that the sandbox does not emulate: valid requests get the document's example, others are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sandbox_client import OpenClient, SandboxClient

from bitget_spot.sandbox import app, default_handler
from bitget_spot.sandbox import exchange as exchange_module
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_HISTORY_ORDERS, OPERATIONS, Operation, RateLimit
from bitget_spot_api.schemas import DATA

ORDERS = {"orderList": [{"orderId": "1"}]}
QUERY = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
    "share": {"type": "number", "maximum": 1},
    "all": {"type": "boolean"},
    "side": {"type": "string", "enum": ["buy", "sell"]},
    "id": {"type": "string", "minLength": 2, "pattern": "^[0-9]+$"},
}
ARRAY = {
    "type": "array",
    "minItems": 1,
    "maxItems": 2,
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["symbol"],
        "minProperties": 2,
        "properties": {"symbol": {"type": "string"}, "orderId": {"type": "string"}, "size": {"type": "number"}},
    },
}
ORDER = {"symbol": "BTCUSDT", "orderId": "1"}


@pytest.fixture(autouse=True)
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the sandbox's handlers away, so that it emulates no operation."""
    monkeypatch.setattr(exchange_module, "HANDLERS", {})
    default_handler._validator.cache_clear()
    yield
    default_handler._validator.cache_clear()


@pytest.fixture
def client(open_client: OpenClient) -> SandboxClient:
    """A client of a sandbox that emulates no operation."""
    return open_client(orders=0)


def test_every_operation_has_a_route() -> None:
    """Every operation of the document can be called, whether the sandbox emulates it or not."""
    routes = app.create_app(Exchange(orders=0), None).routes  # type: ignore[arg-type]  # no request is made
    assert len(routes) == len(OPERATIONS)


@pytest.mark.parametrize("operation", [op for op in OPERATIONS.values() if op.method == "GET"])
def test_valid_query_gets_the_example(client: SandboxClient, operation: Operation) -> None:
    """A valid query gets the document's example in the envelope of a success."""
    response = client.get(operation)
    body = response.json()
    assert (response.status_code, body["code"], body["msg"]) == (200, "00000", "success")
    assert body["data"] == DATA[operation.operation_id]
    assert body.keys() == {"code", "msg", "requestTime", "data"}


def test_valid_body_gets_the_example(client: SandboxClient) -> None:
    """A valid body gets the document's example."""
    response = client.post(ORDERS)
    assert response.status_code == 200
    assert response.json()["data"] == DATA[BATCH_CANCEL_ORDERS.operation_id]


def test_signature_is_checked(client: SandboxClient) -> None:
    """A request without a key, or with a wrong signature, is refused before anything else."""
    assert client.http.get(GET_HISTORY_ORDERS.path).json()["code"] == "40001"
    assert client.get(GET_HISTORY_ORDERS, "limit=0", secret="wrong").json()["code"] == "40009"


def test_rate_limit_is_enforced(open_client: OpenClient) -> None:
    """One request more than the document's limit is refused."""
    client = open_client(orders=0, timer=lambda: 0.0)
    limit = GET_HISTORY_ORDERS.rate_limit.requests
    statuses = [client.get(GET_HISTORY_ORDERS).status_code for _ in range(limit + 1)]
    assert statuses == [200] * limit + [429]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"orderList": [{"orderId": str(number)} for number in range(51)]}, "40912"),
        ({"orderList": []}, "40020"),
        ({}, "40019"),
        (b"", "40019"),
        ({"orderList": [{}]}, "40019"),
        ({**ORDERS, "batchMode": "both"}, "400172"),
        ({**ORDERS, "more": 1}, "40017"),
        ({"orderList": [{"orderId": 1}]}, "40017"),
        ({"orderList": [{"orderId": ""}]}, "40017"),
        (b"{", "40017"),
        ([], "40017"),
    ],
    ids=repr,
)
def test_invalid_body_is_refused(client: SandboxClient, body: object, code: str) -> None:
    """A body that the document does not allow is refused with the code that says why."""
    response = client.post(body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def code_of(monkeypatch: pytest.MonkeyPatch, schemas: Mapping[str, Any], *, query: str = "", body: bytes = b"") -> str:
    """Return the code of the response to a request for an operation whose query and body have these schemas."""
    operation = Operation(
        operation_id="doIt",
        method="POST",
        path="/do-it",
        summary="Do it.",
        rate_limit=RateLimit(10, 1.0, "IP"),
        repeat_safe=True,
        signed=False,
        max_items={},
        source="",
    )
    properties = {"query": {"type": "object", "properties": {}}, **schemas}
    monkeypatch.setattr(default_handler, "REQUESTS", {"doIt": {"type": "object", "properties": properties}})
    monkeypatch.setattr(default_handler, "DATA", {"doIt": "done"})
    exchange = Exchange(orders=0)
    response = exchange.respond(exchange.accept(operation, {}, 0.0), query, body)
    assert (response.payload["data"] == "done") == (response.status == 200)
    return str(response.payload["code"])


@pytest.mark.parametrize(
    ("query", "code"),
    [
        *(("", "00000"), ("limit=1", "00000"), ("limit=100", "00000")),
        *(("limit=0", "40017"), ("limit=101", "40017"), ("limit=x", "40017"), ("limit=", "40017")),
        *(("limit=1.5", "40017"), ("limit=%D9%A3", "40017"), ("limit=true", "40017")),
        *(("share=0.5", "00000"), ("share=1", "00000"), ("share=-1", "00000"), ("share=1.1", "40017")),
        *(("share=nan", "40017"), ("share=1e0", "40017"), ("share=x", "40017")),
        *(("all=true", "00000"), ("all=false", "00000"), ("all=1", "40017"), ("all=True", "40017")),
        *(("side=buy", "00000"), ("side=hold", "400172"), ("side=", "400172")),
        *(("id=12", "00000"), ("id=1", "40017"), ("id=ab", "40017")),
        *(("limit=0&limit=1", "00000"), ("unknown=1", "00000")),
    ],
)
def test_query_is_checked(monkeypatch: pytest.MonkeyPatch, query: str, code: str) -> None:
    """A parameter is read by its type and checked; one that the document does not have is ignored."""
    assert code_of(monkeypatch, {"query": {"type": "object", "properties": QUERY}}, query=query) == code


@pytest.mark.parametrize(("query", "code"), [("id=12", "00000"), ("", "40019"), ("limit=1", "40019")])
def test_required_parameter_is_checked(monkeypatch: pytest.MonkeyPatch, query: str, code: str) -> None:
    """A request without a required parameter is refused."""
    schema = {"type": "object", "properties": QUERY, "required": ["id"]}
    assert code_of(monkeypatch, {"query": schema}, query=query) == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([ORDER], "00000"),
        ([ORDER, ORDER], "00000"),
        ([ORDER] * 3, "40912"),
        ([], "40020"),
        ([{"orderId": "1"}], "40019"),
        ([{"symbol": "BTCUSDT"}], "40019"),
        ([{**ORDER, "more": 1}], "40017"),
        ([None], "40017"),
        ({}, "40017"),
        ("text", "40017"),
    ],
    ids=repr,
)
def test_bare_array_is_checked(monkeypatch: pytest.MonkeyPatch, body: object, code: str) -> None:
    """A body that is a list itself is checked like any other."""
    assert code_of(monkeypatch, {"body": ARRAY}, body=json.dumps(body).encode()) == code


def test_optional_body_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without a body is valid if the document does not require one."""
    assert code_of(monkeypatch, {"body": ARRAY}) == "00000"


@pytest.mark.parametrize("fault", ["null-lists", "missing-rows", "row-code-after=45001", "null-data"])
def test_faults_of_lists_leave_other_data_alone(client: SandboxClient, fault: str) -> None:
    """A fault of the two lists of a batch changes nothing in a response that has other data."""
    client.sandbox.inject(fault)
    body = client.get(GET_HISTORY_ORDERS).json()
    assert (body["code"], body["data"]) == ("00000", DATA[GET_HISTORY_ORDERS.operation_id])
