# ruff: noqa: INP001 - Sphinx imports it by its path; it is in no package
"""The directive `exceptions-table`: every exception of the package, what it is derived from, and when it is raised."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bitget_spot import errors


def table() -> Iterator[str]:
    """Yield the lines of the table, in Markdown: each exception after the one that it is derived from."""
    yield from ("| exception | subclass of | raised when |", "| --- | --- | --- |")
    yield from _rows(errors.BitgetError)


def _rows(exception: type[BaseException]) -> Iterator[str]:
    bases = ", ".join(_link(base) for base in exception.__bases__)
    summary = (inspect.getdoc(exception) or "").partition("\n\n")[0].replace("\n", " ")
    yield f"| {_link(exception)} | {bases} | {summary} |"
    for subclass in sorted(exception.__subclasses__(), key=_line_number):
        if subclass.__module__ == errors.__name__:
            yield from _rows(subclass)


def _line_number(exception: type) -> int:
    return inspect.getsourcelines(exception)[1]


def _link(exception: type) -> str:
    if exception.__module__ == errors.__name__:
        return f"{{py:exc}}`~bitget_spot.errors.{exception.__name__}`"
    return f"`{exception.__name__}`"


class ExceptionsTable(SphinxDirective):
    """Inserts the table into a page."""

    def run(self) -> list[nodes.Node]:
        """Write the table as Markdown, and parse that."""
        self.env.note_dependency(errors.__file__)
        container = nodes.container()
        self.state.nested_parse(StringList(list(table()), errors.__file__), 0, container)
        return container.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("exceptions-table", ExceptionsTable)
    return {"parallel_read_safe": True}
