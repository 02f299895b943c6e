"""Centres and boxes from the maps of a backbone. Knows nothing of losses.

What `mask_head.Pyramid` gathers at a quarter of the picture's size, one more 3x3 layer, and two 3x3 convolutions side
by side: one tells for each cell whether a centre lies there, one where in the cell and how large the thing is
(CenterNet, Zhou et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from telltale.model.backbones import Branched
from telltale.model.mask_head import FINEST, Pyramid, start_at

PRIOR = 0.01
"""The share of cells with a centre, as far as a fresh head believes (RetinaNet, Lin et al. 2017)."""

SIDE = 0.2
"""How large a fresh head believes all things to be, as a share of the picture's sides."""


class LocateHead(Pyramid):
    """Maps of a backbone -> logits (N, K, h, w) of centres and boxes (N, 4, h, w), logits of the place in the cell and
    of the sides as shares of the input's; h and w a quarter of the picture's sides.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], names: int) -> None:
        super().__init__(channels, strides)
        assert self.shrink == FINEST, strides
        self.mix.append(Branched(self.width, self.width, 1))
        self.tell = nn.Conv2d(self.width, names, 3, 1, 1)
        self.size = nn.Conv2d(self.width, 4, 3, 1, 1)
        start_at(self.tell, PRIOR)
        start_at(self.size, SIDE)
        assert self.size.bias is not None
        with torch.no_grad():
            self.size.bias[:2] = 0.0

    def forward(self, maps: list[Tensor]) -> dict[str, Tensor]:
        x = self.mix[-1](self.merge(maps))
        return {"logits": self.tell(x), "boxes": self.size(x)}
