"""From JPEG to tell inside telltale-cam: ARMv7 instructions of the whole program, counted by qemu.

Counts are the same on every machine, however busy. What a picture costs is the count of three pictures less that of
two; a run is one picture with everything around it: start, checking the net, JSON, and the first test picture compiled
in unless selftest is off. The JPEGs are drawn here. Needs the cross-compiler, qemu-user and libjpeg-turbo for armhf
(tools/setup.sh cross), and ../shared/data/edge_nets/net4.onnx (or TELLTALE_SHARED).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.edge import SHARED, plugin
from bench.machine import keep
from telltale.export.c.emit import About, Label
from telltale.export.c.generate import generate
from telltale.frame import Image

ROOT = Path(__file__).resolve().parent.parent
NET = SHARED / "data" / "edge_nets" / "net4.onnx"
TARGET = 8_000_000
"""Asked for 640x360."""


@dataclass(frozen=True)
class Case:
    """A JPEG and how it is told. settings: `--set` of telltale-cam."""

    title: str
    width: int
    height: int
    quality: int = 80
    progressive: bool = False
    settings: tuple[str, ...] = ()


CASES = (
    Case("640x360", 640, 360),
    Case("640x360, quality 60", 640, 360, quality=60),
    Case("640x360, progressive", 640, 360, progressive=True),
    Case("640x360, region 320x180", 640, 360, settings=("roi=160 90 320 180",)),
    Case("1280x720", 1280, 720),
    Case("1920x1080", 1920, 1080),
    Case("1920x1080, region 640x360", 1920, 1080, settings=("roi=640 360 640 360",)),
)


def scene(width: int, height: int) -> Image:
    """A street as a camera sees it: sky, ground with texture, boxes of many colours, noise of the sensor."""
    rng = np.random.default_rng(7)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    out = np.stack([140 + 80 * (1 - y), 150 + 70 * (1 - y), 170 + 60 * (1 - y)], -1)
    coarse = cv2.resize(rng.normal(0, 14, (height // 4, width // 4)), (width, height))
    out = np.where((y > 0.45)[..., None], 90 + 30 * y[..., None] + coarse[..., None], out)
    for _ in range(40):
        left, top = rng.uniform(0, 1), rng.uniform(0.25, 0.85)
        inside = (x > left) & (x < left + rng.uniform(0.02, 0.15)) & (y > top) & (y < top + rng.uniform(0.02, 0.12))
        out[inside] = rng.uniform(20, 235, 3) + 20 * np.sin(60 * x[inside])[:, None]
    out += rng.normal(0, 2.5, out.shape)
    return np.clip(out, 0, 255).astype(np.uint8)


def jpeg(case: Case) -> bytes:
    """4:2:0, as cameras write it."""
    options = [cv2.IMWRITE_JPEG_QUALITY, case.quality, cv2.IMWRITE_JPEG_PROGRESSIVE, int(case.progressive)]
    done, data = cv2.imencode(".jpg", scene(case.width, case.height), options)
    assert done
    return data.tobytes()


def build(folder: Path) -> Path:
    """telltale-cam for ARMv7 with net4 inside."""
    labels = (Label("left", 0.3, 0.7), Label("right", 0.3, 0.7))
    made = generate(NET.read_bytes(), About("net4", "net4.onnx", "states", "stretch", labels, 0.5, 0.5))
    for name, data in made.files.items():
        if name.startswith(f"{made.name}."):
            (folder / name).write_bytes(data)
    cam = folder / "telltale-cam"
    words = ["make", "-s", "-C", str(ROOT / "edge" / "cam"), f"NET={folder / made.name}", f"OUT={cam}"]
    subprocess.run(words, check=True)
    return cam


def count(cam: Path, counter: Path, arguments: Sequence[str]) -> tuple[int, str]:
    """Instructions of a run, and what the program printed."""
    words = ["qemu-arm", "-plugin", str(counter), str(cam), *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = re.search(r"instructions (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1]), done.stdout


def measure(case: Case, cam: Path, counter: Path, folder: Path) -> dict[str, Any]:
    """One case's row."""
    picture = folder / "picture.jpg"
    picture.write_bytes(jpeg(case))
    settings = [word for setting in case.settings for word in ("--set", setting)]
    two, _ = count(cam, counter, [*settings, "--bench", "2", str(picture)])
    three, printed = count(cam, counter, [*settings, "--bench", "3", str(picture)])
    whole, _ = count(cam, counter, [*settings, str(picture)])
    bare, _ = count(cam, counter, [*settings, "--set", "selftest=no", str(picture)])
    scale = re.search(r'"scale":"([^"]+)"', printed)
    assert scale
    row = {
        "title": case.title,
        "bytes": picture.stat().st_size,
        "scale": scale[1],
        "per_picture": three - two,
        "whole_run": whole,
        "whole_run_without_selftest": bare,
    }
    print(f"{case.title:28} {row['bytes']:8,} bytes  {scale[1]}  {three - two:12,} a picture  {bare:12,} a run")
    return row


def main(arguments: Sequence[str]) -> None:
    """Writes bench/results/edge_jpeg.json."""
    if not NET.is_file():
        print(f"not measured: {NET} is missing", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cam, counter = build(folder), plugin(folder)
        rows = [measure(case, cam, counter, folder) for case in CASES]
        stripped = folder / "stripped"
        subprocess.run(["arm-linux-gnueabihf-strip", str(cam), "-o", str(stripped)], check=True)
        size = stripped.stat().st_size
    keep("edge_jpeg", {"target": TARGET, "net": "net4, 96x96x3", "program_bytes": size, "cases": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
