"""Evaluate a bundle on labelled pictures, and keep what came of it. Knows nothing of charts or thresholds' choice.

What is measured is what ships: the bundle's own graph, decoding and thresholds. The table of probabilities is kept in
the bundle under `evaluation/`, so that other thresholds are scored without the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor, VariantName
from telltale.dataset import Example
from telltale.errors import BundleError, Interrupted
from telltale.evaluate import gallery
from telltale.evaluate.bootstrap import REPLICATES
from telltale.evaluate.evaluation import Combination, Evaluation, assess, combinations
from telltale.evaluate.facts import facts_of
from telltale.evaluate.predict import Skipped, predict
from telltale.evaluate.report import html
from telltale.evaluate.table import Table, read_table
from telltale.progress import Progress, Quiet
from telltale.tasks import stack_targets

FOLDER = "evaluation"
TABLE = f"{FOLDER}/table.parquet"
CSV = f"{FOLDER}/table.csv"
GALLERY = f"{FOLDER}/gallery.json"
CONTEXT = f"{FOLDER}/context.json"
REPORT = "report.html"


def evaluate(
    bundle: Bundle,
    examples: Sequence[Example],
    *,
    trained: Sequence[Example] = (),
    also: Sequence[Example] = (),
    variant: VariantName = "auto",
    threads: int | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Run the bundle on every test picture and measure it.

    examples: the test split. trained: what was trained on (labels and groups only, pictures are not read), to tell
    combinations never trained from the others and to find leaks. also: further pictures for the table, in no number.
    progress advances by one for each picture of examples and also. seed: of the resampling.
    Raises CatalogueError when there is no labelled picture, BundleError, Interrupted; nothing is written.
    """
    try:
        predictor = Predictor.open(bundle.path, variant=variant, threads=threads)
        step = progress or Quiet()
        scored, skipped = predict(predictor, examples, progress=step)
        rest, more = predict(predictor, also, progress=step)
        shots = gallery.shoot(predictor, scored, {e.image_id: e for e in examples}) if len(scored) else []
    except KeyboardInterrupt as error:
        raise Interrupted("evaluate", got="Ctrl-C", next="nothing was changed; run it again") from error
    seen = _combinations(bundle, trained) if trained else None
    return assess(
        bundle.task,
        _join(scored, rest),
        scored,
        bundle.spec.thresholds,
        title=bundle.spec.name,
        guarantees=bundle.spec.unsure.notes,
        trained=seen,
        trained_groups={example.group for example in trained},
        skipped=[*skipped, *more],
        gallery=shots,
        facts=facts_of(bundle, predictor.variant),
        level=_level(bundle),
        replicates=replicates,
        seed=seed,
    )


def rescore(bundle: Bundle, table: Table | None = None, *, replicates: int = REPLICATES, seed: int = 0) -> Evaluation:
    """Measure the bundle's present thresholds on the table of its last evaluation: no picture is needed.

    table: another one of the same names; None: the one in the bundle. Raises BundleError when there is none.
    """
    context = _context(bundle)
    if table is None:
        if TABLE not in bundle.spec.files:
            raise BundleError(
                f"{bundle.path.name}: {TABLE}", expected="a table", got="none", next="run `telltale evaluate` first"
            )
        table = read_table(bundle.read(TABLE))
        inside = np.isin(table.image_ids, context.get("scored", table.image_ids.tolist()))
        scored = table.where(inside)
    else:
        scored = table
    if table.names != bundle.task.names:
        raise BundleError(
            f"{bundle.path.name}: table", expected=", ".join(bundle.task.names), got=", ".join(table.names)
        )
    trained = context.get("trained")
    return assess(
        bundle.task,
        table,
        scored,
        bundle.spec.thresholds,
        title=bundle.spec.name,
        guarantees=bundle.spec.unsure.notes,
        trained=None if trained is None else [tuple(row) for row in trained],
        trained_groups=context.get("trained_groups", ()),
        skipped=[Skipped(**row) for row in context.get("skipped", ())],
        gallery=gallery.from_json(bundle.read(GALLERY), GALLERY) if GALLERY in bundle.spec.files else (),
        facts=context.get("facts") or facts_of(bundle, "float"),
        level=_level(bundle),
        replicates=replicates,
        seed=seed,
    )


def keep(bundle: Bundle, evaluation: Evaluation) -> Bundle:
    """Put metrics, report and table into the bundle, all at once. Raises BundleError."""
    return bundle.update(files=dict(files_of(evaluation)), metrics={**bundle.spec.metrics, **evaluation.to_json()})


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write report.html, metrics.json, table.parquet and table.csv into a folder; the report's path comes back."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.parquet").write_bytes(evaluation.table.to_parquet(evaluation.thresholds))
    (folder / "table.csv").write_bytes(evaluation.table.to_csv(evaluation.thresholds))
    (folder / "metrics.json").write_text(json.dumps(evaluation.to_json(), indent=2) + "\n", encoding="utf-8")
    report = folder / REPORT
    report.write_text(html(evaluation), encoding="utf-8")
    return report


def files_of(evaluation: Evaluation) -> dict[str, bytes]:
    """The evaluation as files of a bundle."""
    leaked = sorted(set(evaluation.trained_groups) & set(evaluation.scored.groups))
    trained = None if evaluation.trained is None else sorted(list(combo) for combo in evaluation.trained)
    context = {
        "scored": evaluation.scored.image_ids.tolist(),
        "trained": trained,
        "trained_groups": leaked,
        "skipped": [asdict(skip) for skip in evaluation.skipped],
        "facts": dict(evaluation.facts),
    }
    return {
        REPORT: html(evaluation).encode(),
        TABLE: evaluation.table.to_parquet(evaluation.thresholds),
        CSV: evaluation.table.to_csv(evaluation.thresholds),
        GALLERY: gallery.to_json(evaluation.gallery),
        CONTEXT: json.dumps(context).encode(),
    }


def _context(bundle: Bundle) -> dict[str, Any]:
    if CONTEXT not in bundle.spec.files:
        return {}
    try:
        context = json.loads(bundle.read(CONTEXT))
    except ValueError as error:
        raise BundleError(f"{bundle.path.name}/{CONTEXT}", expected="JSON", got=str(error)) from error
    if not isinstance(context, dict):
        raise BundleError(f"{bundle.path.name}/{CONTEXT}", expected="an object", got=type(context).__name__)
    return context


def _combinations(bundle: Bundle, examples: Sequence[Example]) -> set[Combination]:
    target = stack_targets([bundle.task.shows(example.labels) for example in examples])
    return combinations(target)


def _join(one: Table, other: Table) -> Table:
    if not len(other):
        return one
    target = type(one.target)(
        np.concatenate([one.target.values, other.target.values]),
        np.concatenate([one.target.known, other.target.known]),
        np.concatenate([one.target.hidden, other.target.hidden]),
    )
    return Table(
        one.names,
        np.concatenate([one.image_ids, other.image_ids]),
        one.files + other.files,
        one.sha256 + other.sha256,
        one.groups + other.groups,
        one.splits + other.splits,
        np.concatenate([one.probabilities, other.probabilities]),
        target,
    )


def _level(bundle: Bundle) -> float | None:
    """The error asked for, where thresholds were chosen by it."""
    return bundle.spec.unsure.error if bundle.spec.unsure.notes else None
