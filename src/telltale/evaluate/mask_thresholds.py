"""Choose the two cuts of a mask bundle on its calibration split. Knows nothing of reports.

*low*, by conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2022, arXiv 2208.02814): the loss of a
group is the share of its true regions that no region over the cut touches. It never falls as the cut rises, so the
highest cut whose mean loss R over n groups keeps n/(n+1) R + 1/(n+1) at or under `error` misses, in expectation over
new groups like these, at most that share. Groups are what is exchangeable, not pictures: exposures of one tile are
missed together.

*high*: the cut of the best Dice over the calibration pixels. It promises nothing. Or, where `[unsure] alarms` asks for
it, higher: the lowest cut at which fixed-sequence testing from above still vouches that something is told in at most
that share of good pictures. What lies over it is told; what reaches only `low` is unsure.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import VariantName
from telltale.dataset import Example
from telltale.errors import BundleError
from telltale.evaluate.cuts import (
    control_risk,
    count_calibration,
    least_promise,
    say_alarms,
    vouch_alarms,
    vouch_missed,
)
from telltale.evaluate.looking import Seen
from telltale.progress import Progress
from telltale.project import Unsure
from telltale.tasks import Threshold
from telltale.tasks.calibrate import Unit
from telltale.tasks.counting import BINS, logit_bins
from telltale.tasks.mask import Masks
from telltale.tasks.mask_tally import best_dice
from telltale.tasks.regions import STEPS, label_regions, picture_score
from telltale.tasks.task import Bools, Floats

SLACK = 1 / 2**STEPS
"""`picture_score` may be too low by so much: what is told in a good picture is not to be overlooked."""

COUNTS = "evaluation/calibration.npz"
"""What the cuts were chosen from, so that they can be chosen anew without the pictures."""

Reached = dict[str, list[float]]
"""Group to the highest cuts that still touch each of its regions."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One name's thresholds. promised: the share of missed regions that is vouched for; None: nothing is.

    good: calibration pictures without any; told_good: those in which something is told.
    """

    threshold: Threshold
    groups: int
    regions: int
    missed: int
    dice: float | None
    promised: float | None
    note: str
    good: int = 0
    told_good: int = 0

    def to_json(self) -> dict[str, object]:
        return {
            "groups": self.groups,
            "regions": self.regions,
            "missed": self.missed,
            "dice": self.dice,
            "promised": self.promised,
            "good": self.good,
            "told_good": self.told_good,
        }


def count_masks(
    bundle: Bundle, examples: Sequence[Example], variant: VariantName, progress: Progress | None = None
) -> bytes:
    """What the cuts are chosen from: pixels by probability and truth, the cuts that still touch each region, and the
    cuts from which something is told in each good picture.

    Raises BundleError when no picture can be read, Interrupted.
    """
    task = bundle.task
    assert isinstance(task, Masks)
    pixels = np.zeros((len(task.names), 2, BINS), np.int64)
    reached: list[Reached] = [{} for _ in task.names]
    good: list[list[float]] = [[] for _ in task.names]

    def count(seen: Seen) -> None:
        for k in range(len(task.names)):
            p, known = seen.outputs["probabilities"][0, k], seen.target.known[0, k]
            truth = (seen.target.values[0, k] >= 0.5) & known
            bins = logit_bins(p)
            for side in (0, 1):
                pixels[k, side] += np.bincount(bins[known & (truth == bool(side))], minlength=BINS)
            cuts = reaching(p, truth, task.min_area)
            if cuts:
                reached[k].setdefault(seen.example.group, []).extend(cuts)
            if known.all() and not truth.any():
                good[k].append(picture_score(p, task.min_area) + SLACK)

    count_calibration(bundle, examples, variant, progress, count)
    return _pack(pixels, reached, good)


def choose_masks(bundle: Bundle, counts: bytes, unsure: Unsure, unit: Unit = "group") -> dict[str, Cut]:
    """Each name's cuts. `unsure.error`: missed regions; always by group, whatever `unit` says. Raises BundleError."""
    pixels, reached, good = _unpack(counts, len(bundle.task.names), bundle.path.name)
    return {name: choose_cut(pixels[k], reached[k], good[k], unsure) for k, name in enumerate(bundle.task.names)}


