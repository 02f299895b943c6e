"""A data set into the catalogue. Knows the catalogue, not how the formats are read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from telltale.dataset import formats, layouts
from telltale.dataset.catalogue import SPLITS, Catalogue, ImageId
from telltale.dataset.formats import ClassMap, Found, Skipped
from telltale.dataset.grouping import with_groups
from telltale.dataset.mask_layouts import GOOD, UNNAMED
from telltale.dataset.masks import FileMask, MaskSource, by_number
from telltale.errors import CatalogueError, ImageError, Interrupted, TelltaleError
from telltale.preprocess import decode
from telltale.progress import Progress, Quiet
from telltale.tasks.locate import Locate, join_boxes
from telltale.tasks.task import Json, Label, Task

BATCH = 50
"""So many pictures are one transaction: what Ctrl-C can lose."""

ANY = "defect"
"""What an unnamed mask is of where there is no task to name it."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a data set.

    added: new pictures. known: pictures that were there already. labels: labels written. kept: labels that were not
    written because the catalogue has a word on them. contradictions: pictures that are byte for byte the same and
    labelled differently; those labels are unknown now. skipped: everything left out, each with its reason.
    untold: names of labels that were kept, though the task does not tell them.
    """

    added: int
    known: int
    labels: int
    kept: int
    contradictions: tuple[Skipped, ...]
    skipped: tuple[Skipped, ...]
    untold: tuple[str, ...] = ()

    def lines(self, first: int = 10) -> list[str]:
        """For people: the counts, then the first few of each list."""
        out = [f"{self.added} pictures added, {self.known} known already, {self.labels} labels written"]
        if self.kept:
            out.append(
                f"{self.kept} labels left as they are: the catalogue has a word on them (replace them on demand)"
            )
        if self.untold:
            out.append(f"kept, though the task does not tell them: {', '.join(self.untold[:first])}")
        for title, items in (("same picture, other label", self.contradictions), ("skipped", self.skipped)):
            out += [f"{title}: {item.file}: {item.reason}" for item in items[:first]]
            if len(items) > first:
                out.append(f"{title}: and {len(items) - first} more")
        return out


def import_folder(
    path: str | os.PathLike[str],
    catalogue: Catalogue,
    *,
    format: str = "auto",
    group_by: str = "auto",
    class_map: ClassMap | None = None,
    task: Task | None = None,
    who: str = "import",
    replace_labels: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    r"""Take a data set into the catalogue. One bad file never stops it: it is listed in the report.

    group_by: where the data set names no group: `labels` (the combination of labels), `file` (each its own), `folder`,
    a CSV column, or a regular expression on the file's name whose bracketed parts are the group, as `slot(\d+)_`.
    `auto` takes the combination when three or more names make at least 8 of them, several pictures each; else each
    file is its own, and near-duplicates are left to `group_near_duplicates`.
    class_map: what the folders of an imagefolder stand for. task: labels that it cannot encode are left out.
    replace_labels: newer words win over what the catalogue holds; else only what is unknown is filled.
    Importing again adds nothing, so an interrupted import goes on where it stopped.
    Raises CatalogueError when nothing can be read, ConfigError on group_by, Interrupted on Ctrl-C.
    """
    root = Path(path)
    kind = layouts.detect(root) if format == "auto" else format
    by_column = kind == "csv" and _is_word(group_by) and group_by not in ("auto", "labels", "file", "folder")
    if not root.exists():
        raise CatalogueError(str(root), expected="a data set", got="nothing there")
    wish = layouts.Wish(
        class_map,
        group_by if by_column else "",
        task.names if task is not None else (),
        task is not None and task.kind == Locate.kind,
    )
    entries = list(layouts.read(root, kind, wish))
    skipped = [entry for entry in entries if isinstance(entry, Skipped)]
    found = [entry for entry in entries if isinstance(entry, Found)]
    if not found:
        reason = f"; the first of {len(skipped)}: {skipped[0].file}: {skipped[0].reason}" if skipped else ""
        raise CatalogueError(str(root), expected=f"pictures laid out as {kind}", got="none" + reason)
    grouped = with_groups(found, "auto" if by_column else group_by)
    run = _Import(catalogue, task, class_map or {}, who, replace_labels, progress or Quiet(), skipped)
    run.take(grouped)
    return run.report()


class _Import:
    """One import under way."""

    def __init__(
        self,
        catalogue: Catalogue,
        task: Task | None,
        class_map: ClassMap,
        who: str,
        replace_labels: bool,
        told: Progress,
        skipped: list[Skipped],
    ) -> None:
        self._catalogue = catalogue
        self._task = task
        self._class_map = class_map
        self._who = who
        self._replace = replace_labels
        self._told = told
        self._skipped = skipped
        self._contradictions: list[Skipped] = []
        self._first: dict[str, tuple[str, dict[str, Json]]] = {}  # sha256 to the file seen first and its labels
        self._untold: set[str] = set()
        self._added = self._known = self._labels = self._kept = 0

    def take(self, found: Sequence[Found]) -> None:
        splits = self._plan_splits(found)
        try:
            for start in range(0, len(found), BATCH):
                with self._catalogue.transaction():
                    for each in found[start : start + BATCH]:
                        self._take_one(each)
                        self._told.advance(1, f"{len(self._skipped)} skipped" if self._skipped else "")
        except KeyboardInterrupt:
            raise Interrupted(
                "import stopped",
                got=f"{self._added} pictures added of {len(found)}",
                next="all but the last few are kept; run it again to go on",
            ) from None
        there = self._catalogue.groups()
        has = {} if self._replace else self._catalogue.splits()
        self._catalogue.set_splits({g: s for g, s in splits.items() if g in there and g not in has})

    def report(self) -> ImportReport:
        return ImportReport(
            self._added,
            self._known,
            self._labels,
            self._kept,
            tuple(self._contradictions),
            tuple(self._skipped),
            tuple(sorted(self._untold)),
        )

    def _plan_splits(self, found: Sequence[Found]) -> dict[str, str]:
        """Group to split, as the data set has it; a group in two splits gets none."""
        named: dict[str, set[str]] = {}
        for each in found:
            if each.split is None:
                continue
            split = formats.SPLIT_WORDS.get(each.split.strip().lower())
            if split is None:
                self._skipped.append(Skipped(each.name, f"split: expected {', '.join(SPLITS)}, got {each.split!r}"))
            else:
                named.setdefault(str(each.group), set()).add(split)
        for group, splits in named.items():
            if len(splits) > 1:
                self._skipped.append(Skipped(f"group {group}", f"in {' and '.join(sorted(splits))}; split left open"))
        return {group: next(iter(splits)) for group, splits in named.items() if len(splits) == 1}

    def _take_one(self, found: Found) -> None:
        try:
            data = found.file.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            known = self._catalogue.find(sha256)
            pixels = decode(data)
        except OSError as error:
            self._skipped.append(Skipped(found.name, (error.strerror or str(error)).lower()))
            return
        except ImageError as error:
            self._skipped.append(Skipped(found.name, f"expected {error.expected}, got {error.got}"))
            return
        height, width = pixels.shape[:2]
        drawn = {**self._read_masks(found, width, height), **self._read_boxes(found, width, height)}
        found = replace(found, labels={**found.labels, **drawn})
        wrong = {**formats.unfit(found, width, height), **self._unfit_for_task(found)}
        self._skipped += [Skipped(found.name, reason) for reason in wrong.values()]
        labels = {n: v for n, v in found.labels.items() if n not in wrong and v is not None}
        image_id = self._catalogue.add(
            data,
            suffix=_suffix(found.file),
            group=str(found.group),
            source=found.source,
            meta={"file": found.name, **found.meta},
            pixels=pixels,
        )
        self._added += known is None
        self._known += known is not None
        if sha256 in self._first:
            self._take_again(found, image_id, sha256, labels)
            return
        self._first[sha256] = (found.name, labels)
        self._write(found, image_id, labels, fresh=known is None)

    def _read_masks(self, found: Found, width: int, height: int) -> dict[str, Json]:
        """Labels of a picture's masks: a reference to the kept file, or False where there is nothing on it.

        What does not fit is told, and leaves its name unknown.
        """
        try:
            sources = self._named_masks(found)
        except CatalogueError as error:
            self._skipped.append(Skipped(found.name, str(error)))
            return {}
        out: dict[str, Json] = {}
        for name, source in sources.items():
            if source is None:
                out[name] = False
                continue
            try:
                mask = source.read(width, height)
                out[name] = self._catalogue.keep_mask(mask) if mask.any() else False
            except CatalogueError as error:  # once, where several names are read from one file
                told = Skipped(found.name, str(error))
                self._skipped += [] if told in self._skipped[-1:] else [told]
        return out

    def _read_boxes(self, found: Found, width: int, height: int) -> dict[str, Json]:
        """Labels of a picture's boxes, in its pixels; what does not fit is told, and leaves all of them unknown."""
        if found.boxes is None:
            return {}
        try:
            values, notes = found.boxes.read(width, height)
        except CatalogueError as error:
            self._skipped.append(Skipped(found.name, f"{error}: added without a label"))
            return {}
        self._skipped += [Skipped(found.name, note) for note in notes]
        out: dict[str, Json] = {}
        for word, value in values.items():
            for name in self._class_map.get(word, {word: True}):
                out[name] = join_boxes(name, out[name], value) if name in out else value
        return out

    def _named_masks(self, found: Found) -> dict[str, MaskSource | None]:
        """Every name to its mask, or to None where there is none of it. Raises CatalogueError."""
        names = self._task.names if self._task is not None else ()
        if found.nothing:
            return dict.fromkeys(names or (ANY,))
        sources: dict[str, MaskSource | None] = dict(found.masks)
        if UNNAMED not in sources:
            return sources
        unnamed = sources.pop(UNNAMED)
        word = str(found.meta.get("class", ""))
        meant = self._class_map.get(word, {word: True} if word in names else {})
        if not meant and isinstance(unnamed, FileMask):
            numbered = by_number(unnamed, names, self._class_map, in_order=not word and len(names) > 1)
            if numbered:
                return {**numbered, **sources}
        if len(names) == 1 or not names:
            return {**sources, (names[0] if names else ANY): unnamed}
        if not meant and word.lower() in GOOD:
            return {**dict.fromkeys(names), **sources}
        if not set(meant) & set(names):
            raise CatalogueError(
                "its mask",
                expected="a class that is one of " + ", ".join(names),
                got=repr(word),
                next=f"say which with --map {word or 'CLASS'}=NAME:on",
            )
        return {**dict.fromkeys(names), **{name: unnamed for name, on in meant.items() if on}, **sources}

    def _take_again(self, found: Found, image_id: ImageId, sha256: str, labels: dict[str, Json]) -> None:
        """The same bytes a second time in this data set: what disagrees is known by nobody."""
        name, before = self._first[sha256]
        differ = [n for n, value in labels.items() if n in before and before[n] != value]
        if differ:
            reason = f"the same picture as {name}, yet {', '.join(f'{n} is {labels[n]}' for n in differ)}"
            self._contradictions.append(Skipped(found.name, reason))
        for n in differ:
            before[n] = None
            last = self._catalogue.history(image_id, n)[-1]
            if last.who == self._who and not last.undone and last.value is not None:
                self._catalogue.label(image_id, n, None, who=self._who)
        new = {n: value for n, value in labels.items() if n not in before}
        before.update(new)
        self._write(found, image_id, new, fresh=False)

    def _write(self, found: Found, image_id: ImageId, labels: dict[str, Json], *, fresh: bool) -> None:
        history = [] if fresh else self._catalogue.history(image_id)
        spoken = {entry.name for entry in history}  # even if taken back: then somebody looked
        now = {entry.name: entry.value for entry in history if not entry.undone}
        for name, value in labels.items():
            if now.get(name) == value or (name in spoken and not self._replace):
                self._kept += now.get(name) != value
                continue
            self._catalogue.label(image_id, name, value, who=self._who, visible_px=found.visible_px.get(name))
            self._labels += 1
            if self._task is not None and name not in self._task.names:
                self._untold.add(name)

    def _unfit_for_task(self, found: Found) -> dict[str, str]:
        wrong = {}
        for name, value in found.labels.items():
            if self._task is None or name not in self._task.names or value is None:
                continue
            try:
                self._task.shows({name: Label(value)})
            except TelltaleError as error:
                wrong[name] = str(error)
        return wrong


# --- groups -----------------------------------------------------------------------------------------------------------


def _is_word(text: str) -> bool:
    return re.fullmatch(r"[\w .-]+", text) is not None


def _suffix(file: Path) -> str:
    return file.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", file.suffix) else ".img"
