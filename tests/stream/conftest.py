"""Server and client of the bouncing ball, in one event loop or as two programs."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from aioice.ice import Connection

from telltale.stream.client import WatchBall, Watched, run_client
from telltale.stream.ledger import Ledger, Verdict
from telltale.stream.server import ServeBall, Session, run_server
from telltale.stream.signalling import free_port
from telltale.streams.scene import Kind


@dataclass
class Loop:
    """What one run of both gave."""

    session: Session
    watched: Watched
    verdicts: list[Verdict] = field(default_factory=list)


def run_loop(
    scene: Kind = "plain",
    frames: int = 45,
    *,
    seed: int = 0,
    codec: str = "VP8",
    watch: Callable[[WatchBall], WatchBall] = lambda settings: settings,
    on_verdict: Callable[[Verdict], None] = lambda verdict: None,
) -> Loop:
    """Send `frames` frames to one client over loopback, in real time."""
    verdicts: list[Verdict] = []

    def note(verdict: Verdict, ledger: Ledger) -> None:
        verdicts.append(verdict)
        on_verdict(verdict)

    async def run() -> Loop:
        port = free_port("127.0.0.1")
        settings = ServeBall(port=port, scene=scene, frames=frames, seed=seed, codec=codec)
        server = asyncio.ensure_future(run_server(settings, once=True, on_verdict=note))
        watched = await run_client(watch(WatchBall(port=port)))
        sessions = await server
        return Loop(sessions[0], watched, verdicts)

    return asyncio.run(asyncio.wait_for(run(), 60))


@dataclass
class Network:
    """What happens to every packet of every peer. loss: share that never arrives. jitter_s: late by up to this."""

    loss: float = 0.0
    jitter_s: float = 0.0


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """A good network that a test may spoil while packets flow."""
    state = Network()
    chance = random.Random(5)
    sending: set[asyncio.Task[None]] = set()
    real = Connection.send

    async def send(self: Connection, data: bytes) -> None:
        if chance.random() < state.loss:
            return
        if not state.jitter_s:
            return await real(self, data)

        async def later() -> None:
            await asyncio.sleep(chance.uniform(0, state.jitter_s))
            with contextlib.suppress(ConnectionError):
                await real(self, data)

        task = asyncio.ensure_future(later())
        sending.add(task)
        task.add_done_callback(sending.discard)

    monkeypatch.setattr(Connection, "send", send)
    return state
