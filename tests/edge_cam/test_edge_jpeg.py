"""The JPEG reader gives Python's pixels, or a status; whatever the bytes, the program lives on."""

from __future__ import annotations

import io
import os
import random
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from edge_cam.programs import Program
from telltale.errors import ImageError
from telltale.preprocess import _upright, decode

Pixels = NDArray[np.uint8]
OK, NOT_JPEG, CUT_OFF, DAMAGED, KIND, TOO_LARGE, MEMORY, SCANS, SCALE, ROI, DONE = range(11)
ALL = (0, 0, 0, 0)
SHARED = Path(os.environ.get("TELLTALE_SHARED", Path(__file__).resolve().parents[3] / "shared"))


@dataclass(frozen=True)
class Ask:
    data: bytes
    scale: int = 8
    grey: bool = False
    roi: tuple[int, int, int, int] = ALL
    memory: int = 0


@dataclass(frozen=True)
class Answer:
    status: int
    turn: int
    pixels: Pixels  # (rows that came, width, channels)


def run(tool: Program, asks: list[Ask]) -> list[Answer]:
    sent = b"".join(
        struct.pack("<8i", ask.scale, ask.grey, *ask.roi, ask.memory, len(ask.data)) + ask.data for ask in asks
    )
    answer, at, answers = tool.answer(stdin=sent), 0, []
    for _ in asks:
        status, turn, width, _, channels, rows = struct.unpack_from("<6i", answer, at)
        size = width * channels * rows
        pixels = np.frombuffer(answer, np.uint8, size, at + 24).reshape(rows, width, channels)
        answers.append(Answer(status, turn, pixels))
        at += 24 + size
    assert at == len(answer)
    return answers


def one(tool: Program, data: bytes, **options: Any) -> Answer:
    return run(tool, [Ask(data, **options)])[0]


