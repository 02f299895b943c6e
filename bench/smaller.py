"""How small the nets can be: a parking slot's student, and the car page's five heads beside their `nano`.

python -m bench.smaller [--parking FOLDER] [--car FOLDER] [--teacher RUN] [--nano RUN] [--minutes M]
`--parking`: two folders of pictures, `empty` and `not_empty`, whose names have the slot behind an underscore.
`--car`: what `bench.accuracy --folder` left: `train` with the runs `--nano` and `--teacher`, and `test`.
What is measured is int8 as the C computes it (the integer reference, every byte the same), on pictures never trained,
beside the float bundle; all told is its constants and its arena with the picture, without the runtime's code.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import keep
from telltale.bundle.bundle import Bundle
from telltale.bundle.spec import MODEL
from telltale.cli.app import app
from telltale.cli.shipping import export_and_tune
from telltale.cli.training import split
from telltale.dataset.catalogue import Catalogue, Example
from telltale.export.c.generate import generate
from telltale.export.c.into_bundle import about
from telltale.model.cost import read_budget
from telltale.preprocess import decode
from telltale.progress import progress
from telltale.project import Project
from telltale.tasks import stack_targets
from telltale.train import run
from telltale.train.runs import RunResult
from telltale.train.shrink import prune_run

SHARED = Path(os.environ.get("TELLTALE_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))
PARKING = "8-16-24-32/16"
CAR = "macs<5M"


def measure(bundle: Bundle, training: Sequence[Example], tests: Sequence[Example]) -> dict[str, Any]:
    """Float and int8 on the test pictures, and the size of the int8 net in C."""
    see = bundle.spec.input.preprocess()
    shown = np.stack([see.apply(decode(example.path)) for example in tests])
    ranges = np.stack([see.apply(decode(example.path)) for example in training[:: max(1, len(training) // 128)]])
    made = generate(bundle.read(MODEL), about(bundle), ranges, inputs=shown)
    real = generate(bundle.read(MODEL), about(bundle), ranges, inputs=shown, numbers="float32")
    target = stack_targets([bundle.task.encode(example.labels) for example in tests])
    seen = target.known & ~target.hidden

    def right(answers: Any) -> float:
        probabilities = answers["probabilities"].reshape(target.values.shape)
        return float(((probabilities >= 0.5) == (target.values >= 0.5))[seen].mean())

    return {
        "pictures": len(tests),
        "answers": int(seen.sum()),
        "macs": made.macs,
        "constants_bytes": made.constants,
        "arena_bytes": made.arena,
        "all_told_bytes": made.constants + made.arena,
        "right_float": right(real.answers),
        "right_int8": right(made.answers),
    }


def parking(folder: Path, minutes: float) -> dict[str, Any]:
    """From two folders of pictures to a net for a camera."""
    root = Path(tempfile.mkdtemp(prefix="telltale-smaller-")) / "p"
    call("init", str(root), "--name", "occupied", "--width", "64", "--height", "32")
    options = ["--map", "not_empty=occupied:on", "--map", "empty=occupied:off", "--group-by", r"_(\d+)"]
    call("collect", "folder", str(folder), "--project", str(root), *options)
    project = Project.open(root)
    split(project)
    settings = project.config.train.model_copy(update={"backbone": PARKING, "minutes": minutes})
    result = run(project, name="student", settings=settings, steps=progress)
    return {"plan": PARKING, **told(project, result, None)}


def car(folder: Path, teacher: str, nano: str, minutes: float) -> dict[str, Any]:
    """`nano` pruned to 5 M multiply-adds and taught by a larger run; the same without a teacher; and `nano` itself."""
    project = Project.open(folder / "train")
    with Catalogue.open(folder / "test/catalogue.db", folder / "test/images", readonly=True) as catalogue:
        tests = [replace(e, group=f"new/{e.group}", split="test") for e in catalogue.examples()]
    found: dict[str, Any] = {"nano": of_run(project, project.runs / nano, tests)}
    for name, changes in (("pruned", {}), ("pruned and taught", {"teacher": teacher})):
        done = prune_run(
            project, read_budget(CAR), source=nano, changes={"minutes": minutes, **changes}, steps=progress
        )
        found[name] = {"plan": done.plan, **told(project, done.result, tests)}
        print(name, found[name], flush=True)
    return found


def told(project: Project, result: RunResult, tests: Sequence[Example] | None) -> dict[str, Any]:
    return {"epochs": result.epochs, "seconds": round(result.seconds), **of_run(project, result.run_dir, tests)}


def of_run(project: Project, run_dir: Path, tests: Sequence[Example] | None) -> dict[str, Any]:
    bundle = export_and_tune(project, run_dir, Path(tempfile.mkdtemp()) / "m.telltale")
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        training = catalogue.examples("train")
        return measure(bundle, training, tests if tests is not None else catalogue.examples("test"))


def call(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parking", type=Path, default=SHARED / "data" / "parking")
    options.add_argument("--car", type=Path)
    options.add_argument("--teacher", default="accuracy")
    options.add_argument("--nano", default="nano")
    options.add_argument("--minutes", type=float, default=10.0)
    given = options.parse_args(arguments)
    found: dict[str, Any] = {"minutes": given.minutes}
    if given.parking.is_dir():
        found["parking"] = parking(given.parking, given.minutes)
        print(found["parking"], flush=True)
    if given.car is not None:
        found["car"] = car(given.car, given.teacher, given.nano, given.minutes)
    keep("smaller", found)


if __name__ == "__main__":
    main()
