"""Speed of training one step: branches summed as kernels, branches each normalised, and no branches.

The three are the same net once fused. Settles how `telltale.model.backbones.Branched` is made.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.machine import keep
from bench.train_augment import TASK, median_ms
from telltale.model import Network, build
from telltale.model.backbones import Branched, PlainNet
from telltale.project import Input, Train


class PerBranch(nn.Module):
    """As published by Ding et al. (2021): each branch convolved and normalised by itself."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.three = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.one = nn.Conv2d(into, out, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(out) for _ in range(3 if into == out and stride == 1 else 2))

    def forward(self, x: Tensor) -> Tensor:
        # torch 2.13's strided 1x1 convolution crashes in its backward on the CPU, channels last: thin out first.
        thin = x[:, :, :: self.stride, :: self.stride].contiguous(memory_format=torch.channels_last)
        y = self.norms[0](self.three(x)) + self.norms[1](self.one(thin))
        if len(self.norms) == 3:
            y = y + self.norms[2](x)
        return functional.relu(y)


class NoBranch(nn.Module):
    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)))


LAYERS = {"summed kernels": None, "a norm per branch": PerBranch, "no branches": NoBranch}


def swap(network: Network, kind: type[nn.Module] | None) -> Network:
    """The network with every layer of another kind."""
    if kind is not None:
        assert isinstance(network.backbone, PlainNet)
        for index, layer in enumerate(network.backbone.layers):
            assert isinstance(layer, Branched)
            out, into = layer.three.shape[:2]
            network.backbone.layers[index] = kind(into, out, layer.stride)
    return network


def measure(name: str, layer: type[nn.Module] | None, precision: torch.dtype | None) -> float:
    size, settings = Input(), Train()
    network = swap(build(name, TASK, size.height, size.width), layer).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.rand(settings.batch, 3, size.height, size.width)
    target = torch.rand(settings.batch, 5).round()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)

    def step() -> None:
        with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
            logits = network(pixels)["logits"]
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(logits.float(), target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return round(median_ms(step, 11), 2)


def main(arguments: list[str]) -> None:
    rows = []
    for name in ("nano", "tiny"):
        for title, layer in LAYERS.items():
            row = {"backbone": name, "layer": title}
            row |= {"float32_ms": measure(name, layer, None), "bf16_ms": measure(name, layer, torch.bfloat16)}  # type: ignore[dict-item]
            print(row, flush=True)
            rows.append(row)
    keep("train_layers", {"threads": torch.get_num_threads(), "batch": Train().batch, "steps": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
