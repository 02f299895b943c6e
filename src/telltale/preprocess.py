"""The one definition of decode, resize and pad. Knows nothing of models.

A first version, to be replaced whole by the catalogue's.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image as Pil
from PIL import ImageOps

from telltale.errors import ImageError
from telltale.frame import Image

MAX_PIXELS = 50_000_000
PAD = 114


def decode(data: bytes | str | PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Image:
    """(H, W, 3) uint8 RGB, upright. Raises ImageError."""
    try:
        raw = data if isinstance(data, bytes) else Path(data).read_bytes()
        with Pil.open(io.BytesIO(raw)) as picture:
            if picture.width * picture.height > max_pixels:
                raise ImageError("picture", expected=f"at most {max_pixels} pixels", got=str(picture.size))
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"), np.uint8)
    except (OSError, ValueError, SyntaxError, Pil.DecompressionBombError) as error:
        raise ImageError("picture", expected="a picture", got=str(error)) from error


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the model's input."""

    width: int
    height: int
    fit: Literal["stretch", "letterbox"]

    def apply(self, image: Image) -> Image:
        """(height, width, 3) uint8."""
        height, width = image.shape[:2]
        if self.fit == "stretch":
            return _resize(image, self.width, self.height)
        scale = min(self.width / width, self.height / height)
        w = min(self.width, max(1, round(width * scale)))
        h = min(self.height, max(1, round(height * scale)))
        out = np.full((self.height, self.width, 3), PAD, np.uint8)
        y, x = (self.height - h) // 2, (self.width - w) // 2
        out[y : y + h, x : x + w] = _resize(image, w, h)
        return out


def _resize(image: Image, width: int, height: int) -> Image:
    shrinks = width <= image.shape[1] and height <= image.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method), np.uint8)
