"""What a command works with: which orders, and a client for which account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from attrs import frozen

from bitget_spot._bulk.accounts import account_of, checked_category
from bitget_spot._bulk.order_filter import OrderFilter, Side
from bitget_spot._bulk.report import Kind
from bitget_spot._cli.orders import BadInputError
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.client import DEFAULT_MAX_RETRIES, SpotClient, connect, demo_from_env
from bitget_spot.credentials import Credentials
from bitget_spot.rate_limit import RedisStore, SQLiteStore


@contextmanager
def valid_input() -> Iterator[None]:
    """Raise `BadInputError` if options or environment are not valid; nothing is sent here."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        raise BadInputError(str(error)) from None


@frozen
class Selection:
    """Which open orders a command cancels."""

    symbols: Sequence[str] | None
    sides: Sequence[Side] | None
    kinds: Sequence[Kind] | None
    category: str

    def check(self, account_type: AccountType | None) -> None:
        """
        Check the options before a client is made.

        Raises:
            ValueError: One is not valid, or the account does not have it.

        """
        order_filter = OrderFilter.from_arguments(self.symbols, self.sides, self.kinds)
        name = checked_category(self.category, account_type)
        if account_type is not None or name != "SPOT":
            order_filter.kinds_of(account_of(account_type or "unified", name))


@frozen
class ClientSettings:
    """What a command's client is made from."""

    base_url: str
    demo: bool
    account_id: str | None = None
    account_type: AccountType | None = None
    store: str = "memory"
    requests_per_second: float | None = None
    max_retries: int = DEFAULT_MAX_RETRIES

    @contextmanager
    def client(self) -> Iterator[SpotClient]:
        """
        Return a client of the environment's account, which is closed in the end.

        Raises:
            BadInputError: An option or the environment is not valid.

        """
        with ExitStack() as stack:
            with valid_input():
                store = None if self.store == "memory" else stack.enter_context(parse_store(self.store))
                client = connect(
                    Credentials.from_env(),
                    base_url=self.base_url,
                    rate_limit_store=store,
                    requests_per_second=self.requests_per_second,
                    account_id=self.account_id,
                    account_type=self.account_type,
                    demo=self.demo or None,
                    max_retries=self.max_retries,
                )
            yield stack.enter_context(client)

    def account(self) -> str:
        """Return what the account is called in messages."""
        kind = "demo" if self.demo or demo_from_env() else "live"
        return f"the {kind} account at {self.base_url}"


def parse_store(text: str) -> SQLiteStore | RedisStore:
    """
    Return the store that an option names.

    Raises:
        ValueError: It is not valid; the text, which may contain a password, is not shown.

    """
    kind, _, path = text.partition(":")
    if kind not in ("sqlite", "redis", "rediss") or not path:
        raise ValueError("--rate-limit-store: not a valid store; use memory, sqlite:PATH or redis://HOST:6379/0")
    return SQLiteStore(path) if kind == "sqlite" else RedisStore(text)
