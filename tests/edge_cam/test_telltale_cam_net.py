"""A generated net inside telltale-cam: from a JPEG to the very numbers of the integer reference."""

from __future__ import annotations

import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import PIL.Image
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_cam.programs import EDGE, Program, armhf_root, jpeg_for, needs
from telltale.export.c.emit import About, Label
from telltale.export.c.generate import Generated, generate
from telltale.preprocess import Preprocess, decode

NAMES = ("left", "right")
WIDTH, HEIGHT = 48, 32


def small_model() -> bytes:
    """Two convolutions, an average and two probabilities; weights at random, but not all answers alike."""
    rng = np.random.default_rng(4)
    shapes = {"w1": (8, 3, 3, 3), "b1": (8,), "w2": (8, 8, 3, 3), "b2": (8,), "w3": (8, 2), "b3": (2,)}
    constants = [
        numpy_helper.from_array(rng.normal(0, 1.5 / np.prod(s[1:]) ** 0.5, s).astype(np.float32), name)
        for name, s in shapes.items()
    ]
    conv: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], **conv),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], **conv),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
    told = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(NAMES)])
    graph = helper.make_graph(nodes, "small", [image], [told], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def jpegs() -> list[bytes]:
    """Of the net's own size, so that nothing is resized; and larger ones, decoded whole."""
    rng = np.random.default_rng(5)
    files = []
    for width, height, level in [(WIDTH, HEIGHT, 40), (WIDTH, HEIGHT, 200), (80, 60, 120), (30, 20, 90)]:
        noise = np.clip(rng.normal(level, 50, (height // 4, width // 4, 3)), 0, 255).astype(np.uint8)
        out = io.BytesIO()
        PIL.Image.fromarray(noise).resize((width, height)).save(out, "JPEG", quality=90)
        files.append(out.getvalue())
    return files


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.stack([Preprocess(WIDTH, HEIGHT, "letterbox").apply(decode(data)) for data in jpegs()])


@pytest.fixture(scope="module")
def net(inputs: np.ndarray) -> Generated:
    labels = tuple(Label(name, 0.2, 0.8) for name in NAMES)
    return generate(small_model(), About("small", "a test", "states", "letterbox", labels, 0.5, 0.25), inputs)


def put(net: Generated, folder: Path) -> Path:
    for name in (f"{net.name}.c", f"{net.name}.h"):
        (folder / name).write_bytes(net.files[name])
    return folder / net.name


def build(net: Path, target: str) -> Program:
    needs("make", "gcc")
    link = jpeg_for(target)[1]
    if target == "armv7":
        needs("arm-linux-gnueabihf-gcc", "qemu-arm")
    out = net.parent / f"telltale-cam-{target}"
    settings = [f"TARGET={target}", f"NET={net}", f"OUT={out}", f"ARMHF={armhf_root()}", f"JPEG={link[0]}"]
    done = subprocess.run(["make", "-C", str(EDGE / "cam"), *settings], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return Program(("qemu-arm", str(out)) if target == "armv7" else (str(out),))


@pytest.mark.parametrize("target", ["host", "armv7"])
def test_a_jpeg_gives_the_numbers_of_the_integer_reference(net: Generated, tmp_path: Path, target: str) -> None:
    cam = build(put(net, tmp_path), target)
    done = cam.run("-", stdin=b"".join(jpegs()))
    hello, *told = (json.loads(line) for line in done.stdout.splitlines())
    assert hello["bundle"]["names"] == list(NAMES)
    assert hello["bundle"]["input"] == {"width": WIDTH, "height": HEIGHT, "fit": "letterbox"}
    assert hello["bundle"]["thresholds"]["left"] == {"low": 0.2, "high": 0.8}
    assert hello["smoothing"] == {"average_s": 0.5, "dwell_s": 0.25}
    expected = net.answers["probabilities"].reshape(-1, len(NAMES))
    got = np.array([[message["result"][name]["prob"] for name in NAMES] for message in told])
    assert np.abs(got - expected).max() < 1e-6
    assert np.ptp(expected) > 0.05
    assert b"all 3 of them" in cam.run("--selftest").stdout
    again = cam.run("--set", "selftest=no", "-", stdin=jpegs()[0])
    assert json.loads(again.stdout.splitlines()[1])["result"] == told[0]["result"]


def test_a_net_whose_weights_were_changed_is_refused(net: Generated, tmp_path: Path) -> None:
    path = put(net, tmp_path)
    source = path.with_suffix(".c").read_text()
    found = re.search(r"\} weights = \{\{\s*/\*.*?\*/\s*(-?\d+),", source, re.DOTALL)
    assert found
    changed = source[: found.start(1)] + str((int(found[1]) + 1) % 100) + source[found.end(1) :]
    path.with_suffix(".c").write_text(changed)
    done = build(path, "host").run("-", stdin=jpegs()[0])
    assert done.returncode == 1
    assert b"the weights are not those that were exported" in done.stderr
    assert done.stdout == b""
