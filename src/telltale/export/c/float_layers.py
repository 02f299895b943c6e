"""A graph as C in floating point: the same operators as in `layers`, on real numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from telltale.export.c.graph import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Dense,
    Depthwise,
    Floats,
    GlobalAverage,
    Graph,
    MaxPool,
    Mul,
    Operator,
    Range,
    Resize,
    Scale,
    Shuffle,
    Softmax,
    Unary,
)
from telltale.export.c.integer import Tensor
from telltale.export.c.layers import Layer, Program, ring_bytes, rows_ahead, taken_ahead

UNARY = ("clip", "sigmoid", "silu", "tanh", "leaky", "hardsigmoid", "hardswish")
"""In the order of tt_unary_f32's `count`."""

Singles = NDArray[np.float32]


def float_program(graph: Graph) -> Program:
    """The graph, packed for the float32 kernels."""
    graph, first = _ingested(graph)
    tensors = {name: Tensor(shape, "f32", 1.0, 0) for name, shape in graph.shapes.items()}
    tensors[graph.picture.name] = Tensor(graph.picture.shape, "u8", 1.0, 0)
    layers = list(first)
    for operator in graph.operators:
        layers.extend(_pack(operator, graph, tensors))
    used = {graph.picture.name, *(layer.out for layer in layers)}
    kept = {name: tensor for name, tensor in tensors.items() if name in used}
    return Program(graph.picture, tuple(layers), kept, graph.outputs, graph.macs)


def _ingested(graph: Graph) -> tuple[Graph, list[Layer]]:
    """Readers of the picture that are no convolution get it as floats."""
    picture = graph.picture
    others = [o for o in graph.readers(picture.name) if not isinstance(o, Conv)]
    if not others:
        return graph, []
    name = f"{picture.name}.float"
    operators = tuple(
        replace(o, sources=tuple(name if s == picture.name else s for s in o.sources)) if o in others else o
        for o in graph.operators
    )
    floats = _pixels(graph)
    layer = Layer("tt_ingest_f32", (picture.name,), name, floats=floats)
    return replace(graph, operators=operators, shapes={**graph.shapes, name: picture.shape}), [layer]


def _pixels(graph: Graph) -> Singles:
    return np.stack([graph.picture.scale, graph.picture.shift], axis=1).astype(np.float32).reshape(-1)


def _limits(clamp: Range) -> Singles:
    return np.array([clamp.low, clamp.high], np.float32)


def _groups(weight: Floats, bias: Floats) -> Singles:
    """(O, K): for each 4 channels their biases, then for each product 4 channels."""
    channels, products = weight.shape
    padded = np.zeros((-(-channels // 4) * 4, products + 1), np.float32)
    padded[:channels, 0] = bias
    padded[:channels, 1:] = weight
    return padded.reshape(-1, 4, products + 1).transpose(0, 2, 1).reshape(-1)


def _pack(operator: Operator, graph: Graph, tensors: dict[str, Tensor]) -> list[Layer]:
    sources, out = operator.sources, operator.out
    first, made = tensors[sources[0]], tensors[out]
    match operator:
        case Conv():
            return [_conv(operator, graph, first, made)]
        case Depthwise():
            flat = operator.weight.reshape(len(operator.weight), -1)
            floats = np.concatenate([operator.bias[:, None], flat], axis=1).astype(np.float32).reshape(-1)
            ahead, limits = {sources[0]: rows_ahead(first, made, operator.window)}, _limits(operator.clamp)
            window = operator.window
            return [Layer("tt_depthwise_f32", sources, out, window, floats=floats, limits=limits, ahead=ahead)]
        case Dense():
            count, floats = operator.weight.shape[1], _groups(operator.weight, operator.bias)
            return [Layer("tt_dense_f32", sources, out, count=count, floats=floats, limits=_limits(operator.clamp))]
        case MaxPool():
            ahead = {sources[0]: rows_ahead(first, made, operator.window)}
            return [Layer("tt_max_pool_f32", sources, out, operator.window, ahead=ahead)]
        case AveragePool():
            ahead, count = {sources[0]: rows_ahead(first, made, operator.window)}, int(operator.padding_counts)
            return [Layer("tt_average_pool_f32", sources, out, operator.window, count, ahead=ahead)]
        case Add():
            ahead = dict.fromkeys(sources, 0)
            return [Layer("tt_add_f32", sources, out, limits=_limits(operator.clamp), ahead=ahead)]
        case Mul():
            ahead = {name: 0 for name in sources if tensors[name].shape == made.shape}
            return [Layer("tt_mul_f32", sources, out, ahead=ahead)]
        case Unary():
            floats = np.array(operator.numbers, np.float32)
            count = UNARY.index(operator.kind)
            return [Layer("tt_unary_f32", sources, out, count=count, floats=floats, ahead={sources[0]: 0})]
        case _:
            return _pack_moving(operator, graph)


def _pack_moving(operator: Operator, graph: Graph) -> list[Layer]:
    sources, out = operator.sources, operator.out
    match operator:
        case GlobalAverage():
            return [Layer("tt_global_average_f32", sources, out)]
        case Softmax():
            return [Layer("tt_softmax_f32", sources, out)]
        case Shuffle():
            return [Layer("tt_shuffle_f32", sources, out, count=operator.block)]
        case Concat():
            layers, at = [], 0
            for source in sources:
                layers.append(Layer("tt_place_f32", (source,), out, at=at))
                at += graph.shapes[source].channels
            return layers
        case Resize():
            lines = (*operator.rows, *operator.columns)
            if operator.nearest:
                return [Layer("tt_nearest_f32", sources, out, scales=np.array([x.lower for x in lines], np.int32))]
            ends = np.array([(x.lower, x.upper) for x in lines], np.int32).reshape(-1)
            weights = np.array([x.weight for x in lines], np.float32)
            return [Layer("tt_bilinear_f32", sources, out, scales=ends, floats=weights)]
        case Scale():
            raise AssertionError("simplify leaves no scaling")
        case _:
            raise AssertionError(type(operator).__name__)


def _conv(operator: Conv, graph: Graph, source: Tensor, out: Tensor) -> Layer:
    weight = operator.weight.reshape(len(operator.weight), -1)
    floats = _groups(weight, operator.bias)
    if source.kind == "u8":
        floats = np.concatenate([_pixels(graph), floats])
    count = weight.shape[1]
    return Layer(
        "tt_conv_f32",
        operator.sources,
        operator.out,
        operator.window,
        count,
        floats=floats,
        limits=_limits(operator.clamp),
        scratch=4 * ring_bytes(source, out, operator.window) + 4 * count,
        ahead={operator.sources[0]: taken_ahead(source, out, operator.window)},
        by_rows=("tt_conv_f32_take", "tt_conv_f32_tell"),
    )
