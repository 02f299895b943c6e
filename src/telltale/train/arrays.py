"""What one run learns from: pictures and labels as arrays, and which are watched. Knows nothing of networks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale.errors import TrainError
from telltale.tasks import Target, Task
from telltale.tasks.task import Floats
from telltale.train.hints import Hints

SMALLEST = 8
"""Pictures to train on: fewer is a mistake, not a data set."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """N pictures at the model's input size.

    pixels: (N, H, W, 3) uint8, may be memory-mapped. target: with a leading axis N.
    train, watch: row numbers; watch may be empty. hints: what else is known of each picture; None: nothing.
    lessons: (N, K) logits of a teacher for each picture as it is and mirrored; None: no teacher, or one that is asked
    in every step.
    """

    pixels: NDArray[np.uint8]
    target: Target
    train: NDArray[np.int64]
    watch: NDArray[np.int64]
    hints: Hints | None = None
    lessons: tuple[Floats, Floats] | None = None


def pick_watch(groups: Sequence[str], share: float, seed: int) -> set[str]:
    """The groups kept aside: those with the lowest hash, until they hold `share` of the pictures.

    Adding a group moves none of the others' hashes. Never all groups; none where there is only one.
    """
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"watch {seed} {group}".encode()).digest())
    picked: set[str] = set()
    wanted = share * len(groups)
    held = 0
    for group in order[:-1]:
        if held >= wanted:
            break
        # A group that overshoots by more than it falls short without it stays in training.
        if held + sizes[group] - wanted > wanted - held and picked:
            continue
        picked.add(group)
        held += sizes[group]
    return picked if 0 < held <= len(groups) / 2 else set()


def pick_side(side: Target, rows: NDArray[np.int64]) -> Target:
    """The labels of some rows."""
    return Target(side.values[rows], side.known[rows], side.hidden[rows])


def check_labels(task: Task, target: Target) -> list[str]:
    """What the user should know of the training labels. Raises TrainError where nothing can be learned."""
    if len(target.values) < SMALLEST:
        raise TrainError(
            "too few pictures to train on",
            expected=f"{SMALLEST} or more labelled ones in the train split",
            got=str(len(target.values)),
            next="collect or label more, or give the train split a larger share",
        )
    notes = []
    for k, name in enumerate(task.names):
        known = target.known[:, k]
        on = int((target.values[known, k] >= 0.5).sum())
        off = int(known.sum()) - on
        if not known.any():
            raise TrainError(
                f"nobody labelled {name!r}",
                expected="labels for each name in the train split",
                got="none",
                next=f"label it, or take {name!r} out of [task] names",
            )
        if on == 0 or off == 0:
            notes.append(f"{name} is always {'on' if on else 'off'} in the training labels: it cannot be learned")
        elif min(on, off) < SMALLEST:
            notes.append(f"{name} is {'on' if on < off else 'off'} in only {min(on, off)} training pictures")
    return notes


def check_mirror(task: Task, flip: bool) -> list[str]:
    """A hint where names look like mirror images of each other and the task does not say so."""
    if not flip:
        return []
    order = _mirrored_names(task)
    swapped = {"left": "right", "right": "left"}
    for name in task.names:
        for word, other in swapped.items():
            twin = name.replace(word, other)
            if word in name and twin in task.names and order[name] != twin:
                return [
                    f"flips do not swap {name} and {twin}: add [{name!r}, {twin!r}] to task.mirror"
                    " if they are mirror images, or set train.augment.flip = false"
                ]
    return []


def _mirrored_names(task: Task) -> Mapping[str, str]:
    """Each name to the one whose label it takes in a flipped picture."""
    count = len(task.names)
    marks = np.arange(count, dtype=np.float32)
    moved = task.mirror(Target(marks, np.ones(count, np.bool_), np.zeros(count, np.bool_)))
    return {name: task.names[int(moved.values[k])] for k, name in enumerate(task.names)}
