"""How long an answer takes, beside what the same frame costs without a server.

python -m bench.serve_latency [--bundle B] [--rounds N] [--frames N]: median and 95th percentile, milliseconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.sync.client import connect

from bench.machine import keep
from bench.serve_subject import frame, make_bundle, server_process
from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import open_session
from telltale.bundle.spec import MODEL
from telltale.preprocess import Preprocess, decode

TARGET = 1.5
WARM = 5


def interleave(works: Mapping[str, Callable[[], Any]], rounds: int, each: int) -> dict[str, dict[str, float]]:
    """Time every work in turns, so that what else the machine does falls on all of them alike."""
    took_ms: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            for i in range(WARM + each):
                start_s = time.perf_counter()
                work()
                if number and i >= WARM:  # the first round warms up
                    took_ms[name].append((time.perf_counter() - start_s) * 1e3)
    return {
        name: {
            "median_ms": round(float(np.median(values)), 3),
            "p95_ms": round(float(np.quantile(values, 0.95)), 3),
            "frames": len(values),
        }
        for name, values in took_ms.items()
    }


def bare(bundle: Path, jpeg: bytes, threads: int | None) -> Callable[[], Any]:
    """Decode, resize and the raw session alone."""
    opened = Bundle.open(bundle)
    wanted = opened.spec.input
    preprocess = Preprocess(wanted.width, wanted.height, wanted.fit)
    session = open_session(opened.read(MODEL), MODEL, threads)
    names = list(opened.task.output_shapes(wanted.height, wanted.width))
    return lambda: session.run(names, {"image": preprocess.apply(decode(jpeg))[None]})


def measure(bundle: Path, rounds: int, each: int) -> dict[str, Any]:
    jpeg = frame()
    with (
        server_process(bundle) as url,
        connect(f"ws{url.removeprefix('http')}/ws/infer", compression=None, max_size=2**20) as socket,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        socket.recv()

        def stream() -> None:
            socket.send(jpeg)
            socket.recv()

        numbers = interleave(
            {
                "bare_one_thread": bare(bundle, jpeg, 1),
                "bare_all_threads": bare(bundle, jpeg, None),
                "websocket": stream,
                "http": lambda: client.post("/api/tell", content=jpeg),
            },
            rounds,
            each,
        )
    best_ms = min(numbers["bare_one_thread"]["median_ms"], numbers["bare_all_threads"]["median_ms"])
    ratio = numbers["websocket"]["median_ms"] / best_ms
    return {
        "frame": {"width": 640, "height": 480, "bytes": len(jpeg)},
        **numbers,
        "ratio": round(ratio, 3),
        "target": TARGET,
        "reached": ratio <= TARGET,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="default: a plain net with random weights")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--frames", type=int, default=40, help="of each kind in a round")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure(chosen.bundle or make_bundle(Path(folder)), chosen.rounds, chosen.frames)
    for name, value in numbers.items():
        print(f"{name:>18}  {value}")
    keep("serve_latency", {"bundle": str(chosen.bundle or "plain net, random weights"), **numbers})


if __name__ == "__main__":
    main()
