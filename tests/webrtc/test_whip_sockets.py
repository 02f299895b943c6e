"""A server with a WebRTC stream touches no address but loopback, and gives every port back."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from webrtc.conftest import Sender, Watcher

SOURCE = Path(__file__).resolve().parents[2] / "src"
ENV = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}

WATCHED = """
import sys, ipaddress
def hook(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo"):
        address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        host = address[0] if isinstance(address, tuple) else address
        try:
            inside = host in (None, "", "localhost") or ipaddress.ip_address(host).is_loopback
        except ValueError:
            inside = False
        if not inside:
            print("OUTSIDE", event, address, flush=True)
sys.addaudithook(hook)
from telltale.cli import main
main(sys.argv[1:])
"""


@contextmanager
def watched_server(*arguments: str) -> Iterator[tuple[str, list[str]]]:
    """`telltale serve` under an audit hook: its address, and what it said once it has ended."""
    said: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, "serve", *arguments, "--port", "0", "--no-pages"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        said.append(first)
        yield first.split(" at ")[1].strip(), said
    finally:
        process.terminate()
        said.append(process.communicate(timeout=20)[0])


def test_streaming_and_watching_touch_loopback_alone_within_the_port_range(bundle: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        low = min(probe.getsockname()[1], 65500)
    high = low + 20

    async def run(url: str) -> None:
        async with Sender(url, stream="door") as sender:
            await sender.answers(3)
            async with Watcher(url, "door") as watcher:
                await watcher.frames(2)
                for text in (sender.response.text, watcher.response.text):
                    lines = [line for line in text.splitlines() if line.startswith("a=candidate:")]
                    assert lines
                    assert all(low <= int(line.split()[5]) <= high for line in lines), lines
                    assert all(line.split()[4] == "127.0.0.1" for line in lines), lines

    with watched_server(str(bundle), "--rtc-ports", f"{low}-{high}") as (url, said):
        asyncio.run(run(url))
        with httpx.Client(base_url=url, trust_env=False) as http:
            assert "telltale_pictures_told_total" in http.get("/metrics").text
    assert "OUTSIDE" not in "".join(said), said
    assert "Traceback" not in "".join(said), said
    for port in range(low, high + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", port))
