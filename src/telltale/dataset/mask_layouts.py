"""Data sets with masks on disk: pairs by name, MVTec AD, COCO. Knows nothing of the catalogue; opens no picture.

    masks   pictures and masks that share a name: NAME.jpg + NAME.png in one folder, NAME.png + NAME_mask.png, or
            images/NAME.jpg + masks/NAME.png; folders may be classes
    mvtec   train/good, test/good, test/DEFECT and ground_truth/DEFECT/NAME_mask.png (Bergmann et al. 2019)
    coco    pictures and a JSON of images, annotations and categories (Lin et al. 2014)

A mask whose layout does not say what it is of has the name UNNAMED; the import gives it the task's one name, or that of
its class. What the class is stands in the picture's meta.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telltale.dataset.boxes import coco_boxes
from telltale.dataset.formats import SPLIT_WORDS, Found, Skipped, list_files, one_line, under
from telltale.dataset.masks import CocoMask, FileMask, MaskSource
from telltale.errors import CatalogueError

UNNAMED = ""
"""The name of a mask that only its class, or the task, can name."""

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"})
MASK_FILES = frozenset({".png", ".bmp", ".tif", ".tiff", ".gif", ".pgm"})
"""What masks come as: JPEG would blur them."""

MARKS = re.compile(r"^(?P<name>.+?)[-_. ](mask|masks|gt|label|labels|seg|segmentation|annotation|ground_?truth)$", re.I)
MASK_FOLDERS = frozenset(
    {
        "mask",
        "masks",
        "gt",
        "label",
        "labels",
        "seg",
        "segmentation",
        "segmentations",
        "segmentationclass",
        "annotations",
        "ground_truth",
    }
)
IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "jpegimages", "pictures"})
GOOD = frozenset({"good", "ok", "free", "normal", "none", "clean"})
"""Class folders of pictures with nothing to find, where a layout has no mask for them."""


# --- pairs by name ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pair:
    picture: Path
    mask: Path | None


def has_pairs(path: Path) -> bool:
    """At least a third of the pictures have a mask of their name."""
    if not path.is_dir():
        return False
    pairs, _ = _pair_up(path)
    return sum(pair.mask is not None for pair in pairs) * 3 >= max(len(pairs), 1)


def read_pairs(path: Path) -> Iterator[Found | Skipped]:
    """Every picture with its mask; one without is kept unlabelled, and told."""
    pairs, left = _pair_up(path)
    for file in left:
        yield Skipped(under(file, path), "a mask without a picture")
    for pair in pairs:
        name = under(pair.picture, path)
        group_folder = pair.picture.parent.relative_to(path).parts
        words = [part for part in group_folder if part.lower() not in IMAGE_FOLDERS | set(SPLIT_WORDS)]
        split = next((SPLIT_WORDS[part.lower()] for part in group_folder if part.lower() in SPLIT_WORDS), None)
        masks: dict[str, MaskSource] = {} if pair.mask is None else {UNNAMED: FileMask(pair.mask)}
        good = pair.mask is None and bool(words) and words[-1].lower() in GOOD
        meta = {"class": words[-1]} if words else {}
        yield Found(pair.picture, name, masks=masks, nothing=good, split=split, source=str(path), meta=meta)
        if pair.mask is None and not good:
            yield Skipped(name, "no mask of this name: added without a label")


def _pair_up(path: Path) -> tuple[list[_Pair], list[Path]]:
    """Pairs in the order of names, and masks that are nobody's."""
    files = [file for file in list_files(path) if file.suffix.lower() in PICTURES]
    masks: dict[tuple[tuple[str, ...], str], Path] = {}
    pictures: list[Path] = []
    by_stem: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        by_stem.setdefault((file.parent, file.stem.lower()), []).append(file)
    for file in files:
        key = _mask_key(file, path, by_stem)
        if key is None:
            pictures.append(file)
        else:
            masks[key] = file
    pairs = [_Pair(picture, masks.pop(_picture_key(picture, path), None)) for picture in pictures]
    return pairs, list(masks.values())


def _mask_key(
    file: Path, root: Path, by_stem: Mapping[tuple[Path, str], list[Path]]
) -> tuple[tuple[str, ...], str] | None:
    """What picture this file is the mask of, or None: it is a picture itself."""
    if file.suffix.lower() not in MASK_FILES:
        return None
    folders = file.parent.relative_to(root).parts
    marked = MARKS.match(file.stem)
    stem = marked["name"] if marked else file.stem
    plain = tuple(part.lower() for part in folders if part.lower() not in MASK_FOLDERS | IMAGE_FOLDERS)
    if any(part.lower() in MASK_FOLDERS for part in folders):
        return plain, stem.lower()
    if marked and (file.parent, stem.lower()) in by_stem:
        return plain, stem.lower()
    twins = by_stem[(file.parent, file.stem.lower())]
    return (plain, stem.lower()) if any(twin.suffix.lower() not in MASK_FILES for twin in twins) else None


def _picture_key(file: Path, root: Path) -> tuple[tuple[str, ...], str]:
    folders = file.parent.relative_to(root).parts
    return tuple(part.lower() for part in folders if part.lower() not in IMAGE_FOLDERS), file.stem.lower()


