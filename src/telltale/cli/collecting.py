"""`telltale collect`: pictures with true labels, from a page or from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from telltale.cli.options import ProjectOption, open_project, out
from telltale.errors import ConfigError
from telltale.progress import progress
from telltale.project import Project

app = typer.Typer(no_args_is_help=True, help="Collect pictures with true labels.")


@app.command("page")
def collect_from_page(
    recipe: Annotated[Path, typer.Argument(help="The page.toml that tells how to drive the page.")],
    project: ProjectOption = Path("."),
    limit: Annotated[int | None, typer.Option(help="Stop once this many pictures are saved.", min=1)] = None,
    show: Annotated[bool, typer.Option("--show", help="With the browser's window visible.")] = False,
) -> None:
    """Drive a web page through its states and keep every picture whose labels were verified.

    Run again after a stop to go on where it stopped.
    """
    from telltale.collect import collect_page, load_recipe
    from telltale.collect.plan import make_plan
    from telltale.dataset.catalogue import Catalogue

    loaded = load_recipe(recipe)
    opened = open_project(project)
    _check_names(tuple(loaded.labels), opened)
    with Catalogue.open(opened.catalogue_path, opened.images) as catalogue:
        with progress("collect", make_plan(loaded).views, "pictures") as step:
            summary = collect_page(loaded, catalogue, progress=step, limit=limit, headless=not show)
        for line in summary.lines():
            out.print(line, markup=False)


def _check_names(names: tuple[str, ...], project: Project) -> None:
    """A label the project does not tell would be collected for nothing."""
    known = project.config.make_task().names
    strangers = sorted(set(names) - set(known))
    if strangers:
        raise ConfigError(
            "labels of page.toml",
            expected=" or ".join(known),
            got=", ".join(strangers),
            next="make them the same as task.names in telltale.toml",
        )
