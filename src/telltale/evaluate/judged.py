"""What evaluating a bundle of any kind gives: the seam between kinds of evaluation and those who print or keep it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from telltale.tasks.task import Json


class Judged(Protocol):
    """A bundle measured on a test set."""

    @property
    def headline(self) -> str:
        """The one sentence a reader takes home."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before trusting a number."""
        ...

    def to_json(self) -> dict[str, Json]:
        """As bundle.json holds it under `metrics`."""
        ...

    def files(self) -> dict[str, bytes]:
        """report.html and tables, by their name in the bundle."""
        ...

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """A few numbers for a terminal: titles, and rows of a name and a cell for each title."""
        ...
