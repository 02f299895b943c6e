"""What C is given: for each operator its function, its packed numbers, and what memory it may share.

The layouts are those that edge/kernels.h describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from telltale.export.c.graph import Output, Picture, Shape, Window
from telltale.export.c.integer import (
    Bilinear,
    Curve,
    Ingest,
    IntAdd,
    IntAveragePool,
    IntConv,
    IntDense,
    IntDepthwise,
    IntegerNet,
    Integers,
    IntGlobalAverage,
    IntMaxPool,
    IntMul,
    IntShuffle,
    IntSoftmax,
    Nearest,
    Place,
    Rescale,
    Step,
    Table,
    Tensor,
)

ELEMENT = {"u8": 1, "i8": 1, "i16": 2, "f32": 4}
"""Bytes of one number."""

OVERREAD = 32
"""Bytes behind a tensor that a kernel may read, and multiply by 0."""

NO_WEIGHTS = np.zeros(0, np.int8)
NO_SCALES = np.zeros(0, np.int32)
NO_FLOATS = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the generated table.

    ahead: for each source that the result may lie over: by how many bytes the source must begin behind the result.
    scratch: bytes. by_rows: the functions that take a row of the input and tell one of the result, where there are any.
    """

    function: str
    sources: tuple[str, ...]
    out: str
    window: Window = field(default_factory=lambda: Window((0, 0)))
    count: int = 0
    at: int = 0
    weights: NDArray[np.int8] = field(default_factory=lambda: NO_WEIGHTS)
    scales: NDArray[np.int32] = field(default_factory=lambda: NO_SCALES)
    floats: NDArray[np.float32] = field(default_factory=lambda: NO_FLOATS)
    limits: NDArray[np.float32] = field(default_factory=lambda: NO_FLOATS)
    scratch: int = 0
    ahead: Mapping[str, int] = field(default_factory=dict)
    by_rows: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A net as C will hold it."""

    picture: Picture
    layers: tuple[Layer, ...]
    tensors: Mapping[str, Tensor]
    outputs: tuple[Output, ...]
    macs: int


def bytes_of(tensor: Tensor) -> int:
    return tensor.shape.count * ELEMENT[tensor.kind]


def program_of(net: IntegerNet) -> Program:
    """The integer net, packed."""
    layers = tuple(pack(step, net.tensors) for step in net.steps)
    used = {net.picture.name, *(layer.out for layer in layers)}
    tensors = {name: tensor for name, tensor in net.tensors.items() if name in used}
    return Program(net.picture, layers, tensors, net.outputs, net.macs)


def rows_ahead(source: Tensor, out: Tensor, window: Window) -> int:
    """How far a source must begin behind a result that is written over it row by row.

    Row y of the result ends at (y + 1) rows of it, and from row y on nothing above source row stride * y - pad is read.
    """
    y = np.arange(out.shape.height)
    wrote = (y + 1) * out.shape.width * out.shape.channels * ELEMENT[out.kind]
    first = np.maximum(y * window.stride[0] - window.pad[0], 0)
    return int((wrote - first * row_bytes(source)).max())


def taken_ahead(source: Tensor, out: Tensor, window: Window) -> int:
    """The same where the rows under the window are kept elsewhere: may be negative, the result then begins behind.

    When row y of the result is written, source rows up to stride * y - pad + kernel have been taken.
    """
    y = np.arange(out.shape.height)
    wrote = (y + 1) * out.shape.width * out.shape.channels * ELEMENT[out.kind]
    taken = np.maximum(y * window.stride[0] - window.pad[0] + window.kernel[0], 0)
    needed = (wrote - taken * row_bytes(source))[taken < source.shape.height]
    return int(needed.max()) if needed.size else -bytes_of(source)


def row_bytes(tensor: Tensor) -> int:
    return tensor.shape.width * tensor.shape.channels * ELEMENT[tensor.kind]


def ring_bytes(source: Tensor, out: Tensor, window: Window) -> int:
    """The last rows under the window, with their padding."""
    reach = (out.shape.width - 1) * window.stride[1] + window.kernel[1]
    width = max(reach, source.shape.width + window.pad[1])
    return window.kernel[0] * width * source.shape.channels


def steps_of(products: int) -> int:
    """Steps of 16 products."""
    return -(-products // 16)


def pack_rows(weight: Integers) -> NDArray[np.int8]:
    """(O, K) weights as tt_conv reads them: for each 4 channels, for each 16 products, channel after channel."""
    channels, products = weight.shape
    groups, steps = -(-channels // 4), steps_of(products)
    padded = np.zeros((groups * 4, steps * 16), np.int8)
    padded[:channels, :products] = weight
    return padded.reshape(groups, 4, steps, 16).transpose(0, 2, 1, 3).reshape(-1)


def pack_scales(bias: Integers, rescale: Rescale, each: int) -> NDArray[np.int32]:
    """Biases, multipliers and shifts of each `each` channels; shifts as vrshl wants them, to the right below 0."""
    groups = -(-len(bias) // each)
    packed = np.zeros((3, groups * each), np.int32)
    packed[0, : len(bias)] = bias
    packed[1, : len(bias)] = rescale.multiplier
    packed[2, : len(bias)] = -rescale.shift
    return packed.reshape(3, groups, each).transpose(1, 0, 2).reshape(-1)


def pack(step: Step, tensors: Mapping[str, Tensor]) -> Layer:
    """One row of the table."""
    source, out = tensors[step.sources[0]], tensors[step.out]
    name, channels = step.sources[0], source.shape.channels
    match step:
        case IntConv():
            return _conv(step, source, out)
        case IntDepthwise():
            ahead = {name: rows_ahead(source, out, step.window)}
            weights, scratch = _pack_depthwise(step.weight), channels + 8
            scales = pack_scales(step.bias, step.rescale, 8)
            return Layer(
                "tt_depthwise", step.sources, step.out, step.window, 0, 0, weights, scales, scratch=scratch, ahead=ahead
            )
        case IntDense():
            weights, scales = pack_rows(step.weight), pack_scales(step.bias, step.rescale, 4)
            count = steps_of(step.weight.shape[1])
            return Layer("tt_dense", step.sources, step.out, count=count, weights=weights, scales=scales)
        case IntMaxPool():
            if step.window.kernel[0] > 255 or step.window.kernel[1] > 255:
                raise AssertionError(step.window)
            ahead = {name: rows_ahead(source, out, step.window)}
            return Layer("tt_max_pool", step.sources, step.out, step.window, scratch=channels, ahead=ahead)
        case IntAveragePool():
            ahead = {name: rows_ahead(source, out, step.window)}
            count, scales = int(step.padding_counts), _pairs(step.rescale)
            return Layer(
                "tt_average_pool",
                step.sources,
                step.out,
                step.window,
                count,
                scales=scales,
                scratch=4 * channels,
                ahead=ahead,
            )
        case IntGlobalAverage():
            scales = _pairs(step.rescale)
            return Layer("tt_global_average", step.sources, step.out, scales=scales, scratch=4 * channels + 32)
        case IntAdd():
            numbers = np.array([*step.factors, step.constant, -step.shift], np.int32)
            numbers[3] = step.shift
            ahead = dict.fromkeys(step.sources, 0)
            return Layer("tt_add", step.sources, step.out, scales=numbers, ahead=ahead)
        case IntMul():
            ahead = {n: 0 for n in step.sources if tensors[n].shape == out.shape}
            return Layer("tt_mul", step.sources, step.out, scales=_pairs(step.rescale), ahead=ahead)
        case _:
            return _pack_moving(step, source, out)


def _pack_moving(step: Step, source: Tensor, out: Tensor) -> Layer:
    """Operators that move numbers or look them up."""
    name = step.sources[0]
    match step:
        case Place():
            return Layer("tt_place", step.sources, step.out, at=step.at)
        case Nearest():
            scales = np.array([*step.rows, *step.columns], np.int32)
            return Layer("tt_nearest", step.sources, step.out, at=step.at, scales=scales)
        case Bilinear():
            lines = [(line.lower, line.upper, line.weight) for line in (*step.rows, *step.columns)]
            return Layer(
                "tt_bilinear", step.sources, step.out, at=step.at, scales=np.array(lines, np.int32).reshape(-1)
            )
        case IntShuffle():
            return Layer("tt_shuffle", step.sources, step.out, count=step.block)
        case Table():
            return Layer("tt_table", step.sources, step.out, weights=step.table.astype(np.int8), ahead={name: 0})
        case Ingest():
            tables = step.tables.astype(np.int8).reshape(-1)
            return Layer("tt_ingest", step.sources, step.out, weights=tables, ahead={name: 0})
        case Curve():
            return Layer("tt_curve", step.sources, step.out, scales=step.points.astype(np.int32), ahead={name: 0})
        case IntSoftmax():
            scales = np.concatenate([step.coarse, step.fine]).astype(np.int32)
            return Layer("tt_softmax", step.sources, step.out, scales=scales, scratch=4 * source.shape.channels)
        case _:
            raise AssertionError(type(step).__name__)


def _conv(step: IntConv, source: Tensor, out: Tensor) -> Layer:
    weight = step.weight.reshape(len(step.weight), -1)
    count = steps_of(weight.shape[1])
    scales = pack_scales(step.bias, step.rescale, 4)
    if source.kind == "u8":
        padding = np.zeros(4, np.int8)
        padding[: len(step.padding)] = step.padding
        scales = np.concatenate([padding.view(np.int32), scales])
    direct = step.window == Window((1, 1), step.window.stride) and source.kind == "i8"
    ring = ring_bytes(source, out, step.window)
    return Layer(
        "tt_conv",
        step.sources,
        step.out,
        step.window,
        count,
        weights=pack_rows(weight),
        scales=scales,
        scratch=2 * (16 * count + OVERREAD) + (0 if direct else (ring + OVERREAD + 7) // 8 * 8),
        ahead={step.sources[0]: (rows_ahead if direct else taken_ahead)(source, out, step.window)},
        by_rows=("tt_conv_take", "tt_conv_tell"),
    )


def _pack_depthwise(weight: Integers) -> NDArray[np.int8]:
    channels, taps = len(weight), weight[0].size
    packed = np.zeros((-(-channels // 8) * 8, taps + taps % 2), np.int8)
    packed[:channels, :taps] = weight.reshape(channels, taps)
    return packed.reshape(-1, 8, packed.shape[1]).transpose(0, 2, 1).reshape(-1)


def _pairs(rescale: Rescale) -> NDArray[np.int32]:
    return np.stack([rescale.multiplier, -rescale.shift], axis=1).astype(np.int32).reshape(-1)


def float_tensor(shape: Shape) -> Tensor:
    return Tensor(shape, "f32", 1.0, 0)
