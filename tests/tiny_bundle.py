"""A bundle made without torch, whose answers truly depend on the pixels.

Name k of K is `on` where the k-th vertical strip of the picture is brighter than middle grey. The logit is the mean
of the activation map over space, as in a trained model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from telltale.bundle.bundle import Bundle, write_bundle
from telltale.bundle.golden import Golden
from telltale.bundle.predictor import open_session
from telltale.bundle.spec import GOLDEN, MODEL, BundleSpec, Model, Variant
from telltale.preprocess import Preprocess
from telltale.project import Input
from telltale.tasks import Threshold
from telltale.tasks.states import States

CELL = 8
"""Pixels on a side of one cell of the activation map."""

STEEPNESS = 8.0


def tiny_model(names: Sequence[str], width: int, height: int, steepness: float = STEEPNESS) -> bytes:
    """uint8 `image` (N, H, W, 3) -> `probabilities` (N, K), `cam` (N, K, H/8, W/8)."""
    assert width % CELL == 0, width
    assert height % CELL == 0, height
    k = len(names)
    strip = np.zeros((1, k, 1, width), np.float32)
    for i, columns in enumerate(np.array_split(np.arange(width), k)):
        strip[0, i, 0, columns] = width / len(columns)  # so that the mean over the whole picture is the strip's
    constants = {
        "scale": np.float32(1 / 255),
        "middle": np.float32(0.5),
        "steepness": np.float32(steepness),
        "strip": strip,
        "space": np.array([2, 3], np.int64),
        "colours": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["nchw", "colours"], ["grey"], keepdims=1),
        helper.make_node("Sub", ["grey", "middle"], ["signed"]),
        helper.make_node("Mul", ["signed", "steepness"], ["steep"]),
        helper.make_node("Mul", ["steep", "strip"], ["strips"]),
        helper.make_node("AveragePool", ["strips"], ["cam"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("ReduceMean", ["cam", "space"], ["logits"], keepdims=0),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", height, width, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", k]),
            helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["N", k, height // CELL, width // CELL]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def tiny_spec(
    names: Sequence[str] = ("left", "right"),
    width: int = 32,
    height: int = 24,
    thresholds: dict[str, Threshold] | None = None,
) -> BundleSpec:
    return BundleSpec(
        name="tiny",
        created="2026-01-02T03:04:05Z",
        licence="Apache-2.0",
        task=States(tuple(names)).to_spec(),
        input=Input(width=width, height=height, fit="stretch"),
        outputs={"probabilities": [len(names)], "cam": [len(names), height // CELL, width // CELL]},
        thresholds=thresholds or {name: Threshold(0.3, 0.7) for name in names},
        model=Model(backbone="strips", parameters=0, macs=width * height),
        variants={"float": Variant(file=MODEL)},
    )


def tiny_pictures(count: int, width: int, height: int, strips: int = 2, seed: int = 0) -> np.ndarray:
    """(count, H, W, 3) uint8: strips of random brightness with noise."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(10, 246, (count, strips))
    pictures = rng.normal(0, 12, (count, height, width, 3))
    for i, columns in enumerate(np.array_split(np.arange(width), strips)):
        pictures[:, :, columns] += levels[:, i, None, None, None]
    return np.asarray(np.clip(np.round(pictures), 0, 255), np.uint8)


def make_tiny_bundle(folder: Path, names: Sequence[str] = ("left", "right"), width: int = 32, height: int = 24) -> Path:
    """Write `folder/tiny.telltale`, golden set included, and return its path."""
    spec = tiny_spec(names, width, height)
    model = tiny_model(names, width, height)
    inputs = tiny_pictures(8, width, height, len(names))
    session = open_session(model, MODEL, 1)
    outputs = dict(zip(("probabilities", "cam"), session.run(["probabilities", "cam"], {"image": inputs}), strict=True))
    frame = tiny_pictures(1, 3 * width + 1, 2 * height + 5, len(names), seed=1)[0]
    frame_input = Preprocess(width, height, "stretch").apply(frame)
    golden = Golden(inputs, outputs, frame=frame, frame_input=frame_input)
    return write_bundle(Path(folder) / "tiny.telltale", spec, {MODEL: model, GOLDEN: golden.to_bytes()}).path


def open_tiny_bundle(folder: Path) -> Bundle:
    return Bundle.open(make_tiny_bundle(folder))
