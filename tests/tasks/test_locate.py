"""What a told box is, and how boxes are counted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import CatalogueError, ConfigError
from telltale.preprocess import Preprocess
from telltale.tasks import Label, Target, Threshold
from telltale.tasks.locate import Locate, parse_boxes
from telltale.tasks.locate_tally import average_precision

TASK = Locate(("ball",), max_count=6, near_px=3)
CUTS = {"ball": Threshold(0.3, 0.6)}


def maps(*spots: tuple[int, int, float], rows: int = 8, columns: int = 12) -> dict[str, np.ndarray]:
    """(column, row, score) each; every box a quarter of the input's sides, its centre in the middle of its cell."""
    heat = np.zeros((1, 1, rows, columns), np.float32)
    for column, row, score in spots:
        heat[0, 0, row, column] = score
    boxes = np.empty((1, 4, rows, columns), np.float32)
    boxes[0, :2], boxes[0, 2:] = 0.5, 0.25
    return {"heat": heat, "boxes": boxes}


def truth(value: Any, size: tuple[int, int] = (48, 32)) -> Target:
    target = TASK.encode({"ball": Label(value)}, size)
    return Target(target.values[None], target.known[None], target.hidden[None])


def score(outputs: dict[str, np.ndarray], value: Any) -> dict[str, Any]:
    return dict(TASK.score(TASK.tally(outputs, truth(value), CUTS))["heads"]["ball"])


def test_equal_neighbours_give_one_answer() -> None:
    flat = maps(*((column, row, 0.9) for column in (4, 5) for row in (3, 4)))
    assert len(TASK.decode(flat, CUTS)[0].readings["ball"].boxes) == 1


@given(levels=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_no_two_answers_touch(levels: int, seed: int) -> None:
    heat = np.random.default_rng(seed).integers(0, levels + 1, (1, 1, 8, 12)).astype(np.float32) / levels
    outputs = {**maps(), "heat": heat}
    centres = [box.centre for box in TASK.decode(outputs, {"ball": Threshold(0, 0.1)})[0].readings["ball"].boxes]
    cells = np.array(centres).reshape(-1, 2) // 4
    for i, cell in enumerate(cells):
        apart = np.abs(np.delete(cells, i, axis=0) - cell).max(axis=1)
        assert (apart > 1).all()


def test_the_surest_come_first_and_no_more_than_asked() -> None:
    spots = [(column, row, 0.3 + 0.01 * (column + 12 * row)) for column in range(0, 12, 2) for row in range(0, 8, 2)]
    scores = [box.score for box in TASK.decode(maps(*spots), CUTS)[0].readings["ball"].boxes]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 6


def test_what_a_letterbox_pads_is_none_of_the_picture() -> None:
    preprocess = Preprocess(48, 32, "letterbox")
    placed = TASK.place(maps((1, 3, 0.9), (5, 4, 0.8)), preprocess, (64, 64))  # 32 x 32 in the middle
    reading = TASK.decode(placed, CUTS)[0].readings["ball"]
    assert [box.centre for box in reading.boxes] == [(28.0, 36.0)]
    assert reading.boxes[0].box == (16.0, 28.0, 24.0, 16.0)
    assert reading.prob == pytest.approx(0.8)


def test_tiles_are_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match="stretch or letterbox"):
        TASK.place(maps(), Preprocess(48, 32, "tile"), (48, 32))
    with pytest.raises(ConfigError, match="stretch or letterbox"):
        TASK.lay(truth(False), Preprocess(48, 32, "tile"), (48, 32))


