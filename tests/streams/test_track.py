"""Things keep their number: over noise, over gaps, and where two cross; they appear and leave once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.streams.scene import Scene
from telltale.streams.track import COAST_S, SURE_AFTER, Motion, Passing, Place, Tracked, Tracker

FPS = 30.0


def test_a_thing_that_moves_straight_has_one_number_and_its_velocity() -> None:
    rng, tracker = np.random.default_rng(0), Tracker(Motion(measured_px=1.0))
    ids: set[int] = set()
    speeds: list[tuple[float, float]] = []
    for n in range(90):
        x, y = 50 + 4 * n + rng.normal(0, 1), 300 - 2 * n + rng.normal(0, 1)
        tracked, _ = tracker.update(n / FPS, [Place(x, y)])
        ids |= {t.id for t in tracked}
        speeds += [(t.vx, t.vy) for t in tracked]
    assert ids == {1}
    assert np.mean(speeds[-60:], axis=0) == pytest.approx([120, -60], abs=10)
    assert np.std(speeds[-60:], axis=0).max() < 40


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("angle", [20, 60, 90, 150, 180])
def test_two_that_cross_keep_their_numbers(seed: int, angle: int) -> None:
    rng, tracker = np.random.default_rng(seed), Tracker(Motion.of_picture(640, 480))
    direction = math.radians(angle)
    who: dict[int, set[int]] = {0: set(), 1: set()}
    for n in range(100):
        t = (n - 50) * 4.0
        truth = [(320 + t, 240.0), (320 + t * math.cos(direction), 240 + t * math.sin(direction))]
        places = [Place(x + rng.normal(0, 0.5), y + rng.normal(0, 0.5), index=i) for i, (x, y) in enumerate(truth)]
        apart = math.dist(*truth)
        if apart < 12:  # one hides the other: a detector finds one of them
            places = [places[int(rng.integers(2))]]
        order = rng.permutation(len(places))
        tracked, _ = tracker.update(n / FPS, [places[i] for i in order])
        if abs(n - 50) > 15:  # the places lie apart: who is meant is beyond doubt
            for each in tracked:
                if each.index is not None:
                    who[each.index].add(each.id)
    assert [len(ids) for ids in who.values()] == [1, 1], who
    assert who[0] != who[1]


def test_a_bounce_is_no_new_thing() -> None:
    scene, tracker = Scene("plain", 640, 480, 3), Tracker(Motion.of_picture(640, 480))
    ids: set[int] = set()
    for n in range(600):
        truth = scene.truth(n)
        tracked, _ = tracker.update(n / FPS, [Place(truth.x, truth.y)])
        ids |= {t.id for t in tracked}
    assert ids == {1}


def test_a_gap_is_coasted_over_and_a_long_one_ends_it() -> None:
    tracker, passing = Tracker(), list[Passing]()
    for n in range(60):
        gone = 20 <= n < 20 + int(COAST_S * FPS) - 2
        tracked, passed = tracker.update(n / FPS, [] if gone else [Place(100 + 3.0 * n, 100)])
        passing += passed
        if gone:
            assert [t.index for t in tracked] == [None]
            assert tracked[0].x == pytest.approx(100 + 3.0 * n, abs=3)
    assert [(p.id, p.what) for p in passing] == [(1, "appear")]
    for n in range(60, 100):
        tracked, passed = tracker.update(n / FPS, [])
        passing += passed
    assert tracked == ()
    assert [(p.id, p.what) for p in passing] == [(1, "appear"), (1, "leave")]
    assert passing[1].age_s == pytest.approx(59 / FPS)


def test_a_lone_false_place_is_told_to_nobody() -> None:
    tracker = Tracker()
    for n in range(30):
        places = [Place(100, 100)] + ([Place(400, 40)] if n % 7 == 0 else [])
        tracked, _ = tracker.update(n / FPS, places)
        assert len(tracked) == int(n + 1 >= SURE_AFTER)


@given(st.lists(st.lists(st.tuples(st.floats(0, 640), st.floats(0, 480)), max_size=5), max_size=30), st.floats(-1, 2))
def test_whatever_comes_numbers_are_unique_and_finite(frames: list[list[tuple[float, float]]], step_s: float) -> None:
    tracker, events = Tracker(), list[Passing]()
    told: tuple[Tracked, ...] = ()
    for n, frame in enumerate(frames):
        told, passed = tracker.update(n * step_s, [Place(x, y, index=i) for i, (x, y) in enumerate(frame)])
        events += passed
        assert len({t.id for t in told}) == len(told)
        assert all(math.isfinite(v) for t in told for v in (t.x, t.y, t.vx, t.vy))
        indices = [t.index for t in told if t.index is not None]
        assert len(set(indices)) == len(indices)
    appeared = [e.id for e in events if e.what == "appear"]
    assert len(set(appeared)) == len(appeared)
    assert {e.id for e in events if e.what == "leave"} <= set(appeared)
    assert {t.id for t in told} <= set(appeared)
