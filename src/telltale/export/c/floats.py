"""Run a graph in floating point with numpy: the ranges that calibration needs, and the reference of float nets."""

from __future__ import annotations

from functools import singledispatch
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from telltale.export.c.graph import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Dense,
    Depthwise,
    GlobalAverage,
    Graph,
    MaxPool,
    Mul,
    Operator,
    Range,
    Resize,
    Scale,
    Shape,
    Shuffle,
    Softmax,
    Unary,
    Window,
)

Array = NDArray[np.floating]
Single = NDArray[np.float32]


def run(graph: Graph, picture: NDArray[np.uint8]) -> dict[str, Single]:
    """Every tensor (H, W, C) float32, by name. picture: (H, W, C) uint8."""
    given = graph.picture
    tensors = {given.name: (picture * given.scale + given.shift).astype(np.float32)}
    for operator in graph.operators:
        inputs = [tensors[name] for name in operator.sources]
        value = apply(operator, inputs, graph.shapes[operator.out])
        tensors[operator.out] = np.asarray(value, np.float32)
    return tensors


Number = TypeVar("Number", bound=np.number)


def windows(x: NDArray[Number], window: Window, out: Shape, fill: object) -> NDArray[Number]:
    """(out.height, out.width, rows, columns, C): what lies under each place of a window, `fill` outside."""
    rows, columns = window.kernel
    below = (out.height - 1) * window.stride[0] + rows - window.pad[0] - x.shape[0]
    right = (out.width - 1) * window.stride[1] + columns - window.pad[1] - x.shape[1]
    padded = np.empty(
        (x.shape[0] + window.pad[0] + max(below, 0), x.shape[1] + window.pad[1] + max(right, 0), x.shape[2]), x.dtype
    )
    padded[:] = fill
    padded[window.pad[0] :, window.pad[1] :][: x.shape[0], : x.shape[1]] = x
    seen = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(0, 1))
    seen = seen[:: window.stride[0], :: window.stride[1]][: out.height, : out.width]
    return np.ascontiguousarray(seen.transpose(0, 1, 3, 4, 2))


def held(x: Shape, window: Window, out: Shape) -> NDArray[np.int64]:
    """(out.height, out.width): how many places of a window lie inside the input."""
    ones = windows(np.ones((x.height, x.width, 1), np.int64), window, out, 0)
    return np.asarray(ones.sum((2, 3, 4)), np.int64)


def clamp(x: Array, limits: Range) -> Array:
    return x if limits.open else np.asarray(np.clip(x, limits.low, limits.high))


def unary(kind: str, numbers: tuple[float, ...], x: Array) -> Array:
    """One function of one number; see `Unary`."""
    match kind:
        case "clip":
            return np.asarray(np.clip(x, numbers[0], numbers[1]))
        case "sigmoid":
            return _sigmoid(x)
        case "silu":
            return np.asarray(x * _sigmoid(x))
        case "tanh":
            return np.tanh(x)
        case "leaky":
            return np.where(x < 0, x * numbers[0], x)
        case "hardsigmoid":
            return np.asarray(np.clip(x * numbers[0] + numbers[1], 0, 1))
        case _:
            return np.asarray(x * np.clip(x * numbers[0] + numbers[1], 0, 1))


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


@singledispatch
def apply(operator: Operator, inputs: list[Array], out: Shape) -> Array:
    """The operator's result, (out.height, out.width, out.channels)."""
    raise NotImplementedError(type(operator).__name__)


@apply.register
def _(operator: Conv, inputs: list[Array], out: Shape) -> Array:
    patches = windows(inputs[0], operator.window, out, 0).reshape(out.height * out.width, -1)
    weight = operator.weight.reshape(out.channels, -1).astype(inputs[0].dtype)
    found = np.asarray(patches @ weight.T, inputs[0].dtype) + operator.bias
    return clamp(found.reshape(out.height, out.width, out.channels), operator.clamp)


@apply.register
def _(operator: Depthwise, inputs: list[Array], out: Shape) -> Array:
    patches = windows(inputs[0], operator.window, out, 0)
    return clamp(np.einsum("yxrsc,crs->yxc", patches, operator.weight) + operator.bias, operator.clamp)


@apply.register
def _(operator: Dense, inputs: list[Array], out: Shape) -> Array:
    return clamp((operator.weight @ inputs[0].reshape(-1) + operator.bias).reshape(1, 1, -1), operator.clamp)


@apply.register
def _(operator: MaxPool, inputs: list[Array], out: Shape) -> Array:
    return np.asarray(windows(inputs[0], operator.window, out, -np.inf).max((2, 3)))


@apply.register
def _(operator: AveragePool, inputs: list[Array], out: Shape) -> Array:
    sums = windows(inputs[0], operator.window, out, 0).sum((2, 3))
    if operator.padding_counts:
        return np.asarray(sums / (operator.window.kernel[0] * operator.window.kernel[1]))
    height, width, channels = inputs[0].shape
    return np.asarray(sums / held(Shape(height, width, channels), operator.window, out)[:, :, None])


@apply.register
def _(operator: GlobalAverage, inputs: list[Array], out: Shape) -> Array:
    return np.asarray(inputs[0].mean((0, 1), keepdims=True))


@apply.register
def _(operator: Add, inputs: list[Array], out: Shape) -> Array:
    return clamp(inputs[0] + inputs[1], operator.clamp)


@apply.register
def _(operator: Mul, inputs: list[Array], out: Shape) -> Array:
    return np.asarray(inputs[0] * inputs[1])


@apply.register
def _(operator: Concat, inputs: list[Array], out: Shape) -> Array:
    return np.concatenate(inputs, axis=2)


@apply.register
def _(operator: Resize, inputs: list[Array], out: Shape) -> Array:
    x = inputs[0]
    for axis, lines in enumerate((operator.rows, operator.columns)):
        weight = np.array([line.weight for line in lines], x.dtype).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        lower = np.take(x, [line.lower for line in lines], axis)
        x = lower + (np.take(x, [line.upper for line in lines], axis) - lower) * weight
    return x


@apply.register
def _(operator: Shuffle, inputs: list[Array], out: Shape) -> Array:
    return shuffle(inputs[0], operator.block)


def shuffle(x: NDArray[Number], block: int) -> NDArray[Number]:
    """Depth to space, see `Shuffle`."""
    height, width, channels = x.shape
    split = x.reshape(height, width, channels // block**2, block, block)
    return split.transpose(0, 3, 1, 4, 2).reshape(height * block, width * block, -1)


@apply.register
def _(operator: Scale, inputs: list[Array], out: Shape) -> Array:
    return np.asarray(inputs[0] * operator.scale + operator.shift)


@apply.register
def _(operator: Unary, inputs: list[Array], out: Shape) -> Array:
    return unary(operator.kind, operator.numbers, inputs[0])


@apply.register
def _(operator: Softmax, inputs: list[Array], out: Shape) -> Array:
    powers = np.exp(inputs[0] - inputs[0].max(2, keepdims=True))
    return np.asarray(powers / powers.sum(2, keepdims=True))
