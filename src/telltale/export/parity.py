"""The gate: every form of the model gives the same answers on the golden set, or nothing ships. Pure numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale.bundle.golden import difference
from telltale.errors import ParityError

Arrays = Mapping[str, NDArray[np.float32]]
"""Outputs by name."""

PROBABILITIES = ("probabilities", "heat", "boxes")
"""Outputs within 0 and 1."""

REPORT = "nothing was written; report this with the run"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output of one form of the model, beside the reference's.

    delta: largest difference; for anything but probabilities divided by the reference's largest magnitude, if above 1.
    """

    form: str
    reference: str
    output: str
    delta: float
    allowed: float

    @property
    def ok(self) -> bool:
        return self.delta <= self.allowed  # False for NaN

    def __str__(self) -> str:
        return f"{self.form} {self.output} {self.delta:.2g} from {self.reference} (allowed {self.allowed:g})"


def compare(
    form: str, found: Arrays, reference: str, expected: Arrays, allowed: float, *, int8: bool = False
) -> list[Comparison]:
    """One comparison for each expected output. A missing output, another shape or NaN counts as endlessly far.

    int8: maps are compared as `telltale.bundle.golden.difference` says.
    """
    return [
        Comparison(form, reference, name, _distance(found.get(name), value, name, int8), allowed)
        for name, value in expected.items()
    ]


def gate(comparisons: Sequence[Comparison], *, next: str = REPORT) -> None:
    """Raises ParityError with the numbers of every comparison that does not hold; next: what to do about it."""
    bad = [comparison for comparison in comparisons if not comparison.ok]
    if bad:
        raise ParityError(
            "the golden set",
            expected=f"the same answers within {max(c.allowed for c in bad):g} from every form of the model",
            got="; ".join(str(comparison) for comparison in bad),
            next=next,
        )


def _distance(found: NDArray[np.float32] | None, expected: NDArray[np.float32], name: str, int8: bool) -> float:
    if found is None or found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    scale = 1.0 if name in PROBABILITIES else max(1.0, float(np.abs(expected).max()))
    return difference(found, expected, int8=int8) / scale
