"""The data of a run, one way of loading a kind of task. Knows projects and catalogues, and nothing of networks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from telltale.dataset.catalogue import Example
from telltale.errors import ConfigError, TrainError
from telltale.preprocess import decode
from telltale.progress import Progress, Quiet
from telltale.project import Project, Train
from telltale.tasks import Target, Task, stack_targets
from telltale.train.arrays import SMALLEST, Arrays, check_labels, check_mirror, pick_side, pick_watch
from telltale.train.boxed import BoxedPictures
from telltale.train.cache import Source, open_cache
from telltale.train.crops import Crops, MaskData
from telltale.train.distil import (
    Taught,
    Teacher,
    as_hints,
    both_views,
    cached_answers,
    find_teacher,
    join_hints,
    open_teacher,
)
from telltale.train.feed import Feed
from telltale.train.hints import make_hints
from telltale.train.store import open_store
from telltale.train.whole import WholePictures

CACHE = ".cache"


class Steps(Protocol):
    """Opens a progress for a part of the work: `telltale.progress.progress` is one."""

    def __call__(self, title: str, total: int | None, unit: str = "images") -> AbstractContextManager[Progress]: ...


def silent(title: str, total: int | None, unit: str = "images") -> AbstractContextManager[Progress]:
    """Says nothing."""
    return nullcontext(Quiet())


@dataclass(frozen=True, slots=True)
class Loaded:
    """parts: group to the part it plays, `train` or `watch`. notes: on the data. hints: learned beside the labels.

    teacher: the key of the teacher's weights, "" without one.
    """

    feed: Feed
    parts: dict[str, str]
    notes: tuple[str, ...]
    hints: int = 0
    teacher: str = ""


def load_states(project: Project, task: Task, examples: Sequence[Example], settings: Train, steps: Steps) -> Loaded:
    """Whole pictures at the input's size. Raises ConfigError with fit tile, which has no one size."""
    if project.config.input.fit == "tile":
        raise ConfigError(
            "input.fit", expected="stretch or letterbox, for states are told of whole pictures", got="tile"
        )
    target = stack_targets([task.shows(example.labels) for example in examples])
    train, watch, parts = _watched(examples, settings)
    notes = check_labels(task, pick_side(target, train)) + check_mirror(task, settings.augment.flip)
    notes += _unwatched(settings, watch)
    preprocess = project.config.input.preprocess()
    sources = [Source(example.sha256, lambda path=example.path: decode(path)) for example in examples]  # type: ignore[misc]
    with steps("read", len(sources)) as progress:
        pixels = open_cache(project.root / CACHE, sources, preprocess, threads=os.cpu_count() or 2, progress=progress)
    hints, lessons, teacher = make_hints(examples, settings.hints), None, _teacher(project, task, settings)
    if teacher is not None and settings.distil.answers != "moved":
        with steps("ask the teacher", len(examples)) as progress:
            answers = cached_answers(
                teacher,
                project.root / CACHE,
                [example.sha256 for example in examples],
                lambda row: decode(examples[row].path),
                progress=progress,
            )
        if settings.distil.hidden and teacher.hidden:
            hints = join_hints(hints, as_hints(answers))
        answers = both_views(answers, task, settings.augment.flip)
        lessons = (answers.plain, answers.mirrored)
    arrays = Arrays(pixels, target, train, watch, hints, lessons)
    feed: Feed = WholePictures(task, arrays, settings.augment)
    if teacher is not None and lessons is None:
        feed = Taught(feed, teacher)
    return Loaded(feed, parts, tuple(notes), len(hints.names), teacher.key if teacher else "")


def load_masks(project: Project, task: Task, examples: Sequence[Example], settings: Train, steps: Steps) -> Loaded:
    """Crops of pictures of any size, or whole pictures where the input's fit makes them of one size."""
    target = stack_targets([task.shows(example.labels) for example in examples])
    train, watch, parts = _watched(examples, settings)
    notes = [*_check_there(task, pick_side(target, train), "masks"), *_unwatched(settings, watch)]
    size = project.config.input
    with steps("read", len(examples)) as progress:
        store = open_store(project.root / CACHE, examples, task, size.preprocess(), progress=progress)
    feed: Feed = Crops(task, MaskData(store, target, train, watch), settings.augment, size.width, size.height)
    teacher = _teacher(project, task, settings)
    if teacher is not None:
        feed = Taught(feed, teacher)
    return Loaded(feed, parts, tuple(notes), teacher=teacher.key if teacher else "")


