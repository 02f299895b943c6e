"""How a bundle of each kind of task is measured and its thresholds chosen; each kind registered once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import VariantName
from telltale.dataset import Example
from telltale.errors import BundleError
from telltale.evaluate.box_thresholds import retune_boxes, tune_boxes
from telltale.evaluate.boxes import evaluate_boxes
from telltale.evaluate.evaluation import Evaluation
from telltale.evaluate.judged import Judged
from telltale.evaluate.mask_thresholds import retune_masks, tune_masks
from telltale.evaluate.masks import evaluate_masks
from telltale.evaluate.run import evaluate, files_of
from telltale.evaluate.thresholds import tune, tune_on
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
Tune = Callable[[Bundle, Sequence[Example], Unsure, VariantName, Progress | None], Bundle]
Retune = Callable[[Bundle, Unsure, Unit], Bundle]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """measure: (bundle, test pictures, pictures trained on, variant, progress); progress advances once a test picture.
    tune: (bundle, calibration pictures, what to promise, variant, progress) -> the bundle with thresholds.
    retune: (bundle, what to promise, what to promise it for) -> the same from what the bundle carries.
    """

    measure: Measure
    tune: Tune
    retune: Retune


def _measure_states(
    bundle: Bundle,
    examples: Sequence[Example],
    trained: Sequence[Example],
    variant: VariantName,
    progress: Progress | None,
) -> Judged:
    return StatesJudged(evaluate(bundle, examples, trained=trained, variant=variant, progress=progress))


def _tune_states(
    bundle: Bundle, examples: Sequence[Example], unsure: Unsure, variant: VariantName, progress: Progress | None
) -> Bundle:
    return tune(bundle, examples, unsure, variant=variant, progress=progress)


def _retune_states(bundle: Bundle, unsure: Unsure, unit: Unit) -> Bundle:
    return tune_on(bundle, None, unsure, unit=unit)


def _retune_masks(bundle: Bundle, unsure: Unsure, unit: Unit) -> Bundle:
    return retune_masks(bundle, unsure)  # always by group: exposures of one tile are missed together


def _retune_boxes(bundle: Bundle, unsure: Unsure, unit: Unit) -> Bundle:
    return retune_boxes(bundle, unsure)  # objects by group, pictures without any one by one


EVALUATORS: dict[str, Evaluator] = {
    "states": Evaluator(_measure_states, _tune_states, _retune_states),
    "mask": Evaluator(evaluate_masks, tune_masks, _retune_masks),
    "locate": Evaluator(evaluate_boxes, tune_boxes, _retune_boxes),
}
"""Kind of task to how it is judged."""


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


def tune_bundle(
    bundle: Bundle,
    examples: Sequence[Example],
    unsure: Unsure,
    *,
    variant: VariantName = "auto",
    progress: Progress | None = None,
) -> Bundle:
    """Choose thresholds on the calibration split and write them. Raises BundleError, ConfigError, Interrupted."""
    return _evaluator(bundle).tune(bundle, examples, unsure, variant, progress)


def retune_bundle(bundle: Bundle, unsure: Unsure, *, unit: Unit = "frame") -> Bundle:
    """Choose thresholds anew from what the bundle carries of its calibration, and write them. Raises BundleError."""
    return _evaluator(bundle).retune(bundle, unsure, unit)


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
