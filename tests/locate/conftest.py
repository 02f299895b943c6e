"""A small bundle that locates."""

from __future__ import annotations

from pathlib import Path

import pytest

from telltale.bundle.predictor import Predictor
from tiny_locate import make_locate_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_locate_bundle(tmp_path_factory.mktemp("locate"))


@pytest.fixture(scope="session")
def finder(bundle: Path) -> Predictor:
    return Predictor.open(bundle, threads=1)
