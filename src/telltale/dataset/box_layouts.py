"""Data sets with boxes on disk: YOLO and Pascal VOC. Knows nothing of the catalogue; opens no picture.

yolo    a text file of each picture's name, beside it or in labels/ where the picture is in images/; each line is
        CLASS X Y WIDTH HEIGHT, the box's middle and sides as shares of the picture's; classes are named by
        data.yaml, classes.txt or obj.names, else they are the task's names in their order. An empty file: none
voc     an XML file of each picture's name (Everingham et al. 2010), beside it or in annotations/; `difficult` boxes
        are regions nobody knows
coco    pictures and a JSON of images, annotations and categories (Lin et al. 2014); `iscrowd` likewise
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from telltale.dataset.boxes import BoxLabels, Drawn
from telltale.dataset.formats import SPLIT_WORDS, Found, Skipped, list_files, one_line, under
from telltale.dataset.mask_layouts import PICTURES

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
YAML = ("data.yaml", "data.yml", "dataset.yaml")
LABELS = frozenset({"labels", "annotations", "annotation", "xmls", "xml"})
LINE = re.compile(r"\d+(\s+[-+.\deEnNaAiIfF]+){4}(\s+[-+.\deE]+)?")
"""A line of YOLO text; a sixth number is a detector's confidence."""
HEAD = 4096


# --- pictures and the files beside them -------------------------------------------------------------------------------


def _label_files(path: Path, suffix: str) -> dict[tuple[tuple[str, ...], str], Path]:
    """Every label file by its place and stem, the folders' own words left out."""
    files = (file for file in list_files(path) if file.suffix.lower() == suffix) if path.is_dir() else ()
    return {_key(file, path): file for file in files if file.name.lower() not in NAME_FILES}


def _key(file: Path, root: Path) -> tuple[tuple[str, ...], str]:
    words = LABELS | {"images", "jpegimages", "img", "imgs", "pictures"}
    return tuple(p.lower() for p in file.parent.relative_to(root).parts if p.lower() not in words), file.stem


def _pictures(path: Path) -> list[Path]:
    return [file for file in list_files(path) if file.suffix.lower() in PICTURES]


def _split_of(file: Path, root: Path) -> str | None:
    return next((SPLIT_WORDS[p.lower()] for p in file.parent.relative_to(root).parts if p.lower() in SPLIT_WORDS), None)


def _leftover(files: Mapping[Any, Path], path: Path) -> Iterator[Skipped]:
    for file in files.values():
        yield Skipped(under(file, path), "boxes without a picture")


# --- YOLO -------------------------------------------------------------------------------------------------------------


def is_yolo(path: Path) -> bool:
    """At least a third of the pictures have a text file of their name, and the first that say anything say boxes."""
    files = _label_files(path, ".txt")
    pictures = _pictures(path) if files else []
    here = [files[key] for key in (_key(picture, path) for picture in pictures) if key in files]
    return bool(here) and len(here) * 3 >= len(pictures) and _looks_yolo(here)


def _looks_yolo(files: Sequence[Path]) -> bool:
    seen = 0
    for file in files:
        lines = file.read_bytes()[:HEAD].decode("utf-8-sig", "replace").split("\n")
        first = next((line.strip() for line in lines if line.strip()), "")
        if first:
            seen += 1
            if LINE.fullmatch(first):
                return True
        if seen >= 5:
            return False
    return seen == 0  # nothing but empty files: pictures without any


def read_yolo(path: Path, names: Sequence[str]) -> Iterator[Found | Skipped]:
    """names: what the classes are called where no file says so."""
    try:
        called = _class_names(path) or list(names)
    except (OSError, ValueError) as error:
        yield Skipped(path.name, f"names of the classes: {one_line(error)}; the task's are taken")
        called = list(names)
    files = _label_files(path, ".txt")
    for picture in _pictures(path):
        name, file = under(picture, path), files.pop(_key(picture, path), None)
        if file is None:
            yield Skipped(name, "no .txt of this name: added without a label")
            yield Found(picture, name, split=_split_of(picture, path), source=str(path))
            continue
        try:
            boxes = _read_lines(file.read_bytes().decode("utf-8-sig"), called)
        except (OSError, ValueError) as error:
            yield Skipped(under(file, path), f"{one_line(error)}: its picture is added without a label")
            boxes = None
        yield Found(picture, name, boxes=boxes, split=_split_of(picture, path), source=str(path))
    yield from _leftover({key: file for key, file in files.items() if _looks_yolo([file])}, path)


