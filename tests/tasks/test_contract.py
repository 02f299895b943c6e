"""What every kind of task keeps, whoever writes it: the suite runs over `tasks.KINDS`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from telltale.errors import CatalogueError, ConfigError
from telltale.evaluate.kinds import EVALUATORS
from telltale.preprocess import Preprocess
from telltale.tasks import KINDS, Label, Target, Task, Threshold, from_spec, stack_targets

ROOT = Path(__file__).resolve().parent.parent.parent

WIDTH, HEIGHT = 96, 64


@dataclass(frozen=True)
class Sample:
    """What the suite must know of a kind. value: a label value that fits. bad: one that does not.

    read: the label value that a told answer stands for. sure: what a model that knows the target gives for a picture,
    with a batch axis.
    """

    spec: dict[str, Any]
    value: Callable[[np.random.Generator], Any]
    bad: Any
    read: Callable[[Any, str], Any]
    sure: Callable[[Task, Target], dict[str, NDArray[np.float32]]]


def draw_mask(rng: np.random.Generator) -> Any:
    """A few blots, or nothing."""
    if rng.random() < 0.3:
        return False
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(rng.integers(1, 4)):
        x, y = rng.integers(0, WIDTH - 8), rng.integers(0, HEIGHT - 8)
        mask[y : y + rng.integers(2, 12), x : x + rng.integers(2, 12)] = 255
    return mask


def as_it_is(task: Task, target: Target) -> dict[str, NDArray[np.float32]]:
    """Of kinds whose answer has the target's own shape."""
    return {name: target.values.reshape(1, *shape) for name, shape in task.output_shapes(HEIGHT, WIDTH).items()}


