"""What 1, 4 and 16 viewers of one stream get, and what they cost the sender's answers.

python -m bench.stream_viewers [--seconds 15] [--viewers 1 --viewers 4 --viewers 16]: a server process with a plain net,
one sender of 640x480 at 15 frames a second, viewers that take every frame. They decode here: on a small machine they
are most of the load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from bench.machine import keep
from bench.serve_subject import make_bundle, server_process
from telltale.streams.arrival import CLOCK_RATE, attach
from telltale.streams.ice import accept, describe, new_peer
from telltale.streams.reach import Ice
from telltale.streams.scene import Scene

FPS = 15.0
SDP = {"content-type": "application/sdp"}


class SceneTrack(MediaStreamTrack):
    """The ball, at a steady rate."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._scene, self._n, self._start_s = Scene("textured"), 0, time.perf_counter()

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._start_s + self._n / FPS - time.perf_counter()))
        frame = av.VideoFrame.from_ndarray(self._scene.shot(self._n).image, format="rgb24")
        frame.pts, frame.time_base = round(self._n * CLOCK_RATE / FPS), Fraction(1, CLOCK_RATE)
        self._n += 1
        return frame


async def post(http: httpx.AsyncClient, peer: RTCPeerConnection, path: str) -> None:
    response = await http.post(path, content=await describe(peer, Ice()), headers=SDP)
    assert response.status_code == 201, response.text
    await accept(peer, response.text, "answer")


async def measure(url: str, viewers: int, seconds: float) -> dict[str, Any]:
    peers: list[RTCPeerConnection] = []
    ages_ms: list[float] = []
    counts = [0] * viewers
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        sender = new_peer(Ice())
        peers.append(sender)
        sender.addTransceiver(SceneTrack(), direction="sendonly")
        channel = sender.createDataChannel("telltale")

        def hear(text: str) -> None:
            message = json.loads(text)
            if message["type"] == "result":
                ages_ms.append(message["age_ms"])

        channel.on("message", hear)
        await post(http, sender, "/whip?stream=bench")
        while not ages_ms:
            await asyncio.sleep(0.05)

        async def watch(i: int) -> None:
            peer = new_peer(Ice())
            peers.append(peer)
            receiver = peer.addTransceiver("video", direction="recvonly").receiver
            attach(receiver)
            await post(http, peer, "/whep/bench")
            while True:
                await receiver.track.recv()
                counts[i] += 1

        watching = [asyncio.ensure_future(watch(i)) for i in range(viewers)]
        while min(counts) < 3:
            await asyncio.sleep(0.05)
        before, told = list(counts), len(ages_ms)
        begun_s = time.perf_counter()
        await asyncio.sleep(seconds)
        took_s = time.perf_counter() - begun_s
        rates = [(now - then) / took_s for now, then in zip(counts, before, strict=True)]
        for task in watching:
            task.cancel()
        for peer in peers:
            await peer.close()
    return {
        "viewers": viewers,
        "frames_per_s": {"sent": FPS, "least": round(min(rates), 2), "median": round(float(np.median(rates)), 2)},
        "told_per_s": round((len(ages_ms) - told) / took_s, 2),
        "age_ms": {
            "median": round(float(np.median(ages_ms[told:])), 1),
            "p95": round(float(np.quantile(ages_ms[told:], 0.95)), 1),
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--viewers", type=int, action="append")
    chosen = parser.parse_args(arguments)
    runs = []
    load_before = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as folder:
        for viewers in chosen.viewers or [1, 4, 16]:
            with server_process(make_bundle(Path(folder) / str(viewers))) as url:
                runs.append(asyncio.run(measure(url, viewers, chosen.seconds)))
            print(json.dumps(runs[-1]))
    keep("stream_viewers", {"load_before": load_before, "runs": runs})


if __name__ == "__main__":
    main()
