"""A `locate` bundle over a live stream: boxes, who is who, how fast, who came and left; drawn for those who watch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import av
import numpy as np
import pytest

from stream.test_ball_located import red_bundle
from telltale.bundle.predictor import Predictor
from telltale.serve.schema import RtcResultBody
from telltale.serve.server import ServerThread
from telltale.serve.settings import ServeSettings
from webrtc.conftest import Bands, Sender, Watcher

SPEED = 6
"""Pixels from frame to frame, at 20 a second."""


class RedBall(Bands):
    """A red disc that moves to the right, for so many frames; then there is none."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self._frames = frames

    async def recv(self) -> av.VideoFrame:
        n = self._n
        empty = await super().recv()
        image = np.full((240, 320, 3), 30, np.uint8)
        if n < self._frames:
            y, x = np.mgrid[:240, :320]
            image[(x - 40 - SPEED * n) ** 2 + (y - 120) ** 2 < 14**2] = (230, 60, 40)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = empty.pts, empty.time_base
        return frame


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    bundle = red_bundle(tmp_path_factory.mktemp("red"))
    with ServerThread(Predictor.open(bundle, threads=1), settings=ServeSettings(track=True), pages=False) as running:
        yield running


def test_a_thing_has_one_number_and_a_velocity_appears_and_leaves(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, track=RedBall(40)) as sender:
            while not any(e["to"] == "off" for r in sender.results for e in r["events"]):
                await sender.answers(1, within_s=20)
            results = sender.results
        for result in results:
            RtcResultBody.model_validate(result)
        tracks = [track for r in results for track in r["tracks"]["ball"]]
        assert {track["id"] for track in tracks} == {1}
        found = [track for track in tracks if track["box"]]
        assert np.median([t["velocity"][0] for t in found]) == pytest.approx(SPEED * 20, rel=0.35)
        events = [(e["name"], e["track"], e["from"], e["to"]) for r in results for e in r["events"]]
        assert events == [("ball", 1, "off", "on"), ("ball", 1, "on", "off")]
        assert any(track["box"] is None for track in tracks), "foreseen for a moment before it has left"

    asyncio.run(run())


def test_without_track_there_are_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def run(url: str) -> None:
        async with Sender(url, track=RedBall(400)) as sender:
            [result] = await sender.answers(1)
            assert "tracks" not in result
            assert result["result"]["ball"]["count"] == 1
            assert result["result"]["ball"]["boxes"][0]["state"] == "on"

    bundle = red_bundle(tmp_path_factory.mktemp("red"))
    with ServerThread(Predictor.open(bundle, threads=1), pages=False) as running:
        asyncio.run(run(running.url))


def test_a_viewer_sees_the_box(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="boxed", track=RedBall(0)) as bare:
            await bare.answers(1)
            async with Watcher(server.url, "boxed") as watcher:
                without = (await watcher.frames(4))[-1].astype(int)
        async with Sender(server.url, stream="ball", track=RedBall(400)) as sender:
            await sender.answers(1)
            async with Watcher(server.url, "ball") as watcher:
                seen = (await watcher.frames(6))[-1].astype(int)
        changed = np.abs(seen - without).sum(2) > 60
        red = (seen[..., 0] - seen[..., 2] > 80) & (seen[..., 0] - seen[..., 1] > 80)
        assert (changed & ~red).sum() > 60, "lines that are no ball"

    asyncio.run(run())
