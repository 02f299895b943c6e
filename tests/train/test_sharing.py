"""A batch in shares: the same gradients, the same weights every time."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from telltale.train.shares import SMALLEST, Shares, count_shares


def learn(network: nn.Module, part: Tensor) -> float:
    loss = network(part).square().sum()
    loss.backward()
    return float(loss.detach())


@given(st.integers(1, 64), st.integers(1, 256))
def test_no_share_is_too_small_for_normalisation(threads: int, batch: int) -> None:
    count = count_shares(threads, batch)
    assert 1 <= count <= threads
    assert count == 1 or batch // count >= SMALLEST


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_learn_what_the_whole_batch_teaches(count: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    whole = copy.deepcopy(network)
    batch = torch.randn(25, 4)
    expected = learn(whole, batch)
    shares = Shares(network, count, count)
    for _ in range(2):  # the second batch must not add to the first
        network.zero_grad(set_to_none=True)
        losses = shares.run(learn, [batch[rows] for rows in shares.rows(25)])
    shares.close()
    assert sum(losses) == pytest.approx(expected, rel=1e-5)
    for mine, theirs in zip(network.parameters(), whole.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_a_step_on_the_weights_is_a_step_of_every_copy() -> None:
    network = nn.Linear(3, 1)
    shares = Shares(network, 2, 2)
    with torch.no_grad():
        network.weight.fill_(7.0)
    network.load_state_dict({"weight": torch.full((1, 3), 9.0), "bias": torch.zeros(1)})
    assert [float(copy(torch.ones(1, 3)).detach()) for copy in shares.copies] == [27.0, 27.0]
    shares.close()


def test_torch_has_its_threads_again_afterwards() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    shares = Shares(nn.Linear(3, 1), 2, 2)
    assert torch.get_num_threads() == 1
    shares.close()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_what_goes_wrong_in_a_share_is_heard() -> None:
    shares = Shares(nn.Linear(3, 1), 2, 2)

    def fail(network: nn.Module, _part: int) -> None:
        if network is not shares.copies[0]:
            raise ArithmeticError("no number")

    with pytest.raises(ArithmeticError, match="no number"):
        shares.run(fail, [0, 1])
    shares.close()
