"""Defects onto a picture, each as strongly as it is meant to show, with its exact mask. Knows nothing of files.

How strongly is measured against the ground: a scratch of severity 0 hardly rises above the texture around it, one of
severity 1 nobody misses. A defect that turns out invisible is drawn again or left out: no mask without
something to see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.collect.synth.defects import Box, Mark, Scene
from telltale.collect.synth.kinds import MAKERS
from telltale.collect.synth.metal import expose, make_metal
from telltale.errors import ConfigError
from telltale.frame import Image
from telltale.tasks.task import Floats, Json

KINDS = tuple(MAKERS)
METAL_KINDS = tuple(kind for kind in KINDS if kind != "patch")
"""What whole scenes have: a patch needs a picture to be cut from."""

TRIES = 6
VISIBLE = 2.0
"""Grey levels of 255: a defect that changes its pixels by less, on average, is none."""

THIN = {"scratch": 1.6, "crack": 1.3, "pit": 1.3}
"""What is only a pixel or two wide needs more contrast to be seen as well."""

WINDOW = 2048
"""Pixels on a side of the part of a large picture that is painted in; the rest stays as it is."""

MIN_AREA = 6
"""Pixels of the smallest mask."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Made:
    """One defect in a picture.

    kind: one of KINDS. box: around its mask. severity: 0 hardly seen to 1 obvious. contrast: mean change of its pixels
    in grey levels of 255. shape: what it was drawn with.
    """

    kind: str
    box: Box
    area_px: int
    severity: float
    contrast: float
    shape: dict[str, Json]

    def to_json(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "box": list(self.box),
            "area_px": self.area_px,
            "severity": round(self.severity, 3),
            "contrast": round(self.contrast, 2),
            **self.shape,
        }


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture with its defects.

    image: (H, W, 3) uint8. masks: kind to (H, W) uint8 of 0 and 255, of the kinds that are there. made: in the order
    they were put on. parameters: of the ground.
    """

    image: Image
    masks: dict[str, Mask]
    made: tuple[Made, ...]
    parameters: dict[str, Json]

    def mask(self) -> Mask:
        """(H, W) uint8: 255 where any defect is."""
        out: Mask = np.zeros(self.image.shape[:2], np.uint8)
        for each in self.masks.values():
            np.maximum(out, each, out=out)
        return out


def check_kinds(kinds: Sequence[str], allowed: Sequence[str] = KINDS) -> tuple[str, ...]:
    """Raises ConfigError on a kind nobody can draw."""
    strange = [kind for kind in kinds if kind not in allowed]
    if strange or not kinds:
        raise ConfigError("defects", expected=", ".join(allowed), got=", ".join(strange) or "none")
    return tuple(dict.fromkeys(kinds))


def paint_scene(
    rng: np.random.Generator, width: int, height: int, metal: str, kinds: Sequence[str], count: int
) -> Painted:
    """A whole picture: good metal with `count` defects (0: a good part)."""
    surface = make_metal(metal, rng, width, height)
    scene = Scene(surface.image, surface.light, unit_of(width, height), surface.image)
    image, masks, made = _put_all(rng, scene, kinds, count)
    return Painted(expose(rng, image), masks, made, surface.parameters)


def paint_picture(
    rng: np.random.Generator, good: Image, kinds: Sequence[str], count: int, *, donor: Image | None = None
) -> Painted:
    """Defects onto a picture of a good part: every pixel they do not touch stays as it is.

    good: (H, W, 3) uint8. donor: another good picture that patches are cut from; None: the same one.
    """
    x, y = (int(rng.integers(0, max(0, side - WINDOW) + 1)) for side in (good.shape[1], good.shape[0]))
    part = (slice(y, y + WINDOW), slice(x, x + WINDOW))
    window = good[part]
    ground = window.astype(np.float32) / np.float32(255)
    other = ground if donor is None else donor[:WINDOW, :WINDOW].astype(np.float32) / np.float32(255)
    light = float(rng.uniform(0, 2 * math.pi))
    scene = Scene(ground, light, unit_of(good.shape[1], good.shape[0]), other)
    image, masks, made = _put_all(rng, scene, kinds, count)
    touched = (image != ground).any(axis=2, keepdims=True)
    painted = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    if is_grey(good):
        painted = np.asarray(cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]
    out = good.copy()
    out[part] = np.where(touched, painted, window)
    if window.shape != good.shape:
        masks = {kind: _widened(mask, good.shape[:2], part) for kind, mask in masks.items()}
        made = tuple(replace(m, box=(m.box[0] + x, m.box[1] + y, m.box[2], m.box[3])) for m in made)
    return Painted(out, masks, made, {"light_deg": round(math.degrees(light), 1)})


def _widened(mask: Mask, shape: tuple[int, ...], part: tuple[slice, slice]) -> Mask:
    whole: Mask = np.zeros(shape, np.uint8)
    whole[part] = mask
    return whole


def unit_of(width: int, height: int) -> float:
    """How much larger than in a picture of 256 pixels things are drawn: less than in proportion, for a larger picture
    mostly shows more of a part, not the same part larger."""
    return float(np.clip((min(width, height) / 256) ** 0.7, 0.35, 8))


def is_grey(image: Image) -> bool:
    small = image[:: max(1, image.shape[0] // 64), :: max(1, image.shape[1] // 64)].astype(np.int16)
    return int((small.max(axis=2) - small.min(axis=2)).max()) <= 2


def _put_all(
    rng: np.random.Generator, scene: Scene, kinds: Sequence[str], count: int
) -> tuple[Floats, dict[str, Mask], tuple[Made, ...]]:
    image = scene.image.copy()
    scene = Scene(image, scene.light, scene.unit, scene.donor)
    masks: dict[str, Mask] = {}
    made: list[Made] = []
    for _ in range(count):
        kind = kinds[int(rng.integers(len(kinds)))]
        severity = float(rng.beta(1.3, 1.2))
        for trial in range(TRIES):
            if trial == TRIES // 2:  # this kind does not show here: another may
                kind = kinds[int(rng.integers(len(kinds)))]
            mark = MAKERS[kind](rng, scene)
            put = None if mark is None else _put(scene, mark, severity, THIN.get(kind, 1.0))
            if mark is not None and put is not None:
                region, mask, contrast = put
                x, y, w, h = mark.box
                image[y : y + h, x : x + w] = region
                whole = masks.setdefault(kind, np.zeros(image.shape[:2], np.uint8))
                np.maximum(whole[y : y + h, x : x + w], mask, out=whole[y : y + h, x : x + w])
                inner = cv2.boundingRect(mask)
                box = (x + inner[0], y + inner[1], inner[2], inner[3])
                made.append(Made(kind, box, int(np.count_nonzero(mask)), severity, contrast, mark.shape))
                break
    return image, masks, tuple(made)


def _put(scene: Scene, mark: Mark, severity: float, thin: float) -> tuple[Floats, Mask, float] | None:
    """What the box becomes, the mask in it, and the mean change in grey levels; None when nothing would be seen."""
    inside = mark.cover > 0.5
    area = int(np.count_nonzero(inside))
    if area < MIN_AREA:
        return None
    under = scene.under(mark.box)
    change = np.where((mark.cover > 0)[:, :, None], mark.full - under, 0)
    natural = float(np.abs(change[inside]).mean())
    if natural * 255 < VISIBLE / 2:
        return None
    wanted = 0.012 + thin * (_texture(scene, mark.box) * (0.9 + 1.6 * severity) + 0.22 * severity**1.6)
    strength = min(max(wanted / natural, 0.12), 1.0)
    region = np.clip(under + np.float32(strength) * change, 0, 1)
    contrast = float(np.abs(region - under)[inside].mean() * 255)
    if contrast < VISIBLE:
        return None
    return np.asarray(region, np.float32), np.where(inside, 255, 0).astype(np.uint8), contrast


def _texture(scene: Scene, box: Box) -> float:
    """Deviation of the ground's fine texture around a box, 0 to 1."""
    x, y, w, h = box
    around = scene.image[max(0, y - 8) : y + h + 8, max(0, x - 8) : x + w + 8]
    grey = np.ascontiguousarray(around[:, :, 1])
    return float(np.std(grey - cv2.blur(grey, (9, 9))))
