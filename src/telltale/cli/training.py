"""`telltale train`: split by group, then teach a net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.options import ProjectOption, out
from telltale.progress import progress
from telltale.project import Project, Train, validate

if TYPE_CHECKING:
    from telltale.train import RunResult


def train(
    project: ProjectOption = Path("."),
    name: Annotated[str | None, typer.Option(help="Of the run; numbered without.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the newest (or --name's) run stopped.")] = False,
    minutes: Annotated[float | None, typer.Option(help="Train for this long.", min=0.01)] = None,
    epochs: Annotated[int | None, typer.Option(help="Train for so many rounds.", min=1)] = None,
    backbone: Annotated[
        str | None, typer.Option(help="pico, nano, tiny, small, or a plan such as 8-16-24x2-32.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="A run or a bundle to learn from, on unlabelled pictures too.")
    ] = None,
    prune: Annotated[
        str | None, typer.Option(help='Take channels out of a run until it fits, then train on: "macs<3M,flash<64K".')
    ] = None,
    quantise: Annotated[
        bool, typer.Option("--quantise", help="Train a run on, rounding as int8 does, so that int8 answers as it does.")
    ] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="The run to prune or to quantise; the newest without.")
    ] = None,
    fit: Annotated[
        str | None, typer.Option(help='Try nets that fit, for --minutes in all (30): "macs<3M,ram<64K,flash<128K".')
    ] = None,
    tries: Annotated[int, typer.Option(help="How many nets --fit tries.", min=2, max=100)] = 12,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Train although near-duplicates cross a split.")] = (
        False
    ),
) -> None:
    """Teach a small net, from scratch, what the catalogue shows."""
    from telltale.train import run

    opened = Project.open(project)
    split(opened)
    given = {"minutes": minutes, "epochs": epochs, "backbone": backbone, "teacher": _place(opened, teacher)}
    chosen: dict[str, object] = {key: value for key, value in given.items() if value is not None}
    if prune is not None:
        result = _prune(opened, prune, chosen, start=start, name=name, allow_leak=allow_leak)
        _tell(result)
        return
    if quantise:
        _quantise(opened, chosen, start=start, name=name, allow_leak=allow_leak)
        return
    if fit is not None:
        _fit(opened, fit, chosen, tries=tries, name=name, allow_leak=allow_leak)
        return
    result = run(
        opened,
        name=name,
        resume=resume,
        allow_leak=allow_leak,
        settings=override(opened.config.train, chosen),
        steps=progress,
    )
    _tell(result)


def _prune(
    project: Project, budget: str, changes: dict[str, object], *, start: str | None, name: str | None, allow_leak: bool
) -> RunResult:
    from telltale.export.c.price import price
    from telltale.model.cost import read_budget
    from telltale.train.shrink import prune_run

    done = prune_run(
        project,
        read_budget(budget),
        source=start,
        name=name,
        allow_leak=allow_leak,
        changes=changes,
        price=price,
        steps=progress,
    )
    before, after = done.before, done.after
    out.print(
        f"pruned to {done.plan}: {before.macs / 1e6:.2f} -> {after.macs / 1e6:.2f} M multiply-adds,"
        f" {before.parameters:,} -> {after.parameters:,} parameters; as int8 C: arena {before.ram:,} -> {after.ram:,},"
        f" constants {before.constants:,} -> {after.constants:,} bytes",
        markup=False,
    )
    return done.result


def _quantise(
    project: Project, changes: dict[str, object], *, start: str | None, name: str | None, allow_leak: bool
) -> None:
    from telltale.train.quantise import quantise_run

    done = quantise_run(project, source=start, name=name, allow_leak=allow_leak, changes=changes, steps=progress)
    _tell(done.result)
    out.print(f"{done.result.run_dir.name} is {done.source} for int8: its ranges go into the bundle", markup=False)


def _fit(
    project: Project, budget: str, changes: dict[str, object], *, tries: int, name: str | None, allow_leak: bool
) -> None:
    from rich.table import Table

    from telltale.export.c.price import price
    from telltale.model.cost import read_budget
    from telltale.train.search import fit

    minutes = changes.pop("minutes", None)
    done = fit(
        project,
        read_budget(budget),
        minutes=float(str(minutes)) if minutes is not None else 30.0,
        tries=tries,
        name=name,
        allow_leak=allow_leak,
        settings=override(project.config.train, changes),
        price=price,
        steps=progress,
    )
    table = Table("plan", "input", "accuracy", "M multiply-adds", "arena", "constants", "run", box=None)
    for one in done.frontier:
        c, cost = one.candidate, one.candidate.cost
        sizes = (f"{cost.macs / 1e6:.2f}", f"{cost.ram:,}", f"{cost.constants:,}")
        table.add_row(c.plan, f"{c.width}x{c.height}", f"{one.merit:.2%}", *sizes, one.run)
    out.print(table)
    best = done.best.candidate
    out.print(f"{len(done.tried)} nets tried; arena and constants are bytes of the int8 C")
    out.print(f"{done.folder}: frontier.csv, frontier.svg", markup=False)
    out.print(
        f"next: [input] width = {best.width}, height = {best.height}, then `telltale train --backbone {best.plan}`",
        markup=False,
    )


def _tell(result: RunResult) -> None:
    """What came of a run."""
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    out.print(
        f"{result.run_dir.name}: {result.parameters:,} parameters, {result.macs / 1e6:.1f} M multiply-adds; "
        f"best of {result.epochs} epochs is {result.best_epoch} ({result.seconds:.0f} s)"
    )
    out.print(f"{result.run_dir}: log.csv, curves.svg, augmented.jpg; next: `telltale export`")


def _place(project: Project, name: str | None) -> str | None:
    """A run's name as it is, a path from where the user stands."""
    if name is None or (project.runs / name / "config.json").is_file():
        return name
    return str(Path(name).resolve())


def split(project: Project) -> None:
    """Give every group its split; plans anew when a group has none yet."""
    from telltale.dataset.catalogue import Catalogue
    from telltale.dataset.split import apply_split

    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        groups = catalogue.groups()
        if groups and set(groups) != set(catalogue.splits()):
            plan = apply_split(catalogue, project.config.split)
            counts = {part: sum(groups[g] for g in plan if plan[g] == part) for part in sorted(set(plan.values()))}
            told = ", ".join(f"{part} {count}" for part, count in counts.items())
            out.print(f"split {len(plan)} groups: {told} pictures")


def override(settings: Train, given: dict[str, object]) -> Train:
    """The project's [train] with what the command line says instead. Raises ConfigError."""
    return validate({**settings.model_dump(), **given}, Train, "options")
