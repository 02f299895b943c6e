"""Networks: backbones, heads and the files that keep them."""

from __future__ import annotations

from telltale.model.backbones import BACKBONES
from telltale.model.checkpoint import RunConfig, load_run
from telltale.model.network import Network, build, count_macs, count_parameters, find_reach, stride_of

__all__ = [
    "BACKBONES",
    "Network",
    "RunConfig",
    "build",
    "count_macs",
    "count_parameters",
    "find_reach",
    "load_run",
    "stride_of",
]
