"""What each tensor of a graph holds, and which of them share a scale or keep more than 8 bits. Knows no steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale.errors import ExportError
from telltale.export.c.floats import run
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
    Operator,
    Resize,
    Shuffle,
    Softmax,
    Unary,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Least and largest value of a tensor over the calibration pictures, 0 among them."""

    low: float
    high: float


def calibrate(graph: Graph, pictures: Iterable[NDArray[np.uint8]]) -> dict[str, Seen]:
    """What each tensor holds over the pictures, (H, W, C) uint8 each."""
    seen: dict[str, Seen] = {}
    for picture in pictures:
        for name, value in run(graph, picture).items():
            old = seen.get(name, Seen(0.0, 0.0))
            seen[name] = Seen(min(old.low, float(value.min())), max(old.high, float(value.max())))
    bad = [name for name, range_ in seen.items() if not np.isfinite([range_.low, range_.high]).all()]
    if not seen or bad:
        raise ExportError("calibration", expected="pictures with finite answers", got=", ".join(bad) or "no picture")
    return seen


def with_ranges(
    graph: Graph, seen: Mapping[str, Seen], ranges: Sequence[tuple[float, float] | None]
) -> dict[str, Seen]:
    """What training learned of each sum, in the order of the graph, in the place of what the pictures showed.

    Raises ExportError where they are not of this graph.
    """
    sums = [operator for operator in graph.operators if isinstance(operator, (Conv, Depthwise, Dense, Add))]
    if len(sums) != len(ranges):
        raise ExportError("learned ranges", expected=f"one for each of {len(sums)} sums", got=str(len(ranges)))
    found = dict(seen)
    for operator, ends in zip(sums, ranges, strict=True):
        if ends is not None:
            found[operator.out] = Seen(min(ends[0], 0.0), max(ends[1], 0.0))
    for mover in graph.operators:
        if isinstance(mover, (AveragePool, GlobalAverage, MaxPool, Resize, Shuffle)):
            source = found[mover.sources[0]]
            if source != seen[mover.sources[0]]:
                found[mover.out] = source
    return found


def leaves_wide(graph: Graph, operator: Operator) -> bool:
    """Whether a dense layer's result is only read as an answer: then it keeps 16 bits, and a probability is not one of
    256."""
    if not isinstance(operator, Dense) or not operator.clamp.open:
        return False
    readers = graph.readers(operator.out)
    for reader in readers:
        last = isinstance(reader, Softmax) or (isinstance(reader, Unary) and reader.kind == "sigmoid")
        if not last or graph.readers(reader.out):
            return False
    return bool(readers) or graph.is_output(operator.out)


def moved(graph: Graph) -> dict[str, Resize]:
    """Tensors that a resize makes for one concatenation alone: it writes into the concatenation at once."""
    found = {}
    for operator in graph.operators:
        readers = graph.readers(operator.out)
        if not isinstance(operator, Resize) or len(readers) != 1 or graph.is_output(operator.out):
            continue
        if isinstance(readers[0], Concat) and readers[0].sources.count(operator.out) == 1:
            found[operator.out] = operator
    return found


def same_scale(graph: Graph) -> list[tuple[str, ...]]:
    """Tensors that must share one scale and zero point, together."""
    parent: dict[str, str] = {name: name for name in (graph.picture.name, *(o.out for o in graph.operators))}
    for operator in graph.operators:
        for source in operator.sources:
            parent.setdefault(source, source)

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for operator in graph.operators:
        if isinstance(operator, (MaxPool, AveragePool, Resize, Shuffle, Concat)):
            for source in operator.sources:
                parent[root(source)] = root(operator.out)
    groups: dict[str, list[str]] = {}
    for name in parent:
        groups.setdefault(root(name), []).append(name)
    return [tuple(names) for names in groups.values()]
