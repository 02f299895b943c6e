"""Channels taken out of a trained net."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from telltale.errors import TrainError
from telltale.model import Network, build, load_run
from telltale.model.backbones import Branched, PlainNet
from telltale.model.cost import cost_of, read_budget
from telltale.model.heads import StatesHead
from telltale.model.mask_head import MaskHead
from telltale.model.plan import read_plan
from telltale.progress import Quiet
from telltale.tasks import Task, from_spec
from telltale.train import run
from telltale.train.prune import Kept, groups_of, importance, plan_of, prune, thin
from telltale.train.shrink import prune_run
from toy_project import project_of

MASK = from_spec({"kind": "mask", "names": ["blot"]})


def shaken(network: Network) -> Network:
    """With normalisations that are not as they began."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.3, 1.2)
    return network.eval()


def silence(network: Network, kept: Kept) -> None:
    """Make every channel that is not kept 0."""
    rows = [*kept.layers, *([kept.hidden] if kept.hidden is not None else [])]
    for group, keep in zip(groups_of(network), rows, strict=True):
        for norm in group:
            gone = torch.ones(len(norm.weight), dtype=torch.bool)
            gone[keep] = False
            norm.weight.data[gone] = 0
            norm.bias.data[gone] = 0


@pytest.mark.parametrize("plan", ["8-12+12-16x2/12", "pico"])
def test_a_thin_net_is_the_net_whose_other_channels_are_silent(task: Task, plan: str) -> None:
    torch.manual_seed(0)
    network = shaken(build(plan, task, 24, 32, hints=3))
    layers = tuple(torch.arange(0, layer.channels, 2 if k % 2 else 3) for k, layer in enumerate(read_plan(plan).layers))
    kept = Kept(layers, torch.arange(1, cast(StatesHead, network.head).width, 2))
    small = thin(network, kept).eval()
    silence(network, kept)
    pixels = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        one, two = network(pixels), small(pixels)
        fused = small.fused()(pixels)
    for name in ("logits", "cam"):
        torch.testing.assert_close(two[name], one[name], atol=1e-4, rtol=1e-4)
    assert network.hint is not None
    assert small.hint is not None
    assert torch.equal(small.hint.weight, network.hint.weight[:, kept.hidden])
    torch.testing.assert_close(fused["logits"], two["logits"], atol=1e-4, rtol=1e-4)


def test_a_thin_mask_net_is_the_net_whose_other_channels_are_silent() -> None:
    torch.manual_seed(0)
    network = shaken(build("8-12-16x2-20", MASK, 32, 48))
    kept = Kept(
        (torch.arange(5), torch.arange(2, 8), torch.arange(3, 9), torch.arange(0, 16, 3), torch.arange(7)), None
    )
    small = thin(network, kept).eval()
    silence(network, kept)
    # The narrowing layers have a shift of their own that no normalisation silences: what they add is mixed away.
    pixels = torch.rand(2, 3, 32, 48)
    for k, narrow in enumerate(cast(MaskHead, network.head).narrow):
        rows = kept.layers[[3, 1][k]]
        gone = torch.ones(len(cast(torch.Tensor, narrow.weight)), dtype=torch.bool)
        gone[rows] = False
        assert isinstance(narrow, nn.Conv2d)
        narrow.weight.data[gone] = 0
        cast(torch.Tensor, narrow.bias).data[gone] = 0
    with torch.no_grad():
        torch.testing.assert_close(small(pixels)["logits"], network(pixels)["logits"], atol=1e-4, rtol=1e-4)


def test_the_least_important_channel_is_the_one_that_says_nothing(task: Task) -> None:
    torch.manual_seed(0)
    network = shaken(build("8-12-16/12", task, 24, 32))
    first = cast(PlainNet, network.backbone).layers[0]
    assert isinstance(first, Branched)
    first.norm.weight.data[3] = 0
    first.norm.bias.data[3] = 0

    def backward(net: Network, number: int) -> None:
        torch.manual_seed(number)
        net(torch.rand(4, 3, 24, 32))["logits"].square().mean().backward()

    scores = importance(network, backward, range(3), Quiet())
    assert [len(score) for score in scores] == [8, 12, 16, 12]
    assert int(scores[0].argmin()) == 3
    assert float(scores[0][3]) == 0


@pytest.mark.parametrize("text", ["macs<60K", "parameters<2500", "flash<15K,macs<90K"])
def test_a_pruned_net_fits_its_budget(task: Task, text: str) -> None:
    torch.manual_seed(0)
    network = build("pico", task, 24, 32)
    budget = read_budget(text)
    assert budget.use(cost_of(network)) > 1.2

    def backward(net: Network, number: int) -> None:
        torch.manual_seed(number)
        net(torch.rand(4, 3, 24, 32))["logits"].square().mean().backward()

    small, plan = prune(network, budget, backward, batches=2)
    assert 0.5 < budget.use(cost_of(small)) <= 1
    assert read_plan(str(plan)) == plan == plan_of(small)
    assert isinstance(small.backbone, PlainNet)
    assert all(layer.channels % 4 == 0 for layer in plan.layers)


def test_a_budget_too_small_is_said(task: Task) -> None:
    with pytest.raises(TrainError, match="cannot be pruned to macs<10"):
        prune(build("pico", task, 24, 32), read_budget("macs<10"), lambda net, number: None, batches=1)


def test_a_unet_is_not_pruned() -> None:
    with pytest.raises(TrainError, match="plain backbone"):
        prune(build("unet_tiny", MASK, 32, 32), read_budget("macs<10K"), lambda net, number: None)


def test_a_pruned_run_loads_and_resumes_like_any_other(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    run(project, name="big")
    done = prune_run(project, read_budget("macs<80K"), name="small", changes={"epochs": 1})
    assert done.after.macs <= 80_000 < done.before.macs
    network, config = load_run(done.result.run_dir)
    assert config.train.backbone == done.plan
    assert config.start == "big"
    assert cost_of(network).macs == done.after.macs == config.macs
    # Killed before its first checkpoint it still begins with what was left of `big`.
    for name in ("last.pt", "best.pt"):
        (done.result.run_dir / name).unlink()
    run(project, name="small", resume=True)
    again, _ = load_run(done.result.run_dir)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )
