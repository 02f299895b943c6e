"""`telltale train --quantise`: a run taught to bear int8. Knows how rounding and runs fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from telltale.errors import Interrupted, TrainError
from telltale.model.checkpoint import load_run
from telltale.model.network import Network
from telltale.model.rounded import find_ranges, rounded
from telltale.project import Project, Train
from telltale.train.feed import Feed
from telltale.train.feeds import Steps, make_feed, silent
from telltale.train.runs import RunResult, Start, find_run, read_examples, run

BATCHES = 16
"""By which the ranges are found that training begins with."""

GENTLER = 0.1
"""The learning rate, of the one the run was trained with."""

SHORTER = 0.25
"""How long, of what the run was trained for."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """The run that followed, and the name of the one it began with."""

    result: RunResult
    source: str


def quantise_run(
    project: Project,
    *,
    source: str | None = None,
    name: str | None = None,
    allow_leak: bool = False,
    changes: dict[str, object] | None = None,
    steps: Steps = silent,
) -> Quantised:
    """Train the run `source` (None: the newest) on as run `name`, rounding as int8 does; its ranges ship with it.

    changes: of the settings the run was trained with; without them it trains a quarter as long, at a tenth of the
    learning rate. Raises what `run` raises, and TrainError where the net is no chain or is rounded already.
    """
    folder = find_run(project, source)
    network, config = load_run(folder)
    if config.train.quantise:
        raise TrainError(
            f"run {folder.name!r}",
            expected="a run that is not rounded yet",
            got="one of --quantise",
            next=f"--from {config.start}, with more --minutes",
        )
    settings = Train.model_validate({**_settings(config.train, changes or {}), "threads": project.config.train.threads})
    project = Project(project.root, project.config.model_copy(update={"input": config.input, "task": config.task}))
    result = run(
        project,
        name=name,
        allow_leak=allow_leak,
        settings=settings,
        start=Start(folder.name, _begin(project, network, settings, allow_leak, steps).state_dict()),
        steps=steps,
    )
    return Quantised(result, folder.name)


def _settings(before: Train, changes: dict[str, object]) -> dict[str, object]:
    length: dict[str, object] = {}
    if not changes.keys() & {"minutes", "epochs"}:
        length["minutes"] = before.minutes and before.minutes * SHORTER
        length["epochs"] = None if before.epochs is None and before.minutes else max(1, round(before.rounds * SHORTER))
    else:
        length = {"minutes": None, "epochs": None}
    return {
        **before.model_dump(),
        "learning_rate": before.learning_rate * GENTLER,
        **length,
        **changes,
        "quantise": True,
        "precision": "32-true",  # bfloat16 would round once more, elsewhere than int8
        "hints": {},  # what they taught is learned, and a fused net has no place for them
        "hint_weight": 0.0,
    }


def _begin(project: Project, network: Network, settings: Train, allow_leak: bool, steps: Steps) -> Network:
    """The network that rounds, its ranges found."""
    small = rounded(network)
    examples, _ = read_examples(project, allow_leak, unlabelled=settings.teacher is not None)
    try:
        feed = make_feed(project, network.task, examples, settings, steps).feed
        with steps("find the ranges", BATCHES, "batches") as progress:

            def shown() -> Iterator[Tensor]:
                for pixels in batches_of(feed, settings, BATCHES):
                    yield pixels
                    progress.advance()

            find_ranges(small, shown())
    except KeyboardInterrupt as stop:
        raise Interrupted("stopped while finding ranges", next="run it again; nothing is lost") from stop
    return small


def batches_of(feed: Feed, settings: Train, count: int) -> Iterator[Tensor]:
    """Pictures as training shows them, (N, 3, H, W), the same for the same seed."""
    for number in range(count):
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + number)
        rows = feed.order(generator)[: settings.batch]
        yield feed.draw(rows, generator, torch.device("cpu"))(slice(0, len(rows))).pixels
