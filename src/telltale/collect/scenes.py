"""Pictures of the bouncing ball with its exact box, into a project that tells where. Knows nothing of streams.

One scene, that is a kind and a seed, is one group: its pictures share ground and light, so they belong in one split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from telltale.dataset.catalogue import Catalogue, NewImage, Said
from telltale.frame import Image
from telltale.progress import Progress, Quiet
from telltale.streams.scene import KINDS, Kind, Scene, Truth
from telltale.tasks.task import Json

WHO = "scenes"
OF_A_SCENE = 8
"""Pictures of one scene."""
APART = 17
"""Frames between two of them: the ball has moved by several of its own sizes."""
LEAST_SEEN, MOST_HIDDEN = 0.5, 0.02
"""Of the ball: from so much in view on it is labelled; below the second it is not there; between, nobody knows."""
STEP = 32


@dataclass(frozen=True, slots=True)
class Taken:
    """One picture. image: (H, W, 3) uint8 RGB. label: as `locate` takes it."""

    image: Image
    label: Json
    kind: Kind
    seed: int
    n: int

    @property
    def group(self) -> str:
        return f"{self.kind} {self.seed}"


@dataclass(slots=True)
class Kept:
    """What came in. unsure: pictures where nobody could say."""

    pictures: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unsure: int = 0

    def lines(self) -> list[str]:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.kinds.items()))
        return [f"{self.pictures} pictures: {kinds}; in {self.unsure} the ball is half hidden and labelled unknown"]


def box_of(truth: Truth) -> list[float]:
    """x, y, width, height from the picture's corner. In a Truth the middle of the first pixel is 0, here 0.5."""
    side = 2 * truth.radius
    return [round(truth.x + 0.5 - truth.radius, 3), round(truth.y + 0.5 - truth.radius, 3), side, side]


def label_of(truth: Truth) -> Json:
    """What `locate` is told of one picture."""
    if truth.visible >= LEAST_SEEN:
        return [box_of(truth)]
    return False if truth.visible < MOST_HIDDEN else {"boxes": [], "unknown": [box_of(truth)]}


def take(count: int, kinds: Sequence[Kind], width: int, height: int, seed: int = 0) -> Iterator[Taken]:
    """`count` pictures, kind after kind. The same arguments give the same pictures. Raises ConfigError."""
    kinds = tuple(kinds) or KINDS
    for i in range(-(-count // OF_A_SCENE)):
        kind, scene_seed = kinds[i % len(kinds)], seed * 100_003 + i
        scene = Scene(kind, width, height, scene_seed)
        for k in range(min(OF_A_SCENE, count - i * OF_A_SCENE)):
            shot = scene.shot(k * APART)
            yield Taken(shot.image, label_of(shot.truth), kind, scene_seed, k * APART)


def keep(taken: Iterator[Taken], catalogue: Catalogue, name: str, progress: Progress | None = None) -> Kept:
    """Into the catalogue under this name. A picture that is there already stays as it is."""
    told, kept = progress or Quiet(), Kept()
    waiting: list[Taken] = []

    def write() -> None:
        catalogue.add_many([_new(each, name) for each in waiting])
        for _ in waiting:
            told.advance()
        waiting.clear()

    for each in taken:
        waiting.append(each)
        kept.pictures += 1
        kept.kinds[each.kind] += 1
        kept.unsure += isinstance(each.label, dict)
        if len(waiting) == STEP:
            write()
    write()
    return kept


def _new(taken: Taken, name: str) -> NewImage:
    done, data = cv2.imencode(".png", cv2.cvtColor(taken.image, cv2.COLOR_RGB2BGR))
    assert done
    meta: dict[str, Json] = {"scene": taken.kind, "seed": taken.seed, "frame": taken.n}
    pixels = np.ascontiguousarray(taken.image)
    return NewImage(data.tobytes(), ".png", taken.group, WHO, meta, {name: Said(taken.label)}, WHO, pixels)
