"""
What differs between the types of account, and nothing else.

`Account` says what a bulk run needs, `ClassicAccount` and `UnifiedAccount` provide it. Outside this package no code of
`_bulk` knows which type it deals with.
"""

from bitget_spot._bulk.accounts.base import Account, Call, ListedOrder, Page, Position, Row, Stage
from bitget_spot._bulk.accounts.classic import OTHER_KIND_CODES
from bitget_spot._bulk.accounts.selection import AccountSelection, account_of, checked_category

__all__ = [
    "OTHER_KIND_CODES",
    "Account",
    "AccountSelection",
    "Call",
    "ListedOrder",
    "Page",
    "Position",
    "Row",
    "Stage",
    "account_of",
    "checked_category",
]
