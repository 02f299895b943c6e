"""The two cuts of boxes, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from telltale.evaluate.box_thresholds import Scores, best_cut, choose_box_cut
from telltale.evaluate.cuts import vouch_alarms


def scores(groups: int, empty: int, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    reached = {f"g{n}": (0.5 + 0.5 * rng.random(4)).tolist() for n in range(groups)}
    return Scores(reached, (0.4 * rng.random(50)).tolist(), (0.3 * rng.random(empty)).tolist())


def test_the_best_cut_lies_between_what_is_right_and_what_is_false() -> None:
    assert 0.3 < best_cut({"a": [0.8, 0.9], "b": [0.7]}, [0.1, 0.2]) < 0.7
    assert best_cut({}, [0.9]) == 0.5


def test_with_many_groups_and_empty_pictures_both_sides_are_vouched_for() -> None:
    cut = choose_box_cut(scores(120, 300), 0.01, 0.9)
    assert cut.promised == 0.01
    assert cut.alarms is not None
    assert cut.alarms <= 0.01
    assert "Guaranteed in expectation" in cut.note
    assert "Guaranteed with 90 % confidence" in cut.note
    assert cut.threshold.low <= cut.threshold.high


def test_alarms_have_a_level_of_their_own() -> None:
    strict, loose = choose_box_cut(scores(120, 300), 0.01, 0.9), choose_box_cut(scores(120, 300), 0.01, 0.9, 0.2)
    assert "at most 20 % of the pictures without any" in loose.note
    assert loose.threshold.high <= strict.threshold.high
    assert loose.promised == 0.01


def test_with_few_of_either_the_note_says_what_would_be_needed() -> None:
    cut = choose_box_cut(scores(4, 20), 0.01, 0.9)
    assert cut.promised == pytest.approx(0.2)
    assert cut.alarms is None
    assert "that takes 99 groups" in cut.note
    assert "that takes 230 pictures without any, and there are 20" in cut.note


def test_without_any_object_nothing_is_promised_of_what_is_missed() -> None:
    cut = choose_box_cut(Scores({}, [], [0.2]), 0.01, 0.9)
    assert cut.promised is None
    assert "Nothing is promised" in cut.note


def test_false_alarms_in_new_pictures_stay_under_the_level_as_often_as_promised() -> None:
    rng = np.random.default_rng(1)
    error, confidence, over = 0.05, 0.9, 0
    for _ in range(300):
        cut = vouch_alarms(rng.random(200).tolist(), error, confidence)
        assert cut is not None
        over += (1 - cut) > error  # scores are uniform: so often is a new picture over the cut
    assert over / 300 <= 1 - confidence + 0.05


def test_missed_objects_of_new_groups_stay_under_the_level_on_average() -> None:
    rng = np.random.default_rng(2)
    missed = []
    for _ in range(300):
        reached = {f"g{n}": rng.random(3).tolist() for n in range(30)}
        cut = choose_box_cut(Scores(reached, [], []), 0.1, 0.9)
        missed.append(float(np.mean(rng.random(3) <= cut.threshold.low)))
    assert np.mean(missed) <= 0.1 + 0.03
