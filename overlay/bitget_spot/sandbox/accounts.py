"""The accounts of the exchange, and the check that a request comes from the owner of one."""

import base64
import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from attrs import field, frozen

from bitget_spot.sandbox.envelope import CLASSIC_ACCOUNT, UNIFIED_ACCOUNT, RefusedError
from bitget_spot.sandbox.order_book import SPOT, OrderKind
from bitget_spot.sandbox.request import PendingRequest
from bitget_spot_api.models.category import CATEGORY_VALUES
from bitget_spot_api.models.futures_category import FUTURES_CATEGORY_VALUES
from bitget_spot_api.operations import TIMESTAMP_WINDOW_SECONDS, Operation

AccountType: TypeAlias = Literal["classic", "unified"]

VERSIONS: Final[Mapping[AccountType, str]] = MappingProxyType({"classic": "v2", "unified": "v3"})
"""The version of the API whose signed operations each type of account may use."""
_WRONG_TYPE: Final[Mapping[AccountType, str]] = MappingProxyType(
    {"classic": CLASSIC_ACCOUNT, "unified": UNIFIED_ACCOUNT}
)
"""The code that each type of account gets from the signed operations of the other version."""


@frozen
class Account:
    """A key of the exchange, and what proves that a request comes from its owner."""

    api_key: str
    passphrase: str = field(repr=False)
    verify: Callable[[bytes, str], bool] = field(repr=False)
    """Returns whether a signature, the text of ACCESS-SIGN, matches the bytes that it should cover."""
    demo: bool = False
    """Whether the key belongs to demo trading and needs the header `paptrading: 1`."""
    account_type: AccountType = "classic"

    def refusal(self, operation: Operation) -> str | None:
        """Return the code with which a signed operation refuses this type of account, before it checks anything."""
        is_served = not operation.signed or operation.api_version == VERSIONS[self.account_type]
        return None if is_served else _WRONG_TYPE[self.account_type]

    def check_kind(self, kind: OrderKind, category: str) -> None:
        """
        Check that the account can have orders of a kind in a category.

        Raises:
            ValueError: It cannot.

        """
        if kind not in self._kinds(category):
            raise ValueError(f"a {self.account_type} account cannot have {kind} orders in the category {category}")

    def _kinds(self, category: str) -> tuple[OrderKind, ...]:
        if self.account_type == "classic":
            return ("normal", "tpsl", "plan") if category == SPOT else ()
        if category in FUTURES_CATEGORY_VALUES:
            return ("normal", "tpsl")
        return ("normal",) if category in CATEGORY_VALUES else ()


PUBLIC: Final = Account("", "", lambda _prehash, _signature: False)
"""The caller of an operation that needs no signature."""


def verify_hmac(secret_key: str, prehash: bytes, signature: str) -> bool:
    """Return whether a signature is the HMAC-SHA256 made with this secret."""
    expected = base64.b64encode(hmac.digest(secret_key.encode(), prehash, "sha256"))
    return hmac.compare_digest(expected, signature.encode("latin-1"))


def authenticate(account: Account, request: PendingRequest) -> None:
    """
    Check that a request comes from the owner of an account.

    Raises:
        RefusedError: The signature, or what belongs to it, is not valid.

    """
    headers = request.headers
    age = request.arrival.stamp_age
    stamp = headers.get("access-timestamp", "")
    passphrase = headers.get("access-passphrase", "")
    signature = headers.get("access-sign", "")
    requirements = {
        "40002": bool(signature),
        "40003": bool(stamp),
        "40011": bool(passphrase),
        "40005": age is not None,
        "40008": abs(age or 0.0) <= TIMESTAMP_WINDOW_SECONDS,
        "40099": account.demo == (headers.get("paptrading") == "1"),
        "40012": passphrase.encode("latin-1") == account.passphrase.encode(),
        "40009": account.verify(_prehash(request, stamp), signature),
    }
    for code, is_met in requirements.items():
        if not is_met:
            raise RefusedError(code)


def _prehash(request: PendingRequest, stamp: str) -> bytes:
    """Return the bytes that the signature of a request should cover."""
    query = "&".join(f"{key}={value}" for key, value in sorted(request.query.items()))
    target = f"{request.operation.path}?{query}" if query else request.operation.path
    return f"{stamp}{request.operation.method}{target}".encode() + request.body
