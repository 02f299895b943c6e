"""Smoothing: what is told, when, and what never is."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.streams import Event, Smoother
from telltale.streams.smooth import HOLD_DWELLS, SLACK_S, zone_of
from telltale.tasks import Threshold

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "wire" / "smoothing.json").read_text(encoding="utf-8"))
BOTH = Threshold(0.3, 0.7)

probabilities = st.floats(0, 1)
steps = st.lists(st.tuples(st.floats(0, 3), probabilities), min_size=1, max_size=60)
settings_s = st.sampled_from([0.0, 0.1, 0.3, 1.0])


def times(steps: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """(step, p) pairs to (time, p) pairs."""
    now = 100.0
    told = []
    for step, p in steps:
        now += step
        told.append((now, p))
    return told


def smooth(pairs: Sequence[tuple[float, float]], average_s: float, dwell_s: float) -> tuple[list[str], list[Event]]:
    smoother = Smoother(["hood"], {"hood": BOTH}, average_s, dwell_s)
    states: list[str] = []
    events: list[Event] = []
    for t_s, p in pairs:
        told = smoother.update(t_s, {"hood": p})
        states.append(told.readings["hood"].state)
        events.extend(told.events)
    return states, events


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["title"])
def test_the_golden_vectors_hold(case: dict[str, Any]) -> None:
    thresholds = {name: Threshold(**pair) for name, pair in case["thresholds"].items()}
    smoother = Smoother(case["names"], thresholds, case["average_s"], case["dwell_s"])
    for step in case["steps"]:
        fed = {name: math.nan if p is None else p for name, p in step["probabilities"].items()}
        told = smoother.update(step["t_s"], fed)
        assert {n: r.state for n, r in told.readings.items()} == {n: r["state"] for n, r in step["smoothed"].items()}
        assert {n: r.prob for n, r in told.readings.items()} == pytest.approx(
            {n: r["prob"] for n, r in step["smoothed"].items()}, abs=1e-9
        )
        got = [(e.name, e.from_state, e.to_state, e.t_s) for e in told.events]
        assert got == [(e["name"], e["from"], e["to"], e["t_s"]) for e in step["events"]]


def test_a_golden_vector_stays_clear_of_rounding() -> None:
    """Another language may differ by the last bit of exp: no golden average may lie that near to a threshold."""
    for case in GOLDEN["cases"]:
        if case["average_s"] == 0:
            continue
        for step in case["steps"]:
            for name, reading in step["smoothed"].items():
                for edge in case["thresholds"][name].values():
                    assert abs(reading["prob"] - edge) > 1e-6, case["title"]


def test_a_step_is_told_once_the_average_has_stayed_for_the_dwell() -> None:
    frames = [(i / 10, 0.0 if i < 10 else 1.0) for i in range(30)]
    states, events = smooth(frames, average_s=0.3, dwell_s=0.3)
    # After the step at 1.0 the average is 1 - exp(-(t - 0.9) / 0.3): it passes 0.7 at 1.262, first seen at 1.3.
    assert [(e.from_state, e.to_state, e.t_s) for e in events] == [("off", "on", 1.6)]
    assert states[15] == "off"
    assert states[16] == "on"


def test_lingering_between_the_thresholds_is_unsure_only_after_the_hold() -> None:
    frames = [(i / 10, 1.0 if i < 3 else 0.5) for i in range(40)]
    _, events = smooth(frames, average_s=0.0, dwell_s=0.3)
    assert [(e.to_state, e.t_s) for e in events] == [("unsure", 0.3 + HOLD_DWELLS * 0.3)]


def test_a_single_wrong_frame_is_never_told() -> None:
    frames = [(i / 10, 1.0 if i == 10 else 0.0) for i in range(30)]
    assert smooth(frames, average_s=0.0, dwell_s=0.3)[1] == []


@given(probabilities, st.lists(st.floats(-5, 5), min_size=1, max_size=40), settings_s, settings_s)
def test_constant_input_never_flips(p: float, jumps: list[float], average_s: float, dwell_s: float) -> None:
    now, frames = 0.0, []
    for jump in jumps:
        now += jump
        frames.append((now, p))
    states, events = smooth(frames, average_s, dwell_s)
    assert events == []
    assert set(states) == {zone_of(p, BOTH)}


@given(steps, settings_s, settings_s)
def test_no_told_state_is_shorter_than_the_dwell(
    steps: list[tuple[float, float]], average_s: float, dwell_s: float
) -> None:
    events = smooth(times(steps), average_s, dwell_s)[1]
    for before, after in itertools.pairwise(events):
        assert after.t_s - before.t_s >= dwell_s - 2 * SLACK_S
        assert after.from_state == before.to_state
        assert after.from_state != after.to_state


@given(steps, settings_s, settings_s)
def test_the_events_tell_the_whole_story(steps: list[tuple[float, float]], average_s: float, dwell_s: float) -> None:
    """Replaying the events over the first state gives every smoothed state."""
    pairs = times(steps)
    smoother = Smoother(["hood"], {"hood": BOTH}, average_s, dwell_s)
    state: str | None = None
    for t_s, p in pairs:
        told = smoother.update(t_s, {"hood": p})
        state = state or zone_of(p, BOTH)
        for event in told.events:
            assert event.from_state == state
            state = event.to_state
        assert told.readings["hood"].state == state


@given(steps, settings_s, settings_s)
def test_the_average_stays_within_what_was_read(
    steps: list[tuple[float, float]], average_s: float, dwell_s: float
) -> None:
    smoother = Smoother(["hood"], {"hood": BOTH}, average_s, dwell_s)
    seen: list[float] = []
    for t_s, p in times(steps):
        seen.append(p)
        average = smoother.update(t_s, {"hood": p}).readings["hood"].prob
        assert min(seen) - 1e-12 <= average <= max(seen) + 1e-12


@given(
    st.lists(st.tuples(st.floats(0, 2), probabilities, probabilities, probabilities), min_size=1, max_size=30),
    st.permutations(["a", "b", "c"]),
)
def test_the_order_of_names_changes_nothing_but_the_order(
    frames: list[tuple[float, float, float, float]], order: list[str]
) -> None:
    thresholds = {"a": BOTH, "b": Threshold(0.5, 0.5), "c": Threshold(0.1, 0.9)}
    one = Smoother("abc", thresholds, 0.3, 0.3)
    two = Smoother(order, thresholds, 0.3, 0.3)
    now = 0.0
    for step, a, b, c in frames:
        now += step
        first, second = one.update(now, {"a": a, "b": b, "c": c}), two.update(now, {"c": c, "b": b, "a": a})
        assert dict(first.readings) == dict(second.readings)
        assert sorted(first.events, key=lambda e: e.name) == sorted(second.events, key=lambda e: e.name)
        assert list(second.readings) == order


@given(steps, st.floats(-1e6, 1e6))
def test_only_differences_of_time_count(steps: list[tuple[float, float]], shift_s: float) -> None:
    """Whole steps of 1/8 s keep the sums exact."""
    whole = [(round(step * 8) / 8, p) for step, p in steps]
    shift_s = float(round(shift_s))
    here = times(whole)
    there = [(t_s + shift_s, p) for t_s, p in here]
    states, events = smooth(here, 0.25, 0.25)
    moved, moved_events = smooth(there, 0.25, 0.25)
    assert states == moved
    assert [(e.from_state, e.to_state) for e in events] == [(e.from_state, e.to_state) for e in moved_events]


def test_time_going_backwards_is_no_time_at_all() -> None:
    smoother = Smoother(["hood"], {"hood": BOTH}, 0.3, 0.3)
    smoother.update(1000.0, {"hood": 0.0})
    for _ in range(50):  # a source that restarts its clock over and over never adds up to a dwell
        told = smoother.update(0.0, {"hood": 1.0})
    assert told.readings["hood"].state == "off"
    assert told.readings["hood"].prob == 0.0
    for i in range(1, 30):
        told = smoother.update(i / 10, {"hood": 1.0})
    assert told.readings["hood"].state == "on"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_changes_nothing(bad: float) -> None:
    smoother = Smoother(["hood"], {"hood": BOTH}, 0.3, 0.3)
    assert smoother.update(0.0, {"hood": bad}).readings == {}
    smoother.update(0.1, {"hood": 0.9})
    told = smoother.update(0.2, {"hood": bad})
    assert told.readings["hood"].prob == 0.9
    told = smoother.update(bad, {"hood": 0.9})
    assert told.readings["hood"].state == "on"
    assert told.events == ()


def test_an_event_on_the_wire_has_its_age() -> None:
    event = Event("hood", "off", "on", 0.91234567, 1.5)
    assert event.to_json(age_ms=12.3456) == {
        "type": "event",
        "name": "hood",
        "from": "off",
        "to": "on",
        "prob": 0.912346,
        "t_s": 1.5,
        "age_ms": 12.346,
    }
