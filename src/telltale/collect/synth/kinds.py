"""The kinds of defect there are, each with what draws it."""

from __future__ import annotations

from telltale.collect.synth import defects, large
from telltale.collect.synth.defects import Maker

MAKERS: dict[str, Maker] = {
    "scratch": defects.scratch,
    "dent": defects.dent,
    "pit": defects.pit,
    "stain": defects.stain,
    "rust": defects.rust,
    "crack": defects.crack,
    "finish": large.finish,
    "chip": large.chip,
    "patch": defects.patch,
}
"""Kind to what draws it."""
