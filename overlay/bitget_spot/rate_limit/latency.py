"""
How much earlier than its response a request was counted.

A request was counted before its response arrived, earlier by the way back. The next request is counted after it is sent,
later by the way there. A permit may therefore be available again earlier than one period after the response: by the way
back of the one request plus the way there of the other. The shortest latency on an open connection is an upper bound of
the smallest such sum, and close to it. A request that had to open its connection says nothing, because it took longer
*before* it was counted.

**When this is safe.** The credit is safe as long as the latency of the fastest response in the last ten to twenty
minutes is not larger than the smallest way back plus way there of the requests to come. One delayed burst cannot break
this: each burst lets only a third of the shortest latency be subtracted, so three separate bursts must have been delayed
alike. A route that becomes shorter can break it, until a response over the shorter route has been seen. Then the
exchange may respond 429; after any 429 the estimate is discarded, and the request is repeated.
"""

from __future__ import annotations

from typing import Final

from attrs import Factory, define

LATENCY_FACTOR: Final = 0.95
"""The largest part of the shortest latency that is subtracted: the smallest sum of both ways is slightly larger than the
sum of the smallest ways."""
MIN_SAMPLES: Final = 5
"""Responses that must be known before anything is subtracted."""
BURST_LENGTH: Final = 0.5
"""Seconds: responses within this time of a burst's first one belong to that burst."""
BURST_TRUST: Final = 1 / 3
"""The part of the shortest latency that each burst lets be subtracted: limits the effect of one delayed burst."""
WINDOW_LENGTH: Final = 600.0
"""Seconds: a latency is remembered for one to two windows."""


@define
class LatencyWindow:
    """
    What one window of responses shows.

    Attributes:
        shortest: The shortest latency in seconds; infinity if there is none.
        samples: How many responses it is known from.
        bursts: How many bursts they came in.

    """

    shortest: float = float("inf")
    samples: int = 0
    bursts: int = 0


@define
class LatencyEstimate:
    """
    The latency credit of one participant, from the responses of this window and the one before.

    Attributes:
        window_started_at: When the current window began.
        burst_started_at: When the first response of the latest burst came.
        current: The current window.
        previous: The window before it.

    """

    window_started_at: float = 0.0
    burst_started_at: float = float("-inf")
    current: LatencyWindow = Factory(LatencyWindow)
    previous: LatencyWindow = Factory(LatencyWindow)

    def add(self, latency: float, now: float) -> None:
        """Take a response on an open connection into account, with its latency in seconds."""
        if now - self.window_started_at > WINDOW_LENGTH:
            self.window_started_at = now
            self.previous = self.current
            self.current = LatencyWindow()
        if now - self.burst_started_at > BURST_LENGTH:
            self.burst_started_at = now
            self.current.bursts += 1
        self.current.samples += 1
        self.current.shortest = min(self.current.shortest, latency)

    @property
    def is_reliable(self) -> bool:
        """Whether enough responses are known to subtract anything."""
        return self.current.samples + self.previous.samples >= MIN_SAMPLES

    @property
    def credit(self) -> float:
        """The seconds by which a permit may be released earlier; 0 until the estimate is reliable."""
        if not self.is_reliable:
            return 0.0
        bursts = self.current.bursts + self.previous.bursts
        return min(LATENCY_FACTOR, BURST_TRUST * bursts) * min(self.current.shortest, self.previous.shortest)
