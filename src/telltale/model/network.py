"""A backbone and a head as one network. Knows nothing of files or training."""

from __future__ import annotations

import copy
import math
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from telltale.model.backbones import PlainNet, make_backbone
from telltale.model.heads import make_head
from telltale.tasks import Task

MEAN, STD = 0.45, 0.25
"""Pixels 0..1 are centred with these; round numbers, the same for every data set and channel."""


class Fusable(Protocol):
    """A head that can fold its normalisation into its layers."""

    def fuse(self) -> None: ...


class Network(nn.Module):
    """(N, 3, H, W) float32 in 0..1 -> outputs of the task's head.

    For `states`: logits (N, K) and cam (N, K, h, w), whose mean over space plus the head's bias is the logit.
    H and W are fixed when built: the head knows its places. Normalisation is inside. While training there is no
    cam, and with hints > 0 a further output `hints` (N, hints): what is learned beside the labels and never ships.
    """

    shift: Tensor

    def __init__(
        self, backbone: PlainNet, head: nn.Module, task: Task, height: int, width: int, hints: int = 0
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.task = task
        self.height, self.width = height, width
        self.hint = nn.Linear(cast(int, head.width), hints) if hints else None
        self.register_buffer("shift", torch.tensor(-MEAN / STD), persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = self.head(self.backbone(torch.add(self.shift, x, alpha=1 / STD)))
        hidden = outputs.pop("hidden", None)
        if self.hint is not None and hidden is not None:
            outputs["hints"] = self.hint(hidden)
        return outputs

    def fused(self) -> Network:
        """A copy for export, in eval mode: every layer one convolution; the same function to rounding."""
        twin = copy.deepcopy(self).eval()
        twin.backbone.fuse()
        cast(Fusable, twin.head).fuse()
        twin.hint = None
        return twin


def build(backbone: str, task: Task, height: int, width: int, *, hints: int = 0) -> Network:
    """A fresh network with random weights (from torch's global generator). Raises ConfigError on an unknown name.

    hints: how many numbers it also learns while training.
    """
    body = make_backbone(backbone)
    stride = body.strides[-1]
    head = make_head(task, body.channels, (math.ceil(height / stride), math.ceil(width / stride)))
    return Network(body, head, task, height, width, hints)


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers; call on `network.fused()` for what ships."""
    return sum(p.numel() for p in network.parameters())


def count_macs(network: Network) -> int:
    """Multiply-accumulates of the convolutions and dense layers for one picture, by running one."""
    macs = 0

    def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal macs
        assert isinstance(module, nn.Conv2d | nn.Linear)
        macs += module.weight[0].numel() * output[0].numel()

    twin = network.fused().cpu()
    for module in twin.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        twin(torch.zeros(1, 3, network.height, network.width))
    return macs
