"""Masks that may be false: another picture's mask, or one on which nothing shows. Needs no model.

Two looks. *Shared*: two pictures of different groups have one and the same mask, which hardly two things have; in a
public set of cracks one picture had another's file. *Unseen*: what is marked looks like what lies around it. How well
the two can be told apart is the AUROC (Fawcett 2006) of single pixels by brightness, colour, gradient or local
contrast, whichever tells most: 0.5 when nothing shows. A small mark is told apart by chance alone and is never doubted.
Knows nothing of how pictures came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.dataset.catalogue import Catalogue, Example
from telltale.dataset.masks import references, with_pixels
from telltale.errors import TelltaleError
from telltale.frame import Image
from telltale.preprocess import MASK_UNKNOWN, decode
from telltale.progress import Progress, Quiet
from telltale.tasks.counting import auroc

WHO = "doubt"
"""Who says that a mask is not known."""

UNSEEN = 0.6
"""Next to nothing shows: of a marked pixel and one beside it, the marked one can be named at most this often."""

FAINT = 1 / 3
"""A shared mask is another picture's where it shows at most this share (over chance) of what it shows there."""

GAP_PX, REACH_PX, REACH = 2, 8, 0.02
"""Compared is what lies this far outside of a mark: beyond GAP_PX, up to REACH_PX or REACH of the shorter side."""

FEWEST = 200
"""Pixels that must be marked, and lie around, before a mask is doubted: fewer differ by chance."""

MOST = 3000
"""Pictures that are looked at, of more: those that share a mask, and as many others evenly spread."""

PLAIN = 0.9
"""A mask that fills its own bounding box so far is a plain shape, which many pictures may share."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Doubt:
    """One mask that is worth a look.

    kind: shared (other: whose it is too), or unseen. shows: AUROC of its pixels against those around. false: it is
    another picture's, for it shows there and hardly here.
    """

    example: Example
    name: str
    kind: Literal["shared", "unseen"]
    shows: float
    other: str = ""
    false: bool = False

    def __str__(self) -> str:
        picture = f"picture {self.example.image_id} ({self.example.file})"
        if self.kind == "unseen":
            return (
                f"{picture}: what {self.name} marks looks like what is around it ({self.shows:.2f}; 0.5: nothing shows)"
            )
        shared = f"{picture}: its mask of {self.name} is that of {self.other}"
        return f"{shared}, and hardly shows here" if self.false else f"{shared} too"


def find_doubts(examples: Sequence[Example], names: Sequence[str], progress: Progress | None = None) -> list[Doubt]:
    """Look at the masks of these names; the doubted ones, other pictures' first. progress advances once a picture."""
    told = progress or Quiet()
    shows: dict[tuple[int, str], float] = {}
    for example in examples:
        shows |= {(example.image_id, name): value for name, value in _looks(example, names)}
        told.advance()
    out: list[Doubt] = []
    for name in names:
        there = [(e, shows[e.image_id, name]) for e in examples if (e.image_id, name) in shows]
        shared = _shared(there, name)
        unseen = [(e, value) for e, value in there if value <= UNSEEN and e.image_id not in shared]
        out += [*shared.values(), *(Doubt(e, name, "unseen", value) for e, value in unseen)]
    return sorted(out, key=lambda doubt: (not doubt.false, doubt.kind, doubt.shows, doubt.example.file))


def choose(examples: Sequence[Example], most: int = MOST) -> list[Example]:
    """Those with masks; of more than `most` the ones that share a mask, and others evenly spread."""
    masked = [e for e in examples if references(e.labels)]
    if len(masked) <= most:
        return masked
    users = Counter(reference for e in masked for reference in references(e.labels))
    sharing = [e for e in masked if any(users[reference] > 1 for reference in references(e.labels))]
    kept = {e.image_id for e in sharing}
    others = [e for e in masked if e.image_id not in kept]
    rows = np.linspace(0, len(others) - 1, max(0, min(len(others), most - len(sharing)))).astype(np.int64)
    return [*sharing, *(others[row] for row in rows)]


