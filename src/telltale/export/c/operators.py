"""What each ONNX operator becomes in a `Graph`. Knows nothing of files, integers or C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale.export.c.call import Call, Held
from telltale.export.c.graph import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Dense,
    Depthwise,
    Floats,
    GlobalAverage,
    Line,
    MaxPool,
    Mul,
    Resize,
    Scale,
    Shape,
    Shuffle,
    Softmax,
    Unary,
    Window,
)


def _window(call: Call, kernel: Sequence[int]) -> tuple[Window, Shape]:
    """The window and the size of what it makes."""
    given, attributes = call.shape(), call.attributes
    if any(d != 1 for d in attributes.get("dilations", [1])):
        raise call.refuse("dilation 1", str(attributes["dilations"]))
    strides = list(attributes.get("strides", [1, 1]))
    pads = list(attributes.get("pads", [0, 0, 0, 0]))
    auto = attributes.get("auto_pad", b"NOTSET")
    sizes, first = [], []
    for axis, size in enumerate((given.height, given.width)):
        before, after = pads[axis], pads[axis + 2]
        if auto in (b"SAME_UPPER", b"SAME_LOWER"):
            total = max((ceil(size / strides[axis]) - 1) * strides[axis] + kernel[axis] - size, 0)
            before = total // 2 if auto == b"SAME_UPPER" else total - total // 2
            after = total - before
        steps = (size + before + after - kernel[axis]) / strides[axis]
        count = (ceil(steps) if attributes.get("ceil_mode", 0) else floor(steps)) + 1
        if attributes.get("ceil_mode", 0) and (count - 1) * strides[axis] >= size + before:
            count -= 1  # a window must begin inside
        sizes.append(count)
        first.append(before)
    if min(sizes) < 1 or max(kernel) > 255 or max(strides) > 255:
        raise call.refuse("a window that fits", f"{list(kernel)} over {given}")
    window = Window((kernel[0], kernel[1]), (strides[0], strides[1]), (first[0], first[1]))
    return window, Shape(sizes[0], sizes[1], given.channels)


def _conv(call: Call) -> Held:
    call.map()
    weight = call.weights(1)
    if weight.ndim != 4:
        raise call.refuse("a 2-D convolution", f"weights {weight.shape}")
    group, channels = call.attributes.get("group", 1), call.shape().channels
    bias = call.constant(2)
    bias = np.zeros(len(weight)) if bias is None else bias.astype(np.float64)
    window, shape = _window(call, weight.shape[2:])
    shape = replace(shape, channels=len(weight))
    if max(window.kernel) > 16:
        raise call.refuse("a kernel of at most 16", str(window.kernel))
    if group == 1:
        return call.add(Conv, shape, weight=weight.transpose(0, 2, 3, 1), bias=bias, window=window)
    if group == channels == len(weight):
        return call.add(Depthwise, shape, weight=weight[:, 0], bias=bias, window=window)
    full = np.zeros((len(weight), *weight.shape[2:], channels))  # any other grouping: a convolution with zeros
    each_out, each_in = len(weight) // group, channels // group
    for g in range(group):
        rows = slice(g * each_out, (g + 1) * each_out)
        full[rows, :, :, g * each_in : (g + 1) * each_in] = weight[rows].transpose(0, 2, 3, 1)
    return call.add(Conv, shape, weight=full, bias=bias, window=window)


def _columns(call: Call, weight: Floats) -> Floats:
    """(O, K) with K in the order C, H, W as ONNX flattens, to the order H, W, C."""
    shape = call.shape()
    if weight.shape[1] != shape.count:
        raise call.refuse(f"{shape.count} columns", str(weight.shape[1]))
    by_channel = weight.reshape(len(weight), shape.channels, shape.height, shape.width)
    return by_channel.transpose(0, 2, 3, 1).reshape(len(weight), -1)


def _dense(call: Call) -> Held:
    value = call.held()
    if len(value.dims) != 2:
        raise call.refuse("a flat input (N, K)", str(value.dims))
    weight = call.weights(1)
    bias: Floats | float = 0.0
    if call.op == "Gemm":
        if call.attributes.get("transA", 0):
            raise call.refuse("transA 0", "1")
        weight = weight * call.attributes.get("alpha", 1.0)
        weight = weight if call.attributes.get("transB", 0) else weight.T
        given = call.constant(2)
        bias = 0.0 if given is None else given.astype(np.float64) * call.attributes.get("beta", 1.0)
    else:
        weight = weight.T
    full = np.zeros(len(weight)) + bias
    return call.add(Dense, Shape(1, 1, len(weight)), weight=_columns(call, weight), bias=full.reshape(-1))


def _pool(call: Call) -> Held:
    call.map()
    window, shape = _window(call, call.attributes["kernel_shape"])
    if max(window.kernel) > 16 and window.kernel != (call.shape().height, call.shape().width):
        raise call.refuse("a window of at most 16, or the whole", str(window.kernel))
    if call.op == "MaxPool":
        return call.add(MaxPool, shape, window=window)
    if (
        window.kernel == (call.shape().height, call.shape().width)
        and window.pad == (0, 0)
        and shape.count == shape.channels
    ):
        return call.add(GlobalAverage, shape)
    return call.add(AveragePool, shape, window=window, padding_counts=bool(call.attributes.get("count_include_pad", 0)))


def _global(call: Call) -> Held:
    call.map()
    shape = Shape(1, 1, call.shape().channels)
    if call.op == "GlobalAveragePool":
        return call.add(GlobalAverage, shape)
    return call.add(MaxPool, shape, window=Window((call.shape().height, call.shape().width)))


def _reduce_mean(call: Call) -> Held:
    call.map()
    axes = call.constant(1) if len(call.inputs) > 1 else np.array(call.attributes.get("axes", []))
    if axes is None or sorted(int(a) % 4 for a in axes) != [2, 3]:
        raise call.refuse("a mean over height and width", f"axes {axes}")
    found = call.add(GlobalAverage, Shape(1, 1, call.shape().channels))
    return found if call.attributes.get("keepdims", 1) else replace(found, dims=found.dims[:2])


def _per_channel(call: Call, value: NDArray[Any], held: Held) -> Floats:
    """A constant that is broadcast along everything but the channels, as (C,) or (1,)."""
    numbers = value.astype(np.float64)
    if numbers.size == 1:
        return numbers.reshape(1)
    axis = len(held.dims) - 1 if held.last or len(held.dims) == 2 else 1
    full = numbers.reshape((1,) * (len(held.dims) - numbers.ndim) + numbers.shape)
    if any(size != 1 for k, size in enumerate(full.shape) if k != axis) or full.size != call.shape().channels:
        raise call.refuse("one number a channel", f"a constant of {value.shape}")
    return full.reshape(-1)


def _arithmetic(call: Call) -> Held:
    left, right = call.inputs
    if isinstance(left, Held) and isinstance(right, Held):
        return _two(call, left, right)
    held = left if isinstance(left, Held) else right
    constant = right if isinstance(left, Held) else left
    assert isinstance(held, Held)
    assert not isinstance(constant, Held)
    ordered = Call(call.reader, call.op, call.out, [held, constant], call.attributes)
    c = _per_channel(ordered, constant, held)
    one, none = np.ones(1), np.zeros(1)
    if call.op == "Add":
        scale, shift = one, c
    elif call.op == "Mul":
        scale, shift = c, none
    elif call.op == "Sub":
        scale, shift = (one, -c) if held is left else (-one, c)
    elif held is left:
        scale, shift = 1 / c, none
    else:
        raise call.refuse("a constant divisor", "a computed one")
    if held.scale is not None and held.shift is not None:
        return replace(held, scale=held.scale * scale, shift=held.shift * scale + shift)
    return ordered.same(Scale, scale=scale, shift=shift)


def _two(call: Call, left: Held, right: Held) -> Held:
    a, b = call.reader.shapes[left.tensor], call.reader.shapes[right.tensor]
    if call.op == "Add" and a == b and left.dims == right.dims:
        return call.same(Add)
    if call.op == "Mul" and len(left.dims) == len(right.dims):
        first, second = (left, right) if a.count >= b.count else (right, left)
        small = call.reader.shapes[second.tensor]
        if a == b or (small.count == small.channels == a.channels == b.channels):
            return Call(call.reader, call.op, call.out, [first, second], call.attributes).same(Mul)
    raise call.refuse("two inputs of one size, or one number a channel", f"{call.op} of {a} and {b}")


def _normalise(call: Call) -> Held:
    gain, bias, mean, variance = (call.weights(k) for k in (1, 2, 3, 4))
    scale = gain / np.sqrt(variance + call.attributes.get("epsilon", 1e-5))
    return call.same(Scale, scale=scale, shift=bias - mean * scale)


def _unary(call: Call) -> Held:
    a = call.attributes
    match call.op:
        case "Relu":
            return call.same(Unary, kind="clip", numbers=(0.0, float("inf")))
        case "Clip":
            low, high = (call.constant(k) for k in (1, 2))
            lowest = a.get("min", -np.inf) if low is None else low.item()
            highest = a.get("max", np.inf) if high is None else high.item()
            return Call(call.reader, call.op, call.out, call.inputs[:1], a).same(
                Unary, kind="clip", numbers=(float(lowest), float(highest))
            )
        case "LeakyRelu":
            return call.same(Unary, kind="leaky", numbers=(float(a.get("alpha", 0.01)),))
        case "HardSigmoid":
            return call.same(Unary, kind="hardsigmoid", numbers=(float(a.get("alpha", 0.2)), float(a.get("beta", 0.5))))
        case "HardSwish":
            return call.same(Unary, kind="hardswish", numbers=(1 / 6, 0.5))
        case _:
            return call.same(Unary, kind={"Sigmoid": "sigmoid", "Tanh": "tanh"}[call.op])


def _softmax(call: Call) -> Held:
    dims, axis = call.held().dims, call.attributes.get("axis", -1 if call.reader.opsets.get("", 13) >= 13 else 1)
    if axis % len(dims) != 1:
        raise call.refuse("a softmax over the channels", f"axis {axis} of {dims}")
    return call.same(Softmax)


def _concat(call: Call) -> Held:
    shapes = [call.shape(k) for k in range(len(call.inputs))]
    dims = call.held().dims
    if call.attributes["axis"] % len(dims) != 1 or len({(s.height, s.width) for s in shapes}) != 1:
        raise call.refuse("maps of one size along the channels", ", ".join(map(str, shapes)))
    if len(dims) == 2 and any(s.count != s.channels for s in shapes):
        raise call.refuse("vectors", ", ".join(map(str, shapes)))
    return call.add(Concat, replace(shapes[0], channels=sum(s.channels for s in shapes)))


def _resize(call: Call) -> Held:
    given = call.map()
    first = Call(call.reader, call.op, call.out, call.inputs[:1], call.attributes)
    is_old = call.op == "Upsample"
    scales, sizes = call.constant(1 if is_old else 2), None if is_old else call.constant(3)
    if sizes is not None:
        target = [int(size) for size in sizes]
    elif scales is not None:
        target = [int(size * scale) for size, scale in zip(given.dims, scales, strict=True)]
    else:
        raise call.refuse("scales or sizes", "neither")
    mode = call.attributes.get("mode", b"nearest").decode()
    how = "asymmetric" if is_old else call.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounding = "floor" if is_old else call.attributes.get("nearest_mode", b"round_prefer_floor").decode()
    if mode not in ("nearest", "linear") or target[:2] != list(given.dims[:2]):
        raise call.refuse("nearest or linear, of height and width", f"{mode} to {target}")
    lines = []
    for axis in (2, 3):
        scale = target[axis] / given.dims[axis] if scales is None else float(scales[axis])
        lines.append(
            tuple(
                _line(call, k, given.dims[axis], target[axis], scale, mode, how, rounding) for k in range(target[axis])
            )
        )
    shape = Shape(target[2], target[3], call.shape().channels)
    return first.add(Resize, shape, rows=lines[0], columns=lines[1])


def _line(call: Call, k: int, size: int, target: int, scale: float, mode: str, how: str, rounding: str) -> Line:
    """Where output row or column `k` lies in the source, by the equations of ONNX's Resize."""
    match how:
        case "half_pixel":
            x = (k + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            x = (k + 0.5) / scale - 0.5 if target > 1 else 0.0
        case "asymmetric":
            x = k / scale
        case "align_corners":
            x = k * (size - 1) / (target - 1) if target > 1 else 0.0
        case _:
            raise call.refuse("half_pixel, asymmetric or align_corners", how)
    if mode == "nearest":
        near = {"floor": floor(x), "ceil": ceil(x), "round_prefer_floor": ceil(x - 0.5)}.get(rounding, floor(x + 0.5))
        near = min(max(near, 0), size - 1)
        return Line(near, near, 0.0)
    x = min(max(x, 0.0), size - 1.0)
    lower = min(floor(x), size - 1)
    return Line(lower, min(lower + 1, size - 1), x - lower)


def _shuffle(call: Call) -> Held:
    call.map()
    block, shape = call.attributes["blocksize"], call.shape()
    if call.attributes.get("mode", b"DCR") != b"CRD" and shape.channels != block * block:
        raise call.refuse("mode CRD", "DCR")
    out = Shape(shape.height * block, shape.width * block, shape.channels // block**2)
    return call.add(Shuffle, out, block=block)


def _alias(call: Call) -> Held:
    return call.held()


def _transpose(call: Call) -> Held:
    value, order = call.held(), tuple(call.attributes["perm"])
    if order == (0, 3, 1, 2) and value.last:
        return replace(value, dims=tuple(value.dims[k] for k in order), last=False)
    if order == (0, 2, 3, 1) and not value.last:
        return replace(value, dims=tuple(value.dims[k] for k in order), last=True)
    raise call.refuse("N, H, W, C to N, C, H, W or back", str(order))


def _reshape(call: Call) -> Held:
    value = call.held()
    total = int(np.prod(value.dims))
    if call.op == "Flatten":
        axis = call.attributes.get("axis", 1)
        target = [int(np.prod(value.dims[:axis])), int(np.prod(value.dims[axis:]))]
    elif call.op == "Reshape":
        given = call.constant(1)
        assert given is not None
        target = [
            value.dims[k] if d == 0 and not call.attributes.get("allowzero", 0) else int(d) for k, d in enumerate(given)
        ]
        if -1 in target:
            target[target.index(-1)] = total // -int(np.prod(target))
    else:
        target = _squeezed(call, value)
    dims = tuple(target)
    shape = call.reader.shapes[value.tensor]
    if dims == value.dims:
        return value
    flat, spread = (1, shape.count), (1, shape.channels, shape.height, shape.width)
    if not value.last and (dims == flat or (dims == spread and shape.count == shape.channels)):
        return replace(value, dims=dims)
    raise call.refuse(f"{flat} or {spread}", str(dims))


def _squeezed(call: Call, value: Held) -> list[int]:
    axes = call.constant(1) if len(call.inputs) > 1 else np.array(call.attributes.get("axes", []))
    if axes is None:
        raise call.refuse("axes", "none")
    if call.op == "Squeeze":
        gone = {int(a) % len(value.dims) for a in axes}
        return [d for k, d in enumerate(value.dims) if k not in gone]
    target = list(value.dims)
    for axis in sorted(int(a) % (len(value.dims) + len(axes)) for a in axes):
        target.insert(axis, 1)
    return target


HANDLERS: dict[str, Callable[[Call], Held]] = {
    "Conv": _conv,
    **dict.fromkeys(("Gemm", "MatMul"), _dense),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _global),
    "ReduceMean": _reduce_mean,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic),
    "BatchNormalization": _normalise,
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh"), _unary),
    "Softmax": _softmax,
    "Concat": _concat,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "DepthToSpace": _shuffle,
    **dict.fromkeys(("Cast", "Identity", "Dropout"), _alias),
    "Transpose": _transpose,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
}
"""ONNX operator to what reads it."""
