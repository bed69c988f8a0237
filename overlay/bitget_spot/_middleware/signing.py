"""
Stamps and signs the exact bytes that leave.

This layer is below the rate limit, so a request is stamped after its wait. It signs a copy, so no key, passphrase or
signature is in `response.request` or in an exception. Prehash and headers: the vendor's signature page.
"""

from __future__ import annotations

import base64
import hmac
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import httpx

from bitget_spot._middleware.base import Flow, Middleware, Transport, read_body
from bitget_spot._middleware.clock import ServerClock
from bitget_spot._middleware.context import context_of
from bitget_spot.credentials import Credentials
from bitget_spot.errors import OriginError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


def prehash(timestamp: str, method: str, path: str, query: str, body: bytes) -> bytes:
    """
    Return the bytes to sign.

    Args:
        timestamp: Milliseconds since the epoch, as sent in ACCESS-TIMESTAMP.
        method: The HTTP method, in upper case.
        path: The path as sent.
        query: The `k=v` pairs sorted by key and joined by `&`, before percent-encoding; empty if there are none.
        body: The bytes that are sent; empty if there are none.

    """
    separator = "?" if query else ""
    return f"{timestamp}{method}{path}{separator}{query}".encode() + body


def hmac_signature(secret_key: str, message: bytes) -> str:
    """Return the HMAC-SHA256, keyed with the secret as UTF-8 text, as padded base64 (44 characters)."""
    return base64.b64encode(hmac.digest(secret_key.encode(), message, "sha256")).decode()


def rsa_signature(rsa_key: RSAPrivateKey, message: bytes) -> str:
    """Return the RSASSA-PKCS1-v1_5 signature with SHA-256 as base64; needs the extra `rsa`."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - an extra

    return base64.b64encode(rsa_key.sign(message, PKCS1v15(), SHA256())).decode()


class SigningMiddleware(Middleware):
    """Signs requests to the configured origin, and refuses all others."""

    def __init__(
        self,
        next_transport: Transport,
        *,
        credentials: Credentials,
        origin: httpx.URL,
        headers: Mapping[str, str],
        clock: ServerClock,
    ) -> None:
        super().__init__(next_transport)
        self._credentials = credentials
        self._origin = origin_of(origin)
        self._headers = headers
        self._clock = clock

    def flow(self, request: httpx.Request) -> Flow:
        """Send a signed copy of the request."""
        origin = origin_of(request.url)
        if origin != self._origin:
            raise OriginError(
                f"this client signs requests to {_format(self._origin)} only, not to {_format(origin)}; "
                "connect to that origin with a client of its own"
            )
        body = yield from read_body(request)
        now = self._clock.local_time()
        context_of(request).attempt.signed_at = now
        with WithoutSignedFrames():
            response = yield from self.pass_on(self._signed(request, body, now))
        return response

    def _signed(self, request: httpx.Request, body: bytes, now: float) -> httpx.Request:
        url, query = canonical_query(request.url)
        headers = {name: value for name, value in self._headers.items() if name not in request.headers}
        operation = context_of(request).operation
        if operation is None or operation.signed:
            timestamp = str(int((now + self._clock.offset) * 1000))
            path = url.raw_path.decode().partition("?")[0]
            headers |= self._access_headers(timestamp, prehash(timestamp, request.method, path, query, body))
        inherited = [pair for pair in request.headers.raw if not pair[0].lower().startswith(b"access-")]
        added = [(name.encode(), value.encode()) for name, value in headers.items()]
        return httpx.Request(
            request.method, url, headers=inherited + added, stream=request.stream, extensions=dict(request.extensions)
        )

    def _access_headers(self, timestamp: str, message: bytes) -> dict[str, str]:
        credentials = self._credentials
        if credentials.rsa_key is not None:
            signature = rsa_signature(credentials.rsa_key, message)
        else:
            signature = hmac_signature(credentials.secret_key, message)
        return {
            "ACCESS-KEY": credentials.api_key,
            "ACCESS-SIGN": signature,
            "ACCESS-PASSPHRASE": credentials.passphrase,
            "ACCESS-TIMESTAMP": timestamp,
        }


def canonical_query(url: httpx.URL) -> tuple[httpx.URL, str]:
    """Return the URL with its query sorted by key and percent-encoded, and the query as it is signed: not encoded."""
    if not url.query:
        return url, ""
    pairs = sorted(url.params.multi_items(), key=lambda pair: pair[0])
    query = "&".join(f"{key}={value}" for key, value in pairs)
    return url.copy_with(query=urlencode(pairs, quote_via=quote).encode()), query


class WithoutSignedFrames:
    """
    A context manager that cuts the frames of the layers below out of an exception's traceback.

    Their locals hold the signed headers, and error trackers format tracebacks with their locals.
    """

    def __enter__(self) -> None:
        self._callers_exception = sys.exception()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        # Not with contextlib: it would restore the traceback.
        if error is not None:
            error.__traceback__ = error.__cause__ = None
            error.__context__ = self._callers_exception
            error.__suppress_context__ = False


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port; the default port of the scheme is `None`."""
    return url.scheme, url.host, url.port


def _format(origin: tuple[str, str, int | None]) -> str:
    scheme, host, port = origin
    return f"{scheme}://{host}" + (f":{port}" if port else "")
