"""Take channels out of a trained net until it fits a budget. Knows nothing of files or of the training that follows.

Which channel matters least is told by the change of the loss that its removal would make, to first order: of the gate
behind each normalisation, (scale * gradient + shift * gradient)^2, summed over batches (Taylor-FO-BN, Molchanov et al.
2019). Removed is, again and again, what matters least for what it costs. What is left is a plain smaller net.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from telltale.errors import TrainError
from telltale.model.backbones import Branched, PlainNet
from telltale.model.cost import Budget, Price, cost_of, cost_of_plan
from telltale.model.heads import StatesHead
from telltale.model.mask_head import MaskHead
from telltale.model.network import Network, build
from telltale.model.plan import Plan, make_plan
from telltale.progress import Progress, Quiet

STEP = 4
"""Channels taken at a time: runtimes work on four at once, so a net of other widths is no faster."""

FEWEST = 4

ROUNDS = 4
"""How often the importance is measured anew on the way down: what is left matters more than before."""

Backward = Callable[[Network, int], None]
"""Adds the gradients of the loss of one batch, by its number, to a network's parameters."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Numbers of what is kept: of the channels of each backbone layer, and of the head's hidden units (`states`)."""

    layers: tuple[Tensor, ...]
    hidden: Tensor | None


def prune(
    network: Network,
    budget: Budget,
    backward: Backward,
    *,
    batches: int = 24,
    price: Price = cost_of,
    progress: Progress = Quiet(),  # noqa: B008 - Quiet has no state
) -> tuple[Network, Plan]:
    """A smaller network that fits, with the weights that are left, and its plan.

    backward: by which to measure what matters, on `batches` batches in each of ROUNDS rounds. price: what a net costs.
    Raises TrainError where the net is no chain, or cannot be made so small.
    """
    if not isinstance(network.backbone, PlainNet):
        raise TrainError("--prune", expected="a plain backbone", got=type(network.backbone).__name__)
    small = copy.deepcopy(network).float()
    first = budget.use(price(small))
    for k in range(1, ROUNDS + 1):
        scores = importance(small, backward, range((k - 1) * batches, k * batches), progress)
        # The same share goes in each round; the last reaches the budget.
        small = thin(small, _choose(small, scores, budget, max(1.0, first ** (1 - k / ROUNDS)), price))
    return small.eval(), plan_of(small)


def importance(network: Network, backward: Backward, numbers: Sequence[int], progress: Progress) -> list[Tensor]:
    """For each group of `groups_of` the importance of its channels, (C,)."""
    twin = copy.deepcopy(network).train()
    groups = groups_of(twin)
    totals = [torch.zeros(len(group[0].weight)) for group in groups]
    for number in numbers:
        twin.zero_grad(set_to_none=True)
        backward(twin, number)
        for total, group in zip(totals, groups, strict=True):
            total += torch.stack([_gate(norm) for norm in group]).sum(0).square().cpu()
        progress.advance()
    return totals


def groups_of(network: Network) -> list[list[nn.BatchNorm2d | nn.BatchNorm1d]]:
    """The normalisations whose channels go together: one group for each backbone layer, then the hidden units.

    The layers of a mask's head are as wide as the map they are added to, so they go with it.
    """
    backbone = cast(PlainNet, network.backbone)
    groups: list[list[nn.BatchNorm2d | nn.BatchNorm1d]] = [[cast(Branched, layer).norm] for layer in backbone.layers]
    head = network.head
    if isinstance(head, MaskHead):
        for mix, end in zip(head.mix, _mix_ends(head, backbone), strict=True):
            groups[end].append(cast(Branched, mix).norm)
    if isinstance(head, StatesHead):
        groups.append([cast(nn.BatchNorm1d, head.norm)])
    return groups


def plan_of(network: Network) -> Plan:
    """The plan that builds a network of these widths."""
    plan = Plan(cast(PlainNet, network.backbone).plan)
    return make_plan(plan.stages, network.head.width) if isinstance(network.head, StatesHead) else plan


def thin(network: Network, kept: Kept) -> Network:
    """A network of only the kept channels: the same function as one whose other channels are always 0."""
    backbone = cast(PlainNet, network.backbone)
    widths = iter([len(rows) for rows in kept.layers])
    stages = [[next(widths) for _ in stage] for stage in Plan(backbone.plan).stages]
    plan = make_plan(stages, None if kept.hidden is None else len(kept.hidden))
    hints = network.hint.out_features if network.hint is not None else 0
    with torch.random.fork_rng(devices=[]):
        small = build(str(plan), network.task, network.height, network.width, hints=hints)
    into = torch.arange(3)
    for old, new, rows in zip(backbone.layers, cast(PlainNet, small.backbone).layers, kept.layers, strict=True):
        _copy_layer(cast(Branched, old), cast(Branched, new), rows, into)
        into = rows
    if isinstance(network.head, StatesHead) and kept.hidden is not None:
        _copy_states(network.head, cast(StatesHead, small.head), kept.layers[-1], kept.hidden)
        if network.hint is not None and small.hint is not None:
            _copy(network.hint.weight[:, kept.hidden], small.hint.weight)
            _copy(network.hint.bias, small.hint.bias)
    if isinstance(network.head, MaskHead):
        _copy_mask(network.head, cast(MaskHead, small.head), backbone, kept.layers)
    return small


def _choose(network: Network, scores: Sequence[Tensor], budget: Budget, target: float, price: Price) -> Kept:
    """What is kept so that at most `target` times the budget is used: greedily, the least important for its cost."""
    order = [torch.argsort(score, descending=True) for score in scores]
    counts = [len(score) for score in scores]
    plan = plan_of(network)
    use = budget.use(price(network))
    while use > target:
        best: tuple[float, int, int, float] | None = None
        for k, count in enumerate(counts):
            # To the next multiple of STEP; in wide layers more at once.
            step = count % STEP or max(STEP, count // 16 // STEP * STEP)
            if count - step < FEWEST:
                continue
            trial = _trial(plan, counts, k, step)
            saved = use - budget.use(cost_of_plan(trial, network.task, network.height, network.width, price))
            if saved <= 0:
                continue
            lost = float(scores[k][order[k][count - step : count]].sum())
            if best is None or lost / saved < best[0]:
                best = (lost / saved, k, step, saved)
        if best is None:
            raise TrainError(
                f"cannot be pruned to {budget}",
                expected=f"a budget that {FEWEST} channels a layer fit",
                got=f"{use:.1f} times it at the least",
                next="take a larger budget, or a smaller input",
            )
        counts[best[1]] -= best[2]
        use -= best[3]
    rows = [torch.sort(order[k][: counts[k]]).values for k in range(len(counts))]
    layers = len(cast(PlainNet, network.backbone).layers)
    return Kept(tuple(rows[:layers]), rows[layers] if len(rows) > layers else None)


def _trial(plan: Plan, counts: Sequence[int], k: int, step: int) -> str:
    left = [count - step * (i == k) for i, count in enumerate(counts)]
    widths = iter(left)
    stages = [[next(widths) for _ in stage] for stage in plan.stages]
    return str(make_plan(stages, next(widths, None)))


def _gate(norm: nn.BatchNorm2d | nn.BatchNorm1d) -> Tensor:
    """(C,) the first-order change of the loss were a channel's normalised output 0."""
    if norm.weight.grad is None or norm.bias.grad is None:
        return torch.zeros_like(norm.weight)
    return (norm.weight * norm.weight.grad + norm.bias * norm.bias.grad).detach()


