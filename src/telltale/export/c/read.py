"""An ONNX model as a `Graph`. Knows nothing of integers or C.

The input is uint8 (N, H, W, 3) as in a bundle, or float (N, C, H, W): then what a byte of the picture stands for is the
caller's to say. Whatever scales the picture before the first operator becomes part of the `Picture`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from telltale.errors import ExportError
from telltale.export.c.call import Call, Held, Value
from telltale.export.c.graph import Graph, Operator, Output, Picture, Shape
from telltale.export.c.operators import HANDLERS

LARGEST = 65535
"""Of a tensor's sides: the C runtime keeps them in 16 bits."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a byte of the picture stands for where the model takes floats: scale * byte + shift, for each channel."""

    scale: tuple[float, ...] = (1 / 255,)
    shift: tuple[float, ...] = (0.0,)


def read_onnx(
    data: bytes,
    *,
    outputs: Sequence[str] | None = None,
    pixels: Pixels | None = None,
    size: tuple[int, int] | None = None,
) -> Graph:
    """The graph as the model has it; see `simplify` for what makes it small.

    size: (height, width) where the model leaves them open.
    outputs: which to compute; without, `probabilities` where there is one, else all.
    Raises ExportError naming the operator or the shape that has no counterpart in C.
    """
    model = _load(data)
    names = [o.name for o in model.graph.output]
    chosen = list(outputs or (["probabilities"] if "probabilities" in names else names))
    missing = [name for name in chosen if name not in names]
    if missing:
        raise ExportError("outputs", expected=f"some of {', '.join(names)}", got=", ".join(missing))
    return _Reader(model, pixels or Pixels(), size).read(chosen)


def input_shape(data: bytes) -> Shape:
    """Of the picture a model takes. Raises ExportError."""
    return _Reader(_load(data), Pixels(), None).picture.shape


def _load(data: bytes) -> ModelProto:
    try:
        return onnx.load_from_string(data)
    except Exception as error:  # protobuf's own, which it does not export
        raise ExportError("the model", expected="an ONNX file", got=str(error)[:80]) from error


class _Reader:
    def __init__(self, model: ModelProto, pixels: Pixels, size: tuple[int, int] | None) -> None:
        self.model = model
        self.opsets = {o.domain: o.version for o in model.opset_import}
        self.values: dict[str, Value] = {"": np.zeros(0)}
        self.shapes: dict[str, Shape] = {}
        self.operators: list[Operator] = []
        self.picture = self._read_input(pixels, size)
        self.fixed = False  # whether something has read the picture with its scale

    def read(self, outputs: Sequence[str]) -> Graph:
        graph = self.model.graph
        for initializer in graph.initializer:
            self.values[initializer.name] = numpy_helper.to_array(initializer)
        for node in _needed(graph.node, outputs):
            self._node(node)
        found = []
        for name in outputs:
            value = self.values[name]
            if not isinstance(value, Held):
                raise ExportError(f"output {name}", expected="something computed from the picture", got="a constant")
            found.append(Output(name, self.tensor_of(value)))
        return Graph(self.picture, tuple(self.operators), tuple(found), self.shapes)

    def _read_input(self, pixels: Pixels, size: tuple[int, int] | None) -> Picture:
        constants = {initializer.name for initializer in self.model.graph.initializer}
        inputs = [i for i in self.model.graph.input if i.name not in constants]
        if len(inputs) != 1:
            raise ExportError("the model's inputs", expected="one picture", got=str(len(inputs)))
        given = inputs[0].type.tensor_type
        dims = tuple(d.dim_value for d in given.shape.dim)
        last = given.elem_type == TensorProto.UINT8
        if size is not None and len(dims) == 4:
            dims = (1, *size, dims[3]) if last else (1, dims[1], *size)
        if len(dims) != 4 or any(d < 1 or d > LARGEST for d in dims[1:]):
            raise ExportError("the model's input", expected="4 sizes, known but for the first", got=str(dims))
        dims = (1, *dims[1:])
        height, width, channels = dims[1:] if last else (*dims[2:], dims[1])
        if channels not in (1, 3):
            raise ExportError("the model's input", expected="1 or 3 channels", got=str(channels))
        one, none = np.ones(channels), np.zeros(channels)
        if len(pixels.scale) not in (1, channels) or len(pixels.shift) not in (1, channels):
            raise ExportError("pixels", expected=f"1 or {channels} numbers", got=str(len(pixels.scale)))
        scale = one if last else one * pixels.scale
        shift = none if last else none + pixels.shift
        name = inputs[0].name
        self.shapes[name] = Shape(height, width, channels)
        self.values[name] = Held(name, dims, last, scale, shift)
        return Picture(name, self.shapes[name], scale, shift)

    def _node(self, node: NodeProto) -> None:
        inputs = [self.values[name] for name in node.input]
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        given = [value for value in inputs if isinstance(value, Held)]
        if node.op_type == "Shape" and given:
            self.values[node.output[0]] = np.array(given[0].dims, np.int64)
            return
        if not given:
            feeds = {name: self.values[name] for name in node.input if name}
            found = ReferenceEvaluator(node, opsets=self.opsets).run(None, feeds)
            self.values.update((name, np.asarray(value)) for name, value in zip(node.output, found, strict=True))
            return
        handler = HANDLERS.get(node.op_type)
        if handler is None:
            raise ExportError(
                f"operator {node.op_type} ({node.output[0]})",
                expected="one of " + ", ".join(sorted(HANDLERS)),
                got=node.op_type,
                next="the C runtime has no such operator",
            )
        self.values[node.output[0]] = handler(Call(self, node.op_type, node.output[0], inputs, attributes))

    def tensor_of(self, value: Held) -> str:
        """The tensor to read; the picture's scale is settled by its first reader."""
        if value.scale is not None and value.shift is not None:
            settled = replace(self.picture, scale=value.scale, shift=value.shift)
            same = np.allclose(settled.scale, self.picture.scale) and np.allclose(settled.shift, self.picture.shift)
            if self.fixed and not same:
                raise ExportError("the picture", expected="one scaling for all its readers", got="several")
            self.picture, self.fixed = settled, True
        return value.tensor


def _needed(nodes: Sequence[NodeProto], outputs: Sequence[str]) -> list[NodeProto]:
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]
