"""The site is built without a warning, is complete, and loads nothing from other servers."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from bitget_spot import cancel_open_orders, errors
from bitget_spot._bulk.confirmation import STALL_TIMEOUT
from bitget_spot._bulk.open_order import CANCEL_TIMEOUT, MAX_CANCELS
from bitget_spot._bulk.recovery import MAX_EXTRA_REQUESTS
from bitget_spot._cli.advice import Exit
from bitget_spot._middleware.body import MAX_BODY_SIZE
from bitget_spot._middleware.retry import MAX_RETRIES
from bitget_spot.client import DEFAULT_TIMEOUT
from bitget_spot.sandbox import FAULT_NAMES
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    ERROR_CODES,
    GET_HISTORY_ORDERS,
    OPERATIONS,
    TIMESTAMP_WINDOW_SECONDS,
)
from document import DOCUMENT, load
from schema_rules import request_schemas

pytest.importorskip("sphinx", reason="NOT TESTED: the site needs the dependency group `site`")

ROOT: Final = Path(__file__).resolve().parents[2]
LOADING_ATTRIBUTES: Final = {"src", "srcset", "poster", "data"}
LOADING_LINKS: Final = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload"}
MAX_REQUESTS: Final = BATCH_CANCEL_ORDERS.rate_limit.requests
MAX_ORDERS: Final = BATCH_CANCEL_ORDERS.max_items["orderList"]
MAX_UNIFIED_ORDERS: Final = BATCH_CANCEL_UNIFIED_ORDERS.max_items["body"]
CODES: Final[list[str]] = []
for _classes in ERROR_CODES.values():
    for _codes in _classes.values():
        CODES.extend(_codes)
KILL_SWITCH_DEADLINE: Final = inspect.signature(cancel_open_orders.sync).parameters["deadline"].default
NUMBERS: Final = {
    "accounts.md": (
        f"| Orders in one request | {MAX_ORDERS} | {MAX_UNIFIED_ORDERS} |",
        f"| Requests in a second | {MAX_REQUESTS} | {BATCH_CANCEL_UNIFIED_ORDERS.rate_limit.requests} |",
    ),
    "bots.md": (f"limit of {MAX_REQUESTS} requests a second",),
    "keys.md": (f"more than {TIMESTAMP_WINDOW_SECONDS:g} seconds from",),
    "cancel.md": (
        f"in smaller batches, up to {MAX_RETRIES} times",
        f"at most {MAX_EXTRA_REQUESTS} more requests",
    ),
    "cancel-all.md": (
        f"It has {KILL_SWITCH_DEADLINE:g} seconds unless",
        f"still lists them {CANCEL_TIMEOUT:g} seconds after {MAX_CANCELS} cancels",
    ),
    "confirm.md": (
        f"nothing has changed for {STALL_TIMEOUT:g} seconds",
        f"a page of {GET_HISTORY_ORDERS.maxima['limit']} orders",
    ),
    "assumptions.md": (f"limit of {MAX_REQUESTS} requests", f"takes effect within {STALL_TIMEOUT:g} seconds"),
    "request.md": (
        f"limited to {MAX_BODY_SIZE >> 20} MiB",
        f"up to {MAX_RETRIES} times",
        f"{MAX_REQUESTS} requests in any second",
        f"{DEFAULT_TIMEOUT:g} seconds from connecting",
    ),
}
"""Numbers in the pages that are defined elsewhere."""


class Page(HTMLParser):
    """What a page loads, the targets of its links, its anchors and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded_urls: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the URLs and the anchor of a tag."""
        values = {name: value or "" for name, value in attrs}
        self.loaded_urls += [values[name] for name in LOADING_ATTRIBUTES & values.keys()]
        if tag == "link" and LOADING_LINKS & set(values.get("rel", "").split()):
            self.loaded_urls.append(values["href"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.anchors.add(values.get("id", ""))

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built as `make docs` does."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", "-d", str(out / "trees")]
    result = subprocess.run(
        [*command, str(ROOT / "docs"), str(out / "html")], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return out / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Every page of the site, by its path."""
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def test_site_loads_nothing_from_other_servers(site: Path, pages: dict[str, Page]) -> None:
    """Everything that a page, a style sheet or a picture loads is part of the site; no script names another server."""
    for name, page in pages.items():
        for url in page.loaded_urls:
            assert not urlsplit(url).scheme or url.startswith("data:"), (name, url)
            assert (site / name).parent.joinpath(urlsplit(url).path).is_file(), (name, url)
    for path in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        text = path.read_text("utf-8")
        assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//|href=\"https?:|<image", text), path
    for path in site.rglob("*.js"):
        calls = re.findall(r"(?:fetch|importScripts|import)\(\s*[\"'`](?:https?:)?//", path.read_text("utf-8"))
        assert not calls, path


