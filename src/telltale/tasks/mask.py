"""Which pixels: one map of probabilities a name, and its regions. Knows nothing of models, files or streams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from telltale.errors import CatalogueError, ConfigError
from telltale.frame import Image
from telltale.preprocess import MASK_UNKNOWN, Preprocess
from telltale.tasks.heatmap import create_heatmap
from telltale.tasks.mask_tally import MaskTally, empty_tally, score_masks, tally_map
from telltale.tasks.naming import read_names, refuse_repeated, refuse_unknown
from telltale.tasks.regions import Region, find_regions, picture_score
from telltale.tasks.states import OFF_WORDS, ON_WORDS, State
from telltale.tasks.task import Floats, Json, Label, Outputs, Target, Threshold, Thresholds

MIN_AREA = 8

REFERENCE = re.compile(r"mask:[0-9a-f]{64}")
"""How a catalogue's label refers to a mask's file: by its SHA-256."""

LISTED = 100
"""Regions of one name that an answer lists, the surest first; it counts all."""


@dataclass(frozen=True, slots=True)
class MaskReading:
    """One name's answer.

    prob: the highest cut at which a region of the least area is left. state: `on` with a region over the higher cut,
    `off` with none over the lower one. regions: the surest first. area_px: of the regions that are `on`.
    mm2: square millimetres of a pixel, if known.
    """

    prob: float
    state: State
    regions: tuple[Region, ...]
    mm2: float | None = None

    @property
    def area_px(self) -> int:
        return sum(region.area_px for region in self.regions if region.state == "on")

    def to_json(self) -> dict[str, Json]:
        """`pred` is the likelier side, told or not."""
        return {
            "prob": round(self.prob, 6),
            "pred": int(self.prob >= 0.5),
            "state": self.state,
            "count": sum(region.state == "on" for region in self.regions),
            **self._area(self.area_px),
            "regions": [
                {
                    "box": list(region.box),
                    **self._area(region.area_px),
                    "score": round(region.score, 6),
                    "state": region.state,
                }
                for region in self.regions[:LISTED]
            ],
        }

    def _area(self, pixels: int) -> dict[str, Json]:
        return {"area_px": pixels} | ({} if self.mm2 is None else {"area_mm2": round(pixels * self.mm2, 4)})


@dataclass(frozen=True, slots=True)
class MaskResult:
    """A reading for each name, in the task's order, and the maps (K, H, W) float32 they were read from."""

    readings: Mapping[str, MaskReading]
    maps: Floats

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return int(self.maps.shape[2]), int(self.maps.shape[1])

    def to_json(self) -> dict[str, Json]:
        return {name: reading.to_json() for name, reading in self.readings.items()}


