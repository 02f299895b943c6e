"""Look at labelled pictures as they would be told in use, and count by group. Knows nothing of measures or HTML.

Serves every kind that tells places in a picture: what is counted, listed and drawn of one picture is the kind's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor, VariantName
from telltale.dataset import Example
from telltale.dataset.masks import with_pixels
from telltale.errors import CatalogueError, ImageError, Interrupted
from telltale.evaluate.gallery import jpeg, shrink
from telltale.evaluate.predict import Skipped
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.progress import Progress, Quiet
from telltale.tasks import Target

SHOWN = 6
"""Pictures of each sort in the report."""

TRUE_EDGE = (230, 97, 0)
"""RGB of the edge of what is truly there."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture with the model's outputs and the target, each with a batch axis of 1, at the picture's size."""

    example: Example
    image: Image
    outputs: Mapping[str, NDArray[np.float32]]
    target: Target


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One picture and one name. truth: whether there is any; None: not wholly known. score: the highest."""

    file: str
    image_id: int
    group: str
    name: str
    truth: bool | None
    state: str
    score: float


R = TypeVar("R", bound=PictureRow)


@dataclass(frozen=True, slots=True)
class Pair(Generic[R]):
    """Two JPEGs of one picture: with what is there, and with what was told. sort: best, worst, missed or false."""

    sort: str
    row: R
    truth: bytes
    told: bytes


@dataclass(frozen=True, slots=True)
class Looked(Generic[R]):
    """Pictures looked at and counted. tallies: group to its counts. variant: the one that was run."""

    tallies: Mapping[str, Any]
    rows: tuple[R, ...]
    pictures: int
    pairs: tuple[Pair[R], ...]
    skipped: tuple[Skipped, ...]
    variant: str


@dataclass(frozen=True, slots=True)
class Way(Generic[R]):
    """How a kind is looked at. what: the word for its labels, in an error.

    labelled: (counts of a group) whether any picture of it was labelled. rows: (picture, its counts) -> a row a name.
    choose: (rows) -> sort to those to be shown. draw: (predictor, picture, row) -> what is there, what was told.
    """

    what: str
    labelled: Callable[[Any], bool]
    rows: Callable[[Seen, Any], Iterable[R]]
    choose: Callable[[Sequence[R]], Mapping[str, Sequence[R]]]
    draw: Callable[[Predictor, Seen, R], tuple[Image, Image]]


def look_at(predictor: Predictor, examples: Sequence[Example], progress: Progress) -> Iterator[Seen | Skipped]:
    """The model on each picture, in the order given; one that cannot be read, or whose mask cannot, is set aside."""
    names = predictor.task.names
    for example in examples:
        try:
            image = decode(example.path)
            height, width = image.shape[:2]
            target = predictor.task.encode(with_pixels(example, names), (width, height))
            batch = Target(target.values[None], target.known[None], target.hidden[None])
            yield Seen(example, image, predictor.look(image), batch)
        except (ImageError, CatalogueError) as error:
            yield Skipped(example.path.name, str(error))
        progress.advance()


def look_through(
    bundle: Bundle, examples: Sequence[Example], variant: VariantName, progress: Progress | None, way: Way[R]
) -> Looked[R]:
    """Tell every picture, count, and draw what is worth seeing. Raises CatalogueError when no picture is labelled,
    BundleError, Interrupted.
    """
    tallies: dict[str, Any] = {}
    rows: list[R] = []
    skipped: list[Skipped] = []
    pictures = 0
    try:
        predictor = Predictor.open(bundle.path, variant=variant)
        for seen in look_at(predictor, examples, progress or Quiet()):
            if isinstance(seen, Skipped):
                skipped.append(seen)
                continue
            tally = bundle.task.tally(seen.outputs, seen.target, bundle.spec.thresholds)
            group = seen.example.group
            tallies[group] = tallies[group] + tally if group in tallies else tally
            rows += way.rows(seen, tally)
            pictures += 1
        if not any(way.labelled(tally) for tally in tallies.values()):
            expected = f"test pictures with {way.what} of " + ", ".join(bundle.task.names)
            raise CatalogueError("evaluate", expected=expected, got="none")
        pairs = tuple(_draw_pairs(predictor, rows, {example.image_id: example for example in examples}, way))
    except KeyboardInterrupt as error:
        raise Interrupted("evaluate", got="Ctrl-C", next="nothing was changed; run it again") from error
    return Looked(tallies, tuple(rows), pictures, pairs, tuple(skipped), predictor.variant)


def answer_of(answers: NDArray[np.int64]) -> tuple[bool | None, str]:
    """Whether one picture has any of a name, and what was told of it, from its counts (2, 3); (None, ""): unknown."""
    answered = np.argwhere(answers)
    if not len(answered):
        return None, ""
    return bool(answered[0][0]), ("off", "on", "unsure")[answered[0][1]]


def first_of_groups(rows: Iterable[R]) -> list[R]:
    """The first row of each group."""
    groups: dict[str, R] = {}
    for row in rows:
        groups.setdefault(row.group, row)
    return list(groups.values())


def _draw_pairs(
    predictor: Predictor, rows: Sequence[R], examples: Mapping[int, Example], way: Way[R]
) -> Iterator[Pair[R]]:
    """At most SHOWN of each sort, told once more."""
    for sort, chosen in way.choose(rows).items():
        for row in chosen[:SHOWN]:
            seen = next(look_at(predictor, [examples[row.image_id]], Quiet()))
            if not isinstance(seen, Skipped):
                true, told = way.draw(predictor, seen, row)
                yield Pair(sort, row, jpeg(shrink(true)), jpeg(shrink(told)))
