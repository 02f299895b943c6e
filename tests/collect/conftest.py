"""One browser for all, and an empty catalogue to collect into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from telltale.collect import Recipe, Summary, collect_page
from telltale.collect.browser import chromium
from telltale.dataset import Catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(tmp_path / "catalogue.db", tmp_path / "images") as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def collect(browser: Browser, catalogue: Catalogue) -> Callable[..., Summary]:
    """`collect(recipe, limit=None)` into the catalogue of the test."""

    def run(recipe: Recipe, limit: int | None = None) -> Summary:
        return collect_page(recipe, catalogue, limit=limit, browser=browser)

    return run