def forget_false(catalogue: Catalogue, doubts: Sequence[Doubt]) -> list[Doubt]:
    """Masks that are other pictures' become *not known*; these. One that somebody took back is left as it is."""
    out = []
    with catalogue.transaction():
        for doubt in doubts:
            history = catalogue.history(doubt.example.image_id, doubt.name)
            if doubt.false and not any(entry.who == WHO for entry in history):
                catalogue.label(doubt.example.image_id, doubt.name, None, who=WHO)
                out.append(doubt)
    return out


def _shared(there: Sequence[tuple[Example, float]], name: str) -> dict[int, Doubt]:
    """Masks that pictures of different groups share; not the one that alone shows something, for that is its own."""
    by_mask: dict[str, list[tuple[Example, float]]] = {}
    for example, value in there:
        by_mask.setdefault(str(example.labels[name].value), []).append((example, value))
    out: dict[int, Doubt] = {}
    for sharing in by_mask.values():
        if len({example.group for example, _ in sharing}) < 2 or _is_plain(sharing[0][0], name):
            continue
        sharing.sort(key=lambda pair: pair[1])
        owner, most = sharing[-1]
        false = [value - 0.5 <= FAINT * (most - 0.5) for _, value in sharing]
        for (example, value), is_false in zip(sharing, false, strict=True):
            if example is not owner or sum(false) < len(sharing) - 1:
                other = owner if example is not owner else sharing[0][0]
                out[example.image_id] = Doubt(example, name, "shared", value, other.file, is_false)
    return out


def _is_plain(example: Example, name: str) -> bool:
    marked = np.asarray(with_pixels(example, [name])[name].value) > MASK_UNKNOWN
    _, _, width, height = cv2.boundingRect(marked.astype(np.uint8))
    return bool(marked.sum() >= PLAIN * width * height)


def _looks(example: Example, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    """What shows of each mask of a picture; not of those too small to say."""
    try:
        masks = {n: label.value for n, label in with_pixels(example, names).items()}
        drawn = {name: value for name, value in masks.items() if isinstance(value, np.ndarray)}
        image = decode(example.path) if drawn else np.empty((0, 0, 3), np.uint8)
    except (TelltaleError, OSError):  # `Catalogue.verify` tells of damaged files
        return
    for name, mask in drawn.items():
        value = visibility(image, mask)
        if value is not None:
            yield name, value


def visibility(image: Image, mask: Mask) -> float | None:
    """How well marked pixels are told from those around them, 0.5 (not at all) to 1; None where too few are marked.

    image: (H, W, 3). mask: (H, W) of 255, 0 and 127, which is left out.
    """
    marked = mask > MASK_UNKNOWN
    x, y, width, height = cv2.boundingRect(marked.astype(np.uint8))
    reach = max(REACH_PX, round(REACH * min(mask.shape)))
    rows, columns = (
        slice(max(0, y - reach - 1), y + height + reach + 1),
        slice(max(0, x - reach - 1), x + width + reach + 1),
    )
    marked, clear = marked[rows, columns], (mask == 0)[rows, columns]
    distance = cv2.distanceTransform((~marked).astype(np.uint8), cv2.DIST_L2, 5)
    around = clear & (distance > GAP_PX) & (distance <= reach)
    if marked.sum() < FEWEST or around.sum() < FEWEST:
        return None
    areas = [
        auroc(np.bincount(feature[marked], minlength=256), np.bincount(feature[around], minlength=256))
        for feature in _features(np.ascontiguousarray(image[rows, columns]))
    ]
    return max(max(area, 1 - area) for area in areas if area is not None)


def _features(image: Image) -> Iterator[NDArray[np.uint8]]:
    """(H, W) bytes each: L, a, b (CIE 1976), the gradient's length, and the spread of 5 x 5 pixels."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    yield from (np.asarray(plane, np.uint8) for plane in cv2.split(lab))
    light = lab[..., 0].astype(np.float32)
    yield _bytes(cv2.magnitude(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)) / 2)
    mean = cv2.blur(light, (5, 5))
    yield _bytes(4 * np.sqrt(np.maximum(cv2.blur(light * light, (5, 5)) - mean * mean, 0)))


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