def draw_boxes(rng: np.random.Generator) -> Any:
    """A few boxes whose centres lie in cells that do not touch, or nothing."""
    if rng.random() < 0.3:
        return False
    places = rng.choice(7 * 11, rng.integers(1, 5), replace=False)
    sides = rng.integers(2, 9, (len(places), 2))
    middles = [(place % 11 * 8 + 10, place // 11 * 8 + 10) for place in places.tolist()]
    return [[x - w / 2, y - h / 2, w, h] for (x, y), (w, h) in zip(middles, sides.tolist(), strict=True)]


def as_maps(task: Task, target: Target) -> dict[str, NDArray[np.float32]]:
    """Boxes as a net for them would give them, in their order."""
    out = {name: np.zeros((1, *shape), np.float32) for name, shape in task.output_shapes(HEIGHT, WIDTH).items()}
    for k, row in enumerate(target.values):
        for i, (there, x, y, w, h) in enumerate(row.tolist()):
            if there:
                column, line = (x + 0.5) * WIDTH / 4, (y + 0.5) * HEIGHT / 4
                out["heat"][0, k, int(line), int(column)] = 1 - i / 100
                out["boxes"][0, :, int(line), int(column)] = column % 1, line % 1, w, h
    return out


SAMPLES = {
    "states": Sample(
        {"kind": "states", "names": ["left", "right", "hood"], "mirror": [["left", "right"]], "min_visible": 0.01},
        value=lambda rng: bool(rng.random() < 0.5),
        bad="ajar",
        read=lambda result, name: result.to_json()[name]["pred"],
        sure=as_it_is,
    ),
    "mask": Sample(
        {"kind": "mask", "names": ["scratch", "dent"], "min_area": 1, "mm_per_px": 0.5},
        value=draw_mask,
        bad="ajar",
        read=lambda result, name: (result.maps[list(result.readings).index(name)] >= 0.5).astype(np.uint8) * 255,
        sure=as_it_is,
    ),
    "locate": Sample(
        {"kind": "locate", "names": ["ball"], "max_count": 8, "near_px": 3},
        value=draw_boxes,
        bad=[[1, 2, 3]],
        read=lambda result, name: [list(box.box) for box in result.readings[name].boxes],
        sure=as_maps,
    ),
}
"""An example of each kind: a new kind adds its own here."""

kinds = pytest.mark.parametrize("kind", sorted(KINDS))


def task_of(kind: str) -> Task:
    return from_spec(SAMPLES[kind].spec)


def draw_labels(task: Task, rng: np.random.Generator) -> dict[str, Label]:
    """Some labels, some unknown, some hidden."""
    return {
        name: Label(SAMPLES[task.kind].value(rng), None if rng.random() < 0.5 else float(rng.random() * 0.02))
        for name in task.names
        if rng.random() < 0.8
    }


def draw_outputs(task: Task, count: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    return {
        name: rng.random((count, *shape)).astype(np.float32)
        for name, shape in task.output_shapes(HEIGHT, WIDTH).items()
    }


def draw_target(task: Task, count: int, rng: np.random.Generator) -> Target:
    return stack_targets([task.encode(draw_labels(task, rng), (WIDTH, HEIGHT)) for _ in range(count)])


def same(one: Any, other: Any) -> bool:
    """Whether two tallies hold the same counts."""
    return all(np.allclose(np.asarray(getattr(one, f.name)), np.asarray(getattr(other, f.name))) for f in fields(one))


def rows(target: Target, at: slice) -> Target:
    return Target(target.values[at], target.known[at], target.hidden[at])


def part(outputs: Mapping[str, NDArray[np.float32]], at: slice) -> dict[str, NDArray[np.float32]]:
    return {name: value[at] for name, value in outputs.items()}


seeds = st.integers(0, 2**32 - 1)


@kinds
def test_a_kind_has_an_example_here(kind: str) -> None:
    assert kind in SAMPLES, f"add an example of {kind!r} to SAMPLES, so that the suite covers it"


@kinds
def test_a_spec_survives_json(kind: str) -> None:
    task = task_of(kind)
    assert from_spec(json.loads(json.dumps(task.to_spec()))) == task
    assert task.to_spec()["kind"] == kind == task.kind


@kinds
def test_an_unknown_key_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="colour"):
        from_spec({**SAMPLES[kind].spec, "colour": 1})


@kinds
def test_a_value_that_does_not_fit_is_refused(kind: str) -> None:
    task = task_of(kind)
    with pytest.raises(CatalogueError, match=task.names[0]):
        task.shows({task.names[0]: Label(SAMPLES[kind].bad)})
    with pytest.raises(CatalogueError, match=task.names[0]):
        task.encode({task.names[0]: Label(SAMPLES[kind].bad)}, (WIDTH, HEIGHT))


@kinds
def test_labels_of_other_names_are_passed_over(kind: str) -> None:
    task = task_of(kind)
    labels = {"somebody else's": Label(True)}
    assert not task.encode(labels, (WIDTH, HEIGHT)).known.any()
    assert not task.shows(labels).known.any()


@kinds
def test_what_a_picture_shows_has_one_value_for_each_name(kind: str) -> None:
    task = task_of(kind)
    labels = {name: Label(SAMPLES[kind].value(np.random.default_rng(1))) for name in task.names}
    shown = task.shows(labels)
    assert shown.values.shape == shown.known.shape == shown.hidden.shape == (len(task.names),)
    assert shown.known.all()
    target = task.encode(labels, (WIDTH, HEIGHT))
    there = (target.values.reshape(len(task.names), -1) >= 0.5).any(axis=1)
    np.testing.assert_array_equal(shown.values >= 0.5, there)


@kinds
def test_an_answer_lies_on_its_picture_whatever_its_size(kind: str) -> None:
    task, preprocess = task_of(kind), Preprocess(WIDTH, HEIGHT, "letterbox")
    outputs = draw_outputs(task, 1, np.random.default_rng(0))
    for size in ((WIDTH, HEIGHT), (31, 47), (1, 1), (300, 20)):
        placed = task.place(outputs, preprocess, size)
        assert placed.keys() >= outputs.keys()
        for result in task.decode(placed, task.default_thresholds()):
            json.dumps(result.to_json(), allow_nan=False)


@kinds
def test_every_name_has_a_threshold_and_every_output_a_shape(kind: str) -> None:
    task = task_of(kind)
    assert set(task.default_thresholds()) == set(task.names)
    assert all(size > 0 for shape in task.output_shapes(HEIGHT, WIDTH).values() for size in shape)


@kinds
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_a_label_read_back_from_a_sure_answer_is_the_label(kind: str, seed: int) -> None:
    task = task_of(kind)
    rng = np.random.default_rng(seed)
    labels = {name: Label(SAMPLES[kind].value(rng)) for name in task.names}
    target = task.encode(labels, (WIDTH, HEIGHT))
    assert target.known.all()
    result = task.decode(SAMPLES[kind].sure(task, target), task.default_thresholds())[0]
    again = task.encode({name: Label(SAMPLES[kind].read(result, name)) for name in task.names}, (WIDTH, HEIGHT))
    np.testing.assert_allclose(again.values, target.values, atol=1e-6)


@kinds
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_an_answer_survives_json(kind: str, seed: int) -> None:
    task = task_of(kind)
    rng = np.random.default_rng(seed)
    for result in task.decode(draw_outputs(task, 3, rng), task.default_thresholds()):
        plain = result.to_json()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@kinds
@given(seed=seeds, count=st.integers(1, 12), cut=st.integers(0, 12))
@settings(max_examples=25, deadline=None)
def test_tallies_add_up_over_batches(kind: str, seed: int, count: int, cut: int) -> None:
    task = task_of(kind)
    rng = np.random.default_rng(seed)
    outputs, target = draw_outputs(task, count, rng), draw_target(task, count, rng)
    thresholds = {name: Threshold(0.3, 0.6) for name in task.names}
    whole = task.tally(outputs, target, thresholds)
    first, rest = slice(0, cut), slice(cut, count)
    total = task.tally(part(outputs, first), rows(target, first), thresholds) + task.tally(
        part(outputs, rest), rows(target, rest), thresholds
    )
    assert same(whole, total)


@kinds
def test_scoring_is_pure_and_says_nothing_json_cannot(kind: str) -> None:
    task = task_of(kind)
    rng = np.random.default_rng(0)
    tally = task.tally(draw_outputs(task, 30, rng), draw_target(task, 30, rng), task.default_thresholds())
    before = task.tally(
        draw_outputs(task, 0, rng), rows(draw_target(task, 1, rng), slice(0, 0)), task.default_thresholds()
    )
    first = task.score(tally)
    task.score(before)
    assert task.score(tally) == first
    json.dumps(first, allow_nan=False)
    assert set(first["heads"]) == set(task.names)
    merit = task.merit(first)
    assert merit is not None
    assert 0 <= merit <= 1
    assert "overall" in first


@kinds
def test_nothing_at_all_scores_without_a_number(kind: str) -> None:
    task = task_of(kind)
    rng = np.random.default_rng(0)
    nothing = task.tally(
        draw_outputs(task, 0, rng), rows(draw_target(task, 1, rng), slice(0, 0)), task.default_thresholds()
    )
    score = json.loads(json.dumps(task.score(nothing), allow_nan=False))
    assert score["overall"]["accuracy"] is None
    assert task.merit(score) is None


@kinds
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_a_label_nobody_gave_adds_nothing(kind: str, seed: int) -> None:
    task = task_of(kind)
    rng = np.random.default_rng(seed)
    outputs, target = draw_outputs(task, 6, rng), draw_target(task, 6, rng)
    noise = Target(
        np.where(target.known, target.values, rng.random(target.values.shape)).astype(np.float32),
        target.known,
        np.where(target.known, target.hidden, True),
    )
    thresholds = task.default_thresholds()
    assert same(task.tally(outputs, target, thresholds), task.tally(outputs, noise, thresholds))
    silent = Target(target.values, np.zeros_like(target.known), target.hidden)
    empty = task.tally(outputs, silent, thresholds)
    assert same(empty, empty + empty)


@kinds
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_mirroring_twice_is_nothing_and_batches_mirror_as_pictures_do(kind: str, seed: int) -> None:
    task = task_of(kind)
    rng = np.random.default_rng(seed)
    target = draw_target(task, 4, rng)
    twice = task.mirror(task.mirror(target))
    alone = stack_targets([task.mirror(Target(target.values[i], target.known[i], target.hidden[i])) for i in range(4)])
    together = task.mirror(target)
    for name in ("values", "known", "hidden"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(target, name))
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))


