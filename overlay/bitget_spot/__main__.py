"""The command line: `bitget-spot`, or `python -m bitget_spot`. It needs the extra `cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

EXTRA: Final = ("click", "rich", "typer")


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Args:
        argv: The arguments; without them the command line's.

    Returns:
        The exit status; `bitget-spot --help` tells what each means.

    """
    status = 2
    try:
        # The package itself must not need the extra.
        from bitget_spot._cli import run  # noqa: PLC0415

        return run(argv)
    except ModuleNotFoundError as error:
        known = str(error.name).partition(".")[0] in EXTRA
        told = (
            "the command line needs an extra: pip install 'bitget-spot[cli]'" if known else f"there is no {error.name}"
        )
    except KeyboardInterrupt:
        # A second one, while the first was dealt with.
        status, told = 130, "stopped by Ctrl-C"
    print(f"bitget-spot: {told}", file=sys.stderr)  # noqa: T201 - a command prints
    return status


if __name__ == "__main__":
    sys.exit(main())
