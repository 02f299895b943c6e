"""The collector on real pages: good, lying, mute and broken. What a saved picture shows is read from its pixels."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Error

from lamps_recipe import PAGES, lamps
from telltale.collect import Recipe, Summary, collect_page, stage
from telltale.collect.plan import Values, View
from telltale.collect.seen import Picture
from telltale.collect.stage import Stage
from telltale.dataset import Catalogue, Example
from telltale.errors import ConfigError, PageError
from telltale.pages import PageServer
from telltale.preprocess import decode
from telltale.project import validate

pytestmark = pytest.mark.browser

Collect = Callable[..., Summary]

COLOURS = {"red": (220, 40, 30), "green": (20, 160, 60), "blue": (30, 80, 220)}


def shown(example: Example) -> dict[str, bool]:
    """The lamps that are lit, read from the picture: many pixels of a lamp's full colour."""
    image = decode(example.path).astype(np.int32)
    return {
        name: int((np.abs(image - np.array(colour)).max(axis=2) < 40).sum()) > 400 for name, colour in COLOURS.items()
    }


def assert_all_true(catalogue: Catalogue) -> None:
    for example in catalogue.examples():
        assert {name: label.value for name, label in example.labels.items()} == shown(example), example.group
        assert example.group == ("+".join(name for name, on in shown(example).items() if on) or "none")


def test_every_combination_is_saved_with_what_the_picture_shows(collect: Collect, catalogue: Catalogue) -> None:
    summary = collect(lamps("slow=150"))
    assert summary.saved == 16
    assert not summary.refused
    assert summary.combinations == summary.planned == 8
    assert len(catalogue.groups()) == 8
    assert_all_true(catalogue)


def test_a_picture_is_the_canvas_alone_at_its_own_size_with_view_and_visibility(
    collect: Collect, catalogue: Catalogue
) -> None:
    collect(lamps(combinations=1, format="png", hide=["#note", "#bar"]))
    for example in catalogue.examples():
        assert (example.width, example.height) == (320, 240)
        assert example.path.suffix == ".png"
        assert 0 <= example.meta["angle"] <= 360
        assert example.source.startswith("page:lamps.html")
        assert example.labels["red"].visible == pytest.approx(1800 / (320 * 240))


def test_a_page_that_tells_nothing_is_read_from_its_picture(collect: Collect, catalogue: Catalogue) -> None:
    summary = collect(lamps("slow=60", mute=True))
    assert summary.saved == 16
    assert_all_true(catalogue)


@pytest.mark.parametrize("mute", [False, True])
@pytest.mark.parametrize("fault", ["miss=5", "double"])
def test_a_missed_click_is_made_again_and_labels_stay_true(
    collect: Collect, catalogue: Catalogue, fault: str, mute: bool
) -> None:
    summary = collect(lamps(f"instant&{fault}", mute=mute, combinations=4))
    assert summary.saved == 8
    assert_all_true(catalogue)


@pytest.mark.parametrize("mute", [False, True])
def test_a_click_that_hits_another_part_is_never_saved(collect: Collect, catalogue: Catalogue, mute: bool) -> None:
    summary = collect(lamps(f"instant&wander={5 if mute else 11}", mute=mute))
    assert_all_true(catalogue)
    assert summary.saved > 0
    assert summary.retried > 0


def test_a_control_that_sticks_spoils_its_combination_and_no_other(collect: Collect, catalogue: Catalogue) -> None:
    summary = collect(lamps("instant&stick=9", mute=True))
    assert_all_true(catalogue)
    assert summary.saved + sum(summary.refused.values()) == 16


def test_a_page_that_begins_to_lie_is_loaded_anew_and_nothing_false_is_saved(
    collect: Collect, catalogue: Catalogue
) -> None:
    summary = collect(lamps("instant&lie=green"))
    assert_all_true(catalogue)
    assert summary.retried > 0


def test_states_may_be_read_from_an_attribute_a_selector_or_an_expression_each(
    collect: Collect, catalogue: Catalogue
) -> None:
    labels = {
        "red": {"press": "#red", "attribute": "aria-pressed"},
        "green": {"press": "#green", "selector": "#green[aria-pressed=true]"},
        "blue": {"press": "#blue", "state": "lamps.state().blue ? 'lit' : 'dark'"},
    }
    summary = collect(lamps(labels=labels, state=None, on="lit", off="dark"))
    assert summary.saved == 16
    assert_all_true(catalogue)


def test_a_page_that_starts_with_something_on_is_taken_as_it_is(collect: Collect, catalogue: Catalogue) -> None:
    collect(lamps("instant&start=green", combinations=3))
    assert_all_true(catalogue)
    other = lamps("instant&start=green", mute=True, start={"green": True}, combinations=3)
    collect(other)
    assert_all_true(catalogue)


