"""Preprocessing in C gives the bytes of telltale.preprocess, on this machine and on ARMv7."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_cam.programs import Program
from telltale.preprocess import Preprocess, _upright

Pixels = NDArray[np.uint8]
OK, SIZE, CHANNELS, TURN, SPACE_SMALL = range(5)


@dataclass(frozen=True)
class Case:
    """pixels: (H, W, C). crop: x, y, width, height. space: bytes of work space, None for as many as it asks."""

    pixels: Pixels
    width: int
    height: int
    channels: int = 3
    letterbox: bool = False
    turn: int = 1
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    space: int | None = None

    def bytes(self) -> bytes:
        height, width, channels = self.pixels.shape
        head = (self.width, self.height, self.channels, int(self.letterbox), width, height, channels, self.turn)
        space = -1 if self.space is None else self.space
        return struct.pack("<13i", *head, *self.crop, space) + self.pixels.tobytes()

    def expected(self) -> Pixels:
        """What Python makes of it."""
        x, y, w, h = self.crop
        part = self.pixels[y : y + h, x : x + w] if w else self.pixels
        if part.shape[2] == 1:
            part = np.repeat(part, 3, axis=2)
        elif self.channels == 1:
            part = np.repeat(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        upright = _upright(np.ascontiguousarray(part), self.turn)
        out = Preprocess(self.width, self.height, "letterbox" if self.letterbox else "stretch").apply(upright)
        return out[:, :, : self.channels]


def run(tool: Program, cases: list[Case]) -> list[tuple[int, int, Pixels]]:
    """Status, bytes of work space and pixels for each case."""
    answer = tool.answer("prep", stdin=b"".join(case.bytes() for case in cases))
    results, at = [], 0
    for case in cases:
        size = case.width * case.height * case.channels
        status, space = struct.unpack_from("<2i", answer, at)
        pixels = np.frombuffer(answer, np.uint8, size, at + 8).reshape(case.height, case.width, case.channels)
        results.append((status, space, pixels))
        at += 8 + size
    assert at == len(answer)
    return results


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def all_equal(tool: Program, cases: list[Case], off_by: int = 0) -> None:
    for case, (status, _, pixels) in zip(cases, run(tool, cases), strict=True):
        assert status == OK, case
        off = np.abs(pixels.astype(int) - case.expected().astype(int))
        assert off.max() <= off_by, (case.pixels.shape, case.width, case.height, case.letterbox, case.turn, off.max())


@pytest.mark.parametrize("letterbox", [False, True])
def test_usual_camera_pictures_give_pythons_bytes(edge_tool: Program, letterbox: bool) -> None:
    sizes = [(640, 360), (320, 180), (240, 135), (160, 90), (480, 270), (640, 480), (96, 96), (192, 192), (97, 95)]
    all_equal(edge_tool, [Case(noise(w, h, seed=w), 96, 96, letterbox=letterbox) for w, h in sizes])


def test_random_sizes_give_pythons_bytes(edge_tool: Program) -> None:
    rng = np.random.default_rng(3)
    cases = []
    for seed in range(150):
        width, height, to_width, to_height = (int(n) for n in rng.integers(1, 150, 4))
        cases.append(Case(noise(width, height, seed=seed), to_width, to_height, letterbox=seed % 2 == 0))
    all_equal(edge_tool, cases)


def test_whole_factors_give_pythons_bytes(edge_tool: Program) -> None:
    factors = [(x, y) for x in range(1, 7) for y in range(1, 7)]
    all_equal(edge_tool, [Case(noise(13 * x, 9 * y, seed=x * y), 13, 9) for x, y in factors])


def test_flat_black_and_white_stay_flat(edge_tool: Program) -> None:
    flat = [np.full((71, 53, 3), level, np.uint8) for level in (0, 1, 127, 254, 255)]
    cases = [Case(pixels, w, h) for pixels in flat for w, h in [(20, 30), (53, 71), (60, 80), (53, 20)]]
    all_equal(edge_tool, cases)
    for case, (_, _, pixels) in zip(cases, run(edge_tool, cases), strict=True):
        assert (pixels == case.pixels[0, 0, 0]).all()


def test_more_than_a_thousand_target_pixels_drop_the_same_slivers(edge_tool: Program) -> None:
    """OpenCV passes over a share of a pixel below a thousandth; so must we."""
    all_equal(edge_tool, [Case(noise(1100, 4), 1091, 3), Case(noise(3, 1500), 2, 1499), Case(noise(1025, 2), 1024, 1)])


def test_crops_give_pythons_bytes(edge_tool: Program) -> None:
    picture = noise(90, 70)
    crops = [(0, 0, 90, 70), (10, 5, 40, 40), (89, 69, 1, 1), (3, 0, 87, 70), (20, 20, 32, 32)]
    all_equal(edge_tool, [Case(picture, 32, 32, crop=c, letterbox=b) for c in crops for b in (False, True)])


@pytest.mark.parametrize(("channels", "to_channels"), [(1, 3), (1, 1), (3, 1)])
def test_grey_gives_pythons_bytes(edge_tool: Program, channels: int, to_channels: int) -> None:
    sizes = [(64, 48), (32, 32), (16, 16), (40, 20), (97, 61), (20, 20)]
    boxed = [(w, h, b) for w, h in sizes for b in (False, True)]
    all_equal(edge_tool, [Case(noise(w, h, channels), 32, 32, to_channels, letterbox=b) for w, h, b in boxed])


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_picture_comes_out_upright(edge_tool: Program, turn: int) -> None:
    """Python turns the picture before it resizes, C after: a value on a half may fall the other way."""
    sizes = [(64, 48), (48, 64), (20, 33), (41, 41), (36, 24)]
    cases = [Case(noise(w, h), 36, 24, letterbox=b, turn=turn) for w, h in sizes for b in (False, True)]
    all_equal(edge_tool, cases, off_by=1)
    same = [Case(noise(*((36, 24) if turn < 5 else (24, 36))), 36, 24, turn=turn)]
    all_equal(edge_tool, same)


def test_what_makes_no_sense_is_a_status(edge_tool: Program) -> None:
    picture = noise(20, 10)
    cases = [
        Case(picture, 8, 8, crop=(15, 0, 6, 10)),
        Case(picture, 8, 8, crop=(0, 0, 20, 11)),
        Case(picture, 8, 8, crop=(-1, 0, 5, 5)),
        Case(noise(20, 10, 2), 8, 8),
        Case(picture, 8, 8, turn=9),
        Case(picture, 8, 8, space=16),
        Case(picture[:, :0], 8, 8),
    ]
    assert [status for status, _, _ in run(edge_tool, cases)] == [SIZE, SIZE, SIZE, CHANNELS, TURN, SPACE_SMALL, SIZE]


def test_one_byte_of_work_space_too_few_is_refused(edge_tool: Program) -> None:
    shapes = [(20, 10, 7, 7), (20, 10, 40, 40), (20, 10, 10, 5)]
    asked = [space - 8 for _, space, _ in run(edge_tool, [Case(noise(w, h), a, b) for w, h, a, b in shapes])]
    enough = [Case(noise(w, h), a, b, space=n) for (w, h, a, b), n in zip(shapes, asked, strict=True)]
    short = [Case(noise(w, h), a, b, space=n - 1) for (w, h, a, b), n in zip(shapes, asked, strict=True)]
    all_equal(edge_tool, enough)
    assert [status for status, _, _ in run(edge_tool, short)] == [SPACE_SMALL] * 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(*[st.integers(1, 60)] * 4),
    letterbox=st.booleans(),
    channels=st.sampled_from([(1, 1), (1, 3), (3, 1), (3, 3)]),
    seed=st.integers(0, 1000),
)
def test_any_picture_gives_pythons_bytes(
    edge_tool: Program,
    size: tuple[int, int, int, int],
    letterbox: bool,
    channels: tuple[int, int],
    seed: int,
) -> None:
    width, height, to_width, to_height = size
    picture = noise(width, height, channels[0], seed)
    all_equal(edge_tool, [Case(picture, to_width, to_height, channels[1], letterbox)])
