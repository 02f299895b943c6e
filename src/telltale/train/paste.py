"""Marked pieces of one crop laid into another: more places, backgrounds and neighbours for the few defects there are.

Cut-and-paste (Dwibedi et al. 2017; Ghiasi et al. 2021). The piece takes the brightness of where it lands and its edge
is soft, so that a net cannot learn the seam instead of the defect. Knows nothing of files or networks.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.frame import Image
from telltale.preprocess import MASK_UNKNOWN

MARGIN_PX = 3
"""Of the piece's own surroundings that come with it, and over which it fades out."""

LARGEST = 0.5
"""A piece of more than this share of the crop leaves nothing to paste it on."""


def paste(picture: Image, masks: NDArray[np.uint8], donor: Image, marks: NDArray[np.uint8]) -> bool:
    """Lay what is marked in `donor` into `picture`, both (H, W, 3), and its marks into `masks`, (K, H, W); in place.

    False, and nothing is changed, where the donor has nothing marked or too much.
    """
    piece: NDArray[np.bool_] = np.asarray((marks > MASK_UNKNOWN).any(axis=0))
    share = piece.mean()
    if not 0 < share <= LARGEST:
        return False
    size = 2 * MARGIN_PX + 1
    wide = cv2.dilate(piece.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    ring = (wide > 0) & ~piece
    alpha = cv2.blur(wide.astype(np.float32), (size, size))
    alpha = np.where(piece, 1.0, np.minimum(alpha, 1.0) * wide)[..., None]
    if ring.any():
        offset = picture[ring].mean(axis=0) - donor[ring].mean(axis=0)
    else:
        offset = np.zeros(3)
    laid = np.clip(donor + offset, 0, 255)
    picture[:] = np.round(picture + alpha * (laid - picture))
    for k, mark in enumerate(marks):
        masks[k][mark > MASK_UNKNOWN] = 255
    return True
