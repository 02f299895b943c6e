"""A mask bundle made without torch, whose answers truly depend on the pixels: what is dark is a `scratch`, and what is
darker still a `hole`. Takes pictures of any size, in windows."""

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
from telltale.tasks.mask import Masks

MIDDLES = {"scratch": 0.4, "hole": 0.15}
"""Brightness at which the probability is one half."""

SIDE = 64


def mask_model(names: tuple[str, ...], steepness: float) -> bytes:
    """uint8 `image` (N, H, W, 3) -> `probabilities` (N, K, H, W)."""
    middles = np.array([MIDDLES[name] for name in names], np.float32).reshape(1, -1, 1, 1)
    constants = {
        "scale": np.float32(1 / 255),
        "middles": middles,
        "steepness": np.float32(steepness),
        "colours": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["nchw", "colours"], ["grey"], keepdims=1),
        helper.make_node("Sub", ["middles", "grey"], ["signed"]),
        helper.make_node("Mul", ["signed", "steepness"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_mask",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(names), "H", "W"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def spotted(width: int = 96, height: int = 72, *, light: int = 200, scratch: bool = True, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: bright with a little noise; `scratch`: a dark bar 20 x 6 at (10, 12), a faint one below."""
    noise = np.random.default_rng(seed).integers(-6, 7, (height, width, 1))
    picture = np.full((height, width, 3), light, np.int64) + noise
    if scratch:
        picture[12:18, 10:30] = 20
        picture[40:46, 40:60] = 102  # at the middle of `scratch`: nobody can be sure
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def make_mask_bundle(
    folder: Path,
    names: tuple[str, ...] = ("scratch", "hole"),
    *,
    name: str = "tiny_mask",
    steepness: float = 24.0,
    mm_per_px: float | None = 0.5,
) -> Path:
    """Write `folder/NAME.telltale`, golden set included, and return its path."""
    task = Masks(names, min_area=4, mm_per_px=mm_per_px)
    model = mask_model(names, steepness)
    spec = BundleSpec(
        name=name,
        created="2026-01-02T03:04:05Z",
        licence="Apache-2.0",
        task=task.to_spec(),
        input=Input(width=SIDE, height=SIDE, fit="tile"),
        outputs={"probabilities": [len(names), SIDE, SIDE]},
        thresholds={each: Threshold(0.3, 0.7) for each in names},
        model=Model(backbone="pixels", parameters=0, macs=SIDE * SIDE, stride=1, reach=0),
        variants={"float": Variant(file=MODEL)},
    )
    inputs = np.stack([spotted(SIDE, SIDE, seed=n) for n in range(4)])
    outputs = {"probabilities": open_session(model, MODEL, 1).run(["probabilities"], {"image": inputs})[0]}
    frame = spotted(3 * SIDE + 1, SIDE + 5, seed=9)
    golden = Golden(inputs, outputs, frame=frame, frame_input=frame)
    return write_bundle(folder / f"{name}.telltale", spec, {MODEL: model, GOLDEN: golden.to_bytes()}).path
