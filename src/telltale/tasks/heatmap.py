"""A probability map over its picture. Knows nothing of models; `mask` results are what it draws.

The colours are plasma (van der Walt and Smith 2015): from blue over magenta to yellow, rising evenly in lightness, so
that readers with and without colour-blindness rank them alike. Cividis was tried first: its middle is grey, and nothing
to see on grey metal. Outlines are white on black, so that they show on any ground.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import cv2
import numpy as np

from telltale.errors import ConfigError
from telltale.frame import Image
from telltale.tasks.regions import Region
from telltale.tasks.task import Floats

OPACITY = 0.75
Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom."""

LEGEND_PX = 64
"""Width of the strip that the legend adds on the right."""


class Read(Protocol):
    """One name's answer, as `MaskReading`."""

    @property
    def regions(self) -> Sequence[Region]: ...
    @property
    def mm2(self) -> float | None: ...


class Shown(Protocol):
    """What is drawn: a `MaskResult`."""

    @property
    def readings(self) -> Mapping[str, Read]: ...
    @property
    def maps(self) -> Floats: ...


def create_heatmap(
    image: Image,
    result: Shown,
    *,
    name: str | None = None,
    opacity: float = OPACITY,
    outlines: bool = True,
    legend: bool = True,
) -> Image:
    """The probability that something is there, over the picture: a copy, (H, W, 3) uint8, wider with a legend.

    image: (H, W, 3) uint8 RGB, of any size. name: which; None: the highest of all names.
    opacity: of the colour where the probability is 1, falling with its square root: at 0 the picture is untouched.
    outlines: of the regions, dashed where unsure, with their area in px, or in mm² where a pixel's size is known; where
    two areas would be written over each other, the surer region's stands.
    legend: a scale from 0 to 1 on the right. Raises ConfigError on a name the result lacks.
    """
    names = list(result.readings)
    if name is not None and name not in names:
        raise ConfigError("heatmap name", expected=" or ".join(names), got=repr(name))
    if not 0 <= opacity <= 1:
        raise ConfigError("heatmap opacity", expected="0 to 1", got=f"{opacity:g}")
    height, width = image.shape[:2]
    chosen = result.maps if name is None else result.maps[names.index(name)][None]
    p = chosen.max(axis=0)
    if p.shape != (height, width):
        p = np.asarray(cv2.resize(p, (width, height), interpolation=cv2.INTER_LINEAR))
    out = _blend(image, p, opacity)
    if outlines:
        scale = width / result.maps.shape[2], height / result.maps.shape[1]
        taken: list[Rectangle] = []
        for each in names if name is None else [name]:
            reading = result.readings[each]
            title = each if len(names) > 1 and name is None else ""
            _outline(out, result.maps[names.index(each)], reading, scale, title, taken)
    return _with_legend(out) if legend else out


def colours() -> Image:
    """(256, 3) uint8 RGB, probability 0 first."""
    ramp = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_PLASMA)
    return np.asarray(cv2.cvtColor(ramp, cv2.COLOR_BGR2RGB)[:, 0], np.uint8)


def _blend(image: Image, p: Floats, opacity: float) -> Image:
    level = np.clip(p * 255, 0, 255).astype(np.uint8)
    colour = colours()[level]
    weight = cv2.merge([np.asarray(np.sqrt(np.clip(p, 0, 1)) * np.float32(opacity), np.float32)] * 3)
    mixed = image.astype(np.float32) * (1 - weight) + colour.astype(np.float32) * weight
    return np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)


def _outline(
    out: Image, p: Floats, reading: Read, scale: tuple[float, float], title: str, taken: list[Rectangle]
) -> None:
    """Draw each region's edge, then the areas of those that have room for it, the surest first, in place."""
    height, width = out.shape[:2]
    thick = max(1, round(min(height, width) / 300))
    for region in reading.regions[:50]:
        x, y, w, h = region.box
        inside = (p[y : y + h, x : x + w] >= region.cut).astype(np.uint8)
        edges, _ = cv2.findContours(cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.RETR_TREE, 1)
        shift = np.array([x - 0.5, y - 0.5])
        lines = [np.round((edge[:, 0] + shift) * scale).astype(np.int32)[:, None] for edge in edges]
        if region.state == "on":
            cv2.polylines(out, lines, True, (0, 0, 0), thick + 2, cv2.LINE_AA)
            cv2.polylines(out, lines, True, (255, 255, 255), thick, cv2.LINE_AA)
        else:
            _dashed(out, lines, thick)
    for region in reading.regions[:50]:
        _write_area(out, region, reading.mm2, scale, title, taken)


def _dashed(out: Image, lines: Sequence[Image], thick: int) -> None:
    for line in lines:
        points = line[:, 0]
        for i in range(0, len(points) - 1, 6):
            part = points[i : i + 4][:, None]
            cv2.polylines(out, [part], False, (0, 0, 0), thick + 2, cv2.LINE_AA)
            cv2.polylines(out, [part], False, (255, 255, 255), thick, cv2.LINE_AA)


def _write_area(
    out: Image, region: Region, mm2: float | None, scale: tuple[float, float], title: str, taken: list[Rectangle]
) -> None:
    """taken: where something is written already; what would lie over it is left out."""
    height, width = out.shape[:2]
    if min(height, width) < 48:
        return
    area = f"{region.area_px} px" if mm2 is None else f"{region.area_px * mm2:.3g} mm²"
    text = f"{title} {area}".strip() + ("" if region.state == "on" else " ?")
    size = max(0.35, min(height, width) / 900)
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    x = int(min(max(region.box[0] * scale[0], 2), max(width - w - 2, 2)))
    y = int(region.box[1] * scale[1]) - 4
    if y - h < 2:  # no room above
        y = int(min((region.box[1] + region.box[3]) * scale[1] + h + 4, height - 4))
    box = (x - 2, y - h - 2, x + w + 2, y + 4)
    if any(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken):
        return
    taken.append(box)
    # A thicker stroke would set the letters wider in newer OpenCV, so the rim is the same text around itself.
    for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, -1), (0, 1), (-1, 0), (1, 0)):
        cv2.putText(out, text, (x + dx, y + dy), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(out, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)


def _with_legend(picture: Image) -> Image:
    """The picture with a scale of colours on its right."""
    height = picture.shape[0]
    strip: Image = np.full((height, LEGEND_PX, 3), 255, np.uint8)
    top, bottom = min(12, height // 4), height - min(12, height // 4)
    if bottom - top >= 2:
        ramp = colours()[np.linspace(255, 0, bottom - top).round().astype(np.int64)]
        strip[top:bottom, 8:24] = ramp[:, None]
        strip[top:bottom, [7, 24]] = 90
        for value in (0.0, 0.5, 1.0) if height >= 80 else ():
            y = round(bottom - value * (bottom - top))
            cv2.line(strip, (24, min(y, height - 1)), (28, min(y, height - 1)), (90, 90, 90), 1)
            cv2.putText(
                strip,
                f"{value:.1f}",
                (31, min(y + 4, height - 2)),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.4,
                (40, 40, 40),
                1,
                cv2.LINE_AA,
            )
    return np.concatenate([picture, strip], axis=1)
