"""
The handler of every operation that the sandbox does not emulate.

It checks the request against the OpenAPI document and returns the document's example of `data`. So a new operation can be
called, signed and limited as soon as it is in the document.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import INVALID, MALFORMED, MISSING, NO_ORDERS, TOO_MANY_ORDERS, RefusedError
from bitget_spot.sandbox.parameters import NUMBER
from bitget_spot.sandbox.request import PendingRequest
from bitget_spot_api.schemas import DATA, REQUESTS

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

    from bitget_spot.sandbox.exchange import Exchange

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "required": MISSING,
        "minProperties": MISSING,
        "minItems": NO_ORDERS,
        "maxItems": TOO_MANY_ORDERS,
        "enum": INVALID,
    }
)
"""The code of the refusal, by the keyword of the schema that the request breaks; 40017 for any other."""
DECIMAL: Final = re.compile(r"-?[0-9]{1,99}(?:\.[0-9]{1,99})?")
BOOLEANS: Final[Mapping[str, bool]] = MappingProxyType({"true": True, "false": False})


def return_example(_exchange: "Exchange", _account: Account, request: PendingRequest) -> object:
    """
    Return the document's example of an operation's `data`.

    Raises:
        RefusedError: The request is not as the document describes it.

    """
    operation_id = request.operation.operation_id
    sent: dict[str, Any] = {"query": _typed_query(request.query, REQUESTS[operation_id])}
    if request.body:
        sent["body"] = request.document
    for error in _validator(operation_id).iter_errors(sent):
        raise RefusedError(CODES.get(str(error.validator), MALFORMED))
    return DATA[operation_id]


@cache
def _validator(operation_id: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow, and most runs do not need it

    return Draft202012Validator(REQUESTS[operation_id])


def _typed_query(query: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, object]:
    """Return the parameters that the document has, each with its type if its text is of that type."""
    parameters = schema["properties"]["query"]["properties"]
    return {name: _typed(query[name], rules["type"]) for name, rules in parameters.items() if name in query}


def _typed(text: str, json_type: str) -> object:
    if json_type == "integer" and NUMBER.fullmatch(text):
        return int(text)
    if json_type == "number" and DECIMAL.fullmatch(text):
        return float(text)
    return BOOLEANS.get(text, text) if json_type == "boolean" else text
