"""What tests read from the report of a run."""

from __future__ import annotations

import pickle
from typing import TypeVar

from bitget_spot import Confirmed, Report, Status, report_of

T = TypeVar("T")


def report_carried_by(error: BaseException) -> Report:
    """Return the report that an exception carries; fail if it carries none."""
    report = report_of(error)
    assert report is not None
    return report


def status_counts(report: Report) -> dict[Status, int]:
    """Return how many orders have each status that occurs."""
    return {status: count for status, count in report.counts.items() if count}


def confirmations(report: Report) -> list[Confirmed | None]:
    """Return what has been confirmed for each order."""
    return [outcome.confirmed for outcome in report]


def pickled(value: T) -> T:
    """Return a copy of a value that went through a pickle."""
    copied: T = pickle.loads(pickle.dumps(value))  # noqa: S301 - pickled by the test itself
    assert type(copied) is type(value)
    return copied
