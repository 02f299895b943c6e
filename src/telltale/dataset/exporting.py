"""The catalogue as a folder that imports back. Knows the catalogue, not how the formats are written."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from telltale.dataset import formats, masks
from telltale.dataset.catalogue import Catalogue, Example
from telltale.dataset.formats import Found, Skipped
from telltale.errors import CatalogueError, Interrupted
from telltale.progress import Progress, Quiet
from telltale.tasks.task import Json


@dataclass(frozen=True, slots=True)
class ExportReport:
    """written: pictures. skipped: those left out, each with its reason."""

    written: int
    skipped: tuple[Skipped, ...]


def export_folder(
    catalogue: Catalogue,
    path: str | os.PathLike[str],
    *,
    format: Literal["json", "csv", "imagefolder"] = "json",
    name: str = "class",
    progress: Progress | None = None,
) -> ExportReport:
    """Write pictures and labels as a folder that `import_folder` reads back.

    json and csv hold everything: labels, groups, splits, visible pixels, source and meta. imagefolder holds the splits
    and one label, `name`, as folders (on and off where it is true or false); pictures without it are left out.
    The folder appears whole or not at all. Raises CatalogueError when it exists with something in it.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CatalogueError(str(target), expected="a new or empty folder", got="one with files in it")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{target.name}-{os.getpid()}"
    told = progress or Quiet()
    skipped: list[Skipped] = []
    written: list[Found] = []
    values: dict[str, Json] = {}
    try:
        for example in catalogue.examples():
            place = _place(example, format, name)
            if place is None:
                skipped.append(Skipped(example.path.name, f"no label {name!r}"))
                continue
            if format == "imagefolder" and values.setdefault(place.rpartition("/")[0], _value(example, name)) != _value(
                example, name
            ):
                skipped.append(Skipped(example.path.name, f"{name!r}: another value has the same folder name"))
                continue
            try:
                (partial / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(example.path, partial / place)
                for reference in masks.references(example.labels) if format != "imagefolder" else ():
                    kept = masks.place(reference)
                    (partial / kept).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(catalogue.images / kept, partial / kept)
                written.append(_found(example, place))
            except OSError as error:
                skipped.append(Skipped(example.path.name, (error.strerror or str(error)).lower()))
            told.advance()
        _write_labels(partial, written, format)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except KeyboardInterrupt:
        raise Interrupted("export stopped", got="nothing written", next="run it again") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ExportReport(len(written), tuple(skipped))


def _place(example: Example, format: str, name: str) -> str | None:
    """Where a picture goes below the exported folder."""
    file = example.sha256[:20] + example.path.suffix
    if format != "imagefolder":
        return f"images/{file}"
    label = example.labels.get(name)
    if label is None:
        return None
    value = {True: f"{name}_on", False: f"{name}_off"}[label.value] if isinstance(label.value, bool) else label.value
    folder = re.sub(r"[^\w .+-]", "_", str(value)).strip(". ") or "_"
    return f"{example.split}/{folder}/{file}" if example.split else f"{folder}/{file}"


def _value(example: Example, name: str) -> Json:
    return example.labels[name].value if name in example.labels else None


def _found(example: Example, place: str) -> Found:
    pixels = example.width * example.height
    return Found(
        file=example.path,
        name=place,
        labels={name: label.value for name, label in example.labels.items()},
        visible_px={n: round(la.visible * pixels) for n, la in example.labels.items() if la.visible is not None},
        group=example.group,
        split=example.split,
        source=example.source,
        meta=example.meta,
    )


def _write_labels(root: Path, written: Sequence[Found], format: str) -> None:
    if format == "json":
        for folder in ("images", "labels"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for found in written:
            (root / "labels" / f"{Path(found.name).stem}.json").write_text(formats.json_text(found), encoding="utf-8")
    elif format == "csv":
        root.mkdir(parents=True, exist_ok=True)
        header, rows = formats.csv_table(written)
        with (root / "labels.csv").open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out)
            table.writerow(header)
            table.writerows(rows)
    else:
        root.mkdir(parents=True, exist_ok=True)
