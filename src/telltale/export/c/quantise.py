"""From a graph in floating point and pictures to the integer net. Knows nothing of ONNX or C."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatchmethod

import numpy as np

from telltale.errors import ExportError
from telltale.export.c import integer
from telltale.export.c.floats import unary
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
    Shuffle,
    Softmax,
    Unary,
)
from telltale.export.c.integer import IntegerNet, Integers, Rescale, Step, Tensor
from telltale.export.c.scales import Seen, leaves_wide, moved, same_scale

LARGEST = 127
"""Of a weight: two products of 127 * -128 fit 16 bits."""

BIAS = 2**30
"""No bias is larger."""

HEADROOM = 4.0
"""How much larger than in calibration an int16 logit may become before it saturates."""

STEEPEST = 1 - 2**-20
"""No multiplier is 1 or more."""


def quantise(graph: Graph, seen: dict[str, Seen]) -> IntegerNet:
    """The integer net. Raises ExportError where an operator has no integer counterpart in this place."""
    return _Quantiser(graph, seen).run()


def rescale_of(factor: Floats | float) -> Rescale:
    """multiplier * 2^-31 * 2^-shift nearest to each factor in 0..1."""
    factors = np.atleast_1d(np.asarray(factor, np.float64))
    assert (factors >= 0).all()
    assert (factors < 1).all()
    _, exponent = np.frexp(factors)
    shift = np.clip(-exponent, 0, 31)
    multiplier = np.round(factors * np.exp2(31.0 + shift)).astype(np.int64)
    over = multiplier == 2**31  # rounded up to the next power
    multiplier = np.where(over & (shift > 0), 2**30, np.minimum(multiplier, 2**31 - 1))
    return Rescale(multiplier, np.where(over, np.maximum(shift - 1, 0), shift).astype(np.int64))


def weights_of(weight: Floats, bias: Floats, scale_in: float) -> tuple[Integers, Floats]:
    """(O, ...) weights in -127..127 and their scale (O,), so large that the bias fits too."""
    largest = np.abs(weight.reshape(len(weight), -1)).max(1)
    scale = np.maximum(largest / LARGEST, np.abs(bias) / (scale_in * BIAS))
    scale = np.where(scale > 0, scale, 1.0)
    q = np.round(weight / scale.reshape(-1, *(1,) * (weight.ndim - 1)))
    return np.clip(q, -LARGEST, LARGEST).astype(np.int64), scale


class _Quantiser:
    def __init__(self, graph: Graph, seen: dict[str, Seen]) -> None:
        self.graph = graph
        self.seen = dict(seen)
        self.steps: list[Step] = []
        self.tensors: dict[str, Tensor] = {}
        self.moved = moved(graph)
        self.wide = {o.out for o in graph.operators if leaves_wide(graph, o)}

    def run(self) -> IntegerNet:
        picture = self.graph.picture
        self.tensors[picture.name] = Tensor(picture.shape, "u8", float(picture.scale[0]), 0)
        self._ingest()
        self._settle_scales()
        for operator in self.graph.operators:
            self._step(operator)
        return IntegerNet(picture, tuple(self.steps), self.graph.outputs, self.tensors, self.graph.macs)

    # ---- scales ----

    def _settle_scales(self) -> None:
        groups = same_scale(self.graph)
        for names in groups:
            self._set(names, min(self._range(n).low for n in names), max(self._range(n).high for n in names), 0.0)
        group_of = {name: names for names in groups for name in names}
        for _ in range(100):  # a scale made larger makes those after it larger
            changed = False
            for operator in self.graph.operators:
                needed = self._least_scale(operator)
                if needed > self.tensors[operator.out].scale * STEEPEST:
                    names = group_of[operator.out]
                    low, high = min(self._range(n).low for n in names), max(self._range(n).high for n in names)
                    self._set(names, low, high, needed / STEEPEST)
                    changed = True
            if not changed:
                return
        raise ExportError("quantisation", expected="scales that settle", got="none after 100 rounds")

    def _range(self, name: str) -> Seen:
        """What a tensor holds, without what its operator clamps away."""
        seen, maker = self.seen[name], self.graph.maker(name)
        if isinstance(maker, Unary) and maker.kind == "sigmoid":
            return Seen(0.0, 255 / 256)
        if isinstance(maker, (Conv, Depthwise, Dense, Add)):
            low, high = maker.clamp.low, maker.clamp.high
            return Seen(min(max(seen.low, low), 0.0), max(min(seen.high, high), 0.0))
        return seen

    def _set(self, names: tuple[str, ...], low: float, high: float, least: float) -> None:
        for name in names:
            shape = self.graph.shapes[name]
            maker = self.graph.maker(name)
            if isinstance(maker, Softmax) or (isinstance(maker, Unary) and maker.sources[0] in self.wide):
                self.tensors[name] = Tensor(shape, "i16", 1 / 32768, 0)
            elif name in self.wide:
                scale = _single(max(max(-low, high) * HEADROOM / 32767, 1e-30), least)
                self.tensors[name] = Tensor(shape, "i16", scale, 0)
            elif name != self.graph.picture.name:
                scale = _single(max((high - low) / 255, 1e-30), least)
                zero = int(np.clip(np.round(-128 - low / scale), -128, 127))
                self.tensors[name] = Tensor(shape, "i8", scale, zero)

    def _least_scale(self, operator: Operator) -> float:
        """The scale of the result below which a multiplier would be 1 or more."""
        match operator:
            case Conv() | Depthwise() | Dense():
                weight, bias, scale_in, _ = self._real_weights(operator)
                return float((weights_of(weight, bias, scale_in)[1] * scale_in).max())
            case Mul():
                a, b = (self.tensors[name] for name in operator.sources)
                return a.scale * b.scale
            case GlobalAverage():
                source = self.tensors[operator.sources[0]]
                return source.scale / (source.shape.height * source.shape.width)
            case _:
                return 0.0

    # ---- the picture ----

    def _ingest(self) -> None:
        """Readers of the picture that are no convolution get it as an int8 tensor."""
        picture = self.graph.picture
        others = [o for o in self.graph.readers(picture.name) if not isinstance(o, Conv)]
        if not others and not self.graph.is_output(picture.name):
            if (picture.scale != 0).all():
                return
            raise ExportError("the picture", expected="a scale that is not 0", got=str(picture.scale))
        name = f"{picture.name}.int8"
        values = picture.scale[:, None] * np.arange(256) + picture.shift[:, None]  # (C, 256)
        self.seen[name] = Seen(min(float(values.min()), 0.0), max(float(values.max()), 0.0))
        self.graph = replace(
            self.graph,
            operators=tuple(
                replace(o, sources=tuple(name if s == picture.name else s for s in o.sources)) if o in others else o
                for o in self.graph.operators
            ),
            shapes={**self.graph.shapes, name: picture.shape},
        )
        self._set((name,), self.seen[name].low, self.seen[name].high, 0.0)
        tensor = self.tensors[name]
        tables = np.clip(np.round(values / tensor.scale) + tensor.zero, -128, 127).astype(np.int64)
        self.steps.append(integer.Ingest(sources=(picture.name,), out=name, tables=tables))

    # ---- operators ----

    def _step(self, operator: Operator) -> None:
        if operator.out in self.moved:
            return  # its reader, a concatenation, moves it
        before = len(self.steps)
        self._make(operator)
        if isinstance(operator, (Conv, Depthwise, Dense, Add)):
            self._clip(operator.clamp, operator.out, before)

    def _clip(self, clamp: Range, out: str, index: int) -> None:
        """A clamp that the saturation of int8 does not do by itself, as a table."""
        tensor = self.tensors[out]
        if tensor.kind != "i8":
            low, high = tensor.scale * -32768, tensor.scale * 32767
        else:
            low, high = tensor.scale * (-128 - tensor.zero), tensor.scale * (127 - tensor.zero)
        half = tensor.scale / 2
        if low >= clamp.low - half and high <= clamp.high + half:
            return
        if tensor.kind != "i8":
            raise ExportError(f"tensor {out}", expected="no clamp on an int16 result", got=str(clamp))
        raw = f"{out}.open"
        self.tensors[raw] = tensor
        self.steps[index] = replace(self.steps[index], out=raw)
        self._table(raw, out, "clip", (clamp.low, clamp.high))

    def _table(self, source: str, out: str, kind: str, numbers: tuple[float, ...]) -> None:
        given, made = self.tensors[source], self.tensors[out]
        real = given.scale * (np.arange(-128, 128) - given.zero)
        wanted = np.round(unary(kind, numbers, real) / made.scale) + made.zero
        table = np.clip(wanted, -128, 127).astype(np.int64)
        self.steps.append(integer.Table(sources=(source,), out=out, table=table))

    @singledispatchmethod
    def _make(self, operator: Operator) -> None:
        raise ExportError(f"operator {type(operator).__name__}", expected="one with an int8 form", got=operator.out)

    def _real_weights(self, operator: Conv | Depthwise | Dense) -> tuple[Floats, Floats, float, Floats]:
        """(weight, bias, scale of the input, zero of each input channel (I,), a real number for the picture)."""
        source = operator.sources[0]
        picture = self.graph.picture
        if source == picture.name:
            return (
                operator.weight * picture.scale,
                operator.bias,
                1.0,
                -(128 + picture.shift / picture.scale),
            )
        tensor = self.tensors[source]
        return operator.weight, operator.bias, tensor.scale, np.full(tensor.shape.channels, float(tensor.zero))

    def _sum(self, operator: Conv | Depthwise | Dense) -> tuple[Integers, Integers, Rescale, Floats]:
        weight, bias, scale_in, zero = self._real_weights(operator)
        q, scale = weights_of(weight, bias, scale_in)
        if isinstance(operator, Conv):
            offset = (q * zero).sum((1, 2, 3))
        else:
            offset = q.reshape(len(q), -1).sum(1) * zero[0]
        whole = np.round(bias / (scale_in * scale) - offset).astype(np.int64)
        assert (np.abs(whole) < 2**31 - 2**24).all(), operator.out
        return q, whole, rescale_of(scale_in * scale / self.tensors[operator.out].scale), zero

    @_make.register
    def _(self, operator: Conv) -> None:
        weight, bias, rescale, zero = self._sum(operator)
        self.steps.append(
            integer.IntConv(
                sources=operator.sources,
                out=operator.out,
                weight=weight,
                bias=bias,
                rescale=rescale,
                window=operator.window,
                padding=np.clip(np.round(zero), -128, 127).astype(np.int64),
            )
        )

    @_make.register
    def _(self, operator: Depthwise) -> None:
        weight, bias, rescale, _ = self._sum(operator)
        self.steps.append(
            integer.IntDepthwise(
                sources=operator.sources,
                out=operator.out,
                weight=weight,
                bias=bias,
                rescale=rescale,
                window=operator.window,
            )
        )

    @_make.register
    def _(self, operator: Dense) -> None:
        weight, bias, rescale, _ = self._sum(operator)
        self.steps.append(
            integer.IntDense(sources=operator.sources, out=operator.out, weight=weight, bias=bias, rescale=rescale)
        )

    @_make.register
    def _(self, operator: MaxPool) -> None:
        self.steps.append(integer.IntMaxPool(sources=operator.sources, out=operator.out, window=operator.window))

    @_make.register
    def _(self, operator: AveragePool) -> None:
        most = operator.window.kernel[0] * operator.window.kernel[1]
        factors = np.array([0.0, *(1 / n for n in range(2, most + 1))])
        self.steps.append(
            integer.IntAveragePool(
                sources=operator.sources,
                out=operator.out,
                window=operator.window,
                padding_counts=operator.padding_counts,
                rescale=rescale_of(factors),
            )
        )

    @_make.register
    def _(self, operator: GlobalAverage) -> None:
        source, out = self.tensors[operator.sources[0]], self.tensors[operator.out]
        factor = source.scale / (out.scale * source.shape.height * source.shape.width)
        self.steps.append(
            integer.IntGlobalAverage(sources=operator.sources, out=operator.out, rescale=rescale_of(factor))
        )

    @_make.register
    def _(self, operator: Add) -> None:
        a, b = (self.tensors[name] for name in operator.sources)
        out = self.tensors[operator.out]
        ratios = (a.scale / out.scale, b.scale / out.scale)
        shift = int(np.clip(np.floor(np.log2(32767 / max(ratios))), 0, 20))
        factors = (round(ratios[0] * 2**shift), round(ratios[1] * 2**shift))
        if shift == 0:
            raise ExportError(f"addition {operator.out}", expected="scales near each other", got=f"ratios {ratios}")
        constant = (out.zero << shift) + (1 << (shift - 1)) - a.zero * factors[0] - b.zero * factors[1]
        self.steps.append(
            integer.IntAdd(sources=operator.sources, out=operator.out, factors=factors, constant=constant, shift=shift)
        )

    @_make.register
    def _(self, operator: Mul) -> None:
        a, b = (self.tensors[name] for name in operator.sources)
        factor = a.scale * b.scale / self.tensors[operator.out].scale
        self.steps.append(integer.IntMul(sources=operator.sources, out=operator.out, rescale=rescale_of(factor)))

    @_make.register
    def _(self, operator: Concat) -> None:
        at = 0
        for source in operator.sources:
            maker = self.moved.get(source)
            if maker is None:
                self.steps.append(integer.Place(sources=(source,), out=operator.out, at=at))
            else:
                self._resize(maker, operator.out, at)
            at += self.graph.shapes[source].channels

    @_make.register
    def _(self, operator: Resize) -> None:
        self._resize(operator, operator.out, 0)

    def _resize(self, operator: Resize, out: str, at: int) -> None:
        if operator.nearest:
            rows, columns = (tuple(line.lower for line in lines) for lines in (operator.rows, operator.columns))
            self.steps.append(integer.Nearest(sources=operator.sources, out=out, rows=rows, columns=columns, at=at))
            return
        down, across = (
            tuple(replace(line, weight=round(256 * line.weight)) for line in lines)
            for lines in (operator.rows, operator.columns)
        )
        self.steps.append(integer.Bilinear(sources=operator.sources, out=out, rows=down, columns=across, at=at))

    @_make.register
    def _(self, operator: Shuffle) -> None:
        self.steps.append(integer.IntShuffle(sources=operator.sources, out=operator.out, block=operator.block))

    @_make.register
    def _(self, operator: Unary) -> None:
        source = self.tensors[operator.sources[0]]
        if source.kind == "i16":
            real = (np.arange(257) * 256 - 32768) * source.scale
            points = np.minimum(np.round(32768 * unary("sigmoid", (), real)), 32767).astype(np.int64)
            self.steps.append(integer.Curve(sources=operator.sources, out=operator.out, points=points))
            return
        self._table(operator.sources[0], operator.out, operator.kind, operator.numbers)

    @_make.register
    def _(self, operator: Softmax) -> None:
        if self.graph.readers(operator.out):
            raise ExportError(f"softmax {operator.out}", expected="an output of the model", got="an inner result")
        k, scale = np.arange(256), self.tensors[operator.sources[0]].scale
        coarse, fine = (np.round(65536 * np.exp(-step * k * scale)).astype(np.int64) for step in (256, 1))
        self.steps.append(integer.IntSoftmax(sources=operator.sources, out=operator.out, coarse=coarse, fine=fine))


def _single(scale: float, least: float) -> float:
    """As C will hold it, and no less than `least`."""
    found = np.float32(max(scale, least))
    return float(found if float(found) >= least else np.nextafter(found, np.float32(np.inf)))
