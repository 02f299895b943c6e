"""Smoothing in C tells what Python and the widget tell: the golden cases of docs/wire.md, and random series."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_cam.programs import Program
from telltale.streams import Smoother
from telltale.tasks import Threshold

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "wire" / "smoothing.json"
STATES = ["off", "unsure", "on"]


def ask(tool: Program, case: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a golden case as C answers them."""
    names, steps = case["names"], case["steps"]
    sent = struct.pack("<2i2d", len(names), len(steps), case["average_s"], case["dwell_s"])
    for name in names:
        sent += struct.pack("<2d", case["thresholds"][name]["low"], case["thresholds"][name]["high"])
    for step in steps:
        given_ = [step["probabilities"].get(name) for name in names]
        sent += struct.pack(f"<{1 + len(names)}d", step["t_s"], *(math.nan if p is None else p for p in given_))
    numbers = iter(np.frombuffer(tool.answer("smooth", stdin=sent), "<f8").tolist())
    answered = []
    for _ in steps:
        count = int(next(numbers))
        pairs = [(next(numbers), STATES[int(next(numbers))]) for _ in names]
        events = []
        for _ in range(count):
            name, before, after, prob, t_s = (next(numbers) for _ in range(5))
            states = {"from": STATES[int(before)], "to": STATES[int(after)]}
            events.append({"name": names[int(name)], **states, "prob": prob, "t_s": t_s})
        known = {n: {"prob": p, "state": s} for n, (p, s) in zip(names, pairs, strict=True) if not math.isnan(p)}
        answered.append({"smoothed": known, "events": events})
    assert next(numbers, None) is None
    return answered


def same(answered: list[dict[str, Any]], steps: list[dict[str, Any]], title: str) -> None:
    for at, (got, want) in enumerate(zip(answered, steps, strict=True)):
        where = f"{title}, step {at}"
        assert list(got["smoothed"]) == list(want["smoothed"]), where
        for name, reading in want["smoothed"].items():
            assert got["smoothed"][name]["state"] == reading["state"], where
            assert abs(got["smoothed"][name]["prob"] - reading["prob"]) < 1e-9, where
        assert [{**e, "prob": 0} for e in got["events"]] == [{**e, "prob": 0} for e in want["events"]], where
        for mine, theirs in zip(got["events"], want["events"], strict=True):
            assert abs(mine["prob"] - theirs["prob"]) < 1e-9, where


def test_every_golden_case_is_told_alike(edge_tool: Program) -> None:
    cases = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]
    assert len(cases) > 10
    for case in cases:
        same(ask(edge_tool, case), case["steps"], case["title"])


def by_python(case: dict[str, Any]) -> list[dict[str, Any]]:
    thresholds = {name: Threshold(**pair) for name, pair in case["thresholds"].items()}
    smoother = Smoother(case["names"], thresholds, case["average_s"], case["dwell_s"])
    steps = []
    for step in case["steps"]:
        told = smoother.update(step["t_s"], step["probabilities"])
        readings = {name: {"prob": r.prob, "state": r.state} for name, r in told.readings.items()}
        events = [
            {"name": e.name, "from": e.from_state, "to": e.to_state, "prob": e.prob, "t_s": e.t_s} for e in told.events
        ]
        steps.append({"smoothed": readings, "events": events})
    return steps


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    readings=st.lists(
        st.tuples(st.floats(-0.5, 1.5) | st.just(math.nan), st.floats(-1, 5) | st.just(math.inf)), max_size=60
    ),
    average_s=st.sampled_from([0.0, -1.0, 0.001, 0.3, 2.0, 1e4]),
    dwell_s=st.sampled_from([0.0, -1.0, 0.2, 1.0]),
    band=st.sampled_from([(0.3, 0.7), (0.5, 0.5), (0.0, 1.0)]),
)
def test_any_series_is_told_alike(
    edge_tool: Program,
    readings: list[tuple[float, float]],
    average_s: float,
    dwell_s: float,
    band: tuple[float, float],
) -> None:
    steps: list[dict[str, Any]] = []
    clock_s = 0.0
    for prob, step_s in readings:
        clock_s = clock_s + step_s if math.isfinite(step_s) else clock_s
        steps.append({"t_s": clock_s if math.isfinite(step_s) else step_s, "probabilities": {"a": prob}})
    thresholds = {"a": {"low": band[0], "high": band[1]}}
    case = {"names": ["a"], "thresholds": thresholds, "average_s": average_s, "dwell_s": dwell_s, "steps": steps}
    same(ask(edge_tool, case), by_python(case), "random")


def test_ten_hours_at_ten_frames_a_second_do_not_drift(edge_tool: Program) -> None:
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.uniform(0.05, 0.15, 20_000)) + np.where(np.arange(20_000) > 10_000, 34_000.0, 0.0)
    chances = np.clip(0.5 + 0.5 * np.sin(times / 7) + rng.normal(0, 0.2, len(times)), 0, 1)
    steps = [{"t_s": float(t), "probabilities": {"a": float(p)}} for t, p in zip(times, chances, strict=True)]
    band = {"a": {"low": 0.3, "high": 0.7}}
    case = {"names": ["a"], "thresholds": band, "average_s": 0.7, "dwell_s": 0.5, "steps": steps}
    answered = ask(edge_tool, case)
    assert sum(len(step["events"]) for step in answered) > 100
    same(answered, by_python(case), "ten hours")
