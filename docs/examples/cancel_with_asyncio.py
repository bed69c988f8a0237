"""Cancel the orders of two strategies side by side, from tasks of one event loop."""

import asyncio

from bitget_spot import Credentials, OrderRef, cancel_orders, connect

STRATEGIES = {
    "grid": [
        OrderRef(order_id="1300000000813847339"),
        OrderRef(order_id="1300000001043469773"),
    ],
    "maker": [OrderRef(symbol="SOLUSDT", client_oid="solusdt-sell-3")],
}


async def main() -> None:
    """Start a task for each strategy; the tasks share the client and its rate limit."""
    async with (
        connect(Credentials.from_env()) as client,
        asyncio.TaskGroup() as group,
    ):
        tasks = {
            name: group.create_task(cancel_orders.asyncio(client=client, orders=orders))
            for name, orders in STRATEGIES.items()
        }
    for name, task in tasks.items():
        print(f"{name}: {task.result()}")


if __name__ == "__main__":
    asyncio.run(main())
