"""
The size that each part may have, in statements (imports and docstrings apart): part of `make lint`.

Thinness is a feature. What grows past its number is asked what could go before the number is raised. Statements, for
the formatter breaks lines as it likes.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

OVERLAY = Path(__file__).resolve().parent.parent / "overlay" / "bitget_spot"
STORES = ("rate_limit/_shared.py", "rate_limit/_sqlite.py", "rate_limit/_redis.py")
RUN = ("cancel_orders.py", "_plan.py", "_settlement.py", "_report.py", "_warm_up.py", "_clock.py")
KEYS = ("_credentials.py",)
COMMANDS = ("__main__.py", "_cli/*.py")
AFTER = ("_confirm.py", "cancel_open_orders.py")
PARTS = {
    "the chain with its rules": (880, ("*.py", "rate_limit/*.py"), (*STORES, *RUN, *AFTER, *KEYS, "__main__.py")),
    "the keys": (100, KEYS, ()),
    "the shared stores": (350, STORES, ()),
    "any number of orders": (450, RUN, ()),
    "what became of them, and the kill switch": (220, AFTER, ()),
    "the command line": (400, COMMANDS, ()),
    "the page check": (400, ("../../openapi/check_docs.py",), ()),
    "the sandbox": (620, ("sandbox/*.py",), ()),
}


def statements(path: Path) -> int:
    """Count the statements of a file."""
    return sum(
        isinstance(node, ast.stmt)
        and not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    )


def main() -> int:
    """Print the sizes; answer 1 if one is too large."""
    status = 0
    for part, (most, patterns, apart) in PARTS.items():
        paths = {path for pattern in patterns for path in OVERLAY.glob(pattern)} - {OVERLAY / name for name in apart}
        found = sum(map(statements, paths))
        print(f"{part}: {found} of {most} statements")
        if found > most:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
