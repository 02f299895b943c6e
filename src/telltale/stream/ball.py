"""A scene as a WebRTC track that writes down the truth of each frame. Knows nothing of signalling or answers."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import MediaStreamError

from telltale.errors import MissingPartError
from telltale.stream.ledger import WRAP, Ledger, Sent
from telltale.streams.arrival import CLOCK_RATE
from telltale.streams.scene import Scene, Shot


class BallTrack(MediaStreamTrack):
    """Frame n is due n / fps seconds after the first. One that is late is left out, and its number with it.

    frames: how many to send; None: no end.
    """

    kind = "video"

    def __init__(self, scene: Scene, fps: float, ledger: Ledger, frames: int | None = None) -> None:
        super().__init__()
        self._scene, self._fps, self._ledger, self._frames = scene, fps, ledger, frames
        self._n = 0
        self._start_s: float | None = None
        self._last_pts: int | None = None
        self._drawing = ThreadPoolExecutor(1, "telltale-scene")  # its own: more threads are more heaps that keep frames
        self.sender: RTCRtpSender | None = None
        self.skipped = 0

    async def recv(self) -> av.VideoFrame:
        self._find_origin()
        if self.readyState != "live" or (self._frames is not None and self._n >= self._frames):
            self.stop()
            raise MediaStreamError
        if self._start_s is None:
            self._start_s = time.perf_counter()
        late_s = time.perf_counter() - self._start_s - self._n / self._fps
        if late_s > 1 / self._fps:
            left_out = int(late_s * self._fps)
            self.skipped += left_out
            self._n += left_out
        await asyncio.sleep(max(0.0, self._start_s + self._n / self._fps - time.perf_counter()))
        captured_s = time.perf_counter()
        n, self._n = self._n, self._n + 1
        shot, frame = await asyncio.get_running_loop().run_in_executor(self._drawing, self._make, n)
        self._ledger.sent(Sent(n, captured_s, shot.truth))
        self._last_pts = frame.pts
        return frame

    def stop(self) -> None:
        super().stop()
        self._drawing.shutdown(wait=False, cancel_futures=True)

    def _make(self, n: int) -> tuple[Shot, av.VideoFrame]:
        shot = self._scene.shot(n)
        frame = av.VideoFrame.from_ndarray(shot.image, format="rgb24").reformat(format="yuv420p")
        frame.pts = round(n * CLOCK_RATE / self._fps)
        frame.time_base = Fraction(1, CLOCK_RATE)
        return shot, frame

    def _find_origin(self) -> None:
        """The random number aiortc adds to every timestamp: what it sent last, less what we gave it last.

        aiortc asks for a frame when all packets of the one before have left, so the two belong together.
        """
        if self._ledger.origin is not None or self.sender is None or self._last_pts is None:
            return
        try:
            packets: int = getattr(self.sender, "_RTCRtpSender__packet_count")  # noqa: B009
            rtp: int = getattr(self.sender, "_RTCRtpSender__rtp_timestamp")  # noqa: B009
        except AttributeError as cause:
            raise MissingPartError(
                "aiortc", expected="version 1, whose parts telltale knows", next="aiortc<2"
            ) from cause
        if packets:
            self._ledger.origin = (rtp - self._last_pts) % WRAP
