"""The responses of the exchange: the envelope, and the messages of its codes in two languages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

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


def message(code: str, headers: Mapping[str, str]) -> str:
    """Return the text that goes with a code: English if the header `locale` asks for it, else Chinese."""
    english, chinese = _MESSAGES.get(code, _OTHER_MESSAGE)
    return english if headers.get("locale", "").lower().startswith("en") else chinese
