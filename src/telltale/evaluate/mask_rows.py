"""One picture and one name of a mask, as a line of a table. Knows nothing of models or of many pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from telltale.dataset import Example
from telltale.evaluate.looking import PictureRow, Seen, answer_of
from telltale.tasks import Task
from telltale.tasks.mask_tally import MaskTally


@dataclass(frozen=True, slots=True)
class MaskRow(PictureRow):
    """One picture and one name. dice: None where nothing is. kind: see `mask_kinds`. right_px: both told and true.

    regions: true ones; unsure, missed: of these, told unsure only, and not at all. false: told ones where nothing is.
    """

    kind: str
    dice: float | None
    right_px: int
    told_px: int
    true_px: int
    regions: int
    unsure: int
    missed: int
    false: int


def rows_of(task: Task, seen: Seen, tally: MaskTally) -> Iterator[MaskRow]:
    """What the tally of one picture says of each name."""
    for k, name in enumerate(task.names):
        right, false, missed = (int(v) for v in tally.told[k])
        there = right + missed
        truth, state = answer_of(tally.answers[k])
        bins = np.argwhere(tally.scores[k])
        yield MaskRow(
            file=seen.example.file,
            image_id=seen.example.image_id,
            group=seen.example.group,
            name=name,
            truth=truth,
            state=state,
            score=float(seen.outputs["probabilities"][0, k].max()) if len(bins) else 0.0,
            kind=kind_of(seen.example),
            dice=2 * right / (2 * right + false + missed) if there else None,
            right_px=right,
            told_px=right + false,
            true_px=there,
            regions=int(tally.regions[k, 0]),
            unsure=int(tally.regions[k, 2]),
            missed=int(tally.regions[k, 3]),
            false=int(tally.false[k, 0]),
        )


def kind_of(example: Example) -> str:
    """Empty where nobody says."""
    return str(example.meta.get("class") or "")
