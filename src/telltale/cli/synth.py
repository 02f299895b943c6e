"""`telltale collect synth`: pictures with defects made on purpose, into a folder or a project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.options import out
from telltale.cli.training import split
from telltale.errors import ConfigError
from telltale.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telltale.collect.synth import Good, Kept, Sample, Unread, Wish

SHOWN = 24


def collect_synth(
    folder: Annotated[
        Path | None, typer.Argument(help="Where images/, masks/ and manifest.csv go; or use --project.")
    ] = None,
    project: Annotated[
        Path | None, typer.Option("--project", "-p", help="Straight into this project's catalogue instead.")
    ] = None,
    own: Annotated[bool, typer.Option("--own", help="With --project: paint onto its own good pictures.")] = False,
    on: Annotated[Path | None, typer.Option("--on", help="Paint onto the good pictures of this folder.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many pictures.", min=1)] = 200,
    metal: Annotated[
        list[str] | None, typer.Option(help="brushed, rolled, cast or painted; repeat it. All, if none is given.")
    ] = None,
    defect: Annotated[
        list[str] | None,
        typer.Option(
            help="scratch, dent, pit, stain, rust, crack, finish, chip, or with --on patch; repeat it. All if none."
        ),
    ] = None,
    width: Annotated[int, typer.Option(help="Of a scene, in pixels.")] = 256,
    height: Annotated[int, typer.Option(help="Of a scene, in pixels.")] = 256,
    good: Annotated[float, typer.Option(help="Share of pictures without a defect.")] = 0.25,
    most: Annotated[int, typer.Option(help="Defects in one picture at most.", min=1)] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.", min=0)] = 0,
    by_kind: Annotated[
        bool, typer.Option("--by-kind", help="A mask for each kind of defect, not one for all.")
    ] = False,
    sheet: Annotated[Path | None, typer.Option(help="A contact sheet with the masks outlined; .jpg or .png.")] = None,
) -> None:
    """Make pictures of defects with exact masks: whole scenes of metal, or painted onto your own good pictures."""
    from telltale.collect.synth import KINDS, METAL_KINDS, Unread, Wish, keep_in_folder

    wish = Wish(count, tuple(defect or ()), good, most, seed)
    unread = Unread()
    if (folder is None) == (project is None):
        raise ConfigError(
            "telltale collect synth", expected="a folder, or --project", got="both" if folder else "neither"
        )
    if project is not None:
        if by_kind:
            raise ConfigError("--by-kind", expected="a folder", got="--project, whose names say the kinds")
        kept = _into_project(project, wish, unread, on, own, lambda w: _scenes(w, metal, width, height))
        _report(kept, unread, sheet)
        return
    assert folder is not None
    if own:
        raise ConfigError("--own", expected="--project with it", got="a folder")
    samples = _scenes(wish, metal, width, height) if on is None else _on(wish, _good_files(on), unread)
    kinds = (wish.kinds or (METAL_KINDS if on is None else KINDS)) if by_kind else ()
    with progress("synth", count, "pictures") as step:
        kept = keep_in_folder(samples, folder, kinds=kinds, show=SHOWN, progress=step)
    _report(kept, unread, sheet)
    out.print(f"wrote {folder}: `telltale collect folder {folder}` takes it into a project", markup=False)


def _into_project(
    folder: Path, wish: Wish, unread: Unread, on: Path | None, own: bool, scenes: Callable[[Wish], Iterator[Sample]]
) -> Kept:
    """Raises ConfigError, CatalogueError."""
    from telltale.collect.synth import KINDS, METAL_KINDS
    from telltale.collect.synth.adding import good_examples, has_real_defects, keep_in_catalogue, kinds_for
    from telltale.dataset.catalogue import Catalogue
    from telltale.project import Project

    opened = Project.open(folder)
    task = opened.config.make_task()
    if task.kind != "mask":
        raise ConfigError(f"{folder}: task.kind", expected="mask", got=task.kind)
    if own and on is not None:
        raise ConfigError("telltale collect synth", expected="--own or --on", got="both")
    standing = kinds_for(task.names)
    drawable = KINDS if own or on is not None else METAL_KINDS
    wanted = tuple(kind for kind in drawable if any(kind in kinds for kinds in standing.values()))
    wish = replace(wish, kinds=wish.kinds or wanted)
    if opened.catalogue_path.is_file():
        split(opened)
    with Catalogue.open(opened.catalogue_path, opened.images) as catalogue:
        real = has_real_defects(catalogue)
        if own:
            goods = good_examples(catalogue, task.names)
            if not goods:
                raise ConfigError("--own", expected="pictures labelled as having nothing, for training", got="none")
            samples = _on(wish, list(goods), unread)
        else:
            samples = scenes(wish) if on is None else _on(wish, _good_files(on), unread)
        with progress("synth", wish.count, "pictures") as step:
            kept = keep_in_catalogue(samples, catalogue, standing, training_only=real, show=SHOWN, progress=step)
    what = (
        "for training alone: real ones calibrate and test"
        if real
        else "no real defect yet: splits are planned with them"
    )
    out.print(f"added to {opened.config.name}; {what}", markup=False)
    return kept


def _report(kept: Kept, unread: Unread, sheet: Path | None) -> None:
    from telltale.collect.synth import write_sheet

    for line in kept.lines():
        out.print(line, markup=False)
    for name, why in sorted(unread.files.items())[:20]:
        out.print(f"passed over {name}: {why}", markup=False)
    if len(unread.files) > 20:
        out.print(f"and {len(unread.files) - 20} more")
    if sheet is not None:
        out.print(f"wrote {write_sheet(kept.shown, sheet)}", markup=False)


def _scenes(wish: Wish, metal: list[str] | None, width: int, height: int) -> Iterator[Sample]:
    from telltale.collect.synth import make_scenes

    return make_scenes(wish, width=width, height=height, metals=tuple(metal or ()))


def _on(wish: Wish, goods: list[Good], unread: Unread) -> Iterator[Sample]:
    from telltale.collect.synth import make_on

    return make_on(wish, goods, unread=unread)


def _good_files(folder: Path) -> list[Good]:
    """Every picture below a folder, in order of name."""
    from telltale.collect.synth import GoodFile

    suffixes = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
    found: list[Good] = [GoodFile(p) for p in sorted(folder.rglob("*")) if p.suffix.lower() in suffixes and p.is_file()]
    if not found:
        got = "none" if folder.is_dir() else "nothing there"
        raise ConfigError(f"--on {folder}", expected="a folder of pictures of good parts", got=got)
    return found
