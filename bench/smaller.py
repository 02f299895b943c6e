"""How small a net can be: a parking slot, empty or not. `bench.smaller_car` has the car page.

python -m bench.smaller [--parking FOLDER] [--minutes M]
`--parking`: two folders of pictures, `empty` and `not_empty`, whose names have the slot behind an underscore.
What is measured is int8 as the C computes it (the integer reference, every byte the same), on pictures never trained,
beside the float bundle; all told is its constants and its arena with the picture, without the runtime's code.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
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
from telltale.preprocess import decode
from telltale.progress import progress
from telltale.project import Project
from telltale.tasks import stack_targets
from telltale.train import run
from telltale.train.runs import RunResult

SHARED = Path(os.environ.get("TELLTALE_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))
PARKING = "8-16-24-32/16"


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
    return {"plan": PARKING, **told(project, result)}


def told(project: Project, result: RunResult) -> dict[str, Any]:
    bundle = export_and_tune(project, result.run_dir, Path(tempfile.mkdtemp()) / "m.telltale")
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        training, tests = catalogue.examples("train"), catalogue.examples("test")
    return {"epochs": result.epochs, "seconds": round(result.seconds), **measure(bundle, training, tests)}


def call(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parking", type=Path, default=SHARED / "data" / "parking")
    options.add_argument("--minutes", type=float, default=10.0)
    given = options.parse_args(arguments)
    if not given.parking.is_dir():
        print(f"not measured: {given.parking} is missing")
        return
    found: dict[str, Any] = {"minutes": given.minutes, "parking": parking(given.parking, given.minutes)}
    print(found["parking"], flush=True)
    keep("smaller", found)


if __name__ == "__main__":
    main()