def test_internal_links_have_a_target(site: Path, pages: dict[str, Page]) -> None:
    """The page and the anchor of every internal link exist."""
    for name, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme:
                continue
            target, anchor = urldefrag(urljoin(name, link))
            if target.startswith("_downloads/"):
                assert (site / target).is_file(), (name, link)
                continue
            assert target in pages, (name, link)
            assert not anchor or anchor in pages[target].anchors or target.startswith("genindex"), (name, link)


def test_reference_is_complete(pages: dict[str, Page]) -> None:
    """The reference has each operation with its path and its limit, each code and each fault."""
    document = pages["reference/openapi.html"]
    for (method, path), operation in OPERATIONS.items():
        assert f"{method} {path}" in document.text
        assert f"operation-{operation.operation_id.lower()}" in document.anchors
        limit = operation.rate_limit
        period = "any second" if limit.period_seconds == 1 else f"any {limit.period_seconds:g} seconds"
        assert f"{limit.requests} requests in {period}" in document.text
        assert f"({limit.scope})" in document.text
    errors = pages["reference/errors.html"].text
    assert [code for code in CODES if code not in errors] == []
    faults = pages["reference/sandbox.html"].text
    assert [name for name in FAULT_NAMES if name not in faults] == []


def test_generated_reference_follows_the_document(pages: dict[str, Page]) -> None:
    """The reference of the generated client has the function of each operation and the class of each object to send."""
    anchors = pages["reference/generated.html"].anchors
    functions = {name for name in anchors if name.startswith("bitget_spot_api.api.") and name.endswith(".sync")}
    assert len(functions) == len(OPERATIONS)
    for operation in OPERATIONS.values():
        module = operation.operation_id[0] + re.sub(r"([A-Z])", r"_\1", operation.operation_id[1:]).lower()
        assert [name for name in functions if name.endswith(f".{module}.sync")], module
    sent = {place.name for place in request_schemas(load(DOCUMENT)) if "properties" in place.schema}
    assert {"BatchCancelOrdersRequest", "OrderRef"} <= sent
    assert {f"bitget_spot_api.models.{name}" for name in sent} <= anchors


def test_old_anchors_still_exist(pages: dict[str, Page]) -> None:
    """The anchors of the page from which others were split lead to a link to the new page."""
    anchors = {
        *("one-outcome-for-every-order", "ask-what-became-of-them", "the-kill-switch", "which-orders"),
        *(
            "fast-or-accounted-for-one-by-one",
            "deadlines-ctrl-c-cancelled-tasks",
            "exceptions",
            "the-path-of-a-request",
        ),
    }
    assert anchors - pages["cancel.html"].anchors == set()


