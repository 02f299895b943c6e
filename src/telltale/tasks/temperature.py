"""One number a name that divides its logit, so that probabilities mean what they say (Guo et al. 2017).

It never changes the order of two pictures, only how sure the numbers sound. Knows nothing of models or files.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telltale.tasks.task import Bools, Numbers, Target


def fit_temperature(logits: ArrayLike, target: Target) -> NDArray[np.float32]:
    """The temperature of each name, (K,) float32 within 0.05 to 20: probability = sigmoid(logit / temperature).

    logits: (N, K), finite. target: with a leading batch axis; unknown labels are left out, hidden ones count.
    The negative log-likelihood is minimised under a log-normal prior around 1 that weighs as much as a few
    pictures: with plenty of data it is the likelihood's own minimum, with few it stays near 1, and without
    errors it stays finite. A name with only one class, or none, has 1.0: its probabilities cannot be checked.
    """
    scores = np.asarray(logits, np.float64)
    out = np.ones(scores.shape[1], np.float32)
    for k in range(scores.shape[1]):
        here = target.known[:, k]
        truth = target.values[here, k] >= 0.5
        if truth.any() and not truth.all():
            out[k] = _temperature(scores[here, k], truth)
    return out


def _temperature(scores: Numbers, truth: Bools) -> float:
    signed = np.where(truth, scores, -scores)
    middle, reach = 0.0, math.log(20.0)
    for _ in range(6):  # each round zooms 8 times: ends within 1e-4 of the minimum
        logs = np.clip(np.linspace(middle - reach, middle + reach, 25), -math.log(20.0), math.log(20.0))
        losses = [np.logaddexp(0.0, -signed * math.exp(-log)).sum() + log * log / 2.0 for log in logs]
        middle, reach = float(logs[int(np.argmin(losses))]), reach / 8.0
    return math.exp(middle)
