"""Where one thing is in a picture, and what can say so. Knows nothing of scenes, networks or sockets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.errors import ConfigError
from telltale.frame import Image

Colour = tuple[int, int, int]
"""Red, green, blue; 0 to 255."""

BALL_COLOUR: Colour = (232, 62, 40)
"""What the scenes paint the ball with, and the detector looks for unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One place.

    x, y: the centre in pixels; the middle of the top left pixel is (0, 0). radius: pixels. score: 0 to 1.
    """

    x: float
    y: float
    radius: float
    score: float


class Detector(Protocol):
    """Finds one thing. The classical ones below need no training; a trained model fits in by the same method."""

    def detect(self, image: Image) -> Spot | None:
        """image: (H, W, 3) uint8 RGB. None where the thing is not seen: telltale says so rather than guess."""
        ...


COARSE = 4
"""The first look is at a picture this many times smaller."""

DARK = 36
"""The colour of a pixel whose three values add up to less says nothing."""

LEAST_PX = 12.0
"""A coloured patch of less is noise."""

ROUND = 0.80
"""A patch that fills less of its enclosing circle is a ball half hidden: the circle then tells the centre better."""


CORE = 0.6
"""The share of a patch's greatest likeness that its inner pixels have at least."""

WEAK = 0.5
"""A patch whose inner pixels are less like the colour on average is another thing: not seen, rather than guessed."""


def _best(likeness: NDArray[np.float32], labels: NDArray[Any], stats: NDArray[Any], count: int) -> int:
    """The label of the patch that is most like the colour; of equals the larger. A large dull patch does not win."""
    areas = stats[1:, cv2.CC_STAT_AREA].astype(np.float64)
    means = np.bincount(labels.ravel(), likeness.ravel(), count)[1:] / np.maximum(areas, 1)
    return 1 + int(np.argmax(means**5 * np.sqrt(areas)))


