"""Where made pictures go: a folder of pairs with a table. Knows nothing of how they are made.

OUT/images/NAME.png   the pictures
OUT/masks/NAME.png    255 where a defect is, one for each picture, empty for a good one
OUT/masks/KIND/NAME.png   the same for each kind, when asked for
OUT/manifest.csv      file, mask (or mask:KIND for each), group, kind, seed, number, painted_on, defects (JSON)
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from telltale.collect.synth.paint import Mask
from telltale.collect.synth.run import Sample
from telltale.errors import CatalogueError, Interrupted
from telltale.progress import Progress, Quiet

MANIFEST = "manifest.csv"


@dataclass(slots=True)
class Kept:
    """What a run made. shown: the first few, for a contact sheet."""

    pictures: int = 0
    good: int = 0
    defects: dict[str, int] = field(default_factory=dict)
    shown: list[Sample] = field(default_factory=list)

    def count(self, sample: Sample, show: int) -> None:
        self.pictures += 1
        self.good += not sample.painted.made
        for made in sample.painted.made:
            self.defects[made.kind] = self.defects.get(made.kind, 0) + 1
        if len(self.shown) < show:
            self.shown.append(sample)

    def lines(self) -> list[str]:
        each = ", ".join(f"{kind} {n}" for kind, n in sorted(self.defects.items()))
        return [f"{self.pictures} pictures, {self.good} of them good", f"defects: {each or 'none'}"]


def encode_mask(mask: Mask) -> bytes:
    done, data = cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert done, mask.shape
    return bytes(data.tobytes())


def keep_in_folder(
    samples: Iterable[Sample],
    folder: Path,
    *,
    kinds: tuple[str, ...] = (),
    show: int = 0,
    progress: Progress | None = None,
) -> Kept:
    """Write pairs and the table; a picture of the same name is written over.

    kinds: a mask for each of them; none: one mask for all. Raises CatalogueError when the folder cannot be written,
    Interrupted on Ctrl-C: what is written is whole and in the table.
    """
    told, kept = progress or Quiet(), Kept()
    rows: list[dict[str, str]] = []
    try:
        for place in ("images", *(f"masks/{kind}" for kind in kinds or ("",))):
            (folder / place).mkdir(parents=True, exist_ok=True)
        for sample in samples:
            (folder / "images" / f"{sample.name}.png").write_bytes(sample.png)
            row = {"file": f"images/{sample.name}.png"}
            for column, place, mask in _masks(sample, kinds):
                (folder / place).write_bytes(encode_mask(mask))
                row[column] = place
            rows.append(row | _row(sample))
            kept.count(sample, show)
            told.advance()
    except KeyboardInterrupt as stop:
        _write_table(folder / MANIFEST, rows)
        raise Interrupted(
            "making pictures", got=f"stopped after {kept.pictures}", next="the same command makes them all again"
        ) from stop
    except OSError as error:
        raise CatalogueError(str(folder), expected="a folder that can be written", got=str(error)) from error
    _write_table(folder / MANIFEST, rows)
    return kept


def _masks(sample: Sample, kinds: tuple[str, ...]) -> Iterator[tuple[str, str, Mask]]:
    """Column, place and pixels."""
    if not kinds:
        yield "mask", f"masks/{sample.name}.png", sample.painted.mask()
    for kind in kinds:
        mask = sample.painted.masks.get(kind)
        empty: Mask = np.zeros(sample.painted.image.shape[:2], np.uint8)
        yield f"mask:{kind}", f"masks/{kind}/{sample.name}.png", empty if mask is None else mask


def _row(sample: Sample) -> dict[str, str]:
    meta = sample.meta()
    return {
        "group": sample.group,
        "kind": "+".join(sorted(sample.painted.masks)) or "good",
        "seed": str(sample.seed),
        "number": str(sample.number),
        "painted_on": sample.source or "",
        "ground": json.dumps(meta["ground"]),
        "defects": json.dumps(meta["defects"]),
    }


def _write_table(path: Path, rows: list[dict[str, str]]) -> None:
    """Whole or not at all."""
    if not rows:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    draft.replace(path)
