"""A server with a monitor and a mask model, a project beside it, and pictures to send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from telltale.bundle.predictor import Predictor
from telltale.serve.server import ServerThread
from telltale.serve.settings import MonitorSettings, ServeSettings
from tiny_mask import make_mask_bundle, spotted

TOML = """name = "parts"
[task]
kind = "mask"
names = ["scratch", "hole"]
"""


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    return bytes(cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())


UNSURE = encoded(spotted())
"""A scratch that is told and one that is not sure."""
GOOD = encoded(spotted(scratch=False))


@dataclass(frozen=True)
class Place:
    server: ServerThread
    http: httpx.Client
    project: Path
    history: Path

    def tell(self, data: bytes) -> None:
        assert self.http.post("/api/tell", content=data).status_code == 200


@pytest.fixture(scope="session")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Predictor]:
    folder = tmp_path_factory.mktemp("pair")
    first = Predictor.open(make_mask_bundle(folder), threads=1)
    second = Predictor.open(make_mask_bundle(folder, name="other", steepness=6.0), threads=1)
    return first, second


@pytest.fixture
def place(tmp_path: Path, predictors: tuple[Predictor, Predictor]) -> Iterator[Place]:
    project = tmp_path / "project"
    project.mkdir()
    (project / "telltale.toml").write_text(TOML)
    history = tmp_path / "monitor.db"
    settings = ServeSettings(monitor=MonitorSettings(history, project=project))
    with (
        ServerThread(predictors[0], settings=settings, rival=predictors[1]) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http,
    ):
        yield Place(server, http, project, history)
