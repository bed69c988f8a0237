"""Whatever the environment holds: credentials, or a `CredentialsError` that names the variable and shows nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from environment import clear_variables

from bitget_spot import BitgetError, Credentials, CredentialsError, connect
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api.api.trade import get_unfilled_orders

from .hostile import share

NAMES: Final = ("BITGET_API_KEY", "BITGET_SECRET_KEY", "BITGET_PASSPHRASE")
PASSWORD: Final = "BITGET_SECRET_KEY_PASSWORD"
PIECES: Final = (
    *(
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----",
        "\\n",
        "\n",
        "\r\n",
    ),
    *(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
        "QUFB",
        "=",
        "Proc-Type: 4,ENCRYPTED",
        "a",
    ),
    *("DEK-Info: AES-256-CBC,00", " ", "\t", "\ufeff", "ü", "\u200b", "'", '"', "${HOME}", "%s"),
)

# What an operating system can hold in a variable: bytes without a zero; those that are no UTF-8 become surrogates.
text = st.binary(min_size=1, max_size=30).map(lambda data: os.fsdecode(data.replace(b"\0", b"-")))
written = st.lists(st.sampled_from(PIECES) | text, max_size=8).map("".join)
plain = st.text("abcXYZ019-_.", min_size=6, max_size=30)
variables = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys((*NAMES, PASSWORD), plain | plain | written),
        **{f"{name}_FILE": written | st.sampled_from(["", ".", "/", "file", "missing"]) for name in (*NAMES, PASSWORD)},
        "BITGET_DEMO": written | st.sampled_from(["1", "0", "true", "yes", "TRUE", "demo"]),
    },
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, with a file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment's own."""
    clear_variables(monkeypatch)


@share(150)
@given(environment=variables, content=st.binary(max_size=20) | written.map(os.fsencode))
def test_credentials_or_a_reason(environment: Mapping[str, str], content: bytes, place: Path) -> None:
    """The environment gives credentials with which a request can be signed, or an error that shows no value of it."""
    (place / "file").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            credentials = Credentials.from_env()
        except CredentialsError as error:
            assert "BITGET_" in str(error)
            for name, value in environment.items():
                if len(value) >= 6 and name != "BITGET_DEMO" and not name.endswith("_FILE"):
                    assert value not in str(error) + repr(error), name
            return
        sign(credentials)


def sign(credentials: Credentials) -> None:
    """Send something that is signed, to nobody."""

    def exchange(request: httpx.Request) -> httpx.Response:
        assert request.headers["ACCESS-SIGN"]
        return httpx.Response(200, content=b'{"code":"00000","data":[]}')

    try:
        client = connect(credentials, rate_limit_store=MemoryStore(), transport=httpx.MockTransport(exchange))
    except ValueError as error:
        assert "BITGET_DEMO" in str(error)
        return
    get_unfilled_orders.sync(client=client)


@share(150)
@given(
    base_url=st.text(max_size=30)
    | st.tuples(
        st.sampled_from(["http://", "https://", "HTTPS://", "ftp://", "//", "", "http:", "https://a@", "http://["]),
        st.sampled_from(
            ["127.0.0.1", "localhost", "[::1]", "api.exchange.test", "::1", "127.1", "0x7f.1", "ü.test", ""]
        )
        | st.text(max_size=8),
        st.sampled_from(["", "/", ":80", ":0", ":99999", ":x", ":-1", "/path", "?q", "#f", "\n", " ", "\x00"]),
    ).map("".join)
)
def test_an_address_or_a_reason(base_url: str) -> None:
    """An address is one of an exchange, or an error says that it is none; plain http goes to loopback alone."""
    try:
        client = connect(Credentials("a", "b", "c"), base_url=base_url, rate_limit_store=MemoryStore(), demo=False)
    except (BitgetError, ValueError) as error:
        assert str(error)
        return
    url = client.get_httpx_client().base_url
    assert url.port is None or 0 < url.port < 65536, url
    assert url.scheme == "https" or re.fullmatch(r"127(\.\d+){3}|localhost|::1|::ffff:127.*", url.host), url


@share(150)
@given(
    rate=st.floats()
    | st.integers()
    | st.dictionaries(st.sampled_from(["batchCancelOrders", "x"]), st.floats(), max_size=2)
)
def test_a_limit_or_a_reason(rate: Any) -> None:
    """A limit is one that can be kept, or a `ValueError` says why not."""
    assume(not isinstance(rate, bool))
    try:
        connect(Credentials("a", "b", "c"), rate_limit_store=MemoryStore(), requests_per_second=rate, demo=False)
    except ValueError as error:
        assert "requests_per_second" in str(error)


@share(100)
@given(values=st.lists(text | plain | st.none() | st.integers() | st.binary(max_size=4), min_size=4, max_size=4))
def test_arguments_of_any_kind(values: list[Any]) -> None:
    """What is given as arguments is taken or refused in the same way."""
    try:
        credentials = Credentials(*values)
    except CredentialsError as error:
        assert error.args
        return
    sign(credentials)
