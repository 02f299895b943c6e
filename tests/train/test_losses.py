"""What the loss counts, and what it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from telltale.project import Train
from telltale.tasks import KINDS, Target, Task
from telltale.train.feed import BatchTarget
from telltale.train.losses import LOSSES, StatesLoss, make_loss, side_weights

EVEN = torch.ones(3)


def batch(values: list[float], known: list[float] | None = None, hidden: list[float] | None = None) -> BatchTarget:
    return BatchTarget(
        *(torch.tensor([row], dtype=torch.float32) for row in (values, known or [1.0] * 3, hidden or [0.0] * 3))
    )


def logits(*values: float) -> dict[str, torch.Tensor]:
    return {"logits": torch.tensor([values], dtype=torch.float32, requires_grad=True)}


def gradient(loss: StatesLoss, target: BatchTarget, *values: float) -> list[float]:
    outputs = logits(*values)
    loss(outputs, target).backward()  # type: ignore[no-untyped-call]
    grad = outputs["logits"].grad
    assert grad is not None
    numbers: list[float] = grad[0].tolist()
    return numbers


def test_an_unlabelled_state_adds_no_loss() -> None:
    loss = StatesLoss(EVEN, EVEN, "label")
    one = loss(logits(2.0, -1.0, 50.0), batch([1, 0, 0], known=[1, 1, 0]))
    two = loss(logits(2.0, -1.0, -50.0), batch([1, 0, 1], known=[1, 1, 0]))
    assert one.item() == two.item()
    assert gradient(loss, batch([1, 0, 0], known=[1, 1, 0]), 0, 0, 0)[2] == 0


def test_the_loss_is_the_binary_cross_entropy() -> None:
    loss = StatesLoss(EVEN, EVEN, "label")(logits(2.0, -1.0, 0.0), batch([1, 1, 0]))
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1)) + math.log(2)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_a_hidden_label_is_taught_as_unsure() -> None:
    loss = StatesLoss(EVEN, EVEN, "unsure")
    assert gradient(loss, batch([1, 1, 0], hidden=[0, 1, 0]), 0, 0, 0)[1] == 0
    assert gradient(loss, batch([1, 1, 0], hidden=[0, 1, 0]), 0, 3, 0)[1] > 0
    assert gradient(loss, batch([1, 1, 0], hidden=[0, 1, 0]), 0, -3, 0)[1] < 0


def test_a_hidden_label_can_be_skipped_or_taken_as_it_is() -> None:
    hidden = batch([1, 1, 0], hidden=[0, 1, 0])
    assert gradient(StatesLoss(EVEN, EVEN, "skip"), hidden, 0, -3, 0)[1] == 0
    assert gradient(StatesLoss(EVEN, EVEN, "label"), hidden, 0, 0, 0)[1] < 0


def test_the_watched_likelihood_leaves_out_what_cannot_be_seen() -> None:
    loss = StatesLoss(torch.full((3,), 7.0), EVEN, "unsure")
    total, count = loss.likelihood(logits(0, 0, 0), batch([1, 1, 0], known=[1, 1, 0], hidden=[0, 1, 0]))
    assert count.tolist() == [1, 0, 0]
    assert total.tolist() == pytest.approx([math.log(2), 0, 0])


def test_the_rarer_side_weighs_more_and_the_mean_weight_is_one() -> None:
    values = np.zeros((20, 3), np.float32)
    values[:5, 0] = 1
    values[:10, 1] = 1
    known = np.ones((20, 3), np.bool_)
    known[10:, 0] = False
    positive, negative = side_weights(Target(values, known, np.zeros_like(known)))
    assert positive.tolist() == pytest.approx([1.0, 1.0, 1.0])
    known[:] = True
    positive, negative = side_weights(Target(values, known, np.zeros_like(known)))
    assert positive[0] == pytest.approx(2.0)
    assert negative[0] == pytest.approx(20 / 30)
    assert (5 * positive[0] + 15 * negative[0]) / 20 == pytest.approx(1.0)
    assert positive[2] == negative[2] == 1.0  # never on: nothing to balance


def test_every_kind_of_task_has_a_loss(task: Task) -> None:
    assert set(LOSSES) == set(KINDS)
    target = Target(np.ones((4, 3), np.float32), np.ones((4, 3), np.bool_), np.zeros((4, 3), np.bool_))
    loss = make_loss(task, target, Train(hidden="skip"))
    assert isinstance(loss, StatesLoss)
    assert loss.hidden == "skip"
