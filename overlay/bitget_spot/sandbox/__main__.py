"""The sandbox from the command line: `python -m bitget_spot.sandbox --port 8787 --orders 120`."""

import argparse
import contextlib
import errno
import os
import sys
import time
from collections.abc import Sequence
from typing import Final, get_args

from bitget_spot.sandbox import FAULT_NAMES, Sandbox
from bitget_spot.sandbox.accounts import AccountType
from bitget_spot.sandbox.faults import parse_command_line

_MAX_DISPLAY: Final = 5
_SLEEP: Final = 3600.0
"""Seconds: the main thread only waits for Ctrl-C, because the server runs in a thread of its own."""


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m bitget_spot.sandbox") -> int:
    """
    Run a sandbox until Ctrl-C.

    Args:
        argv: The arguments; by default those of the process.
        prog: The name of the command in its help.

    Returns:
        The exit status: 0, or 2 if the port cannot be used.

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
        print(_port_problem(sandbox.port, error), file=sys.stderr)  # noqa: T201 - a command prints
        return 2
    with contextlib.suppress(KeyboardInterrupt):
        print(_directions(sandbox), flush=True)  # noqa: T201 - a command prints
        while True:
            time.sleep(_SLEEP)
    sandbox.stop()
    return 0


def _port_problem(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use; try --port 0."
    return f"Cannot listen on 127.0.0.1:{port}: {os.strerror(error.errno or 0)}."


def _directions(sandbox: Sandbox) -> str:
    orders = list(sandbox.orders.values())
    return "\n".join(
        (
            f"# The sandbox listens on {sandbox.url}. Press Ctrl-C to stop it. Variables for a client:",
            f"export BITGET_API_KEY={sandbox.api_key}",
            f"export BITGET_SECRET_KEY={sandbox.secret_key}",
            f"export BITGET_PASSPHRASE={sandbox.passphrase}",
            f"export BITGET_API_BASE_URL={sandbox.url}",
            f"# {len(orders)} orders are open, for example:",
            *(
                f"#   {order.symbol}  orderId {order.order_id}  clientOid {order.client_oid}"
                for order in orders[:_MAX_DISPLAY]
            ),
        )
    )


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="A sandbox exchange on this machine.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=8787, help="port to listen on; 0 picks a free one")
    add("--orders", type=int, default=120, help="number of open orders")
    add("--account-type", choices=get_args(AccountType), default="classic", help="type of the account")
    add("--demo", action="store_true", help="make the account a demo account")
    add("--requests-per-second", type=float, metavar="N", help="override the documented rate limit")
    add("--cancel-delay", type=float, default=0.0, metavar="SECONDS", help="delay before a cancel is executed")
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="emulated round-trip time")
    add("--seed", type=int, default=0, help="seed for order ids and random faults")
    names = ", ".join(FAULT_NAMES)
    add("--fault", action="append", default=[], metavar="NAME[=VALUE][*TIMES|@CHANCE]", help=f"any of {names}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
