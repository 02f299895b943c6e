"""What training minimises, one loss a kind of task. Knows nothing of pictures or networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from telltale.errors import TrainError
from telltale.project import Train
from telltale.tasks import Target, Task
from telltale.tasks.task import Floats
from telltale.train.feed import BatchTarget
from telltale.train.locate_loss import LocateLoss
from telltale.train.mask_loss import MaskLoss

HEAVIEST = 10.0
"""A rare side of a name weighs at most this much: beyond, single mislabelled pictures would steer."""


class Loss(Protocol):
    """A loss over a batch, and the same loss unaveraged."""

    def __call__(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> Tensor:
        """One number to minimise."""
        ...

    def each(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        """(K,) summed loss of each name and (K,) how many labels it summed over."""
        ...

    def likelihood(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        """(K,) summed negative log-likelihood and (K,) counts over the labels that can be seen, unweighted."""
        ...

    def criterion(self, likelihood: float, merit: float | None) -> float:
        """What is least for the best weights, from the watched likelihood and `Task.merit`."""
        ...


class StatesLoss:
    """Binary cross-entropy of each name, summed over what is known.

    positive, negative: (K,) weights of the two sides, from the data: a name that is on in one picture of
    ten weighs its on pictures nine times as much as its off ones, the mean weight staying 1.
    hidden: what to teach where a label is true but its part cannot be seen:
    "unsure" 0.5, the honest answer; "skip" nothing; "label" the label.
    """

    def __init__(self, positive: Tensor, negative: Tensor, hidden: str) -> None:
        self.positive, self.negative, self.hidden = positive, negative, hidden

    def each(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        logits = outputs["logits"].float()  # (N, K)
        values, weight = target.values, target.known
        sides = values * self.positive.to(logits.device) + (1 - values) * self.negative.to(logits.device)
        if self.hidden == "unsure":
            values = torch.where(target.hidden > 0, 0.5, values)
            sides = torch.where(target.hidden > 0, 1.0, sides)
        elif self.hidden == "skip":
            weight = weight * (1 - target.hidden)
        loss = functional.binary_cross_entropy_with_logits(logits, values, reduction="none") * sides * weight
        return loss.sum(0), weight.sum(0)

    def likelihood(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        weight = target.known * (1 - target.hidden)
        loss = (
            functional.binary_cross_entropy_with_logits(outputs["logits"].float(), target.values, reduction="none")
            * weight
        )
        return loss.sum(0), weight.sum(0)

    def criterion(self, likelihood: float, merit: float | None) -> float:
        return likelihood

    def __call__(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> Tensor:
        loss, count = self.each(outputs, target)
        return loss.sum() / count.sum().clamp(min=1)


def hint_loss(answers: Tensor, hints: Tensor) -> Tensor:
    """Mean squared error over the hints that are known (not NaN); 0 where none is. Both (N, M)."""
    known = ~torch.isnan(hints)
    error = torch.where(known, answers.float() - torch.nan_to_num(hints), 0.0)
    return error.square().sum() / known.sum().clamp(min=1)


def _states(task: Task, target: Target, settings: Train) -> Loss:
    positive, negative = side_weights(target)
    return StatesLoss(torch.from_numpy(positive), torch.from_numpy(negative), settings.hidden)


def side_weights(target: Target) -> tuple[Floats, Floats]:
    """(K,) float32 weights of on and of off, balanced and of mean 1; a name never seen on or off weighs 1."""
    on = (target.known * target.values).sum(0)
    off = (target.known * (1 - target.values)).sum(0)
    total = on + off
    both = (on > 0) & (off > 0)
    positive = np.where(both, total / np.maximum(2 * on, 1), 1.0)
    negative = np.where(both, total / np.maximum(2 * off, 1), 1.0)
    return (
        np.clip(positive, 1 / HEAVIEST, HEAVIEST).astype(np.float32),
        np.clip(negative, 1 / HEAVIEST, HEAVIEST).astype(np.float32),
    )


def _mask(task: Task, target: Target, settings: Train) -> Loss:
    return MaskLoss()


def _locate(task: Task, target: Target, settings: Train) -> Loss:
    return LocateLoss()


LOSSES: dict[str, Callable[[Task, Target, Train], Loss]] = {"states": _states, "mask": _mask, "locate": _locate}
"""Kind of task to its loss, made from the task, the training labels and the settings."""


def make_loss(task: Task, target: Target, settings: Train) -> Loss:
    """Raises TrainError on a kind of task without a loss."""
    if task.kind not in LOSSES:
        raise TrainError("task.kind", expected="a kind with a loss: " + ", ".join(LOSSES), got=repr(task.kind))
    return LOSSES[task.kind](task, target, settings)
