"""A bundle that locates, made without torch, whose answers truly depend on the pixels: what is bright is a `ball`, what
is dark a `hole`; both are told as a tenth of the input wide and a fifth high."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from telltale.bundle.bundle import write_bundle
from telltale.bundle.golden import Golden
from telltale.bundle.predictor import open_session
from telltale.bundle.spec import GOLDEN, MODEL, BundleSpec, Model, Variant
from telltale.project import Input
from telltale.tasks import Threshold
from telltale.tasks.locate import Locate

SIGNS = {"ball": (1.0, 0.75), "hole": (-1.0, 0.25)}
"""Which way the brightness of a cell counts, and where the probability is one half."""

WIDTH, HEIGHT = 64, 32


def locate_model(names: tuple[str, ...]) -> bytes:
    """uint8 `image` (N, H, W, 3) -> `heat` (N, K, H/4, W/4), `boxes` (N, 4, H/4, W/4)."""
    column = (1, -1, 1, 1)
    constants = {
        "scale": np.float32(1 / 255),
        "signs": np.array([20 * SIGNS[name][0] for name in names], np.float32).reshape(column),
        "middles": np.array([SIGNS[name][1] for name in names], np.float32).reshape(column),
        "colours": np.array([1], np.int64),
        "sides": np.array([0.5, 0.5, 0.1, 0.2], np.float32).reshape(column),
        "nothing": np.zeros((1, 4, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["nchw", "colours"], ["grey"], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sub", ["cells", "middles"], ["over"]),
        helper.make_node("Mul", ["over", "signs"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["heat"]),
        helper.make_node("Mul", ["cells", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "sides"], ["boxes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_locate",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", HEIGHT, WIDTH, 3])],
        [
            helper.make_tensor_value_info("heat", TensorProto.FLOAT, ["N", len(names), HEIGHT // 4, WIDTH // 4]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", 4, HEIGHT // 4, WIDTH // 4]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def table(width: int = 128, height: int = 64, *, ball: tuple[int, int] | None = (40, 24)) -> np.ndarray:
    """(H, W, 3) uint8 grey with a bright 8 x 8 spot whose first pixel is `ball`, and a half bright one at (96, 48)."""
    picture = np.full((height, width, 3), 120, np.uint8)
    if ball is not None:
        picture[ball[1] : ball[1] + 8, ball[0] : ball[0] + 8] = 240
        picture[48:56, 96:104] = 192
    return picture


def make_locate_bundle(folder: Path, names: tuple[str, ...] = ("ball", "hole"), *, name: str = "tiny_locate") -> Path:
    """Write `folder/NAME.telltale`, golden set included, and return its path."""
    model = locate_model(names)
    spec = BundleSpec(
        name=name,
        created="2026-01-02T03:04:05Z",
        licence="Apache-2.0",
        task=Locate(names, max_count=10).to_spec(),
        input=Input(width=WIDTH, height=HEIGHT, fit="stretch"),
        outputs={"heat": [len(names), HEIGHT // 4, WIDTH // 4], "boxes": [4, HEIGHT // 4, WIDTH // 4]},
        thresholds={each: Threshold(0.3, 0.7) for each in names},
        model=Model(backbone="pixels", parameters=0, macs=WIDTH * HEIGHT),
        variants={"float": Variant(file=MODEL)},
    )
    inputs = np.stack([table(WIDTH, HEIGHT, ball=None)] * 2)
    inputs[0, 8:12, 16:20] = 240
    found = open_session(model, MODEL, 1).run(["heat", "boxes"], {"image": inputs})
    frame = table()
    golden = Golden(
        inputs,
        dict(zip(("heat", "boxes"), found, strict=True)),
        frame=frame,
        frame_input=spec.input.preprocess().apply(frame),
    )
    return write_bundle(folder / f"{name}.telltale", spec, {MODEL: model, GOLDEN: golden.to_bytes()}).path