def test_every_page_says_what_it_is_about(pages: dict[str, Page]) -> None:
    """The sidebar of every page has the version and the disclaimer."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for name, page in pages.items():
        assert f"Version {project['version']}" in page.text, name
        assert "not affiliated with Bitget" in page.text, name


def test_exceptions_are_a_table(pages: dict[str, Page]) -> None:
    """The table of the exceptions has each, and what it is derived from."""
    text = " ".join(pages["reference/errors.html"].text.split())
    for exception in vars(errors).values():
        if inspect.isclass(exception) and issubclass(exception, errors.BitgetError):
            bases = ", ".join(base.__name__ for base in exception.__bases__)
            assert f"{exception.__name__} {bases} " in text


def test_document_page_begins_with_the_batch_cancel(site: Path, pages: dict[str, Page]) -> None:
    """The batch cancel comes first, every table has a header, and the document can be downloaded."""
    page = pages["reference/openapi.html"]
    first = min(OPERATIONS.values(), key=lambda operation: page.text.index(f"{operation.method} {operation.path}\n"))
    assert first == BATCH_CANCEL_ORDERS
    (link,) = (link for link in page.links if "_downloads/" in link)
    document = (ROOT / "openapi" / "bitget-spot.yaml").read_bytes()
    assert site.joinpath("reference", link).read_bytes() == document
    for path in site.rglob("*.html"):
        for header in re.findall(r"<thead>.*?</thead>", path.read_text("utf-8"), re.DOTALL):
            titles = re.findall(r"<th[^>]*>(.*?)</th>", header, re.DOTALL)
            assert all(re.sub(r"<[^>]*>", "", title).strip() for title in titles), path
    html = (site / "reference" / "openapi.html").read_text("utf-8")
    assert html.count("<details") == html.count("</details>") > len(OPERATIONS)


def test_pictures_have_a_dark_variant(site: Path, pages: dict[str, Page]) -> None:
    """A picture on a white ground is shown in other colours on a dark page, with the same texts."""
    for name in ("request", "arrivals", "peers"):
        light, dark = (site / "_images" / f"{name}{suffix}.svg" for suffix in ("", "-dark"))
        light_text, dark_text = light.read_text("utf-8"), dark.read_text("utf-8")
        assert "#ffffff" in light_text
        assert "#ffffff" not in dark_text
        assert re.findall(r"<text[^>]*>([^<]*)", light_text) == re.findall(r"<text[^>]*>([^<]*)", dark_text)
        assert f"_images/{name}-dark.svg" in pages[f"{name}.html"].loaded_urls
    assert "demo-dark.svg" not in " ".join(pages["start.html"].loaded_urls)


def test_parameters_are_described(pages: dict[str, Page]) -> None:
    """Each parameter of a generated function has a description, not only an example."""
    text = pages["reference/generated.html"].text
    assert "Example:" not in text
    assert "Parameters" in text


def test_codes_can_be_searched_for(site: Path) -> None:
    """The search ignores numbers in texts, so every code is an entry of the index."""
    index = (site / "searchindex.js").read_text("utf-8")
    entries = index[index.index('"indexentries"') :]
    assert [code for code in CODES if f'"{code}":' not in entries] == []


@pytest.mark.parametrize("page", NUMBERS)
def test_numbers_in_pages_are_correct(page: str) -> None:
    """A limit, a maximum or a time in a page is that of the document or of the client."""
    text = " ".join((ROOT / "docs" / page).read_text("utf-8").split())
    assert [number for number in NUMBERS[page] if number not in text] == []


def test_every_exit_status_is_documented() -> None:
    """The page of the command line has a row for each exit status."""
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert [status for status in Exit if f"\n| {status.value} | " not in text] == []


def test_names_link_to_the_reference(pages: dict[str, Page]) -> None:
    """A class or function that a page names as code is a link to the reference."""
    for page, target in (
        ("keys.html", "reference/errors.html#bitget_spot.errors.WrongEnvironmentError"),
        ("bots.html", "reference/rate_limit.html#bitget_spot.rate_limit.RedisStore"),
        ("cancel-all.html", "reference/client.html#bitget_spot.warm_up.sync"),
        ("errors.html", "reference/errors.html#bitget_spot.errors.NetworkError"),
        ("reference/errors.html", "#bitget_spot.errors.NetworkError"),
        ("shutdown.html", "cancel-all.html"),
    ):
        assert target in pages[page].links


def test_all_markup_is_rendered(pages: dict[str, Page]) -> None:
    """No page shows a role or a directive as text."""
    for name, page in pages.items():
        assert not re.search(r"\{[a-z:-]+\}`|```|:(func|class|exc):`", page.text), name