def _pack(pixels: NDArray[np.int64], reached: Sequence[Reached], good: Sequence[Sequence[float]]) -> bytes:
    """pixels (K, 2, BINS); of each region its name's number, its group's number and its cut; of each good picture its
    name's number and its cut. Groups go unnamed.
    """
    rows = [
        (k, g, cut)
        for k, groups in enumerate(reached)
        for g, cuts in enumerate(groups[group] for group in sorted(groups))
        for cut in cuts
    ]
    out = io.BytesIO()
    clean = [(k, cut) for k, cuts in enumerate(good) for cut in cuts]
    np.savez_compressed(
        out,
        pixels=pixels,
        regions=np.array(rows, np.float64).reshape(-1, 3),
        good=np.array(clean, np.float64).reshape(-1, 2),
    )
    return out.getvalue()


def _unpack(data: bytes, names: int, title: str) -> tuple[NDArray[np.int64], list[Reached], list[list[float]]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            pixels, regions, clean = found["pixels"], found["regions"], found["good"]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{title}/{COUNTS}", expected="counts", got=str(error)[:80], next="export again") from error
    if pixels.shape != (names, 2, BINS):
        raise BundleError(f"{title}/{COUNTS}", expected=f"{names} x 2 x {BINS} pixels", got=f"{pixels.shape}")
    reached: list[Reached] = [{} for _ in range(names)]
    for k, group, cut in regions:
        reached[int(k)].setdefault(f"{int(group):06}", []).append(float(cut))
    good: list[list[float]] = [[] for _ in range(names)]
    for k, cut in clean:
        good[int(k)].append(float(cut))
    return pixels.astype(np.int64), reached, good


def reaching(p: Floats, truth: Bools, min_area: int) -> list[float]:
    """For each true region of `min_area` pixels or more, the highest cut at which a told region still touches it."""
    numbers, boxes = label_regions(truth, min_area)
    return [_reaching_one(p, numbers == number, min_area) for number in range(1, len(boxes) + 1)]


def _reaching_one(p: Floats, region: Bools, min_area: int) -> float:
    best = float(p[region].max())

    def touches(cut: float) -> bool:
        told, _ = label_regions(p >= cut, min_area)
        return bool((told[region] > 0).any())

    if touches(best):
        return best
    low, high = 0.0, best
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if touches(middle) else (low, middle)
    return low


def choose_cut(
    pixels: NDArray[np.int64], reached: Mapping[str, Sequence[float]], good: Sequence[float], unsure: Unsure
) -> Cut:
    """pixels: (2, BINS) by truth and bin. reached: group to the highest cut that touches each of its regions.
    good: of each picture without any, the cut above which nothing is told in it.
    """
    best, dice = best_dice(pixels)
    high, alarms = _bound_alarms(best, good, unsure)
    told_good = sum(cut >= high for cut in good)
    groups = [np.sort(np.asarray(cuts)) for cuts in reached.values()]
    count, regions = len(groups), sum(len(cuts) for cuts in groups)
    if not count:
        note = "Not chosen: no calibration picture has any; the cut is 0.5." if dice is None else "Nothing is promised."
        return Cut(Threshold(high, high), 0, 0, 0, dice, None, f"{note} {alarms}".strip(), len(good), told_good)
    promised = least_promise(count, unsure.error)
    low = min(control_risk(groups, promised), high)
    missed = sum(int((cuts < low).sum()) for cuts in groups)
    note = f"{vouch_missed('regions', groups, missed, unsure.error, promised)} {alarms}".strip()
    return Cut(Threshold(low, max(high, low)), count, regions, missed, dice, promised, note, len(good), told_good)


def _bound_alarms(best: float, good: Sequence[float], unsure: Unsure) -> tuple[float, str]:
    """The upper cut, and what is to be said of false alarms."""
    if unsure.alarms is not None:
        vouched = vouch_alarms(good, unsure.alarms, unsure.confidence)
        said = say_alarms(len(good), vouched, unsure.alarms, unsure.confidence)
        return best if vouched is None else max(best, vouched), said
    told = sum(cut >= best for cut in good)
    if not told:
        return best, ""
    return best, (
        f"Something is told in {told} of {len(good)} calibration pictures without any; "
        "`telltale thresholds --alarms 0.05` bounds that."
    )
