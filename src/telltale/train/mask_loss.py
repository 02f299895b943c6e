"""What training of masks minimises: cross-entropy and Dice of pixels. Knows nothing of pictures or networks.

The sum of both is steadier than either (after Isensee et al. 2021): cross-entropy gives every pixel a direction from
the first step on, Dice (Milletari et al. 2016) counts what is found against what is told, however rare it is. Dice is
taken over all pictures of the batch together, so that a picture without anything is no special case.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from telltale.train.feed import BatchTarget

SMOOTH = 100.0
"""Pixels added to both sides of Dice's ratio: a batch with next to nothing in it shall not decide."""


class MaskLoss:
    """BCE + (1 - Dice), for each name; `target.known` holds the weights of pixels, 0 where nobody knows."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, Tensor], Tensor, Tensor] | None = None

    def __call__(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> Tensor:
        logits = outputs["logits"].float()  # (N, K, H, W)
        entropy, weight = _entropy(logits, target)
        loss = entropy / weight.clamp(min=1)
        dice = _dice(torch.sigmoid(logits), target)
        known = (weight > 0).float()
        total = ((loss + 1 - dice) * known).sum() / known.sum().clamp(min=1)
        self._last = (outputs, ((loss + 1 - dice) * known).detach(), known)
        return total

    def each(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        """(K,) the loss of each name in this batch, and 1 for each that anything is known of."""
        if self._last is None or self._last[0] is not outputs:
            self(outputs, target)
        assert self._last is not None
        return self._last[1], self._last[2]

    def likelihood(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        """(K,) summed cross-entropy and (K,) how many pixels it summed over."""
        return _entropy(outputs["logits"].float(), target)

    def criterion(self, likelihood: float, merit: float | None) -> float:
        """Dice: cross-entropy is decided by the many pixels that no cut comes near."""
        return likelihood if merit is None else 1 - merit


def _entropy(logits: Tensor, target: BatchTarget) -> tuple[Tensor, Tensor]:
    loss = functional.binary_cross_entropy_with_logits(logits, target.values, target.known, reduction="none")
    return loss.sum((0, 2, 3)), target.known.sum((0, 2, 3))


def _dice(p: Tensor, target: BatchTarget) -> Tensor:
    """(K,) over the known pixels, unweighted."""
    known = (target.known > 0).float()
    p, truth = p * known, target.values * known
    both = (p * truth).sum((0, 2, 3))
    return (2 * both + SMOOTH) / (p.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + SMOOTH)
