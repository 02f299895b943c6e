"""Size and speed of every form of every backbone, and what export and opening cost.

The nets have random weights: speed does not depend on them, and accuracy is `bench.accuracy`'s matter.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch

from bench.machine import keep
from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor
from telltale.bundle.spec import BundleSpec, Model, Tolerance
from telltale.export.export import export_network
from telltale.export.judge import Options
from telltale.export.measure import median_ms
from telltale.export.pictures import synthetic
from telltale.model import BACKBONES, build, count_macs, count_parameters
from telltale.progress import Quiet
from telltale.project import Input
from telltale.tasks.states import States

NAMES = ("front_left", "front_right", "rear_left", "rear_right", "hood")
WIDTH, HEIGHT = 160, 128


def measure(backbone: str, folder: Path) -> dict[str, Any]:
    """One backbone's row."""
    torch.manual_seed(0)
    task = States(NAMES)
    network = build(backbone, task, HEIGHT, WIDTH).eval()
    fused = network.fused()
    about = BundleSpec(
        name=backbone,
        task=task.to_spec(),
        input=Input(width=WIDTH, height=HEIGHT),
        model=Model(backbone=backbone, parameters=count_parameters(fused), macs=count_macs(network)),
    )
    start_s = time.perf_counter()
    bundle = export_network(
        network,
        about,
        folder / f"{backbone}.telltale",
        training=None,
        calibration=None,
        frame=synthetic(1, 640, 480)[0],
        options=Options(int8="always", tolerance=Tolerance(int8=0.99)),  # random weights
        progress=Quiet(),
    )
    export_s = time.perf_counter() - start_s
    start_s = time.perf_counter()
    Predictor.open(bundle.path)
    open_s = time.perf_counter() - start_s
    return {
        "parameters": about.model.parameters,
        "macs": about.model.macs,
        "export_s": round(export_s, 2),
        "open_ms": round(open_s * 1000, 1),
        "forms": {name: {"bytes": v.bytes, "ms": v.latency_ms} for name, v in bundle.spec.variants.items()},
        "predictor_ms": predictor_times(bundle),
    }


def predictor_times(bundle: Bundle) -> dict[str, float]:
    """Medians of `tell` from JPEG bytes and its parts, and of the model alone by threads and spinning."""
    frame = synthetic(1, 640, 480)[0]
    jpeg = cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    one = Predictor.open(bundle.path, threads=1, variant="float")
    two = Predictor.open(bundle.path, threads=2, variant="float")
    spinning = _spinning(bundle, 2)
    prepared = one.prepare(jpeg)[None]
    return median_ms(
        {
            "tell a 640x480 JPEG, 1 thread": lambda: one.tell(jpeg),
            "decode and resize": lambda: one.prepare(jpeg),
            "model, 1 thread": lambda: one.run(prepared),
            "model, 2 threads": lambda: two.run(prepared),
            "model, 2 threads, spinning": lambda: spinning.run(["probabilities"], {"image": prepared}),
            "batch of 16, 1 thread": lambda: one.run(np.repeat(prepared, 16, axis=0)),
        }
    )


def _spinning(bundle: Bundle, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(bundle.read("model.onnx"), options, providers=["CPUExecutionProvider"])


def main(arguments: Sequence[str]) -> None:
    """arguments: backbones; all when empty."""
    with tempfile.TemporaryDirectory() as folder:
        rows = {backbone: measure(backbone, Path(folder)) for backbone in arguments or BACKBONES}
    for backbone, row in rows.items():
        print(backbone, row)
    keep("export", {"input": [WIDTH, HEIGHT], "backbones": rows})


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
