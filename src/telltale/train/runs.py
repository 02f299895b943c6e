"""`telltale train`: from a project's catalogue to a run folder. Knows how the parts of training fit together."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from telltale import __version__
from telltale.dataset.catalogue import Catalogue, Example
from telltale.dataset.near import refuse_leaks
from telltale.errors import ConfigError, Interrupted, LeakError, TrainError
from telltale.model.backbones import check_backbone
from telltale.model.checkpoint import (
    BEST,
    LAST,
    START,
    Checkpoint,
    RunConfig,
    load,
    read_config,
    restore,
    save,
    write_config,
)
from telltale.model.network import Network, build, count_macs, count_parameters
from telltale.model.rounded import rounded
from telltale.project import Project, Train
from telltale.tasks import Task
from telltale.train.device import make_fabric, pick_threads
from telltale.train.feed import Feed
from telltale.train.feeds import Loaded, Steps, make_feed, silent
from telltale.train.journal import Row
from telltale.train.loop import Loop

SHEET = "augmented.jpg"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run left behind.

    best: the checkpoint with the lowest watched loss, with which `load_run(run_dir)` answers.
    best_epoch: counted from 1. watch: the numbers of that epoch on the watched groups (log.csv's columns).
    notes: what the user should know of the data. seconds: spent training, over all resumes.
    """

    run_dir: Path
    best: Path
    best_epoch: int
    epochs: int
    watch: Row
    notes: tuple[str, ...]
    seconds: float
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class Start:
    """Weights to begin with, and the name of the run they come from."""

    name: str
    weights: Mapping[str, Tensor]

    def put_into(self, network: Network) -> None:
        """Load them; what is learned beside the labels begins anew where there is more or less of it than before.

        Raises TrainError when they do not fit.
        """
        mine = network.state_dict()
        kept = {k: v for k, v in self.weights.items() if not k.startswith("hint.")}
        hints = {
            k: v for k, v in self.weights.items() if k in mine and k.startswith("hint.") and v.shape == mine[k].shape
        }
        restore(network, {**{k: v for k, v in mine.items() if k.startswith("hint.")}, **kept, **hints}, Path(self.name))


