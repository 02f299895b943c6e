"""Counts by bins of a probability, and what derives from them. Knows nothing of kinds of task or pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from telltale.tasks.task import Floats

BINS = 1000
"""Bins of a tally's histogram, equal steps of the logit within +-REACH: a sure model's probabilities crowd at 0 and 1,
where equal steps of the probability could not rank them. AUROC derives from them, exact but for ties within a step."""

REACH = 17.0
"""A float32 probability cannot lie closer to 1 than a logit of 16.6."""

Counts = NDArray[np.int64]


def logit_bins(probabilities: Floats) -> Counts:
    """The histogram's bin of each probability: rises with it, and is in the upper half exactly where p >= 0.5."""
    half = BINS // 2
    p = probabilities.astype(np.float64)
    with np.errstate(divide="ignore"):
        logit = np.log(p) - np.log1p(-p)
    steps = np.clip(np.floor(logit / REACH * half), -half, half - 1).astype(np.int64)
    return np.where(p >= 0.5, np.maximum(steps, 0), np.minimum(steps, -1)) + half


def bin_edges() -> NDArray[np.float64]:
    """(BINS + 1,) probabilities: bin b holds those from edge b up to edge b + 1; the first edge is 0, the last 1."""
    half = BINS // 2
    logits = np.arange(-half, half + 1) / half * REACH
    edges: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
    edges[0], edges[-1] = 0.0, 1.0
    return edges


def auroc(positives: NDArray[np.generic], negatives: NDArray[np.generic]) -> float | None:
    """Area under the receiver operating characteristic by the trapezoid rule (Fawcett 2006); (BINS,) counts each."""
    up, down = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    p, n = up.sum(), down.sum()
    if not p or not n:
        return None
    below = np.cumsum(down) - down
    return float((up * (below + down / 2)).sum() / (p * n))


def ratio(part: float, whole: float) -> float | None:
    """None without cases."""
    return float(part) / float(whole) if whole else None


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are there."""
    there = [v for v in values if v is not None]
    return sum(there) / len(there) if there else None
