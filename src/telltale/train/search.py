"""`telltale train --fit`: which net of a budget is best, by trying. Knows how runs are compared, not how they train.

Successive halving (Jamieson and Talwalkar 2016): all candidates train a little, the better half goes on from where it
stands for longer, and so on. Better is: not beaten at once in accuracy, multiply-adds, memory and flash; then accuracy.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from telltale.errors import TrainError
from telltale.model.checkpoint import load_run
from telltale.model.cost import Budget, Price, cost_of
from telltale.project import Project, Train
from telltale.train.feeds import Steps, silent
from telltale.train.frontier_picture import draw_frontier
from telltale.train.propose import Candidate, propose
from telltale.train.runs import NAME, Start, run

CSV, PICTURE = "frontier.csv", "frontier.svg"
RUNGS = 3
"""Rounds of training at most; half go on after each."""
WATCH = 0.15
"""The share of the training groups to judge by, where the project keeps none aside."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate and what came of it. merit: `Task.merit` on the watched groups. run: its folder's name."""

    candidate: Candidate
    run: str
    merit: float
    loss: float
    minutes: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """folder: where the table and the picture lie. tried: all, best first. frontier: those none beats in everything."""

    folder: Path
    tried: tuple[Tried, ...]
    frontier: tuple[Tried, ...]
    best: Tried


def fit(
    project: Project,
    budget: Budget,
    *,
    minutes: float = 30.0,
    tries: int = 12,
    name: str | None = None,
    allow_leak: bool = False,
    settings: Train | None = None,
    price: Price = cost_of,
    steps: Steps = silent,
) -> Fitted:
    """Try nets that fit the budget for `minutes` in all; table and picture in `runs/NAME/` after each.

    price: what a net costs; the table says what it says.
    Raises what `run` raises; TrainError where nothing fits, or nothing is kept aside to judge by.
    """
    chosen = settings or project.config.train
    chosen = chosen.model_copy(update={"watch": chosen.watch or WATCH, "epochs": None, "patience": 0})
    task = project.config.make_task()
    candidates = propose(task, project.config.input, budget, tries, price=price)
    folder = _folder(project, name)
    rungs = max(1, min(RUNGS, len(candidates).bit_length() - 1))
    done: dict[Candidate, Tried] = {}

    def teach(number: int, candidate: Candidate, rung: int, each: float) -> Tried:
        size = project.config.input.model_copy(update={"width": candidate.width, "height": candidate.height})
        there = Project(project.root, project.config.model_copy(update={"input": size}))
        before = done.get(candidate)
        result = run(
            there,
            name=f"{folder.name}-{number + 1}.{rung + 1}",
            allow_leak=allow_leak,
            settings=chosen.model_copy(update={"backbone": candidate.plan, "minutes": each}),
            start=Start(before.run, load_run(project.runs / before.run)[0].state_dict()) if before else None,
            steps=steps,
        )
        if "watch/merit" not in result.watch:
            raise TrainError(
                "nothing to judge by",
                expected="labelled groups kept aside (train.watch)",
                got="too few groups",
                next="give the pictures more groups",
            )
        spent = each + (before.minutes if before else 0.0)
        if before:
            shutil.rmtree(project.runs / before.run, ignore_errors=True)
        watch = result.watch
        return Tried(candidate, result.run_dir.name, watch["watch/merit"], watch["watch/loss"], spent)

    alive = list(enumerate(candidates))
    for rung in range(rungs):
        each = minutes / rungs / len(alive)
        for number, candidate in alive:
            done[candidate] = teach(number, candidate, rung, each)
            _write(folder, budget, list(done.values()))
        ranked = rank([done[candidate] for _, candidate in alive])
        going = {one.candidate for one in ranked[: -(-len(alive) // 2)]}
        alive = [pair for pair in alive if pair[1] in going]
    tried = rank(list(done.values()))
    best = max(tried, key=lambda one: (one.merit, -one.loss))
    return Fitted(folder, tuple(tried), tuple(frontier(tried)), best)


def beats(one: Tried, other: Tried) -> bool:
    """At least as good in everything, and better in something."""
    a, b = _worth(one), _worth(other)
    return all(x >= y for x, y in zip(a, b, strict=True)) and a != b


def frontier(tried: Sequence[Tried]) -> list[Tried]:
    """Those that none beats, the cheapest first."""
    left = [one for one in tried if not any(beats(other, one) for other in tried)]
    return sorted(left, key=lambda one: (one.candidate.cost.macs, one.candidate.use))


def rank(tried: Sequence[Tried]) -> list[Tried]:
    """Best first: what none beats, then what none but those beats, and so on; in each the most accurate first."""
    left, ranked = list(tried), list[Tried]()
    while left:
        front = frontier(left)
        ranked += sorted(front, key=lambda one: (-one.merit, one.loss))
        left = [one for one in left if one not in front]
    return ranked


def _worth(one: Tried) -> tuple[float, ...]:
    cost = one.candidate.cost
    return one.merit, -cost.macs, -cost.ram, -cost.flash


def as_csv(tried: Sequence[Tried]) -> str:
    """A row each, best first."""
    best = frontier(tried)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    sizes = ["plan", "width", "height", "macs", "ram", "constants", "flash", "parameters"]
    writer.writerow([*sizes, "merit", "loss", "minutes", "frontier", "run"])
    for one in rank(tried):
        c = one.candidate
        row = [c.plan, c.width, c.height, c.cost.macs, c.cost.ram, c.cost.constants, c.cost.flash, c.cost.parameters]
        writer.writerow([*row, f"{one.merit:.5f}", f"{one.loss:.5f}", f"{one.minutes:.3g}", int(one in best), one.run])
    return out.getvalue()


def _write(folder: Path, budget: Budget, tried: Sequence[Tried]) -> None:
    points = [(one.candidate.cost.macs, one.merit, f"{one.candidate.plan} {_size(one)}") for one in tried]
    best = frontier(tried)
    texts = {CSV: as_csv(tried), PICTURE: draw_frontier(points, [one in best for one in tried], str(budget))}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            part = folder / f"{name}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(folder / name)
    except OSError as error:
        raise TrainError(f"cannot write {folder}", got=str(error), next="free some space") from error


def _size(one: Tried) -> str:
    return f"{one.candidate.width}x{one.candidate.height}"


def _folder(project: Project, name: str | None) -> Path:
    if name is not None:
        if not NAME.fullmatch(name):
            raise TrainError("the search's name", expected="letters, digits, '.', '_' and '-'", got=repr(name))
        if (project.runs / name).exists():
            raise TrainError(f"{name!r} is there already", next="take another --name")
        return project.runs / name
    number = 1
    while (project.runs / f"fit-{number}").exists() or list(project.runs.glob(f"fit-{number}-*")):
        number += 1
    return project.runs / f"fit-{number}"
