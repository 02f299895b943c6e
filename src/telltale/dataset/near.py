"""When are two pictures the same thing seen again? Knows nothing of files, and nothing of how splits are made.

A hash proposes, a thumbnail confirms. The hash alone calls two views of a small thing before a plain wall the same
(of 47 pairs of different views of one car within 8 bits all were wrong), and plain dark pictures collide by the
thousand; the thumbnail alone misses the same thing at another exposure. docs/catalogue.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.dataset.masks import is_reference
from telltale.errors import CatalogueError, LeakError
from telltale.frame import Image
from telltale.tasks.task import Json, Label

SIDE = 16
"""The hash has SIDE x SIDE bits."""

THUMB = 32
"""The thumbnail that confirms a match is THUMB x THUMB RGB."""

HASH_BYTES = SIDE * SIDE // 8
FINGERPRINT_BYTES = HASH_BYTES + THUMB * THUMB * 3

FLAT = 2
"""Neighbours must differ by this many grey levels to set a bit: on plain surfaces noise would toss coins."""

PLAIN = 6.0
"""A thumbnail whose grey levels spread less than this has no contrast to match an exposure by."""

GAIN = 1 / 3
"""Exposures further apart than this are not matched."""

NAMED = 10
"""So many pairs are named in an error."""

_ROWS = 128  # of the distance matrix at a time: 128 x 10,000 x 4 words are 40 MB
_PAIRS = 4096  # thumbnails compared at a time: 100 MB

Words = NDArray[np.uint64]
Floats = NDArray[np.float32]


class Seen(Protocol):
    """What is compared: an `Example`, or anything like it."""

    @property
    def path(self) -> Path: ...
    @property
    def group(self) -> str: ...
    @property
    def split(self) -> str | None: ...
    @property
    def labels(self) -> Mapping[str, Label]: ...
    @property
    def meta(self) -> Mapping[str, Json]: ...
    @property
    def near(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Leak:
    """Two pictures of the same thing on two sides of a split.

    bits: how many of the 256 differ. levels: the greatest difference of any of the 32 x 32 places once the exposure is
    matched, of 255.
    """

    first: Seen
    second: Seen
    bits: int
    levels: float

    def __str__(self) -> str:
        return f"{_call(self.first)} and {_call(self.second)}"


def fingerprint(image: Image) -> bytes:
    """What near-duplicates have in common: a 256-bit difference hash, then a 32 x 32 RGB thumbnail.

    image: (H, W, 3) uint8. The hash (dHash, Krawetz 2013) says of each of 16 x 16 places whether it gets brighter to
    the right; brightness and contrast of the whole picture hardly change it. FINGERPRINT_BYTES long.
    """
    thumb = cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    grey = cv2.resize(cv2.cvtColor(thumb, cv2.COLOR_RGB2GRAY), (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    levels: NDArray[np.int16] = np.asarray(grey, np.int16)
    return np.packbits(levels[:, 1:] - levels[:, :-1] >= FLAT).tobytes() + np.asarray(thumb, np.uint8).tobytes()


def find_leaks(examples: Sequence[Seen], near_bits: int) -> list[Leak]:
    """Near-duplicates that cross a split, in the order of the examples; those without a split do not count.

    near_bits: hashes at most this far apart are looked at. 10,000 examples take about a second.
    """
    number = {split: n for n, split in enumerate(sorted({e.split for e in examples if e.split is not None}))}
    side = np.array([number.get(e.split or "", -1) for e in examples], np.int64)
    leaks = []
    for i, j, bits, levels in _near_pairs(examples, near_bits, side):
        leaks.append(Leak(examples[i], examples[j], bits, levels))
    return leaks


def refuse_leaks(examples: Sequence[Seen], near_bits: int) -> None:
    """Raise LeakError, naming the first pairs and how many there are, when a group or a near-duplicate crosses."""
    splits_of: dict[str, set[str]] = {}
    for example in examples:
        if example.split is not None:
            splits_of.setdefault(example.group, set()).add(example.split)
    torn = sorted(group for group, splits in splits_of.items() if len(splits) > 1)
    if torn:
        raise LeakError(
            "the splits leak",
            expected="each group in one split",
            got=f"{len(torn)} in several: {_first(torn)}",
            next="split again by group",
        )
    leaks = find_leaks(examples, near_bits)
    if leaks:
        raise LeakError(
            "the splits leak",
            expected="no picture on two sides of a split",
            got=f"{len(leaks)} near-duplicate pair{'s' * (len(leaks) > 1)}: {_first([str(leak) for leak in leaks])}",
            next="give both the same group (`group_near_duplicates` does), or train with --allow-leak",
        )


def group_near_duplicates(examples: Sequence[Seen], near_bits: int) -> dict[str, str]:
    """Which groups belong together because they share near-duplicates: group to the group it should join.

    Only groups that would change are named; the first by name gives its name. With no groups known, make each picture
    its own first. What is like what is also like a third joins all three, so look at the result before using it.
    """
    parent = {e.group: e.group for e in examples}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    groups = {group: n for n, group in enumerate(sorted(parent))}
    side = np.array([groups[e.group] for e in examples], np.int64)
    for i, j, _, _ in _near_pairs(examples, near_bits, side):
        first, second = sorted((root(examples[i].group), root(examples[j].group)))
        parent[second] = first
    return {group: root(group) for group in sorted(parent) if root(group) != group}


def _near_pairs(
    examples: Sequence[Seen], near_bits: int, side: NDArray[np.int64]
) -> Iterator[tuple[int, int, int, float]]:
    """(i, j, bits, levels) with i < j, on two different sides; -1 is no side."""
    prints = [e.near for e in examples]
    wrong = next((e for e in examples if len(e.near) != FINGERPRINT_BYTES), None)
    if wrong is not None:
        raise CatalogueError(
            f"fingerprint of {wrong.path}",
            expected=f"{FINGERPRINT_BYTES} bytes",
            got=f"{len(wrong.near)}",
            next="take the examples from a catalogue",
        )
    if len(prints) < 2:
        return
    packed = np.frombuffer(b"".join(prints), np.uint8).reshape(len(prints), FINGERPRINT_BYTES)
    words: Words = np.ascontiguousarray(packed[:, :HASH_BYTES]).view(np.uint64)  # (N, 4)
    thumbs = packed[:, HASH_BYTES:].reshape(-1, THUMB * THUMB, 3)  # (N, 1024, 3)
    for start in range(0, len(prints), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(prints)))
        bits = np.zeros((len(rows), len(prints) - start), np.uint16)
        for word in range(words.shape[1]):  # word by word: four times faster than a sum over the last axis
            bits += np.bitwise_count(words[rows, word, None] ^ words[None, start:, word])
        left, right = np.nonzero(bits <= near_bits)
        distance = bits[left, right]
        left, right = left + start, right + start
        keep = (left < right) & (side[left] != side[right]) & (side[left] >= 0) & (side[right] >= 0)
        left, right, distance = left[keep], right[keep], distance[keep]
        for low in range(0, len(left), _PAIRS):
            a, b = left[low : low + _PAIRS], right[low : low + _PAIRS]
            levels, spread = _differences(thumbs[a], thumbs[b])
            for i, j, d, level, contrast in zip(
                a, b, distance[low : low + _PAIRS], levels.tolist(), spread.tolist(), strict=True
            ):
                if level <= _allowed(contrast, _agree(examples[i].labels, examples[j].labels)):
                    yield int(i), int(j), int(d), level


def _differences(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """(P, 1024, 3) each -> the greatest difference of a place, and the spread of grey levels; (P,) each.

    The brighter-contrasted thumbnail is brought to the exposure of the other by least squares on grey: gain at most 1,
    so that noise is never amplified.
    """
    a, b = first.astype(np.float32), second.astype(np.float32)
    grey_a, grey_b = a.mean(axis=2), b.mean(axis=2)  # (P, 1024)
    swap = grey_a.std(axis=1) < grey_b.std(axis=1)
    a[swap], b[swap] = b[swap], a[swap]
    grey_a[swap], grey_b[swap] = grey_b[swap], grey_a[swap]
    mean_a, mean_b = grey_a.mean(axis=1, keepdims=True), grey_b.mean(axis=1, keepdims=True)
    spread: Floats = grey_b.std(axis=1)
    together = ((grey_a - mean_a) * (grey_b - mean_b)).mean(axis=1)
    gain = np.clip(together / np.maximum(grey_a.var(axis=1), 1e-6), GAIN, 1.0)
    gain = np.where(spread < PLAIN, 1.0, gain)[:, None]
    matched = a * gain[..., None] + np.where(spread[:, None] < PLAIN, 0.0, mean_b - gain * mean_a)[..., None]
    levels: Floats = np.abs(matched - b).mean(axis=2).max(axis=1)
    return levels, spread


def _allowed(spread: float, agree: bool) -> float:
    """Up to which difference two thumbnails show the same thing, in levels.

    As large as the picture's own contrast, for copies are recompressed, rescaled and exposed anew; a fifth of that
    when the labels disagree, for then the difference may be just what is to be told: a door ajar in the same view.
    """
    return min(max(spread, 4.0), 40.0) if agree else min(max(0.2 * spread, 3.0), 8.0)


def _agree(first: Mapping[str, Label], second: Mapping[str, Label]) -> bool:
    """No name that both know has two values; any two masks agree, for no two are drawn alike."""
    return all(_plain(label.value) == _plain(second[name].value) for name, label in first.items() if name in second)


def _plain(value: Json) -> Json:
    return True if is_reference(value) else value


def _call(seen: Seen) -> str:
    """By the name it was imported under, if any; the file itself is called after its content."""
    name = seen.meta.get("file") or seen.path.name[:12]
    return f"{name} ({seen.split}, group {seen.group})"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return "; ".join(names[:NAMED]) + more
