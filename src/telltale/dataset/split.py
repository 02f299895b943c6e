"""Who trains, who calibrates, who tests: by group, the same on every machine. Knows nothing of pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from telltale.dataset.catalogue import Catalogue, Example
from telltale.dataset.masks import is_reference
from telltale.errors import CatalogueError
from telltale.project import Split
from telltale.tasks.task import Json

DRAWS = 64
"""At least so many orders are tried to get every value of every label into every split."""
MOST_DRAWS = 1024
"""At most, where groups are so few that trying costs nothing."""
TRIED = 200_000
"""Groups times orders, between the two."""

Shows = Mapping[str, AbstractSet[tuple[str, str]]]
"""Group to the (name, value as JSON) pairs that its pictures show."""

Rare = Mapping[str, Mapping[str, int]]
"""Group to how many of its pictures have a mask, by the class they came under ("" where none was given)."""


def plan_split(
    groups: Mapping[str, int],
    shares: Split,
    shows: Shows | None = None,
    rare: Rare | None = None,
) -> dict[str, str]:
    """Group to "train", "calibration" or "test". Pure; the same for the same groups, whatever their order.

    groups: group to number of pictures. shares: by pictures; only their proportion counts. Groups are laid out in the
    order of a hash of seed and name and cut at the shares, so groups added later move only those at the cuts. Every
    share above zero gets at least one group.
    shows: what the pictures of a group show; then, of the first orders (DRAWS or more), the first that leaves the
    fewest values out of a split is taken, for a split in which nothing is ever on can neither calibrate nor test it.
    rare: the pictures of a group that have a mask; then, of the orders as good, the one that shares these out most
    evenly, class by class, for defects are few, kinds of defect differ in size by a hundred times, and a test on a
    handful of one kind says little of the others.
    Raises CatalogueError when there are fewer groups than shares above zero.
    """
    wanted = [(name, share) for name, share in _shares(shares) if share > 0]
    if len(groups) < len(wanted):
        raise CatalogueError(
            "splitting by group",
            expected=f"at least {len(wanted)} groups for {', '.join(name for name, _ in reversed(wanted))}",
            got=f"{len(groups)}" + (f" ({', '.join(sorted(groups))})" if groups else ""),
            next="collect more groups, import with a finer group, or set a share to 0",
        )
    if shows is None:
        return _draw(groups, wanted, f"{shares.seed}")
    everything = {pair for group in groups for pair in shows.get(group, ())}
    best: dict[str, str] = {}
    fewest: tuple[int, float] | None = None
    for draw in range(max(DRAWS, min(MOST_DRAWS, TRIED // max(1, len(groups))))):
        plan = _draw(groups, wanted, f"{shares.seed}" if draw == 0 else f"{shares.seed}/{draw}")
        missing = (_missing(plan, shows, everything), _uneven(plan, wanted, rare) if rare else 0.0)
        if fewest is None or missing < fewest:
            best, fewest = plan, missing
        if fewest == (0, 0.0):
            break
    return best


def apply_split(catalogue: Catalogue, shares: Split) -> dict[str, str]:
    """Plan the splits of a catalogue, every value in every split where that can be, and write them. Returns the plan.

    Raises CatalogueError when there are too few groups.
    """
    examples = catalogue.examples()
    shows = shown(examples)
    masked: dict[str, dict[str, int]] = {}
    for example in examples:
        if any(is_reference(label.value) for label in example.labels.values()):
            kind = str(example.meta.get("class", ""))
            here = masked.setdefault(example.group, {})
            here[kind] = here.get(kind, 0) + 1
            shows[example.group].add(("meta.class", kind))
    plan = plan_split(catalogue.groups(), shares, shows, masked)
    catalogue.set_splits(plan)
    return plan


def shown(examples: Sequence[Example]) -> dict[str, set[tuple[str, str]]]:
    """What the pictures of each group show, for `plan_split`."""
    shows: dict[str, set[tuple[str, str]]] = {}
    for example in examples:
        shows.setdefault(example.group, set()).update(
            (name, _shown(label.value)) for name, label in example.labels.items()
        )
    return shows


def _shown(value: Json) -> str:
    """A value as JSON; that there is a mask, whatever mask it is."""
    return json.dumps(True if is_reference(value) else value)


def _shares(shares: Split) -> list[tuple[str, float]]:
    """The smallest first: it is the hardest to get right, so the roundings fall on the greatest."""
    return [("test", shares.test), ("calibration", shares.calibration), ("train", shares.train)]


def _draw(groups: Mapping[str, int], wanted: list[tuple[str, float]], seed: str) -> dict[str, str]:
    order = sorted(groups, key=lambda group: (hashlib.sha256(f"{seed}:{group}".encode()).digest(), group))
    weight = {group: max(groups[group], 0) for group in groups}
    total = sum(weight.values()) or 1
    whole = sum(share for _, share in wanted)
    plan: dict[str, str] = {}
    at, cut, split = 0.0, 0.0, -1
    for group in order:
        middle = (at + weight[group] / 2) / total
        while split < len(wanted) - 1 and (split < 0 or middle >= cut):
            split += 1
            cut += wanted[split][1] / whole
        plan[group] = wanted[split][0]
        at += weight[group]
    _fill(plan, order, weight, [name for name, _ in wanted])
    return plan


def _fill(plan: dict[str, str], order: Sequence[str], weight: Mapping[str, int], names: Sequence[str]) -> None:
    """Give each empty split the smallest group of the split that has the most groups."""
    for name in names:
        if name in plan.values():
            continue
        count = {other: list(plan.values()).count(other) for other in names}
        donor = max(names, key=lambda other: count[other])
        smallest = min((group for group in order if plan[group] == donor), key=lambda group: weight[group])
        plan[smallest] = name


def _uneven(plan: Mapping[str, str], wanted: list[tuple[str, float]], rare: Rare) -> float:
    """How far the splits' shares of the rare pictures, and of their groups, are from what was wanted, over classes."""
    whole = sum(share for _, share in wanted)
    out = 0.0
    for kind in sorted({kind for counts in rare.values() for kind in counts}):  # sums of floats know an order
        counts = {group: each[kind] for group, each in rare.items() if kind in each}
        pictures = sum(counts.values())
        for name, share in wanted:
            here = [count for group, count in counts.items() if plan[group] == name]
            out += abs(sum(here) / pictures - share / whole) + abs(len(here) / len(counts) - share / whole)
    return out


def _missing(plan: Mapping[str, str], shows: Shows, everything: AbstractSet[tuple[str, str]]) -> int:
    """How many values are never shown in a split, over all splits."""
    seen: dict[str, set[tuple[str, str]]] = {split: set() for split in plan.values()}
    for group, split in plan.items():
        seen[split].update(shows.get(group, ()))
    return sum(len(everything - pairs) for pairs in seen.values())
