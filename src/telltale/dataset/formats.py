"""Other people's data sets on disk: what lies where. Knows nothing of the catalogue. `layouts.py` chooses.

    json         images/NAME.jpg + labels/NAME.json, {"hood": "open", ...}
    csv          a table: file, group, split and one column for each name; an empty cell is unknown. A column `mask`,
                 or `mask:NAME` for each name, holds paths of masks; then other columns are kept as meta
    imagefolder  CLASS/NAME.jpg or SPLIT/CLASS/NAME.jpg
    pictures     a folder of pictures that nobody labelled

Readers find and parse, and never open a picture. What does not fit is a `Skipped`, never an exception.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from telltale.dataset.boxes import BoxLabels
from telltale.dataset.masks import FileMask, MaskSource, is_reference, place
from telltale.errors import CatalogueError, ConfigError
from telltale.tasks.locate import parse_boxes
from telltale.tasks.task import Json

ClassMap = Mapping[str, Mapping[str, Json]]
"""Class folder to the labels it stands for."""

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "calibration",
    "valid": "calibration",
    "validation": "calibration",
    "calibration": "calibration",
    "test": "test",
    "testing": "test",
}
"""What others call the splits."""

FILE_COLUMNS = ("file", "image", "path", "filename", "file_name", "img")
RESERVED = ("file", "group", "split", "source", "meta")
VISIBLE = ":visible_px"
EXTRA = "_telltale"
"""The one key of a label file that is no label: group, split, source, meta and visible pixels."""

MASK_COLUMN = re.compile(r"mask(s|_path|_file|_name)?(:.+)?", re.I)
"""A column of paths of masks; after the colon what they are of."""

TABLES = ("labels.csv", "manifest.csv", "index.csv", "annotations.csv", "metadata.csv")


@dataclass(frozen=True, slots=True)
class Found:
    """One picture of a data set and what is said of it. group, split: None where the data set does not tell.

    masks: of names; that of "" is named by the picture's class (`meta["class"]`) or by the task, if it has one name.
    boxes: of names; None where the data set has none for this picture.
    nothing: the data set says that there is none of anything in the picture.
    """

    file: Path
    name: str
    labels: Mapping[str, Json] = field(default_factory=dict)
    masks: Mapping[str, MaskSource] = field(default_factory=dict)
    boxes: BoxLabels | None = None
    nothing: bool = False
    visible_px: Mapping[str, int] = field(default_factory=dict)
    group: str | None = None
    split: str | None = None
    source: str = ""
    meta: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a part of one, that was left out, and why."""

    file: str
    reason: str


def is_json(path: Path) -> bool:
    """images/ and labels/, the latter without pictures, which would be masks."""
    folders = (path / "images").is_dir() and (path / "labels").is_dir()
    return folders and not any(file.suffix.lower() in (".png", ".bmp", ".tif") for file in list_files(path / "labels"))


