"""A contact sheet: each picture as it is and with its masks outlined, for people to look at. Knows nothing of drawing
defects."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageDraw, ImageFont

from telltale.collect.synth.paint import Mask
from telltale.collect.synth.run import Sample
from telltale.errors import CatalogueError
from telltale.frame import Image

COLOURS = {
    "scratch": (86, 180, 233),
    "dent": (240, 228, 66),
    "pit": (230, 159, 0),
    "stain": (204, 121, 167),
    "rust": (0, 200, 150),
    "crack": (255, 110, 60),
    "finish": (60, 120, 255),
    "chip": (160, 220, 100),
    "patch": (255, 255, 255),
}
"""After Okabe and Ito (2008): apart for every kind of colour vision."""

PAGE, TEXT, DIM = (24, 27, 32), (232, 235, 240), (150, 158, 170)


def outline(picture: Image, masks: Mapping[str, Mask]) -> Image:
    """A copy of the picture with each kind's mask outlined in its colour, around what it shows."""
    out = picture.copy()
    for kind, mask in masks.items():
        grown = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=2)
        edges, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.polylines(out, edges, True, COLOURS.get(kind, (255, 255, 255)), 1)
    return out


def write_sheet(
    samples: Sequence[Sample], path: str | os.PathLike[str], *, columns: int = 4, cell_px: int = 200
) -> Path:
    """JPEG or PNG by the name. Raises CatalogueError where there is nothing to draw."""
    if not samples:
        raise CatalogueError("contact sheet", expected="one or more pictures", got="none")
    font = ImageFont.load_default(max(11, cell_px // 15))
    line, gap = round(cell_px / 15 * 1.5), 10
    columns = max(1, min(columns, len(samples)))
    rows = -(-len(samples) // columns)
    wide, high = 2 * cell_px + 2, cell_px + 2 * line + 4
    sheet = Pil.new("RGB", (gap + columns * (wide + gap), gap + rows * (high + gap)), PAGE)
    draw = ImageDraw.Draw(sheet)
    for n, sample in enumerate(samples):
        x, y = gap + n % columns * (wide + gap), gap + n // columns * (high + gap)
        plain = _fit(sample.painted.image, cell_px)
        masks = {kind: _fit(mask, cell_px) for kind, mask in sample.painted.masks.items()}
        for side, picture in enumerate((plain, outline(plain, masks))):
            sheet.paste(Pil.fromarray(picture), (x + side * (cell_px + 2), y))
        ground = str(sample.painted.parameters.get("metal") or sample.source or "")
        draw.text((x, y + cell_px + 3), f"{sample.name}  {ground}"[: cell_px // 4], DIM, font)
        left = x
        for made in sample.painted.made or (None,):
            text = "good" if made is None else f"{made.kind} {made.severity:.2f}"
            colour = TEXT if made is None else COLOURS.get(made.kind, TEXT)
            draw.text((left, y + cell_px + 3 + line), text, colour, font)
            left += round(font.getlength(text)) + 12
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, "PNG" if target.suffix.lower() == ".png" else "JPEG", quality=90)
    return target


def _fit(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(side, side, ...): the whole picture, centred on black; of a mask every pixel that is on stays on."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if picture.ndim == 2:
        small = np.where(small > 0, 255, 0).astype(np.uint8)
    out = np.zeros((side, side, *picture.shape[2:]), np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    out[top : top + size[1], left : left + size[0]] = small
    return out
