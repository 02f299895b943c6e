"""Learning rate and averaging over a run. Knows nothing of pictures or files."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from telltale.project import Train


@dataclass(frozen=True, slots=True)
class Schedule:
    """How far a run is, and what that means.

    steps: of the whole run by `epochs`. limit_s: of the whole run by `minutes`, or None.
    """

    settings: Train
    steps: int

    @property
    def limit_s(self) -> float | None:
        return None if self.settings.minutes is None else self.settings.minutes * 60

    def done(self, step: int, elapsed_s: float) -> float:
        """The share of the run that is over: by steps or by seconds, whichever is further."""
        by_steps = step / self.steps
        by_time = elapsed_s / self.limit_s if self.limit_s else 0.0
        return min(1.0, max(by_steps, by_time))

    def rate(self, done: float) -> float:
        """Learning rate: linear warm-up, then half a cosine to zero (Loshchilov and Hutter 2017)."""
        warmup = self.settings.warmup
        if done < warmup:
            # Never zero: the first step must move.
            return self.settings.learning_rate * max(done / warmup, 1e-3)
        return self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move `averaged` towards `network`: an exponential average whose window grows to `decay` with the steps,

    so that a short run is not the average of its first, random weights. Running statistics are averaged too.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    old, new = list(_floats(averaged)), list(_floats(network))
    torch._foreach_lerp_(old, new, share)


def _floats(module: nn.Module) -> Iterable[Tensor]:
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            yield tensor
