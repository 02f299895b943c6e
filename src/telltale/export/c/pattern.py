"""The test pictures that C draws for itself (tt_pattern in edge/telltale.c), the same here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pattern(seed: int, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """(height, width, channels): blocks of 16, 4 or 1 pixels, each of one hashed colour."""
    shift = (4, 2, 0)[seed % 3]
    y, x, c = np.meshgrid(
        np.arange(height, dtype=np.uint64),
        np.arange(width, dtype=np.uint64),
        np.arange(channels, dtype=np.uint64),
        indexing="ij",
    )
    low = np.uint64(0xFFFFFFFF)
    move = np.uint64(shift)
    h = np.full(y.shape, seed * 0x9E3779B9 & 0xFFFFFFFF, np.uint64)
    h ^= (y >> move) * np.uint64(0x85EBCA6B) & low
    h ^= (x >> move) * np.uint64(0xC2B2AE35) & low
    h ^= c * np.uint64(0x27D4EB2F) & low
    h = (h ^ (h >> np.uint64(15))) * np.uint64(0x2C1B3C6D) & low
    h = (h ^ (h >> np.uint64(12))) * np.uint64(0x297A2D39) & low
    return np.asarray(((h ^ (h >> np.uint64(15))) >> np.uint64(8)) & np.uint64(255), np.uint8)
