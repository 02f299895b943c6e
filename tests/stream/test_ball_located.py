"""A `locate` bundle as the detector, its training pictures, and the ball followed where nothing finds it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stream.conftest import run_loop
from telltale.bundle.bundle import write_bundle
from telltale.bundle.spec import MODEL, BundleSpec, Model, Variant
from telltale.collect.scenes import box_of, keep, label_of, take
from telltale.dataset.catalogue import Catalogue
from telltale.errors import ConfigError
from telltale.project import Input
from telltale.streams.located import LocateDetector, open_any
from telltale.streams.scene import KINDS, Scene, Truth
from telltale.streams.spot import BALL_COLOUR
from telltale.tasks import Threshold
from telltale.tasks.locate import Locate, parse_boxes
from tiny_bundle import make_tiny_bundle

WIDTH, HEIGHT, STRIDE = 320, 240, 4


def red_model(names: int) -> bytes:
    """Heat where the mean of 5x5 cells is red; of the first name alone. The box is always 20 pixels wide."""
    constants = {
        "scale": np.float32(1 / 255),
        "red": np.array([1, -0.5, -0.5], np.float32).reshape(1, 3, 1, 1),
        "some": np.array([[1.0]] + [[0.0]] * (names - 1), np.float32).reshape(1, names, 1, 1),
        "colours": np.array([1], np.int64),
        "half": np.full((1, 2, 1, 1), 0.5, np.float32),
        "sides": np.array([20 / WIDTH, 20 / HEIGHT], np.float32).reshape(1, 2, 1, 1),
        "zero": np.float32(0),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["nchw", "red"], ["reds"]),
        helper.make_node("ReduceSum", ["reds", "colours"], ["signed"], keepdims=1),
        helper.make_node("Relu", ["signed"], ["redness"]),
        helper.make_node("AveragePool", ["redness"], ["cells"], kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2),
        helper.make_node("AveragePool", ["cells"], ["wide"], kernel_shape=[5, 5], pads=[2] * 4, count_include_pad=1),
        helper.make_node("Mul", ["wide", "some"], ["heat"]),
        helper.make_node("Mul", ["cells", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "half"], ["offsets"]),
        helper.make_node("Add", ["nothing", "sides"], ["large"]),
        helper.make_node("Concat", ["offsets", "large"], ["boxes"], axis=1),
    ]
    cells = [HEIGHT // STRIDE, WIDTH // STRIDE]
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", HEIGHT, WIDTH, 3])],
        [
            helper.make_tensor_value_info("heat", TensorProto.FLOAT, ["N", names, *cells]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", 4, *cells]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def red_bundle(folder: Path, names: tuple[str, ...] = ("ball",)) -> Path:
    task = Locate(names)
    spec = BundleSpec(
        name="red",
        licence="Apache-2.0",
        task=task.to_spec(),
        input=Input(width=WIDTH, height=HEIGHT),
        outputs={name: list(shape) for name, shape in task.output_shapes(HEIGHT, WIDTH).items()},
        thresholds=dict.fromkeys(names, Threshold(0.2, 0.3)),
        model=Model(backbone="red", parameters=0, stride=STRIDE),
        variants={"float": Variant(file=MODEL)},
    )
    return write_bundle(folder / "red.telltale", spec, {MODEL: red_model(len(names))}).path


def test_a_bundle_finds_the_ball_in_the_pixels_of_the_picture(tmp_path: Path) -> None:
    detector = LocateDetector(red_bundle(tmp_path))
    scene = Scene("plain", 640, 480)
    errors = []
    for n in range(0, 200, 10):
        shot = scene.shot(n)
        spot = detector.detect(shot.image)
        assert spot is not None
        errors.append((spot.x - shot.truth.x, spot.y - shot.truth.y))
    assert np.abs(np.mean(errors, axis=0)).max() < 1.5, "no shift by half a cell"
    assert np.abs(errors).max() < 8.1, "within a cell of 8 pixels"
    assert detector.detect(np.full((480, 640, 3), 40, np.uint8)) is None


def test_of_several_names_one_is_chosen(tmp_path: Path) -> None:
    bundle = red_bundle(tmp_path, ("ball", "car"))
    image = Scene("plain", 640, 480).shot(0).image
    with pytest.raises(ConfigError, match="--name: expected one of ball, car"):
        LocateDetector(bundle)
    assert LocateDetector(bundle, "ball").detect(image) is not None
    assert LocateDetector(bundle, "car").detect(image) is None
    with pytest.raises(ConfigError, match="ball or car"):
        LocateDetector(bundle, "dog")
    with pytest.raises(ConfigError, match="kind locate"):
        LocateDetector(make_tiny_bundle(tmp_path))
    with pytest.raises(ConfigError, match="--detector BUNDLE"):
        open_any("colour", BALL_COLOUR, "ball")


def test_a_bundle_watches_a_stream(tmp_path: Path) -> None:
    bundle = red_bundle(tmp_path)
    loop = run_loop("plain", 45, watch=lambda settings: replace(settings, detector=str(bundle)))
    summary = loop.session.summary
    assert summary.answered > 20
    assert summary.unseen == 0
    assert summary.mean_px < 6


def test_a_followed_ball_is_told_behind_a_post() -> None:
    bare = run_loop("occlusion", 150, watch=lambda settings: replace(settings, detector="circle"))
    followed = run_loop("occlusion", 150, watch=lambda settings: replace(settings, detector="circle", track=True))
    assert followed.session.summary.answered > 50
    assert followed.watched.found >= followed.watched.looked * 0.8
    assert followed.watched.found / followed.watched.looked >= bare.watched.found / bare.watched.looked


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_come_with_the_box_of_their_ball(kind: str) -> None:
    taken = [t for t in take(24, [kind], 320, 240, seed=1) if isinstance(t.label, list)]  # type: ignore[list-item]
    assert len(taken) >= 15
    for each in taken:
        [[x, y, w, h]] = each.label
        assert x >= -0.01
        assert x + w <= 320.01
        assert y >= -0.01
        assert y + h <= 240.01
        centre = each.image[int(y + h / 2), int(x + w / 2)].astype(int)
        hidden = kind == "occlusion" and abs(centre - centre.mean()).max() < 20
        assert hidden or centre[0] > centre[2] + 30, "the ball's own colour"


def test_the_box_is_as_wide_as_the_ball() -> None:
    image = Scene("plain", 320, 240, 2).shot(0).image.astype(int)
    red = image[..., 0] - image[..., 2] > 100
    columns = np.flatnonzero(red.any(0))
    x, _, w, _ = box_of(Scene("plain", 320, 240, 2).truth(0))
    assert columns[0] == pytest.approx(x, abs=1)
    assert columns[-1] + 1 == pytest.approx(x + w, abs=1)


def test_half_hidden_is_labelled_unknown_and_hidden_as_none() -> None:
    assert parse_boxes("ball", label_of(Truth(50, 50, 10, 0.3)))[1].shape == (1, 4)
    assert label_of(Truth(50, 50, 10, 0.0)) is False
    assert len(label_of(Truth(50, 50, 10, 0.8))) == 1


def test_scenes_go_into_a_catalogue_by_group_and_only_once(tmp_path: Path) -> None:
    with Catalogue.open(tmp_path / "c.db", tmp_path / "images") as catalogue:
        kept = keep(take(32, ("plain", "noise"), 128, 96), catalogue, "ball")
        assert (kept.pictures, dict(kept.kinds)) == (32, {"plain": 16, "noise": 16})
        keep(take(32, ("plain", "noise"), 128, 96), catalogue, "ball")
        assert len(catalogue) == 32
        assert set(catalogue.groups().values()) == {8}
