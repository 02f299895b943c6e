"""A backbone and a head as one network. Knows nothing of files or training."""

from __future__ import annotations

import copy
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from telltale.model.backbones import Backbone, hidden_of, make_backbone
from telltale.model.heads import Shape, make_head
from telltale.model.rounding import unround
from telltale.model.unet import STRIDE as UNET_STRIDE
from telltale.model.unet import UnetTiny
from telltale.tasks import Task

MEAN, STD = 0.45, 0.25
"""Pixels 0..1 are centred with these; round numbers, the same for every data set and channel."""


class Fusable(Protocol):
    """A backbone or head that can fold its normalisation into its layers."""

    def fuse(self) -> None: ...


class Network(nn.Module):
    """(N, 3, H, W) float32 in 0..1 -> outputs of the task's head.

    For `mask`: logits (N, K, H, W), for any H and W that the coarsest stride divides.
    For `locate`: logits (N, K, H/4, W/4) of centres, and boxes (N, 4, H/4, W/4).
    For `states`: logits (N, K) and cam (N, K, h, w), whose mean over space plus the head's bias is the logit.
    Its H and W are fixed when built: the head knows its places. Normalisation is inside. While training there is no
    cam, and with hints > 0 a further output `hints` (N, hints): what is learned beside the labels and never ships.
    """

    shift: Tensor

    def __init__(
        self, backbone: Backbone, head: nn.Module, task: Task, height: int, width: int, hints: int = 0
    ) -> None:
        super().__init__()
        self.backbone = cast(nn.Module, backbone)
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
        """A copy for export, in eval mode: every layer one plain convolution; the same function to rounding."""
        twin = copy.deepcopy(self).eval()
        cast(Fusable, twin.backbone).fuse()
        cast(Fusable, twin.head).fuse()
        unround(twin)
        twin.hint = None
        return twin


def build(backbone: str, task: Task, height: int, width: int, *, hints: int = 0) -> Network:
    """A fresh network with random weights (from torch's global generator). Raises ConfigError on an unknown name.

    backbone: a name or a plan (`telltale.model.plan`).
    hints: how many numbers it also learns while training.
    """
    body = make_backbone(backbone)
    head = make_head(task, Shape(body.channels, body.strides, height, width, hidden_of(backbone)))
    return Network(body, head, task, height, width, hints)


def stride_of(network: Network) -> int:
    """What divides the sides of every picture that the network takes."""
    return UNET_STRIDE if isinstance(network.backbone, UnetTiny) else int(cast(Backbone, network.backbone).strides[-1])


def find_reach(network: Network) -> int:
    """How far around a pixel a fully convolutional network looks, in pixels.

    Found by the gradient of one cell of answers, as large as the stride, with all weights positive, so that nothing
    cancels and nothing is switched off.
    """
    twin = network.fused().double()
    for parameter in twin.parameters():
        parameter.data = torch.full_like(parameter, 1 / max(parameter[0].numel(), 1) if parameter.dim() > 1 else 0.0)
    if isinstance(twin.backbone, UnetTiny):
        twin.backbone.pool = nn.AvgPool2d(2)  # a maximum among equals hands its gradient to one of them alone
    stride = stride_of(network)
    side = stride * 5
    while True:
        picture = torch.ones(1, 3, side, side, dtype=torch.float64) * 10
        picture.requires_grad_(True)
        start = (side // stride // 2) * stride
        twin(picture)["logits"][:, :, start : start + stride, start : start + stride].sum().backward()
        assert picture.grad is not None
        rows = torch.nonzero(picture.grad.abs().sum((0, 1, 3)) > 0).flatten()
        first, last = int(rows[0]), int(rows[-1])
        if (first > 0 and last < side - 1) or side > 4096:
            return max(start - first, last - (start + stride - 1))
        side += stride * 4


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
