"""Muon moves kernels by an orthogonal step and everything else by Adam; AdamW stays the default."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from telltale.model import build
from telltale.project import Train
from telltale.tasks import from_spec
from telltale.train.optimizers import KERNEL_RATE, Muon, make_optimizer, orthogonalise, parameter_groups

TASK = from_spec({"kind": "mask", "names": ["blot"]})


@pytest.mark.parametrize("shape", [(8, 27), (27, 8), (16, 16), (1, 9)])
def test_singular_values_become_nearly_equal_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    assert shape[0] == 1 or values.max() / values.min() > 1.5  # so the test can fail
    found = orthogonalise(matrix)
    inside = u.T @ found @ v.T
    assert torch.allclose(inside, torch.diag(torch.diagonal(inside)), atol=1e-3)
    assert ((torch.diagonal(inside) > 0.6) & (torch.diagonal(inside) < 1.3)).all()


def test_what_is_no_kernel_moves_as_adamw_moves_it() -> None:
    torch.manual_seed(0)
    one = nn.Sequential(nn.BatchNorm1d(5))
    other = copy.deepcopy(one)
    mine = Muon(parameter_groups(one, 0.1), 0.01)
    theirs = torch.optim.AdamW(parameter_groups(other, 0.1), lr=0.01)
    for _ in range(5):
        x = torch.randn(16, 5) + 2
        for network, optimizer in ((one, mine), (other, theirs)):
            optimizer.zero_grad()
            (network(x) * torch.arange(5.0)).square().sum().backward()
            optimizer.step()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_kernel_moves_by_the_rate_however_small_its_gradient_is() -> None:
    for size in (1.0, 1e-4):
        layer = nn.Conv2d(3, 8, 3, bias=False)
        before = layer.weight.detach().clone()
        optimizer = Muon(parameter_groups(layer, 0.0), 0.01)
        layer.weight.grad = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(1)) * size
        optimizer.step()
        moved = torch.linalg.matrix_norm((layer.weight.detach() - before).flatten(1), 2)
        assert float(moved) == pytest.approx(0.01 * KERNEL_RATE, rel=0.3)


def test_the_setting_chooses_and_a_stopped_run_goes_on_the_same() -> None:
    network = build("pico", TASK, 32, 32)
    assert isinstance(make_optimizer(network, Train()), torch.optim.AdamW)
    optimizer = make_optimizer(network, Train(optimizer="muon"))
    assert isinstance(optimizer, Muon)

    def step(net: nn.Module, by: torch.optim.Optimizer, seed: int) -> None:
        x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        by.zero_grad()
        net(x)["logits"].square().mean().backward()
        by.step()

    step(network, optimizer, 0)
    twin = copy.deepcopy(network)
    again = make_optimizer(twin, Train(optimizer="muon"))
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(network, optimizer, 1)
    step(twin, again, 1)
    for a, b in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
