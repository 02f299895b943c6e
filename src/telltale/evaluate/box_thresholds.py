"""Choose the two cuts of a bundle of boxes on its calibration split. Knows nothing of reports.

*low*, by conformal risk control as for masks: the loss of a group is the share of its objects that no box over the cut
finds, and the highest cut whose corrected mean loss stays at or under `error` is taken.

*high*: the cut of the best F1 of boxes, or higher: the lowest at which fixed-sequence testing from above (Angelopoulos
et al. 2021, learn-then-test) still vouches, with `confidence`, that something is told in at most `error` of the
pictures without any. Where there are too few such pictures to vouch for anything, the note says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

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
from telltale.tasks.binomial import upper_bound
from telltale.tasks.calibrate import Unit
from telltale.tasks.locate import Locate, frame_of, true_boxes
from telltale.tasks.locate_tally import match_boxes

COUNTS = "evaluation/calibration.json"
"""What the cuts were chosen from, in the bundle: so they can be chosen anew without the pictures."""

FAINT = 0.02
"""Peaks lower than this are no candidates for a cut."""


@dataclass
class Scores:
    """One name's calibration pictures. reached: group to the score that finds each of its objects, 0 where none does.

    false: scores of boxes where nothing is. empty: the highest score in each picture without any.
    """

    reached: dict[str, list[float]] = field(default_factory=dict)
    false: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BoxCut:
    """One name's thresholds. missed: objects under the lower; promised: the share of them that is vouched for.

    alarms: the upper bound of false alarms in pictures without any; None: nothing is vouched for.
    """

    threshold: Threshold
    groups: int
    objects: int
    missed: int
    promised: float | None
    empty: int
    alarms: float | None
    note: str

    def to_json(self) -> dict[str, object]:
        return {
            "groups": self.groups,
            "objects": self.objects,
            "missed": self.missed,
            "promised": self.promised,
            "empty": self.empty,
            "alarms": self.alarms,
        }


def count_boxes(
    bundle: Bundle, examples: Sequence[Example], variant: VariantName, progress: Progress | None = None
) -> bytes:
    """What the cuts are chosen from: the scores of boxes that find, and of those that find nothing. Groups go unnamed.

    Raises BundleError when no picture can be read, Interrupted.
    """
    task = bundle.task
    assert isinstance(task, Locate)
    scores = {name: Scores() for name in task.names}

    def count(seen: Seen) -> None:
        for k, name in enumerate(task.names):
            if seen.target.known[0, k].any():
                _count(task, seen, k, scores[name])

    count_calibration(bundle, examples, variant, progress, count)
    kept = {
        name: {"reached": list(mine.reached.values()), "false": mine.false, "empty": mine.empty}
        for name, mine in scores.items()
    }
    return json.dumps(kept).encode()


def _count(task: Locate, seen: Seen, k: int, mine: Scores) -> None:
    """One picture's boxes of name k."""
    truth = true_boxes(seen.target.values[0, k], seen.target.hidden[0, k], frame_of(seen.outputs, 0).picture)
    peaks = task.peaks(seen.outputs)[0][k]
    matched = match_boxes(peaks, truth, task.near_px)
    mine.false += peaks.score[matched.false & (peaks.score >= FAINT)].tolist()
    if len(truth.boxes):
        found = np.zeros(len(truth.boxes))
        found[matched.finds[matched.finds >= 0]] = peaks.score[matched.finds >= 0]
        mine.reached.setdefault(seen.example.group, []).extend(found.tolist())
    elif not len(truth.unknown):
        mine.empty.append(float(peaks.score.max(initial=0.0)))


def choose_boxes(bundle: Bundle, counts: bytes, unsure: Unsure, unit: Unit = "group") -> dict[str, BoxCut]:
    """Each name's cuts. `unsure.error`: missed objects, and without `alarms` also pictures without any in which
    something is told.

    Objects go by group and pictures without any one by one, whatever `unit` says. Raises BundleError.
    """
    try:
        said = json.loads(counts)
        scores = {
            name: Scores(
                {str(g): [float(v) for v in cuts] for g, cuts in enumerate(said[name]["reached"])},
                [float(v) for v in said[name]["false"]],
                [float(v) for v in said[name]["empty"]],
            )
            for name in bundle.task.names
        }
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{bundle.path.name}: {COUNTS}", expected="scores of the calibration pictures", got=str(error)[:100]
        ) from error
    return {name: choose_box_cut(mine, unsure.error, unsure.confidence, unsure.alarms) for name, mine in scores.items()}


def choose_box_cut(scores: Scores, error: float, confidence: float, alarms_at_most: float | None = None) -> BoxCut:
    """Both cuts, and what they promise. alarms_at_most: unset, it is `error`."""
    best = best_cut(scores.reached, scores.false)
    most = error if alarms_at_most is None else alarms_at_most
    vouched = vouch_alarms(scores.empty, most, confidence)
    high = best if vouched is None else max(best, vouched)
    alarms = say_alarms(len(scores.empty), vouched, most, confidence)
    bound = None
    if vouched is not None:
        bound = upper_bound(sum(s >= high for s in scores.empty), len(scores.empty), confidence)
    groups = [np.sort(np.asarray(cuts)) for cuts in scores.reached.values()]
    count, objects = len(groups), sum(len(cuts) for cuts in groups)
    if not count:
        note = f"Nothing is promised of what is missed: no calibration picture has any. {alarms}"
        return BoxCut(Threshold(high, high), 0, 0, 0, None, len(scores.empty), bound, note)
    promised = least_promise(count, error)
    reach = control_risk(groups, promised)
    low = min(max(0.0, float(np.nextafter(np.float32(reach), np.float32(0)))), high)  # unsure is what lies above
    missed = sum(int((cuts <= low).sum()) if low < high else int((cuts < high).sum()) for cuts in groups)
    note = f"{vouch_missed('objects', groups, missed, error, promised)} {alarms}"
    return BoxCut(Threshold(low, high), count, objects, missed, promised, len(scores.empty), bound, note)


def best_cut(reached: Mapping[str, Sequence[float]], false: Sequence[float]) -> float:
    """The cut of the best F1 of boxes, midway to the next lower score; 0.5 where there is no object."""
    hits = np.array([score for group in reached.values() for score in group if score > 0])
    objects = sum(len(group) for group in reached.values())
    if not objects or not len(hits):
        return 0.5
    wrong = np.asarray(false, np.float64)
    all_ = np.unique(np.concatenate([hits, wrong]))
    right = (hits[None] >= all_[:, None]).sum(1)
    told = right + (wrong[None] >= all_[:, None]).sum(1)
    f1 = 2 * right / (told + objects)
    at = int(np.argmax(f1))
    return float((all_[at] + (all_[at - 1] if at else 0.0)) / 2)
