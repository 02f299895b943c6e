"""The car page's five heads in at most 5 M multiply-adds, taught by a larger net, beside the `nano` bundle.

python -m bench.smaller_car [--folder F] [--views N] [--test-views N] [--minutes M] [--fit-minutes M]
Collects, trains and searches what the folder lacks: `nano`, `tiny`, the student that learns from `tiny`, and `--fit`
for the same budget. Judged on a second collection of other views and looks, 8 of its 32 combinations never trained; the
student as int8 in C computes it (the integer reference), `nano` as its float bundle. Writes docs/car_frontier.svg.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.accuracy import collect, split
from bench.machine import RESULTS, keep
from telltale.bundle.predictor import Predictor
from telltale.bundle.spec import MODEL
from telltale.cli.shipping import export_and_tune
from telltale.dataset.catalogue import Catalogue, Example
from telltale.export.c.generate import generate
from telltale.export.c.into_bundle import about
from telltale.export.c.price import price
from telltale.model import load_run
from telltale.model.cost import read_budget
from telltale.preprocess import decode
from telltale.progress import progress
from telltale.project import Project
from telltale.tasks import Target, stack_targets
from telltale.train import run
from telltale.train.frontier_picture import draw_frontier
from telltale.train.search import fit

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "car_frontier.svg"
BUDGET = "macs<5M"
STUDENT = "8-16-28-40-56/96"
TEACHER = "tiny"
POINTS = 0.01
"""How far below `nano` the student may lie."""
SAMPLES = 4000
COMBINATIONS = 32


@dataclass(frozen=True)
class Tests:
    """Views never seen. never: which are of combinations never trained. target: of all names."""

    examples: Sequence[Example]
    never: NDArray[np.bool_]
    target: Target

    def right(self, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, K): 1 right, 0 wrong, NaN where the part cannot be seen."""
        found = np.asarray((probabilities >= 0.5) == (self.target.values >= 0.5), np.float64)
        found[~self.target.known | self.target.hidden] = np.nan
        return found


