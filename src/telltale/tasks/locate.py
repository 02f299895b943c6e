"""Where: the centre, box and score of each thing. Knows nothing of models, files or streams."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from telltale.errors import CatalogueError, ConfigError
from telltale.frame import Image
from telltale.preprocess import Preprocess
from telltale.tasks.boxes import STRIDE, Frame, Peaks, find_peaks
from telltale.tasks.draw_boxes import draw_boxes
from telltale.tasks.locate_tally import LocateTally, Truth, empty_tally, score_boxes, tally_boxes
from telltale.tasks.naming import order_mirrored, read_names, read_pairs, refuse_repeated, refuse_unknown
from telltale.tasks.states import OFF_WORDS, State
from telltale.tasks.task import Floats, Json, Label, Outputs, Target, Threshold, Thresholds

MAX_COUNT = 100
NEAR_PX = 5.0

LISTED = 100
"""Boxes of one name that an answer lists, the surest first; it counts all."""

KEYS = ("kind", "names", "mirror", "max_count", "near_px")


@dataclass(frozen=True, slots=True)
class Box:
    """box: x, y, width, height, cut to the picture; centre: x, y; pixels of the picture. score: 0 to 1."""

    box: tuple[float, float, float, float]
    centre: tuple[float, float]
    score: float
    state: Literal["on", "unsure"]

    def to_json(self) -> dict[str, Json]:
        return {
            "box": [round(v, 2) for v in self.box],
            "centre": [round(v, 2) for v in self.centre],
            "score": round(self.score, 6),
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class LocateReading:
    """One name's answer.

    prob: the highest score of all, told or not; 0 where there is no peak. state: `on` with a box that is on, `off`
    without any box. boxes: those over the lower cut, the surest first.
    """

    prob: float
    state: State
    boxes: tuple[Box, ...]

    def to_json(self) -> dict[str, Json]:
        """`pred` is the likelier side, told or not."""
        return {
            "prob": round(self.prob, 6),
            "pred": int(self.prob >= 0.5),
            "state": self.state,
            "count": sum(box.state == "on" for box in self.boxes),
            "boxes": [box.to_json() for box in self.boxes[:LISTED]],
        }


@dataclass(frozen=True, slots=True)
class LocateResult:
    """A reading for each name, in the task's order, and the width and height of the picture it speaks of."""

    readings: Mapping[str, LocateReading]
    size: tuple[float, float]

    def to_json(self) -> dict[str, Json]:
        return {name: reading.to_json() for name, reading in self.readings.items()}


