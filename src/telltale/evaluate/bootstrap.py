"""How sure the metrics are: intervals from resampled groups. Knows nothing of pictures or reports.

Tallies add up, so a resampled test set is a weighted sum of the groups' tallies and no picture is looked at
twice. Whole groups are drawn (the cluster bootstrap, Field and Welsh 2007), for pictures of one group err together.

Shares (accuracy, coverage, precision...) near 0 or 1 deceive a plain percentile interval: without an error in
the sample it has no width. For them the bootstrap's variance gives the effective number of cases, and the interval
is the exact binomial one at that number (Korn and Graubard 1998). The others take bootstrap percentiles,
moved by their mean's distance from the value, for the expected calibration error is biased upwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale.tasks import Target, Task, Thresholds
from telltale.tasks.binomial import interval
from telltale.tasks.task import Floats, Json

REPLICATES = 1000
LEVEL = 0.95
FEW_GROUPS = 8

SHARES: Mapping[str, str] = {
    "accuracy": "known",
    "coverage": "known",
    "told_accuracy": "told",
    "precision": "said_on",
    "recall": "positives",
    "exact_match": "pictures",
    "exact_match_told": "pictures",
}
"""Metrics that are shares of so many cases, and where that number stands."""

OTHERS = ("f1", "auroc", "ece")


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric with its 95 % interval; None where there were no cases, or nothing to tell an interval from."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Json]:
        return {"value": self.value, "low": self.low, "high": self.high}


class Clustered:
    """Tallies of many groups, kept sparse; `total(weights)` is their weighted sum as one tally."""

    def __init__(self, tallies: Iterable[Any]) -> None:
        self.count = 0
        self._kind: type[Any] | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._types: dict[str, np.dtype[Any]] = {}
        owners: dict[str, list[NDArray[np.int64]]] = {}
        cells: dict[str, list[NDArray[np.int64]]] = {}
        values: dict[str, list[NDArray[np.float64]]] = {}
        for tally in tallies:
            self._kind = type(tally)
            for field in fields(tally):
                array = np.asarray(getattr(tally, field.name))
                self._shapes[field.name], self._types[field.name] = array.shape, array.dtype
                flat = array.reshape(-1)
                here = np.flatnonzero(flat)
                owners.setdefault(field.name, []).append(np.full(len(here), self.count))
                cells.setdefault(field.name, []).append(here)
                values.setdefault(field.name, []).append(flat[here].astype(np.float64))
            self.count += 1
        self._owners = {name: np.concatenate(parts) for name, parts in owners.items()}
        self._cells = {name: np.concatenate(parts) for name, parts in cells.items()}
        self._values = {name: np.concatenate(parts) for name, parts in values.items()}

    def total(self, weights: NDArray[np.float64] | None = None) -> Any:
        """weights: (groups,), how often each is in; None: once each."""
        assert self._kind is not None, "no group at all"
        w = np.ones(self.count) if weights is None else weights
        out: dict[str, Any] = {}
        for name, shape in self._shapes.items():
            size = int(np.prod(shape, dtype=np.int64))
            flat = np.bincount(self._cells[name], w[self._owners[name]] * self._values[name], size)
            whole = np.issubdtype(self._types[name], np.integer)
            array = (np.round(flat).astype(np.int64) if whole else flat).reshape(shape)
            out[name] = array if shape else array.item()
        return self._kind(**out)


def tally_groups(
    task: Task, probabilities: Floats, target: Target, groups: Sequence[str], thresholds: Thresholds
) -> Clustered:
    """The tally of each group, in the order of their names."""
    _, owner = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(owner, kind="stable")
    edges = np.flatnonzero(np.diff(owner[order])) + 1
    return Clustered(
        task.tally(
            {"probabilities": probabilities[rows]},
            Target(target.values[rows], target.known[rows], target.hidden[rows]),
            thresholds,
        )
        for rows in np.split(order, edges)
    )


def measure(
    task: Task, clustered: Clustered, *, replicates: int = REPLICATES, seed: int = 0
) -> tuple[dict[str, Measure], dict[str, dict[str, Measure]]]:
    """Overall and for each name: every metric with its interval. With one group only, values without intervals."""
    point = task.score(clustered.total())
    overall, heads = _flat(point["overall"]), {name: _flat(point["heads"][name]) for name in task.names}
    if clustered.count < 2:
        return (
            {key: Measure(overall.get(key)) for key in (*SHARES, *OTHERS) if key in overall},
            {n: {k: Measure(h.get(k)) for k in (*SHARES, *OTHERS) if k in h} for n, h in heads.items()},
        )
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(clustered.count, np.full(clustered.count, 1 / clustered.count), replicates)
    again = [task.score(clustered.total(row.astype(np.float64))) for row in draws]
    return (
        _intervals(overall, [_flat(score["overall"]) for score in again]),
        {name: _intervals(heads[name], [_flat(score["heads"][name]) for score in again]) for name in task.names},
    )


def _flat(score: Mapping[str, Json]) -> dict[str, Any]:
    """A score with the number of answers `on`, which precision is a share of."""
    out = dict(score)
    if "confusion" in out:
        out["said_on"] = out["confusion"]["tp"] + out["confusion"]["fp"]
    return out


def _intervals(point: Mapping[str, Any], again: Sequence[Mapping[str, Any]]) -> dict[str, Measure]:
    out: dict[str, Measure] = {}
    for key in (*SHARES, *OTHERS):
        if key not in point:
            continue
        value = point[key]
        drawn = np.array([score[key] for score in again if score[key] is not None], np.float64)
        if value is None or len(drawn) < len(again) / 2:
            out[key] = Measure(value)
        elif key in SHARES and SHARES[key] in point:
            out[key] = share_interval(float(value), int(point[SHARES[key]]), drawn)
        else:
            out[key] = percentile(float(value), drawn)
    return out


def share_interval(value: float, count: int, drawn: NDArray[np.float64]) -> Measure:
    """The exact binomial interval of a share of `count` cases, at the number of cases the replicates make of it."""
    spread = float(drawn.var())
    effective = float(count)
    if 0.0 < value < 1.0 and spread > 0.0:
        effective = min(effective, max(1.0, value * (1.0 - value) / spread))
    low, high = interval(value * effective, effective, LEVEL)
    return Measure(value, low, high)


def percentile(value: float, drawn: NDArray[np.float64], top: float = 1.0) -> Measure:
    """The interval of the replicates, moved by their mean's distance from the value; within 0 and `top`."""
    if float(np.ptp(drawn)) < 1e-9:
        return Measure(value)  # resampling changed nothing, which says nothing of other groups
    side = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(drawn - drawn.mean() + value, [side, 1.0 - side])
    return Measure(value, float(min(max(low, 0.0), value)), float(max(min(high, top), value)))
