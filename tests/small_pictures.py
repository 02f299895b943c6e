"""Small pictures, each of its own, and a catalogue filled with them."""

from __future__ import annotations

import io

import cv2
import numpy as np
import PIL.Image

from telltale.dataset import Catalogue
from telltale.frame import Image


def scene(seed: int, width: int = 64, height: int = 48) -> Image:
    """A smooth picture of its own: two seeds are never near-duplicates."""
    rough = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def to_png(image: Image) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(image).save(out, "PNG", compress_level=1)
    return out.getvalue()


def png(seed: int, width: int = 64, height: int = 48) -> bytes:
    return to_png(scene(seed, width, height))


def fill(catalogue: Catalogue, count: int, per_group: int = 2) -> list[int]:
    """Pictures 0, 1, 2...; groups g000, g001...; `lit` is on in every other one."""
    ids = []
    with catalogue.transaction():
        for n in range(count):
            image_id = catalogue.add(png(n), suffix=".png", group=f"g{n // per_group:03d}", source="test")
            catalogue.label(image_id, "lit", n % 2 == 0, who="ada")
            ids.append(int(image_id))
    return ids
