"""Labelled pictures at the model's input size, for calibration and the golden set. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.dataset.masks import with_pixels
from telltale.frame import Image
from telltale.preprocess import PAD, Preprocess, decode
from telltale.progress import Progress
from telltale.tasks import Label, Target, Task, stack_targets

MAX_BYTES = 400_000_000
"""No more pictures are held than fit here."""

MAX_FRAME_PIXELS = 640 * 480
"""The golden frame is stored uncompressed: at most 0.9 MB."""


T = TypeVar("T")


class Labelled(Protocol):
    """What is needed of `telltale.dataset.Example`."""

    @property
    def path(self) -> Path: ...

    @property
    def labels(self) -> Mapping[str, Label]: ...


@dataclass(frozen=True, slots=True)
class Pictures:
    """images: (N, H, W, 3) uint8 at the model's input size; target: with a leading axis N."""

    images: NDArray[np.uint8]
    target: Target


def load(
    examples: Sequence[Labelled], task: Task, preprocess: Preprocess, limit: int, progress: Progress
) -> Pictures | None:
    """At most `limit` of the examples, evenly spread over their order; None where there are none. Raises ImageError."""
    shapes = task.output_shapes(preprocess.height, preprocess.width).values()
    labels = sum(6 * int(np.prod(shape)) for shape in shapes)  # a float and two flags for each
    room = MAX_BYTES // (preprocess.width * preprocess.height * 3 + labels)
    chosen = spread(examples, min(limit, max(room, 1)))
    if not chosen:
        return None
    images = np.empty((len(chosen), preprocess.height, preprocess.width, 3), np.uint8)
    targets = []
    for row, example in enumerate(chosen):
        picture = decode(example.path)
        images[row], target = fit_window(
            preprocess.apply(picture), place_target(task, example, preprocess, picture.shape[1::-1]), preprocess
        )
        targets.append(target)
        progress.advance(1)
    return Pictures(images, stack_targets(targets))


def place_target(task: Task, example: Labelled, preprocess: Preprocess, size: tuple[int, ...]) -> Target:
    """The labels of a picture of `size` (width, height), as `Preprocess.apply` lays the picture."""
    whole = (size[0], size[1])
    return task.lay(task.encode(with_pixels(example, task.names), whole), preprocess, whole)


def fit_window(image: Image, target: Target, preprocess: Preprocess) -> tuple[Image, Target]:
    """A picture and its labels at the input's size. With fit `tile` a window of it: around what is marked, if anything,
    else its middle; beyond its edges lies grey, as in training, and nothing is known."""
    height, width = preprocess.height, preprocess.width
    if preprocess.fit != "tile" or image.shape[:2] == (height, width):
        return image, target
    marked = np.argwhere((target.values >= 0.5).any(axis=0)) if target.values.ndim == 3 else np.empty((0, 2))
    middle = marked[len(marked) // 2] if len(marked) else np.array(image.shape[:2]) // 2
    top, left = (
        max(0, min(int(m) - s // 2, have - s)) for m, s, have in zip(middle, (height, width), image.shape, strict=False)
    )
    image = image[top : top + height, left : left + width]
    below, right = height - image.shape[0], width - image.shape[1]
    grey = (PAD, PAD, PAD)
    picture = np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=grey), np.uint8)
    if target.values.ndim < 3:
        return picture, target

    def cut(maps: NDArray[Any]) -> NDArray[Any]:
        return np.pad(maps[:, top : top + height, left : left + width], ((0, 0), (0, below), (0, right)))

    return picture, Target(cut(target.values), cut(target.known), cut(target.hidden))


def spread(items: Sequence[T], count: int) -> list[T]:
    """`count` of the items at even distances, in order; all of them when there are no more."""
    if len(items) <= count:
        return list(items)
    return [items[(2 * k + 1) * len(items) // (2 * count)] for k in range(count)]


def synthetic(count: int, width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """(count, height, width, 3) uint8: soft colours at several scales with noise; the same for the same arguments."""
    rng = np.random.default_rng(seed)
    pictures = np.zeros((count, height, width, 3))
    for picture in pictures:
        for cells, weight in ((2, 0.5), (5, 0.3), (11, 0.15), (37, 0.05)):
            coarse = rng.random((cells, cells, 3))
            picture += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    low, high = pictures.min((1, 2, 3), keepdims=True), pictures.max((1, 2, 3), keepdims=True)
    return np.asarray(np.round(255 * (pictures - low) / (high - low)), np.uint8)


def native_frame(examples: Sequence[Labelled], width: int, height: int) -> Image:
    """One picture at its native size, small enough to ship; a synthetic one, larger than the input, if none is."""
    for example in spread(examples, 8):
        image = decode(example.path)
        if image.shape[0] * image.shape[1] <= MAX_FRAME_PIXELS:
            return image
    frame: Image = synthetic(1, 2 * width + 7, 2 * height + 5, seed=1)[0]
    return frame
