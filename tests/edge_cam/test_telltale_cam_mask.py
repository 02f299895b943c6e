"""A mask's net inside telltale-cam: its regions, states and events are those of Python on the same numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_cam.cam_program import CHECKED, Json, build, jpeg, results, told_by
from edge_cam.programs import HERE, Program, needs
from telltale.export.c.emit import About, Label
from telltale.export.c.generate import Generated, generate
from telltale.preprocess import decode
from telltale.tasks import Threshold, from_spec
from telltale.tasks.regions import STEPS

SIDE = 32
NAMES = ("red", "blue")
TASK = from_spec({"kind": "mask", "names": list(NAMES), "min_area": 6, "mm_per_px": 0.5})
CUTS = {"red": Threshold(0.3, 0.7), "blue": Threshold(0.5, 0.5)}


def colour_model() -> bytes:
    """How red and how blue each pixel is, and its neighbours a little."""
    weight = np.zeros((2, 3, 3, 3), np.float32)
    weight[0, 0] = weight[1, 2] = 1.0
    weight[:, :, 1, 1] *= 10
    weight[0, 2, 1, 1] = weight[1, 0, 1, 1] = -8
    constants = [
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(np.full(2, -8, np.float32), "b"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["logits"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    told = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2, SIDE, SIDE])
    graph = helper.make_graph(nodes, "colours", [image], [told], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def picture(seed: int, side: int = SIDE, blots: int = 5) -> bytes:
    """Blots of red, purple and blue on grey."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), 90, np.uint8)
    for _ in range(blots):
        x, y, size = (int(rng.integers(0, side - 4)), int(rng.integers(0, side - 4)), int(rng.integers(2, side // 3)))
        pixels[y : y + size, x : x + size] = [(230, 40, 40), (40, 40, 230), (150, 40, 90), (160, 60, 60)][
            int(rng.integers(4))
        ]
    return jpeg(pixels)


PLAIN = jpeg(np.full((SIDE, SIDE, 3), 90, np.uint8))


@pytest.fixture(scope="module")
def net() -> Generated:
    labels = tuple(Label(name, CUTS[name].low, CUTS[name].high) for name in NAMES)
    about = About("colours", "a test", "mask", "stretch", labels, 0.0, 0.0, min_area=6, mm_per_px=0.5)
    inputs = np.stack([decode(picture(seed)) for seed in range(6)])
    return generate(colour_model(), about, inputs)


@pytest.fixture(scope="module", params=["host", "armv7"])
def cam(request: pytest.FixtureRequest, net: Generated, tmp_path_factory: pytest.TempPathFactory) -> Program:
    return build(net, tmp_path_factory.mktemp("cam_mask"), request.param, CHECKED if request.param == "host" else "")


def python_tells(net: Generated, inputs: NDArray[np.uint8]) -> list[Json]:
    """From the integer reference's numbers."""
    made = generate(
        colour_model(), About("colours", "a test"), np.stack([decode(picture(s)) for s in range(6)]), inputs=inputs
    )
    maps = made.answers["probabilities"].transpose(0, 3, 1, 2)
    return [result.to_json() for result in TASK.decode({"probabilities": maps}, CUTS)]


def in_order(regions: list[Json]) -> list[Json]:
    """Of equals Python leaves the order open."""
    return sorted(regions, key=lambda r: (r["state"] != "on", -r["score"], -r["area_px"], r["box"][1], r["box"][0]))


def agree(ours: Json, theirs: Json) -> None:
    assert ours.keys() == theirs.keys()
    for name, reading in theirs.items():
        mine = ours[name]
        assert list(mine) == list(reading)
        assert -1e-6 <= mine["prob"] - reading["prob"] <= 1 / 2**STEPS + 1e-6
        for one, other in zip(mine["regions"], in_order(reading["regions"]), strict=True):
            assert list(one) == list(other)
            assert abs(one["score"] - other["score"]) <= 1.1e-6  # a half in the last digit goes up in C, to even here
            assert {**one, "score": 0} == {**other, "score": 0}
        assert {k: v for k, v in mine.items() if k not in ("prob", "regions")} == {
            k: v for k, v in reading.items() if k not in ("prob", "regions")
        }


def test_regions_are_those_of_python(cam: Program, net: Generated) -> None:
    pictures = [picture(seed) for seed in range(20, 32)]
    messages = told_by(cam, *pictures, PLAIN)
    assert messages[0]["bundle"]["kind"] == "mask"
    theirs = python_tells(net, np.stack([decode(data) for data in [*pictures, PLAIN]]))
    ours = results(messages)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        agree(mine, other)
    states = [reading["state"] for result in ours for reading in result.values()]
    assert {"on", "off"} <= set(states)
    assert any(region["state"] == "unsure" for result in ours for region in result["red"]["regions"])


def test_boxes_are_in_pixels_of_the_upright_picture(cam: Program) -> None:
    """A red square on a picture twice as large, whole and as a region of interest, and with black borders."""
    pixels = np.full((64, 64, 3), 90, np.uint8)
    pixels[40:56, 8:24] = (240, 30, 30)
    whole = results(told_by(cam, jpeg(pixels)))[0]["red"]
    part = results(told_by(cam, jpeg(pixels), options=("--set", "roi=0 32 32 32")))[0]["red"]
    for reading in (whole, part):
        (region,) = [r for r in reading["regions"] if r["state"] == "on"]
        assert np.abs(np.array(region["box"]) - [8, 40, 16, 16]).max() <= 2
        assert abs(region["area_px"] - 256) < 80
        assert region["area_mm2"] == region["area_px"] * 0.25
        assert reading["count"] == 1


def test_a_region_smaller_than_the_least_area_is_not_told(cam: Program) -> None:
    pixels = np.full((128, 128, 3), 90, np.uint8)
    pixels[40:44, 40:44] = (255, 0, 0)  # one pixel of the map stands for 16 of the picture, more than min_area
    small = np.full((SIDE, SIDE, 3), 90, np.uint8)
    small[10:12, 10:12] = (255, 0, 0)
    assert results(told_by(cam, jpeg(small)))[0]["red"]["regions"] == []
    assert results(told_by(cam, jpeg(pixels)))[0]["red"]["count"] == 1


def test_what_stays_becomes_an_event_of_its_name(cam: Program) -> None:
    red = np.full((SIDE, SIDE, 3), 90, np.uint8)
    red[8:20, 8:20] = (240, 30, 30)
    messages = told_by(cam, PLAIN, jpeg(red), jpeg(red), PLAIN)
    events = [(e["name"], e["from"], e["to"]) for m in messages if m["type"] == "result" for e in m["events"]]
    assert events == [("red", "off", "on"), ("red", "on", "off")]
    smoothed = [m["smoothed"]["red"]["state"] for m in messages if m["type"] == "result"]
    assert smoothed == ["off", "on", "on", "off"]


def test_thresholds_of_the_configuration_cut_the_map(cam: Program) -> None:
    data = picture(21)
    loose = results(told_by(cam, data, options=("--set", "low.red=0.01", "--set", "high.red=0.02")))[0]["red"]
    strict = results(told_by(cam, data, options=("--set", "high.red=1")))[0]["red"]
    assert sum(r["area_px"] for r in loose["regions"]) > sum(r["area_px"] for r in strict["regions"])
    assert strict["count"] == 0


def test_a_damaged_picture_is_an_error_and_the_next_is_told(cam: Program, net: Generated, tmp_path: Path) -> None:
    good = picture(22)
    (tmp_path / "cut.jpg").write_bytes(good[:-40])
    (tmp_path / "good.jpg").write_bytes(good)
    done = cam.run(str(tmp_path / "cut.jpg"), str(tmp_path / "good.jpg"))
    messages = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [m["type"] for m in messages] == ["hello", "error", "result"]
    agree(messages[2]["result"], python_tells(net, decode(good)[None])[0])


def test_many_regions_are_counted_and_the_line_stays_whole(cam: Program) -> None:
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    pixels[::3, ::3] = (255, 0, 0)
    told = results(told_by(cam, jpeg(pixels), options=("--set", "high.red=0.05", "--set", "low.red=0.01")))[0]["red"]
    assert len(told["regions"]) <= 100
    assert told["count"] >= len([r for r in told["regions"] if r["state"] == "on"])


# --- faults in the program itself -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_valgrind_finds_nothing(net: Generated, tmp_path: Path) -> None:
    needs("valgrind")
    plain = build(net, tmp_path, "host")
    (tmp_path / "cut.jpg").write_bytes(picture(22)[:-40])
    (tmp_path / "whole.jpg").write_bytes(picture(23, 96, blots=12))
    checked = Program(("valgrind", "-q", "--error-exitcode=9", "--leak-check=full", *plain.command))
    pictures = (str(tmp_path / "cut.jpg"), str(tmp_path / "whole.jpg"))
    done = checked.run("--set", "roi=8 8 80 64", "--set", f"state={tmp_path / 's'}", *pictures)
    assert done.returncode == 1, done.stderr.decode()
    (told,) = results([json.loads(line) for line in done.stdout.decode().splitlines()])
    assert told["red"]["regions"]
    assert done.stderr == b""


def test_each_allocation_that_fails_is_one_clear_line_or_no_matter(net: Generated, tmp_path: Path) -> None:
    """libjpeg's own among them, some of which it asks for again, smaller."""
    flags = f"{CHECKED} -Wl,--wrap=malloc"
    cam = build(net, tmp_path, "host", flags, (HERE / "failing_malloc.c",), jpeg_link="-l:libjpeg.a")
    data = picture(22)
    whole = results(told_by(cam, data))
    clear = (
        "expected memory for the net, got none left",
        "max_bytes: expected so much memory",
        "needs more memory than",
    )
    said = []
    for fail_at in range(30):
        done = Program(cam.command, (("FAIL_AT", str(fail_at)),)).run("-", stdin=data)
        told = [json.loads(line) for line in done.stdout.decode().splitlines()]
        faults = [line["message"] for line in told if line["type"] == "error"] + done.stderr.decode().splitlines()
        if done.returncode == 0:
            assert (results(told), faults) == (whole, []), fail_at
            continue
        assert (done.returncode, results(told), len(faults)) == (1, [], 1), (fail_at, faults)
        said += [part for part in clear if part in faults[0]] or [faults[0]]
    assert [said.count(part) for part in clear[:2]] == [3, 1]  # the net's, the resizing's, the regions'; the JPEG's
    assert set(said) == set(clear)


@pytest.mark.parametrize("name", ["arena_bytes", "scratch_bytes"])
def test_a_net_with_too_little_room_for_its_work_is_refused(net: Generated, tmp_path: Path, name: str) -> None:
    source, times = re.subn(rf"(\.{name} = )\d+", r"\g<1>8", net.files["colours.c"].decode())
    assert times == 1
    less = replace(net, files={**net.files, "colours.c": source.encode()})
    done = build(less, tmp_path, "host", CHECKED).run("-", stdin=picture(22))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"its tables contradict each other" in done.stderr
    assert done.stderr.count(b"\n") == 1
