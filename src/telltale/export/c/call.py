"""One ONNX operator as it is read, and what it reads. Knows nothing of single operators or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from telltale.errors import ExportError
from telltale.export.c.graph import Floats, Operator, Shape


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor of the model while it is read. dims: as ONNX has them, N = 1; last: whether channels come last;
    scale, shift: of the picture, (C,), None for anything else."""

    tensor: str
    dims: tuple[int, ...]
    last: bool = False
    scale: Floats | None = None
    shift: Floats | None = None


Value = Held | NDArray[Any]


class Reading(Protocol):
    """A graph that grows while its model is read."""

    opsets: dict[str, int]
    shapes: dict[str, Shape]
    operators: list[Operator]

    def tensor_of(self, value: Held) -> str:
        """The tensor to read."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One node and what it reads."""

    reader: Reading
    op: str
    out: str
    inputs: list[Value]
    attributes: Mapping[str, Any]

    def refuse(self, expected: str, got: str) -> ExportError:
        return ExportError(f"operator {self.op} ({self.out})", expected=expected, got=got)

    def held(self, index: int = 0) -> Held:
        value = self.inputs[index]
        if not isinstance(value, Held):
            raise self.refuse("a computed input", "a constant")
        return value

    def constant(self, index: int) -> NDArray[Any] | None:
        """None where the input is left out."""
        if index >= len(self.inputs):
            return None
        value = self.inputs[index]
        if isinstance(value, Held):
            raise self.refuse(f"a constant as input {index}", "a computed one")
        return value if value.size else None

    def weights(self, index: int) -> Floats:
        value = self.constant(index)
        if value is None:
            raise self.refuse(f"input {index}", "none")
        return value.astype(np.float64)

    def map(self, index: int = 0) -> Held:
        """A (1, C, H, W) input."""
        value = self.held(index)
        if len(value.dims) != 4 or value.last:
            raise self.refuse("an input of N, C, H, W", str(value.dims))
        return value

    def shape(self, index: int = 0) -> Shape:
        return self.reader.shapes[self.held(index).tensor]

    def add(self, make: Callable[..., Operator], shape: Shape, **fields: Any) -> Held:
        """Write a new tensor from all computed inputs."""
        sources = tuple(self.reader.tensor_of(value) for value in self.inputs if isinstance(value, Held))
        self.reader.operators.append(make(sources=sources, out=self.out, **fields))
        self.reader.shapes[self.out] = shape
        flat = len(self.held_dims()) == 2
        dims = (1, shape.channels) if flat else (1, shape.channels, shape.height, shape.width)
        return Held(self.out, dims)

    def held_dims(self) -> tuple[int, ...]:
        return next(value.dims for value in self.inputs if isinstance(value, Held))

    def same(self, make: Callable[..., Operator], **fields: Any) -> Held:
        """A new tensor as large as the first input, its layout too."""
        first = self.held()
        found = self.add(make, self.shape(), **fields)
        return replace(found, dims=first.dims, last=first.last)
