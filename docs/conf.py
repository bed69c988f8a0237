# ruff: noqa: INP001 - Sphinx runs it; it is of no package
"""
How Sphinx builds the site: `make docs`.

The site makes no request beyond itself: no font, script or picture of another server, and no intersphinx, which would
fetch. Its pages are plain Markdown, so that they can be read in a checkout too: links to the reference are put in here.
"""

from __future__ import annotations

import re
import sys
from enum import EnumType
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "bitget-spot"
author = "The bitget-spot developers"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "openapi_document",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "bitget-spot"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {
    # The style's own is next to white.
    "light_css_variables": {"color-code-background": "#f4f5f7"},
}
html_favicon = "_static/favicon.svg"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# In docstrings a single backtick marks code, as it does in Markdown.
default_role = "code"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

copybutton_prompt_text = "$ "

nitpicky = True
nitpick_ignore_regex = [
    # What belongs to other projects: their inventories would have to be fetched.
    ("py:.*", r"(httpx|ssl|os|collections|http|cryptography|typing)\..*"),
    # The same, as names that are imported for the type checker alone.
    ("py:class", r"RSAPrivateKey"),
    # Every generated function would take it, and it signs nothing.
    ("py:class", r"bitget_spot_api\.client\.AuthenticatedClient"),
    # A type variable.
    ("py:class", r"bitget_spot_api\.types\.T"),
]


def remember(_app: Sphinx, what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Make ready for napoleon what it would misread."""
    if what in PLAIN and SECTIONS.isdisjoint(lines):
        kept[name] = list(lines)
    if what == "module":
        lines[:] = _with_literal_blocks(lines)
    if name.startswith("bitget_spot_api.api."):
        # The generator puts a blank before each line of a description, and knows nothing of the chain's exceptions.
        told = lines[: lines.index("Raises:")]
        lines[:] = [line[1:] if re.match(r" \S", line) else line for line in told]


def restore(_app: Sphinx, _what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Undo what napoleon has made of a text without sections: it takes all before a colon for a type."""
    lines[:] = kept.pop(name, lines)


PLAIN = ("attribute", "property")
SECTIONS = {"Args:", "Raises:", "Returns:"}
kept: dict[str, list[str]] = {}


def _with_literal_blocks(lines: list[str]) -> list[str]:
    """Say of each indented block that it is literal: a docstring is read in a terminal, too."""
    marked: list[str] = []
    inside = False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not inside:
            marked += ["::", ""]
        inside = indented or (inside and not line.strip())
        marked.append(line)
    return marked


def told_shortly(
    _app: Sphinx, what: str, _name: str, obj: object, _options: object, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Leave out of a signature what nobody calls, and write defaults as they are written in a program."""
    if signature is None:
        return None
    if what == "exception" or isinstance(obj, EnumType):
        return "", None  # nobody but the package makes them
    for pattern, instead in DEFAULTS.items():
        signature = re.sub(pattern, instead, signature)
    return signature, returns


DEFAULTS = {r"<bitget_spot_api\.types\.Unset object>": "UNSET", r"<built-in function (\w+)>": r"time.\1"}


def resolve(_app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement) -> nodes.Node | None:
    """Find what an annotation or a docstring names without its module."""
    name = node.get("reftarget", "")
    if node.get("refdomain") != "py" or "." in name:
        return None
    domain = env.get_domain("py")
    found = [full for full in domain.objects if full.rpartition(".")[2] == name]  # type: ignore[attr-defined]
    if len(found) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], _app.builder, node["reftype"], found[0], node, text)


def link_names(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Lead what a page names as code to its reference; so pages are plain Markdown, to be read without Sphinx too."""
    domain = app.env.domains.python_domain
    known: dict[str, list[str]] = {}
    for full, entry in domain.objects.items():
        if entry.objtype in ("class", "exception", "function") and not entry.aliased:
            known.setdefault(full.rpartition(".")[2], []).append(full)
    for literal in list(tree.findall(nodes.literal)):
        found = known.get(literal.astext().partition("(")[0], [])
        if len(found) == 1 and domain.objects[found[0]].docname != page and not _is_linked(literal):
            reference = domain.resolve_xref(
                app.env, page, app.builder, "obj", found[0], pending_xref(), literal.deepcopy()
            )
            literal.parent.replace(literal, reference)


def _is_linked(node: nodes.Node | None) -> bool:
    while node is not None and not isinstance(node, nodes.reference | nodes.title):
        node = node.parent
    return node is not None


def setup(app: Sphinx) -> dict[str, Any]:
    """Hook the steps above in, before and after napoleon, which has a priority of 500."""
    app.connect("autodoc-process-docstring", remember, priority=400)
    app.connect("autodoc-process-docstring", restore, priority=600)
    app.connect("autodoc-process-signature", told_shortly)
    app.connect("missing-reference", resolve)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True}