def resampled(values: NDArray[np.float64], groups: NDArray[np.int64]) -> list[float]:
    """The mean, and its 95 % interval over resampled groups."""
    count = int(groups.max()) + 1
    sums, known = np.zeros(count), np.zeros(count)
    np.add.at(sums, groups, np.nansum(values, 1))
    np.add.at(known, groups, (~np.isnan(values)).sum(1))
    drawn = np.random.default_rng(0).integers(0, count, (SAMPLES, count))
    means = sums[drawn].sum(1) / known[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return [round(float(x), 4) for x in (sums.sum() / known.sum(), low, high)]


def judge(tests: Tests, values: NDArray[np.float64]) -> dict[str, Any]:
    """Of all test pictures, and of the combinations never trained."""
    names = sorted({example.group for example in tests.examples})
    groups = np.array([names.index(example.group) for example in tests.examples])
    never = np.unique(groups[tests.never], return_inverse=True)[1]
    return {"all": resampled(values, groups), "never_trained": resampled(values[tests.never], never)}


def by_torch(project: Project, name: str, tests: Tests) -> NDArray[np.float32]:
    """(N, K) probabilities of a run's fused net."""
    network, config = load_run(project.runs / name)
    see, fused = config.input.preprocess(), network.fused()
    parts = []
    with torch.no_grad():
        for begin in range(0, len(tests.examples), 32):
            images = np.stack([see.apply(decode(e.path)) for e in tests.examples[begin : begin + 32]])
            pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            parts.append(torch.sigmoid(fused(pixels)["logits"]).numpy())
    return np.concatenate(parts)


def in_c(project: Project, name: str, tests: Tests, training: Sequence[Example]) -> tuple[Any, NDArray[np.float32]]:
    """The generated C of a run's bundle, and what it answers as int8."""
    bundle = export_and_tune(project, project.runs / name, Path(tempfile.mkdtemp()) / "m.telltale")
    see = bundle.spec.input.preprocess()
    shown = np.stack([see.apply(decode(example.path)) for example in tests.examples])
    ranges = np.stack([see.apply(decode(example.path)) for example in training[:: max(1, len(training) // 128)]])
    made = generate(bundle.read(MODEL), about(bundle), ranges, inputs=shown, ranges=bundle.spec.model.ranges)
    return made, made.answers["probabilities"].reshape(len(shown), -1)


def by_bundle(project: Project, name: str, tests: Tests) -> NDArray[np.float32]:
    """What the float bundle of a run answers."""
    bundle = export_and_tune(project, project.runs / name, Path(tempfile.mkdtemp()) / "m.telltale")
    predictor = Predictor.open(bundle.path, threads=1, variant="float")
    parts = []
    for begin in range(0, len(tests.examples), 32):
        images = np.stack([predictor.prepare(decode(e.path)) for e in tests.examples[begin : begin + 32]])
        parts.append(predictor.run(images, outputs=["probabilities"])["probabilities"])
    return np.concatenate(parts)


def gather(folder: Path, views: int, seed: int) -> Project:
    """Every combination of the car page, `views` of each; from the folder where they are there."""
    if (folder / "catalogue.db").is_file():
        project = Project.open(folder)
        with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
            if len(catalogue.examples()) >= views * COMBINATIONS:
                return project
    return collect(folder, views, seed, folder.name)


def prepare(folder: Path, views: int, test_views: int) -> tuple[Project, Tests, list[Example]]:
    """What to train on, what to judge by, and the training pictures."""
    project, other = gather(folder / "train", views, 0), gather(folder / "test", test_views, 1)
    held = set(split(project))
    with Catalogue.open(other.catalogue_path, other.images, readonly=True) as catalogue:
        examples = catalogue.examples()
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        training = catalogue.examples("train")
    task = project.config.make_task()
    never = np.array([example.group in held for example in examples])
    target = stack_targets([task.encode(example.labels) for example in examples])
    return project, Tests([replace(e, split="test") for e in examples], never, target), training


def train_all(project: Project, minutes: float, fit_minutes: float) -> None:
    """What is not there yet."""
    settings = project.config.train.model_copy(update={"minutes": minutes, "threads": 1})
    for name, changes in (("nano", {"backbone": "nano"}), (TEACHER, {"backbone": TEACHER})):
        if not (project.runs / name).exists():
            run(project, name=name, settings=settings.model_copy(update=changes), steps=progress)
    taught = settings.model_copy(update={"teacher": TEACHER})
    if not (project.runs / "student").exists():
        run(project, name="student", settings=taught.model_copy(update={"backbone": STUDENT}), steps=progress)
    if fit_minutes and not (project.runs / "fit").exists():
        budget = read_budget(BUDGET)
        fit(project, budget, minutes=fit_minutes, tries=8, name="fit", settings=taught, price=price, steps=progress)


def frontier(project: Project, tests: Tests, found: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each run's cost and accuracy in floating point."""
    rows = {}
    for name in found:
        network, config = load_run(project.runs / name)
        cost = price(network)
        right = judge(tests, tests.right(by_torch(project, name, tests)))
        rows[name] = {
            "plan": config.train.backbone,
            "input": f"{network.width}x{network.height}",
            "macs": cost.macs,
            "arena_bytes": cost.ram,
            "constants_bytes": cost.constants,
            "minutes": config.train.minutes,
            "right": right,
        }
        print(name, rows[name], flush=True)
    return rows


def draw(rows: dict[str, dict[str, Any]]) -> None:
    """docs/car_frontier.svg."""
    points = [(row["macs"], row["right"]["all"][0], f"{row['plan']} {row['input']}") for row in rows.values()]
    best = [not any(m <= macs and r > right for m, r, _ in points) for macs, right, _ in points]
    what = "right answers on views never seen"
    PICTURE.write_text(draw_frontier(points, best, "the car page's five heads", what=what), encoding="utf-8")
    print(f"wrote {PICTURE}")


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path)
    options.add_argument("--views", type=int, default=90)
    options.add_argument("--test-views", type=int, default=30)
    options.add_argument("--minutes", type=float, default=12.0)
    options.add_argument("--fit-minutes", type=float, default=9.0, help="0 for no search")
    options.add_argument("--frontier", action="store_true", help="measure the nets alone; the rest stays as kept")
    given = options.parse_args(arguments)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="telltale-smaller-car-"))
    project, tests, training = prepare(folder, given.views, given.test_views)
    train_all(project, given.minutes, given.fit_minutes)
    searched = sorted(path.parent.name for path in project.runs.glob("fit-*/best.pt")) if given.fit_minutes else []
    rows = frontier(project, tests, ["nano", TEACHER, "student", *searched])
    draw(rows)
    if given.frontier:
        before = json.loads((RESULTS / "smaller_car.json").read_text(encoding="utf-8"))
        kept = {key: value for key, value in before.items() if key not in ("measured", "machine")}
        keep("smaller_car", {**kept, "fit_minutes": given.fit_minutes, "nets": rows})
        return
    whole = tests.right(by_bundle(project, "nano", tests))
    made, answers = in_c(project, "student", tests, training)
    small = tests.right(answers)
    difference = judge(tests, small - whole)
    told = {
        "pictures": {"train": len(training), "test": len(tests.examples)},
        "answers": int((~np.isnan(whole)).sum()),
        "minutes": given.minutes,
        "fit_minutes": given.fit_minutes,
        "nano_bundle": judge(tests, whole),
        "student_int8_c": judge(tests, small),
        "student_less_nano": difference,
        "student": {"macs": made.macs, "arena_bytes": made.arena, "constants_bytes": made.constants},
        "target": {"macs": 5_000_000, "points": POINTS},
        "reached": made.macs <= 5_000_000 and difference["all"][0] >= -POINTS,
        "nets": rows,
    }
    print({key: told[key] for key in ("nano_bundle", "student_int8_c", "student_less_nano", "reached")})
    keep("smaller_car", told)


if __name__ == "__main__":
    main()
