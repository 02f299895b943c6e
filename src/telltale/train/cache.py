"""Pictures decoded and resized once, in one memory-mapped file. Knows nothing of labels or networks.

`<folder>/<key>.u8` holds (N, height, width, 3) uint8; `<key>.json` the rows' checksums. The key comes from
the pictures' content hashes and the preprocess, so a changed data set or input size makes another cache.
It is only a cache: delete the folder at will.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from telltale.errors import TrainError
from telltale.frame import Image
from telltale.preprocess import Preprocess
from telltale.progress import Progress, Quiet

FORMAT = 1
CHECKED_ROWS = 20_000
"""A cache of more rows is checked on this many, evenly spread, each time it is opened."""
KEEP = 3
"""Caches kept in a folder; the longest unused go first."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to cache: its content hash and how to get its pixels."""

    sha256: str
    decode: Callable[[], Image]


def cache_key(hashes: Sequence[str], preprocess: Preprocess) -> str:
    """16 hex digits."""
    text = f"{FORMAT} {preprocess.width} {preprocess.height} {preprocess.fit} " + " ".join(hashes)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def open_cache(
    folder: Path,
    sources: Sequence[Source],
    preprocess: Preprocess,
    *,
    threads: int = 2,
    progress: Progress = Quiet(),  # noqa: B008 - Quiet has no state
) -> NDArray[np.uint8]:
    """(N, height, width, 3) uint8, memory-mapped read-only, in the order of `sources`; built where it is missing.

    A damaged cache is built anew. Raises ImageError naming a picture that does not decode, and TrainError when the
    disk refuses.
    """
    key = cache_key([source.sha256 for source in sources], preprocess)
    shape = (len(sources), preprocess.height, preprocess.width, 3)
    data = folder / f"{key}.u8"
    if not _is_whole(data, shape):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _build(data, shape, sources, preprocess, threads, progress)
        except OSError as error:
            raise TrainError(f"cannot write the cache in {folder}", got=str(error), next="free some space") from error
    _touch(data)
    _drop_old(folder)
    return np.memmap(data, np.uint8, "r", shape=shape)


def _build(
    data: Path,
    shape: tuple[int, int, int, int],
    sources: Sequence[Source],
    preprocess: Preprocess,
    threads: int,
    progress: Progress,
) -> None:
    part = data.with_name(f"{data.name}.{os.getpid()}.part")
    sums = [0] * len(sources)
    try:
        rows = np.memmap(part, np.uint8, "w+", shape=shape)

        def fill(row: int) -> None:
            rows[row] = preprocess.apply(sources[row].decode())
            sums[row] = zlib.crc32(rows[row])

        pool = ThreadPoolExecutor(threads)
        try:
            for _ in pool.map(fill, range(len(sources))):
                progress.advance()
        finally:
            # On an error or Ctrl-C what has not begun is dropped.
            pool.shutdown(wait=True, cancel_futures=True)
        rows.flush()
        data.with_suffix(".json").write_text(json.dumps({"format": FORMAT, "shape": shape, "crc32": sums}))
        part.replace(data)
    finally:
        part.unlink(missing_ok=True)


def _is_whole(data: Path, shape: tuple[int, int, int, int]) -> bool:
    try:
        index = json.loads(data.with_suffix(".json").read_text())
        if tuple(index["shape"]) != shape or data.stat().st_size != int(np.prod(shape)):
            return False
        rows = np.memmap(data, np.uint8, "r", shape=shape)
        step = max(1, shape[0] // CHECKED_ROWS)
        return all(zlib.crc32(rows[row]) == index["crc32"][row] for row in range(0, shape[0], step))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False


def _touch(data: Path) -> None:
    """Mark it as used; a read-only folder is no reason to fail."""
    try:
        os.utime(data)
    except OSError:
        return


def _drop_old(folder: Path) -> None:
    caches = sorted(folder.glob("*.u8"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in caches[KEEP:]:
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