def load_boxes(project: Project, task: Task, examples: Sequence[Example], settings: Train, steps: Steps) -> Loaded:
    """Whole pictures at the input's size, with boxes. Raises ConfigError with fit tile, CatalogueError on a label."""
    shown = stack_targets([task.shows(example.labels) for example in examples])
    train, watch, parts = _watched(examples, settings)
    notes = [*_check_there(task, pick_side(shown, train), "boxes"), *_unwatched(settings, watch)]
    notes += check_mirror(task, settings.augment.flip)
    preprocess = project.config.input.preprocess()
    target = stack_targets(
        [task.lay(task.encode(e.labels, (e.width, e.height)), preprocess, (e.width, e.height)) for e in examples]
    )
    sources = [Source(example.sha256, lambda path=example.path: decode(path)) for example in examples]  # type: ignore[misc]
    with steps("read", len(sources)) as progress:
        pixels = open_cache(project.root / CACHE, sources, preprocess, threads=os.cpu_count() or 2, progress=progress)
    feed: Feed = BoxedPictures(task, Arrays(pixels, target, train, watch), pick_side(shown, train), settings.augment)
    teacher = _teacher(project, task, settings)
    if teacher is not None:
        feed = Taught(feed, teacher)
    return Loaded(feed, parts, tuple(notes), teacher=teacher.key if teacher else "")


def _teacher(project: Project, task: Task, settings: Train) -> Teacher | None:
    """The teacher the settings name. Raises TrainError where it is none, or answers cannot be had as asked."""
    if settings.teacher is None:
        return None
    if task.kind != "states" and settings.distil.answers == "cached":
        raise TrainError(
            "train.distil.answers",
            expected=f"'moved' or 'auto' for a {task.kind}: what it sees is cut anew",
            got="'cached'",
        )
    return open_teacher(find_teacher(project.root, project.runs, settings.teacher), task)


Load = Callable[[Project, Task, Sequence[Example], Train, Steps], Loaded]

FEEDS: dict[str, Load] = {"states": load_states, "mask": load_masks, "locate": load_boxes}
"""Kind of task to how its data is loaded."""


def make_feed(
    project: Project, task: Task, examples: Sequence[Example], settings: Train, steps: Steps = silent
) -> Loaded:
    """Pictures and labels of the train split. Raises TrainError on a kind without a feed, or nothing to learn from."""
    if task.kind not in FEEDS:
        raise TrainError("task.kind", expected="a kind with a feed: " + ", ".join(FEEDS), got=repr(task.kind))
    return FEEDS[task.kind](project, task, examples, settings, steps)


def _watched(
    examples: Sequence[Example], settings: Train
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, str]]:
    """Rows to train on, rows to watch, and the part each group plays."""
    watched = pick_watch([example.group for example in examples], settings.watch, settings.seed)
    is_watched = np.array([example.group in watched for example in examples])
    parts = {example.group: "watch" if example.group in watched else "train" for example in examples}
    return np.flatnonzero(~is_watched), np.flatnonzero(is_watched), parts


def _unwatched(settings: Train, watch: NDArray[np.int64]) -> list[str]:
    if settings.watch > 0 and not len(watch):
        return ["too few groups to keep one aside: over-fitting is not watched, the last weights are kept"]
    return []


def _check_there(task: Task, target: Target, what: str) -> list[str]:
    """What the user should know of training labels that are `what`. Raises TrainError where nothing can be learned."""
    if len(target.values) < 1:
        raise TrainError(
            "nothing to train on", expected=f"pictures with {what}", got="none", next="import or label some"
        )
    notes = []
    for k, name in enumerate(task.names):
        known = target.known[:, k]
        there = int((target.values[known, k] >= 0.5).sum())
        if not there:
            raise TrainError(
                f"no picture shows {name!r}",
                expected=f"{what} of each name in the train split",
                got=f"{int(known.sum())} pictures without any" if known.any() else "no labels at all",
                next=f"label some, or take {name!r} out of [task] names",
            )
        if there < SMALLEST:
            notes.append(f"{name} is in only {there} training pictures")
        if there == known.sum():
            notes.append(f"no training picture is without {name}: what is good is learned from the rest of each alone")
    return notes
