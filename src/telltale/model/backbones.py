"""Plain 3x3 backbones that train with branches and ship without. Knows nothing of tasks or heads.

Each layer is a 3x3 convolution that trains as the sum of three branches (3x3, 1x1 and, where the
shapes allow, the identity) and is fused to one convolution with a bias for export, as RepVGG does
(Ding et al. 2021). The branches are summed *in weight space*, before the convolution, and share one
batch normalisation (as OREPA does, Hu et al. 2022): a step then costs what a plain convolution costs,
where a normalisation per branch costs 1.4 times as much on a CPU. See docs/train.md for the measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from telltale.model.plan import PLANS, UNET, Layer, read_plan
from telltale.model.unet import UnetTiny


class Branched(nn.Module):
    """conv3x3 + conv1x1 + identity, summed as kernels; batch normalisation; ReLU.

    (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)), both float32.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.three = nn.Parameter(torch.empty(channels_out, channels_in, 3, 3))
        self.one = nn.Parameter(torch.empty(channels_out, channels_in, 1, 1))
        self.same = nn.Parameter(torch.ones(channels_out)) if channels_in == channels_out and stride == 1 else None
        self.norm = nn.BatchNorm2d(channels_out)
        nn.init.kaiming_normal_(self.three, nonlinearity="relu")
        nn.init.kaiming_normal_(self.one, nonlinearity="relu")

    def kernel(self) -> Tensor:
        """The branches as one (out, in, 3, 3) kernel."""
        middle: Tensor = self.one
        if self.same is not None:
            middle = middle + torch.diag(self.same)[:, :, None, None]
        return self.three + functional.pad(middle, (1, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(functional.conv2d(x, self.kernel(), None, self.stride, 1)), inplace=True)

    @torch.no_grad()
    def fused(self) -> Plain:
        """The same function with the running statistics, as one convolution with a bias."""
        mean, variance = cast(Tensor, self.norm.running_mean), cast(Tensor, self.norm.running_var)
        # In float64: the sums of three branches and a division, rounded once.
        scale = self.norm.weight.double() / torch.sqrt(variance.double() + self.norm.eps)  # (out,)
        kernel = self.kernel().double() * scale[:, None, None, None]
        bias = self.norm.bias.double() - mean.double() * scale
        out, into = kernel.shape[:2]
        plain = Plain(into, out, self.stride)
        plain.conv.weight.copy_(kernel)
        cast(Tensor, plain.conv.bias).copy_(bias)
        return plain.to(self.three.device)


class Plain(nn.Module):
    """conv3x3 with bias, ReLU: what is left of a layer after fusing."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x))


class Backbone(Protocol):
    """A picture to a pyramid of feature maps.

    channels, strides: of each map `forward` gives, finest first; a map of stride s is
    ceil(H / s) high and ceil(W / s) wide.
    """

    @property
    def channels(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...

    def __call__(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised float32 -> one map for each of `channels`."""
        ...

    def fuse(self) -> None:
        """Every layer one convolution, in place."""
        ...


class PlainNet(nn.Module):
    """A chain of 3x3 layers; gives the last map of each stride.

    plan: its layers. ends: the numbers of those whose maps it gives.
    """

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        super().__init__()
        self.plan = layers
        into = 3
        chain: list[nn.Module] = []
        for layer in layers:
            chain.append(Branched(into, layer.channels, layer.stride))
            into = layer.channels
        self.layers = nn.ModuleList(chain)
        stages = list(_stages(layers))
        self.ends = frozenset(end for end, _, _ in stages)
        self.channels = tuple(channels for _, channels, _ in stages)
        self.strides = tuple(stride for _, _, stride in stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.ends:
                maps.append(x)
        return maps

    def fuse(self) -> None:
        """Fuse every layer in place."""
        for index, layer in enumerate(self.layers):
            if isinstance(layer, Branched):
                self.layers[index] = layer.fused()


def _stages(layers: tuple[Layer, ...]) -> Iterator[tuple[int, int, int]]:
    """(index of the last layer, channels, stride to the picture) of each run of equal stride."""
    stride = 1
    for index, layer in enumerate(layers):
        stride *= layer.stride
        if index + 1 == len(layers) or layers[index + 1].stride > 1:
            yield index, layer.channels, stride


BACKBONES: dict[str, tuple[Layer, ...]] = {name: read_plan(name).layers for name in PLANS}
"""Name to layers."""


def make_backbone(name: str) -> Backbone:
    """A fresh backbone, by its name or plan. Raises ConfigError on what is neither."""
    return UnetTiny() if name == UNET else PlainNet(read_plan(name).layers)


def check_backbone(name: str) -> None:
    """Raises ConfigError on what is neither a name nor a plan."""
    if name != UNET:
        read_plan(name)


def hidden_of(name: str) -> int | None:
    """How many hidden units the plan gives to the head; None where it leaves that to the head."""
    return None if name == UNET else read_plan(name).hidden
