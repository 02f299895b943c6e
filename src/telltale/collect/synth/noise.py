"""Noise, curves and coverage to make pictures of. Knows nothing of metal or defects.

Every function draws from the generator it is given and from nothing else: the same generator gives the same values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.tasks.task import Floats

FINE = 4
"""Pixels of the drawing for each pixel of the picture, along each side: 16 levels of coverage and more."""


def value_noise(rng: np.random.Generator, height: int, width: int, cell_x: float, cell_y: float) -> Floats:
    """(H, W) float32 smooth noise of mean 0 and about unit deviation, with features of this many pixels."""
    rows, columns = max(2, math.ceil(height / cell_y) + 1), max(2, math.ceil(width / cell_x) + 1)
    grid = rng.standard_normal((rows, columns), np.float32)
    if cell_x <= 1 and cell_y <= 1:
        return np.ascontiguousarray(grid[:height, :width])
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def perlin(rng: np.random.Generator, height: int, width: int, cell: float, *, octaves: int = 4) -> Floats:
    """(H, W) float32 in about -1 to 1: gradient noise in octaves of half the size and half the weight (Perlin 1985)."""
    out = np.zeros((height, width), np.float32)
    weight = 1.0
    for _ in range(octaves):
        if cell < 1.5:
            break
        out += np.float32(weight) * _gradient_noise(rng, height, width, cell)
        cell, weight = cell / 2, weight / 2
    return out


def _gradient_noise(rng: np.random.Generator, height: int, width: int, cell: float) -> Floats:
    """One octave, with the quintic fade of Perlin 2002. Random phase, so that no lattice line shows at the border."""
    x = np.arange(width, dtype=np.float32) / np.float32(cell) + np.float32(rng.random())
    y = np.arange(height, dtype=np.float32) / np.float32(cell) + np.float32(rng.random())
    ix, iy = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - ix, y - iy
    angle = rng.random((int(iy[-1]) + 2, int(ix[-1]) + 2), np.float32) * np.float32(2 * math.pi)
    gx, gy = np.cos(angle), np.sin(angle)
    ux, uy = (f * f * f * (f * (f * 6 - 15) + 10) for f in (fx, fy))

    def corner(dy: int, dx: int) -> Floats:
        at = np.ix_(iy + dy, ix + dx)
        return np.asarray(gx[at] * (fx - dx) + gy[at] * (fy - dy)[:, None])

    top = corner(0, 0) * (1 - ux) + corner(0, 1) * ux
    bottom = corner(1, 0) * (1 - ux) + corner(1, 1) * ux
    return np.asarray((top * (1 - uy[:, None]) + bottom * uy[:, None]) * np.float32(1.6), np.float32)


def smoothstep(low: float, high: float, values: Floats) -> Floats:
    """0 up to low, 1 from high on, an S between."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def curve(
    rng: np.random.Generator, start: tuple[float, float], angle: float, length: float, bend: float
) -> NDArray[np.float64]:
    """(N, 2) points x, y of a cubic curve about `length` long that leaves at `angle` (radians) and turns by `bend`."""
    turns = rng.normal(0, bend, 3)
    points = [np.asarray(start, np.float64)]
    for turn in turns:
        angle += float(turn)
        points.append(points[-1] + length / 3 * np.array([math.cos(angle), math.sin(angle)]))
    t = np.linspace(0, 1, max(8, int(length / 3)))[:, None]
    p0, p1, p2, p3 = points
    return (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3


def jagged(
    rng: np.random.Generator, start: tuple[float, float], angle: float, length: float, step: float, turn: float
) -> NDArray[np.float64]:
    """(N, 2) points of a walk of straight steps that forgets its direction slowly: how a brittle thing breaks."""
    count = max(2, round(length / step))
    wander = np.cumsum(rng.normal(0, turn, count)) * 0.6 + rng.normal(0, turn, count)
    angles = angle + wander
    steps = step * rng.uniform(0.5, 1.5, count)[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    return np.vstack([[start], np.asarray(start) + np.cumsum(steps, axis=0)])


def taper(count: int, ends: float) -> NDArray[np.float64]:
    """(count,) widths from 0 to 1: thin over the first and the last `ends` of a line."""
    t = np.linspace(0, 1, count)
    return np.clip(np.minimum(t, 1 - t) / max(ends, 1e-6), 0.12, 1.0)


def stroke(lines: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], box: tuple[int, int, int, int]) -> Floats:
    """(h, w) float32 0 to 1: the share of each pixel that lines of (points, widths) cover. box: x, y, w, h."""
    x, y, width, height = box
    canvas = np.zeros((height * FINE, width * FINE), np.uint8)
    for points, widths in lines:
        fixed = np.round((points - (x, y)) * FINE * 16).astype(np.int64)
        thick = np.maximum(1, np.round(widths * FINE)).astype(int)
        for a, b, w in zip(fixed[:-1], fixed[1:], thick, strict=False):
            start, stop = (int(a[0]), int(a[1])), (int(b[0]), int(b[1]))
            cv2.line(canvas, start, stop, 255, int(w), cv2.LINE_8, 4)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / np.float32(255)


def box_around(points: NDArray[np.float64], margin: float, width: int, height: int) -> tuple[int, int, int, int] | None:
    """x, y, w, h of the pixels within `margin` of points, inside the picture; None where none is."""
    low, high = np.floor(points.min(axis=0) - margin).astype(int), np.ceil(points.max(axis=0) + margin).astype(int)
    x, y = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(width, int(high[0]) + 1), min(height, int(high[1]) + 1)
    return None if right <= x or bottom <= y else (x, y, right - x, bottom - y)


def slopes(relief: Floats) -> tuple[Floats, Floats]:
    """Rise of a height field (H, W) per pixel to the right and downward."""
    return (
        np.asarray(cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=0.125), np.float32),
        np.asarray(cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=0.125), np.float32),
    )
