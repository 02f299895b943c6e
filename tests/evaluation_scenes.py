"""A bundle without torch, and pictures whose labels are nearly what it tells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from telltale.bundle.bundle import Bundle
from telltale.dataset import Example
from telltale.tasks import Label
from tiny_bundle import tiny_pictures


@dataclass(frozen=True)
class Scene:
    """A bundle and its pictures on disk."""

    bundle: Bundle
    train: list[Example]
    calibration: list[Example]
    test: list[Example]


def draw_examples(
    folder: Path,
    names: tuple[str, ...],
    count: int,
    *,
    split: str,
    seed: int = 0,
    groups: int = 12,
    size: tuple[int, int] = (96, 72),
    noise: float = 25.0,
    first_id: int = 0,
) -> list[Example]:
    """Pictures of bright and dark strips; a strip's label is its brightness misjudged by `noise` grey levels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pictures = tiny_pictures(count, *size, len(names), seed=seed)
    out = []
    for i, picture in enumerate(pictures):
        path = folder / f"{split}-{i:04d}.png"
        _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        path.write_bytes(data.tobytes())
        strips = [float(picture[:, c].mean()) for c in np.array_split(np.arange(size[0]), len(names))]
        labels = {
            name: Label(
                bool(level + rng.normal(0, noise) > 127.5), visible=float(rng.choice([0.0, 0.1], p=[0.05, 0.95]))
            )
            for name, level in zip(names, strips, strict=True)
        }
        out.append(
            Example(
                image_id=first_id + i,
                path=path,
                sha256=hashlib.sha256(data.tobytes()).hexdigest(),
                group=f"{split}-group-{i % groups}",
                split=split,
                width=size[0],
                height=size[1],
                labels=labels,
                meta={},
            )
        )
    return out
