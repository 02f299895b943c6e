"""How right the car model is on views never seen, a quarter of the combinations never trained, beside a plain CNN.

python -m bench.accuracy [--folder F] [--minutes M] [--backbone B] [--views N] [--test-views N]
Both are trained on the same pictures: ours for M minutes, the plain CNN for as much processor time as all cores give
in M minutes. They get thresholds by the same rule on the same calibration pictures. Test pictures come from a second
collection with other views and other looks.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.baseline_cnn import SIDE, baseline
from bench.machine import keep
from telltale import pages
from telltale.bundle.bundle import Bundle
from telltale.cli.demo import FULL, RECIPE, start
from telltale.cli.shipping import export_and_tune
from telltale.collect import collect_page, load_recipe
from telltale.collect.plan import make_plan
from telltale.dataset.catalogue import Catalogue, Example
from telltale.dataset.near import find_leaks
from telltale.dataset.split import plan_split
from telltale.evaluate import Evaluation, Table, evaluate
from telltale.evaluate.curves import risk_coverage
from telltale.evaluate.evaluation import assess, combinations
from telltale.model.checkpoint import LAST, load
from telltale.preprocess import decode
from telltale.progress import progress
from telltale.project import Project, Split
from telltale.tasks import stack_targets
from telltale.tasks.calibrate import tune_thresholds
from telltale.train import run

TARGET = {"told_accuracy": 0.99, "coverage": 0.85}

HELD = 8
"""Combinations of 32 that are never trained."""


def collect(folder: Path, views: int, seed: int, name: str) -> Project:
    """A project with every combination, `views` of each."""
    project = start(folder, FULL)
    recipe = load_recipe(pages.web_root() / RECIPE).model_copy(update={"views": views, "seed": seed})
    with (
        Catalogue.open(project.catalogue_path, project.images) as catalogue,
        progress(f"collect {name}", make_plan(recipe).views, "pictures") as step,
    ):
        collect_page(recipe, catalogue, progress=step)
    return project


def split(project: Project) -> list[str]:
    """Hold the same combinations back every time; the rest trains and calibrates."""
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        groups = catalogue.groups()
        held = sorted(groups, key=lambda group: hashlib.sha256(f"held:{group}".encode()).digest())[:HELD]
        shares = Split(train=0.78, calibration=0.22, test=0)
        rest = plan_split({group: count for group, count in groups.items() if group not in held}, shares)
        catalogue.set_splits({**rest, **dict.fromkeys(held, "test")})
    return held


def pixels(examples: Sequence[Example]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(N, SIDE, SIDE, 3) uint8."""
    size = (SIDE, SIDE)
    return np.stack([cv2.resize(decode(e.path), size, interpolation=cv2.INTER_AREA) for e in examples]).astype(np.uint8)


def plain(project: Project, bundle: Bundle, tests: Sequence[Example], minutes: float) -> Evaluation:
    """The plain CNN on the same pictures, its thresholds by the same rule."""
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        train, calibration = catalogue.examples("train"), catalogue.examples("calibration")
    task = bundle.task
    target = stack_targets([task.encode(e.labels) for e in train])
    cpu_s = minutes * 60 * (os.cpu_count() or 1)
    answers = baseline(pixels(train), target.values, pixels([*calibration, *tests]), cpu_s)
    tuned = tune_thresholds(
        answers[: len(calibration)],
        stack_targets([task.encode(e.labels) for e in calibration]),
        names=task.names,
        error=project.config.unsure.error,
        confidence=project.config.unsure.confidence,
        groups=[e.group for e in calibration],
    )
    table = Table(
        task.names,
        np.array([e.image_id for e in tests]),
        tuple(e.path.name for e in tests),
        tuple(e.sha256 for e in tests),
        tuple(e.group for e in tests),
        tuple("test" for _ in tests),
        answers[len(calibration) :],
        stack_targets([task.encode(e.labels) for e in tests]),
    )
    thresholds = {name: t.threshold for name, t in tuned.items()}
    return assess(task, table, table, thresholds, title="plain CNN", trained=combinations(target))


