"""A project's pictures and labels: one SQLite file beside a folder of images. Knows nothing of tasks or models."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from telltale.dataset import masks, store
from telltale.dataset.files import damage, write_once
from telltale.dataset.near import fingerprint
from telltale.errors import CatalogueError
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.progress import Progress, Quiet
from telltale.tasks.locate import parse_boxes
from telltale.tasks.task import Json, Label

ImageId = NewType("ImageId", int)

BOXES = 1000
"""Of one name in one picture, at most."""

SPLITS = ("train", "calibration", "test")


@dataclass(frozen=True, slots=True)
class Example:
    """One picture with what is known of it now.

    path: absolute. sha256: of the file, hexadecimal. group: what must not be split. split: None before `set_splits`.
    width, height: pixels, upright. labels: only the known ones. near: the fingerprint of `near.py`.
    """

    image_id: int
    path: Path
    sha256: str
    group: str
    split: str | None
    width: int
    height: int
    labels: Mapping[str, Label]
    meta: Mapping[str, Json]
    source: str = ""
    near: bytes = field(default=b"", repr=False)

    @property
    def file(self) -> str:
        """What people know the picture by: its name in the data set it came from."""
        return str(self.meta.get("file", self.path.name))


@dataclass(frozen=True, slots=True)
class Said:
    """A label to be written: its value and how many pixels of the picture show it, if anybody measured."""

    value: Json
    visible_px: int | None = None


@dataclass(frozen=True, slots=True)
class NewImage:
    """A picture to be added with its labels; `pixels` saves decoding it again. See `Catalogue.add`."""

    data: bytes
    suffix: str
    group: str
    source: str
    meta: Mapping[str, Json] = field(default_factory=dict)
    labels: Mapping[str, Said] = field(default_factory=dict)
    who: str = ""
    pixels: Image | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the label journal. undone: taken back by a later row."""

    seq: int
    image_id: int
    name: str
    value: Json
    visible_px: int | None
    who: str
    said_at: str
    undone: bool


