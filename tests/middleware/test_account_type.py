"""What a client knows about the type of its account, and what it learns from responses."""

from __future__ import annotations

import httpx
import pytest
from sending import Send, both_modes

from bitget_spot._middleware.account_type import ACCOUNT_TYPES, AccountType, AccountTypeMemory
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.clock import ServerClock
from bitget_spot._middleware.responses import ResponseMiddleware
from bitget_spot.errors import ApiError, BitgetError
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    GET_SERVER_TIME,
    OPERATIONS,
    SUCCESS_CODE,
    Operation,
)

CLASSIC = BATCH_CANCEL_ORDERS
UNIFIED = BATCH_CANCEL_UNIFIED_ORDERS


def test_nothing_is_known_at_first() -> None:
    """Before the first response, the type is known only if it was stated."""
    assert AccountTypeMemory().account_type is None
    assert AccountTypeMemory("unified").account_type == "unified"


@pytest.mark.parametrize(
    ("operation", "code", "learned"),
    [
        (CLASSIC, None, "classic"),
        (UNIFIED, None, "unified"),
        (CLASSIC, "40085", "unified"),
        (UNIFIED, "40084", "classic"),
        (UNIFIED, "25245", "classic"),
        (CLASSIC, "25245", None),
        (CLASSIC, "40099", None),
        (CLASSIC, "40034", None),
        (UNIFIED, "99999", None),
        (GET_SERVER_TIME, None, None),
        (GET_SERVER_TIME, "40085", None),
        (None, None, None),
        (None, "40085", None),
    ],
)
def test_what_a_response_shows(operation: Operation | None, code: str | None, learned: AccountType | None) -> None:
    """A success of a signed operation shows the type, and so do the codes about it; nothing else does."""
    memory = AccountTypeMemory()
    memory.observe(operation, code)
    assert memory.learned == learned
    assert memory.account_type == learned
    assert memory.stated is None


def test_other_errors_change_nothing() -> None:
    """What was learned is kept until a response shows something else."""
    memory = AccountTypeMemory()
    memory.observe(CLASSIC, "40085")
    for code in ("40034", "43001", "429", "99999"):
        memory.observe(CLASSIC, code)
    learned = [memory.account_type]
    memory.observe(CLASSIC, None)
    learned.append(memory.account_type)
    assert learned == ["unified", "classic"]


def test_stated_type_is_kept() -> None:
    """What the caller has stated counts, whatever the exchange responds; what it responds can be seen beside it."""
    memory = AccountTypeMemory("classic")
    memory.observe(CLASSIC, "40085")
    assert memory.account_type == "classic"
    assert memory.stated == "classic"
    assert memory.learned == "unified"


def test_every_version_of_the_document_has_a_type() -> None:
    """Each version of the API that the document describes belongs to one type of account."""
    assert {operation.api_version for operation in OPERATIONS.values()} == set(ACCOUNT_TYPES)


class FixedTransport(Transport):
    """Responds with one code to everything."""

    def __init__(self, code: str) -> None:
        self.body = f'{{"code":"{code}","data":null}}'.encode()

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 - the same response to all
        return httpx.Response(200, content=self.body)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


@both_modes
@pytest.mark.parametrize(
    ("operation", "code", "learned"),
    [
        (CLASSIC, SUCCESS_CODE, "classic"),
        (UNIFIED, SUCCESS_CODE, "unified"),
        (CLASSIC, "40085", "unified"),
        (UNIFIED, "40084", "classic"),
        (UNIFIED, "25245", "classic"),
        (CLASSIC, "43001", None),
    ],
)
def test_responses_are_observed(send: Send, operation: Operation, code: str, learned: AccountType | None) -> None:
    """The middleware that interprets responses lets the memory observe each, before it raises an error."""
    memory = AccountTypeMemory()
    middleware = ResponseMiddleware(FixedTransport(code), clock=ServerClock(), account=memory)
    request = httpx.Request(operation.method, f"https://api.bitget.com{operation.path}")
    if code == SUCCESS_CODE:
        send(middleware, request)
    else:
        with pytest.raises(ApiError) as caught:
            send(middleware, request)
        assert caught.value.code == code
    assert memory.account_type == learned


@both_modes
def test_invalid_response_shows_nothing(send: Send) -> None:
    """A response that is not the exchange's envelope shows nothing about the account."""
    memory = AccountTypeMemory()
    transport = FixedTransport("x")
    transport.body = b"<html>"
    request = httpx.Request(CLASSIC.method, f"https://api.bitget.com{CLASSIC.path}")
    with pytest.raises(BitgetError):
        send(ResponseMiddleware(transport, clock=ServerClock(), account=memory), request)
    assert memory.account_type is None


@both_modes
@pytest.mark.parametrize(
    ("operation", "code", "name"), [(CLASSIC, "25204", "ApiError"), (UNIFIED, "25204", "OrderNotFoundError")]
)
def test_code_means_what_its_version_says(send: Send, operation: Operation, code: str, name: str) -> None:
    """A code about orders has the meaning of the version of the API that was called."""
    middleware = ResponseMiddleware(FixedTransport(code), clock=ServerClock(), account=AccountTypeMemory())
    request = httpx.Request(operation.method, f"https://api.bitget.com{operation.path}")
    with pytest.raises(ApiError) as caught:
        send(middleware, request)
    assert type(caught.value).__name__ == name
