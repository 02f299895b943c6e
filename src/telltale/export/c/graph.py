"""A small net as a list of operators on height x width x channels tensors. Knows nothing of ONNX, integers or C.

Real numbers are float64 here: what is folded is rounded once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a tensor of one picture; a vector of n numbers is 1 x 1 x n."""

    height: int
    width: int
    channels: int

    @property
    def count(self) -> int:
        return self.height * self.width * self.channels

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"


@dataclass(frozen=True, slots=True)
class Window:
    """What slides over the input: (rows, columns) each; pad: above and to the left."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Range:
    """The result is clamped to low..high: ReLU is 0..inf."""

    low: float = -INFINITE
    high: float = INFINITE

    @property
    def open(self) -> bool:
        return self.low == -INFINITE and self.high == INFINITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Reads the tensors `sources`, writes the tensor `out`."""

    sources: tuple[str, ...]
    out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv(Operator):
    """weight (O, rows, columns, I), bias (O,). Cross-correlation, as ONNX and torch have it."""

    weight: Floats
    bias: Floats
    window: Window
    clamp: Range = Range()


@dataclass(frozen=True, slots=True, kw_only=True)
class Depthwise(Operator):
    """Each channel by itself: weight (C, rows, columns), bias (C,)."""

    weight: Floats
    bias: Floats
    window: Window
    clamp: Range = Range()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Operator):
    """weight (O, K), its columns in the order height, width, channels of the input; bias (O,)."""

    weight: Floats
    bias: Floats
    clamp: Range = Range()


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool(Operator):
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool(Operator):
    """Mean of what lies inside or, where `padding_counts`, with the padding as zeros."""

    window: Window
    padding_counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalAverage(Operator):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Operator):
    clamp: Range = Range()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mul(Operator):
    """The second source is as large as the first or has one number a channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Operator):
    """Along the channels."""


@dataclass(frozen=True, slots=True)
class Line:
    """One output row or column of a resize: between source `lower` and `upper`, `weight` of the upper in 0..1."""

    lower: int
    upper: int
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize(Operator):
    """Nearest where every weight is 0, else bilinear."""

    rows: tuple[Line, ...]
    columns: tuple[Line, ...]

    @property
    def nearest(self) -> bool:
        return all(line.weight == 0 for line in (*self.rows, *self.columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffle(Operator):
    """Depth to space: channel (c * block + y) * block + x becomes channel c of the pixel y, x of each block."""

    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Operator):
    """x * scale + shift, each (C,) or (1,)."""

    scale: Floats
    shift: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Operator):
    """kind: clip (low, high), sigmoid, silu, tanh, leaky (slope), hardsigmoid (a, b), hardswish (a, b)."""

    kind: str
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Operator):
    """Over the channels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The input: bytes, height x width x channels; real value = scale * byte + shift, each (C,)."""

    name: str
    shape: Shape
    scale: Floats
    shift: Floats


@dataclass(frozen=True, slots=True)
class Output:
    """name: as the model calls it; tensor: where it lies."""

    name: str
    tensor: str


@dataclass(frozen=True, slots=True)
class Graph:
    """Operators in an order in which they can run."""

    picture: Picture
    operators: tuple[Operator, ...]
    outputs: tuple[Output, ...]
    shapes: Mapping[str, Shape]

    def readers(self, tensor: str) -> list[Operator]:
        return [operator for operator in self.operators if tensor in operator.sources]

    def is_output(self, tensor: str) -> bool:
        return any(output.tensor == tensor for output in self.outputs)

    def maker(self, tensor: str) -> Operator | None:
        return next((operator for operator in self.operators if operator.out == tensor), None)

    @property
    def macs(self) -> int:
        return sum(macs_of(operator, self.shapes) for operator in self.operators)

    @property
    def parameters(self) -> int:
        return sum(o.weight.size + o.bias.size for o in self.operators if isinstance(o, (Conv, Depthwise, Dense)))


def macs_of(operator: Operator, shapes: Mapping[str, Shape]) -> int:
    """Multiplications of one operator with weights."""
    out = shapes[operator.out]
    match operator:
        case Conv():
            return out.height * out.width * operator.weight.size
        case Depthwise():
            return out.height * out.width * operator.weight.size
        case Dense():
            return operator.weight.size
        case _:
            return 0


def live(graph: Graph) -> Graph:
    """Without what no output needs."""
    needed = {output.tensor for output in graph.outputs}
    kept: list[Operator] = []
    for operator in reversed(graph.operators):
        if operator.out in needed:
            needed.update(operator.sources)
            kept.append(operator)
    return replace(graph, operators=tuple(reversed(kept)))


def lifetimes(graph: Graph) -> Iterator[tuple[str, int, int]]:
    """(tensor, index of the operator that writes it, index of the last that reads it); the picture is written at -1."""
    end = len(graph.operators)
    for name, born in [(graph.picture.name, -1), *((o.out, k) for k, o in enumerate(graph.operators))]:
        read = [k for k, o in enumerate(graph.operators) if name in o.sources]
        yield name, born, end if graph.is_output(name) else max(read, default=born)
