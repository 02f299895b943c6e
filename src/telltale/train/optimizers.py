"""What turns gradients into steps: AdamW, or Muon for kernels. Knows nothing of pictures, tasks or schedules.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks") moves a kernel by its momentum with
all singular values made nearly equal, so that directions which few examples ask for are learned as fast as those which
all ask for: on masks it takes half the steps of AdamW to the same training loss (docs/log.md). A kernel (out, in, h, w)
is taken as the matrix (out, in * h * w). What is no kernel (biases, normalisations) moves by Adam (Kingma and Ba 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from telltale.project import Train

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration: steepest at zero, and then within 0.7 to 1.2 (Jordan et al. 2024)."""
ITERATIONS = 5

MOMENTUM = 0.95
BETAS = (0.9, 0.999)
TINY = 1e-8

KERNEL_RATE = 4.0
"""A kernel's step has a length of its own, so it moves at this many times the learning rate of the rest."""


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Kernels decay; biases, scales and normalisations do not: pulling those to zero has no use."""
    kernels = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def make_optimizer(network: nn.Module, settings: Train) -> torch.optim.Optimizer:
    """As [train] asks."""
    groups = parameter_groups(network, settings.weight_decay)
    if settings.optimizer == "muon":
        return Muon(groups, settings.learning_rate)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


class Muon(torch.optim.Optimizer):
    """Muon for parameters of two axes or more, Adam for the others; weight decay is decoupled from both."""

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        assert closure is None, "the loop computes its gradients itself"
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    move = self._move_kernel if p.dim() > 1 else self._move_other
                    move(p, group["lr"], group["weight_decay"])

    def _move_kernel(self, p: Tensor, rate: float, decay: float) -> None:
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        momentum: Tensor = state["momentum"].mul_(MOMENTUM).add_(p.grad)
        ahead = p.grad.add(momentum, alpha=MOMENTUM)  # Nesterov's
        matrix = orthogonalise(ahead.reshape(len(p), -1).float())
        tall = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        rate *= KERNEL_RATE
        p.mul_(1 - rate * decay).add_(matrix.view(p.shape), alpha=-rate * tall)

    def _move_other(self, p: Tensor, rate: float, decay: float) -> None:
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
        state["step"] += 1
        mean: Tensor = state["mean"].lerp_(p.grad, 1 - BETAS[0])
        square: Tensor = state["square"].lerp_(p.grad.square(), 1 - BETAS[1])
        unbiased = (square / (1 - BETAS[1] ** state["step"])).sqrt_().add_(TINY)
        p.mul_(1 - rate * decay).addcdiv_(mean, unbiased, value=-rate / (1 - BETAS[0] ** state["step"]))


def orthogonalise(matrix: Tensor) -> Tensor:
    """A matrix of the same singular vectors whose singular values are all near 1, by Newton-Schulz; (m, n) float32."""
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix
    x = x / (torch.linalg.matrix_norm(x) + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
