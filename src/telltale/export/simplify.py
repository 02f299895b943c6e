"""Fold the scaling of pixels into the first convolution of an ONNX graph. Knows nothing of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, helper, numpy_helper

SCALAR = {"Add", "Sub", "Mul", "Div"}


def fold_pixel_scaling(model: ModelProto) -> ModelProto:
    """Replace the chain of scalar sums between the cast of the pixels and the first convolution by one addition.

    conv(w, a x + b) = conv(a w, x + b / a), and zero padding stays zero: a 0 = 0. Every pass over the full-size
    picture costs; four of them were a tenth of a small net's time. Returns the model unchanged where it finds no
    such chain, so it is an optimisation only; the parity gate judges the result.
    """
    graph = model.graph
    constants: dict[str, Any] = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    cast = next((node for node in graph.node if node.op_type == "Cast"), None)
    if cast is None:
        return model
    scale, shift, chain, tensor = np.float64(1), np.float64(0), [], cast.output[0]
    while True:
        following = readers.get(tensor, [])
        if len(following) != 1:
            return model
        node = following[0]
        step = _scalar(node, tensor, constants)
        if step is None:
            break
        scale, shift = scale * step[0], shift * step[0] + step[1]
        chain.append(node)
        tensor = node.output[0]
    if node.op_type != "Conv" or node.input[0] != tensor or len(chain) < 2 or scale == 0:
        return model
    weights = node.input[1]
    if weights not in constants or len(readers[weights]) != 1:
        return model
    for part in chain:
        graph.node.remove(part)
    _replace(model, weights, (constants[weights].astype(np.float64) * scale).astype(np.float32))
    graph.initializer.append(numpy_helper.from_array(np.asarray(shift / scale, np.float32), "pixel_shift"))
    position = list(graph.node).index(node)
    graph.node.insert(position, helper.make_node("Add", [cast.output[0], "pixel_shift"], ["pixels"], name="pixels"))
    node.input[0] = "pixels"
    used = {name for part in graph.node for name in part.input}
    for initializer in [i for i in graph.initializer if i.name not in used]:
        graph.initializer.remove(initializer)
    return model


def _scalar(node: Any, tensor: str, constants: dict[str, Any]) -> tuple[np.float64, np.float64] | None:
    """(a, b) where the node computes a x + b from `tensor`; None where it does not."""
    if node.op_type not in SCALAR:
        return None
    left, right = node.input
    if right == tensor and node.op_type in ("Add", "Mul"):
        left, right = right, left
    value = constants.get(right) if left == tensor else None
    if value is None or value.size != 1:
        return None
    c = np.float64(value.reshape(-1)[0])
    one, none = np.float64(1), np.float64(0)
    return {"Add": (one, c), "Sub": (one, -c), "Mul": (c, none), "Div": (one / c if c else none, none)}[node.op_type]


def _replace(model: ModelProto, name: str, value: Any) -> None:
    for initializer in model.graph.initializer:
        if initializer.name == name:
            initializer.CopyFrom(numpy_helper.from_array(value, name))
