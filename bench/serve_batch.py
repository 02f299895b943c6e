"""Does running pictures of several connections together pay? Answers a second and their ages, with and without.

python -m bench.serve_batch [--seconds 4] [--streams 1 --streams 16]: a server process for each net and way; streams
that send a 640x480 JPEG and wait for its answer, so that the server is always busy and never flooded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.machine import keep
from bench.serve_load import crowd
from telltale.bundle.bundle import write_bundle
from telltale.bundle.spec import MODEL, BundleSpec, Model, Variant
from telltale.export.deploy import Deployed, to_onnx
from telltale.model import build, count_macs, count_parameters
from telltale.project import Input
from telltale.tasks.states import States

NETS = ("pico", "nano", "tiny", "small")
NAMES = ("front_left", "front_right", "rear_left", "rear_right", "hood")
WIDTH, HEIGHT = 160, 128
WAYS = {"single": (1, 0.0), "batch 8": (8, 0.0), "batch 8, 5 ms": (8, 5.0)}
SERVE = """import sys
from telltale.serve.server import run_server
from telltale.serve.settings import ServeSettings
settings = ServeSettings(batch=int(sys.argv[2]), batch_wait_ms=float(sys.argv[3]))
run_server(sys.argv[1], port=0, pages=False, settings=settings)
"""


def make_net(name: str, folder: Path) -> Path:
    """A bundle of a backbone with random weights: time does not hang on them."""
    torch.manual_seed(0)
    task = States(NAMES)
    network = build(name, task, HEIGHT, WIDTH).eval()
    macs = count_macs(network)
    deployed = Deployed(network, task.kind, torch.ones(len(NAMES))).eval()
    spec = BundleSpec(
        name=name,
        licence="Apache-2.0",
        task=task.to_spec(),
        input=Input(width=WIDTH, height=HEIGHT),
        outputs={"probabilities": [len(NAMES)]},
        model=Model(backbone=name, parameters=count_parameters(network), macs=macs),
        variants={"float": Variant(file=MODEL)},
    )
    return write_bundle(folder / f"{name}.telltale", spec, {MODEL: to_onnx(deployed, HEIGHT, WIDTH)}).path


@contextmanager
def server(bundle: Path, batch: int, wait_ms: float) -> Iterator[str]:
    """Gives its WebSocket address."""
    command = [sys.executable, "-c", SERVE, str(bundle), str(batch), str(wait_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert " at http" in first, first
        yield first.rpartition(" at ")[2].strip().replace("http", "ws", 1) + "/ws/infer"
    finally:
        process.terminate()
        process.wait(20)


def measure(url: str, streams: int, seconds: float) -> dict[str, Any]:
    clients = asyncio.run(crowd(url, streams, seconds, in_step=True))
    ages = np.array([w + i for c in clients for w, i in zip(c.waited_ms, c.infer_ms, strict=True)])
    answered = [len(c.seqs) for c in clients]
    return {
        "streams": streams,
        "answers_per_s": round(sum(answered) / seconds, 1),
        "p50_ms": round(float(np.median(ages)), 2),
        "p95_ms": round(float(np.quantile(ages, 0.95)), 2),
        "least_of_most": round(min(answered) / max(answered), 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", action="append", choices=NETS)
    parser.add_argument("--streams", type=int, action="append")
    parser.add_argument("--seconds", type=float, default=4.0)
    chosen = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for net in chosen.net or ["nano", "small"]:
            bundle = make_net(net, Path(folder))
            for way, (batch, wait_ms) in WAYS.items():
                with server(bundle, batch, wait_ms) as url:
                    measure(url, 1, 1.0)
                    for streams in chosen.streams or [1, 2, 4, 8, 16]:
                        rows.append({"net": net, "way": way, **measure(url, streams, chosen.seconds)})
                        print(json.dumps(rows[-1]), flush=True)
    keep("serve_batch", {"seconds": chosen.seconds, "input": [WIDTH, HEIGHT], "rows": rows})


if __name__ == "__main__":
    main()
