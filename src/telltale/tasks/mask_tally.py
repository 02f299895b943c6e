"""What is counted of masks, and every measure that derives from the counts. Knows nothing of models or pictures' files.

Measures: Dice and IoU of pixels pooled over all pictures and as means of pictures; AUROC of pixels and of pictures'
scores (Fawcett 2006); AUPRO, the area under the overlap of each true region against the false-positive rate up to 0.3
(Bergmann et al. 2019); recall of regions against false regions; F1 of thin things at a tolerance of 0 and 2 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.tasks.counting import BINS, Counts, auroc, bin_edges, logit_bins, ratio
from telltale.tasks.place_tally import PlaceTally, Sums, none_of, score_names
from telltale.tasks.regions import label_regions, picture_score
from telltale.tasks.task import Bools, Floats, Json, Threshold

TOLERANCES = (0, 2)
"""Pixels by which a thin thing may be off."""

PRO_LIMIT = 0.3
"""AUPRO integrates up to this false-positive rate of pixels."""

AVERAGED = (
    "dice_best",
    "pixel_auroc",
    "auroc",
    "aupro",
    "dice_picture",
    "iou_picture",
    "accuracy",
    "told_accuracy",
    "coverage",
)


@dataclass(frozen=True, slots=True)
class MaskTally(PlaceTally):
    """Counts over K names. Only known pixels count; the score of a picture is that of `picture_score`.

    pixels: (K, 2, BINS) by truth and bin of the logit.
    told: (K, 3) pixels right on, falsely on, missed, at the higher cut.
    dice, iou: (K,) sums over the pictures that have some of it; with_it: (K,) how many these are.
    overlap: (K, BINS) over all true regions, the share of the region's pixels in the bin.
    regions: (K, 4) true regions: all, told, only unsure, missed.
    false: (K, 3) told regions where nothing is: in all pictures, in good ones; and good pictures.
    near: (K, T, 4) at each tolerance: told pixels near a true one, told, true near a told one, true.
    """

    pixels: Counts
    told: Counts
    dice: Sums
    iou: Sums
    with_it: Counts
    overlap: Sums
    regions: Counts
    false: Counts
    near: Counts


def empty_tally(k: int) -> MaskTally:
    """Nothing counted yet."""
    return MaskTally(
        scores=none_of(k, 2, BINS),
        answers=none_of(k, 2, 3),
        likelier=none_of(k, 2, 2),
        pixels=none_of(k, 2, BINS),
        told=none_of(k, 3),
        dice=np.zeros(k),
        iou=np.zeros(k),
        with_it=none_of(k),
        overlap=np.zeros((k, BINS)),
        regions=none_of(k, 4),
        false=none_of(k, 3),
        near=none_of(k, len(TOLERANCES), 4),
    )


def tally_map(tally: MaskTally, k: int, p: Floats, truth: Bools, known: Bools, cut: Threshold, min_area: int) -> None:
    """Count one picture's map (H, W) of name k into `tally`, in place. truth, known: (H, W) bool."""
    if not known.any():
        return
    truth = truth & known
    bins = logit_bins(p)
    for side in (0, 1):
        here = known & (truth == bool(side))
        tally.pixels[k, side] += np.bincount(bins[here], minlength=BINS)
    told_numbers, told_boxes = label_regions(p >= cut.high, min_area)
    told = (told_numbers > 0) & known
    _count_pixels(tally, k, told, truth)
    perhaps = p >= cut.high if cut.low == cut.high else p > cut.low
    loose_numbers, loose_boxes = label_regions(perhaps, min_area)
    _count_regions(tally, k, bins, truth, told, (loose_numbers > 0) & known, min_area)
    false = _untouched(told_numbers, len(told_boxes), truth, known)
    tally.false[k, 0] += false
    good = bool(known.all()) and not truth.any()
    if good:
        tally.false[k, 1] += false
        tally.false[k, 2] += 1
    if good or truth.any():
        answer = 1 if len(told_boxes) else 2 if len(loose_boxes) else 0
        score = picture_score(np.where(known, p, np.float32(0)), min_area)
        tally.count_picture(k, bool(truth.any()), score, answer)


def _count_pixels(tally: MaskTally, k: int, told: Bools, truth: Bools) -> None:
    right = int((told & truth).sum())
    said, there = int(told.sum()), int(truth.sum())
    tally.told[k] += (right, said - right, there - right)
    if there:
        tally.dice[k] += 2 * right / (said + there)
        tally.iou[k] += right / (said + there - right)
        tally.with_it[k] += 1
    for t, tolerance in enumerate(TOLERANCES):
        near_true, near_told = right, right
        if tolerance and said and there:
            near_true = int((told & _within(truth, tolerance)).sum())
            near_told = int((truth & _within(told, tolerance)).sum())
        tally.near[k, t] += (near_true, said, near_told, there)


