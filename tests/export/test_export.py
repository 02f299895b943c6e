"""An exported bundle answers as the network it came from, in every form."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from export_samples import about, labelled_pictures
from telltale.bundle.bundle import Bundle, spec_of_model
from telltale.bundle.predictor import Predictor
from telltale.bundle.verify import verify_bundle
from telltale.dataset import Catalogue, Example
from telltale.errors import BundleError, ImageError, Interrupted, TrainError
from telltale.export.export import export_run, find_temperature, golden_inputs
from telltale.export.judge import Options
from telltale.export.pictures import spread, synthetic
from telltale.model import Network
from telltale.preprocess import decode
from telltale.tasks import stack_targets


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
    bias = np.asarray(network.head.get_parameter("tell.bias").detach())
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


def test_the_run_and_the_project_are_told_in_the_bundle(exported: Bundle) -> None:
    spec = exported.spec
    assert (spec.name, spec.licence, spec.allow_leak) == ("strips", "MIT", True)
    assert (spec.data.hash, spec.data.images, spec.data.groups, spec.data.split) == ("ab" * 32, 60, 2, {"train": 0.7})
    assert (spec.model.backbone, spec.model.parameters > 10_000, spec.model.macs > 100_000) == ("pico", True, True)
    assert (spec.unsure.error, spec.unsure.confidence) == (0.02, 0.95)
    assert {"torch", "onnxruntime", "telltale", "trained with telltale"} <= set(spec.code)
    assert spec.created.endswith("Z")


def test_the_golden_inputs_are_calibration_pictures(exported: Bundle, catalogue: Catalogue) -> None:
    pictures = {decode(example.path).tobytes() for example in catalogue.examples("calibration")}
    golden = exported.golden()
    assert all(image.tobytes() in pictures for image in golden.inputs)
    assert len({image.tobytes() for image in golden.inputs}) == 8
    assert golden.frame is not None


def test_temperature_makes_the_calibration_split_likelier(
    network: Network, exported: Bundle, catalogue: Catalogue
) -> None:
    examples = catalogue.examples("calibration")
    images = np.stack([decode(example.path) for example in examples])
    target = stack_targets([exported.task.encode(example.labels) for example in examples])
    assert not target.known.all()

    def loss(probabilities: np.ndarray) -> float:
        right = np.where(target.values >= 0.5, probabilities, 1 - probabilities)
        return float(-np.log(right[target.known]).mean())

    with torch.no_grad():
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)["logits"]
    calibrated = Predictor.open(exported.path, variant="float").run(images)["probabilities"]
    assert loss(calibrated) <= loss(np.asarray(torch.sigmoid(logits))) + 1e-6


def test_a_taken_place_is_refused_before_any_work(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="choose another name"):
        export_run(run_dir, tmp_path)


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="nowhere"):
        export_run(tmp_path / "nowhere", tmp_path / "x.telltale")


def test_ctrl_c_writes_nothing_and_says_how_to_go_on(run_dir: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    class Impatient:
        def advance(self, count: int = 1, note: str = "") -> None:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="run the same command again"):
        export_run(run_dir, tmp_path / "x.telltale", training=catalogue.examples("train"), progress=Impatient())
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_gone_is_named(run_dir: Path, tmp_path: Path) -> None:
    gone = Example(1, tmp_path / "gone.png", "0" * 64, "g", "train", 8, 8, {}, {})
    with pytest.raises(ImageError, match=r"gone\.png"):
        export_run(run_dir, tmp_path / "x.telltale", training=[gone])


def test_without_pictures_the_golden_set_is_made(network: Network) -> None:
    inputs = golden_inputs(None, about(), Options())
    assert inputs.shape == (8, 48, 64, 3)
    assert np.array_equal(inputs, golden_inputs(labelled_pictures(9, 0), about(), Options(golden="synthetic")))
    few = golden_inputs(labelled_pictures(3, 0), about(), Options())
    assert np.array_equal(few[:3], labelled_pictures(3, 0).images)
    assert np.array_equal(few[3:], inputs[:5])
    assert find_temperature(network, None, 2).tolist() == [1.0, 1.0]


@given(st.integers(0, 60), st.integers(1, 60))
def test_spread_picks_different_items_in_order(length: int, count: int) -> None:
    picked = spread(range(length), count)
    assert picked == sorted(set(picked))
    assert len(picked) == min(length, count)
    assert all(0 <= item < length for item in picked)
