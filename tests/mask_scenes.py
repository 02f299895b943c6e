"""Grey plates with dark blots, each with its mask, and a project made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.dataset import Catalogue
from telltale.dataset.split import apply_split
from telltale.project import Project

SPEC: dict[str, Any] = {"kind": "mask", "names": ["blot"], "min_area": 4}
TOML = """
name = "plates"
[task]
kind = "mask"
names = ["blot"]
min_area = 4
[input]
width = {side}
height = {side}
fit = "{fit}"
[train]
backbone = "pico"
batch = 8
threads = 1
precision = "32-true"
learning_rate = 0.01
"""


def draw_plate(
    rng: np.random.Generator, width: int, height: int, blots: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(H, W, 3) grey noise with dark blots, and their mask (H, W) of 0 and 255."""
    picture = rng.normal(150, 12, (height, width)).astype(np.float32)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(blots):
        at = (int(rng.integers(6, width - 6)), int(rng.integers(6, height - 6)))
        cv2.circle(mask, at, int(rng.integers(3, 6)), 255, -1)
    picture[mask > 0] -= 90
    grey = np.clip(picture, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2), mask


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels)
    assert done
    path.write_bytes(data.tobytes())


def make_project(root: Path, count: int = 40, *, side: int = 64, fit: str = "tile", size: int = 72) -> Project:
    """A catalogue of `count` plates of size x (size - 8), half of them good, each its own group, split."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "telltale.toml").write_text(TOML.format(side=side, fit=fit), encoding="utf-8")
    project = Project.open(root)
    rng = np.random.default_rng(7)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        for i in range(count):
            picture, mask = draw_plate(rng, size, size - 8, 2 * (i % 2))
            done, data = cv2.imencode(".png", picture)
            assert done
            image_id = catalogue.add(data.tobytes(), suffix=".png", group=f"plate {i:03}", source="test")
            value = catalogue.keep_mask(mask) if mask.any() else False
            catalogue.label(image_id, "blot", value, who="test")
        apply_split(catalogue, project.config.split)
    return project
