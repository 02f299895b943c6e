"""Many pictures from one seed: which picture gets what, on as many threads as there are cores. Knows no files but the
good pictures it reads.

Picture n depends on the seed and on n alone: a longer run begins with the same bytes, and threads change nothing.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from telltale.collect.synth.metal import METALS
from telltale.collect.synth.paint import KINDS, METAL_KINDS, Painted, check_kinds, paint_picture, paint_scene
from telltale.errors import ConfigError, ImageError
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.tasks.task import Json

SMALLEST, LARGEST = 32, 8192
"""Pixels on a side of a scene."""

FLAT = 4
"""Grey levels: a picture that spans fewer shows nothing."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to make.

    count: pictures. kinds: defects to choose from; empty: all there are. good: share of pictures without any.
    most: defects in one picture at most. seed: of everything.
    """

    count: int
    kinds: tuple[str, ...] = ()
    good: float = 0.25
    most: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError("--count", expected="1 or more", got=str(self.count))
        if not 0 <= self.good <= 1:
            raise ConfigError("--good", expected="a share from 0 to 1", got=f"{self.good:g}")
        if self.most < 1:
            raise ConfigError("--most", expected="1 or more", got=str(self.most))
        if self.seed < 0:
            raise ConfigError("--seed", expected="0 or more", got=str(self.seed))


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture made. png: its file. group: what no split may tear apart. source: what it was painted on, if any."""

    number: int
    seed: int
    painted: Painted
    png: bytes
    group: str
    source: str | None

    @property
    def name(self) -> str:
        return f"s{self.seed}_{self.number:06d}"

    def meta(self) -> dict[str, Json]:
        """All that is needed to make it again, and what is in it."""
        return {
            "synthetic": True,
            "seed": self.seed,
            "number": self.number,
            **({} if self.source is None else {"painted_on": self.source}),
            "ground": self.painted.parameters,
            "defects": [made.to_json() for made in self.painted.made],
        }


class Good(Protocol):
    """A picture of a good part: an `Example`, or a file."""

    @property
    def path(self) -> Path: ...
    @property
    def group(self) -> str: ...


@dataclass(frozen=True, slots=True)
class GoodFile:
    path: Path

    @property
    def group(self) -> str:
        return self.path.stem


@dataclass(slots=True)
class Unread:
    """Good pictures that gave no pixels, by name, and why."""

    files: dict[str, str] = field(default_factory=dict)


def make_scenes(
    wish: Wish, *, width: int = 256, height: int = 256, metals: Sequence[str] = (), workers: int | None = None
) -> Iterator[Sample]:
    """Whole pictures of metal, each its own group. metals: to choose from; empty: all. Raises ConfigError."""
    kinds = check_kinds(wish.kinds or METAL_KINDS, METAL_KINDS)
    wrong = sorted(set(metals) - set(METALS))
    if wrong:
        raise ConfigError("--metal", expected=", ".join(METALS), got=", ".join(wrong))
    if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
        got = f"{width} x {height}"
        raise ConfigError("size", expected=f"{SMALLEST} to {LARGEST} pixels on a side", got=got)
    choice = tuple(metals) or tuple(METALS)

    def make(number: int) -> Sample:
        rng = generator(wish.seed, number)
        metal = choice[int(rng.integers(len(choice)))]
        painted = paint_scene(rng, width, height, metal, kinds, _how_many(rng, wish))
        return Sample(number, wish.seed, painted, encode(painted.image), f"synth-{wish.seed}-{number}", None)

    return _in_order(make, wish.count, workers)


def make_on(
    wish: Wish, goods: Sequence[Good], *, unread: Unread | None = None, workers: int | None = None
) -> Iterator[Sample]:
    """Defects on good pictures; all that come of one picture share its group.

    A file that gives no pixels is passed over and told in `unread`. Raises ConfigError, and ImageError where no file
    can be read.
    """
    kinds = check_kinds(wish.kinds or KINDS)
    if not goods:
        raise ImageError("good pictures", expected="one or more to paint on", got="none")
    order = np.random.default_rng([wish.seed, 1]).permutation(len(goods))
    told = unread or Unread()

    def read(first: int) -> tuple[Good, Image]:
        for step in range(len(goods)):
            good = goods[int(order[(first + step) % len(goods)])]
            try:
                image = decode(good.path)
            except ImageError as error:
                told.files[good.path.name] = error.got or str(error)
                continue
            if int(image.max()) - int(image.min()) >= FLAT:
                return good, image
            told.files[good.path.name] = "one colour throughout: a mask?"
        raise ImageError("good pictures", expected="at least one that can be read", got=f"{len(goods)} that cannot")

    def make(number: int) -> Sample:
        rng = generator(wish.seed, number)
        good, image = read(number)
        donor = read(int(rng.integers(len(goods))))[1] if "patch" in kinds and len(goods) > 1 else None
        painted = paint_picture(rng, image, kinds, _how_many(rng, wish), donor=donor)
        return Sample(number, wish.seed, painted, encode(painted.image), good.group, good.path.name)

    return _in_order(make, wish.count, workers)


def generator(seed: int, number: int) -> np.random.Generator:
    """Of one picture."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))


def encode(image: Image) -> bytes:
    """PNG; the same pixels give the same bytes."""
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert done, image.shape
    return bytes(data.tobytes())


def _how_many(rng: np.random.Generator, wish: Wish) -> int:
    """None in a good picture; else one as often as several."""
    if rng.random() < wish.good:
        return 0
    return 1 if wish.most == 1 or rng.random() < 0.5 else int(rng.integers(2, wish.most + 1))


def _in_order(make: Callable[[int], Sample], count: int, workers: int | None) -> Iterator[Sample]:
    """Made on threads (drawing and compressing release the interpreter lock), given in order, few waiting."""
    threads = workers or os.cpu_count() or 1
    if threads == 1:
        yield from map(make, range(count))
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="telltale-synth") as pool:
        waiting: deque[Future[Sample]] = deque()
        try:
            for number in range(count):
                waiting.append(pool.submit(make, number))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
