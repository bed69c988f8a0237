"""
How long `import bitget_spot` takes, as a ratio to its requirements: httpx, attrs and the generated package.

Both are imported in turn, each time by a new process, in an environment with the package but without extras, because httpx
imports more if rich is installed. The start of the interpreter is not counted. Run it with `make bench-import`; it fails
if the ratio is too large.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CONSTRAINTS: Final = ROOT / "constraints.txt"
ROUNDS: Final = 40
MAX_RATIO: Final = 1.3

REQUIREMENTS: Final = (
    "import httpx, attrs, bitget_spot_api.models, bitget_spot_api.operations, "
    "bitget_spot_api.api.trade.batch_cancel_orders"
)
PACKAGE: Final = "import bitget_spot"


def cpu_of(python: Path, statement: str) -> float:
    """Return the CPU seconds of an import in a process of its own."""
    program = f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    return float(subprocess.run([python, "-I", "-c", program], check=True, stdout=subprocess.PIPE).stdout)


def main() -> int:
    """Print the times and their ratio; return 1 if it is too large."""
    package_times = []
    requirement_times = []
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", scratch], check=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", scratch]
        constraints = ["--constraint", str(CONSTRAINTS), "--build-constraint", str(CONSTRAINTS)]
        subprocess.run([*pip, "install", ROOT, *constraints], check=True)
        python = next(Path(scratch).glob("[bS]*/python*"))
        cpu_of(python, PACKAGE)
        for _ in range(ROUNDS):
            package_times.append(cpu_of(python, PACKAGE))
            requirement_times.append(cpu_of(python, REQUIREMENTS))
    ratio = statistics.median(one / other for one, other in zip(package_times, requirement_times, strict=True))
    print(
        f"{min(package_times) * 1e3:.0f} ms, {min(requirement_times) * 1e3:.0f} ms for the requirements alone, "
        f"ratio {ratio:.2f}, at most {MAX_RATIO}"
    )
    return int(ratio >= MAX_RATIO)


if __name__ == "__main__":
    sys.exit(main())
