"""An exported bundle answers as the network it came from, in every form."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings

import numpy as np
import onnx
import pytest
import torch

from telltale.bundle.bundle import Bundle, spec_of_model
from telltale.bundle.predictor import Predictor
from telltale.bundle.verify import verify_bundle
from telltale.export.pictures import synthetic
from telltale.model import Network


def torch_probabilities(network: Network, bundle: Bundle, images: np.ndarray) -> np.ndarray:
    """By the book: no fusing, no wrapping."""
    with torch.no_grad():
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)["logits"]
    temperature = torch.tensor([bundle.spec.temperature[name] for name in bundle.task.names])
    return np.asarray(torch.sigmoid(logits / temperature))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_onnx_answers_as_torch_for_any_number_of_pictures(network: Network, exported: Bundle, count: int) -> None:
    images = synthetic(count, 64, 48, seed=count)
    found = Predictor.open(exported.path, variant="float").run(images)["probabilities"]
    np.testing.assert_allclose(found, torch_probabilities(network, exported, images), atol=1e-5)


def test_the_mean_of_the_map_is_the_logit(network: Network, exported: Bundle) -> None:
    images = synthetic(4, 64, 48, seed=9)
    outputs = Predictor.open(exported.path, variant="float").run(images, outputs=("probabilities", "cam"))
    temperature = np.array(list(exported.spec.temperature.values()))
    bias = np.asarray(network.head.get_parameter("bias").detach())
    logits = outputs["cam"].mean((2, 3)) + bias
    np.testing.assert_allclose(1 / (1 + np.exp(-logits / temperature)), outputs["probabilities"], atol=1e-5)


def test_int8_stays_within_its_tolerance(exported: Bundle) -> None:
    golden = exported.golden()
    found = Predictor.open(exported.path, variant="int8").run(golden.inputs)["probabilities"]
    assert 0 < np.abs(found - golden.outputs["probabilities"]).max() < exported.spec.tolerance.int8
    kinds = {node.op_type for node in onnx.load_from_string(exported.read("model.int8.onnx")).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds


def test_torchscript_gives_the_golden_answers(exported: Bundle) -> None:
    golden = exported.golden()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.load(io.BytesIO(exported.read("model.ts")))  # type: ignore[no-untyped-call]
    with torch.no_grad():
        probabilities, cam = script(torch.from_numpy(golden.inputs))
    np.testing.assert_allclose(probabilities, golden.outputs["probabilities"], atol=1e-4)
    np.testing.assert_allclose(cam, golden.outputs["cam"], atol=1e-3)


def test_it_verifies_and_says_what_it_is(exported: Bundle) -> None:
    report = verify_bundle(exported.path, threads=1)
    assert report.ok, report.lines()
    spec = exported.spec
    assert set(spec.files) == {"README.md", "golden.npz", "model.onnx", "model.int8.onnx", "model.ts"}
    assert set(spec.variants) == {"float", "torchscript", "int8"}
    assert all(v.latency_ms and v.bytes for v in spec.variants.values())
    assert spec.outputs == {"probabilities": [2], "cam": [2, 2, 2]}
    assert spec.machine
    assert spec_of_model(exported.read("model.int8.onnx"), "int8").task == spec.task
    card = exported.read("README.md").decode()
    for variant in spec.variants.values():
        assert str(variant.bytes) in card


def test_the_calibrated_temperature_is_inside_the_graph(network: Network, exported: Bundle) -> None:
    assert any(t != 1 for t in exported.spec.temperature.values())


def test_the_model_names_no_path_of_the_machine_it_was_made_on(exported: Bundle) -> None:
    data = exported.read("model.onnx")
    assert b"site-packages" not in data
    assert b".py" not in data


def test_the_pixel_scaling_is_folded_into_the_first_convolution(exported: Bundle) -> None:
    kinds = [node.op_type for node in onnx.load_from_string(exported.read("model.onnx")).graph.node]
    assert kinds[: kinds.index("Conv")] == ["Transpose", "Cast", "Add"]


def test_it_runs_where_torch_cannot_be_imported(exported: Bundle) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'lightning_fabric', 'sklearn'): sys.modules[name] = None\n"
        "import telltale\n"
        "model = telltale.load(sys.argv[1])\n"
        "print(len(model.tell_many(list(model.bundle.golden().inputs))))\n"
    )
    out = subprocess.run([sys.executable, "-c", code, str(exported.path)], capture_output=True, text=True)
    assert out.stdout.strip() == "8", out.stderr
