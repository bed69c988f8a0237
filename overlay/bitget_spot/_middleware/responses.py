"""
Gives every response one meaning: success, or a typed exception.

This layer is below the generated parser, which would crash on HTML, on an unknown status and on a null body, and which
would return an error response as if it were a result. The body is read on any status, and its code decides. The HTTP
status decides only if the body is not the exchange's envelope `{code, msg, requestTime, data}`.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Final

import httpx

from bitget_spot._middleware.account_type import AccountTypeMemory
from bitget_spot._middleware.base import Flow, Middleware, Transport
from bitget_spot._middleware.clock import ServerClock
from bitget_spot._middleware.context import context_of
from bitget_spot.errors import ApiError, ClockError, InvalidResponseError, RateLimitedError, error_class
from bitget_spot_api.operations import REMAINING_CALLS_HEADER, SUCCESS_CODE

DEFAULT_VERSION: Final = "v2"
"""The version of the API of a request that the document does not describe."""
MAX_EXCERPT: Final = 2_000
"""Bytes of a body that an error keeps: enough for a proxy's request id, which its operators ask for."""


class ResponseMiddleware(Middleware):
    """Reads each response once: raises what is not a success, and passes on the exchange's clock and account type."""

    def __init__(self, next_transport: Transport, *, clock: ServerClock, account: AccountTypeMemory) -> None:
        super().__init__(next_transport)
        self._clock = clock
        self._account = account

    def flow(self, request: httpx.Request) -> Flow:
        """Return a success, or raise the exception that the response stands for."""
        context = context_of(request)
        response = yield from self.pass_on(request)
        context.remaining_calls = response.headers.get(REMAINING_CALLS_HEADER, context.remaining_calls)
        envelope = parse_envelope(response)
        if isinstance(envelope, InvalidResponseError):
            raise envelope
        corrected = self._clock.observe(_milliseconds(envelope.get("requestTime")), context.attempt.signed_at)
        operation = context.operation
        api_version = DEFAULT_VERSION if operation is None else operation.api_version
        error = parse_error(envelope, response.status_code, api_version)
        self._account.observe(operation, None if error is None else error.code)
        if error is not None:
            if isinstance(error, ClockError) and not corrected:
                # An earlier response may have shown a wrong time, and this one shows none to correct it by.
                self._clock.reset()
            raise error
        context.attempt.rate_limited_rows = has_rate_limited_rows(envelope.get("data"), api_version)
        # A success with another status is still a success, and the generated parser reads successes with 200 only.
        response.status_code = HTTPStatus.OK
        return response


def parse_envelope(response: httpx.Response) -> dict[str, object] | InvalidResponseError:
    """
    Read the envelope of a response whose body has been read.

    Returns:
        The envelope, with a `code` that is text or a number; or the error if the body is not an envelope.

    """
    try:
        envelope: dict[str, object] = response.json()
    except (ValueError, RecursionError):
        content_type = response.headers.get("content-type", "no content type")
        problem = f"not JSON ({content_type})" if response.content.strip() else "an empty body"
        return invalid_response(response, problem)
    code = envelope.get("code") if isinstance(envelope, dict) else None
    if not isinstance(code, str | int) or isinstance(code, bool):
        return invalid_response(response, "JSON without a code")
    return envelope


def has_rate_limited_rows(data: object, api_version: str) -> bool:
    """Return whether the exchange refused single orders because there were too many requests."""
    rows = data.get("failureList", data.get("list")) if isinstance(data, dict) else data
    if not isinstance(rows, list):
        return False
    codes = {_row_code(row) for row in rows}
    return any(issubclass(error_class(code, api_version), RateLimitedError) for code in codes)


def _row_code(row: object) -> str:
    if not isinstance(row, dict):
        return ""
    return str(row.get("errorCode", row.get("code")))


def parse_error(envelope: dict[str, object], status: int, api_version: str) -> ApiError | None:
    """
    Return the exception that an envelope stands for.

    Args:
        envelope: The envelope, with its code.
        status: The HTTP status that came with it.
        api_version: The version of the API, which determines what its code means.

    Returns:
        `None` for a success.

    """
    code = envelope["code"]
    if code == SUCCESS_CODE:
        return None
    # Old responses have `message` instead of `msg`.
    message = envelope.get("msg") or envelope.get("message") or ""
    return error_class(str(code), api_version)(
        printable(code), printable(message), status, _milliseconds(envelope.get("requestTime"))
    )


def invalid_response(response: httpx.Response, problem: str) -> InvalidResponseError:
    """Return the error for a response that is not what it should be, with the beginning of its body."""
    # Not decoded by the charset in the header: that may name any codec of Python's.
    excerpt = response.content[:MAX_EXCERPT].decode("utf-8", "replace")
    return InvalidResponseError(response.status_code, problem, excerpt)


def printable(value: object) -> str:
    """
    Return a value of a response as text that can be printed.

    JSON may contain unpaired surrogates, which cannot be encoded, and control characters, which could change a terminal.
    """
    text = value if isinstance(value, str) else json.dumps(value)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


def _milliseconds(value: object) -> int | None:
    # Some responses have the number as text.
    return int(str(value)) if re.fullmatch(r"[0-9]{1,16}", str(value)) else None
