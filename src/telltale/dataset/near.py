"""When are two pictures the same thing seen again? Knows nothing of SQLite or of splits' making."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.frame import Image

SIDE = 16
"""The hash has SIDE x SIDE bits."""

THUMB = 32
"""The thumbnail that confirms a match is THUMB x THUMB RGB."""

HASH_BYTES = SIDE * SIDE // 8
FINGERPRINT_BYTES = HASH_BYTES + THUMB * THUMB * 3
FLAT = 2
"""Neighbours must differ by this many grey levels to set a bit: on plain surfaces noise would toss coins."""


def fingerprint(image: Image) -> bytes:
    """What near-duplicates have in common: a 256-bit difference hash, then a 32 x 32 RGB thumbnail.

    image: (H, W, 3) uint8. The hash (dHash, Krawetz 2013) says of each of 16 x 16 places whether it gets brighter to
    the right; brightness and contrast of the whole picture do not change it. FINGERPRINT_BYTES long.
    """
    thumb = cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    grey = cv2.resize(cv2.cvtColor(thumb, cv2.COLOR_RGB2GRAY), (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    levels: NDArray[np.int16] = np.asarray(grey, np.int16)
    return np.packbits(levels[:, 1:] - levels[:, :-1] >= FLAT).tobytes() + np.asarray(thumb, np.uint8).tobytes()
