"""
One flow for threads and event loops.

Everything in this package that waits is written once, as a generator. It yields an `Effect` for each operation that has
to wait and is resumed with the result, or with the exception, at that place. `run_sync` and `run_async` execute such a
generator; they are the only code that knows whether it runs in a thread or in a task.

asyncio is imported lazily: sync programs do not need it.
"""

from bitget_spot._concurrency.effect import Effect, EffectGenerator, run_async, run_sync
from bitget_spot._concurrency.fork import ForkAware, inherited
from bitget_spot._concurrency.loops import running_loop, task_loop
from bitget_spot._concurrency.per_loop import PerLoop
from bitget_spot._concurrency.waiter import Waiter
from bitget_spot._concurrency.workers import TaskWorkers, ThreadWorkers, Workers, open_workers

__all__ = [
    "Effect",
    "EffectGenerator",
    "ForkAware",
    "PerLoop",
    "TaskWorkers",
    "ThreadWorkers",
    "Waiter",
    "Workers",
    "inherited",
    "open_workers",
    "run_async",
    "run_sync",
    "running_loop",
    "task_loop",
]