class ColourDetector:
    """The likeliest patch of one colour; its centre by moments, better than a pixel.

    Colour is judged by chromaticity, r = R/(R+G+B) and g = G/(R+G+B), which the strength of the light cancels out of
    (Finlayson et al. 1998). Each pixel counts by how far it lies from grey towards the colour sought, so the soft rim
    of the ball counts by the share the ball has of it. A video codec keeps colour at half the resolution, which moves
    no centre of mass.
    """

    def __init__(self, colour: Colour = BALL_COLOUR) -> None:
        total = sum(colour)
        away = np.array([colour[0] / max(total, 1) - 1 / 3, colour[1] / max(total, 1) - 1 / 3], np.float32)
        length = float(np.hypot(*away))
        if length < 0.05:
            raise ConfigError("colour", expected="one clearly unlike grey", got=f"rgb{colour}", next="e.g. 232,62,40")
        self._away = away / length**2  # a pixel of just this colour scores 1, grey 0
        self._across = np.array([-away[1], away[0]], np.float32) / length**2

    def detect(self, image: Image) -> Spot | None:
        height, width = image.shape[:2]
        size = (max(1, width // COARSE), max(1, height // COARSE))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        found = self._likeliest(self._likeness(small))
        if found is None:
            return None
        peak = found[4]
        grow_x, grow_y = width / small.shape[1], height / small.shape[0]
        margin = 2.0  # coarse pixels
        left = max(0, int((found[0] - margin) * grow_x))
        top = max(0, int((found[1] - margin) * grow_y))
        right = min(width, math.ceil((found[2] + margin) * grow_x))
        bottom = min(height, math.ceil((found[3] + margin) * grow_y))
        return self._centre(self._likeness(image[top:bottom, left:right]), peak, left, top)

    def _likeness(self, image: Image) -> NDArray[np.float32]:
        """(H, W) float32: 0 for any other colour, 1 for the one sought."""
        channels = image.astype(np.float32)
        total = channels.sum(2)
        safe = np.maximum(total, 1.0)
        red, green = channels[..., 0] / safe - 1 / 3, channels[..., 1] / safe - 1 / 3
        along = red * self._away[0] + green * self._away[1]
        across = np.abs(red * self._across[0] + green * self._across[1])
        soft = np.clip((along - 1.2 * across - 0.15) / 0.7, 0.0, 1.0)
        soft[total < DARK] = 0.0
        return np.asarray(soft, np.float32)

    def _likeliest(self, likeness: NDArray[np.float32]) -> tuple[int, int, int, int, float] | None:
        """Left, top, right, bottom of the likeliest patch, and its greatest likeness."""
        count, labels, stats, _ = cv2.connectedComponentsWithStats((likeness > 0.4).astype(np.uint8), connectivity=8)
        if count < 2:
            return None
        best = _best(likeness, labels, np.asarray(stats), count)
        x, y, w, h = (int(v) for v in stats[best, :4])
        return x, y, x + w, y + h, float(likeness[labels == best].max())

    def _centre(self, likeness: NDArray[np.float32], peak: float, left: int, top: int) -> Spot | None:
        mask = (likeness > CORE * peak).astype(np.uint8)  # a background of nearly this colour stays outside
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        if count < 2:
            return None
        core = np.asarray(labels == _best(likeness, labels, np.asarray(stats), count), np.uint8)
        strength = float(likeness[core > 0].mean())
        if strength < WEAK:
            return None
        weight = likeness * cv2.dilate(core, np.ones((5, 5), np.uint8))  # its soft rim too, but no other patch
        moments = cv2.moments(weight)
        mass = moments["m00"]
        if mass < LEAST_PX:
            return None
        x, y, radius = moments["m10"] / mass, moments["m01"] / mass, math.sqrt(mass / math.pi)
        contours, _ = cv2.findContours(core, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        (cx, cy), around = cv2.minEnclosingCircle(max(contours, key=len))
        around = max(around, 0.5)
        filled = float(core.sum()) / (math.pi * (around + 0.5) ** 2)
        if filled < ROUND:
            x, y, radius = cx, cy, around
        return Spot(x + left, y + top, radius, float(np.clip(strength * min(1.0, filled / ROUND), 0.0, 1.0)))


class CircleDetector:
    """The strongest circle by its rim, whatever its colour: Hough's transform, then a circle fitted to the gradient.

    For balls no colour tells apart. Slower than colour, and lost where the background has many round edges.
    """

    def __init__(self, least_radius: int = 6, most_radius: int = 60) -> None:
        self._least, self._most = least_radius, most_radius

    def detect(self, image: Image) -> Spot | None:
        grey = np.asarray(cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (5, 5), 0), np.uint8)
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        circles = cv2.HoughCircles(
            half,
            cv2.HOUGH_GRADIENT,
            dp=1.5,
            minDist=self._least,
            param1=120,
            param2=18,
            minRadius=max(1, self._least // 2),
            maxRadius=self._most // 2,
        )
        if circles is None:
            return None
        x, y, radius = (float(v) * 2 + 0.5 * (i < 2) for i, v in enumerate(np.asarray(circles).reshape(-1, 3)[0]))
        return self._refine(grey, x, y, radius)

    def _refine(self, grey: NDArray[np.uint8], x: float, y: float, radius: float) -> Spot | None:
        """Along each of many rays the place of the steepest edge, by a parabola; then the circle through them."""
        angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        reach = np.arange(0.6 * radius, 1.4 * radius + 1, 0.5)
        xs = (x + np.outer(np.cos(angles), reach)).astype(np.float32)
        ys = (y + np.outer(np.sin(angles), reach)).astype(np.float32)
        along = cv2.remap(grey, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        steep = np.abs(np.gradient(along, axis=1))
        at = np.clip(steep.argmax(1), 1, len(reach) - 2)
        rows = np.arange(len(angles))
        a, b, c = steep[rows, at - 1], steep[rows, at], steep[rows, at + 1]
        shift = np.where(np.abs(a - 2 * b + c) > 1e-6, 0.5 * (a - c) / (a - 2 * b + c + 1e-9), 0.0)
        rim = reach[at] + 0.5 * np.clip(shift, -1, 1)
        kept = (b > 6) & (np.abs(rim - np.median(rim)) < 0.2 * radius + 1)
        if kept.sum() < len(angles) // 2:
            return None
        px, py = x + np.cos(angles[kept]) * rim[kept], y + np.sin(angles[kept]) * rim[kept]
        # x^2 + y^2 = 2 a x + 2 b y + c, least squares (Kasa 1976)
        design = np.column_stack([2 * px, 2 * py, np.ones_like(px)])
        (cx, cy, rest), *_ = np.linalg.lstsq(design, px**2 + py**2, rcond=None)
        fitted = math.sqrt(max(rest + cx**2 + cy**2, 0.0))
        if not 0.5 * radius < fitted < 2 * radius:
            return None
        return Spot(float(cx), float(cy), fitted, float(kept.mean()))


DETECTORS = {"colour": ColourDetector, "circle": CircleDetector}


def open_detector(name: str, colour: Colour = BALL_COLOUR) -> Detector:
    """A detector by its name. Raises ConfigError."""
    if name == "colour":
        return ColourDetector(colour)
    if name == "circle":
        return CircleDetector()
    raise ConfigError("detector", expected=f"{', '.join(DETECTORS)} or a NAME.telltale folder", got=repr(name))


def parse_colour(text: str) -> Colour:
    """'232,62,40' or '#e83e28'. Raises ConfigError."""
    try:
        if text.startswith("#") and len(text) == 7:
            values = [int(text[i : i + 2], 16) for i in (1, 3, 5)]
        else:
            values = [int(part) for part in text.split(",")]
        red, green, blue = values
        if not all(0 <= v <= 255 for v in values):
            raise ValueError
    except ValueError:
        raise ConfigError("colour", expected="RED,GREEN,BLUE or #rrggbb", got=repr(text)) from None
    return red, green, blue
