"""`python -m bench.car_sheet [FILE]`: the car page from several sides on one sheet, for docs/car.md."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from telltale.collect.browser import chromium
from telltale.pages import PageServer

SHEET = Path(__file__).resolve().parent.parent / "docs" / "car_sheet.jpg"
COLUMNS = 4
SIZE = (360, 270)
"""Width and height of one picture on the sheet; it is drawn at twice that, so that its edges are smooth."""

VIEWS: tuple[tuple[str, str, str], ...] = (
    ("40,14,6.2", "", "paint=red"),
    ("90,6,6.2", "", "paint=silver&background=white"),
    ("140,16,6.2", "", "paint=blue&background=showroom&light=warm"),
    ("215,30,6.2", "", "paint=white&background=tiles&light=overcast"),
    ("35,24,6.6", "front_left,hood", "paint=teal&background=street&light=natural&time=15"),
    ("120,20,6.6", "front_left,rear_left", "paint=yellow&background=garage"),
    ("-20,32,6.6", "front_left,front_right,rear_left,rear_right,hood", "paint=orange&background=desert&light=natural"),
    ("-150,18,6.6", "rear_right,front_right", "paint=green&background=meadow&light=natural&time=18"),
    ("30,10,5.6", "", "paint=black&background=checker&light=side"),
    ("60,12,6.2", "hood", "paint=purple&background=black&light=neon"),
    ("300,16,6.2", "front_right", "paint=navy&background=street&light=natural&time=22"),
    ("80,50,6.6", "rear_left", "paint=beige&background=wall&light=natural&time=10"),
)
"""Camera, what is open, and the rest of the address."""


def main(arguments: Sequence[str]) -> None:
    """Writes the sheet, a JPEG."""
    target = Path(arguments[0]) if arguments else SHEET
    width, height = SIZE
    pictures = []
    with PageServer() as pages, chromium() as browser:
        page = browser.new_page(viewport={"width": 2 * width, "height": 2 * height})
        for camera, opened, look in VIEWS:
            query = f"width={2 * width}&height={2 * height}&ui=0&anim=0&aa=1&camera={camera}&open={opened}&{look}"
            page.goto(pages.url(f"car/index.html?{query}"))
            page.wait_for_function("window.car !== undefined")
            page.evaluate("car.ready")
            assert page.locator(".message").count() == 0, query
            url = str(page.evaluate("document.querySelector('canvas').toDataURL('image/png')"))
            raw = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
            image = cv2.imdecode(raw, cv2.IMREAD_COLOR)
            assert image is not None
            pictures.append(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(pictures[n : n + COLUMNS]) for n in range(0, len(pictures), COLUMNS)]
    cv2.imwrite(str(target), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 86])
    print(f"{target}: {len(pictures)} views, {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
