"""A net that locates inside telltale-cam: its boxes, states and events are those of Python on the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_cam.cam_program import CHECKED, Json, build, jpeg, results, told_by
from edge_cam.programs import Program, needs
from telltale.export.c.emit import About, Label
from telltale.export.c.generate import Generated, generate
from telltale.preprocess import Preprocess, decode
from telltale.tasks import Threshold, from_spec

SIDE, CELLS = 32, 8
NAMES = ("red", "blue")
TASK = from_spec({"kind": "locate", "names": list(NAMES)})
CUTS = {"red": Threshold(0.3, 0.7), "blue": Threshold(0.5, 0.5)}
Fit = Literal["stretch", "letterbox"]


def colour_model() -> bytes:
    """How red and how blue each cell of 4x4 pixels is; its box moves and grows with its green and its blue."""
    heat, boxes = np.zeros((2, 3, 4, 4), np.float32), np.zeros((4, 3, 4, 4), np.float32)
    heat[0, 0], heat[0, 2], heat[1, 2], heat[1, 0] = 0.9, -0.7, 0.9, -0.7
    boxes[0, 1], boxes[1, 1], boxes[2, 2], boxes[3, 0] = 0.2, -0.2, 0.15, 0.15
    constants = [
        numpy_helper.from_array(heat, "w"),
        numpy_helper.from_array(np.full(2, -5, np.float32), "b"),
        numpy_helper.from_array(boxes, "v"),
        numpy_helper.from_array(np.array([-0.5, 0.8, -2, -2], np.float32), "c"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["logits"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sigmoid", ["logits"], ["heat"]),
        helper.make_node("Conv", ["image", "v", "c"], ["places"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sigmoid", ["places"], ["boxes"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    told = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, CELLS, CELLS])
        for name, channels in (("heat", 2), ("boxes", 4))
    ]
    graph = helper.make_graph(nodes, "spots", [image], told, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def spots(seed: int, width: int = SIDE, height: int = SIDE, count: int = 6) -> bytes:
    """Red, purple and blue spots on grey."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 90, np.uint8)
    for _ in range(count):
        x, y = int(rng.integers(0, width - 4)), int(rng.integers(0, height - 4))
        colour = [(230, 40, 40), (40, 40, 230), (150, 40, 90), (190, 60, 60)][int(rng.integers(4))]
        pixels[y : y + int(rng.integers(3, 9)), x : x + int(rng.integers(3, 9))] = colour
    return jpeg(pixels)


PLAIN = jpeg(np.full((SIDE, SIDE, 3), 90, np.uint8))


def make(fit: Fit, inputs: NDArray[np.uint8] | None = None) -> Generated:
    labels = tuple(Label(name, CUTS[name].low, CUTS[name].high) for name in NAMES)
    about = About("spots", "a test", "locate", fit, labels)
    return generate(colour_model(), about, np.stack([decode(spots(seed)) for seed in range(6)]), inputs=inputs)


