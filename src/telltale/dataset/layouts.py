"""Every layout of a data set that can be imported, each registered once. Knows how to tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from telltale.dataset import box_layouts, formats, mask_layouts
from telltale.dataset.formats import ClassMap, Found, Skipped
from telltale.errors import CatalogueError, ConfigError


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user says of a layout. class_map: for class folders. group_column: for tables.

    names: what the task tells. boxes: whether it tells boxes, where a layout has masks and boxes.
    """

    class_map: ClassMap | None = None
    group_column: str = ""
    names: tuple[str, ...] = ()
    boxes: bool = False


PLAIN = Wish()


@dataclass(frozen=True, slots=True)
class Layout:
    """fits: whether this lies here; asked in the order of LAYOUTS. what: for people."""

    fits: Callable[[Path], bool]
    read: Callable[[Path, Wish], Iterator[Found | Skipped]]
    what: str


LAYOUTS: dict[str, Layout] = {
    "mvtec": Layout(
        mask_layouts.is_mvtec, lambda path, wish: mask_layouts.read_mvtec(path), "test/ with ground_truth/ (MVTec AD)"
    ),
    "coco": Layout(
        mask_layouts.is_coco, lambda path, wish: mask_layouts.read_coco(path, boxes=wish.boxes), "COCO annotations"
    ),
    "yolo": Layout(
        box_layouts.is_yolo,
        lambda path, wish: box_layouts.read_yolo(path, wish.names),
        "pictures with boxes in .txt (YOLO)",
    ),
    "voc": Layout(
        box_layouts.is_voc,
        lambda path, wish: box_layouts.read_voc(path, wish.names),
        "pictures with boxes in .xml (Pascal VOC)",
    ),
    "json": Layout(formats.is_json, lambda path, wish: formats.read_json(path), "images/ + labels/*.json"),
    "csv": Layout(formats.is_csv, lambda path, wish: formats.read_csv(path, wish.group_column), "a CSV table"),
    "masks": Layout(
        mask_layouts.has_pairs,
        lambda path, wish: mask_layouts.read_pairs(path),
        "pictures with a mask of the same name",
    ),
    "imagefolder": Layout(
        formats.is_imagefolder,
        lambda path, wish: formats.read_imagefolder(path, wish.class_map),
        "one folder for each class",
    ),
    "pictures": Layout(formats.is_pictures, lambda path, wish: formats.read_pictures(path), "pictures"),
}
"""Name to layout; the first that fits is taken."""


def detect(path: Path) -> str:
    """Which layout lies here. Raises CatalogueError, which says what was looked for."""
    for name, layout in LAYOUTS.items():
        if layout.fits(path):
            return name
    got = "another file" if path.is_file() else "nothing there"
    if path.is_dir():
        got = "empty folders" if any(entry.is_dir() for entry in path.iterdir()) else "an empty folder"
    wanted = ", ".join(layout.what for layout in LAYOUTS.values())
    raise CatalogueError(
        str(path), expected=f"a folder or a CSV file: {wanted}" if not path.is_dir() else wanted, got=got
    )


def read(path: Path, name: str, wish: Wish = PLAIN) -> Iterator[Found | Skipped]:
    """Everything a data set holds, in the order of names. Raises ConfigError on a layout nobody knows."""
    if name not in LAYOUTS:
        raise ConfigError("layout", expected=", ".join(LAYOUTS), got=repr(name))
    return LAYOUTS[name].read(path, wish)
