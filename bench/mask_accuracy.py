"""How well masks are found on real pictures, beside the plain recipe given the same pictures and the same minutes.

python -m bench.mask_accuracy [magtile|mixed|painted|crackforest|FOLDER...] [--minutes M] [--threads N] [--plain WHICH]
                              [--set KEY=VALUE]
Each data set is imported as `telltale collect folder` does, split by group, trained, exported, its cuts chosen on the
calibration split, and measured on the test split: what is measured is the bundle. `painted` learns from magtile's good
tiles alone, with defects painted onto them as `telltale collect synth --own` does, and is measured on real ones;
`mixed` learns from the real ones too. The plain recipe's cut is the best Dice of the same calibration split. With one
thread both recipes are given the minutes times the cores of this machine, so that they get the processor time they are
asked about; on a busy machine --epochs gives ours the steps that a quiet one does in those minutes (bench.mask_speed
says how many). Real pictures are found under TELLTALE_SHARED (see tests/conftest.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench import plain_unet
from bench.machine import RESULTS, keep
from bench.settings import read_setting
from telltale.cli.collecting import settle
from telltale.cli.init import init_project
from telltale.cli.shipping import export_and_tune
from telltale.collect.synth.adding import good_examples, keep_in_catalogue, kinds_for
from telltale.collect.synth.run import Wish, make_on
from telltale.dataset.catalogue import Catalogue, Example
from telltale.dataset.importing import import_folder
from telltale.dataset.masks import with_pixels
from telltale.dataset.split import apply_split
from telltale.evaluate import measure_bundle
from telltale.evaluate.bootstrap import Clustered
from telltale.evaluate.masks import MaskEvaluation, measure_masks
from telltale.preprocess import decode
from telltale.progress import progress
from telltale.project import Config, Project, Train, validate
from telltale.tasks import Target, Task, Threshold
from telltale.tasks.counting import BINS, logit_bins
from telltale.tasks.mask_tally import best_dice
from telltale.train import run

SHARED = Path(os.environ.get("TELLTALE_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


@dataclass(frozen=True)
class Case:
    """A data set, the minutes it is given, what is asked of it, and the [input] and [train] that suit it.

    folder: below the shared data. painted: so many pictures painted onto its good ones. real: its own defects are
    learned too.
    """

    name: str
    minutes: float
    targets: dict[str, float]
    folder: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    painted: int = 0
    real: bool = True


WIDE = {"width": 160, "height": 160, "scale": 0.5}
"""Half of the pixels of each side: the net sees twice as far, and four times as many pictures a second."""

CASES = {
    "magtile": Case("defect", 12, {"dice": 0.55, "auroc": 0.90}, "magtile", WIDE),
    "mixed": Case("defect", 12, {"dice": 0.55, "auroc": 0.90}, "magtile", WIDE, painted=1000),
    "painted": Case("defect", 12, {"auroc": 0.85}, "magtile", WIDE, painted=1500, real=False),
    "crackforest": Case("crack", 6, {"f1_0px": 0.72, "f1_2px": 0.93}, "crackforest"),
}
KEYS = ("dice", "iou", "auroc", "pixel_auroc", "aupro", "region_recall", "false_regions_good", "f1_0px", "f1_2px")


def start(folder: Path, source: Path, case: Case) -> Project:
    """A project of its own, with what lies at `source` imported and split."""
    begun = init_project(folder, [case.name], [], kind="mask")
    settings = begun.config.model_dump()
    settings["input"] |= case.input
    settings["train"] |= case.train
    project = Project(begun.root, validate(settings, Config, "case"))
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        report = import_folder(source, catalogue, task=project.config.make_task())
        settle(catalogue, project)
        apply_split(catalogue, project.config.split)
        print("\n".join(report.lines(3)), flush=True)
        if case.painted:
            paint(catalogue, project.config.make_task(), case)
    return project


def paint(catalogue: Catalogue, task: Task, case: Case) -> None:
    """Paint as many as asked onto the good training pictures; forget the masks of the others, if so asked."""
    for example in catalogue.examples("train") if not case.real else ():
        if example.labels and not any(task.shows(example.labels).values == 0):
            for name in task.names:
                catalogue.label(example.image_id, name, None, who="bench")
    samples = make_on(Wish(case.painted), good_examples(catalogue, task.names))
    kept = keep_in_catalogue(samples, catalogue, kinds_for(task.names), training_only=True)
    print("\n".join(kept.lines()), flush=True)


RECIPES = {"bce": False, "better": True}
"""The plain recipe with cross-entropy alone, and with Dice and flips."""


def plain_numbers(
    task: Task, splits: dict[str, list[Example]], minutes: float, recipes: Sequence[str]
) -> dict[str, Any]:
    """What the plain recipes reach."""
    out: dict[str, Any] = {}
    for name, extra in ((name, RECIPES[name]) for name in recipes):
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


def settings_for(
    project: Project, minutes: float, threads: int | None, epochs: int | None, given: dict[str, Any]
) -> Train:
    """[train] of the project, to end after the epochs or, without them, the minutes."""
    end = {"minutes": minutes} if epochs is None else {"epochs": epochs}
    return validate({**project.config.train.model_dump(), **end, "threads": threads, **given}, Train, "--set")


def ours(project: Project, case: Case, settings: Train) -> dict[str, Any]:
    """Train, export, tune, and what the bundle reaches on the test split."""
    load_before = round(os.getloadavg()[0], 2)
    result = run(project, settings=settings, steps=progress)  # refused if the split leaks
    bundle = export_and_tune(project, result.run_dir)
    splits = splits_of(project)
    judged = measure_bundle(bundle, splits["test"], splits["train"])
    assert isinstance(judged, MaskEvaluation)
    print(judged.headline, flush=True)
    return {
        "threads": settings.threads or os.cpu_count(),
        "ended_by": "minutes" if settings.epochs is None else "epochs",
        "training_s": round(result.seconds),
        "load_before": load_before,
        "targets": case.targets,
        "pictures": {split: len(examples) for split, examples in splits.items()},
        "groups": {split: len({e.group for e in examples}) for split, examples in splits.items()},
        "telltale": {
            "backbone": settings.backbone,
            "input": project.config.input.model_dump(),
            "train": settings.model_dump(exclude_defaults=True),
            "epochs": result.epochs,
            "variants": {name: v.model_dump() for name, v in bundle.spec.variants.items()},
            "promise": bundle.spec.unsure.notes,
            **{key: judged.overall[key].to_json() for key in KEYS},
        },
    }


def splits_of(project: Project) -> dict[str, list[Example]]:
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        return {split: catalogue.examples(split) for split in ("train", "calibration", "test")}


def measure(source: Path, case: Case, options: argparse.Namespace, before: dict[str, Any] | None) -> dict[str, Any]:
    """Ours, and the plain recipes beside it. before: a result whose own part is kept, with --plain-only."""
    minutes = options.minutes or case.minutes
    wall = minutes * ((os.cpu_count() or 1) / options.threads if options.threads else 1)
    plain = {"both": tuple(RECIPES), "none": ()}.get(options.plain, (options.plain,))
    with tempfile.TemporaryDirectory() as folder:
        project = start(Path(folder) / "project", source, case)
        if before is None:
            given = dict(read_setting(text) for text in options.set)
            settings = settings_for(project, wall, options.threads, options.epochs, given)
            numbers = {"minutes": minutes, **ours(project, case, settings)}
        else:
            assert before["groups"]["test"] == len({e.group for e in splits_of(project)["test"]}), "another split"
            numbers = before
        if plain:
            if options.threads:
                torch.set_num_threads(options.threads)
            numbers["plain"] = plain_numbers(project.config.make_task(), splits_of(project), wall, plain)
        return numbers


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(CASES))
    parser.add_argument("--minutes", type=float, help="for each recipe, of all cores; else what the targets speak of")
    parser.add_argument("--threads", type=int, help="on so many cores, for as much longer")
    parser.add_argument("--epochs", type=int, help="ours ends after so many instead, however busy the machine is")
    parser.add_argument("--plain", choices=[*RECIPES, "both", "none"], default="both", help="the recipe beside it")
    parser.add_argument("--plain-only", action="store_true", help="beside what is in bench/results already")
    parser.add_argument("--set", action="append", default=[], help="a key of [train], as backbone=tiny")
    options = parser.parse_args(arguments)
    for name in options.sets:
        case = CASES.get(name, Case("defect", 6, {}))
        source = SHARED / case.folder if case.folder else Path(name)
        if not source.is_dir():
            print(f"{name}: not measured, no {source}", file=sys.stderr)
            continue
        result = f"mask_{name if name in CASES else source.name}"
        before = json.loads((RESULTS / f"{result}.json").read_text()) if options.plain_only else None
        keep(result, measure(source, case, options, before))


if __name__ == "__main__":
    main(sys.argv[1:])
