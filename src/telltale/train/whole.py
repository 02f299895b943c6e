"""Whole pictures with labels of the picture as a whole. Knows nothing of networks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from telltale.frame import Image
from telltale.project import Augment
from telltale.tasks import Target, Task
from telltale.train.arrays import Arrays, pick_side
from telltale.train.augment import Moves, augment, draw_moves, to_float
from telltale.train.feed import Batch, BatchTarget, MakeBatch, Watched

WATCH_BATCH = 128


class WholePictures:
    """Feeds `Arrays`, each picture moved as a whole."""

    def __init__(self, task: Task, arrays: Arrays, settings: Augment) -> None:
        self.arrays, self.settings = arrays, settings
        self.mirrored = task.mirror(arrays.target)
        self.labels = pick_side(arrays.target, arrays.train)

    def __len__(self) -> int:
        return len(self.arrays.train)

    @property
    def watching(self) -> bool:
        return len(self.arrays.watch) > 0

    def order(self, generator: torch.Generator) -> Tensor:
        """The training rows, shuffled."""
        return torch.from_numpy(self.arrays.train)[torch.randperm(len(self.arrays.train), generator=generator)]

    def draw(self, rows: Tensor, generator: torch.Generator, device: torch.device) -> MakeBatch:
        """A batch moved by random moves; the labels of a flipped picture are mirrored."""
        height, width = self.arrays.pixels.shape[1:3]
        moves = draw_moves(len(rows), height, width, self.settings, generator)
        return lambda share: self._make(rows[share], moves.part(share), device)

    def _make(self, rows: Tensor, moves: Moves, device: torch.device) -> Batch:
        pixels = torch.from_numpy(self.arrays.pixels[rows.numpy()]).to(device)
        flipped = moves.flipped[:, None]
        plain, mirrored = (_tensors(side, rows) for side in (self.arrays.target, self.mirrored))
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

    def watched(self, device: torch.device) -> Iterator[Watched]:
        """The watched rows, unmoved."""
        rows = self.arrays.watch
        for start in range(0, len(rows), WATCH_BATCH):
            part = rows[start : start + WATCH_BATCH]
            batch = BatchTarget(*(t.to(device) for t in _tensors(self.arrays.target, torch.from_numpy(part))))
            pixels = to_float(torch.from_numpy(self.arrays.pixels[part]).to(device))
            yield Watched(pixels, batch, pick_side(self.arrays.target, part))

    def pairs(self, seed: int, count: int) -> list[tuple[Image, Image]]:
        """Each picture as it is, and moved and recoloured."""
        generator = torch.Generator().manual_seed(seed)
        picked = self.arrays.train[torch.randperm(len(self.arrays.train), generator=generator)[:count].numpy()]
        pixels = self.arrays.pixels[picked]  # (count, H, W, 3)
        moves = draw_moves(len(pixels), pixels.shape[1], pixels.shape[2], self.settings, generator)
        moved = augment(torch.from_numpy(pixels), moves).permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).numpy()
        return list(zip(pixels, moved, strict=True))


def _tensors(target: Target, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values, known and hidden of some rows, as floats."""
    index = rows.numpy()
    return (
        torch.from_numpy(target.values[index]),
        torch.from_numpy(target.known[index]).float(),
        torch.from_numpy(target.hidden[index]).float(),
    )
