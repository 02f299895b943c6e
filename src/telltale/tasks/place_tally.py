"""What is counted of every kind that tells places in a picture, and how its counts are added, pooled and averaged.

Knows nothing of boxes or masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from telltale.tasks.counting import Counts, logit_bins, mean, ratio
from telltale.tasks.task import Json

Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlaceTally:
    """Counts over K names; every field has the names as its first axis and adds up over batches.

    scores, answers, likelier: (K, 2, BINS), (K, 2, 3), (K, 2, 2) pictures by whether they have any, and by the bin of
    their score; answer (off, on, unsure); whether the score reaches 0.5.
    """

    scores: Counts
    answers: Counts
    likelier: Counts

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def one(self, k: int) -> Self:
        """The counts of one name, without the axis of names."""
        return type(self)(*(getattr(self, f.name)[k] for f in fields(self)))

    def pooled(self) -> Self:
        """The counts of all names together, without the axis of names."""
        return type(self)(*(getattr(self, f.name).sum(axis=0) for f in fields(self)))

    def count_picture(self, k: int, has: bool, score: float, answer: int) -> None:
        """Count, in place, a picture that has any of name k or not, and what was told: 0 off, 1 on, 2 unsure."""
        self.scores[k, int(has), int(logit_bins(np.array([score], np.float32))[0])] += 1
        self.answers[k, int(has), answer] += 1
        self.likelier[k, int(has), int(score >= 0.5)] += 1

    def score_answers(self) -> dict[str, Json]:
        """Metrics of the pictures' answers; of one name, or pooled."""
        answered, there = int(self.answers[:, :2].sum()), int(self.answers.sum())
        return {
            "told": answered,
            "coverage": ratio(answered, there),
            "told_accuracy": ratio(int(self.answers[0, 0] + self.answers[1, 1]), answered),
            "accuracy": ratio(int(self.likelier[0, 0] + self.likelier[1, 1]), int(self.likelier.sum())),
            "confusion_told": {
                truth: dict(zip(("off", "on", "unsure"), (int(c) for c in self.answers[i]), strict=True))
                for i, truth in enumerate(("off", "on"))
            },
        }


P = TypeVar("P", bound=PlaceTally)


def none_of(k: int, *shape: int) -> Counts:
    """(K, *shape) zeros."""
    return np.zeros((k, *shape), np.int64)


def score_names(
    names: Sequence[str], tally: P, score: Callable[[P], dict[str, Json]], averaged: Iterable[str]
) -> dict[str, Json]:
    """heads: the metrics of each name; overall: those of all names pooled, but the names' mean of `averaged`."""
    heads = {name: score(tally.one(k)) for k, name in enumerate(names)}
    return {
        "heads": heads,
        "overall": {**score(tally.pooled()), **{key: mean([head[key] for head in heads.values()]) for key in averaged}},
    }
