"""The classical detectors find the ball to a fraction of a pixel, and say nothing where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from telltale.errors import ConfigError
from telltale.streams.scene import KINDS, Kind, Scene
from telltale.streams.spot import BALL_COLOUR, CircleDetector, ColourDetector, Detector, open_detector, parse_colour


def errors(detector: Detector, kind: Kind, frames: int = 40) -> tuple[np.ndarray, int]:
    """Errors in pixels of the frames that show most of the ball, and how many were missed."""
    scene = Scene(kind, 640, 480, 1)
    found, missed = [], 0
    for n in range(0, 5 * frames, 5):
        shot = scene.shot(n)
        if shot.truth.visible < 0.9:
            continue
        spot = detector.detect(shot.image)
        if spot is None:
            missed += 1
        else:
            found.append(np.hypot(spot.x - shot.truth.x, spot.y - shot.truth.y))
    return np.array(found), missed


@pytest.mark.parametrize("kind", KINDS)
def test_colour_finds_the_ball_in_every_scene_to_a_quarter_of_a_pixel(kind: Kind) -> None:
    found, missed = errors(ColourDetector(), kind)
    assert missed == 0
    assert found.mean() < 0.25


@pytest.mark.parametrize("kind", ["plain", "blur", "noise"])
def test_circle_finds_a_lone_ball_by_its_rim(kind: Kind) -> None:
    found, missed = errors(CircleDetector(), kind)
    assert missed <= 1
    assert np.median(found) < 0.25


@pytest.mark.parametrize("name", ["colour", "circle"])
def test_a_picture_without_a_ball_has_no_spot(name: str) -> None:
    detector = open_detector(name)
    grey = np.full((240, 320, 3), 90, np.uint8)
    assert detector.detect(grey) is None
    noise = np.random.default_rng(0).normal(90, 6, (240, 320, 3)).clip(0, 255).astype(np.uint8)
    assert detector.detect(noise) is None


def test_a_half_hidden_ball_is_found_near_its_true_middle() -> None:
    scene = Scene("occlusion", 640, 480)
    detector, seen = ColourDetector(), []
    for n in range(600):
        truth = scene.truth(n)
        if 0.5 < truth.visible < 0.8:
            spot = detector.detect(scene.shot(n).image)
            assert spot is not None
            seen.append(np.hypot(spot.x - truth.x, spot.y - truth.y))
    assert len(seen) > 5
    assert np.mean(seen) < 4


def test_the_picture_may_have_any_size() -> None:
    for width, height in [(64, 64), (66, 150), (1280, 720)]:
        shot = Scene("plain", width, height).shot(3)
        spot = ColourDetector().detect(shot.image)
        assert spot is not None
        assert spot.x == pytest.approx(shot.truth.x, abs=0.5)
    assert ColourDetector().detect(np.zeros((1, 1, 3), np.uint8)) is None


def test_another_colour_can_be_sought() -> None:
    image = np.full((120, 160, 3), 40, np.uint8)
    image[50:70, 80:100] = (30, 200, 60)
    assert ColourDetector(BALL_COLOUR).detect(image) is None
    spot = ColourDetector((30, 200, 60)).detect(image)
    assert spot is not None
    assert spot.x == pytest.approx(89.5, abs=0.1)
    assert spot.y == pytest.approx(59.5, abs=0.1)


def test_what_cannot_be_meant_is_told() -> None:
    with pytest.raises(ConfigError, match="unlike grey"):
        ColourDetector((90, 90, 90))
    with pytest.raises(ConfigError, match=r"colour, circle or a NAME\.telltale folder"):
        open_detector("magic")
    assert parse_colour("#e83e28") == parse_colour("232,62,40") == BALL_COLOUR
    for bad in ("", "red", "1,2", "1,2,300", "#12345g"):
        with pytest.raises(ConfigError):
            parse_colour(bad)
