"""Fixtures of the evaluation's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation_scenes import Scene, draw_examples
from telltale.bundle.bundle import Bundle
from tiny_bundle import make_tiny_bundle


@pytest.fixture
def make_scene(tmp_path: Path) -> Callable[..., Scene]:
    def make(names: tuple[str, ...] = ("left", "right"), count: int = 80, noise: float = 60.0) -> Scene:
        bundle = Bundle.open(make_tiny_bundle(tmp_path, names, width=48, height=32))
        images = tmp_path / "images"
        return Scene(
            bundle,
            draw_examples(images, names, 10, split="train", seed=1, first_id=0, noise=noise),
            draw_examples(images, names, count, split="calibration", seed=2, first_id=1000, noise=noise),
            draw_examples(images, names, count, split="test", seed=3, first_id=2000, noise=noise),
        )

    return make


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene()
