"""Reading the query and the body of a request; whatever is not valid refuses the request."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from bitget_spot.sandbox.envelope import INVALID, MALFORMED, MISSING, RefusedError
from bitget_spot.sandbox.request import PendingRequest

NUMBER: Final = re.compile("-?[0-9]{1,99}")


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """
    Return a whole number of a query.

    Raises:
        RefusedError: It is not one.

    """
    text = query.get(name, str(default))
    if not NUMBER.fullmatch(text):
        raise RefusedError(MALFORMED)
    return int(text)


def body_object(request: PendingRequest) -> dict[str, Any]:
    """
    Return the body of a request, which must be a JSON object.

    Raises:
        RefusedError: It is not one.

    """
    if not isinstance(request.document, dict):
        raise RefusedError(MALFORMED)
    return request.document


def optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    """
    Return a text of a JSON object; None if it is absent, null or empty.

    Raises:
        RefusedError: It is something else.

    """
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RefusedError(MALFORMED)
    return value


def required_text(fields: Mapping[str, Any], name: str) -> str:
    """
    Return a text of a JSON object.

    Raises:
        RefusedError: It is absent, null, empty or not a text.

    """
    text = optional_text(fields, name)
    if text is None:
        raise RefusedError(MISSING)
    return text


def one_of(values: Collection[str], text: str) -> str:
    """
    Return a text that must be one of some values.

    Raises:
        RefusedError: It is not.

    """
    if text not in values:
        raise RefusedError(INVALID)
    return text
