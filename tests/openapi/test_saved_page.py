"""A saved page, as Markdown or as HTML, is read in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from markdown_it import MarkdownIt
from pages import PAGE, PAGE_WITHOUT_PARAMETERS, differences

from vendor_pages.facts import PageError
from vendor_pages.reader import parse_page
from vendor_pages.saved_page import read_page, to_markdown

SITE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Drop Things | Things API</title><style>.a {{}}</style></head>
<body><nav>Skip to main content</nav><script>var a = "GET /api/v2/other";</script>
<aside>| Parameter | Type |</aside>
<main><article><nav class="theme-doc-breadcrumbs">Things &gt; Drop</nav>
<div class="theme-doc-markdown markdown">{page}</div>
<footer class="theme-doc-footer">Edit this page</footer></article>
<nav>Previous Next</nav></main><footer>Copyright 2026 Things</footer></body></html>
"""
CODE: Final = (
    '<pre class="prism-code language-json"><code><span class="token-line">{<br></span>'
    '<span class="token-line">  "code": "00000", // always<br></span>'
    '<span class="token-line">  "data": {"dropped": [{"depth": "3"}], "held": []}<br></span>'
    '<span class="token-line">}<br></span></code></pre><button>Copy</button>'
)


def html_of(markdown: str) -> str:
    """Return a page as the vendor's site would show it."""
    return SITE.format(page=MarkdownIt("commonmark").enable("table").render(markdown))


@pytest.mark.parametrize("markdown", [PAGE, PAGE_WITHOUT_PARAMETERS], ids=["a body and lists", "no parameters"])
def test_html_agrees(markdown: str) -> None:
    """A page as HTML says the same as the page as Markdown, without the site around it."""
    page = to_markdown(html_of(markdown))
    assert parse_page(page) == parse_page(markdown)
    assert differences(page) == {}


def test_difference_in_html_is_found() -> None:
    """A change of the page is found in the HTML."""
    assert differences(to_markdown(html_of(PAGE.replace("(UID)", "(IP)")))) == {"scope": "differs"}


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (
            "The manner<br><code>soft</code> set down<br/><br><code>hard</code> let go",
            "The manner soft set down hard let go",
        ),
        ("<code>soft</code>|<code>hard</code>", "soft|hard"),
        ("<p>soft</p><p>hard</p>", "soft hard"),
        ("The manner:<ul><li>soft</li><li><code>hard</code></li></ul>", "The manner: soft hard"),
        ("<strong>soft</strong> and\n hard", "soft and hard"),
        ("a_b * c", "a_b * c"),
        ("&gt; 5 &amp; more", "> 5 & more"),
    ],
)
def test_cells_stay_whole(cell: str, text: str) -> None:
    """A cell with breaks, pipes or paragraphs is one cell."""
    html = html_of(PAGE).replace("<td>Where the things lie</td>", f"<td>{cell}</td>", 1)
    assert " ".join(parse_page(to_markdown(html)).members["request shelf"].text.split()) == text


def test_example_in_highlighted_code_is_read() -> None:
    """The example is read from code in which each line is an element of its own."""
    html = html_of(PAGE)
    start = html.index("<pre>", html.index("Response Example"))
    end = html.index("</pre>", start) + len("</pre>")
    found = differences(to_markdown(html[:start] + CODE + html[end:]))
    assert list(found) == ["response dropped > depth"]


def test_table_without_a_head_is_read() -> None:
    """The first row of a table is its head, also if the page does not say so."""
    html = html_of(PAGE).replace("<thead>", "").replace("</thead>", "").replace("<tbody>", "").replace("</tbody>", "")
    assert differences(to_markdown(html)) == {}


@pytest.mark.parametrize("wrapper", ["article", "main", "body", "div"])
def test_page_of_another_site_is_read(wrapper: str) -> None:
    """The page is the article, the main part, the body, or all there is."""
    page = MarkdownIt("commonmark").enable("table").render(PAGE)
    html = f"<html><{wrapper}><nav>Things</nav>{page}<footer>Copyright</footer></{wrapper}></html>"
    assert differences(to_markdown(html)) == {}


@pytest.mark.parametrize(
    "start",
    ["", "\ufeff", "\n\n", "<!-- saved from url=(0030)https://things.test/drop -->\n"],
    ids=["plain", "byte order mark", "blank lines", "comment"],
)
@pytest.mark.parametrize("name", ["page.html", "page.md", "page"])
def test_html_is_recognized(start: str, name: str, tmp_path: Path) -> None:
    """HTML is recognized by its content, whatever the file is called."""
    path = tmp_path / name
    path.write_text(start + html_of(PAGE), "utf-8")
    assert differences(read_page(path)) == {}


def test_part_of_a_page_is_html_if_its_name_says_so(tmp_path: Path) -> None:
    """A file that has only the article, without the page around it, is read as HTML."""
    path = tmp_path / "page.HTML"
    path.write_text(MarkdownIt("commonmark").enable("table").render(PAGE), "utf-8")
    assert differences(read_page(path)) == {}


def test_tables_that_an_export_leaves_as_html_are_read(tmp_path: Path) -> None:
    """Some exporters keep a table with breaks in its cells as HTML; the lines below keep their numbers."""
    table = PAGE[PAGE.index("| Parameter") : PAGE.index("Response Example")]
    html = MarkdownIt("commonmark").enable("table").render(table)
    path = tmp_path / "page.md"
    path.write_text(PAGE.replace(table, html + "\n"), "utf-8")
    assert differences(read_page(path)) == {}
    path.write_text(PAGE.replace(table, html + "\n").replace("| held | Array |", "| held | Arr\nay |"), "utf-8")
    with pytest.raises(PageError, match=rf"line {path.read_text('utf-8').splitlines().index('| held | Arr') + 1}: "):
        parse_page(read_page(path))


@pytest.mark.parametrize("content", [PAGE, "<div>\n\n" + PAGE, "# <html>\n"], ids=["page", "element", "title"])
def test_markdown_is_left_as_it_is(content: str, tmp_path: Path) -> None:
    """Markdown is not converted, even if there is an element in it."""
    path = tmp_path / "page.md"
    path.write_text(content, "utf-8")
    assert read_page(path) == content


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    """A file that is not text in UTF-8 is refused with what to do."""
    path = tmp_path / "page.html"
    path.write_bytes(html_of(PAGE).encode("utf-16"))
    with pytest.raises(PageError, match="not text in UTF-8; save the page as Markdown or HTML"):
        read_page(path)
