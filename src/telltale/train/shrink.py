"""`telltale train --prune`: a run with fewer channels, and on from there. Knows how pruning and runs fit together."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from telltale.errors import Interrupted
from telltale.model.checkpoint import load_run
from telltale.model.cost import Budget, Cost, Price, cost_of
from telltale.model.network import Network
from telltale.project import Project, Train
from telltale.tasks import Task
from telltale.train.distil import blend
from telltale.train.feed import Feed
from telltale.train.feeds import Steps, make_feed, silent
from telltale.train.losses import hint_loss, make_loss
from telltale.train.prune import ROUNDS, Backward, prune
from telltale.train.runs import RunResult, Start, find_run, read_examples, run

BATCHES = 24
"""Measured in each round of pruning."""

GENTLER = 0.5
"""The learning rate of what follows, of the one the run was trained with."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """The run that followed, its plan, and what it cost before and after."""

    result: RunResult
    plan: str
    before: Cost
    after: Cost


def prune_run(
    project: Project,
    budget: Budget,
    *,
    source: str | None = None,
    name: str | None = None,
    allow_leak: bool = False,
    changes: dict[str, object] | None = None,
    price: Price = cost_of,
    steps: Steps = silent,
) -> Pruned:
    """Prune the run `source` (None: the newest) to the budget and train on as run `name`.

    changes: of the settings the run was trained with; without it the learning rate is halved. price: what a net costs.
    Raises what `run` raises, and TrainError where the net cannot be made to fit.
    """
    folder = find_run(project, source)
    network, config = load_run(folder)
    settings = Train.model_validate(
        {
            **config.train.model_dump(),
            "learning_rate": config.train.learning_rate * GENTLER,
            "threads": project.config.train.threads,
            **(changes or {}),
        }
    )
    project = Project(project.root, project.config.model_copy(update={"input": config.input, "task": config.task}))
    small, plan = _pruned(project, network, budget, settings, allow_leak, price, steps)
    result = run(
        project,
        name=name,
        allow_leak=allow_leak,
        settings=settings.model_copy(update={"backbone": plan}),
        start=Start(folder.name, small.state_dict()),
        steps=steps,
    )
    return Pruned(result, plan, price(network), price(small))


def _pruned(
    project: Project,
    network: Network,
    budget: Budget,
    settings: Train,
    allow_leak: bool,
    price: Price,
    steps: Steps,
) -> tuple[Network, str]:
    examples, _ = read_examples(project, allow_leak, unlabelled=settings.teacher is not None)
    try:
        feed = make_feed(project, network.task, examples, settings, steps).feed
        with steps("weigh the channels", ROUNDS * BATCHES, "batches") as progress:
            small, plan = prune(
                network,
                budget,
                backward_on(feed, network.task, settings),
                batches=BATCHES,
                price=price,
                progress=progress,
            )
    except KeyboardInterrupt as stop:
        raise Interrupted("stopped while pruning", next="run it again; nothing is lost") from stop
    return small, str(plan)


def backward_on(feed: Feed, task: Task, settings: Train) -> Backward:
    """The gradients of what training minimises, on batches of the feed that depend on their number alone."""
    loss = make_loss(task, feed.labels, settings)

    def backward(network: Network, number: int) -> None:
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + number)
        rows = feed.order(generator)[: settings.batch]
        batch = feed.draw(rows, generator, torch.device("cpu"))(slice(0, len(rows)))
        outputs = network(batch.pixels)
        total = loss(outputs, batch.target)
        if batch.lesson is not None:
            total = blend(total, outputs["logits"], batch.lesson, settings.distil)
        if batch.hints is not None and "hints" in outputs and outputs["hints"].shape == batch.hints.shape:
            total = total + settings.hint_weight * hint_loss(outputs["hints"], batch.hints)
        total.backward()  # type: ignore[no-untyped-call]

    return backward
