"""The latency estimate: how much earlier than its response a request may be taken to be counted."""

from __future__ import annotations

import pytest
from budgets import estimate_of

from bitget_spot.rate_limit.latency import BURST_LENGTH, BURST_TRUST, LATENCY_FACTOR, MIN_SAMPLES, LatencyEstimate


def near(seconds: float) -> object:
    """Return what equals this number of seconds, apart from rounding errors."""
    return pytest.approx(seconds, abs=1e-9)


def add_burst(estimate: LatencyEstimate, latency: float, now: float) -> None:
    """Add enough responses at one moment for a reliable estimate."""
    for _ in range(MIN_SAMPLES):
        estimate.add(latency, now)


def test_constants() -> None:
    """The constants are those that the measurements support."""
    assert LATENCY_FACTOR == 0.95
    assert MIN_SAMPLES == 5
    assert BURST_LENGTH == 0.5
    assert BURST_TRUST == 1 / 3


@pytest.mark.parametrize(("samples", "credit"), [(0, 0.0), (1, 0.0), (4, 0.0), (5, 0.095), (6, 0.095)])
def test_no_credit_until_reliable(samples: int, credit: float) -> None:
    """There is no credit until five latencies are known."""
    estimate = estimate_of(*[0.1] * samples)
    assert estimate.is_reliable is (samples >= 5)
    assert estimate.credit == near(credit)


@pytest.mark.parametrize(("bursts", "credit"), [(1, 0.1), (2, 0.2), (3, 0.285), (4, 0.285)])
def test_each_burst_adds_a_third(bursts: int, credit: float) -> None:
    """Each burst adds a third of the shortest latency to the credit, up to 95 % of it: one burst may be delayed."""
    estimate = LatencyEstimate()
    for burst in range(bursts):
        for response in range(10):
            estimate.add(0.3, burst + response / 20)
    assert estimate.credit == near(credit)


def test_length_of_a_burst() -> None:
    """Responses within half a second of a burst's first one belong to that burst; a later one begins another."""
    estimate = LatencyEstimate()
    for now, bursts in ((1.0, 1), (1.25, 1), (1.5, 1), (1.501, 2), (2.0, 2), (2.002, 3)):
        estimate.add(0.3, now)
        assert estimate.current.bursts == bursts


@pytest.mark.parametrize("latencies", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (3, 1, 5, 2, 4)])
def test_shortest_latency_counts(latencies: tuple[float, ...]) -> None:
    """The shortest of all known latencies counts, in whatever order they came."""
    assert estimate_of(*latencies).credit == near(0.95)


def test_shorter_latency_counts_at_once() -> None:
    """A latency shorter than all known ones counts from the moment it is seen."""
    estimate = estimate_of(*[0.2] * 5)
    estimate.add(0.01, 0.1)
    assert estimate.credit == near(0.0095)


@pytest.mark.parametrize(("before", "reliable"), [(3, False), (4, True)])
def test_samples_of_both_windows_count(before: int, reliable: bool) -> None:
    """Samples of the previous window count towards the five like those of the current one, and each counts once."""
    estimate = estimate_of(*[0.1] * before)
    estimate.add(0.2, 700.0)
    assert estimate.is_reliable is reliable


def test_bursts_of_both_windows_count() -> None:
    """Bursts of the previous window count like those of the current one; earlier bursts do not count."""
    estimate = LatencyEstimate()
    add_burst(estimate, 0.3, -1.0)
    add_burst(estimate, 0.3, 0.0)
    for now, bursts in ((600.5, 3), (601.5, 4), (1201.0, 3), (1802.0, 2)):
        add_burst(estimate, 0.3, now)
        assert estimate.credit == near(min(0.95, bursts / 3) * 0.3)


def test_shortest_latency_is_forgotten_after_two_windows() -> None:
    """While responses continue, the shortest latency is forgotten when ten minutes have passed twice."""
    estimate = estimate_of(*[0.1] * MIN_SAMPLES)
    for now in (600.5, 1200.5):
        for second in range(MIN_SAMPLES):
            estimate.add(0.2, now - second)
        assert estimate.credit == near(0.095)
    estimate.add(0.2, 1201.1)
    assert estimate.credit == near(0.19)


def test_shortest_latency_is_remembered_for_one_to_two_windows() -> None:
    """A shortest latency is remembered for at least ten minutes and, while responses continue, for at most twenty."""
    estimate = estimate_of(*[0.1] * 5)
    for minute in range(1, 11):
        estimate.add(0.2, 60.0 * minute)
        assert estimate.credit == near(0.095)
    for minute in range(11, 31):
        estimate.add(0.2, 60.0 * minute)
        if minute <= 15:
            assert estimate.credit == near(0.095)
    assert estimate.credit == near(0.19)
