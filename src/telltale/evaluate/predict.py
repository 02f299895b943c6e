"""Run a bundle over labelled pictures. Knows nothing of metrics or reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from telltale.bundle.predictor import Predictor
from telltale.dataset import Example
from telltale.errors import BundleError, ImageError
from telltale.evaluate.table import Table
from telltale.frame import Image
from telltale.progress import Progress, Quiet
from telltale.tasks import stack_targets

BATCH = 32
DECODERS = 2


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that could not be looked at, and why."""

    file: str
    why: str


def predict(
    predictor: Predictor, examples: Sequence[Example], *, progress: Progress | None = None
) -> tuple[Table, list[Skipped]]:
    """The model's probabilities for each picture, in the order given; pictures that give no pixels are set aside.

    Raises BundleError where the model gives something that is no probability, CatalogueError on a label that
    does not fit the task.
    """
    progress = progress or Quiet()
    task = predictor.task
    kept: list[Example] = []
    skipped: list[Skipped] = []
    rows: list[np.ndarray] = []
    for batch, missing in _prepared(predictor, examples):
        skipped += missing
        if batch:
            found = predictor.run(np.stack([image for _, image in batch]))["probabilities"]
            if not (np.isfinite(found).all() and (found >= 0).all() and (found <= 1).all()):
                bad = batch[int(np.flatnonzero(~((found >= 0) & (found <= 1)).all(axis=1))[0])][0]
                raise BundleError(
                    f"model on {bad.path.name}", expected="probabilities in 0..1", got="others", next="export it again"
                )
            rows.append(found)
            kept += [example for example, _ in batch]
        progress.advance(len(batch) + len(missing), f"{len(skipped)} skipped" if skipped else "")
    k = len(task.names)
    targets = [task.shows(example.labels) for example in kept]
    empty = np.zeros((0, k), np.float32)
    target = stack_targets(targets) if targets else type(task.shows({}))(empty, empty > 0, empty > 0)
    table = Table(
        task.names,
        np.array([example.image_id for example in kept], np.int64),
        tuple(example.path.name for example in kept),
        tuple(example.sha256 for example in kept),
        tuple(example.group for example in kept),
        tuple(example.split or "" for example in kept),
        np.concatenate(rows) if rows else empty,
        target,
    )
    return table, skipped


def _prepared(
    predictor: Predictor, examples: Sequence[Example]
) -> Iterator[tuple[list[tuple[Example, Image]], list[Skipped]]]:
    """Batches of pictures at the model's input size, decoded by threads, and those that could not be."""

    def prepare(example: Example) -> Image | Skipped:
        return prepare_or_skip(predictor, example.path)

    with ThreadPoolExecutor(DECODERS) as pool:
        for start in range(0, len(examples), BATCH):
            part = examples[start : start + BATCH]
            results = list(pool.map(prepare, part))
            yield (
                [(e, r) for e, r in zip(part, results, strict=True) if not isinstance(r, Skipped)],
                [r for r in results if isinstance(r, Skipped)],
            )


def prepare_or_skip(predictor: Predictor, path: Path) -> Image | Skipped:
    """The picture at the model's input size, or why there is none."""
    try:
        return predictor.prepare(path)
    except ImageError as error:
        return Skipped(path.name, str(error))
