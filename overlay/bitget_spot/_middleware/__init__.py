"""
One request: the middleware chain under the generated client.

A request passes the layers from top to bottom, its response from bottom to top:

    generated function
      validate     first, so an inconsistent batch is refused before any wait and before any byte is sent
      retry        above the rate limit, so each attempt has a permit of its own
      rate limit   above the responses, so it learns from their meaning what became of a permit
      responses    above the signature, which must not see more than bytes; below the generated parser
      signing      below the wait, so timestamps are fresh; signs exactly the bytes that leave
      send         httpx
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from bitget_spot._middleware.account_type import AccountTypeMemory
from bitget_spot._middleware.base import Middleware
from bitget_spot._middleware.clock import ServerClock
from bitget_spot._middleware.rate_limit import RateLimitMiddleware
from bitget_spot._middleware.responses import ResponseMiddleware
from bitget_spot._middleware.retry import RetryMiddleware
from bitget_spot._middleware.send import SendTransport
from bitget_spot._middleware.signing import SigningMiddleware
from bitget_spot._middleware.validate import ValidateMiddleware
from bitget_spot.credentials import Credentials
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import Operation, RateLimit


def build_chain(
    send: SendTransport,
    *,
    credentials: Credentials,
    origin: httpx.URL,
    headers: Mapping[str, str],
    max_retries: int,
    store: Store,
    budget: Callable[[Operation], str],
    limits: Mapping[str, RateLimit],
    timeout: float | None,
    account: AccountTypeMemory,
) -> Middleware:
    """
    Return the outermost middleware of a client.

    Args:
        send: The innermost transport.
        credentials: What requests are signed with.
        origin: The only origin that requests are signed for.
        headers: Headers that every request carries.
        max_retries: How often a request may be repeated.
        store: Where the permits are kept.
        budget: Returns the name of an operation's budget.
        limits: The rate limit of each operation, by its id.
        timeout: Seconds that an attempt may take; `None` for no limit.
        account: Where the type of the account is kept.

    """
    clock = ServerClock()
    signing = SigningMiddleware(send, credentials=credentials, origin=origin, headers=headers, clock=clock)
    responses = ResponseMiddleware(signing, clock=clock, account=account)
    rate_limit = RateLimitMiddleware(responses, store=store, budget=budget, limits=limits, attempt_timeout=timeout)
    retry = RetryMiddleware(rate_limit, max_retries=max_retries)
    return ValidateMiddleware(retry)
