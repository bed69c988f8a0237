"""Requests for orders, and what counts as a well-formed list of orders."""

from __future__ import annotations

from types import ModuleType
from typing import Final

import httpx
from attrs import frozen

from bitget_spot._concurrency import Effect, EffectGenerator, Waiter
from bitget_spot._middleware.context import REQUEST_CONTEXT, CancelScope, RequestContext
from bitget_spot.client import SpotClient
from bitget_spot.errors import InvalidResponseError, NetworkError
from bitget_spot_api.models import Order, OrdersResponse
from bitget_spot_api.operations import GET_HISTORY_ORDERS

PAGE_SIZE: Final = GET_HISTORY_ORDERS.maxima["limit"]


@frozen
class OrderQueries:
    """Requests for orders, within the deadline of a run."""

    client: SpotClient
    scope: CancelScope

    def fetch(self, operation: ModuleType, **arguments: object) -> EffectGenerator[list[Order]]:
        """
        Call a generated function that returns orders.

        Raises:
            InvalidResponseError: The response is not a list of orders.
            NetworkError: The exchange cannot be reached.

        """
        context = RequestContext(self.scope)

        def fetch_sync() -> object:
            token = REQUEST_CONTEXT.set(context)
            try:
                return operation.sync(client=self.client, **arguments)
            finally:
                REQUEST_CONTEXT.reset(token)

        async def fetch_async() -> object:
            token = REQUEST_CONTEXT.set(context)
            try:
                return await operation.asyncio(client=self.client, **arguments)
            finally:
                REQUEST_CONTEXT.reset(token)

        try:
            response = yield Effect(fetch_sync, fetch_async)
        except httpx.TransportError as error:
            raise NetworkError(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        return well_formed_orders(response)

    def fetch_all(self, operation: ModuleType, **arguments: object) -> EffectGenerator[list[Order]]:
        """Fetch every page of a listing, newest first."""
        orders: list[Order] = []
        while True:
            page = yield from self.fetch(operation, **arguments, limit=PAGE_SIZE)
            oldest_id = last_id(page)
            if oldest_id and oldest_id == arguments.get("id_less_than"):
                return orders  # the same page again
            orders += page
            if not oldest_id:
                return orders
            arguments["id_less_than"] = oldest_id

    def pause(self, seconds: float) -> EffectGenerator[None]:
        """Wait, unless the run is stopped meanwhile."""
        waiter = Waiter()
        with self.scope.wake_on_stop(waiter):
            yield waiter.wait(min(seconds, self.scope.remaining()))


def last_id(page: list[Order]) -> str:
    """Return the id after which the next page begins; empty if there is no next page."""
    return str(page[-1].order_id) if len(page) == PAGE_SIZE else ""


def well_formed_orders(response: object) -> list[Order]:
    """
    Return the orders of a response, each with its id as text.

    Raises:
        InvalidResponseError: It is not a list of orders with ids. It must not be taken for an empty list.

    """
    rows = response.data if isinstance(response, OrdersResponse) else None
    if not isinstance(rows, list):
        raise InvalidResponseError(200, f"data is {type(rows).__name__}, not a list of orders")
    for row in rows:
        order_id = _id_text(row.order_id) if isinstance(row, Order) else ""
        if not order_id:
            raise InvalidResponseError(200, "a row of data is not an order with an orderId")
        row.order_id = order_id
    return rows


def _id_text(order_id: object) -> str:
    """Return an order id as text; empty if it is not one."""
    if isinstance(order_id, int) and not isinstance(order_id, bool):
        return str(order_id)
    if isinstance(order_id, str) and order_id.isascii():
        return order_id.strip()
    return ""
