"""The body of a response: read completely, and not without limit."""

from __future__ import annotations

import zlib
from typing import Any, Final

import httpx

from bitget_spot.errors import InvalidResponseError

MAX_BODY_SIZE: Final = 8 * 1024 * 1024
"""Bytes of a body, also after decompression; a page of a hundred orders has about sixty thousand."""
WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""The supported content encodings. Requests ask for none, but a proxy may compress all the same."""


class ReadResponse(httpx.Response):
    """A response whose body has been read; its JSON is parsed once, by whoever asks for it first."""

    _parsed: Any = None

    def json(self, **options: Any) -> Any:  # noqa: ANN401 - as httpx's
        """Return the body as JSON data, always the same object."""
        if options:
            return super().json(**options)
        if self._parsed is None:
            self._parsed = super().json()
        return self._parsed


class BodyReader:
    """Collects the body of a response from its chunks."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """
        Take one chunk.

        Raises:
            InvalidResponseError: The body is too large.

        """
        self._size += len(chunk)
        if self._size > MAX_BODY_SIZE:
            raise self._too_large()
        self._chunks.append(chunk)

    def response(self) -> httpx.Response:
        """
        Return the response with its whole body, decompressed.

        Raises:
            InvalidResponseError: The body cannot be decompressed, or is too large then.

        """
        headers = self._response.headers
        body = b"".join(self._chunks)
        if "content-encoding" in headers:
            body = self._decoded(body, headers["content-encoding"].strip().lower())
            headers = httpx.Headers([pair for pair in headers.multi_items() if pair[0] != "content-encoding"])
        response = ReadResponse(
            self._response.status_code,
            headers=headers,
            stream=httpx.ByteStream(body),
            extensions=self._response.extensions,
        )
        response.read()
        return response

    def _decoded(self, body: bytes, encoding: str) -> bytes:
        if encoding == "identity":
            return body
        if encoding not in WINDOW_BITS:
            raise InvalidResponseError(self._response.status_code, f"a body with the content encoding {encoding!r}")
        decompressor = zlib.decompressobj(WINDOW_BITS[encoding])
        try:
            decoded = decompressor.decompress(body, MAX_BODY_SIZE)
        except zlib.error as error:
            problem = "a body that cannot be decompressed"
            raise InvalidResponseError(self._response.status_code, problem) from error
        if decompressor.unconsumed_tail:
            raise self._too_large()
        if not decompressor.eof:
            raise InvalidResponseError(self._response.status_code, "a body that cannot be decompressed")
        return decoded

    def _too_large(self) -> InvalidResponseError:
        return InvalidResponseError(self._response.status_code, f"a body of more than {MAX_BODY_SIZE} bytes")
