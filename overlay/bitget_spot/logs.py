"""
The loggers of this package, all below `bitget_spot`, and how the environment turns them on.

    bitget_spot.bulk        INFO: one line for each batch; WARNING: what is tried again or given up
    bitget_spot.requests    INFO: one line for each retry; DEBUG: one line for each request
    bitget_spot.rate_limit  WARNING: a shared store does not respond; INFO: it responds again

No line contains a secret, or more of a request than the name of its operation. `BITGET_LOG=debug` (or `info`, `warning`)
writes the lines to stderr.
"""

from __future__ import annotations

import logging
import os
from typing import Final

VARIABLE: Final = "BITGET_LOG"
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
ROOT: Final = logging.getLogger("bitget_spot")
_handler: Final = logging.StreamHandler()
_handler.setFormatter(logging.Formatter(FORMAT))


def configure_from_env() -> None:
    """Write the log to stderr if BITGET_LOG says so; a level that is not known is an entry in the log itself."""
    name = os.environ.get(VARIABLE, "").strip().lower()
    if not name:
        return
    if _handler not in ROOT.handlers:
        ROOT.addHandler(_handler)
    ROOT.setLevel(LEVELS.get(name, logging.WARNING))
    if name not in LEVELS:
        ROOT.warning("%s: %r is not a level; use %s", VARIABLE, name, ", ".join(LEVELS))
