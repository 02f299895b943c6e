"""`telltale label`: see, set and take back labels."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from telltale.cli.options import ProjectOption, name_value, one_of, out
from telltale.dataset.catalogue import Catalogue, Example
from telltale.dataset.masks import FileMask
from telltale.errors import CatalogueError
from telltale.preprocess import MASK_UNKNOWN
from telltale.progress import progress
from telltale.project import Project
from telltale.tasks import Label, Task, stack_targets
from telltale.tasks.states import OFF_WORDS
from telltale.tasks.task import Json

if TYPE_CHECKING:
    from telltale.dataset.sheet import Shown

app = typer.Typer(no_args_is_help=True, help="See, set and take back labels.")

ImageArgument = Annotated[str, typer.Argument(help="A picture: its number, the start of its SHA-256, or its path.")]


@app.command("list")
def list_labels(
    project: ProjectOption = Path("."),
    split: Annotated[str | None, typer.Option(help="Only train, calibration or test.")] = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="A line for each picture.")] = False,
) -> None:
    """Count the labels; with --pictures, list them."""
    opened = Project.open(project)
    with Catalogue.open(opened.catalogue_path, opened.images) as catalogue:
        examples = catalogue.examples(split)
    groups = {e.group for e in examples}
    out.print(f"{len(examples)} pictures in {len(groups)} groups" + (f", split {split}" if split else ""))
    if pictures:
        for e in examples:
            said = " ".join(f"{name}={label.value}" for name, label in sorted(e.labels.items()))
            print(f"{e.image_id}\t{e.sha256[:10]}\t{e.split or '-'}\t{e.group}\t{said}")
        return
    out.print(_count_table(opened.config.make_task(), examples))


def _count_table(task: Task, examples: list[Example]) -> Table:
    """How many pictures say what of each name, whatever words they use."""
    table = Table("name", "on", "off", "unlabelled", "hidden", box=None, header_style="dim")
    if not examples:
        return table
    target = stack_targets([task.shows(example.labels) for example in examples])
    on = target.known & (target.values >= 0.5)
    for k, name in enumerate(task.names):
        known, hidden = int(target.known[:, k].sum()), int((target.known & target.hidden)[:, k].sum())
        ons = int(on[:, k].sum())
        table.add_row(name, str(ons), str(known - ons), str(len(examples) - known), str(hidden))
    return table


@app.command("set")
def set_labels(
    image: ImageArgument,
    values: Annotated[
        list[str],
        typer.Argument(help="NAME=VALUE, e.g. hood=open; a mask: scratch=FILE, or =none; =unknown forgets."),
    ],
    project: ProjectOption = Path("."),
) -> None:
    """Say what a picture shows; the newest word wins, the older ones are kept."""
    opened = Project.open(project)
    task = opened.config.make_task()
    with Catalogue.open(opened.catalogue_path, opened.images) as catalogue:
        example = _find(catalogue, image)
        for text in values:
            name, value = name_value(text, "label")
            if name not in task.names:
                raise CatalogueError("label", expected=" or ".join(task.names), got=repr(name))
            said = _read_value(task, name, value, catalogue, example)
            catalogue.label(example.image_id, name, said, who=getpass.getuser())
            out.print(f"{example.image_id} {name} = {_shown(said)}", markup=False)


def _read_value(task: Task, name: str, text: str, catalogue: Catalogue, example: Example) -> Json:
    """What was typed, as the catalogue keeps it; a mask's file is read and kept. Raises CatalogueError."""
    if text.lower() in ("unknown", "null") or (text.lower() == "none" and task.kind != "mask"):
        return None
    if task.kind == "mask":
        if text.lower() == "none" or text.lower() in OFF_WORDS:
            return False
        path = Path(text).expanduser()
        if not path.is_file():
            raise CatalogueError(
                f"mask {name!r}", expected="a mask's file, none, or unknown", got=f"{text!r}, which is no file"
            )
        mask = FileMask(path).read(example.width, example.height)
        return catalogue.keep_mask(mask) if (mask > MASK_UNKNOWN).any() else False
    return bool(task.encode({name: Label(text)}).values[task.names.index(name)])


def _shown(value: Json) -> str:
    return "unknown" if value is None else str(value).lower()


@app.command("undo")
def undo_label(image: ImageArgument, name: str, project: ProjectOption = Path(".")) -> None:
    """Take the newest label of one name back."""
    opened = Project.open(project)
    with Catalogue.open(opened.catalogue_path, opened.images) as catalogue:
        example = _find(catalogue, image)
        catalogue.undo(example.image_id, name, who=getpass.getuser())
        label = _find(catalogue, str(example.image_id)).labels.get(name)
        out.print(f"{example.image_id} {name} = {_shown(label.value if label else None)}")


