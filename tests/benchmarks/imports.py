"""
What `import bitget_spot` costs, as a ratio to what it cannot do without: httpx, attrs and the generated package.

Both are imported in turn, each time by a new process, in an environment that holds the package without extras: httpx
itself imports more where it finds Rich. The start of the interpreter is not counted. Run it with `make bench-import`;
it fails above the ratio promised.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PINS = ROOT / "constraints.txt"
ROUNDS, PROMISED = 40, 1.3

LEAST = (
    "import httpx, attrs, bitget_spot_api.models, bitget_spot_api.operations, "
    "bitget_spot_api.api.trade.batch_cancel_orders"
)
WHOLE = "import bitget_spot"


def cost(python: Path, statement: str) -> float:
    """CPU seconds of an import in a process of its own."""
    program = f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    return float(subprocess.run([python, "-I", "-c", program], check=True, stdout=subprocess.PIPE).stdout)


def main() -> int:
    """Print the costs and their ratio, and tell whether it is as promised."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", scratch], check=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", scratch]
        subprocess.run([*pip, "install", ROOT, "--constraint", PINS, "--build-constraint", PINS], check=True)
        python = next(Path(scratch).glob("[bS]*/python*"))
        cost(python, WHOLE)
        pairs = [(cost(python, WHOLE), cost(python, LEAST)) for _ in range(ROUNDS)]
    whole, least = map(min, zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"{whole * 1e3:.0f} ms, {least * 1e3:.0f} ms without the overlay, ratio {ratio:.2f}, promised {PROMISED}")
    return int(ratio >= PROMISED)


if __name__ == "__main__":
    sys.exit(main())
