"""The yardstick: a plain three-layer CNN with one output a name, as a tutorial would build it.

32-64-128 channels of conv3x3, ReLU and 2x2 max pooling over 160x160 pixels, a global mean and for each
name a head of 64 hidden units: 135k parameters with five names. Adam, plain binary cross-entropy, no
augmentation, no averaging.
"""

from __future__ import annotations

import time

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

SIDE = 160
BATCH = 32
HIDDEN = 64


class Heads(nn.Module):
    """(N, C) -> (N, names): a small net of its own for each name."""

    def __init__(self, channels: int, names: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(channels, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)) for _ in range(names)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([head(x) for head in self.heads], 1)


def make(names: int) -> nn.Sequential:
    """(N, 3, 160, 160) in 0..1 -> (N, names) logits."""
    layers: list[nn.Module] = []
    into = 3
    for channels in (32, 64, 128):
        layers += [nn.Conv2d(into, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        into = channels
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), Heads(into, names)]
    return nn.Sequential(*layers)


def baseline(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.float32],
    test_pixels: NDArray[np.uint8],
    cpu_s: float,
    *,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Train for `cpu_s` seconds of processor time, on one thread, and answer the test pictures.

    Processor time is the same on a busy machine as on an idle one.

    pixels, test_pixels: (N, H, W, 3) of any size, resized to 160x160. labels: (N, K) 0 or 1.
    -> (test N, K) probabilities.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = make(labels.shape[1])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    train = torch.from_numpy(_resize(pixels))
    target = torch.from_numpy(labels)
    generator = torch.Generator().manual_seed(seed)
    end_s = time.process_time() + cpu_s
    while time.process_time() < end_s:
        for rows in torch.split(torch.randperm(len(train), generator=generator), BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(network(_floats(train[rows])), target[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if time.process_time() >= end_s:
                break
    network.eval()
    with torch.no_grad():
        answers = [
            torch.sigmoid(network(_floats(part))) for part in torch.split(torch.from_numpy(_resize(test_pixels)), 64)
        ]
    return np.asarray(torch.cat(answers).numpy(), np.float32)


def _resize(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in pixels]).astype(
        np.uint8
    )


def _floats(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2).float() / 255
