"""One defect at a time: where it is and what it would do to the light there. Knows nothing of files or whole pictures.

Each draws its shape from the generator and gives a Mark: how much of each pixel it covers, and what such a pixel would
look like. `paint.py` decides how strongly it shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.collect.synth.noise import (
    box_around,
    curve,
    jagged,
    perlin,
    slopes,
    smoothstep,
    stroke,
    taper,
    value_noise,
)
from telltale.tasks.task import Floats, Json

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a defect is to lie on.

    image: (H, W, 3) float32 0 to 1. light: where light comes from, radians.
    unit: how many pixels one pixel of a picture of 256 is here. donor: where patches are cut from.
    """

    image: Floats
    light: float
    unit: float
    donor: Floats

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    def under(self, box: Box) -> Floats:
        """A view."""
        x, y, width, height = box
        return self.image[y : y + height, x : x + width]


@dataclass(frozen=True, slots=True)
class Mark:
    """A defect before it is put on.

    box: where. cover: (h, w) float32, the share of each pixel that is defect; the mask is where it passes one half.
    full: (h, w, 3) float32, the picture there with the defect at full strength.
    shape: what it was drawn with.
    """

    box: Box
    cover: Floats
    full: Floats
    shape: dict[str, Json] = field(default_factory=dict)


Maker = Callable[[np.random.Generator, Scene], Mark | None]


