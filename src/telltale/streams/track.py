"""Things followed from picture to picture: who is who, and how fast. Knows nothing of models, pictures or sockets.

A Kalman filter for each thing, which moves straight between pictures (constant velocity; the noise is that of an
unknown acceleration: Bar-Shalom, Li, Kirubarajan 2001, 6.2). Of all pairs of a thing and a place within its gate the
nearest together is taken first, then the next, where near is judged by the filter's own doubt (Mahalanobis). What is
then left on both sides and not far apart has bounced: its velocity is forgotten. A thing that is not found coasts for a
while; where two things claim one place, it says of neither where it is, so both coast, and two that cross keep their
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

GATE = 13.8
"""Chi-square of two degrees of freedom: one right place in a thousand lies further off."""
SURE_AFTER = 3
"""A thing is told of once it was found so often: a lone false place is none."""
COAST_S = 0.7
"""So long a thing that is not found is still waited for."""
LONGEST_S = 1.0
"""A longer gap between two pictures counts as so much."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found. x, y: pixels. score: 0 to 1. index: the caller's own, comes back in `Tracked`."""

    x: float
    y: float
    score: float = 1.0
    index: int = 0


@dataclass(frozen=True, slots=True)
class Tracked:
    """A thing now. id: counts from 1, never used twice. x, y: filtered, pixels; vx, vy: pixels a second.

    age_s: since it was first found. index: of the place it was found at; None while it coasts.
    """

    id: int
    x: float
    y: float
    vx: float
    vy: float
    age_s: float
    index: int | None


@dataclass(frozen=True, slots=True)
class Passing:
    """A thing came into view or left it. age_s: how long it was there."""

    id: int
    what: Literal["appear", "leave"]
    x: float
    y: float
    age_s: float


@dataclass(slots=True)
class _Thing:
    """id: 0 before it is told of."""

    state: NDArray[np.float64]  # x, y, vx, vy
    doubt: NDArray[np.float64]  # (4, 4)
    born_s: float
    seen_s: float
    found: int = 1
    told: bool = False
    id: int = 0
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Motion:
    """What the filter believes. measured_px: how far off a place is; push: an acceleration not foreseen, pixels/s²;
    speed: of a thing nobody knows yet, pixels/s; jump_px: how far off a thing that has bounced may be.
    """

    measured_px: float = 2.0
    push: float = 150.0
    speed: float = 400.0
    jump_px: float = 60.0

    @classmethod
    def of_picture(cls, width: float, height: float) -> Motion:
        """Things cross a picture in a second or more."""
        side = min(width, height)
        return cls(max(0.5, side / 400), side * 0.3, side * 0.8, side / 8)


@dataclass(slots=True)
class Tracker:
    """One for each stream and name. Times are in seconds, on any clock that does not run backwards."""

    motion: Motion = field(default_factory=Motion)
    _things: list[_Thing] = field(default_factory=list)
    _next: int = 1
    _last_s: float | None = None

    def update(self, t_s: float, places: Sequence[Place]) -> tuple[tuple[Tracked, ...], tuple[Passing, ...]]:
        """One picture's places -> the things that are sure by now, the oldest first, and who came or left."""
        step_s = 0.0 if self._last_s is None else min(max(t_s - self._last_s, 0.0), LONGEST_S)
        self._last_s = t_s
        for thing in self._things:
            self._foresee(thing, step_s)
        taken, claims = self._match(places)
        shared = {p for t, p in claims if t not in taken and self._things[t].told}
        for thing_at, place_at in taken.items():
            self._correct(self._things[thing_at], places[place_at], t_s, heed=place_at not in shared)
        taken |= self._find_bounced(places, taken, t_s)
        passing = self._end(t_s)
        used = set(taken.values())
        for i, place in enumerate(places):
            if i not in used:
                self._begin(place, t_s)
        for thing in self._things:
            if not thing.told and thing.found >= SURE_AFTER:
                thing.told, thing.id = True, self._next
                self._next += 1
                passing.append(self._pass(thing, "appear", t_s))
        return tuple(_tell(thing, t_s) for thing in self._things if thing.told), tuple(passing)

    def _foresee(self, thing: _Thing, step_s: float) -> None:
        move = np.eye(4)
        move[0, 2] = move[1, 3] = step_s
        half, whole = step_s**2 / 2, step_s
        noise = np.zeros((4, 4))
        for i in (0, 1):
            noise[i, i], noise[i, i + 2], noise[i + 2, i], noise[i + 2, i + 2] = (
                half**2,
                half * whole,
                half * whole,
                whole**2,
            )
        thing.state = move @ thing.state
        thing.doubt = move @ thing.doubt @ move.T + noise * self.motion.push**2
        thing.index = None

    def _match(self, places: Sequence[Place]) -> tuple[dict[int, int], list[tuple[int, int]]]:
        """Thing to place, each once: the likeliest pairs first, those that are sure before those that are not; and
        every pair within the gate.
        """
        pairs: list[tuple[bool, float, int, int]] = []
        for t, thing in enumerate(self._things):
            spread = thing.doubt[:2, :2] + np.eye(2) * self.motion.measured_px**2
            inverse, weight = np.linalg.inv(spread), float(np.log(np.linalg.det(spread)))
            for p, place in enumerate(places):
                off = np.array([place.x, place.y]) - thing.state[:2]
                distance = float(off @ inverse @ off)
                if distance <= GATE:
                    pairs.append((not thing.told, distance + weight, t, p))
        taken: dict[int, int] = {}
        for _, _, t, p in sorted(pairs):
            if t not in taken and p not in taken.values():
                taken[t] = p
        return taken, [(t, p) for _, _, t, p in pairs]

    def _find_bounced(self, places: Sequence[Place], taken: dict[int, int], t_s: float) -> dict[int, int]:
        """What is left on both sides, by plain distance."""
        left = [t for t, thing in enumerate(self._things) if t not in taken and thing.told]
        free = [p for p in range(len(places)) if p not in taken.values()]
        pairs = sorted(
            (float(np.hypot(places[p].x - self._things[t].state[0], places[p].y - self._things[t].state[1])), t, p)
            for t in left
            for p in free
        )
        found: dict[int, int] = {}
        for distance, t, p in pairs:
            if distance > self.motion.jump_px or t in found or p in found.values():
                continue
            found[t] = p
            thing = self._things[t]
            thing.doubt = np.diag([self.motion.jump_px**2] * 2 + [self.motion.speed**2] * 2)
            thing.state[2:] = 0.0
            self._correct(thing, places[p], t_s)
        return found

    def _correct(self, thing: _Thing, place: Place, t_s: float, *, heed: bool = True) -> None:
        """heed False: it is found, and yet the place is not trusted."""
        thing.found += 1
        thing.seen_s, thing.index = t_s, place.index
        if not heed:
            return
        spread = thing.doubt[:2, :2] + np.eye(2) * self.motion.measured_px**2
        gain = thing.doubt[:, :2] @ np.linalg.inv(spread)
        thing.state = thing.state + gain @ (np.array([place.x, place.y]) - thing.state[:2])
        thing.doubt = thing.doubt - gain @ thing.doubt[:2, :]

    def _begin(self, place: Place, t_s: float) -> None:
        doubt = np.diag([self.motion.measured_px**2] * 2 + [self.motion.speed**2] * 2)
        state = np.array([place.x, place.y, 0.0, 0.0])
        self._things.append(_Thing(state, doubt, t_s, t_s, index=place.index))

    def _end(self, t_s: float) -> list[Passing]:
        gone = [t for t in self._things if t_s - t.seen_s > COAST_S or (not t.told and t.index is None)]
        self._things = [t for t in self._things if not any(t is each for each in gone)]
        return [self._pass(thing, "leave", thing.seen_s) for thing in gone if thing.told]

    def _pass(self, thing: _Thing, what: Literal["appear", "leave"], t_s: float) -> Passing:
        return Passing(thing.id, what, float(thing.state[0]), float(thing.state[1]), t_s - thing.born_s)


def _tell(thing: _Thing, t_s: float) -> Tracked:
    x, y, vx, vy = (float(v) for v in thing.state)
    return Tracked(thing.id, x, y, vx, vy, t_s - thing.born_s, thing.index)


class Follower:
    """The one thing that a detector finds, followed. Belongs to one stream of one picture size."""

    def __init__(self, width: int, height: int) -> None:
        self._tracker = Tracker(Motion.of_picture(width, height))

    def follow(self, t_s: float, place: tuple[float, float] | None) -> tuple[float, float] | None:
        """Where it was found -> where it is: filtered, and foreseen while it is not found; None where nobody knows."""
        tracked, _ = self._tracker.update(t_s, [] if place is None else [Place(*place)])
        chosen = next((each for each in tracked if each.index is not None), None)
        if chosen is None and (place is not None or not tracked):
            return place  # not sure yet whether it is a thing
        chosen = chosen or tracked[0]
        return chosen.x, chosen.y
