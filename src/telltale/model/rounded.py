"""A fused network that rounds as int8 in C does. Knows nothing of ONNX, C or training.

The last logits of `states` are not rounded: C has 16 bits for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from telltale.errors import TrainError
from telltale.model.backbones import Plain, PlainNet
from telltale.model.heads import StatesHead
from telltale.model.mask_head import MaskHead
from telltale.model.network import Network
from telltale.model.rounding import RoundedConv, RoundedLinear, Rounding

Ends = tuple[float, float]
"""The least and the largest value of a tensor in int8."""


def rounded(network: Network) -> Network:
    """A fused copy that rounds; its ranges are to be found (`find_ranges`) or restored.

    Raises TrainError where the backbone is no chain of plain layers.
    """
    if not isinstance(network.backbone, PlainNet):
        raise TrainError("--quantise", expected="a plain backbone", got=type(network.backbone).__name__)
    twin = network.fused()
    for layer in cast(PlainNet, twin.backbone).layers:
        assert isinstance(layer, Plain)
        layer.conv = RoundedConv(layer.conv, Rounding(rectified=True))
    head = twin.head
    if isinstance(head, StatesHead):
        last = cast(RoundedConv, cast(Plain, cast(PlainNet, twin.backbone).layers[-1]).conv)
        # A mean of int8 numbers is rounded again, by the same range.
        into = last.out if head.pool != (1, 1) else None
        head.mix = RoundedLinear(head.mix, Rounding(rectified=True), into)
        head.tell = RoundedLinear(head.tell, None)
    else:
        assert isinstance(head, MaskHead)
        for index, narrow in enumerate(head.narrow):
            head.narrow[index] = RoundedConv(cast(nn.Conv2d, narrow), Rounding(rectified=False))
        for mix in head.mix:
            assert isinstance(mix, Plain)
            mix.conv = RoundedConv(mix.conv, Rounding(rectified=True), Rounding(rectified=False))
        head.tell = RoundedConv(head.tell, Rounding(rectified=False))
    return twin


def roundings(network: Network) -> list[Rounding | None]:
    """Of each sum that C computes, in its order; None where the sum keeps 16 bits."""
    found: list[Rounding | None] = []
    for layer in _in_order(network):
        if layer.into is not None and layer.into not in found:
            found.append(layer.into)
        found.append(layer.out)
    return found


def ranges_of(network: Network) -> tuple[Ends | None, ...]:
    """What was learned for each of `roundings`; nothing of a network that does not round."""
    with torch.no_grad():
        return tuple(
            None if one is None else (float(one.ends()[0]), float(one.ends()[1])) for one in roundings(network)
        )


def find_ranges(network: Network, batches: Iterable[Tensor]) -> None:
    """Settle every range by what the unrounded activations of some batches hold, each (N, 3, H, W) in 0..1."""
    every = [one for one in roundings(network) if one is not None]
    for one in every:
        one.seen = []
    with torch.no_grad():
        for pixels in batches:
            network(pixels)
    for one in every:
        one.settle()


def _in_order(network: Network) -> Iterator[RoundedConv | RoundedLinear]:
    head = network.head
    parts: list[nn.Module] = list(network.backbone.layers) if isinstance(network.backbone, PlainNet) else []
    if isinstance(head, StatesHead):
        parts += [head.mix, head.tell]
    elif isinstance(head, MaskHead):
        parts += [part for pair in zip(head.narrow, head.mix, strict=True) for part in pair] + [head.tell]
    for part in parts:
        layer = part.conv if isinstance(part, Plain) else part
        if isinstance(layer, RoundedConv | RoundedLinear):
            yield layer
