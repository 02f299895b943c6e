"""Writes tests/golden/wire/smoothing.json: run it after a deliberate change of the algorithm, and read the difference.

python tests/streams/smoothing_golden.py
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from telltale.streams import Smoother
from telltale.tasks import Threshold

PATH = Path(__file__).resolve().parents[1] / "golden" / "wire" / "smoothing.json"


def run(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a case with what the smoother answers to each."""
    thresholds = {name: Threshold(**pair) for name, pair in case["thresholds"].items()}
    smoother = Smoother(case["names"], thresholds, case["average_s"], case["dwell_s"])
    steps = []
    for step in case["steps"]:
        told = smoother.update(
            step["t_s"], {name: math.nan if p is None else p for name, p in step["probabilities"].items()}
        )
        steps.append(
            {
                "t_s": step["t_s"],
                "probabilities": step["probabilities"],
                "smoothed": {n: {"prob": r.prob, "state": r.state} for n, r in told.readings.items()},
                "events": [
                    {"name": e.name, "from": e.from_state, "to": e.to_state, "prob": e.prob, "t_s": e.t_s}
                    for e in told.events
                ],
            }
        )
    return steps


def case(
    title: str, series: Mapping[str, Sequence[float | None]], times: list[float], low: float, high: float, **of: float
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": title,
        "names": list(series),
        "thresholds": {name: {"low": low, "high": high} for name in series},
        "average_s": of.get("average_s", 0.3),
        "dwell_s": of.get("dwell_s", 0.3),
        "steps": [
            {"t_s": t, "probabilities": {name: values[i] for name, values in series.items()}}
            for i, t in enumerate(times)
        ],
    }
    made["steps"] = run(made)
    return made


def clock(count: int, step_s: float) -> list[float]:
    return [round(i * step_s, 6) for i in range(count)]


def cases() -> list[dict[str, Any]]:
    rising = [0.05] * 5 + [0.95] * 15
    return [
        case(
            "a constant reading tells its state once and never an event", {"hood": [0.9] * 8}, clock(8, 0.1), 0.3, 0.7
        ),
        case("a step is told after the average and the dwell", {"hood": rising}, clock(20, 0.1), 0.3, 0.7),
        case(
            "a flash shorter than the dwell is not told",
            {"hood": [0.02] * 5 + [0.99] + [0.02] * 9},
            clock(15, 0.1),
            0.3,
            0.7,
            average_s=0.0,
        ),
        case(
            "a state that lingers between becomes unsure", {"hood": [0.95] * 4 + [0.5] * 16}, clock(20, 0.1), 0.3, 0.7
        ),
        case(
            "between and back keeps the told state",
            {"hood": [0.95] * 4 + [0.55] * 6 + [0.95] * 6},
            clock(16, 0.1),
            0.3,
            0.7,
        ),
        case("from unsure to on", {"hood": [0.5] * 5 + [0.9] * 12}, clock(17, 0.1), 0.3, 0.7),
        case(
            "wavering between off and between, away from on, ends unsure",
            {"hood": [0.95] * 3 + [0.2, 0.5] * 9},
            clock(21, 0.1),
            0.3,
            0.7,
            average_s=0.0,
        ),
        case(
            "two names do not touch each other", {"b": rising, "a": [1 - p for p in rising]}, clock(20, 0.1), 0.3, 0.7
        ),
        case(
            "time going backwards stands still, then goes on",
            {"hood": [0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]},
            [5.0, 5.2, 1.0, 1.2, 1.4, 1.6, 1.8],
            0.3,
            0.7,
        ),
        case(
            "after a gap the new reading outweighs the old",
            {"hood": [0.05, 0.05, 0.95, 0.95]},
            [0.0, 0.1, 60.0, 60.4],
            0.3,
            0.7,
        ),
        case(
            "one frame in five seconds needs two that agree",
            {"hood": [0.05, 0.95, 0.05, 0.95, 0.95]},
            clock(5, 5.0),
            0.3,
            0.7,
        ),
        case(
            "a missing reading changes nothing",
            {"hood": [0.9, None, 0.9, None, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05]},
            clock(11, 0.1),
            0.3,
            0.7,
        ),
        case(
            "no average and no dwell is the plain threshold",
            {"hood": [0.1, 0.9, 0.5, 0.7, 0.3, 0.69]},
            clock(6, 0.1),
            0.3,
            0.7,
            average_s=0.0,
            dwell_s=0.0,
        ),
        case(
            "equal thresholds leave no between",
            {"hood": [0.5, 0.49, 0.49, 0.5, 0.5, 0.51]},
            clock(6, 0.2),
            0.5,
            0.5,
            average_s=0.0,
            dwell_s=0.2,
        ),
        case(
            "uneven frame times weigh by the time passed",
            {"hood": [0.1, 0.9, 0.8, 0.95, 0.7, 0.99, 0.9]},
            [0.0, 0.033, 0.2, 0.21, 0.9, 1.0, 1.7],
            0.25,
            0.6,
            average_s=0.5,
            dwell_s=0.25,
        ),
    ]


if __name__ == "__main__":
    body = {"about": "Smoothing, docs/wire.md. `prob` within 1e-9; states and events exactly.", "cases": cases()}
    PATH.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
