"""Hints: numbers kept with the pictures, learned beside the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from telltale.dataset.catalogue import Example
from telltale.project import Hint
from telltale.train.hints import make_hints
from telltale.train.losses import hint_loss


def examples(**metas: list[object]) -> list[Example]:
    count = len(next(iter(metas.values())))
    return [
        Example(i, Path("x"), f"{i}", "g", "train", 8, 8, {}, {name: values[i] for name, values in metas.items()})
        for i in range(count)
    ]


AZIMUTH: list[object] = [float(a) for a in range(0, 360, 10)]


def test_an_angle_is_two_waves_that_agree_where_the_circle_closes() -> None:
    hints = make_hints(examples(azimuth=[*AZIMUTH, 0.0, 360.0]), {"azimuth": Hint(period=360, mirror="negate")})
    assert hints.names == ("sin(1azimuth)", "cos(1azimuth)", "sin(2azimuth)", "cos(2azimuth)")
    np.testing.assert_allclose(hints.values[-1], hints.values[-2], atol=1e-5)
    np.testing.assert_allclose(hints.values.std(0), 1, atol=0.1)


def test_a_flip_negates_or_keeps_or_forgets_as_it_is_told() -> None:
    values: list[object] = [float(v) for v in range(-5, 6)]
    wanted = {"a": Hint(mirror="negate"), "b": Hint(mirror="same"), "c": Hint()}
    hints = make_hints(examples(a=values, b=values, c=values), wanted)
    np.testing.assert_allclose(hints.mirrored[:, 0], -hints.values[:, 0], atol=1e-6)
    np.testing.assert_array_equal(hints.mirrored[:, 1], hints.values[:, 1])
    assert np.isnan(hints.mirrored[:, 2]).all()
    assert not np.isnan(hints.values[:, 2]).any()


def test_a_number_that_is_missing_a_word_or_constant_teaches_nothing() -> None:
    few: list[object] = [1.0, 2.0, *[None] * 20]
    words: list[object] = ["red"] * 22
    same: list[object] = [3.0] * 22
    wanted = {"few": Hint(), "words": Hint(), "same": Hint(), "absent": Hint()}
    assert make_hints(examples(few=few, words=words, same=same), wanted).names == ()


def test_an_unknown_hint_adds_no_loss_and_no_gradient() -> None:
    answers = torch.tensor([[1.0, 5.0], [2.0, 7.0]], requires_grad=True)
    loss = hint_loss(answers, torch.tensor([[0.0, float("nan")], [0.0, float("nan")]]))
    assert loss.item() == 2.5
    loss.backward()  # type: ignore[no-untyped-call]
    assert answers.grad is not None
    assert answers.grad[:, 1].abs().sum() == 0
    assert hint_loss(answers, torch.full((2, 2), float("nan"))).item() == 0
