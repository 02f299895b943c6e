"""A second look at a data set somebody else made: pictures of the same view whose labels cannot both be true.

Two kinds of contradiction can be proved from pictures and labels alone:

    alike    two pictures show the same, and their labels differ: one is wrong, or the part cannot be seen from there
    unlike   two pictures have the same labels and the same view, and a piece of one is not in the other: one is wrong

The view is the same when one picture, moved by at most a few per cent of its size (ECC alignment, Evangelidis and
Psarakis 2008), lies on the other. A picture that no other shows from the same view is not judged, and is counted.
Knows nothing of catalogues or of how the pictures were made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.dataset.formats import Found, Skipped
from telltale.dataset.layouts import detect, read
from telltale.dataset.sheet import write_sheet
from telltale.errors import CatalogueError, TelltaleError
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.progress import Progress, Quiet
from telltale.tasks.states import parse_state
from telltale.tasks.task import Json, Label

SIDE = 640
"""Pictures are compared at this size at most."""

THUMB = 32
NEAR = 0.6
"""Share of a thumbnail's places, the plain ground left out, that must agree before two pictures are laid together."""

MOST_PAIRS = 400
"""So many pairs are laid together, the likeliest first; those left out are counted."""

FAR = 24
"""Of 255: a pixel this far from everything within 2 pixels in the other picture shows something else."""

SAME = 0.0003
"""No piece larger than this share of the picture differs: they show the same (the least a state may be seen by)."""

PIECE = 0.003
"""A piece of at least this share of the picture that one has and the other lacks."""

LOOSE = 0.02
"""Where a piece differs, at most this share of what is shown may differ in small bits, else the view is another."""

BITS = 16
"""And in so many bits at most: another view differs in crumbs along every edge."""

RECOLOURED = 0.6
"""Where the outlines within the pieces correlate this much the same thing has another colour."""

MOVED = 0.06
"""Corners may move by this share of the diagonal to lay one picture on another."""

HIDDEN = 0.0003
"""A label that fewer pixels show than this share of the picture cannot contradict."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """first, second: file names in the data set. labels: the names that differ (alike) or that are equal (unlike).

    piece: share of the picture taken by the largest piece that differs.
    """

    kind: Literal["alike", "unlike"]
    first: str
    second: str
    labels: tuple[str, ...]
    piece: float

    def __str__(self) -> str:
        if self.kind == "alike":
            names = ", ".join(self.labels)
            return f"{self.first} and {self.second} show the same, yet differ in {names} (or it cannot be seen there)"
        return (
            f"{self.first} and {self.second} have the same labels and the same view, "
            f"yet {100 * self.piece:.1f} % of the picture shows something else"
        )


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found.

    at_least: pictures that must be wrong so that no contradiction is left (of each pair one; pairs share no picture).
    doubtful: pictures in a contradiction, or with the labels of one that is.
    unchecked: pictures that nothing else shows from the same view: neither proved nor disproved.
    """

    path: Path
    pictures: int
    compared: int
    left_out: int
    contradictions: tuple[Contradiction, ...]
    at_least: int
    doubtful: tuple[str, ...]
    unchecked: int
    skipped: tuple[Skipped, ...]
    cards: tuple[_Card, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Json]:
        return {
            "path": str(self.path),
            "pictures": self.pictures,
            "pairs_compared": self.compared,
            "pairs_left_out": self.left_out,
            "contradictions": [
                {
                    "kind": c.kind,
                    "first": c.first,
                    "second": c.second,
                    "labels": list(c.labels),
                    "piece": round(c.piece, 5),
                }
                for c in self.contradictions
            ],
            "wrong_at_least": self.at_least,
            "doubtful": list(self.doubtful),
            "unchecked": self.unchecked,
            "skipped": [{"file": s.file, "reason": s.reason} for s in self.skipped],
        }

    def lines(self) -> list[str]:
        """For a person."""
        lines = [
            f"{self.pictures} labelled pictures, {self.compared} pairs of similar views compared"
            + (f", {self.left_out} pairs left out" if self.left_out else "")
        ]
        lines += [str(contradiction) for contradiction in self.contradictions]
        if self.contradictions:
            lines.append(
                f"{len(self.contradictions)} contradictions: at least {self.at_least} labelled pictures are wrong or "
                f"show a part nobody can see; {len(self.doubtful)} share their labels with one of these"
            )
        else:
            lines.append("no contradiction found")
        if self.unchecked:
            lines.append(f"{self.unchecked} pictures have no other of the same view: pictures alone cannot check them")
        if self.skipped:
            lines.append(f"{len(self.skipped)} files could not be read:")
            lines += [f"    {skipped.file}: {skipped.reason}" for skipped in self.skipped[:20]]
        return lines

    def write(self, folder: str | Path) -> list[Path]:
        """audit.json and, where there are contradictions, audit.png with each pair side by side."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / "audit.json"]
        written[0].write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        if self.cards:
            written.append(self.write_sheet(folder / "audit.png"))
        return written

    def write_sheet(self, path: str | Path) -> Path:
        """The pairs side by side, two to a row. Raises CatalogueError when there are none."""
        return write_sheet(self.cards, path, title="Pairs that contradict each other", columns=4)


@dataclass(frozen=True, slots=True)
class _Card:
    """One picture of the contact sheet."""

    path: Path
    group: str
    labels: Mapping[str, Label]
    split: str | None = None
    meta: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One labelled picture. image: (H, W, 3) uint8, at most SIDE pixels wide or high."""

    found: Found
    image: Image
    labels: Mapping[str, bool]
    hidden: frozenset[str]


