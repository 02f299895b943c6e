"""Connected regions of a probability map. Knows nothing of names, labels or drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.tasks.task import Bools, Floats

STEPS = 12
"""Halvings in the search of a picture's score: 1/4096 of the way to its highest pixels."""

Verdict = Literal["on", "unsure"]


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels that touch, corners included.

    box: x, y, width, height in pixels of the picture. area_px: pixels at or over the cut. score: the probability that
    as many of its pixels reach as a region must have. state: `on`, or `unsure` where only the lower cut is reached.
    cut: what its pixels reach.
    """

    box: tuple[int, int, int, int]
    area_px: int
    score: float
    state: Verdict
    cut: float


def label_regions(here: Bools, min_area: int = 1) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """(H, W) region numbers, 0 outside of all, and (R, 5) x, y, width, height, area of regions 1 to R.

    8-connected; regions of fewer than `min_area` pixels are left out.
    """
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(here.astype(np.uint8), connectivity=8)
    kept = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= min_area) + 1
    if len(kept) < count - 1:
        renumber = np.zeros(count, np.int32)
        renumber[kept] = np.arange(1, len(kept) + 1)
        numbers = renumber[numbers]
    return np.asarray(numbers, np.int32), np.asarray(stats[kept], np.int64)


def find_regions(p: Floats, low: float, high: float, min_area: int) -> list[Region]:
    """The regions at or over `high`, then those at or over `low` that hold none of them; surest first."""
    if not (p >= low).any():
        return []
    numbers, boxes = label_regions(p >= high, min_area)
    found = [_region(p, numbers, number, box, min_area, "on", high) for number, box in enumerate(boxes, 1)]
    if low < high:
        told = numbers > 0
        numbers, boxes = label_regions(p >= low, min_area)
        holding = set(np.unique(numbers[told]).tolist())
        found += [
            _region(p, numbers, number, box, min_area, "unsure", low)
            for number, box in enumerate(boxes, 1)
            if number not in holding
        ]
    return sorted(found, key=lambda r: (r.state != "on", -r.score, -r.area_px))


def told_mask(p: Floats, low: float, high: float, min_area: int) -> NDArray[np.uint8]:
    """(H, W) uint8 of the regions `find_regions` gives: 255 on, 127 unsure, 0 neither."""
    out = np.where(label_regions(p >= high, min_area)[0] > 0, 255, 0).astype(np.uint8)
    if low < high:
        numbers, boxes = label_regions(p >= low, min_area)
        holding = np.zeros(len(boxes) + 1, np.bool_)
        holding[numbers[out > 0]] = True
        holding[0] = True
        out[~holding[numbers]] = 127
    return out


def _region(
    p: Floats,
    numbers: NDArray[np.int32],
    number: int,
    box: NDArray[np.int64],
    min_area: int,
    state: Verdict,
    cut: float,
) -> Region:
    x, y, width, height, area = (int(v) for v in box)
    there = slice(y, y + height), slice(x, x + width)
    return Region((x, y, width, height), area, _kth(p[there][numbers[there] == number], min_area), state, cut)


def picture_score(p: Floats, min_area: int) -> float:
    """The highest cut at which a region of `min_area` pixels is left: a picture is `on` exactly where this reaches it.

    For one pixel the maximum. Found by bisection, from below: never too high, too low by less than 1/4096.
    """
    if p.size <= min_area:
        return float(p.min())
    best = _kth(p.ravel(), min_area)
    if min_area == 1 or len(label_regions(p >= best, min_area)[1]):
        return best
    low, high = 0.0, best
    for _ in range(STEPS):
        middle = (low + high) / 2
        if len(label_regions(p >= middle, min_area)[1]):
            low = middle
        else:
            high = middle
    return low


def _kth(values: Floats, k: int) -> float:
    """The k-th highest value; the lowest where there are fewer."""
    if k == 1:
        return float(values.max())
    at = max(values.size - k, 0)
    return float(np.partition(values, at)[at])
