"""A plain network as the `Graph` that its ONNX model is read as. Knows nothing of ONNX, integers or C.

For what only asks for sizes, hundreds of times: to write ONNX and read it again takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
from torch import Tensor, nn

from telltale.bundle.predictor import INPUT
from telltale.errors import ExportError
from telltale.export.c.graph import (
    INFINITE,
    Add,
    AveragePool,
    Conv,
    Dense,
    Floats,
    GlobalAverage,
    Graph,
    Line,
    Operator,
    Output,
    Picture,
    Range,
    Resize,
    Shape,
    Shuffle,
    Unary,
    Window,
)
from telltale.model.backbones import Plain, PlainNet
from telltale.model.heads import StatesHead
from telltale.model.mask_head import MaskHead
from telltale.model.network import MEAN, STD, Network

RELU = Range(0.0, INFINITE)
PROBABILITIES = "probabilities"


def graph_of(network: Network) -> Graph:
    """What `simplify(read_onnx(...))` gives of the model that ships, at temperature 1, its tensors under other names.

    Raises ExportError where the backbone is no chain of plain layers.
    """
    twin = network.fused().cpu()
    if not isinstance(twin.backbone, PlainNet):
        raise ExportError("sizes in C", expected="a plain backbone", got=type(twin.backbone).__name__)
    drawn = _Drawing(Shape(network.height, network.width, 3))
    maps, tensor = [], INPUT
    for index, layer in enumerate(twin.backbone.layers):
        tensor = drawn.conv(tensor, cast(Plain, layer).conv, RELU)
        if index in twin.backbone.ends:
            maps.append(tensor)
    if isinstance(twin.head, StatesHead):
        logits = _states(drawn, twin.head, maps[-1])
    else:
        logits = _mask(drawn, cast(MaskHead, twin.head), maps)
    drawn.add(Unary(sources=(logits,), out=PROBABILITIES, kind="sigmoid"), drawn.shapes[logits])
    scale, shift = np.full(3, 1 / (255 * STD)), np.full(3, -MEAN / STD)
    picture = Picture(INPUT, drawn.shapes[INPUT], scale, shift)
    outputs = (Output(PROBABILITIES, PROBABILITIES),)
    return Graph(picture, tuple(drawn.operators), outputs, drawn.shapes)


def _states(drawn: _Drawing, head: StatesHead, tensor: str) -> str:
    given = drawn.shapes[tensor]
    if head.pool != (1, 1):
        whole = head.pool == (given.height, given.width)
        shape = Shape(*head.grid, given.channels)
        pool = AveragePool(sources=(tensor,), out="pool", window=Window(head.pool, head.pool))
        tensor = drawn.add(GlobalAverage(sources=(tensor,), out="pool") if whole else pool, shape)
    return drawn.dense(drawn.dense(tensor, head.mix, RELU), head.tell, Range())


def _mask(drawn: _Drawing, head: MaskHead, maps: list[str]) -> str:
    tensor = maps[-1]
    for narrow, mix, skip in zip(head.narrow, head.mix, reversed(maps[head.first : -1]), strict=True):
        tensor = drawn.conv(tensor, cast(nn.Conv2d, narrow), Range())
        small, shape = drawn.shapes[tensor], drawn.shapes[skip]
        rows, columns = (_doubled(size) for size in (small.height, small.width))
        large = f"{tensor}.large"
        drawn.add(Resize(sources=(tensor,), out=large, rows=rows, columns=columns), shape)
        total = drawn.add(Add(sources=(large, skip), out=f"{tensor}.sum"), shape)
        tensor = drawn.conv(total, cast(Plain, mix).conv, RELU)
    tensor = drawn.conv(tensor, head.tell, Range())
    if head.shrink == 1:
        return tensor
    small = drawn.shapes[tensor]
    shape = Shape(small.height * head.shrink, small.width * head.shrink, head.names)
    return drawn.add(Shuffle(sources=(tensor,), out="spread", block=head.shrink), shape)


def _doubled(size: int) -> tuple[Line, ...]:
    return tuple(Line(k // 2, k // 2, 0.0) for k in range(2 * size))


@dataclass
class _Drawing:
    """A graph that grows."""

    picture: Shape
    operators: list[Operator] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shapes[INPUT] = self.picture

    def add(self, operator: Operator, shape: Shape) -> str:
        self.operators.append(operator)
        self.shapes[operator.out] = shape
        return operator.out

    def conv(self, source: str, conv: nn.Conv2d, clamp: Range) -> str:
        given, out = self.shapes[source], f"conv{len(self.operators)}"
        rows, columns = cast(tuple[int, int], conv.kernel_size)
        stride, pad = cast(tuple[int, int], conv.stride), cast(tuple[int, int], conv.padding)
        height = (given.height + 2 * pad[0] - rows) // stride[0] + 1
        width = (given.width + 2 * pad[1] - columns) // stride[1] + 1
        weight, bias = _array(conv.weight).transpose(0, 2, 3, 1), _array(conv.bias)
        shape = Shape(height, width, len(weight))
        if rows == columns == 1 and given.count == given.channels:  # as `simplify` has it
            flat = weight.reshape(len(weight), -1)
            return self.add(Dense(sources=(source,), out=out, weight=flat, bias=bias, clamp=clamp), shape)
        window = Window((rows, columns), stride, pad)
        return self.add(Conv(sources=(source,), out=out, weight=weight, bias=bias, window=window, clamp=clamp), shape)

    def dense(self, source: str, linear: nn.Linear, clamp: Range) -> str:
        given, out = self.shapes[source], f"dense{len(self.operators)}"
        weight = _array(linear.weight)
        by_channel = weight.reshape(len(weight), given.channels, given.height, given.width)
        weight = by_channel.transpose(0, 2, 3, 1).reshape(len(weight), -1)
        bias = _array(linear.bias)
        dense = Dense(sources=(source,), out=out, weight=weight, bias=bias, clamp=clamp)
        return self.add(dense, Shape(1, 1, len(weight)))


def _array(tensor: Tensor | None) -> Floats:
    assert tensor is not None
    return tensor.detach().double().numpy()
