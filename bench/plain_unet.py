"""The plain recipe that the masks are measured against: a small U-Net at full size, whole pictures at 256 x 256.

As most people would write it: `unet_tiny`, float32, Adam, a batch of 8, cross-entropy (and Dice and flips, on demand).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from telltale.dataset.catalogue import Example
from telltale.model import build
from telltale.preprocess import Preprocess
from telltale.tasks import Task
from telltale.train.store import read_example

SIDE = 256
BATCH = 8
RATE = 1e-3


@dataclass(frozen=True)
class Plain:
    """images: (N, 3, 256, 256) float32 in 0..1; masks: (N, 1, 256, 256) float32 of 0 and 1."""

    images: Tensor
    masks: Tensor


def load(examples: Sequence[Example], task: Task) -> Plain:
    """Whole pictures, stretched."""
    preprocess = Preprocess(SIDE, SIDE)
    pairs = [read_example(example, task, preprocess) for example in examples]
    images = (
        torch.from_numpy(np.stack([picture for picture, _ in pairs])).permute(0, 3, 1, 2).float().contiguous() / 255
    )
    return Plain(images, torch.from_numpy(np.stack([masks > 127 for _, masks in pairs])).float())


def make_net(task: Task) -> nn.Module:
    torch.manual_seed(0)
    return build("unet_tiny", task, SIDE, SIDE)


def steps(net: nn.Module, data: Plain, *, dice: bool = False, flips: bool = False) -> Iterator[float]:
    """Train for ever; gives the loss after each step of BATCH pictures."""
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    generator = torch.Generator().manual_seed(0)
    net.train()
    while True:
        order = torch.randperm(len(data.images), generator=generator)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            images, masks = data.images[rows], data.masks[rows]
            if flips:
                for axis in (2, 3):
                    if torch.rand((), generator=generator) < 0.5:
                        images, masks = images.flip(axis), masks.flip(axis)
            logits = net(images)["logits"]
            loss = functional.binary_cross_entropy_with_logits(logits, masks)
            if dice:
                p = torch.sigmoid(logits)
                loss = loss + 1 - (2 * (p * masks).sum() + 1) / (p.sum() + masks.sum() + 1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield float(loss.detach())


def train(task: Task, examples: Sequence[Example], minutes: float, *, dice: bool, flips: bool) -> tuple[nn.Module, int]:
    """(the net, how many pictures it saw); reading the pictures is not counted."""
    data, net = load(examples, task), make_net(task)
    end_s, seen = time.monotonic() + 60 * minutes, 0
    for _ in steps(net, data, dice=dice, flips=flips):
        seen += BATCH
        if time.monotonic() > end_s:
            break
    return net.eval(), seen


def teller(net: nn.Module) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A picture (H, W, 3) to its map of probabilities (1, H, W)."""
    preprocess = Preprocess(SIDE, SIDE)

    def tell(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = torch.from_numpy(preprocess.apply(image)).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            p = torch.sigmoid(net(x)["logits"])[0, 0].numpy()
        return np.asarray(cv2.resize(p, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)[None]

    return tell
