"""Thresholds for a cost, a precision or a recall, against trying them all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale.errors import ConfigError
from telltale.tasks import Target, Threshold
from telltale.tasks.decide import PRIOR, thresholds_for_cost, thresholds_for_target


def target_of(truth: np.ndarray) -> Target:
    return Target(
        truth.astype(np.float32)[:, None], np.ones((len(truth), 1), np.bool_), np.zeros((len(truth), 1), np.bool_)
    )


def cost_of(p: np.ndarray, share: np.ndarray, t: Threshold, costs: tuple[float, float, float]) -> float:
    """share: of each picture being on, 0 to 1."""
    on = p >= t.high
    off = (p <= t.low) & ~on
    return float(costs[0] * (1 - share)[on].sum() + costs[1] * share[off].sum() + costs[2] * (~on & ~off).sum())


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 14),
    costs=st.tuples(st.sampled_from([0, 1, 5]), st.sampled_from([0, 1, 5]), st.sampled_from([0, 0.5, 2, 9])),
    steps=st.sampled_from([3, 1000]),
)
@settings(max_examples=80, deadline=None)
def test_no_other_pair_of_thresholds_is_cheaper(
    seed: int, count: int, costs: tuple[float, float, float], steps: int
) -> None:
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(count) * steps) / steps
    truth = rng.random(count) < p
    chosen = thresholds_for_cost(
        p[:, None], target_of(truth), names=["x"], cost_fp=costs[0], cost_fn=costs[1], cost_unsure=costs[2]
    )["x"]
    share = (count * truth + PRIOR * p) / (count + PRIOR)
    values = np.unique(p)
    cuts = [0.0, *((values[1:] + values[:-1]) / 2), 1.0]
    best = min(cost_of(p, share, Threshold(low, high), costs) for i, low in enumerate(cuts) for high in cuts[i:])
    assert cost_of(p, share, chosen.threshold, costs) <= best + 1e-9


def test_a_dear_mistake_widens_unsure_and_a_dear_unsure_closes_it() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(2000) < 0.5
    p = 1 / (1 + np.exp(-rng.normal(np.where(truth, 1.5, -1.5), 1.5)))

    def width(unsure: float) -> float:
        t = thresholds_for_cost(p[:, None], target_of(truth), names=["x"], cost_fp=10, cost_fn=10, cost_unsure=unsure)[
            "x"
        ].threshold
        return t.high - t.low

    assert width(0.5) > width(2) > width(8) == 0.0


def test_a_small_set_without_errors_does_not_pull_the_cut_to_its_last_picture() -> None:
    """All that is on has p >= 0.04 here: by labels alone the cheapest cut is 0.04, and the next picture pays."""
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.uniform(0, 0.039, 250), rng.uniform(0.041, 0.5, 14), rng.uniform(0.9, 1, 60)])
    truth = p > 0.04
    threshold = thresholds_for_cost(p[:, None], target_of(truth), names=["x"], cost_fp=10, cost_fn=5, cost_unsure=1)[
        "x"
    ].threshold
    assert threshold.high > 0.4
    assert threshold.low < 0.15


def test_two_classes_far_apart_are_cut_in_the_middle() -> None:
    truth = np.arange(20) >= 10
    p = np.where(truth, 0.9, 0.2)
    chosen = thresholds_for_cost(p[:, None], target_of(truth), names=["x"], cost_fp=1, cost_fn=1, cost_unsure=1)["x"]
    assert chosen.threshold == Threshold(0.55, 0.55)


def test_a_precision_asked_for_is_reached_with_the_most_recall() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(600) < 0.5
    p = np.clip(rng.normal(np.where(truth, 0.65, 0.35), 0.2), 0, 1)
    cut = thresholds_for_target(p[:, None], target_of(truth), names=["x"], precision=0.95)["x"].threshold.high

    def precision(c: float) -> float:
        return float(truth[p >= c].mean())

    assert precision(cut) >= 0.95
    assert all(precision(c) < 0.95 for c in p if c < cut)


def test_a_recall_asked_for_is_reached_with_the_highest_cut() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(600) < 0.5
    p = np.clip(rng.normal(np.where(truth, 0.65, 0.35), 0.2), 0, 1)
    cut = thresholds_for_target(p[:, None], target_of(truth), names=["x"], recall=0.9)["x"].threshold.high
    positives = p[truth]
    assert (positives >= cut).mean() >= 0.9
    assert all((positives >= c).mean() < 0.9 for c in positives if c > cut)


@pytest.mark.parametrize("word", ["precision", "recall"])
def test_a_level_with_confidence_holds_in_the_long_run(word: str) -> None:
    rng = np.random.default_rng(5)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.random(count) < 0.5
        return 1 / (1 + np.exp(-rng.normal(np.where(truth, 2.0, -2.0), 1.6))), truth

    p_all, truth_all = draw(100_000)
    broken = 0
    for _ in range(100):
        p, truth = draw(400)
        asked = {word: 0.9}
        cut = thresholds_for_target(
            p[:, None],
            target_of(truth),
            names=["x"],
            precision=asked.get("precision"),
            recall=asked.get("recall"),
            confidence=0.9,
        )["x"].threshold.high
        on = p_all >= cut
        got = truth_all[on].mean() if word == "precision" else on[truth_all].mean()
        broken += got < 0.9
    assert broken <= 20, broken


def test_what_cannot_be_reached_is_said() -> None:
    truth = np.array([True, False] * 50)
    p = np.full(100, 0.5)
    found = thresholds_for_target(p[:, None], target_of(truth), names=["x"], precision=0.99)["x"]
    assert found.note.startswith("Not reached")


def test_a_name_without_labels_keeps_a_half() -> None:
    nothing = Target(np.zeros((3, 1), np.float32), np.zeros((3, 1), np.bool_), np.zeros((3, 1), np.bool_))
    found = thresholds_for_target(np.full((3, 1), 0.4), nothing, names=["x"], recall=0.9)["x"]
    assert found.threshold == Threshold(0.5, 0.5)
    assert "no picture" in found.note


def test_targets_and_costs_that_make_no_sense_are_refused() -> None:
    p, target = np.full((3, 1), 0.4), target_of(np.array([True, False, True]))
    with pytest.raises(ConfigError, match="either"):
        thresholds_for_target(p, target, names=["x"])
    with pytest.raises(ConfigError, match="between 0 and 1"):
        thresholds_for_target(p, target, names=["x"], precision=1.5)
    with pytest.raises(ConfigError, match="cost_fn"):
        thresholds_for_cost(p, target, names=["x"], cost_fp=1, cost_fn=-1, cost_unsure=1)
