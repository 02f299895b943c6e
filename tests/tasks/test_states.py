"""Metrics of `states` against scikit-learn, and what thresholds and words mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from telltale.errors import CatalogueError, ConfigError
from telltale.tasks import Label, Target, Threshold
from telltale.tasks.counting import BINS, logit_bins
from telltale.tasks.states import States, parse_state

TASK = States(("left", "right", "hood"), (("left", "right"),))


def drawn(seed: int, count: int) -> tuple[np.ndarray, Target]:
    rng = np.random.default_rng(seed)
    truth = rng.random((count, 3)) < 0.4
    p = np.clip(rng.normal(np.where(truth, 0.65, 0.35), 0.2), 0, 1).astype(np.float32)
    known = rng.random((count, 3)) < 0.8
    return p, Target(truth.astype(np.float32), known, known & (rng.random((count, 3)) < 0.1))


@given(seed=st.integers(0, 10_000), count=st.integers(20, 300))
@settings(max_examples=10, deadline=None)
def test_metrics_are_those_of_scikit_learn(seed: int, count: int) -> None:
    p, target = drawn(seed, count)
    score = TASK.score(TASK.tally({"probabilities": p}, target, TASK.default_thresholds()))
    for k, name in enumerate(TASK.names):
        here = target.known[:, k]
        truth, said = target.values[here, k] >= 0.5, p[here, k] >= 0.5
        if truth.all() or not truth.any() or not said.any():
            continue
        head = score["heads"][name]
        assert head["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
        assert head["precision"] == pytest.approx(metrics.precision_score(truth, said))
        assert head["recall"] == pytest.approx(metrics.recall_score(truth, said))
        assert head["f1"] == pytest.approx(metrics.f1_score(truth, said))
        assert head["auroc"] == pytest.approx(metrics.roc_auc_score(truth, logit_bins(p[here, k])))
        tn, fp, fn, tp = metrics.confusion_matrix(truth, said, labels=[False, True]).ravel()
        assert head["confusion"] == {"tp": tp, "fp": fp, "tn": tn, "fn": fn}


def test_a_very_sure_model_is_still_ranked() -> None:
    """Every probability is within a thousandth of 0 or 1; equal steps of the probability would see two values."""
    rng = np.random.default_rng(0)
    truth = rng.random((3000, 1)) < 0.5
    logit = rng.normal(np.where(truth, 12.0, 9.0), 1.0)
    p = (1 / (1 + np.exp(-logit))).astype(np.float32)
    one = States(("door",))
    target = Target(truth.astype(np.float32), np.ones_like(truth), np.zeros_like(truth))
    score = one.score(one.tally({"probabilities": p}, target, one.default_thresholds()))
    assert score["overall"]["auroc"] == pytest.approx(metrics.roc_auc_score(truth, p), abs=0.002)
    assert score["overall"]["auroc"] > 0.95


@given(p=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=60))
def test_bins_never_swap_two_probabilities(p: list[float]) -> None:
    values = np.sort(np.array(p, np.float32))
    assert (np.diff(logit_bins(values)) >= 0).all()
    np.testing.assert_array_equal(logit_bins(values) >= BINS // 2, values >= 0.5)


def test_expected_calibration_error_is_the_gap_between_claim_and_truth() -> None:
    rng = np.random.default_rng(1)
    p = rng.random((4000, 1)).astype(np.float32)
    one = States(("door",))

    def ece(truth: np.ndarray) -> float:
        target = Target(truth.astype(np.float32), np.ones_like(truth), np.zeros_like(truth))
        tally = one.tally({"probabilities": p}, target, one.default_thresholds())
        return float(one.score(tally)["overall"]["ece"])

    assert ece(rng.random(p.shape) < p) < 0.03
    assert ece(np.ones_like(p, np.bool_)) == pytest.approx(1 - float(p.mean()), abs=1e-4)


def test_exact_match_wants_every_name_known_and_right() -> None:
    p = np.array([[0.9, 0.1, 0.9], [0.9, 0.1, 0.55], [0.9, 0.9, 0.9], [0.9, 0.1, 0.9]], np.float32)
    values = np.array([[1, 0, 1]] * 4, np.float32)
    known = np.ones((4, 3), np.bool_)
    known[3, 2] = False
    target = Target(values, known, np.zeros_like(known))
    thresholds = {name: Threshold(0.4, 0.6) for name in TASK.names}
    overall = TASK.score(TASK.tally({"probabilities": p}, target, thresholds))["overall"]
    assert overall["pictures"] == 3
    assert overall["exact_match"] == pytest.approx(2 / 3)
    assert overall["exact_match_told"] == pytest.approx(1 / 3)


@given(p=st.floats(0, 1, width=32), low=st.floats(0, 1), width=st.floats(0, 1))
def test_an_answer_is_on_off_or_unsure_by_its_thresholds(p: float, low: float, width: float) -> None:
    high = min(1.0, low + width)
    one = States(("door",))
    reading = one.decode({"probabilities": np.array([[p]], np.float32)}, {"door": Threshold(low, high)})[0].readings[
        "door"
    ]
    expected = "on" if p >= high else "off" if p <= low else "unsure"
    assert reading.state == expected
    assert reading.prob == p
    assert reading.to_json()["pred"] == int(p >= 0.5)


@pytest.mark.parametrize("value", [True, 1, 1.0, "on", "Open", " yes ", "1", "true"])
def test_words_for_on(value: object) -> None:
    assert parse_state("door", value) == 1.0


@pytest.mark.parametrize("value", [False, 0, 0.0, "off", "CLOSED", "no", "0", "false"])
def test_words_for_off(value: object) -> None:
    assert parse_state("door", value) == 0.0


@pytest.mark.parametrize("value", ["", "maybe", 2, 0.5, float("nan"), [], {}, -1])
def test_other_words_are_refused_with_the_label_named(value: object) -> None:
    with pytest.raises(CatalogueError, match="'door'"):
        parse_state("door", value)


def test_a_label_too_little_of_which_shows_is_hidden_and_one_nobody_measured_is_not() -> None:
    task = States(("a", "b", "c"), min_visible=0.01)
    target = task.encode({"a": Label(True, 0.009), "b": Label(True, 0.01), "c": Label(True)})
    assert target.hidden.tolist() == [True, False, False]


def test_a_flip_swaps_the_pair_and_leaves_the_rest() -> None:
    target = TASK.encode({"left": Label(True), "hood": Label(True)})
    flipped = TASK.mirror(target)
    assert flipped.values.tolist() == [0.0, 1.0, 1.0]
    assert flipped.known.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"names": []}, "names"),
        ({"names": ["a", "a"]}, "names"),
        ({"names": ["a", ""]}, "names"),
        ({"names": "hood"}, "names"),
        ({"names": [1, 2]}, "names"),
        ({"names": ["a", "b"], "mirror": [["a", "c"]]}, "mirror"),
        ({"names": ["a", "b"], "mirror": [["a", "a"]]}, "mirror"),
        ({"names": ["a", "b"], "mirror": ["ab"]}, "mirror"),
        ({"names": ["a", "b"], "mirror": 3}, "mirror"),
        ({"names": ["a", "b"], "mirror": [["a", "b"], ["b", "a"]]}, "mirror"),
        ({"names": ["a"], "min_visible": "much"}, "min_visible"),
        ({"names": ["a"], "min_visible": -0.5}, "min_visible"),
        ({"names": ["a"], "min_visible": True}, "min_visible"),
        ({}, "names"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused_by_its_key(spec: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        States.from_spec({"kind": "states", **spec})


@given(p=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
def test_every_probability_finds_its_bin(p: list[float]) -> None:
    one = States(("door",))
    values = np.ones((len(p), 1), np.float32)
    target = Target(values, values > 0, values > 2)
    tally = one.tally({"probabilities": np.array(p, np.float32)[:, None]}, target, one.default_thresholds())
    assert tally.histogram.sum() == len(p)
    assert tally.told.sum() == len(p)
    on = int((np.array(p, np.float32) >= 0.5).sum())
    assert tally.histogram[0, 1, BINS // 2 :].sum() == on
