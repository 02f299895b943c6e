"""Whole pictures held as `Arrays`, each moved by random moves. Knows nothing of networks or of what labels mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from telltale.project import Augment
from telltale.tasks import Target, Task
from telltale.train.arrays import Arrays, pick_side
from telltale.train.augment import Moves, draw_moves, to_float
from telltale.train.feed import Batch, BatchTarget, MakeBatch, Watched


class ArrayFeed(ABC):
    """The half of a `Feed` that does not depend on how labels move: a subclass makes the batches."""

    watch_batch: ClassVar[int]
    """Pictures watched at a time."""

    def __init__(self, task: Task, arrays: Arrays, labels: Target, settings: Augment) -> None:
        """labels: (N, K), what the training pictures show."""
        self.arrays, self.labels, self.settings = arrays, labels, settings
        self.mirrored = task.mirror(arrays.target)

    def __len__(self) -> int:
        return len(self.arrays.train)

    @property
    def watching(self) -> bool:
        return len(self.arrays.watch) > 0

    def order(self, generator: torch.Generator) -> Tensor:
        """The training rows, shuffled."""
        return torch.from_numpy(self.arrays.train)[torch.randperm(len(self.arrays.train), generator=generator)]

    def draw(self, rows: Tensor, generator: torch.Generator, device: torch.device) -> MakeBatch:
        """A batch moved by random moves; the labels of a flipped picture are mirrored."""
        moves = self.draw_moves(len(rows), generator)
        return lambda share: self.make(rows[share], moves.part(share), device)

    def draw_moves(self, count: int, generator: torch.Generator) -> Moves:
        """How each picture of a batch is moved."""
        height, width = self.arrays.pixels.shape[1:3]
        return draw_moves(count, height, width, self.settings, generator)

    @abstractmethod
    def make(self, rows: Tensor, moves: Moves, device: torch.device) -> Batch:
        """These rows so moved."""

    def watched(self, device: torch.device) -> Iterator[Watched]:
        """The watched rows, unmoved."""
        rows = self.arrays.watch
        for start in range(0, len(rows), self.watch_batch):
            part = rows[start : start + self.watch_batch]
            truth = pick_side(self.arrays.target, part)
            batch = BatchTarget(*(side.to(device) for side in as_floats(truth)))
            yield Watched(to_float(torch.from_numpy(self.arrays.pixels[part]).to(device)), batch, truth)


def as_floats(target: Target) -> tuple[Tensor, Tensor, Tensor]:
    """Values, known and hidden, as floats."""
    return (
        torch.from_numpy(target.values),
        torch.from_numpy(target.known).float(),
        torch.from_numpy(target.hidden).float(),
    )
