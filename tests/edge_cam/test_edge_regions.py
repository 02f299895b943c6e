"""Regions in C are those of Python: boxes, areas, scores, two cuts, the least area."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_cam.programs import ARMV7, EDGE, HERE, SANITIZED, Program, compile_c, needs
from telltale.tasks.regions import STEPS, find_regions, picture_score

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Told:
    """What the tool printed of one map."""

    listed: int
    prob: float
    on: int
    unsure: int
    on_area: int
    regions: tuple[tuple[float, ...], ...]


@pytest.fixture(scope="session", params=["host", "armv7"])
def tool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    out = tmp_path_factory.mktemp("regions") / "regions_tool"
    sources = [HERE / "regions_tool.c", EDGE / "regions.c"]
    if request.param == "host":
        needs("gcc")
        compile_c("gcc", SANITIZED, sources, out)
        return Program((str(out),))
    needs("arm-linux-gnueabihf-gcc", "qemu-arm")
    compile_c("arm-linux-gnueabihf-gcc", ARMV7, sources, out)
    return Program(("qemu-arm", str(out)))


def ask(
    tool: Program, cases: Sequence[tuple[Map, float, float, int]], *, step: int = 1, room: int = 4096
) -> list[Told]:
    """p, low, high, min_area each."""
    data = b""
    for p, low, high, min_area in cases:
        height, width = p.shape
        spread = np.full((height, width, step), 0.5, np.float32)
        spread[:, :, 0] = p
        data += struct.pack("<5i2f", width, height, step, min_area, room, low, high) + spread.tobytes()
    lines = tool.answer(stdin=data).decode().splitlines()
    told, at = [], 0
    while at < len(lines):
        listed, prob, on, unsure, area = lines[at].split()
        rows = lines[at + 1 : at + 1 + max(0, int(listed))]
        regions = tuple(tuple(float(np.float32(word)) for word in row.split()) for row in rows)
        told.append(Told(int(listed), float(prob), int(on), int(unsure), int(area), regions))
        at += 1 + len(rows)
    return told


def canonical(rows: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """On before unsure, then by score and area; of equals the upper left first, which Python leaves open."""
    return sorted(rows, key=lambda r: (-r[5], -r[6], -r[4], r[1], r[0]))


def compare(told: Told, p: Map, low: float, high: float, min_area: int) -> None:
    theirs = find_regions(p, low, high, min_area)
    rows = [(*map(float, r.box), float(r.area_px), float(r.state == "on"), r.score) for r in theirs]
    assert list(told.regions) == canonical(rows)
    assert (told.on, told.unsure) == (sum(r[5] == 1 for r in rows), sum(r[5] == 0 for r in rows))
    assert told.on_area == sum(r.area_px for r in theirs if r.state == "on")
    score = picture_score(p, min_area)
    # Python searches by halving and stays below by as much; C finds the very value.
    assert score <= told.prob + 1e-7
    assert told.prob - score <= max(1.0, told.prob) / 2**STEPS + 1e-7


def cloud(seed: int, width: int, height: int, grain: int, int8: bool) -> Map:
    """Blobs of many sizes; as an int8 net tells them, in steps of 1/256."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // grain + 2, width // grain + 2)).astype(np.float32)
    p = (
        np.kron(coarse, np.ones((grain, grain), np.float32))[:height, :width]
        * rng.random((height, width), np.float32) ** 0.3
    )
    p = np.floor(p * 256) / 256 if int8 else p
    return np.ascontiguousarray(p, np.float32)


@pytest.mark.parametrize("int8", [True, False])
def test_regions_are_those_of_python(tool: Program, int8: bool) -> None:
    rng = np.random.default_rng(4)
    cases = []
    for seed in range(60):
        width, height = (int(rng.integers(1, 70)) for _ in range(2))
        low, high = sorted(np.float32(x) for x in rng.random(2))
        low = high if seed % 5 == 0 else low
        p = cloud(seed, width, height, int(rng.integers(1, 9)), int8)
        cases.append((p, float(low), float(high), int(rng.integers(1, 40))))
    for told, case in zip(ask(tool, cases), cases, strict=True):
        compare(told, *case)


maps = st.integers(1, 9).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 8), min_size=width, max_size=width), min_size=1, max_size=9)
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(levels=maps, cuts=st.tuples(st.integers(0, 9), st.integers(0, 9)), min_area=st.integers(1, 12))
def test_any_small_map_is_told_as_python_tells_it(
    tool: Program, levels: list[list[int]], cuts: tuple[int, int], min_area: int
) -> None:
    p = np.asarray(np.array(levels) / 8, np.float32)
    low, high = min(cuts) / 8, max(cuts) / 8
    compare(ask(tool, [(p, low, high, min_area)])[0], p, low, high, min_area)


def test_a_spiral_is_one_region(tool: Program) -> None:
    p = np.zeros((41, 41), np.float32)
    for k in range(0, 20, 2):
        p[k, k : 41 - k] = p[40 - k, k : 41 - k] = p[k : 41 - k, 40 - k] = p[k + 2 : 41 - k, k] = 0.9
        p[k + 2, k : k + 2] = 0.9
    (told,) = ask(tool, [(p, 0.5, 0.5, 1)])
    compare(told, p, 0.5, 0.5, 1)


def test_one_of_several_maps_is_read(tool: Program) -> None:
    p = cloud(3, 40, 30, 4, True)
    (told,) = ask(tool, [(p, 0.3, 0.6, 5)], step=3)
    compare(told, p, 0.3, 0.6, 5)


def test_what_finds_no_room_is_counted(tool: Program) -> None:
    p = cloud(5, 60, 60, 2, True)
    (whole,), (short,) = (ask(tool, [(p, 0.3, 0.6, 2)], room=room) for room in (4096, 3))
    assert short.listed == 3 < whole.listed
    assert (short.prob, short.on, short.unsure, short.on_area) == (whole.prob, whole.on, whole.unsure, whole.on_area)
    assert set(short.regions) <= set(whole.regions)


def test_what_makes_no_sense_is_refused(tool: Program) -> None:
    p = np.ones((4, 4), np.float32)
    assert [told.listed for told in ask(tool, [(p, 0.7, 0.3, 1), (p, 0.3, 0.7, 0), (p, float("nan"), 0.7, 1)])] == [
        -1
    ] * 3


def test_it_needs_neither_malloc_nor_libm(tmp_path: Path) -> None:
    import subprocess

    needs("gcc", "nm")
    out = tmp_path / "regions.o"
    compile_c("gcc", ["-O2", "-c"], [EDGE / "regions.c"], out)
    wanted = subprocess.run(["nm", "-u", str(out)], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in wanted if name != "U"} <= {"memcpy", "memset", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}
