"""The scenes draw the ball where they say it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from telltale.errors import ConfigError
from telltale.streams.scene import KINDS, Kind, Scene
from telltale.streams.spot import ColourDetector


@given(seed=st.integers(0, 1000), n=st.integers(0, 10**7), width=st.integers(32, 400), height=st.integers(32, 400))
def test_the_ball_touches_the_edges_and_never_crosses_them(seed: int, n: int, width: int, height: int) -> None:
    scene = Scene("plain", 2 * width, 2 * height, seed)
    truth = scene.truth(n)
    assert -0.5 - 1e-6 <= truth.x - truth.radius <= truth.x + truth.radius <= 2 * width - 0.5 + 1e-6
    assert -0.5 - 1e-6 <= truth.y - truth.radius <= truth.y + truth.radius <= 2 * height - 0.5 + 1e-6


@pytest.mark.parametrize("n", [0, 1, 57, 400])
def test_the_drawn_centre_of_mass_is_the_told_one(n: int) -> None:
    shot = Scene("plain", 320, 240).shot(n)
    painted = np.abs(shot.image.astype(np.float64) - np.array([34, 42, 52])).sum(2)
    moments = cv2.moments(painted)
    assert moments["m10"] / moments["m00"] == pytest.approx(shot.truth.x, abs=0.03)
    assert moments["m01"] / moments["m00"] == pytest.approx(shot.truth.y, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_hangs_on_its_number_alone(kind: Kind) -> None:
    scene, again = Scene(kind, 160, 120, 3), Scene(kind, 160, 120, 3)
    later = scene.shot(40)
    scene.shot(7)
    assert np.array_equal(later.image, again.shot(40).image)
    assert later.truth == again.truth(40)
    assert later.image.shape == (120, 160, 3)
    assert later.image.dtype == np.uint8


def test_the_ball_moves_and_bounces() -> None:
    scene = Scene("plain", 320, 240)
    xs = np.array([scene.truth(n).x for n in range(600)])
    steps = np.diff(xs)
    assert (steps > 0).any()
    assert (steps < 0).any()
    assert np.abs(steps).max() < 4


def test_a_post_hides_the_ball_and_the_truth_knows_how_much() -> None:
    scene = Scene("occlusion", 640, 480)
    shares = [scene.truth(n).visible for n in range(400)]
    assert min(shares) < 0.6
    assert max(shares) == pytest.approx(1.0)


def test_a_flat_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match="even sides from 64"):
        Scene("plain", 640, 7)
    with pytest.raises(ConfigError, match="plain, several"):
        Scene("snow", 640, 480)  # type: ignore[arg-type]


@settings(max_examples=10)
@example(seed=666)
@example(seed=1369)
@given(seed=st.integers(0, 10_000))
def test_every_scene_of_every_seed_shows_the_ball_to_the_detector(seed: int) -> None:
    detector = ColourDetector()
    for kind in KINDS:
        shot = Scene(kind, 320, 240, seed).shot(seed % 50)
        if shot.truth.visible < 0.95:
            continue
        spot = detector.detect(shot.image)
        assert spot is not None, kind
        # a texture may have nearly the ball's colour just beside it; it may not be taken for the ball
        most_px = shot.truth.radius if kind == "textured" else 1.0
        assert np.hypot(spot.x - shot.truth.x, spot.y - shot.truth.y) < most_px, kind
