"""What the client saw as a film, with the truth and the answer drawn on it. Knows nothing of networks."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from telltale.errors import ServeError
from telltale.frame import Image
from telltale.stream.talk import VerdictMessage
from telltale.streams.arrival import CLOCK_RATE

TRUTH = (90, 230, 120)
ANSWER = (255, 255, 255)
WAIT_FRAMES = 45
"""A frame waits for its verdict until this many newer ones have come."""
SHIFT = 4
BAND_PX = 26
"""Darkened at the foot of a frame, to write on."""


@dataclass(slots=True)
class _Frame:
    image: Image
    verdict: VerdictMessage | None = None
    place: tuple[float, float] | None = None
    told: bool = False


class Film:
    """Writes an .mp4 (or what the name says) while frames come; `close` finishes it.

    Frames are drawn and encoded on a thread of their own, in the order they came.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        try:
            self._out = av.open(str(path), "w")
            self._stream = self._out.add_stream("libx264", rate=30)
        except (OSError, ValueError, av.FFmpegError) as cause:
            raise ServeError(f"--record {path}", expected="a film to write, as out.mp4", got=str(cause)) from cause
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.options = {"crf": "23", "preset": "veryfast"}
        self._stream.time_base = Fraction(1, CLOCK_RATE)
        self._size = (width, height)
        self._frames: OrderedDict[int, _Frame] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "telltale-film")
        self._first: int | None = None
        self.written = 0

    def saw(self, rtp: int, image: Image) -> None:
        """A frame as the client decoded it."""
        self._frames[rtp] = _Frame(image)
        self._flush()

    def answered(self, rtp: int, place: tuple[float, float] | None) -> None:
        """What the client said of it."""
        if rtp in self._frames:
            self._frames[rtp].place, self._frames[rtp].told = place, True

    def judged(self, verdict: VerdictMessage) -> None:
        """What the server said to that."""
        if verdict.rtp in self._frames:
            self._frames[verdict.rtp].verdict = verdict
            self._flush()

    def _flush(self, everything: bool = False) -> None:
        while self._frames:
            rtp, frame = next(iter(self._frames.items()))
            if not everything and frame.verdict is None and len(self._frames) <= WAIT_FRAMES:
                return
            del self._frames[rtp]
            self._first = rtp if self._first is None else self._first
            self._thread.submit(self._write, (rtp - self._first) % (1 << 32), frame)

    def _write(self, pts: int, frame: _Frame) -> None:
        image = draw(frame.image, frame.place, frame.verdict, told=frame.told)
        if (image.shape[1], image.shape[0]) != self._size:
            image = np.asarray(cv2.resize(image, self._size), np.uint8)
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        picture.pts, picture.time_base = pts, Fraction(1, CLOCK_RATE)
        for packet in self._stream.encode(picture):
            self._out.mux(packet)
        self.written += 1

    def close(self) -> None:
        """Write what still waits and end the file. Idempotent."""
        if self._thread._shutdown:
            return
        self._flush(everything=True)
        self._thread.shutdown(wait=True)
        if self.written:
            for packet in self._stream.encode(None):
                self._out.mux(packet)
        self._out.close()


def draw(
    image: Image, place: tuple[float, float] | None, verdict: VerdictMessage | None, *, told: bool = True
) -> Image:
    """A copy with a green ring where the ball truly is, a white cross where the client says, and the error."""
    out = np.ascontiguousarray(image)
    out = out.copy() if out is image else out
    one = 1 << SHIFT
    lines: list[str] = []
    if verdict is not None:
        truth = verdict.truth
        at = (round(truth.x * one), round(truth.y * one))
        cv2.circle(out, at, round((truth.radius + 3) * one), TRUTH, 2, cv2.LINE_AA, SHIFT)
        error = "not seen" if verdict.error_px is None else f"error {verdict.error_px:.2f} px"
        lines = [f"frame {verdict.n}", error, f"{verdict.latency_ms:.0f} ms"]
    elif told:
        lines = ["no verdict"]
    else:
        lines = ["dropped"]
    if place is not None:
        x, y = (round(v * one) for v in place)
        arm = 9 * one
        cv2.line(out, (x - arm, y), (x + arm, y), ANSWER, 1, cv2.LINE_AA, SHIFT)
        cv2.line(out, (x, y - arm), (x, y + arm), ANSWER, 1, cv2.LINE_AA, SHIFT)
    height = out.shape[0]
    out[height - BAND_PX :] = out[height - BAND_PX :] // 4
    cv2.putText(out, "   ".join(lines), (10, height - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, ANSWER, 1, cv2.LINE_AA)
    return out
