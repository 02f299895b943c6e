"""A plain backbone in one line of text: stages of 3x3 layers. Knows nothing of torch.

    8-16-24x2-32          four stages, each halving the picture at its first layer; the third has two layers of 24
    8-16-24+20-32         the same with a second layer of 20 channels
    8-16-24x2-32/48       and 48 hidden units in the head of a `states` model

`nano` and its like are names for such plans.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from telltale.errors import ConfigError

STAGES = 7
"""At most: each halves the picture."""
LAYERS = 8
"""Of one stage at most."""
WIDEST = 1024
"""Channels and hidden units at most."""

UNET = "unet_tiny"
"""The one backbone that is no chain: see `unet.py`."""

SYNTAX = "a plan such as 8-16-24x2-32 or 8-16-24+20-32/48"
SPELLED = re.compile(r"[0-9x+/-]*-[0-9x+/-]*")


@dataclass(frozen=True, slots=True)
class Layer:
    """One 3x3 layer: its output channels and its stride."""

    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class Plan:
    """layers: in order. hidden: units of the `states` head, None for as many as the head takes by itself."""

    layers: tuple[Layer, ...]
    hidden: int | None = None

    @property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """The channels of each layer, stage by stage."""
        found: list[list[int]] = []
        for layer in self.layers:
            if layer.stride == 2:
                found.append([])
            found[-1].append(layer.channels)
        return tuple(map(tuple, found))

    def __str__(self) -> str:
        text = "-".join(_stage_text(stage) for stage in self.stages)
        return text if self.hidden is None else f"{text}/{self.hidden}"


def make_plan(stages: Sequence[Sequence[int]], hidden: int | None = None) -> Plan:
    """Stages of the channels of their layers."""
    layers = [Layer(channels, 2 if k == 0 else 1) for stage in stages for k, channels in enumerate(stage)]
    return Plan(tuple(layers), hidden)


PLANS = {
    "pico": "8-12-20-28-32",
    "nano": "16-32-48-64-64",
    "tiny": "24-48-80-128x2-128",
    "small": "32-64x2-128x3-256x3-320",
}
"""Name to plan. A layer with few channels is bound by memory, not by sums, so each net strides at once and spends its
layers where the picture is small."""


def read_plan(text: str) -> Plan:
    """A name or a plan. Raises ConfigError naming what is wrong with it, or the name nearest to it."""
    spelled = PLANS.get(text, text)
    if not SPELLED.fullmatch(spelled):
        near = difflib.get_close_matches(text, [*PLANS, UNET], 1, 0.5)
        raise ConfigError(
            "train.backbone",
            expected=f"{', '.join([*PLANS, UNET])} or {SYNTAX}",
            got=repr(text),
            next=f"did you mean {near[0]!r}?" if near else "",
        )
    body, slash, hidden = spelled.partition("/")
    stages = [_read_stage(part, text) for part in body.split("-")]
    if len(stages) > STAGES:
        raise _unfit(text, f"at most {STAGES} stages", str(len(stages)))
    return make_plan(stages, _read_number(hidden, text, "hidden units") if slash else None)


def _read_stage(part: str, text: str) -> list[int]:
    channels: list[int] = []
    for term in part.split("+"):
        width, times, count = term.partition("x")
        repeats = _read_number(count, text, "layers", LAYERS) if times else 1
        channels += [_read_number(width, text, "channels")] * repeats
    if len(channels) > LAYERS:
        raise _unfit(text, f"at most {LAYERS} layers in a stage", str(len(channels)))
    return channels


def _read_number(digits: str, text: str, what: str, most: int = WIDEST) -> int:
    if not digits.isdecimal() or not 1 <= int(digits[:6]) <= most or len(digits) > 6:
        raise _unfit(text, f"1 to {most} {what}, in {SYNTAX}", repr(digits))
    return int(digits)


def _unfit(text: str, expected: str, got: str) -> ConfigError:
    return ConfigError(f"train.backbone {text[:80]!r}", expected=expected, got=got)


def _stage_text(stage: Sequence[int]) -> str:
    terms: list[tuple[int, int]] = []
    for channels in stage:
        if terms and terms[-1][0] == channels:
            terms[-1] = (channels, terms[-1][1] + 1)
        else:
            terms.append((channels, 1))
    return "+".join(f"{channels}x{count}" if count > 1 else str(channels) for channels, count in terms)
