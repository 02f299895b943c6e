"""The integer net, and what it computes: the reference that the C runtime must equal byte for byte.

The scheme: weights symmetric per output channel in -127..127, activations int8 per tensor with a zero point, sums in
32 bits, and
    out = clamp(zero + ((sum * m + 2^30 >> 31) + 2^(r-1) >> r)),    m in 0..2^31 - 1, r in 0..31
which is what the NEON instructions vqrdmulh and vrshl compute. It is not gemmlowp's rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from telltale.export.c.floats import held, shuffle, windows
from telltale.export.c.graph import Line, Output, Picture, Shape, Window

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tensor:
    """kind: u8, i8, i16; real value = scale * (stored - zero)."""

    shape: Shape
    kind: str
    scale: float
    zero: int

    def real(self, stored: Integers) -> NDArray[np.float32]:
        """As C computes it."""
        return np.float32(self.scale) * (stored - self.zero).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Rescale:
    """multiplier (n,) in 0..2^31 - 1, shift (n,) 0..31 to the right."""

    multiplier: Integers
    shift: Integers

    def __call__(self, sums: Integers) -> Integers:
        high = (sums * self.multiplier + (1 << 30)) >> 31
        half = np.where(self.shift > 0, np.left_shift(1, np.maximum(self.shift - 1, 0)), 0)
        return np.asarray((high + half) >> self.shift)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Reads the tensors `sources`, writes `out`."""

    sources: tuple[str, ...]
    out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntConv(Step):
    """weight (O, rows, columns, I), bias (O,); padding (I,): what lies outside, as stored less 128 for the picture."""

    weight: Integers
    bias: Integers
    rescale: Rescale
    window: Window
    padding: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class IntDepthwise(Step):
    """weight (C, rows, columns), bias (C,)."""

    weight: Integers
    bias: Integers
    rescale: Rescale
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class IntDense(Step):
    """weight (O, K), bias (O,)."""

    weight: Integers
    bias: Integers
    rescale: Rescale


@dataclass(frozen=True, slots=True, kw_only=True)
class IntMaxPool(Step):
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class IntAveragePool(Step):
    """rescale: for 1 number, 2 numbers, ... of a window; that for 1 is not used."""

    window: Window
    padding_counts: bool
    rescale: Rescale


@dataclass(frozen=True, slots=True, kw_only=True)
class IntGlobalAverage(Step):
    rescale: Rescale


@dataclass(frozen=True, slots=True, kw_only=True)
class IntAdd(Step):
    """(a * factors[0] + b * factors[1] + constant) >> shift."""

    factors: tuple[int, int]
    constant: int
    shift: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntMul(Step):
    rescale: Rescale


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Step):
    """Copy to the channels of `out` from `at`."""

    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest(Step):
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bilinear(Step):
    """Weights in 1/256."""

    rows: tuple[Line, ...]
    columns: tuple[Line, ...]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntShuffle(Step):
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Step):
    """table (256,): the result for -128, -127, ..."""

    table: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest(Step):
    """tables (C, 256): the result for each byte of each channel."""

    tables: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve(Step):
    """points (257,): at -32768, -32512, ..., 32768; int16 to int16."""

    points: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class IntSoftmax(Step):
    """coarse, fine (256,): exp(-256 k s) and exp(-k s) in 1/65536."""

    coarse: Integers
    fine: Integers


@dataclass(frozen=True, slots=True)
class IntegerNet:
    picture: Picture
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    tensors: Mapping[str, Tensor]
    macs: int


def run(net: IntegerNet, picture: NDArray[np.uint8]) -> dict[str, Integers]:
    """Every tensor as it is stored, (H, W, C), by name. picture: (H, W, C) uint8."""
    values: dict[str, Integers] = {net.picture.name: picture.astype(np.int64)}
    for step in net.steps:
        inputs = [values[name] for name in step.sources]
        found = apply(step, inputs, [net.tensors[name] for name in step.sources], net.tensors[step.out])
        at = step.at if isinstance(step, (Place, Nearest, Bilinear)) else 0
        if found.shape[2] != net.tensors[step.out].shape.channels:
            shape = net.tensors[step.out].shape
            whole = values.setdefault(step.out, np.zeros((shape.height, shape.width, shape.channels), np.int64))
            whole[:, :, at : at + found.shape[2]] = found
        else:
            values[step.out] = found
    return values


