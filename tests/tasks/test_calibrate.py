"""Temperatures and thresholds: what they find, and that what they promise holds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from telltale.errors import ConfigError
from telltale.tasks import Target
from telltale.tasks.alike import alikeness
from telltale.tasks.binomial import upper_bound
from telltale.tasks.calibrate import Tuned, Unit, told_by, tune_thresholds
from telltale.tasks.temperature import fit_temperature

Numbers = NDArray[np.float64]
Bools = NDArray[np.bool_]


def target_of(truth: Bools, known: Bools | None = None) -> Target:
    values = truth.astype(np.float32)
    return Target(values, np.ones_like(truth) if known is None else known, np.zeros_like(truth))


def sigmoid(z: Numbers) -> Numbers:
    return 1.0 / (1.0 + np.exp(-z))


def separated(rng: np.random.Generator, count: int, gap: float = 3.2, spread: float = 2.0) -> tuple[Numbers, Bools]:
    """Logits (N,) of two overlapping classes, and the truth: about 5 % of them lie on the wrong side."""
    truth = rng.random(count) < 0.5
    return rng.normal(np.where(truth, gap, -gap), spread), truth


def tune_one(
    p: Numbers, truth: Bools, *, error: float = 0.01, groups: list[str] | None = None, unit: Unit = "frame"
) -> Tuned:
    return tune_thresholds(
        p[:, None], target_of(truth[:, None]), names=["door"], error=error, confidence=0.90, groups=groups, unit=unit
    )["door"]


# --- temperature


def test_the_temperature_of_overconfident_logits_is_found() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0, 3, (8000, 3))
    truth = rng.random(z.shape) < sigmoid(z)
    found = fit_temperature(z * [2.5, 1.0, 0.4], target_of(truth))
    np.testing.assert_allclose(found, [2.5, 1.0, 0.4], rtol=0.08)


def test_the_temperature_minimises_the_likelihood_with_its_prior() -> None:
    rng = np.random.default_rng(3)
    z, truth = separated(rng, 300)
    signed = np.where(truth, z, -z)
    best = optimize.minimize_scalar(
        lambda log: np.logaddexp(0, -signed * np.exp(-log)).sum() + log * log / 2, bounds=(-3, 3), method="bounded"
    )
    found = float(fit_temperature(z[:, None], target_of(truth[:, None]))[0])
    assert np.log(found) == pytest.approx(best.x, abs=1e-3)


def test_a_name_with_one_class_or_no_label_keeps_its_temperature() -> None:
    z = np.full((50, 3), 4.0)
    truth = np.zeros((50, 3), np.bool_)
    truth[:25, 2] = True
    known = np.ones_like(truth)
    known[:, 1] = False
    found = fit_temperature(z, target_of(truth, known))
    assert found[:2].tolist() == [1.0, 1.0]
    assert found[2] > 5.0, "logits that tell nothing are flattened"


def test_a_name_without_errors_keeps_a_finite_temperature() -> None:
    truth = np.arange(40) % 2 == 1
    found = fit_temperature(np.where(truth, 3.0, -3.0)[:, None], target_of(truth[:, None]))
    assert 0.2 < found[0] < 1.0


def test_an_unknown_label_does_not_move_the_temperature() -> None:
    rng = np.random.default_rng(5)
    z, truth = separated(rng, 400)
    known = rng.random(400) < 0.5
    flipped = np.where(known, truth, ~truth)
    one = fit_temperature(z[:, None], target_of(truth[:, None], known[:, None]))
    other = fit_temperature(z[:, None], target_of(flipped[:, None], known[:, None]))
    assert one == other


# --- thresholds: the guarantee


def _true_error(tuned: Tuned, p: Numbers, truth: Bools) -> float:
    told = told_by(p, tuned.threshold)
    return float(((p >= tuned.threshold.high) != truth)[told].mean()) if told.any() else 0.0


@pytest.mark.parametrize(
    ("count", "gap", "error"),
    [(300, 4.5, 0.01), (400, 2.2, 0.05), (900, 3.2, 0.01), (2500, 3.2, 0.02)],
    ids=["few", "weak model", "more", "enough for both families"],
)
def test_the_realised_error_exceeds_the_level_no_more_often_than_promised(count: int, gap: float, error: float) -> None:
    rng = np.random.default_rng(count)
    z_all, truth_all = separated(rng, 60_000, gap)
    p_all = sigmoid(z_all)
    trials, broken, guaranteed = 150, 0, 0
    for _ in range(trials):
        z, truth = separated(rng, count, gap)
        tuned = tune_one(sigmoid(z), truth, error=error)
        guaranteed += tuned.guaranteed
        broken += tuned.guaranteed and _true_error(tuned, p_all, truth_all) > error
    assert guaranteed > 0.2 * trials, "a guarantee never given is never broken"
    assert stats.binomtest(broken, trials, 0.10, alternative="greater").pvalue > 0.001, f"{broken} of {trials}"


def test_the_promise_holds_for_a_head_whose_middle_is_off_and_apart_tells_more() -> None:
    """Positive weights shift a head's logits; each side on its own finds the shifted middle."""
    rng = np.random.default_rng(8)
    shift = 2.5
    z_all, truth_all = separated(rng, 60_000, 4.0)
    p_all = sigmoid(z_all + shift)
    broken, covered = 0, []
    for _ in range(30):
        z, truth = separated(rng, 3000, 4.0)
        tuned = tune_one(sigmoid(z + shift), truth)
        covered.append(tuned.coverage)
        broken += tuned.guaranteed and _true_error(tuned, p_all, truth_all) > 0.01
    assert broken <= 7
    assert np.mean(covered) > 0.85
    assert tuned.threshold.low > 0.5 or tuned.threshold.high > 0.5


