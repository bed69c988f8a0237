"""
A stand-in for Bitget's spot exchange on this machine, to develop and test bots against.

    from bitget_spot import connect
    from bitget_spot.sandbox import Sandbox

    with Sandbox(orders=120) as sandbox:
        sandbox.inject("drop-after")
        with connect(sandbox.credentials, base_url=sandbox.url) as client:
            ...

It keeps the documented rate limit in any second, checks signatures, cancels in batches by the
vendor's rules, writes down what arrived when, and makes on demand the faults that an exchange and
the network in front of it make. With pytest the fixture `bitget_sandbox` is a fresh one for each
test; from the command line it is `python -m bitget_spot.sandbox`. It needs the extra `sandbox`.

Faults are planned by name, as in `sandbox.inject("drop-after", times=3)`. Each spoils one request. Those that spoil the
answer let the cancel take effect first, for that is what a client must survive: an answer that cannot be read says
nothing about the orders.

    fault                 orders      what the client sees
    429                   untouched   HTTP 429 with the exchange's short JSON body
    html-403, html-429    untouched   a page of the network in front; not counted, nor is 429
    html-502              untouched   a page of the network in front: the exchange was not reached
    html-520              cancelled   a page of the network in front: the answer was not understood
    empty                 cancelled   HTTP 200 with an empty body
    raw=TEXT              cancelled   HTTP 200 with this body
    drop-before           untouched   the connection aborted, without an answer
    drop-after            cancelled   the connection aborted, without an answer
    delay=SECONDS         cancelled   the answer late: the orders are cancelled before the wait
    delay-before=SECONDS  cancelled   the answer late: counted and cancelled after the wait
    code=CODE             untouched   a refusal with this code
    code-after=CODE       cancelled   a refusal with this code
    null-data             cancelled   success, but `data` is null
    null-lists            cancelled   success, but both lists are null
    missing-lists         cancelled   success, but `data` has neither list
    reordered             cancelled   the rows of both lists in reverse
    missing-rows          cancelled   every second row left out, counted over both lists
    both-lists            cancelled   the rows of successList in failureList too
    foreign-rows          cancelled   one more row in each list, for orders never asked for
    ids-as-numbers        cancelled   every orderId a JSON number
    no-error-code         cancelled   the rows of failureList without errorCode
    message-key           cancelled   the envelope's text under `message` instead of `msg`
    string-request-time   cancelled   `requestTime` as text
    clock-skew=SECONDS    cancelled   the exchange's clock fast by so much, in `requestTime` and in
                                      the timestamp window, until another clock-skew is set

*Untouched* and *cancelled* hold for a request that the exchange would have carried out. One that it refuses touches no
order and has no lists to spoil; of the faults from `code` on it meets `message-key` and `string-request-time` alone.
All but the first two rows are counted by the exchange. Those that spoil the lists spoil a batch cancel's alone.

On the command line a fault happens once: `drop-after`; three times: `drop-after*3`; or by chance,
without end: `429@0.05`.
"""

from typing import TYPE_CHECKING, Any

from bitget_spot.sandbox.exchange import Arrival, Order
from bitget_spot.sandbox.faults import FAULT_NAMES

if TYPE_CHECKING:
    from bitget_spot.sandbox.server import Sandbox

__all__ = ["FAULT_NAMES", "Arrival", "Order", "Sandbox"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """
    Import the server when it is first asked for.

    pytest imports this package to find the fixture, also where the extra is not installed.
    """
    if name != "Sandbox":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from bitget_spot.sandbox.server import Sandbox  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        reason = "the sandbox needs an extra: pip install 'bitget-spot[sandbox]'"
        raise ModuleNotFoundError(reason, name=error.name) from error
    return Sandbox
