"""A real Chromium and a real server with a small bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from telltale.bundle.predictor import Predictor
from telltale.pages import vendor_ready
from telltale.serve.server import ServerThread
from tiny_bundle import make_tiny_bundle
from widget.harness import CHROMIUM, FLAGS, HELPERS, NAMES, watch


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"), NAMES, 48, 32)


@pytest.fixture(scope="session")
def predictor(bundle: Path) -> Predictor:
    return Predictor.open(bundle, threads=1)


@pytest.fixture(scope="module")
def server(predictor: Predictor) -> Iterator[ServerThread]:
    if not vendor_ready():
        pytest.skip("web/vendor is not made: run `npm ci && npm run vendor` in web/")
    with ServerThread(predictor) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: another test's code may drive a browser of its own."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the page complained of; a test that means it to complain clears the list."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A page whose console stays clean and which asks nobody but this machine."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(10_000)
    watch(opened, complaints)
    opened.add_init_script(HELPERS)
    opened.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    yield opened
    opened.close()
    assert complaints == []