def test_counting_frames_breaks_the_promise_for_grouped_pictures_and_counting_groups_keeps_it() -> None:
    """Errors that come by the group: the frame-level level fails for new groups, the group-level one holds."""
    rng = np.random.default_rng(11)

    def grouped(groups: int, size: int) -> tuple[Numbers, Bools, list[str]]:
        hard = np.repeat(rng.random(groups) < 0.05, size)  # one group in twenty is seen badly
        truth = np.repeat(rng.random(groups) < 0.5, size) ^ (rng.random(groups * size) < 0.3)
        wrong = rng.random(groups * size) < np.where(hard, 0.5, 0.002)
        sure = rng.uniform(2.0, 8.0, groups * size)
        return np.where(truth ^ wrong, sure, -sure), truth, [str(i) for i in range(groups) for _ in range(size)]

    z_all, truth_all, _ = grouped(20_000, 5)
    p_all = sigmoid(z_all)
    broken = {"frame": 0, "group": 0}
    for _ in range(30):
        z, truth, groups = grouped(25, 40)
        units: tuple[Unit, ...] = ("frame", "group")
        for unit in units:
            tuned = tune_one(sigmoid(z), truth, error=0.02, groups=groups, unit=unit)
            broken[unit] += tuned.guaranteed and _true_error(tuned, p_all, truth_all) > 0.02
    assert broken["frame"] > 6, "else this test shows nothing"
    assert broken["group"] <= 6


