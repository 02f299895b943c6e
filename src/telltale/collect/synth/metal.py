"""Good metal to put defects on: brushed, rolled, cast and painted. Knows nothing of defects.

A surface is a colour and a height for each pixel under one light; the light's direction goes with it, so that what is
put on it later is lit from the same side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from telltale.collect.synth.noise import perlin, slopes, smoothstep, value_noise
from telltale.errors import ConfigError
from telltale.frame import Image
from telltale.tasks.task import Floats, Json

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Surface:
    """A picture of good metal.

    image: (H, W, 3) float32 0 to 1. light: the direction it comes from, radians, 0 is right, a quarter turn is below.
    parameters: what it was made with.
    """

    image: Floats
    light: float
    parameters: dict[str, Json]


def make_metal(kind: str, rng: np.random.Generator, width: int, height: int) -> Surface:
    """One of METALS. Raises ConfigError on another."""
    if kind not in METALS:
        raise ConfigError("metal", expected=" or ".join(METALS), got=repr(kind))
    light = float(rng.uniform(0, 2 * math.pi))
    surface = METALS[kind](rng, width, height, light)
    image = surface.image * _lighting(rng, width, height, light)[:, :, None]
    if rng.random() < 0.3:
        image = _features(rng, image, light, surface.parameters)
    return Surface(np.asarray(image, np.float32), light, surface.parameters)


def expose(rng: np.random.Generator, image: Floats) -> Image:
    """(H, W, 3) uint8 as a camera gives it: noise that grows with the light, then 8 bits."""
    height, width = image.shape[:2]
    noise = rng.standard_normal((height, width), np.float32)[:, :, None]
    strength = np.float32(rng.uniform(0.002, 0.012))
    noisy = image + strength * noise * (0.4 + np.sqrt(np.clip(image, 0, 1)))
    return np.asarray(np.clip(noisy * 255 + 0.5, 0, 255), np.uint8)


def _lighting(rng: np.random.Generator, width: int, height: int, light: float) -> Floats:
    """(H, W) factors: a lamp that is nearer on one side, and corners a little darker."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    fall = rng.uniform(0.02, 0.22)
    vignette = rng.uniform(0.0, 0.10)
    return np.asarray(1 + fall * (x * math.cos(light) + y * math.sin(light)) - vignette * (x * x + y * y), np.float32)