@given(x=st.floats(0, 40), y=st.floats(0, 30), w=st.floats(1, 20), h=st.floats(1, 20), wide=st.booleans())
def test_a_label_laid_into_the_input_comes_back_by_placing(x: float, y: float, w: float, h: float, wide: bool) -> None:
    size = (70, 50) if wide else (50, 90)
    preprocess = Preprocess(48, 32, "letterbox")
    laid = TASK.lay(TASK.encode({"ball": Label([[x, y, w, h]])}, size), preprocess, size)
    _, cx, cy, sw, sh = laid.values[0, 0].astype(np.float64)
    column, row = (cx + 0.5) * 12, (cy + 0.5) * 8
    outputs = maps((int(column), int(row), 0.9))
    outputs["boxes"][0, :, int(row), int(column)] = column % 1, row % 1, sw, sh
    box = TASK.decode(TASK.place(outputs, preprocess, size), CUTS)[0].readings["ball"].boxes[0].box
    right, bottom = min(x + w, size[0]), min(y + h, size[1])
    np.testing.assert_allclose(box, (x, y, right - x, bottom - y), atol=2e-3)


def test_a_box_outside_its_picture_and_too_many_boxes_are_refused() -> None:
    with pytest.raises(CatalogueError, match="inside 48 x 32"):
        TASK.encode({"ball": Label([[50, 2, 4, 4]])}, (48, 32))
    with pytest.raises(CatalogueError, match="raise max_count"):
        TASK.shows({"ball": Label([[1, 1, 2, 2]] * 7)})


@pytest.mark.parametrize(
    "value", [[[1, 2, 3]], [[1, 2, 0, 3]], [[1, 2, float("nan"), 3]], [["a", 2, 3, 4]], {"box": []}, True, "here", 3]
)
def test_what_is_no_box_is_refused(value: object) -> None:
    with pytest.raises(CatalogueError, match="ball"):
        parse_boxes("ball", value)


def test_a_region_alone_says_nothing_of_the_picture() -> None:
    assert not TASK.shows({"ball": Label({"boxes": [], "unknown": [[1, 1, 5, 5]]})}).known.any()


# --- counting


def test_what_is_told_near_the_middle_or_in_the_box_is_found_and_a_second_one_is_false() -> None:
    told = score(maps((5, 4, 0.9), (7, 4, 0.8)), [[12, 10, 24, 16]])  # both centres lie in the box
    assert (told["recall"], told["precision"], told["near"]) == (1, 0.5, 1)
    assert told["centre_px"] == pytest.approx(2.0)  # (22, 18), of (24, 18)
    assert told["false_boxes"] == 1


def test_a_box_between_the_cuts_is_unsure_and_below_both_missed() -> None:
    assert score(maps((5, 4, 0.5)), [[16, 14, 12, 8]])["recall_unsure"] == 1
    low = score(maps((5, 4, 0.2)), [[16, 14, 12, 8]])
    assert (low["recall_unsure"], low["missed"]) == (0, 1)
    assert low["ap50"] == 1  # what is ranked needs no cut


def test_false_alarms_are_counted_in_pictures_without_any() -> None:
    told = score(maps((5, 4, 0.9), (1, 1, 0.7)), False)
    assert (told["false_empty"], told["false_boxes_empty"], told["ap50"]) == (1, 2, None)


def test_what_lies_in_a_region_nobody_knows_is_neither_right_nor_wrong() -> None:
    label = {"boxes": [[16, 14, 12, 8]], "unknown": [[30, 0, 18, 32]]}
    told = score(maps((5, 4, 0.9), (10, 4, 0.95)), label)
    assert (told["precision"], told["ap50"], told["false_boxes"]) == (1, 1, 0)


def test_average_precision_is_the_area_under_the_envelope() -> None:
    ranked = np.zeros((2, 1000), np.int64)
    ranked[1, 900] = ranked[0, 800] = ranked[1, 700] = 1  # right, wrong, right; three objects
    assert average_precision(ranked, 3) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision(ranked, 0) is None


def test_ap_asks_for_more_overlap_than_ap50() -> None:
    told = score(maps((5, 4, 0.9)), [[16, 14, 12, 12]])  # told 12 x 8 about the same middle but two
    assert told["ap50"] == 1
    assert told["ap"] == pytest.approx(0.4)  # at 0.5, 0.55, 0.6 and 0.65
    assert json.dumps(told)