def audit_folder(path: str | Path, *, progress: Progress | None = None) -> AuditReport:
    """Compare every two pictures of similar views in a labelled folder (any format `telltale import` reads).

    Raises CatalogueError when no data set lies there. What cannot be read is listed and stops nothing; `progress`
    counts pictures, then pairs.
    """
    root = Path(path)
    told = progress or Quiet()
    entries: list[_Entry] = []
    skipped: list[Skipped] = []
    for found in read(root, detect(root)):
        entry = found if isinstance(found, Skipped) else _open(found)
        if isinstance(entry, Skipped):
            skipped.append(entry)
        else:
            entries.append(entry)
        told.advance()
    pairs = _similar(entries)
    seen: set[int] = set()
    contradictions: list[Contradiction] = []
    edges: list[tuple[int, int]] = []
    for i, j in pairs[:MOST_PAIRS]:
        verdict = _judge(entries[i], entries[j])
        told.advance(note=f"{len(contradictions)} contradictions")
        if verdict is not None:
            seen |= {i, j}
        if isinstance(verdict, Contradiction):
            contradictions.append(verdict)
            edges.append((i, j))
    named = {k for edge in edges for k in edge}
    spoiled = {_key(entries[k]) for k in named}
    return AuditReport(
        path=root,
        pictures=len(entries),
        compared=min(len(pairs), MOST_PAIRS),
        left_out=max(0, len(pairs) - MOST_PAIRS),
        contradictions=tuple(contradictions),
        at_least=_matching(edges),
        doubtful=tuple(e.found.name for e in entries if _key(e) in spoiled),
        unchecked=len(entries) - len(seen),
        skipped=tuple(skipped),
        cards=tuple(_card(entries[k]) for edge in edges for k in edge),
    )


def _key(entry: _Entry) -> tuple[tuple[str, bool], ...]:
    return tuple(sorted(entry.labels.items()))


def _card(entry: _Entry) -> _Card:
    labels = {name: Label(on) for name, on in entry.labels.items()}
    return _Card(entry.found.file, entry.found.name, labels)


def _open(found: Found) -> _Entry | Skipped:
    labels = {}
    for name, value in found.labels.items():
        try:
            labels[name] = parse_state(name, value) == 1.0
        except CatalogueError as error:
            return Skipped(found.name, str(error))
    if not labels:
        return Skipped(found.name, "no labels")
    try:
        image = decode(found.file)
    except TelltaleError as error:
        return Skipped(found.name, str(error))
    area = image.shape[0] * image.shape[1]
    hidden = frozenset(name for name, px in found.visible_px.items() if px < HIDDEN * area)
    scale = SIDE / max(image.shape[:2])
    if scale < 1:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return _Entry(found, image, labels, hidden)


