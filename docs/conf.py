# ruff: noqa: INP001 - Sphinx executes it; it is in no package
"""
How Sphinx builds the site: `make docs`.

The site loads nothing from other servers: no fonts, scripts or pictures, and no intersphinx, which would download
inventories. Its pages are plain Markdown, so that they can be read in a checkout too: links to the reference are added
here.
"""

from __future__ import annotations

import re
import sys
import tomllib
from enum import EnumType
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
# The extension reads the document as the scripts do.
sys.path.insert(0, str(Path(__file__).parents[1] / "openapi"))

METADATA = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))["project"]

project = "bitget-spot"
version = METADATA["version"]
release = version
author = "The bitget-spot developers"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "exceptions_table",
    "openapi_document",
    "pictures",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = "bitget-spot"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["fold.js"]
html_logo = "_static/logo.svg"
html_context = {"repository_url": METADATA["urls"]["Repository"]}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
        "sidebar/about.html",
    ]
}
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {
    # The style's own background is almost white.
    "light_css_variables": {"color-code-background": "#f4f5f7"},
}
html_favicon = "_static/favicon.svg"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# In docstrings a single backtick marks code, as in Markdown.
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
    # Names of other projects, whose inventories would have to be downloaded.
    ("py:.*", r"(httpx|ssl|os|collections|http|cryptography|typing)\..*"),
    # The same, for names that are imported for the type checker only.
    ("py:class", r"RSAPrivateKey"),
    # Every generated function accepts it, but it does not sign anything.
    ("py:class", r"bitget_spot_api\.client\.AuthenticatedClient"),
    # A type variable.
    ("py:class", r"bitget_spot_api\.types\.T"),
]

PROSE_OBJECTS = ("attribute", "property")
"""Objects whose docstrings are prose, usually without sections."""
SECTIONS = {"Args:", "Raises:", "Returns:"}
DEFAULTS = {r"<built-in function (\w+)>": r"time.\1"}
"""How defaults are written in a signature."""
saved_docstrings: dict[str, list[str]] = {}


def prepare_docstring(_app: Sphinx, what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Save docstrings that napoleon would misread, and correct what Sphinx would misread."""
    if what in PROSE_OBJECTS and SECTIONS.isdisjoint(lines):
        saved_docstrings[name] = list(lines)
    if what == "module":
        # The page of the exceptions has a table instead of the tree.
        lines[:] = [] if name == "bitget_spot.errors" else _with_literal_blocks(lines)
    if name.startswith("bitget_spot_api.api."):
        # The generator puts a space before the first line of a description, and does not know the overlay's exceptions.
        described = lines[: lines.index("Raises:")] if "Raises:" in lines else lines
        lines[:] = [line[1:] if re.match(r" \S", line) else line for line in described]


def restore_docstring(_app: Sphinx, _what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Undo napoleon's changes to prose: it takes the text before a colon for a type."""
    lines[:] = saved_docstrings.pop(name, lines)


def _with_literal_blocks(lines: list[str]) -> list[str]:
    """Mark each indented block as literal; docstrings leave the mark out, because they are read in a terminal too."""
    marked: list[str] = []
    inside = False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not inside:
            marked += ["::", ""]
        inside = indented or (inside and not line.strip())
        marked.append(line)
    return marked


def shorten_signature(
    _app: Sphinx, what: str, _name: str, obj: object, _options: object, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Leave out signatures that users do not call, and write defaults as in a program."""
    if signature is None:
        return None
    if what == "exception" or isinstance(obj, EnumType):
        return "", None  # only the package creates them
    for pattern, replacement in DEFAULTS.items():
        signature = re.sub(pattern, replacement, signature)
    return signature, returns


def resolve_short_name(
    _app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.Node | None:
    """Resolve a name that an annotation or a docstring gives without its module."""
    name = node.get("reftarget", "")
    if node.get("refdomain") != "py" or "." in name:
        return None
    domain = env.get_domain("py")
    found = [full_name for full_name in domain.objects if full_name.rpartition(".")[2] == name]  # type: ignore[attr-defined]
    if len(found) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], _app.builder, node["reftype"], found[0], node, text)


def link_names(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Link what a page names as code to the reference, so that the page itself can stay plain Markdown."""
    domain = app.env.domains.python_domain
    full_names = _full_names(domain.objects)
    for literal in list(tree.findall(nodes.literal)):
        found = full_names.get(literal.astext().partition("(")[0], [])
        if len(found) == 1 and domain.objects[found[0]].docname != page and not _is_linked(literal):
            reference = domain.resolve_xref(
                app.env, page, app.builder, "obj", found[0], pending_xref(), literal.deepcopy()
            )
            literal.parent.replace(literal, reference)


def _full_names(objects: dict[str, Any]) -> dict[str, list[str]]:
    """Return the full names that a name can stand for: `sync`, `warm_up.sync`, `bitget_spot.warm_up.sync`."""
    full_names: dict[str, list[str]] = {}
    for full_name, entry in objects.items():
        if entry.objtype not in ("class", "exception", "function") or entry.aliased:
            continue
        parts = full_name.split(".")
        for start in range(len(parts)):
            full_names.setdefault(".".join(parts[start:]), []).append(full_name)
    return full_names


def _is_linked(node: nodes.Node | None) -> bool:
    while node is not None and not isinstance(node, nodes.reference | nodes.title):
        node = node.parent
    return node is not None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the steps above, before and after napoleon, which has the priority 500."""
    app.connect("autodoc-process-docstring", prepare_docstring, priority=400)
    app.connect("autodoc-process-docstring", restore_docstring, priority=600)
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("missing-reference", resolve_short_name)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True}