def test_a_part_hidden_at_first_is_found_from_another_side(collect: Collect, catalogue: Catalogue) -> None:
    camera = {"js": "lamps.camera({angle: $angle})", "vary": {"angle": [-80, 260]}}
    summary = collect(lamps("instant&side=red", camera=camera, combinations=3))
    assert summary.combinations == 3


def test_a_camera_that_is_dragged_avoids_controls_and_comes_back(collect: Collect, catalogue: Catalogue) -> None:
    camera = {"drag": {"dx": [-60, 60], "dy": [-20, 20]}}
    summary = collect(lamps("instant&drag", camera=camera, views=3))
    assert summary.saved == 24
    assert_all_true(catalogue)


def test_url_parameters_load_the_page_anew_for_each_view(collect: Collect, catalogue: Catalogue) -> None:
    camera = {"url": "turn=$angle", "vary": {"angle": [0, 300]}}
    look = {"url": "paint=$paint", "vary": {"paint": ["teal", "pink", "#fff"]}}
    summary = collect(lamps(camera=camera, look=look, combinations=2))
    assert summary.saved == 4
    assert_all_true(catalogue)
    assert len({example.meta["angle"] for example in catalogue.examples()}) == 4


def test_the_look_varies_by_expression_within_one_load(collect: Collect, catalogue: Catalogue) -> None:
    look = {"js": "lamps.look({colour: $paint})", "vary": {"paint": ["teal", "pink"]}}
    collect(lamps(look=look, combinations=2))
    assert {example.meta["paint"] for example in catalogue.examples()} == {"teal", "pink"}


def test_clocks_that_run_faster_shorten_animations(collect: Collect, catalogue: Catalogue) -> None:
    slow, fast = (
        collect(lamps("slow=1500", speed=speed, combinations=2, seed=seed)) for speed, seed in ((1, 1), (20, 1_000))
    )
    assert fast.saved == slow.saved == 4
    assert fast.capture_s < slow.capture_s
    assert_all_true(catalogue)


def test_running_again_goes_on_where_it_stopped(collect: Collect, catalogue: Catalogue) -> None:
    recipe = lamps()
    first = collect(recipe, limit=5)
    assert 5 <= first.saved < 16
    second = collect(recipe)
    assert (second.already, second.saved) == (first.saved, 16 - first.saved)
    third = collect(recipe)
    assert (third.already, third.saved, third.combinations) == (16, 0, 8)


def test_two_combinations_that_look_alike_are_not_both_saved(collect: Collect, catalogue: Catalogue) -> None:
    camera = {"js": "lamps.camera({angle: $angle})", "vary": {"angle": [180, 180.1]}}
    summary = collect(lamps("instant&side=red", camera={**camera, "vary": {"angle": [40, 300]}}, views=8))
    shas = [example.sha256 for example in catalogue.examples()]
    assert len(shas) == len(set(shas)) == summary.saved


