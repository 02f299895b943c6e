"""Masks told on every picture of a data set by a net that has seen nothing of its group: cross-validation.

python -m bench.mask_folds [magtile|crackforest] [--folds 5] [--epochs N] [--threads N] [--set KEY=VALUE]
Of a few hundred tiles a handful have a defect, and a test split of a fifth of them decides little. Here each fold is
the test once: its bundle is trained, exported and its cuts chosen on the others (the next fold is the calibration
split), and the counts of all folds are put together; groups are resampled for the intervals. Scores of different nets
are ranked against each other, which costs a little AUROC; that of each fold stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.machine import keep
from bench.mask_accuracy import CASES, KEYS, SHARED, settings_for, start
from bench.settings import read_setting
from telltale.bundle.predictor import Predictor
from telltale.cli.shipping import export_and_tune
from telltale.dataset.catalogue import Catalogue, Example
from telltale.evaluate.bootstrap import Clustered
from telltale.evaluate.looking import look_at
from telltale.evaluate.masks import measure_masks
from telltale.evaluate.predict import Skipped
from telltale.progress import Quiet, progress
from telltale.project import Project, Train
from telltale.tasks.mask_tally import MaskTally
from telltale.train import run


def plan_folds(examples: Sequence[Example], count: int) -> dict[str, int]:
    """Group to fold. Groups of a class (that of most of their pictures) are dealt out one by one."""
    classes: dict[str, Counter[str]] = {}
    for example in examples:
        classes.setdefault(example.group, Counter())[str(example.meta.get("class", ""))] += 1
    dealt = sorted(classes, key=lambda group: (classes[group].most_common(1)[0][0], group))
    return {group: n % count for n, group in enumerate(dealt)}


def split_for(folds: dict[str, int], fold: int, count: int) -> dict[str, str]:
    """Group to split, where `fold` is the test and the next one calibrates."""
    names = {fold: "test", (fold + 1) % count: "calibration"}
    return {group: names.get(its, "train") for group, its in folds.items()}


def tallies_of(project: Project, number: int, settings: Train) -> tuple[dict[str, MaskTally], float]:
    """Train on the project's splits, export, tune; then the counts of each test group, and the seconds of training."""
    result = run(project, name=f"fold-{number}", settings=settings, steps=progress)
    bundle = export_and_tune(project, result.run_dir, project.root / f"fold-{number}.telltale")
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        test = catalogue.examples("test")
    tallies: dict[str, MaskTally] = {}
    for seen in look_at(Predictor.open(bundle.path), test, Quiet()):
        assert not isinstance(seen, Skipped), seen.why
        one = bundle.task.tally(seen.outputs, seen.target, bundle.spec.thresholds)
        group = seen.example.group
        tallies[group] = tallies[group] + one if group in tallies else one
    return tallies, result.seconds


def measure(name: str, count: int, options: argparse.Namespace) -> dict[str, Any]:
    case = CASES[name]
    given = dict(read_setting(text) for text in options.set)
    with tempfile.TemporaryDirectory() as folder:
        project = start(Path(folder) / "project", SHARED / case.folder, case)
        settings = settings_for(project, case.minutes, options.threads, options.epochs, given)
        with Catalogue.open(project.catalogue_path, project.images) as catalogue:
            folds = plan_folds(catalogue.examples(), count)
        each: list[dict[str, MaskTally]] = []
        took: list[int] = []
        for fold in range(count):
            with Catalogue.open(project.catalogue_path, project.images) as catalogue:
                catalogue.set_splits(split_for(folds, fold, count))
            tallies, seconds = tallies_of(project, fold, settings)
            each.append(tallies)
            took.append(round(seconds))
            print(f"{name}, fold {fold}: {_numbers(project, each[-1])['dice']}", flush=True)
        whole = _numbers(project, {group: tally for tallies in each for group, tally in tallies.items()})
        return {
            "folds": count,
            "groups": len(folds),
            "threads": options.threads or os.cpu_count(),
            "targets": case.targets,
            "training_s": took,
            "train": settings.model_dump(exclude_defaults=True),
            "telltale": whole,
            "each": [_numbers(project, tallies) for tallies in each],
        }


def _numbers(project: Project, tallies: dict[str, MaskTally]) -> dict[str, Any]:
    clustered = Clustered(tallies[group] for group in sorted(tallies))
    overall, _ = measure_masks(project.config.make_task(), clustered, 400, 0)
    return {key: overall[key].to_json() for key in KEYS}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["magtile"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="of each fold; without, the minutes of bench.mask_accuracy")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--set", action="append", default=[], help="a key of [train], as backbone=tiny")
    options = parser.parse_args(arguments)
    for name in options.sets:
        if not (SHARED / CASES[name].folder).is_dir():
            print(f"{name}: not measured, no {SHARED / CASES[name].folder}", file=sys.stderr)
            continue
        numbers = measure(name, options.folds, options)
        keep(f"mask_folds_{name}", numbers)
        print(json.dumps(numbers["telltale"]))


if __name__ == "__main__":
    main(sys.argv[1:])
