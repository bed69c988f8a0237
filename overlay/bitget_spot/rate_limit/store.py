"""What a store is: the place where the permits of a budget are kept."""

from __future__ import annotations

from abc import abstractmethod

from bitget_spot._concurrency import EffectGenerator, ForkAware
from bitget_spot.rate_limit.policy import PermitRelease
from bitget_spot.rate_limit.queue import WaitQueue
from bitget_spot_api.operations import RateLimit


class Store(ForkAware):
    """
    Keeps the permits of any number of budgets. A budget is one account's requests to one operation.

    `response_time` is how many seconds it may take to respond.

    Both operations are generators that yield an `Effect` for everything that has to wait, so a store on a network
    serves threads and tasks alike.
    """

    response_time: float = 0.0

    def __init__(self) -> None:
        super().__init__()
        self._queues: dict[str, WaitQueue] = {}

    def queue(self, budget: str) -> WaitQueue:
        """Return the queue of this process's waiters for a budget."""
        queue = self._queues.get(budget)
        # `setdefault` is atomic, so threads that get here together share one queue.
        return self._queues.setdefault(budget, WaitQueue()) if queue is None else queue

    def after_fork_in_child(self) -> None:
        """Forget the waiters of the parent process."""
        self._queues = {}

    @abstractmethod
    def acquire(self, budget: str, permit: str, limit: RateLimit, lease: float) -> EffectGenerator[float]:
        """
        Acquire a permit.

        Args:
            budget: The name of the budget.
            permit: A name for the permit, unique within this process.
            limit: How many permits the budget has in any period.
            lease: Seconds after which a permit that is never released is available again.

        Returns:
            0.0 if the permit is acquired, else the seconds after which to ask again.

        """

    @abstractmethod
    def release(self, budget: str, permit: str, limit: RateLimit, release: PermitRelease) -> EffectGenerator[None]:
        """
        Report that the request of a permit is over, so that the permit can be used again.

        With the result `NOT_SENT` it also reports that the caller has given up waiting; a permit that was acquired
        meanwhile is available again.
        """
