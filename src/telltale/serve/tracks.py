"""One connection's boxes followed from frame to frame: numbers, velocities, who came and left. Knows nothing of how
answers travel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from telltale.streams.track import Motion, Passing, Place, Tracked, Tracker
from telltale.tasks.locate import Box, LocateResult
from telltale.tasks.task import Json


@dataclass(frozen=True, slots=True)
class PassingEvent:
    """A thing appeared (off to on) or left (on to off), as an `event` that says which."""

    name: str
    passing: Passing
    score: float
    t_s: float

    def to_json(self, age_ms: float) -> dict[str, Json]:
        before, after = ("off", "on") if self.passing.what == "appear" else ("on", "off")
        return {
            "type": "event",
            "name": self.name,
            "from": before,
            "to": after,
            "prob": round(self.score, 6),
            "t_s": round(self.t_s, 6),
            "age_ms": round(age_ms, 3),
            "track": self.passing.id,
            "centre": [round(self.passing.x, 2), round(self.passing.y, 2)],
        }


class Tracks:
    """One for each connection. Told boxes alone are followed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._size: tuple[int, int] | None = None
        self._trackers: dict[str, Tracker] = {}

    def update(
        self, taken_s: float, t_s: float, result: LocateResult, size: tuple[int, int]
    ) -> tuple[dict[str, Json], tuple[PassingEvent, ...]]:
        """`tracks` of a result, and events. size: of the picture; another one begins anew. taken_s: when the frame
        was taken, on a clock of the sender's. t_s: when it came, as events tell it.
        """
        if size != self._size:
            self._size = size
            self._trackers = {name: Tracker(Motion.of_picture(*size)) for name in self._names}
        told: dict[str, Json] = {}
        events: list[PassingEvent] = []
        for name in self._names:
            reading = result.readings[name]
            boxes = [box for box in reading.boxes if box.state == "on"]
            places = [Place(*box.centre, box.score, i) for i, box in enumerate(boxes)]
            tracked, passed = self._trackers[name].update(taken_s, places)
            told[name] = [_to_json(each, boxes) for each in tracked]
            events += [PassingEvent(name, each, reading.prob, t_s) for each in passed]
        return told, tuple(events)


def _to_json(tracked: Tracked, boxes: Sequence[Box]) -> dict[str, Json]:
    """box is null while the thing is not found and its place foreseen. velocity: pixels a second."""
    box = None if tracked.index is None else [round(v, 2) for v in boxes[tracked.index].box]
    return {
        "id": tracked.id,
        "centre": [round(tracked.x, 2), round(tracked.y, 2)],
        "velocity": [round(tracked.vx, 1), round(tracked.vy, 1)],
        "box": box,
        "age_s": round(tracked.age_s, 3),
    }
