"""Layers that round as int8 in C does, and learn so. Knows nothing of networks, ONNX or C.

Weights are symmetric per output channel in -127..127, activations int8 per tensor with a zero point; what goes backward
passes the rounding as if it were not there (Bengio et al. 2013), and the ends of a range are learned like weights
(Esser et al. 2020). Biases stay as they are: C has 32 bits for them.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST = 127
"""Of a weight."""

STEPS = 255
"""From the lowest to the highest of an activation."""

TRIED = tuple(1 - k / 40 for k in range(29))
"""Shares of the largest value seen that may become the end of a range."""

KEPT = 16384
"""Values of a tensor kept of each batch while ranges are found."""


class Rounding(nn.Module):
    """One tensor in int8, between two ends that are learned. rectified: the lower one is 0, as behind a ReLU."""

    def __init__(self, rectified: bool) -> None:
        super().__init__()
        self.rectified = rectified
        self.high = nn.Parameter(torch.zeros(1))  # logarithms: an end never changes its sign
        self.low = None if rectified else nn.Parameter(torch.zeros(1))
        self.seen: list[Tensor] | None = None

    def ends(self) -> tuple[Tensor, Tensor]:
        """(low, high), a number each."""
        high = self.high.exp()
        return (torch.zeros_like(high) if self.low is None else -self.low.exp()), high

    def forward(self, x: Tensor) -> Tensor:
        if self.seen is not None:
            flat = x.detach().flatten()
            self.seen.append(flat[:: max(1, len(flat) // KEPT)].float())
            return functional.relu(x) if self.rectified else x
        # Every number of the tensor pulls at the two ends: their gradient is made as large as that of a weight.
        share = 1 / math.sqrt(x.numel() * STEPS)
        low, high = (share * end + (1 - share) * end.detach() for end in self.ends())
        return between(x, low, high)

    @torch.no_grad()
    def settle(self) -> None:
        """Take the ends that round what was seen with the least square error."""
        values = torch.cat(self.seen or [torch.zeros(1)])
        self.seen = None
        high, low = values.max().clamp(min=1e-3), (-values.min()).clamp(min=1e-3)
        wanted = functional.relu(values) if self.rectified else values
        best = math.inf
        for share in TRIED:
            self.high.copy_((high * share).log())
            if self.low is not None:
                self.low.copy_((low * share).log())
            error = float((between(values, *self.ends()) - wanted).square().mean())
            if error < best:
                best, kept = error, share
        self.high.copy_((high * kept).log())
        if self.low is not None:
            self.low.copy_((low * kept).log())


def between(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """x as int8 with 256 steps from low to high holds it; 0 is held exactly."""
    scale = (high - low) / STEPS
    zero = torch.round(-128 - low / scale).clamp(-128, 127).detach()
    q = (x / scale + zero).clamp(-128, 127)
    q = q + (q.round() - q).detach()
    return (q - zero) * scale


def as_int8(weight: Tensor) -> Tensor:
    """(O, ...) as -127..127 times a scale for each output channel hold it."""
    largest = weight.detach().flatten(1).abs().amax(1)
    scale = torch.where(largest > 0, largest / LARGEST, torch.ones_like(largest))
    q = weight / scale.view(-1, *(1,) * (weight.dim() - 1))
    return weight + ((q.round() - q) * scale.view(-1, *(1,) * (weight.dim() - 1))).detach()


class RoundedConv(nn.Conv2d):
    """A convolution in int8. into: of what it reads, where nothing has rounded that; out: of what it gives."""

    def __init__(self, conv: nn.Conv2d, out: Rounding, into: Rounding | None = None) -> None:
        super().__init__(conv.in_channels, conv.out_channels, *_sizes(conv))
        self.weight, self.bias = conv.weight, conv.bias
        self.into, self.out = into, out

    def forward(self, input: Tensor) -> Tensor:
        x = input if self.into is None else self.into(input)
        return cast(Tensor, self.out(self._conv_forward(x, as_int8(self.weight), self.bias)))

    def plain(self) -> nn.Conv2d:
        """The convolution in floating point."""
        conv = nn.Conv2d(self.in_channels, self.out_channels, *_sizes(self))
        conv.weight, conv.bias = self.weight, self.bias
        return conv


class RoundedLinear(nn.Linear):
    """A dense layer in int8; see `RoundedConv`. out: None where 16 bits hold what it gives."""

    def __init__(self, linear: nn.Linear, out: Rounding | None, into: Rounding | None = None) -> None:
        super().__init__(linear.in_features, linear.out_features)
        self.weight, self.bias = linear.weight, linear.bias
        self.into, self.out = into, out

    def forward(self, input: Tensor) -> Tensor:
        x = input if self.into is None else self.into(input)
        x = functional.linear(x, as_int8(self.weight), self.bias)
        return x if self.out is None else cast(Tensor, self.out(x))

    def plain(self) -> nn.Linear:
        """The layer in floating point."""
        linear = nn.Linear(self.in_features, self.out_features)
        linear.weight, linear.bias = self.weight, self.bias
        return linear


def _sizes(conv: nn.Conv2d) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Kernel, stride and padding."""
    kernel, stride, padding = (cast(tuple[int, int], size) for size in (conv.kernel_size, conv.stride, conv.padding))
    return kernel, stride, padding


def unround(root: nn.Module) -> None:
    """Every layer below it in floating point again, in place."""
    for parent in list(root.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, RoundedConv | RoundedLinear):
                setattr(parent, name, child.plain())
