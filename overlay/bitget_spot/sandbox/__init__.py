"""
A sandbox exchange on this machine, to develop and test bots against.

    from bitget_spot import connect
    from bitget_spot.sandbox import Sandbox

    with Sandbox(orders=120) as sandbox:
        sandbox.inject("drop-after")
        with connect(sandbox.credentials, base_url=sandbox.url) as client:
            ...

It enforces the documented rate limits, checks signatures, cancels orders by the vendor's rules, keeps a ledger of what
arrived when, and produces on demand the faults that an exchange and the network in front of it produce. To an operation
that it does not emulate it responds with the document's example, if the request is valid. With pytest, the fixture
`bitget_sandbox` is a new one for each test; on the command line it is `python -m bitget_spot.sandbox`. It needs the extra
`sandbox`.

Its account is a classic one, or a unified one with `Sandbox(account_type="unified")`. A unified account gets 40085 from
version 2 of the API, a classic one 40084 from version 3. An account can have these orders:

    account type   category           kinds
    classic        SPOT               normal, tpsl (take profit and stop loss), plan (trigger orders)
    unified        SPOT, MARGIN       normal
    unified        USDT-FUTURES, ...  normal, tpsl (strategy orders)

`sandbox.open_orders(10, kind="plan")` opens orders of a kind. `sandbox.trigger(order_id)` lets a TP/SL, strategy or trigger
order fire: it ends and places a normal order with another id. `sandbox.fill(order_id)` fills a normal order.

A unified account's successful rows have no code, "0" or "00000", and its empty lists are null or `[]`: the sandbox does
each in turn. A second cancel of an order is refused with 25113 until the first is executed, and with 25204 afterwards.

Script a fault by its name, as in `sandbox.inject("drop-after", times=3)`. Each happens to one request. Faults that spoil
the response let the cancel take effect first, because that is what a client must handle: a response that cannot be read
says nothing about the orders. All of them work with both account types.

    fault                 orders      what the client sees
    429                   untouched   HTTP 429 with the exchange's short JSON body
    html-403, html-429    untouched   a page of the network in front; not counted, and neither is 429
    html-502              untouched   a page of the network in front: the exchange was not reached
    html-520              cancelled   a page of the network in front: the response was not understood
    empty                 cancelled   HTTP 200 with an empty body
    raw=TEXT              cancelled   HTTP 200 with this body
    drop-before           untouched   the connection aborted, without a response
    drop-after            cancelled   the connection aborted, without a response
    delay=SECONDS         cancelled   a late response: the orders are cancelled before the wait
    delay-before=SECONDS  cancelled   a late response: counted and cancelled after the wait
    code=CODE             untouched   an error response with this code
    code-after=CODE       cancelled   an error response with this code
    list-code=CODE        untouched   of a listing or a lookup: an error response with this code
    list-data=JSON        untouched   of a listing or a lookup: success, but `data` is this JSON value
    row-code=CODE         untouched   of a cancel with rows: every order failed with this code
    row-code-after=CODE   cancelled   of a cancel with rows: every order failed with this code
    null-data             cancelled   success, but `data` is null
    null-lists            cancelled   success, but both lists are null
    missing-lists         cancelled   success, but `data` has neither list
    reordered             cancelled   the rows of both lists in reverse
    missing-rows          cancelled   every second row left out, counted over both lists
    both-lists            cancelled   the rows of successList in failureList too
    foreign-rows          cancelled   one more row in each list, for orders that are not in the request
    ids-as-numbers        cancelled   every orderId a JSON number
    no-error-code         cancelled   the rows of failureList without errorCode
    message-key           cancelled   the envelope's text under `message` instead of `msg`
    string-request-time   cancelled   `requestTime` as text
    clock-skew=SECONDS    cancelled   the exchange's clock is ahead by so much, in `requestTime` and in
                                      the timestamp window, until another clock-skew is set

*Untouched* and *cancelled* apply to a request that the exchange would have executed. A request that it refuses touches no
order and has no lists to spoil; of the faults from `code` on, only `message-key` and `string-request-time` apply to it.
All faults but the first two rows are counted by the exchange. `list-...` waits for a request that reads orders, `row-...`
for one whose response has rows about single cancels; all others happen to the next request. With
`sandbox.inject("null-data", operation=BATCH_CANCEL_ORDERS)` a fault waits for a request for that operation.

Faults of the lists change the responses to the cancel of a batch, of all trigger orders, and of all orders of a unified
account. A unified account has one list instead of two: `both-lists` adds a failed row for each success, `null-lists` sends
null in its place, and without its code a failed row (`no-error-code`) looks like a success.

`sandbox.refused_symbols["DOGEUSDT"] = "40309"` makes the exchange refuse every batch that has an order of that pair. A
cancel of all orders fails those of that pair only.

On the command line a fault happens once: `drop-after`; three times: `drop-after*3`; or by chance, without end: `429@0.05`.
"""

from typing import TYPE_CHECKING, Any

from bitget_spot.sandbox.faults import FAULT_NAMES
from bitget_spot.sandbox.order_book import Order
from bitget_spot.sandbox.request import Arrival

if TYPE_CHECKING:
    from bitget_spot.sandbox.server import Sandbox

__all__ = ["FAULT_NAMES", "Arrival", "Order", "Sandbox"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """
    Import the server on first use.

    pytest imports this package to find the fixture, also if the extra is not installed.
    """
    if name != "Sandbox":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from bitget_spot.sandbox.server import Sandbox  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        reason = "the sandbox needs an extra; run: pip install 'bitget-spot[sandbox]'"
        raise ModuleNotFoundError(reason, name=error.name) from error
    return Sandbox
