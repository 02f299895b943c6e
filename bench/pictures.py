"""Remakes the pictures in docs/ from the program itself: `python -m bench.pictures [--bundle B]` (`make docs`).

Without a bundle it takes that of `telltale demo` (telltale-demo/car.telltale), and makes it first when it is not there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2

from bench import car_sheet
from bench.browser import open_page
from telltale.bundle.predictor import Predictor
from telltale.cli.demo import FULL, run_demo
from telltale.serve.server import ServerThread

DOCS = Path(__file__).resolve().parent.parent / "docs"
DEMO = Path("telltale-demo")
VIEW = "width=960&height=720&paint=blue&background=street&time=15&camera=52,16,6.6&open=front_left,hood"
TELLS = "typeof document.querySelector('tell-tale')?.connect === 'function'"
TOLD = "document.querySelector('tell-tale').shadowRoot.textContent.match(/%|0\\.\\d\\d/)"


def show_demo(bundle: Path, mode: str, target: Path) -> None:
    """The car page with the widget telling, at 1280x800."""
    with ServerThread(Predictor.open(bundle)) as server, open_page(1280, 800) as page:
        page.goto(f"{server.url}/car/?widget={mode}&rate=2&{VIEW}")
        page.wait_for_function(TELLS)
        page.evaluate("document.querySelector('tell-tale').connect()")
        page.wait_for_function(TOLD)
        page.wait_for_timeout(6000)
        page.screenshot(path=target)
    print(f"wrote {target}")


def show_report(bundle: Path, target: Path) -> None:
    """The head of the report, at 1200 wide."""
    with open_page(1200, 1000) as page:
        page.goto((bundle / "report.html").resolve().as_uri())
        page.wait_for_timeout(500)
        page.screenshot(path=target)
    print(f"wrote {target}")


def shrink(path: Path) -> None:
    """PNG to JPEG, to keep the docs light."""
    picture = cv2.imread(str(path))
    assert picture is not None, path
    cv2.imwrite(str(path.with_suffix(".jpg")), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    path.unlink()


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bundle", type=Path)
    given = options.parse_args(arguments)
    bundle = given.bundle or DEMO / "car.telltale"
    if not (bundle / "bundle.json").is_file():
        run_demo(DEMO.resolve(), FULL)
    for name, mode in (("demo", "ws"), ("demo_local", "local")):
        show_demo(bundle, mode, DOCS / f"{name}.png")
        shrink(DOCS / f"{name}.png")
    show_report(bundle, DOCS / "report.png")
    shrink(DOCS / "report.png")
    car_sheet.main([])


if __name__ == "__main__":
    main()