@app.command("history")
def show_history(image: ImageArgument, project: ProjectOption = Path(".")) -> None:
    """Who said what of a picture, and when."""
    opened = Project.open(project)
    with Catalogue.open(opened.catalogue_path, opened.images) as catalogue:
        table = Table("when", "who", "name", "value", "", box=None, header_style="dim")
        for entry in catalogue.history(_find(catalogue, image).image_id):
            back = "taken back" if entry.undone else ""
            table.add_row(entry.said_at, entry.who, entry.name, _shown(entry.value), back)
    out.print(table)


@app.command("sheet")
def draw_sheet(
    picture: Annotated[Path, typer.Argument(help="The JPEG or PNG to write.")],
    project: ProjectOption = Path("."),
    split: Annotated[str | None, typer.Option(help="Only train, calibration or test.")] = None,
    count: Annotated[int, typer.Option(help="So many pictures, spread over the groups.", min=1)] = 40,
    doubtful: Annotated[
        bool, typer.Option("--doubtful", help="Only masks on which next to nothing shows, or that two pictures share.")
    ] = False,
) -> None:
    """Draw a contact sheet of pictures with their labels: a quick look whether they are true."""
    from telltale.dataset.doubts import choose, find_doubts
    from telltale.dataset.sheet import sample, write_sheet

    opened = Project.open(project)
    with Catalogue.open(opened.catalogue_path, opened.images, readonly=True) as catalogue:
        examples = catalogue.examples(split)
    if doubtful:
        looked = choose(examples)
        with progress("do the masks fit?", len(looked)) as step:
            doubts = find_doubts(looked, opened.config.make_task().names, step)
        if not doubts:
            out.print("no mask is doubtful")
            return
        drawn: Sequence[Shown] = [doubt.example for doubt in doubts[:count]]
        title = f"{opened.config.name}: {len(drawn)} of {len(doubts)} doubtful masks, the most doubtful first"
    else:
        drawn = sample(examples, count)
        title = f"{opened.config.name}: {len(drawn)} of {len(examples)} pictures"
    out.print(f"wrote {write_sheet(drawn, picture, title=title)}", markup=False)


@app.command("save")
def save_labels(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder; or FILE.parquet for the table alone.")],
    project: ProjectOption = Path("."),
    format: Annotated[str, typer.Option(help="json, csv or imagefolder.")] = "json",
    name: Annotated[str, typer.Option(help="With imagefolder: the label whose values are the folders.")] = "class",
) -> None:
    """Write pictures and labels as a data set that other programs read."""
    from telltale.dataset.exporting import export_folder
    from telltale.dataset.manifest import write_manifest

    opened = Project.open(project)
    with Catalogue.open(opened.catalogue_path, opened.images, readonly=True) as catalogue:
        if folder.suffix == ".parquet":
            out.print(f"wrote {write_manifest(catalogue, folder)}", markup=False)
            return
        kind: Literal["json", "csv", "imagefolder"] = one_of(format, ("json", "csv", "imagefolder"), "--format")
        with progress("save", len(catalogue)) as step:
            report = export_folder(catalogue, folder, format=kind, name=name, progress=step)
    out.print(f"wrote {report.written} pictures into {folder}", markup=False)
    for skipped in report.skipped[:10]:
        out.print(f"left out: {skipped.file}: {skipped.reason}", markup=False)


@app.command("restore")
def restore_catalogue(project: ProjectOption = Path(".")) -> None:
    """Go back to the newest healthy backup of a damaged catalogue; the damaged file is kept beside it."""
    from telltale.dataset.store import restore

    opened = Project.open(project)
    try:
        with Catalogue.open(opened.catalogue_path, opened.images) as catalogue:
            catalogue.data_hash()
    except CatalogueError:
        used, damaged = restore(opened.catalogue_path)
    else:
        out.print("the catalogue is healthy: nothing to restore")
        return
    out.print(f"restored {used}" + (f"; the damaged file is {damaged}" if damaged else ""), markup=False)


def _find(catalogue: Catalogue, image: str) -> Example:
    """By number, by the start of the SHA-256, or by path. Raises CatalogueError when that is not exactly one."""
    path = Path(image).resolve()
    found = [
        e
        for e in catalogue.examples()
        if str(e.image_id) == image or (len(image) >= 6 and e.sha256.startswith(image.lower())) or e.path == path
    ]
    if len(found) != 1:
        raise CatalogueError(
            f"picture {image!r}",
            expected="one picture of the catalogue",
            got=str(len(found)),
            next="`telltale label list --pictures` names them",
        )
    return found[0]
