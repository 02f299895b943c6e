"""Every picture's probabilities, labels and answers as one table. Knows nothing of models or reports.

Columns: `image_id`, `file`, `sha256`, `group`, `split`, and for each name `NAME.prob`, `NAME.label` (true, false or
empty), `NAME.hidden` and `NAME.answer` (`on`, `off`, `unsure`; derived, and derived anew when thresholds change;
none in the table that thresholds are chosen on).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from telltale.errors import BundleError
from telltale.tasks import Target, Threshold
from telltale.tasks.task import Bools, Floats

NAMES = b"telltale.names"
FIXED = ("image_id", "file", "sha256", "group", "split")


@dataclass(frozen=True, slots=True)
class Table:
    """N pictures, K names.

    image_ids: (N,) int64. files: as the catalogue names them. splits: "" where a picture has none.
    probabilities: (N, K) float32 in 0..1. target: labels, (N, K).
    """

    names: tuple[str, ...]
    image_ids: NDArray[np.int64]
    files: tuple[str, ...]
    sha256: tuple[str, ...]
    groups: tuple[str, ...]
    splits: tuple[str, ...]
    probabilities: Floats
    target: Target

    def __post_init__(self) -> None:
        shape = (len(self.image_ids), len(self.names))
        assert self.probabilities.shape == self.target.values.shape == shape, (self.probabilities.shape, shape)
        assert len(self.files) == len(self.groups) == len(self.splits) == len(self.sha256) == shape[0]

    def __len__(self) -> int:
        return len(self.image_ids)

    def where(self, keep: Bools) -> Table:
        """The rows where `keep` (N,) is true."""
        rows = [int(i) for i in np.flatnonzero(keep)]

        def pick(values: Sequence[str]) -> tuple[str, ...]:
            return tuple(values[i] for i in rows)

        return Table(
            self.names,
            self.image_ids[rows],
            pick(self.files),
            pick(self.sha256),
            pick(self.groups),
            pick(self.splits),
            self.probabilities[rows],
            Target(self.target.values[rows], self.target.known[rows], self.target.hidden[rows]),
        )

    def split(self, name: str) -> Table:
        """The rows of one split."""
        return self.where(np.array([s == name for s in self.splits], np.bool_))

    def answers(self, thresholds: Mapping[str, Threshold]) -> NDArray[np.str_]:
        """(N, K) `on`, `off` or `unsure`, as the task decodes them."""
        low = np.array([thresholds[name].low for name in self.names])
        high = np.array([thresholds[name].high for name in self.names])
        return np.where(self.probabilities >= high, "on", np.where(self.probabilities <= low, "off", "unsure"))

    def to_parquet(self, thresholds: Mapping[str, Threshold] | None = None) -> bytes:
        """Without thresholds there are no answers in it."""
        out = io.BytesIO()
        pq.write_table(self._arrow(thresholds), out, compression="zstd")
        return out.getvalue()

    def to_csv(self, thresholds: Mapping[str, Threshold]) -> bytes:
        """UTF-8 with a header; labels are 1, 0 or empty, probabilities have nine digits."""
        arrow = self._arrow(thresholds)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(arrow.column_names)
        columns = [[_cell(value) for value in arrow.column(name).to_pylist()] for name in arrow.column_names]
        writer.writerows(zip(*columns, strict=True))
        return out.getvalue().encode()

    def _arrow(self, thresholds: Mapping[str, Threshold] | None) -> pa.Table:
        answers = None if thresholds is None else self.answers(thresholds)
        columns: dict[str, pa.Array] = {
            "image_id": pa.array(self.image_ids),
            "file": pa.array(self.files, pa.string()),
            "sha256": pa.array(self.sha256, pa.string()),
            "group": pa.array(self.groups, pa.string()),
            "split": pa.array(self.splits, pa.string()),
        }
        for k, name in enumerate(self.names):
            unknown = ~self.target.known[:, k]
            columns[f"{name}.prob"] = pa.array(self.probabilities[:, k].astype(np.float32))
            columns[f"{name}.label"] = pa.array(self.target.values[:, k] >= 0.5, mask=unknown)
            columns[f"{name}.hidden"] = pa.array(self.target.hidden[:, k], mask=unknown)
            if answers is not None:
                columns[f"{name}.answer"] = pa.array(answers[:, k].tolist(), pa.string())
        return pa.table(columns).replace_schema_metadata({NAMES: json.dumps(self.names).encode()})


def read_table(source: bytes | Path) -> Table:
    """A table that `to_parquet` wrote. Raises BundleError."""
    where = "table.parquet" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
        arrow = pq.read_table(io.BytesIO(data))
        names = tuple(json.loads(arrow.schema.metadata[NAMES]))

        def column(name: str) -> list[object]:
            return list(arrow.column(name).to_pylist())

        labels = [column(f"{name}.label") for name in names]
        known = np.array([[v is not None for v in c] for c in labels], np.bool_).T.reshape(-1, len(names))
        values = np.array([[v is True for v in c] for c in labels], np.float32).T.reshape(-1, len(names))
        hidden = np.array([[v is True for v in column(f"{name}.hidden")] for name in names], np.bool_)
        probabilities = np.array([arrow.column(f"{name}.prob").to_numpy() for name in names], np.float32)
        texts = {name: tuple(str(v) for v in column(name)) for name in FIXED[1:]}
        return Table(
            names,
            np.array(column("image_id"), np.int64),
            texts["file"],
            texts["sha256"],
            texts["group"],
            texts["split"],
            probabilities.T.reshape(-1, len(names)),
            Target(values, known, hidden.T.reshape(-1, len(names))),
        )
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            where,
            expected="a table written by `telltale evaluate`",
            got=f"{type(error).__name__}: {error}",
            next="run `telltale evaluate` again",
        ) from error


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return f"{value:.9g}"
    return value
