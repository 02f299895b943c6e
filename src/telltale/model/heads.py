"""From feature maps to outputs, one head a kind of task. Knows nothing of losses or labels.

A head's class activation map is exact, not an estimate (after Zhou et al. 2016): the logit is the mean
of the map over space plus a bias, so a heatmap shows the very numbers that were added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from telltale.errors import ConfigError
from telltale.model.locate_head import LocateHead
from telltale.model.mask_head import FINEST, MaskHead
from telltale.tasks import Task

Outputs = dict[str, Tensor]

WIDEST = 128
"""Hidden units at most."""

GRID = (6, 8)
"""A last map of more rows or columns than this is averaged down to it: more places only cost weights."""


class StatesHead(nn.Module):
    """K logits and their maps from the last feature map.

    hidden = relu(norm(W flatten(feature)));  logits = V hidden + bias

    Every place has weights of its own, for which door is the left one depends on where the car points: a head
    that averages over space first stayed at chance where this one learned (docs/log.md).

    The hidden units that are on make the logit linear in the features, so it splits exactly into what each
    place adds: cam[k, place] = places * (sum over c of feature[c, place] * sum over on j of V[k, j] W[j, c, place]),
    the units' own bias shared evenly among places.
    """

    def __init__(self, channels: int, names: int, height: int, width: int, hidden: int | None = None) -> None:
        super().__init__()
        self.pool = (math.ceil(height / GRID[0]), math.ceil(width / GRID[1]))
        self.grid = (math.ceil(height / self.pool[0]), math.ceil(width / self.pool[1]))
        self.width = hidden or min(WIDEST, 2 * channels)
        self.mix = nn.Linear(channels * self.grid[0] * self.grid[1], self.width, bias=False)
        self.norm: nn.Module = nn.BatchNorm1d(self.width)
        self.tell = nn.Linear(self.width, names)
        nn.init.kaiming_normal_(self.mix.weight, nonlinearity="relu")
        nn.init.normal_(self.tell.weight, std=0.01)
        nn.init.zeros_(self.tell.bias)

    def forward(self, maps: list[Tensor]) -> Outputs:
        """-> logits (N, K) and, in eval mode, cam (N, K, h, w); in training hidden (N, width) instead."""
        feature = maps[-1]  # (N, C, h, w)
        if self.pool != (1, 1):
            feature = functional.avg_pool2d(feature, self.pool, ceil_mode=True, count_include_pad=False)
        flat = feature.flatten(1)  # (N, C * places)
        hidden = functional.relu(self.norm(self.mix(flat)))
        logits = self.tell(hidden).float()
        if self.training:
            return {"logits": logits, "hidden": hidden}
        return {"logits": logits, "cam": self._cam(flat, hidden).float()}

    def _cam(self, flat: Tensor, hidden: Tensor) -> Tensor:
        """(N, K, h, w), whose mean over space plus the bias is the logit."""
        weight, bias = self._mixing()
        on = (hidden > 0).to(flat.dtype)  # (N, width)
        gate = self.tell.weight[None] * on[:, None, :]  # (N, K, width)
        rows, columns = self.grid
        places = rows * columns
        parts = torch.matmul(gate, weight) * flat[:, None, :]  # (N, K, C * places)
        cam = parts.view(flat.shape[0], gate.shape[1], -1, rows, columns).sum(2)
        even = torch.matmul(gate, bias) / places  # (N, K)
        return (cam + even[:, :, None, None]) * places

    def _mixing(self) -> tuple[Tensor, Tensor]:
        """Weight (width, C * places) and bias (width,) of the hidden layer, its normalisation folded in."""
        if isinstance(self.norm, nn.BatchNorm1d):
            return _folded(self.mix.weight, self.norm)
        return self.mix.weight, cast(Tensor, self.mix.bias)

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold the normalisation into its layer, in place; call in eval mode."""
        if isinstance(self.norm, nn.BatchNorm1d):
            weight, bias = _folded(self.mix.weight, self.norm)
            mix = nn.Linear(self.mix.in_features, self.mix.out_features)
            mix.weight.copy_(weight)
            mix.bias.copy_(bias)
            self.mix, self.norm = mix.to(weight.device), nn.Identity()


