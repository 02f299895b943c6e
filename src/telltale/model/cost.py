"""What a network costs where it runs: multiply-adds, flash and memory. Knows nothing of training.

`cost_of` estimates flash and memory of an int8 net in C; `telltale.export.c.price` knows what the generated C will
state. Both are a `Price`, and whoever compares networks is given one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from telltale.errors import ConfigError
from telltale.model.mask_head import MaskHead
from telltale.model.network import Network, build
from telltale.tasks import Task

CODE = 12 * 1024
"""Bytes of the C runtime itself."""

CHANNEL = 9
"""Bytes beside the weights of each output channel: bias and multiplier of 32 bits, and a shift."""

FACTORS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9}
BYTES = {"": 1.0, "K": 1024.0, "M": 1024.0**2, "G": 1024.0**3}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one picture through the fused net.

    macs: multiply-adds of convolutions and dense layers. parameters: weights and biases. constants: bytes of int8
    weights and what each channel needs beside them. ram: bytes, the most that is alive at once: a layer's int8 input
    and output, the picture among them, and what a later layer still needs.
    """

    macs: int
    parameters: int
    constants: int
    ram: int

    @property
    def flash(self) -> int:
        """Bytes: the constants and the runtime's code."""
        return self.constants + CODE


Price = Callable[[Network], Cost]
"""What a network, fused or not, costs."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits by the names of a Cost's fields, each inclusive."""

    limits: Mapping[str, float]

    def use(self, cost: Cost) -> float:
        """The largest share of a limit that is used; at most 1 where the cost fits."""
        return max(float(getattr(cost, name)) / limit for name, limit in self.limits.items())

    def scaled(self, share: float) -> Budget:
        """Every limit times `share`."""
        return Budget({name: limit * share for name, limit in self.limits.items()})

    def __str__(self) -> str:
        return ",".join(f"{name}<{_short(name, limit)}" for name, limit in self.limits.items())


TERM = re.compile(r"\s*([a-z]+)\s*<=?\s*([0-9]*\.?[0-9]+)\s*([kKmMgG]?)\s*[bB]?\s*")


def read_budget(text: str, *, names: tuple[str, ...] = ("macs", "parameters", "flash", "ram")) -> Budget:
    """`macs<3M,ram<64K`: K, M and G are thousands for macs and parameters, 1024s for bytes. Raises ConfigError."""
    expected = f"limits such as macs<3M,ram<64K, of {', '.join(names)}"
    limits: dict[str, float] = {}
    for part in text.split(","):
        found = TERM.fullmatch(part)
        name = {"params": "parameters"}.get(found[1], found[1]) if found else ""
        if not found or name not in names or float(found[2]) <= 0:
            raise ConfigError("the budget", expected=expected, got=repr(part[:80]))
        if name in limits:
            raise ConfigError("the budget", expected="each limit once", got=f"{name} twice")
        limits[name] = float(found[2]) * _factors(name)[found[3].upper()]
    return Budget(limits)


def cost_of(network: Network) -> Cost:
    """An estimate, by running one picture."""
    macs, constants, peak = 0, 0, 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs, constants, peak
        assert isinstance(module, nn.Conv2d | nn.Linear)
        macs += module.weight[0].numel() * output[0].numel()
        constants += module.weight.numel() + CHANNEL * len(module.weight)
        peak = max(peak, inputs[0][0].numel() + output[0].numel())

    twin = network.fused().cpu()
    parameters = sum(p.numel() for p in twin.parameters())
    for module in twin.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    kept = 0
    with torch.no_grad():
        picture = torch.zeros(1, 3, network.height, network.width)
        maps = twin.backbone(picture)
        if isinstance(twin.head, MaskHead):
            kept = sum(one[0].numel() for one in maps[twin.head.first : -1])
        # `cam`, the activation map of `states`, has no layer of its own: it is for people, not for a camera.
        twin.head.eval()(maps)
    return Cost(macs, parameters, constants, peak + kept)


def cost_of_plan(backbone: str, task: Task, height: int, width: int, price: Price = cost_of) -> Cost:
    """What a fresh network of this backbone would cost; the global random state stays as it is. Raises ConfigError."""
    with torch.random.fork_rng(devices=[]):
        return price(build(backbone, task, height, width))


def _factors(name: str) -> Mapping[str, float]:
    return BYTES if name in ("ram", "flash") else FACTORS


def _short(name: str, limit: float) -> str:
    factors = _factors(name)
    unit = next((unit for unit in ("G", "M", "K") if limit >= factors[unit]), "")
    return f"{limit / factors[unit]:.3g}{unit}"
