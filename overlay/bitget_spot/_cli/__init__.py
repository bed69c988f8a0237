"""
The command line, with typer and rich.

    app         the commands
    output      writes to stdout and stderr
    advice      what an outcome or an error means: what to do, and the exit status
    orders      reads orders from options and files
    check       checks key, clock and account
"""

from bitget_spot._cli.app import run

__all__ = ["run"]
