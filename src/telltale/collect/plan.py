"""Which combinations and views to collect, the same on every run of a seed. Knows nothing of pages."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from telltale.collect.recipe import NAME, Choice, Range, Recipe, Value

Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera stands and how the page looks; either is left as it is when empty."""

    camera: Values
    look: Values

    def to_json(self) -> dict[str, object]:
        return {"camera": dict(self.camera) or None, "look": dict(self.look) or None}


@dataclass(frozen=True, slots=True)
class Shot:
    """One view: where the camera stands (or how far it is dragged), and the look."""

    index: int
    camera: Values
    look: Values


@dataclass(frozen=True, slots=True)
class Session:
    """Views taken after one load of the page with these URL parameters."""

    url: Values
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """One state of all labels, and the views of it."""

    group: str
    states: Mapping[str, bool]
    sessions: tuple[Session, ...]

    @property
    def views(self) -> int:
        return sum(len(session.shots) for session in self.sessions)


@dataclass(frozen=True, slots=True)
class Plan:
    """key: changes when anything that changes the views does; a run goes on only with its own."""

    key: str
    combinations: tuple[Combination, ...]

    @property
    def views(self) -> int:
        return sum(c.views for c in self.combinations)


def make_plan(recipe: Recipe) -> Plan:
    """Every combination with its views, in an order shuffled by the seed (all off first)."""
    rows = choose(tuple(recipe.labels), recipe.how, recipe.seed)
    combinations = tuple(
        Combination(group_name(row), row, _sessions(recipe, random.Random(f"{recipe.seed}/{group_name(row)}")))
        for row in rows
    )
    drawn = recipe.model_dump(
        mode="json", include={"url", "labels", "camera", "look", "views", "seed", "canvas", "viewport"}
    )
    return Plan(hashlib.sha256(json.dumps(drawn, sort_keys=True).encode()).hexdigest()[:12], combinations)


def group_name(states: Mapping[str, bool]) -> str:
    """`front_left+hood`, or `none`."""
    return "+".join(name for name, on in states.items() if on) or "none"


def choose(names: Sequence[str], how: Literal["all", "pairwise"] | int, seed: int) -> list[dict[str, bool]]:
    """Different combinations of these labels; at most 2^n, all off first, the rest shuffled."""
    rng = random.Random(f"{seed}/combinations")
    n = len(names)
    if how == "pairwise" and n > 1:
        rows = _pairwise(n, rng)
    elif isinstance(how, int) and how < 2**n:
        numbers = set() if how == 0 else {0}
        while len(numbers) < how:
            numbers.add(rng.randrange(2**n))
        rows = [tuple(bool(k >> i & 1) for i in range(n)) for k in sorted(numbers)]
    else:
        rows = list(itertools.product((False, True), repeat=n))
    rows = sorted(set(rows))
    rng.shuffle(rows)
    rows.sort(key=any)  # stable: all off first, if it is there
    return [dict(zip(names, row, strict=True)) for row in rows]


def _pairwise(n: int, rng: random.Random) -> list[tuple[bool, ...]]:
    """A covering array of strength 2, greedily (AETG, Cohen et al. 1997): each two labels show all four pairs."""
    rows: list[tuple[bool, ...]] = [(False,) * n]
    missing = {
        (i, j, a, b)
        for i, j in itertools.combinations(range(n), 2)
        for a, b in itertools.product((False, True), repeat=2)
        if a or b
    }
    while missing:
        best: tuple[bool, ...] = ()
        most: set[tuple[int, int, bool, bool]] = set()
        for _ in range(30):
            row = _grow(n, missing, rng)
            covers = {(i, j, row[i], row[j]) for i, j in itertools.combinations(range(n), 2)} & missing
            if len(covers) > len(most):
                best, most = row, covers
        rows.append(best)
        missing -= most
    return rows


