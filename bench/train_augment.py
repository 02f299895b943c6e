"""What augmentation costs of a training step, on the CPU at the default settings.

Measured as `Loop` runs it, in shares on all cores: gather and augment a batch, then forward, backward, optimizer
and average.
The target is at most a third of the step.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bench.machine import keep
from telltale.model import BACKBONES, build
from telltale.project import Augment, Input, Train
from telltale.tasks import Target, from_spec
from telltale.train.arrays import Arrays
from telltale.train.augment import augment, draw_moves, recolour, recolour_bytes, to_float, warp, warp_bytes
from telltale.train.device import make_fabric
from telltale.train.loop import Loop, Part
from telltale.train.whole import WholePictures

TASK = from_spec({"kind": "states", "names": ["a", "b", "c", "d", "e"], "mirror": [["a", "b"], ["c", "d"]]})


def median_ms(work: Callable[[], object], rounds: int = 15) -> float:
    for _ in range(3):
        work()
    taken = []
    for _ in range(rounds):
        start_s = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start_s) * 1e3)
    return statistics.median(taken)


def make_loop(settings: Train, size: Input, count: int = 256) -> Loop:
    rng = np.random.default_rng(0)
    # Smooth pictures, as cameras give them.
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 8, 10)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, (size.height, size.width), mode="bilinear")
    pixels = fine.permute(0, 2, 3, 1).to(torch.uint8).contiguous().numpy()
    labels = rng.integers(0, 2, (count, 5)).astype(np.float32)
    target = Target(labels, np.ones(labels.shape, np.bool_), np.zeros(labels.shape, np.bool_))
    arrays = Arrays(pixels, target, np.arange(count), np.arange(0))
    fabric = make_fabric(settings)
    network = build(settings.backbone, TASK, size.height, size.width)
    return Loop(
        network, TASK, WholePictures(TASK, arrays, settings.augment), settings, {}, Path(tempfile.mkdtemp()), fabric
    )


def measure(backbone: str, precision: str) -> dict[str, float | str]:
    size = Input()
    settings = Train.model_validate({"backbone": backbone, "precision": precision})
    loop = make_loop(settings, size)
    rows = torch.arange(settings.batch)

    def move(_network: object, part: Part) -> None:
        part.make(part.share)

    batch_ms = median_ms(lambda: loop.shares.run(move, loop._parts(rows)))
    step_ms = median_ms(lambda: loop._step(rows))
    loop.shares.close()
    return {
        "backbone": backbone,
        "precision": precision,
        "step_ms": round(step_ms, 2),
        "augment_ms": round(batch_ms, 2),
        "share": round(batch_ms / step_ms, 3),
        "images_per_s": round(settings.batch / step_ms * 1e3),
    }


def measure_parts() -> dict[str, float]:
    """Milliseconds for one batch: OpenCV on bytes, which the CPU takes, beside grid_sample, which a GPU takes."""
    size, settings = Input(), Train()
    moves = draw_moves(settings.batch, size.height, size.width, Augment(), torch.Generator().manual_seed(0))
    pixels = torch.randint(0, 256, (settings.batch, size.height, size.width, 3), dtype=torch.uint8)
    floats = to_float(pixels)
    parts: dict[str, Callable[[], object]] = {
        "draw_moves_ms": lambda: draw_moves(
            settings.batch, size.height, size.width, Augment(), torch.Generator().manual_seed(0)
        ),
        "warp_bytes_ms": lambda: warp_bytes(pixels, moves.matrices),
        "grid_sample_ms": lambda: warp(floats, moves.matrices),
        "recolour_bytes_ms": lambda: recolour_bytes(pixels.clone(), moves.colour, moves.offset),
        "recolour_ms": lambda: recolour(floats, moves.colour, moves.offset),
        "all_ms": lambda: augment(pixels, moves),
    }
    return {name: round(median_ms(part), 2) for name, part in parts.items()}


def main(arguments: list[str]) -> None:
    size = Input()
    rows = [measure(name, precision) for name in BACKBONES for precision in ("32-true", "auto")]
    for row in rows:
        print(" ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    numbers = {
        "target_share": 1 / 3,
        "threads": os.cpu_count(),
        "batch": Train().batch,
        "input": [size.width, size.height],
        "parts": measure_parts(),
        "steps": rows,
    }
    print(numbers["parts"])
    keep("train_augment", numbers)


if __name__ == "__main__":
    main(sys.argv[1:])
