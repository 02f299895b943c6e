"""A picture of any size through a model that sees so much at a time. Knows nothing of runtimes or what is told.

A fully convolutional net answers at a place from what lies within its reach of it. So a picture is cut into windows
that overlap by the reach on every inner side, each window starts at a multiple of the net's stride, and of its answer
only the part is kept whose whole surroundings it saw: the answer is the same however the picture is cut. Beyond the
picture's own borders lies a margin of the grey that lay there in training, in every cut alike: a net that meets its own
zeros there instead takes borders for defects (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.bundle.spec import BundleSpec
from telltale.frame import Image
from telltale.preprocess import PAD, Preprocess
from telltale.tasks import Task
from telltale.tasks.task import Outputs

WINDOW = 1024
"""Pixels on a side of the largest window: larger ones cost memory and gain no speed."""

Run = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]


class Looks(Protocol):
    """What is needed of a `Predictor`."""

    @property
    def spec(self) -> BundleSpec: ...
    @property
    def task(self) -> Task: ...
    @property
    def preprocess(self) -> Preprocess: ...
    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]: ...


@dataclass(frozen=True, slots=True)
class Window:
    """One side of a window: what the net sees, start to stop, and what of it is kept, from to upto."""

    start: int
    stop: int
    kept_from: int
    kept_upto: int


def look(model: Looks, image: Image, *, window: int = WINDOW) -> Outputs:
    """The model's outputs for one whole picture (H, W, 3), with a batch axis of 1; maps are as large as the picture."""
    prepared = model.preprocess.apply(image)
    about = model.spec.model
    if model.preprocess.fit == "tile":
        outputs: Outputs = run_windows(model.run, prepared, max(about.stride, 1), about.reach, window)
    else:
        outputs = model.run(prepared[None])
    return model.task.place(outputs, model.preprocess, (image.shape[1], image.shape[0]))


def run_windows(run: Run, image: Image, stride: int, reach: int, window: int) -> dict[str, NDArray[np.float32]]:
    """Maps (1, K, H, W) by name for a picture (H, W, 3), in windows of at most `window` pixels on a side, where the
    reach leaves room for that."""
    height, width = image.shape[:2]
    margin = stride // 2
    full_height, full_width = (-(-(side + 2 * margin) // stride) * stride for side in (height, width))
    below, right = full_height - height - margin, full_width - width - margin
    grey = (PAD, PAD, PAD)
    framed = cv2.copyMakeBorder(image, margin, below, margin, right, cv2.BORDER_CONSTANT, value=grey)
    image = np.asarray(framed, np.uint8)
    inside = np.s_[:, :, margin : margin + height, margin : margin + width]
    rows, columns = (plan_windows(side, stride, reach, window) for side in (full_height, full_width))
    if len(rows) == len(columns) == 1:
        return {name: maps[inside] for name, maps in run(image[None]).items()}
    out: dict[str, NDArray[np.float32]] = {}
    for row in rows:
        for column in columns:
            found = run(np.ascontiguousarray(image[None, row.start : row.stop, column.start : column.stop]))
            for name, maps in found.items():
                if name not in out:
                    out[name] = np.empty((1, maps.shape[1], full_height, full_width), np.float32)
                out[name][:, :, row.kept_from : row.kept_upto, column.kept_from : column.kept_upto] = maps[
                    :,
                    :,
                    row.kept_from - row.start : row.kept_upto - row.start,
                    column.kept_from - column.start : column.kept_upto - column.start,
                ]
    return {name: maps[inside] for name, maps in out.items()}


def plan_windows(side: int, stride: int, reach: int, window: int) -> list[Window]:
    """Windows along one side, which the stride divides; what they keep covers it once."""
    if side <= window:
        return [Window(0, side, 0, side)]
    margin = -(-reach // stride) * stride
    step = max((window - 2 * margin) // stride * stride, stride)
    out = []
    for start in range(0, side, step):
        stop = min(start + step, side)
        out.append(Window(max(start - margin, 0), min(stop + margin, side), start, stop))
    return out