def test_a_promise_for_new_groups_is_given_where_there_are_enough_groups() -> None:
    rng = np.random.default_rng(12)
    z, truth = separated(rng, 4000, 4.5)
    tuned = tune_one(sigmoid(z), truth, error=0.02, groups=[str(i // 10) for i in range(4000)], unit="group")
    assert tuned.guaranteed
    assert "new groups" in tuned.note
    assert tuned.group_bound is not None
    assert tuned.group_bound <= 0.02


def test_independent_pictures_in_groups_have_no_design_effect() -> None:
    rng = np.random.default_rng(2)
    z, truth = separated(rng, 4000, 2.0)
    clusters = np.arange(4000) // 20
    likeness = alikeness(sigmoid(z)[:, None], target_of(truth[:, None]), clusters)
    assert likeness[0] < 0.03


def test_errors_that_come_by_the_group_are_alike() -> None:
    rng = np.random.default_rng(2)
    truth = rng.random(2000) < 0.5
    clusters = np.arange(2000) // 20
    wrong = (rng.random(100) < 0.2)[clusters]
    p = np.where(truth ^ wrong, 0.9, 0.1)
    assert alikeness(p[:, None], target_of(truth[:, None]), clusters)[0] > 0.95


def test_without_errors_groups_count_once_each() -> None:
    truth = np.arange(600) % 2 == 1
    tuned = tune_one(np.where(truth, 0.99, 0.01), truth, groups=[str(i // 60) for i in range(600)])
    assert tuned.guaranteed, "frames are many"
    assert tuned.groups == 10
    assert tuned.design_effect == pytest.approx(60.0)
    assert tuned.group_bound == pytest.approx(upper_bound(0, 10, 0.90))


# --- thresholds: what is said and chosen


def test_too_few_pictures_are_said_plainly() -> None:
    truth = np.arange(60) % 2 == 1
    tuned = tune_one(np.where(truth, 0.999, 0.001), truth)
    assert not tuned.guaranteed
    assert tuned.note.startswith("Not guaranteed")
    assert "230" in tuned.note
    assert tuned.coverage == 1.0, "nothing speaks against telling"
    assert tuned.bound > 0.01


def test_229_pictures_are_too_few_and_230_are_enough() -> None:
    for count, expected in ((229, False), (230, True)):
        truth = np.arange(count) % 2 == 1
        assert tune_one(np.where(truth, 0.99, 0.01), truth).guaranteed is expected


def test_a_model_that_guesses_tells_nothing() -> None:
    rng = np.random.default_rng(1)
    tuned = tune_one(rng.random(2000), rng.random(2000) < 0.5)
    assert not tuned.guaranteed
    assert tuned.told < 20
    assert "Not guaranteed" in tuned.note


def test_a_name_nobody_labelled_says_that_nothing_was_checked() -> None:
    p = np.full((10, 1), 0.7)
    tuned = tune_thresholds(
        p,
        target_of(np.zeros((10, 1), np.bool_), np.zeros((10, 1), np.bool_)),
        names=["door"],
        error=0.01,
        confidence=0.9,
    )["door"]
    assert not tuned.guaranteed
    assert (tuned.known, tuned.told, tuned.coverage, tuned.bound) == (0, 0, 0.0, 1.0)
    assert "nothing could be checked" in tuned.note


def test_an_answer_that_is_mostly_wrong_is_named_even_where_the_level_holds() -> None:
    truth = np.zeros(2000, np.bool_)
    p = np.full(2000, 0.01)
    p[:6] = 0.99  # six false alarms in two thousand pictures: 0.3 % wrong, and `on` is never right
    tuned = tune_one(p, truth)
    assert tuned.guaranteed
    assert tuned.told_on == 0 or "Beware: of the 6 answers `on`, 6 were wrong" in tuned.note


@given(
    data=st.data(),
    count=st.integers(0, 400),
    error=st.sampled_from([0.01, 0.05, 0.2]),
)
@settings(max_examples=60, deadline=None)
def test_any_probabilities_give_thresholds_that_keep_their_word(data: st.DataObject, count: int, error: float) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    steps = data.draw(st.sampled_from([1, 2, 10, 10**7]))
    p = np.round(rng.random(count) * steps) / steps  # ties, exact zeros and ones
    p = p.astype(np.float32).astype(np.float64)
    truth = rng.random(count) < (p if data.draw(st.booleans()) else 0.5)
    groups = [str(int(i)) for i in rng.integers(0, 7, count)]
    units: list[Unit] = ["frame", "group"]
    tuned = tune_one(p, truth, error=error, groups=groups, unit=data.draw(st.sampled_from(units)))
    assert 0.0 <= tuned.threshold.low <= tuned.threshold.high <= 1.0
    told = told_by(p, tuned.threshold)
    assert tuned.told == told.sum()
    assert tuned.wrong == ((p >= tuned.threshold.high) != truth)[told].sum()
    assert tuned.bound == upper_bound(tuned.wrong, tuned.told, 0.90)
    if tuned.guaranteed:
        assert tuned.bound <= error + 1e-9
    assert tuned.guaranteed == tuned.note.startswith("Guaranteed")


def test_thresholds_survive_json() -> None:
    import json

    rng = np.random.default_rng(4)
    z, truth = separated(rng, 800)
    tuned = tune_one(sigmoid(z * 3).astype(np.float32).astype(np.float64), truth)
    back = json.loads(json.dumps(tuned.to_json()))
    assert (back["low"], back["high"]) == (tuned.threshold.low, tuned.threshold.high)
    assert dataclasses.is_dataclass(tuned)


def test_levels_outside_their_range_are_refused() -> None:
    truth = np.ones(3, np.bool_)
    with pytest.raises(ConfigError, match="error"):
        tune_one(np.full(3, 0.9), truth, error=0.7)
    with pytest.raises(ConfigError, match="group"):
        tune_one(np.full(3, 0.9), truth, unit="group")


def test_a_promise_for_frames_says_what_it_would_be_for_new_groups() -> None:
    truth = np.arange(600) % 2 == 1
    note = tune_one(np.where(truth, 0.99, 0.01), truth, groups=[str(i // 60) for i in range(600)]).note
    assert note.startswith("Guaranteed")
    assert "For new groups" in note
    assert "10 groups" in note


def test_where_nothing_is_told_the_note_says_so() -> None:
    truth = np.arange(6) % 2 == 1
    note = tune_one(np.where(truth, 0.6, 0.4), truth).note
    assert "nothing is told" in note
