"""Masks as files: read from other people's, kept under their content's hash, given back as arrays.

A kept mask is a grey PNG of its picture's size: 255 is on, 0 is not, 127 is what nobody knows. A label refers to it as
`mask:SHA256`; a picture without any has the label False instead. Knows nothing of catalogues' tables or of layouts.
"""

from __future__ import annotations

import functools
import hashlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from telltale.errors import CatalogueError
from telltale.preprocess import MASK_UNKNOWN, MAX_PIXELS
from telltale.tasks.mask import REFERENCE, as_mask
from telltale.tasks.task import Json, Label

Mask = NDArray[np.uint8]
"""(H, W): 0, 127 (not known) or 255."""

FOLDER = "masks"
"""Below the images folder."""


class Keeps(Protocol):
    """What is needed of an `Example`."""

    @property
    def path(self) -> Path: ...
    @property
    def labels(self) -> Mapping[str, Label]: ...


class MaskSource(Protocol):
    """A mask of somebody's data set, not read yet."""

    def read(self, width: int, height: int) -> Mask:
        """For a picture of this size. Raises CatalogueError naming what does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class FileMask:
    """A picture file whose pixels over 127 are on; one of 0 and 1 alone is on at 1."""

    path: Path

    def read(self, width: int, height: int) -> Mask:
        values = _pixels_of(self.path, width, height)
        top = int(values.max(initial=0))
        if top == 1:
            return as_mask(values * 255)
        if 1 < top <= MASK_UNKNOWN and len(np.unique(values)) <= 64:
            raise CatalogueError(
                f"mask {self.path.name}",
                expected="0 and 255 (over 127 is on), or 0 and 1",
                got=f"values {_listed(np.unique(values).tolist())}: numbers of classes?",
                next="say which are meant with --map NUMBER=NAME:on",
            )
        return as_mask(values)


VOID = 255
"""Among numbers of classes: what nobody knows, as in Pascal VOC."""


@dataclass(frozen=True, slots=True)
class NumberMask:
    """A picture file whose pixels are numbers of classes: on at some of them, not known at VOID.

    pixels: reads it, for a picture of this width and height; the masks of all names share one reading.
    known: all that may stand there besides 0 and VOID; None: any.
    """

    path: Path
    pixels: Callable[[int, int], NDArray[np.int64]]
    on: frozenset[int]
    known: frozenset[int] | None = None

    def read(self, width: int, height: int) -> Mask:
        values = self.pixels(width, height)
        there = {int(value) for value in np.unique(values)}
        if self.known is not None and (there - {0, VOID} - self.known or there in ({VOID}, {0, VOID})):
            raise CatalogueError(
                f"mask {self.path.name}",
                expected=f"numbers of classes, {_listed(sorted({0, *self.known}))}, for it is in no folder of a class",
                got=f"values {_listed(sorted(there))}",
                next="say which numbers are meant with --map NUMBER=NAME:on, or put it into a folder of its class",
            )
        out = np.where(np.isin(values, list(self.on)), 255, 0).astype(np.uint8)
        out[values == VOID] = MASK_UNKNOWN
        return out


def by_number(
    mask: FileMask, names: Sequence[str], class_map: Mapping[str, Mapping[str, Json]], *, in_order: bool
) -> dict[str, MaskSource]:
    """A file of numbers of classes as a mask of each name: those that the map's numbers name, else all in their order.

    Empty where the map has no number and `in_order` is false.
    """
    pixels = functools.cache(functools.partial(_pixels_of, mask.path))
    meant = {int(word): said for word, said in class_map.items() if word.isdecimal() and 0 < int(word) < VOID}
    if meant:
        on = {name: frozenset(n for n, said in meant.items() if said.get(name) is True) for name in names}
        return {name: NumberMask(mask.path, pixels, on[name]) for name in names}
    known = frozenset(range(1, len(names) + 1))
    return {name: NumberMask(mask.path, pixels, frozenset({n}), known) for n, name in enumerate(names, 1) if in_order}


@dataclass(frozen=True, slots=True)
class CocoMask:
    """Segmentations of one picture and one category: polygons, or run lengths as list or as text.

    crowds are regions nobody outlined one by one: not known.
    """

    parts: tuple[Json, ...]
    crowds: tuple[Json, ...] = ()

    def read(self, width: int, height: int) -> Mask:
        out = np.zeros((height, width), np.uint8)
        for value, parts in ((MASK_UNKNOWN, self.crowds), (255, self.parts)):
            for part in parts:
                out[_segment(part, width, height)] = value
        return out


def encode_mask(mask: Mask) -> bytes:
    """The file to keep; the same mask gives the same bytes."""
    done, data = cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert done, mask.shape
    return data.tobytes()


def keep_mask(images: Path, mask: Mask) -> tuple[Path, bytes, str]:
    """(where, what, reference) of a mask to be kept below the images folder."""
    data = encode_mask(mask)
    sha256 = hashlib.sha256(data).hexdigest()
    return images / place(f"mask:{sha256}"), data, f"mask:{sha256}"


def place(reference: str) -> Path:
    """Where a mask lies below the images folder."""
    sha256 = reference.removeprefix("mask:")
    return Path(FOLDER) / sha256[:2] / f"{sha256}.png"


def is_reference(value: Json) -> bool:
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


def references(labels: Mapping[str, Label]) -> list[str]:
    return [label.value for label in labels.values() if is_reference(label.value)]


def with_pixels(example: Keeps, names: Sequence[str]) -> dict[str, Label]:
    """The labels of these names with every reference replaced by its array. Raises CatalogueError naming the file."""
    out = {}
    for name in names:
        label = example.labels.get(name)
        if label is not None:
            value = read_kept(_images(example) / place(label.value)) if is_reference(label.value) else label.value
            out[name] = Label(value, label.visible)
    return out


def read_kept(path: Path) -> Mask:
    """A kept mask. Raises CatalogueError when the file is gone or damaged."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise CatalogueError(
            str(path), expected="a mask", got=(error.strerror or str(error)).lower(), next="restore it, or label anew"
        ) from error
    mask = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
        raise CatalogueError(str(path), expected="a mask", got="a damaged file", next="restore it, or label anew")
    return np.asarray(mask, np.uint8)