def _folded(weight: Tensor, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """(out, in) weight and (out,) bias of a layer followed by a normalisation with its running statistics."""
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
    return (weight.double() * scale[:, None]).to(weight.dtype), (norm.bias.double() - mean * scale).to(weight.dtype)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a head is built for: the backbone's maps, finest first, and the input's height and width.

    hidden: units of its hidden layer, None for its own choice; a head without one passes over it.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    height: int
    width: int
    hidden: int | None = None

    @property
    def last(self) -> tuple[int, int]:
        """(height, width) of the coarsest map."""
        return math.ceil(self.height / self.strides[-1]), math.ceil(self.width / self.strides[-1])


Head = Callable[[Task, Shape], nn.Module]


def _states(task: Task, shape: Shape) -> nn.Module:
    return StatesHead(shape.channels[-1], len(task.names), *shape.last, shape.hidden)


def _mask(task: Task, shape: Shape) -> nn.Module:
    _check_sides(task, shape)
    return MaskHead(shape.channels, shape.strides, len(task.names))


def _locate(task: Task, shape: Shape) -> nn.Module:
    if FINEST not in shape.strides:
        raise ConfigError(
            "train.backbone",
            expected=f"one that has maps of 1/{FINEST} of the picture's sides",
            got="maps of " + ", ".join(f"1/{stride}" for stride in shape.strides),
        )
    _check_sides(task, shape)
    return LocateHead(shape.channels, shape.strides, len(task.names))


def _check_sides(task: Task, shape: Shape) -> None:
    step = shape.strides[-1]
    if shape.height % step or shape.width % step:
        raise ConfigError(
            f"input size of a {task.kind}",
            expected=f"width and height divisible by {step} with this backbone",
            got=f"{shape.width} x {shape.height}",
        )


HEADS: dict[str, Head] = {"states": _states, "mask": _mask, "locate": _locate}
"""Kind of task to its head."""

Answers = Callable[[Mapping[str, Tensor], Tensor], Outputs]
"""(a head's outputs, temperature (K,)) -> what ships, in order: first what the task decodes."""


def _states_answers(outputs: Mapping[str, Tensor], temperature: Tensor) -> Outputs:
    probabilities = {"probabilities": torch.sigmoid(outputs["logits"] / temperature)}
    return {**probabilities, "cam": outputs["cam"]} if "cam" in outputs else probabilities


def _mask_answers(outputs: Mapping[str, Tensor], temperature: Tensor) -> Outputs:
    return {"probabilities": torch.sigmoid(outputs["logits"] / temperature[:, None, None])}


def _locate_answers(outputs: Mapping[str, Tensor], temperature: Tensor) -> Outputs:
    heat = torch.sigmoid(outputs["logits"] / temperature[:, None, None])
    return {"heat": heat, "boxes": torch.sigmoid(outputs["boxes"])}


ANSWERS: dict[str, Answers] = {"states": _states_answers, "mask": _mask_answers, "locate": _locate_answers}
"""Kind of task to the last step: calibrated probabilities, and whatever else goes into a bundle."""

SHIPS: dict[str, tuple[str, ...]] = {
    "states": ("probabilities", "cam"),
    "mask": ("probabilities",),
    "locate": ("heat", "boxes"),
}
"""Kind of task to the names of what `ANSWERS` gives in eval mode, in order."""


def make_head(task: Task, shape: Shape) -> nn.Module:
    """A fresh head. Raises ConfigError on a kind of task without one."""
    if task.kind not in HEADS:
        raise ConfigError("task.kind", expected="a kind with a head: " + ", ".join(HEADS), got=repr(task.kind))
    return HEADS[task.kind](task, shape)
