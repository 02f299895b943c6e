"""What the charts show, as numbers. Knows nothing of drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale.tasks.binomial import interval, upper_bound
from telltale.tasks.task import Bools, Numbers

POINTS = 160


@dataclass(frozen=True, slots=True)
class Bin:
    """Probabilities from low to high: what was claimed on average, what came true, with its 95 % interval."""

    low: float
    high: float
    count: int
    claimed: float
    true: float
    true_low: float
    true_high: float


def reliability(p: Numbers, truth: Bools, bins: int = 10) -> list[Bin]:
    """The reliability diagram (Niculescu-Mizil and Caruana 2005) over equal bins; empty bins are left out."""
    owner = np.minimum((p * bins).astype(np.int64), bins - 1)
    out = []
    for b in range(bins):
        here = owner == b
        count = int(here.sum())
        if count:
            hits = int(truth[here].sum())
            low, high = interval(hits, count)
            out.append(Bin(b / bins, (b + 1) / bins, count, float(p[here].mean()), hits / count, low, high))
    return out


@dataclass(frozen=True, slots=True)
class Risk:
    """Error among the answers when only the surest share is told; bound: its one-sided 90 % upper bound."""

    coverage: Numbers
    error: Numbers
    bound: Numbers


def risk_coverage(p: Numbers, truth: Bools, confidence: float = 0.90) -> Risk:
    """Error against coverage (El-Yaniv and Wiener 2010), surest answers first, at most POINTS points."""
    count = len(p)
    if not count:
        empty = np.zeros(0)
        return Risk(empty, empty, empty)
    doubt = np.minimum(p, 1.0 - p)
    order = np.argsort(doubt, kind="stable")
    wrong = np.cumsum(((p >= 0.5) != truth)[order])
    ends = np.flatnonzero(np.append(np.diff(doubt[order]) > 0, True))  # ties are told together
    if len(ends) > POINTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, POINTS).astype(np.int64))]
    told = ends + 1
    bound = np.array([upper_bound(int(wrong[e]), int(e + 1), confidence) for e in ends])
    return Risk(told / count, wrong[ends] / told, bound)


def spread(p: Numbers, truth: Bools, bins: int = 40) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many pictures that are on, and off, fall into each of `bins` equal bins of probability."""
    owner = np.minimum((p * bins).astype(np.int64), bins - 1)
    return np.bincount(owner[truth], minlength=bins), np.bincount(owner[~truth], minlength=bins)