def _grow(n: int, missing: set[tuple[int, int, bool, bool]], rng: random.Random) -> tuple[bool, ...]:
    """A row that starts from one missing pair and takes, label by label, the value that covers more."""
    i, j, a, b = rng.choice(sorted(missing))
    row = {i: a, j: b}
    for k in rng.sample([k for k in range(n) if k not in row], n - 2):
        gain = {
            value: sum(((m, k, other, value) if m < k else (k, m, value, other)) in missing for m, other in row.items())
            for value in (False, True)
        }
        row[k] = gain[True] > gain[False] or (gain[True] == gain[False] and rng.random() < 0.5)
    return tuple(row[k] for k in range(n))


def _sessions(recipe: Recipe, rng: random.Random) -> tuple[Session, ...]:
    camera = _views(recipe, rng)
    look = sample(recipe.look.vary, recipe.views, rng)
    if recipe.camera.url is not None:  # each view is a load of its own
        cut = [range(k, k + 1) for k in range(recipe.views)]
    else:
        loads = min(recipe.look.loads, recipe.views) if recipe.look.url is not None else 1
        edges = [round(k * recipe.views / loads) for k in range(loads + 1)]
        cut = [range(a, b) for a, b in itertools.pairwise(edges)]
    url_names = {*_names(recipe.look.url), *_names(recipe.camera.url)}
    sessions = []
    for indices in cut:
        first = {**camera[indices[0]], **look[indices[0]]}
        url = {name: value for name, value in first.items() if name in url_names}
        shots = tuple(
            Shot(
                k,
                {**camera[k], **{name: v for name, v in url.items() if name in camera[k]}},
                {**look[k], **{name: v for name, v in url.items() if name in look[k]}},
            )
            for k in indices
        )
        sessions.append(Session(url, shots))
    return tuple(sessions)


def _names(template: str | None) -> list[str]:
    return NAME.findall(template) if template else []


def _views(recipe: Recipe, rng: random.Random) -> list[dict[str, Value]]:
    drag = recipe.camera.drag
    if drag is None:
        return sample(recipe.camera.vary, recipe.views, rng)
    ranges = {
        "dx": Range(low=drag.dx[0], high=drag.dx[1], whole=True),  # whole pixels: the way back is then the same way
        "dy": Range(low=drag.dy[0], high=drag.dy[1], whole=True),
    }
    return sample(ranges, recipe.views, rng)


def sample(vary: Mapping[str, Range | Choice], count: int, rng: random.Random) -> list[dict[str, Value]]:
    """`count` draws that spread over every range (Latin hypercube, McKay et al. 1979) and over every choice."""
    columns: dict[str, list[Value]] = {}
    for name, what in vary.items():
        column: list[Value]
        if isinstance(what, Choice):
            rounds = [rng.sample(what.of, len(what.of)) for _ in range(-(-count // len(what.of)))]
            column = [value for one in rounds for value in one][:count]
        else:
            column = [_between(what, (k + rng.random()) / count) for k in range(count)]
        rng.shuffle(column)
        columns[name] = column
    return [{name: column[k] for name, column in columns.items()} for k in range(count)]


def middle(vary: Mapping[str, Range | Choice]) -> dict[str, Value]:
    """The middle of each range and the first of each choice: where presses are watched from."""
    return {name: what.of[0] if isinstance(what, Choice) else _between(what, 0.5) for name, what in vary.items()}


def _between(what: Range, share: float) -> float | int:
    value = what.low + share * (what.high - what.low)
    return round(value) if what.whole else round(value, 4)


def fill_url(url: str, template: str | None, values: Values) -> str:
    """The URL with the template's parameters added to its query."""
    if not template:
        return url
    added = NAME.sub(lambda match: quote(str(_plain(values[match[1]])), safe=""), template)
    base, mark, fragment = url.partition("#")
    return f"{base}{'&' if '?' in base else '?'}{added}{mark}{fragment}"


def _plain(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value
