"""The server's own pages in a real browser: nothing from outside, no complaint, and the form tells a picture."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from telltale.serve.server import ServerThread

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from serve.conftest import Picture

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `telltale doctor` says how to get it"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: ServerThread) -> Iterator[Page]:
    """A page that fails its test on a complaint in the console or a request that leaves the server."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith((server.url, "data:")) else None)
    yield page
    page.close()
    assert complaints == []


def test_the_first_page_leads_to_the_others(page: Page, server: ServerThread) -> None:
    page.goto(server.url)
    assert page.locator("h1").inner_text() == "telltale"
    assert page.get_by_text("left", exact=True).is_visible()
    page.get_by_role("link", name="The interface").click()
    page.wait_for_url("**/docs")
    page.goto(server.url)
    assert page.get_by_role("link", name="The car").get_attribute("href") == "/car/?widget=ws"


def test_the_interface_page_tells_a_picture(page: Page, server: ServerThread, picture: Picture, tmp_path: Path) -> None:
    page.goto(f"{server.url}/docs")
    for text in ("/api/tell", "/ws/infer", "hello", "dropped"):
        assert page.get_by_text(text).first.is_visible()
    (tmp_path / "door.jpg").write_bytes(picture(240, 10))
    page.set_input_files("input[type=file]", tmp_path / "door.jpg")
    page.get_by_role("button", name="Tell").click()
    page.locator("#answer .state").first.wait_for()
    assert page.locator("#answer .state").all_inner_texts() == ["on", "off"]
    assert page.locator("pre", has_text="curl").inner_text().count(server.url) == 2


def test_the_interface_page_shows_a_refusal(page: Page, server: ServerThread, browser: Browser, tmp_path: Path) -> None:
    other = browser.new_page()  # Chromium itself puts a 4xx in the console
    other.goto(f"{server.url}/docs")
    (tmp_path / "door.jpg").write_text("no picture")
    other.get_by_role("button", name="Tell").click()
    assert "Choose a picture" in other.locator("#answer").inner_text()
    other.set_input_files("input[type=file]", tmp_path / "door.jpg")
    other.get_by_role("button", name="Tell").click()
    other.locator("#answer .bad", has_text="415 media-type").wait_for()
    other.close()


def test_pages_are_isolated_so_that_wasm_may_use_threads(page: Page, server: ServerThread) -> None:
    page.goto(server.url)
    assert page.evaluate("crossOriginIsolated") is True