def scratch(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """Grooves along a curve, sometimes a bundle of them: bright or dark at the core, a lit lip along one side."""
    long_px = float(min(scene.width, scene.height) * rng.uniform(0.12, 0.85))
    angle = float(rng.uniform(0, 2 * math.pi))
    start = _inside(rng, scene, 0.05)
    count = 1 if rng.random() < 0.65 else int(rng.integers(2, 5))
    bend = float(rng.choice([0.03, 0.15, 0.45]))
    width_px = float(rng.uniform(0.7, 2.6) * scene.unit)
    main = curve(rng, start, angle, long_px, bend)
    lines: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for n in range(count):
        shift = rng.normal(0, 3.0 * width_px, 2) if n else np.zeros(2)
        first, last = sorted(rng.uniform(0, 1, 2)) if n else (0.0, 1.0)
        part = main[int(first * len(main)) : max(int(first * len(main)) + 3, int(last * len(main)))] + shift
        widths = width_px * (1.0 if not n else rng.uniform(0.4, 0.9)) * taper(len(part), rng.uniform(0.1, 0.45))
        lines += _broken(rng, part, widths) if rng.random() < 0.25 else [(part, widths)]
    box = box_around(np.vstack([p for p, _ in lines]), 3 * width_px + 3, scene.width, scene.height)
    if box is None:
        return None
    cover = stroke(lines, box)
    under = scene.under(box)
    tone = float(rng.choice([rng.uniform(0.25, 0.65), rng.uniform(1.35, 1.9)], p=[0.5, 0.5]))
    lit = _lit(cover, scene.light, 2.2 * scene.unit, 0.35)
    full = under * (1 + (tone - 1) * cover + lit * (0.3 + 0.7 * cover))[:, :, None]
    shape = {"length_px": round(long_px, 1), "width_px": round(width_px, 2), "angle_deg": round(math.degrees(angle), 1)}
    return Mark(box, cover, np.asarray(full, np.float32), {**shape, "lines": len(lines), "tone": round(tone, 3)})


def crack(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """A jagged dark line that forks and thins out."""
    long_px = float(min(scene.width, scene.height) * rng.uniform(0.15, 0.7))
    width_px = float(rng.uniform(0.8, 2.4) * scene.unit)
    step = float(rng.uniform(2.5, 6) * scene.unit)
    angle = float(rng.uniform(0, 2 * math.pi))
    main = jagged(rng, _inside(rng, scene, 0.05), angle, long_px, step, 0.38)
    fade = np.linspace(1, 0.25, len(main)) * rng.uniform(0.7, 1.25, len(main))
    lines = [(main, width_px * fade)]
    for _ in range(int(rng.integers(0, 4))):
        at = int(rng.integers(len(main) // 4, max(len(main) // 4 + 1, len(main) - 1)))
        way = angle + float(rng.choice([-1, 1])) * float(rng.uniform(0.4, 1.1))
        fork = jagged(rng, (float(main[at, 0]), float(main[at, 1])), way, long_px * rng.uniform(0.1, 0.35), step, 0.4)
        lines.append((fork, 0.7 * width_px * fade[at] * np.linspace(1, 0.2, len(fork))))
    box = box_around(np.vstack([p for p, _ in lines]), 3 * width_px + 3, scene.width, scene.height)
    if box is None:
        return None
    cover = stroke(lines, box)
    depth = float(rng.uniform(0.7, 0.92))
    lit = _lit(cover, scene.light, 1.6 * scene.unit, 0.16)
    full = scene.under(box) * (1 - depth * cover + lit * (1 - cover))[:, :, None]
    shape = {"length_px": round(long_px, 1), "width_px": round(width_px, 2), "forks": len(lines) - 1}
    return Mark(box, cover, np.asarray(full, np.float32), shape)


def dent(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """A smooth hollow: dark toward the light, bright away from it, and what lies on it is bent."""
    radius = float(rng.uniform(9, 34) * scene.unit)
    stretch, turn = float(rng.uniform(0.55, 1.0)), float(rng.uniform(0, math.pi))
    x, y = _inside(rng, scene, 0.08)
    box = box_around(np.array([[x, y]]), radius * 1.15 + 2, scene.width, scene.height)
    if box is None:
        return None
    wobble = 0.10 * value_noise(rng, box[3], box[2], max(4.0, radius / 1.5), max(4.0, radius / 1.5))
    r = _radius(box, x, y, radius, stretch, turn) + wobble
    cover = 1 - smoothstep(0.94, 1.06, r)
    inside = np.clip(1 - r * r, 0, 1)
    relief = np.asarray(-inside * inside * radius, np.float32)
    dx, dy = slopes(np.asarray(cv2.GaussianBlur(relief, (0, 0), max(0.8, radius / 14)), np.float32))
    steep = float(rng.uniform(0.25, 0.5))
    shade = np.tanh(-steep * (dx * math.cos(scene.light) + dy * math.sin(scene.light)) / 0.6) * 0.6
    bent = _bend(scene, box, dx, dy, 0.10 * radius)
    full = bent * (1 + shade)[:, :, None]
    full = np.where((cover > 0)[:, :, None], full, scene.under(box))
    shape = {"radius_px": round(radius, 1), "stretch": round(stretch, 2), "depth": round(steep, 3)}
    return Mark(box, cover, np.asarray(full, np.float32), shape)


def pit(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """Small holes with ragged edges, one or a loose cluster: dark inside, a bright rim on the far side."""
    count = 1 if rng.random() < 0.4 else int(rng.integers(2, 15))
    spread = float(rng.uniform(5, 28) * scene.unit)
    centre = np.asarray(_inside(rng, scene, 0.06))
    points = centre + (rng.normal(0, spread, (count, 2)) if count > 1 else np.zeros((1, 2)))
    radii = rng.uniform(1.1, 3.6 if count > 1 else 7.0, count) * scene.unit
    box = box_around(points, float(radii.max()) * 1.6 + 3, scene.width, scene.height)
    if box is None:
        return None
    ragged = 0.28 * value_noise(rng, box[3], box[2], 2.5 * scene.unit, 2.5 * scene.unit)
    nearest = np.full((box[3], box[2]), 9.0, np.float32)
    for (x, y), radius in zip(points, radii, strict=True):
        each = _radius(box, float(x), float(y), float(radius), float(rng.uniform(0.65, 1)), float(rng.uniform(0, 3.1)))
        np.minimum(nearest, each, out=nearest)
    soft = 0.35 / max(1.0, float(radii.mean()))
    cover = 1 - smoothstep(1 - soft, 1 + soft, nearest + ragged)
    depth = float(rng.uniform(0.55, 0.9))
    lit = _lit(cover, scene.light, 1.8 * scene.unit, 0.3)
    full = scene.under(box) * (1 - depth * cover * (0.75 + 0.25 * np.clip(1 - nearest, 0, 1)) + lit)[:, :, None]
    shape = {"holes": count, "radius_px": round(float(radii.mean()), 2), "depth": round(depth, 3)}
    return Mark(box, cover, np.asarray(full, np.float32), shape)


STAINS = ((0.55, 0.47, 0.36), (0.45, 0.45, 0.47), (0.62, 0.58, 0.52), (1.22, 1.22, 1.2), (0.5, 0.42, 0.5))
"""What a film multiplies light by: oil, soot, water marks, lime, heat tint."""


def stain(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """A film with a Perlin-shaped outline; sometimes a dried rim is darker than its middle."""
    placed = _blob(rng, scene, 9, 46, soft=0.09)
    if placed is None:
        return None
    box, cover, noise, shape = placed
    tint = np.asarray(STAINS[int(rng.integers(len(STAINS)))], np.float32) * np.float32(rng.uniform(0.9, 1.1))
    uneven = np.clip(0.8 + 0.35 * noise, 0.35, 1.2)
    if rng.random() < 0.4:
        rim = cover * (1 - cover) * 4
        uneven = 0.45 * uneven + 0.75 * np.asarray(cv2.GaussianBlur(rim, (0, 0), 0.7 + 0.7 * scene.unit))
    full = scene.under(box) * (1 + (tint - 1) * (cover * uneven)[:, :, None])
    return Mark(box, cover, np.asarray(full, np.float32), {**shape, "tint": [round(float(v), 3) for v in tint]})


RUST = np.array([[0.16, 0.09, 0.06], [0.33, 0.17, 0.09], [0.47, 0.26, 0.14], [0.60, 0.40, 0.25]], np.float32)


def rust(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """A rough orange-brown crust in patches, with specks around."""
    placed = _blob(rng, scene, 7, 36, soft=0.12, octaves=5, ragged=1.25)
    if placed is None:
        return None
    box, cover, noise, shape = placed
    _, _, width, height = box
    grain = value_noise(rng, height, width, 2.2 * scene.unit, 2.2 * scene.unit)
    tone = np.clip(1.4 + 1.2 * noise + 0.3 * grain, 0, 2.999)
    low = tone.astype(np.int32)
    share = (tone - low)[:, :, None]
    colour = RUST[low] * (1 - share) + RUST[np.minimum(low + 1, 3)] * share
    lamp = np.clip(scene.under(box).mean(axis=2, keepdims=True) * 1.2 + 0.35, 0.45, 1.25)
    colour = colour * lamp * (1 + 0.07 * grain[:, :, None])
    crust = float(rng.uniform(0.75, 0.97))
    alpha = (cover * crust)[:, :, None]
    full = scene.under(box) * (1 - alpha) + colour * alpha
    return Mark(box, cover, np.asarray(full, np.float32), {**shape, "crust": round(crust, 3)})


def patch(rng: np.random.Generator, scene: Scene) -> Mark | None:
    """A piece from elsewhere, turned and re-toned, pasted in with a soft edge or by its gradients.

    CutPaste (Li et al. 2021), with the gradient-domain blending (Perez et al. 2003) of NSA (Schlueter et al. 2022).
    """
    placed = _blob(rng, scene, 8, 34, soft=0.06)
    if placed is None:
        return None
    box, cover, _, shape = placed
    _, _, width, height = box
    piece = _cut(rng, scene.donor, width, height)
    under = scene.under(box)
    gain = float(rng.choice([rng.uniform(0.5, 0.85), rng.uniform(1.15, 1.6)]))
    lift = float(rng.uniform(0, 0.12)) * (1 if gain > 1 else -1)
    how = "gradients" if rng.random() < 0.5 and min(width, height) > 6 else "feather"
    if how == "gradients":
        full = _by_gradients(under, np.clip(piece * gain, 0, 1), cover)
    else:
        full = under * (1 - cover[:, :, None]) + np.clip(piece * gain + lift, 0, 1) * cover[:, :, None]
    return Mark(box, cover, np.asarray(full, np.float32), {**shape, "blend": how, "gain": round(gain, 3)})


# --- shared by the shapes above ---------------------------------------------------------------------------------------


def _inside(rng: np.random.Generator, scene: Scene, margin: float) -> tuple[float, float]:
    return (
        float(scene.width * rng.uniform(margin, 1 - margin)),
        float(scene.height * rng.uniform(margin, 1 - margin)),
    )


def _broken(
    rng: np.random.Generator, points: NDArray[np.float64], widths: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """A line that skips: two to four pieces with gaps."""
    cuts = np.sort(rng.uniform(0, 1, 2 * int(rng.integers(2, 5))))
    pieces = [(int(a * len(points)), int(b * len(points))) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
    return [(points[a:b], widths[a:b]) for a, b in pieces if b - a >= 3] or [(points, widths)]


def _lit(cover: Floats, light: float, blur: float, strength: float) -> Floats:
    """(h, w) brightening of the far lip and darkening of the near one, of a groove of this cover."""
    dx, dy = slopes(np.asarray(cv2.GaussianBlur(cover, (0, 0), max(0.6, blur / 2)), np.float32))
    shade = (dx * math.cos(light) + dy * math.sin(light)) * np.float32(4 * strength * max(1.0, blur))
    return np.asarray(np.clip(shade, -0.5, 0.7) * (cover > 0), np.float32)


def _radius(box: Box, x: float, y: float, radius: float, stretch: float, turn: float) -> Floats:
    """(h, w) distance from a point in radii of an ellipse."""
    dx = np.arange(box[0], box[0] + box[2], dtype=np.float32)[None] + np.float32(0.5 - x)
    dy = np.arange(box[1], box[1] + box[3], dtype=np.float32)[:, None] + np.float32(0.5 - y)
    along = dx * math.cos(turn) + dy * math.sin(turn)
    across = (dy * math.cos(turn) - dx * math.sin(turn)) / stretch
    return np.asarray(np.sqrt(along * along + across * across) / radius, np.float32)


def _blob(
    rng: np.random.Generator,
    scene: Scene,
    least: float,
    most: float,
    *,
    soft: float,
    octaves: int = 4,
    ragged: float = 0.8,
) -> tuple[Box, Floats, Floats, dict[str, Json]] | None:
    """Box, cover, the noise that shaped it, and what it was drawn with: noise falling off around a point."""
    radius = float(rng.uniform(least, most) * scene.unit)
    stretch, turn = float(rng.uniform(0.35, 1.0)), float(rng.uniform(0, math.pi))
    x, y = _inside(rng, scene, 0.04)
    box = box_around(np.array([[x, y]]), radius * 1.7 + 2, scene.width, scene.height)
    if box is None:
        return None
    noise = perlin(rng, box[3], box[2], max(3.0, radius * float(rng.uniform(0.45, 1.0))), octaves=octaves)
    level = 1 - _radius(box, x, y, radius, stretch, turn) ** 2 + np.float32(ragged) * noise
    cover = smoothstep(0.35 - soft, 0.35 + soft, level) * (1 - smoothstep(1.45, 1.65, _radius(box, x, y, radius, 1, 0)))
    shape: dict[str, Json] = {"radius_px": round(radius, 1), "stretch": round(stretch, 2)}
    return box, cover, noise, shape


def _bend(scene: Scene, box: Box, dx: Floats, dy: Floats, strength: float) -> Floats:
    """(h, w, 3) of what lies under the box, seen as in a hollow mirror."""
    x = np.arange(box[0], box[0] + box[2], dtype=np.float32)[None] - np.float32(strength) * dx
    y = np.arange(box[1], box[1] + box[3], dtype=np.float32)[:, None] - np.float32(strength) * dy
    left, top = max(0, box[0] - 40), max(0, box[1] - 40)
    source = scene.image[top : box[1] + box[3] + 40, left : box[0] + box[2] + 40]
    return np.asarray(
        cv2.remap(np.ascontiguousarray(source), x - left, y - top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        np.float32,
    )


def _cut(rng: np.random.Generator, donor: Floats, width: int, height: int) -> Floats:
    """(h, w, 3) from anywhere in the donor, turned and scaled."""
    turn, scale = float(rng.uniform(0, 360)), float(rng.uniform(0.6, 1.6))
    x, y = float(rng.uniform(0, donor.shape[1])), float(rng.uniform(0, donor.shape[0]))
    matrix = cv2.getRotationMatrix2D((x, y), turn, scale)
    matrix[:, 2] += np.array([width / 2 - x, height / 2 - y])
    return np.asarray(
        cv2.warpAffine(donor, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        np.float32,
    )


LEAST_CLONED = 3
"""Pixels of either side from which OpenCV's seamless cloning has an inside to solve for; it refuses less."""


def _by_gradients(under: Floats, piece: Floats, cover: Floats) -> Floats:
    """The piece's gradients inside, the ground's colours at the border; the ground itself where that cannot be."""
    mask = np.where(cover > 0.5, 255, 0).astype(np.uint8)
    mask[[0, -1]] = 0
    mask[:, [0, -1]] = 0
    x, y, w, h = cv2.boundingRect(mask)
    if min(w, h) < LEAST_CLONED:
        return under
    ground = np.clip(under * 255 + 0.5, 0, 255).astype(np.uint8)
    source = np.clip(piece * 255 + 0.5, 0, 255).astype(np.uint8)
    mixed = cv2.seamlessClone(source, ground, mask, (x + w // 2, y + h // 2), cv2.MIXED_CLONE)
    change = (mixed.astype(np.float32) - ground) / 255  # so that what lies outside stays as exact as it was
    return np.asarray(under + change * (cover > 0)[:, :, None], np.float32)