@kinds
def test_drawing_gives_a_new_picture_of_the_same_size(kind: str) -> None:
    task = task_of(kind)
    rng = np.random.default_rng(0)
    result = task.decode(draw_outputs(task, 1, rng), task.default_thresholds())[0]
    for size in ((240, 320), (64, 96), (20, 20), (1, 1)):
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        before = image.copy()
        drawn = task.draw(image, result)
        np.testing.assert_array_equal(image, before)
        assert drawn.shape == image.shape
        assert drawn.dtype == np.uint8
        assert size[0] < 64 or (drawn != image).any(), "nothing was drawn"


# --- the rest of the house


@kinds
def test_a_kind_has_a_head_an_answer_and_a_loss(kind: str) -> None:
    from telltale.model.heads import ANSWERS, HEADS, SHIPS
    from telltale.train.feeds import FEEDS
    from telltale.train.losses import LOSSES

    for registry in (HEADS, ANSWERS, SHIPS, LOSSES, FEEDS):
        assert kind in registry
    assert kind in EVALUATORS


@kinds
def test_the_head_gives_what_the_task_decodes(kind: str) -> None:
    import torch

    from telltale.model.heads import ANSWERS, SHIPS, Shape, make_head

    task = task_of(kind)
    head = make_head(task, Shape((8, 16), (4, 8), HEIGHT, WIDTH)).eval()
    outputs = ANSWERS[kind](head([torch.rand(2, 8, 16, 24), torch.rand(2, 16, 8, 12)]), torch.ones(len(task.names)))
    assert tuple(outputs) == SHIPS[kind]
    for name, shape in task.output_shapes(HEIGHT, WIDTH).items():
        assert tuple(outputs[name].shape) == (2, *shape)


@kinds
def test_a_kind_is_described(kind: str) -> None:
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert f"## `{kind}`" in page
    assert f'kind = "{kind}"' in page, "with an example of telltale.toml"


@kinds
def test_a_kind_is_drawn_in_the_browser(kind: str) -> None:
    widget = (ROOT / "web" / "widget" / "tell-tale.js").read_text(encoding="utf-8")
    start = widget.index("RENDERERS = ")
    renderers = widget[start : widget.index("}", start) + 1]
    assert kind in renderers, f"the widget's RENDERERS has no {kind}"
