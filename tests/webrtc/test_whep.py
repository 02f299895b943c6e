"""The annotated stream out by WHEP, to any number of viewers, each with a slot of its own."""

from __future__ import annotations

import asyncio
import re

import httpx
import numpy as np
import pytest

from telltale.serve.server import ServerThread
from telltale.streams.ice import describe, new_peer
from telltale.streams.reach import Ice
from webrtc.conftest import SDP, Sender, Watcher


def test_a_viewer_sees_the_picture_with_the_answer_drawn_on_it(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="door") as sender:
            await sender.answers(1)
            async with Watcher(server.url, "door") as watcher:
                assert re.fullmatch(r"/whep/session/[\w-]{20,}", watcher.location)
                frame = (await watcher.frames(8))[-1].astype(int)
                assert frame.shape == (240, 320, 3)
                assert frame[120:, 10:90].mean() > 200
                assert frame[120:, 120:200].mean() < 60
                green = (frame[..., 1] - frame[..., 0] > 50) & (frame[..., 1] - frame[..., 2] > 30)
                assert green.sum() > 10, "the dot of `left: on`"

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, 4, 16])
def test_every_viewer_gets_the_stream(server: ServerThread, count: int) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="many") as sender:
            await sender.answers(1)
            watchers = [await Watcher(server.url, "many").__aenter__() for _ in range(count)]
            try:
                seen = await asyncio.gather(*(w.frames(4, 40) for w in watchers))
                assert all(np.asarray(frames[-1])[120:, 10:90].mean() > 180 for frames in seen)
                [told] = (await sender.http.get("/api/streams")).json()["streams"]
                assert told["viewers"] == count
                assert len(await sender.answers(2)) == 2, "and the answers go on"
            finally:
                for w in watchers:
                    await w.__aexit__()
            for _ in range(100):
                [told] = (await sender.http.get("/api/streams")).json()["streams"]
                if told["viewers"] == 0:
                    break
                await asyncio.sleep(0.05)
            assert told["viewers"] == 0

    asyncio.run(run())


def test_a_viewer_that_takes_nothing_holds_up_nobody(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="slow") as sender:
            await sender.answers(1)
            async with Watcher(server.url, "slow") as idle, Watcher(server.url, "slow") as keen:
                assert idle.track.readyState == "live"
                await keen.frames(10)
                assert len(await sender.answers(3)) == 3

    asyncio.run(run())


def test_no_such_stream_and_no_video_wanted_are_refused(server: ServerThread, http: httpx.Client) -> None:
    async def offer(direction: str) -> str:
        peer = new_peer(Ice())
        peer.addTransceiver("video", direction=direction)
        try:
            return await describe(peer, Ice())
        finally:
            await peer.close()

    missing = http.post("/whep/nothing", content=asyncio.run(offer("recvonly")), headers=SDP)
    assert (missing.status_code, missing.headers["retry-after"]) == (409, "1"), "it may come"
    assert missing.json()["code"] == "not-live"

    async def run() -> None:
        async with Sender(server.url, stream="there") as sender:
            response = await sender.http.post("/whep/there", content=await offer("sendonly"), headers=SDP)
            assert response.status_code == 422
            assert (await sender.http.post("/whep/there", content="x", headers=SDP)).status_code == 400
            assert (await sender.http.post("/whep/there", content="x")).status_code == 415

    asyncio.run(run())


def test_the_viewers_stream_ends_with_its_sender(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="brief") as sender:
            await sender.answers(1)
            watcher = await Watcher(server.url, "brief").__aenter__()
            await watcher.frames(2)
        for _ in range(200):
            if watcher.peer.connectionState == "closed":
                break
            await asyncio.sleep(0.05)
        assert watcher.peer.connectionState == "closed"
        await watcher.__aexit__()

    asyncio.run(run())
