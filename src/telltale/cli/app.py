"""The commands and their options. Each opens what it needs, calls one verb and prints what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from telltale import __version__
from telltale.cli import collecting, demo, labelling, serving, shipping, streaming, training
from telltale.cli.tell import tell
from telltale.errors import ConfigError

app = typer.Typer(
    name="telltale",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Teach a small vision model to tell the state of what a camera sees, and run it everywhere.",
)
out = Console(soft_wrap=True)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"telltale {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it.")] = False,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder.")] = Path("."),
    name: Annotated[list[str] | None, typer.Option("--name", "-n", help="What to tell; repeat it.")] = None,
    kind: Annotated[
        str, typer.Option(help="states: yes or no for each name; mask: which pixels; locate: where.")
    ] = "states",
    mirror: Annotated[
        list[str] | None, typer.Option(help="Two names that swap when flipped left to right, as LEFT:RIGHT; repeat it.")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Width the model sees.")] = None,
    height: Annotated[int | None, typer.Option(help="Height the model sees.")] = None,
) -> None:
    """Start a project: telltale.toml, images/, runs/."""
    from telltale.cli.init import init_project

    if not name:
        raise ConfigError(
            "telltale init", expected="at least one --name", next="e.g. telltale init car -n hood -n trunk"
        )
    pairs = [_pair(text, "--mirror") for text in mirror or []]
    project = init_project(folder, name, pairs, kind=kind, width=width, height=height)
    out.print(f"started [bold]{project.root}[/]: read telltale.toml, then `telltale collect`")


def _pair(text: str, option: str) -> tuple[str, str]:
    left, colon, right = text.partition(":")
    if not (left and colon and right):
        raise ConfigError(option, expected="LEFT:RIGHT", got=repr(text))
    return left, right


@app.command()
def doctor() -> None:
    """Say what this machine lacks, and how to get it."""
    from telltale.cli.doctor import examine

    parts = examine()
    table = Table(box=None, show_header=False, pad_edge=False)
    for part in parts:
        missing = part.found is None
        mark = "[red]✗[/]" if missing and part.needed else "[yellow]–[/]" if missing else "[green]✓[/]"
        table.add_row(mark, part.name, part.found or "missing", f"[dim]{part.use}[/]")
    out.print(table)
    for part in parts:
        if part.found is None:
            out.print(f"\n[bold]{part.name}[/] is for: {part.use}\n  get it: {part.get}")
    if any(part.needed and part.found is None for part in parts):
        raise typer.Exit(1)


app.add_typer(labelling.app, name="label")
app.add_typer(collecting.app, name="collect")
app.command()(training.train)
app.command()(shipping.export)
app.command()(shipping.evaluate)
app.command()(shipping.thresholds)
app.command()(shipping.verify)
app.command()(serving.serve)
app.command()(tell)
app.command()(serving.send)
app.add_typer(streaming.app, name="stream")
app.command("demo")(demo.demo)
