"""Measure a bundle that tells masks. Knows nothing of HTML.

Each picture is told at its own size, as it would be in use, and counted; counts of pictures of one group are resampled
together for the intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor, VariantName
from telltale.dataset import Example
from telltale.evaluate.bootstrap import Clustered, Measure
from telltale.evaluate.evaluation import between, share
from telltale.evaluate.looking import (
    TRUE_EDGE,
    Seen,
    Way,
    first_of_groups,
    look_through,
)
from telltale.evaluate.mask_kinds import Kind, measure_kinds, warn_of_few
from telltale.evaluate.mask_rows import MaskRow, rows_of
from telltale.evaluate.measured import REPLICATES, Measured, Metrics, measure_names
from telltale.frame import Image
from telltale.progress import Progress
from telltale.tasks import Task
from telltale.tasks.heatmap import create_heatmap
from telltale.tasks.mask import MaskResult
from telltale.tasks.task import Json

KEYS = (
    "dice",
    "iou",
    "dice_picture",
    "iou_picture",
    "precision",
    "recall",
    "pixel_auroc",
    "auroc",
    "aupro",
    "region_recall",
    "region_recall_unsure",
    "false_regions",
    "false_regions_good",
    "f1_0px",
    "f1_2px",
    "accuracy",
    "coverage",
    "told_accuracy",
)
UNBOUNDED = frozenset({"false_regions", "false_regions_good"})
"""Counts a picture, which may exceed 1."""

UNKNOWN = {
    "dice_picture": "No test picture has any {name}: whether it is found is not known.",
    "false_regions_good": "No test picture is without {name}: false alarms on good pictures are not known.",
}
"""What a metric without a value means."""

METRICS = Metrics(KEYS, UNBOUNDED, UNKNOWN)


@dataclass(frozen=True)
class MaskEvaluation(Measured[Task, MaskRow]):
    """A bundle that tells masks on a test set. kinds: of defect, where the pictures came under classes."""

    kinds: tuple[Kind, ...] = ()

    @property
    def headline(self) -> str:
        dice, recall = self.overall["dice"], self.overall["region_recall"]
        false = self.overall["false_regions_good"].value
        if dice.value is None:
            return "No picture had a mask, so nothing can be said."
        found = "" if recall.value is None else f"It found {share(recall.value)} of the regions{between(recall)}"
        alarms = "" if false is None else f" at {false:.2f} false ones a good picture"
        return f"{found}{alarms}; of the pixels, Dice {dice.value:.3f}.".lstrip("; ")

    def rules(self) -> dict[str, Json]:
        return {"kinds": [kind.to_json() for kind in self.kinds]} if self.kinds else {}

    def files(self) -> dict[str, bytes]:
        from telltale.evaluate.mask_report import html  # it draws this class

        return {"report.html": html(self).encode(), "evaluation/table.csv": self.to_csv()}

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        titles = ("Dice", "IoU", "picture AUROC", "AUPRO", "regions found", "false a good picture")
        keys = ("dice", "iou", "auroc", "aupro", "region_recall", "false_regions_good")
        return titles, self.cells(keys)


def evaluate_masks(
    bundle: Bundle,
    examples: Sequence[Example],
    trained: Sequence[Example] = (),
    variant: VariantName = "auto",
    progress: Progress | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> MaskEvaluation:
    """Tell every picture and count. Raises CatalogueError when there is no mask at all, BundleError, Interrupted."""
    task = bundle.task
    way = Way(
        "masks",
        labelled=lambda tally: bool(tally.pixels.any()),
        rows=lambda seen, tally: rows_of(task, seen, tally),
        choose=_choose,
        draw=_draw,
    )
    looked = look_through(bundle, examples, variant, progress, way)
    rule = {"least region": f"{bundle.spec.task.get('min_area')} pixels"}
    judged = MaskEvaluation.of(bundle, task, looked, trained, METRICS, rule, replicates, seed)
    kinds = measure_kinds(looked.rows, trained, seed)
    return replace(judged, kinds=kinds, warnings=(*judged.warnings, *(warn_of_few(kinds) if trained else ())))


def measure_masks(
    task: Task, clustered: Clustered, replicates: int, seed: int
) -> tuple[dict[str, Measure], dict[str, dict[str, Measure]]]:
    """Overall and for each name: every metric of KEYS with its interval."""
    return measure_names(task, clustered, METRICS, replicates, seed)


def _choose(rows: Sequence[MaskRow]) -> Mapping[str, Sequence[MaskRow]]:
    """The best and the worst found, the missed and the falsely told; a group only once in each."""
    with_it = [row for row in rows if row.dice is not None]
    ranked = sorted(with_it, key=lambda row: row.dice or 0.0)
    found = [row for row in ranked if row.told_px and row.dice]
    sorts = {
        "missed": sorted((row for row in with_it if row.missed), key=lambda row: -row.true_px),
        "worst": found,
        "best": found[::-1],
        "false": sorted((row for row in rows if row.truth is False and row.false), key=lambda row: -row.told_px),
    }
    return {sort: first_of_groups(candidates) for sort, candidates in sorts.items()}


def _draw(predictor: Predictor, seen: Seen, row: MaskRow) -> tuple[Image, Image]:
    result = predictor.task.decode(seen.outputs, predictor.spec.thresholds)[0]
    assert isinstance(result, MaskResult)
    k = predictor.task.names.index(row.name)
    true = seen.image.copy()
    edges, _ = cv2.findContours(
        (seen.target.values[0, k] >= 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(true, edges, -1, TRUE_EDGE, max(1, round(max(true.shape[:2]) / 250)))
    return true, create_heatmap(seen.image, result, name=row.name, legend=False)
