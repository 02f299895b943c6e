"""Pictures of any size with their masks, decoded once into one memory-mapped file. Knows nothing of networks.

`<folder>/<key>.masks.u8` holds each picture as (H, W, 3) uint8 and after it its masks as (K, H, W) uint8; the key comes
from contents, labels and preprocess. It is only a cache: delete the folder at will.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from telltale.dataset.catalogue import Example
from telltale.dataset.masks import Mask, with_pixels
from telltale.errors import CatalogueError, ImageError, TrainError
from telltale.frame import Image
from telltale.preprocess import MASK_UNKNOWN, Preprocess, decode
from telltale.progress import Progress, Quiet
from telltale.tasks import Task

FORMAT = 1
KEEP = 2
"""Caches kept in a folder; the longest unused go first."""


@dataclass(frozen=True)
class Store:
    """N pictures of their own sizes (width, height), with K masks each."""

    data: NDArray[np.uint8]
    sizes: tuple[tuple[int, int], ...]
    starts: NDArray[np.int64]
    names: int

    def __len__(self) -> int:
        return len(self.sizes)

    def picture(self, row: int) -> Image:
        """(H, W, 3) uint8, a view."""
        width, height = self.sizes[row]
        start = int(self.starts[row])
        return self.data[start : start + 3 * width * height].reshape(height, width, 3)

    def masks(self, row: int) -> Mask:
        """(K, H, W) uint8: 0, 127 (not known) or 255; a view."""
        width, height = self.sizes[row]
        start = int(self.starts[row]) + 3 * width * height
        return self.data[start : start + self.names * width * height].reshape(self.names, height, width)


def open_store(
    folder: Path,
    examples: Sequence[Example],
    task: Task,
    preprocess: Preprocess,
    *,
    progress: Progress = Quiet(),  # noqa: B008 - Quiet has no state
) -> Store:
    """Built where it is missing or damaged. Raises ImageError or CatalogueError naming a file that cannot be read, and
    TrainError when the disk refuses.
    """
    labels = [{n: e.labels[n].value for n in task.names if n in e.labels} for e in examples]
    text = json.dumps(
        [FORMAT, repr(preprocess), task.names, [[e.sha256, la] for e, la in zip(examples, labels, strict=True)]]
    )
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    sizes = tuple(preprocess.size_of(e.width, e.height) for e in examples)
    bytes_of = np.array([(3 + len(task.names)) * w * h for w, h in sizes], np.int64)
    starts = np.concatenate([[0], np.cumsum(bytes_of)])
    path = folder / f"{key}.masks.u8"
    if not _is_whole(path, starts):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _build(path, examples, task, preprocess, sizes, starts, progress)
        except OSError as error:
            raise TrainError(f"cannot write the cache in {folder}", got=str(error), next="free some space") from error
    _touch(path)
    for old in sorted(folder.glob("*.masks.u8"), key=lambda p: p.stat().st_mtime, reverse=True)[KEEP:]:
        old.unlink(missing_ok=True)
        old.with_suffix(".json").unlink(missing_ok=True)
    return Store(np.memmap(path, np.uint8, "r", shape=(int(starts[-1]),)), sizes, starts[:-1], len(task.names))


def read_example(example: Example, task: Task, preprocess: Preprocess) -> tuple[Image, Mask]:
    """(H, W, 3) and (K, H, W) as the model sees them. Raises ImageError, CatalogueError."""
    picture = decode(example.path)
    height, width = picture.shape[:2]
    try:
        target = task.encode(with_pixels(example, task.names), (width, height))
    except CatalogueError as error:
        raise CatalogueError(f"{example.path.name}: {error.what}", expected=error.expected, got=error.got) from error
    full = np.where(target.known, np.where(target.values >= 0.5, 255, 0), MASK_UNKNOWN).astype(np.uint8)
    return preprocess.apply(picture), np.stack([preprocess.apply_mask(mask) for mask in full])


def _build(
    path: Path,
    examples: Sequence[Example],
    task: Task,
    preprocess: Preprocess,
    sizes: Sequence[tuple[int, int]],
    starts: NDArray[np.int64],
    progress: Progress,
) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    sums = [0] * len(examples)
    try:
        data = np.memmap(part, np.uint8, "w+", shape=(int(starts[-1]),))

        def fill(row: int) -> None:
            picture, masks = read_example(examples[row], task, preprocess)
            if picture.shape[1::-1] != sizes[row]:
                raise ImageError(
                    str(examples[row].path),
                    expected=f"{sizes[row]}",
                    got=f"{picture.shape[1::-1]}: changed since added",
                )
            both = np.concatenate([picture.ravel(), masks.ravel()])
            data[starts[row] : starts[row + 1]] = both
            sums[row] = zlib.crc32(both.tobytes())

        pool = ThreadPoolExecutor(os.cpu_count() or 2)
        try:
            for _ in pool.map(fill, range(len(examples))):
                progress.advance()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        data.flush()
        path.with_suffix(".json").write_text(json.dumps({"crc32": sums}))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is_whole(path: Path, starts: NDArray[np.int64]) -> bool:
    try:
        sums = json.loads(path.with_suffix(".json").read_text())["crc32"]
        if path.stat().st_size != starts[-1] or len(sums) != len(starts) - 1:
            return False
        data = np.memmap(path, np.uint8, "r")
        return all(zlib.crc32(data[a:b].tobytes()) == c for a, b, c in zip(starts[:-1], starts[1:], sums, strict=True))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:  # a read-only folder is no reason to fail
        return
