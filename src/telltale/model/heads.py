"""From feature maps to outputs, one head a kind of task. Knows nothing of losses or labels.

A head's class activation map is exact, not an estimate (after Zhou et al. 2016): the logit is the mean
of the map over space plus a bias, so a heatmap shows the very numbers that were added up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from telltale.errors import ConfigError
from telltale.tasks import Task

Outputs = dict[str, Tensor]


class StatesHead(nn.Module):
    """K logits and their maps from the last feature map.

    hidden[y, x] = relu(W feature[y, x] + U mean(feature) + place[y, x])
    share = softmax over places of (A hidden), one for each name
    cam[y, x] = V hidden[y, x] * share[y, x] * places;  logits = mean(cam) + bias

    Which door is the left one depends on where the car points, so each place sees the mean of the whole
    picture (U) and knows where it lies (place). The shares let a name listen to the few places that matter
    (attention pooling, Ilse et al. 2018), and still the sum over places is exact.
    """

    def __init__(self, channels: int, names: int, height: int, width: int) -> None:
        super().__init__()
        hidden = channels
        self.here = nn.Conv2d(channels, hidden, 1)
        self.whole = nn.Conv2d(channels, hidden, 1, bias=False)
        self.place = nn.Parameter(torch.zeros(1, hidden, height, width))
        self.cam = nn.Conv2d(hidden, names, 1, bias=False)
        self.share = nn.Conv2d(hidden, names, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(names))
        for conv in (self.here, self.whole):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        for conv in (self.cam, self.share):
            nn.init.normal_(conv.weight, std=0.05)

    def forward(self, maps: list[Tensor]) -> Outputs:
        """-> logits (N, K), cam (N, K, h, w)."""
        feature = maps[-1]  # (N, C, h, w)
        whole = self.whole(feature.mean((2, 3), keepdim=True))  # (N, hidden, 1, 1)
        hidden = functional.relu(self.here(feature) + whole + self.place)
        value, score = self.cam(hidden).float(), self.share(hidden).float()  # (N, K, h, w) both
        places = score.shape[2] * score.shape[3]
        cam = value * torch.softmax(score.flatten(2), -1).view_as(value) * places
        return {"logits": cam.mean((2, 3)) + self.bias, "cam": cam}


Head = Callable[[Task, tuple[int, ...], tuple[int, int]], nn.Module]
"""(task, channels of the backbone's maps, (height, width) of the last map) -> head."""


def _states(task: Task, channels: tuple[int, ...], size: tuple[int, int]) -> nn.Module:
    return StatesHead(channels[-1], len(task.names), *size)


HEADS: dict[str, Head] = {"states": _states}
"""Kind of task to its head."""


def _states_answers(outputs: Mapping[str, Tensor]) -> Outputs:
    return {"probabilities": torch.sigmoid(outputs["logits"])}


ANSWERS: dict[str, Callable[[Mapping[str, Tensor]], Outputs]] = {"states": _states_answers}
"""Kind of task to the last step: a head's outputs to those the task decodes, at temperature 1."""


def make_head(task: Task, channels: tuple[int, ...], size: tuple[int, int]) -> nn.Module:
    """A fresh head. Raises ConfigError on a kind of task without one."""
    if task.kind not in HEADS:
        raise ConfigError("task.kind", expected="a kind with a head: " + ", ".join(HEADS), got=repr(task.kind))
    return HEADS[task.kind](task, channels, size)
