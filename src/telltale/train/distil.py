"""A teacher's answers as something to learn from, beside the labels or in their place. Knows nothing of the loop.

Hinton et al. (2015): a probability says more than a label, and of pictures nobody labelled it is all there is. A
student also learns the teacher's hidden units through a linear layer that never ships (FitNets, Romero et al. 2015).

Answers come in two ways. *Cached*: each picture and its mirror image are told once, at the teacher's own input size,
and kept on disk; an epoch then costs what it costs without a teacher. *Moved*: the teacher sees in every step the very
pictures, moved and recoloured, that the student sees.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor
from telltale.errors import TrainError
from telltale.frame import Image
from telltale.model.checkpoint import BEST, CONFIG, load_run
from telltale.model.network import Network
from telltale.preprocess import Preprocess
from telltale.progress import Progress, Quiet
from telltale.project import Distil
from telltale.tasks import Target, Task
from telltale.tasks.task import Floats
from telltale.train.feed import Batch, Feed, MakeBatch, Watched
from telltale.train.hints import Hints

SURE = 1e-4
"""A bundle's probabilities are cut off here before they become logits again."""

BATCH = 32


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a teacher says of N pictures. logits: as the student's, NaN where the teacher does not know the name.

    hidden: (N, M) its hidden units, None where it shows none.
    """

    logits: Tensor
    hidden: Tensor | None = None


class Teacher(Protocol):
    """A model that tells the student's names.

    key: changes with its weights. preprocess: how it sees pictures. hidden: how many hidden units it shows.
    """

    @property
    def key(self) -> str: ...
    @property
    def preprocess(self) -> Preprocess: ...
    @property
    def hidden(self) -> int: ...

    def tell(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 in 0..1 at its input's size -> logits in the order of the student's names, NaN where it
        does not know the name. Several threads may ask at once.
        """
        ...

    def explain(self, pixels: Tensor) -> Lesson:
        """The same with its hidden units; for one thread."""
        ...


def open_teacher(path: Path, task: Task) -> Teacher:
    """A bundle's folder, a lone .onnx, or a run's folder. Raises TrainError where it is none or tells other things."""
    if (path / CONFIG).is_file():
        return RunTeacher(path, task)
    if Bundle.is_bundle(path) or path.suffix == ".onnx":
        return OnnxTeacher(path, task)
    raise TrainError(
        f"teacher {path}",
        expected="a run's folder or a bundle",
        got="neither" if path.exists() else "nothing there",
        next="name one of runs/, or a NAME.telltale",
    )


class RunTeacher:
    """A run's averaged weights in torch; shows its hidden units."""

    def __init__(self, path: Path, task: Task) -> None:
        self.network, config = load_run(path)
        self.order = _order(path, self.network.task, task)
        self.key = _digest((path / BEST).read_bytes())
        self.preprocess = config.input.preprocess()
        self.hidden = int(cast(int, self.network.head.width)) if self.network.task.kind == "states" else 0
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)

    @torch.no_grad()
    def tell(self, pixels: Tensor) -> Tensor:
        """See `Teacher`."""
        return _sorted(self.network(pixels)["logits"].float(), self.order)

    @torch.no_grad()
    def explain(self, pixels: Tensor) -> Lesson:
        """See `Teacher`."""
        outputs, hidden = _with_hidden(self.network, pixels)
        return Lesson(_sorted(outputs["logits"].float(), self.order), hidden)


class OnnxTeacher:
    """A bundle's calibrated answers by onnxruntime."""

    hidden = 0

    def __init__(self, path: Path, task: Task) -> None:
        # The float variant: the student shall not learn what rounding does.
        self.predictor = Predictor.open(path, threads=1, variant="float")
        self.order = _order(path, self.predictor.task, task)
        self.key = _digest(self.predictor.spec.model_dump_json().encode())
        self.preprocess = self.predictor.preprocess

    def explain(self, pixels: Tensor) -> Lesson:
        """See `Teacher`."""
        return Lesson(self.tell(pixels))

    def tell(self, pixels: Tensor) -> Tensor:
        """See `Teacher`."""
        picture = (pixels * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        first = next(iter(self.predictor.task.output_shapes(1, 1)))  # what a yes or no is told of
        p = self.predictor.run(picture, outputs=[first])[first]
        p = np.clip(p, SURE, 1 - SURE)
        return _sorted(torch.from_numpy(np.log(p / (1 - p))).to(pixels.device), self.order)


def _with_hidden(network: Network, pixels: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
    """Its outputs, and what its last layer reads where that is a vector."""
    seen: list[Tensor] = []
    tell = network.head.get_submodule("tell")

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0])

    handle = tell.register_forward_pre_hook(keep) if isinstance(tell, nn.Linear) else None
    try:
        outputs = network(pixels)
    finally:
        if handle:
            handle.remove()
    return outputs, seen[0].float() if seen else None


