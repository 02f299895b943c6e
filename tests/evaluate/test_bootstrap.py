"""Intervals: sums of tallies, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from telltale.evaluate.bootstrap import Measure, measure, tally_groups
from telltale.tasks import Target, Threshold
from telltale.tasks.binomial import interval
from telltale.tasks.states import States

TASK = States(("door", "hood"))
THRESHOLDS = {"door": Threshold(0.4, 0.6), "hood": Threshold(0.2, 0.8)}


def drawn(
    rng: np.random.Generator, groups: int, size: int, *, shared: float = 0.0
) -> tuple[np.ndarray, Target, list[str]]:
    """Probabilities right 90 % of the time; with `shared` 1 the wrong tenth is of whole groups."""
    count = groups * size
    truth = rng.random((count, 2)) < 0.5
    alone = rng.random((count, 2)) < 0.1
    together = np.repeat(rng.random((groups, 1)) < 0.1, size, axis=0)
    wrong = np.where(rng.random() < shared, together, alone)
    p = np.where(truth ^ wrong, 0.9, 0.1).astype(np.float32)
    target = Target(truth.astype(np.float32), np.ones_like(truth), np.zeros_like(truth))
    return p, target, [f"g{i // size}" for i in range(count)]


def test_the_weighted_sum_of_groups_is_the_tally_of_their_pictures() -> None:
    rng = np.random.default_rng(0)
    p, target, groups = drawn(rng, 6, 7)
    p = rng.random(p.shape).astype(np.float32)
    clustered = tally_groups(TASK, p, target, groups, THRESHOLDS)
    weights = np.array([2.0, 0, 1, 3, 0, 1])
    rows = np.concatenate([np.repeat(np.arange(g * 7, g * 7 + 7), int(w)) for g, w in enumerate(weights)])
    expected = TASK.tally(
        {"probabilities": p[rows]},
        Target(target.values[rows], target.known[rows], target.hidden[rows]),
        THRESHOLDS,
    )
    total = clustered.total(weights)
    np.testing.assert_array_equal(total.histogram, expected.histogram)
    np.testing.assert_allclose(total.claimed, expected.claimed)
    np.testing.assert_array_equal(total.reliability, expected.reliability)
    np.testing.assert_array_equal(total.told, expected.told)
    assert (total.pictures, total.exact, total.exact_argmax) == (
        expected.pictures,
        expected.exact,
        expected.exact_argmax,
    )


@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["errors alone", "errors by the group"])
def test_the_interval_holds_the_true_accuracy_about_as_often_as_it_says(shared: float) -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(30):
        p, target, groups = drawn(rng, 40, 10, shared=shared)
        overall, _ = measure(TASK, tally_groups(TASK, p, target, groups, THRESHOLDS), replicates=40, seed=1)
        found = overall["accuracy"]
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.9 <= found.high
    assert held >= 25, f"{held} of 30"


def test_errors_by_the_group_widen_the_interval() -> None:
    widths = []
    for shared in (0.0, 1.0):
        p, target, groups = drawn(np.random.default_rng(3), 40, 10, shared=shared)
        found = measure(TASK, tally_groups(TASK, p, target, groups, THRESHOLDS), replicates=200)[1]["door"]["accuracy"]
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths[1] > 1.5 * widths[0]


def test_no_error_still_leaves_an_interval() -> None:
    truth = np.array([[True, False]] * 50)
    target = Target(truth.astype(np.float32), np.ones_like(truth), np.zeros_like(truth))
    p = np.where(truth, 0.99, 0.01).astype(np.float32)
    groups = [f"g{i % 10}" for i in range(50)]
    _, heads = measure(TASK, tally_groups(TASK, p, target, groups, THRESHOLDS), replicates=50)
    assert heads["door"]["accuracy"] == Measure(1.0, *interval(50, 50))
    assert heads["door"]["auroc"].value is None, "one class has no ranking"


def test_one_group_gives_values_without_intervals() -> None:
    p, target, groups = drawn(np.random.default_rng(0), 1, 20)
    overall, _ = measure(TASK, tally_groups(TASK, p, target, groups, THRESHOLDS), replicates=10)
    assert overall["accuracy"].value is not None
    assert overall["accuracy"].low is None


def test_the_same_seed_gives_the_same_interval() -> None:
    p, target, groups = drawn(np.random.default_rng(0), 10, 20)
    clustered = tally_groups(TASK, p, target, groups, THRESHOLDS)
    assert measure(TASK, clustered, replicates=30, seed=5) == measure(TASK, clustered, replicates=30, seed=5)
