"""ONNX to graph to integers: what is read is the model, what cannot be is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edge_nets import NETS, Maker
from export_samples import HEIGHT, WIDTH, trained_network
from telltale.errors import ExportError, ParityError
from telltale.export.c.emit import About, identifier
from telltale.export.c.floats import run
from telltale.export.c.generate import check_reading, generate, noise
from telltale.export.c.graph import Conv, Dense, Graph, Output, Picture, Scale, Shape, Shuffle, Unary, Window
from telltale.export.c.quantise import rescale_of, weights_of
from telltale.export.c.read import Pixels, input_shape, read_onnx
from telltale.export.c.simplify import simplify


def graph_of(model: bytes, pixels: Pixels | None = None) -> Graph:
    return simplify(read_onnx(model, pixels=pixels))


def pictures_of(model: bytes) -> np.ndarray:
    shape = input_shape(model)
    return noise(shape.height, shape.width, shape.channels, 3)


@pytest.mark.parametrize("name", NETS)
def test_the_graph_answers_as_onnxruntime_does(name: str) -> None:
    check_reading(NETS[name], graph_of(NETS[name]), pictures_of(NETS[name]))


def test_pixels_may_stand_for_anything() -> None:
    model = NETS["chain1"]
    pixels = Pixels((0.02, 0.01, 0.03)[: input_shape(model).channels], (-2.0, -1.0, 0.5)[: input_shape(model).channels])
    check_reading(model, graph_of(model, pixels), pictures_of(model))
    made = generate(model, About("chain1", "a test"), pictures_of(model), pixels=pixels)
    assert made.delta < 0.1


def test_a_graph_that_is_not_the_model_is_refused() -> None:
    graph = graph_of(NETS["chain1"])
    operators = [replace(o, bias=o.bias + 0.1) if isinstance(o, Dense) else o for o in graph.operators]
    with pytest.raises(ParityError, match="as read"):
        check_reading(NETS["chain1"], replace(graph, operators=tuple(operators)), pictures_of(NETS["chain1"]))


def test_the_projects_own_model_has_its_normalisation_folded_in() -> None:
    import torch

    from telltale.export.deploy import Deployed, to_onnx

    model = to_onnx(Deployed(trained_network().fused(), "states", torch.full((2,), 1.7)), HEIGHT, WIDTH)
    graph = graph_of(model)
    assert [type(o) for o in graph.operators] == [Conv] * 5 + [Dense, Dense, Unary]
    assert [o.name for o in graph.outputs] == ["probabilities"]
    made = generate(model, About("strips", "a test"))
    assert made.delta < 0.05


@pytest.mark.parametrize(("backbone", "most"), [("unet_tiny", 0.01), ("nano", 0.2)])
def test_a_mask_is_a_map_in_c(backbone: str, most: float) -> None:
    """Untrained nets: int8 is off by 0.09 to 0.2 in the worst pixel of `nano`, by the seed: four of them are asked."""
    import torch

    from telltale.export.deploy import Deployed, to_onnx
    from telltale.model import build
    from telltale.tasks import from_spec

    deltas = []
    for seed in range(4):
        torch.manual_seed(seed)
        network = build(backbone, from_spec({"kind": "mask", "names": ["scratch"]}), 32, 64).eval()
        fused = Deployed(network.fused().eval(), "mask", torch.ones(1))
        model = to_onnx(fused, 32, 64, any_size=backbone == "unet_tiny")
        made = generate(model, About("scratches", "a test", kind="mask"), size=(32, 64))
        assert made.answers["probabilities"].shape[1:] == (32, 64, 1)
        deltas.append(made.delta)
    assert sum(deltas) / len(deltas) < most


def test_an_operator_without_a_counterpart_is_named() -> None:
    maker = Maker(np.random.default_rng(0), (3, 8, 8))
    maker.conv(4, 3)
    maker.node("Erf", [maker.last])
    maker.dense(2)
    with pytest.raises(ExportError, match="Erf"):
        read_onnx(maker.model((3, 8, 8)))


@pytest.mark.parametrize("data", [b"", b"no model", NETS["unet"][:200]])
def test_a_file_that_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ExportError):
        read_onnx(data)


def test_a_model_of_unknown_size_is_refused() -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "free",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, "H", "W"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    with pytest.raises(ExportError, match="sizes"):
        read_onnx(model.SerializeToString())


@given(st.floats(1e-12, 0.999999))
def test_a_factor_is_kept_to_nine_digits(factor: float) -> None:
    found = rescale_of(factor)
    assert 0 <= found.multiplier[0] < 2**31
    assert 0 <= found.shift[0] <= 31
    kept = found.multiplier[0] * 2.0**-31 * 2.0 ** -float(found.shift[0])
    assert abs(kept - factor) <= max(2**-31 * factor, 2.0**-62)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=8), st.floats(-1e9, 1e9), st.floats(1e-6, 10))
def test_a_weight_is_never_minus_128_and_a_bias_fits(weights: list[float], bias: float, scale: float) -> None:
    q, factors = weights_of(np.array([weights]), np.array([bias]), scale)
    assert np.abs(q).max() <= 127
    assert abs(bias / (scale * factors[0])) <= 2**30 * 1.001


@pytest.mark.parametrize(
    ("name", "expected"),
    [("front-door 2", "front_door_2"), ("2nd", "net_2nd"), ("Tür", "t_r"), ("", "net"), ("*/", "net"), ("A.B", "a_b")],
)
def test_a_name_becomes_a_c_identifier(name: str, expected: str) -> None:
    assert identifier(name) == expected


def test_a_name_cannot_leave_its_comment_or_its_string() -> None:
    from telltale.export.c.emit import Label

    about = About('a "door"\\ */ ??/', "*/ int x; /*", labels=(Label('"; evil(); "', 0.5, 0.5),), kind="states")
    made = generate(NETS["chain1"], about)
    text = made.files[f"{made.name}.c"].decode() + made.files[f"{made.name}.h"].decode()
    assert "*/ int x" not in text
    assert '"; evil' not in text


@pytest.mark.real
@pytest.mark.parametrize(("name", "macs"), [("net4", 2_488_448), ("unet_small", 37_896_192)])
def test_the_reference_nets_fit_their_memory(name: str, macs: int, shared: Path) -> None:
    made = generate((shared / "edge_nets" / f"{name}.onnx").read_bytes(), About(name, "a reference net"))
    assert made.macs == macs
    assert made.arena <= {"net4": 32 * 1024, "unet_small": 1 << 20}[name]


def test_a_scaling_behind_a_shuffle_joins_the_convolution() -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(8, 3, 3, 3)), rng.normal(size=8)
    shapes = {"x": Shape(6, 6, 3), "c": Shape(6, 6, 8), "s": Shape(12, 12, 2), "y": Shape(12, 12, 2)}
    operators = (
        Conv(sources=("x",), out="c", weight=weight, bias=bias, window=Window((3, 3), (1, 1), (1, 1))),
        Shuffle(sources=("c",), out="s", block=2),
        Scale(sources=("s",), out="y", scale=np.array([2.0, -3.0]), shift=np.array([0.5, 0.0])),
    )
    picture = Picture("x", shapes["x"], np.ones(3), np.zeros(3))
    graph = Graph(picture, operators, (Output("y", "y"),), shapes)
    small = simplify(graph)
    assert [type(operator) for operator in small.operators] == [Conv, Shuffle]
    shown = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    np.testing.assert_allclose(run(small, shown)["y"], run(graph, shown)["y"], rtol=1e-4, atol=1e-2)
