"""Measure a bundle that tells boxes. Knows nothing of HTML.

Each picture is told as it would be in use, and counted in its own pixels; counts of pictures of one group are resampled
together for the intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor, VariantName
from telltale.dataset import Example
from telltale.evaluate.evaluation import between, share
from telltale.evaluate.looking import (
    TRUE_EDGE,
    PictureRow,
    Seen,
    Way,
    answer_of,
    first_of_groups,
    look_through,
)
from telltale.evaluate.measured import REPLICATES, Measured, Metrics
from telltale.frame import Image
from telltale.progress import Progress
from telltale.tasks.draw_boxes import draw_boxes
from telltale.tasks.locate import Locate, LocateResult, frame_of, true_boxes
from telltale.tasks.locate_tally import LocateTally
from telltale.tasks.task import Json

KEYS = (
    "ap50",
    "ap",
    "recall",
    "recall_unsure",
    "precision",
    "near",
    "centre_px",
    "centre_median_px",
    "centre_p95_px",
    "iou",
    "false_boxes",
    "false_empty",
    "false_boxes_empty",
    "auroc",
    "accuracy",
    "coverage",
    "told_accuracy",
)
UNBOUNDED = frozenset({"centre_px", "centre_median_px", "centre_p95_px", "false_boxes", "false_boxes_empty"})
"""Pixels, and counts a picture: they may exceed 1."""

SHARES = {
    "near": "objects",
    "recall": "objects",
    "recall_unsure": "objects",
    "precision": "told_boxes",
    "false_empty": "empty_pictures",
}
"""Metrics that are shares of so many cases, and where that number stands."""

UNKNOWN = {
    "recall": "No test picture has any {name}: whether it is found is not known.",
    "false_empty": "No test picture is without {name}: false alarms where there is none are not known.",
}
"""What a metric without a value means."""

METRICS = Metrics(KEYS, UNBOUNDED, UNKNOWN, SHARES)

UNKNOWN_EDGE = (150, 150, 150)
"""RGB of the edge of a region nobody knows."""


@dataclass(frozen=True, slots=True)
class BoxRow(PictureRow):
    """One picture and one name. centre_px, iou: means of the told objects; None without any."""

    objects: int
    told: int
    unsure: int
    missed: int
    false: int
    centre_px: float | None
    iou: float | None


@dataclass(frozen=True)
class BoxEvaluation(Measured[Locate, BoxRow]):
    """A bundle that tells boxes on a test set."""

    @property
    def headline(self) -> str:
        near, false = self.overall["near"], self.overall["false_empty"]
        if near.value is None:
            return "No picture had a box, so nothing can be said of what is found."
        said = f"It found {share(near.value)} of the objects to within {self.task.near_px:g} px{between(near)}"
        if false.value is None:
            return said + "."
        return f"{said}, and told something in {share(false.value)} of the pictures without any{between(false)}."

    def rules(self) -> dict[str, Json]:
        return {"near_px": self.task.near_px}

    def files(self) -> dict[str, bytes]:
        from telltale.evaluate.box_report import html  # it draws this class

        return {"report.html": html(self).encode(), "evaluation/table.csv": self.to_csv()}

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        titles = ("AP50", "AP50-95", "found", f"within {self.task.near_px:g} px", "centre off px", "false, none there")
        keys = ("ap50", "ap", "recall", "near", "centre_px", "false_empty")
        return titles, self.cells(keys)


def evaluate_boxes(
    bundle: Bundle,
    examples: Sequence[Example],
    trained: Sequence[Example] = (),
    variant: VariantName = "auto",
    progress: Progress | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> BoxEvaluation:
    """Tell every picture and count. Raises CatalogueError when no picture is labelled, BundleError, Interrupted."""
    task = bundle.task
    assert isinstance(task, Locate)
    way = Way(
        "boxes",
        labelled=lambda tally: bool(tally.pictures.any()),
        rows=lambda seen, tally: _rows(task, seen, tally),
        choose=_choose,
        draw=_draw,
    )
    looked = look_through(bundle, examples, variant, progress, way)
    found = f"a told centre in the true box, or within {bundle.spec.task.get('near_px')} px of its middle"
    return BoxEvaluation.of(bundle, task, looked, trained, METRICS, {"found": found}, replicates, seed)


def _rows(task: Locate, seen: Seen, tally: LocateTally) -> Iterator[BoxRow]:
    """What the tally of one picture says of each name."""
    best = task.peaks(seen.outputs)[0]
    for k, name in enumerate(task.names):
        objects, told, unsure, missed = (int(v) for v in tally.objects[k])
        truth, state = answer_of(tally.answers[k])
        yield BoxRow(
            file=seen.example.file,
            image_id=seen.example.image_id,
            group=seen.example.group,
            name=name,
            truth=truth,
            state=state,
            score=float(best[k].score[0]) if len(best[k]) else 0.0,
            objects=objects,
            told=told,
            unsure=unsure,
            missed=missed,
            false=int(tally.false[k, 0]),
            centre_px=float(tally.error_px[k]) / told if told else None,
            iou=float(tally.iou[k]) / told if told else None,
        )


def _choose(rows: Sequence[BoxRow]) -> Mapping[str, Sequence[BoxRow]]:
    """The best and the worst placed, the missed and the falsely told; one of each group first, then the others."""
    placed = sorted((row for row in rows if row.centre_px is not None), key=lambda row: row.centre_px or 0.0)
    sorts = {
        "missed": sorted((row for row in rows if row.missed), key=lambda row: row.score),
        "worst": placed[::-1],
        "best": placed,
        "false": sorted((row for row in rows if row.truth is False and row.false), key=lambda row: -row.score),
    }
    chosen = {}
    for sort, candidates in sorts.items():
        first = first_of_groups(candidates)
        chosen[sort] = [*first, *(row for row in candidates if row not in first)]
    return chosen


def _draw(predictor: Predictor, seen: Seen, row: BoxRow) -> tuple[Image, Image]:
    task = predictor.task
    assert isinstance(task, Locate)
    result = task.decode(seen.outputs, predictor.spec.thresholds)[0]
    k = task.names.index(row.name)
    truth = true_boxes(seen.target.values[0, k], seen.target.hidden[0, k], frame_of(seen.outputs, 0).picture)
    true = seen.image.copy()
    thick = max(1, round(max(true.shape[:2]) / 250))
    for boxes, colour in ((truth.unknown, UNKNOWN_EDGE), (truth.boxes, TRUE_EDGE)):
        for x, y, w, h in boxes.tolist():
            cv2.rectangle(true, (round(x), round(y)), (round(x + w) - 1, round(y + h) - 1), colour, thick)
    return true, draw_boxes(seen.image, LocateResult({row.name: result.readings[row.name]}, result.size))