# --- MVTec AD ---------------------------------------------------------------------------------------------------------


def is_mvtec(path: Path) -> bool:
    """One category, or a folder of them."""
    return bool(_categories(path))


def _categories(path: Path) -> list[Path]:
    def one(folder: Path) -> bool:
        return (folder / "ground_truth").is_dir() and (folder / "test").is_dir()

    if one(path):
        return [path]
    return sorted(inner for inner in path.iterdir() if inner.is_dir() and one(inner)) if path.is_dir() else []


def read_mvtec(path: Path) -> Iterator[Found | Skipped]:
    """Its train and test folders stand in the meta alone: all defects lie in test, so to learn from them is to split
    anew."""
    for category in _categories(path):
        for part in ("train", "test", "validation"):
            for file in list_files(category / part):
                if file.suffix.lower() not in PICTURES:
                    continue
                name = under(file, path)
                defect = file.parent.name
                meta = {"class": defect, "part": part, "category": category.name}
                if defect.lower() in GOOD:
                    yield Found(file, name, source=str(path), meta=meta, nothing=True)
                    continue
                truth = [category / "ground_truth" / defect / f"{file.stem}{end}.png" for end in ("_mask", "")]
                mask = next((each for each in truth if each.is_file()), None)
                masks: dict[str, MaskSource] = {} if mask is None else {UNNAMED: FileMask(mask)}
                yield Found(file, name, source=str(path), meta=meta, masks=masks)
                if mask is None:
                    yield Skipped(name, f"no ground_truth/{defect}/{file.stem}_mask.png: added without a label")


# --- COCO -------------------------------------------------------------------------------------------------------------


def is_coco(path: Path) -> bool:
    return bool(_coco_files(path))


def _coco_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" and _looks_coco(path) else []
    if not path.is_dir():
        return []
    near = [*path.glob("*.json"), *path.glob("annotations/*.json"), *path.glob("*/_annotations.coco.json")]
    return sorted(file for file in near if _looks_coco(file))


def _looks_coco(file: Path) -> bool:
    """By its first and last kilobytes: such files may be large."""
    try:
        with file.open("rb") as opened:
            head = opened.read(4096)
            opened.seek(max(0, file.stat().st_size - 4096))
            both = head + opened.read()
    except OSError:
        return False
    words = (b'"images"', b'"annotations"', b'"categories"')
    if all(word in both for word in words):
        return True
    if file.stat().st_size > 200_000_000 or not any(word in both for word in words):
        return False
    data = file.read_bytes()
    return all(word in data for word in words)


def read_coco(path: Path, *, boxes: bool = False) -> Iterator[Found | Skipped]:
    """A picture without annotations has none of any category. boxes: read those, not the segmentations."""
    root = path if path.is_dir() else path.parent
    for file in _coco_files(path):
        try:
            said = json.loads(file.read_text(encoding="utf-8-sig"))
            names = {int(c["id"]): str(c["name"]) for c in said["categories"]}
            images = list(said["images"])
            annotations: dict[int, list[dict[str, Any]]] = {}
            for each in said["annotations"]:
                annotations.setdefault(int(each["image_id"]), []).append(each)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CatalogueError(str(file), expected="COCO annotations", got=one_line(error)[:120]) from error
        split = next(
            (SPLIT_WORDS[w] for w in re.split(r"[^a-z]+", under(file, root).lower()) if w in SPLIT_WORDS), None
        )
        for image in images:
            yield _from_coco(root, file, image, names, annotations, split, boxes)


def _from_coco(
    root: Path,
    file: Path,
    image: dict[str, Any],
    names: Mapping[int, str],
    annotations: Mapping[int, list[dict[str, Any]]],
    split: str | None,
    boxes: bool,
) -> Found | Skipped:
    try:
        name, number = str(image["file_name"]), int(image["id"])
    except (KeyError, TypeError, ValueError):
        return Skipped(file.name, f"an image without a name and a number: {str(image)[:60]}")
    folders = [file.parent, root, *(root / word for word in ("images", "train2017", "val2017", "train", "val"))]
    picture = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if picture is None:
        return Skipped(name, f"named in {file.name}, but there is no such file")
    if boxes:
        try:
            drawn = coco_boxes(image, annotations.get(number, []), names)
        except (ValueError, TypeError) as error:
            return Skipped(name, one_line(error))
        return Found(picture, under(picture, root), boxes=drawn, split=split, source=str(file))
    parts: dict[str, list[Any]] = {}
    crowds: dict[str, list[Any]] = {}
    for each in annotations.get(number, []):
        category, segment = names.get(int(each.get("category_id", -1))), each.get("segmentation")
        if category is None or not segment:
            return Skipped(name, f"annotation {each.get('id')} has no segmentation or an unknown category")
        (crowds if each.get("iscrowd") else parts).setdefault(category, []).append(segment)
    masks: dict[str, MaskSource] = {
        category: CocoMask(tuple(parts.get(category, ())), tuple(crowds.get(category, ())))
        for category in {*parts, *crowds}
    }
    others: dict[str, bool] = {category: False for category in names.values() if category not in masks}
    return Found(picture, under(picture, root), others, masks=masks, split=split, source=str(file))
