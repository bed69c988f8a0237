"""The body of a response: decompressed if a proxy has compressed it, and not without limit."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import httpx
import pytest

from bitget_spot._middleware import body
from bitget_spot._middleware.body import BodyReader, ReadResponse
from bitget_spot.errors import InvalidResponseError

CONTENT = b'{"code":"00000"}'


def read(content: bytes, headers: dict[str, str] | None = None, chunk: int = 7, **options: Any) -> httpx.Response:
    """Return the response that is read from chunks of this size."""
    reader = BodyReader(httpx.Response(200, headers=headers, **options))
    for start in range(0, len(content), chunk):
        reader.feed(content[start : start + chunk])
    return reader.response()


def raw_deflate(content: bytes) -> bytes:
    """Return the content in zlib's format, which HTTP calls deflate."""
    return zlib.compress(content)


def test_body_is_the_chunks_together() -> None:
    """The response has the status, the headers, the extensions and the whole body, and no stream is left to read."""
    response = read(CONTENT, {"x-test": "1"}, extensions={"http_version": b"HTTP/1.1"})
    assert response.status_code == 200
    assert response.content == CONTENT
    assert response.headers["x-test"] == "1"
    assert response.extensions == {"http_version": b"HTTP/1.1"}
    assert response.is_stream_consumed
    assert read(b"").content == b""


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(CONTENT, mtime=0)),
        (" GZIP ", gzip.compress(CONTENT, mtime=0)),
        ("deflate", raw_deflate(CONTENT)),
        ("identity", CONTENT),
    ],
)
def test_body_is_decompressed(encoding: str, content: bytes) -> None:
    """A body that a proxy has compressed is decompressed, and the header is gone so that nobody does it again."""
    response = read(content, {"content-encoding": encoding, "x-test": "1"})
    assert response.content == CONTENT
    assert response.json() == {"code": "00000"}
    assert "content-encoding" not in response.headers
    assert response.headers["x-test"] == "1"


@pytest.mark.parametrize(
    ("encoding", "content", "problem"),
    [
        ("br", CONTENT, "a body with the content encoding 'br'"),
        ("gzip, gzip", CONTENT, "a body with the content encoding 'gzip, gzip'"),
        ("gzip", CONTENT, "a body that cannot be decompressed"),
        ("gzip", gzip.compress(CONTENT, mtime=0)[:-1], "a body that cannot be decompressed"),
        ("deflate", raw_deflate(CONTENT)[:-1], "a body that cannot be decompressed"),
        ("gzip", b"", "a body that cannot be decompressed"),
    ],
)
def test_body_that_cannot_be_decompressed(encoding: str, content: bytes, problem: str) -> None:
    """An unknown encoding and broken or incomplete data make an invalid response, with the status."""
    with pytest.raises(InvalidResponseError) as caught:
        read(content, {"content-encoding": encoding})
    assert caught.value.problem == problem
    assert caught.value.http_status == 200


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit that a test reaches."""
    monkeypatch.setattr(body, "MAX_BODY_SIZE", 100)
    return 100


def test_body_has_a_limit(small_limit: int) -> None:
    """A body of the maximum size is read; with one byte more it is an invalid response, before the rest arrives."""
    assert len(read(b"x" * small_limit).content) == small_limit
    reader = BodyReader(httpx.Response(200))
    reader.feed(b"x" * small_limit)
    with pytest.raises(InvalidResponseError, match="a body of more than 100 bytes"):
        reader.feed(b"x")


def test_decompressed_body_has_a_limit(small_limit: int) -> None:
    """A small body that would decompress to a large one is not decompressed completely."""
    headers = {"content-encoding": "gzip"}
    assert len(read(gzip.compress(b"x" * small_limit), headers).content) == small_limit
    with pytest.raises(InvalidResponseError, match="a body of more than 100 bytes"):
        read(gzip.compress(b"x" * 50 * small_limit), headers)


def test_default_limit() -> None:
    """The limit is 8 MiB."""
    assert body.MAX_BODY_SIZE == 8 * 1024 * 1024


def test_json_is_parsed_once() -> None:
    """Every call of `json` returns the same object; with options it is parsed again."""
    response = read(b'{"number":1.5}')
    assert isinstance(response, ReadResponse)
    assert response.json() is response.json()
    assert response.json(parse_float=str) == {"number": "1.5"}
    assert response.json() == {"number": 1.5}
