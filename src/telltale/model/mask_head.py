"""A probability for every pixel from maps of a quarter of the picture's size and below. Knows nothing of losses.

A U-shaped head (Ronneberger et al. 2015; the sums of feature pyramids, Lin et al. 2017): from the coarsest map
upwards, each is brought to the next finer one's channels, enlarged and added, and a 3x3 layer mixes the two. Nothing
but the last step is as large as the picture: each place of the quarter-size map tells its 16 pixels by itself
(sub-pixel convolution, Shi et al. 2016). On a CPU, layers at full size cost most of a plain U-Net's time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from telltale.model.backbones import Branched

FINEST = 4
"""The stride of the finest map that is used, where the backbone has one."""

PRIOR = 0.02
"""The share of pixels that are on, as far as a fresh head believes: nearly all of nearly every picture is good."""


class Pyramid(nn.Module):
    """Maps of a backbone -> its finest map of FINEST or more, with what all coarser ones know added; (N, width, h, w).

    For pictures whose sides the coarsest stride divides.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        used = [i for i, stride in enumerate(strides) if stride >= FINEST] or [len(strides) - 1]
        self.first = used[0]
        self.width = channels[self.first]
        self.shrink = strides[self.first]
        narrow, mix = [], []
        for i in reversed(used[1:]):
            narrow.append(nn.Conv2d(channels[i], channels[i - 1], 1))
            mix.append(Branched(channels[i - 1], channels[i - 1], 1))
        self.narrow, self.mix = nn.ModuleList(narrow), nn.ModuleList(mix)
        for conv in self.narrow:
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")

    def merge(self, maps: list[Tensor]) -> Tensor:
        """From the coarsest map upwards."""
        x = maps[-1]
        finer = reversed(maps[self.first : -1])
        for narrow, mix, skip in zip(self.narrow, self.mix, finer, strict=False):  # a head may have one more mix
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest") + skip
            x = mix(x)
        return x

    def fuse(self) -> None:
        """Every layer one convolution, in place."""
        for index, layer in enumerate(self.mix):
            if isinstance(layer, Branched):
                self.mix[index] = layer.fused()


def start_at(conv: nn.Conv2d, p: float) -> None:
    """Small weights, and a bias that says p everywhere."""
    nn.init.normal_(conv.weight, std=0.01)
    assert conv.bias is not None
    nn.init.constant_(conv.bias, float(torch.logit(torch.tensor(p))))


class MaskHead(Pyramid):
    """Maps of a backbone -> logits (N, K, H, W) for pictures whose sides the coarsest stride divides."""

    def __init__(self, channels: Sequence[int], strides: Sequence[int], names: int) -> None:
        super().__init__(channels, strides)
        self.names = names
        self.tell = nn.Conv2d(self.width, names * self.shrink**2, 3 if self.shrink > 1 else 1, 1, int(self.shrink > 1))
        start_at(self.tell, PRIOR)

    def forward(self, maps: list[Tensor]) -> dict[str, Tensor]:
        return {"logits": spread(self.tell(self.merge(maps)), self.shrink)}


def spread(x: Tensor, shrink: int) -> Tensor:
    """(N, K * s * s, h, w) -> (N, K, h * s, w * s), the order of `torch.nn.functional.pixel_shuffle`."""
    return functional.pixel_shuffle(x, shrink) if shrink > 1 else x
