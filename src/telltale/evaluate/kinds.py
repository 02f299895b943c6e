"""How a bundle of each kind of task is measured and its thresholds chosen; each kind registered once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import FILES, VariantName
from telltale.dataset import Example
from telltale.errors import BundleError
from telltale.evaluate import box_thresholds, mask_thresholds
from telltale.evaluate.box_thresholds import choose_boxes, count_boxes
from telltale.evaluate.boxes import evaluate_boxes
from telltale.evaluate.cuts import Chosen, counts_file, keep_cuts, read_counts
from telltale.evaluate.evaluation import Evaluation
from telltale.evaluate.judged import Judged
from telltale.evaluate.mask_thresholds import choose_masks, count_masks
from telltale.evaluate.masks import evaluate_masks
from telltale.evaluate.run import evaluate, files_of
from telltale.evaluate.thresholds import CALIBRATION, choose_states, count_states
from telltale.progress import Progress
from telltale.project import Unsure
from telltale.tasks.calibrate import Unit
from telltale.tasks.task import Json


@dataclass(frozen=True, slots=True)
class StatesJudged:
    """An `Evaluation` of yes/no states."""

    evaluation: Evaluation

    @property
    def headline(self) -> str:
        return self.evaluation.headline

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.evaluation.warnings

    def to_json(self) -> dict[str, Json]:
        return self.evaluation.to_json()

    def files(self) -> dict[str, bytes]:
        return files_of(self.evaluation)

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        rows = []
        for name, head in [*self.evaluation.heads.items(), ("overall", self.evaluation.overall)]:
            cells = [head[key].value for key in ("coverage", "told_accuracy", "accuracy", "auroc")]
            rows.append([name, *("–" if cell is None else f"{cell:.3f}" for cell in cells)])
        return ("told", "of those right", "accuracy", "AUROC"), rows


Measure = Callable[[Bundle, Sequence[Example], Sequence[Example], VariantName, Progress | None], Judged]
Count = Callable[[Bundle, Sequence[Example], VariantName, Progress | None], bytes]
Choose = Callable[[Bundle, bytes, Unsure, Unit], Mapping[str, Chosen]]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """measure: (bundle, test pictures, pictures trained on, variant, progress); progress advances once a test picture.
    count: (bundle, calibration pictures, variant, progress) -> what thresholds are chosen from.
    choose: (bundle, what was counted, what to promise, what to promise it for) -> each name's thresholds.
    file: where what was counted lies in a bundle.
    """

    measure: Measure
    count: Count
    choose: Choose
    file: str


def _measure_states(
    bundle: Bundle,
    examples: Sequence[Example],
    trained: Sequence[Example],
    variant: VariantName,
    progress: Progress | None,
) -> Judged:
    return StatesJudged(evaluate(bundle, examples, trained=trained, variant=variant, progress=progress))


EVALUATORS: dict[str, Evaluator] = {
    "states": Evaluator(_measure_states, count_states, choose_states, CALIBRATION),
    "mask": Evaluator(evaluate_masks, count_masks, choose_masks, mask_thresholds.COUNTS),
    "locate": Evaluator(evaluate_boxes, count_boxes, choose_boxes, box_thresholds.COUNTS),
}
"""Kind of task to how it is judged."""

TUNED: tuple[VariantName, ...] = ("int8", "float")
"""The order of variants in `keep_cuts`: the float model's cuts last."""


def measure_bundle(
    bundle: Bundle,
    examples: Sequence[Example],
    trained: Sequence[Example] = (),
    *,
    variant: VariantName = "auto",
    progress: Progress | None = None,
) -> Judged:
    """Run a bundle on every picture and measure it. Raises CatalogueError, BundleError, Interrupted."""
    return _evaluator(bundle).measure(bundle, examples, trained, variant, progress)


def variants_of(bundle: Bundle) -> tuple[VariantName, ...]:
    """Those of TUNED that the bundle holds."""
    return tuple(variant for variant in TUNED if FILES[variant] in bundle.spec.files)


def tune_bundle(
    bundle: Bundle,
    examples: Sequence[Example],
    unsure: Unsure,
    *,
    unit: Unit = "frame",
    progress: Progress | None = None,
) -> Bundle:
    """Choose thresholds on the calibration split that hold for every variant, and write them.

    unit: as for `retune_bundle`. progress advances once a picture and variant.
    Raises BundleError, ConfigError, Interrupted; then nothing is written.
    """
    kind = _evaluator(bundle)
    counts = {
        counts_file(kind.file, variant): kind.count(bundle, examples, variant, progress)
        for variant in variants_of(bundle)
    }
    found = [kind.choose(bundle, counted, unsure, unit) for counted in counts.values()]
    return keep_cuts(bundle, found, unsure, counts)


def retune_bundle(bundle: Bundle, unsure: Unsure, *, unit: Unit = "frame") -> Bundle:
    """The same from what the bundle carries of its calibration. Raises BundleError, ConfigError.

    unit: "frame" vouches for pictures drawn as these were, "group" for new groups; only states can choose.
    """
    kind = _evaluator(bundle)
    files = [counts_file(kind.file, variant) for variant in variants_of(bundle)]
    found = [kind.choose(bundle, read_counts(bundle, file), unsure, unit) for file in files]
    return keep_cuts(bundle, found, unsure, {})


def keep_judged(bundle: Bundle, judged: Judged) -> Bundle:
    """Put metrics, report and tables into the bundle, all at once. Raises BundleError."""
    return bundle.update(files=judged.files(), metrics={**bundle.spec.metrics, **judged.to_json()})


def write_judged(judged: Judged, folder: Path) -> Path:
    """Write the report, its tables and metrics.json into a folder; the report's path comes back."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in judged.files().items():
        (folder / Path(name).name).write_bytes(data)
    (folder / "metrics.json").write_text(json.dumps(judged.to_json(), indent=2) + "\n", encoding="utf-8")
    return folder / "report.html"


def _evaluator(bundle: Bundle) -> Evaluator:
    kind = bundle.task.kind
    if kind not in EVALUATORS:
        raise BundleError(bundle.path.name, expected="a kind that is evaluated: " + ", ".join(EVALUATORS), got=kind)
    return EVALUATORS[kind]
