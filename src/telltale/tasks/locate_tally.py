"""What is counted of boxes, and every measure that derives from the counts. Knows nothing of models or pictures' files.

Measures: average precision at overlaps of 0.5 and of 0.5 to 0.95 (Lin et al. 2014: COCO's rules, the area under the
envelope of precision); how far centres are off; what share of the objects is told; false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale.tasks.boxes import Peaks, distances, inside_of, match, overlap, touches
from telltale.tasks.counting import BINS, Counts, auroc, logit_bins, mean, ratio
from telltale.tasks.place_tally import PlaceTally, Sums, none_of, score_names
from telltale.tasks.task import Bools, Json, Numbers, Threshold

OVERLAPS = tuple(0.5 + 0.05 * i for i in range(10))
"""Intersection over union from which a box counts as right, for each average precision."""

LEAST_PX, MOST_PX, STEPS = 0.01, 1000.0, 400
"""Errors of centres are counted in equal steps of their logarithm: a median is exact to 1.5 %."""

INSIDE = 0.5
"""A told box with this share of its area in a region nobody knows is not counted."""


@dataclass(frozen=True, slots=True)
class Truth:
    """boxes: (n, 4) what is there; unknown: (m, 4) regions of which nobody knows. Pixels of the picture."""

    boxes: Numbers
    unknown: Numbers


@dataclass(frozen=True, slots=True)
class LocateTally(PlaceTally):
    """Counts over K names. Only pictures whose label is known count; the score of a picture is its highest.

    ranked: (K, 10, 2, BINS) told boxes, at any score, by overlap asked, whether right, and bin of the score.
    reached: (K, BINS) objects by the bin of the score that finds them; those no peak finds are left out.
    objects: (K, 4) all, told, only unsure, missed.
    near: (K,) told objects whose centre is within near_px.
    errors: (K, STEPS) told objects by the distance of their centre; error_px: (K,) the distances' sum.
    iou: (K,) summed overlap of the told objects.
    false: (K, 2) told boxes where nothing is: in all pictures, in those without any.
    empty: (K, 2) pictures without any, and those of them with a false box.
    pictures: (K,) whose label is known.
    """

    ranked: Counts
    reached: Counts
    objects: Counts
    near: Counts
    errors: Counts
    error_px: Sums
    iou: Sums
    false: Counts
    empty: Counts
    pictures: Counts


def empty_tally(k: int) -> LocateTally:
    """Nothing counted yet."""
    return LocateTally(
        scores=none_of(k, 2, BINS),
        answers=none_of(k, 2, 3),
        likelier=none_of(k, 2, 2),
        ranked=none_of(k, len(OVERLAPS), 2, BINS),
        reached=none_of(k, BINS),
        objects=none_of(k, 4),
        near=none_of(k),
        errors=none_of(k, STEPS),
        error_px=np.zeros(k),
        iou=np.zeros(k),
        false=none_of(k, 2),
        empty=none_of(k, 2),
        pictures=none_of(k),
    )


@dataclass(frozen=True, slots=True)
class Matched:
    """One picture's boxes against what is there. finds: (n,) the object each told box finds, -1 for none; counts: (n,)
    whether it counts at all: one that finds nothing, in a region nobody knows, does not.
    """

    finds: NDArray[np.int64]
    counts: Bools

    @property
    def false(self) -> Bools:
        return np.asarray(self.counts & (self.finds < 0), np.bool_)


def match_boxes(peaks: Peaks, true: Truth, near_px: float) -> Matched:
    """By centres: a told one in the true box or near its middle finds it, the nearest first."""
    finds = match(touches(peaks, true.boxes, near_px), distances(peaks.centre, true.boxes))
    return Matched(finds, (finds >= 0) | ~_in_unknown(peaks, true))


def _in_unknown(peaks: Peaks, true: Truth) -> Bools:
    return np.asarray(inside_of(peaks.box, true.unknown) >= INSIDE, np.bool_)


def tally_boxes(tally: LocateTally, k: int, peaks: Peaks, true: Truth, cut: Threshold, near_px: float) -> None:
    """Count one picture's boxes of name k into `tally`, in place. peaks: every one, whatever its score."""
    tally.pictures[k] += 1
    bins = logit_bins(peaks.score.astype(np.float32))
    _count_ranked(tally, k, peaks, true, bins)
    matched = match_boxes(peaks, true, near_px)
    told = peaks.score >= cut.high
    perhaps = told if cut.low >= cut.high else peaks.score > cut.low
    found = matched.finds >= 0
    tally.reached[k] += np.bincount(bins[found], minlength=BINS)
    sure, maybe = int((found & told).sum()), int((found & perhaps & ~told).sum())
    count = len(true.boxes)
    tally.objects[k] += (count, sure, maybe, count - sure - maybe)
    _count_centres(tally, k, peaks, true, np.where(found & told, matched.finds, -1), near_px)
    false = int((matched.false & told).sum())
    tally.false[k, 0] += false
    empty = not count and not len(true.unknown)
    if empty:
        tally.false[k, 1] += false
        tally.empty[k] += (1, int(false > 0))
    if empty or count:
        counted = matched.counts
        best = peaks.score[counted].max(initial=0.0)
        answer = 1 if (counted & told).any() else 2 if (counted & perhaps).any() else 0
        tally.count_picture(k, count > 0, best, answer)


