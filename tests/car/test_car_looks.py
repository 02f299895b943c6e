"""Looks: the address, the seed and the API set how the car and its surroundings look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from car.conftest import CarPage, OpenCar
else:
    CarPage = OpenCar = Any

pytestmark = pytest.mark.browser

PLAIN = (
    "{paint: 'red', finish: 'metallic', rims: 'silver', drive: 'left', light: 'studio', background: 'studio',"
    " time: 13, turn: 0, exposure: 1, tint: 0.25}"
)
SMALL = {"width": "320", "height": "240", "ui": "0", "anim": "0"}


@pytest.fixture
def plain(still: CarPage) -> CarPage:
    still.run(
        "car.set({front_left: false, front_right: false, rear_left: false, rear_right: false, hood: false},"
        " {animate: false})"
    )
    still.run(f"car.look({PLAIN})")
    still.run("car.camera({azimuth: 40, elevation: 20, distance: 6.5})")
    return still


@pytest.mark.parametrize(
    "look",
    [
        "{paint: 'teal'}",
        "{paint: '#40e0d0'}",
        "{finish: 'satin'}",
        "{rims: 'dark'}",
        "{light: 'neon'}",
        "{background: 'street'}",
        "{background: '#3a5a40'}",
        "{time: 22}",
        "{exposure: 1.6}",
        "{tint: 0.6}",
        "{drive: 'right'}",
        "{light: 'side', turn: 120}",
    ],
)
def test_every_field_of_a_look_changes_the_picture(plain: CarPage, look: str) -> None:
    before = plain.picture()
    plain.run(f"car.look({look})")
    assert plain.changed(before) > 40


def test_no_background_light_or_hour_hides_the_car(plain: CarPage) -> None:
    """Every place, light and time of day gives a picture with contrast, neither black nor burnt out."""
    names = plain.page.evaluate("import('./look.js').then((m) => [m.BACKGROUNDS, m.LIGHTS])")
    backgrounds, lights = names
    for n, background in enumerate(backgrounds):
        light = lights[n % len(lights)]
        hour = (n * 5) % 24
        plain.run(f"car.look({{background: '{background}', light: '{light}', time: {hour}, paint: 'silver'}})")
        picture = plain.picture()
        assert picture.std() > 12, (background, light, hour)
        assert 6 < picture.mean() < 245, (background, light, hour)


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(open_car: OpenCar, plain: CarPage) -> None:
    pictures = []
    for seed in ("a1", "a1", "b2"):
        car = open_car({**SMALL, "seed": seed, "camera": "40,20,6.5"})
        pictures.append(car.picture())
        if seed == "a1":
            plain.run("car.random('a1')")
            assert np.array_equal(plain.picture(), pictures[-1]), "car.random(seed) is the seed of the address"
        car.page.close()
    assert np.array_equal(pictures[0], pictures[1])
    assert (np.abs(pictures[0] - pictures[2]).max(axis=2) > 12).mean() > 0.2


def test_the_address_sets_look_camera_state_and_size(open_car: OpenCar) -> None:
    car = open_car(
        {
            **SMALL,
            "seed": "7",
            "paint": "yellow",
            "light": "rim",
            "time": "6.5",
            "camera": "200,30,5",
            "open": "hood,rear_left",
        }
    )
    look = car.run("car.look()")
    assert isinstance(look, dict)
    assert (look["paint"], look["light"], look["time"]) == ("yellow", "rim", 6.5)
    assert car.run("car.camera()") == pytest.approx({"azimuth": 200, "elevation": 30, "distance": 5}, abs=1e-3)
    assert car.run("car.state()") == {
        "front_left": False,
        "front_right": False,
        "rear_left": True,
        "rear_right": False,
        "hood": True,
    }
    assert car.picture().shape == (240, 320, 3)
    assert car.page.locator("#panel").is_hidden()
    car.page.close()


def test_nothing_is_drawn_while_nothing_changes(plain: CarPage) -> None:
    plain.picture()
    frames = plain.run(
        """(async () => { const gl = document.querySelector('canvas').getContext('webgl2'); let drawn = 0;
             const draw = gl.drawElements; gl.drawElements = function (...a) { drawn++; return draw.apply(gl, a); };
             await new Promise((r) => setTimeout(r, 250)); const idle = drawn; car.camera({azimuth: 41}); car.settled();
             gl.drawElements = draw; return [idle, drawn]; })()"""
    )
    assert isinstance(frames, list)
    assert frames[0] == 0
    assert frames[1] > 0