def _lined(
    rng: np.random.Generator, width: int, height: int, angle: float, cells: list[tuple[float, float, float]]
) -> Floats:
    """(H, W) lines at an angle: a sum of noises with (length, thickness, weight)."""
    side = math.ceil(math.hypot(width, height)) + 4
    lines = np.zeros((side, side), np.float32)
    for length, thickness, weight in cells:
        lines += np.float32(weight) * value_noise(rng, side, side, length, thickness)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), -math.degrees(angle), 1.0)
    turn[:, 2] += np.array([(width - side) / 2, (height - side) / 2])
    return np.asarray(cv2.warpAffine(lines, turn, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def _tinted(grey: Floats, tint: Rgb) -> Floats:
    return np.asarray(grey[:, :, None] * np.asarray(tint, np.float32), np.float32)


def _steel(rng: np.random.Generator) -> Rgb:
    """Between a warm and a cold grey."""
    warm = rng.uniform(-0.035, 0.03)
    return 1 + warm, 1.0, 1 - warm


def _brushed(rng: np.random.Generator, width: int, height: int, light: float) -> Surface:
    angle = (
        float(rng.choice([0.0, math.pi / 2]) + rng.normal(0, 0.05))
        if rng.random() < 0.7
        else float(rng.uniform(0, math.pi))
    )
    base, depth = float(rng.uniform(0.42, 0.68)), float(rng.uniform(0.03, 0.075))
    length = float(rng.uniform(60, 260))
    lines = _lined(
        rng,
        width,
        height,
        angle,
        [(length, 1.0, 0.75), (length / 3, 1.0, 0.4), (length * 2, 2.6, 0.45), (length, 9, 0.25)],
    )
    # anisotropic gloss: a band of light across the lines (Ward 1992)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None]
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    along = x * math.cos(angle) + y * math.sin(angle)
    gloss = float(rng.uniform(0.0, 0.22)) * np.exp(-(((along - rng.uniform(-0.6, 0.6)) / rng.uniform(0.15, 0.5)) ** 2))
    grey = (base + gloss) * (1 + depth / base * lines)
    return Surface(
        _tinted(np.asarray(grey, np.float32), _steel(rng)),
        light,
        {"metal": "brushed", "angle_deg": round(math.degrees(angle), 2), "line_px": round(length, 1)},
    )


def _rolled(rng: np.random.Generator, width: int, height: int, light: float) -> Surface:
    angle = float(rng.choice([0.0, math.pi / 2]) + rng.normal(0, 0.03))
    base = float(rng.uniform(0.35, 0.62))
    lines = _lined(rng, width, height, angle, [(90, 1.3, 0.4), (400, 3.0, 0.5), (900, 22, 0.9)])
    mottle = perlin(rng, height, width, min(width, height) / rng.uniform(2, 5), octaves=5)
    speckle = value_noise(rng, height, width, 1.6, 1.6)
    depth, cloud = float(rng.uniform(0.015, 0.035)), float(rng.uniform(0.02, 0.07))
    grey = base * (1 + depth / base * lines + cloud * mottle + 0.012 * speckle)
    return Surface(
        _tinted(np.asarray(grey, np.float32), _steel(rng)),
        light,
        {"metal": "rolled", "angle_deg": round(math.degrees(angle), 2), "cloud": round(cloud, 4)},
    )


def _cast(rng: np.random.Generator, width: int, height: int, light: float) -> Surface:
    base, rough = float(rng.uniform(0.24, 0.46)), float(rng.uniform(0.18, 0.5))
    grain_px = float(rng.uniform(3.0, 9.0))
    relief = 2.2 * perlin(rng, height, width, grain_px * 2, octaves=3) + 0.5 * value_noise(rng, height, width, 1.7, 1.7)
    relief = np.asarray(relief + 3.0 * perlin(rng, height, width, grain_px * 6, octaves=2), np.float32)
    dx, dy = slopes(relief)
    shade = 1 - rough * (dx * math.cos(light) + dy * math.sin(light))
    tone = 1 + 0.06 * perlin(rng, height, width, min(width, height) / 3, octaves=3)
    return Surface(
        _tinted(np.asarray(base * shade * tone, np.float32), _steel(rng)),
        light,
        {"metal": "cast", "grain_px": round(grain_px, 2), "rough": round(rough, 3)},
    )


PAINTS: tuple[Rgb, ...] = (
    (0.78, 0.78, 0.76), (0.16, 0.17, 0.19), (0.55, 0.10, 0.10), (0.12, 0.25, 0.48), (0.16, 0.36, 0.24),
    (0.82, 0.62, 0.12), (0.45, 0.47, 0.50), (0.80, 0.38, 0.12), (0.30, 0.42, 0.50),
)  # fmt: skip


def _painted(rng: np.random.Generator, width: int, height: int, light: float) -> Surface:
    paint = np.asarray(PAINTS[int(rng.integers(len(PAINTS)))], np.float32) * np.float32(rng.uniform(0.85, 1.1))
    peel_px, peel = float(rng.uniform(5, 14)), float(rng.uniform(0.05, 0.2))
    relief = perlin(rng, height, width, peel_px, octaves=2)  # orange peel
    dx, dy = slopes(relief)
    slope = dx * math.cos(light) + dy * math.sin(light)
    # a soft reflection of the lamp, bent by the peel
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    across = x * math.cos(light) + y * math.sin(light) - rng.uniform(-1.2, 1.2) + 0.35 * peel * dx
    gloss = float(rng.uniform(0.02, 0.2)) * np.exp(-((across / rng.uniform(0.25, 0.8)) ** 2))
    image = paint * (1 - peel * slope)[:, :, None] + np.asarray(gloss * (1 - peel * 2 * slope), np.float32)[:, :, None]
    return Surface(
        np.asarray(image, np.float32),
        light,
        {"metal": "painted", "paint": [round(float(v), 3) for v in paint], "peel_px": round(peel_px, 2)},
    )


def _features(rng: np.random.Generator, image: Floats, light: float, parameters: dict[str, Json]) -> Floats:
    """What belongs to a part and is no fault: a drilled hole with its chamfer, or the seam of two sheets."""
    height, width = image.shape[:2]
    out = image.copy()
    if rng.random() < 0.6:
        radius = float(min(width, height) * rng.uniform(0.05, 0.11))
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        dx = np.arange(width, dtype=np.float32)[None] - np.float32(x)
        dy = np.arange(height, dtype=np.float32)[:, None] - np.float32(y)
        distance = np.sqrt(dx * dx + dy * dy) + np.float32(1e-3)
        toward = -(dx * math.cos(light) + dy * math.sin(light)) / distance
        rim = smoothstep(radius * 0.78, radius * 0.82, distance) * (
            1 - smoothstep(radius * 0.97, radius * 1.02, distance)
        )
        hole = 1 - smoothstep(radius * 0.77, radius * 0.83, distance)
        out = out * (1 + 0.45 * (rim * toward)[:, :, None])
        out = out * (1 - hole[:, :, None]) + np.float32(0.05) * hole[:, :, None]
        parameters["hole"] = [round(x, 1), round(y, 1), round(radius, 1)]
    else:
        angle = float(rng.choice([0.0, math.pi / 2]))
        at = float(rng.uniform(0.15, 0.85) * (width if angle else height))
        line = np.arange(width if angle else height, dtype=np.float32) - np.float32(at)
        seam = np.exp(-((line / 1.4) ** 2)) * 0.7
        lip = np.exp(-(((line - 2.4) / 1.2) ** 2)) * 0.18
        factor = 1 - seam + lip
        out = out * (factor[None, :, None] if angle else factor[:, None, None])
        parameters["seam"] = {"axis": "x" if angle else "y", "at_px": round(at, 1)}
    return np.asarray(out, np.float32)


METALS: dict[str, Callable[[np.random.Generator, int, int, float], Surface]] = {
    "brushed": _brushed,
    "rolled": _rolled,
    "cast": _cast,
    "painted": _painted,
}
"""Kind to what makes it."""
