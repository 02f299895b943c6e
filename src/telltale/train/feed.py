"""Where a run's batches come from: the seam between the loop and the data of each kind of task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from telltale.frame import Image
from telltale.tasks import Target


@dataclass(frozen=True, slots=True)
class BatchTarget:
    """A Target on the device, as floats: values, what is known (or how much it weighs) and what is hidden.

    (N, K) for `states`, (N, K, H, W) for `mask`, (N, K, M, 5) for `locate`: as `Target`, of the input.
    """

    values: Tensor
    known: Tensor
    hidden: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """pixels: (N, 3, H, W) float32 in 0..1, moved and recoloured. hints: (N, M), None where nothing else is known.

    lesson: a teacher's logits, shaped as the network's, NaN where it says nothing; None without a teacher.
    """

    pixels: Tensor
    target: BatchTarget
    hints: Tensor | None
    lesson: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A batch as it is, unmoved; truth: the same target for the task to count against."""

    pixels: Tensor
    target: BatchTarget
    truth: Target


MakeBatch = Callable[[slice], Batch]
"""Makes a share of a batch that was drawn; several threads may call it at once."""


class Feed(Protocol):
    """Batches to train on, and batches to watch."""

    @property
    def labels(self) -> Target:
        """What the training pictures show, with a leading axis, to weigh rare labels by."""
        ...

    @property
    def watching(self) -> bool:
        """Whether any picture is kept aside to watch."""
        ...

    def __len__(self) -> int:
        """Rows of one epoch."""
        ...

    def order(self, generator: torch.Generator) -> Tensor:
        """Row numbers of one epoch."""
        ...

    def draw(self, rows: Tensor, generator: torch.Generator, device: torch.device) -> MakeBatch:
        """Decide all that is random in a batch of these rows; the same state of the generator decides the same."""
        ...

    def watched(self, device: torch.device) -> Iterator[Watched]:
        """What is watched, in batches, always the same."""
        ...

    def pairs(self, seed: int, count: int) -> list[tuple[Image, Image]]:
        """At most `count` pairs of pictures of one size that show people what the network sees."""
        ...


Points = list[tuple[int, float, float]]
"""Row of the data, x and y in its picture: what a checkpoint keeps of where a network was wrong."""


@runtime_checkable
class Dwells(Protocol):
    """A feed of places, which comes back to good ones that the network takes for something."""

    def find_hard(self, answer: Callable[[Tensor], Tensor], device: torch.device) -> Points:
        """Where it is most wrong; answer: pixels (N, 3, H, W) to probabilities (N, K, H, W)."""
        ...

    def dwell_on(self, points: Points) -> None:
        """From the next epoch on, draw these more often; instead of those that were given before."""
        ...
