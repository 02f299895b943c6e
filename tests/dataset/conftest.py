"""An empty catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telltale.dataset import Catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(tmp_path / "catalogue.db", tmp_path / "images") as opened:
        yield opened