@dataclass(frozen=True, slots=True)
class Masks:
    """K kinds of thing, each with its own pixels; they may overlap.

    names: what to find, in output order.
    min_area: a region of fewer pixels of the picture is not told, and not missed.
    mm_per_px: millimetres of one pixel of the picture; areas are then told in mm² too.
    """

    kind: ClassVar[str] = "mask"
    names: tuple[str, ...]
    min_area: int = MIN_AREA
    mm_per_px: float | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self.names)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Json]) -> Masks:
        """Raises ConfigError on a key it does not know."""
        refuse_unknown(spec, ("kind", "names", "min_area", "mm_per_px"))
        names, area, scale = read_names(spec), spec.get("min_area", MIN_AREA), spec.get("mm_per_px")
        if isinstance(area, bool) or not isinstance(area, int) or area < 1:
            raise ConfigError("task.min_area", expected="a number of pixels, 1 or more", got=repr(area))
        if scale is not None and (
            isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < float("inf")
        ):
            raise ConfigError("task.mm_per_px", expected="millimetres, above 0", got=repr(scale))
        return cls(names, area, None if scale is None else float(scale))

    def to_spec(self) -> dict[str, Json]:
        return {"kind": self.kind, "names": list(self.names), "min_area": self.min_area, "mm_per_px": self.mm_per_px}

    def output_shapes(self, height: int, width: int) -> dict[str, tuple[int, ...]]:
        return {"probabilities": (len(self.names), height, width)}

    def default_thresholds(self) -> dict[str, Threshold]:
        return {name: Threshold() for name in self.names}

    def shows(self, labels: Mapping[str, Label]) -> Target:
        """Whether there is any of each name in the picture."""
        values, known = np.zeros(len(self.names), np.float32), np.zeros(len(self.names), np.bool_)
        for k, name in enumerate(self.names):
            label = labels.get(name)
            if label is not None and label.value is not None:
                values[k], known[k] = float(_is_there(name, label.value)), True
        return Target(values, known, np.zeros_like(known))

    def encode(self, labels: Mapping[str, Label], size: tuple[int, int] = (1, 1)) -> Target:
        """(K, height, width) from arrays of values 0, 127 (nobody knows) and 255, or False: none of it anywhere.

        A label that says only that there is some leaves all pixels unknown. Raises CatalogueError on a mask of another
        size and on one that is still a reference.
        """
        shape = (len(self.names), size[1], size[0])
        values, known = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
        for k, name in enumerate(self.names):
            value = labels[name].value if name in labels else None
            if value is None:
                continue
            if isinstance(value, np.ndarray):
                if value.shape != shape[1:] or value.dtype != np.uint8:
                    raise CatalogueError(
                        f"mask {name!r}", expected=f"uint8 {shape[1:]}", got=f"{value.dtype} {value.shape}"
                    )
                values[k], known[k] = value > MASK_UNKNOWN, value != MASK_UNKNOWN
            elif isinstance(value, str) and REFERENCE.fullmatch(value):
                raise CatalogueError(f"mask {name!r}", expected="its pixels", got="a reference to its file")
            else:
                known[k] = not _is_there(name, value)
        return Target(values, known, np.broadcast_to(np.False_, shape))

    def mirror(self, target: Target) -> Target:
        """Works on pictures and batches with maps; what has no place stays."""
        if target.values.ndim < 3:
            return target
        return Target(target.values[..., ::-1], target.known[..., ::-1], target.hidden[..., ::-1])

    def lay(self, target: Target, preprocess: Preprocess, size: tuple[int, int]) -> Target:
        """Maps as `Preprocess.apply` lays the picture; what it pads is not known."""
        full = np.where(target.known, np.where(target.values >= 0.5, 255, 0), MASK_UNKNOWN).astype(np.uint8)
        masks = np.stack([preprocess.apply_mask(mask) for mask in full])
        values = (masks > MASK_UNKNOWN).astype(np.float32)
        return Target(values, masks != MASK_UNKNOWN, np.zeros(masks.shape, np.bool_))

    def place(self, outputs: Outputs, preprocess: Preprocess, size: tuple[int, int]) -> Outputs:
        maps = outputs["probabilities"]
        return {"probabilities": np.stack([preprocess.map_to_picture(each, size) for each in maps])}

    def decode(self, outputs: Outputs, thresholds: Thresholds) -> list[MaskResult]:
        return [self._decode(maps, thresholds) for maps in outputs["probabilities"]]

    def _decode(self, maps: Floats, thresholds: Thresholds) -> MaskResult:
        mm2 = None if self.mm_per_px is None else self.mm_per_px**2
        readings = {}
        for name, p in zip(self.names, maps, strict=True):
            cut = thresholds[name]
            low = (
                np.nextafter(np.float32(cut.low), np.float32(2)) if cut.low < cut.high else cut.high
            )  # p <= low is off
            regions = find_regions(p, float(low), cut.high, self.min_area)
            state: State = regions[0].state if regions else "off"
            readings[name] = MaskReading(picture_score(p, self.min_area), state, tuple(regions), mm2)
        return MaskResult(readings, maps)

    def tally(self, outputs: Outputs, target: Target, thresholds: Thresholds) -> MaskTally:
        total = empty_tally(len(self.names))
        for n, maps in enumerate(outputs["probabilities"]):
            for k, name in enumerate(self.names):
                tally_map(
                    total, k, maps[k], target.values[n, k] >= 0.5, target.known[n, k], thresholds[name], self.min_area
                )
        return total

    def score(self, tally: MaskTally) -> dict[str, Json]:
        """Every metric of `mask_tally.score_masks`."""
        return score_masks(self.names, tally)

    def merit(self, score: Mapping[str, Json]) -> float | None:
        """The names' mean of Dice at its best cut: a model is not worse for a cut that is still to be chosen."""
        value: float | None = score["overall"]["dice_best"]
        return value

    def draw(self, image: Image, result: MaskResult) -> Image:
        """The heatmap over the picture, with outlined regions and their areas."""
        return create_heatmap(image, result, legend=False)


def _is_there(name: str, value: Json) -> bool:
    if isinstance(value, np.ndarray):
        return bool((value > MASK_UNKNOWN).any())
    word = str(value).strip().lower() if not isinstance(value, float) else f"{value:g}"
    if word in OFF_WORDS:
        return False
    if word in ON_WORDS or REFERENCE.fullmatch(word):
        return True
    raise CatalogueError(f"label {name!r}", expected="a mask, or false for none of it", got=repr(value)[:80])


def as_mask(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Any array of numbers as 0 and 255: over 127 is on, as anti-aliased masks ask for."""
    return np.where(np.asarray(values) > MASK_UNKNOWN, 255, 0).astype(np.uint8)
