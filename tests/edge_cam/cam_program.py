"""telltale-cam with a net of a test inside, and what it says of pictures."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from edge_cam.programs import EDGE, Program, armhf_root, jpeg_for, needs
from telltale.export.c.generate import Generated

Json = dict[str, Any]

CHECKED = "-g -fsanitize=address,undefined -fno-sanitize-recover=all"


def build(
    net: Generated, out: Path, target: str, flags: str = "", also: tuple[Path, ...] = (), jpeg_link: str = ""
) -> Program:
    """also: further sources. jpeg_link: another libjpeg than the target's."""
    needs("make", "gcc")
    link = jpeg_for(target)[1]
    if target == "armv7":
        needs("arm-linux-gnueabihf-gcc", "qemu-arm")
    for name in (f"{net.name}.c", f"{net.name}.h"):
        (out / name).write_bytes(net.files[name])
    settings = [f"TARGET={target}", f"NET={out / net.name}", f"OUT={out / 'cam'}", f"ARMHF={armhf_root()}"]
    settings += [f"CFLAGS={flags}", "OPTIMISE=-O1" if flags else "OPTIMISE=-O2", f"JPEG={jpeg_link or link[0]}"]
    if also:
        runtime = [path for path in sorted(EDGE.glob("*.c")) if path.name != "run_net.c"]
        settings.append(f"RUNTIME={' '.join(map(str, [*runtime, *also]))}")
    done = subprocess.run(["make", "-C", str(EDGE / "cam"), *settings], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return Program((str(out / "cam"),) if target == "host" else ("qemu-arm", str(out / "cam")))


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def told_by(cam: Program, *pictures: bytes, options: tuple[str, ...] = ()) -> list[Json]:
    done = cam.run(*options, "-", stdin=b"".join(pictures))
    assert b"Sanitizer" not in done.stderr, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def results(messages: list[Json]) -> list[Json]:
    return [message["result"] for message in messages if message["type"] == "result"]
