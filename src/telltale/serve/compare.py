"""Two models on one picture: what each says, where they differ, and which is nearer to a mask. Knows nothing of HTTP.

For masks, the difference is of the probability that anything is there. Dice and IoU are of the pixels told, all names
together, against the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.bundle.tiling import look
from telltale.errors import ImageError
from telltale.frame import Image
from telltale.serve.attach import data_url
from telltale.serve.engine import Model
from telltale.tasks.mask import MaskResult
from telltale.tasks.regions import told_mask
from telltale.tasks.task import Json, Result

FAINT = 0.02
"""A smaller difference of probabilities shows nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One model's answer. told: (H, W) bool, pixels told of any name; None for a model that tells no masks."""

    name: str
    result: Result
    drawn: Image
    told: NDArray[np.bool_] | None
    p: NDArray[np.float32] | None


def ask(model: Model, image: Image) -> Side:
    """What a model says of a picture."""
    result = model.task.decode(look(model, image), model.spec.thresholds)[0]
    told = p = None
    if isinstance(result, MaskResult):
        area, cuts = int(getattr(model.task, "min_area", 1)), model.spec.thresholds
        told = np.zeros(image.shape[:2], np.bool_)
        for name, each in zip(result.readings, result.maps, strict=True):
            told |= told_mask(each, cuts[name].high, cuts[name].high, area) > 0
        p = result.maps.max(axis=0)
    return Side(model.spec.name, result, model.task.draw(image, result), told, p)


def overlap(told: NDArray[np.bool_], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Dice and IoU; both are 1 where neither has a pixel. Raises ImageError where the sizes differ."""
    if told.shape != mask.shape:
        got = f"{mask.shape[1]} x {mask.shape[0]}"
        raise ImageError("mask", expected=f"the picture's size, {told.shape[1]} x {told.shape[0]}", got=got)
    both, either = int((told & mask).sum()), int((told | mask).sum())
    if either == 0:
        return {"dice": 1.0, "iou": 1.0}
    return {"dice": round(2 * both / (both + either), 6), "iou": round(both / either, 6)}


def difference_map(a: NDArray[np.float32], b: NDArray[np.float32], image: Image) -> Image:
    """(H, W, 3): the picture in grey, blue where `a` gives more, orange where `b` does, as strongly as they differ."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)[:, :, None] * 0.55 + 40
    change = b - a
    strength = np.clip((np.abs(change) - FAINT) / (1 - FAINT), 0, 1)[:, :, None] ** 0.6
    colour = np.where(
        change[:, :, None] < 0, np.array([86, 160, 255], np.float32), np.array([255, 150, 30], np.float32)
    )
    return np.asarray(np.clip(grey * (1 - strength) + colour * strength, 0, 255), np.uint8)


def compare(first: Model, second: Model, image: Image, mask: NDArray[np.bool_] | None) -> dict[str, Json]:
    """A `comparison` message. mask: (H, W), what is truly there. Raises ImageError where it has another size."""
    sides = [ask(model, image) for model in (first, second)]
    answers: list[dict[str, Json]] = [
        {
            "bundle": side.name,
            "result": side.result.to_json(),
            "overlay": data_url(side.drawn),
            "overlap": overlap(side.told, mask) if mask is not None and side.told is not None else None,
        }
        for side in sides
    ]
    one, two = sides
    difference = None
    agree = None
    if one.p is not None and two.p is not None and one.told is not None and two.told is not None:
        difference = data_url(difference_map(one.p, two.p, image))
        agree = overlap(one.told, two.told)
    return {
        "type": "comparison",
        "size": [image.shape[1], image.shape[0]],
        "answers": answers,
        "difference": difference,
        "agreement": agree,
    }