def _within(here: Bools, distance: float) -> Bools:
    """Pixels no further than this from one that is on."""
    far = cv2.distanceTransform((~here).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(far <= distance, np.bool_)


def _count_regions(
    tally: MaskTally, k: int, bins: Counts, truth: Bools, told: Bools, loose: Bools, min_area: int
) -> None:
    """Each true region: which share of it lies in each bin, and whether it was touched."""
    numbers, boxes = label_regions(truth, min_area)
    count = len(boxes)
    if not count:
        return
    inside = numbers > 0
    area = np.bincount(numbers[inside], minlength=count + 1)
    tally.overlap[k] += np.bincount(bins[inside], 1.0 / area[numbers[inside]], BINS)
    found = np.zeros(count + 1, np.bool_)
    found[np.unique(numbers[told & inside])] = True
    maybe = np.zeros(count + 1, np.bool_)
    maybe[np.unique(numbers[loose & inside])] = True
    tally.regions[k] += (
        count,
        int(found[1:].sum()),
        int((maybe & ~found)[1:].sum()),
        int((~maybe & ~found)[1:].sum()),
    )


def _untouched(numbers: NDArray[np.int32], count: int, truth: Bools, known: Bools) -> int:
    """Regions that touch nothing true and lie where all is known."""
    touched = np.zeros(count + 1, np.bool_)
    touched[np.unique(numbers[truth | ~known])] = True
    return int((~touched[1:]).sum())


# --- measures ---------------------------------------------------------------------------------------------------------


def score_masks(names: Sequence[str], tally: MaskTally) -> dict[str, Json]:
    """Metrics of each name and overall. A ratio without cases is None.

    dice (= f1), iou, precision, recall: of pixels, all pictures pooled; dice_best: at the cut that suits these very
    pictures, which no cut chosen before can reach; dice_picture, iou_picture: means of pictures
    that have some. `overall` pools the pixels and regions of all names and takes the mean of the other measures.
    """
    return score_names(names, tally, _score, AVERAGED)


def _score(t: MaskTally) -> dict[str, Json]:
    """t: of one name, without the axis of names."""
    right, false, missed = (int(v) for v in t.told)
    dice = ratio(2 * right, 2 * right + false + missed)
    there, good = int(t.answers.sum()), int(t.false[2])
    return {
        "known": there,
        "positives": int(t.answers[1].sum()),
        "pixels": int(t.pixels.sum()),
        "told_pixels": right + false,
        "true_pixels": right + missed,
        "dice": dice,
        "dice_best": best_dice(t.pixels)[1] if t.pixels.any() else None,
        "f1": dice,
        "iou": ratio(right, right + false + missed),
        "precision": ratio(right, right + false),
        "recall": ratio(right, right + missed),
        "dice_picture": ratio(float(t.dice), int(t.with_it)),
        "iou_picture": ratio(float(t.iou), int(t.with_it)),
        "pixel_auroc": auroc(t.pixels[1], t.pixels[0]),
        "auroc": auroc(t.scores[1], t.scores[0]),
        "aupro": _aupro(t),
        "regions": int(t.regions[0]),
        "region_recall": ratio(int(t.regions[1]), int(t.regions[0])),
        "region_recall_unsure": ratio(int(t.regions[1] + t.regions[2]), int(t.regions[0])),
        "regions_missed": int(t.regions[3]),
        "false_regions": ratio(int(t.false[0]), there),
        "false_regions_good": ratio(int(t.false[1]), good),
        "good_pictures": good,
        **{f"f1_{tolerance}px": _near_f1(t.near[i]) for i, tolerance in enumerate(TOLERANCES)},
        **t.score_answers(),
    }


def best_dice(pixels: NDArray[np.int64]) -> tuple[float, float | None]:
    """(the cut of the best Dice of the pixels, that Dice); (0.5, None) where nothing is marked."""
    off, on = pixels[:, ::-1].astype(np.float64)  # the highest bin first
    if not on.sum():
        return 0.5, None
    right, false = np.cumsum(on), np.cumsum(off)
    dice = 2 * right / (right + false + on.sum())
    at = int(np.argmax(dice))
    return float(bin_edges()[BINS - 1 - at]), float(dice[at])


def _near_f1(near: Counts) -> float | None:
    near_true, said, near_told, there = (int(v) for v in near)
    if not said and not there:
        return None
    precision, recall = near_true / max(said, 1), near_told / max(there, 1)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _aupro(t: MaskTally) -> float | None:
    """1 is perfect; the overlap of a true region is the share of its pixels at or over the cut."""
    count, negatives = int(t.regions[0]), t.pixels[0].astype(np.float64)
    if not count or not negatives.sum():
        return None
    rate = np.concatenate([[0.0], np.cumsum(negatives[::-1]) / negatives.sum()])  # the highest cut first
    overlap = np.concatenate([[0.0], np.cumsum(t.overlap[::-1]) / count])
    inside = rate <= PRO_LIMIT
    at_limit = float(np.interp(PRO_LIMIT, rate, overlap))
    x, y = np.append(rate[inside], PRO_LIMIT), np.append(overlap[inside], at_limit)
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum() / PRO_LIMIT)
