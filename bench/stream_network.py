"""The ball over a bad network: 10 % of the packets lost, the others up to 50 ms late; and a server started anew.

python -m bench.stream_network [--seconds 30]: server and client in one process, whose packets are thrown away or held
back on their way out, media, answers and ICE alike; then two programs, of which the server is killed and started again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from aioice.ice import Connection

from bench.machine import keep
from telltale.stream.client import WatchBall, run_client
from telltale.stream.server import ServeBall, run_server
from telltale.stream.signalling import free_port

LOSS, JITTER_S = 0.10, 0.05
SETTLE_S = 2.0
"""The network is good for so long: how connections begin is no matter of this."""


class BadNetwork:
    """In the place of aioice's way out, while the `with` block runs."""

    def __init__(self) -> None:
        self.loss = self.jitter_s = 0.0
        self.sent = self.lost = 0
        self._chance = random.Random(0)
        self._real = Connection.send
        self._late: set[asyncio.Task[None]] = set()

    def __enter__(self) -> BadNetwork:
        network, real = self, self._real

        async def send(connection: Connection, data: bytes) -> None:
            network.sent += 1
            if network._chance.random() < network.loss:
                network.lost += 1
                return
            if not network.jitter_s:
                await real(connection, data)
                return

            async def later() -> None:
                await asyncio.sleep(network._chance.uniform(0, network.jitter_s))
                try:
                    await real(connection, data)
                except ConnectionError:  # closed meanwhile
                    return

            task = asyncio.ensure_future(later())
            network._late.add(task)
            task.add_done_callback(network._late.discard)

        setattr(Connection, "send", send)  # noqa: B010
        return self

    def __exit__(self, *_: object) -> None:
        setattr(Connection, "send", self._real)  # noqa: B010


def measure(loss: float, jitter_s: float, seconds: float) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        port = free_port("127.0.0.1")
        with BadNetwork() as network:

            def spoil() -> None:
                network.loss, network.jitter_s = loss, jitter_s

            asyncio.get_running_loop().call_later(SETTLE_S, spoil)
            serving = asyncio.ensure_future(run_server(ServeBall(port=port, frames=round(30 * seconds)), once=True))
            watched = await run_client(WatchBall(port=port))
            [session] = await serving
            told = session.summary
            return {
                "loss": loss,
                "jitter_ms": jitter_s * 1e3,
                "seconds": seconds,
                "packets": network.sent,
                "packets_lost": network.lost,
                "end": session.end.value,
                **told.to_json(),
                "accounted": told.sent == told.answered + told.dropped + told.lost,
                "asked_again": watched.reception.asked_again,
                "key_frames_asked": watched.reception.keys,
                "lost_in_transit": watched.reception.lost,
            }

    return asyncio.run(run())


def restart(times: int) -> list[float]:
    """Seconds from the server's end to the first frame of the next, each. A new server is started at once."""
    port = str(free_port("127.0.0.1"))
    program = [sys.executable, "-m", "telltale", "stream"]
    serve = [*program, "serve", "--port", port, "--every", "0"]
    server = subprocess.Popen(serve, stdout=subprocess.DEVNULL)
    client = subprocess.Popen(
        [*program, "watch", "--port", port, "--every", "0", "--json"], stdout=subprocess.PIPE, text=True
    )
    time.sleep(8)
    for _ in range(times):
        server.kill()
        server.wait()
        server = subprocess.Popen(serve, stdout=subprocess.DEVNULL)
        time.sleep(7)
    client.send_signal(signal.SIGINT)
    told = json.loads(client.communicate(timeout=20)[0].splitlines()[-1])
    server.terminate()
    server.wait(20)
    return list(told["reconnect_s"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--restarts", type=int, default=3)
    chosen = parser.parse_args(arguments)
    load_before = round(os.getloadavg()[0], 2)
    runs = [measure(loss, jitter_s, chosen.seconds) for loss, jitter_s in ((0.0, 0.0), (LOSS, 0.0), (LOSS, JITTER_S))]
    reconnect_s = restart(chosen.restarts)
    keep(
        "stream_network",
        {"load_before": load_before, "runs": runs, "restarts": chosen.restarts, "reconnect_s": reconnect_s},
    )
    print(json.dumps(runs), reconnect_s)


if __name__ == "__main__":
    main()
