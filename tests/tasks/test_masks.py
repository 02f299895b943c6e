"""Masks: regions, counts and measures against plain ones, drawing."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from telltale.errors import CatalogueError, ConfigError
from telltale.tasks import Label, Target, Threshold, from_spec
from telltale.tasks.counting import logit_bins
from telltale.tasks.heatmap import LEGEND_PX, colours, create_heatmap
from telltale.tasks.mask import MaskResult, Masks
from telltale.tasks.regions import find_regions, label_regions, picture_score

TASK = Masks(("defect",), min_area=4)
HALF = {"defect": Threshold(0.5, 0.5)}
seeds = st.integers(0, 2**32 - 1)


def smooth(rng: np.random.Generator, height: int = 40, width: int = 60) -> NDArray[np.float32]:
    """A map with hills, 0 to 1."""
    hills = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), 3)
    return np.asarray((hills - hills.min()) / (hills.max() - hills.min()), np.float32)


def blocks(*boxes: tuple[int, int, int, int], height: int = 40, width: int = 60) -> NDArray[np.float32]:
    out = np.zeros((height, width), np.float32)
    for x, y, w, h in boxes:
        out[y : y + h, x : x + w] = 1
    return out


def score(p: NDArray[np.float32], truth: NDArray[np.float32], cut: Threshold | None = None) -> dict[str, Any]:
    known = np.ones(truth.shape, np.bool_)
    target = Target(truth[None, None], known[None, None], ~known[None, None])
    tally = TASK.tally({"probabilities": p[None, None]}, target, {"defect": cut or Threshold(0.5, 0.5)})
    found: dict[str, Any] = TASK.score(tally)["heads"]["defect"]
    return found


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_pixel_measures_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, truth = smooth(rng), (smooth(rng) > 0.6).astype(np.float32)
    task = Masks(("defect",), min_area=1)
    known = rng.random(truth.shape) < 0.9
    target = Target(truth[None, None], known[None, None], ~known[None, None])
    found = task.score(task.tally({"probabilities": p[None, None]}, target, HALF))["heads"]["defect"]
    y, told = truth[known] > 0.5, (p >= 0.5)[known]
    assert found["dice"] == pytest.approx(metrics.f1_score(y, told))
    assert found["iou"] == pytest.approx(metrics.jaccard_score(y, told))
    assert found["precision"] == pytest.approx(metrics.precision_score(y, told, zero_division=0))
    assert found["pixel_auroc"] == pytest.approx(metrics.roc_auc_score(y, logit_bins(p[known])))


def test_aupro_is_the_mean_overlap_over_false_positive_rates() -> None:
    rng = np.random.default_rng(0)
    p = smooth(rng)
    truth = blocks((5, 5, 8, 8), (40, 20, 6, 4))
    found = score(p, truth)["aupro"]
    _, labels = cv2.connectedComponents(truth.astype(np.uint8))
    cuts = np.unique(p)[::-1]
    rate = np.array([0.0, *((p[truth == 0] >= c).mean() for c in cuts)])
    overlap = np.array([0.0, *(np.mean([(p[labels == r] >= c).mean() for r in (1, 2)]) for c in cuts)])
    grid = np.linspace(0, 0.3, 3001)
    assert found == pytest.approx(np.interp(grid, rate, overlap).mean(), abs=0.01)
    assert score(truth * 0.9 + 0.05, truth)["aupro"] == pytest.approx(1.0)


def test_a_region_is_found_where_a_told_one_touches_it_and_false_where_none_is() -> None:
    truth = blocks((2, 2, 6, 6), (20, 2, 6, 6), (40, 2, 6, 6))
    p = blocks((4, 4, 8, 8)) * 0.9 + blocks((20, 2, 6, 6)) * 0.4 + blocks((10, 30, 5, 5)) * 0.9
    found = score(p, truth, Threshold(0.3, 0.5))
    assert (found["regions"], found["region_recall"], found["regions_missed"]) == (3, pytest.approx(1 / 3), 1)
    assert found["region_recall_unsure"] == pytest.approx(2 / 3)
    assert found["false_regions"] == 1
    good = score(p, np.zeros_like(p), Threshold(0.3, 0.5))
    assert good["false_regions_good"] == 2
    assert good["dice_picture"] is None


def test_f1_at_two_pixels_forgives_what_f1_at_none_does_not() -> None:
    truth, moved = np.zeros((40, 60), np.float32), np.zeros((40, 60), np.float32)
    truth[20, 5:55], moved[22, 5:55] = 1, 1
    found = score(moved, truth)
    assert found["f1_0px"] == 0
    assert found["f1_2px"] == pytest.approx(1.0)
    moved = np.roll(moved, 1, axis=0)
    assert score(moved, truth)["f1_2px"] < 0.1


@given(seed=seeds, min_area=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_a_picture_is_on_exactly_where_its_score_reaches_the_cut(seed: int, min_area: int) -> None:
    p = smooth(np.random.default_rng(seed))
    top = picture_score(p, min_area)
    assert len(label_regions(p >= top, min_area)[1]) > 0
    above = top + 1 / 4000
    assert len(label_regions(p >= above, min_area)[1]) == 0 or min_area == 1


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_regions_told_and_unsure_lie_apart_and_have_the_least_area(seed: int) -> None:
    p = smooth(np.random.default_rng(seed))
    regions = find_regions(p, 0.4, 0.7, 6)
    assert all(region.area_px >= 6 for region in regions)
    assert [r.state for r in regions] == sorted((r.state for r in regions), key=lambda s: s != "on")
    on = [r for r in regions if r.state == "on"]
    assert sum(r.area_px for r in on) == sum(int(a) for *_, a in label_regions(p >= 0.7, 6)[1])
    for region in regions:
        x, y, w, h = region.box
        assert p[y : y + h, x : x + w].max() >= (0.7 if region.state == "on" else 0.4)
        assert region.state == "on" or p[y : y + h, x : x + w].max() <= 1


def test_areas_are_told_in_square_millimetres_where_a_pixels_size_is_known() -> None:
    task = Masks(("defect",), 4, 0.5)
    result = task.decode({"probabilities": blocks((3, 4, 5, 6))[None, None]}, HALF)[0]
    said = result.to_json()["defect"]
    assert (said["area_px"], said["area_mm2"], said["count"]) == (30, 7.5, 1)
    assert said["regions"] == [{"box": [3, 4, 5, 6], "area_px": 30, "area_mm2": 7.5, "score": 1.0, "state": "on"}]
    assert "area_mm2" not in TASK.decode({"probabilities": blocks()[None, None]}, HALF)[0].to_json()["defect"]


def test_there_is_some_and_nobody_knows_where() -> None:
    target = TASK.encode({"defect": Label(True)}, (6, 4))
    assert not target.known.any()
    assert TASK.shows({"defect": Label(True)}).values.tolist() == [1]
    half = np.array([[0, 127, 255]], np.uint8)
    target = TASK.encode({"defect": Label(half)}, (3, 1))
    assert target.known.tolist() == [[[True, False, True]]]
    assert target.values[target.known].tolist() == [0, 1]


def test_a_mask_of_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(CatalogueError, match=r"\(4, 6\).*\(4, 5\)"):
        TASK.encode({"defect": Label(np.zeros((4, 5), np.uint8))}, (6, 4))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"min_area": 0}, "min_area"),
        ({"mm_per_px": -1}, "mm_per_px"),
        ({"names": []}, "names"),
        ({"mirror": []}, "mirror"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused_by_its_key(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        from_spec({"kind": "mask", "names": ["a"], **change})


# --- drawing


def told(*boxes: tuple[int, int, int, int], value: float = 0.9) -> MaskResult:
    maps = np.stack([blocks(*boxes, height=100, width=140) * value, np.zeros((100, 140), np.float32)])
    task = Masks(("scratch", "dent"), 4, 0.1)
    return task.decode({"probabilities": maps[None]}, dict.fromkeys(task.names, Threshold(0.3, 0.6)))[0]


def test_a_heatmap_colours_what_is_likely_and_leaves_the_rest_alone() -> None:
    image = np.full((100, 140, 3), 120, np.uint8)
    out = create_heatmap(image, told((30, 40, 40, 30)), outlines=False)
    assert out.shape == (100, 140 + LEGEND_PX, 3)
    assert (out[5:20, 5:20] == 120).all()
    inside = out[55, 50].astype(int)
    weight = 0.75 * 0.9**0.5
    expected = 120 * (1 - weight) + colours()[229].astype(float) * weight
    np.testing.assert_allclose(inside, expected, atol=2)
    assert (image == 120).all()


def test_outlines_are_drawn_around_regions_at_any_scale() -> None:
    for height, width in ((100, 140), (300, 420), (50, 70)):
        image = np.zeros((height, width, 3), np.uint8)
        plain = create_heatmap(image, told((30, 40, 40, 30)), outlines=False, legend=False)
        lined = create_heatmap(image, told((30, 40, 40, 30)), legend=False)
        changed = (plain != lined).any(axis=2)
        rows = np.flatnonzero(changed[:, width // 2])
        assert abs(rows.min() - 0.4 * height) <= 0.06 * height or rows.min() < 0.4 * height  # the label stands above
        assert abs(rows.max() - 0.7 * height) <= 0.06 * height


def test_the_colours_rise_in_lightness_so_that_every_reader_can_rank_them() -> None:
    lightness = cv2.cvtColor(colours()[None], cv2.COLOR_RGB2LAB)[0, :, 0].astype(int)
    assert (np.diff(lightness) >= -1).all()
    assert lightness[-1] - lightness[0] > 150


def test_a_name_the_result_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="scratch or dent"):
        create_heatmap(np.zeros((100, 140, 3), np.uint8), told(), name="rust")
