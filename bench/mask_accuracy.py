"""How well masks are found on real pictures, beside the plain recipe given the same pictures and the same minutes.

python -m bench.mask_accuracy [magtile|crackforest|FOLDER...] [--minutes M] [--without-plain] [--set KEY=VALUE]
Each data set is imported as `telltale collect folder` does, split by group, trained, exported, its cuts chosen on the
calibration split, and measured on the test split: what is measured is the bundle. The plain recipe's cut is the best
Dice of the same calibration split. Real pictures are found under TELLTALE_SHARED (see tests/conftest.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import plain_unet
from bench.machine import keep
from telltale.cli.collecting import join_groups
from telltale.cli.init import init_project
from telltale.cli.shipping import export_and_tune
from telltale.dataset.catalogue import Catalogue, Example
from telltale.dataset.interchange import import_folder
from telltale.dataset.masks import with_pixels
from telltale.dataset.split import apply_split
from telltale.evaluate import measure_bundle
from telltale.evaluate.bootstrap import Clustered
from telltale.evaluate.masks import MaskEvaluation, measure_masks
from telltale.preprocess import decode
from telltale.progress import progress
from telltale.project import Project, Train, validate
from telltale.tasks import Target, Task, Threshold
from telltale.tasks.counting import BINS, logit_bins
from telltale.tasks.mask_tally import best_dice
from telltale.train import run

SHARED = Path(os.environ.get("TELLTALE_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


@dataclass(frozen=True)
class Case:
    """A data set, the minutes it is given, and what is asked of it."""

    name: str
    minutes: float
    targets: dict[str, float]


CASES = {
    "magtile": Case("defect", 12, {"dice": 0.55, "auroc": 0.90}),
    "crackforest": Case("crack", 6, {"f1_0px": 0.72, "f1_2px": 0.93}),
}
KEYS = ("dice", "iou", "auroc", "pixel_auroc", "aupro", "region_recall", "false_regions_good", "f1_0px", "f1_2px")


def start(folder: Path, source: Path, name: str) -> Project:
    """A project of its own, with what lies at `source` imported and split."""
    project = init_project(folder, [name], [], kind="mask")
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        report = import_folder(source, catalogue, task=project.config.make_task())
        join_groups(catalogue, project)
        apply_split(catalogue, project.config.split)
    print("\n".join(report.lines(3)), flush=True)
    return project


def plain_numbers(task: Task, splits: dict[str, list[Example]], minutes: float) -> dict[str, Any]:
    """The plain recipe with cross-entropy alone, and with Dice and flips."""
    out: dict[str, Any] = {}
    for name, extra in (("bce", False), ("bce + dice + flips", True)):
        net, seen = plain_unet.train(task, splits["train"], minutes, dice=extra, flips=extra)
        tell = plain_unet.teller(net)
        pixels = np.zeros((2, BINS), np.int64)
        for _, p, target in told(task, splits["calibration"], tell):
            for side in (0, 1):
                here = target.known[0, 0] & ((target.values[0, 0] >= 0.5) == bool(side))
                pixels[side] += np.bincount(logit_bins(p)[0][here], minlength=BINS)
        cut, _ = best_dice(pixels)
        tallies: dict[str, Any] = {}
        for example, p, target in told(task, splits["test"], tell):
            one = task.tally({"probabilities": p[None]}, target, {task.names[0]: Threshold(cut, cut)})
            tallies[example.group] = tallies[example.group] + one if example.group in tallies else one
        overall, _ = measure_masks(task, Clustered(tallies[group] for group in sorted(tallies)), 400, 0)
        out[name] = {"pictures_seen": seen, "cut": cut, **{key: overall[key].to_json() for key in KEYS}}
        print(f"  plain, {name}: " + ", ".join(f"{key} {overall[key].value}" for key in KEYS), flush=True)
    return out


def told(task: Task, examples: Sequence[Example], tell: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> Any:
    """(example, map (1, H, W), target with a batch axis) of each picture."""
    for example in examples:
        image = decode(example.path)
        height, width = image.shape[:2]
        target = task.encode(with_pixels(example, task.names), (width, height))
        yield example, tell(image), Target(target.values[None], target.known[None], target.hidden[None])


def measure(source: Path, case: Case, minutes: float, plain: bool, given: dict[str, Any]) -> dict[str, Any]:
    """Ours, and the plain recipe beside it."""
    with tempfile.TemporaryDirectory() as folder:
        project = start(Path(folder) / "project", source, case.name)
        settings = validate({**project.config.train.model_dump(), "minutes": minutes, **given}, Train, "--set")
        result = run(project, settings=settings, steps=progress)  # refused if the split leaks
        bundle = export_and_tune(project, result.run_dir)
        with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
            splits = {split: catalogue.examples(split) for split in ("train", "calibration", "test")}
        judged = measure_bundle(bundle, splits["test"], splits["train"])
        assert isinstance(judged, MaskEvaluation)
        print(judged.headline, flush=True)
        numbers: dict[str, Any] = {
            "minutes": minutes,
            "targets": case.targets,
            "pictures": {split: len(examples) for split, examples in splits.items()},
            "groups": {split: len({e.group for e in examples}) for split, examples in splits.items()},
            "telltale": {
                "backbone": settings.backbone,
                "epochs": result.epochs,
                "variants": {name: v.model_dump() for name, v in bundle.spec.variants.items()},
                "promise": bundle.spec.unsure.notes,
                **{key: judged.overall[key].to_json() for key in KEYS},
            },
        }
        if plain:
            numbers["plain"] = plain_numbers(project.config.make_task(), splits, minutes)
        return numbers


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(CASES))
    parser.add_argument("--minutes", type=float, help="for each recipe; else what the targets speak of")
    parser.add_argument("--without-plain", action="store_true")
    parser.add_argument("--set", action="append", default=[], help="a key of [train], as backbone=tiny")
    options = parser.parse_args(arguments)
    given = {key: _value(value) for key, _, value in (text.partition("=") for text in options.set)}
    found = {}
    for name in options.sets:
        source = SHARED / name if name in CASES else Path(name)
        if not source.is_dir():
            print(f"{name}: not measured, no {source}", file=sys.stderr)
            continue
        case = CASES.get(source.name, Case("defect", 6, {}))
        found[source.name] = measure(source, case, options.minutes or case.minutes, not options.without_plain, given)
    if found:
        keep("mask_accuracy", {"sets": found})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main(sys.argv[1:])
