"""An exported model answers the same in onnxruntime-web, the runtime of the browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor

HERE = Path(__file__).resolve().parent
VENDOR = HERE.parent.parent / "web" / "vendor"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not here")
@pytest.mark.skipif(not (VENDOR / "onnxruntime-web").is_dir(), reason="web/vendor is not made yet")
def test_the_golden_set_agrees_in_onnxruntime_web(exported: Bundle) -> None:
    models = ["model.onnx", "model.int8.onnx"]
    command = ["node", str(HERE / "golden_web.mjs"), str(VENDOR), str(exported.path), *models]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    found = json.loads(out.stdout)
    golden = exported.golden()
    here = Predictor.open(exported.path, variant="int8").run(golden.inputs)["probabilities"]
    int8_here = float(np.abs(here - golden.outputs["probabilities"]).max())
    assert found["model.onnx"] < 1e-5
    assert found["model.int8.onnx"] == pytest.approx(int8_here, abs=0.01)  # no saturation on either side
