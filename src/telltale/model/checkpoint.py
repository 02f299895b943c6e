"""A training run on disk: its config and its checkpoints. Knows nothing of how to train.

A checkpoint is one file, written under a temporary name and renamed, so a kill leaves the old one whole.
It is read with `weights_only=True`: a checkpoint from a stranger cannot run code.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from telltale.errors import TrainError
from telltale.model.network import Network, build
from telltale.model.rounded import rounded
from telltale.project import Input, Train, validate
from telltale.tasks import from_spec
from telltale.tasks.task import Json

FORMAT = 1
CONFIG, BEST, LAST, START = "config.json", "best.pt", "last.pt", "start.pt"


class RunConfig(BaseModel):
    """Everything a run was made from: written once as config.json, and inside each checkpoint.

    groups: group to the part it played, "train" or "watch". leak_allowed: leaks were found and overridden.
    hints: how many numbers were learned beside the labels. teacher: the key of the weights it learned from.
    start: the run whose weights, pruned or to be rounded, it began with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    task: dict[str, Any]
    input: Input
    train: Train
    data_hash: str
    groups: dict[str, str]
    split: dict[str, Any]
    licence: str = "unstated"
    leak_allowed: bool = False
    code_version: str = ""
    fused_parameters: int = 0
    macs: int = 0
    hints: int = 0
    teacher: str = ""
    start: str = ""


@dataclass
class Checkpoint:
    """One moment of a run. Everything needed to go on as if nothing had happened.

    weights: as they stand; averaged: their exponential average, which is what ships.
    position: counters of the loop (step, epoch, seconds spent, best loss...).
    history: one row of numbers for each finished epoch.
    """

    config: dict[str, Any]
    weights: dict[str, Tensor]
    averaged: dict[str, Tensor]
    optimizer: dict[str, Any] = field(default_factory=dict)
    position: dict[str, Any] = field(default_factory=dict)
    random: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.uint8))
    history: list[dict[str, float]] = field(default_factory=list)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write it whole or not at all. Raises TrainError when the disk refuses."""
    part = path.with_name(path.name + ".part")
    # asdict() would deep-copy every tensor.
    data = {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__} | {"format": FORMAT}
    try:
        with part.open("wb") as file:
            torch.save(data, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TrainError(f"cannot write {path}", got=str(error), next="free some disk space, then --resume") from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, to the CPU. Raises TrainError when it is missing, damaged or foreign."""
    if not path.is_file():
        raise TrainError(str(path), expected="a checkpoint", got="no file", next="train first")
    try:
        # torch passes over the checksums its own files carry.
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise ValueError(f"{broken} has another checksum")
        data = torch.load(path, map_location="cpu", weights_only=True)
    # A truncated or altered file shows itself as almost any error from zip, pickle or the tensor storage.
    except Exception as error:
        raise _damaged(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        got = f"format {data.get('format')}" if isinstance(data, dict) else type(data).__name__
        raise TrainError(str(path), expected=f"a checkpoint of format {FORMAT}", got=got)
    data.pop("format")
    try:
        return Checkpoint(**data)
    except TypeError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, got: str) -> TrainError:
    return TrainError(
        f"{path} is damaged",
        expected="a whole checkpoint",
        got=got[:200],
        next=f"use the other of {BEST} and {LAST}, or train anew",
    )


def restore(network: torch.nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Put weights into a network. Raises TrainError naming the file when they do not fit."""
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise _damaged(path, str(error).splitlines()[0]) from error


def write_config(run_dir: Path, config: RunConfig) -> None:
    part = run_dir / (CONFIG + ".part")
    part.write_text(json.dumps(config.model_dump(), indent=1) + "\n", encoding="utf-8")
    part.replace(run_dir / CONFIG)


def read_config(run_dir: Path) -> RunConfig:
    """Raises TrainError without a config.json, ConfigError on one that does not fit."""
    path = run_dir / CONFIG
    try:
        data: Json = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrainError(
            str(run_dir), expected=f"a run with {CONFIG}", got="none", next="run `telltale train`"
        ) from error
    except (OSError, ValueError) as error:
        raise TrainError(f"{path} is damaged", expected="JSON", got=str(error)[:200]) from error
    return validate(data, RunConfig, str(path))


def load_run(run_dir: str | Path, *, which: str = BEST) -> tuple[Network, RunConfig]:
    """The trained network of a run (averaged weights, eval mode, on the CPU) and what it was made from.

    which: "best.pt" or "last.pt". Raises TrainError when the run is missing or damaged.
    """
    folder = Path(run_dir)
    config = read_config(folder)
    checkpoint = load(folder / which)
    size = config.input
    network = build(config.train.backbone, from_spec(config.task), size.height, size.width, hints=config.hints)
    if config.train.quantise:
        network = rounded(network)
    restore(network, checkpoint.averaged, folder / which)
    return network.eval(), config
