"""A graph with fewer operators that computes the same: what follows a sum with weights becomes part of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from telltale.export.c.graph import (
    INFINITE,
    Add,
    Conv,
    Dense,
    Depthwise,
    Graph,
    Mul,
    Operator,
    Range,
    Scale,
    Shuffle,
    Unary,
    Window,
    live,
)


def simplify(graph: Graph) -> Graph:
    """Scalings and clamps folded into the convolution before them, x * sigmoid(x) one operator, the rest dropped."""
    graph = _scale_first(live(graph))
    for rewrite in (_gate, _fold_scale, _fold_clip):
        graph = _rewrite(live(graph), rewrite)
    return replace(graph, operators=tuple(_plain(graph, operator) for operator in graph.operators))


def _scale_first(graph: Graph) -> Graph:
    """A scaling behind a shuffle moved before it, where it finds the convolution it can become part of."""
    for operator in graph.operators:
        maker = _only(graph, operator.sources[0]) if isinstance(operator, Scale) else None
        if not isinstance(operator, Scale) or not isinstance(maker, Shuffle):
            continue
        channels, between = graph.shapes[operator.out].channels, maker.out
        scale, shift = (
            np.repeat(np.broadcast_to(numbers, (channels,)), maker.block**2)
            for numbers in (operator.scale, operator.shift)
        )
        first = Scale(sources=maker.sources, out=between, scale=scale, shift=shift)
        then = Shuffle(sources=(between,), out=operator.out, block=maker.block)
        swapped = {maker.out: first, operator.out: then}
        graph = replace(
            graph,
            operators=tuple(swapped.get(o.out, o) for o in graph.operators),
            shapes={**graph.shapes, between: graph.shapes[maker.sources[0]]},
        )
    return graph


def _rewrite(graph: Graph, rewrite: Callable[[Graph, Operator], tuple[Operator, Operator] | None]) -> Graph:
    """Replace (what a rewrite no longer needs, and the operator) by one, again and again until nothing changes."""
    position = 0
    while position < len(graph.operators):
        operator = graph.operators[position]
        found = rewrite(graph, operator)
        if found is None:
            position += 1
            continue
        gone, new = found
        kept = [new if o is operator else o for o in graph.operators if o is not gone]
        graph = replace(graph, operators=tuple(kept))
        position = max(position - 1, 0)
    return graph


def _only(graph: Graph, tensor: str) -> Operator | None:
    """What makes a tensor that one operator alone reads."""
    if graph.is_output(tensor) or len(graph.readers(tensor)) != 1:
        return None
    return graph.maker(tensor)


def _gate(graph: Graph, operator: Operator) -> tuple[Operator, Operator] | None:
    """Mul(x, sigmoid(x)) -> silu(x); the same with the hard sigmoid."""
    if not isinstance(operator, Mul):
        return None
    for x, gate in (operator.sources, operator.sources[::-1]):
        maker = _only(graph, gate)
        if isinstance(maker, Unary) and maker.sources == (x,) and maker.kind in ("sigmoid", "hardsigmoid"):
            kind = "silu" if maker.kind == "sigmoid" else "hardswish"
            return maker, Unary(sources=(x,), out=operator.out, kind=kind, numbers=maker.numbers)
    return None


def _fold_scale(graph: Graph, operator: Operator) -> tuple[Operator, Operator] | None:
    if not isinstance(operator, Scale):
        return None
    maker = _only(graph, operator.sources[0])
    if not isinstance(maker, (Conv, Depthwise, Dense)) or not maker.clamp.open:
        return None
    scale = np.broadcast_to(operator.scale, maker.bias.shape)
    weight = maker.weight * scale.reshape(-1, *(1,) * (maker.weight.ndim - 1))
    return maker, replace(maker, out=operator.out, weight=weight, bias=maker.bias * scale + operator.shift)


def _fold_clip(graph: Graph, operator: Operator) -> tuple[Operator, Operator] | None:
    if not isinstance(operator, Unary) or operator.kind != "clip":
        return None
    maker = _only(graph, operator.sources[0])
    if not isinstance(maker, (Conv, Depthwise, Dense, Add)) or not maker.clamp.open:
        return None
    low, high = operator.numbers
    return maker, replace(maker, out=operator.out, clamp=Range(max(low, -INFINITE), min(high, INFINITE)))


def _plain(graph: Graph, operator: Operator) -> Operator:
    """A scaling that found no home becomes a depthwise convolution; a convolution of one place a dense layer."""
    shape = graph.shapes[operator.out]
    if isinstance(operator, Scale):
        weight = np.broadcast_to(operator.scale, (shape.channels,)).reshape(-1, 1, 1)
        bias = np.broadcast_to(operator.shift, (shape.channels,))
        return Depthwise(
            sources=operator.sources, out=operator.out, weight=weight.copy(), bias=bias.copy(), window=Window((1, 1))
        )
    source = graph.shapes[operator.sources[0]]
    if isinstance(operator, Conv) and operator.window.kernel == (1, 1) and source.count == source.channels:
        flat = operator.weight.reshape(shape.channels, -1)
        return Dense(sources=operator.sources, out=operator.out, weight=flat, bias=operator.bias, clamp=operator.clamp)
    return operator
