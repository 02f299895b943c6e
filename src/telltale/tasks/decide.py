"""Thresholds for a stated cost, precision or recall. Knows nothing of models or files.

`calibrate.tune_thresholds` bounds the error; these serve who knows what a mistake costs, or what
precision or recall is asked of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from telltale.errors import ConfigError
from telltale.tasks.binomial import lower_bound, needed
from telltale.tasks.calibrate import Tuned, measure_threshold, percent
from telltale.tasks.task import Bools, Numbers, Target, Threshold

PRIOR = 100.0
"""The model's own probabilities weigh as much as this many labelled pictures when costs are summed."""


def thresholds_for_cost(
    probabilities: ArrayLike,
    target: Target,
    *,
    names: Sequence[str],
    cost_fp: float,
    cost_fn: float,
    cost_unsure: float,
    confidence: float = 0.90,
) -> dict[str, Tuned]:
    """Thresholds of each name with the least cost (Chow 1970), by these labels and the model's own probabilities.

    probabilities: (N, K) in 0..1. cost_fp: of telling `on` when it is off; cost_fn: of telling `off` when it is
    on; cost_unsure: of not telling; in any one unit, none negative. Each picture counts as its label and a little
    as its probability (`PRIOR`): labels alone put the cut wherever the last picture of a small set happens to lie.
    Among thresholds that cost the same the middle one is taken. Nothing is guaranteed: `bound` says what the
    pictures can vouch for.
    Raises ConfigError for a negative cost.
    """
    for word, cost in (("cost_fp", cost_fp), ("cost_fn", cost_fn), ("cost_unsure", cost_unsure)):
        if not (np.isfinite(cost) and cost >= 0):
            raise ConfigError(word, expected="0 or more", got=f"{cost:g}")

    def choose(p: Numbers, truth: Bools) -> tuple[Threshold, str]:
        threshold = _cheapest(p, truth, cost_fp, cost_fn, cost_unsure)
        on = p >= threshold.high
        off = (p <= threshold.low) & ~on
        cost = cost_fp * (on & ~truth).sum() + cost_fn * (off & truth).sum() + cost_unsure * (~on & ~off).sum()
        asked = f"false `on` {cost_fp:g}, false `off` {cost_fn:g}, unsure {cost_unsure:g}"
        return threshold, f"Cheapest on {len(p)} pictures ({asked}): {cost / len(p):.4g} a picture. Not guaranteed."

    return _each(probabilities, target, names, confidence, choose)


def thresholds_for_target(
    probabilities: ArrayLike,
    target: Target,
    *,
    names: Sequence[str],
    precision: float | None = None,
    recall: float | None = None,
    confidence: float | None = None,
) -> dict[str, Tuned]:
    """One cut for each name (low == high), so that `on` has this precision, or this recall, on these pictures.

    precision: the lowest cut at which at least this share of the answers `on` is right: most recall.
    recall: the highest cut at which at least this share of what is on is told so: most precision.
    confidence: None chooses by the pictures alone; else the level holds in the long run with this confidence:
    precision by learn-then-test over growing sets, recall by an exact tolerance limit (Wilks 1941).
    Where it cannot be reached the note says so and the nearest cut is taken. Raises ConfigError.
    """
    if (precision is None) == (recall is None):
        raise ConfigError("threshold target", expected="either a precision or a recall", got="both or neither")
    level = precision if precision is not None else recall
    assert level is not None
    if not 0.0 < level < 1.0:
        raise ConfigError("threshold target", expected="between 0 and 1", got=f"{level:g}")
    if confidence is not None and not 0.5 < confidence < 1.0:
        raise ConfigError("confidence", expected="more than 0.5 and less than 1", got=f"{confidence:g}")

    def choose(p: Numbers, truth: Bools) -> tuple[Threshold, str]:
        find = _cut_for_precision if precision is not None else _cut_for_recall
        cut, reached = find(p, truth, level, confidence)
        on = p >= cut
        right = int((on & truth).sum())
        got_precision = right / on.sum() if on.any() else 0.0
        got_recall = right / truth.sum() if truth.any() else 0.0
        word = "precision" if precision is not None else "recall"
        sure = f", with {percent(confidence)} confidence" if confidence is not None else ", on these pictures"
        note = (
            f"{'' if reached else 'Not reached: '}{word} {percent(level)} or more{sure}; here precision "
            f"{percent(got_precision)}, recall {percent(got_recall)} ({right} of {int(on.sum())} answers `on` right)."
        )
        return Threshold(cut, cut), note

    return _each(probabilities, target, names, confidence or 0.90, choose)


