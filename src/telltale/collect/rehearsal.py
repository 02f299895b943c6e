"""Learns, before anything is saved, where each press can be seen; then makes and verifies presses.

Knows nothing of combinations or catalogues.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telltale.collect.plan import Values, View, make_plan, middle, sample
from telltale.collect.recipe import Recipe
from telltale.collect.seen import RefusedError, Seen, SettleError
from telltale.errors import PageError

if TYPE_CHECKING:
    from telltale.collect.stage import Stage

LOOK_AROUND = 7
"""Views tried, besides the home view, to find one in which a press can be seen."""

PLAIN = 20.0
"""A press that changes this many times the least change needs no better view."""

OVERLAP = 0.3
"""The least share of a press's changed pixels that lie where the rehearsal saw it change something."""

GRID = 24
TRIES = 3


def home_view(recipe: Recipe) -> View:
    """Where presses are watched from: the middle of what varies. Empty where the camera cannot be set."""
    camera = middle(recipe.camera.vary) if recipe.camera.js is not None else {}
    look = middle(recipe.look.vary) if recipe.look.js is not None else {}
    return View(camera, look)


@dataclass
class Rehearsal:
    """What the rehearsal found.

    start: the states right after loading. views: label to the view its press is seen best from.
    cells: label to the raster cells its press changed there.
    """

    recipe: Recipe
    start: dict[str, bool]
    views: dict[str, View] = field(default_factory=dict)
    cells: dict[str, frozenset[int]] = field(default_factory=dict)
    loaded: Values | None = None

    def begin(self, stage: Stage, url: Values) -> dict[str, bool]:
        """A verified start: the page anew, unless it reports all its states and came back from the last session.

        Raises RefusedError.
        """
        trusted = stage.trusted and self.loaded == url and all(map(self.recipe.reports, self.recipe.labels))
        if not trusted:
            stage.load(url)
            self.loaded = url
        stage.trusted = False
        told = stage.states()
        wrong = [name for name, on in told.items() if on != self.start[name]]
        if wrong:
            raise RefusedError("the page does not start as it did", f"{', '.join(wrong)} differ after loading")
        if not trusted:
            stage.keep("start", home_view(self.recipe))
        return dict(self.start)

    def end(self, stage: Stage, now: Mapping[str, bool]) -> None:
        """All pressed back: states and picture are those of the start. Raises RefusedError."""
        seen = stage.compare("start", home_view(self.recipe))
        wrong = [name for name, on in seen.states.items() if on != self.start[name]]
        if wrong:
            raise RefusedError("pressed back, a state is not that of the start", f"{', '.join(wrong)} differ")
        if seen.changed > self.recipe.settle.change:
            raise RefusedError(
                "pressed back, the picture is not that of the start", f"{100 * seen.changed:.2f} % of the pixels differ"
            )
        stage.trusted = True

    def press(self, stage: Stage, name: str, now: Mapping[str, bool]) -> dict[str, bool]:
        """Press one label's control and verify that it, and only it, changed. Gives the new states.

        A press without any effect was missed and is made again. Raises RefusedError.
        """
        recipe, control = self.recipe, self.recipe.labels[name]
        view = self.views[name]
        wanted = {**now, name: not now[name]}
        button = control.release if control.release and now[name] else control.press
        for _ in range(recipe.settle.presses):
            stage.keep("before", view)
            seen = stage.press(button, name="before", was={k: v for k, v in now.items() if recipe.reports(k)})
            self._only_this(name, now, wanted, seen)
            told = seen.states.get(name, wanted[name] if seen.changed > recipe.settle.change else now[name])
            if told == wanted[name]:
                self._in_picture(name, seen)
                return wanted
            if seen.changed > recipe.settle.change:
                raise RefusedError(
                    "a press changed the picture and not the state", f"{name}: {100 * seen.changed:.2f} % of the pixels"
                )
        raise RefusedError("a press changed nothing", f"{name}: pressed {recipe.settle.presses} times")

    def _only_this(self, name: str, now: Mapping[str, bool], wanted: Mapping[str, bool], seen: Seen) -> None:
        wrong = [other for other, on in seen.states.items() if other != name and on != now[other]]
        if wrong:
            raise RefusedError("a press changed another state", f"{name} also changed {', '.join(wrong)}")

    def _in_picture(self, name: str, seen: Seen) -> None:
        recipe = self.recipe
        if seen.changed <= recipe.settle.change:
            if name in seen.states and recipe.camera.url is not None:
                return  # each view is a load of its own: the rehearsal saw it, this view need not
            raise RefusedError("a press changed the state and not the picture", name)
        if name in seen.states or not self.cells.get(name):
            return
        known = self.cells[name]
        inside = sum(count for cell, count in enumerate(seen.cells) if cell in known)
        if inside < OVERLAP * sum(seen.cells):
            raise RefusedError(
                "a press changed another part of the picture",
                f"{name}: {100 * inside / sum(seen.cells):.0f} % of the change lies where it was rehearsed",
            )


