"""
Narrower types than the generator's, for what a program reads: the result of a call, and the data of a response.

The generator's `sync` and `asyncio` return a success, an error response or nothing, so every program would have to cast.
Here they return the success, and raise the generated `UnexpectedStatus` for anything else; `sync_detailed` and
`asyncio_detailed` are as the generator writes them. A response without data is like one whose data are null.
"""

from __future__ import annotations

import re
from typing import Final

RESULT: Final = re.compile(
    r"^(?P<head>\) ->) (?:ErrorResponse \| (?P<after>\w+)|(?P<before>\w+) \| ErrorResponse) \| None:$", re.MULTILINE
)
"""The return type of `sync` and `asyncio`."""
SYNC_CALL: Final = re.compile(r"^    return (?P<call>sync_detailed\(.*?^    \))\.parsed$", re.MULTILINE | re.DOTALL)
ASYNC_CALL: Final = re.compile(
    r"^    return \((?P<call>await asyncio_detailed\(.*?^    \))\)\.parsed$", re.MULTILINE | re.DOTALL
)
DOCUMENTED_RESULT: Final = re.compile(
    r"(?P<head>    Returns:\n        )(?:ErrorResponse \| (?P<after>\w+)|(?P<before>\w+) \| ErrorResponse)$",
    re.MULTILINE,
)
RAISED: Final = (
    "        errors.UnexpectedStatus: If the server returns an undocumented status code and "
    "Client.raise_on_unexpected_status is True.\n"
)
RAISED_WITHOUT_SUCCESS: Final = "        errors.UnexpectedStatus: If the response is not a success.\n"
SUCCESS_OF: Final = '''ParsedT = TypeVar("ParsedT")


def success_of(response: "Response[Any]", expected: type[ParsedT]) -> ParsedT:
    """
    Return what a success was parsed to.

    Raises:
        UnexpectedStatus: The response is not a success.

    """
    if not isinstance(response.parsed, expected):
        raise UnexpectedStatus(response.status_code, response.content)
    return response.parsed


__all__ ='''
TYPES_REWRITES: Final = (
    ("import BinaryIO, Generic,", "import Any, BinaryIO, Generic,"),
    ("__all__ =", SUCCESS_OF),
    ("from http import HTTPStatus\n", "from http import HTTPStatus\n\nfrom .errors import UnexpectedStatus\n"),
)
"""What is added to `types.py`."""
DATA_FIELD: Final = re.compile(r"^    data: (?P<type>.+) \| Unset = UNSET$", re.MULTILINE)
DATA_PARSER: Final = re.compile(
    r"(?P<head>def _parse_data\(data: object\) -> [^\n]+) \| Unset:\n"
    r"(?P<null> +if data is None:\n +return data\n)"
    r" +if isinstance\(data, Unset\):\n +return data\n"
    r"(?P<body>.*?\n +return cast\([^\n]+) \| Unset, data\)\n"
    r'(?P<call>\s+data = _parse_data\(d\.pop\("data", )UNSET\)\)',
    re.DOTALL,
)
DATA_CONVERSION: Final = re.compile(
    r"(?P<type>        data: [^\n]+) \| Unset\n +if isinstance\(self\.data, Unset\):\n +data = UNSET\n +elif "
)
DATA_ENTRY: Final = re.compile(r'        if data is not UNSET:\n +field_dict\["data"\] = data\n')


class UnexpectedCodeError(ValueError):
    """The generator's output is not what this module expects."""


def narrow_operation(source: str) -> str:
    """
    Return the module of an operation with calls that return the success.

    Raises:
        UnexpectedCodeError: The generator has written other code than it used to.

    """
    successes = {match["before"] or match["after"] for match in RESULT.finditer(source)}
    if len(successes) != 1:
        raise UnexpectedCodeError("`sync` and `asyncio` do not return one success or an ErrorResponse")
    (success,) = successes
    source = _substitute(RESULT, rf"\g<head> {success}:", source, 2)
    source = _substitute(DOCUMENTED_RESULT, rf"\g<head>{success}", source, 2)
    source = _substitute(SYNC_CALL, rf"    return success_of(\g<call>, {success})", source, 1)
    source = _substitute(ASYNC_CALL, rf"    return success_of(\g<call>, {success})", source, 1)
    source = _substitute(re.compile(r"import Response\b"), "import Response, success_of", source, 1)
    detailed, separator, rest = source.partition("\ndef sync(")
    head, async_separator, last = rest.partition("\nasync def asyncio(")
    head = head.replace(RAISED, RAISED_WITHOUT_SUCCESS, 1)
    last = last.replace(RAISED, RAISED_WITHOUT_SUCCESS, 1)
    return f"{detailed}{separator}{head}{async_separator}{last}"


def narrow_response(source: str) -> str:
    """
    Return the module of a response whose `data` are `None` if they are missing; other modules are returned unchanged.

    Raises:
        UnexpectedCodeError: The generator has written other code than it used to.

    """
    field = DATA_FIELD.search(source)
    if field is None or field["type"] == "Any":
        return source
    source = _substitute(DATA_FIELD, r"    data: \g<type> = None", source, 1)
    source = _substitute(DATA_CONVERSION, r"\g<type>\n        if ", source, 1)
    source = _substitute(DATA_ENTRY, '        field_dict["data"] = data\n', source, 1)
    return _substitute(DATA_PARSER, r"\g<head>:\n\g<null>\g<body>, data)\n\g<call>None))", source, 1)


def _substitute(pattern: re.Pattern[str], replacement: str, source: str, count: int) -> str:
    source, found = pattern.subn(replacement, source)
    if found != count:
        raise UnexpectedCodeError(f"{pattern.pattern!r} is there {found} times, not {count} times")
    return source
