"""When do two pictures show the same surface? For parts of one kind before one camera. Knows nothing of splits.

`near.py` finds copies. A part shot again at another exposure and cropped anew is no copy: its thumbnail is shifted by
a twentieth and lit otherwise, and all parts of one kind look alike as thumbnails. What is its own is the fine grain of
its surface. So pictures are brought to one scale, brightness and contrast are taken away locally, and two of them are
laid over each other by phase-only correlation (Kuglin and Hines 1975): the peak says how much of the grain is the same,
at whatever small shift.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.errors import ImageError
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.progress import Progress, Quiet

SIDE = 64
"""Pixels of the square that is compared; the scale brings the typical short side of the data set to it."""

SHIFT = 8
"""Pixels of that square by which the same thing may be shifted."""

SAME = 0.25
"""Peaks from here on are the same surface. Of 1059 magnetic tiles, 99.9 % of the pairs of different ones lay under 0.15
and 95 % of those of the same one over 0.37."""

MOST = 3000
"""Pictures compared, all with all; beyond it takes too long, and the import says so."""

LARGEST = 0.2
"""No group may grow beyond this share of the pictures: then it is the fixture or the background that is the same."""

Spectra = NDArray[np.complex64]


class Shown(Protocol):
    """What is needed of an `Example`."""

    @property
    def path(self) -> Path: ...
    @property
    def group(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Same:
    """Two pictures, by their place in the sequence given, and how much of their grain is the same, 0 to 1."""

    first: int
    second: int
    peak: float


def find_same_surfaces(
    examples: Sequence[Shown],
    *,
    threshold: float = SAME,
    read: Callable[[Path], Image] = decode,
    progress: Progress | None = None,
) -> list[Same]:
    """Every pair that shows the same surface. A picture that cannot be read is like no other.

    progress advances by one a picture. With N pictures N * N / 2 pairs are compared: 1,000 take about 30 s.
    """
    told = progress or Quiet()
    sides = [min(e.width, e.height) for e in examples]
    scale = SIDE / max(float(np.median(sides)), SIDE) if sides else 1.0
    spectra = np.zeros((len(examples), SIDE, SIDE // 2 + 1), np.complex64)
    for row, example in enumerate(examples):
        try:
            spectra[row] = spectrum(read(example.path), scale)
        except ImageError:
            continue
    out = []
    near = np.r_[0 : SHIFT + 1, -SHIFT:0]
    for row in range(len(examples)):
        cross = spectra[row + 1 :] * np.conj(spectra[row])
        if len(cross):
            # only small shifts are looked at, so the second axis is brought back first and most of it dropped
            part = np.fft.ifft(cross, axis=1)[:, near]
            peaks = np.fft.irfft(part, n=SIDE, axis=2)[:, :, near].max(axis=(1, 2))
            out += [Same(row, row + 1 + int(k), float(peaks[k])) for k in np.flatnonzero(peaks >= threshold)]
        told.advance()
    return out


def group_same_surfaces(examples: Sequence[Shown], same: Sequence[Same]) -> dict[str, str]:
    """Which groups belong together: group to the group it should join; only those that change, first name wins.

    Nothing where a group would grow beyond LARGEST of all pictures.
    """
    parent = {e.group: e.group for e in examples}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for pair in same:
        first, second = sorted((root(examples[pair.first].group), root(examples[pair.second].group)))
        parent[second] = first
    joins = {group: root(group) for group in sorted(parent) if root(group) != group}
    return {} if joins and largest_share(examples, joins) > LARGEST else joins


def largest_share(examples: Sequence[Shown], joins: Mapping[str, str]) -> float:
    """The share of the pictures that the largest group has after joining."""
    sizes: dict[str, int] = {}
    for example in examples:
        group = joins.get(example.group, example.group)
        sizes[group] = sizes.get(group, 0) + 1
    return max(sizes.values(), default=0) / max(len(examples), 1)


def spectrum(image: Image, scale: float) -> Spectra:
    """(SIDE, SIDE // 2 + 1) phases of the grain in the middle of a picture brought to this scale."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    size = tuple(max(8, round(side * scale)) for side in grey.shape[::-1])
    grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 3)
    spread = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 5)) + 2  # 2 levels are noise
    fine = np.clip(fine / spread, -3, 3)
    top, left = (max(0, (side - SIDE) // 2) for side in fine.shape)
    cut = fine[top : top + SIDE, left : left + SIDE]
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in cut.shape))
    square = np.zeros((SIDE, SIDE), np.float32)
    y, x = ((SIDE - side) // 2 for side in cut.shape)
    square[y : y + cut.shape[0], x : x + cut.shape[1]] = cut * window
    found = np.fft.rfft2(square)
    return np.asarray(found / (np.abs(found) + 1e-3), np.complex64)