def test_views_taken_in_one_go_are_those_taken_one_by_one(
    collect: Collect, catalogue: Catalogue, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(lamps(combinations=2, views=5, format="png"))
    together = {(e.group, e.meta["view"], e.sha256) for e in catalogue.examples()}
    assert len(together) == 10
    monkeypatch.setattr(stage, "TOGETHER_S", 0.0)
    with Catalogue.open(tmp_path / "two.db", tmp_path / "two") as other:
        collect_page(lamps(combinations=2, views=5, format="png"), other, browser=browser)
        assert {(e.group, e.meta["view"], e.sha256) for e in other.examples()} == together


@pytest.mark.parametrize("mute", [False, True])
def test_a_page_that_tells_its_states_and_comes_back_is_loaded_once(
    collect: Collect, monkeypatch: pytest.MonkeyPatch, mute: bool
) -> None:
    load, loads = Stage.load, itertools.count()

    def counted(self: Stage, values: Values) -> None:
        next(loads)
        load(self, values)

    monkeypatch.setattr(Stage, "load", counted)
    collect(lamps(mute=mute, combinations=3))
    assert next(loads) == (4 if mute else 1)  # mute: for the rehearsal and for each combination


@pytest.mark.parametrize("query", ["", "?kind=webgl", "?alpha"])
def test_a_canvas_drawn_by_webgl_is_read_as_it_shows_and_left_as_it_was(browser: Browser, query: str) -> None:
    recipe = validate({"url": "gl.html", "labels": {"lamp": "#lamp"}, "format": "png"}, Recipe, "page.toml")
    with PageServer(PAGES) as pages:
        driven = Stage(browser, recipe, pages.url("gl.html") + query)
        driven.load({})
        (picture,) = driven.shoot([View({}, {})])
        assert driven._page.evaluate("kept()")
        driven.close()
    image = decode(picture.data)
    assert image.shape == (64, 96, 3)
    ground = 255 * 0.5 if query == "?alpha" else 0.0  # the colours are premultiplied, and lie on white
    for (x, y), colour in {(1, 1): (0.2, 0.3, 0.4), (6, 58): (1, 0.5, 0), (62, 10): (0, 0.25, 1)}.items():
        seen = image[y, x].astype(float)
        wanted = [min(255.0, 255 * c + ground) for c in colour]
        assert np.abs(seen - wanted).max() <= 2, (x, y)


def test_a_page_without_a_word_for_settled_cannot_ask_for_no_frame() -> None:
    with pytest.raises(ConfigError, match="settled"):
        lamps(settle={"frames": 0})


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("lamps.html?instant&never", {}, "settles within 0.8 s"),
    ("lamps.html?instant&spin=0", {}, "settles within 0.8 s"),
    ("empty.html", {"state": None, "visibility": None, "camera": {}, "settle": {}}, 'canvas "canvas".*none'),
    ("lamps.html?instant", {"canvas": "#picture"}, 'canvas "#picture".*only canvas'),
    ("lamps.html?instant", {"labels": {"hood": "Hood"}, "state": None}, 'control "Hood".*red lamp, green lamp'),
    ("lamps.html?instant&banner", {}, "div#banner covers it"),
    ("lamps.html?instant&blind=green", {}, "label green: .*changed nothing in the picture, seen from 8 views"),
    ("lamps.html?instant&away=2", {}, "went to another page"),
    ("lamps.html?instant", {"state": "lamps.sate()"}, "lamps.sate is not a function"),
    ("lamps.html?instant", {"state": "lamps.state("}, "state: expected a JavaScript expression"),
    ("lamps.html?instant", {"state": "({red: true})"}, "a state of green"),
    ("lamps.html?instant", {"state": "({red: 'ajar', green: 0, blue: 0})"}, "state of red.*'ajar'"),
    ("nothere.html", {}, "no file"),
    ("http://127.0.0.1:9/", {}, "ERR_CONNECTION_REFUSED|ERR_UNSAFE_PORT"),
]


@pytest.mark.parametrize(("url", "changes", "says"), BROKEN, ids=[f"{b[0]} {'+'.join(b[1])}" for b in BROKEN])
def test_a_broken_page_is_one_clear_error(
    collect: Collect, catalogue: Catalogue, url: str, changes: dict[str, Any], says: str
) -> None:
    settle = {"settled": "lamps.settled()", "react_s": 0.2, "timeout_s": 0.8}
    recipe = lamps(**{"settle": settle, "url": url, **changes})
    with pytest.raises(PageError, match=says) as caught:
        collect(recipe)
    assert "\n" not in str(caught.value)
    assert not catalogue.groups()


def test_a_tainted_canvas_is_named(collect: Collect, catalogue: Catalogue, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "dot.png"), np.zeros((4, 4, 3), np.uint8))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    page = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(PAGES)))
    second = threading.Thread(target=page.serve_forever, args=(0.05,), daemon=True)
    second.start()
    try:
        url = f"http://127.0.0.1:{page.server_address[1]}/lamps.html"
        dot = f"http://127.0.0.1:{server.server_address[1]}/dot.png"
        with pytest.raises(PageError, match="tainted one: the page drew a picture from another origin"):
            collect(lamps(url=f"{url}?instant&tainted={dot}"))
    finally:
        for each, runs in ((server, thread), (page, second)):
            each.shutdown()
            each.server_close()
            runs.join()


def test_a_dialog_does_not_stop_the_page(collect: Collect, catalogue: Catalogue) -> None:
    assert collect(lamps("instant&alert", combinations=1)).saved == 2


@pytest.mark.parametrize(("way", "says"), [("close", "it was closed"), ("crash", "it crashed")])
def test_what_was_saved_before_the_page_went_is_kept(
    collect: Collect, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, way: str, says: str
) -> None:
    """A script cannot close its own page here: the test closes it, as a person or a lack of memory would."""
    shoot, count = Stage.shoot, itertools.count()

    def going(self: Stage, views: Sequence[View]) -> list[Picture]:
        if next(count) == 3:
            if way == "close":
                self._page.close()
            else:
                with suppress(Error):
                    self._page.goto("chrome://crash")
        return shoot(self, views[:1])

    monkeypatch.setattr(Stage, "shoot", going)
    with pytest.raises(PageError, match=says):
        collect(lamps(combinations=3))
    assert len(catalogue) == 2
    assert_all_true(catalogue)
