"""Nothing that can be printed, logged, pickled or traced shows the key's secret, the passphrase or a signature."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import pickle
from collections.abc import Iterator

import httpx
import pytest
from tracebacks import frame_locals

from bitget_spot import BitgetError, Credentials, CredentialsError, connect
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef

KEY, SECRET, PASSPHRASE = "the-api-key-canary", "the-secret-key-canary", "the-passphrase-canary"
FAULTS = ["drop-before", "drop-after", "html-502", "empty", "429", "code=40009", "code=43001", "raw={}"]


@pytest.fixture
def credentials() -> Credentials:
    """Credentials whose every part can be searched for."""
    return Credentials(KEY, SECRET, PASSPHRASE)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every signature that is made during the test."""
    signatures: list[str] = []
    digest = hmac.digest

    def note(key: bytes, message: bytes, kind: str) -> bytes:
        made = digest(key, message, kind)
        signatures.append(base64.b64encode(made).decode())
        return made

    monkeypatch.setattr(hmac, "digest", note)
    return signatures


def shown(error: BaseException) -> Iterator[str]:
    """Everything that an error tracker may make of an exception."""
    yield repr(error)
    yield str(error)
    yield from frame_locals(error, __file__)
    if isinstance(error, BitgetError | httpx.HTTPError):
        yield repr(pickle.dumps(error))
        yield repr(vars(error))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_no_failure_shows_a_secret(
    fault: str, manner: str, seen: list[str], caplog: pytest.LogCaptureFixture, credentials: Credentials
) -> None:
    """Whatever fails on the way, no exception, traceback with locals, pickle or log at DEBUG shows a secret."""
    caplog.set_level(logging.DEBUG)
    body = BatchCancelOrdersRequest(order_list=[OrderRef(order_id="1")])
    with Sandbox(api_key=KEY, secret_key=SECRET, passphrase=PASSPHRASE) as sandbox:
        sandbox.inject(fault)
        client = connect(credentials, base_url=sandbox.url)

        def send() -> None:
            if manner == "sync":
                batch_cancel_orders.sync(client=client, body=body)
            else:
                asyncio.run(batch_cancel_orders.asyncio(client=client, body=body))

        with pytest.raises((BitgetError, httpx.TransportError)) as caught, client:
            send()
    assert seen
    texts = [*shown(caught.value), caplog.text, repr(client), repr(client._httpx_args["transport"])]
    assert_clean(texts, seen)


def test_no_answer_shows_a_secret(seen: list[str], caplog: pytest.LogCaptureFixture, credentials: Credentials) -> None:
    """The answer's request, as httpx keeps it, carries none of the headers that were signed."""
    caplog.set_level(logging.DEBUG)
    with Sandbox(api_key=KEY, secret_key=SECRET, passphrase=PASSPHRASE) as sandbox:
        client = connect(credentials, base_url=sandbox.url)
        with client:
            body = {"orderList": [{"orderId": next(iter(sandbox.orders))}]}
            response = client.get_httpx_client().post("/api/v2/spot/trade/batch-cancel-order", json=body)
    assert seen
    texts = [repr(response.request.headers.raw), repr(response.headers.raw), repr(vars(response.request)), caplog.text]
    assert_clean([*texts, repr(pickle.dumps(response))], seen)


def test_a_dead_exchange_shows_no_secret(credentials: Credentials) -> None:
    """A connection that cannot be opened is told without a secret."""
    with Sandbox(orders=0) as sandbox:
        address = sandbox.url
    with connect(credentials, base_url=address) as client, pytest.raises(httpx.ConnectError) as caught:
        client.get_httpx_client().get("/api/v2/spot/account/info")
    assert_clean(shown(caught.value), [])


@pytest.mark.parametrize("broken", [f" {PASSPHRASE}", f"{PASSPHRASE}\n", f"{PASSPHRASE}\x00", f"{PASSPHRASE}ü"])
def test_refused_credentials_are_not_shown(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with a credential is told without showing it, or its neighbours, even among the locals."""

    def given() -> None:
        Credentials(*(KEY, SECRET, broken))

    with pytest.raises(CredentialsError) as caught:
        given()
    assert_clean(shown(caught.value), [])
    if "\x00" in broken:
        return  # no variable of the environment can hold it
    monkeypatch.setenv("BITGET_API_KEY", KEY)
    monkeypatch.setenv("BITGET_SECRET_KEY", SECRET)
    monkeypatch.setenv("BITGET_PASSPHRASE", broken)
    with pytest.raises(CredentialsError, match="BITGET_PASSPHRASE") as caught:
        Credentials.from_env()
    assert_clean(shown(caught.value), [])


def test_the_search_would_find_a_secret(credentials: Credentials) -> None:
    """The search that the other tests rely on finds what is there, also in a frame of another file."""
    with pytest.raises(AssertionError):
        assert_clean([f"...{credentials.passphrase}..."], [])
    with pytest.raises(base64.binascii.Error) as caught:  # type: ignore[attr-defined]
        base64.b64decode(PASSPHRASE + "x", validate=True)
    with pytest.raises(AssertionError):
        assert_clean(frame_locals(caught.value, __file__), [])


def assert_clean(texts: Iterator[str] | list[str], signatures: list[str]) -> None:
    """Search texts for every secret."""
    secrets = [SECRET, PASSPHRASE, hashlib.sha256(SECRET.encode()).hexdigest(), *signatures]
    for text in texts:
        for secret in secrets:
            assert secret not in text
