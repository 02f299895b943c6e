"""A bundle as one .zip file, to hand on. The same bundle gives the same bytes."""

from __future__ import annotations

import os
import uuid
import zipfile
from os import PathLike
from pathlib import Path

from telltale.bundle.bundle import SPEC, Bundle
from telltale.errors import BundleError

EPOCH = (1980, 1, 1, 0, 0, 0)


def zip_bundle(bundle: Bundle, path: str | PathLike[str]) -> Path:
    """Write `path` whole or not at all: the bundle's folder by its name, its files inside. Raises BundleError."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    contents = {SPEC: bundle.spec.to_json().encode(), **{name: bundle.read(name) for name in sorted(bundle.spec.files)}}
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in contents.items():
                entry = zipfile.ZipInfo(f"{bundle.path.resolve().name}/{name}", EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, data)
        os.replace(part, target)
    except OSError as error:
        raise BundleError(str(path), expected="a place to write to", got=str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return target