@dataclass(frozen=True, slots=True)
class Locate:
    """K kinds of thing, each somewhere, or several times, or nowhere.

    names: what to find, in output order. mirror_pairs: names that swap when a picture is flipped left to right.
    max_count: boxes of one name in a picture at most, told or labelled.
    near_px: a told centre this close to the true one has found it, as has any inside the true box; pixels of the
    picture.

    Outputs: `heat` (N, K, h, w), the probability that a centre lies in a cell of 4x4 pixels of the input; `boxes`
    (N, 4, h, w), where in its cell the centre lies (x, y, 0 to 1), and the box's width and height as shares of the
    input's. `place` adds `frame` (N, 6): x, y, width, height of the model's input in pixels of the picture, and the
    picture's width and height; without it the model's input is the picture.
    Target values: (K, max_count, 5): 1 for a box, its centre as a share of the picture's sides, from its middle, and
    its width and height as shares; 0 for none. Where hidden, nobody knows what is inside: neither found nor missed.
    """

    kind: ClassVar[str] = "locate"
    names: tuple[str, ...]
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    max_count: int = MAX_COUNT
    near_px: float = NEAR_PX

    def __post_init__(self) -> None:
        refuse_repeated(self.names)
        paired = [name for pair in self.mirror_pairs for name in pair]
        if len(set(paired)) != len(paired) or not set(paired) <= set(self.names):
            raise ConfigError("task.mirror", expected="pairs of names, each once", got=repr(self.mirror_pairs))

    @classmethod
    def from_spec(cls, spec: Mapping[str, Json]) -> Locate:
        """Raises ConfigError on a key it does not know."""
        refuse_unknown(spec, KEYS)
        names, pairs = read_names(spec), read_pairs(spec)
        most, near = spec.get("max_count", MAX_COUNT), spec.get("near_px", NEAR_PX)
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 1000:
            raise ConfigError("task.max_count", expected="a number of boxes, 1 to 1000", got=repr(most))
        if isinstance(near, bool) or not isinstance(near, int | float) or not 0 < near < math.inf:
            raise ConfigError("task.near_px", expected="pixels, above 0", got=repr(near))
        return cls(names, pairs, most, float(near))

    def to_spec(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "names": list(self.names),
            "mirror": [list(pair) for pair in self.mirror_pairs],
            "max_count": self.max_count,
            "near_px": self.near_px,
        }

    def output_shapes(self, height: int, width: int) -> dict[str, tuple[int, ...]]:
        cells = (-(-height // STRIDE), -(-width // STRIDE))
        return {"heat": (len(self.names), *cells), "boxes": (4, *cells)}

    def default_thresholds(self) -> dict[str, Threshold]:
        return {name: Threshold() for name in self.names}

    def shows(self, labels: Mapping[str, Label]) -> Target:
        """Whether there is any of each name in the picture; with regions nobody knows and no box, nobody knows."""
        values, known = np.zeros(len(self.names), np.float32), np.zeros(len(self.names), np.bool_)
        for k, name in enumerate(self.names):
            label = labels.get(name)
            if label is None or label.value is None:
                continue
            boxes, unknown = parse_boxes(name, label.value, self.max_count)
            values[k], known[k] = float(len(boxes) > 0), len(boxes) > 0 or not len(unknown)
        return Target(values, known, np.zeros_like(known))

    def encode(self, labels: Mapping[str, Label], size: tuple[int, int] = (1, 1)) -> Target:
        """Boxes in pixels of a picture of `size`, cut to it. Raises CatalogueError on one that lies outside."""
        shape = (len(self.names), self.max_count, 5)
        values, known, hidden = np.zeros(shape, np.float32), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for k, name in enumerate(self.names):
            label = labels.get(name)
            if label is None or label.value is None:
                continue
            known[k] = True
            parts = parse_boxes(name, label.value, self.max_count)
            boxes = np.concatenate([cut_boxes(part, size) for part in parts])
            if not (boxes[:, 2:] > 0).all():
                raise CatalogueError(
                    f"label {name!r}", expected=f"boxes inside {size[0]} x {size[1]}", got="one outside"
                )
            count = len(boxes)
            values[k, :count, 0] = 1
            values[k, :count, 1:3] = (boxes[:, :2] + boxes[:, 2:] / 2) / size - 0.5
            values[k, :count, 3:] = boxes[:, 2:] / size
            hidden[k, len(parts[0]) : count] = True
        return Target(values, known, hidden)

    def mirror_order(self) -> NDArray[np.int64]:
        """(K,) the index each output takes its value from in a flipped picture."""
        return order_mirrored(self.names, self.mirror_pairs)

    def mirror(self, target: Target) -> Target:
        """Works on pictures and batches of boxes, and on what `shows` gives."""
        order = self.mirror_order()
        if target.values.ndim < 3:
            return Target(target.values[..., order], target.known[..., order], target.hidden[..., order])
        values = target.values[..., order, :, :].copy()
        values[..., 1] *= -1
        return Target(values, target.known[..., order, :, :], target.hidden[..., order, :, :])

    def lay(self, target: Target, preprocess: Preprocess, size: tuple[int, int]) -> Target:
        """The same boxes as shares of the input's sides. Raises ConfigError with fit tile."""
        _refuse_tiles(preprocess)
        sides = np.array([preprocess.width, preprocess.height])
        values = target.values.astype(np.float64)
        corners = preprocess.to_model(np.array([[0, 0], size]), size) / sides
        shares = corners[1] - corners[0]
        there = values[..., :1]
        values[..., 1:3] = (corners[0] + (values[..., 1:3] + 0.5) * shares - 0.5) * there
        values[..., 3:] *= shares
        return Target(values.astype(np.float32), target.known, target.hidden)

    def place(self, outputs: Outputs, preprocess: Preprocess, size: tuple[int, int]) -> Outputs:
        """As they are, with where the input lies in the picture beside them. Raises ConfigError with fit tile."""
        _refuse_tiles(preprocess)
        corners = preprocess.to_picture(np.array([[0, 0], [preprocess.width, preprocess.height]]), size)
        frame = np.array([*corners[0], *(corners[1] - corners[0]), *size], np.float32)
        return {**outputs, "frame": np.tile(frame, (len(outputs["heat"]), 1))}

    def peaks(self, outputs: Outputs) -> list[list[Peaks]]:
        """For each picture and name the boxes of every peak, at most `max_count`, whatever their score."""
        heat, boxes = outputs["heat"], outputs["boxes"]
        return [
            [find_peaks(each, boxes[n], frame_of(outputs, n), self.max_count) for each in maps]
            for n, maps in enumerate(heat)
        ]

    def decode(self, outputs: Outputs, thresholds: Thresholds) -> list[LocateResult]:
        return [
            LocateResult(
                {name: _read(found, thresholds[name]) for name, found in zip(self.names, picture, strict=True)},
                frame_of(outputs, n).picture,
            )
            for n, picture in enumerate(self.peaks(outputs))
        ]

    def tally(self, outputs: Outputs, target: Target, thresholds: Thresholds) -> LocateTally:
        total = empty_tally(len(self.names))
        for n, picture in enumerate(self.peaks(outputs)):
            for k, name in enumerate(self.names):
                if target.known[n, k].any():
                    true = true_boxes(target.values[n, k], target.hidden[n, k], frame_of(outputs, n).picture)
                    tally_boxes(total, k, picture[k], true, thresholds[name], self.near_px)
        return total

    def score(self, tally: LocateTally) -> dict[str, Json]:
        """Every metric of `locate_tally.score_boxes`."""
        return score_boxes(self.names, tally)

    def merit(self, score: Mapping[str, Json]) -> float | None:
        """The names' mean of average precision at an overlap of a half: it asks for no cut that is still to be chosen.

        Where nothing is there to be found: the share of pictures rightly held to be without.
        """
        value: float | None = score["overall"]["ap50"]
        return score["overall"]["accuracy"] if value is None else value

    def draw(self, image: Image, result: LocateResult) -> Image:
        """Boxes with centres, dashed where unsure."""
        return draw_boxes(image, result)


def frame_of(outputs: Outputs, n: int) -> Frame:
    """Where picture n of a batch lies: as `place` said, or the model's input itself."""
    if "frame" in outputs:
        x, y, width, height, *picture = (float(v) for v in outputs["frame"][n])
        return Frame(x, y, width, height, (picture[0], picture[1]))
    rows, columns = outputs["heat"].shape[2:]
    width, height = float(columns * STRIDE), float(rows * STRIDE)
    return Frame(0.0, 0.0, width, height, (width, height))


def true_boxes(values: Floats, hidden: NDArray[np.bool_], size: Sequence[float]) -> Truth:
    """One name's row of a Target, (M, 5), as boxes in a picture of `size` (width, height)."""
    there = values[:, 0] >= 0.5
    rows = values[there].astype(np.float64)
    sides = rows[:, 3:] * size
    boxes = np.concatenate([(rows[:, 1:3] + 0.5) * size - sides / 2, sides], axis=1)
    unknown = hidden[there, 0]
    return Truth(boxes[~unknown], boxes[unknown])


def _read(found: Peaks, cut: Threshold) -> LocateReading:
    told = found.at_least(cut.high) if cut.low >= cut.high else found.at_least(cut.low, above=True)
    boxes = tuple(
        Box(
            (float(b[0]), float(b[1]), float(b[2]), float(b[3])),
            (float(c[0]), float(c[1])),
            float(s),
            "on" if s >= cut.high else "unsure",
        )
        for s, b, c in zip(told.score, told.box, told.centre, strict=True)
    )
    return LocateReading(float(found.score[0]) if len(found) else 0.0, boxes[0].state if boxes else "off", boxes)


def parse_boxes(name: str, value: Json, most: int = MAX_COUNT) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 4) boxes and (m, 4) regions nobody knows, of a label's value. Raises CatalogueError.

    value: a list of [x, y, width, height]; False, "off" or [] for none; or {"boxes": [...], "unknown": [...]}.
    """
    if isinstance(value, dict) and set(value) <= {"boxes", "unknown"}:
        parts = (value.get("boxes", []), value.get("unknown", []))
    elif isinstance(value, list | tuple):
        parts = (value, [])
    elif not isinstance(value, dict) and str(value).strip().lower() in OFF_WORDS:
        parts = ([], [])
    else:
        raise CatalogueError(f"label {name!r}", expected="boxes [x, y, width, height], or false", got=repr(value)[:80])
    boxes, unknown = (_numbers(name, part) for part in parts)
    if len(boxes) + len(unknown) > most:
        raise CatalogueError(
            f"label {name!r}",
            expected=f"{most} boxes at most",
            got=str(len(boxes) + len(unknown)),
            next="raise max_count in [task]",
        )
    return boxes, unknown


def join_boxes(name: str, one: Json, other: Json) -> Json:
    """The label value of two put together. Raises CatalogueError."""
    both = zip(parse_boxes(name, one, 1_000_000), parse_boxes(name, other, 1_000_000), strict=True)
    boxes, unknown = (np.concatenate(pair).tolist() for pair in both)
    return {"boxes": boxes, "unknown": unknown} if unknown else boxes or False


def _numbers(name: str, boxes: Json) -> NDArray[np.float64]:
    wrong = CatalogueError(
        f"label {name!r}", expected="boxes [x, y, width, height] with sides above 0", got=repr(boxes)[:80]
    )
    if not isinstance(boxes, list | tuple):
        raise wrong
    for box in boxes:
        if not isinstance(box, list | tuple) or len(box) != 4:
            raise wrong
        if any(isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in box):
            raise wrong
        if box[2] <= 0 or box[3] <= 0:
            raise wrong
    return np.array(boxes, np.float64).reshape(-1, 4)


def cut_boxes(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Boxes (n, 4) cut to a picture of `size` (width, height); one outside gets a side of 0 or below."""
    low = np.maximum(boxes[:, :2], 0)
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], np.array(size, np.float64))
    return np.concatenate([low, high - low], axis=1)


def _refuse_tiles(preprocess: Preprocess) -> None:
    if preprocess.fit == "tile":
        raise ConfigError(
            "input.fit", expected="stretch or letterbox, for boxes are told of whole pictures", got="tile"
        )
