"""The gate fails when it should: nothing that disagrees ever ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export_samples import about, labelled_pictures
from telltale.bundle.bundle import Bundle
from telltale.errors import ParityError
from telltale.export import export as verb
from telltale.export.export import export_network
from telltale.export.forms import onnx_form
from telltale.export.judge import Options, judge_int8, merit
from telltale.export.parity import Comparison, compare, gate
from telltale.export.pictures import synthetic
from telltale.export.simplify import fold_pixel_scaling
from telltale.model import Network
from telltale.progress import Quiet
from telltale.tasks import Target
from telltale.tasks.states import States


class Careless:
    """Fuses with one weight in a thousand off by a hundredth: a bug nobody sees in a picture."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def __call__(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs: dict[str, torch.Tensor] = self.network(x)
        return outputs

    def fused(self) -> torch.nn.Module:
        twin = self.network.fused()
        with torch.no_grad():
            weights = next(p for name, p in twin.named_parameters() if name.endswith("conv.weight"))
            weights.view(-1)[:: max(1, weights.numel() // 4)] *= 1.2
        return twin


def test_a_network_that_fuses_wrongly_is_never_written(network: Network, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"fused torch (probabilities|cam) [0-9.e-]+ from torch \(allowed 0\.001\)"):
        export_network(
            Careless(network),
            about(),
            tmp_path / "x.telltale",
            training=None,
            calibration=labelled_pictures(16, seed=3),
            frame=synthetic(1, 64, 48)[0],
            options=Options(),
            progress=Quiet(),
        )
    assert list(tmp_path.iterdir()) == []


def tampered(model: bytes, name_part: str, factor: float) -> bytes:
    """The model with one tensor scaled."""
    proto = onnx.load_from_string(model)
    for initializer in proto.graph.initializer:
        if name_part in initializer.name:
            value = numpy_helper.to_array(initializer) * np.float32(factor)
            initializer.CopyFrom(numpy_helper.from_array(value, initializer.name))
            return bytes(proto.SerializeToString())
    raise AssertionError(name_part)


@pytest.mark.parametrize("part", ["layers.0.conv.weight", "layers.4.conv.bias", "head.tell.weight"])
def test_a_tampered_onnx_fails_the_gate(exported: Bundle, part: str) -> None:
    golden = exported.golden()
    tolerance = exported.spec.tolerance.runtime
    whole = onnx_form("onnx", "model.onnx", exported.read("model.onnx"))
    gate(compare("onnx", whole.run(golden.inputs), "torch", golden.torch, tolerance))
    wrong = onnx_form("onnx", "model.onnx", tampered(exported.read("model.onnx"), part, 1.05))
    with pytest.raises(ParityError, match=r"onnx (cam|probabilities)"):
        gate(compare("onnx", wrong.run(golden.inputs), "torch", golden.torch, tolerance))


def test_an_exporter_that_goes_wrong_writes_nothing(
    network: Network, exported: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: a converter gives a model a little off, and the old bundle stands."""
    wrong = tampered(exported.read("model.onnx"), "layers.2.conv.weight", 1.02)
    monkeypatch.setattr(verb, "to_onnx", lambda deployed, height, width: wrong)
    with pytest.raises(ParityError, match="float"):
        export_network(
            network,
            about(),
            tmp_path / "x.telltale",
            training=None,
            calibration=labelled_pictures(16, seed=3),
            frame=synthetic(1, 64, 48)[0],
            options=Options(torchscript=False, int8="never"),
            progress=Quiet(),
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "found", [{}, {"probabilities": np.zeros((2, 3), np.float32)}, {"probabilities": np.full((2, 2), np.nan)}]
)
def test_a_missing_misshapen_or_undefined_output_is_endlessly_far(found: dict[str, np.ndarray]) -> None:
    comparisons = compare("x", found, "y", {"probabilities": np.zeros((2, 2), np.float32)}, 0.5)
    assert [c.delta for c in comparisons] == [float("inf")]
    with pytest.raises(ParityError):
        gate(comparisons)


def close(delta: float) -> Comparison:
    return Comparison("int8", "float", "probabilities", delta, 0.15)


@pytest.mark.parametrize(
    ("delta", "latency", "accuracies", "kept", "why"),
    [
        (0.02, 0.5, (0.97, 0.969), True, "2.00 times the speed"),
        (0.02, 0.99, (0.97, 0.97), False, "1.01 times the speed here"),
        (0.02, 0.5, (0.97, 0.96), False, "right answers change by -0.0100"),
        (0.02, 0.5, None, False, "no labelled calibration pictures"),
        (0.20, 0.5, (0.97, 0.97), False, "differs by 0.2 on the golden set"),
    ],
)
def test_int8_is_kept_where_it_is_faster_and_as_right(
    delta: float, latency: float, accuracies: tuple[float, float] | None, kept: bool, why: str
) -> None:
    verdict = judge_int8(close(delta), {"float": 1.0, "int8": latency}, accuracies, Options())
    assert verdict.kept is kept
    assert why in verdict.note


def test_int8_that_is_asked_for_is_kept_whatever_its_speed() -> None:
    assert judge_int8(close(0.02), {"float": 1.0, "int8": 2.0}, None, Options(int8="always")).kept


def test_merit_counts_known_labels_only() -> None:
    task = States(("left", "right"))
    target = Target(
        np.array([[1, 0], [1, 1]], np.float32), np.array([[True, True], [True, False]]), np.zeros((2, 2), bool)
    )
    outputs = {"probabilities": np.array([[0.9, 0.8], [0.6, 0.1]], np.float32)}
    assert merit(task, outputs, target) == pytest.approx(0.5)  # the mean of both names
    nothing = Target(target.values, np.zeros((2, 2), bool), target.hidden)
    assert merit(task, outputs, nothing) is None


def test_a_graph_without_pixel_scaling_is_left_alone(exported: Bundle) -> None:
    folded = onnx.load_from_string(exported.read("model.onnx"))
    before = folded.SerializeToString(deterministic=True)
    assert fold_pixel_scaling(folded).SerializeToString(deterministic=True) == before
