"""When hostile input is tried."""

from __future__ import annotations

import os

# It takes long: `make soak` asks for it.
collect_ignore_glob = [] if "SOAK_EXAMPLES" in os.environ else ["*"]