class Catalogue:
    """One SQLite file (WAL) over files on disk. A context manager; use it in the thread that opened it.

    Pictures are kept under their SHA-256. Labels are an append-only journal: the newest wins, `undo` brings back the
    one before. Every method that writes is one transaction: after a crash or kill -9 it is there wholly or not at all.
    Readers and writers in other processes may run at the same time. Before the first write of a session SQLite's own
    backup makes a copy; the last three are kept. Every method raises CatalogueError when the file turns out damaged.
    """

    def __init__(self, path: Path, images: Path, connection: sqlite3.Connection, *, readonly: bool) -> None:
        self.path = path
        self.images = images
        self.readonly = readonly
        self._db = connection
        self._backed_up = False

    @classmethod
    def open(cls, path: str | os.PathLike[str], images: str | os.PathLike[str], *, readonly: bool = False) -> Catalogue:
        """Open a catalogue; without `readonly` one that is not there is made.

        Raises CatalogueError: damaged (names the backup to go back to), not a catalogue, of a newer version, or
        missing with `readonly`.
        """
        where = Path(path).resolve()
        return cls(where, Path(images).resolve(), store.connect(where, readonly=readonly), readonly=readonly)

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; harmless when closed already."""
        self._db.close()

    def __len__(self) -> int:
        """How many pictures."""
        with store.named_errors(self.path):
            return int(self._db.execute("SELECT COUNT(*) FROM image").fetchone()[0])

    # --- writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several writes as one: all of them or, when the block raises, none. May be nested."""
        if self.readonly:
            raise CatalogueError(str(self.path), expected="a catalogue open for writing", got="readonly=True")
        if self._db.in_transaction:
            yield
            return
        with store.named_errors(self.path):
            if not self._backed_up:
                store.back_up(self.path, self._db)
                self._backed_up = True
            self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        with store.named_errors(self.path):
            self._db.execute("COMMIT")

    def add(
        self,
        data: bytes,
        *,
        suffix: str,
        group: str,
        source: str,
        meta: Mapping[str, Json] | None = None,
        pixels: Image | None = None,
    ) -> ImageId:
        """Keep a picture; the same bytes again give the id they have, and change nothing.

        suffix: of the file's name, as `.jpg`. group: what must never be split. source: where it came from.
        pixels: the decoded picture, if the caller has it; else it is decoded here.
        Raises ImageError when the bytes are no picture, CatalogueError when a suffix, group or meta does not fit.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        known = self.find(sha256)
        if known is not None:
            return known
        file = f"{sha256[:2]}/{sha256}{_suffix(suffix)}"
        _check_text("group of a picture", group)
        image = decode(data) if pixels is None else pixels
        row = (
            sha256,
            file,
            image.shape[1],
            image.shape[0],
            fingerprint(image),
            group,
            source,
            _to_json("meta", dict(meta or {})),
            _now(),
        )
        with self.transaction(), store.named_errors(self.path):
            write_once(self.images / file, data)
            self._db.execute(
                "INSERT INTO image (sha256, file, width, height, near, in_group, source, meta, added_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING",
                row,
            )
        added = self.find(sha256)
        assert added is not None
        return added

    def add_many(self, new: Iterable[NewImage]) -> list[ImageId]:
        """Add pictures with their labels in one transaction: all or none."""
        with self.transaction():
            return [self._add_with_labels(each) for each in new]

    def _add_with_labels(self, new: NewImage) -> ImageId:
        image_id = self.add(
            new.data, suffix=new.suffix, group=new.group, source=new.source, meta=new.meta, pixels=new.pixels
        )
        for name, said in new.labels.items():
            self.label(image_id, name, said.value, who=new.who or new.source, visible_px=said.visible_px)
        return image_id

    def label(self, image_id: int, name: str, value: Json, *, who: str, visible_px: int | None = None) -> None:
        """Say what a picture shows; the newest word wins. A value of None says: unknown again.

        value: true or false, a number, a text, what `keep_mask` gave, or boxes as `locate` takes them.
        visible_px: how many of the picture's pixels show it.
        Raises CatalogueError: no such picture, or a value that does not fit.
        """
        _check_text("name of a label", name)
        _check_text("who says a label", who)
        if isinstance(value, list | dict):
            parse_boxes(name, value, BOXES)
        elif value is not None and not isinstance(value, bool | int | float | str):
            raise CatalogueError(
                f"label {name!r}", expected="true, false, a number, a text, boxes or null", got=repr(value)
            )
        width, height = self._size(image_id)
        if visible_px is not None and not 0 <= visible_px <= width * height:
            raise CatalogueError(f"visible pixels of {name!r}", expected=f"0 to {width * height}", got=repr(visible_px))
        row = (image_id, name, _to_json(f"label {name!r}", value), visible_px, who, _now())
        with self.transaction(), store.named_errors(self.path):
            self._db.execute(
                "INSERT INTO label (image_id, name, value, visible_px, who, said_at) VALUES (?, ?, ?, ?, ?, ?)", row
            )

    def keep_mask(self, mask: NDArray[np.uint8]) -> str:
        """Keep a mask's file beside the pictures; a label of the value that comes back refers to it.

        mask: (H, W), 255 is on, 0 is not, 127 is what nobody knows. The same mask again is the same file.
        """
        path, data, reference = masks.keep_mask(self.images, mask)
        write_once(path, data)
        return reference

    def undo(self, image_id: int, name: str, *, who: str = "undo") -> None:
        """Take back the newest word on a name; the one before counts again. Raises CatalogueError if there is none."""
        with self.transaction(), store.named_errors(self.path):
            row = self._db.execute(
                "SELECT seq FROM current_label WHERE image_id = ? AND name = ?", (image_id, name)
            ).fetchone()
            if row is None:
                raise CatalogueError(f"undo {name!r} of picture {image_id}", expected="a label", got="none")
            self._db.execute(
                "INSERT INTO label (image_id, name, undoes, who, said_at) VALUES (?, ?, ?, ?, ?)",
                (image_id, name, row[0], who, _now()),
            )

    def merge_groups(self, joins: Mapping[str, str]) -> None:
        """Rename groups: pictures of each key join its value, and take that group's split.

        As `group_near_duplicates` suggests. Raises CatalogueError when a key is no group of the catalogue.
        """
        strangers = sorted(set(joins) - set(self.groups())) or [group for group in joins.values() if not group]
        if strangers:
            raise CatalogueError("joining groups", expected="groups of the catalogue", got=repr(strangers[0]))
        with self.transaction(), store.named_errors(self.path):
            self._db.executemany("UPDATE image SET in_group = ?2 WHERE in_group = ?1", sorted(joins.items()))

    def set_splits(self, plan: Mapping[str, str]) -> None:
        """Give groups their split; groups the plan does not name keep theirs. Raises CatalogueError."""
        wrong = sorted(set(plan.values()) - set(SPLITS))
        if wrong:
            raise CatalogueError("split", expected=" or ".join(SPLITS), got=repr(wrong[0]))
        strangers = sorted(set(plan) - set(self.groups()))
        if strangers:
            raise CatalogueError("split plan", expected="groups of the catalogue", got=repr(strangers[0]))
        with self.transaction(), store.named_errors(self.path):
            self._db.executemany(
                "INSERT INTO split (in_group, split) VALUES (?, ?) ON CONFLICT DO UPDATE SET split = excluded.split",
                sorted(plan.items()),
            )

    # --- reading ------------------------------------------------------------------------------------------------------

    def find(self, sha256: str) -> ImageId | None:
        """The id of the picture whose file has this SHA-256."""
        with store.named_errors(self.path):
            row = self._db.execute("SELECT id FROM image WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else ImageId(row[0])

    def examples(self, split: str | None = None) -> list[Example]:
        """Every picture, or those of one split, ordered by content hash. A label of None is left out: unknown."""
        with store.named_errors(self.path), self._snapshot():
            labels: dict[int, dict[str, Label]] = {}
            for image_id, name, value, visible_px, pixels in self._db.execute(
                "SELECT c.image_id, c.name, c.value, c.visible_px, i.width * i.height FROM current_label AS c"
                " JOIN image AS i ON i.id = c.image_id WHERE c.value <> 'null' ORDER BY c.name"
            ):
                visible = None if visible_px is None else visible_px / pixels
                labels.setdefault(image_id, {})[name] = Label(json.loads(value), visible)
            rows = self._db.execute(
                "SELECT i.id, i.file, i.sha256, i.in_group, s.split, i.width, i.height, i.meta, i.source, i.near"
                " FROM image AS i LEFT JOIN split AS s ON s.in_group = i.in_group"
                " WHERE ?1 IS NULL OR s.split = ?1 ORDER BY i.sha256",
                (split,),
            ).fetchall()
        return [
            Example(
                image_id=image_id,
                path=self.images / file,
                sha256=sha256,
                group=group,
                split=its_split,
                width=width,
                height=height,
                labels=labels.get(image_id, {}),
                meta=json.loads(meta),
                source=source,
                near=near,
            )
            for image_id, file, sha256, group, its_split, width, height, meta, source, near in rows
        ]

    def groups(self) -> dict[str, int]:
        """Group to number of pictures, ordered by name."""
        with store.named_errors(self.path):
            return dict(self._db.execute("SELECT in_group, COUNT(*) FROM image GROUP BY in_group ORDER BY in_group"))

    def splits(self) -> dict[str, str]:
        """Group to split, of the groups that have one."""
        with store.named_errors(self.path):
            return dict(
                self._db.execute(
                    "SELECT in_group, split FROM split WHERE in_group IN (SELECT in_group FROM image) ORDER BY in_group"
                )
            )

    def label_counts(self) -> dict[str, dict[str, int]]:
        """Label name to how often each value stands now; values as JSON texts."""
        counts: dict[str, dict[str, int]] = {}
        with store.named_errors(self.path):
            for name, value, count in self._db.execute(
                "SELECT name, value, COUNT(*) FROM current_label WHERE value <> 'null'"
                " GROUP BY name, value ORDER BY name, value"
            ):
                counts.setdefault(name, {})[value] = count
        return counts

    def history(self, image_id: int | None = None, name: str | None = None) -> list[Entry]:
        """The journal, oldest first; of one picture or one name if given."""
        with store.named_errors(self.path):
            rows = self._db.execute(
                "SELECT l.seq, l.image_id, l.name, l.value, l.visible_px, l.who, l.said_at,"
                " EXISTS (SELECT 1 FROM label AS later WHERE later.undoes = l.seq) FROM label AS l"
                " WHERE l.undoes IS NULL AND (?1 IS NULL OR l.image_id = ?1) AND (?2 IS NULL OR l.name = ?2)"
                " ORDER BY l.seq",
                (image_id, name),
            ).fetchall()
        return [Entry(s, i, n, json.loads(v), px, who, at, bool(undone)) for s, i, n, v, px, who, at, undone in rows]

    def data_hash(self) -> str:
        """SHA-256 of pictures, labels, groups and splits; independent of ids, order and times."""
        digest = hashlib.sha256()
        for e in self.examples():
            said = {name: [label.value, label.visible] for name, label in e.labels.items()}
            digest.update(json.dumps([e.sha256, e.group, e.split, said], sort_keys=True).encode())
        return digest.hexdigest()

    def verify(self, progress: Progress | None = None) -> list[str]:
        """Read every file: one line for each that is missing, unreadable or changed. Empty when all is well."""
        told = progress or Quiet()
        problems = []
        for example in self.examples():
            problems += damage(example.path, example.sha256)
            for reference in masks.references(example.labels):
                path = self.images / masks.place(reference)
                problems += damage(path, path.stem)
            told.advance()
        return problems

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Several reads of one moment."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def _size(self, image_id: int) -> tuple[int, int]:
        with store.named_errors(self.path):
            row = self._db.execute("SELECT width, height FROM image WHERE id = ?", (image_id,)).fetchone()
        if row is None:
            raise CatalogueError("a label", expected="the id of a picture in the catalogue", got=repr(image_id))
        return int(row[0]), int(row[1])


def _check_text(what: str, text: str) -> None:
    """Not empty, and of characters that UTF-8 has: a file's name may hold others."""
    if not text or text.encode("utf-8", "replace").decode() != text:
        raise CatalogueError(what, expected="a text", got=repr(text))


def _suffix(suffix: str) -> str:
    lower = suffix.lower()
    if not re.fullmatch(r"\.[a-z0-9]{1,5}", lower):
        raise CatalogueError("suffix of a picture", expected="a dot and letters, as .jpg", got=repr(suffix))
    return lower


def _to_json(what: str, value: Json) -> str:
    try:
        return json.dumps(value, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise CatalogueError(what, expected="a value JSON can hold", got=f"{value!r} ({error})") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