def _read_lines(text: str, called: Sequence[str]) -> BoxLabels:
    """Raises ValueError naming the line."""
    of: dict[str, list[Drawn]] = {name: [] for name in called}
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) not in (5, 6):
            what = "a polygon; only boxes are read" if len(cells) > 6 else f"{len(cells)} numbers"
            raise ValueError(f"line {number}: expected CLASS X Y WIDTH HEIGHT, got {what}")
        try:
            which, (x, y, w, h) = int(cells[0]), (float(cell) for cell in cells[1:5])
        except ValueError:
            raise ValueError(f"line {number}: expected CLASS X Y WIDTH HEIGHT, got {line[:60]!r}") from None
        if not 0 <= which < len(called):
            raise ValueError(f"line {number}: expected a class of 0 to {len(called) - 1}, got {which}")
        of[called[which]].append(Drawn((x - w / 2, y - h / 2, w, h), shares=True, where=f"in line {number}"))
    return BoxLabels(of)


def _class_names(path: Path) -> list[str]:
    """As a file beside the pictures says; [] without one. Raises ValueError on one that cannot be read."""
    places = [path, path / "labels", path / "images", path.parent]
    for name in NAME_FILES:
        for folder in places[:3]:
            if (folder / name).is_file():
                lines = (folder / name).read_bytes().decode("utf-8-sig").splitlines()
                return [line.strip() for line in lines if line.strip()]
    for name in YAML:
        for folder in places:
            if (folder / name).is_file():
                return _yaml_names((folder / name).read_bytes().decode("utf-8-sig"))
    return []


def _yaml_names(text: str) -> list[str]:
    """The `names` of a data.yaml: [a, b], a list of dashes, or numbers with names. Raises ValueError."""
    found = re.search(r"^names[ \t]*:(.*(?:\n(?:[ \t]+|-).*|\n[ \t]*(?=\n))*)", text, re.M)
    if found is None:
        raise ValueError("expected a key `names`, got none")
    said = re.sub(r"(^|\s)#.*", "", found[1])
    inline = re.match(r"\s*[\[{](.*)[\]}]\s*$", said, re.S)
    parts = inline[1].split(",") if inline else said.splitlines()
    numbered: dict[int, str] = {}
    for part in filter(None, (part.strip() for part in parts)):
        number, colon, name = part.partition(":")
        if colon and number.strip().isdigit():
            numbered[int(number)] = name.strip().strip("'\"")
        else:
            numbered[len(numbered)] = part.removeprefix("-").strip().strip("'\"")
    if not numbered or sorted(numbered) != list(range(len(numbered))) or not all(numbered.values()):
        raise ValueError(f"expected names numbered from 0, got {said.strip()[:60]!r}")
    return [numbered[i] for i in range(len(numbered))]


# --- Pascal VOC -------------------------------------------------------------------------------------------------------


def is_voc(path: Path) -> bool:
    """At least a third of the pictures have an annotation of their name."""
    files = _label_files(path, ".xml")
    pictures = _pictures(path) if files else []
    here = [files[key] for key in (_key(picture, path) for picture in pictures) if key in files]
    return bool(here) and len(here) * 3 >= len(pictures) and b"<annotation" in here[0].read_bytes()[:HEAD]


def read_voc(path: Path, names: Sequence[str]) -> Iterator[Found | Skipped]:
    """Of a name that an annotation does not list there is none in the picture."""
    files = _label_files(path, ".xml")
    for picture in _pictures(path):
        name, file = under(picture, path), files.pop(_key(picture, path), None)
        boxes = None
        if file is None:
            yield Skipped(name, "no .xml of this name: added without a label")
        else:
            try:
                boxes = _read_xml(file.read_bytes(), names)
            except (OSError, ValueError, ElementTree.ParseError) as error:
                yield Skipped(under(file, path), f"{one_line(error)}: its picture is added without a label")
        yield Found(picture, name, boxes=boxes, split=_split_of(picture, path), source=str(path))
    yield from _leftover(files, path)


def _read_xml(data: bytes, names: Sequence[str]) -> BoxLabels:
    """Raises ValueError, ParseError. VOC counts pixels from 1 and includes the last."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("expected plain XML, got a document type")
    root = ElementTree.fromstring(data)
    of: dict[str, list[Drawn]] = {name: [] for name in names}
    for number, thing in enumerate(root.iter("object"), start=1):
        called, where = (thing.findtext("name") or "").strip(), f"of object {number}"
        box = thing.find("bndbox")
        if not called or box is None:
            raise ValueError(f"object {number}: expected a name and a bndbox")
        try:
            low_x, low_y, high_x, high_y = (float(box.findtext(k) or "") for k in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError:
            raise ValueError(f"object {number}: expected numbers xmin, ymin, xmax, ymax") from None
        drawn = (low_x - 1, low_y - 1, high_x - low_x + 1, high_y - low_y + 1)
        hard = (thing.findtext("difficult") or "0").strip() not in ("0", "")
        of.setdefault(called, []).append(Drawn(drawn, unknown=hard, where=where))
    said = [root.findtext(f"size/{side}") or "" for side in ("width", "height")]
    size = (int(said[0]), int(said[1])) if all(text.strip().isdigit() and int(text) > 0 for text in said) else None
    return BoxLabels(of, size)
