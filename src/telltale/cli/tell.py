"""`telltale tell`: a folder of pictures through a bundle, into a table. One bad file never stops it."""

from __future__ import annotations

import csv
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
import typer

from telltale.cli.options import one_of, out
from telltale.errors import ConfigError, ImageError, Interrupted, TelltaleError
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.progress import progress
from telltale.tasks.locate import Locate, LocateReading
from telltale.tasks.mask import MaskReading, MaskResult, Masks
from telltale.tasks.regions import told_mask
from telltale.tasks.task import Json

if TYPE_CHECKING:
    from telltale.bundle.predictor import Predictor
    from telltale.progress import Progress

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
TABLE = "results.csv"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is written beside the table."""

    overlays: bool = False
    masks: bool = False


@dataclass(slots=True)
class Tally:
    """How a run went. refused: file to why."""

    told: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def tell(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures, with all below it; or one picture.")],
    bundle: Annotated[Path, typer.Option("--bundle", "-b", help="A NAME.telltale folder.")],
    to: Annotated[Path, typer.Option("--out", "-o", help="Where results.csv and what is drawn go.")] = Path("results"),
    overlays: Annotated[
        bool, typer.Option("--overlays", help="Write each picture with its answer drawn on it.")
    ] = False,
    masks: Annotated[bool, typer.Option("--masks", help="Write masks: 255 told, 127 unsure, 0 neither.")] = False,
    variant: Annotated[str, typer.Option(help="auto, float or int8.")] = "auto",
) -> None:
    """Tell every picture of a folder: a line for each in results.csv, overlays and masks if wanted."""
    from telltale.bundle.predictor import Predictor

    files = find_files(folder, to)
    predictor = Predictor.open(bundle, threads=1, variant=one_of(variant, ("auto", "float", "int8"), "--variant"))
    if masks and not isinstance(predictor.task, Masks):
        raise ConfigError("--masks", expected="a bundle that tells masks", got=predictor.task.kind)
    with progress("tell", len(files)) as step:
        tally = tell_files(predictor, folder, files, to, Wanted(overlays, masks), step)
    for name, why in list(tally.refused.items())[:20]:
        out.print(f"refused {name}: {why}", markup=False)
    if len(tally.refused) > 20:
        out.print(f"and {len(tally.refused) - 20} more")
    out.print(f"told {tally.told} pictures, refused {len(tally.refused)}; wrote {to / TABLE}", markup=False)
    if not tally.told:
        raise typer.Exit(1)


def find_files(folder: Path, to: Path) -> list[Path]:
    """The picture itself, or all below a folder by name, but not what a run before wrote. Raises ImageError."""
    if folder.is_file():
        return [folder]
    own = to.resolve()
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and own not in path.resolve().parents
    )
    if not found:
        got = "none" if folder.is_dir() else "nothing there"
        raise ImageError(str(folder), expected="a picture, or a folder of pictures", got=got)
    return found


def tell_files(
    predictor: Predictor, folder: Path, files: Sequence[Path], to: Path, wanted: Wanted, step: Progress
) -> Tally:
    """Write the table line by line, in the order of the files. Raises ConfigError when `to` cannot be written to,
    Interrupted on Ctrl-C: what was told until then is in the table."""
    root = folder if folder.is_dir() else folder.parent
    tally = Tally()
    try:
        to.mkdir(parents=True, exist_ok=True)
        with (to / TABLE).open("w", encoding="utf-8", newline="") as opened:
            table = csv.DictWriter(opened, columns(predictor), restval="")
            table.writeheader()
            for file, row in zip(files, _in_order(lambda f: _row(predictor, root, f, to, wanted), files), strict=True):
                table.writerow(row)
                opened.flush()
                if row["error"]:
                    tally.refused[str(row["file"])] = str(row["error"])
                else:
                    tally.told += 1
                step.advance(note=f"{len(tally.refused)} refused" if tally.refused else file.name[:30])
    except KeyboardInterrupt as stop:
        raise Interrupted(
            "telling", got=f"stopped after {tally.told} pictures", next=f"{to / TABLE} has those; run again for all"
        ) from stop
    except OSError as cause:
        raise ConfigError(f"--out {to}", expected="a folder that can be written to", got=str(cause)) from cause
    return tally


def columns(predictor: Predictor) -> list[str]:
    """Of the table: file, size, time, error, and for each name its state and numbers."""
    each = ["state", "prob"]
    task = predictor.task
    if isinstance(task, Masks):
        each += ["regions", "area_px", *(["area_mm2"] if task.mm_per_px is not None else [])]
    if isinstance(task, Locate):
        each += ["count", "boxes"]
    return ["file", "width", "height", "ms", "error", *(f"{name}.{what}" for name in task.names for what in each)]


def _row(predictor: Predictor, root: Path, file: Path, to: Path, wanted: Wanted) -> dict[str, Json]:
    """One line; a picture that cannot be told has only its name and why."""
    name = file.relative_to(root)
    start_s = time.perf_counter()
    try:
        image = decode(file)
        result = predictor.tell(image)
    except TelltaleError as cause:
        return {"file": name.as_posix(), "error": f"{cause.code}: {cause.got or cause}"}
    row: dict[str, Json] = {
        "file": name.as_posix(),
        "width": image.shape[1],
        "height": image.shape[0],
        "ms": round((time.perf_counter() - start_s) * 1e3, 2),
        "error": "",
    }
    for key, reading in result.readings.items():
        row |= {f"{key}.state": reading.state, f"{key}.prob": round(float(reading.prob), 6)}
        if isinstance(reading, LocateReading):
            told = reading.to_json()
            row |= {f"{key}.count": told["count"], f"{key}.boxes": json.dumps(told["boxes"])}
        if isinstance(reading, MaskReading):
            row |= {
                f"{key}.regions": sum(region.state == "on" for region in reading.regions),
                f"{key}.area_px": reading.area_px,
            }
            if reading.mm2 is not None:
                row[f"{key}.area_mm2"] = round(reading.area_px * reading.mm2, 4)
    _draw(predictor, image, result, name, to, wanted)
    return row


def _draw(predictor: Predictor, image: Image, result: Json, name: Path, to: Path, wanted: Wanted) -> None:
    """The whole name stays in what is written, so that x.jpg and x.png do not meet."""
    if wanted.overlays:
        _write(to / "overlays" / f"{name}.png", np.asarray(predictor.task.draw(image, result))[:, :, ::-1])
    if wanted.masks and isinstance(result, MaskResult) and isinstance(predictor.task, Masks):
        for key, p in zip(result.readings, result.maps, strict=True):
            cut = predictor.spec.thresholds[key]
            low = float(np.nextafter(np.float32(cut.low), np.float32(2))) if cut.low < cut.high else cut.high
            _write(to / "masks" / key / f"{name}.png", told_mask(p, low, cut.high, predictor.task.min_area))


def _write(path: Path, pixels: Image) -> None:
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert done, pixels.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def _in_order(work: Callable[[Path], dict[str, Json]], files: Sequence[Path]) -> Iterator[dict[str, Json]]:
    """On as many threads as there are cores (decoding and the net release the interpreter lock), few waiting."""
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads, thread_name_prefix="telltale-tell") as pool:
        waiting: deque[Future[dict[str, Json]]] = deque()
        try:
            for file in files:
                waiting.append(pool.submit(work, file))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
