"""Which device, precision, and how many processes and threads. Knows nothing of pictures or labels."""

from __future__ import annotations

import copy
import ctypes
import ctypes.util
import logging
import os
import time
import warnings
from typing import Literal, cast

import torch
from lightning_fabric import Fabric
from torch import nn

from telltale.model.network import Network
from telltale.project import Train
from telltale.train.shares import Shares, count_shares

Precision = Literal["32-true", "bf16-mixed"]

TRIES = 4
"""Steps timed for each number of threads; the fastest counts, the first warms up."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt(3)."""


def pick_precision(wish: str) -> Precision:
    """`auto`: bf16-mixed on a GPU that has it and on a CPU that multiplies bf16 in hardware, else 32-true.

    On a Zen 4 core a step in bf16 took 0.55 of one in float32, with the same accuracy.
    """
    if wish != "auto":
        return cast(Precision, wish)
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    able = torch.cpu.get_capabilities()
    return "bf16-mixed" if able.get("avx512_bf16") or able.get("amx_bf16") else "32-true"


def make_fabric(settings: Train) -> Fabric:
    """A launched Fabric: one process here, or this process's place under torchrun."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = max(1, int(os.environ.get("WORLD_SIZE", "1")) // local)
    # Fabric announces its precision on the console: the run's config says it.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Hints about unused hardware and Slurm are for Fabric's own users.
        warnings.simplefilter("ignore")
        fabric = Fabric(
            accelerator="auto",
            strategy="ddp" if local * nodes > 1 else "auto",
            devices=local,
            num_nodes=nodes,
            precision=pick_precision(settings.precision),
        )
        fabric.launch()
    if fabric.device.type == "cpu":
        keep_memory()
        if settings.threads:
            torch.set_num_threads(settings.threads)
    return fabric


def pick_threads(network: Network, batch: int, fabric: Fabric) -> int:
    """How many threads train this network fastest on this machine as it is now, by trying.

    All cores on an idle machine, each with its share of the batch; fewer where others need them.
    """
    cores = torch.get_num_threads()
    if fabric.device.type != "cpu" or cores == 1:
        return cores
    twin = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.rand(batch, 3, network.height, network.width)
    seconds = {}
    for threads in dict.fromkeys((1, max(1, cores // 2), cores)):
        torch.set_num_threads(threads)
        shares = Shares(twin, count_shares(threads, batch), threads)
        seconds[threads] = min(_time_step(shares, pixels, fabric) for _ in range(TRIES))
        shares.close()
    torch.set_num_threads(cores)
    return min(seconds, key=lambda threads: seconds[threads])


def _time_step(shares: Shares, pixels: torch.Tensor, fabric: Fabric) -> float:
    def work(network: nn.Module, part: torch.Tensor) -> None:
        with fabric.autocast():
            outputs = network(part)
        outputs["logits"].float().sum().backward()

    start_s = time.perf_counter()
    shares.run(work, [pixels[rows] for rows in shares.rows(len(pixels))])
    return time.perf_counter() - start_s


def keep_memory() -> None:
    """Ask glibc to keep freed blocks: by default every large tensor is fresh pages, zeroed by the kernel at each use.

    Elsewhere than on glibc nothing happens.
    """
    name = ctypes.util.find_library("c")
    mallopt = getattr(ctypes.CDLL(name), "mallopt", None) if name else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
