"""Nets that fit a budget: plans and input sizes, from narrow to wide. Knows nothing of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from telltale.errors import ConfigError, TrainError
from telltale.model.cost import Budget, Cost, Price, cost_of, cost_of_plan
from telltale.model.plan import make_plan
from telltale.project import Input
from telltale.tasks import Task

SCALES = (1.0, 0.75, 0.5)
"""Input sizes, of the project's sides."""

SHARES = (1.0, 0.5, 0.25)
"""Of the budget: the smaller ones find out what less would do."""

STAGES = (3, 4, 5, 6)
GROWTHS = (1.4, 2.0)
"""How much wider a stage is than the one before."""

WIDEST = 256
SMALLEST_MAP = 2
"""Rows or columns of the last map at the least."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan at an input size, what it costs, and the largest share of a limit it uses, at most 1."""

    plan: str
    width: int
    height: int
    cost: Cost
    use: float


def propose(task: Task, size: Input, budget: Budget, tries: int, *, price: Price = cost_of) -> list[Candidate]:
    """At most `tries` nets that fit, of different shapes and sizes. Raises TrainError where none fits."""
    shapes = [
        (width, height, stages, growth, deep)
        for width, height in _sizes(size)
        for stages in STAGES
        for growth in GROWTHS
        for deep in (False, True)
        if min(width, height) / 2**stages >= SMALLEST_MAP
    ]
    levels: list[list[Candidate]] = [[] for _ in SHARES]
    smallest = float("inf")
    for width, height, stages, growth, deep in shapes:
        widening = _widen(task, width, height, stages, growth, deep, budget, price)
        smallest = min(smallest, widening[0].use if widening else float("inf"))
        for level, share in zip(levels, SHARES, strict=True):
            fits = [one for one in widening if one.use <= share]
            if fits and fits[-1] not in level:
                level.append(fits[-1])
    if not any(levels):
        raise TrainError(
            f"nothing fits {budget}",
            expected="a budget for the smallest net",
            got=f"{smallest:.1f} times it at the least" if smallest < float("inf") else "no net for so small an input",
            next="take a larger budget or a smaller input",
        )
    return _pick(levels, tries)


def _sizes(size: Input) -> list[tuple[int, int]]:
    """(width, height): of pictures cut into tiles the size is only that of a crop, and stays."""
    if size.fit == "tile":
        return [(size.width, size.height)]
    scaled = [(max(16, round(size.width * s / 8) * 8), max(16, round(size.height * s / 8) * 8)) for s in SCALES]
    scaled[0] = (size.width, size.height)
    return list(dict.fromkeys(scaled))


def _widen(
    task: Task, width: int, height: int, stages: int, growth: float, deep: bool, budget: Budget, price: Price
) -> list[Candidate]:
    """One shape from narrow to wide; the first whatever it costs, the others as long as they fit."""
    found: list[Candidate] = []
    for first in (4, 8, 12, 16, 24, 32, 48):
        widths = [min(WIDEST, max(4, round(first * growth**k / 4) * 4)) for k in range(stages)]
        layers = [[w, w] if deep and k >= stages - 2 else [w] for k, w in enumerate(widths)]
        plan = str(make_plan(layers, max(8, widths[-1]) if task.kind == "states" else None))
        try:
            cost = cost_of_plan(plan, task, height, width, price)
        except ConfigError:  # a mask's input that this many stages do not divide
            return []
        use = budget.use(cost)
        if found and use > 1:
            break
        found.append(Candidate(plan, width, height, cost, use))
    return found


def _pick(levels: Sequence[Sequence[Candidate]], tries: int) -> list[Candidate]:
    """Evenly over the levels, and evenly over the shapes of each; the whole budget's first."""
    picked: list[Candidate] = []
    left = tries
    for number, level in enumerate(levels):
        share = min(len(level), -(-left // (len(levels) - number)))
        picked += [level[k * len(level) // share] for k in range(share)] if share else []
        left = tries - len(picked)
    picked += [one for level in levels for one in level]
    return list(dict.fromkeys(picked))[:tries]
