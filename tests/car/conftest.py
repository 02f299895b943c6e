"""A Chromium, the pages on loopback, and the car page open in it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from telltale.collect import browser
from telltale.errors import MissingPartError
from telltale.pages import PageServer, vendor_ready

SMALL = {"width": "320", "height": "240", "ui": "0"}


@dataclass
class CarPage:
    """The page and what it said and asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def run(self, script: str) -> object:
        """What an expression gives in the page; promises are awaited."""
        return self.page.evaluate(f"async () => ({script})")

    def picture(self) -> NDArray[np.int16]:
        """The canvas as it shows once all has settled, (H, W, 3)."""
        self.page.wait_for_function("car.settled()")
        url = str(self.page.evaluate("document.querySelector('canvas').toDataURL('image/png')"))
        raw = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
        image = cv2.imdecode(raw, cv2.IMREAD_COLOR)
        assert image is not None
        return image.astype(np.int16)

    def changed(self, before: NDArray[np.int16]) -> int:
        """How many pixels of the canvas are not what they were."""
        return int((np.abs(self.picture() - before).max(axis=2) > 12).sum())

    def ids(self) -> NDArray[np.uint8]:
        """(6, H, W), upright: the part seen as it is, 1 to 5; then for each whether it would be in its other place."""
        shot = self.page.evaluate("car.ids()")
        pixels = np.frombuffer(base64.b64decode(shot["pixels"]), np.uint8).reshape(shot["height"], shot["width"])[::-1]
        return np.stack([pixels & 7, *(pixels >> 3 + n & 1 for n in range(5))])


@pytest.fixture(scope="module")
def pages() -> Iterator[PageServer]:
    if not vendor_ready():
        pytest.skip("web/vendor is not made: run npm ci && npm run vendor in web/")
    with PageServer() as server:
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        browser.find_chromium()
    except MissingPartError as error:
        pytest.skip(str(error))
    with browser.chromium() as started:
        yield started


OpenCar = Callable[..., CarPage]


@pytest.fixture(scope="module")
def open_car(chromium: Browser, pages: PageServer) -> OpenCar:
    """Opens the page with parameters and waits until it is ready; `reduced` asks for less motion."""

    def opened(
        params: dict[str, str] | None = None, *, reduced: bool = False, window: tuple[int, int] = (640, 480)
    ) -> CarPage:
        page = chromium.new_page(
            viewport={"width": window[0], "height": window[1]}, reduced_motion="reduce" if reduced else "no-preference"
        )
        page.set_default_timeout(90_000)  # a busy machine draws slowly
        car = CarPage(page)
        page.on("pageerror", lambda error: car.errors.append(str(error)))
        # Chromium itself warns that reading pixels back waits for the graphics: that is what we ask for.
        page.on("console", lambda m: car.errors.append(m.text) if m.type in ("error",) else None)
        page.on("request", lambda request: car.requests.append(request.url))
        page.goto(pages.url("car/index.html?" + urlencode(params or {})))
        page.wait_for_function("window.car !== undefined")
        page.evaluate("car.ready")
        return car

    return opened


@pytest.fixture(scope="module")
def still(open_car: OpenCar) -> Iterator[CarPage]:
    """One small page without a panel or animation, shared by the tests that set all they need."""
    car = open_car({**SMALL, "anim": "0"})
    yield car
    car.page.close()


@pytest.fixture(scope="module")
def lively(open_car: OpenCar) -> Iterator[CarPage]:
    """One page with its panel, as a visitor has it."""
    car = open_car({}, window=(640, 480))
    yield car
    car.page.close()
