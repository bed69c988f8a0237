"""
The faults that spoil the `data` of a cancel of several orders.

A classic account has two lists of rows in an object: `successList` and `failureList`. A unified account has one list; its
rows have a code if the cancel was refused. The list is `data` itself, or `list` in it.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from bitget_spot.sandbox.envelope import ORDER_GONE, UNIFIED_ORDER_GONE
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_PLAN_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
    SUCCESS_CODE,
    Operation,
)

Row = dict[str, Any]

_SUCCESS_CODES: Final = (None, "0", SUCCESS_CODE)
_REASON: Final = "added by a fault"
_FIRST_FOREIGN_ID: Final = 10**18 + 1


def has_rows(operation: Operation) -> bool:
    """Return whether the response to an operation has rows about the cancels of single orders."""
    return operation in (
        BATCH_CANCEL_ORDERS,
        BATCH_CANCEL_PLAN_ORDERS,
        BATCH_CANCEL_UNIFIED_ORDERS,
        CANCEL_UNIFIED_SYMBOL_ORDERS,
    )


def with_failed_rows(data: Any, code: str) -> Any:  # noqa: ANN401 - JSON
    """Return `data` with a code in the place of every success."""
    if isinstance(data, list):
        return [row if _has_failed(row) else _failed_unified_row(row, code) for row in data]
    if "list" in data:
        return {"list": with_failed_rows(data["list"], code)}
    failed = [_failed_classic_row(row, code) for row in data["successList"]]
    return _classic([], data["failureList"] + failed)


def _classic(success: list[Row] | None, failure: list[Row] | None) -> dict[str, Any]:
    return {"successList": success, "failureList": failure}


def _has_failed(row: Row) -> bool:
    return row.get("code") not in _SUCCESS_CODES


def _failed_classic_row(row: Row, code: str = ORDER_GONE) -> Row:
    return {**row, "errorMsg": _REASON, "errorCode": code}


def _failed_unified_row(row: Row, code: str = UNIFIED_ORDER_GONE) -> Row:
    return {**row, "code": code, "msg": _REASON}


def _foreign_row(number: int) -> Row:
    return {"orderId": str(_FIRST_FOREIGN_ID + number), "clientOid": f"foreign-{number + 1}"}


def _numeric_ids(rows: Iterable[Row]) -> list[Row]:
    return [{**row, "orderId": int(row["orderId"]) if row["orderId"].isdigit() else row["orderId"]} for row in rows]


def _without(name: str, rows: Iterable[Row]) -> list[Row]:
    return [{key: value for key, value in row.items() if key != name} for row in rows]


def _classic_missing_rows(success: list[Row], failure: list[Row]) -> dict[str, Any]:
    # Every second row of both lists together.
    return _classic(success[::2], failure[len(success) % 2 :: 2])


_CLASSIC: Final[Mapping[str, Callable[[list[Row], list[Row]], object]]] = MappingProxyType(
    {
        "null-data": lambda _success, _failure: None,
        "null-lists": lambda _success, _failure: _classic(None, None),
        "missing-lists": lambda _success, _failure: {},
        "reordered": lambda success, failure: _classic(success[::-1], failure[::-1]),
        "missing-rows": _classic_missing_rows,
        "both-lists": lambda success, failure: _classic(success, failure + list(map(_failed_classic_row, success))),
        "foreign-rows": lambda success, failure: _classic(
            [*success, _foreign_row(0)], [*failure, _failed_classic_row(_foreign_row(1))]
        ),
        "ids-as-numbers": lambda success, failure: _classic(_numeric_ids(success), _numeric_ids(failure)),
        "no-error-code": lambda success, failure: _classic(success, _without("errorCode", failure)),
    }
)
"""What replaces both lists of a classic account, by the fault's name."""
_UNIFIED: Final[Mapping[str, Callable[[list[Row]], list[Row] | None]]] = MappingProxyType(
    {
        "null-lists": lambda _rows: None,
        "reordered": lambda rows: rows[::-1],
        "missing-rows": lambda rows: rows[::2],
        "both-lists": lambda rows: rows + [_failed_unified_row(row) for row in rows if not _has_failed(row)],
        "foreign-rows": lambda rows: [*rows, _foreign_row(0), _failed_unified_row(_foreign_row(1))],
        "ids-as-numbers": _numeric_ids,
        "no-error-code": lambda rows: _without("code", rows),
    }
)
"""What replaces the one list of a unified account, by the fault's name."""


def _spoiled(name: str) -> Callable[[Any], object]:
    def spoil(data: Any) -> object:  # noqa: ANN401 - JSON
        if isinstance(data, dict) and "successList" in data:
            return _CLASSIC[name](data["successList"], data["failureList"])
        if name == "null-data":
            return None
        if name == "missing-lists":
            return {}
        rows = data if isinstance(data, list) else data["list"]
        spoiled = _UNIFIED[name](rows)
        return spoiled if isinstance(data, list) else {"list": spoiled}

    return spoil


DATA_FAULTS: Final[Mapping[str, Callable[[Any], object]]] = MappingProxyType(
    {name: _spoiled(name) for name in _CLASSIC}
)
"""What replaces the `data` of a successful cancel of several orders, by the fault's name."""
