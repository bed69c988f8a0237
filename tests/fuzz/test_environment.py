"""Whatever the environment contains: credentials, or a `CredentialsError` that names the variable and shows no value."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from environment import clear_variables
from hypothesis import assume, given
from hypothesis import strategies as st

from bitget_spot import BitgetError, Credentials, CredentialsError, connect
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api.api.trade import get_unfilled_orders

from .hostile_input import fuzz_settings

VARIABLES: Final = ("BITGET_API_KEY", "BITGET_SECRET_KEY", "BITGET_PASSPHRASE", "BITGET_SECRET_KEY_PASSWORD")
FRAGMENTS: Final = (
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    "Proc-Type: 4,ENCRYPTED",
    "DEK-Info: AES-256-CBC,00",
    "QUFB",
    "=",
    "\\n",
    "\n",
    "\r\n",
    "a",
    " ",
    "\t",
    "\ufeff",
    "ü",
    "\u200b",
    "'",
    '"',
    "${HOME}",
    "%s",
)
"""Pieces of keys, and characters that are easily added to them."""
MIN_SECRET_LENGTH: Final = 6
"""Shorter values may be in a message by chance."""

# What a variable can contain: any bytes except zero. Those that are not UTF-8 become surrogates.
any_text = st.binary(min_size=1, max_size=30).map(lambda data: os.fsdecode(data.replace(b"\0", b"-")))
key_like = st.lists(st.sampled_from(FRAGMENTS) | any_text, max_size=8).map("".join)
plain_text = st.text("abcXYZ019-_.", min_size=MIN_SECRET_LENGTH, max_size=30)
paths = key_like | st.sampled_from(["", ".", "/", "file", "missing"])
environments = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(VARIABLES, plain_text | plain_text | key_like),
        **{f"{name}_FILE": paths for name in VARIABLES},
        "BITGET_DEMO": key_like | st.sampled_from(["1", "0", "true", "yes", "TRUE", "demo"]),
    },
)

schemes = st.sampled_from(["http://", "https://", "HTTPS://", "ftp://", "//", "", "http:", "https://a@", "http://["])
hosts = st.sampled_from(
    ["127.0.0.1", "localhost", "[::1]", "api.exchange.test", "::1", "127.1", "0x7f.1", "ü.test", ""]
)
suffixes = st.sampled_from(["", "/", ":80", ":0", ":99999", ":x", ":-1", "/path", "?q", "#f", "\n", " ", "\x00"])
urls = st.tuples(schemes, hosts | st.text(max_size=8), suffixes).map("".join)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the package's variables from the environment."""
    clear_variables(monkeypatch)


def send_signed_request(credentials: Credentials) -> None:
    """Sign a request with the credentials, and check that it has a signature."""

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.headers["ACCESS-SIGN"]
        return httpx.Response(200, content=b'{"code":"00000","data":[]}')

    try:
        client = connect(credentials, rate_limit_store=MemoryStore(), transport=httpx.MockTransport(respond))
    except ValueError as error:
        assert "BITGET_DEMO" in str(error)
        return
    get_unfilled_orders.sync(client=client)


@fuzz_settings(150)
@given(environment=environments, content=st.binary(max_size=20) | key_like.map(os.fsencode))
def test_credentials_from_environment(environment: Mapping[str, str], content: bytes, folder: Path) -> None:
    """The environment yields credentials that can sign a request, or an error that shows none of its values."""
    (folder / "file").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            credentials = Credentials.from_env()
        except CredentialsError as error:
            assert "BITGET_" in str(error)
            for name in VARIABLES:
                value = environment.get(name, "")
                if len(value) >= MIN_SECRET_LENGTH:
                    assert value not in str(error) + repr(error), name
            return
        send_signed_request(credentials)


@fuzz_settings(100)
@given(
    values=st.lists(any_text | plain_text | st.none() | st.integers() | st.binary(max_size=4), min_size=4, max_size=4)
)
def test_credentials_from_arguments(values: list[Any]) -> None:
    """Arguments of any kind yield credentials that can sign a request, or an error."""
    try:
        credentials = Credentials(*values)
    except CredentialsError as error:
        assert error.args
        return
    send_signed_request(credentials)


@fuzz_settings(150)
@given(base_url=st.text(max_size=30) | urls)
def test_base_url(base_url: str) -> None:
    """A base URL is the origin of an exchange, or an error says that it is not; plain http is for loopback only."""
    try:
        client = connect(Credentials("a", "b", "c"), base_url=base_url, rate_limit_store=MemoryStore(), demo=False)
    except (BitgetError, ValueError) as error:
        assert str(error)
        return
    url = client.get_httpx_client().base_url
    assert url.port is None or 0 < url.port < 65536, url
    assert url.scheme == "https" or re.fullmatch(r"127(\.\d+){3}|localhost|::1|::ffff:127.*", url.host), url


@fuzz_settings(150)
@given(
    rate=st.floats()
    | st.integers()
    | st.dictionaries(st.sampled_from(["batchCancelOrders", "x"]), st.floats(), max_size=2)
)
def test_requests_per_second(rate: Any) -> None:
    """A rate is one that the client can keep, or a `ValueError` says why it is not valid."""
    assume(not isinstance(rate, bool))
    try:
        connect(Credentials("a", "b", "c"), rate_limit_store=MemoryStore(), requests_per_second=rate, demo=False)
    except ValueError as error:
        assert "requests_per_second" in str(error)
