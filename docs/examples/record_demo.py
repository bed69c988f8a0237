"""
Draw the demo as it looks in a terminal: docs/demo.svg.

    python docs/examples/record_demo.py

Only the times in it differ from run to run. Rich's picture would load a font from the internet; this one uses a font of
the reader's system.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from demo import main
from rich.console import Console

PICTURE = Path(__file__).resolve().parents[1] / "demo.svg"
WIDTH = 82
PORT = 8787


def record(port: int = PORT) -> str:
    """Run the demo, and return the picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    main(console, port)
    picture = console.export_svg(title="make demo", unique_id="demo")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    return re.sub(
        r"font-family: Fira Code, monospace", "font-family: ui-monospace, Menlo, Consolas, monospace", picture
    )


if __name__ == "__main__":
    PICTURE.write_text(record(), "utf-8")
    print(f"wrote {PICTURE}")