def _images(example: Keeps) -> Path:
    return example.path.parent.parent


def _listed(values: Sequence[int]) -> str:
    return ", ".join(str(value) for value in values[:8]) + (", ..." if len(values) > 8 else "")


def _pixels_of(path: Path, width: int, height: int) -> NDArray[np.int64]:
    """`_pixels` of a mask for a picture of this size. Raises CatalogueError."""
    values = _pixels(path)
    if values.shape != (height, width):
        got = f"{values.shape[1]} x {values.shape[0]}"
        raise CatalogueError(f"mask {path.name}", expected=f"the size of its picture, {width} x {height}", got=got)
    return values


def _pixels(path: Path) -> NDArray[np.int64]:
    """(H, W) numbers of any mask file: palette indices as they are, 16 bits as 8, colours by the brightest channel."""
    try:
        data = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = PIL.Image.open(io.BytesIO(data))
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels")
            values = np.asarray(picture)
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CatalogueError(f"mask {path.name}", expected="a picture file", got=reason[:120]) from error
    if picture.mode in ("LA", "RGBA", "PA"):
        values = values[..., :-1]
    if values.ndim == 3:
        values = values.max(axis=2)
    if values.dtype == np.bool_:
        return values.astype(np.int64) * 255
    if values.dtype.kind == "f":
        return np.nan_to_num(values * (255.0 if float(np.nanmax(values, initial=0)) <= 1 else 1.0)).astype(np.int64)
    whole = values.astype(np.int64)
    return whole >> 8 if int(whole.max(initial=0)) > 255 else whole


def _segment(part: Json, width: int, height: int) -> NDArray[np.bool_]:
    """(H, W) of one COCO segmentation. Raises CatalogueError."""
    try:
        if isinstance(part, list):
            return _polygons(part, width, height)
        size, counts = part["size"], part["counts"]
        if [int(v) for v in size] != [height, width]:
            raise CatalogueError(
                "run lengths", expected=f"of the picture's size, {width} x {height}", got=f"{size[1]} x {size[0]}"
            )
        lengths = _read_counts(counts) if isinstance(counts, str) else [int(v) for v in counts]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CatalogueError("segmentation", expected="polygons or run lengths", got=str(part)[:60]) from error
    if sum(lengths) != width * height or min(lengths, default=0) < 0:
        raise CatalogueError("run lengths", expected=f"{width * height} pixels", got=str(sum(lengths)))
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)  # off first, down the columns
    return flat.reshape(width, height).T


def _polygons(part: list[Json], width: int, height: int) -> NDArray[np.bool_]:
    """x0, y0, x1, y1, ... each; points are continuous, as in COCO."""
    out = np.zeros((height, width), np.uint8)
    for polygon in part:
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        if len(points) < 3 or not np.isfinite(points).all():
            raise ValueError("a polygon of fewer than three points")
        fixed = np.round((np.clip(points, -1e5, 1e5) - 0.5) * 16).astype(np.int32)  # 4 bits of a pixel
        cv2.fillPoly(out, [fixed], 1, shift=4)
    return out > 0


def encode_rle(mask: Mask) -> dict[str, Json]:
    """COCO's run lengths as text of what is on (over 127): `{"size": [H, W], "counts": "..."}`."""
    flat = (np.asarray(mask).T > MASK_UNKNOWN).ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    if flat.size and flat[0]:
        lengths.insert(0, 0)  # off first
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": _write_counts(lengths)}


def _write_counts(lengths: Sequence[int]) -> str:
    """The reverse of `_read_counts`."""
    out = []
    for n, length in enumerate(lengths):
        value = length - lengths[n - 2] if n > 2 else length
        while True:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            out.append(chr(48 + (bits | 0x20 if more else bits)))
            if not more:
                break
    return "".join(out)


def _read_counts(text: str) -> list[int]:
    """Run lengths from COCO's text: five bits a character from '0' up, the sixth says that more follow; from the
    fourth on each is the difference to the one two before."""
    out: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value |= -1 << shift
        out.append(value + out[-2] if len(out) > 2 else value)
        value = shift = 0
    return out