def _order(path: Path, theirs: Task, mine: Task) -> list[int]:
    """For each of the student's names the teacher's place of it, -1 where it lacks it."""
    if theirs.kind != mine.kind:
        raise TrainError(f"teacher {path.name}", expected=f"a {mine.kind} model", got=theirs.kind)
    order = [theirs.names.index(name) if name in theirs.names else -1 for name in mine.names]
    if max(order) < 0:
        raise TrainError(
            f"teacher {path.name}", expected=f"some of {', '.join(mine.names)}", got=", ".join(theirs.names)
        )
    return order


def _sorted(logits: Tensor, order: Sequence[int]) -> Tensor:
    """(N, K, ...) in the student's order."""
    nothing = torch.full_like(logits[:, :1], float("nan"))
    return torch.cat([logits[:, k : k + 1] if k >= 0 else nothing for k in order], 1)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


# ---- each picture told once ----


@dataclass(frozen=True, slots=True)
class Answers:
    """Of N pictures as they are and mirrored. logits: (N, K), hidden: (N, M), M may be 0."""

    plain: Floats
    mirrored: Floats
    hidden: Floats
    hidden_mirrored: Floats


def cached_answers(
    teacher: Teacher,
    folder: Path,
    hashes: Sequence[str],
    read: Callable[[int], Image],
    *,
    progress: Progress = Quiet(),  # noqa: B008 - Quiet has no state
) -> Answers:
    """What the teacher tells of each picture and of its mirror image; from `folder` where it was asked before.

    hashes: of the pictures' contents. read: a row's picture, (H, W, 3) uint8 of any size. Raises TrainError when the
    disk refuses.
    """
    path = folder / f"{_digest(' '.join([teacher.key, repr(teacher.preprocess), *hashes]).encode())}.lessons.npz"
    found = _read_answers(path, len(hashes))
    if found is not None:
        return found
    parts: list[list[Floats]] = [[], [], [], []]
    for start in range(0, len(hashes), BATCH):
        rows = range(start, min(start + BATCH, len(hashes)))
        images = np.stack([teacher.preprocess.apply(read(row)) for row in rows])
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        for k, view in enumerate((pixels, pixels.flip(3))):
            lesson = teacher.explain(view.contiguous())
            hidden = torch.empty(len(rows), 0) if lesson.hidden is None else lesson.hidden
            parts[k].append(lesson.logits.numpy())
            parts[2 + k].append(hidden.numpy())
        progress.advance(len(rows))
    answers = Answers(*(np.concatenate(part).astype(np.float32) for part in parts))
    _write_answers(path, answers)
    return answers


def _read_answers(path: Path, count: int) -> Answers | None:
    try:
        with path.open("rb") as data, np.load(data) as file:  # every member carries a checksum
            found = Answers(*(file[name] for name in Answers.__slots__))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):  # damaged or not there: asked anew
        return None
    return found if len(found.plain) == count else None


def _write_answers(path: Path, answers: Answers) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.savez(file, **{name: getattr(answers, name) for name in Answers.__slots__})
        part.replace(path)
    except OSError as error:
        raise TrainError(f"cannot write {path}", got=str(error), next="free some space") from error
    finally:
        part.unlink(missing_ok=True)


def both_views(answers: Answers, task: Task, flip: bool) -> Answers:
    """The mean of what was told of a picture and of its mirror image, where mirror images teach the same."""
    if not flip:
        return answers
    swap = mirror_order(task)
    plain = ((answers.plain + answers.mirrored[:, swap]) / 2).astype(np.float32)
    return replace(answers, plain=plain, mirrored=plain[:, swap])


def mirror_order(task: Task) -> list[int]:
    """For each name the place of the one whose answer it takes in the mirrored picture."""
    count = len(task.names)
    marks = np.arange(count, dtype=np.float32)
    shape = task.output_shapes(1, 1)["probabilities"]
    wide = marks.reshape(count, *(1,) * (len(shape) - 1))
    none = np.zeros(wide.shape, np.bool_)
    return [int(k) for k in task.mirror(Target(wide, ~none, none)).values.reshape(-1)]


