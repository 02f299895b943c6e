"""Boxes by the C runtime are those of Python: on this machine with sanitizers, and on an emulated ARMv7."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edge_machines import machine
from telltale.export.c.toolchain import STRICT, Built
from telltale.preprocess import Preprocess
from telltale.tasks.locate import Locate

MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "peaks.h"

/* stdin: rows, columns, names, name, room, fit, net width and height, picture width and height, cut; heat; boxes */
int main(void) {
    uint32_t n[10];
    float cut;
    if (fread(n, 4, 10, stdin) != 10 || fread(&cut, 4, 1, stdin) != 1) return 1;
    size_t cells = (size_t)n[0] * n[1];
    float *heat = malloc(cells * n[2] * sizeof *heat), *boxes = malloc(cells * 4 * sizeof *boxes);
    tt_box *found = malloc((n[4] ? n[4] : 1) * sizeof *found);
    if (!heat || !boxes || !found) return 1;
    if (fread(heat, 4, cells * n[2], stdin) != cells * n[2] || fread(boxes, 4, cells * 4, stdin) != cells * 4) return 1;
    tt_net net = {0};
    net.fit = (uint8_t)n[5], net.width = (uint16_t)n[6], net.height = (uint16_t)n[7];
    tt_frame frame = tt_frame_of(&net, n[8], n[9]);
    uint16_t rows = (uint16_t)n[0], columns = (uint16_t)n[1], names = (uint16_t)n[2], name = (uint16_t)n[3];
    size_t count = tt_peaks(heat, boxes, rows, columns, names, name, &frame, cut, found, n[4]);
    fwrite(found, sizeof *found, count, stdout);
    free(heat), free(boxes), free(found);
    return 0;
}
"""


@cache
def decoder(where: str) -> Built:
    at = machine(where)
    place = Path(tempfile.mkdtemp(dir=at.folder))
    (place / "main.c").write_text(MAIN)
    words = [*at.target.compiler, *at.target.flags, *STRICT, f"-I{at.folder}", str(place / "main.c")]
    done = subprocess.run(
        [*words, str(at.folder / "peaks.o"), "-o", str(place / "peaks"), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Built(place / "peaks", at.target)


def run_c(
    where: str,
    outputs: dict[str, np.ndarray],
    preprocess: Preprocess,
    size: tuple[int, int],
    name: int,
    cut: float,
    room: int,
) -> np.ndarray:
    """(n, 7) x, y, width, height, centre x and y, score."""
    _, names, rows, columns = outputs["heat"].shape
    fit = int(preprocess.fit == "letterbox")
    head = struct.pack("<10If", rows, columns, names, name, room, fit, preprocess.width, preprocess.height, *size, cut)
    parts = (outputs[key][0].transpose(1, 2, 0).astype("<f4").tobytes() for key in ("heat", "boxes"))
    return np.frombuffer(decoder(where).run(given=head + b"".join(parts)), "<f4").reshape(-1, 7)


def draw(rng: np.random.Generator, names: int, rows: int, columns: int, levels: int) -> dict[str, np.ndarray]:
    """Maps with many ties, as an int8 net gives them."""
    heat = rng.integers(0, levels, (1, names, rows, columns)) / np.float32(levels)
    return {"heat": heat.astype(np.float32), "boxes": rng.random((1, 4, rows, columns), np.float32)}


@pytest.mark.parametrize("where", ["host-sanitized", "armv7", "armv7-scalar"])
def test_c_finds_the_boxes_that_python_finds(where: str) -> None:
    rng = np.random.default_rng(0)
    sizes = [(64, 48), (300, 20), (31, 97), (1, 1), (1920, 1080)]
    for i, size in enumerate(sizes * 2):
        rows, columns = int(rng.integers(1, 14)), int(rng.integers(1, 14))
        preprocess = Preprocess(4 * columns, 4 * rows, "letterbox" if i % 2 else "stretch")
        room = int(rng.integers(0, 30))
        task = Locate(("a", "b", "c"), max_count=max(room, 1))
        outputs = draw(rng, 3, rows, columns, 1 + i * 3)
        peaks = task.peaks(task.place(outputs, preprocess, size))[0]
        for name in range(3):
            wanted = peaks[name].at_least(0.3, above=True)
            told = run_c(where, outputs, preprocess, size, name, 0.3, room)
            expected = np.concatenate([wanted.box, wanted.centre, wanted.score[:, None]], axis=1)[:room]
            assert told.shape == expected.shape
            np.testing.assert_array_equal(told[:, 6], expected[:, 6].astype(np.float32))
            np.testing.assert_allclose(told, expected, atol=2e-6 * max(size), rtol=1e-5)