def is_csv(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in (".csv", ".tsv")
    return path.is_dir() and _table(path) is not None


def is_imagefolder(path: Path) -> bool:
    return path.is_dir() and any(True for entry in _visible(path) if entry.is_dir() for _ in list_files(entry))


def is_pictures(path: Path) -> bool:
    return path.is_dir() and any(entry.is_file() for entry in _visible(path))


def read_pictures(path: Path) -> Iterator[Found | Skipped]:
    return (Found(file, under(file, path), source=str(path)) for file in list_files(path))


def parse_map(text: str) -> dict[str, dict[str, Json]]:
    """`not_empty=occupied:on,empty=occupied:off` to class to labels; a class may be named again for a second label.

    Raises ConfigError.
    """
    classes: dict[str, dict[str, Json]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([^=]+)=([^:=]+):(.+)", part)
        if match is None:
            raise ConfigError("--map", expected="CLASS=NAME:on or CLASS=NAME:off, with commas between", got=repr(part))
        folder, name, value = (piece.strip() for piece in match.groups())
        classes.setdefault(folder, {})[name] = {"on": True, "off": False}.get(value.lower(), parse_cell(value))
    if not classes:
        raise ConfigError("--map", expected="CLASS=NAME:on, with commas between", got="nothing")
    return classes


# --- json -------------------------------------------------------------------------------------------------------------


def read_json(path: Path) -> Iterator[Found | Skipped]:
    images: dict[str, Path] = {}
    for file in list_files(path / "images"):
        stem = under(file, path / "images").removesuffix(file.suffix)
        if stem in images:
            yield Skipped(f"images/{under(file, path / 'images')}", f"shares its label file with {images[stem].name}")
        else:
            images[stem] = file
    unused = dict.fromkeys(under(file, path / "labels") for file in list_files(path / "labels"))
    for stem, file in images.items():
        name = f"images/{under(file, path / 'images')}"
        label_file = path / "labels" / f"{stem}.json"
        if unused.pop(f"{stem}.json", "no") == "no":
            yield Found(file, name, source=str(path))
            continue
        try:
            said = json.loads(label_file.read_text(encoding="utf-8-sig"), parse_constant=_refuse_constant)
            if not isinstance(said, dict):
                raise ValueError(f"expected an object of names and values, got {type(said).__name__}")
            yield _from_json(path, file, name, said)
        except (OSError, ValueError, RecursionError) as error:
            yield Skipped(f"labels/{stem}.json", one_line(error))
    for left in unused:
        reason = "no picture of this name" if left.endswith(".json") else "not a .json file"
        yield Skipped(f"labels/{left}", reason)


def _from_json(root: Path, file: Path, name: str, said: dict[str, Json]) -> Found:
    source = str(root)
    extra = said.pop(EXTRA, {})
    if not isinstance(extra, dict):
        raise ValueError(f"{EXTRA}: expected an object, got {extra!r}")
    visible, meta = extra.get("visible_px", {}), extra.get("meta", {})
    if not isinstance(visible, dict) or not isinstance(meta, dict):
        raise ValueError(f"{EXTRA}: visible_px and meta must be objects")
    group, split = extra.get("group"), extra.get("split")
    kept = {label: value for label, value in said.items() if is_reference(value)}
    return Found(
        file,
        name,
        {label: value for label, value in said.items() if label not in kept},
        masks={label: FileMask(root / place(value)) for label, value in kept.items()},
        visible_px=visible,
        group=None if group is None else str(group),
        split=None if split is None else str(split),
        source=str(extra.get("source", source)),
        meta=meta,
    )


def json_text(found: Found) -> str:
    """The label file of a picture. Raises CatalogueError when a label bears the one reserved name."""
    if EXTRA in found.labels:
        raise CatalogueError("a label's name", expected=f"any but {EXTRA}", got=EXTRA, next="export as csv")
    extra: dict[str, Json] = {
        "group": found.group,
        "split": found.split,
        "source": found.source,
        "visible_px": dict(found.visible_px),
        "meta": dict(found.meta),
    }
    kept = {key: value for key, value in extra.items() if value not in (None, "", {})}
    return json.dumps({**found.labels, EXTRA: kept}, indent=2, ensure_ascii=False) + "\n"


# --- csv --------------------------------------------------------------------------------------------------------------


def read_csv(path: Path, group_column: str) -> Iterator[Found | Skipped]:
    table = path if path.is_file() else _table(path)
    if table is None:
        raise CatalogueError(str(path), expected=" or ".join(TABLES), got="none")
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise CatalogueError(str(table), expected="a CSV table in UTF-8", got=one_line(error)) from error
    head = text[: text.find("\n")] if "\n" in text else text
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    header = [cell.strip() for cell in next(rows, [])]
    file_column = next((column for column in FILE_COLUMNS if column in header), None)
    if file_column is None or len(set(header)) != len(header):
        raise CatalogueError(
            str(table), expected="a header with a column `file`, each column once", got=", ".join(header) or "nothing"
        )
    if group_column and group_column not in header:
        raise CatalogueError(str(table), expected=f"a column {group_column!r}", got=", ".join(header))
    try:
        for number, row in enumerate(rows, start=2):
            if any(cell.strip() for cell in row):
                yield _from_row(
                    table, number, dict(zip(header, row, strict=False)), file_column, group_column, len(row)
                )
    except csv.Error as error:
        yield Skipped(f"{table.name} line {rows.line_num} and all after it", one_line(error))


def _from_row(
    table: Path, number: int, row: dict[str, str], file_column: str, group_column: str, cells: int
) -> Found | Skipped:
    where = f"{table.name} line {number}"
    file = row.pop(file_column, "").strip()
    if not file or cells > len(row) + 1:
        return Skipped(where, "no file named" if not file else f"{cells} cells under {len(row) + 1} columns")
    group = row.pop(group_column or _group_column(row), "")
    split, source, meta = row.pop("split", ""), row.pop("source", ""), row.pop("meta", "")
    labels: dict[str, Json] = {}
    visible: dict[str, int] = {}
    masks: dict[str, MaskSource] = {}
    for column, cell in row.items():
        if not column or not cell.strip():
            continue
        value = parse_cell(cell)
        if MASK_COLUMN.fullmatch(column):
            masks[column.partition(":")[2].strip()] = FileMask(table.parent / cell.strip())
            continue
        if is_reference(value):
            masks[column] = FileMask(table.parent / place(value))
            continue
        if not column.endswith(VISIBLE):
            labels[column] = value
        elif isinstance(value, int) and not isinstance(value, bool):
            visible[column.removesuffix(VISIBLE)] = value
        else:
            return Skipped(where, f"{column}: expected a number of pixels, got {cell!r}")
    try:
        parsed = json.loads(meta) if meta.strip() else {}
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        return Skipped(where, f"meta: expected a JSON object, got {meta!r}")
    if any(MASK_COLUMN.fullmatch(column) for column in row):
        parsed, labels = {**labels, **parsed}, {}
    return Found(
        table.parent / file,
        file,
        labels,
        masks=masks,
        visible_px=visible,
        group=group or None,
        split=split or None,
        source=source or str(table),
        meta=parsed,
    )


def _group_column(row: Mapping[str, str]) -> str:
    """`group`, or the one column whose name ends or begins so, as tile_group."""
    if "group" in row:
        return "group"
    likely = [c for c in row if re.search(r"(^|[_ -])group([_ -]?(id|name|nr|no|number))?$", c, re.I)]
    return likely[0] if len(likely) == 1 else "group"


def csv_table(found: Sequence[Found]) -> tuple[list[str], list[list[str]]]:
    """Header and rows. Raises CatalogueError when a label's name is that of a column of ours."""
    names = sorted({name for each in found for name in each.labels})
    measured = sorted({name for each in found for name in each.visible_px})
    for name in names:
        if name in (*RESERVED, *FILE_COLUMNS) or name.endswith(VISIBLE) or name != name.strip():
            raise CatalogueError(
                "a label's name", expected="one that is no column", got=repr(name), next="export as json"
            )
    header = [*RESERVED, *names, *(name + VISIBLE for name in measured)]
    rows = [
        [
            each.name,
            each.group or "",
            each.split or "",
            each.source,
            json.dumps(dict(each.meta), sort_keys=True) if each.meta else "",
            *(format_cell(each.labels[name]) if name in each.labels else "" for name in names),
            *(str(each.visible_px.get(name, "")) for name in measured),
        ]
        for each in found
    ]
    return header, rows


def parse_cell(cell: str) -> Json:
    """`true`, numbers and quoted texts as JSON; anything else is the text itself."""
    text = cell.strip()
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, list | dict) and _are_boxes("", value):
        return value
    return value if isinstance(value, bool | int | float | str) else text


def format_cell(value: Json) -> str:
    """What `parse_cell` gives the value back from."""
    if isinstance(value, str) and value.isprintable() and value.strip() and parse_cell(value) == value:
        return value
    return json.dumps(value)


# --- imagefolder ------------------------------------------------------------------------------------------------------


def read_imagefolder(path: Path, class_map: ClassMap | None) -> Iterator[Found | Skipped]:
    folders = [entry for entry in _visible(path) if entry.is_dir()]
    for entry in _visible(path):
        if entry.is_file():
            yield Skipped(entry.name, "in no class folder")
    classes: list[tuple[Path, str | None]] = [(folder, None) for folder in folders]
    if folders and all(folder.name.lower() in SPLIT_WORDS for folder in folders):
        classes = [
            (inner, SPLIT_WORDS[folder.name.lower()])
            for folder in folders
            for inner in _visible(folder)
            if inner.is_dir()
        ]
    for folder, split in classes:
        labels: Mapping[str, Json] | None = {"class": folder.name} if class_map is None else class_map.get(folder.name)
        for file in list_files(folder):
            name = under(file, path)
            if labels is None:
                yield Skipped(name, f"no --map for class {folder.name!r}")
            else:
                yield Found(file, name, labels, split=split, source=str(path))


# --- shared -----------------------------------------------------------------------------------------------------------


def unfit(found: Found, width: int, height: int) -> dict[str, str]:
    """Names whose label cannot be kept, and why."""
    wrong: dict[str, str] = {}
    for name, value in found.labels.items():
        if not name.strip() or not name.isprintable():
            wrong[name] = f"expected a label with a name, got {name!r}"
        elif isinstance(value, list | dict) and _are_boxes(name, value):
            continue
        elif not (value is None or isinstance(value, bool | int | float | str)):
            wrong[name] = f"{name}: expected true, false, a number, a text or boxes, got {value!r}"[:200]
        elif isinstance(value, float) and not math.isfinite(value):
            wrong[name] = f"{name}: expected a finite number, got {value!r}"
    for name, pixels in found.visible_px.items():
        if isinstance(pixels, bool) or not isinstance(pixels, int) or not 0 <= pixels <= width * height:
            wrong[name] = f"{name}: expected 0 to {width * height} visible pixels, got {pixels!r}"
    return wrong


def _are_boxes(name: str, value: Json) -> bool:
    try:
        parse_boxes(name, value, most=1_000_000)
    except CatalogueError:
        return False
    return True


def _table(folder: Path) -> Path | None:
    """The table of a folder: one of the usual names, or the only CSV there."""
    for name in TABLES:
        if (folder / name).is_file():
            return folder / name
    tables = sorted(folder.glob("*.csv"))
    return tables[0] if len(tables) == 1 else None


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def list_files(folder: Path) -> Iterator[Path]:
    """All files below a folder, hidden ones left out, ordered by name."""
    for entry in _visible(folder) if folder.is_dir() else []:
        if entry.is_dir():
            yield from list_files(entry)
        elif entry.name not in ("Thumbs.db", "desktop.ini"):
            yield entry


def under(file: Path, folder: Path) -> str:
    name = os.fsencode(file.relative_to(folder).as_posix())
    return name.decode("utf-8", "backslashreplace")  # a name in another encoding shall not stop us


def _refuse_constant(word: str) -> Json:
    raise ValueError(f"{word} is no JSON number")


def one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
