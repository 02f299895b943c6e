"""A server that tells which third of a picture is bright, and a peer that sends it such pictures."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from telltale.bundle.predictor import Predictor
from telltale.serve.server import ServerThread
from telltale.serve.settings import ServeSettings
from telltale.streams.arrival import attach
from telltale.streams.ice import accept, describe, new_peer
from telltale.streams.reach import Ice
from tiny_bundle import make_tiny_bundle

NAMES = ("left", "middle", "right")
SDP = {"content-type": "application/sdp"}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"), NAMES, 48, 32)


@pytest.fixture(scope="session")
def predictor(bundle: Path) -> Predictor:
    return Predictor.open(bundle, threads=1)


@pytest.fixture(scope="module")
def server(predictor: Predictor) -> Iterator[ServerThread]:
    with ServerThread(predictor, settings=ServeSettings(average_s=0.0, dwell_s=0.0, streams=4, viewers=20)) as running:
        yield running


@pytest.fixture
def http(server: ServerThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client:
        yield client


def bands(levels: tuple[int, ...], width: int = 320, height: int = 240) -> np.ndarray:
    """A picture of vertical bands of grey."""
    image = np.zeros((height, width, 3), np.uint8)
    for i, columns in enumerate(np.array_split(np.arange(width), len(levels))):
        image[:, columns] = levels[i]
    return image


class Bands(MediaStreamTrack):
    """Sends `levels` as they are at the moment."""

    kind = "video"

    def __init__(self, levels: tuple[int, ...] = (255, 0, 128), fps: float = 20.0) -> None:
        super().__init__()
        self.levels, self._fps, self._n = levels, fps, 0
        self._start_s = time.perf_counter()

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._start_s + self._n / self._fps - time.perf_counter()))
        frame = av.VideoFrame.from_ndarray(bands(self.levels), format="rgb24")
        frame.pts, frame.time_base = round(self._n * 90_000 / self._fps), Fraction(1, 90_000)
        self._n += 1
        return frame


class Sender:
    """A WHIP client on aiortc. `async with Sender(url) as sender: await sender.answers(3)`."""

    def __init__(self, url: str, stream: str | None = None, track: Bands | None = None, channel: bool = True) -> None:
        self._url, self._stream = url, stream
        self.track = track or Bands()
        self._with_channel = channel
        self.messages: list[dict[str, Any]] = []
        self._came = asyncio.Event()

    async def __aenter__(self) -> Sender:
        self.http = httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=20)
        self.peer: RTCPeerConnection = new_peer(Ice())
        self.peer.addTransceiver(self.track, direction="sendonly")
        if self._with_channel:
            self.channel: RTCDataChannel = self.peer.createDataChannel("telltale")
            self.channel.on("message", self._hear)
        offer = await describe(self.peer, Ice())
        query = f"?stream={self._stream}" if self._stream else ""
        self.response = await self.http.post(f"/whip{query}", content=offer, headers=SDP)
        assert self.response.status_code == 201, self.response.text
        self.location: str = self.response.headers["location"]
        self.etag: str = self.response.headers["etag"]
        await accept(self.peer, self.response.text, "answer")
        return self

    def _hear(self, text: str | bytes) -> None:
        self.messages.append(json.loads(text))
        self._came.set()

    @property
    def results(self) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["type"] == "result"]

    async def answers(self, count: int, within_s: float = 20) -> list[dict[str, Any]]:
        """The next so many results."""
        have = len(self.results)

        async def wait() -> None:
            while len(self.results) < have + count:
                self._came.clear()
                await self._came.wait()

        await asyncio.wait_for(wait(), within_s)
        return self.results[have : have + count]

    async def __aexit__(self, *_: object) -> None:
        self.track.stop()
        await self.http.delete(self.location)
        await self.peer.close()
        await self.http.aclose()


class Watcher:
    """A WHEP client on aiortc. `async with Watcher(url, "door") as watcher: await watcher.frames(3)`."""

    def __init__(self, url: str, stream: str) -> None:
        self._url, self._stream = url, stream

    async def __aenter__(self) -> Watcher:
        self.http = httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=20)
        self.peer: RTCPeerConnection = new_peer(Ice())
        transceiver = self.peer.addTransceiver("video", direction="recvonly")
        self.buffer = attach(transceiver.receiver)
        offer = await describe(self.peer, Ice())
        self.response = await self.http.post(f"/whep/{self._stream}", content=offer, headers=SDP)
        assert self.response.status_code == 201, self.response.text
        self.location: str = self.response.headers["location"]
        await accept(self.peer, self.response.text, "answer")
        self.track = transceiver.receiver.track
        return self

    async def frames(self, count: int, within_s: float = 20) -> list[np.ndarray]:
        """The next so many."""

        async def take() -> list[np.ndarray]:
            out = []
            for _ in range(count):
                frame = await self.track.recv()
                assert isinstance(frame, av.VideoFrame)
                out.append(frame.to_ndarray(format="rgb24"))
            return out

        return await asyncio.wait_for(take(), within_s)

    async def __aexit__(self, *_: object) -> None:
        await self.http.delete(self.location)
        await self.peer.close()
        await self.http.aclose()
