"""Runs a MicroPython script that uses `telltale` and `ujpeg` under CPython, on a bundle instead of a compiled-in net.

python edge/micropython/host.py --net doors.telltale edge/micropython/examples/one_picture.py a.jpg

The modules here have the calls and the exceptions of the C modules; onnxruntime runs the net and Pillow decodes. The
pixels of a scaled-down JPEG differ a little (another filter), so probabilities do in the third digit.
Needs the package telltale-vision.
"""

from __future__ import annotations

import argparse
import io
import runpy
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from telltale.bundle.predictor import Predictor
from telltale.errors import ImageError
from telltale.preprocess import Preprocess, decode
from telltale.streams.smooth import Smoother, zone_of
from telltale.tasks import Threshold

Buffer = bytes | bytearray | memoryview
EVENTS = 32  # as in modtelltale.c


class JpegError(ValueError):
    """Not a JPEG, cut off, damaged, or a region outside it."""


def _open(data: Buffer) -> PIL.Image.Image:
    if bytes(data[:2]) != b"\xff\xd8":
        raise JpegError("not a JPEG: it does not begin with FF D8")
    try:
        decode(bytes(data))  # the verdict: whole, and of a kind
        return PIL.Image.open(io.BytesIO(bytes(data)))
    except ImageError as error:
        raise JpegError(str(error)) from error


def info(data: Buffer) -> tuple[int, int, int, int, bool]:
    """(width, height, components, turn, progressive), as stored."""
    picture = _open(data)
    turn = picture.getexif().get(0x0112, 1)
    bands = len(picture.getbands())
    return (*picture.size, bands, turn if 1 <= turn <= 8 else 1, bool(picture.info.get("progressive")))


def decode_jpeg(
    data: Buffer,
    scale: int = 1,
    grey: bool = False,
    roi: Sequence[int] | None = None,
    into: bytearray | memoryview | None = None,
) -> tuple[int, int, int, Any]:
    """(width, height, channels, pixels); pixels is `into` where it was given."""
    if scale not in (1, 2, 4, 8):
        raise ValueError("scale is 1, 2, 4 or 8")
    picture = _open(data)
    left, top, width, height = roi if roi is not None else (0, 0, *picture.size)
    if min(left, top) < 0 or min(width, height) < 1 or left + width > picture.size[0] or top + height > picture.size[1]:
        raise JpegError("the region of interest is not inside the picture")
    one = grey or picture.mode == "L"
    whole = picture.convert("L" if one else "RGB")
    size = (-(-whole.size[0] // scale), -(-whole.size[1] // scale))
    small = whole.resize(size, PIL.Image.Resampling.BOX) if scale > 1 else whole
    right = size[0] if left + width == picture.size[0] else (left + width + scale // 2) // scale
    bottom = size[1] if top + height == picture.size[1] else (top + height + scale // 2) // scale
    left, top = min((left + scale // 2) // scale, size[0] - 1), min((top + scale // 2) // scale, size[1] - 1)
    part = small.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    raw = part.tobytes()
    if into is None:
        return (*part.size, 1 if one else 3, bytearray(raw))
    if len(into) < len(raw):
        raise ValueError(f"the picture needs {len(raw)} bytes, into has {len(into)}")
    into[: len(raw)] = raw
    return (*part.size, 1 if one else 3, into)


class Net:
    """A bundle with the calls of a compiled-in net."""

    def __init__(self, predictor: Predictor, average_s: float | None, dwell_s: float | None) -> None:
        spec = predictor.spec
        self._predictor, self._prepare = predictor, Preprocess(spec.input.width, spec.input.height, spec.input.fit)
        self.name = spec.name
        self.names = list(predictor.task.names)
        self.shape = (spec.input.height, spec.input.width, 3)
        self._thresholds = {name: Threshold(t.low, t.high) for name, t in spec.thresholds.items()}
        smoothing = spec.smoothing
        self._smoother = Smoother(
            self.names,
            self._thresholds,
            smoothing.average_s if average_s is None else average_s,
            smoothing.dwell_s if dwell_s is None else dwell_s,
        )
        self._events: list[tuple[str, str, str, float, float]] = []
        self._states: dict[str, tuple[float, str]] = {}

    def _run(self, buffer: Buffer, size: tuple[int, int] | None) -> dict[str, np.ndarray]:
        height, width, channels = self.shape
        pixels = np.frombuffer(buffer, np.uint8)
        if size is not None:
            width, height = size
            channels = 1 if pixels.size == width * height else 3
        if pixels.size != width * height * channels:
            raise ValueError(f"expected {height} x {width} x {channels} bytes, got {pixels.size}")
        picture = pixels.reshape(height, width, channels)
        picture = np.ascontiguousarray(np.repeat(picture, 3, 2) if channels == 1 else picture)
        return self._predictor.run((picture if size is None else self._prepare.apply(picture))[None])

    def tell(
        self, buffer: Buffer, size: tuple[int, int] | None = None, t_s: float | None = None
    ) -> dict[str, tuple[float, str]]:
        """{name: (probability, state)} of this picture."""
        values = self._run(buffer, size)["probabilities"][0]
        probs = {name: float(p) for name, p in zip(self.names, values, strict=True)}
        told = self._smoother.update(time.monotonic() if t_s is None else t_s, probs)
        self._states = {name: (r.prob, r.state) for name, r in told.readings.items()}
        self._events += [(e.name, e.from_state, e.to_state, e.prob, e.t_s) for e in told.events]
        del self._events[:-EVENTS]
        return {name: (prob, zone_of(prob, self._thresholds[name])) for name, prob in probs.items()}

    def run(self, buffer: Buffer, size: tuple[int, int] | None = None) -> dict[str, memoryview]:
        """{output: floats}."""
        outputs = self._run(buffer, size)
        return {name: memoryview(np.ascontiguousarray(v[0], np.float32).ravel()) for name, v in outputs.items()}

    def events(self) -> list[tuple[str, str, str, float, float]]:
        """(name, from, to, probability, t_s) since the last call."""
        taken, self._events = self._events, []
        return taken

    def states(self) -> dict[str, tuple[float, str]]:
        """{name: (average, told state)}."""
        return dict(self._states)


def modules(bundles: Sequence[Path]) -> dict[str, types.ModuleType]:
    """`telltale` and `ujpeg` as a script on the camera would import them."""
    predictors = {p.spec.name: p for p in (Predictor.open(bundle, threads=1) for bundle in bundles)}

    def load(name: str | None = None, *, average_s: float | None = None, dwell_s: float | None = None) -> Net:
        if name is None and len(predictors) != 1:
            raise ValueError("several nets are compiled in: name one" if predictors else "no net is compiled in")
        if name is not None and name not in predictors:
            raise ValueError(f"no net {name} is compiled in")
        return Net(predictors[name] if name else next(iter(predictors.values())), average_s, dwell_s)

    telltale, ujpeg = types.ModuleType("telltale"), types.ModuleType("ujpeg")
    # what the package itself imports later still finds its own parts
    telltale.__path__ = list(sys.modules["telltale"].__path__)
    vars(telltale).update(load=load, nets=lambda: list(predictors))
    vars(ujpeg).update(decode=decode_jpeg, info=info, JpegError=JpegError)
    return {"telltale": telltale, "ujpeg": ujpeg}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", action="append", default=[], type=Path, help="a bundle; may be given more than once")
    parser.add_argument("script", type=Path)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    sys.modules.update(modules(given.net))
    sys.argv = [str(given.script), *given.arguments]
    runpy.run_path(str(given.script), run_name="__main__")


if __name__ == "__main__":
    main()
