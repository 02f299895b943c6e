"""How fast a model runs here, and what "here" is. Knows nothing of what it runs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

WARM_UP = 10
ROUNDS = 100


def median_ms(runs: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median milliseconds of each call, taken in turns so that a busy machine slows all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(WARM_UP + rounds):
        for name, run in runs.items():
            start_s = time.perf_counter()
            run()
            if turn >= WARM_UP:
                times[name].append((time.perf_counter() - start_s) * 1000)
    return {name: round(float(np.median(taken)), 4) for name, taken in times.items()}


def machine_name() -> str:
    """Such as `AMD EPYC, 2 cores, Linux x86_64`."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{model}, {cores} core{'s' if cores != 1 else ''}, {platform.system()} {platform.machine()}"
