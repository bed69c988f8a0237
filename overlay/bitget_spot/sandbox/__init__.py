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
"""

from typing import TYPE_CHECKING, Any

from bitget_spot.sandbox._exchange import Arrival, Order
from bitget_spot.sandbox._faults import FAULT_NAMES

if TYPE_CHECKING:
    from bitget_spot.sandbox._server import Sandbox

__all__ = ["FAULT_NAMES", "Arrival", "Order", "Sandbox"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """
    Import the server when it is first asked for.

    pytest imports this package to find the fixture, also where the extra is not installed.
    """
    if name != "Sandbox":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from bitget_spot.sandbox._server import Sandbox  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        reason = "the sandbox needs an extra: pip install 'bitget-spot[sandbox]'"
        raise ModuleNotFoundError(reason, name=error.name) from error
    return Sandbox