def clamped(x: Integers, tensor: Tensor) -> Integers:
    low, high = (-32768, 32767) if tensor.kind == "i16" else (-128, 127)
    return np.asarray(np.clip(x + tensor.zero, low, high))


@singledispatch
def apply(step: Step, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    """What the step writes."""
    raise NotImplementedError(type(step).__name__)


@apply.register
def _(step: IntConv, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    x = inputs[0] - 128 if sources[0].kind == "u8" else inputs[0]
    shape = out.shape
    # Exact in float64: every sum is below 2^53.
    patches = windows(x, step.window, shape, step.padding).reshape(shape.height * shape.width, -1).astype(np.float64)
    sums = (patches @ step.weight.reshape(shape.channels, -1).T.astype(np.float64)).astype(np.int64) + step.bias
    return clamped(step.rescale(sums), out).reshape(shape.height, shape.width, shape.channels)


@apply.register
def _(step: IntDepthwise, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    patches = windows(inputs[0], step.window, out.shape, sources[0].zero)
    return clamped(step.rescale(np.einsum("yxrsc,crs->yxc", patches, step.weight) + step.bias), out)


@apply.register
def _(step: IntDense, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return clamped(step.rescale(step.weight @ inputs[0].reshape(-1) + step.bias), out).reshape(1, 1, -1)


@apply.register
def _(step: IntMaxPool, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return np.asarray(windows(inputs[0], step.window, out.shape, -128).max((2, 3)), np.int64)


@apply.register
def _(step: IntAveragePool, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    zero = sources[0].zero
    sums = windows(inputs[0] - zero, step.window, out.shape, 0).sum((2, 3))
    count = held(sources[0].shape, step.window, out.shape)
    if step.padding_counts:
        count = np.full_like(count, step.window.kernel[0] * step.window.kernel[1])
    index = count[:, :, None] - 1
    rescale = Rescale(step.rescale.multiplier[index], step.rescale.shift[index])
    return clamped(np.where(index == 0, sums, rescale(sums)), out)


@apply.register
def _(step: IntGlobalAverage, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return clamped(step.rescale((inputs[0] - sources[0].zero).sum((0, 1), keepdims=True)), out)


@apply.register
def _(step: IntAdd, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    total = inputs[0] * step.factors[0] + inputs[1] * step.factors[1] + step.constant
    return np.asarray(np.clip(total >> step.shift, -128, 127))


@apply.register
def _(step: IntMul, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return clamped(step.rescale((inputs[0] - sources[0].zero) * (inputs[1] - sources[1].zero)), out)


@apply.register
def _(step: Place, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return inputs[0]


@apply.register
def _(step: Nearest, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return inputs[0][list(step.rows)][:, list(step.columns)]


@apply.register
def _(step: Bilinear, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    across = np.array([int(line.weight) for line in step.columns])[None, :, None]
    down = np.array([int(line.weight) for line in step.rows])[:, None, None]
    x = inputs[0]
    left, right = x[:, [line.lower for line in step.columns]], x[:, [line.upper for line in step.columns]]
    mixed = left * (256 - across) + right * across
    upper, lower = mixed[[line.lower for line in step.rows]], mixed[[line.upper for line in step.rows]]
    return np.asarray((upper * (256 - down) + lower * down + 32768) >> 16)


@apply.register
def _(step: IntShuffle, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return np.asarray(shuffle(inputs[0], step.block), np.int64)


@apply.register
def _(step: Table, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return np.asarray(step.table[inputs[0] + 128])


@apply.register
def _(step: Ingest, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    return np.stack([table[inputs[0][:, :, c]] for c, table in enumerate(step.tables)], axis=2)


@apply.register
def _(step: Curve, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    x = inputs[0] + 32768
    k, part = x >> 8, x & 255
    return np.asarray((step.points[k] * (256 - part) + step.points[k + 1] * part + 128) >> 8)


@apply.register
def _(step: IntSoftmax, inputs: list[Integers], sources: list[Tensor], out: Tensor) -> Integers:
    below = inputs[0].max(2, keepdims=True) - inputs[0]
    parts = (step.coarse[below >> 8] * step.fine[below & 255] + 32768) >> 16
    total = parts.sum(2, keepdims=True)
    return np.asarray(np.minimum(((parts << 16) + total) // (2 * total), 32767))
