"""Which type of account a run uses."""

from __future__ import annotations

from typing import Final, Self

from attrs import define

from bitget_spot._bulk.accounts.base import Account
from bitget_spot._bulk.accounts.classic import ClassicAccount
from bitget_spot._bulk.accounts.unified import UnifiedAccount
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.client import SpotClient
from bitget_spot.errors import WrongEnvironmentError
from bitget_spot_api.models import Category
from bitget_spot_api.models.category import CATEGORY_VALUES

SPOT: Final[Category] = "SPOT"


@define
class AccountSelection:
    """
    The account of a run, whose type may turn out to be the other one.

    Attributes:
        account: The account.
        is_stated: The caller has said which type it is.
        may_switch: The type is not certain yet. A run switches once at most.

    """

    account: Account
    is_stated: bool = False
    may_switch: bool = False

    @classmethod
    def for_client(cls, client: SpotClient, category: str) -> Self:
        """
        Return the selection for a run: what is stated or known, else what the category says, else classic.

        Raises:
            ValueError: The category is not valid, or a classic account does not have it.

        """
        name = checked_category(category, client.stated_account_type)
        if name != SPOT:
            return cls(UnifiedAccount(name), is_stated=True)
        stated = client.stated_account_type
        if stated is not None:
            return cls(account_of(stated, name), is_stated=True)
        return cls(account_of(client.account_type or "classic", name), may_switch=True)

    @property
    def max_batch_size(self) -> int:
        """The largest batch size to accept; one that the account does not take is reduced if its type was not stated."""
        if self.is_stated:
            return self.account.max_orders
        return max(ClassicAccount().max_orders, self.account.max_orders)

    def switches_after(self, used: Account, error: BaseException) -> bool:
        """
        Return whether a refused request is to be made again for the other type of account, and switch to it if so.

        Args:
            used: The account that the request was made for.
            error: How the exchange refused it.

        """
        if not isinstance(error, WrongEnvironmentError) or error.code not in used.other_type_codes:
            return False
        if used is self.account and self.may_switch:
            other: AccountType = "classic" if used.account_type == "unified" else "unified"
            self.account = account_of(other, used.category)
            self.may_switch = False
        return used is not self.account


def account_of(account_type: AccountType, category: Category) -> Account:
    """Return the account of this type."""
    return UnifiedAccount(category) if account_type == "unified" else ClassicAccount()


def checked_category(category: object, account_type: AccountType | None) -> Category:
    """
    Return a category as the exchange writes it.

    Raises:
        ValueError: The exchange has no such category, or a classic account does not have it.

    """
    name = category.strip().upper() if isinstance(category, str) else ""
    if name not in CATEGORY_VALUES:
        raise ValueError(f"category: {category!r} is not a category; use one of {', '.join(sorted(CATEGORY_VALUES))}")
    if name != SPOT and account_type == "classic":
        raise ValueError(f"category: {name} needs a unified account, and this client's is classic; use {SPOT}")
    return name