def as_hints(answers: Answers) -> Hints:
    """The teacher's hidden units as numbers to learn, each of mean 0 and spread 1; those that never vary left out."""
    both = np.concatenate([answers.hidden, answers.hidden_mirrored])
    mean, spread = both.mean(0), both.std(0)
    kept = spread > 1e-6
    plain, mirrored = ((side - mean)[:, kept] / spread[kept] for side in (answers.hidden, answers.hidden_mirrored))
    names = tuple(f"hidden {k}" for k in np.flatnonzero(kept))
    return Hints(plain.astype(np.float32), mirrored.astype(np.float32), names)


def join_hints(first: Hints, second: Hints) -> Hints:
    """Both, scaled so that the mean squared error of all is the sum of the two means: 128 units do not drown six."""
    if not first.names or not second.names:
        return first if first.names else second
    count = len(first.names) + len(second.names)
    a, b = (float(np.sqrt(count / len(each.names))) for each in (first, second))
    return Hints(
        np.concatenate([a * first.values, b * second.values], 1),
        np.concatenate([a * first.mirrored, b * second.mirrored], 1),
        (*first.names, *second.names),
    )


# ---- each batch told as it is moved ----


class Taught:
    """A feed whose batches come with the teacher's lesson on the moved pictures."""

    def __init__(self, feed: Feed, teacher: Teacher) -> None:
        self.feed, self.teacher = feed, teacher
        self.labels = feed.labels
        self.watching = feed.watching
        size = teacher.preprocess
        self.size = None if size.fit == "tile" else (size.height, size.width)

    def __len__(self) -> int:
        return len(self.feed)

    def order(self, generator: torch.Generator) -> Tensor:
        """See `Feed`."""
        return self.feed.order(generator)

    def draw(self, rows: Tensor, generator: torch.Generator, device: torch.device) -> MakeBatch:
        """See `Feed`."""
        make = self.feed.draw(rows, generator, device)

        def taught(share: slice) -> Batch:
            batch = make(share)
            pixels, seen = batch.pixels, batch.pixels.shape[2:]
            if self.size is not None and pixels.shape[2:] != self.size:
                pixels = functional.interpolate(pixels, self.size, mode="bilinear", antialias=True).clamp(0, 1)
            lesson = self.teacher.tell(pixels)
            if lesson.dim() == 4 and pixels.shape[2:] != seen:
                shrunk = pixels.shape[2] // lesson.shape[2]  # maps may be smaller than what they were told of
                lesson = functional.interpolate(lesson, [side // shrunk for side in seen], mode="bilinear")
            return replace(batch, lesson=lesson)

        return taught

    def watched(self, device: torch.device) -> Iterator[Watched]:
        """See `Feed`."""
        return self.feed.watched(device)

    def pairs(self, seed: int, count: int) -> list[tuple[Image, Image]]:
        """See `Feed`."""
        return self.feed.pairs(seed, count)


# ---- the loss ----


def distil_loss(logits: Tensor, lesson: Tensor, temperature: float) -> Tensor:
    """Mean binary cross-entropy with the teacher's probabilities at this temperature, times its square, so that
    gradients are as large as those of labels (Hinton et al. 2015). For `states` and `mask`, whose every logit is a
    yes or no; where the lesson is NaN nothing is learned.
    """
    known = ~torch.isnan(lesson)
    wanted = torch.sigmoid(torch.nan_to_num(lesson) / temperature)
    loss = functional.binary_cross_entropy_with_logits(logits.float() / temperature, wanted, reduction="none")
    # Less the teacher's own entropy, which no student can go below: 0 where both agree.
    floor = functional.binary_cross_entropy(wanted, wanted, reduction="none")
    return temperature**2 * ((loss - floor) * known).sum() / known.sum().clamp(min=1)


def blend(loss: Tensor, logits: Tensor, lesson: Tensor, settings: Distil) -> Tensor:
    """The labels' loss and the lesson's, `settings.weight` of it the lesson's."""
    taught = distil_loss(logits, lesson, settings.temperature)
    return (1 - settings.weight) * loss + settings.weight * taught


def find_teacher(root: Path, runs: Path, name: str) -> Path:
    """A run of the project by its name, else a path, from the project's folder where it is relative."""
    run = runs / name
    return run if (run / CONFIG).is_file() else (root / name)
