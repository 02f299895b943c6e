"""From probabilities to events: an average, two thresholds and a minimum dwell. Knows nothing of pictures or sockets.

The algorithm, its reasons and its golden vectors are in docs/wire.md ("Smoothing"); the widget's local mode is a
port of this file, and both are tested against tests/golden/wire/smoothing.json. It is pure and deterministic:
the same times and probabilities give the same answers, whatever the machine's clock says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from telltale.tasks.states import Reading, State
from telltale.tasks.task import Json, Threshold, Thresholds

HOLD_DWELLS = 3
"""A told state that the average has disagreed with for this many dwells, agreeing on no other, becomes `unsure`."""

SLACK_S = 1e-6
"""Durations this much too short still count: 0.1 + 0.2 >= 0.3 must not hang on rounding."""


@dataclass(frozen=True, slots=True)
class Event:
    """One name changed its told state.

    prob: the average at that moment. t_s: the time given to the update that told it.
    """

    name: str
    from_state: State
    to_state: State
    prob: float
    t_s: float

    def to_json(self, age_ms: float) -> dict[str, Json]:
        """As the wire carries it; age_ms is the age of the frame that told it."""
        return {
            "type": "event",
            "name": self.name,
            "from": self.from_state,
            "to": self.to_state,
            "prob": round(self.prob, 6),
            "t_s": round(self.t_s, 6),
            "age_ms": round(age_ms, 3),
        }


@dataclass(frozen=True, slots=True)
class Smoothed:
    """Each name's average and told state after an update, and what this update changed, both in order of names."""

    readings: Mapping[str, Reading]
    events: tuple[Event, ...]

    def to_json(self) -> dict[str, Json]:
        return {name: reading.to_json() for name, reading in self.readings.items()}


@dataclass(slots=True)
class _Memory:
    """What is kept of one name. Times are on the smoother's own clock."""

    average: float
    seen_s: float  # when the average was last fed
    told: State
    told_s: float  # when `told` was first told
    zone: State  # what the average said last
    zone_s: float  # since when it has said so without a break
    doubt_s: float | None  # since when it has said anything but `told`; None while they agree


class Smoother:
    """One for each connection and model.

    names: the order of the answers. average_s: time constant of the average; 0 takes each reading as it is.
    dwell_s: how long the average must say a state before it is told; 0 tells it at once.
    """

    def __init__(self, names: Iterable[str], thresholds: Thresholds, average_s: float, dwell_s: float) -> None:
        self._names = tuple(names)
        self._thresholds = {name: thresholds[name] for name in self._names}
        self._average_s = max(0.0, average_s)
        self._dwell_s = max(0.0, dwell_s)
        self._clock_s = 0.0  # sum of the forward steps of t_s: never runs backwards
        self._t_s: float | None = None
        self._memory: dict[str, _Memory] = {}

    def use(self, thresholds: Thresholds) -> None:
        """Other thresholds from the next frame on; averages and told states stay."""
        self._thresholds = {name: thresholds[name] for name in self._names}

    def update(self, t_s: float, probabilities: Mapping[str, float]) -> Smoothed:
        """Feed one frame's readings.

        t_s: the frame's time, seconds on any clock. A step backwards or a time that is not finite counts as no time
        passed, and the clock goes on from there. A name without a finite probability keeps its state. Names not yet
        seen are missing from the answer.
        """
        if math.isfinite(t_s):
            if self._t_s is not None:
                self._clock_s += max(0.0, t_s - self._t_s)
            self._t_s = t_s
        events = []
        for name in self._names:
            prob = probabilities.get(name)
            if prob is None or not math.isfinite(prob):
                continue
            event = self._feed(name, min(1.0, max(0.0, prob)), t_s)
            if event:
                events.append(event)
        readings = {
            name: Reading(self._memory[name].average, self._memory[name].told)
            for name in self._names
            if name in self._memory
        }
        return Smoothed(readings, tuple(events))

    def _feed(self, name: str, prob: float, t_s: float) -> Event | None:
        now_s = self._clock_s
        memory = self._memory.get(name)
        if memory is None:
            first = zone_of(prob, self._thresholds[name])
            self._memory[name] = _Memory(prob, now_s, first, now_s, first, now_s, None)
            return None
        step_s = now_s - memory.seen_s
        weight = 1.0 - math.exp(-step_s / self._average_s) if self._average_s > 0 else 1.0
        memory.average += weight * (prob - memory.average)
        memory.seen_s = now_s
        zone = zone_of(memory.average, self._thresholds[name])
        if zone != memory.zone:
            memory.zone, memory.zone_s = zone, now_s
        if zone == memory.told:
            memory.doubt_s = None
            return None
        if memory.doubt_s is None:
            memory.doubt_s = now_s
        to = self._verdict(memory, now_s)
        if to is None:
            return None
        event = Event(name, memory.told, to, memory.average, t_s)
        memory.told, memory.told_s = to, now_s
        memory.doubt_s = None if zone == to else now_s
        return event

    def _verdict(self, memory: _Memory, now_s: float) -> State | None:
        """What to tell instead of `memory.told`, with which the average disagrees; None: not yet."""
        zone_for_s = now_s - max(memory.zone_s, memory.told_s) + SLACK_S
        if memory.zone != "unsure" and zone_for_s >= self._dwell_s:
            return memory.zone
        doubted_s = now_s - memory.doubt_s + SLACK_S if memory.doubt_s is not None else 0.0
        if memory.told != "unsure" and doubted_s >= HOLD_DWELLS * self._dwell_s:
            return "unsure"
        return None


def zone_of(prob: float, threshold: Threshold) -> State:
    """p >= high is on, p <= low is off, between is unsure. Where low == high, p == high is on."""
    if prob >= threshold.high:
        return "on"
    return "off" if prob <= threshold.low else "unsure"
