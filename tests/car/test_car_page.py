"""The car page as a visitor meets it: buttons, mouse, keyboard, messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import numpy as np
import pytest

if TYPE_CHECKING:
    from car.conftest import CarPage, OpenCar
else:
    CarPage = OpenCar = Any

pytestmark = pytest.mark.browser

TITLES = {
    "front_left": "Front Left Door",
    "front_right": "Front Right Door",
    "rear_left": "Rear Left Door",
    "rear_right": "Rear Right Door",
    "hood": "Hood",
}
SHUT = "{front_left: false, front_right: false, rear_left: false, rear_right: false, hood: false}"


@pytest.fixture
def shut(lively: CarPage) -> CarPage:
    lively.run(f"car.set({SHUT}, {{animate: false}})")
    lively.run("car.camera({azimuth: 40, elevation: 25, distance: 6.5})")
    lively.picture()
    return lively


@pytest.mark.parametrize("name", TITLES)
def test_a_button_opens_its_part_in_the_state_the_attributes_and_the_picture(shut: CarPage, name: str) -> None:
    azimuth = -60 if "right" in name else 60
    shut.run(f"car.camera({{azimuth: {azimuth}}})")
    before = shut.picture()
    button = shut.page.get_by_role("button", name=TITLES[name], exact=True)
    button.click()
    assert shut.run("car.state()") == {other: other == name for other in TITLES}
    assert button.get_attribute("aria-pressed") == "true"
    assert shut.page.locator(f"body[data-{name}='open']").count() == 1
    assert shut.changed(before) > 2000
    button.click()
    assert shut.run(f"car.state().{name}") is False
    assert shut.page.locator(f"body[data-{name}='closed']").count() == 1
    assert shut.changed(before) == 0


def test_a_press_is_animated_and_settles_within_a_second(shut: CarPage) -> None:
    seen = shut.run(
        """(() => { const begun = performance.now(); const promise = car.set({hood: true});
            const moving = !car.settled();
            return promise.then(() => ({moving, ms: performance.now() - begun, settled: car.settled()})); })()"""
    )
    assert isinstance(seen, dict)
    assert seen["moving"]
    assert seen["settled"]
    assert seen["ms"] >= 380


def test_dragging_orbits_without_toggling(shut: CarPage) -> None:
    before = shut.run("car.camera()")
    assert isinstance(before, dict)
    shut.page.mouse.move(420, 200)
    shut.page.mouse.down()
    shut.page.mouse.move(500, 230, steps=4)
    shut.page.mouse.up()
    after = shut.run("car.camera()")
    assert isinstance(after, dict)
    assert abs(after["azimuth"] - before["azimuth"]) > 5
    assert after["distance"] == pytest.approx(before["distance"], abs=1e-3)
    assert shut.run("Object.values(car.state()).some(Boolean)") is False


def test_a_drag_that_starts_on_a_button_neither_orbits_nor_toggles(shut: CarPage) -> None:
    before = shut.run("car.camera()")
    box = shut.page.get_by_role("button", name="Hood", exact=True).bounding_box()
    assert box is not None
    shut.page.mouse.move(box["x"] + 20, box["y"] + 10)
    shut.page.mouse.down()
    shut.page.mouse.move(500, 120, steps=4)
    shut.page.mouse.up()
    assert shut.run("car.camera()") == before
    assert shut.run("car.state().hood") is False


def test_the_wheel_zooms_within_limits(shut: CarPage) -> None:
    shut.page.mouse.move(420, 200)
    shut.page.mouse.wheel(0, -300)
    shut.page.wait_for_function("car.camera().distance < 6.45")
    for _ in range(4):
        shut.page.mouse.wheel(0, -1200)
    shut.page.wait_for_function("Math.abs(car.camera().distance - 3) < 0.01")
    shut.page.mouse.wheel(0, -1200)
    assert shut.run("car.camera().distance >= 3") is True


def test_the_keyboard_opens_parts_and_moves_the_camera(shut: CarPage) -> None:
    shut.page.get_by_role("button", name="Rear Left Door", exact=True).focus()
    shut.page.keyboard.press("Enter")
    assert shut.run("car.state().rear_left") is True
    shut.page.keyboard.press("Space")
    assert shut.run("car.state().rear_left") is False
    shut.page.locator("canvas").focus()
    for key in ("ArrowRight", "ArrowUp", "+"):
        shut.page.keyboard.press(key)
    at = shut.run("car.camera()")
    assert isinstance(at, dict)
    assert at["azimuth"] == pytest.approx(45, abs=0.01)
    assert at["elevation"] == pytest.approx(30, abs=0.01)
    assert at["distance"] < 6.1


def test_the_api_says_what_does_not_fit(shut: CarPage) -> None:
    for call, part in (
        ("car.set({boot: true})", "front_left"),
        ("car.set({hood: 1})", "true or false"),
        ("car.camera({azimuth: NaN})", "azimuth"),
        ("car.camera({roll: 1})", "elevation"),
        ("car.look({paint: 'reddish'})", "reddish"),
        ("car.look({time: 25})", "0 to 24"),
    ):
        said = shut.page.evaluate(f"() => {{ try {{ {call}; return ''; }} catch (e) {{ return e.message; }} }}")
        assert part in said, call


def test_nothing_leaves_the_machine_and_nothing_goes_wrong(lively: CarPage) -> None:
    hosts = {urlparse(url).hostname for url in lively.requests if not url.startswith("data:")}
    assert hosts == {"127.0.0.1"}
    assert lively.errors == []


def test_bad_parameters_are_named_and_the_page_lives_on(open_car: OpenCar) -> None:
    car = open_car({"paint": "reddish", "wheels": "5", "camera": "1", "width": "320", "open": "hood"})
    said = car.page.locator(".message").all_inner_texts()
    assert len(said) == 4
    for word in ("reddish", "wheels", "azimuth,elevation", "width alone"):
        assert any(word in line for line in said), word
    assert car.run("car.state().hood") is True
    car.page.locator(".message button").first.click()
    assert car.page.locator(".message").count() == 3
    assert car.errors == []
    car.page.close()


def test_a_visitor_who_asks_for_less_motion_gets_none(open_car: OpenCar) -> None:
    car = open_car({"width": "320", "height": "240"}, reduced=True)
    assert car.run("(car.set({hood: true}), car.settled())") is True
    car.page.close()


def test_a_phone_shows_car_and_buttons_without_overlap_on_the_right(open_car: OpenCar) -> None:
    car = open_car({}, window=(390, 780))
    box = car.page.locator("#panel").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["y"] > 390  # the upper half is the car's
    assert car.page.evaluate("document.documentElement.scrollWidth") <= 390
    car.page.close()


def test_lost_graphics_come_back(open_car: OpenCar) -> None:
    car = open_car({"width": "320", "height": "240", "anim": "0", "open": "hood"})
    before = car.picture()
    car.page.evaluate(
        """() => { const gl = document.querySelector('canvas').getContext('webgl2');
                   globalThis.lose = gl.getExtension('WEBGL_lose_context'); lose.loseContext(); }"""
    )
    car.page.wait_for_selector(".message")
    car.page.evaluate("lose.restoreContext()")
    car.page.wait_for_selector(".message", state="detached")
    assert np.abs(car.picture() - before).mean() < 1
    car.page.close()


@pytest.mark.parametrize("window", [(390, 780), (1280, 800)])
def test_the_widget_covers_neither_buttons_nor_most_of_the_car(open_car: OpenCar, window: tuple[int, int]) -> None:
    car = open_car({"widget": "ws"}, window=window)
    panel = car.page.locator("#panel").bounding_box()
    widget = car.page.evaluate(
        """() => { const inner = document.querySelector('tell-tale').shadowRoot?.querySelector('*:not(style)');
                   const box = (inner ?? document.querySelector('tell-tale')).getBoundingClientRect();
                   return {x: box.x, y: box.y}; }"""
    )
    assert panel is not None
    assert panel["x"] + panel["width"] <= widget["x"] or panel["y"] + panel["height"] <= widget["y"]
    assert all(button.is_visible() for button in car.page.locator("#buttons button").all())
    assert car.errors == []
    car.page.close()
