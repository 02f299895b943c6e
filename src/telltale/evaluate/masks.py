"""Measure a bundle that tells masks. Knows nothing of HTML.

Each picture is told at its own size, as it would be in use, and counted; counts of pictures of one group are resampled
together for the intervals.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor, VariantName
from telltale.dataset import Example
from telltale.dataset.masks import with_pixels
from telltale.errors import CatalogueError, ImageError, Interrupted
from telltale.evaluate.bootstrap import FEW_GROUPS, Clustered, Measure, percentile, share_interval
from telltale.evaluate.evaluation import between, share
from telltale.evaluate.gallery import jpeg, shrink
from telltale.evaluate.predict import Skipped
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.progress import Progress, Quiet
from telltale.tasks import Target, Task
from telltale.tasks.heatmap import create_heatmap
from telltale.tasks.mask import MaskResult
from telltale.tasks.mask_tally import MaskTally
from telltale.tasks.task import Json

REPLICATES = 400
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

SHOWN = 6
"""Pictures of each sort in the report."""

TRUE_EDGE = (230, 97, 0)
"""RGB of the outline of what is truly there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture and one name. truth: whether there is any; None: not wholly known. dice: None where nothing is."""

    file: str
    image_id: int
    group: str
    name: str
    truth: bool | None
    state: str
    score: float
    dice: float | None
    told_px: int
    true_px: int
    regions: int
    missed: int
    false: int


@dataclass(frozen=True, slots=True)
class MaskShot:
    """Two JPEGs of one picture: with the true outline, and with what was told. sort: best, worst, missed or false."""

    sort: str
    row: Row
    truth: bytes
    told: bytes


@dataclass(frozen=True)
class MaskEvaluation:
    """A mask bundle on a test set. overall, heads: metrics with 95 % intervals; score: every metric, `Task.score`."""

    title: str
    task: Task
    rows: tuple[Row, ...]
    score: Mapping[str, Any]
    overall: Mapping[str, Measure]
    heads: Mapping[str, Mapping[str, Measure]]
    pictures: int
    groups: int
    shots: tuple[MaskShot, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, str]
    notes: Mapping[str, str]
    thresholds: Mapping[str, Any]

    @property
    def headline(self) -> str:
        dice, recall = self.overall["dice"], self.overall["region_recall"]
        false = self.overall["false_regions_good"].value
        if dice.value is None:
            return "No picture had a mask, so nothing can be said."
        found = "" if recall.value is None else f"It found {share(recall.value)} of the regions{between(recall)}"
        alarms = "" if false is None else f" at {false:.2f} false ones a good picture"
        return f"{found}{alarms}; of the pixels, Dice {dice.value:.3f}.".lstrip("; ")

    def to_json(self) -> dict[str, Json]:
        return {
            "headline": self.headline,
            "pictures": self.pictures,
            "groups": self.groups,
            "skipped": len(self.skipped),
            "interval": "95 %, groups resampled",
            "overall": {key: value.to_json() for key, value in self.overall.items()},
            "heads": {n: {key: value.to_json() for key, value in head.items()} for n, head in self.heads.items()},
            "warnings": list(self.warnings),
        }

    def files(self) -> dict[str, bytes]:
        from telltale.evaluate.mask_report import html  # it draws this class

        return {"report.html": html(self).encode(), "evaluation/table.csv": self.to_csv()}

    def to_csv(self) -> bytes:
        """A line for each picture and name."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(Row.__dataclass_fields__)
        for row in self.rows:
            values = [getattr(row, name) for name in Row.__dataclass_fields__]
            writer.writerow(["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in values])
        return out.getvalue().encode()

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        titles = ("Dice", "IoU", "picture AUROC", "AUPRO", "regions found", "false a good picture")
        keys = ("dice", "iou", "auroc", "aupro", "region_recall", "false_regions_good")
        rows = []
        for name, head in [*self.heads.items(), ("overall", self.overall)]:
            values = [head[key].value for key in keys]
            rows.append([name, *("–" if value is None else f"{value:.3f}" for value in values)])
        return titles, rows


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
    try:
        predictor = Predictor.open(bundle.path, variant=variant)
        step = progress or Quiet()
        tallies: dict[str, MaskTally] = {}
        rows: list[Row] = []
        skipped: list[Skipped] = []
        pictures = 0
        for seen in look_at(predictor, examples, step):
            if isinstance(seen, Skipped):
                skipped.append(seen)
                continue
            tally = predictor.task.tally(seen.outputs, seen.target, bundle.spec.thresholds)
            group = seen.example.group
            tallies[group] = tallies[group] + tally if group in tallies else tally
            rows += _rows(predictor.task, seen, tally)
            pictures += 1
        if not any(tally.pixels.any() for tally in tallies.values()):
            raise CatalogueError(
                "evaluate", expected="test pictures with masks of " + ", ".join(bundle.task.names), got="none"
            )
        shots = _shoot(predictor, rows, {example.image_id: example for example in examples})
    except KeyboardInterrupt as error:
        raise Interrupted("evaluate", got="Ctrl-C", next="nothing was changed; run it again") from error
    clustered = Clustered(tallies[group] for group in sorted(tallies))
    overall, heads = measure_masks(bundle.task, clustered, replicates, seed)
    return MaskEvaluation(
        title=bundle.spec.name,
        task=bundle.task,
        rows=tuple(rows),
        score=bundle.task.score(clustered.total()),
        overall=overall,
        heads=heads,
        pictures=pictures,
        groups=len(tallies),
        shots=tuple(shots),
        skipped=tuple(skipped),
        warnings=tuple(_warnings(bundle.task, tallies, {e.group for e in trained}, skipped, heads)),
        facts=_facts(bundle, predictor.variant),
        notes=bundle.spec.unsure.notes,
        thresholds=bundle.spec.thresholds,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture with the model's outputs and the target, each with a batch axis of 1, at the picture's size."""

    example: Example
    image: Image
    outputs: Mapping[str, NDArray[np.float32]]
    target: Target


def look_at(predictor: Predictor, examples: Sequence[Example], progress: Progress) -> Iterator[Seen | Skipped]:
    """The model on each picture, in the order given; one that cannot be read, or whose mask cannot, is set aside."""
    names = predictor.task.names
    for example in examples:
        try:
            image = decode(example.path)
            height, width = image.shape[:2]
            target = predictor.task.encode(with_pixels(example, names), (width, height))
            batch = Target(target.values[None], target.known[None], target.hidden[None])
            yield Seen(example, image, predictor.look(image), batch)
        except (ImageError, CatalogueError) as error:
            yield Skipped(example.path.name, str(error))
        progress.advance()


def _rows(task: Task, seen: Seen, tally: MaskTally) -> Iterator[Row]:
    """What the tally of one picture says of each name."""
    for k, name in enumerate(task.names):
        right, false, missed = (int(v) for v in tally.told[k])
        there = right + missed
        answered = np.argwhere(tally.answers[k])
        truth = bool(answered[0][0]) if len(answered) else None
        bins = np.argwhere(tally.scores[k])
        yield Row(
            file=str(seen.example.meta.get("file", seen.example.path.name)),
            image_id=seen.example.image_id,
            group=seen.example.group,
            name=name,
            truth=truth,
            state=("off", "on", "unsure")[answered[0][1]] if len(answered) else "",
            score=float(seen.outputs["probabilities"][0, k].max()) if len(bins) else 0.0,
            dice=2 * right / (2 * right + false + missed) if there else None,
            told_px=right + false,
            true_px=there,
            regions=int(tally.regions[k, 0]),
            missed=int(tally.regions[k, 3]),
            false=int(tally.false[k, 0]),
        )


def measure_masks(
    task: Task,
    clustered: Clustered,
    replicates: int,
    seed: int,
    *,
    keys: Sequence[str] = KEYS,
    unbounded: Collection[str] = UNBOUNDED,
    shares: Mapping[str, str] | None = None,
) -> tuple[dict[str, Measure], dict[str, dict[str, Measure]]]:
    """Overall and for each name: every metric of `keys` with its interval; without one where there is one group only.

    unbounded: those that may exceed 1. shares: those that are shares of so many cases, and where that number stands;
    they have an interval at 0 and 1 too.
    """
    point = task.score(clustered.total())
    scores = [("overall", None), *(("heads", name) for name in task.names)]

    def part(score: Mapping[str, Any], where: str, name: str | None) -> Mapping[str, Any]:
        found: Mapping[str, Any] = score[where] if name is None else score[where][name]
        return found

    again: list[dict[str, Json]] = []
    if clustered.count > 1:
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(clustered.count, np.full(clustered.count, 1 / clustered.count), replicates)
        again = [task.score(clustered.total(row.astype(np.float64))) for row in draws]
    out = []
    for where, name in scores:
        here = part(point, where, name)
        measures = {}
        for key in keys:
            drawn = [value for score in again if (value := part(score, where, name)[key]) is not None]
            if here[key] is None or len(drawn) < max(len(again) / 2, 2):
                measures[key] = Measure(here[key])
            elif shares and key in shares:
                count = int(here[shares[key]])
                measures[key] = share_interval(float(here[key]), count, np.array(drawn, np.float64))
            else:
                top = np.inf if key in unbounded else 1.0
                measures[key] = percentile(float(here[key]), np.array(drawn, np.float64), top)
        out.append(measures)
    return out[0], dict(zip(task.names, out[1:], strict=True))


def _shoot(predictor: Predictor, rows: Sequence[Row], examples: Mapping[int, Example]) -> list[MaskShot]:
    """The best and the worst found, the missed and the falsely told, told once more."""
    with_it = [row for row in rows if row.dice is not None]
    ranked = sorted(with_it, key=lambda row: row.dice or 0.0)
    found = [row for row in ranked if row.told_px and row.dice]
    sorts = {
        "missed": sorted((row for row in with_it if row.missed), key=lambda row: -row.true_px),
        "worst": found,
        "best": found[::-1],
        "false": sorted((row for row in rows if row.truth is False and row.false), key=lambda row: -row.told_px),
    }
    shots: list[MaskShot] = []
    for sort, candidates in sorts.items():
        chosen, groups = [], set()
        for row in candidates:  # a group only once, as far as there are groups
            if row.group not in groups:
                chosen.append(row)
                groups.add(row.group)
        for row in chosen[:SHOWN]:
            shot = _shot(predictor, sort, row, examples[row.image_id])
            if shot is not None:
                shots.append(shot)
    return shots


def _shot(predictor: Predictor, sort: str, row: Row, example: Example) -> MaskShot | None:
    seen = next(look_at(predictor, [example], Quiet()))
    if isinstance(seen, Skipped):
        return None
    result = predictor.task.decode(seen.outputs, predictor.spec.thresholds)[0]
    assert isinstance(result, MaskResult)
    k = predictor.task.names.index(row.name)
    true = seen.image.copy()
    edges, _ = cv2.findContours(
        (seen.target.values[0, k] >= 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(true, edges, -1, TRUE_EDGE, max(1, round(max(true.shape[:2]) / 250)))
    told = create_heatmap(seen.image, result, name=row.name, legend=False)
    return MaskShot(sort, row, jpeg(shrink(true)), jpeg(shrink(told)))


def _warnings(
    task: Task,
    tallies: Mapping[str, MaskTally],
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
        if heads[name]["dice_picture"].value is None:
            yield f"No test picture has any {name}: whether it is found is not known."
        if heads[name]["false_regions_good"].value is None:
            yield f"No test picture is without {name}: false alarms on good pictures are not known."
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
        "least region": f"{spec.task.get('min_area')} pixels",
        "trained on": f"{spec.data.images:,} pictures of {spec.data.groups:,} groups" if spec.data.images else "",
        "data hash": spec.data.hash,
        "licence": spec.licence,
        "thresholds": json.dumps({name: [round(t.low, 4), round(t.high, 4)] for name, t in spec.thresholds.items()}),
    }
    if spec.allow_leak:
        facts["leak"] = "splits were allowed to leak: near-duplicates may stand on both sides"
    return {key: value for key, value in facts.items() if value}
