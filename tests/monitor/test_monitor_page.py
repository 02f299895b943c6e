"""The monitor page in a real browser: live, kept, tried, compared and sent: no complaint, nothing from outside."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from monitor.conftest import GOOD, UNSURE, Place, encoded
from telltale.bundle.predictor import Predictor
from telltale.collect.browser import FLAGS
from telltale.dataset.catalogue import Catalogue
from telltale.pages import vendor_ready, web_root
from telltale.serve.server import ServerThread
from telltale.serve.settings import MonitorSettings, ServeSettings
from tiny_bundle import make_tiny_bundle
from tiny_mask import spotted

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FAINT = spotted(scratch=False)
FAINT[40:46, 40:60] = 102

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `telltale doctor` says how to get it"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not (vendor_ready() and (web_root() / "vendor" / "uplot").is_dir()):
        pytest.skip("web/vendor is not made: run `npm ci && npm run vendor` in web/")
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, place: Place) -> Iterator[Page]:
    """Fails its test on a complaint in the console or a request that leaves the server."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(15_000)
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    ours = (place.server.url, "data:", "blob:")
    page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(ours) else None)
    page.goto(place.server.url)
    page.get_by_text("connected", exact=True).wait_for()
    yield page
    page.close()
    assert complaints == []


def saved(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_what_is_told_shows_at_once_with_its_picture_and_counts(page: Page, place: Place) -> None:
    assert "Nothing was told yet" in page.locator("monitor-live").inner_text()
    place.tell(UNSURE)
    page.locator("monitor-live .verdict", has_text="scratch").wait_for()
    page.wait_for_function("document.querySelector('monitor-live img').naturalWidth === 96")
    live = page.locator("monitor-live").inner_text()
    assert "found" in live
    assert "60 mm²" not in live  # the unsure region is not told
    assert "1 · 30 mm²" in live
    place.tell(GOOD)
    page.locator("monitor-live .verdict", has_text="nothing found").wait_for()
    page.locator("monitor-trend .legend", has_text="found 1").wait_for()
    assert page.locator("monitor-trend canvas").count() == 2


def test_the_picture_shown_is_of_the_newest_answer_with_or_without_the_overlay(page: Page, place: Place) -> None:
    place.tell(UNSURE)
    image = page.locator("monitor-live img")
    page.wait_for_function("document.querySelector('monitor-live img').src.includes('overlay=png')")
    page.get_by_role("group", name="What the picture shows").first.get_by_role("button", name="Picture").click()
    page.wait_for_function("document.querySelector('monitor-live img').src.includes('overlay=none')")
    assert image.is_visible()


def test_a_slider_shows_what_would_change_and_changes_nothing(page: Page, place: Place) -> None:
    place.tell(encoded(FAINT))
    cuts = page.locator("monitor-cuts")
    cuts.locator(".change .unsure b", has_text="1").wait_for()
    high = page.locator("#cut-high")
    high.focus()
    before = float(high.input_value())
    page.keyboard.press("ArrowLeft")
    assert float(high.input_value()) == pytest.approx(before - 0.01)
    high.fill("0.4")
    assert cuts.locator(".change .on b").inner_text() == "0 → 1"
    assert cuts.locator(".change .unsure b").inner_text() == "1 → 0"
    assert cuts.locator(".thumb").count() == 1
    page.locator("#cut-low").fill("0.8")  # takes the other one along
    assert float(high.input_value()) == 0.8
    assert place.http.get("/api/monitor").json()["thresholds"]["scratch"] == {"low": 0.3, "high": 0.7}
    cuts.get_by_role("button", name="As the bundle").click()
    assert "none would be told otherwise" in cuts.inner_text()


def test_a_dropped_picture_is_told_and_follows_the_sliders(page: Page, place: Place, tmp_path: Path) -> None:
    page.set_input_files("#try-file", saved(tmp_path, "faint.png", encoded(FAINT)))
    tried = page.locator("monitor-try")
    tried.locator(".verdict", has_text="unsure: scratch").wait_for()
    page.locator("#cut-high").fill("0.4")
    tried.locator(".verdict.on", has_text="scratch").wait_for()
    assert "1 · 30 mm²" in tried.inner_text()  # 120 pixels of half a millimetre
    orange = page.evaluate(
        """() => {
          const c = document.querySelector("monitor-try canvas");
          const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
          let n = 0;
          for (let i = 0; i < d.length; i += 4) n += d[i] - d[i + 2] > 60;
          return n;
        }"""
    )
    assert orange == 120


def test_a_file_that_is_no_picture_is_refused_in_words(browser: Browser, place: Place, tmp_path: Path) -> None:
    page = browser.new_page()  # Chromium itself puts a 4xx in the console
    page.goto(place.server.url)
    page.get_by_text("connected", exact=True).wait_for()
    page.set_input_files("#try-file", saved(tmp_path, "text.png", b"no picture"))
    page.locator("monitor-try .bad", has_text="JPEG, PNG or WebP").wait_for()
    page.close()


def test_two_bundles_stand_side_by_side_with_their_difference(page: Page, tmp_path: Path) -> None:
    mask = np.zeros((72, 96, 3), np.uint8)
    mask[12:18, 10:30] = 255
    page.set_input_files("#compare-picture", saved(tmp_path, "p.png", UNSURE))
    page.locator("monitor-compare figure").nth(2).wait_for()
    page.set_input_files("#compare-mask", saved(tmp_path, "m.png", encoded(mask)))
    page.get_by_text("Dice 1.000 · IoU 1.000").first.wait_for()
    assert page.locator("monitor-compare figcaption b").all_inner_texts() == ["tiny_mask", "other", "Difference"]


def test_unsure_pictures_are_filtered_and_sent_to_labelling(page: Page, place: Place) -> None:
    place.tell(GOOD)
    time.sleep(0.6)
    place.tell(encoded(FAINT))
    told = page.locator("monitor-told")
    told.locator("li").nth(1).wait_for()
    told.get_by_role("button", name="Unsure", exact=True).click()
    told.get_by_role("button", name="Send 1 to labelling").click()
    told.get_by_text("in the catalogue of parts").wait_for()
    with Catalogue.open(place.project / "catalogue.db", place.project / "images", readonly=True) as catalogue:
        assert len(catalogue) == 1


def test_a_kept_picture_opens_and_closes_by_keyboard(page: Page, place: Place) -> None:
    place.tell(UNSURE)
    first = page.locator("monitor-told .thumb").first
    first.wait_for()
    first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    dialog.locator(".chip", has_text="found").first.wait_for()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_its_window_in_either_light(browser: Browser, place: Place, scheme: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(place.server.url)
    place.tell(UNSURE)
    page.locator("monitor-told .thumb").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        """w => [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > w + 1
            && !e.closest(".thumbs, .uplot, svg")).map((e) => e.className || e.tagName)""",
        width,
    )
    assert beyond == []
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    assert (np.median(shot) < 90) == (scheme == "dark")
    page.close()


def test_the_page_says_when_the_server_is_gone_and_comes_back(browser: Browser, place: Place) -> None:
    page = browser.new_page()
    page.goto(place.server.url)
    page.get_by_text("connected", exact=True).wait_for()
    page.evaluate("document.querySelector('monitor-live').socket.close()")
    page.get_by_text("the server is gone; trying again").wait_for()
    page.get_by_text("connected", exact=True).wait_for()
    page.close()


def test_a_model_of_states_is_shown_by_its_own_words(browser: Browser, tmp_path: Path) -> None:
    halves = np.full((24, 32, 3), 10, np.uint8)
    halves[:, :16] = 240
    settings = ServeSettings(monitor=MonitorSettings())
    with ServerThread(Predictor.open(make_tiny_bundle(tmp_path), threads=1), settings=settings) as server:
        page = browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(server.url)
        page.get_by_text("connected", exact=True).wait_for()
        page.set_input_files("#try-file", saved(tmp_path, "door.png", encoded(halves)))
        page.locator("monitor-try .verdict.on", has_text="left").wait_for()
        page.locator("monitor-live .verdict.on", has_text="left").wait_for()
        assert page.locator("monitor-live .chip").all_inner_texts() == ["on", "off"]
        assert not page.locator("monitor-compare").is_visible()
        page.close()
        assert complaints == []