def _mix_ends(head: MaskHead, backbone: PlainNet) -> list[int]:
    """For each `mix` of a mask's head the backbone layer whose map it is added to."""
    ends = sorted(backbone.ends)
    return list(reversed(ends[head.first : -1]))


@torch.no_grad()
def _copy(source: Tensor, into: Tensor) -> None:
    into.copy_(source)


def _copy_norm(old: nn.Module, new: nn.Module, rows: Tensor) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        _copy(getattr(old, name)[rows], getattr(new, name))


@torch.no_grad()
def _copy_layer(old: Branched, new: Branched, rows: Tensor, columns: Tensor) -> None:
    one: Tensor = old.one
    if old.same is not None:
        # Where the two widths differ afterwards there is no identity: it becomes part of the 1x1 branch.
        one = one + torch.diag(old.same)[:, :, None, None]
    _copy(old.three[rows][:, columns], new.three)
    _copy(one[rows][:, columns], new.one)
    if new.same is not None:
        new.same.zero_()
    _copy_norm(old.norm, new.norm, rows)


def _copy_states(old: StatesHead, new: StatesHead, channels: Tensor, hidden: Tensor) -> None:
    places = old.grid[0] * old.grid[1]
    weight = old.mix.weight[hidden].view(len(hidden), -1, places)[:, channels].flatten(1)
    _copy(weight, new.mix.weight)
    _copy_norm(old.norm, new.norm, hidden)
    _copy(old.tell.weight[:, hidden], new.tell.weight)
    _copy(old.tell.bias, new.tell.bias)


def _copy_mask(old: MaskHead, new: MaskHead, backbone: PlainNet, layers: Sequence[Tensor]) -> None:
    ends = sorted(backbone.ends)
    into = layers[ends[-1]]
    pairs = zip(old.narrow, new.narrow, old.mix, new.mix, _mix_ends(old, backbone), strict=True)
    for narrow, small_narrow, mix, small_mix, end in pairs:
        rows = layers[end]
        _copy(cast(Tensor, narrow.weight)[rows][:, into], cast(Tensor, small_narrow.weight))
        _copy(cast(Tensor, narrow.bias)[rows], cast(Tensor, small_narrow.bias))
        _copy_layer(cast(Branched, mix), cast(Branched, small_mix), rows, rows)
        into = rows
    _copy(old.tell.weight[:, into], new.tell.weight)
    _copy(cast(Tensor, old.tell.bias), cast(Tensor, new.tell.bias))
