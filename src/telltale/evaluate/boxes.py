"""Measure a bundle that tells boxes. Knows nothing of HTML.

Each picture is told as it would be in use, and counted in its own pixels; counts of pictures of one group are resampled
together for the intervals.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor, VariantName
from telltale.dataset import Example
from telltale.errors import CatalogueError, Interrupted
from telltale.evaluate.bootstrap import FEW_GROUPS, Clustered, Measure
from telltale.evaluate.evaluation import between, share
from telltale.evaluate.gallery import jpeg, shrink
from telltale.evaluate.masks import Seen, look_at, measure_masks
from telltale.evaluate.predict import Skipped
from telltale.progress import Progress, Quiet
from telltale.tasks.draw_boxes import draw_boxes
from telltale.tasks.locate import Locate, LocateResult, frame_of, true_boxes
from telltale.tasks.locate_tally import LocateTally
from telltale.tasks.task import Json

REPLICATES = 400
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

SHOWN = 6
"""Pictures of each sort in the report."""

TRUE_EDGE = (230, 97, 0)
"""RGB of the box of what is truly there; a region nobody knows is grey."""
UNKNOWN_EDGE = (150, 150, 150)


@dataclass(frozen=True, slots=True)
class BoxRow:
    """One picture and one name. truth: whether there is any; None: nobody knows. score: the highest.

    centre_px, iou: means of the told objects; None without any.
    """

    file: str
    image_id: int
    group: str
    name: str
    truth: bool | None
    state: str
    score: float
    objects: int
    told: int
    unsure: int
    missed: int
    false: int
    centre_px: float | None
    iou: float | None


@dataclass(frozen=True, slots=True)
class BoxShot:
    """Two JPEGs of one picture: with the true boxes, and with what was told. sort: best, worst, missed or false."""

    sort: str
    row: BoxRow
    truth: bytes
    told: bytes


@dataclass(frozen=True)
class BoxEvaluation:
    """A bundle on a test set. overall, heads: metrics with 95 % intervals; score: every metric, `Task.score`."""

    title: str
    task: Locate
    rows: tuple[BoxRow, ...]
    score: Mapping[str, Any]
    overall: Mapping[str, Measure]
    heads: Mapping[str, Mapping[str, Measure]]
    pictures: int
    groups: int
    shots: tuple[BoxShot, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, str]
    notes: Mapping[str, str]
    thresholds: Mapping[str, Any]

    @property
    def headline(self) -> str:
        near, false = self.overall["near"], self.overall["false_empty"]
        if near.value is None:
            return "No picture had a box, so nothing can be said of what is found."
        said = f"It found {share(near.value)} of the objects to within {self.task.near_px:g} px{between(near)}"
        if false.value is None:
            return said + "."
        return f"{said}, and told something in {share(false.value)} of the pictures without any{between(false)}."

    def to_json(self) -> dict[str, Json]:
        return {
            "headline": self.headline,
            "pictures": self.pictures,
            "groups": self.groups,
            "skipped": len(self.skipped),
            "near_px": self.task.near_px,
            "interval": "95 %, groups resampled",
            "overall": {key: value.to_json() for key, value in self.overall.items()},
            "heads": {n: {key: value.to_json() for key, value in head.items()} for n, head in self.heads.items()},
            "warnings": list(self.warnings),
        }

    def files(self) -> dict[str, bytes]:
        from telltale.evaluate.box_report import html  # it draws this class

        return {"report.html": html(self).encode(), "evaluation/table.csv": self.to_csv()}

    def to_csv(self) -> bytes:
        """A line for each picture and name."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(BoxRow.__dataclass_fields__)
        for row in self.rows:
            values = [getattr(row, name) for name in BoxRow.__dataclass_fields__]
            writer.writerow(["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in values])
        return out.getvalue().encode()

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        titles = ("AP50", "AP50-95", "found", f"within {self.task.near_px:g} px", "centre off px", "false, none there")
        keys = ("ap50", "ap", "recall", "near", "centre_px", "false_empty")
        rows = []
        for name, head in [*self.heads.items(), ("overall", self.overall)]:
            values = [head[key].value for key in keys]
            rows.append([name, *("–" if value is None else f"{value:.3f}" for value in values)])
        return titles, rows


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
    tallies: dict[str, LocateTally] = {}
    rows: list[BoxRow] = []
    skipped: list[Skipped] = []
    try:
        predictor = Predictor.open(bundle.path, variant=variant)
        for seen in look_at(predictor, examples, progress or Quiet()):
            if isinstance(seen, Skipped):
                skipped.append(seen)
                continue
            tally = task.tally(seen.outputs, seen.target, bundle.spec.thresholds)
            group = seen.example.group
            tallies[group] = tallies[group] + tally if group in tallies else tally
            rows += _rows(task, seen, tally)
        if not any(tally.pictures.any() for tally in tallies.values()):
            raise CatalogueError(
                "evaluate", expected="test pictures with boxes of " + ", ".join(task.names), got="none"
            )
        shots = _shoot(predictor, task, rows, {example.image_id: example for example in examples})
    except KeyboardInterrupt as error:
        raise Interrupted("evaluate", got="Ctrl-C", next="nothing was changed; run it again") from error
    clustered = Clustered(tallies[group] for group in sorted(tallies))
    overall, heads = measure_masks(task, clustered, replicates, seed, keys=KEYS, unbounded=UNBOUNDED, shares=SHARES)
    return BoxEvaluation(
        title=bundle.spec.name,
        task=task,
        rows=tuple(rows),
        score=task.score(clustered.total()),
        overall=overall,
        heads=heads,
        pictures=len(rows) // len(task.names),
        groups=len(tallies),
        shots=tuple(shots),
        skipped=tuple(skipped),
        warnings=tuple(_warnings(task, tallies, {e.group for e in trained}, skipped, heads)),
        facts=_facts(bundle, predictor.variant),
        notes=bundle.spec.unsure.notes,
        thresholds=bundle.spec.thresholds,
    )


def _rows(task: Locate, seen: Seen, tally: LocateTally) -> Iterator[BoxRow]:
    """What the tally of one picture says of each name."""
    best = task.peaks(seen.outputs)[0]
    for k, name in enumerate(task.names):
        objects, told, unsure, missed = (int(v) for v in tally.objects[k])
        answered = np.argwhere(tally.answers[k])
        yield BoxRow(
            file=str(seen.example.meta.get("file", seen.example.path.name)),
            image_id=seen.example.image_id,
            group=seen.example.group,
            name=name,
            truth=bool(answered[0][0]) if len(answered) else None,
            state=("off", "on", "unsure")[answered[0][1]] if len(answered) else "",
            score=float(best[k].score[0]) if len(best[k]) else 0.0,
            objects=objects,
            told=told,
            unsure=unsure,
            missed=missed,
            false=int(tally.false[k, 0]),
            centre_px=float(tally.error_px[k]) / told if told else None,
            iou=float(tally.iou[k]) / told if told else None,
        )


def _shoot(
    predictor: Predictor, task: Locate, rows: Sequence[BoxRow], examples: Mapping[int, Example]
) -> list[BoxShot]:
    """The best and the worst placed, the missed and the falsely told, told once more."""
    placed = sorted((row for row in rows if row.centre_px is not None), key=lambda row: row.centre_px or 0.0)
    sorts = {
        "missed": sorted((row for row in rows if row.missed), key=lambda row: row.score),
        "worst": placed[::-1],
        "best": placed,
        "false": sorted((row for row in rows if row.truth is False and row.false), key=lambda row: -row.score),
    }
    shots: list[BoxShot] = []
    for sort, candidates in sorts.items():
        groups: dict[str, BoxRow] = {}
        for row in candidates:  # first one of each group, then the next ones
            groups.setdefault(row.group, row)
        chosen = [*groups.values(), *(row for row in candidates if row not in groups.values())]
        for row in chosen[:SHOWN]:
            shot = _shot(predictor, task, sort, row, examples[row.image_id])
            if shot is not None:
                shots.append(shot)
    return shots


def _shot(predictor: Predictor, task: Locate, sort: str, row: BoxRow, example: Example) -> BoxShot | None:
    seen = next(look_at(predictor, [example], Quiet()))
    if isinstance(seen, Skipped):
        return None
    result = task.decode(seen.outputs, predictor.spec.thresholds)[0]
    k = task.names.index(row.name)
    truth = true_boxes(seen.target.values[0, k], seen.target.hidden[0, k], frame_of(seen.outputs, 0).picture)
    true = seen.image.copy()
    thick = max(1, round(max(true.shape[:2]) / 250))
    for boxes, colour in ((truth.unknown, UNKNOWN_EDGE), (truth.boxes, TRUE_EDGE)):
        for x, y, w, h in boxes.tolist():
            cv2.rectangle(true, (round(x), round(y)), (round(x + w) - 1, round(y + h) - 1), colour, thick)
    told = draw_boxes(seen.image, LocateResult({row.name: result.readings[row.name]}, result.size))
    return BoxShot(sort, row, jpeg(shrink(true)), jpeg(shrink(told)))


def _warnings(
    task: Locate,
    tallies: Mapping[str, LocateTally],
    trained: set[str],
    skipped: Sequence[Skipped],
    heads: Mapping[str, Mapping[str, Measure]],
) -> Iterator[str]:
    leaked = sorted(set(tallies) & trained)
    if leaked:
        yield (
            f"{len(leaked)} of {len(tallies)} test groups were trained on ({', '.join(leaked[:3])}"
            f"{'…' if len(leaked) > 3 else ''}): the numbers are too good."
        )
    if len(tallies) == 1:
        yield "All test pictures are of one group: nothing is said of other groups, and there are no intervals."
    elif len(tallies) < FEW_GROUPS:
        yield f"Only {len(tallies)} groups were tested: intervals from so few groups are rough, and rather too narrow."
    for name in task.names:
        if heads[name]["recall"].value is None:
            yield f"No test picture has any {name}: whether it is found is not known."
        if heads[name]["false_empty"].value is None:
            yield f"No test picture is without {name}: false alarms where there is none are not known."
    if skipped:
        more = " …" if len(skipped) > 1 else ""
        yield f"{len(skipped)} could not be read and are in no number: {skipped[0].why}{more}"


def _facts(bundle: Bundle, variant: str) -> Mapping[str, str]:
    spec = bundle.spec
    facts = {
        "bundle": spec.name,
        "made": spec.created,
        "model": f"{spec.model.backbone}, {spec.model.parameters:,} parameters" if spec.model.backbone else "",
        "run as": f"{variant} with onnxruntime",
        "input": f"{spec.input.width} × {spec.input.height}, {spec.input.fit}",
        "found": f"a told centre in the true box, or within {spec.task.get('near_px')} px of its middle",
        "trained on": f"{spec.data.images:,} pictures of {spec.data.groups:,} groups" if spec.data.images else "",
        "data hash": spec.data.hash,
        "licence": spec.licence,
        "thresholds": json.dumps({name: [round(t.low, 4), round(t.high, 4)] for name, t in spec.thresholds.items()}),
    }
    if spec.allow_leak:
        facts["leak"] = "splits were allowed to leak: near-duplicates may stand on both sides"
    return {key: value for key, value in facts.items() if value}
