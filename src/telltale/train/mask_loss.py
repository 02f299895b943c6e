"""What training of masks minimises: cross-entropy and Dice of pixels. Knows nothing of pictures or networks.

The sum of both is steadier than either (after Isensee et al. 2021): cross-entropy gives every pixel a direction from
the first step on, Dice (Milletari et al. 2016) counts what is found against what is told, however rare it is.

Small things come first. What is marked in a picture weighs at least SHARE of the picture in the cross-entropy, and Dice
is the mean of the pictures that have something: pooled over the batch, the few pixels of a small defect never moved the
net, and it stayed at "nothing" for hundreds of steps (docs/log.md). A picture without anything is no special case: it
has cross-entropy alone.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from telltale.train.feed import BatchTarget

SHARE = 0.1
"""What is marked weighs as much as this share of a picture's pixels, where it covers less of it."""

HEAVIEST = 50.0
"""A marked pixel weighs at most this much."""

SMOOTH = 10.0
"""Pixels added to both sides of Dice's ratio: a thing of a few pixels shall not decide."""


class MaskLoss:
    """BCE + (1 - Dice), for each name; `target.known` holds the weights of pixels, 0 where nobody knows."""

    def __init__(self) -> None:
        self._local = threading.local()  # shares of a batch are learned in threads of their own

    def __call__(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> Tensor:
        logits = outputs["logits"].float()  # (N, K, H, W)
        values, weight = target.values, target.known
        marked = (values * (weight > 0)).sum((2, 3), keepdim=True)  # (N, K, 1, 1)
        heavier = (SHARE * values[0, 0].numel() / marked.clamp(min=1)).clamp(1, HEAVIEST)
        weight = weight * torch.where(values > 0, heavier, 1.0)
        entropy = functional.binary_cross_entropy_with_logits(logits, values, weight, reduction="none")
        total = weight.sum((0, 2, 3))
        loss = entropy.sum((0, 2, 3)) / total.clamp(min=1) + _missing_overlap(logits, target, marked[:, :, 0, 0])
        known = (total > 0).float()
        self._local.last = (outputs, (loss * known).detach(), known)
        return (loss * known).sum() / known.sum().clamp(min=1)

    def each(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        """(K,) the loss of each name in this batch, and 1 for each that anything is known of."""
        if getattr(self._local, "last", (None,))[0] is not outputs:
            self(outputs, target)
        _, loss, count = self._local.last
        return loss, count

    def likelihood(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        """(K,) summed cross-entropy and (K,) how many pixels it summed over."""
        known = (target.known > 0).float()
        loss = functional.binary_cross_entropy_with_logits(
            outputs["logits"].float(), target.values, known, reduction="none"
        )
        return loss.sum((0, 2, 3)), known.sum((0, 2, 3))

    def criterion(self, likelihood: float, merit: float | None) -> float:
        """Dice: cross-entropy is decided by the many pixels that no cut comes near."""
        return likelihood if merit is None else 1 - merit


def _missing_overlap(logits: Tensor, target: BatchTarget, marked: Tensor) -> Tensor:
    """(K,) 1 - Dice, the mean of the pictures with something marked; 0 where there is none. marked: (N, K) pixels."""
    known = (target.known > 0).float()
    p = torch.sigmoid(logits) * known
    both = (p * target.values).sum((2, 3))
    dice = (2 * both + SMOOTH) / (p.sum((2, 3)) + marked + SMOOTH)
    has = (marked > 0).float()
    return ((1 - dice) * has).sum(0) / has.sum(0).clamp(min=1)