def _each(
    probabilities: ArrayLike,
    target: Target,
    names: Sequence[str],
    confidence: float,
    choose: Callable[[Numbers, Bools], tuple[Threshold, str]],
) -> dict[str, Tuned]:
    """The choice for each name over its known labels; 0.5 where there are none."""
    scores = np.asarray(probabilities, np.float64)
    assert scores.shape == target.known.shape, (scores.shape, target.known.shape)
    out: dict[str, Tuned] = {}
    for k, name in enumerate(names):
        here = target.known[:, k]
        p, truth = scores[here, k], target.values[here, k] >= 0.5
        threshold, note = (
            choose(p, truth) if len(p) else (Threshold(), "Not chosen: no picture has this label; 0.5 is kept.")
        )
        out[name] = measure_threshold(p, truth, threshold, confidence, note=note)
    return out


def _cuts(p: Numbers) -> Numbers:
    """Every cut that tells these pictures apart, ascending: below all, between two neighbours, above all."""
    values = np.unique(p)
    return np.concatenate([[0.0], (values[1:] + values[:-1]) / 2.0, [1.0]])


def _cheapest(p: Numbers, truth: Bools, cost_fp: float, cost_fn: float, cost_unsure: float) -> Threshold:
    """The pair low <= high of least cost: telling a side saves `cost_unsure` a picture and costs its mistakes."""
    cuts = _cuts(p)
    order = np.argsort(p, kind="stable")
    below = np.searchsorted(p[order], cuts, "left")  # pictures under each cut
    count = len(p)
    share = (count * truth[order] + PRIOR * p[order]) / (count + PRIOR)  # of this picture being on
    summed = np.append(0.0, np.cumsum(share))
    positives, all_positives = summed[below], summed[-1]
    off_cost = cost_fn * positives - cost_unsure * below  # telling all under the cut `off`
    on_cost = cost_fp * ((count - below) - (all_positives - positives)) - cost_unsure * (count - below)
    best_low = np.minimum.accumulate(off_cost)
    total = best_low + on_cost  # the best low cut at or under each high cut
    highs = np.flatnonzero(np.isclose(total, total.min(), rtol=1e-12, atol=1e-12))
    high = int(highs[(len(highs) - 1) // 2])
    lows = np.flatnonzero(np.isclose(off_cost[: high + 1], best_low[high], rtol=1e-12, atol=1e-12))
    low = int(lows[-1] if cost_unsure else lows[len(lows) // 2])
    return Threshold(float(cuts[low]), float(cuts[high]))


def _cut_for_precision(p: Numbers, truth: Bools, level: float, confidence: float | None) -> tuple[float, bool]:
    order = np.argsort(-p, kind="stable")
    ranked, wrong = p[order], np.cumsum(~truth[order])
    told = np.arange(1, len(p) + 1)
    whole = np.append(ranked[1:] < ranked[:-1], True)  # a set ends where values differ
    if confidence is None:
        fits = whole & (wrong <= (1.0 - level) * told + 1e-9)
        if fits.any():
            return float(ranked[np.flatnonzero(fits)[-1]]), True
    else:
        first, best = needed(0, 1.0 - level, confidence), None
        for size in np.flatnonzero(whole) + 1:
            if size < first:
                continue
            if size < needed(int(wrong[size - 1]), 1.0 - level, confidence):
                break
            best = float(ranked[size - 1])
        if best is not None:
            return best, True
    rates = np.where(whole, 1.0 - wrong / told, -1.0)
    return float(ranked[int(np.argmax(rates))]), False


def _cut_for_recall(p: Numbers, truth: Bools, level: float, confidence: float | None) -> tuple[float, bool]:
    positives = np.sort(p[truth])
    count = len(positives)
    for missed in range(count - 1, -1, -1):  # the highest cut first; tied positives only help
        kept = count - missed
        if kept / count < level - 1e-12:
            continue
        if confidence is None or lower_bound(kept, count, confidence) >= level:
            return float(positives[missed]), True
    return 0.0, False
