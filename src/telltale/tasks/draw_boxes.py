"""Boxes over their picture. Knows nothing of models; `locate` results are what it draws.

Lines are light on black, so that they show on any ground; told is green, unsure amber and dashed, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import cv2

from telltale.frame import Image

ON, UNSURE = (64, 220, 96), (240, 180, 41)
MOST = 50


class DrawnBox(Protocol):
    @property
    def box(self) -> tuple[float, float, float, float]: ...
    @property
    def centre(self) -> tuple[float, float]: ...
    @property
    def score(self) -> float: ...
    @property
    def state(self) -> str: ...


class DrawnReading(Protocol):
    @property
    def boxes(self) -> Sequence[DrawnBox]: ...


class Drawn(Protocol):
    """What is drawn: a `LocateResult`."""

    @property
    def readings(self) -> Mapping[str, DrawnReading]: ...
    @property
    def size(self) -> tuple[float, float]: ...


def draw_boxes(image: Image, result: Drawn) -> Image:
    """A copy of the picture, of any size, with each box, its centre, and above it its name and score."""
    out = image.copy()
    height, width = out.shape[:2]
    scale = (width / result.size[0], height / result.size[1])
    thick = max(1, round(min(height, width) / 300))
    for name, reading in result.readings.items():
        for box in reversed(reading.boxes[:MOST]):  # the surest on top
            _draw_one(out, box, f"{name} {box.score:.2f}", scale, thick)
    return out


def _draw_one(out: Image, box: DrawnBox, title: str, scale: tuple[float, float], thick: int) -> None:
    x, y, w, h = (float(v) * scale[i % 2] for i, v in enumerate(box.box))
    left, top, right, bottom = round(x), round(y), round(x + w) - 1, round(y + h) - 1
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    colour = ON if box.state == "on" else UNSURE
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        cv2.line(out, start, end, (0, 0, 0), thick + 2)
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        for a, b in [(start, end)] if box.state == "on" else _dashes(start, end):
            cv2.line(out, a, b, colour, thick)
    middle = (round(box.centre[0] * scale[0] - 0.5), round(box.centre[1] * scale[1] - 0.5))
    arm = 2 + 2 * thick
    cv2.drawMarker(out, middle, (0, 0, 0), cv2.MARKER_CROSS, 2 * arm + 2, thick + 2)
    cv2.drawMarker(out, middle, colour, cv2.MARKER_CROSS, 2 * arm, thick)
    if min(out.shape[:2]) >= 48:
        _write(out, title + ("" if box.state == "on" else " ?"), (left, top, bottom))


def _dashes(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Parts of a level or upright line: 4 pixels on, 4 off."""
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    step = tuple((e > s) - (e < s) for s, e in zip(start, end, strict=True))

    def at(i: int) -> tuple[int, int]:
        return start[0] + step[0] * i, start[1] + step[1] * i

    return [(at(i), at(min(i + 3, length))) for i in range(0, length + 1, 8)]


def _write(out: Image, text: str, at: tuple[int, int, int]) -> None:
    height, width = out.shape[:2]
    size = max(0.35, min(height, width) / 900)
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    x = min(max(at[0], 2), max(width - w - 2, 2))
    y = at[1] - 4
    if y - h < 2:  # no room above
        y = min(at[2] + h + 6, height - 4)
    for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, -1), (0, 1), (-1, 0), (1, 0)):
        cv2.putText(out, text, (x + dx, y + dy), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(out, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
