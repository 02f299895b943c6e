"""A ball that bounces off the edges of a picture, and where it truly is. Knows nothing of time, codecs or networks.

Every picture is a pure function of the frame's number, so the truth of any frame can be asked for at any time.
Places follow the picture's own grid: the middle of the top left pixel is (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.errors import ConfigError
from telltale.frame import Image
from telltale.streams.spot import BALL_COLOUR, Colour

Kind = Literal["plain", "several", "textured", "blur", "occlusion", "noise", "light"]
KINDS: tuple[Kind, ...] = get_args(Kind)

BACKGROUND: Colour = (34, 42, 52)
OTHERS: tuple[Colour, ...] = ((52, 120, 220), (70, 180, 90), (228, 190, 50), (160, 90, 200))
POST: Colour = (96, 100, 108)
NOISE_LEVELS = 12.0
NOISE_FIELDS = 6
EXPOSURES = 8
"""Moments that a blurred picture adds up."""
SHUTTER = 0.6
"""The share of a frame's time that a blurred picture is exposed for."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the ball is. x, y, radius: pixels. visible: the share of it nothing hides, 0 to 1."""

    x: float
    y: float
    radius: float
    visible: float = 1.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture and its truth. image: (H, W, 3) uint8 RGB."""

    image: Image
    truth: Truth


@dataclass(frozen=True, slots=True)
class Flight:
    """A ball that flies straight and bounces. x, y: where it starts; vx, vy: pixels a frame."""

    x: float
    y: float
    vx: float
    vy: float
    radius: float
    colour: Colour

    def at(self, n: float, width: int, height: int) -> tuple[float, float]:
        """Its centre at frame n, which may lie between two frames. It touches the edges, never crosses them."""
        return (
            _bounce(self.x + self.vx * n, self.radius - 0.5, width - 0.5 - self.radius),
            _bounce(self.y + self.vy * n, self.radius - 0.5, height - 0.5 - self.radius),
        )


def _bounce(free: float, low: float, high: float) -> float:
    """Where something free to fly to `free` is between two walls: a triangle wave."""
    span = high - low
    if span <= 0:
        return (low + high) / 2
    phase = (free - low) % (2 * span)
    return low + (phase if phase <= span else 2 * span - phase)


class Scene:
    """One kind of picture at one size. The same arguments give the same pictures.

    kind: `plain`; `several` balls of which one has the colour sought; `textured` background; motion `blur`;
    `occlusion` by posts; sensor `noise`; changing `light`.
    """

    def __init__(self, kind: Kind = "plain", width: int = 640, height: int = 480, seed: int = 0) -> None:
        if kind not in KINDS:
            raise ConfigError("scene", expected=", ".join(KINDS), got=repr(kind))
        if not (64 <= width <= 4096 and 64 <= height <= 4096 and width % 2 == 0 and height % 2 == 0):
            raise ConfigError("scene size", expected="even sides from 64 to 4096", got=f"{width}x{height}")
        self.kind, self.width, self.height = kind, width, height
        rng = np.random.default_rng(seed)
        radius = max(6.0, min(width, height) / 24)
        self._ball = self._fly(rng, radius, BALL_COLOUR)
        count = len(OTHERS) if kind == "several" else 0
        self._others = [self._fly(rng, radius * rng.uniform(0.7, 1.4), OTHERS[i]) for i in range(count)]
        self._ground = _texture(rng, width, height) if kind == "textured" else _plain(width, height)
        self._noise = [_noise(rng, width, height) for _ in range(NOISE_FIELDS)] if kind == "noise" else []
        self._shifts = rng.integers(0, 1 << 16, (256, 2))
        self._posts = [round(width * share) for share in (0.25, 0.5, 0.75)] if kind == "occlusion" else []
        self._post_px = max(4, round(radius * 0.9))

    def _fly(self, rng: np.random.Generator, radius: float, colour: Colour) -> Flight:
        width, height = self.width, self.height
        across, down = rng.uniform(0.006, 0.011, 2) * min(width, height)
        return Flight(
            float(rng.uniform(radius, width - radius)),
            float(rng.uniform(radius, height - radius)),
            float(across * rng.choice([-1, 1])),
            float(down * rng.choice([-1, 1])),
            float(radius),
            colour,
        )

    def truth(self, n: int) -> Truth:
        """Where the ball is in frame n; in a blurred one, half way through the exposure."""
        x, y = self._ball.at(n, self.width, self.height)
        return Truth(x, y, self._ball.radius, self._visible(x, y))

    def _visible(self, x: float, y: float) -> float:
        if not self._posts:
            return 1.0
        coverage, left, _ = _disc(x, y, self._ball.radius, self.width, self.height)
        hidden = np.zeros(coverage.shape[1], bool)
        for post in self._posts:
            hidden[max(0, post - left) : max(0, post + self._post_px - left)] = True
        return float(coverage[:, ~hidden].sum() / max(coverage.sum(), 1e-9))

    def shot(self, n: int) -> Shot:
        """Frame n and its truth."""
        image = self._ground.copy()
        for other in self._others:
            self._paint(image, other, n)
        self._paint(image, self._ball, n)
        for post in self._posts:
            image[:, post : post + self._post_px] = POST
        if self.kind == "light":
            image = _lit(image, n)
        if self._noise:
            image = self._grain(image, n)
        return Shot(image, self.truth(n))

    def _paint(self, image: Image, ball: Flight, n: int) -> None:
        if self.kind != "blur":
            x, y = ball.at(n, self.width, self.height)
            coverage, left, top = _disc(x, y, ball.radius, self.width, self.height)
        else:
            moments = n + SHUTTER * ((np.arange(EXPOSURES) + 0.5) / EXPOSURES - 0.5)
            places = [ball.at(float(m), self.width, self.height) for m in moments]
            coverage, left, top = _smear(places, ball.radius, self.width, self.height)
        height, width = coverage.shape
        patch = image[top : top + height, left : left + width]
        share = coverage[..., None]
        patch[:] = np.rint(patch * (1 - share) + np.array(ball.colour, np.float32) * share).astype(np.uint8)

    def _grain(self, image: Image, n: int) -> Image:
        dx, dy = (int(v) for v in self._shifts[n % len(self._shifts)])
        grain = np.roll(self._noise[n % NOISE_FIELDS], (dy % self.height, dx % self.width), (0, 1))
        return np.asarray(cv2.add(image, grain, dtype=cv2.CV_8U), np.uint8)


def _disc(x: float, y: float, radius: float, width: int, height: int) -> tuple[NDArray[np.float32], int, int]:
    """The share of each pixel that a disc covers, and the left and top of that patch."""
    left, top = max(0, math.floor(x - radius - 1)), max(0, math.floor(y - radius - 1))
    right, bottom = min(width, math.ceil(x + radius + 2)), min(height, math.ceil(y + radius + 2))
    xs, ys = np.arange(left, right, dtype=np.float32) - x, np.arange(top, bottom, dtype=np.float32) - y
    distance = np.sqrt(xs[None, :] ** 2 + ys[:, None] ** 2)
    return np.clip(radius + 0.5 - distance, 0.0, 1.0).astype(np.float32), left, top


def _smear(
    places: list[tuple[float, float]], radius: float, width: int, height: int
) -> tuple[NDArray[np.float32], int, int]:
    """The mean share over several moments."""
    discs = [_disc(x, y, radius, width, height) for x, y in places]
    left, top = min(d[1] for d in discs), min(d[2] for d in discs)
    right = max(d[1] + d[0].shape[1] for d in discs)
    bottom = max(d[2] + d[0].shape[0] for d in discs)
    total = np.zeros((bottom - top, right - left), np.float32)
    for coverage, at_x, at_y in discs:
        total[at_y - top : at_y - top + coverage.shape[0], at_x - left : at_x - left + coverage.shape[1]] += coverage
    return np.asarray(total / len(discs), np.float32), left, top


def _plain(width: int, height: int) -> Image:
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def _texture(rng: np.random.Generator, width: int, height: int) -> Image:
    """Patches of many sizes and muted colours, the warm ones among them, as of stone or carpet."""
    total = np.zeros((height, width, 3), np.float32)
    for cell, strength in ((64, 46.0), (16, 26.0), (5, 18.0), (2, 9.0)):
        grid = rng.normal(0, 1, (height // cell + 2, width // cell + 2, 3))
        grid = 0.75 * grid.mean(2, keepdims=True) * math.sqrt(3) + 0.25 * grid  # mostly brightness, some colour
        layer = cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        total += strength * layer
    return np.clip(total + 112, 12, 235).astype(np.uint8)


def _noise(rng: np.random.Generator, width: int, height: int) -> NDArray[np.int16]:
    return np.rint(rng.normal(0, NOISE_LEVELS, (height, width, 3))).astype(np.int16)


def _lit(image: Image, n: int) -> Image:
    """The light swells and fades over 8 seconds at 30 frames a second, and turns warmer and cooler over 5."""
    strength = 0.75 + 0.45 * math.sin(2 * math.pi * n / 240)
    warmth = 0.08 * math.sin(2 * math.pi * n / 150)
    gains = np.array([1 + warmth, 1.0, 1 - warmth]) * strength
    table = np.clip(np.rint(np.arange(256)[:, None] * gains), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[:, None, :].reshape(1, 256, 3)), np.uint8)
