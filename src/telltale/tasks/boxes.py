"""Boxes: peaks of a map of centres, overlaps, which told box finds which true one. Knows nothing of names or labels.

A peak is a local maximum of its 3x3 neighbourhood (after Zhou et al. 2019, "Objects as Points"), so no list of boxes
is ever compared with itself. Among equal neighbours the first in reading order is the one answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale.tasks.task import Bools, Floats, Numbers

STRIDE = 4
"""Pixels of the model's input that one cell of its maps stands for, each way."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """n boxes of one name, the surest first. score: (n,) 0 to 1; box: (n, 4) x, y, width, height, cut to the picture;
    centre: (n, 2) x, y. Pixels of the picture.
    """

    score: Numbers
    box: Numbers
    centre: Numbers

    def __len__(self) -> int:
        return len(self.score)

    def at_least(self, cut: float, *, above: bool = False) -> Peaks:
        """Those whose score reaches the cut, or with `above` passes it."""
        count = int((self.score > cut).sum() if above else (self.score >= cut).sum())
        return Peaks(self.score[:count], self.box[:count], self.centre[:count])


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the model's input lies in the picture, in pixels of the picture, and the picture's own width and height."""

    x: float
    y: float
    width: float
    height: float
    picture: tuple[float, float]


def find_peaks(heat: Floats, boxes: Floats, frame: Frame, most: int) -> Peaks:
    """heat: (h, w) probabilities of a centre; boxes: (4, h, w) place in the cell and share of the input's sides.

    The `most` highest peaks whose centre lies in the picture: what a letterbox pads is none of it.
    """
    rows, columns = heat.shape
    y, x = np.nonzero(_is_peak(heat))
    here = boxes[:, y, x].astype(np.float64)  # (4, n)
    centre = np.stack(
        [
            frame.x + (x + here[0]) / columns * frame.width,
            frame.y + (y + here[1]) / rows * frame.height,
        ],
        axis=1,
    )
    inside = np.asarray(((centre >= 0) & (centre <= np.array(frame.picture))).all(axis=1), np.bool_)
    score = heat[y, x].astype(np.float64)
    order = np.argsort(-score, kind="stable")  # of equals, the first in reading order
    order = order[inside[order]][:most]
    half = here[2:, order].T * np.array([frame.width, frame.height]) / 2
    corners = np.stack([centre[order] - half, centre[order] + half])
    corners = np.clip(corners, 0, np.array(frame.picture))
    return Peaks(score[order], np.concatenate([corners[0], corners[1] - corners[0]], axis=1), centre[order])


def _is_peak(heat: Floats) -> Bools:
    """Above every earlier neighbour in reading order, at or above every later one, and above 0."""
    rows, columns = heat.shape
    padded = np.full((rows + 2, columns + 2), -1, heat.dtype)
    padded[1:-1, 1:-1] = heat
    out: Bools = np.asarray(heat > 0, np.bool_)
    for dy, dx in ((0, 0), (0, 1), (0, 2), (1, 0)):
        out &= np.greater(heat, padded[dy : dy + rows, dx : dx + columns])
    for dy, dx in ((1, 2), (2, 0), (2, 1), (2, 2)):
        out &= np.greater_equal(heat, padded[dy : dy + rows, dx : dx + columns])
    return out


def overlap(told: Numbers, true: Numbers) -> Numbers:
    """(n, m) intersection over union of boxes (n, 4) and (m, 4)."""
    both = _shared(told, true)
    areas = (told[:, 2] * told[:, 3])[:, None] + (true[:, 2] * true[:, 3])[None]
    return np.asarray(both / np.maximum(areas - both, 1e-12), np.float64)


def inside_of(told: Numbers, regions: Numbers) -> Numbers:
    """(n,) the highest share of each box's area that lies in one of the regions; 0 without any."""
    if not len(regions):
        return np.zeros(len(told))
    area = np.maximum(told[:, 2] * told[:, 3], 1e-12)
    return np.asarray((_shared(told, regions) / area[:, None]).max(axis=1), np.float64)


def _shared(one: Numbers, other: Numbers) -> Numbers:
    """(n, m) area in both."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, :2] + one[:, None, 2:], other[None, :, :2] + other[None, :, 2:])
    side = np.clip(high - low, 0, None)
    return np.asarray(side[..., 0] * side[..., 1], np.float64)


def distances(centre: Numbers, true: Numbers) -> Numbers:
    """(n, m) pixels from each told centre (n, 2) to the middle of each true box (m, 4)."""
    middle = true[:, :2] + true[:, 2:] / 2
    return np.asarray(np.linalg.norm(centre[:, None] - middle[None], axis=2), np.float64)


def match(fits: Bools, cost: Numbers) -> NDArray[np.int64]:
    """(n,) the true box that each told one finds, or -1. fits, cost: (n, m).

    In order, the surest first, each takes the cheapest that fits and is not taken: what one cut gives is the beginning
    of what every lower cut gives.
    """
    out = np.full(len(fits), -1, np.int64)
    free = np.ones(fits.shape[1], np.bool_)
    for i in range(len(fits)):
        can = np.flatnonzero(fits[i] & free)
        if len(can):
            out[i] = can[np.argmin(cost[i, can])]
            free[out[i]] = False
        if not free.any():
            break
    return out


def touches(peaks: Peaks, true: Numbers, near_px: float) -> Bools:
    """(n, m) whether a told centre lies in the true box, or within `near_px` of its middle."""
    x, y = peaks.centre[:, None, 0], peaks.centre[:, None, 1]
    within = (x >= true[None, :, 0]) & (x <= true[None, :, 0] + true[None, :, 2])
    within &= (y >= true[None, :, 1]) & (y <= true[None, :, 1] + true[None, :, 3])
    return np.asarray(within | (distances(peaks.centre, true) <= near_px), np.bool_)