@pytest.fixture(scope="module", params=["host", "armv7"])
def cam(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    flags = CHECKED if request.param == "host" else ""
    return build(make("stretch"), tmp_path_factory.mktemp("cam_locate"), request.param, flags)


def python_tells(pictures: list[bytes], fit: Fit = "stretch") -> list[Json]:
    """From the integer reference's numbers."""
    preprocess = Preprocess(SIDE, SIDE, fit)
    images = [decode(data) for data in pictures]
    answers = make(fit, np.stack([preprocess.apply(image) for image in images])).answers
    out = []
    for n, image in enumerate(images):
        outputs = {name: answers[name][n : n + 1].transpose(0, 3, 1, 2) for name in ("heat", "boxes")}
        placed = TASK.place(outputs, preprocess, (image.shape[1], image.shape[0]))
        out += [result.to_json() for result in TASK.decode(placed, CUTS)]
    return out


def agree(ours: Json, theirs: Json) -> None:
    """To the rounding of a float: half a hundredth of a pixel may go up in C and down in Python."""
    assert ours.keys() == theirs.keys()
    for name, reading in theirs.items():
        mine = ours[name]
        assert list(mine) == list(reading)
        assert abs(mine["prob"] - reading["prob"]) <= 1.1e-6
        assert {**mine, "prob": 0, "boxes": []} == {**reading, "prob": 0, "boxes": []}
        for one, other in zip(mine["boxes"], reading["boxes"], strict=True):
            assert list(one) == list(other)
            assert one["state"] == other["state"]
            assert abs(one["score"] - other["score"]) <= 1.1e-6
            assert np.abs(np.array(one["box"]) - other["box"]).max() <= 0.011
            assert np.abs(np.array(one["centre"]) - other["centre"]).max() <= 0.011


def test_boxes_are_those_of_python(cam: Program) -> None:
    pictures = [spots(seed) for seed in range(20, 36)]
    messages = told_by(cam, *pictures, PLAIN)
    assert messages[0]["bundle"]["kind"] == "locate"
    theirs = python_tells([*pictures, PLAIN])
    ours = results(messages)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        agree(mine, other)
    told = [(name, box["state"]) for result in ours for name, reading in result.items() for box in reading["boxes"]]
    assert {("red", "on"), ("red", "unsure"), ("blue", "on")} == set(told)
    assert {"on", "off"} <= {reading["state"] for result in ours for reading in result.values()}
    assert max(reading["count"] for result in ours for reading in result.values()) > 1


def test_a_letterboxed_net_tells_boxes_of_the_picture_alone(tmp_path: Path) -> None:
    pictures = [spots(seed, SIDE, 24) for seed in range(40, 48)] + [spots(seed, 20, SIDE) for seed in range(50, 58)]
    ours = results(told_by(build(make("letterbox"), tmp_path, "host", CHECKED), *pictures))
    theirs = python_tells(pictures, "letterbox")
    for mine, other in zip(ours, theirs, strict=True):
        agree(mine, other)
    assert sum(len(reading["boxes"]) for result in ours for reading in result.values()) > 16


def test_boxes_are_in_pixels_of_the_upright_picture(cam: Program) -> None:
    """A red square on a picture twice as large, whole and as a region of interest."""
    pixels = np.full((64, 64, 3), 90, np.uint8)
    pixels[40:48, 8:16] = (240, 30, 30)
    for options in ((), ("--set", "roi=0 32 32 32")):
        (box,) = results(told_by(cam, jpeg(pixels), options=options))[0]["red"]["boxes"]
        assert box["state"] == "on"
        assert 8 <= box["centre"][0] <= 16
        assert 40 <= box["centre"][1] <= 48


def test_what_stays_becomes_an_event_of_its_name(cam: Program) -> None:
    red = np.full((SIDE, SIDE, 3), 90, np.uint8)
    red[8:16, 8:16] = (240, 30, 30)
    messages = told_by(cam, PLAIN, jpeg(red), jpeg(red), PLAIN)
    events = [(e["name"], e["from"], e["to"]) for m in messages if m["type"] == "result" for e in m["events"]]
    assert events == [("red", "off", "on"), ("red", "on", "off")]


def test_thresholds_of_the_configuration_cut_the_boxes(cam: Program) -> None:
    data = spots(21)
    loose = results(told_by(cam, data, options=("--set", "low.red=0.0001", "--set", "high.red=0.0002")))[0]["red"]
    strict = results(told_by(cam, data, options=("--set", "high.red=1")))[0]["red"]
    assert loose["count"] == len(loose["boxes"]) > len(strict["boxes"])
    assert (strict["count"], strict["prob"]) == (0, loose["prob"])


@pytest.mark.slow
def test_valgrind_finds_nothing(tmp_path: Path) -> None:
    needs("valgrind")
    plain = build(make("letterbox"), tmp_path, "host")
    (tmp_path / "cut.jpg").write_bytes(spots(22)[:-40])
    whole = np.full((64, 96, 3), 90, np.uint8)
    whole[20:40, 30:50] = whole[30:46, 70:84] = (240, 30, 30)
    (tmp_path / "whole.jpg").write_bytes(jpeg(whole))
    checked = Program(("valgrind", "-q", "--error-exitcode=9", "--leak-check=full", *plain.command))
    done = checked.run("--set", "roi=8 8 80 48", str(tmp_path / "cut.jpg"), str(tmp_path / "whole.jpg"))
    assert done.returncode == 1, done.stderr.decode()  # the cut one cannot be told
    (told,) = results([json.loads(line) for line in done.stdout.decode().splitlines()])
    assert told["red"]["boxes"]
    assert done.stderr == b""