def rehearse(stage: Stage, recipe: Recipe, stopped: Callable[[], bool]) -> Rehearsal:
    """Press every control once, there and back, and find where that is seen. Raises PageError that names the label."""
    plan = make_plan(recipe)
    url = plan.combinations[0].sessions[0].url
    stage.load(url)
    told = stage.states()
    stage.keep("start", home_view(recipe))
    rehearsal = Rehearsal(recipe, {name: told.get(name, recipe.start.get(name, False)) for name in recipe.labels})
    around = _Around(recipe, 0)
    for name in recipe.labels:
        reason = ""
        for attempt in range(TRIES):
            if stopped():
                raise PageError("rehearsal", expected="to end", got="Ctrl-C")
            if attempt:
                stage.load(url)
                stage.keep("start", home_view(recipe))
                around = _Around(recipe, attempt)
            reason = _rehearse_one(stage, rehearsal, name, around)
            if not reason:
                break
        else:
            raise PageError(
                f"label {name}",
                expected=f"pressing {recipe.labels[name].press!r} to turn it on and off before one's eyes",
                got=reason,
                next="check the control, or give the camera a way to see it",
            )
    rehearsal.loaded = url
    try:
        rehearsal.end(stage, rehearsal.start)
    except (RefusedError, SettleError):
        stage.trusted = False  # the first combination loads the page anew
    return rehearsal


def _rehearse_one(stage: Stage, rehearsal: Rehearsal, name: str, around: _Around) -> str:
    """Find the view for one label; the reason when it cannot be found. Leaves the page as it was, if all goes well."""
    recipe = rehearsal.recipe
    least = recipe.settle.change
    control = recipe.labels[name]
    there, back = control.press, control.release or control.press
    if rehearsal.start[name]:
        there, back = back, there
    was = {k: v for k, v in rehearsal.start.items() if recipe.reports(k)}
    around.keep(stage, 1)
    stage.keep("before", around.views[0])
    seen = stage.press(there, name="before", was=was)
    best, most = 0, seen
    if seen.changed < PLAIN * least and len(around.views) > 1:
        stage.press(back, name="before", was=seen.states)
        around.keep(stage, len(around.views))
        stage.keep("before", around.views[0])
        stage.press(there, name="before", was=was)
        for k in range(len(around.views)):
            other = stage.compare(f"around {k}", around.views[k])
            if other.changed > most.changed:
                best, most = k, other
            if most.changed >= PLAIN * least:
                break
    if most.changed <= least:
        where = f"seen from {len(around.views)} views" if len(around.views) > 1 else "as the camera stands"
        return f"pressing changed nothing in the picture, {where}"
    wrong = [k for k, on in most.states.items() if on != (rehearsal.start[k] != (k == name))]
    if wrong:
        return f"the states of {', '.join(wrong)} are then wrong"
    stage.keep("before", around.views[best])
    stage.press(back, name="before", was=most.states)
    returned = stage.compare(f"around {best}", around.views[best])
    if returned.changed > least:
        return f"pressing back left {100 * returned.changed:.2f} % of the picture changed"
    rehearsal.views[name] = around.views[best]
    rehearsal.cells[name] = _widened(most.cells)
    return ""


class _Around:
    """Views to look for a change from, and how the start looks there; kept in the page as `around K`."""

    def __init__(self, recipe: Recipe, attempt: int) -> None:
        home = home_view(recipe)
        self.views = [home]
        if recipe.camera.js is not None:
            draws = sample(recipe.camera.vary, LOOK_AROUND, random.Random(f"{recipe.seed}/look around/{attempt}"))
            self.views += [View(camera, home.look) for camera in draws]
        self._kept = 0

    def keep(self, stage: Stage, count: int) -> None:
        """The page stands at its start: remember the first `count` views, once."""
        for k in range(self._kept, count):
            stage.keep(f"around {k}", self.views[k])
        self._kept = max(self._kept, count)


def _widened(cells: tuple[int, ...]) -> frozenset[int]:
    """The cells that changed, and those beside them."""
    return frozenset(
        (y + dy) * GRID + x + dx
        for y in range(GRID)
        for x in range(GRID)
        if cells[y * GRID + x]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if 0 <= y + dy < GRID and 0 <= x + dx < GRID
    )
