"""Labels are true: left and right are the car's own, and visibility says what a viewer sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from car.conftest import CarPage
else:
    CarPage = Any

pytestmark = pytest.mark.browser

NAMES = ["front_left", "front_right", "rear_left", "rear_right", "hood"]
TWIN = {
    "front_left": "front_right",
    "front_right": "front_left",
    "rear_left": "rear_right",
    "rear_right": "rear_left",
    "hood": "hood",
}


def pose(car: CarPage, azimuth: float, elevation: float, opened: set[str], distance: float = 6.5) -> None:
    states = ", ".join(f"{name}: {'true' if name in opened else 'false'}" for name in NAMES)
    car.run(f"car.set({{{states}}}, {{animate: false}})")
    car.run(f"car.camera({{azimuth: {azimuth}, elevation: {elevation}, distance: {distance}}})")


def visibility(car: CarPage) -> dict[str, int]:
    said = car.run("car.visibility()")
    assert isinstance(said, dict)
    return {str(name): int(pixels) for name, pixels in said.items()}


@pytest.mark.parametrize("name", NAMES[:4])
def test_a_door_changes_more_pixels_seen_from_its_own_side(still: CarPage, name: str) -> None:
    changes = {}
    for side, azimuth in (("left", 90), ("right", 270)):
        pose(still, azimuth, 8, set())
        before = still.picture()
        pose(still, azimuth, 8, {name})
        changes[side] = still.changed(before)
    own, other = ("left", "right") if name.endswith("left") else ("right", "left")
    assert changes[own] > 1.5 * changes[other]
    assert changes[own] > 1000


def test_front_doors_are_nearer_the_hood_than_rear_doors(still: CarPage) -> None:
    pose(still, 90, 10, set())
    now = still.ids()[0]

    def middle(name: str) -> float:
        return float(np.nonzero(now == NAMES.index(name) + 1)[1].mean())

    # From the car's left the front points to the left of the picture.
    assert middle("hood") < middle("front_left") < middle("rear_left")


@pytest.mark.parametrize(
    ("azimuth", "elevation", "opened"),
    [(35, 15, {"front_left", "hood"}), (120, 30, {"rear_left", "front_right"}), (200, 8, set(NAMES)), (75, 50, set())],
)
def test_the_mirrored_car_seen_from_the_mirrored_place_is_the_mirrored_picture(
    still: CarPage, azimuth: float, elevation: float, opened: set[str]
) -> None:
    def shots(drive: str, azimuth: float, opened: set[str]) -> NDArray[np.uint8]:
        still.run(f"car.look({{drive: '{drive}'}})")
        pose(still, azimuth, elevation, opened)
        return still.ids()

    here = shots("left", azimuth, opened)
    there = shots("right", -azimuth, {TWIN[name] for name in opened})[:, :, ::-1]
    swap = np.arange(6, dtype=np.uint8)
    for n, name in enumerate(NAMES):
        swap[n + 1] = NAMES.index(TWIN[name]) + 1
    assert (here[0] == swap[there[0]]).mean() > 0.99
    assert (here == there[swap])[1:].mean() > 0.99
    assert (here[0] > 0).sum() > 300
    assert (here[1:] > 0).sum() > 300


def test_visibility_is_high_where_a_part_is_seen_and_low_where_it_is_hidden(still: CarPage) -> None:
    pose(still, 90, 3, set())
    left = visibility(still)
    assert left["front_left"] > 4000
    assert left["rear_left"] > 4000
    # Behind the car only what sticks out or shows through the windows is left of the far doors.
    assert left["front_right"] < 0.4 * left["front_left"]
    pose(still, 270, 3, set())
    right = visibility(still)
    assert right["front_right"] == pytest.approx(left["front_left"], rel=0.03)
    pose(still, 180, 2, set(), distance=9)
    behind = visibility(still)
    pose(still, 0, 25, set(), distance=9)
    ahead = visibility(still)
    assert behind["hood"] < 0.25 * ahead["hood"]


def test_visibility_does_not_depend_on_whether_the_part_is_open_now(still: CarPage) -> None:
    for name in NAMES:
        pose(still, 50, 20, set())
        shut = visibility(still)[name]
        pose(still, 50, 20, {name})
        assert visibility(still)[name] == pytest.approx(shut, abs=8)


def test_visibility_agrees_with_the_pixels_that_change(still: CarPage) -> None:
    """A part that changes many pixels when toggled is said to be visible, one that changes none is not."""
    for azimuth, elevation in ((20, 10), (140, 20), (250, 40)):
        pose(still, azimuth, elevation, set())
        before = still.picture()
        told = visibility(still)
        for name in NAMES:
            pose(still, azimuth, elevation, {name})
            changed = still.changed(before)
            # Shadows and reflections change pixels too: the bound is one-sided and generous.
            assert told[name] < 3.5 * changed + 300, (azimuth, name)
            if changed > 4000:
                assert told[name] > 400, (azimuth, name)


def test_visibility_grows_as_the_camera_comes_near(still: CarPage) -> None:
    pose(still, 60, 15, set(), distance=5)
    near = visibility(still)["front_left"]
    pose(still, 60, 15, set(), distance=10)
    far = visibility(still)["front_left"]
    # Twice as near is four times the area, and a little more for the side that faces the camera.
    assert 4 * far < near < 7 * far