def numbers(evaluation: Evaluation) -> dict[str, Any]:
    """What the table shows: told, right among the told, accuracy, AUROC, with intervals."""
    wanted = ("coverage", "told_accuracy", "accuracy", "auroc")
    rows = {**evaluation.heads, "overall": evaluation.overall}
    return {
        "heads": {name: {key: row[key].to_json() for key in wanted} for name, row in rows.items()},
        "parts": {
            part.name: {"pictures": part.pictures, **{key: part.overall[key].to_json() for key in wanted}}
            for part in evaluation.parts
        },
    }


def right_at(evaluation: Evaluation, coverage: float) -> dict[str, float]:
    """Share right among the surest answers, `coverage` of all of them, for each head and overall."""
    table = evaluation.scored
    answers, truth = table.probabilities.astype(np.float64), table.target.values >= 0.5
    columns = {name: (answers[:, k], truth[:, k]) for k, name in enumerate(table.names)}
    columns["overall"] = (answers.ravel(), truth.ravel())
    right = {}
    for name, (p, on) in columns.items():
        risk = risk_coverage(p, on)
        right[name] = round(1 - float(risk.error[int(np.searchsorted(risk.coverage, coverage))]), 4)
    return right


def reached(evaluation: Evaluation) -> dict[str, bool]:
    """Whether answers told by the bundle's thresholds are 99 % right at 85 % coverage, for each head and overall."""
    rows = {**evaluation.heads, "overall": evaluation.overall}
    return {
        name: (row["told_accuracy"].value or 0) >= TARGET["told_accuracy"]
        and (row["coverage"].value or 0) >= TARGET["coverage"]
        for name, row in rows.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path)
    options.add_argument("--minutes", type=float, default=12.0)
    options.add_argument("--backbone", default="tiny")
    options.add_argument("--views", type=int, default=240)
    options.add_argument("--test-views", type=int, default=20)
    options.add_argument("--run", default="accuracy", help="its name; one that is there is measured again")
    options.add_argument("--no-plain", action="store_true", help="without the plain CNN; keeps no result")
    given = options.parse_args(arguments)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="telltale-accuracy-"))
    project = collect(folder / "train", given.views, 0, "to train on")
    other = collect(folder / "test", given.test_views, 1, "to test on")
    held = split(project)
    settings = project.config.train.model_copy(update={"minutes": given.minutes, "backbone": given.backbone})
    run_dir = project.runs / given.run
    if not run_dir.exists():
        run(project, name=given.run, settings=settings, steps=progress)
    bundle = export_and_tune(project, run_dir)
    epochs = len(load(run_dir / LAST).history)
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        trained = catalogue.examples("train")
        calibrated = catalogue.examples("calibration")
    with Catalogue.open(other.catalogue_path, other.images, readonly=True) as catalogue:
        tests = [replace(e, group=f"new/{e.group}", split="test") for e in catalogue.examples()]
    leaks = find_leaks([*trained, *tests], project.config.split.near_bits)
    ours = evaluate(bundle, tests, trained=trained)
    print(ours.headline)
    told = {
        "pictures": {"train": len(trained), "calibration": len(calibrated), "test": len(tests)},
        "never_trained": held,
        "near_duplicates_of_training_in_test": len(leaks),
        "minutes": given.minutes,
        "target": TARGET,
        "reached": reached(ours),
        "telltale": {
            "backbone": bundle.spec.model.backbone,
            "parameters": bundle.spec.model.parameters,
            "macs": bundle.spec.model.macs,
            "epochs": epochs,
            "right_at_target_coverage": right_at(ours, TARGET["coverage"]),
            **numbers(ours),
        },
    }
    for name, row in [*ours.heads.items(), ("overall", ours.overall)]:
        print(name, *(f"{key} {row[key].value:.4f}" for key in ("coverage", "told_accuracy", "accuracy", "auroc")))
    if given.no_plain:
        return
    print("right among the surest 85 %:", right_at(ours, TARGET["coverage"]))
    theirs = plain(project, bundle, tests, given.minutes)
    print("plain CNN:", theirs.headline)
    keep(
        "accuracy",
        {**told, "plain_cnn": {"right_at_target_coverage": right_at(theirs, TARGET["coverage"]), **numbers(theirs)}},
    )


if __name__ == "__main__":
    main()
