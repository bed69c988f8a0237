"""Which of its two types the exchange's account has: learned from what it responds, or stated."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from attrs import define

from bitget_spot.errors import code_class
from bitget_spot_api.operations import Operation

AccountType: TypeAlias = Literal["classic", "unified"]
ACCOUNT_TYPES: Final[dict[str, AccountType]] = {"v2": "classic", "v3": "unified"}
"""The type of account that may use the signed operations of a version of the API."""
CODE_CLASSES: Final[dict[str, AccountType]] = {"classic-account": "classic", "unified-account": "unified"}
"""The classes of error codes that name the type of the account."""


@define
class AccountTypeMemory:
    """
    What is known about the type of a client's account.

    Attributes:
        stated: What the caller said, if anything; then nothing is learned.
        learned: What the exchange's last response showed.

    """

    stated: AccountType | None = None
    learned: AccountType | None = None

    @property
    def account_type(self) -> AccountType | None:
        """The type of the account; `None` if it is not known yet."""
        return self.stated or self.learned

    def observe(self, operation: Operation | None, error_code: str | None) -> None:
        """
        Learn from a response.

        Args:
            operation: What was called; `None` if the document does not describe it.
            error_code: The exchange's code; `None` for a success.

        """
        if operation is None or not operation.signed:
            return
        if error_code is None:
            self.learned = ACCOUNT_TYPES[operation.api_version]
        else:
            self.learned = CODE_CLASSES.get(code_class(error_code, operation.api_version) or "", self.learned)
