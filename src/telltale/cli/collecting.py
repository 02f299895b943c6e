"""`telltale collect`: pictures with true labels, from a page or from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli import scenes, synth
from telltale.cli.options import ProjectOption, one_of, out
from telltale.errors import ConfigError
from telltale.progress import progress
from telltale.project import Project

if TYPE_CHECKING:
    from telltale.dataset.catalogue import Catalogue
    from telltale.dataset.doubts import Doubt

app = typer.Typer(no_args_is_help=True, help="Collect pictures with true labels.")
MOST_DRAWN = 60
"""Doubtful masks on one sheet."""

app.command("synth")(synth.collect_synth)
app.command("scenes")(scenes.collect_scenes)


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
    opened = Project.open(project)
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


@app.command("start")
def start_recipe(
    url: Annotated[str, typer.Argument(help="The page: http(s)://, file:// or telltale:car/index.html.")],
) -> None:
    """Look at a page and print a first page.toml for it: its canvases, its controls, what it tells of itself."""
    from telltale.collect import starter_recipe

    print(starter_recipe(url))


@app.command("folder")
def collect_from_folder(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A data set: pictures with labels, a CSV, a folder a class, masks, MVTec AD, COCO, YOLO or VOC."
        ),
    ],
    project: ProjectOption = Path("."),
    format: Annotated[
        str, typer.Option(help="auto looks; or json, csv, imagefolder, pictures, masks, mvtec, coco, yolo, voc.")
    ] = "auto",
    group_by: Annotated[
        str, typer.Option(help="labels, file, folder, a CSV column, or a regular expression on the file's name.")
    ] = "auto",
    map: Annotated[
        list[str] | None, typer.Option(help="What a class folder stands for, as FOLDER=NAME:STATE; repeat it.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Newer labels win over those in the catalogue.")] = False,
    audit: Annotated[
        bool, typer.Option("--audit", help="Only look for labels that contradict one another; imports nothing.")
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(help="A picture of masks that may be false; with --audit, of the contradictions.")
    ] = None,
) -> None:
    """Take somebody else's data set in; one bad file never stops it. With --audit, re-check its labels instead."""
    if audit:
        _audit(folder, sheet)
        return
    from telltale.dataset.catalogue import Catalogue
    from telltale.dataset.formats import parse_map
    from telltale.dataset.importing import import_folder
    from telltale.dataset.layouts import LAYOUTS

    opened = Project.open(project)
    with Catalogue.open(opened.catalogue_path, opened.images) as catalogue:
        with progress("import", None, "pictures") as step:
            report = import_folder(
                folder,
                catalogue,
                format=one_of(format, ("auto", *LAYOUTS), "--format"),
                group_by=group_by,
                class_map=parse_map(",".join(map)) if map else None,
                task=opened.config.make_task(),
                replace_labels=replace,
                progress=step,
            )
        for line in report.lines():
            out.print(line, markup=False)
        doubts = settle(catalogue, opened)
    if sheet is not None and doubts:
        from telltale.dataset.sheet import write_sheet

        title = f"{len(doubts)} masks to look at"
        drawn = [doubt.example for doubt in doubts[:MOST_DRAWN]]
        out.print(f"wrote {write_sheet(drawn, sheet, title=title)}", markup=False)


def settle(catalogue: Catalogue, project: Project) -> list[Doubt]:
    """After an import: join what no split may tear apart, and look for masks that may be false; these.

    Joined are near-duplicates where nobody knows groups, and for masks the same part again.
    """
    if max(catalogue.groups().values(), default=0) == 1:
        _join_near_duplicates(catalogue, project)
    if project.config.make_task().kind == "mask":
        _join_same_surfaces(catalogue)
        return _doubt_masks(catalogue, project)
    return []


def _doubt_masks(catalogue: Catalogue, project: Project) -> list[Doubt]:
    """Forget those that are another picture's, tell of the others."""
    from telltale.dataset.doubts import MOST, choose, find_doubts, forget_false

    looked = choose(catalogue.examples())
    names = project.config.make_task().names
    with progress("do the masks fit?", len(looked)) as step:
        doubts = find_doubts(looked, names, step)
    if len(looked) >= MOST:
        out.print(f"note: {MOST} masks were looked at, those that two pictures share among them")
    for doubt in forget_false(catalogue, doubts):
        undo = f"telltale label undo {doubt.example.image_id} {doubt.name}"
        out.print(f"{doubt}: not known now ({undo} takes that back)", markup=False)
    others = [doubt for doubt in doubts if not doubt.false]
    for doubt in others[:3]:
        out.print(str(doubt), markup=False)
    if len(others) > 3:
        out.print(f"and {len(others) - 3} masks more that are worth a look: telltale label sheet FILE --doubtful")
    return doubts


def _join_near_duplicates(catalogue: Catalogue, project: Project) -> None:
    from telltale.dataset.near import group_near_duplicates

    joins = group_near_duplicates(catalogue.examples(), project.config.split.near_bits)
    catalogue.merge_groups(joins)
    if joins:
        out.print(f"no groups given: {len(joins)} pictures joined the group of a near-duplicate")


def _join_same_surfaces(catalogue: Catalogue) -> None:
    """Parts that were shot more than once, at another exposure or cropped anew, become one group each."""
    from telltale.dataset import surface

    examples = catalogue.examples()
    if len(examples) > surface.MOST:
        out.print(
            f"note: more than {surface.MOST} pictures: whether a part was shot twice was not looked for; give groups"
        )
        return
    with progress("the same part again?", len(examples)) as step:
        same = surface.find_same_surfaces(examples, progress=step)
    joins = surface.group_same_surfaces(examples, same)
    catalogue.merge_groups(joins)
    if joins:
        named = ", ".join(f"{group} with {other}" for group, other in list(joins.items())[:3])
        out.print(
            f"{len(joins)} groups joined another that shows the same part: {named}{' …' if len(joins) > 3 else ''}"
        )
    elif any(examples[pair.first].group != examples[pair.second].group for pair in same):
        out.print("note: most pictures share a background: whether a part was shot twice cannot be told; give groups")


def _audit(folder: Path, sheet: Path | None) -> None:
    from telltale.collect.audit import audit_folder

    with progress("audit", None, "pictures") as step:
        report = audit_folder(folder, progress=step)
    for line in report.lines():
        out.print(line, markup=False)
    if sheet is not None and report.contradictions:
        out.print(f"wrote {report.write_sheet(sheet)}", markup=False)
    if report.contradictions:
        raise typer.Exit(1)
