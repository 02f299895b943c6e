"""Boxes of other people's data sets as label values. Knows nothing of catalogues' tables or of layouts.

What lies partly outside its picture is cut, and said; what lies wholly outside is left out, and said. A box that is no
box leaves the picture without that label: nobody knows what else was meant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from telltale.errors import CatalogueError
from telltale.tasks.task import Json

SLACK_PX = 1.0
"""So far outside its picture a box may reach without a word: rounding."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One box as somebody wrote it: x, y, width, height, in pixels or, with `shares`, in shares of the picture's sides.

    unknown: a region of which nobody knows what is inside. where: for people, as `line 3`.
    """

    box: tuple[float, float, float, float]
    unknown: bool = False
    shares: bool = False
    where: str = ""


@dataclass(frozen=True, slots=True)
class BoxLabels:
    """The boxes of one picture: name to its boxes, none where there is none of it.

    size: the width and height that the data set gives for the picture, None where it does not.
    """

    of: Mapping[str, Sequence[Drawn]]
    size: tuple[int, int] | None = None

    def read(self, width: int, height: int) -> tuple[dict[str, Json], list[str]]:
        """Label values in pixels of a picture of this size, and what to tell of it. Raises CatalogueError."""
        if self.size is not None and self.size != (width, height):
            raise CatalogueError(
                "its boxes",
                expected=f"boxes of a picture of {width} x {height}",
                got=f"of {self.size[0]} x {self.size[1]}",
            )
        notes: list[str] = []
        return {name: _value(drawn, width, height, notes) for name, drawn in self.of.items()}, notes


def _value(drawn: Sequence[Drawn], width: int, height: int, notes: list[str]) -> Json:
    """False for none, a list of boxes, or both boxes and unknown regions."""
    kept: dict[bool, list[list[float]]] = {False: [], True: []}
    for each in drawn:
        if not all(math.isfinite(v) for v in each.box) or each.box[2] <= 0 or each.box[3] <= 0:
            raise CatalogueError(
                f"box {each.where}".strip(), expected="finite numbers with sides above 0", got=str(list(each.box))
            )
        x, y, w, h = (v * ((width, height)[i % 2] if each.shares else 1) for i, v in enumerate(each.box))
        left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))
        title = f"box {each.where}".strip()
        if right <= left or bottom <= top:
            notes.append(f"{title} lies outside the picture: left out")
            continue
        if max(left - x, top - y, x + w - right, y + h - bottom) > SLACK_PX:
            notes.append(f"{title} reaches outside the picture: cut to it")
        kept[each.unknown].append([round(v, 3) for v in (left, top, right - left, bottom - top)])
    if kept[True]:
        return {"boxes": kept[False], "unknown": kept[True]}
    return kept[False] or False


def coco_boxes(
    image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], names: Mapping[int, str]
) -> BoxLabels:
    """The boxes of one image of a COCO file. Raises ValueError naming the annotation."""
    of: dict[str, list[Drawn]] = {name: [] for name in names.values()}
    for each in annotations:
        where, box = f"of annotation {each.get('id')}", each.get("bbox")
        called = names.get(int(each.get("category_id", -1)))
        if called is None or not isinstance(box, list) or len(box) != 4:
            raise ValueError(f"annotation {each.get('id')}: expected a known category and a bbox of four numbers")
        if any(isinstance(v, bool) or not isinstance(v, int | float) for v in box):
            raise ValueError(f"annotation {each.get('id')}: expected a bbox of four numbers, got {box}")
        of[called].append(Drawn((box[0], box[1], box[2], box[3]), unknown=bool(each.get("iscrowd")), where=where))
    sides = (image.get("width"), image.get("height"))
    size = (sides[0], sides[1]) if isinstance(sides[0], int) and isinstance(sides[1], int) and all(sides) else None
    return BoxLabels(of, size)
