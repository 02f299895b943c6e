"""Backbones, heads and what they promise of themselves."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from telltale.errors import ConfigError
from telltale.model import BACKBONES, Network, build, count_macs, count_parameters
from telltale.model.backbones import Branched, Plain, make_backbone
from telltale.model.heads import HEADS, StatesHead
from telltale.tasks import KINDS, Task, from_spec

BUDGET = {"pico": 20_000, "nano": 100_000, "tiny": 500_000, "small": 3_000_000}


def stir(module: nn.Module, seed: int) -> None:
    """Weights and statistics as a long training could leave them."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 2 + 0.1)
        elif tensor.is_floating_point() and ("norm" in name or name.endswith(("same", "bias", "place"))):
            tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.3)


@settings(max_examples=40, deadline=None)
@given(
    into=st.integers(1, 9),
    out=st.integers(1, 9),
    stride=st.sampled_from([1, 2]),
    height=st.integers(1, 13),
    width=st.integers(1, 13),
    seed=st.integers(0, 2**31),
)
def test_a_fused_layer_is_the_same_function(
    into: int, out: int, stride: int, height: int, width: int, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = Branched(into, out, stride).eval()
    stir(layer, seed)
    x = torch.randn(2, into, height, width)
    with torch.no_grad():
        assert torch.allclose(layer.fused()(x), layer(x), atol=1e-4, rtol=1e-5)


def test_the_summed_kernel_is_the_sum_of_three_branches() -> None:
    torch.manual_seed(0)
    layer = Branched(4, 4, 1)
    same = cast(Tensor, layer.same)
    x = torch.randn(2, 4, 6, 5)
    branches = (
        nn.functional.conv2d(x, layer.three, padding=1)
        + nn.functional.conv2d(x, layer.one)
        + same[None, :, None, None] * x
    )
    assert torch.allclose(nn.functional.conv2d(x, layer.kernel(), padding=1), branches, atol=1e-5)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_fused_network_answers_as_the_trained_one(name: str, task: Task) -> None:
    torch.manual_seed(1)
    network = build(name, task, 40, 56)
    network.train()
    for _ in range(2):
        network(torch.rand(4, 3, 40, 56))
    network.eval()
    x = torch.rand(2, 3, 40, 56)
    with torch.no_grad():
        before, after = network(x), network.fused()(x)
    assert not any(isinstance(module, Branched | nn.BatchNorm2d) for module in network.fused().modules())
    assert any(isinstance(module, Branched) for module in network.modules())
    for key, value in before.items():
        # Random weights give maps of any size: to 1e-4 of their own scale.
        assert (value - after[key]).abs().max() < 1e-4 * max(1.0, float(value.abs().max())), key


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_is_about_as_large_as_its_name_says(name: str, task: Task) -> None:
    network = build(name, task, 120, 160)
    assert 0.75 * BUDGET[name] < count_parameters(network.fused().backbone) < 1.25 * BUDGET[name]


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (16, 100)])
def test_maps_have_the_channels_and_strides_a_backbone_declares(name: str, height: int, width: int) -> None:
    backbone = make_backbone(name)
    maps = backbone(torch.rand(2, 3, height, width))
    assert len(maps) == len(backbone.channels) == len(backbone.strides)
    for feature, channels, stride in zip(maps, backbone.channels, backbone.strides, strict=True):
        assert feature.shape == (2, channels, math.ceil(height / stride), math.ceil(width / stride))


def test_macs_are_those_of_the_convolutions(task: Task) -> None:
    layer = Plain(3, 8, 2)
    assert layer.conv.weight.numel() == 3 * 8 * 9
    network = build("pico", task, 32, 32)
    sizes = [16, 8, 4, 2, 1]
    widths = [3, *(layer.channels for layer in BACKBONES["pico"])]
    body = sum(9 * a * b * s * s for a, b, s in zip(widths, widths[1:], sizes, strict=False))
    last = widths[-1]
    hidden = 2 * last
    assert count_macs(network) == body + last * hidden + 3 * hidden  # one place is left of 32 x 32


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(ConfigError, match="'huge'"):
        make_backbone("huge")


def test_every_kind_of_task_has_a_head() -> None:
    assert set(HEADS) == set(KINDS)


@settings(max_examples=20, deadline=None)
@given(names=st.integers(1, 7), height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 1000))
def test_the_logit_is_the_mean_of_the_map_and_a_bias(names: int, height: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    head = StatesHead(6, names, height, width)
    head.train()([torch.rand(8, 6, height, width)])  # running statistics
    stir(head.eval(), seed)
    maps = [torch.rand(3, 6, height, width)]
    outputs = head(maps)
    assert outputs["cam"].shape == (3, names, *head.grid)
    assert torch.allclose(outputs["cam"].mean((2, 3)) + head.tell.bias, outputs["logits"], atol=1e-4)
    head.fuse()
    for key, value in head(maps).items():
        assert torch.allclose(value, outputs[key], atol=1e-4), key


def test_the_same_seed_builds_the_same_network(task: Task) -> None:
    def once() -> Network:
        torch.manual_seed(5)
        return build("pico", task, 32, 32)

    one, two = once().state_dict(), once().state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_task_of_one_name_works() -> None:
    network = build("pico", from_spec({"kind": "states", "names": ["free"]}), 29, 68)
    assert network.eval()(torch.rand(1, 3, 29, 68))["logits"].shape == (1, 1)


def test_hints_are_learned_and_never_ship(task: Task) -> None:
    network = build("pico", task, 32, 32, hints=3)
    x = torch.rand(4, 3, 32, 32)
    assert network.train()(x)["hints"].shape == (4, 3)
    assert "hints" not in network.eval()(x)
    assert not [name for name in network.fused().state_dict() if "hint" in name]
