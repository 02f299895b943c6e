"""`python -m bench [NAME...]`: run the measurements, each writing bench/results/*.json."""

from __future__ import annotations

import importlib
import sys
import time

ALL = {
    "collect": "bench.collect_speed",
    "augment": "bench.train_augment",
    "accuracy": "bench.accuracy",
    "export": "bench.export_speed",
    "mask_speed": "bench.mask_speed",
    "mask_accuracy": "bench.mask_accuracy",
    "locate_accuracy": "bench.locate_accuracy",
    "serve_latency": "bench.serve_latency",
    "serve_load": "bench.serve_load",
    "serve_batch": "bench.serve_batch",
    "stream_codec": "bench.stream_codec",
    "stream_viewers": "bench.stream_viewers",
    "stream_network": "bench.stream_network",
    "stream_loop": "bench.stream_loop",
    "browser": "bench.browser_local",
    "edge": "bench.edge",
    "edge_jpeg": "bench.edge_jpeg",
    "smaller": "bench.smaller",
    "smaller_car": "bench.smaller_car",
    "demo": "bench.demo_time",
}
"""Name to module; each has `main(arguments)`."""


def run(names: list[str]) -> int:
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        print(f"no such measurement: {', '.join(unknown)}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names or ALL:
        start_s = time.monotonic()
        print(f"--- {name}", flush=True)
        importlib.import_module(ALL[name]).main([])
        print(f"--- {name} took {time.monotonic() - start_s:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
