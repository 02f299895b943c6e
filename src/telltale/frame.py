"""One picture with its time and origin. Knows nothing of where it came from or where it goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB, upright."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture at a moment.

    image: (H, W, 3) uint8 RGB, upright.
    t_s: seconds on the source's own monotonic clock.
    source: the source's name.
    sequence: counts frames from 0; a gap means frames were dropped.
    """

    image: Image
    t_s: float
    source: str
    sequence: int

    def __post_init__(self) -> None:
        assert self.image.ndim == 3, self.image.shape
        assert self.image.shape[2] == 3, self.image.shape
        assert self.image.dtype == np.uint8, self.image.dtype
