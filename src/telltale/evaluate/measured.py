"""What a test set says of a bundle that tells places in a picture, as numbers and words. Knows nothing of HTML.

Counts of pictures of one group are resampled together for the intervals.
"""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, Self, TypeVar

import numpy as np

from telltale.bundle.bundle import Bundle
from telltale.dataset import Example
from telltale.evaluate.bootstrap import FEW_GROUPS, Clustered, Measure, percentile, share_interval
from telltale.evaluate.facts import facts_of
from telltale.evaluate.looking import Looked, Pair, R
from telltale.evaluate.predict import Skipped
from telltale.tasks import Task
from telltale.tasks.task import Json

REPLICATES = 400

T = TypeVar("T", bound=Task)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Which metrics of a score are measured. unbounded: those that may exceed 1.

    unknown: metric to what is said, with {name}, where it has no value for a name. shares: those that are shares of so
    many cases, and where that number stands; they have an interval at 0 and 1 too.
    """

    keys: tuple[str, ...]
    unbounded: frozenset[str]
    unknown: Mapping[str, str]
    shares: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured(ABC, Generic[T, R]):
    """A bundle on a test set. overall, heads: metrics with 95 % intervals; score: every metric, `Task.score`."""

    title: str
    task: T
    rows: tuple[R, ...]
    score: Mapping[str, Any]
    overall: Mapping[str, Measure]
    heads: Mapping[str, Mapping[str, Measure]]
    pictures: int
    groups: int
    shots: tuple[Pair[R], ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, str]
    notes: Mapping[str, str]
    thresholds: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        task: T,
        looked: Looked[R],
        trained: Sequence[Example],
        metrics: Metrics,
        rule: Mapping[str, str],
        replicates: int,
        seed: int,
    ) -> Self:
        """Measure what was counted. trained: what was trained on; rule: what counts as told or found, in words."""
        clustered = Clustered(looked.tallies[group] for group in sorted(looked.tallies))
        overall, heads = measure_names(task, clustered, metrics, replicates, seed)
        return cls(
            title=bundle.spec.name,
            task=task,
            rows=looked.rows,
            score=task.score(clustered.total()),
            overall=overall,
            heads=heads,
            pictures=looked.pictures,
            groups=len(looked.tallies),
            shots=looked.pairs,
            skipped=looked.skipped,
            warnings=tuple(_warn(looked, trained, heads, metrics.unknown)),
            facts=facts_of(bundle, looked.variant, rule=rule),
            notes=bundle.spec.unsure.notes,
            thresholds=bundle.spec.thresholds,
        )

    @property
    @abstractmethod
    def headline(self) -> str:
        """The one sentence a reader takes home."""

    def rules(self) -> dict[str, Json]:
        """What the numbers rest on beside the thresholds, for `to_json`."""
        return {}

    def to_json(self) -> dict[str, Json]:
        return {
            "headline": self.headline,
            "pictures": self.pictures,
            "groups": self.groups,
            "skipped": len(self.skipped),
            **self.rules(),
            "interval": "95 %, groups resampled",
            "overall": {key: value.to_json() for key, value in self.overall.items()},
            "heads": {n: {key: value.to_json() for key, value in head.items()} for n, head in self.heads.items()},
            "warnings": list(self.warnings),
        }

    def to_csv(self) -> bytes:
        """A line for each picture and name."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        titles = [field.name for field in fields(self.rows[0])]
        writer.writerow(titles)
        for row in self.rows:
            values = [getattr(row, name) for name in titles]
            writer.writerow(["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in values])
        return out.getvalue().encode()

    def cells(self, keys: Sequence[str]) -> list[list[str]]:
        """A row for each name and one for all, for a terminal."""
        rows = []
        for name, head in [*self.heads.items(), ("overall", self.overall)]:
            values = [head[key].value for key in keys]
            rows.append([name, *("–" if value is None else f"{value:.3f}" for value in values)])
        return rows


def measure_names(
    task: Task, clustered: Clustered, metrics: Metrics, replicates: int, seed: int
) -> tuple[dict[str, Measure], dict[str, dict[str, Measure]]]:
    """Overall and for each name: every metric with its interval; without one where there is one group only."""
    point = task.score(clustered.total())
    scores = [("overall", None), *(("heads", name) for name in task.names)]

    def part(score: Mapping[str, Any], where: str, name: str | None) -> Mapping[str, Any]:
        found: Mapping[str, Any] = score[where] if name is None else score[where][name]
        return found

    again: list[dict[str, Json]] = []
    if clustered.count > 1:
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(clustered.count, np.full(clustered.count, 1 / clustered.count), replicates)
        again = [task.score(clustered.total(row.astype(np.float64))) for row in draws]
    out = []
    for where, name in scores:
        here = part(point, where, name)
        measures = {}
        for key in metrics.keys:
            drawn = [value for score in again if (value := part(score, where, name)[key]) is not None]
            if here[key] is None or len(drawn) < max(len(again) / 2, 2):
                measures[key] = Measure(here[key])
            elif key in metrics.shares:
                count = int(here[metrics.shares[key]])
                measures[key] = share_interval(float(here[key]), count, np.array(drawn, np.float64))
            else:
                top = np.inf if key in metrics.unbounded else 1.0
                measures[key] = percentile(float(here[key]), np.array(drawn, np.float64), top)
        out.append(measures)
    return out[0], dict(zip(task.names, out[1:], strict=True))


def _warn(
    looked: Looked[Any],
    trained: Sequence[Example],
    heads: Mapping[str, Mapping[str, Measure]],
    unknown: Mapping[str, str],
) -> Iterator[str]:
    groups = looked.tallies
    leaked = sorted(set(groups) & {example.group for example in trained})
    if leaked:
        yield (
            f"{len(leaked)} of {len(groups)} test groups were trained on ({', '.join(leaked[:3])}"
            f"{'…' if len(leaked) > 3 else ''}): the numbers are too good."
        )
    if len(groups) == 1:
        yield "All test pictures are of one group: nothing is said of other groups, and there are no intervals."
    elif len(groups) < FEW_GROUPS:
        yield f"Only {len(groups)} groups were tested: intervals from so few groups are rough, and rather too narrow."
    for name, head in heads.items():
        for key, sentence in unknown.items():
            if head[key].value is None:
                yield sentence.format(name=name)
    if looked.skipped:
        more = " …" if len(looked.skipped) > 1 else ""
        yield f"{len(looked.skipped)} could not be read and are in no number: {looked.skipped[0].why}{more}"
