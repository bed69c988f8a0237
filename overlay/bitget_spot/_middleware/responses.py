"""
The link that gives every answer one meaning: a success, or a typed exception.

It stands below the generated parser, which would crash on HTML, on an unknown status and on a null body, and would
hand a refusal back as if it were an answer. The body is read on any status and its code decides; the status only
tells where the body is not the exchange's envelope `{code, msg, requestTime, data}`.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

import httpx

from bitget_spot._middleware.base import Flow, Link
from bitget_spot.errors import BitgetError, UnreadableAnswerError, error_class
from bitget_spot_api.operations import SUCCESS_CODE

# Enough to find a proxy's request number, which its operators ask for.
EXCERPT = 2_000


class Refusals(Link):
    """Raises what is not a success."""

    def flow(self, request: httpx.Request) -> Flow:
        response: httpx.Response = yield request
        error = refusal(response)
        if error is not None:
            raise error
        # A success under another status is still one, and the parser reads successes under 200.
        response.status_code = HTTPStatus.OK
        return response


def refusal(response: httpx.Response) -> BitgetError | None:
    """
    Tell what an answer means.

    Args:
        response: An answer whose body has been read.

    Returns:
        None for a success, else the exception it stands for.

    """
    status = response.status_code
    try:
        envelope = json.loads(response.content)
    except (ValueError, RecursionError):
        kind = response.headers.get("content-type", "no content type")
        problem = f"not JSON ({kind})" if response.content.strip() else "an empty body"
        return UnreadableAnswerError(status, problem, excerpt(response))
    code = envelope.get("code") if isinstance(envelope, dict) else None
    if not isinstance(code, str | int) or isinstance(code, bool):
        return UnreadableAnswerError(status, "JSON without a code", excerpt(response))
    if code == SUCCESS_CODE:
        return None
    return error_class(str(code))(
        words(code),
        # Old answers say `message`.
        words(envelope.get("msg") or envelope.get("message") or ""),
        status,
        _milliseconds(envelope.get("requestTime")),
    )


def excerpt(response: httpx.Response) -> str:
    """Give the beginning of an answer as text, for whoever has to look into it."""
    # Not by the charset that the answer names: that may be any codec of Python's.
    return response.content[:EXCERPT].decode("utf-8", "replace")


def words(value: object) -> str:
    """Give a value of an answer as text that can be printed, though JSON may hold half a character."""
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace").decode()


def _milliseconds(value: object) -> int | None:
    # Some answers give the number as text.
    return int(str(value)) if re.fullmatch(r"[0-9]{1,16}", str(value)) else None
