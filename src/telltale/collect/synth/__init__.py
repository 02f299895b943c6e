"""Pictures of defects that nobody had to make: whole scenes of metal, or defects painted onto good pictures."""

from __future__ import annotations

from telltale.collect.synth.keep import Kept, keep_in_folder
from telltale.collect.synth.metal import METALS
from telltale.collect.synth.paint import KINDS, METAL_KINDS, Made, Painted, paint_picture, paint_scene
from telltale.collect.synth.run import Good, GoodFile, Sample, Unread, Wish, make_on, make_scenes
from telltale.collect.synth.sheet import write_sheet

__all__ = [
    "KINDS",
    "METALS",
    "METAL_KINDS",
    "Good",
    "GoodFile",
    "Kept",
    "Made",
    "Painted",
    "Sample",
    "Unread",
    "Wish",
    "keep_in_folder",
    "make_on",
    "make_scenes",
    "paint_picture",
    "paint_scene",
    "write_sheet",
]
