"""Bars across things, as a rod, a rail or a player hides them. Knows nothing of tasks or networks.

The box stays that of the whole thing: so a network learns where all of it is from what can be seen of it. Unlike an
erased rectangle (Zhong et al. 2017, random erasing), a bar is never wider than MOST of the thing it hides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 12
"""Random numbers in 0..1 that one picture takes."""

LEAST, MOST = 0.2, 0.65
"""Width of a bar, as a share of the shorter side of what it hides."""

SMALLEST_PX = 5.0
"""Things with a shorter side are left alone."""

Floats = NDArray[np.float32]


def occlude(picture: Floats, boxes: Sequence[tuple[float, float, float, float]], draw: Floats) -> None:
    """Lay one bar across one of the things, in place.

    picture: (H, W, 3) float32 in 0..1. boxes: x, y, width, height in its pixels. draw: (DRAWS,) in 0..1.
    """
    large = [box for box in boxes if min(box[2:]) >= SMALLEST_PX]
    if not large:
        return
    left, top, wide, high = large[min(int(draw[0] * len(large)), len(large) - 1)]
    side = min(wide, high)
    upright = draw[1] < 0.5  # half of the bars lie along a side of the picture
    angle = np.pi * (np.round(draw[2] * 2) / 2 if upright else draw[2])
    normal = np.array([-np.sin(angle), np.cos(angle)])
    across = (draw[3] - 0.5) * (abs(normal[0]) * wide + abs(normal[1]) * high)
    half = side * (LEAST + (MOST - LEAST) * draw[4]) / 2
    length = np.inf if draw[5] < 0.6 else max(wide, high) * (0.5 + draw[6])
    y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
    x, y = x + 0.5 - (left + wide / 2), y + 0.5 - (top + high / 2)
    off = x * normal[0] + y * normal[1] - across  # (H, W) from the bar's middle line
    along = x * normal[1] - y * normal[0]
    edge = np.clip(half + 0.5 - np.abs(off), 0, 1) * (np.abs(along) <= length)
    paint = _colours(picture, draw[7:], off / half)
    picture += edge[..., None].astype(np.float32) * (paint - picture)


def _colours(picture: Floats, draw: Floats, off: NDArray[np.float64]) -> Floats:
    """(H, W, 3): a colour of the picture, made lighter or darker, and brighter along its middle as a round rod is."""
    height, width = picture.shape[:2]
    at = picture[min(int(draw[0] * height), height - 1), min(int(draw[1] * width), width - 1)]
    base = np.clip(at + (draw[2] - 0.5), 0, 1)
    shine = np.clip(1 - np.abs(off - (draw[3] - 0.5)), 0, 1) * (draw[4] - 0.3)
    colours: Floats = np.clip(base + shine[..., None], 0, 1).astype(np.float32)
    return colours
