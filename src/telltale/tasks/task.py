"""The contract every kind of task keeps. Knows nothing of files, networks or runtimes.

A task says *what* to tell. Its torch halves (head, loss) are one entry each in
`telltale.model.heads` and `telltale.train.losses`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from telltale.frame import Image
from telltale.preprocess import Preprocess

Floats = NDArray[np.float32]
Numbers = NDArray[np.float64]
Bools = NDArray[np.bool_]
Json = Any
"""A value `json.dumps` takes."""

Outputs = Mapping[str, Floats]
"""What a model gives for a batch: output name to an array whose first axis is the batch."""


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody said of one name in one picture.

    value: as the task defines it; a bool for `states`; for `mask` False for none of it in the picture, or a mask, as
    the array itself or, in a catalogue, as a reference to its file (`telltale.dataset.masks`); for `locate` boxes.
    visible: the share of the picture, 0 to 1, in which this label could be seen; None if nobody measured.
    """

    value: Json
    visible: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Labels as numbers to learn from and to count against.

    values: float32; for `states` (K,) with 1 on, 0 off; for `mask` (K, H, W); for `locate` (K, max_count, 5).
    known: bool, same shape: False where nobody labelled.
    hidden: bool, same shape: True where the label is known, yet too little of it was visible to be seen.
    """

    values: Floats
    known: Bools
    hidden: Bools


def stack_targets(targets: Sequence[Target]) -> Target:
    """One Target with a leading batch axis."""
    return Target(
        np.stack([t.values for t in targets]),
        np.stack([t.known for t in targets]),
        np.stack([t.hidden for t in targets]),
    )


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a probability becomes an answer: p <= low is off, p >= high is on, between is unsure."""

    low: float = 0.5
    high: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise ValueError(f"0 <= low <= high <= 1, got low={self.low} high={self.high}")


Thresholds = Mapping[str, Threshold]


class Tally(Protocol):
    """Additive counts: the tally of two batches together is the sum of their tallies."""

    def __add__(self, other: Any, /) -> Any: ...


class Result(Protocol):
    """One picture's answer."""

    def to_json(self) -> dict[str, Json]:
        """As the wire carries it."""
        ...


class Task(Protocol):
    """One kind of thing to tell. Immutable; made by `telltale.tasks.from_spec`."""

    kind: ClassVar[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The label names, in the order of the outputs."""
        ...

    def to_spec(self) -> dict[str, Json]:
        """As telltale.toml and bundle.json hold it; `from_spec(to_spec())` gives an equal task."""
        ...

    def output_shapes(self, height: int, width: int) -> dict[str, tuple[int, ...]]:
        """Output name to shape without the batch axis, for an input of this size."""
        ...

    def default_thresholds(self) -> dict[str, Threshold]:
        """0.5 for each name."""
        ...

    def shows(self, labels: Mapping[str, Label]) -> Target:
        """What a picture shows of each name, (K,): 1 where it is on, or there at all, else 0.

        Reads no file a label refers to. Raises CatalogueError on a value that does not fit.
        """
        ...

    def encode(self, labels: Mapping[str, Label], size: tuple[int, int] = (1, 1)) -> Target:
        """Labels to numbers in the shape of the outputs, for a picture of `size` (width, height).

        Raises CatalogueError on a value that does not fit.
        """
        ...

    def mirror(self, target: Target) -> Target:
        """The target of the picture flipped left to right; works on batches too."""
        ...

    def lay(self, target: Target, preprocess: Preprocess, size: tuple[int, int]) -> Target:
        """The target of a picture of `size` (width, height) as that of the model's input which is made from it."""
        ...

    def place(self, outputs: Outputs, preprocess: Preprocess, size: tuple[int, int]) -> Outputs:
        """Outputs for the model's input as outputs for the picture of `size` (width, height) it was made from."""
        ...

    def decode(self, outputs: Outputs, thresholds: Thresholds) -> list[Any]:
        """One Result for each picture of the batch."""
        ...

    def tally(self, outputs: Outputs, target: Target, thresholds: Thresholds) -> Any:
        """Count a batch; target has a leading batch axis."""
        ...

    def score(self, tally: Any) -> dict[str, Json]:
        """Every metric, from the counts alone."""
        ...

    def merit(self, score: Mapping[str, Json]) -> float | None:
        """The one number, 0 to 1, by which two forms of a model are compared; None where nothing was labelled."""
        ...

    def draw(self, image: Image, result: Any) -> Image:
        """A copy of the picture with the answer on it."""
        ...
