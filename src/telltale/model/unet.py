"""A small U-Net at full resolution: the reference that faster nets are measured against. Knows nothing of tasks.

After Ronneberger et al. (2015) with 16-32-64-64 channels, two 3x3 convolutions a stage, each normalised, max-pooling
and bilinear enlarging: about 270 thousand parameters.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64, 64)
STRIDE = 8
"""What divides the sides of the pictures it takes."""


class _Conv(nn.Module):
    """3x3 convolution, batch normalisation, ReLU; (N, in, H, W) -> (N, out, H, W)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels_out)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)), inplace=True)

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold the normalisation into the convolution, in place."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            return
        mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
        scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
        fused = nn.Conv2d(self.conv.in_channels, self.conv.out_channels, 3, 1, 1)
        fused.weight.copy_(self.conv.weight.double() * scale[:, None, None, None])
        cast(Tensor, fused.bias).copy_(norm.bias.double() - mean * scale)
        self.conv, self.norm = fused.to(norm.weight.device), nn.Identity()


def _pair(channels_in: int, middle: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(_Conv(channels_in, middle), _Conv(middle, channels_out))


class UnetTiny(nn.Module):
    """Gives one map of 16 channels at the picture's own size; height and width divisible by 8."""

    channels = (WIDTHS[0],)
    strides = (1,)

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.pool: nn.Module = nn.MaxPool2d(2)
        self.down = nn.ModuleList([_pair(3, a, a), _pair(a, b, b), _pair(b, c, c), _pair(c, d, d)])
        self.up = nn.ModuleList([_pair(d + c, c, b), _pair(b + b, b, a), _pair(a + a, a, a)])

    def forward(self, x: Tensor) -> list[Tensor]:
        kept: list[Tensor] = []
        for index, stage in enumerate(self.down):
            x = stage(self.pool(x) if index else x)
            kept.append(x)
        for stage, skip in zip(self.up, reversed(kept[:-1]), strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = stage(torch.cat([skip, x], 1))
        return [x]

    def fuse(self) -> None:
        """Fold every normalisation into its convolution, in place."""
        for module in self.modules():
            if isinstance(module, _Conv):
                module.fuse()
