"""
The last link: stamps and signs the very bytes that leave, and keeps the clock right.

It stands below the limit, so that a request is stamped after its wait, and signs a copy, so that no key, passphrase
or signature is in `response.request` or in an exception. Prehash and headers: the vendor's signature page.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, Self
from urllib.parse import quote, urlencode

import httpx
from attrs import field, frozen

from bitget_spot._link import Flow, Link, Transport, body_of, operation_of
from bitget_spot.errors import CredentialsError, OriginError

VARIABLES: Final = {
    "api_key": "BITGET_API_KEY",
    "secret_key": "BITGET_SECRET_KEY",
    "passphrase": "BITGET_PASSPHRASE",
}
REQUEST_TIME: Final = re.compile(rb'"requestTime"\s*:\s*"?(\d{13})\b')


@frozen(init=False, repr=False)
class Credentials:
    """
    An API key with its secret and passphrase; shows none of them, and does not pickle.

    Attributes:
        api_key: The key.
        secret_key: The HMAC secret, as the exchange gave it.
        passphrase: The words chosen with the key.

    Raises:
        CredentialsError: One is missing or blank, has white space around it, or cannot stand in a header.

    """

    api_key: str = field()
    secret_key: str = field()
    passphrase: str = field()

    def __init__(self, api_key: str, secret_key: str, passphrase: str) -> None:
        given = {"api_key": api_key, "secret_key": secret_key, "passphrase": passphrase}
        problems = [problem for name in given if (problem := _problem(name, given[name]))]
        if problems:
            # Tracebacks may be formatted with their locals.
            del given, api_key, secret_key, passphrase
            raise CredentialsError("; ".join(problems))
        self.__attrs_init__(api_key, secret_key, passphrase)

    @classmethod
    def from_env(cls) -> Self:
        """
        Read BITGET_API_KEY, BITGET_SECRET_KEY and BITGET_PASSPHRASE, as the vendor's own tools name them.

        Raises:
            CredentialsError: Names every variable that is missing or cannot be used.

        """
        problems = [
            problem
            for name, variable in VARIABLES.items()
            if (problem := _problem(name, os.environ.get(variable), f"the variable {variable}"))
        ]
        if problems:
            raise CredentialsError("; ".join(problems))
        return cls(*(os.environ[variable] for variable in VARIABLES.values()))

    def __repr__(self) -> str:
        return "Credentials(api_key=***, secret_key=***, passphrase=***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials do not pickle: read them where they are used, with Credentials.from_env()")


def _problem(name: str, value: object, shown: str = "") -> str | None:
    shown = shown or name
    if value is None or (isinstance(value, str) and not value.strip()):
        return f"{shown} is missing or blank: set it"
    if not isinstance(value, str):
        return f"{shown} is not text: give it as str"
    if value != value.strip():
        return f"{shown} has white space around it: remove it"
    if not _encodes(value):
        return f"{shown} is not valid text: copy it again"
    # The secret is never sent; the others travel as header values.
    if name != "secret_key" and not (value.isascii() and value.isprintable()):
        return f"{shown} has characters that no HTTP header can carry: copy it again"
    return None


def _encodes(value: str) -> bool:
    # A byte of the environment that is no UTF-8 arrives as half a surrogate pair.
    return value == value.encode(errors="replace").decode()


def prehash(timestamp: str, method: str, path: str, query: str, body: bytes) -> bytes:
    """
    Put together the bytes that are signed.

    Args:
        timestamp: Milliseconds since the epoch, as sent in ACCESS-TIMESTAMP.
        method: In upper case.
        path: As sent.
        query: Its `k=v` pairs sorted by key, joined by `&`, before percent-encoding; empty for none.
        body: The bytes that are sent; empty for none.

    """
    return f"{timestamp}{method}{path}{'?' if query else ''}{query}".encode() + body


def hmac_signature(secret_key: str, message: bytes) -> str:
    """Sign with HMAC-SHA256, the secret taken as UTF-8 text, and answer padded base64 (44 characters)."""
    return base64.b64encode(hmac.digest(secret_key.encode(), message, "sha256")).decode()


def corrected(offset: float, sent: float, received: float, server: float) -> float:
    """
    Correct the clock's offset by one answer, as little as the answer demands.

    The exchange read its clock between sending and receipt, and cut it to whole milliseconds. An offset that this
    allows is kept: half a slow round trip would be a worse guess.

    Args:
        offset: The exchange's clock less ours so far, in seconds.
        sent: Our clock when the request left.
        received: Our clock when its answer was there.
        server: The exchange's clock as the answer tells it.

    """
    return min(max(offset, server - received), server + 0.001 - sent)


class Signing(Link):
    """Signs what goes to the configured origin, and refuses what goes elsewhere."""

    def __init__(
        self,
        following: Transport,
        *,
        credentials: Credentials,
        origin: httpx.URL,
        headers: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(following)
        self._credentials = credentials
        self._origin = _origin(origin)
        self._headers = headers
        self._clock = clock
        self._offset = 0.0

    def flow(self, request: httpx.Request) -> Flow:
        if _origin(request.url) != self._origin:
            there, here = map(_shown, (_origin(request.url), self._origin))
            raise OriginError(f"{there} is not {here}, to which this client is bound")
        body = yield from body_of(request)
        sent = self._clock()
        try:
            response: httpx.Response = yield self._signed(request, body, sent)
        except BaseException as caught:  # noqa: BLE001 - raised again below
            error = caught
        else:
            told = REQUEST_TIME.search(response.content)
            if told:
                server = int(told[1]) / 1000
                self._offset = corrected(self._offset, sent, self._clock(), server)
            return response
        # Everything below this link has held the signed headers: their frames end here.
        error.__cause__ = error.__context__ = None
        error.__suppress_context__ = False
        try:
            raise error.with_traceback(None)
        finally:
            del error  # its traceback holds this frame: a cycle otherwise

    def _signed(self, request: httpx.Request, body: bytes, now: float) -> httpx.Request:
        url, query = request.url, ""
        if url.query:
            pairs = sorted(url.params.multi_items(), key=lambda pair: pair[0])
            query = "&".join(f"{key}={value}" for key, value in pairs)
            url = url.copy_with(query=urlencode(pairs, quote_via=quote).encode())
        headers = {name: value for name, value in self._headers.items() if name not in request.headers}
        operation = operation_of(request)
        if operation is None or operation.signed:
            timestamp = str(int((now + self._offset) * 1000))
            path = url.raw_path.decode().partition("?")[0]
            message = prehash(timestamp, request.method, path, query, body)
            headers["ACCESS-KEY"] = self._credentials.api_key
            headers["ACCESS-SIGN"] = hmac_signature(self._credentials.secret_key, message)
            headers["ACCESS-PASSPHRASE"] = self._credentials.passphrase
            headers["ACCESS-TIMESTAMP"] = timestamp
        theirs = [pair for pair in request.headers.raw if not pair[0].lower().startswith(b"access-")]
        ours = [(name.encode(), value.encode()) for name, value in headers.items()]
        return httpx.Request(
            request.method, url, headers=theirs + ours, stream=request.stream, extensions=request.extensions
        )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port  # httpx drops a scheme's own port


def _shown(origin: tuple[str, str, int | None]) -> str:
    scheme, host, port = origin
    return f"{scheme}://{host}" + (f":{port}" if port else "")
