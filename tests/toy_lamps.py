"""A toy world: a lamp on the left, one on the right, and a bar on top, each lit or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from telltale.model import Network, build
from telltale.project import Augment, Train
from telltale.tasks import Target, Task
from telltale.train.arrays import Arrays
from telltale.train.device import make_fabric
from telltale.train.loop import Loop
from telltale.train.whole import WholePictures

HEIGHT, WIDTH = 24, 32
STILL = Augment(flip=False, rotate=0, scale=0, shift=0, perspective=0, brightness=0, contrast=0, saturation=0, hue=0)


def toy(count: int, seed: int = 0, *, same_lamps: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(count, 24, 32, 3) uint8 and (count, 3) labels of left, right, lid."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (count, 3)).astype(np.float32)
    if same_lamps:
        labels[:, 1] = 0
    pixels = rng.integers(20, 70, (count, HEIGHT, WIDTH, 3)).astype(np.uint8)
    for row, (left, right, lid) in zip(pixels, labels, strict=True):
        if left:
            row[12:20, 3:11] = (250, 240, 80)
        if right:
            row[12:20, 21:29] = (250, 240, 80)
        if lid:
            row[1:6, 8:24] = (40, 90, 250)
    return pixels, labels


def full(labels: NDArray[np.float32]) -> Target:
    return Target(labels, np.ones(labels.shape, np.bool_), np.zeros(labels.shape, np.bool_))


def toy_arrays(count: int = 96, watch: int = 16, seed: int = 0) -> Arrays:
    pixels, labels = toy(count, seed)
    return Arrays(pixels, full(labels), np.arange(watch, count), np.arange(watch))


def toy_settings(**changes: object) -> Train:
    plain: dict[str, object] = {
        "backbone": "pico",
        "epochs": 4,
        "batch": 16,
        "learning_rate": 0.01,
        "ema": 0.9,
        "threads": 1,
        "precision": "32-true",
        "augment": STILL,
    }
    return Train.model_validate(plain | changes)


def toy_loop(task: Task, run_dir: Path, settings: Train, arrays: Arrays | None = None) -> Loop:
    torch.manual_seed(settings.seed)
    network: Network = build(settings.backbone, task, HEIGHT, WIDTH)
    run_dir.mkdir(parents=True, exist_ok=True)
    return Loop(
        network,
        task,
        WholePictures(task, arrays or toy_arrays(), settings.augment),
        settings,
        {},
        run_dir,
        make_fabric(settings),
    )
