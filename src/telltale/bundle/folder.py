"""Write a folder's files all or none, surviving kill -9. Knows nothing of what the files mean.

A change is first written whole beside the files, into a hidden folder whose rename to `.pending` is the moment it
counts: before it, the old files stand; after it, the new ones do, for whoever opens the folder next finishes the
moves (`finish`). The file named last is moved last.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

PENDING = ".pending"
REMOVED = ".removed"
"""In `.pending`: the names, a line each, that the change takes away."""

ABANDONED_S = 3600.0


def create(folder: Path, files: Mapping[str, bytes]) -> None:
    """A new folder with these files, under a temporary name until whole. Raises OSError."""
    draft = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        _write_all(draft, files)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        draft.rename(folder)
        _sync(folder.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def change(folder: Path, files: Mapping[str, bytes], *, last: str, remove: Iterable[str] = ()) -> None:
    """Replace or add these files and take others away, all or none. Raises OSError."""
    finish(folder, last=last)
    draft = folder / f"{PENDING}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        _write_all(draft, files)
        gone = [name for name in remove if name not in files]
        if gone:
            _write(draft / REMOVED, "\n".join(gone).encode())
        draft.rename(folder / PENDING)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finish(folder, last=last)
    for old in folder.glob(f"{PENDING}.*.tmp"):  # left by a process that was killed before its change counted
        if time.time() - old.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(old, ignore_errors=True)


def finish(folder: Path, *, last: str) -> bool:
    """Complete a change that was interrupted after it counted; True if there was one. Raises OSError.

    Safe to run from several processes: a file another one has moved already is passed over.
    """
    pending = folder / PENDING
    if not pending.is_dir():
        return False
    removed = pending / REMOVED
    gone = removed.read_text(encoding="utf-8").splitlines() if removed.is_file() else []
    names = sorted(str(p.relative_to(pending)) for p in pending.rglob("*") if p.is_file() and p != removed)
    for name in sorted(names, key=lambda name: name == last):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(pending / name, target)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    _sync(folder)
    shutil.rmtree(pending, ignore_errors=True)
    return True


def _write_all(draft: Path, files: Mapping[str, bytes]) -> None:
    draft.mkdir(parents=True)
    for name, data in files.items():
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, data)
    _sync(draft)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _sync(folder: Path) -> None:
    """A rename lasts only once its folder is on the disk too; not every file system can do this."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
