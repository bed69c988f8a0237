"""
The last link: stamps and signs the very bytes that leave, and keeps the clock right.

It stands below the limit, so that a request is stamped after its wait, and signs a copy, so that no key, passphrase
or signature is in `response.request` or in an exception. Prehash and headers: the vendor's signature page.
"""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import httpx

from bitget_spot._middleware.base import Flow, Link, Transport, body_of, operation_of
from bitget_spot.credentials import Credentials
from bitget_spot.errors import OriginError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

REQUEST_TIME: Final = re.compile(rb'"requestTime"\s*:\s*"?(\d{13})\b')


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


def rsa_signature(rsa_key: RSAPrivateKey, message: bytes) -> str:
    """Sign with RSASSA-PKCS1-v1_5 and SHA-256, and answer base64; needs the extra `rsa`."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above

    return base64.b64encode(rsa_key.sign(message, PKCS1v15(), SHA256())).decode()


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
                self._offset = corrected(self._offset, sent, self._clock(), int(told[1]) / 1000)
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
            holder = self._credentials
            headers |= {
                "ACCESS-KEY": holder.api_key,
                "ACCESS-SIGN": (
                    rsa_signature(holder.rsa_key, message)
                    if holder.rsa_key is not None
                    else hmac_signature(holder.secret_key, message)
                ),
                "ACCESS-PASSPHRASE": holder.passphrase,
                "ACCESS-TIMESTAMP": timestamp,
            }
        theirs = [pair for pair in request.headers.raw if not pair[0].lower().startswith(b"access-")]
        ours = [(name.encode(), value.encode()) for name, value in headers.items()]
        return httpx.Request(
            request.method, url, headers=theirs + ours, stream=request.stream, extensions=dict(request.extensions)
        )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port  # httpx drops a scheme's own port


def _shown(origin: tuple[str, str, int | None]) -> str:
    scheme, host, port = origin
    return f"{scheme}://{host}" + (f":{port}" if port else "")