def run(
    project: Project,
    *,
    name: str | None = None,
    resume: bool = False,
    allow_leak: bool = False,
    settings: Train | None = None,
    start: Start | None = None,
    steps: Steps = silent,
) -> RunResult:
    """Train on the project's train split into `runs/NAME/`; the calibration and test splits are not touched.

    name: of the run; None numbers them (run-1, run-2...), or with `resume` takes the newest.
    resume: go on where the run's last checkpoint stands, with the settings it was begun with.
    settings: instead of the project's [train]. start: weights to begin with instead of random ones.
    Raises TrainError, LeakError (unless allow_leak), CatalogueError, ImageError, ConfigError; Interrupted after Ctrl-C.
    """
    run_dir = find_run(project, name) if resume else _fresh(project, name)
    begun = read_config(run_dir) if resume else None
    chosen = begun.train if begun else settings or project.config.train
    check_backbone(chosen.backbone)
    task = project.config.make_task()
    examples, leaked = read_examples(project, allow_leak, unlabelled=chosen.teacher is not None)
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        data_hash = catalogue.data_hash()
    fabric = make_fabric(chosen)
    # Under torchrun the first process names the run.
    run_dir = fabric.broadcast(run_dir)
    how = f"`telltale train --resume --name {run_dir.name}` goes on"
    try:
        data = make_feed(project, task, examples, chosen, steps)
    except KeyboardInterrupt as stop:
        raise Interrupted("stopped while reading the pictures", next="run it again; nothing is lost") from stop
    begin = start
    if begun and begun.start:
        begin = Start(begun.start, load(run_dir / START).averaged)
    network = _begin(project, task, chosen, data.hints, begin)
    if chosen.threads is None and fabric.device.type == "cpu":
        # Kept in the run's config: another number of threads adds up in another order.
        chosen = chosen.model_copy(update={"threads": pick_threads(network, chosen.batch, fabric)})
        torch.set_num_threads(chosen.threads or 1)
    config = _describe(project, task, chosen, data, network, run_dir.name, data_hash)
    config = config.model_copy(update={"leak_allowed": leaked, "start": begin.name if begin else ""})
    if begun:
        _check_same(begun, config, run_dir)
    elif fabric.is_global_zero:
        _write_start(run_dir, config, start, data.feed)
    total = chosen.rounds * max(1, len(data.feed) // chosen.batch)
    start_s = time.monotonic()
    with steps(f"train {run_dir.name}", None if chosen.minutes else total, "steps") as progress:
        loop = Loop(
            network,
            task,
            data.feed,
            chosen,
            config.model_dump(),
            run_dir,
            fabric,
            progress=progress,
            how_to_go_on=how,
        )
        if resume and (run_dir / LAST).is_file():
            loop.resume(load(run_dir / LAST), run_dir / LAST)
        history = loop.run()
    fabric.barrier()
    return _result(run_dir, history, loop, data.notes, network, time.monotonic() - start_s)


def _begin(project: Project, task: Task, settings: Train, hints: int, start: Start | None) -> Network:
    """The network as it is before the first step. Raises TrainError where it shall be rounded and has no start."""
    torch.manual_seed(settings.seed)
    size = project.config.input
    network = build(settings.backbone, task, size.height, size.width, hints=hints)
    if settings.quantise:
        if start is None:
            raise TrainError("train.quantise", expected="a run to begin with", got="none", next="`train --quantise`")
        network = rounded(network)
    if start:
        start.put_into(network)
    return network


def _describe(
    project: Project, task: Task, settings: Train, data: Loaded, network: Network, name: str, data_hash: str
) -> RunConfig:
    """Everything the run is made from."""
    return RunConfig(
        name=name,
        task=task.to_spec(),
        input=project.config.input,
        train=settings,
        data_hash=data_hash,
        groups=data.parts,
        split=project.config.split.model_dump(),
        licence=project.config.licence,
        code_version=__version__,
        fused_parameters=count_parameters(network.fused()),
        macs=count_macs(network),
        hints=data.hints,
        teacher=data.teacher,
    )


def _write_start(run_dir: Path, config: RunConfig, start: Start | None, feed: Feed) -> None:
    """The run's folder with what is known before the first step."""
    run_dir.mkdir(parents=True, exist_ok=True)
    write_config(run_dir, config)
    if start:
        save(run_dir / START, Checkpoint(config.model_dump(), dict(start.weights), dict(start.weights)))
    write_sheet(run_dir / SHEET, feed, config.train.seed)


def _result(
    run_dir: Path, history: Sequence[Row], loop: Loop, notes: tuple[str, ...], network: Network, seconds: float
) -> RunResult:
    at = loop.position
    best = history[at.best_epoch - 1]
    return RunResult(
        run_dir=run_dir,
        best=run_dir / BEST,
        best_epoch=at.best_epoch,
        epochs=at.epoch,
        watch={key: value for key, value in best.items() if "watch" in key},
        notes=notes,
        seconds=at.elapsed_s or seconds,
        parameters=count_parameters(network.fused()),
        macs=count_macs(network),
    )


def _fresh(project: Project, name: str | None) -> Path:
    """A run folder that is not there yet."""
    if name is None:
        taken = {path.name for path in project.runs.glob("run-*")}
        number = 1
        while f"run-{number}" in taken:
            number += 1
        return project.runs / f"run-{number}"
    if not NAME.fullmatch(name):
        raise ConfigError("the run's name", expected="letters, digits, '.', '_' and '-'", got=repr(name))
    run_dir = project.runs / name
    if run_dir.exists() and os.environ.get("RANK", "0") == "0":
        raise TrainError(
            f"run {name!r} is there already", next=f"--resume goes on with it; another --name, or delete {run_dir}"
        )
    return run_dir


def find_run(project: Project, name: str | None) -> Path:
    """The folder of a run begun before; the newest without a name. Raises TrainError where there is none."""
    if name is not None:
        run_dir = project.runs / name
        if not run_dir.is_dir():
            there = sorted(path.name for path in project.runs.glob("*") if path.is_dir())
            raise TrainError(f"no run {name!r}", expected=" or ".join(there) or "a run", got="none")
        return run_dir
    begun = [path.parent for path in project.runs.glob("*/config.json")]
    if not begun:
        raise TrainError("no run to go on with", expected=f"a run in {project.runs}", got="none", next="train first")
    return max(begun, key=lambda path: (path / "config.json").stat().st_mtime)


def read_examples(project: Project, allow_leak: bool, *, unlabelled: bool = False) -> tuple[list[Example], bool]:
    """The labelled pictures of the train split, and whether leaks were found and let through.

    unlabelled: with those that nobody labelled, where somebody labelled any. Raises TrainError, LeakError.
    """
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        everything = catalogue.examples()
    if not everything:
        raise TrainError("the catalogue is empty", expected="labelled pictures", got="none", next="`telltale collect`")
    train = [example for example in everything if example.split == "train" and example.labels]
    if not train:
        splits = sorted({str(example.split) for example in everything})
        raise TrainError(
            "no labelled pictures in the train split",
            expected="a split and labels",
            got=f"{len(everything)} pictures in {', '.join(splits)}",
            next="label some, or split the catalogue anew",
        )
    if unlabelled:
        train = [example for example in everything if example.split == "train"]
    leaked = False
    try:
        refuse_leaks(everything, project.config.split.near_bits)
    except LeakError:
        if not allow_leak:
            raise
        leaked = True
    return train, leaked


def _check_same(begun: RunConfig, now: RunConfig, run_dir: Path) -> None:
    """A resumed run must see the data it began with, or it reaches other weights than an unbroken one."""
    for what in ("task", "input", "data_hash", "teacher"):
        if getattr(begun, what) != getattr(now, what):
            raise TrainError(
                f"run {run_dir.name!r} cannot go on: {what.replace('_', ' ')} has changed since",
                expected=str(getattr(begun, what)),
                got=str(getattr(now, what)),
                next="start a new run with another --name",
            )


def write_sheet(path: Path, feed: Feed, seed: int, *, columns: int = 8, rows: int = 4) -> None:
    """What the network sees, as one JPEG: the pairs of pictures that the feed shows."""
    pairs = feed.pairs(seed, columns * rows // 2)
    height, width = pairs[0][0].shape[:2]
    gap = 4
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, pair in enumerate(pairs):
        for side, picture in enumerate(pair):
            row, column = divmod(2 * index + side, columns)
            y, x = gap + row * (height + gap), gap + column * (width + gap)
            sheet[y : y + height, x : x + width] = picture
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert ok
    path.write_bytes(data.tobytes())