def _similar(entries: Sequence[_Entry]) -> list[tuple[int, int]]:
    """Pairs of equal size whose thumbnails mostly agree, the likeliest first. A picture of one tone has no view."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for k, entry in enumerate(entries):
        by_shape.setdefault(entry.image.shape, []).append(k)
    found: list[tuple[float, int, int]] = []
    for same in by_shape.values():
        thumbs = np.stack([_thumb(entries[k].image) for k in same])  # (n, THUMB * THUMB)
        ground = np.median(thumbs, axis=1, keepdims=True)
        active = np.abs(thumbs - ground) > 8
        for a in range(len(same) - 1):
            either = active[a] | active[a + 1 :]
            agree = (np.abs(thumbs[a] - thumbs[a + 1 :]) <= FAR) & either
            count = either.sum(axis=1)
            share = agree.sum(axis=1) / np.maximum(count, 1)
            for b in np.flatnonzero((share >= NEAR) & (count >= 16)):
                found.append((float(share[b]), same[a], same[a + 1 + int(b)]))
    found.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [(i, j) for _, i, j in found]


def _thumb(image: Image) -> NDArray[np.int16]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA), np.int16).ravel()


def _judge(a: _Entry, b: _Entry) -> Contradiction | Literal["agree"] | None:
    """None when the views are not the same."""
    both = sorted(set(a.labels) & set(b.labels))
    differ = tuple(name for name in both if a.labels[name] != b.labels[name])
    pieces = _pieces(a.image, b.image)
    if differ and sum(pieces.sizes) > 0:  # alignment is slow, and can only show that two pictures are alike
        laid = _lay(a.image, b.image)
        if laid is not None:
            pieces = min(pieces, _pieces(a.image, laid), key=lambda found: sum(found.sizes))
    area = a.image.shape[0] * a.image.shape[1]
    largest, total = max(pieces.sizes, default=0), sum(pieces.sizes)
    if largest <= SAME * area and total <= LOOSE / 2 * pieces.shown:
        seen = tuple(name for name in differ if not (name in a.hidden or name in b.hidden))
        if not seen:
            return "agree"
        return Contradiction("alike", a.found.name, b.found.name, seen, largest / area)
    crumbs = sum(size for size in pieces.sizes if size < PIECE * area)
    if largest < PIECE * area or crumbs > LOOSE * pieces.shown or len(pieces.sizes) > BITS:
        return None
    if total > 0.5 * pieces.shown or pieces.outlines > RECOLOURED:
        return None
    if differ or len(both) < 2 or set(a.labels) != set(b.labels):
        return "agree"
    return Contradiction("unlike", a.found.name, b.found.name, tuple(both), largest / area)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """What one picture shows and the other does not.

    sizes: pixels of each connected piece. shown: pixels that differ from the plain ground. outlines: correlation, -1 to
    1, of the edges of both pictures within the pieces.
    """

    sizes: tuple[int, ...]
    shown: int
    outlines: float


def _lay(a: Image, b: Image) -> Image | None:
    """`b` moved so that it lies on `a`; None when that takes more than a little."""
    scale = min(1.0, 320 / max(a.shape[:2]))
    small = [
        cv2.resize(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for x in (a, b)
    ]
    if np.array_equal(small[0], small[1]):
        return b
    everywhere = np.full(small[0].shape, 255, np.uint8)
    try:
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
        score, warp = cv2.findTransformECC(
            small[0], small[1], np.eye(3, dtype=np.float32), cv2.MOTION_HOMOGRAPHY, criteria, everywhere, 3
        )
    except cv2.error:
        return None  # it does not converge: another view
    if score < 0.9:
        return None
    zoom = np.diag([scale, scale, 1.0])
    warp = np.linalg.inv(zoom) @ warp @ zoom
    height, width = a.shape[:2]
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    moved = np.linalg.norm(cv2.perspectiveTransform(corners, warp) - corners, axis=2).max()
    if moved > MOVED * np.hypot(width, height):
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpPerspective(b, warp, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _pieces(a: Image, b: Image) -> _Pieces:
    beyond = np.maximum(_beyond(a, b), _beyond(b, a)).max(axis=2)
    mask: Mask = np.asarray(
        cv2.morphologyEx((beyond > FAR).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8
    )
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    ground = np.median(a.reshape(-1, 3), axis=0)
    shown = int((np.abs(a - ground).max(axis=2) > FAR).sum())
    edges = [_edges(x)[mask > 0] for x in (a, b)]
    flat = count == 1 or min(float(edge.std()) for edge in edges) < 1
    outlines = 0.0 if flat else float(np.corrcoef(edges[0], edges[1])[0, 1])
    return _Pieces(tuple(int(stats[k, cv2.CC_STAT_AREA]) for k in range(1, count)), max(shown, 1), outlines)


def _edges(image: Image) -> NDArray[np.float32]:
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1).astype(np.float32)
    return np.asarray(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)), np.float32)


def _beyond(a: Image, b: Image) -> Image:
    """How far each channel of `a` lies outside what `b` has within two pixels."""
    around = np.ones((5, 5), np.uint8)
    over = cv2.subtract(a, cv2.dilate(b, around))
    under = cv2.subtract(cv2.erode(b, around), a)
    return np.asarray(np.maximum(over, under), np.uint8)


def _matching(edges: Sequence[tuple[int, int]]) -> int:
    """Pairs that share no picture, as many as can be taken one by one, the pictures of fewest pairs first."""
    left = list(edges)
    pairs = 0
    while left:
        degree: dict[int, int] = {}
        for edge in left:
            for k in edge:
                degree[k] = degree.get(k, 0) + 1
        i, j = min(left, key=lambda edge: (degree[edge[0]] + degree[edge[1]], edge))
        left = [edge for edge in left if not {i, j} & set(edge)]
        pairs += 1
    return pairs
