"""What is seen of a page: values between the stage, that drives it, and the driver, that judges. Knows no browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from telltale.errors import PageError


class SettleError(PageError):
    """The picture went on moving."""


class RefusedError(Exception):
    """Pictures of a combination cannot be verified. reason: the same words for the same kind; detail: of this one."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason} ({detail})")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Seen:
    """The picture against one kept before, and the states the page tells.

    changed: share of pixels that differ, 0 to 1; cells: how many differ in each cell of a 24x24 raster, row by row.
    states: only the labels the page reports.
    """

    changed: float
    cells: tuple[int, ...]
    states: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Picture:
    """One captured view. data: JPEG or PNG; visible: label to pixels, None where the page does not tell."""

    data: bytes
    width: int
    height: int
    states: Mapping[str, bool]
    visible: Mapping[str, int] | None
