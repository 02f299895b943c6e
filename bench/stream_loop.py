"""The bouncing ball over loopback as two programs: errors, latency, loss, and whether memory stays flat.

python -m bench.stream_loop [--seconds 300] [--scene plain --scene textured]: one run for each scene.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import keep
from telltale.stream.signalling import free_port

P50_MS, P95_MS = 70.0, 110.0
MEAN_PX = {"plain": 1.0, "textured": 2.0}
SAMPLE_S = 2.0
SETTLE = 0.25
"""The share of a run, at its start, that says nothing of memory: buffers fill."""

PARTS = 12
"""Of a run, whose medians of memory are kept."""


def memory_mib(pid: int) -> float:
    """What a process and all below it have written to, so that nobody else's use of a library shows."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        own = next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) / 1024
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, StopIteration):
        return 0.0
    return own + sum(memory_mib(int(child)) for child in below)


def slope(times_s: Sequence[float], mib: Sequence[float]) -> dict[str, Any]:
    """A straight line through the later part: MiB an hour, with the standard error of that; and what it went through.

    Frames in flight come and go, so a line through a few minutes of them has a slope: `medians` are those of twelve
    parts of the run.
    """
    keep_from = int(SETTLE * len(times_s))
    t, m = np.array(times_s[keep_from:]) / 3600, np.array(mib[keep_from:])
    if len(t) < 5:
        return {"mib_per_hour": float("nan"), "error": float("nan"), "end_mib": float(m[-1]) if len(m) else 0.0}
    (rate, start), covariance = np.polyfit(t, m, 1, cov=True)
    del start
    return {
        "mib_per_hour": round(float(rate), 2),
        "error": round(float(np.sqrt(covariance[0, 0])), 2),
        "first_mib": round(float(m[0]), 1),
        "end_mib": round(float(m[-1]), 1),
        "medians": [round(float(np.median(part)), 1) for part in np.array_split(np.array(mib), PARTS)],
    }


class Sampler(threading.Thread):
    """Looks at two processes every other second."""

    def __init__(self, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._pids, self._end = pids, threading.Event()
        self.times_s: list[float] = []
        self.mib: dict[str, list[float]] = {name: [] for name in pids}

    def run(self) -> None:
        begun_s = time.monotonic()
        while not self._end.wait(SAMPLE_S):
            self.times_s.append(time.monotonic() - begun_s)
            for name, pid in self._pids.items():
                self.mib[name].append(memory_mib(pid))

    def stop(self) -> dict[str, dict[str, Any]]:
        self._end.set()
        self.join()
        # The last samples see the programs end.
        return {name: slope(self.times_s[:-3], values[:-3]) for name, values in self.mib.items()}


def measure(scene: str, seconds: float, size: str, fps: float) -> dict[str, Any]:
    """Both programs as a user runs them."""
    port = str(free_port("127.0.0.1"))
    common = [sys.executable, "-m", "telltale", "stream"]
    frames = str(round(seconds * fps))
    server = subprocess.Popen(
        [*common, "serve", "--port", port, "--scene", scene, "--size", size, "--fps", str(fps), "--frames", frames,
         "--once", "--every", "0", "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    client = subprocess.Popen(
        [*common, "watch", "--port", port, "--every", "0", "--json"], stdout=subprocess.PIPE, text=True
    )
    sampler = Sampler({"server": server.pid, "client_and_finder": client.pid})
    sampler.start()
    load_before = os.getloadavg()[0]
    served = json.loads(server.communicate(timeout=seconds + 60)[0].splitlines()[-1])
    watched = json.loads(client.communicate(timeout=30)[0].splitlines()[-1])
    return {
        "scene": scene,
        "size": size,
        "fps": fps,
        "seconds": seconds,
        "load_before": round(load_before, 2),
        "server": served,
        "client": watched,
        "memory": sampler.stop(),
        "accounted": served["sent"] == served["answered"] + served["dropped"] + served["lost"],
        "reached": bool(
            served["p50_ms"] <= P50_MS
            and served["p95_ms"] <= P95_MS
            and served["mean_px"] <= MEAN_PX.get(scene, float("inf"))
        ),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--scene", action="append", help="repeat it; default: plain and textured")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--fps", type=float, default=30.0)
    chosen = parser.parse_args(arguments)
    runs = []
    for scene in chosen.scene or ["plain", "textured"]:
        run = measure(scene, chosen.seconds, chosen.size, chosen.fps)
        runs.append(run)
        print(json.dumps(run))
    targets = {"p50_ms": P50_MS, "p95_ms": P95_MS, "mean_px": MEAN_PX}
    keep("stream_loop", {"targets": targets, "runs": runs})


if __name__ == "__main__":
    main()
