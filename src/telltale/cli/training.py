"""`telltale train`: split by group, then teach a net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from telltale.cli.options import ProjectOption, out
from telltale.progress import progress
from telltale.project import Project, Train, validate


def train(
    project: ProjectOption = Path("."),
    name: Annotated[str | None, typer.Option(help="Of the run; numbered without.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the newest (or --name's) run stopped.")] = False,
    minutes: Annotated[float | None, typer.Option(help="Train for this long.", min=0.01)] = None,
    epochs: Annotated[int | None, typer.Option(help="Train for so many rounds.", min=1)] = None,
    backbone: Annotated[str | None, typer.Option(help="pico, nano, tiny, small, or a plan: 8-16-24x2-32.")] = None,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Train although near-duplicates cross a split.")] = (
        False
    ),
) -> None:
    """Teach a small net, from scratch, what the catalogue shows."""
    from telltale.train import run

    opened = Project.open(project)
    split(opened)
    given = {"minutes": minutes, "epochs": epochs, "backbone": backbone}
    result = run(
        opened,
        name=name,
        resume=resume,
        allow_leak=allow_leak,
        settings=override(opened.config.train, {key: value for key, value in given.items() if value is not None}),
        steps=progress,
    )
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    out.print(
        f"{result.run_dir.name}: {result.parameters:,} parameters, {result.macs / 1e6:.1f} M multiply-adds; "
        f"best of {result.epochs} epochs is {result.best_epoch} ({result.seconds:.0f} s)"
    )
    out.print(f"{result.run_dir}: log.csv, curves.svg, augmented.jpg; next: `telltale export`")


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
