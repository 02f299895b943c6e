"""Many clients at full speed: does every connection live, is every one served, is any answer about an old frame?

python -m bench.serve_load [--bundle B] [--clients 8] [--seconds 8], twice: `flood`, where every client sends without
waiting for answers, so that its own send buffer is full of old frames; and `in_step`, where it sends the next frame
when the last is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.machine import keep
from bench.serve_subject import frame, make_bundle, server_process

SCENES = 4


@dataclass
class Client:
    """What one client saw. sent_s: when each frame was handed to the socket."""

    sent_s: list[float] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    waited_ms: list[float] = field(default_factory=list)  # arrival until its turn
    infer_ms: list[float] = field(default_factory=list)  # decode, resize and model
    old_ms: list[float] = field(default_factory=list)  # handed to the socket until the answer is read
    dropped: int = 0
    errors: int = 0
    lost: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)


async def speak(client: Client, socket: ClientConnection, frames: Sequence[bytes], end_s: float, in_step: bool) -> None:
    while time.perf_counter() < end_s:
        client.answered.clear()
        client.sent_s.append(time.perf_counter())
        await socket.send(frames[len(client.sent_s) % len(frames)])
        await (asyncio.wait_for(client.answered.wait(), 30) if in_step else asyncio.sleep(0))


async def listen(client: Client, socket: ClientConnection) -> None:
    async for text in socket:
        now_s = time.perf_counter()
        message = json.loads(text)
        if message["type"] != "result":
            client.errors += message["type"] == "error"
            continue
        client.answered.set()
        client.seqs.append(message["seq"])
        client.dropped = message["dropped"]
        client.infer_ms.append(message["infer_ms"])
        client.waited_ms.append(message["age_ms"] - message["infer_ms"])
        client.old_ms.append((now_s - client.sent_s[message["seq"]]) * 1e3)


async def attend(client: Client, url: str, frames: Sequence[bytes], seconds: float, in_step: bool) -> None:
    try:
        async with connect(url, compression=None, max_size=2**20, open_timeout=30) as socket:
            hearing = asyncio.create_task(listen(client, socket))
            await speak(client, socket, frames, time.perf_counter() + seconds, in_step)
            await asyncio.wait_for(await socket.ping(), 30)  # the socket lives, and all that was sent has been read
            hearing.cancel()
    except (ConnectionClosed, OSError, TimeoutError):
        client.lost = True


async def crowd(url: str, count: int, seconds: float, in_step: bool) -> list[Client]:
    frames = [frame(i) for i in range(SCENES)]
    clients = [Client() for _ in range(count)]
    await asyncio.gather(*(attend(client, url, frames, seconds, in_step) for client in clients))
    return clients


def summary(clients: Sequence[Client], seconds: float) -> dict[str, Any]:
    """Waits in milliseconds; `backwards` counts answers to a frame older than one already answered."""
    waited = np.array([w for c in clients for w in c.waited_ms] or [np.nan])
    infer = np.array([i for c in clients for i in c.infer_ms] or [np.nan])
    old = np.array([w for c in clients for w in c.old_ms] or [np.nan])
    answered = [len(c.seqs) for c in clients]
    return {
        "clients": len(clients),
        "seconds": seconds,
        "lost": sum(c.lost for c in clients),
        "errors": sum(c.errors for c in clients),
        "sent_per_s": round(sum(len(c.sent_s) for c in clients) / seconds, 1),
        "answered_per_s": round(sum(answered) / seconds, 1),
        "dropped": sum(c.dropped for c in clients),
        "least_answered": min(answered),
        "most_answered": max(answered),
        "backwards": sum(b <= a for c in clients for a, b in zip(c.seqs, c.seqs[1:], strict=False)),
        "waited_for_turn_ms": spread(waited),
        "infer_ms": spread(infer),
        "sent_to_answer_ms": spread(old),
    }


def spread(values: np.ndarray) -> dict[str, float]:
    return {
        "median": round(float(np.median(values)), 2),
        "p95": round(float(np.quantile(values, 0.95)), 2),
        "worst": round(float(values.max()), 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="default: a plain net with random weights")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        bundle = chosen.bundle or make_bundle(Path(folder))
        with server_process(bundle) as url:
            socket = f"ws{url.removeprefix('http')}/ws/infer"
            numbers = {
                name: summary(asyncio.run(crowd(socket, chosen.clients, chosen.seconds, in_step)), chosen.seconds)
                for name, in_step in (("flood", False), ("in_step", True))
            }
    for name, block in numbers.items():
        print(name)
        for key, value in block.items():
            print(f"{key:>20}  {value}")
    keep("serve_load", {"bundle": str(chosen.bundle or "plain net, random weights"), **numbers})


if __name__ == "__main__":
    main()
