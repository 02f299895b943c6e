"""The catalogue as one Parquet table, for programs that read no SQLite. Knows nothing of how it is used.

A row for each picture, ordered by content hash:

    file     string   the path, below the images folder
    sha256   string   of the file, hexadecimal
    group, split, source    string; split is null before there is one
    width, height           int32, pixels, upright
    meta     string   JSON
    label.NAME              bool where all its values are, float64 where all are numbers, else string; null: unknown
    visible.NAME            float32, the share of the picture that shows it; only where somebody measured
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telltale.dataset.catalogue import Catalogue, Example
from telltale.tasks.task import Json

if TYPE_CHECKING:
    import pyarrow as pa


def to_manifest(catalogue: Catalogue) -> pa.Table:
    """The table above; its metadata has the catalogue's `data_hash`."""
    import pyarrow as pa  # takes 0.2 s, and who only labels never needs it

    examples = catalogue.examples()
    columns: dict[str, Any] = {
        "file": pa.array([e.path.relative_to(catalogue.images).as_posix() for e in examples], pa.string()),
        "sha256": pa.array([e.sha256 for e in examples], pa.string()),
        "group": pa.array([e.group for e in examples], pa.string()),
        "split": pa.array([e.split for e in examples], pa.string()),
        "source": pa.array([e.source for e in examples], pa.string()),
        "width": pa.array([e.width for e in examples], pa.int32()),
        "height": pa.array([e.height for e in examples], pa.int32()),
        "meta": pa.array([json.dumps(dict(e.meta), sort_keys=True) for e in examples], pa.string()),
    }
    for name in sorted({name for e in examples for name in e.labels}):
        columns[f"label.{name}"] = _label_column(examples, name)
        visible = [e.labels[name].visible if name in e.labels else None for e in examples]
        if any(share is not None for share in visible):
            columns[f"visible.{name}"] = pa.array(visible, pa.float32())
    return pa.table(columns).replace_schema_metadata({"telltale.data_hash": catalogue.data_hash()})


def write_manifest(catalogue: Catalogue, path: str | os.PathLike[str]) -> Path:
    """Write the table as Parquet, under a temporary name renamed last. Returns the path."""
    import pyarrow.parquet as pq

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        pq.write_table(to_manifest(catalogue), partial, compression="zstd")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _label_column(examples: Sequence[Example], name: str) -> pa.Array:
    import pyarrow as pa

    values = [e.labels[name].value if name in e.labels else None for e in examples]
    known = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in known):
        return pa.array(values, pa.bool_())
    if not any(isinstance(value, bool | str) for value in known):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Json) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
