"""How alike the errors within one group are. Knows nothing of thresholds, models or files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telltale.tasks.task import Bools, Numbers, Target

FEW_ERRORS = 5
"""Under this many errors a name's own correlation inside groups says nothing; that of all names is taken."""


def alikeness(probabilities: Numbers, target: Target, clusters: NDArray[np.int64]) -> Numbers:
    """(K,) how alike the errors of one group are, 0 to 1: the intraclass correlation of wrong answers at 0.5.

    The analysis-of-variance estimate (Ridout, Demetrio and Firth 1999). A name with few errors takes the
    estimate over all names; where those have few too it cannot be measured, and 1 is assumed: each group
    counts once.
    """
    wrong = (probabilities >= 0.5) != (target.values >= 0.5)
    width = int(clusters.max(initial=0)) + 1
    everyone = np.stack([clusters + k * width for k in range(wrong.shape[1])], axis=1)
    pooled = _correlation(wrong[target.known], everyone[target.known])
    out = np.empty(wrong.shape[1])
    for k in range(wrong.shape[1]):
        here = target.known[:, k]
        own = _correlation(wrong[here, k], clusters[here])
        chosen = own if own is not None else pooled
        out[k] = 1.0 if chosen is None else chosen
    return out


def _correlation(wrong: Bools, clusters: NDArray[np.int64]) -> float | None:
    """None where fewer than two groups or too few errors leave it unknown."""
    groups, owner = np.unique(clusters, return_inverse=True)
    count, many = len(wrong), len(groups)
    if many < 2 or wrong.sum() < FEW_ERRORS:
        return None
    if many == count:
        return 0.0  # every picture is its own group
    sizes = np.bincount(owner).astype(np.float64)
    rates = np.bincount(owner, wrong) / sizes
    between = float((sizes * (rates - wrong.mean()) ** 2).sum() / (many - 1))
    within = float((sizes * rates * (1 - rates)).sum() / (count - many))
    typical = (count - float((sizes**2).sum()) / count) / (many - 1)
    whole = between + (typical - 1.0) * within
    return min(max((between - within) / whole, 0.0), 1.0) if whole > 0 else 0.0
