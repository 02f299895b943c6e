"""Defects of an area or an edge: where a surface was finished otherwise, what broke out of its rim. As `defects.py`."""

from __future__ import annotations

import cv2
import numpy as np

from telltale.collect.synth.defects import Box, Mark, Scene
from telltale.collect.synth.noise import perlin, smoothstep, value_noise
from telltale.tasks.task import Floats


def finish(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """An area ground or coated otherwise: brighter or darker, its texture weaker or coarser, its sides straight."""
    long, wide = float(rng.uniform(0.25, 1.1)), float(rng.uniform(0.12, 0.55))
    if rng.random() < 0.5:
        long, wide = wide, long
    width, height = (max(12, int(side * share)) for side, share in ((scene.width, long), (scene.height, wide)))
    x, y = _at_edge(rng, scene.width, width), _at_edge(rng, scene.height, height)
    left, top = max(0, x), max(0, y)
    box: Box = (left, top, min(scene.width, x + width) - left, min(scene.height, y + height) - top)
    if min(box[2:]) < 8:
        return None
    soft = float(rng.uniform(0.6, 4.0)) * scene.unit
    cover = _slab(rng, scene, box, soft)
    under = scene.under(box)
    grain = max(3.0, 5 * scene.unit)
    base = np.asarray(cv2.GaussianBlur(np.ascontiguousarray(under), (0, 0), grain), np.float32)
    gain = float(rng.choice([rng.uniform(0.55, 0.9), rng.uniform(1.1, 1.6)]))
    texture = float(rng.choice([rng.uniform(0.2, 0.7), rng.uniform(1.4, 3.0)]))
    cells = (grain * 8, 1.5 * scene.unit) if rng.random() < 0.5 else (1.5 * scene.unit, grain * 8)
    streaks = value_noise(rng, box[3], box[2], *cells) * float(rng.uniform(0, 0.06))
    other = base * gain + (under - base) * texture + streaks[:, :, None]
    full = under + (np.clip(other, 0, 1) - under) * cover[:, :, None]
    return Mark(box, cover, np.asarray(full, np.float32), {"gain": round(gain, 3), "texture": round(texture, 3)})


def chip(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """A piece broken out of the picture's rim or a corner of it: dark, with facets of the fracture."""
    depth, half = float(rng.uniform(6, 34) * scene.unit), float(rng.uniform(8, 60) * scene.unit)
    side = int(rng.integers(4))  # left, top, right, bottom
    along = scene.height if side in (0, 2) else scene.width
    across = scene.width if side in (0, 2) else scene.height
    middle = float(rng.uniform(0, along)) if rng.random() < 0.6 else float(rng.choice([0.0, along]))
    start, stop = int(max(0, middle - half)), int(min(along, middle + half))
    deep = min(across, int(min(across * 0.6, 1.6 * depth)) + 2)
    if stop - start < 6:
        return None
    place = (np.arange(start, stop, dtype=np.float32)[:, None] + 0.5 - middle) / half  # -1 to 1
    rough = perlin(rng, stop - start, deep, max(3.0, depth * 0.6))
    rim = depth * np.sqrt(np.clip(1 - np.abs(place) ** float(rng.uniform(1.2, 4)), 0, 1)) * (1 + 0.5 * rough)
    inside = np.arange(deep, dtype=np.float32)[None] + 0.5  # pixels from the rim
    cover = smoothstep(-0.8, 0.8, np.asarray(rim - inside, np.float32))
    facets = np.round(3 * value_noise(rng, stop - start, deep, 7 * scene.unit, 7 * scene.unit)) / 3
    dark, relief = float(rng.uniform(0.02, 0.25)), float(rng.uniform(0.0, 0.12))
    tone = np.clip(dark + relief * facets, 0, 1).astype(np.float32)
    if side in (2, 3):
        cover, tone = cover[:, ::-1], tone[:, ::-1]
    far = across - deep if side in (2, 3) else 0
    box: Box = (far, start, deep, stop - start) if side in (0, 2) else (start, far, stop - start, deep)
    if side in (1, 3):
        cover, tone = cover.T, tone.T
    under = scene.under(box)
    full = under + (tone[:, :, None] - under) * cover[:, :, None]
    return Mark(box, np.ascontiguousarray(cover), np.asarray(full, np.float32), {"depth_px": round(depth, 1)})


def _at_edge(rng: np.random.Generator, side: int, length: int) -> int:
    """Where a slab begins: often over one of the picture's borders, else anywhere."""
    draw = rng.random()
    if draw < 0.3:
        return -int(rng.uniform(0, 0.3) * length)
    if draw < 0.6:
        return side - length + int(rng.uniform(0, 0.3) * length)
    return int(rng.uniform(0, max(1, side - length)))


def _slab(rng: np.random.Generator, scene: Scene, box: Box, soft: float) -> Floats:
    """(h, w) cover with straight, slightly slanted sides; a side on the picture's border has no edge."""
    x, y, width, height = box
    column = np.arange(width, dtype=np.float32)[None] + 0.5
    row = np.arange(height, dtype=np.float32)[:, None] + 0.5
    waves = perlin(rng, height, width, max(8.0, 30 * scene.unit)) * soft * float(rng.uniform(0, 2))
    cover = np.ones((height, width), np.float32)
    lean = rng.uniform(-0.06, 0.06, 4)
    inner = (
        (x > 0, column + lean[0] * (row - height / 2)),
        (y > 0, row + lean[1] * (column - width / 2)),
        (x + width < scene.width, width - column + lean[2] * (row - height / 2)),
        (y + height < scene.height, height - row + lean[3] * (column - width / 2)),
    )
    room = 0.06 * max(width, height) + 2 * soft
    for has_edge, distance in inner:
        if has_edge:
            cover *= smoothstep(-soft, soft, np.asarray(distance - room + waves, np.float32))
    return cover
