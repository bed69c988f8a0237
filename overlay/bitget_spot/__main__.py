"""The command line: `bitget-spot`, or `python -m bitget_spot`. It needs the extra `cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

CLI_PACKAGES: Final = ("click", "rich", "typer")
"""What the extra `cli` installs."""
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit status; `bitget-spot --help` lists them.

    """
    try:
        # The package itself must not need the extra.
        from bitget_spot._cli import run  # noqa: PLC0415

        return run(argv)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package in CLI_PACKAGES:
            _print_error("the command line requires an extra; install it with: pip install 'bitget-spot[cli]'")
        else:
            _print_error(f"the module {error.name} is not installed")
        return BAD_INPUT
    except KeyboardInterrupt:
        # A second one, while the first was being handled.
        _print_error("stopped by Ctrl-C")
        return INTERRUPTED


def _print_error(message: str) -> None:
    print(f"bitget-spot: {message}", file=sys.stderr)  # noqa: T201 - a command prints


if __name__ == "__main__":
    sys.exit(main())
