"""
The command line, on typer and rich: reads orders, cancels them by the public functions, and tells what came of it.

Reading (`_orders`) and judging (`_advice`) are pure; `_show` writes; `_app` holds the commands.
"""

from bitget_spot._cli.app import run

__all__ = ["run"]
