"""The sandbox from the command line: `python -m bitget_spot.sandbox --port 8787 --orders 120`."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from bitget_spot.sandbox import FAULT_NAMES, Sandbox
from bitget_spot.sandbox.faults import parse_command_line

_ORDERS_SHOWN: Final = 5
_A_LONG_TIME: Final = 3600.0


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m bitget_spot.sandbox") -> int:
    """
    Run a sandbox until Ctrl-C.

    Args:
        argv: The arguments; without them the command line's.
        prog: What the command is called in its help.

    Returns:
        The exit status: 0, or 2 if the port cannot be had.
    """
    parser = _parser(prog)
    options = vars(parser.parse_args(argv))
    faults = options.pop("fault")
    try:
        sandbox = Sandbox(**options)
        for fault, times, chance in map(parse_command_line, faults):
            sandbox.inject(fault, times=times, chance=chance)
    except ValueError as error:
        parser.error(str(error))
    try:
        sandbox.start()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        print(f"cannot listen on 127.0.0.1:{sandbox.port}: {reason}", file=sys.stderr)  # noqa: T201 - a command prints
        return 2
    with contextlib.suppress(KeyboardInterrupt):
        print(_directions(sandbox), flush=True)  # noqa: T201 - a command prints
        while True:
            time.sleep(_A_LONG_TIME)
    sandbox.stop()
    return 0


def _directions(sandbox: Sandbox) -> str:
    orders = list(sandbox.orders.values())
    return "\n".join(
        (
            f"# A sandbox listens on {sandbox.url}; Ctrl-C ends it. What a client needs:",
            f"export BITGET_API_KEY={sandbox.api_key}",
            f"export BITGET_SECRET_KEY={sandbox.secret_key}",
            f"export BITGET_PASSPHRASE={sandbox.passphrase}",
            f"export BITGET_API_BASE_URL={sandbox.url}",
            f"# {len(orders)} orders are open, among them:",
            *(f"#   {o.symbol}  orderId {o.order_id}  clientOid {o.client_oid}" for o in orders[:_ORDERS_SHOWN]),
        )
    )


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="A stand-in for Bitget's spot exchange on this machine.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=8787, help="0 lets the system choose")
    add("--orders", type=int, default=120, help="how many are open")
    add("--demo", action="store_true", help="a demo account instead of a live one")
    add("--requests-per-second", type=float, metavar="N", help="instead of the document's limit")
    add("--cancel-delay", type=float, default=0.0, metavar="SECONDS", help="until a cancel takes effect")
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="the round trip to emulate")
    add("--seed", type=int, default=0, help="decides order ids and chances")
    names = ", ".join(FAULT_NAMES)
    add("--fault", action="append", default=[], metavar="NAME[=VALUE][*TIMES|@CHANCE]", help=f"any of {names}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
