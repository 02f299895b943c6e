"""What is known of a training picture besides its labels, as numbers to learn. Knows nothing of networks.

Which door is open cannot be told before it is known from where the car is seen, and labels alone take long to teach
that. Where a collector kept the camera with each picture the network learns it beside the labels: an auxiliary task
(multitask learning, Caruana 1997). It is needed for training only: what ships is the same network without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from telltale.dataset.catalogue import Example
from telltale.project import Hint
from telltale.tasks.task import Floats

FEWEST = 8
"""A hint known of fewer pictures than this is left out."""


@dataclass(frozen=True, slots=True)
class Hints:
    """values, mirrored: (N, M) float32, each column of mean 0 and spread 1, NaN where unknown; for the picture as it
    is and flipped left to right. names: M words for people.
    """

    values: Floats
    mirrored: Floats
    names: tuple[str, ...]

    @classmethod
    def none(cls, count: int) -> Hints:
        """Nothing known of any picture."""
        empty = np.zeros((count, 0), np.float32)
        return cls(empty, empty, ())


def make_hints(examples: Sequence[Example], wanted: Mapping[str, Hint]) -> Hints:
    """The wanted numbers of each picture's meta. An angle becomes the sine and cosine of itself and of its double."""
    columns: list[tuple[str, Floats, Floats]] = []
    for name, hint in wanted.items():
        columns += _columns(name, hint, _numbers([example.meta.get(name) for example in examples]))
    kept = [scaled for name, plain, flipped in columns if (scaled := _scaled(name, plain, flipped)) is not None]
    if not kept:
        return Hints.none(len(examples))
    return Hints(
        np.stack([plain for _, plain, _ in kept], 1),
        np.stack([flipped for _, _, flipped in kept], 1),
        tuple(name for name, _, _ in kept),
    )


def _numbers(values: Sequence[object]) -> Floats:
    return np.array(
        [float(v) if isinstance(v, int | float) and not isinstance(v, bool) else np.nan for v in values], np.float32
    )


def _columns(name: str, hint: Hint, values: Floats) -> list[tuple[str, Floats, Floats]]:
    """(name, as it is, flipped) of one hint; an angle has four."""
    flipped = {"same": values, "negate": -values, "unknown": np.full_like(values, np.nan)}[hint.mirror]
    if hint.period is None:
        return [(name, values, flipped)]
    turn = 2 * math.pi / hint.period
    return [
        (f"{word}({times}{name})", wave(times * turn * values), wave(times * turn * flipped))
        for times in (1, 2)
        for word, wave in (("sin", np.sin), ("cos", np.cos))
    ]


def _scaled(name: str, plain: Floats, flipped: Floats) -> tuple[str, Floats, Floats] | None:
    """Mean 0 and spread 1 over both; None where too little is known or nothing varies."""
    both = np.concatenate([plain, flipped])
    known = both[~np.isnan(both)]
    spread = float(known.std()) if len(known) >= FEWEST else 0.0
    if spread < 1e-6:
        return None
    mean = float(known.mean())
    return name, ((plain - mean) / spread).astype(np.float32), ((flipped - mean) / spread).astype(np.float32)
