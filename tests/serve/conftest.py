"""A tiny bundle, and a real server of it for a whole module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import httpx
import numpy as np
import pytest

from telltale.bundle.predictor import Predictor
from telltale.serve.server import ServerThread
from telltale.serve.settings import ServeSettings
from tiny_bundle import make_tiny_bundle

LIMIT_BYTES = 1_000_000


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tells which half of a picture is bright: `left`, `right`."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def predictor(tiny: Path) -> Predictor:
    return Predictor.open(tiny, threads=1)


@pytest.fixture(scope="session")
def server(predictor: Predictor) -> Iterator[ServerThread]:
    settings = ServeSettings(max_bytes=LIMIT_BYTES, max_pixels=4_000_000, average_s=0.0, dwell_s=0.0)
    with ServerThread(predictor, settings=settings) as running:
        yield running


@pytest.fixture
def http(server: ServerThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client:
        yield client


class Picture(Protocol):
    def __call__(
        self, left: int = 240, right: int = 10, suffix: str = ".jpg", *, width: int = 64, height: int = 48
    ) -> bytes: ...


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Encodes a picture of two grey halves."""

    def encode(left: int = 240, right: int = 10, suffix: str = ".jpg", *, width: int = 64, height: int = 48) -> bytes:
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, : width // 2] = left
        pixels[:, width // 2 :] = right
        ok, data = cv2.imencode(suffix, pixels)
        assert ok
        return bytes(data.tobytes())

    return encode