def scene(width: int = 203, height: int = 151) -> Pixels:
    """Smooth colours with hard edges: chroma interpolation shows."""
    y, x = np.mgrid[0:height, 0:width]
    out = np.stack([x * 255 // width, y * 255 // height, (x * 3 + y * 2) % 256], -1).astype(np.uint8)
    out[height // 4 : height // 2, width // 3 : width // 2] = (250, 20, 20)
    return out


def jpeg(pixels: Pixels, mode: str | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(pixels, mode).save(out, "JPEG", **{"quality": 85, **options})
    return out.getvalue()


KINDS: dict[str, dict[str, Any]] = {
    "4:2:0": {},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "progressive": {"progressive": True},
    "poor": {"quality": 5},
    "restarts": {"restart_marker_blocks": 3},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_picture_gives_pythons_pixels(jpeg_tool: Program, kind: str) -> None:
    files = [jpeg(scene(w, h), **KINDS[kind]) for w, h in [(203, 151), (64, 48), (17, 9), (1, 1), (8, 33)]]
    for data, answer in zip(files, run(jpeg_tool, [Ask(data) for data in files]), strict=True):
        assert answer.status == OK
        assert np.array_equal(answer.pixels, decode(data))


def test_a_grey_picture_has_one_channel(jpeg_tool: Program) -> None:
    data = jpeg(scene()[..., 1])
    answer = one(jpeg_tool, data)
    assert answer.pixels.shape == (151, 203, 1)
    assert np.array_equal(answer.pixels[..., 0], decode(data)[..., 0])


def test_grey_of_a_colour_picture_is_its_luma(jpeg_tool: Program) -> None:
    data = jpeg(scene())
    rgb = decode(data).astype(float)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    answer = one(jpeg_tool, data, grey=True)
    assert answer.pixels.shape == (151, 203, 1)
    assert np.abs(answer.pixels[..., 0] - luma).mean() < 1.0


@pytest.mark.parametrize("scale", range(1, 9))
@pytest.mark.parametrize("kind", ["4:2:0", "4:4:4", "progressive"])
def test_a_scale_gives_the_picture_smaller(jpeg_tool: Program, scale: int, kind: str) -> None:
    """At 1/1 exactly; smaller, each pixel is about the mean of those it stands for."""
    data = jpeg(scene(208, 152), **{**KINDS[kind], "quality": 95})
    answer = one(jpeg_tool, data, scale=scale)
    assert answer.pixels.shape == (19 * scale, 26 * scale, 3)
    full = PIL.Image.fromarray(decode(data)).resize((26 * scale, 19 * scale), PIL.Image.Resampling.BOX)
    assert np.abs(answer.pixels.astype(int) - np.asarray(full, int)).mean() < 3.0


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["4:2:0", "4:2:2", "4:4:4", "progressive"])
@pytest.mark.parametrize("grey", [False, True])
def test_a_region_is_that_part_of_the_whole(jpeg_tool: Program, scale: int, kind: str, grey: bool) -> None:
    data = jpeg(scene(208, 152), **KINDS[kind])
    whole = one(jpeg_tool, data, scale=scale, grey=grey).pixels
    regions = [(0, 0, 208, 152), (64, 32, 64, 64), (8, 8, 8, 8), (200, 144, 8, 8), (0, 80, 208, 24), (120, 0, 40, 152)]
    answers = run(jpeg_tool, [Ask(data, scale, grey, region) for region in regions])
    for (x, y, width, height), answer in zip(regions, answers, strict=True):
        assert answer.status == OK
        left, top, right, bottom = (n * scale // 8 for n in (x, y, x + width, y + height))
        assert np.array_equal(answer.pixels, whole[top:bottom, left:right]), (x, y, width, height)


def test_a_region_between_the_pixels_of_a_scale_goes_to_the_nearest(jpeg_tool: Program) -> None:
    data = jpeg(scene(208, 152))
    whole = one(jpeg_tool, data, scale=2).pixels
    answer = one(jpeg_tool, data, scale=2, roi=(41, 10, 50, 63))
    assert np.array_equal(answer.pixels, whole[3:18, 10:23])  # round(10/4), round(73/4), round(41/4), round(91/4)
    assert one(jpeg_tool, data, scale=1, roi=(207, 151, 1, 1)).pixels.shape == (1, 1, 3)


@pytest.mark.parametrize("grey", [False, True])
def test_cmyk_gives_pythons_colours(jpeg_tool: Program, grey: bool) -> None:
    inks = np.random.default_rng(0).integers(0, 256, (40, 56, 4), dtype=np.uint8)
    inks = np.repeat(np.repeat(inks, 8, 0), 8, 1)
    data = jpeg(inks, "CMYK", quality=95)
    answer = one(jpeg_tool, data, grey=grey)
    assert answer.status == OK
    expected = decode(data).astype(float)
    if grey:
        expected = (expected @ np.array([0.299, 0.587, 0.114]))[..., None]
    assert answer.pixels.shape == expected.shape
    assert np.abs(answer.pixels - expected).max() <= 1.01


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_orientation_is_reported(jpeg_tool: Program, turn: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    data = jpeg(scene(), exif=exif)
    answer = one(jpeg_tool, data)
    assert answer.turn == turn
    assert np.array_equal(_upright(answer.pixels, turn), decode(data))


def test_damaged_exif_is_upright(jpeg_tool: Program) -> None:
    rng = random.Random(1)
    blocks = [b"Exif\0\0" + mark + rng.randbytes(rng.randrange(40)) for mark in (b"II*\0", b"MM\0*", b"") * 40]
    plain = jpeg(scene(8, 8))
    files = [plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:] for block in blocks]
    answers = run(jpeg_tool, [Ask(data) for data in files])
    assert all(answer.status == OK and 1 <= answer.turn <= 8 for answer in answers)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_off_file_is_refused_wherever_it_was_cut(jpeg_tool: Program, kind: str) -> None:
    data = jpeg(scene(64, 48), **KINDS[kind])
    answers = run(jpeg_tool, [Ask(data[:n]) for n in range(2, len(data) - 1, 7)])
    assert {answer.status for answer in answers} == {CUT_OFF}
    assert one(jpeg_tool, b"").status == NOT_JPEG
    assert one(jpeg_tool, b"\x89PNG\r\n\x1a\n").status == NOT_JPEG


def test_another_picture_behind_the_cut_does_not_help(jpeg_tool: Program) -> None:
    data = jpeg(scene(64, 48))
    assert one(jpeg_tool, data[: len(data) // 2] + data).status in (CUT_OFF, DAMAGED)


def test_twelve_bits_lossless_and_two_components_are_refused(jpeg_tool: Program) -> None:
    data = jpeg(scene(64, 48))
    frame = data.index(b"\xff\xc0")
    twelve = data[: frame + 4] + b"\x0c" + data[frame + 5 :]
    lossless = data[: frame + 1] + b"\xc3" + data[frame + 2 :]
    two = data[: frame + 9] + b"\x02" + data[frame + 10 :]
    assert [answer.status for answer in run(jpeg_tool, [Ask(twelve), Ask(lossless), Ask(two)])] == [KIND] * 3


def test_a_scan_repeated_without_end_is_refused(jpeg_tool: Program) -> None:
    """A small file that would keep the processor busy for minutes."""
    data = jpeg(np.full((48, 64, 3), 90, np.uint8), progressive=True)
    scans = [n for n in range(len(data)) if data[n : n + 2] == b"\xff\xda"]
    begin = data.rindex(b"\xff\xc4", 0, scans[1])
    end = data.index(b"\xff", scans[1] + 2)
    again = bytearray(data[begin:end])
    again[again.index(b"\xff\xda") + 9] = 0  # not a refinement: allowed any number of times
    assert one(jpeg_tool, data[:-2] + bytes(again) * 100 + b"\xff\xd9").status == OK
    assert one(jpeg_tool, data[:-2] + bytes(again) * 300 + b"\xff\xd9").status == SCANS


def test_too_many_pixels_are_refused_before_they_are_decoded(jpeg_tool: Program) -> None:
    data = jpeg(scene(64, 48))
    frame = data.index(b"\xff\xc0")
    huge = data[: frame + 5] + struct.pack(">HH", 65000, 65000) + data[frame + 9 :]
    assert one(jpeg_tool, huge).status == TOO_LARGE


def test_a_progressive_picture_keeps_to_its_memory(jpeg_tool: Program) -> None:
    data = jpeg(scene(640, 480), progressive=True)
    assert one(jpeg_tool, data, memory=400_000).status == MEMORY
    assert one(jpeg_tool, data, memory=4_000_000).status == OK


def test_a_region_outside_and_a_scale_of_none_are_refused(jpeg_tool: Program) -> None:
    data = jpeg(scene(64, 48))
    regions = [(0, 0, 65, 1), (-1, 0, 8, 8), (60, 0, 8, 8), (0, 40, 8, 9), (5, 5, -3, 4), (2**31 - 1, 0, 2**31 - 1, 1)]
    assert {answer.status for answer in run(jpeg_tool, [Ask(data, roi=region) for region in regions])} == {ROI}
    assert [one(jpeg_tool, data, scale=n).status for n in (0, 9, -1)] == [SCALE] * 3


def test_damaged_bytes_give_a_status_or_pixels_and_the_next_picture_is_right(jpeg_tool: Program) -> None:
    rng = random.Random(7)
    good = jpeg(scene(64, 48))
    asks: list[Ask] = []
    for data in (good, jpeg(scene(64, 48), progressive=True), jpeg(scene(40, 40)[..., 0])):
        for _ in range(60):
            broken = bytearray(data)
            for _ in range(rng.randrange(1, 4)):
                broken[rng.randrange(2, len(broken))] = rng.randrange(256)
            asks += [Ask(bytes(broken), rng.choice([1, 2, 4, 8]), rng.random() < 0.3), Ask(good)]
    answers = run(jpeg_tool, asks)
    assert all(np.array_equal(answer.pixels, decode(good)) for answer in answers[1::2])
    assert {answer.status for answer in answers[0::2]} >= {OK, DAMAGED}


@pytest.mark.real
def test_odd_files_give_pythons_pixels_or_a_status(jpeg_tool: Program) -> None:
    folder = SHARED / "data" / "odd_files"
    if not folder.is_dir():
        pytest.skip("no ../shared/data here")
    files = sorted(folder.iterdir()) + sorted((SHARED / "data" / "exif_orientation").iterdir())
    answers = run(jpeg_tool, [Ask(path.read_bytes()) for path in files])
    right = 0
    for path, answer in zip(files, answers, strict=True):
        try:
            expected = decode(path)
        except ImageError:
            assert answer.status != OK, path.name
            continue
        if answer.status != OK:
            assert path.suffix not in (".jpg", ".jpeg"), path.name
            continue
        off = np.abs(_upright(answer.pixels, answer.turn).astype(int) - expected)
        assert off.max() <= 1, path.name
        right += 1
    assert right >= 10
