"""The responses of the exchange: the envelope, and the messages of its codes in two languages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from bitget_spot_api.operations import Operation

RATE_LIMITED: Final = "429"
ORDER_GONE: Final = "43001"
MALFORMED: Final = "40017"
MISSING: Final = "40019"
NO_ORDERS: Final = "40020"
INVALID: Final = "400172"
TOO_MANY_ORDERS: Final = "40912"
UNKNOWN_KEY: Final = "40037"
NO_KEY: Final = "40001"
UNKNOWN_OPERATION: Final = "40404"
UNKNOWN_SYMBOL: Final = "40034"
CLASSIC_ACCOUNT: Final = "40084"
UNIFIED_ACCOUNT: Final = "40085"
OTHER_KIND: Final = "40109"

# Of unified accounts.
CANCEL_IN_PROGRESS: Final = "25113"
UNIFIED_ORDER_GONE: Final = "25204"
UNKNOWN_UNIFIED_SYMBOL: Final = "25100"
INVALID_UNIFIED: Final = "25200"

_MESSAGES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        NO_KEY: ("No ACCESS-KEY was sent", "未提供 ACCESS-KEY"),
        "40002": ("No ACCESS-SIGN was sent", "未提供 ACCESS-SIGN"),
        "40003": ("No ACCESS-TIMESTAMP was sent", "未提供 ACCESS-TIMESTAMP"),
        "40005": ("ACCESS-TIMESTAMP is not in milliseconds", "时间戳格式错误"),
        "40008": ("The timestamp is outside the window", "请求时间戳已过期"),
        "40009": ("The signature does not match", "签名错误"),
        "40011": ("No ACCESS-PASSPHRASE was sent", "未提供 ACCESS-PASSPHRASE"),
        "40012": ("The passphrase does not belong to the key", "密钥或口令不正确"),
        UNKNOWN_KEY: ("The key is not known", "密钥不存在"),
        "40099": ("Key and environment do not match", "密钥与交易环境不匹配"),
        UNKNOWN_SYMBOL: ("The trading pair does not exist", "交易对不存在"),
        UNKNOWN_OPERATION: ("There is no such operation", "接口不存在"),
        MALFORMED: ("The body does not have the operation's shape", "参数校验失败"),
        MISSING: ("A required parameter is empty", "必填参数为空"),
        NO_ORDERS: ("The list of orders is missing or empty", "订单列表为空"),
        INVALID: ("A parameter has a value that is not permitted", "参数取值错误"),
        TOO_MANY_ORDERS: ("The batch has too many orders", "批量订单数量超过上限"),
        ORDER_GONE: ("The order is not open", "订单不存在"),
        OTHER_KIND: ("The order was not found", "订单数据不存在"),
        CLASSIC_ACCOUNT: ("The account is a classic account", "当前为经典账户模式"),
        UNIFIED_ACCOUNT: ("The account is a unified account", "当前为统一账户模式"),
        CANCEL_IN_PROGRESS: ("There are cancellation orders in progress", "有撤单正在进行中"),
        UNIFIED_ORDER_GONE: ("Order does not exist", "订单不存在"),
        UNKNOWN_UNIFIED_SYMBOL: ("The trading pair does not exist", "交易对不存在"),
        INVALID_UNIFIED: ("A parameter is not valid", "参数校验失败"),
    }
)
_OTHER_MESSAGE: Final = ("The request was refused", "请求被拒绝")


@frozen
class RefusedError(Exception):
    """The request is refused as a whole; `code` says why."""

    code: str


@frozen
class ExchangeResponse:
    """An HTTP status and the JSON object to send with it."""

    status: int
    payload: dict[str, Any]
    operation: Operation | None = None
    """The operation that was executed; None for an error response."""


def refuse(code: str | None) -> None:
    """
    Refuse a request if there is a code.

    Raises:
        RefusedError: With this code.

    """
    if code is not None:
        raise RefusedError(code)


def message(code: str, headers: Mapping[str, str]) -> str:
    """Return the text that goes with a code: English if the header `locale` asks for it, else Chinese."""
    english, chinese = _MESSAGES.get(code, _OTHER_MESSAGE)
    return english if headers.get("locale", "").lower().startswith("en") else chinese
