"""Whole pictures with labels of the picture as a whole. Knows nothing of networks."""

from __future__ import annotations

import torch
from torch import Tensor

from telltale.frame import Image
from telltale.project import Augment
from telltale.tasks import Task
from telltale.train.array_feed import ArrayFeed, as_floats
from telltale.train.arrays import Arrays, pick_side
from telltale.train.augment import Moves, augment
from telltale.train.feed import Batch, BatchTarget


class WholePictures(ArrayFeed):
    """Feeds `Arrays`, each picture moved as a whole."""

    watch_batch = 128

    def __init__(self, task: Task, arrays: Arrays, settings: Augment) -> None:
        super().__init__(task, arrays, pick_side(arrays.target, arrays.train), settings)

    def make(self, rows: Tensor, moves: Moves, device: torch.device) -> Batch:
        pixels = torch.from_numpy(self.arrays.pixels[rows.numpy()]).to(device)
        flipped = moves.flipped[:, None]
        plain, mirrored = (as_floats(pick_side(side, rows.numpy())) for side in (self.arrays.target, self.mirrored))
        target = BatchTarget(*(torch.where(flipped, m, p).to(device) for p, m in zip(plain, mirrored, strict=True)))
        hints = None
        if self.arrays.hints is not None and self.arrays.hints.names:
            index = rows.numpy()
            mirrored_hints, plain_hints = self.arrays.hints.mirrored[index], self.arrays.hints.values[index]
            hints = torch.where(flipped, torch.from_numpy(mirrored_hints), torch.from_numpy(plain_hints)).to(device)
        lesson = None
        if self.arrays.lessons is not None:
            as_is, turned = (torch.from_numpy(side[rows.numpy()]) for side in self.arrays.lessons)
            lesson = torch.where(flipped, turned, as_is).to(device)
        return Batch(augment(pixels, moves), target, hints, lesson)

    def pairs(self, seed: int, count: int) -> list[tuple[Image, Image]]:
        """Each picture as it is, and moved and recoloured."""
        generator = torch.Generator().manual_seed(seed)
        picked = self.arrays.train[torch.randperm(len(self.arrays.train), generator=generator)[:count].numpy()]
        pixels = self.arrays.pixels[picked]  # (count, H, W, 3)
        moves = self.draw_moves(len(pixels), generator)
        moved = augment(torch.from_numpy(pixels), moves).permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).numpy()
        return list(zip(pixels, moved, strict=True))
