"""Chromium for the measurements that need a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import Page

from telltale.collect.browser import chromium


@contextmanager
def open_page(width: int = 1440, height: int = 900, flags: Sequence[str] = (), *, dark: bool = False) -> Iterator[Page]:
    """A page of a headless Chromium. flags: beside the usual."""
    with chromium(more=flags) as browser:
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(120_000)
        yield page
        context.close()
