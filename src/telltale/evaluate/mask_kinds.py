"""Kind by kind of defect: what was found, and of how many parts it was learned. Knows nothing of models or HTML.

A kind is what a picture came under where its data set has classes (`meta["class"]`, as MVTec AD's folders), or what was
painted. Of few kinds there are many parts, and one number over all of them hides that a kind was never found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from telltale.dataset import Example
from telltale.dataset.masks import is_reference
from telltale.evaluate.bootstrap import Measure, percentile
from telltale.evaluate.mask_rows import MaskRow, kind_of
from telltale.evaluate.measured import REPLICATES
from telltale.tasks.task import Json

FEW_LEARNED = 8
"""Groups of a kind: from fewer, a net learns these parts rather than the kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of one name. learned: groups of it that were trained on. told, unsure: pictures answered so.

    found: the share of its regions that a told one touches, with its interval. dice: of its pictures' pixels.
    """

    name: str
    kind: str
    learned: int
    groups: int
    pictures: int
    told: int
    unsure: int
    regions: int
    found: Measure
    missed: int
    dice: float

    def to_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "kind": self.kind,
            "learned": self.learned,
            "groups": self.groups,
            "pictures": self.pictures,
            "told": self.told,
            "unsure": self.unsure,
            "regions": self.regions,
            "found": self.found.to_json(),
            "missed": self.missed,
            "dice": self.dice,
        }


def measure_kinds(rows: Sequence[MaskRow], trained: Sequence[Example], seed: int = 0) -> tuple[Kind, ...]:
    """Of every kind with some of a name in the test pictures; none where all came under one kind, or under none."""
    learned: dict[tuple[str, str], set[str]] = {}
    for example in trained:
        for name, label in example.labels.items():
            if is_reference(label.value):
                learned.setdefault((name, kind_of(example)), set()).add(example.group)
    ours: dict[tuple[str, str], list[MaskRow]] = {}
    for row in rows:
        if row.truth:
            ours.setdefault((row.name, row.kind), []).append(row)
    if len({kind for _, kind in ours}) < 2:
        return ()
    return tuple(_measure(ours[key], len(learned.get(key, ())), *key, seed) for key in sorted(ours))


def _measure(rows: Sequence[MaskRow], learned: int, name: str, kind: str, seed: int) -> Kind:
    groups = sorted({row.group for row in rows})
    counts = np.zeros((len(groups), 2))
    for row in rows:
        counts[groups.index(row.group)] += (row.regions - row.unsure - row.missed, row.regions)
    regions, right = int(counts[:, 1].sum()), sum(row.right_px for row in rows)
    return Kind(
        name=name,
        kind=kind,
        learned=learned,
        groups=len(groups),
        pictures=len(rows),
        told=sum(row.state == "on" for row in rows),
        unsure=sum(row.state == "unsure" for row in rows),
        regions=regions,
        found=_share(counts, seed),
        missed=sum(row.missed for row in rows),
        dice=2 * right / sum(row.told_px + row.true_px for row in rows),
    )


def _share(counts: np.ndarray, seed: int) -> Measure:
    """counts: (G, 2) regions found and all of each group."""
    found, regions = counts.sum(0)
    if not regions:
        return Measure(None)
    value = float(found / regions)
    if len(counts) < 2:
        return Measure(value)
    draws = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), REPLICATES)
    again = draws @ counts
    some = again[:, 1] > 0
    return percentile(value, again[some, 0] / again[some, 1])


def warn_of_few(kinds: Sequence[Kind]) -> Iterator[str]:
    """Kinds that were learned from too few parts to be told of others."""
    for each in kinds:
        if each.learned < FEW_LEARNED:
            yield (
                f"{each.kind or 'without a class'}: learned from {each.learned} group{'s' * (each.learned != 1)} "
                "alone; what is told of other parts with it is chance."
            )
