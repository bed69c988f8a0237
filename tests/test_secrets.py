"""Nothing that can be printed, logged, pickled or traced shows the secret, the passphrase or a signature."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import pickle
import traceback
from collections.abc import Iterable, Iterator

import httpx
import pytest
from tracebacks import frame_locals

from bitget_spot import BitgetError, Credentials, CredentialsError, connect
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

KEY = "the-api-key-canary"
SECRET = "the-secret-key-canary"
PASSPHRASE = "the-passphrase-canary"
FAULTS = ["drop-before", "drop-after", "html-502", "empty", "429", "code=40009", "code=43001", "raw={}"]


@pytest.fixture
def credentials() -> Credentials:
    """Credentials that can be searched for."""
    return Credentials(KEY, SECRET, PASSPHRASE)


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every signature that is made during the test."""
    made: list[str] = []
    original_digest = hmac.digest

    def recording_digest(key: bytes, message: bytes, algorithm: str) -> bytes:
        digest = original_digest(key, message, algorithm)
        made.append(base64.b64encode(digest).decode())
        return digest

    monkeypatch.setattr(hmac, "digest", recording_digest)
    return made


def representations(error: BaseException) -> Iterator[str]:
    """Yield everything that an error tracker may make of an exception."""
    yield repr(error)
    yield str(error)
    yield from frame_locals(error, __file__)
    yield from request_headers(error)
    if isinstance(error, BitgetError | httpx.HTTPError):
        yield repr(pickle.dumps(error))
        yield repr(vars(error))


def request_headers(error: BaseException) -> Iterator[str]:
    """Yield the headers of the requests among the locals of every frame: the repr of a request does not show them."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, httpx.Request):
                yield repr(value.headers.raw)


def assert_no_secret(texts: Iterable[str], signatures: Iterable[str]) -> None:
    """Search texts for every secret and signature."""
    secrets = [SECRET, PASSPHRASE, hashlib.sha256(SECRET.encode()).hexdigest(), *signatures]
    for text in texts:
        for secret in secrets:
            assert secret not in text


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mode", ["sync", "asyncio"])
@pytest.mark.parametrize("max_retries", [0, 5])
def test_failures_show_no_secret(  # noqa: PLR0917 - the columns of the tables, and what is needed to try them
    fault: str,
    mode: str,
    max_retries: int,
    signatures: list[str],
    caplog: pytest.LogCaptureFixture,
    credentials: Credentials,
) -> None:
    """After any failure, retried or not, the exception, its traceback with locals, its pickle and the log at DEBUG show no secret."""
    caplog.set_level(logging.DEBUG)
    body = BatchCancelOrdersRequest(order_list=[OrderRef(order_id="1")])
    with Sandbox(api_key=KEY, secret_key=SECRET, passphrase=PASSPHRASE) as sandbox:
        sandbox.inject(fault)
        client = connect(credentials, base_url=sandbox.url, max_retries=max_retries)

        def send() -> None:
            if mode == "sync":
                batch_cancel_orders.sync(client=client, body=body)
            else:
                asyncio.run(batch_cancel_orders.asyncio(client=client, body=body))

        with pytest.raises((BitgetError, httpx.TransportError)) as caught, client:
            send()
    assert signatures
    texts = [*representations(caught.value), caplog.text, repr(client), repr(client._httpx_args["transport"])]
    assert_no_secret(texts, signatures)


def test_responses_show_no_secret(
    signatures: list[str], caplog: pytest.LogCaptureFixture, credentials: Credentials
) -> None:
    """The request that httpx keeps in a response has none of the headers that sign."""
    caplog.set_level(logging.DEBUG)
    with Sandbox(api_key=KEY, secret_key=SECRET, passphrase=PASSPHRASE) as sandbox:
        client = connect(credentials, base_url=sandbox.url)
        with client:
            body = {"orderList": [{"orderId": next(iter(sandbox.orders))}]}
            response = client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=body)
    assert signatures
    texts = [repr(response.request.headers.raw), repr(response.headers.raw), repr(vars(response.request)), caplog.text]
    assert_no_secret([*texts, repr(pickle.dumps(response))], signatures)


def test_refused_connection_shows_no_secret(credentials: Credentials) -> None:
    """The error of a connection that cannot be opened shows no secret."""
    with Sandbox(orders=0) as sandbox:
        base_url = sandbox.url
    with connect(credentials, base_url=base_url) as client, pytest.raises(httpx.ConnectError) as caught:
        client.get_httpx_client().get("/api/v2/spot/account/info")
    assert_no_secret(representations(caught.value), [])


@pytest.mark.parametrize("invalid", [f" {PASSPHRASE}", f"{PASSPHRASE}\n", f"{PASSPHRASE}\x00", f"{PASSPHRASE}ü"])
def test_refused_credentials_are_not_shown(invalid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of an invalid credential shows neither it nor the others, also not in the locals of a frame."""

    def create() -> None:
        Credentials(*(KEY, SECRET, invalid))

    with pytest.raises(CredentialsError) as caught:
        create()
    assert_no_secret(representations(caught.value), [])
    if "\x00" in invalid:
        return  # an environment variable cannot contain it
    monkeypatch.setenv("BITGET_API_KEY", KEY)
    monkeypatch.setenv("BITGET_SECRET_KEY", SECRET)
    monkeypatch.setenv("BITGET_PASSPHRASE", invalid)
    with pytest.raises(CredentialsError, match="BITGET_PASSPHRASE") as caught:
        Credentials.from_env()
    assert_no_secret(representations(caught.value), [])


def test_search_finds_secrets(credentials: Credentials) -> None:
    """The search of the other tests finds a secret in a text, in a frame of another file, and in a request's headers."""
    with pytest.raises(AssertionError):
        assert_no_secret([f"...{credentials.passphrase}..."], [])
    with pytest.raises(base64.binascii.Error) as caught:  # type: ignore[attr-defined]  # a module that base64 imports
        base64.b64decode(PASSPHRASE + "x", validate=True)
    with pytest.raises(AssertionError):
        assert_no_secret(frame_locals(caught.value, __file__), [])

    def fail(request: httpx.Request) -> None:
        raise httpx.ReadError("reset", request=request)

    with pytest.raises(httpx.ReadError) as failed:
        fail(httpx.Request("GET", "https://api.bitget.com/", headers={"ACCESS-PASSPHRASE": PASSPHRASE}))
    with pytest.raises(AssertionError):
        assert_no_secret(request_headers(failed.value), [])
