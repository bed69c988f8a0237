"""The body of a response: read completely, and not without limit."""

from __future__ import annotations

import zlib
from typing import Final

import httpx

from bitget_spot.errors import InvalidResponseError

MAX_BODY_SIZE: Final = 8 * 1024 * 1024
"""Bytes of a body, also after decompression; a page of a hundred orders has about sixty thousand."""
WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""The supported content encodings. Requests ask for none, but a proxy may compress all the same."""


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
        headers = [(name, value) for name, value in self._response.headers.raw if name.lower() != b"content-encoding"]
        return httpx.Response(
            self._response.status_code,
            headers=headers,
            content=self._decoded(b"".join(self._chunks)),
            extensions=self._response.extensions,
        )

    def _decoded(self, body: bytes) -> bytes:
        encoding = self._response.headers.get("content-encoding", "identity").strip().lower()
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
