"""`telltale collect synth`: pictures with defects made on purpose, into a folder or a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.options import out
from telltale.errors import ConfigError
from telltale.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telltale.collect.synth import Good, Sample, Unread, Wish

SHOWN = 24


def collect_synth(
    folder: Annotated[Path, typer.Argument(help="Where images/, masks/ and manifest.csv go.")],
    on: Annotated[Path | None, typer.Option("--on", help="Paint onto the good pictures of this folder.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many pictures.", min=1)] = 200,
    metal: Annotated[
        list[str] | None, typer.Option(help="brushed, rolled, cast or painted; repeat it. All, if none is given.")
    ] = None,
    defect: Annotated[
        list[str] | None,
        typer.Option(
            help="scratch, dent, pit, stain, rust, crack, or with --on patch; repeat it. All, if none is given."
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
    from telltale.collect.synth import KINDS, METAL_KINDS, Unread, Wish, keep_in_folder, write_sheet

    wish = Wish(count, tuple(defect or ()), good, most, seed)
    unread = Unread()
    samples = _scenes(wish, metal, width, height) if on is None else _on(wish, _good_files(on), unread)
    kinds = (wish.kinds or (METAL_KINDS if on is None else KINDS)) if by_kind else ()
    with progress("synth", count, "pictures") as step:
        kept = keep_in_folder(samples, folder, kinds=kinds, show=SHOWN, progress=step)
    for line in kept.lines():
        out.print(line, markup=False)
    for name, why in sorted(unread.files.items()):
        out.print(f"passed over {name}: {why}", markup=False)
    if sheet is not None:
        out.print(f"wrote {write_sheet(kept.shown, sheet)}", markup=False)
    out.print(f"wrote {folder}: `telltale collect folder {folder}` takes it into a project", markup=False)


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
