"""The text of the lines about requests and retries."""

from __future__ import annotations

import logging

import httpx
import pytest

from bitget_spot._middleware.context import Attempt, RequestContext, RunStopped
from bitget_spot._middleware.rate_limit import log_request
from bitget_spot._middleware.retry import RetryBudget, log_retry
from bitget_spot.errors import ApiError, InvalidResponseError, RateLimitedError, SystemBusyError
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, Operation


def context_with(operation: Operation | None, latency: float | None = None) -> RequestContext:
    """Return the context of a call whose attempt had this latency."""
    return RequestContext(operation=operation, attempt=Attempt(latency=latency))


@pytest.mark.parametrize(
    ("operation", "latency", "waited", "error", "expected"),
    [
        (BATCH_CANCEL_ORDERS, 0.0836, 0.0, None, "batchCancelOrders: 00000 in 84 ms, 0.000 s for a permit"),
        (
            BATCH_CANCEL_ORDERS,
            1.2,
            0.5,
            RateLimitedError("429"),
            "batchCancelOrders: 429 in 1200 ms, 0.500 s for a permit",
        ),
        (
            BATCH_CANCEL_ORDERS,
            None,
            0.25,
            httpx.ConnectError("refused at http://user:password@proxy"),
            "batchCancelOrders: ConnectError, 0.250 s for a permit",
        ),
        (
            BATCH_CANCEL_ORDERS,
            0.0,
            0.0,
            InvalidResponseError(502, "HTML"),
            "batchCancelOrders: InvalidResponseError in 0 ms, 0.000 s for a permit",
        ),
        (BATCH_CANCEL_ORDERS, None, 3.0, RunStopped(), "batchCancelOrders: RunStopped, 3.000 s for a permit"),
        (BATCH_CANCEL_ORDERS, 0.1, 0.0, ApiError(""), "batchCancelOrders: ApiError in 100 ms, 0.000 s for a permit"),
        (None, 0.1, 0.0, None, "unknown operation: 00000 in 100 ms, 0.000 s for a permit"),
    ],
)
def test_line_about_a_request(  # noqa: PLR0917 - the columns of a table and a fixture
    operation: Operation | None,
    latency: float | None,
    waited: float,
    error: BaseException | None,
    expected: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It has operation, code or the type of the error, latency if known, and the wait for the permit."""
    caplog.set_level(logging.DEBUG, "bitget_spot.requests")
    log_request(context_with(operation, latency), waited, error)
    assert caplog.record_tuples == [("bitget_spot.requests", logging.DEBUG, expected)]


@pytest.mark.parametrize(
    ("operation", "error", "budget", "expected"),
    [
        (
            BATCH_CANCEL_ORDERS,
            RateLimitedError("429", "too many", 429),
            RetryBudget(5, retries=1),
            "batchCancelOrders: HTTP 429, retrying in 0.1 s (attempt 2 of 6)",
        ),
        (
            BATCH_CANCEL_ORDERS,
            SystemBusyError("45001", "busy", 500),
            RetryBudget(5, retries=5),
            "batchCancelOrders: HTTP 500, code 45001, retrying in 0.1 s (attempt 6 of 6)",
        ),
        (
            BATCH_CANCEL_ORDERS,
            InvalidResponseError(502, "HTML"),
            RetryBudget(1, retries=1),
            "batchCancelOrders: HTTP 502, retrying in 0.1 s (attempt 2 of 2)",
        ),
        (
            None,
            httpx.ReadTimeout("a secret"),
            RetryBudget(5, retries=1),
            "unknown operation: ReadTimeout, retrying in 0.1 s (attempt 2 of 6)",
        ),
    ],
)
def test_line_about_a_retry(
    operation: Operation | None,
    error: Exception,
    budget: RetryBudget,
    expected: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It has operation, status and code or the type of the error, the pause, and the number of the attempt."""
    caplog.set_level(logging.INFO, "bitget_spot.requests")
    log_retry(context_with(operation), error, 0.123, budget)
    assert caplog.record_tuples == [("bitget_spot.requests", logging.INFO, expected)]
