"""The site is built without a warning, holds what it should, and asks nothing of any other server."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from bitget_spot._middleware.retry import TRIES
from bitget_spot.client import TIMEOUT
from bitget_spot.sandbox import FAULT_NAMES
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    ERROR_CODES,
    GET_HISTORY_ORDERS,
    OPERATIONS,
    TIMESTAMP_WINDOW_SECONDS,
)

pytest.importorskip("sphinx", reason="the site is built with the group `site`")

ROOT: Final = Path(__file__).resolve().parents[2]
FETCHED: Final = {"src", "srcset", "poster", "data"}
FETCHED_BY_LINK: Final = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload"}


REQUESTS: Final = BATCH_CANCEL_ORDERS.rate_limit.requests
ORDERS: Final = BATCH_CANCEL_ORDERS.max_items["orderList"]
NUMBERS: Final = {
    "index.md": (f"{ORDERS} orders in a request and {REQUESTS} requests in a second",),
    "bots.md": (f"limit of {REQUESTS} requests a second",),
    "keys.md": (f"more than {TIMESTAMP_WINDOW_SECONDS:g} seconds from",),
    "cancel.md": (
        f"a page of {GET_HISTORY_ORDERS.maxima['limit']} orders",
        f"{TRIES} times at the most",
        f"{REQUESTS} requests in any second",
        f"{TIMEOUT.connect:g} seconds to connect and {TIMEOUT.read:g} for each",
    ),
}
"""What pages say of numbers that are written down elsewhere."""


class Page(HTMLParser):
    """What a page fetches, where its links lead, what its anchors are called, and what it says."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        given = {name: value or "" for name, value in attrs}
        self.fetched += [given[name] for name in FETCHED & given.keys()]
        if tag == "link" and FETCHED_BY_LINK & set(given.get("rel", "").split()):
            self.fetched.append(given["href"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.anchors.add(given.get("id", ""))

    def handle_data(self, data: str) -> None:
        """Take note of a text."""
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", "-d", str(out / "trees")]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(out / "html")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Read every page of the site, by its path."""
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def test_the_site_makes_no_request_beyond_itself(site: Path, pages: dict[str, Page]) -> None:
    """Whatever a page, a style or a picture fetches lies in the site; no script names another server."""
    for name, page in pages.items():
        for address in page.fetched:
            assert not urlsplit(address).scheme or address.startswith("data:"), (name, address)
            assert (site / name).parent.joinpath(urlsplit(address).path).is_file(), (name, address)
    for path in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        text = path.read_text("utf-8")
        assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//|href=\"https?:|<image", text), path
    for path in site.rglob("*.js"):
        calls = re.findall(r"(?:fetch|importScripts|import)\(\s*[\"'`](?:https?:)?//", path.read_text("utf-8"))
        assert not calls, path


def test_every_link_within_the_site_leads_somewhere(pages: dict[str, Page]) -> None:
    """Each link to a page has its page, and each link to a place in it has its place."""
    for name, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme:
                continue
            target, anchor = urldefrag(urljoin(name, link))
            assert target in pages, (name, link)
            assert not anchor or anchor in pages[target].anchors or target.startswith("genindex"), (name, link)


def test_the_document_is_rendered_whole(pages: dict[str, Page]) -> None:
    """Each operation stands there with its path and its limit, each code in the table of codes, each fault in the list."""
    rendered = pages["reference/openapi.html"]
    for (method, path), operation in OPERATIONS.items():
        assert f"{method} {path}" in rendered.text
        assert f"operation-{operation.operation_id.lower()}" in rendered.anchors
        limit = operation.rate_limit
        assert f"{limit.requests} requests in any second" in rendered.text
        assert f"({limit.scope})" in rendered.text
    errors = pages["reference/errors.html"].text
    assert [code for codes in ERROR_CODES.values() for code in codes if code not in errors] == []
    faults = pages["reference/sandbox.html"].text
    assert [name for name in FAULT_NAMES if name not in faults] == []


def test_a_code_can_be_searched_for(site: Path) -> None:
    """The search passes over numbers in texts; so each code is in the index, which it looks through."""
    index = (site / "searchindex.js").read_text("utf-8")
    entries = index[index.index('"indexentries"') :]
    assert [code for codes in ERROR_CODES.values() for code in codes if f'"{code}":' not in entries] == []


@pytest.mark.parametrize("page", NUMBERS)
def test_the_numbers_of_the_pages_are_the_document_s(page: str) -> None:
    """Where a page tells a limit, a maximum or a time, it is that of the document or of the client."""
    text = " ".join((ROOT / "docs" / page).read_text("utf-8").split())
    assert [number for number in NUMBERS[page] if number not in text] == []


def test_names_lead_to_their_reference(pages: dict[str, Page]) -> None:
    """A class or function that a page names as code is a link to what the reference says of it."""
    for page, target in (
        ("keys.html", "reference/errors.html#bitget_spot.errors.WrongEnvironmentError"),
        ("bots.html", "reference/rate_limit.html#bitget_spot.rate_limit.RedisStore"),
        ("cancel.html", "reference/client.html#bitget_spot.warm_up"),
    ):
        assert target in pages[page].links


def test_nothing_is_left_unwritten(pages: dict[str, Page]) -> None:
    """No page shows a role or a directive that was not understood."""
    for name, page in pages.items():
        assert not re.search(r"\{[a-z:-]+\}`|```|:(func|class|exc):`", page.text), name