def _count_ranked(tally: LocateTally, k: int, peaks: Peaks, true: Truth, bins: Counts) -> None:
    shared = overlap(peaks.box, true.boxes)
    ignored = _in_unknown(peaks, true)
    for i, least in enumerate(OVERLAPS):
        right = match(shared >= least, -shared) >= 0
        tally.ranked[k, i, 1] += np.bincount(bins[right], minlength=BINS)
        tally.ranked[k, i, 0] += np.bincount(bins[~right & ~ignored], minlength=BINS)


def _count_centres(
    tally: LocateTally, k: int, peaks: Peaks, true: Truth, finds: NDArray[np.int64], near_px: float
) -> None:
    rows = np.flatnonzero(finds >= 0)
    if not len(rows):
        return
    off = distances(peaks.centre[rows], true.boxes)[np.arange(len(rows)), finds[rows]]
    tally.near[k] += int((off <= near_px).sum())
    tally.error_px[k] += float(off.sum())
    step = np.log(np.maximum(off, LEAST_PX) / LEAST_PX) / math.log(MOST_PX / LEAST_PX) * STEPS
    tally.errors[k] += np.bincount(np.clip(step.astype(np.int64), 0, STEPS - 1), minlength=STEPS)
    tally.iou[k] += float(overlap(peaks.box[rows], true.boxes)[np.arange(len(rows)), finds[rows]].sum())


# --- measures ---------------------------------------------------------------------------------------------------------

AVERAGED = ("ap50", "ap", "auroc", "accuracy", "told_accuracy", "coverage")


def score_boxes(names: Sequence[str], tally: LocateTally) -> dict[str, Json]:
    """Metrics of each name and overall. A ratio without cases is None.

    `overall` pools the objects and pictures of all names, and takes the mean of AVERAGED.
    """
    return score_names(names, tally, _score, AVERAGED)


def _score(t: LocateTally) -> dict[str, Json]:
    """t: of one name, without the axis of names."""
    objects, told, maybe, missed = (int(v) for v in t.objects)
    precisions = [average_precision(ranked, objects) for ranked in t.ranked]
    false = int(t.false[0])
    return {
        "known": int(t.pictures),
        "positives": int(t.answers[1].sum()),
        "objects": objects,
        "ap50": precisions[0],
        "ap": mean(precisions),
        "recall": ratio(told, objects),
        "recall_unsure": ratio(told + maybe, objects),
        "missed": missed,
        "precision": ratio(told, told + false),
        "f1": ratio(2 * told, told + false + objects),
        "told_boxes": told + false,
        "near": ratio(int(t.near), objects),
        "centre_px": ratio(float(t.error_px), told),
        "centre_median_px": quantile(t.errors, 0.5),
        "centre_p95_px": quantile(t.errors, 0.95),
        "iou": ratio(float(t.iou), told),
        "false_boxes": ratio(false, int(t.pictures)),
        "empty_pictures": int(t.empty[0]),
        "false_empty": ratio(int(t.empty[1]), int(t.empty[0])),
        "false_boxes_empty": ratio(int(t.false[1]), int(t.empty[0])),
        "auroc": auroc(t.scores[1], t.scores[0]),
        **t.score_answers(),
    }


def average_precision(ranked: NDArray[np.generic], objects: int) -> float | None:
    """The area under the highest precision at or beyond each recall. ranked: (2, BINS) wrong, right by bin of score.

    None without objects. Boxes within one step of the logit are taken as equally sure.
    """
    if not objects:
        return None
    wrong, right = np.asarray(ranked, np.float64)[:, ::-1]  # the surest first
    hits, all_ = np.cumsum(right), np.cumsum(right + wrong)
    precision = np.divide(hits, all_, out=np.zeros_like(hits), where=all_ > 0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * right).sum() / objects)


def quantile(errors: NDArray[np.generic], share: float) -> float | None:
    """Pixels under which this share of the counted distances lies; None without any."""
    counts = np.asarray(errors, np.float64)
    total = float(counts.sum())
    if not total:
        return None
    up = np.cumsum(counts)
    at = int(np.searchsorted(up, share * total))
    within = (share * total - (up[at] - counts[at])) / counts[at]
    return LEAST_PX * float((MOST_PX / LEAST_PX) ** ((at + within) / STEPS))
