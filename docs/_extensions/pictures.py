# ruff: noqa: INP001 - Sphinx imports it by its path; it is in no package
"""
Pictures for light and dark pages, and for phones.

A page names a picture once, in plain Markdown. Of each SVG picture on a white ground, this extension adds a variant in
other colours, which the theme shows on dark pages. On a phone, a wide picture keeps its size and can be scrolled.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx

DARK_ALREADY: Final = ("demo.svg",)
"""Pictures that look the same on both kinds of pages: a terminal is dark."""
WIDE: Final = 500
"""Pixels from which a picture is too wide for a phone."""
DARK_COLOURS: Final = {
    "#ffffff": "#131416",
    "#000000": "#cfd0d0",
    "#222222": "#dddddd",
    "#1f4e79": "#7db1e8",
    "#8fb3d9": "#456f9c",
    "#d62728": "#ff6b6b",
    "#b01515": "#ff8a80",
    "#b8860b": "#e0b040",
    "#2ca02c": "#5fd35f",
    "#7f7f7f": "#a5a5a5",
    "#b9c4cf": "#5a6572",
    "#f3f6f9": "#1e2429",
    "#5b6675": "#a9b3c0",
}
DARK_TEXT: Final = f"<style>text {{ fill: {DARK_COLOURS['#000000']}; }}</style>"


def dark_variant(picture: str) -> str:
    """Return a picture in the colours for dark pages; text without a colour of its own is light."""
    picture = re.sub(r"#[0-9a-f]{6}\b", lambda match: DARK_COLOURS.get(match[0], match[0]), picture)
    return re.sub(r"(<svg\b[^>]*>)", rf"\1{DARK_TEXT}", picture, count=1)


def prepare_pictures(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Add the dark variant of each picture to a page, and mark wide pictures."""
    for image in list(tree.findall(nodes.image)):
        path = Path(image["uri"])
        if path.suffix != ".svg":
            continue
        classes = ["wide"] if width_of(Path(app.srcdir, path).read_text("utf-8")) > WIDE else []
        image.parent["classes"].append("picture")
        image["classes"] += classes
        if path.name in DARK_ALREADY:
            continue
        image["classes"].append("only-light")
        source = f"{'../' * page.count('/')}_images/{dark_name(path.name)}"
        class_names = " ".join([*classes, "only-dark"])
        tag = f'<img alt="{html.escape(image.get("alt", ""))}" class="{class_names}" src="{source}" />'
        image.parent.insert(image.parent.index(image) + 1, nodes.raw("", tag, format="html"))


def width_of(picture: str) -> float:
    """Return the width of an SVG picture in pixels."""
    view_box = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ', picture)
    return float(view_box[1]) if view_box else 0.0


def dark_name(name: str) -> str:
    """Return the name of the file with the dark variant."""
    return f"{name.removesuffix('.svg')}-dark.svg"


def write_variants(app: Sphinx, error: Exception | None) -> None:
    """Write the dark variants next to the pictures of the site."""
    if error is not None or app.builder.format != "html":
        return
    for name in app.builder.images.values():
        path = Path(app.outdir, "_images", name)
        if path.suffix == ".svg" and name not in DARK_ALREADY:
            path.with_name(dark_name(name)).write_text(dark_variant(path.read_text("utf-8")), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Prepare pages when they are resolved, and write the variants in the end."""
    app.connect("doctree-resolved", prepare_pictures)
    app.connect("build-finished", write_variants)
    return {"parallel_read_safe": True}
