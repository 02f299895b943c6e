"""What the serving benches serve and send: a net of a usual size, a frame of a usual camera, a server process.

The weights are random: the time does not hang on them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from telltale.bundle.bundle import write_bundle
from telltale.bundle.spec import MODEL, BundleSpec, Model, Variant
from telltale.project import Input
from telltale.tasks.states import States

NAMES = ("front_left", "front_right", "rear_left", "rear_right", "hood")
CHANNELS = (16, 32, 48, 64, 96)
"""Stride-2 3x3 convolutions, each but the first followed by one of stride 1: about 250,000 parameters."""


def make_bundle(folder: Path, width: int = 160, height: int = 128) -> Path:
    """A bundle of a plain 3x3 net, written to `folder/bench.telltale`."""
    model, parameters = plain_net(width, height)
    spec = BundleSpec(
        name="bench",
        licence="Apache-2.0",
        task=States(NAMES).to_spec(),
        input=Input(width=width, height=height, fit="stretch"),
        outputs={"probabilities": [len(NAMES)]},
        model=Model(backbone="plain", parameters=parameters),
        variants={"float": Variant(file=MODEL)},
    )
    return write_bundle(folder / "bench.telltale", spec, {MODEL: model}).path


def plain_net(width: int, height: int) -> tuple[bytes, int]:
    """(ONNX file, parameters): uint8 (N, H, W, 3) to probabilities (N, K)."""
    rng = np.random.default_rng(0)
    weights: list[onnx.TensorProto] = [numpy_helper.from_array(np.asarray(1 / 255, np.float32), "scale")]
    nodes = [
        helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["cast", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["x0"], perm=[0, 3, 1, 2]),
    ]
    parameters, at, inputs = 0, 0, 3
    plan = [(CHANNELS[0], 2)] + [step for c in CHANNELS[1:] for step in ((c, 2), (c, 1))]
    for outputs, stride in plan:
        w = rng.normal(0, np.sqrt(2 / (9 * inputs)), (outputs, inputs, 3, 3)).astype(np.float32)
        weights += [
            numpy_helper.from_array(w, f"w{at}"),
            numpy_helper.from_array(np.zeros(outputs, np.float32), f"b{at}"),
        ]
        nodes.append(
            helper.make_node(
                "Conv",
                [f"x{at}", f"w{at}", f"b{at}"],
                [f"c{at}"],
                kernel_shape=[3, 3],
                strides=[stride] * 2,
                pads=[1] * 4,
            )
        )
        nodes.append(helper.make_node("Relu", [f"c{at}"], [f"x{at + 1}"]))
        parameters += w.size + outputs
        at, inputs = at + 1, outputs
    head = rng.normal(0, 0.1, (inputs, len(NAMES))).astype(np.float32)
    weights.append(numpy_helper.from_array(head, "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [f"x{at}"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", height, width, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(NAMES)])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString()), parameters + head.size


def frame(number: int = 0, width: int = 640, height: int = 480, quality: int = 90) -> bytes:
    """A JPEG with edges, gradients and a camera's noise; `number` moves the scene and marks it."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    scene = np.stack([x / width * 160 + 40, y / height * 120 + 60, (x + y) / (width + height) * 200 + 20], axis=2)
    picture = np.clip(scene + rng.normal(0, 4, scene.shape), 0, 255).astype(np.uint8)
    for i in range(24):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        cv2.ellipse(picture, centre, (20 + 4 * i, 60), float(rng.integers(180)), 0, 360, colour, 2 + i % 3, cv2.LINE_AA)
    ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return bytes(data.tobytes())


@contextmanager
def server_process(bundle: Path) -> Iterator[str]:
    """A server of its own process on a free port, as `telltale serve` runs it; gives its http address."""
    code = "import sys; from telltale.serve.server import run_server; run_server(sys.argv[1], port=0)"
    process = subprocess.Popen([sys.executable, "-c", code, str(bundle)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert " at http" in first, first
        yield first.rpartition(" at ")[2].strip()
    finally:
        process.terminate()
        process.wait(20)
