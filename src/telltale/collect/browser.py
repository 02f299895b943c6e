"""Finds and starts a Chromium. Knows nothing of what the page shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from telltale.errors import MissingPartError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "TELLTALE_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # WebGL without a graphics card
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    # a page that is not in front keeps its animation frames
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--force-color-profile=srgb",
)


def find_chromium() -> str:
    """The path of a Chromium. Raises MissingPartError."""
    named = os.environ.get(VARIABLE)
    if named:
        if shutil.which(named):
            return named
        raise MissingPartError(
            VARIABLE, expected="a program", got=named, next="name an installed Chromium, or unset it"
        )
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    if Path(MAC).is_file():
        return MAC
    raise MissingPartError(
        "Chromium",
        expected=f"one of {', '.join(NAMES)} on the PATH",
        got="none",
        next=f"`apt install chromium`, or name one with {VARIABLE}",
    )


@contextmanager
def chromium(*, headless: bool = True, more: Sequence[str] = ()) -> Iterator[Browser]:
    """A running Chromium while the `with` block runs. more: flags beside `FLAGS`. Raises MissingPartError."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise MissingPartError(
            "playwright", expected="the package", got="none", next="pip install 'telltale-vision[collect]'"
        ) from error
    path = find_chromium()
    with sync_playwright() as play:
        try:
            browser = play.chromium.launch(
                executable_path=path, headless=headless, args=[*FLAGS, *more], handle_sigint=False
            )
        except Error as error:
            reason = error.message.strip().splitlines()[0]
            raise MissingPartError(
                path, expected="a Chromium that starts", got=reason, next=f"name another with {VARIABLE}"
            ) from error
        try:
            yield browser
        finally:
            with suppress(Error):  # it may be gone already
                browser.close()
