"""`telltale collect scenes`: pictures of the bouncing ball with its exact box, into a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from telltale.cli.options import out
from telltale.errors import ConfigError
from telltale.progress import progress


def collect_scenes(
    project: Annotated[Path, typer.Option("--project", "-p", help="A project whose task is locate.")],
    count: Annotated[int, typer.Option("--count", "-n", help="How many pictures.", min=1)] = 1400,
    scene: Annotated[
        list[str] | None,
        typer.Option(
            help="plain, several, textured, blur, occlusion, noise or light; repeat it. All, if none is given."
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Of the pictures, WIDTHxHEIGHT.")] = "640x480",
    name: Annotated[str | None, typer.Option(help="What the ball is called; default: the task's first name.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.", min=0)] = 0,
) -> None:
    """Make pictures of the bouncing ball with its exact box, to train a detector for `telltale stream watch`."""
    from telltale.cli.streaming import parse_size
    from telltale.collect.scenes import keep, take
    from telltale.dataset.catalogue import Catalogue
    from telltale.project import Project
    from telltale.streams.scene import KINDS

    opened = Project.open(project)
    task = opened.config.make_task()
    if task.kind != "locate":
        raise ConfigError(f"{project}: task.kind", expected="locate", got=task.kind)
    name = name or task.names[0]
    if name not in task.names:
        raise ConfigError("--name", expected=" or ".join(task.names), got=repr(name))
    unknown = sorted(set(scene or ()) - set(KINDS))
    if unknown:
        raise ConfigError("--scene", expected=", ".join(KINDS), got=", ".join(unknown))
    width, height = parse_size(size)
    kinds = tuple(kind for kind in KINDS if not scene or kind in scene)
    with (
        Catalogue.open(opened.catalogue_path, opened.images) as catalogue,
        progress("scenes", count, "pictures") as step,
    ):
        kept = keep(take(count, kinds, width, height, seed), catalogue, name, step)
    for line in kept.lines():
        out.print(line, markup=False)
    out.print(f"`telltale train -p {project}` learns from them", markup=False)
