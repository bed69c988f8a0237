"""How many examples the property tests draw: `make soak` sets two variables, and without them every run is the same."""

from __future__ import annotations

import os
from typing import Final

SOAK_EXAMPLES: Final = int(os.environ.get("SOAK_EXAMPLES", "0"))
"""Random examples for the tests of `soak` and `fuzz`; 0 for the repeatable ones of `make test`."""
CONTRACT_EXAMPLES: Final = int(os.environ.get("CONTRACT_EXAMPLES", "0"))
"""Random examples for the tests of `contract`; 0 for the repeatable ones of `make test`."""
