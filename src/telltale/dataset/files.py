"""Files named by their content: written whole or not at all, and never again. Knows nothing of catalogues."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from telltale.errors import CatalogueError


def write_once(path: Path, data: bytes) -> None:
    """Under a temporary name, renamed when whole: a file with its final name is never half written.

    Raises CatalogueError when the disk is full or the folder closed.
    """
    if path.is_file() and path.stat().st_size == len(data):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CatalogueError(
            str(path),
            expected="room and permission to keep a picture",
            got=(error.strerror or str(error)).lower(),
            next="check free space and permissions of the folder",
        ) from error


def damage(path: Path, sha256: str) -> list[str]:
    """One line where a file is missing, unreadable or no longer what it was; none where all is well."""
    try:
        changed = hashlib.sha256(path.read_bytes()).hexdigest() != sha256
    except FileNotFoundError:
        return [f"{path}: missing"]
    except OSError as error:
        return [f"{path}: unreadable ({error.strerror})"]
    return [f"{path}: changed since it was added"] if changed else []
