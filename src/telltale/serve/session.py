"""One WebRTC peer of a server and its end, and what goes out to those who look on. Knows nothing of models or HTTP."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from telltale.errors import RequestError, TelltaleError
from telltale.serve.settings import ServeSettings
from telltale.streams.arrival import CLOCK_RATE
from telltale.streams.ice import add_candidates, be_passive, describe, new_peer
from telltale.streams.latest import Closed, Latest

log = logging.getLogger("telltale.serve")

CONNECT_S = 20.0
"""A peer that has not come through by then is closed."""
LISTENER_MESSAGES = 64


class Listener:
    """Somebody who wants a stream's answers as text. The oldest are left out when there are too many."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[str | None] = asyncio.Queue(LISTENER_MESSAGES)

    def put(self, message: str | None) -> None:
        if self._messages.full():
            self._messages.get_nowait()
        self._messages.put_nowait(message)

    async def get(self) -> str | None:
        """The next answer; None at the end of the stream."""
        return await self._messages.get()


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture for viewers. yuv: (H * 3 / 2, W) uint8, 4:2:0. pts: 1/90000 s."""

    yuv: NDArray[np.uint8]
    pts: int


class ViewerTrack(MediaStreamTrack):
    """The newest picture each time one is asked for."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.slot: Latest[Picture] = Latest()
        self._first: int | None = None

    async def recv(self) -> av.VideoFrame:
        try:
            picture = await self.slot.get()
        except Closed:
            self.stop()
            raise MediaStreamError from None
        # A frame of its own for each encoder: encoders write into it.
        frame = av.VideoFrame.from_ndarray(picture.yuv, format="yuv420p")
        self._first = picture.pts if self._first is None else self._first
        frame.pts, frame.time_base = picture.pts - self._first, Fraction(1, CLOCK_RATE)
        return frame

    def stop(self) -> None:
        self.slot.close()
        super().stop()


class Session:
    """One peer and its end. key: unguessable, names it in addresses. etag: of its ICE session."""

    def __init__(self, settings: ServeSettings, on_end: Callable[[str], None]) -> None:
        self.key, self.etag = secrets.token_urlsafe(18), secrets.token_hex(8)
        self.peer: RTCPeerConnection = new_peer(settings.ice)
        self._ice, self._on_end = settings.ice, on_end
        self._timer = asyncio.get_running_loop().call_later(CONNECT_S, self._late)
        self._closing: asyncio.Future[None] | None = None
        self.peer.on("connectionstatechange", self._changed)

    async def answer(self) -> str:
        """Our SDP. Raises ServeError, RequestError."""
        be_passive(self.peer)
        try:
            return await describe(self.peer, self._ice)
        except TelltaleError:
            raise
        except Exception as cause:
            raise RequestError("the SDP offer", expected="one that can be answered", got=str(cause)[:120]) from cause

    async def trickle(self, fragment: str) -> None:
        """More candidates, as an SDP fragment (RFC 8840). Raises RequestError."""
        await add_candidates(self.peer, fragment)

    def _changed(self) -> None:
        state = self.peer.connectionState
        if state == "connected":
            self._timer.cancel()
        elif state in ("failed", "closed"):
            self.end()

    def _late(self) -> None:
        log.info("a WebRTC peer never came through")
        self.end()

    def end(self) -> None:
        """Close soon; may be called from anywhere on the loop, any number of times."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def close(self) -> None:
        """Closed when this returns."""
        self.end()
        assert self._closing is not None
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._timer.cancel()
        self._on_end(self.key)
        await self.release()
        await self.peer.close()

    async def release(self) -> None:
        """What a kind of session has beside its peer."""
