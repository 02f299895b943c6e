"""What a test set says of a bundle, as numbers and words. Knows nothing of running models or of HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from telltale.errors import CatalogueError
from telltale.evaluate.bootstrap import FEW_GROUPS, REPLICATES, Measure, measure, tally_groups
from telltale.evaluate.gallery import Shot
from telltale.evaluate.predict import Skipped
from telltale.evaluate.table import Table
from telltale.tasks import Target, Task, Threshold
from telltale.tasks.calibrate import percent
from telltale.tasks.task import Json

NEVER = "combinations never trained"

Combination = tuple[int, ...]
"""1, 0 or -1 (unknown) for each name."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the test set: its pictures and groups, and its metrics with intervals."""

    name: str
    pictures: int
    groups: int
    overall: Mapping[str, Measure]


@dataclass(frozen=True, slots=True)
class Combo:
    """Pictures with the same labels. trained: whether training saw this combination; None: not known."""

    on: tuple[str, ...]
    trained: bool | None
    pictures: int
    told: int
    wrong: int
    answers: int


@dataclass(frozen=True)
class Evaluation:
    """A bundle on a test set.

    table: every picture looked at; scored: those the metrics are about. score: every metric, `Task.score`.
    overall, heads: metrics with 95 % intervals. visible, hidden: told answers by whether the label could be seen.
    parts: seen and never-trained combinations; combos: one by one, worst first.
    warnings: what a reader must know before trusting a number. level: the error asked for when thresholds were chosen.
    """

    title: str
    task: Task
    thresholds: Mapping[str, Threshold]
    guarantees: Mapping[str, str]
    table: Table
    scored: Table
    score: Mapping[str, Any]
    overall: Mapping[str, Measure]
    heads: Mapping[str, Mapping[str, Measure]]
    parts: tuple[Part, ...]
    combos: tuple[Combo, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    gallery: tuple[Shot, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    level: float | None = None
    trained: frozenset[Combination] | None = None
    trained_groups: frozenset[str] = frozenset()

    @property
    def groups(self) -> int:
        return len(set(self.scored.groups))

    @property
    def headline(self) -> str:
        """The one sentence a reader takes home."""
        coverage, right = self.overall["coverage"].value, self.overall["told_accuracy"]
        if coverage is None:
            return "No picture had a label, so nothing can be said."
        if right.value is None:
            return "It answered “unsure” to everything."
        return (
            f"It told {share(coverage)} of the answers, and {share(right.value)} of those were right{between(right)}."
        )

    def to_json(self) -> dict[str, Json]:
        """As bundle.json holds it under `metrics`."""
        return {
            "headline": self.headline,
            "pictures": len(self.scored),
            "groups": self.groups,
            "skipped": len(self.skipped),
            "interval": "95 %, groups resampled",
            "overall": {key: value.to_json() for key, value in self.overall.items()},
            "heads": {n: {key: value.to_json() for key, value in head.items()} for n, head in self.heads.items()},
            "confusion": {n: self.score["heads"][n]["confusion_told"] for n in self.task.names},
            "parts": {
                part.name: {"pictures": part.pictures, "groups": part.groups}
                | {key: value.to_json() for key, value in part.overall.items()}
                for part in self.parts
            },
            "warnings": list(self.warnings),
        }


def share(value: float | None) -> str:
    """0.99432 -> '99.4 %', 0.92 -> '92.0 %', 1.0 -> '100 %', 0.99971 -> '99.97 %'; None -> '–'.

    What is not wholly right never reads 100 %, and what is not nothing never 0 %.
    """
    if value is None:
        return "–"
    if 0.9995 <= value < 1.0:
        return "> 99.99 %" if value > 0.9999 else f"{math.floor(10000 * value) / 100:.2f} %"
    if 0.0 < value < 0.0005:
        return "< 0.01 %" if value < 0.0001 else f"{math.ceil(10000 * value) / 100:.2f} %"
    return "100 %" if value == 1.0 else "0 %" if value == 0.0 else f"{100 * value:.1f} %"


def between(measure: Measure) -> str:
    """' (95 % interval 98.7 to 99.8 %)', or nothing."""
    if measure.low is None or measure.high is None:
        return ""
    return f" (95 % interval {share(measure.low).removesuffix(' %')} to {share(measure.high)})"


def rows_of(target: Target) -> list[Combination]:
    """The labels of each picture."""
    on = (target.values >= 0.5).astype(np.int64)
    return [tuple(int(v) for v in row) for row in np.where(target.known, on, -1)]


def combinations(target: Target) -> set[Combination]:
    """The different combinations of labels."""
    return set(rows_of(target))


def assess(
    task: Task,
    table: Table,
    scored: Table,
    thresholds: Mapping[str, Threshold],
    *,
    title: str,
    guarantees: Mapping[str, str] | None = None,
    trained: Iterable[Combination] | None = None,
    trained_groups: Iterable[str] = (),
    skipped: Sequence[Skipped] = (),
    gallery: Sequence[Shot] = (),
    facts: Mapping[str, str] | None = None,
    level: float | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Evaluation:
    """Count, measure and put into words. Raises CatalogueError when there is nothing to count."""
    if not len(scored):
        why = f"none of {len(skipped)} could be read" if skipped else "none"
        raise CatalogueError(
            "evaluate", expected="labelled test pictures", got=why, next="label some, or give the test split a share"
        )
    if not scored.target.known.any():
        raise CatalogueError(
            "evaluate", expected="labels for " + ", ".join(task.names), got="none of them on any picture"
        )
    warnings = _warnings(task, scored, frozenset(trained_groups), skipped)
    groups = list(scored.groups) if len(set(scored.groups)) > 1 else [str(i) for i in scored.image_ids]

    def counted(part: Table, owners: Sequence[str]) -> Any:
        return tally_groups(task, part.probabilities, part.target, owners, thresholds)

    whole = counted(scored, groups)
    overall, heads = measure(task, whole, replicates=replicates, seed=seed)
    warnings = (*_broken(heads, guarantees or {}, level), *warnings)
    combos = rows_of(scored.target)
    seen = None if trained is None else frozenset(trained)
    parts = []
    if seen is not None:
        there = np.array([combo in seen for combo in combos], np.bool_)
        for name, keep in (("combinations also trained on", there), (NEVER, ~there)):
            part = scored.where(keep)
            if len(part):
                owners = [groups[i] for i in np.flatnonzero(keep)]
                numbers, _ = measure(task, counted(part, owners), replicates=max(replicates // 4, 1), seed=seed)
                parts.append(Part(name, len(part), len(set(part.groups)), numbers))
    return Evaluation(
        title=title,
        task=task,
        thresholds=dict(thresholds),
        guarantees=dict(guarantees or {}),
        table=table,
        scored=scored,
        score=task.score(whole.total()),
        overall=overall,
        heads=heads,
        parts=tuple(parts),
        combos=_by_combination(task, scored, combos, seen, thresholds),
        skipped=tuple(skipped),
        warnings=warnings,
        gallery=tuple(gallery),
        facts=dict(facts or {}),
        level=level,
        trained=seen,
        trained_groups=frozenset(trained_groups),
    )


def _by_combination(
    task: Task,
    scored: Table,
    combos: Sequence[Combination],
    seen: frozenset[Combination] | None,
    thresholds: Mapping[str, Threshold],
) -> tuple[Combo, ...]:
    answers = scored.answers(thresholds)
    told = scored.target.known & (answers != "unsure")
    wrong = told & ((answers == "on") != (scored.target.values >= 0.5))
    rows: dict[Combination, list[int]] = {}
    for i, combo in enumerate(combos):
        rows.setdefault(combo, []).append(i)
    out = [
        Combo(
            tuple(name for name, value in zip(task.names, combo, strict=True) if value == 1),
            None if seen is None else combo in seen,
            len(at),
            int(told[at].sum()),
            int(wrong[at].sum()),
            int(scored.target.known[at].sum()),
        )
        for combo, at in rows.items()
    ]
    return tuple(sorted(out, key=lambda c: (-c.wrong / max(c.told, 1), c.told / max(c.answers, 1), c.on)))


def _broken(
    heads: Mapping[str, Mapping[str, Measure]], guarantees: Mapping[str, str], level: float | None
) -> Iterator[str]:
    """Names that are told wrongly more often than was promised, beyond chance."""
    for name, head in heads.items():
        found = head["told_accuracy"]
        if level is None or found.value is None or found.high is None:
            continue
        if guarantees.get(name, "").startswith("Guaranteed") and found.high < 1.0 - level:
            yield (
                f"{name}: {share(1.0 - found.value)} of the told answers were wrong, where at most {percent(level)} "
                "was promised. The test pictures are not like the calibration pictures: calibrate on more groups."
            )


def _warnings(task: Task, scored: Table, trained_groups: frozenset[str], skipped: Sequence[Skipped]) -> tuple[str, ...]:
    out = []
    leaked = sorted(set(scored.groups) & trained_groups)
    if leaked:
        inside = sum(group in trained_groups for group in scored.groups)
        out.append(
            f"{inside} of {len(scored)} test pictures are of groups that were trained on "
            f"({', '.join(leaked[:3])}{'…' if len(leaked) > 3 else ''}): the numbers are too good."
        )
    groups = len(set(scored.groups))
    if groups == 1:
        out.append(
            "All test pictures are of one group: intervals count each picture on its own "
            "and say nothing of other groups."
        )
    elif groups < FEW_GROUPS:
        out.append(f"Only {groups} groups were tested: intervals from so few groups are rough, and rather too narrow.")
    for k, name in enumerate(task.names):
        known = scored.target.known[:, k]
        on = int((scored.target.values[known, k] >= 0.5).sum())
        if not known.any():
            out.append(f"No test picture has a label for {name}: nothing is known of it.")
        elif on == 0 or on == known.sum():
            out.append(f"{name} is {'never' if on == 0 else 'always'} on in the test set: half of it went untested.")
    if skipped:
        out.append(
            f"{len(skipped)} {'picture' if len(skipped) == 1 else 'pictures'} could not be read and "
            f"{'is' if len(skipped) == 1 else 'are'} in no number: {skipped[0].why}{' …' if len(skipped) > 1 else ''}"
        )
    return tuple(out)
