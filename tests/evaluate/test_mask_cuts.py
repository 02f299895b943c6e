"""The cut that bounds what is missed."""

from __future__ import annotations

import numpy as np
import pytest

from telltale.evaluate.cuts import control_risk
from telltale.evaluate.mask_thresholds import choose_cut, reaching
from telltale.project import Unsure
from telltale.tasks.counting import BINS, logit_bins
from telltale.tasks.mask_tally import best_dice


def draw_groups(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Scores of the regions of each group: groups differ in how well they are seen."""
    return [np.clip(rng.normal(rng.uniform(0.3, 0.9), 0.15, rng.integers(1, 6)), 0, 1) for _ in range(count)]


def test_the_promise_holds_over_new_groups() -> None:
    rng = np.random.default_rng(0)
    missed = []
    for _ in range(300):
        groups = draw_groups(rng, 30)
        cut = control_risk(groups, 0.1)
        missed += [(group < cut).mean() for group in draw_groups(rng, 20)]
    assert np.mean(missed) <= 0.1 + 0.01
    assert np.mean(missed) > 0.03  # and it is not merely timid


def test_too_few_groups_promise_what_they_can_and_say_so() -> None:
    pixels = np.zeros((2, BINS), np.int64)
    pixels[0, 100], pixels[1, 900] = 1000, 100
    cut = choose_cut(pixels, {f"g{k}": [0.6, 0.7 + k / 100] for k in range(9)}, [], Unsure(error=0.01))
    assert cut.promised == pytest.approx(0.1)
    assert cut.threshold.low == pytest.approx(0.6)
    assert "1 % was asked; that takes 99 groups" in cut.note


def test_nothing_marked_promises_nothing() -> None:
    cut = choose_cut(np.zeros((2, BINS), np.int64), {}, [], Unsure(error=0.01))
    assert (cut.threshold.low, cut.threshold.high, cut.promised) == (0.5, 0.5, None)
    assert cut.note.startswith("Not chosen")


def test_the_best_cut_of_the_pixels_is_found() -> None:
    rng = np.random.default_rng(1)
    p, truth = rng.random(5000).astype(np.float32), rng.random(5000) < 0.2
    p = np.where(truth, p * 0.5 + 0.5, p * 0.8).astype(np.float32)
    pixels = np.stack([np.bincount(logit_bins(p[truth == side]), minlength=BINS) for side in (False, True)])
    cut, dice = best_dice(pixels)
    assert dice is not None
    every = [2 * ((p >= c) & truth).sum() / ((p >= c).sum() + truth.sum()) for c in np.linspace(0, 1, 500)]
    told = p >= cut
    assert 2 * (told & truth).sum() / (told.sum() + truth.sum()) == pytest.approx(max(every), abs=0.01)
    assert dice == pytest.approx(max(every), abs=0.01)


def test_a_region_is_reached_by_whatever_told_region_touches_it() -> None:
    p = np.zeros((20, 30), np.float32)
    p[5:10, 5:10], p[7, 10:14] = 0.8, 0.6  # a bridge to the second region
    p[15, 25] = 0.9  # one pixel: too small to be told
    truth = np.zeros((20, 30), np.bool_)
    truth[5:9, 5:9] = truth[5:9, 12:16] = truth[14:17, 24:27] = True
    found = sorted(reaching(p, truth, 4))
    assert found == pytest.approx([0.0, 0.6, 0.8], abs=1e-3)


def test_false_alarms_are_bounded_where_that_is_asked_and_told_of_where_not() -> None:
    rng = np.random.default_rng(3)
    pixels = np.zeros((2, BINS), np.int64)
    pixels[0, 100], pixels[1, 520] = 1000, 100
    reached = {f"g{k}": [0.99] for k in range(120)}
    good = rng.random(300).tolist()
    plain = choose_cut(pixels, reached, good, Unsure(error=0.01))
    assert plain.told_good == sum(cut >= plain.threshold.high for cut in good) > 0
    assert f"Something is told in {plain.told_good} of 300" in plain.note
    bound = choose_cut(pixels, reached, good, Unsure(error=0.01, alarms=0.05))
    assert bound.threshold.high > plain.threshold.high
    assert bound.told_good <= 0.05 * 300
    assert "at most 5 % of the pictures without any" in bound.note
    assert bound.threshold.low >= plain.threshold.low
    few = choose_cut(pixels, reached, good[:20], Unsure(error=0.01, alarms=0.05))
    assert few.threshold == plain.threshold
    assert "there are 20" in few.note
